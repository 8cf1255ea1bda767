"""The examples in docstrings of what is public are run."""

import doctest

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
