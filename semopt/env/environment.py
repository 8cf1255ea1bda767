"""The Markov decision process (13)-(16) over many slots at a time.

E slots, of N users each, advance side by side. In every step each user handles the task at the
head of its queue of tasks under new gains; an episode ends with the queue, in all slots at
once, and the next one begins by itself. A slot is a function of the seed, its lane (row of the
batch) and its number: actions do not change what comes next, but for the energy that is left where
users have batteries. There a task may be skipped, and is where it costs more than what is left.

The learner owns the memory: `step` reads decisions from its arrays and writes observations and
rewards into them. Once warm, nothing of size is allocated (but for walks and traces). Outcomes are
those of the compiled `evaluate`, rewards those of `model.rewards`, compiled from its source.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any, Literal, Self, get_args

import numpy as np

from .. import _core
from ..allowed import one_of, whole
from ..backends import cpu, packing
from ..channel.gains import Gains
from ..channel.queues import Heads
from ..channel.traces import Part
from ..figures import SHARED_LIMITS, USER_LIMITS
from ..gains import gains
from ..limits import bound, coupled, has_battery, refuse
from ..model import MODES, QUEUE_MODES, Actions, Outcome
from ..problem import Floats, Integers, Problem
from ..scenario import Scenario
from . import compiled
from .batteries import Ahead, Batteries
from .decisions import Decisions, Singles, check_array, check_kind, first_fault
from .features import FEATURES, gain_scale, standardised

Observed = Literal["own", "shared"]
Identity = Literal["onehot", "index", "none"]
IDENTITIES = get_args(Identity)


class Environment:
    """E slots side by side.

    An environment is one walk through its slots: threads step environments of their own.

    Parameters
    ----------
    scenario : says users, tasks, channel; also a preset's name or a file's path
    slots : E
    seed : of gains and tasks
    lane : of the first row; row e is the same whatever the other rows are
    observation : what a user sees of the slot: "own", its gains and its task, or "shared", those of
        all users, as an access point can broadcast them
    features : of a task, names of FEATURES
    identity : how a user knows which one it is
    semantic : False pins extraction to 1, the semantic-unaware variant
    threads : at most; 0 for every core; results do not depend on it. Loops over few users run on
        fewer, since threads that wait for each other cost more than they give
    part : of measured gains, "training", "validation" or "evaluation"; all of them unless given.
        Lanes repeat them, each from a slot of its own

    Attributes
    ----------
    problem : the scenario's arrays
    gain, task : (E, N, K) float64 and (E, N) int64, of the current slots
    actions, outcome : of the last step: arrays (E, N)
    slot : number of the current slot in every lane; with the seed, and the energy left where there
        are batteries, the whole state
    length : tasks of a queue, steps of an episode
    modes : that a task may be handled in, by name: with batteries also "skip"
    batteries : of the users; None where no user has one
    blocks : where what is observed of all users in turn begins, and how long each one's part is
    observation_size, state_size : length of a user's observation, and of a slot's state

    Raises
    ------
    ValueError
        For an unknown option or a scenario without [channel].
    """

    def __init__(
        self,
        scenario: Scenario | str | Path,
        slots: int = 1,
        *,
        seed: int = 0,
        lane: int = 0,
        observation: Observed = "own",
        features: Sequence[str] = ("local_load", "server_load"),
        identity: Identity = "onehot",
        semantic: bool = True,
        threads: int = 0,
        part: Part | None = None,
    ) -> None:
        scenario = Scenario.of(scenario)
        one_of("observation", observation, get_args(Observed))
        one_of("identity", identity, IDENTITIES)
        if isinstance(features, str) or not isinstance(features, Sequence):
            raise ValueError(f"features = {features!r}: a list of names is expected")
        for name in features:
            one_of("features", name, tuple(FEATURES))
        for name, value, least in (
            ("slots", slots, 1),
            ("threads", threads, 0),
            ("lane", lane, 0),
        ):
            whole(name, value, least)
        problem = scenario.template()
        if scenario.queue and scenario.queue.tasks:
            raise ValueError(
                "queue.tasks: the environment draws tasks by their shares, as often as it learns: "
                "leave them out"
            )
        self.problem = problem if semantic else problem.without_semantic()
        self.scenario, self.slots, self.lane = scenario, slots, lane
        self.users, self.channels = scenario.users, scenario.channels
        self.observation, self.identity, self.threads = observation, identity, threads
        self.features = tuple(features)
        rows = (slots, self.users)
        self.gain, self.task = np.empty((*rows, self.channels)), np.zeros(rows, np.int64)
        self.actions = Actions.empty(*rows)
        self.outcome = cpu.empty_outcome(rows, np.float64)
        self.length = scenario.queue_length
        self.modes: tuple[str, ...] = MODES
        self.batteries: Batteries | None = None
        if has_battery(problem):
            self.modes = QUEUE_MODES
            self.batteries = Batteries(self.problem, slots, self.length, threads)
        self._packed = packing.scenario(self.problem)
        self._limits = tuple(limits_of_sign(self.problem, worse) for worse in (1, -1))
        self._judged = {"qoe"}.union(*(figures for figures, _ in self._limits))
        self._limited_jointly = coupled(self.problem)
        self._table = standardised(self.problem, self.features)
        self.part = part
        self._centre, self._scale = gain_scale(scenario, part)
        size = self.channels + len(self.features)
        extra = {"onehot": self.users, "index": 1, "none": 0}[identity]
        shared, ahead = observation == "shared", self.batteries is not None
        viewed = self.users if shared else 1
        self.state_size = self.users * size + ahead * (self.users + 1)
        self.observation_size = viewed * size + extra + ahead * (viewed + 1)
        blocks = [(0, size), (self.observation_size - viewed - 1, 1)]
        self.blocks = blocks[: 1 + ahead] if shared else []
        self._seen = (*rows, self.observation_size)
        self.seed(seed)

    def __repr__(self) -> str:
        """Return what it is of, its rows and where it stands, in one line."""
        return f"<Environment of {self.slots} slots of {self.scenario.name}, at slot {self.slot}>"

    def seed(self, seed: int) -> None:
        """Take the gains and tasks of another seed, from its first slot."""
        whole("seed", seed, 0)
        law = self.scenario.channel_law(self.part)
        self._gains = Gains(law, seed, self.users, self.channels, self.threads)
        self._heads = Heads(self.scenario.shares(), seed, self.threads)
        self.seek(0)

    def __getstate__(self) -> dict[str, Any]:
        """Return all but what is packed for the kernels, which a copy packs again."""
        return {name: value for name, value in vars(self).items() if name != "_packed"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._packed = packing.scenario(self.problem)

    def __copy__(self) -> Self:
        """Return an environment that steps on alike: shared arrays would make them one."""
        return deepcopy(self)

    def seek(self, slot: int) -> None:
        """Go to a slot, with full batteries; `length` slots make an episode."""
        self.slot = slot
        if self.batteries:
            self.batteries.refill(slot % self.length)
        self._draw()

    def reset(self, observation: Singles) -> None:
        """Go to the beginning of an episode, the next one unless at one, and observe it."""
        self.begin()
        self.observe(self.gain, self.task, observation, self.ahead)

    def begin(self) -> None:
        """Go to the beginning of an episode, the next one unless at one."""
        if self.slot % self.length:
            self.seek(self.slot + self.length - self.slot % self.length)

    @property
    def ahead(self) -> Ahead | None:
        """What the current slots' queues have ahead of them; None without batteries."""
        return self.batteries.ahead if self.batteries else None

    def step(self, decisions: Decisions, observation: Singles, reward: Singles) -> bool:
        """Carry out decisions, go to the next slot and observe it.

        Parameters
        ----------
        decisions : of all users in all slots
        observation : (E, N, observation_size) float32, written: that of the next slot, the first of
            a new episode where this one ends
        reward : (E, N) float32, written: (13); the team's is the sum over users

        Returns
        -------
        whether the episode ended with this step

        Raises
        ------
        ValueError
            Naming an array of another type or shape, a decision that is NaN or out of range, or a
            limit that no reward knows.
        """
        check_array("observation", observation, self._seen, np.float32)
        self.score(decisions, reward)
        ended = self.advance()
        self.observe(self.gain, self.task, observation, self.ahead)
        return ended

    def advance(self) -> bool:
        """Go to the next slot; return whether it begins an episode."""
        self.slot += 1
        self._draw()
        ended = self.slot % self.length == 0
        if self.batteries:
            self.batteries.advance(ended)
        return ended

    def score(self, decisions: Decisions, reward: Singles) -> None:
        """Write the rewards (E, N) that decisions earn in the current slots, and stay there.

        Raises
        ------
        ValueError
            As `step` does
        """
        if self._limited_jointly:
            check_rewards(self.problem)
        check_array("reward", reward, (self.slots, self.users), np.float32)
        self.decide(decisions, self.task, self.actions)
        self.evaluate(self.actions, self.gain, self.task, self.outcome)
        self.reward(self.outcome, self.task, reward)
        if self.batteries:
            slots = self.gain, self.task
            self.batteries.charge(decisions.mode, self.actions, *slots, self.outcome, reward)

    def decide(self, decisions: Decisions, task: Integers, out: Actions) -> None:
        """Turn decisions into actions, sub-channels by reading `preference_assignment`.

        Repeatedly the highest score among unassigned offloaders and free sub-channels wins (ties:
        lowest user, then lowest sub-channel). Who is left without one runs locally, at the
        frequency that it chose. Of who skips its task the action, a local one, says nothing.

        Parameters
        ----------
        decisions : of any number of rows
        task : (rows, N) int64
        out : arrays (rows, N) int64 and float64, written
        """
        users = self.users
        rows = check_kind(
            decisions, users, self.channels, self.slots if task is self.task else None
        )
        self._check_task(task, rows)
        if out is not self.actions:
            for name, array in vars(out).items():
                kind = np.int64 if name == "channel" else np.float64
                check_array(f"out.{name}", array, (rows, users), kind)
        modes = len(self.modes)
        if to_actions(self.problem, decisions, task, out, modes, self.threads):
            raise ValueError(first_fault(decisions, modes))

    def evaluate(self, actions: Actions, gain: Floats, task: Integers, out: Outcome) -> None:
        """Score actions in the slots of their rows: equations (2)-(11), as `backends.evaluate`."""
        self._check_gain(gain)
        _core.evaluate(self._packed, actions, gain, task, out, self.threads)

    def reward(self, outcome: Outcome, task: Integers, out: Singles) -> None:
        """Write the rewards (13) of outcomes: (rows, N) float32."""
        rows = (len(task), self.users)
        check_array("reward", out, rows, np.float32)
        self._check_task(task, len(task))
        if outcome is not self.outcome:
            for name in self._judged:
                check_array(f"outcome.{name}", getattr(outcome, name), rows, np.float64)
        (ceilings, most), (floors, least) = (
            (tuple(getattr(outcome, name) for name in figures), bounds)
            for figures, bounds in self._limits
        )
        compiled.reward(out, outcome.qoe, ceilings, most, floors, least, task, threads=self.threads)

    def observe(
        self, gain: Floats, task: Integers, out: Singles, ahead: Ahead | None = None
    ) -> None:
        """Write what users see of slots: (rows, N, observation_size) float32.

        In this order: the user's gains and its task's features, or those of all users in turn; then
        its identity. Gains are standardised logarithms, features are standardised over the kinds.
        With batteries then what is `ahead`: the energy left, of the user or of all in turn, and the
        tasks left, as shares from 0 to 1, standardised.
        """
        self._check_slots(gain, task)
        check_array("observation", out, (len(gain), self.users, self.observation_size), np.float32)
        self._write_seen(gain, task, ahead, self.observation, self.identity, out)

    def state(self, gain: Floats, task: Integers, out: Singles, ahead: Ahead | None = None) -> None:
        """Write all that `observe` shows of slots, for a critic: (rows, state_size) float32."""
        self._check_slots(gain, task)
        check_array("state", out, (len(gain), self.state_size), np.float32)
        self._write_seen(gain, task, ahead, "shared", "none", out[:, None, :])

    def _write_seen(
        self,
        gain: Floats,
        task: Integers,
        ahead: Ahead | None,
        observation: str,
        identity: str,
        out: Singles,
    ) -> None:
        shared, mode = observation == "shared", IDENTITIES.index(identity)
        scales = self._table, self._centre, self._scale, shared, mode
        compiled.observe(gain, task, *scales, out, threads=self.threads)
        if self.batteries:
            self.batteries.observe(ahead, out, shared)
        elif ahead is not None:
            raise ValueError("ahead: no user has a battery, None is expected")

    def _check_slots(self, gain: Floats, task: Integers) -> None:
        if gain is not self.gain:
            check_array("gain", gain, (len(gain), self.users, self.channels), np.float64)
            self._check_gain(gain)
        self._check_task(task, len(gain))

    def _check_gain(self, gain: Floats) -> None:
        if gain is not self.gain:
            gains(gain, (None, self.users, self.channels))

    def _check_task(self, task: Integers, rows: int) -> None:
        if task is self.task and rows == self.slots:  # drawn here
            return
        check_array("task", task, (rows, self.users), np.int64)
        kinds = len(self.problem.tasks.names)
        if task.size and not (task.min() >= 0 and task.max() < kinds):
            raise ValueError(f"task: indices from 0 to {kinds - 1} are expected")

    def _draw(self) -> None:
        self._gains.lanes(self.gain, self.slot, self.lane)
        self._heads.lanes(self.task, self.slot, self.lane)


def to_actions(
    problem: Problem,
    decisions: Decisions,
    task: Integers,
    out: Actions,
    modes: int = len(MODES),
    threads: int = 0,
) -> int:
    """Write the actions of decisions, see `Environment.decide`; return how many are unsound.

    The one rule of preference assignment: levels and preferences may be of either precision.
    """
    users, kinds = problem.users, problem.tasks
    unsound: int = compiled.decide(
        decisions.mode,
        decisions.level,
        decisions.preference,
        modes,
        task,
        (users.power_min, users.power_max),
        (users.frequency_min, users.frequency_max),
        (users.extraction_min, kinds.extraction_max),
        (out.channel, out.power, out.frequency, out.extraction),
        threads=threads,
    )
    return unsound


def check_rewards(problem: Problem) -> None:
    """Raise ValueError for a problem with a limit that no reward (13) knows."""
    refuse(
        problem,
        SHARED_LIMITS,
        "couples the users, and neither rewards nor the optima that regret is measured by know it: "
        "leave it out to train; evaluate and solve --method exhaustive honour it",
    )


def limits_of_sign(problem: Problem, worse: int) -> tuple[tuple[str, ...], Floats]:
    """Return what limits of one direction judge, read once: figures, bounds (T, N, figures)."""
    kinds, users = len(problem.tasks.names), len(problem.users.power_min)
    limits = [limit for limit in USER_LIMITS if limit.worse == worse]
    bounds = np.empty((kinds, users, len(limits)))
    for i, limit in enumerate(limits):
        bounds[..., i] = bound(problem, limit, np.arange(kinds)[:, None])
    return tuple(limit.figure for limit in limits), bounds
