"""A figure is one row: who lists figures sees it, or says where it is lacking."""

import subprocess
import sys
from dataclasses import fields
from inspect import signature

import numpy as np
import pytest

from semopt import Problem, Scenario
from semopt.figures import RECORDS, SECTIONS, Figure

# What a file's unit is worth in SI, worked by hand.
IN_SI = {
    "bandwidth_mhz": ("bandwidth", 2.0, 2e6),
    "noise_mw": ("noise", 2.0, 2e-3),
    "server_frequency_ghz": ("server_frequency", 3.0, 3e9),
    "latency_max_ms": ("latency_max", 5.0, 5e-3),
    "slope_latency_per_ms": ("slope_latency", 5.138, 5138.0),
    "slope_energy_per_mj": ("slope_energy", 1.049, 1049.0),
    "data_kbit": ("bits", 2.641, 2641.0),
    "local_mflop": ("local_flop", 4.52, 4.52e6),
    "energy_max_mj": ("energy_max", 32.0, 32e-3),
    "battery_mj": ("battery", 150.0, 0.15),
}
MADE_UP = """
from semopt import figures
from semopt.allowed import LIMIT

row = figures.Figure("harvest", "harvest_mj", LIMIT, "energy of a queue", float("inf"), True)
figures.RECORDS["user"] += (row,)
figures.SECTIONS["user"] += (row,)
figures.SECTIONS["users"] += (row,)
check_names = figures.check_names
"""
BLIND = "figures.check_names = lambda *_: None"


@pytest.mark.parametrize("key", IN_SI)
def test_units(key):
    name, given, want = IN_SI[key]
    figure = next(f for rows in RECORDS.values() for f in rows if f.name == name)
    assert figure.key == key
    assert figure.si(given) == want


def test_every_figure_is_an_argument_a_field_and_a_key():
    arguments = signature(Problem.from_arrays).parameters
    problem = Scenario.load("tiny").problem()
    records = {"system": problem.system, "user": problem.users, "task": problem.tasks}
    for owner, rows in RECORDS.items():
        for figure in rows:
            assert figure.name in arguments
            assert f"        {figure.name} : " in Problem.from_arrays.__doc__
            assert figure.name in {field.name for field in fields(records[owner])}
    schema = Scenario.json_schema()["$defs"]
    titles = {"system": "System", "qoe": "Qoe", "user": "User", "users": "Override", "task": "Task"}
    for section, rows in SECTIONS.items():
        for figure in rows:
            assert figure.key in schema[titles[section]]["properties"], (section, figure.key)


def run(code):
    command = [sys.executable, "-c", MADE_UP + code]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_made_up_figure_is_a_key_of_files_with_its_sentence():
    found = run(f"""
{BLIND}
from semopt.scenario.sections import keys_of, Override, User
print(keys_of(User)["harvest_mj"], "|", keys_of(Override)["harvest_mj"])
""")
    assert found.stdout == "energy of a queue, mJ | energy of a queue, mJ\n"


def test_a_made_up_figure_is_asked_for_where_it_is_lacking():
    found = run("import semopt.problem")
    words = "figure 'harvest' of a user stands in semopt/figures.py, and not in Users of semopt"
    assert words in found.stderr
    found = run(f"""
{BLIND}
import semopt.problem
assert "harvest" in semopt.problem.Problem.from_arrays.__doc__
figures.check_names = check_names
import semopt.backends.packing
""")
    assert "stands in semopt/figures.py, and not in csrc/model/model.h" in found.stderr


LIMITS = """
from semopt import figures
from dataclasses import replace
latency, *others = figures.LIMITS
"""


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("(replace(latency, bit=8), *others)", "with bit 1, and with bit 8 in semopt/figures.py"),
        ("tuple(others)", "limit 'latency' stands in csrc/model/model.h with bit 1, and not in"),
    ],
)
def test_the_extension_and_the_table_have_the_same_limits(change, words):
    code = f"{LIMITS}\nfigures.LIMITS = {change}\nimport semopt.backends.packing"
    command = [sys.executable, "-c", code]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert words in found.stderr.splitlines()[-1]


def test_a_figure_given_for_another_stands_in_for_it():
    scenario = Scenario.load("tiny")
    tasks, document = scenario.problem().tasks, scenario.to_dict()
    assert np.array_equal(tasks.semantic_bits, tasks.bits)
    document["tasks"]["text"] |= {"semantic_kbit": 1.5, "extraction_max": 0.9}
    tasks = Scenario.from_dict(document).problem().tasks
    text = tasks.names.index("text")
    assert tasks.semantic_bits[text] == 1500.0
    assert np.delete(tasks.semantic_bits, text) == np.delete(tasks.bits, text)


def test_unknown_and_missing_arguments_are_named():
    with pytest.raises(TypeError, match="no argument 'bandwith'"):
        Problem.from_arrays(gain=[[1.0]], accuracy=TABLE, bandwith=1.0)
    with pytest.raises(TypeError, match="needs latency_max: limit of a task's latency"):
        Problem.from_arrays(gain=[[1.0]], accuracy=TABLE)


TABLE = Scenario.load("tiny").problem().tasks.accuracy[0]


def test_a_row_says_its_unit():
    assert Figure("x", "x_per_ms", None, "").unit == ("1/ms", "1/s", 3)
    assert Figure("x", "speed", None, "").unit == ("", "", 0)
