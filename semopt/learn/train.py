"""A training run: updates, validation against the exact optimum, logs and checkpoints.

The same loop for every algorithm; what differs between them stands in their own files.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from importlib import import_module
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..checkpoints import DOCUMENT, flat
from ..env import Environment, Observed, empty_actions
from ..files import write_atomically
from ..model import Actions, evaluate
from ..problem import Floats, Integers
from ..scenario import Scenario
from ..solvers.batch import solve_batch
from ..worth import within_limits
from .actor import as_decisions
from .checkpoint import Checkpoint, Description
from .learner import Learner

ALGORITHMS = ("mappo", "dqn", "distill")
VALIDATION, TRAINING = 1, 2  # streams of a seed; evaluation draws from the seed itself
SLOTS = 512  # of the validation set, the same for every seed
LARGEST = 1e6  # loss or weight beyond which a run has diverged


@dataclass(frozen=True)
class Validation:
    """A fixed set of slots with their optima.

    Attributes
    ----------
    gain, task : (S, N, K) and (S, N), slots whose P0 is feasible
    optimum : (S,) float64
    offloading : share of tasks that the optimum offloads
    """

    gain: Floats
    task: Integers
    optimum: Floats
    offloading: float

    @classmethod
    def draw(cls, env: Environment) -> Validation:
        """Draw slots and solve them exactly."""
        gain, task = env.scenario.draw(SLOTS, stream_seed(0, VALIDATION))
        batch = solve_batch(env.problem, gain, task)
        kept = ~np.isnan(batch.objective)
        if not kept.any():
            raise ValueError(f"scenario {env.scenario.name}: no slot of {SLOTS} drawn is feasible")
        offloading = float((batch.actions.channel[kept] >= 0).mean())
        return cls(gain[kept], task[kept], batch.objective[kept], offloading)

    def score(self, env: Environment, policy: Any) -> dict[str, float]:
        """Return QoE a task, regret a task, and the share of tasks offloaded."""
        actions = decide(env, policy, self.gain, self.task)
        outcome = evaluate(env.problem, actions, self.gain, self.task)
        kept = np.where(within_limits(env.problem, actions, outcome, self.task), outcome.qoe, 0.0)
        qoe = float(kept.mean())
        return {
            "qoe": qoe,
            "regret": float(self.optimum.mean()) / env.users - qoe,
            "offloading": float((actions.channel >= 0).mean()),
        }

    def collapsed(self, offloading: float) -> str:
        """Return a sentence where a policy does one thing that the optimum does not; else ""."""
        for name, share in (("all-local", 0.0), ("all-offload", 1.0)):
            if abs(offloading - share) < 0.005 < 0.05 < abs(self.offloading - share):
                return (
                    f"the policy has collapsed to {name}: it offloads {offloading:.1%} of tasks, "
                    f"the optimum {self.offloading:.1%}"
                )
        return ""


def decide(env: Environment, policy: Any, gain: Floats, task: Integers) -> Actions:
    """Return a network's greedy actions in slots gain (S, N, K), task (S, N)."""
    seen = np.empty((len(task), env.users, env.observation_size), np.float32)
    env.observe(gain, task, seen)
    device = next(policy.parameters()).device
    with torch.no_grad():
        decisions = as_decisions(policy.greedy(torch.from_numpy(seen).to(device)))
    actions = empty_actions(task.shape)
    env.decide(decisions, task, actions)
    return actions


@dataclass(frozen=True)
class Report:
    """Where a run stands, after a validation."""

    updates: int
    agent_steps: int
    seconds: float
    reward: float
    qoe: float
    regret: float
    best: float
    offloading: float
    steps_per_second: float
    losses: dict[str, float]
    note: str


def train(
    description: Description,
    out: Path,
    *,
    time_limit: float | None = None,
    device: str = "auto",
    resume: bool = False,
    report: Callable[[Report], None] = lambda _: None,
) -> str:
    """Train until the updates are done, the time is up, or regret has stopped falling.

    Parameters
    ----------
    description : of the run
    out : folder of checkpoint and logs; must not hold a run unless it is resumed
    time_limit : s, of this call
    device : "auto", "cpu" or "cuda"
    resume : take up the run in `out`: with the same number of threads, the same weights come out as
        without the interruption
    report : called after each validation

    Returns
    -------
    a sentence on why it ended

    Raises
    ------
    ValueError
        For a bad argument, a foreign or unreadable checkpoint, a full disk, or a run that diverged.
    """
    start = perf_counter()
    place = choose_device(device)
    before = prepare(out, description, resume)
    learner, settings = make(description, place)
    progress: dict[str, Any] = {"updates": 0, "agent_steps": 0, "seconds": 0.0}
    progress |= {"best": None, "stale": 0, "threads": torch.get_num_threads()}
    best = weights(learner)
    if before:
        learner.restore(before.tensors)
        best, progress = before.part("best"), dict(before.progress)
        learner.updates, learner.agent_steps = progress["updates"], progress["agent_steps"]
        learner.env.seek(progress["slot"])
    validation = Validation.draw(learner.env)
    earlier = progress["seconds"]
    ended, metrics = "", {"reward": 0.0}
    with logs(out, progress["updates"]) as log:
        while not ended:
            if learner.updates >= settings.updates:
                return "all updates are done"
            metrics = learner.update()
            stop_if_diverged(metrics, learner, out)
            late = time_limit is not None and perf_counter() - start > time_limit
            if late:
                ended = "the time is up; --resume goes on"
            if learner.updates % settings.every and learner.updates < settings.updates and not late:
                continue
            score = validation.score(learner.env, learner.policy)
            if progress["best"] is None or score["regret"] < progress["best"]:
                better = progress["best"] is None or score["regret"] < 0.99 * progress["best"]
                progress["best"], best = score["regret"], weights(learner)
                progress["stale"] = 0 if better else progress["stale"] + 1
            else:
                progress["stale"] += 1
            seconds = earlier + perf_counter() - start
            rate = (learner.agent_steps - progress["agent_steps"]) / (seconds - progress["seconds"])
            progress |= {"updates": learner.updates, "agent_steps": learner.agent_steps}
            progress |= {"seconds": seconds, "slot": learner.env.slot}
            tensors = learner.tensors() | {f"best.{k}": v for k, v in best.items()}
            Checkpoint(description, progress, tensors).write(out)
            losses = {k: v for k, v in metrics.items() if k != "reward"}
            told = Report(
                learner.updates,
                learner.agent_steps,
                seconds,
                metrics["reward"],
                score["qoe"],
                score["regret"],
                progress["best"],
                score["offloading"],
                rate,
                losses,
                validation.collapsed(score["offloading"]),
            )
            log(told)
            report(told)
            if settings.patience and progress["stale"] >= settings.patience:
                ended = f"regret has not fallen by 1% in {settings.patience} validations"
    return ended


def make(
    description: Description, device: torch.device, slots: int | None = None
) -> tuple[Any, Any]:
    """Return a run's learner, with `slots` in its environment if given, and its settings."""
    if description.algorithm not in ALGORITHMS:
        raise ValueError(
            f"checkpoint of algorithm {description.algorithm!r}: "
            f"one of {', '.join(ALGORITHMS)} is expected"
        )
    module = import_module(f".{description.algorithm}", __package__)
    try:
        settings = module.Settings(**description.settings)
    except TypeError as error:
        raise ValueError(f"checkpoint with settings that are unknown here: {error}") from None
    seed = stream_seed(description.seed, TRAINING)
    env = description.environment(slots or settings.slots, seed)
    return module.Learner(env, settings, seed, device), settings


def describe(
    algorithm: str,
    scenario: Scenario,
    settings: str = "fast",
    *,
    observation: Observed = "own",
    semantic: bool = True,
    seed: int = 0,
    **changed: Any,
) -> Description:
    """Return the description of a run with named settings, some of them changed.

    Raises
    ------
    ValueError
        For an unknown algorithm or settings.
    """
    if algorithm not in ALGORITHMS:
        raise ValueError(f"algorithm = {algorithm!r}: one of {', '.join(ALGORITHMS)} is expected")
    known = import_module(f".{algorithm}", __package__).SETTINGS
    if settings not in known:
        raise ValueError(f"settings = {settings!r}: {algorithm} has {', '.join(known)}")
    chosen = asdict(replace(known[settings], **changed))
    return Description(algorithm, chosen, scenario.to_dict(), observation, semantic, seed)


def stream_seed(seed: int, stream: int) -> int:
    """Return the seed of one purpose of a run, far from the seeds that evaluation draws from."""
    return int(np.random.SeedSequence(seed, spawn_key=(stream,)).generate_state(1)[0])


def weights(learner: Learner) -> dict[str, Tensor]:
    """Return a copy of a learner's policy."""
    return {k: v.detach().cpu().clone() for k, v in learner.policy.state_dict().items()}


def choose_device(name: str) -> torch.device:
    """Return the device, or say why it is not there."""
    if name not in ("auto", "cpu", "cuda"):
        raise ValueError(f"device = {name!r}: one of auto, cpu, cuda is expected")
    if name == "cuda" and not torch.cuda.is_available():
        raise ValueError("device = 'cuda': torch finds no CUDA device here")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


def prepare(out: Path, description: Description, resume: bool) -> Checkpoint | None:
    """Return the checkpoint to take up, None for a new run."""
    exists = (out / DOCUMENT).exists()
    if resume and exists:
        before = Checkpoint.read(out)
        old, new = flat(asdict(before.description)), flat(asdict(description))
        for key in old.keys() | new.keys():
            if old.get(key) != new.get(key):
                raise ValueError(
                    f"--resume: the run in {out} has {key} = {old.get(key)}, not {new.get(key)}"
                )
        threads = before.progress["threads"]
        if threads != torch.get_num_threads():
            raise ValueError(
                f"--resume: the run in {out} used {threads} threads, not "
                f"{torch.get_num_threads()}: its weights would differ (set OMP_NUM_THREADS)"
            )
        return before
    if exists:
        raise ValueError(f"{out} holds a run already: --resume takes it up, or name another folder")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(f"cannot make {out}: {error.strerror or error}") from None
    return None


def stop_if_diverged(metrics: dict[str, float], learner: Learner, out: Path) -> None:
    """Raise ValueError where a loss or a weight is NaN or beyond all bounds."""
    bad = {k: v for k, v in metrics.items() if not abs(v) < LARGEST}
    if not bad and all(p.abs().max() < LARGEST for p in learner.policy.parameters()):
        return
    what = ", ".join(f"{k} = {v:g}" for k, v in bad.items()) or "a weight is NaN or huge"
    kept = f"the last good checkpoint is kept in {out}" if (out / DOCUMENT).exists() else "none yet"
    raise ValueError(f"training diverged in update {learner.updates}: {what}; {kept}")


@contextmanager
def logs(out: Path, updates: int) -> Iterator[Callable[[Report], None]]:
    """Give a function that adds a report to log.jsonl and to TensorBoard's events."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from torch.utils.tensorboard import SummaryWriter

    path = out / "log.jsonl"
    kept = path.read_text(encoding="utf-8").splitlines() if path.exists() and updates else []
    lines = [line for line in kept if json.loads(line)["updates"] <= updates]

    board = SummaryWriter(str(out / "tensorboard"), purge_step=updates)

    def log(told: Report) -> None:
        lines.append(json.dumps(asdict(told)))
        write_atomically(path, "\n".join(lines) + "\n")
        for name in ("reward", "qoe", "regret", "offloading", "steps_per_second"):
            board.add_scalar(name, getattr(told, name), told.updates)
        for name, value in told.losses.items():
            board.add_scalar(f"loss/{name}", value, told.updates)

    try:
        yield log
    finally:
        board.close()
