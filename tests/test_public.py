"""What semopt offers to whoever explores it: names, and what they do with bad arguments."""

import ast
import inspect
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import semopt

FUNCTIONS = "solve solve_batch ladder explain verify evaluate bound"
CLASSES = "Scenario Problem Result Batch Solver Environment"


def test_dir_lists_what_is_public_and_each_name_is_there():
    assert {*FUNCTIONS.split(), *CLASSES.split()} <= set(dir(semopt))
    for name in dir(semopt):
        assert getattr(semopt, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'solv'"):
        _ = semopt.solv


def test_checkers_of_types_see_the_same_names():
    tree = ast.parse(Path(semopt.__file__).read_text())
    imported = {
        alias.asname: (node.module, alias.name)
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.level
        for alias in node.names
    }
    assert imported == {name: (home, name) for name, home in semopt._HOMES.items()}


@pytest.mark.parametrize("name", semopt.__all__)
def test_what_is_public_says_what_it_is_and_names_what_it_raises(name):
    public = getattr(semopt, name)
    words = inspect.getdoc(public)
    assert words
    assert words != inspect.getdoc(type(public))
    if inspect.isfunction(public) and inspect.signature(public).parameters:
        for section in ("Parameters", "Raises", "Examples"):
            assert f"{section}\n---" in words, f"{name} has no {section}"
        described = words[words.index("Parameters") :]
        for parameter in inspect.signature(public).parameters:
            assert parameter in described, f"{name} says nothing of {parameter}"


def test_a_name_costs_nothing_before_it_is_used():
    code = "import sys, semopt; dir(semopt); "
    code += "print([m for m in sys.modules if m.startswith(('semopt.', 'numpy', 'pydantic'))])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.split() == ["[]"]


def test_slots_come_as_problems_scenarios_names_and_files(tmp_path):
    # 1.503385: the slot of README that is checked by hand.
    tiny = semopt.Scenario.load("tiny")
    file = tmp_path / "mine.toml"
    file.write_text(tiny.to_toml())
    for slot in (tiny.problem(), tiny, "tiny", file, str(file)):
        assert semopt.solve(slot).objective == pytest.approx(1.503385, abs=5e-7)
        assert semopt.bound(slot) >= 1.503385
    assert semopt.explain(file).keys() == {0, 1}
    with pytest.raises(ValueError, match=r"method = 'exact': must be one of relaxation, global"):
        semopt.bound("tiny", "exact")


def test_a_bound_of_an_infeasible_slot_says_so():
    tight = semopt.Scenario.load("tiny").replace({"system.latency_max_ms": 1e-6})
    assert semopt.bound(tight) == -np.inf
    assert semopt.bound(tight, "global") == -np.inf


def test_verify_takes_what_solve_returns(tmp_path):
    result = semopt.solve("tiny")
    file = tmp_path / "result.json"
    file.write_text(json.dumps(result.to_json()))
    assert semopt.verify(result) == semopt.verify(file)
    gain, task = semopt.Scenario.load("paper").draw(3, seed=1)
    assert "3 of 3 slots" in semopt.verify(semopt.solve_batch("paper", gain, task))
    result.actions.power[0] *= 2
    with pytest.raises(semopt.FalseClaim, match="user 0 breaks its power limit"):
        semopt.verify(result)


def always_local(seen):
    shares = np.zeros((*seen.shape[:2], 6))
    user = semopt.Scenario.load("paper").user
    low, high = user.frequency_ghz
    shares[..., 2] = (user.reference_frequency_ghz - low) / (high - low)
    return shares


def test_functions_are_scored_as_names_are():
    found = semopt.evaluate(
        ["reference", always_local, always_local], "paper", slots=20, reference="exact"
    )
    assert [*found.scores] == ["reference", "always_local", "always_local #2"]
    qoe = [score.qoe for score in found.scores.values()]
    assert qoe == pytest.approx([0.5, 0.5, 0.5], abs=1e-6)  # all-local scores 0.5 by construction
