"""The registries of names: methods, algorithms, policies for queues, read without loading any.

Each stands below the rooms whose modules it names: some need packages that take long to load, and
what re-checks a result needs none.
"""

from __future__ import annotations

from typing import Any

# Where each method is: a function from a problem and its own keyword options to a `Result`, below
# `solvers` unless the place begins with a dot.
METHODS = {
    "reference": "baselines:reference",
    "local": "baselines:local",
    "semantic-unaware": "baselines:semantic_unaware",
    "exhaustive": "exhaustive:solve",
    "exact": "matching:solve",
    "global": "continuous:solve",
    "relaxation": "relaxation.bound:solve",
    "policy": ".learn.answer:policy",
}
# What an algorithm does, and its module below `learn`; `learn.algorithms` says what it offers.
ALGORITHMS = {
    "mappo": ("learns from rewards", "mappo"),
    "dqn": ("learns from rewards", "dqn"),
    "distill": ("imitates the exact optimum", "distill"),
}
# What decides queues with batteries online, and its module below `online`, which has `make`.
QUEUE_POLICIES = {
    "greedy": ("the best QoE that is affordable", "greedy"),
    "equal-split": ("the same, for at most an equal part of what is left", "equal_split"),
    "price": ("the best QoE less energy at fixed prices", "price"),
    "receding-price": ("the same, at the price of what is left a task", "receding_price"),
    "lyapunov": ("drift plus penalty, by a virtual queue of overspending", "lyapunov"),
    "dp": ("dynamic programming, a value function of each user's energy", "dynamic"),
}
# Names that are still understood, and what they are called now.
OLD_METHODS = {"mappo": "policy", "dqn": "policy"}
OLD_OPTIONS = {"exhaustive": {"checkpoint": "resume"}}


def renamed(method: str, options: dict[str, Any]) -> tuple[str, dict[str, Any], list[str]]:
    """Return a method and its options by the names of today, and a sentence on each old name.

    An option that is None counts as not given.
    """
    from .allowed import one_of  # NumPy, which the table of commands needs not

    if not (isinstance(method, str) and method in OLD_METHODS):
        one_of("method", method, tuple(METHODS))
    notes, options = [], dict(options)
    if method in OLD_METHODS:
        notes.append(f"method {method!r} is an old name of {OLD_METHODS[method]!r}")
        method = OLD_METHODS[method]
    for old, new in OLD_OPTIONS.get(method, {}).items():
        value = options.pop(old, None)
        if value is not None:
            notes.append(f"option {old!r} of method {method!r} is an old name of {new!r}")
            options[new] = value if options.get(new) is None else options[new]
    return method, options, notes
