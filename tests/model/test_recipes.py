"""The recipes of the README, followed to the letter on a copy of the package.

What is inserted is all that a recipe asks for, and what is asserted is what a user notices.
"""

import shutil
import subprocess
from math import atan, pi
from pathlib import Path
from shutil import which

import pytest

from recipes import FILES, LINES, Copy
from semopt import _core

NEW_LIMIT = "Add a limit (here: a least QoE of each user)"  # of README.md

# "Add a limit": here a user's least QoE. File -> what is found there, what takes its place.
LIMIT = {
    "semopt/figures.py": [
        (
            ")\nWEIGHTS = (",
            '    Figure("qoe_min", "qoe_min", FRACTION, "least QoE", 0.0, optional=True),\n'
            ")\nWEIGHTS = (",
        ),
        (
            ")\nUSER_LIMITS =",
            '    Limit("QoE", 8, "qoe", "qoe_min", worse=-1),\n)\nUSER_LIMITS =',
        ),
    ],
    "semopt/problem.py": [
        ("    weight_latency: Floats\n", "    qoe_min: Floats\n    weight_latency: Floats\n"),
    ],
    "csrc/model/model.h": [
        ("    FIELD(weight_latency) ", "    FIELD(qoe_min) \\\n    FIELD(weight_latency) "),
        (
            '    LIMIT("server energy"',
            '    LIMIT("QoE", 8, outcome.qoe >= user.qoe_min) \\\n    LIMIT("server energy"',
        ),
        (
            ";\n}\n\n// The limits that an outcome breaks",
            " &\n (qoe >= user.qoe_min);\n}\n\n// The limits that an outcome breaks",
        ),
    ],
}

# "Another score": here 1/2 + arctan(x) / pi.
SCORE = {
    "semopt/model.py": [
        ('SCORE, TOP_SCORE = "logistic", 1.0', 'SCORE, TOP_SCORE = "arctan", 1.0'),
        (
            "    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(x, -700.0, 700.0))))\n",
            "    return np.asarray(0.5 + np.arctan(x) / np.pi)\n",
        ),
        ("    return value * (1.0 - value)\n", "    return np.sin(np.pi * value) ** 2 / np.pi\n"),
        (
            "    return 2.0 * np.log(root) - np.log(np.maximum(4.0 * slope, 1e-300))\n",
            "    slope = np.maximum(np.pi * slope, 1e-300)\n"
            "    return np.sqrt(np.maximum(1.0 / slope - 1.0, 0.0))\n",
        ),
    ],
}


def edited(recipe, place, text):
    """Return a file's text with a recipe's lines in it."""
    for found, instead in recipe[place]:
        assert text.count(found) == 1, (place, found)
        text = text.replace(found, instead)
    return text


def written(found, instead):
    """Return how many lines somebody writes."""
    return len([line for line in instead.splitlines() if line not in found.splitlines()])


def followed(folder, recipe, name):
    """Return a copy of the package in which a recipe was followed."""
    copy = Copy(folder / "copy", name)
    for place in recipe:
        if place.startswith("semopt/"):
            file = copy.folder / place
            file.write_text(edited(recipe, place, file.read_text()))
    return copy


def run(copy, code):
    """Return the lines that a program prints which imports the copy."""
    return copy.run("-c", f"import numpy as np\n{code}").splitlines()


@pytest.mark.parametrize("recipe", [LIMIT, SCORE], ids=["limit", "score"])
def test_a_recipe_is_short(recipe):
    lines = sum(written(*entry) for entries in recipe.values() for entry in entries)
    assert len(recipe) <= FILES
    assert len(recipe) <= lines <= LINES


def test_the_recipe_of_a_limit_says_what_is_written(tmp_path):
    text = Copy(tmp_path / "copy", NEW_LIMIT).recipe
    done = " ".join(" ".join(new for entries in LIMIT.values() for _, new in entries).split())
    for words in (
        'Figure("qoe_min", "qoe_min", FRACTION, "least QoE", 0.0, optional=True)',
        'Limit("QoE", 8, "qoe", "qoe_min", worse=-1)',
        *("qoe_min: Floats", "FIELD(qoe_min)", 'LIMIT("QoE", 8, outcome.qoe >= user.qoe_min)'),
        "& (qoe >= user.qoe_min)",
    ):
        assert f"`{words}`" in text
        assert words in done
    assert all(f"`{place}`" in text for place in LIMIT)


# A slot in which the best decision leaves user 1 a QoE of 0.4699.
SLOT = """
from semopt import Scenario, solve
document = Scenario.load("contended").to_dict()
document["grid"] = dict.fromkeys(document["grid"], 4)
gain, task = [[0.6565, 2.801], [0.0604, 0.2838]], ["text", "image"]
free = Scenario.from_dict(document).problem(gain, task)
document["user"]["qoe_min"] = 0.5
document["slot"] = {"gain": gain, "tasks": task}
scenario = Scenario.from_dict(document)
problem = scenario.problem()
"""


def test_a_new_limit_binds_in_the_readable_model_and_whoever_does_not_know_it_says_so(tmp_path):
    told = run(
        followed(tmp_path, LIMIT, NEW_LIMIT),
        SLOT
        + """
from dataclasses import replace
from semopt.env.environment import Environment
from semopt.model import rewards
before, after = (solve(p, backend="numpy") for p in (free, problem))
print(after.status.word, before.outcome().qoe.min() < 0.5 <= after.outcome().qoe.min())
print(after.objective < before.objective, after.violations())
blamed = replace(before, problem=problem)
print(blamed.violations(), [user["feasible"] for user in blamed.users_json()])
print(np.round(rewards(problem, blamed.outcome()), 4).tolist())
same = solve(problem, "exhaustive", backend="numpy")
print(abs(same.objective - after.objective) < 1e-12)
document["user"]["qoe_min"] = 0.99
reason = solve(Scenario.from_dict(document).problem(), backend="numpy").infeasibility.to_json()
print(reason[1]["limits"], reason[1]["modes"]["semantic"])
for attempt in (
    *(lambda method=m: solve(problem, method) for m in ("exact", "exhaustive", "local")),
    lambda: Environment(scenario),
    *(lambda method=m: solve(problem, method) for m in ("global", "relaxation")),
):
    try:
        print(attempt())
    except ValueError as error:
        print(error)
""",
    )
    assert told == [
        "optimal True",
        "True []",
        "['user 1 breaks its QoE limit'] [True, False]",
        "[0.8102, -0.0602]",  # (0.5 - 0.4699) / 0.5
        "True",
        "['QoE', 'latency'] ['QoE']",
        *[
            "user.qoe_min is a limit that csrc/model/model.h does not know: "
            "choose backend 'numpy', or leave it out"
        ]
        * 4,
        "user.qoe_min is a limit that method 'global' does not know: use method 'exact'",
        "user.qoe_min is a limit that method 'relaxation' does not know: use method 'exact'",
    ]


def test_commands_show_and_verify_a_new_limit(tmp_path):
    copy, file, out = followed(tmp_path, LIMIT, NEW_LIMIT), tmp_path / "s.toml", tmp_path / "r.json"
    run(copy, SLOT + f"open({str(file)!r}, 'w').write(scenario.to_toml())")
    solved, sound = (
        run(copy, f"from semopt.cli.entry import run\nprint(run({words!r}))")
        for words in (
            ["solve", str(file), "--backend", "numpy", "--json", str(out)],
            ["verify", str(out)],
        )
    )
    heads = " ".join(solved[2:4]).split()
    assert "≥0.5" in heads
    assert (solved[-1], sound[-1]) == ("0", "0")
    assert sound[0].startswith("verified")
    out.write_text(out.read_text().replace('"qoe_min": 0.5', '"qoe_min": 0.6'))
    forged = run(copy, f"from semopt.cli.entry import run\nprint(run({['verify', str(out)]!r}))")
    assert forged == ["false: users: user 1 breaks its QoE limit", "1"]


def test_a_limit_is_three_lines_more_of_the_kernels(tmp_path):
    if which("g++") is None:
        pytest.skip("the kernels' formulas are compiled with g++, which is not here")
    headers = Path(_core.__file__).parent / "include/model"
    shutil.copytree(headers, tmp_path / "model")
    file = tmp_path / "model/model.h"
    file.write_text(edited(LIMIT, "csrc/model/model.h", file.read_text()))
    (tmp_path / "main.cpp").write_text(
        """
#include <cstdio>
#include <initializer_list>
#include "model/model.h"
using namespace semopt;
int main() {
    const System<double> system{.latency_max = 1};
    const User<double> user{.energy_max = 1, .qoe_min = 0.5};
    const Task<double> task{};
    for (double qoe : {0.4, 0.5}) {
        const Outcome<double> found{0.5, 2.0 * (qoe < 0.5), 1, qoe};
        std::printf("%d %d\\n", int(violations(system, user, task, found)),
                    int(affordable(system, user, task, found.latency, found.energy, qoe)));
    }
#define SHOWN(name, bit, kept) std::printf("%s %d\\n", name, bit);
    SEMOPT_LIMITS(SHOWN)
}
"""
    )
    compiler = [
        "g++",
        "-std=c++20",
        "-Wall",
        "-Werror",
        f"-I{tmp_path}",
        str(tmp_path / "main.cpp"),
    ]
    subprocess.run([*compiler, "-o", str(tmp_path / "main")], check=True)
    told = subprocess.run([tmp_path / "main"], capture_output=True, text=True, check=True)
    assert told.stdout.splitlines() == [
        *("10 0", "0 1"),
        *("latency 1", "energy 2", "accuracy 4", "QoE 8", "server energy 0"),
    ]


def test_another_score_counts_in_all_of_python_and_kernels_without_it_say_so(tmp_path):
    told = run(
        followed(tmp_path, SCORE, "Another score"),
        """
from dataclasses import replace
from semopt import Actions, Scenario, solve
from semopt.model import evaluate
tiny = Scenario.load("tiny").problem()
local = Actions(np.array([-1, -1]), np.zeros(2), np.array([5e8, 1e9]), np.ones(2))
print(*np.round(evaluate(tiny, local).qoe, 12).tolist())
contended = Scenario.load("contended")
problem = contended.problem([[0.6565, 2.801], [0.0604, 0.2838]], ["text", "image"])
best = solve(problem, backend="numpy")
bound = solve(problem, "relaxation").upper_bound
print(best.status.word, best.violations(), 0.0 <= bound - best.objective < 0.1)
for method in ("exact", "exhaustive", "global"):
    try:
        print(solve(problem, method))
    except ValueError as error:
        print(error)
""",
    )
    # Text at half the clock: 3 ms later, 22.5 mJ less; slopes are 1 / ms and 0.1 / mJ.
    half = 0.5 + (0.5 * atan(-3.0) + 0.25 * atan(2.25)) / pi
    assert told[0].split() == [f"{half:.12g}", "0.5"]
    assert told[1] == "optimal [] True"
    words = "score 'arctan': csrc/model/model.h has 'logistic': choose backend 'numpy'"
    assert all(line.startswith(words) for line in told[2:])
    assert len(told) == 5
