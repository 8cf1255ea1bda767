"""Method `policy` of `solve`: a trained policy's decision in one slot."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

from ..limits import has_battery
from ..problem import Problem
from ..result import Result
from ..solvers.baselines import evaluated
from .checkpoint import Checkpoint, same_scenario
from .deciders import network
from .train import decide


def policy(problem: Problem, *, checkpoint: str | None = None) -> Result:
    """Return the decision of a trained policy, or the limits that it breaks.

    Parameters
    ----------
    problem : of the scenario that the policy was trained for
    checkpoint : folder that `semopt train` wrote
    """
    if checkpoint is None:
        raise ValueError("method 'policy' needs --checkpoint, a folder that semopt train wrote")
    if has_battery(problem):
        raise ValueError(
            "method 'policy' decides one slot, and user.battery_mj couples those of a queue: "
            "semopt evaluate plays the checkpoint on whole queues"
        )
    folder = Path(checkpoint)
    trained = read(folder, written(folder))
    same_scenario(trained.description, problem.origin, problem.gain.shape, str(folder))
    place = problem.origin.get("channel", {}).get("file", "")
    learner = loaded(folder, written(folder), place)
    actions = decide(learner.env, learner.policy, problem.gain[None], problem.task[None])
    return evaluated(problem, "policy", "torch", actions.take(0))


def written(folder: Path) -> int:
    """Return when a checkpoint was written, so that a later one is read again."""
    path = folder / "checkpoint.json"
    return path.stat().st_mtime_ns if path.exists() else 0


@lru_cache(maxsize=4)
def read(folder: Path, _: int) -> Checkpoint:
    """Return a checkpoint; many slots are answered by one reading."""
    return Checkpoint.read(folder)


@lru_cache(maxsize=4)
def loaded(folder: Path, stamp: int, trace: str) -> Any:
    """Return its policy; `trace` is where the file of gains lies, if there is one."""
    checkpoint = read(folder, stamp)
    return network(checkpoint, folder, {"channel": {"file": trace}} if trace else {})
