"""The queues that policies are fitted on: other draws than those of any evaluation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeVar

import numpy as np

from ..allowed import whole
from ..arrays import Floats, Integers
from ..scenario import Scenario
from .cells import Cells
from .policy import GridPolicy

SLOTS = 1000  # that policies are fitted on,
CELLS = 300_000  # with fewer where users and sub-channels make more cells than these
STREAM = 4  # of the seed's children, that of the fit

T = TypeVar("T")


def cells_of_slot(scenario: Scenario) -> int:
    """Return how many cells a slot has: a user alone, or on a sub-channel beside others."""
    users, channels = scenario.users, scenario.channels
    return users * (1 + min(users, channels) * channels)


@dataclass
class Training:
    """Queues of a scenario, drawn from a child of the seed; of a trace, from its training part.

    Attributes
    ----------
    scenario : with batteries
    seed : of the evaluation, from which it shares no draw
    tick : told the share of a fit that is done
    """

    scenario: Scenario
    seed: int = 0
    tick: Callable[[float], None] = field(default=lambda done: None, repr=False)

    def __post_init__(self) -> None:
        whole("seed", self.seed, 0)

    @cached_property
    def length(self) -> int:
        """Tasks of a queue, T."""
        return self.scenario.queue_length

    @cached_property
    def queues(self) -> int:
        """How many queues there are, E."""
        most = CELLS // cells_of_slot(self.scenario)
        slots = min(SLOTS, most, self.scenario.length("training") or SLOTS)
        return max(slots // self.length, 1)

    @cached_property
    def cells(self) -> Cells:
        """The efficient actions of all slots, those of a queue side by side: E T slots."""
        child = np.random.SeedSequence(self.seed, spawn_key=(STREAM,))
        slots = self.queues * self.length
        gain, task = self.scenario.draw(slots, int(child.generate_state(1)[0]), part="training")
        return Cells(self.scenario.template(), gain, task)

    def at(self, step: int) -> Integers:
        """Return which slots are those of one step of all queues: (E,) int64."""
        return np.arange(self.queues) * self.length + step

    def play(self, policy: GridPolicy) -> tuple[float, Floats]:
        """Return what a policy gains a task, and the energy left before each step (T, E, N), J."""
        left = np.tile(self.cells.battery, (self.queues, 1))
        gained, before = 0.0, []
        for step in range(self.length):
            before.append(left)
            choice = policy.choose(self.cells.take(self.at(step)), left, self.length - step)
            gained += float(choice.qoe.sum())
            left = np.maximum(left - choice.energy, 0.0)
        return gained / self.cells.task.size, np.array(before)

    def tuned(self, make: Callable[[T], GridPolicy], settings: Sequence[T]) -> GridPolicy:
        """Return the policy of the setting that gains most."""
        best: tuple[float, GridPolicy] | None = None
        for i, setting in enumerate(settings):
            self.tick(i / len(settings))
            policy = make(setting)
            gained, _ = self.play(policy)
            if best is None or gained > best[0]:
                best = gained, policy
        assert best is not None
        return best[1]
