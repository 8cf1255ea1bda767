"""The environment as PettingZoo's `ParallelEnv` and Gymnasium's `Env` and `VectorEnv`.

A user's action is a box [0, 1]^(4 + K), as `Decisions.take` reads it. A controller of all users
gets the whole state and the sum of rewards, and gives the users' actions one after the other.
"""

from __future__ import annotations

from copy import deepcopy
from math import inf, nan
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from ..allowed import one_of
from ..problem import Floats, Integers
from ..scenario import Scenario, presets
from ..solvers.matching import ExactBatch
from ..worth import objective
from .decisions import SHARES, Decisions, Singles, outside
from .environment import Environment, check_rewards

try:
    import gymnasium
    import pettingzoo
    from gymnasium.spaces import Box
    from gymnasium.vector.utils import batch_space
except ImportError as error:
    raise ImportError(
        f"semopt.adapters needs {error.name}: pip install 'semopt[learn]'", name=error.name
    ) from None

RENDER_MODES = ["ansi", "rgb_array"]
RENDERED = {"render_modes": RENDER_MODES, "render_fps": 2}
OUTCOME = ("latency", "energy", "accuracy", "qoe", "violations")


class _Copied:
    """What steps on alike when it is copied: shared arrays would make the two one."""

    def __copy__(self) -> Self:
        return deepcopy(self)


class _Slots:
    """What the adapters share: an environment and the arrays that it writes."""

    def __init__(
        self,
        scenario: Scenario | str,
        slots: int,
        seed: int | None,
        optimum: bool,
        render_mode: str | None,
        **options: Any,
    ) -> None:
        if render_mode is not None:
            one_of("render_mode", render_mode, RENDER_MODES)
        loaded = Scenario.load(scenario) if isinstance(scenario, (str, Path)) else scenario
        self.seed = fresh_seed() if seed is None else seed
        self.inner = Environment(loaded, slots, seed=self.seed, **options)
        problem = self.inner.problem
        check_rewards(problem)
        users, channels = self.inner.users, self.inner.channels
        self.decisions = Decisions.empty(slots, users, channels)
        self.reward = np.empty((slots, users), np.float32)
        self.action_size = SHARES + channels
        self.exact = ExactBatch(problem, self.inner.threads) if optimum else None
        self.optimum = np.full(slots, np.nan)
        self.render_mode = render_mode
        self.shown: tuple[Floats, Integers] | None = None  # gains and tasks of the last step

    def reset(self, seed: int | None) -> None:
        self.shown = None
        if seed is not None:
            self.inner.seed(seed)
            self.seed = seed
        self.inner.begin()

    def step(self, actions: Singles) -> bool:
        """Carry out actions of slots x N (4 + K); return whether the episode ended."""
        share = actions.reshape(*self.reward.shape, self.action_size)
        if place := outside(share):
            row, user, i = place
            raise ValueError(
                f"action[{i}] of user {user} in slot {row} = {share[row, user, i]}: numbers from 0 "
                "to 1 are expected"
            )
        self.decisions.take(share)
        self.inner.score(self.decisions, self.reward)
        if self.exact:
            _, value, _ = self.exact.solve(self.inner.gain, self.inner.task)
            self.optimum = np.where(value > -inf, value, nan)
        if self.render_mode:
            self.shown = self.inner.gain.copy(), self.inner.task.copy()
        return self.inner.advance()

    def frames(self) -> tuple[Any, ...]:
        """Return what each slot's last step looks like, or its slot before the first step."""
        if self.render_mode is None:
            gymnasium.logger.warn(f"nothing is rendered: make it with render_mode {RENDER_MODES}")
            return (None,) * self.inner.slots
        from ..report import frames

        inner, (gain, task) = self.inner, self.shown or (self.inner.gain, self.inner.task)
        pictures: list[Any] = []
        for row in range(inner.slots):
            problem = inner.problem.with_slot(gain[row], task[row])
            actions = inner.actions.take(row) if self.shown else None
            if self.render_mode == "rgb_array":
                pictures.append(frames.image(problem, actions))
                continue
            title = f"slot {inner.slot - bool(self.shown)}"
            if self.shown:
                title += f": reward {self.team()[row]:.4f}"
                title += "".join(f", {k} {v[row]:.4f}" for k, v in self.missed().items())
            pictures.append(frames.text(title, problem, actions))
        return tuple(pictures)

    def seen(self) -> Singles:
        """Return what users see of the current slots: (slots, N, size) float32."""
        inner = self.inner
        out = np.empty((*self.reward.shape, inner.observation_size), np.float32)
        inner.observe(inner.gain, inner.task, out)
        return out

    def state(self) -> Singles:
        """Return all of the current slots: (slots, size) float32."""
        inner = self.inner
        out = np.empty((inner.slots, inner.state_size), np.float32)
        inner.state(inner.gain, inner.task, out)
        return out

    def team(self) -> Any:
        """Return the users' rewards as the objective sums them up: (slots,) float64."""
        return objective(self.inner.problem, self.reward.astype(np.float64))

    def outcome(self) -> dict[str, Any]:
        """Return the outcome of the last step: arrays (slots, N)."""
        return {name: getattr(self.inner.outcome, name).copy() for name in OUTCOME}

    def missed(self) -> dict[str, Any]:
        """Return optimum and regret of the last step where they are asked for: (slots,) float64.

        Regret counts a task that breaks a limit, whose reward is below 0, as one of no QoE.
        """
        if self.exact is None:
            return {}
        qoe = np.maximum(self.reward.astype(np.float64), 0.0)
        reached = objective(self.inner.problem, qoe)
        return {"optimum": self.optimum.copy(), "regret": self.optimum - reached}

    def observed(self, size: int) -> Box:
        return Box(-np.inf, np.inf, (size,), np.float32)

    def acting(self, users: int) -> Box:
        return Box(0.0, 1.0, (users * self.action_size,), np.float32)


def fresh_seed() -> int:
    """Return a seed that nobody has drawn."""
    return int(np.random.SeedSequence().generate_state(1, np.uint64)[0])


def _numbers(name: str, value: Any, shape: tuple[int, ...]) -> Singles:
    """Return an action, or raise ValueError unless it is numbers of this shape."""
    try:
        numbers = np.asarray(value)
    except ValueError:  # lists of different lengths
        numbers = np.asarray(None)
    if numbers.shape != shape or numbers.dtype.kind not in "fiu":
        raise ValueError(
            f"{name}: numbers of shape {shape} are expected, got {numbers.dtype} {numbers.shape}"
        )
    if numbers.dtype == np.float32:
        return numbers
    with np.errstate(over="ignore"):  # infinite: refused as out of range
        return numbers.astype(np.float32)


class UsersEnv(_Copied, pettingzoo.ParallelEnv[str, Any, Any]):
    """One agent a user, each with its own observation, action and reward (13).

    Parameters
    ----------
    scenario : or its name, or a file's
    seed : of gains and tasks; drawn freshly unless given, `np_random_seed` says which
    optimum : whether infos hold the exact optimum of the slot's grid and the regret of the step:
        what its objective misses of that, a task that breaks a limit counting 0 as in `train`
        (continuous levels pass the grid at times: then it is below 0); NaN where no decision is
        feasible
    render_mode : what `render` returns of the last step: "ansi", text, or "rgb_array", an image
        (needs altair, vl-convert-python and pillow)
    options : of `Environment`: lane, observation, features, identity, semantic, threads, part

    Raises
    ------
    ValueError
        Naming an unknown option, a scenario that no reward fits, or an action of another shape
    """

    metadata: ClassVar[dict[str, Any]] = {"name": "semopt_v0"} | RENDERED

    def __init__(
        self,
        scenario: Scenario | str,
        *,
        seed: int | None = None,
        optimum: bool = False,
        render_mode: str | None = None,
        **options: Any,
    ) -> None:
        self._slots = _Slots(scenario, 1, seed, optimum, render_mode, **options)
        inner = self._slots.inner
        self.possible_agents = [f"user_{n}" for n in range(inner.users)]
        self.agents: list[str] = []
        self.render_mode = render_mode
        self.observation_spaces = {
            agent: self._slots.observed(inner.observation_size) for agent in self.possible_agents
        }
        self.action_spaces = {agent: self._slots.acting(1) for agent in self.possible_agents}
        self.state_space = self._slots.observed(inner.state_size)

    @property
    def np_random_seed(self) -> int:
        """The seed in force, as Gymnasium names it."""
        return self._slots.seed

    def observation_space(self, agent: str) -> Box:
        """Return the space of an agent's observations, the same object every time."""
        return self.observation_spaces[agent]

    def action_space(self, agent: str) -> Box:
        """Return the space of an agent's actions, the same object every time."""
        return self.action_spaces[agent]

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Singles], dict[str, dict[str, Any]]]:
        """Begin an episode: the next one, or the first of a seed."""
        self.agents = self.possible_agents[:]
        self._slots.reset(seed)
        return self._each(self._slots.seen()[0]), {agent: {} for agent in self.agents}

    def step(
        self, actions: dict[str, Any]
    ) -> tuple[
        dict[str, Singles],
        dict[str, float],
        dict[str, bool],
        dict[str, bool],
        dict[str, dict[str, Any]],
    ]:
        """Carry out the actions of all users."""
        if not self.agents:
            return {}, {}, {}, {}, {}
        if not isinstance(actions, dict):
            raise ValueError(f"actions: a dict of agents is expected, not {type(actions).__name__}")
        for others, what in (
            ([agent for agent in self.agents if agent not in actions], "{} is missing"),
            ([str(agent) for agent in actions if agent not in self.agents], "there is no {}"),
        ):
            if others:
                raise ValueError(f"actions: {what.format(', '.join(others))}")
        size = (self._slots.action_size,)
        ended = self._slots.step(
            np.stack([_numbers(f"action of {a}", actions[a], size) for a in self.agents])
        )
        outcome = self._slots.outcome()
        missed = {name: value[0] for name, value in self._slots.missed().items()}
        answer = (
            self._each(self._slots.seen()[0]),
            self._each(self._slots.reward[0].tolist()),
            self._each([ended] * len(self.agents)),
            self._each([False] * len(self.agents)),
            {
                agent: {name: value[0, n] for name, value in outcome.items()} | missed
                for n, agent in enumerate(self.agents)
            },
        )
        if ended:
            self.agents = []
        return answer

    def state(self) -> Singles:
        """Return all gains and task features, for a centralised critic."""
        state: Singles = self._slots.state()[0]
        return state

    def render(self) -> Any:
        """Return the last step as text or an image, as `render_mode` says."""
        return self._slots.frames()[0]

    def close(self) -> None:
        """Hold nothing to give back."""

    def _each(self, values: Any) -> dict[str, Any]:
        return dict(zip(self.agents, values, strict=True))


class SlotEnv(_Copied, gymnasium.Env[Any, Any]):
    """One controller for all users of one slot.

    Parameters
    ----------
    scenario, seed, optimum, render_mode : as of `UsersEnv`
    options : of `Environment`: lane, features, semantic, threads, part
    """

    metadata: ClassVar[dict[str, Any]] = RENDERED

    def __init__(
        self,
        scenario: Scenario | str,
        *,
        seed: int | None = None,
        optimum: bool = False,
        render_mode: str | None = None,
        **options: Any,
    ) -> None:
        self._slots = _Slots(scenario, 1, seed, optimum, render_mode, **options)
        super().reset(seed=self._slots.seed)
        self.render_mode = render_mode
        self.observation_space = self._slots.observed(self._slots.inner.state_size)
        self.action_space = self._slots.acting(self._slots.inner.users)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begin an episode: the next one, or the first of a seed."""
        self._slots.reset(seed)
        super().reset(seed=seed)
        return self._slots.state()[0], {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Carry out an action; the observation at an episode's end is the next one's first."""
        ended = self._slots.step(_numbers("action", action, self.action_space.shape))
        figures = self._slots.outcome() | self._slots.missed()
        info = {name: value[0] for name, value in figures.items()}
        return self._slots.state()[0], float(self._slots.team()[0]), ended, False, info

    def render(self) -> Any:
        """Return the last step as text or an image, as `render_mode` says."""
        return self._slots.frames()[0]


class SlotVectorEnv(_Copied, gymnasium.vector.VectorEnv[Any, Any, Any]):
    """One controller in each of many slots: row e is `SlotEnv(scenario, lane=lane + e)`.

    All rows end their episodes together, and begin the next one in the same step: its first
    observation is returned, and stands in `infos["final_obs"]` too, since actions do not change
    what comes next.
    """

    metadata: ClassVar[dict[str, Any]] = RENDERED | {
        "autoreset_mode": gymnasium.vector.AutoresetMode.SAME_STEP
    }

    def __init__(
        self,
        scenario: Scenario | str,
        num_envs: int = 1,
        *,
        seed: int | None = None,
        optimum: bool = False,
        render_mode: str | None = None,
        **options: Any,
    ) -> None:
        self._slots = _Slots(scenario, num_envs, seed, optimum, render_mode, **options)
        super().reset(seed=self._slots.seed)
        self.num_envs, self.render_mode = num_envs, render_mode
        self.single_observation_space = self._slots.observed(self._slots.inner.state_size)
        self.single_action_space = self._slots.acting(self._slots.inner.users)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begin an episode in all rows: the next one, or the first of a seed, one for all."""
        self._slots.reset(seed)
        super().reset(seed=seed)
        return self._slots.state(), {}

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """Carry out one action a row."""
        numbers = _numbers("action", actions, self.action_space.shape)
        ended = np.full(self.num_envs, self._slots.step(numbers))
        infos, state = self._slots.outcome() | self._slots.missed(), self._slots.state()
        if ended[0]:
            infos |= {"final_obs": state.copy(), "_final_obs": ended.copy()}
        reward = self._slots.team()
        return state, reward, ended, np.zeros(self.num_envs, bool), infos

    def render(self) -> tuple[Any, ...]:
        """Return each row's last step as text or an image, as `render_mode` says."""
        return self._slots.frames()


def register_presets() -> None:
    """Register every preset with Gymnasium: one slot, and as its vector entry point many."""
    for name in presets():
        gymnasium.register(
            f"semopt/{name}-v0",
            entry_point="semopt.adapters:SlotEnv",
            vector_entry_point="semopt.adapters:SlotVectorEnv",
            kwargs={"scenario": name},
        )
