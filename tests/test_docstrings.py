"""The examples in docstrings of what is public are run."""

import doctest
import re
from pathlib import Path

import pytest

import semopt
from semopt import channel

FINDER = doctest.DocTestFinder(exclude_empty=True)
EXAMPLES = {
    test.name: test
    for home in (semopt, channel)
    for name in home.__all__
    for test in FINDER.find(getattr(home, name), f"{home.__name__}.{name}")
    if test.examples
}


def test_examples_are_found():
    assert {"semopt.Scenario", "semopt.channel.from_mat"} <= set(EXAMPLES)


@pytest.mark.parametrize("name", EXAMPLES)
def test_example(name):
    lines = []
    assert doctest.DocTestRunner().run(EXAMPLES[name], out=lines.append).failed == 0, "".join(lines)


def test_the_python_of_the_readme_runs(tmp_path, monkeypatch):
    pytest.importorskip("pyarrow")
    monkeypatch.chdir(tmp_path)
    text = (Path(__file__).parents[1] / "README.md").read_text()
    (block,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    few = {"slots=1000": "slots=20", '"constant", ': "", "scenario)  # or": "scenario, 20)  #"}
    for written, shorter in few.items():
        assert written in block
        block = block.replace(written, shorter)
    names = {}
    exec(block, names)
    assert "the decision is feasible" in names["verify"](names["result"])
    assert (tmp_path / "slots.parquet").exists()
