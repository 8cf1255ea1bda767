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
from .batteries import Ahead
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
        if optimum and self.inner.batteries:
            raise ValueError(
                "optimum = True: user.battery_mj couples the slots, so that none has an optimum of "
                "its own: leave it out; solve_queue has that of a whole queue"
            )
        users, channels = self.inner.users, self.inner.channels
        self.decisions = Decisions.empty(slots, users, channels)
        self.reward = np.empty((slots, users), np.float32)
        self.action_size = LEADING_SHARES + channels
        self.exact = ExactBatch(problem, self.inner.threads) if optimum else None
        self.optimum = np.full(slots, np.nan)
        self.render_mode = render_mode
        self.shown: tuple[Floats, Integers] | None = None  # gains and tasks of the last step
        self.ended = False

    def reset(self, seed: int | None) -> None:
        """Go to the beginning of an episode: the next one, or the first of a seed."""
        self.shown, self.ended = None, False
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
        self.decisions.take(share, len(self.inner.modes))
        self.inner.score(self.decisions, self.reward)
        if self.exact:
            _, value, _ = self.exact.solve(self.inner.gain, self.inner.task)
            self.optimum = np.where(value > -inf, value, nan)
        if self.render_mode:
            self.shown = self.inner.gain.copy(), self.inner.task.copy()
        self.ended = self.inner.advance()
        return self.ended

    def frames(self) -> tuple[Any, ...]:
        """Return what each slot's last step looks like, or its slot before the first step."""
        if self.render_mode is None:
            modes = " or ".join(RENDER_MODES)
            warn(f"nothing is rendered: make it with render_mode {modes}", stacklevel=3)
            return (None,) * self.inner.slots
        from ..report import frames

        inner, (gain, task) = self.inner, self.shown or (self.inner.gain, self.inner.task)
        charge = self.charge() if self.shown else {}
        if inner.ahead and not self.shown:
            charge = {"energy_left": inner.ahead.left}
        pictures: list[Any] = []
        for row in range(inner.slots):
            problem = inner.problem.with_slot(gain[row], task[row])
            actions = inner.actions.take(row) if self.shown else None
            charged = {name: value[row] for name, value in charge.items()}
            if self.render_mode == "rgb_array":
                pictures.append(frames.image(problem, actions, **charged))
                continue
            title = f"slot {inner.slot - bool(self.shown)}"
            if self.shown:
                title += f": reward {self.team()[row]:.4f}"
                title += "".join(f", {k} {v[row]:.4f}" for k, v in self.missed().items())
            pictures.append(frames.text(title, problem, actions, **charged))
        return tuple(pictures)

    def seen(self) -> Singles:
        """Return what users see of the slots they stand at: (slots, N, size) float32."""
        inner = self.inner
        out = np.empty((*self.reward.shape, inner.observation_size), np.float32)
        inner.observe(inner.gain, inner.task, out, self.ahead(self.ended))
        return out

    def state(self, ended: bool = False) -> Singles:
        """Return all of the current slots: (slots, size) float32.

        Where queues have `ended`, their batteries are as they were left; all else is of the first
        slots of the next ones.
        """
        inner = self.inner
        out = np.empty((inner.slots, inner.state_size), np.float32)
        inner.state(inner.gain, inner.task, out, self.ahead(ended))
        return out

    def ahead(self, ended: bool) -> Ahead | None:
        """Return what queues have ahead of them: where they ended, no task and what is left."""
        batteries = self.inner.batteries
        return batteries.after if batteries and ended else self.inner.ahead

    def charge(self) -> dict[str, Any]:
        """Return what the last step left of batteries, where there are any: arrays (slots, N).

        "skipped", by choice or after the fact, and "energy_left", J.
        """
        if (batteries := self.inner.batteries) is None:
            return {}
        left = batteries.after.left.copy()
        return {"skipped": batteries.skipped.copy(), "energy_left": left}

    def team(self) -> Any:
        """Return the users' rewards as the objective sums them up: (slots,) float64."""
        return objective(self.inner.problem, self.reward.astype(np.float64))

    def outcome(self) -> dict[str, Any]:
        """Return the outcome of the last step, what is left of batteries included: (slots, N).

        All figures of a task that is not executed are 0: NaN is equal to nothing, and checkers of
        environments compare.
        """
        outcome = {name: getattr(self.inner.outcome, name).copy() for name in OUTCOME}
        charge = self.charge()
        for name in ("latency", "accuracy") if charge else ():
            outcome[name][charge["skipped"]] = 0.0
        return outcome | charge

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
