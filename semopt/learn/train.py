"""A training run: updates, validation against the exact optimum, logs and checkpoints.

The same loop for every algorithm; what differs between them stands in their own files.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import asdict
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any, get_args

import torch
from torch import Tensor

from ..allowed import one_of, whole
from ..battery import reading_of
from ..checkpoints import DOCUMENT, flat, locked, unfit
from ..env.environment import Observed, check_rewards
from ..interrupts import held_back
from ..limits import has_battery
from ..scenario import Scenario
from ..solvers.queue.hindsight import check_options
from .algorithms import CommonSettings, module_of, settings_of
from .checkpoint import PLACE, Checkpoint, Description, Progress
from .learner import Learner
from .logs import Report, logs
from .queue_validation import QueueValidation
from .validation import TRAINING, Validation, decide, stream_seed

__all__ = ["Report", "Validation", "choose_device", "decide", "describe", "make", "train"]

DIVERGED = 1e6  # loss or weight beyond which a run has diverged
Tick = Callable[[str, float], None]  # told what is at work, and the share of it that is done


def train(
    description: Description,
    out: Path | str,
    *,
    time_limit: float | None = None,
    device: str = "auto",
    resume: bool = False,
    out_of_turn: bool = True,
    report: Callable[[Report], None] = lambda _: None,
    tick: Tick = lambda what, done: None,
) -> str:
    """Train until the updates are done, the time is up, or regret has stopped falling.

    Ctrl-C asks the run to stop: it ends its update, writes a checkpoint and raises. A second one
    ends it at once, with the last checkpoint that was written.

    Parameters
    ----------
    description : of the run
    out : folder of checkpoint and logs; must not hold a run unless it is resumed
    time_limit : s, of this call
    device : "auto", "cpu" or "cuda"
    resume : take up the run in `out`: with the same number of threads, the same weights come out as
        without the interruption
    out_of_turn : whether Ctrl-C is held back for a validation and a checkpoint out of turn; without
        them a run that was cut ends, when it is resumed, with the rows of one that was not
    report : called after each validation
    tick : told what is at work, and the share of it that is done

    Returns
    -------
    a sentence on why it ended

    Raises
    ------
    ValueError
        For a bad argument, a foreign or unreadable checkpoint, a folder that another training
        holds, a full disk, or a run that diverged.
    KeyboardInterrupt
        After Ctrl-C, saying what is kept.
    """
    start = perf_counter()
    if time_limit is not None and not time_limit >= 0.0:
        raise ValueError(f"time_limit = {time_limit}: a number of seconds, at least 0, is expected")
    place, folder = choose_device(device), check_folder(out, resume)
    with locked(folder):
        before = prepare(folder, description, resume)
        with held_back() if out_of_turn else nullcontext(lambda: False) as interrupted:
            return run(
                description, folder, before, start, time_limit, place, interrupted, report, tick
            )


def run(
    description: Description,
    out: Path,
    before: Checkpoint | None,
    start: float,
    time_limit: float | None,
    place: torch.device,
    interrupted: Callable[[], bool],
    report: Callable[[Report], None],
    tick: Tick,
) -> str:
    """Train in a folder that is held, from a checkpoint if there is one, until `interrupted`."""
    learner, settings = make(description, place)
    progress = before.progress if before else Progress(threads=torch.get_num_threads())
    best = weights(learner)
    if before:
        restore(learner, before, out)
        best = before.part("best")
    measure: Any = QueueValidation if learner.env.batteries else Validation
    validation = measure.draw(learner.env, partial(tick, measure.WORDS))
    earlier = progress.seconds
    ended, metrics = "", {"reward": 0.0}
    with logs(out, progress.updates) as log:
        while not ended:
            if learner.updates >= settings.updates:
                return "all updates are done"
            share = learner.updates / settings.updates
            if time_limit:
                share = max(share, min(1.0, (perf_counter() - start) / time_limit))
            tick(f"training, {settings.updates} updates", share)
            metrics = learner.update()
            stop_if_diverged(metrics, learner, out)
            late = time_limit is not None and perf_counter() - start > time_limit
            if late:
                ended = "the time is up; --resume goes on"
            stopped = interrupted() or late
            if (
                learner.updates % settings.validate_every
                and learner.updates < settings.updates
                and not stopped
            ):
                continue
            score = validation.score(learner.env, learner.policy)
            seconds = earlier + perf_counter() - start
            rate = (learner.agent_steps - progress.agent_steps) / (seconds - progress.seconds)
            if progress.best is None or score["regret"] < progress.best:
                best = weights(learner)
            progress = progress.after(learner, seconds, score["regret"])
            tensors = learner.tensors() | {f"best.{k}": v for k, v in best.items()}
            latest = Report(
                learner.updates,
                learner.agent_steps,
                seconds,
                metrics["reward"],
                score["qoe"],
                score["regret"],
                progress.least,
                score["offloading"],
                rate,
                {k: v for k, v in metrics.items() if k != "reward"},
                validation.collapsed(score["offloading"], learner.updates / settings.updates),
            )
            log(latest)  # first: a run is taken up with the rows up to its checkpoint
            Checkpoint(description, progress, tensors).write(out)
            report(latest)
            if settings.patience and progress.stale >= settings.patience:
                ended = f"regret has not fallen by 1% in {settings.patience} validations"
            if interrupted():
                raise KeyboardInterrupt(kept_message(out))
    return ended


def kept_message(out: Path) -> str:
    """Return a sentence on what a run that was interrupted leaves in its folder."""
    if not (out / DOCUMENT).exists():
        return "no checkpoint was written yet, nothing is kept"
    updates = Checkpoint.read(out).progress.updates
    return f"{out} keeps the run up to update {updates}; --resume goes on"


def make(
    description: Description, device: torch.device, slots: int | None = None
) -> tuple[Learner, CommonSettings]:
    """Return a run's learner, with `slots` in its environment if given, and its settings."""
    settings = settings_of(description.algorithm, description.settings)
    seed = stream_seed(description.seed, TRAINING)
    env = description.environment(slots or settings.slots, seed)
    try:
        learner = module_of(description.algorithm).Learner(env, settings, seed, device)
    except RuntimeError as error:  # torch's allocator
        raise MemoryError(f"{description.algorithm}: {str(error).splitlines()[0]}") from None
    return learner, settings


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
        For an unknown algorithm, observation or settings, a setting out of its range, or a scenario
        that no algorithm can learn: without a [channel], with a trace that leaves no slot for
        training or validation, or with a limit on the server's energy.
    """
    named_settings = module_of(algorithm).SETTINGS
    if settings not in named_settings:
        raise ValueError(f"settings = {settings!r}: {algorithm} has {', '.join(named_settings)}")
    one_of("observation", observation, get_args(Observed))
    whole("seed", seed, 0)
    chosen: Any = named_settings[settings]
    if has_battery(scenario.template()):
        chosen = chosen.for_queues(scenario.queue_length)
    all_settings = asdict(chosen) | changed
    settings_of(algorithm, all_settings)
    learnable(scenario)
    return Description(algorithm, all_settings, scenario.to_dict(), observation, semantic, seed)


def learnable(scenario: Scenario) -> None:
    """Raise ValueError for a scenario whose limits no reward knows, or that draws no slots."""
    problem = scenario.template()
    check_rewards(problem)
    if has_battery(problem):
        check_options(problem, "exact", reading_of(problem))
    for part, length in (
        ("training", scenario.length("training")),
        ("validation", scenario.length("validation")),
    ):
        if length == 0:
            raise ValueError(
                f"channel.split leaves no slot of {scenario.channel_law().file} for {part}"
            )


def weights(learner: Learner) -> dict[str, Tensor]:
    """Return a copy of a learner's policy."""
    return {k: v.detach().cpu().clone() for k, v in learner.policy.state_dict().items()}


def restore(learner: Learner, before: Checkpoint, out: Path) -> None:
    """Take up a run's state; raise ValueError where the tensors are not those of its settings."""
    fault, progress = learner.unlike(before.tensors), before.progress
    learner.env.seek(progress.slot)  # with full batteries, unless the tensors say otherwise
    try:
        if not fault:
            learner.restore(before.tensors)
    except (KeyError, IndexError, RuntimeError, TypeError, ValueError) as error:
        fault = unfit(error)
    if fault:
        raise ValueError(f"{out}: its tensors are not those of its settings: {fault}")
    learner.updates, learner.agent_steps = progress.updates, progress.agent_steps


def choose_device(name: str) -> torch.device:
    """Return the device, or say why it is not there."""
    if name not in ("auto", "cpu", "cuda"):
        raise ValueError(f"device = {name!r}: one of auto, cpu, cuda is expected")
    if name == "cuda" and not torch.cuda.is_available():
        raise ValueError("device = 'cuda': torch finds no CUDA device here")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


def check_folder(out: Path | str, resume: bool) -> Path:
    """Return the folder of a run, or raise ValueError where it cannot be one."""
    if str(out) == "":
        raise ValueError("out = '': the name of a folder is expected")
    folder = Path(out)
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"out = {out}: is a file, a folder is expected")
    exists = (folder / DOCUMENT).exists()
    if resume and not exists:
        raise ValueError(f"--resume: {out} holds no run to take up; without it a new one begins")
    if exists and not resume:
        raise ValueError(f"{out} holds a run already: --resume takes it up, or name another folder")
    return folder


def prepare(out: Path, description: Description, resume: bool) -> Checkpoint | None:
    """Return the checkpoint to take up, None for a new run."""
    check_folder(out, resume)  # again: another training may have begun and ended meanwhile
    if not resume:
        return None
    before = Checkpoint.read(out)
    if before.description.algorithm != description.algorithm:
        raise ValueError(
            f"--resume: the run in {out} is one of {before.description.algorithm}, not of "
            f"{description.algorithm}"
        )
    old, new = flat(asdict(before.description)), flat(asdict(description))
    for key in dict.fromkeys([*new, *old]):
        if key in PLACE:
            continue
        if key not in new or key not in old:
            difference = f"is of a scenario {'with' if key in old else 'without'} {key}"
            raise ValueError(f"--resume: the run in {out} {difference}")
        if old[key] != new[key]:
            raise ValueError(f"--resume: the run in {out} has {key} = {old[key]}, not {new[key]}")
    threads = before.progress.threads
    if threads != torch.get_num_threads():
        raise ValueError(
            f"--resume: the run in {out} used {threads} threads, not "
            f"{torch.get_num_threads()}: its weights would differ (set OMP_NUM_THREADS)"
        )
    return before


def stop_if_diverged(metrics: dict[str, float], learner: Learner, out: Path) -> None:
    """Raise ValueError where a loss or a weight is NaN or beyond all bounds."""
    bad = {k: v for k, v in metrics.items() if not abs(v) < DIVERGED}
    if not bad and all(p.abs().max() < DIVERGED for p in learner.policy.parameters()):
        return
    reason = ", ".join(f"{k} = {v:g}" for k, v in bad.items()) or "a weight is NaN or huge"
    checkpoint = (
        f"the last good checkpoint is kept in {out}" if (out / DOCUMENT).exists() else "none yet"
    )
    raise ValueError(f"training diverged in update {learner.updates}: {reason}; {checkpoint}")
