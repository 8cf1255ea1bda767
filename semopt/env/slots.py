"""What the adapters share: slots that take actions from 0 to 1, and say what they earned."""

from __future__ import annotations

from math import inf, nan
from pathlib import Path
from typing import Any
from warnings import warn

import numpy as np

from ..allowed import one_of
from ..problem import Floats, Integers
from ..scenario import Scenario
from ..solvers.matching import ExactBatch
from ..worth import objective
from .decisions import LEADING_SHARES, Decisions, Singles, outside
from .environment import Environment, check_rewards

RENDER_MODES = ["ansi", "rgb_array"]
OUTCOME = ("latency", "energy", "accuracy", "qoe", "violations")


class Slots:
    """An environment and the arrays that it writes."""

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
        self.action_size = LEADING_SHARES + channels
        self.exact = ExactBatch(problem, self.inner.threads) if optimum else None
        self.optimum = np.full(slots, np.nan)
        self.render_mode = render_mode
        self.shown: tuple[Floats, Integers] | None = None  # gains and tasks of the last step

    def reset(self, seed: int | None) -> None:
        """Go to the beginning of an episode: the next one, or the first of a seed."""
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
            modes = " or ".join(RENDER_MODES)
            warn(f"nothing is rendered: make it with render_mode {modes}", stacklevel=3)
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


def fresh_seed() -> int:
    """Return a seed that nobody has drawn."""
    return int(np.random.SeedSequence().generate_state(1, np.uint64)[0])


def single_numbers(name: str, value: Any, shape: tuple[int, ...]) -> Singles:
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
