"""The examples in docstrings of what is public are run."""

import doctest

import pytest

import semopt

FINDER = doctest.DocTestFinder(exclude_empty=True)
EXAMPLES = {
    test.name: test
    for name in semopt.__all__
    for test in FINDER.find(getattr(semopt, name), f"semopt.{name}")
    if test.examples
}


def test_examples_are_found():
    assert "semopt.Scenario" in EXAMPLES


@pytest.mark.parametrize("name", EXAMPLES)
def test_example(name):
    lines = []
    assert doctest.DocTestRunner().run(EXAMPLES[name], out=lines.append).failed == 0, "".join(lines)
