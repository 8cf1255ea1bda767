"""Method `policy` of `solve`: a trained policy's decision in one slot.

`mappo` and `dqn` are its old names, each for policies of its own algorithm.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

from ..problem import Problem
from ..result import Result
from ..solvers.baselines import judged
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
    return answer(problem, "policy", checkpoint)


def mappo(problem: Problem, *, checkpoint: str | None = None) -> Result:
    """Return the decision of a policy that MAPPO trained, or distillation: it is the same network.

    Parameters are those of `policy`.
    """
    return answer(problem, "mappo", checkpoint, ("mappo", "distill"))


def dqn(problem: Problem, *, checkpoint: str | None = None) -> Result:
    """Return the decision of a policy that DQN trained; parameters are those of `policy`."""
    return answer(problem, "dqn", checkpoint, ("dqn",))


def answer(
    problem: Problem, method: str, checkpoint: str | None, algorithms: tuple[str, ...] = ()
) -> Result:
    """Return a policy's decision as a method's, or the limits that it breaks.

    `algorithms` are those that may have trained it; any where there is none.
    """
    if checkpoint is None:
        raise ValueError(f"method {method!r} needs --checkpoint, a folder that semopt train wrote")
    folder = Path(checkpoint)
    kept = read(folder, written(folder))
    description = kept.description
    if algorithms and description.algorithm not in algorithms:
        raise ValueError(
            f"{folder} holds a policy of {description.algorithm}: method {method!r} needs one of "
            f"{' or '.join(algorithms)}"
        )
    same_scenario(description, problem.origin, problem.gain.shape, str(folder))
    place = problem.origin.get("channel", {}).get("file", "")
    learner = loaded(folder, written(folder), place)
    actions = decide(learner.env, learner.policy, problem.gain[None], problem.task[None])
    return judged(problem, method, "torch", actions.take(0))


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
