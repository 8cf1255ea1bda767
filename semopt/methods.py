"""The methods of `solve` by name, and where each is, to be read without loading it."""

from __future__ import annotations

# Below `solvers`, whose modules are imported when asked for: some need packages that take long to
# load, and what re-checks a result needs none.
METHODS = {
    "reference": "baselines:reference",
    "local": "baselines:local",
    "semantic-unaware": "baselines:semantic_unaware",
    "exhaustive": "exhaustive:solve",
    "exact": "matching:solve",
    "global": "branch:solve",
    "relaxation": "relaxation.bound:solve",
    "policy": ".learn.answer:policy",
    "mappo": ".learn.answer:mappo",
    "dqn": ".learn.answer:dqn",
}
