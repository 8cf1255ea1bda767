"""The environment as PettingZoo's `ParallelEnv` and Gymnasium's `Env` and `VectorEnv`.

A user's action is a box [0, 1]^(4 + K), as `Decisions.take` reads it. A controller of all users
gets the whole state and the sum of rewards, and gives the users' actions one after the other. With
batteries infos say what was skipped, all figures of which are 0, and the energy left, J.
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any, ClassVar, Self

import numpy as np

from ..scenario import Scenario, presets
from .decisions import Singles
from .slots import RENDER_MODES, Slots, single_numbers

try:
    import gymnasium
    import pettingzoo
    from gymnasium.error import ResetNeeded
    from gymnasium.spaces import Box
    from gymnasium.vector.utils import batch_space
except ImportError as error:
    raise ImportError(
        f"semopt.adapters needs {error.name}: pip install 'semopt[learn]'", name=error.name
    ) from None

RENDERED = {"render_modes": RENDER_MODES, "render_fps": 2}


class _Copied:
    """What steps on alike when it is copied: shared arrays would make the two one."""

    def __copy__(self) -> Self:
        return deepcopy(self)


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
        self._slots = Slots(scenario, 1, seed, optimum, render_mode, **options)
        inner = self._slots.inner
        self.possible_agents = [f"user_{n}" for n in range(inner.users)]
        self.agents: list[str] = []
        self.render_mode = render_mode
        self.observation_spaces = {
            agent: _observed(inner.observation_size) for agent in self.possible_agents
        }
        self.action_spaces = {agent: _acting(self._slots, 1) for agent in self.possible_agents}
        self.state_space = _observed(inner.state_size)

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
        if not self.agents and not self._slots.ended:
            raise ResetNeeded("step before reset: reset() begins an episode")
        if not self.agents:  # the episode has ended
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
            np.stack([single_numbers(f"action of {a}", actions[a], size) for a in self.agents])
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
        state: Singles = self._slots.state(self._slots.ended)[0]
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
        self._slots = Slots(scenario, 1, seed, optimum, render_mode, **options)
        super().reset(seed=self._slots.seed)
        self.render_mode = render_mode
        self.observation_space = _observed(self._slots.inner.state_size)
        self.action_space = _acting(self._slots, self._slots.inner.users)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begin an episode: the next one, or the first of a seed."""
        self._slots.reset(seed)
        super().reset(seed=seed)
        return self._slots.state()[0], {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Carry out an action.

        The observation at an episode's end is the next one's first, but for what is left of
        batteries.
        """
        ended = self._slots.step(single_numbers("action", action, self.action_space.shape))
        figures = self._slots.outcome() | self._slots.missed()
        info = {name: value[0] for name, value in figures.items()}
        return self._slots.state(ended)[0], float(self._slots.team()[0]), ended, False, info

    def render(self) -> Any:
        """Return the last step as text or an image, as `render_mode` says."""
        return self._slots.frames()[0]


class SlotVectorEnv(_Copied, gymnasium.vector.VectorEnv[Any, Any, Any]):
    """One controller in each of many slots: row e is `SlotEnv(scenario, lane=lane + e)`.

    All rows end their episodes together, and begin the next one in the same step: its first
    observation is returned, and what `SlotEnv` returns there stands in `infos["final_obs"]`.
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
        self._slots = Slots(scenario, num_envs, seed, optimum, render_mode, **options)
        super().reset(seed=self._slots.seed)
        self.num_envs, self.render_mode = num_envs, render_mode
        self.single_observation_space = _observed(self._slots.inner.state_size)
        self.single_action_space = _acting(self._slots, self._slots.inner.users)
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
        numbers = single_numbers("action", actions, self.action_space.shape)
        ended = np.full(self.num_envs, self._slots.step(numbers))
        infos, state = self._slots.outcome() | self._slots.missed(), self._slots.state()
        if ended[0]:
            infos |= {"final_obs": self._slots.state(ended=True), "_final_obs": ended.copy()}
        reward = self._slots.team()
        return state, reward, ended, np.zeros(self.num_envs, bool), infos

    def render(self) -> tuple[Any, ...]:
        """Return each row's last step as text or an image, as `render_mode` says."""
        return self._slots.frames()


def _observed(size: int) -> Box:
    return Box(-np.inf, np.inf, (size,), np.float32)


def _acting(slots: Slots, users: int) -> Box:
    return Box(0.0, 1.0, (users * slots.action_size,), np.float32)


def register_presets() -> None:
    """Register every preset with Gymnasium: one slot, and as its vector entry point many."""
    for name in presets():
        gymnasium.register(
            f"semopt/{name}-v0",
            entry_point="semopt.adapters:SlotEnv",
            vector_entry_point="semopt.adapters:SlotVectorEnv",
            kwargs={"scenario": name},
        )
