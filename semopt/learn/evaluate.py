"""Policies and methods on the same slots, against the certified optimum.

A task that breaks a limit scores 0 and counts as infeasible; slots whose P0 is infeasible are left
out and counted. Whatever decides is a function from slots to actions, its outcome that of
`model.evaluate`.
"""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from ..env import Decisions, Environment, empty_actions
from ..model import SEMANTIC, Actions, evaluate
from ..problem import Floats, Integers, Problem
from ..scenario import Scenario
from ..solvers import METHODS, constant, find
from ..solvers.batch import Solver, solve_batch
from .refine import Decider, Refined

if TYPE_CHECKING:
    from .checkpoint import Checkpoint

HIT = 1e-4  # a slot is hit when it misses at most so much QoE a task
FITTED = 1000  # slots on which `constant` is fitted, drawn from another seed than the evaluation's
TIMED = 200  # decisions of one slot each, timed


@dataclass(frozen=True)
class Score:
    """A method on many slots: the keys of the JSON of `semopt evaluate`.

    Attributes
    ----------
    qoe, reference_qoe : mean a task
    ratio, ratio_p1, ratio_worst : of objective to reference: mean, 1st percentile, smallest slot
    closure : (qoe - 0.5) / (reference_qoe - 0.5), the part of the gain over local that is reached
    hit_share : of slots within 1e-4 a task of the reference
    latency_ms, energy_mj, accuracy : mean a task
    infeasible_share : of tasks that break a limit
    decision_us : median time of a decision, one slot at a time
    """

    qoe: float
    reference_qoe: float
    ratio: float
    ratio_p1: float
    ratio_worst: float
    closure: float | None
    hit_share: float
    latency_ms: float
    energy_mj: float
    accuracy: float
    infeasible_share: float
    decision_us: float


@dataclass(frozen=True)
class Evaluation:
    """Scores by name, on the slots whose P0 is feasible."""

    scenario: str
    reference: str
    slots: int
    infeasible_slots: int
    scores: dict[str, Score]

    def to_json(self) -> dict[str, Any]:
        """Return the document of `semopt evaluate --json`."""
        return {
            "schema": 1,
            "scenario": self.scenario,
            "reference": self.reference,
            "slots": self.slots,
            "infeasible_slots": self.infeasible_slots,
            "methods": {name: asdict(score) for name, score in self.scores.items()},
        }


def compare(
    names: list[str],
    scenario: Scenario,
    slots: int = 1000,
    seed: int = 0,
    *,
    refine: bool = False,
    reference: str | None = None,
) -> Evaluation:
    """Score each of `names` on the same slots.

    Parameters
    ----------
    names : folders of checkpoints, methods of `solve`, "constant", or "module:function"
    scenario : from whose channel the slots are drawn
    slots, seed : of the draw
    refine : also score each with its levels optimised, as "NAME refined"
    reference : a method of `solve`; "global" where there is one, else "exact"

    Raises
    ------
    ValueError
        For a name that is none of these, a checkpoint or a policy that does not fit, or a scenario
        without any feasible slot.
    """
    problem = scenario.template()
    gain, task = scenario.draw(slots, seed)
    deciders = {name: decider(name, scenario, seed) for name in names}
    reference = reference or ("global" if "global" in METHODS else "exact")
    optimum = solve_batch(scenario, gain, task, reference).objective
    feasible = ~np.isnan(optimum)
    if not feasible.any():
        raise ValueError(f"scenario {scenario.name}: none of {slots} slots drawn is feasible")
    gain, task, optimum = gain[feasible], task[feasible], optimum[feasible]
    scores: dict[str, Score] = {}
    for name, decide in deciders.items():
        ways = {name: decide}
        if refine:
            ways[f"{name} refined"] = Refined(problem, decide)
        for label, way in ways.items():
            actions = checked(problem, way(gain, task), gain, name)
            time = decision_time(way, gain, task)
            scores[label] = score(problem, actions, gain, task, optimum, time)
    return Evaluation(scenario.name, reference, slots, int((~feasible).sum()), scores)


def score(
    problem: Problem, actions: Actions, gain: Floats, task: Integers, optimum: Floats, time: float
) -> Score:
    """Return the score of actions (S, N) against optima (S,); `time` in s."""
    outcome = evaluate(problem, actions, gain, task)
    kept = outcome.violations == 0
    qoe = np.where(kept, outcome.qoe, 0.0)
    users = task.shape[1]
    fairest = problem.objective == "min"
    objective = qoe.min(axis=1) if fairest else qoe.sum(axis=1)
    tasks = 1 if fairest else users
    ratio = objective / optimum
    mean, best = float(objective.mean()) / tasks, float(optimum.mean()) / tasks
    return Score(
        qoe=mean,
        reference_qoe=best,
        ratio=float(ratio.mean()),
        ratio_p1=float(np.quantile(ratio, 0.01)),
        ratio_worst=float(ratio.min()),
        closure=(mean - 0.5) / (best - 0.5) if best != 0.5 else None,
        hit_share=float((optimum - objective <= HIT * tasks).mean()),
        latency_ms=float(outcome.latency.mean()) * 1e3,
        energy_mj=float(outcome.energy.mean()) * 1e3,
        accuracy=float(outcome.accuracy.mean()),
        infeasible_share=float(1.0 - kept.mean()),
        decision_us=time * 1e6,
    )


# ------------------------------------------------------------------------------- what can decide


def home(names: list[str]) -> Scenario:
    """Return the scenario of the first checkpoint among `names`; the preset `paper` if none is."""
    for name in names:
        if Path(name).is_dir():
            from .checkpoint import Checkpoint

            return Scenario.from_dict(Checkpoint.read(Path(name)).description.scenario)
    return Scenario.load("paper")


def decider(name: str, scenario: Scenario, seed: int = 0) -> Decider:
    """Return what a name on the command line stands for, as a function of slots."""
    problem = scenario.template()
    if name == "constant":
        # Another stream than the evaluated slots: nothing is fitted on what it is judged by.
        other = int(np.random.SeedSequence(seed, spawn_key=(3,)).generate_state(1)[0])
        policy = constant.fit(problem, *scenario.draw(FITTED, other))
        return lambda gain, task: policy.decide(problem, gain, task)
    if name in METHODS:
        if "checkpoint" in find(name)[1] and name != "exhaustive":
            raise ValueError(f"{name}: name the folder of its checkpoint instead")
        return Method(scenario, name)
    if ":" in name and not Path(name).exists():
        return plugged(name, scenario)
    if Path(name).is_dir():
        return trained(Path(name), scenario)
    raise ValueError(
        f"{name!r} is no checkpoint folder, no method ({', '.join(METHODS)}), not constant and no "
        "module:function"
    )


class Method:
    """A method of `solve`; where it finds no decision, all run locally at the reference frequency.

    One slot at a time, `exact` is timed warm.
    """

    def __init__(self, scenario: Scenario, method: str) -> None:
        self.scenario, self.method = scenario, method
        self._warm = Solver(scenario) if method == "exact" else None

    def __call__(self, gain: Floats, task: Integers) -> Actions:
        """Return the decisions (S, N) in slots gain (S, N, K), task (S, N)."""
        if self._warm and len(task) == 1:
            return self._warm.decide(gain[0], task[0]).actions.take(None)
        batch = solve_batch(self.scenario, gain, task, self.method)
        none = np.isnan(batch.objective)[:, None]
        clock, a = batch.problem.users.reference_frequency, batch.actions
        return Actions(
            a.channel,
            np.where(none, 0.0, a.power),
            np.where(none, clock, a.frequency),
            np.where(none, 1.0, a.extraction),
        )


def trained(folder: Path, scenario: Scenario) -> Decider:
    """Return the policy of a checkpoint, which must be of this scenario."""
    from .checkpoint import Checkpoint, same_scenario
    from .train import decide

    checkpoint = Checkpoint.read(folder)
    shape = scenario.users, scenario.channels
    same_scenario(checkpoint.description, scenario.to_dict(), shape, str(folder))
    learner = network(checkpoint, folder)
    return lambda gain, task: decide(learner.env, learner.policy, gain, task)


def network(checkpoint: Checkpoint, folder: Path) -> Any:
    """Return a learner whose policy has the best weights of a checkpoint, with one slot."""
    import torch

    from .train import make

    learner, _ = make(checkpoint.description, torch.device("cpu"), slots=1)
    try:
        learner.policy.load_state_dict(checkpoint.part("best"))
    except RuntimeError as error:
        raise ValueError(
            f"{folder}: its tensors are not those of its settings: {str(error).splitlines()[-1]}"
        ) from None
    return learner


def plugged(name: str, scenario: Scenario) -> Decider:
    """Return a policy of the user's own: "module:function".

    The function takes observations (S, N, O), float32 as `Environment` gives them with observation
    "shared", and returns either `Actions` of arrays (S, N), or decisions (S, N, 4 + K) from 0 to 1,
    those of the PettingZoo adapter: mode, power, frequency, extraction and preferences.
    An attribute `observation = "own"` of the function asks for own observations.
    """
    module, _, attribute = name.partition(":")
    if "" not in sys.path:
        sys.path.insert(0, "")
    try:
        function = getattr(import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise ValueError(f"{name}: cannot be imported: {error}") from None
    if not callable(function):
        raise ValueError(f"{name} is no function: {type(function).__name__}")
    env = Environment(scenario, 1, observation=getattr(function, "observation", "shared"))

    def decide(gain: Floats, task: Integers) -> Actions:
        seen = np.empty((*task.shape, env.observation_size), np.float32)
        env.observe(gain, task, seen)
        try:
            given = function(seen)
            array = np.empty(0) if isinstance(given, Actions) else np.asarray(given)
        except Exception as error:  # whatever a user's own code raises
            raise ValueError(f"{name} raised {type(error).__name__}: {error}") from error
        if isinstance(given, Actions):
            return given
        shape = (*task.shape, 4 + env.channels)
        if array.shape != shape or array.dtype.kind not in "fiu":
            raise ValueError(
                f"{name} returned {array.dtype} of shape {array.shape}: Actions, or numbers of "
                f"shape {shape}, are expected"
            )
        if not ((array >= 0) & (array <= 1)).all():
            row, user, i = np.argwhere(~((array >= 0) & (array <= 1)))[0].tolist()
            raise ValueError(
                f"{name} returned {array[row, user, i]} as entry {i} of user {user} in slot {row}: "
                "numbers from 0 to 1 are expected"
            )
        share = array.astype(np.float32)
        mode = np.minimum(share[..., 0] * 3, SEMANTIC).astype(np.uint8)
        level, preference = (
            np.ascontiguousarray(share[..., s]) for s in (slice(1, 4), slice(4, None))
        )
        actions = empty_actions(task.shape)
        env.decide(Decisions(mode, level, preference), task, actions)
        return actions

    return decide


def checked(problem: Problem, actions: Actions, gain: Floats, name: str) -> Actions:
    """Return actions (S, N) that can be carried out; raise ValueError naming what cannot."""
    slots, users, channels = gain.shape
    for field in ("channel", "power", "frequency", "extraction"):
        array = np.asarray(getattr(actions, field))
        if array.shape != (slots, users) or array.dtype.kind not in "fiu":
            raise ValueError(
                f"{name}: {field} has shape {array.shape} of {array.dtype}: numbers of shape "
                f"{(slots, users)} are expected"
            )
        if not np.isfinite(array).all():
            row, user = np.argwhere(~np.isfinite(array))[0].tolist()
            raise ValueError(f"{name}: {field} of user {user} in slot {row} is {array[row, user]}")
    channel = np.asarray(actions.channel)
    if channel.dtype.kind not in "iu" or ((channel < -1) | (channel >= channels)).any():
        raise ValueError(f"{name}: channel must hold integers from -1 (local) to {channels - 1}")
    for k in range(channels):
        taken = (channel == k).sum(axis=1)
        if (taken > 1).any():
            row = int(taken.argmax())
            both = " and ".join(map(str, np.flatnonzero(channel[row] == k).tolist()))
            raise ValueError(f"{name}: users {both} share sub-channel {k} in slot {row}")
    of, offload = problem.users, channel >= 0
    semantic = offload & (actions.extraction < 1.0)
    ranges: dict[str, tuple[Any, Any, Any]] = {
        "power": (offload, of.power_min, of.power_max),
        "frequency": (semantic | ~offload, of.frequency_min, of.frequency_max),
        "extraction": (offload, of.extraction_min, 1.0),
    }
    for field, (where, low, high) in ranges.items():
        value = getattr(actions, field)
        outside = where & ((value < low * (1 - 1e-9)) | (value > high * (1 + 1e-9)))
        if outside.any():
            row, user = np.argwhere(outside)[0].tolist()
            raise ValueError(
                f"{name}: {field} of user {user} in slot {row} is out of its range: "
                f"{value[row, user]:g}"
            )
    return actions


def decision_time(decide: Decider, gain: Floats, task: Integers) -> float:
    """Return the median time of deciding one slot, s."""
    times = []
    for s in range(min(TIMED, len(task))):
        start = perf_counter()
        decide(gain[s : s + 1], task[s : s + 1])
        times.append(perf_counter() - start)
    return float(np.median(times))
