"""The policies by their names (`methods.QUEUE_POLICIES`)."""

from __future__ import annotations

from importlib import import_module

from ..allowed import one_of
from ..battery import reading_of
from ..limits import has_battery
from ..methods import QUEUE_POLICIES
from ..scenario import Scenario
from ..solvers.queue.hindsight import check_options
from .policy import GridPolicy
from .training import Training


def names() -> tuple[str, ...]:
    """Return the names of all policies, from the plainest."""
    return tuple(QUEUE_POLICIES)


def make(name: str, training: Training | Scenario) -> GridPolicy:
    """Return a policy for the queues of a scenario, fitted where it has anything to fit.

    Parameters
    ----------
    name : of `names`
    training : the draws of the fit; several policies may share them. A scenario stands for those of
        seed 0

    Raises
    ------
    ValueError
        For another name, or a scenario without a battery, of another objective than the sum or with
        a limit on all users together

    Examples
    --------
    >>> import semopt
    >>> scenario = semopt.Scenario.load("contended").replace({"user.battery_mj": 150.0})
    >>> gain, task = scenario.draw(slots=5, seed=1)  # the first tasks of five queues
    >>> import numpy as np
    >>> left = np.full(task.shape, 0.150)
    >>> actions, skipped = make("greedy", scenario)(gain, task, left, tasks_left=10)
    >>> actions.channel.shape, bool(skipped.any())
    ((5, 2), False)
    """
    one_of("policy", name, names())
    if isinstance(training, Scenario):
        training = Training(training)
    problem = training.scenario.template()
    if not has_battery(problem):
        raise ValueError(
            f"{name}: no user of scenario {training.scenario.name} has a battery: set "
            "user.battery_mj, or use method 'exact', which is best slot by slot"
        )
    check_options(problem, "exact", reading_of(problem))
    policy: GridPolicy = import_module(f".{QUEUE_POLICIES[name][1]}", __package__).make(
        problem, training
    )
    return policy
