"""The Markov decision process (13)-(16) over many slots at a time.

E slots, of N users each, advance side by side. In every step each user handles the task at the
head of its queue of QUEUE tasks under new gains; an episode ends with the queue, in all slots at
once, and the next one begins by itself. Actions do not change what comes next: a slot is a function
of the seed, its lane (row of the batch) and its number.

The learner owns the memory: `step` reads decisions from its arrays and writes observations and
rewards into them. Once warm, nothing of size is allocated (but for walks and traces). Outcomes are
those of the compiled `evaluate`, rewards those of `model.reward`, compiled from its source.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numba
import numpy as np
from numba.extending import register_jitable
from numpy.typing import NDArray

from . import model
from .backends import cpu
from .channel import Gains, Heads, streams
from .channel.compiled import parallel
from .model import LOCAL, SEMANTIC, Actions, Outcome
from .problem import Floats, Integers, Problem, Tasks
from .scenario import Scenario

Singles = NDArray[np.float32]
Bytes = NDArray[np.uint8]

QUEUE = 10  # tasks of a user, steps of an episode
GRAIN = 32768  # users that a thread of its own is worth
SAMPLE = 4096  # slots from which the scale of gains is measured

Observed = Literal["own", "shared"]
Identity = Literal["onehot", "index", "none"]

FEATURES: dict[
    str, Callable[[Tasks], Floats]
] = {  # of the task at the head of a queue, one value a kind
    "local_load": lambda tasks: tasks.local_flop,
    "server_load": lambda tasks: tasks.server_flop,
    "extract_load": lambda tasks: tasks.extract_flop,
    "data_size": lambda tasks: tasks.bits,
    "local_accuracy": lambda tasks: tasks.local_accuracy,
    "server_accuracy": lambda tasks: np.array([table.raw[-1] for table in tasks.accuracy]),
}


@dataclass(frozen=True)
class Decisions:
    """What a policy decides, free of units; `Environment.decide` turns it into actions.

    Attributes
    ----------
    mode : (rows, N) uint8, LOCAL, RAW or SEMANTIC
    level : (rows, N, 3) float32, from 0 to 1: where power, frequency and extraction lie in the
        ranges of the user and its task
    preference : (rows, N, K) float32, scores by which offloaders take sub-channels
    """

    mode: Bytes
    level: Singles
    preference: Singles

    @classmethod
    def empty(cls, rows: int, users: int, channels: int) -> Decisions:
        """Return arrays to be written into."""
        return cls(
            np.zeros((rows, users), np.uint8),
            np.zeros((rows, users, 3), np.float32),
            np.zeros((rows, users, channels), np.float32),
        )


class Environment:
    """E slots side by side.

    Parameters
    ----------
    scenario : says users, tasks, channel
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

    Attributes
    ----------
    problem : the scenario's arrays
    gain, task : (E, N, K) float64 and (E, N) int64, of the current slots
    actions, outcome : of the last step: arrays (E, N)
    slot : number of the current slot in every lane; with the seed, the whole state
    observation_size, state_size : length of a user's observation, and of a slot's state

    Raises
    ------
    ValueError
        For an unknown option or a scenario without [channel].
    """

    def __init__(
        self,
        scenario: Scenario,
        slots: int = 1,
        *,
        seed: int = 0,
        lane: int = 0,
        observation: Observed = "own",
        features: Sequence[str] = ("local_load", "server_load"),
        identity: Identity = "onehot",
        semantic: bool = True,
        threads: int = 0,
    ) -> None:
        _one_of("observation", observation, get_args(Observed))
        _one_of("identity", identity, get_args(Identity))
        for name in features:
            _one_of("features", name, tuple(FEATURES))
        if slots < 1 or threads < 0:
            name, least = ("slots", 1) if slots < 1 else ("threads", 0)
            raise ValueError(f"{name} = {min(slots, threads)}: at least {least} is expected")
        problem = scenario.template()
        self.problem = problem if semantic else problem.without_semantic()
        self.scenario, self.slots, self.lane = scenario, slots, lane
        self.users, self.channels = scenario.users, scenario.channels
        self.observation, self.identity, self.threads = observation, identity, threads
        self.features = tuple(features)
        rows = (slots, self.users)
        self.gain, self.task = np.empty((*rows, self.channels)), np.zeros(rows, np.int64)
        self.actions = empty_actions(rows)
        self.outcome = cpu.empty_outcome(rows, np.float64)
        self._scoring = cpu.scoring(self.problem)
        self._table = _standardised(self.problem, self.features)
        self._centre, self._scale = _gain_scale(scenario)
        own = self.channels + len(self.features)
        extra = {"onehot": self.users, "index": 1, "none": 0}[identity]
        self.state_size = self.users * own
        self.observation_size = (self.state_size if observation == "shared" else own) + extra
        self._cores = min(threads or 2**31, numba.get_num_threads())
        self._seen = (*rows, self.observation_size)
        self.seed(seed)

    def seed(self, seed: int) -> None:
        """Take the gains and tasks of another seed, from its first slot."""
        law = self.scenario.channel_law()
        self._gains = Gains(law, seed, self.users, self.channels)
        self._heads = Heads(self.scenario.shares(), seed)
        self.slot = 0
        self._draw()

    def seek(self, slot: int) -> None:
        """Go to a slot; QUEUE of them make an episode."""
        self.slot = slot
        self._draw()

    def reset(self, observation: Singles) -> None:
        """Go to the beginning of an episode, the next one unless at one, and observe it."""
        if self.slot % QUEUE:
            self.seek(self.slot + QUEUE - self.slot % QUEUE)
        self.observe(self.gain, self.task, observation)

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
            Naming an array of another type or shape, or a decision that is NaN or out of range.
        """
        _check("observation", observation, self._seen, np.float32)
        self.score(decisions, reward)
        self.slot += 1
        self._draw()
        self.observe(self.gain, self.task, observation)
        return self.slot % QUEUE == 0

    def score(self, decisions: Decisions, reward: Singles) -> None:
        """Write the rewards (E, N) that decisions earn in the current slots, and stay there."""
        _check("reward", reward, (self.slots, self.users), np.float32)
        self.decide(decisions, self.task, self.actions)
        self.evaluate(self.actions, self.gain, self.task, self.outcome)
        self.reward(self.outcome, self.task, reward)

    def decide(self, decisions: Decisions, task: Integers, out: Actions) -> None:
        """Turn decisions into actions, sub-channels by reading `preference_assignment`.

        Repeatedly the highest score among unassigned offloaders and free sub-channels wins (ties:
        lowest user, then lowest sub-channel). Who is left without one runs locally, at the
        frequency that it chose.

        Parameters
        ----------
        decisions : of any number of rows
        task : (rows, N) int64
        out : arrays (rows, N) int64 and float64, written
        """
        rows, users = decisions.mode.shape[0], self.users
        _check("mode", decisions.mode, (rows, users), np.uint8)
        _check("level", decisions.level, (rows, users, 3), np.float32)
        _check("preference", decisions.preference, (rows, users, self.channels), np.float32)
        self._check_task(task, rows)
        for name, array in vars(out).items():
            kind = np.int64 if name == "channel" else np.float64
            _check(f"out.{name}", array, (rows, users), kind)
        of, kinds = self.problem.users, self.problem.tasks
        with self._threads(rows):
            faults = _decide(
                decisions.mode,
                decisions.level,
                decisions.preference,
                task,
                (of.power_min, of.power_max),
                (of.frequency_min, of.frequency_max),
                (of.extraction_min, kinds.extraction_max),
                (out.channel, out.power, out.frequency, out.extraction),
            )
        if faults:
            raise ValueError(_first_fault(decisions))

    def evaluate(self, actions: Actions, gain: Floats, task: Integers, out: Outcome) -> None:
        """Score actions in the slots of their rows: equations (2)-(11), as `backends.evaluate`."""
        self._scoring.evaluate(
            actions.channel,
            actions.power,
            actions.frequency,
            actions.extraction,
            gain,
            task,
            out.latency,
            out.energy,
            out.accuracy,
            out.qoe,
            out.violations,
            self.threads,
        )

    def reward(self, outcome: Outcome, task: Integers, out: Singles) -> None:
        """Write the rewards (13) of outcomes: (rows, N) float32."""
        rows = (len(task), self.users)
        _check("reward", out, rows, np.float32)
        self._check_task(task, len(task))
        for name in ("qoe", "latency", "energy", "accuracy"):
            _check(f"outcome.{name}", getattr(outcome, name), rows, np.float64)
        with self._threads(len(task)):
            _reward(
                (outcome.qoe, outcome.latency, outcome.energy, outcome.accuracy),
                task,
                self.problem.system.latency_max,
                self.problem.users.energy_max,
                self.problem.tasks.accuracy_min,
                out,
            )

    def observe(self, gain: Floats, task: Integers, out: Singles) -> None:
        """Write what users see of slots: (rows, N, observation_size) float32.

        In this order: the user's gains and its task's features, or those of all users in turn; then
        its identity. Gains are standardised logarithms, features are standardised over the kinds.
        """
        self._check_slots(gain, task)
        _check("observation", out, (len(gain), self.users, self.observation_size), np.float32)
        self._write_seen(gain, task, self.observation, self.identity, out)

    def state(self, gain: Floats, task: Integers, out: Singles) -> None:
        """Write all gains and task features of slots, for a critic: (rows, state_size) float32."""
        self._check_slots(gain, task)
        _check("state", out, (len(gain), self.state_size), np.float32)
        self._write_seen(gain, task, "shared", "none", out[:, None, :])

    def _write_seen(
        self, gain: Floats, task: Integers, observation: str, identity: str, out: Singles
    ) -> None:
        shared, mode = observation == "shared", get_args(Identity).index(identity)
        with self._threads(len(gain)):
            _observe(gain, task, self._table, self._centre, self._scale, shared, mode, out)

    def _check_slots(self, gain: Floats, task: Integers) -> None:
        _check("gain", gain, (len(gain), self.users, self.channels), np.float64)
        self._check_task(task, len(gain))

    def _check_task(self, task: Integers, rows: int) -> None:
        _check("task", task, (rows, self.users), np.int64)
        kinds = len(self.problem.tasks.names)
        if task.size and not (task.min() >= 0 and task.max() < kinds):
            raise ValueError(f"task: indices from 0 to {kinds - 1} are expected")

    def _draw(self) -> None:
        with self._threads(self.slots):
            self._gains.lanes(self.gain, self.slot, self.lane)
            self._heads.lanes(self.task, self.slot, self.lane)

    @contextmanager
    def _threads(self, rows: int) -> Iterator[None]:
        """Run compiled loops over so many rows on as many threads as are worth while."""
        before = numba.get_num_threads()
        numba.set_num_threads(max(1, min(self._cores, rows * self.users // GRAIN)))
        try:
            yield
        finally:
            numba.set_num_threads(before)


# ------------------------------------------------------------------------------- compiled loops

register_jitable(inline="always")(model.reward)

ROWS = 64  # of a block
BELOW_ONE = float(np.nextafter(1.0, 0.0))  # the end of semantic mode where a task sets none


def _decide_rows(  # type: ignore[no-untyped-def]
    mode, level, preference, task, power_range, frequency_range, extraction_range, out
):
    faults = 0
    rows, users = mode.shape
    channels = preference.shape[2]
    for block in numba.prange((rows + ROWS - 1) // ROWS):
        favourite, waiting = np.empty(users, np.int64), np.empty(users, np.bool_)
        free = np.empty(channels, np.bool_)
        for e in range(block * ROWS, min(block * ROWS + ROWS, rows)):
            channel, power, frequency, extraction = out[0][e], out[1][e], out[2][e], out[3][e]
            free[:] = True
            for n in range(users):
                channel[n] = -1
                waiting[n] = mode[e, n] != LOCAL
                favourite[n] = _favourite(preference[e, n], free)
            for _ in range(min(users, channels)):
                winner = -1
                for n in range(users):
                    if waiting[n] and (
                        winner < 0
                        or preference[e, n, favourite[n]] > preference[e, winner, favourite[winner]]
                    ):
                        winner = n
                if winner < 0:
                    break
                channel[winner], waiting[winner] = favourite[winner], False
                free[favourite[winner]] = False
                for n in range(users):
                    if waiting[n] and favourite[n] == favourite[winner]:
                        favourite[n] = _favourite(preference[e, n], free)
            for n in range(users):
                top = min(extraction_range[1][task[e, n]], BELOW_ONE)
                low = extraction_range[0][n]
                power[n], extraction[n] = 0.0, 1.0
                frequency[n] = _between(
                    frequency_range[0][n], frequency_range[1][n], level[e, n, 1]
                )
                if channel[n] >= 0:
                    power[n] = _between(power_range[0][n], power_range[1][n], level[e, n, 0])
                    if mode[e, n] == SEMANTIC and low <= top:
                        extraction[n] = _between(low, top, level[e, n, 2])
                    else:
                        frequency[n] = frequency_range[0][n]
                sound = mode[e, n] <= SEMANTIC
                for j in range(3):
                    sound &= 0.0 <= level[e, n, j] <= 1.0
                for k in range(channels):
                    sound &= preference[e, n, k] == preference[e, n, k]
                faults += not sound
    return faults


@register_jitable
def _favourite(preference: Any, free: Any) -> Any:
    best = -1
    for k in range(len(free)):
        if free[k] and (best < 0 or preference[k] > preference[best]):
            best = k
    return best


@register_jitable
def _between(low: Any, high: Any, share: Any) -> Any:
    return min(low + share * (high - low), high)


def _reward_rows(outcome, task, latency_max, energy_max, accuracy_min, out):  # type: ignore[no-untyped-def]
    qoe, latency, energy, accuracy = outcome
    for e in numba.prange(len(out)):
        for n in range(out.shape[1]):
            out[e, n] = model.reward(
                qoe[e, n],
                latency[e, n],
                latency_max,
                energy[e, n],
                energy_max[n],
                accuracy[e, n],
                accuracy_min[task[e, n]],
            )


def _observe_rows(gain, task, table, centre, scale, shared, identity, out):  # type: ignore[no-untyped-def]
    rows, users, channels = gain.shape
    features = table.shape[1]
    own = channels + features
    viewers = out.shape[1]
    for e in numba.prange(rows):
        for n in range(users):
            first = n if not shared else 0
            start = n * own if shared else 0
            for k in range(channels):
                out[e, first, start + k] = (streams.log(gain[e, n, k]) - centre) * scale
            for j in range(features):
                out[e, first, start + channels + j] = table[task[e, n], j]
        seen = users * own if shared else own
        for n in range(viewers):
            if shared and n > 0:
                for i in range(seen):
                    out[e, n, i] = out[e, 0, i]
            if identity == 0:
                for j in range(users):
                    out[e, n, seen + j] = j == n
            elif identity == 1:
                out[e, n, seen] = n / max(users - 1, 1)


_decide = parallel(_decide_rows, "decide")
_reward = parallel(_reward_rows, "reward", model)
_observe = parallel(_observe_rows, "observe", streams)


# ------------------------------------------------------------------------------------ helpers


def empty_actions(rows: tuple[int, int]) -> Actions:
    """Return actions to be written into: arrays (rows, N)."""
    power, frequency, extraction = (np.empty(rows) for _ in range(3))
    return Actions(np.empty(rows, np.int64), power, frequency, extraction)


def _standardised(problem: Problem, features: Sequence[str]) -> Singles:
    """Return features of the kinds of task, of mean 0 and deviation 1 over them: (T, F)."""
    kinds = len(problem.tasks.names)
    columns = [FEATURES[name](problem.tasks) for name in features]
    table = np.reshape(np.stack([np.zeros(kinds), *columns], axis=1)[:, 1:], (kinds, -1))
    deviation = table.std(axis=0)
    scaled = (table - table.mean(axis=0)) / np.where(deviation > 0, deviation, 1.0)
    return np.asarray(scaled, dtype=np.float32)


def _gain_scale(scenario: Scenario) -> tuple[float, float]:
    """Return centre and 1 / deviation of the logarithm of gains, the same for every seed."""
    sample = np.empty((SAMPLE, scenario.users, scenario.channels))
    Gains(scenario.channel_law(), 0, *sample.shape[1:]).lanes(sample, 0)
    logarithm = np.log(sample)
    deviation = float(logarithm.std())
    return float(logarithm.mean()), 1.0 / deviation if deviation > 0 else 1.0


def _one_of(option: str, value: str, allowed: Sequence[str]) -> None:
    if value not in allowed:
        raise ValueError(f"{option} = {value!r}: one of {', '.join(allowed)} is expected")


def _check(name: str, array: NDArray[Any], shape: tuple[int, ...], dtype: Any) -> None:
    if array.shape != shape or array.dtype != dtype or not array.flags.c_contiguous:
        raise ValueError(
            f"{name}: a contiguous {np.dtype(dtype)} array of shape {shape} is expected, got "
            f"{array.dtype} {array.shape}"
        )


def _first_fault(decisions: Decisions) -> str:
    """Name the first decision that is NaN or out of range."""
    wrong = {
        "mode": (decisions.mode > SEMANTIC, "0 (local), 1 (raw) or 2 (semantic)"),
        "level": (~((decisions.level >= 0) & (decisions.level <= 1)), "numbers from 0 to 1"),
        "preference": (np.isnan(decisions.preference), "numbers"),
    }
    for name, (where, expected) in wrong.items():
        if where.any():
            row, user, *rest = (int(i) for i in np.argwhere(where)[0])
            value = getattr(decisions, name)[(row, user, *rest)]
            part = f"{name}{rest}" if rest else name
            return f"{part} of user {user} in row {row} = {value}: {expected} are expected"
    raise AssertionError("a fault was counted that is not there")
