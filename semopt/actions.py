"""What users do: joint actions, the mode of each, and the ranges that a mode leaves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from .arrays import Flags, Floats, Integers
from .problem import Problem
from .records import Record

MODES = ("local", "raw", "semantic")  # of a task
QUEUE_MODES = (*MODES, "skip")  # of a task in a queue with batteries, which need not be executed
LOCAL, RAW, SEMANTIC, SKIP = range(len(QUEUE_MODES))


@dataclass(frozen=True)
class Actions(Record):
    """Joint actions, one user in each last-axis entry.

    Attributes
    ----------
    channel : (..., N) int64, sub-channel of an offloader, -1 for local
    power : (..., N) float64, W, ignored where local
    frequency : (..., N) float64, Hz, ignored where raw
    extraction : (..., N) float64, 1 is raw mode, ignored where local
    """

    channel: Integers
    power: Floats
    frequency: Floats
    extraction: Floats

    @property
    def offload(self) -> Flags:
        """Who sends its task to the server: (..., N)."""
        return np.asarray(self.channel >= 0)

    @property
    def semantic(self) -> Flags:
        """Who sends the task's meaning, extracted: (..., N)."""
        return self.offload & (self.extraction < 1.0)

    @property
    def mode(self) -> Integers:
        """LOCAL, RAW or SEMANTIC: (..., N)."""
        return np.where(self.semantic, SEMANTIC, np.where(self.offload, RAW, LOCAL))

    @classmethod
    def empty(cls, *shape: int) -> Actions:
        """Return arrays of a shape that hold no decision: sub-channel -1, all else NaN."""
        return cls(np.full(shape, -1), *(np.full(shape, np.nan) for _ in range(3)))

    @classmethod
    def local(cls, frequency: Floats) -> Actions:
        """Return the execution of every task on its user's own GPU at these clocks, Hz (..., N)."""
        nothing = np.zeros(frequency.shape)
        return cls(np.full(frequency.shape, -1), nothing, frequency.copy(), nothing + 1.0)

    def take(self, index: Any) -> Actions:
        """Index every array alike."""
        return Actions(
            self.channel[index], self.power[index], self.frequency[index], self.extraction[index]
        )

    def put(self, index: Any, other: Actions) -> None:
        """Write another's arrays at an index."""
        for f in fields(self):
            getattr(self, f.name)[index] = getattr(other, f.name)

    @classmethod
    def concatenate(cls, parts: Sequence[Actions]) -> Actions:
        """Return arrays one behind the other; scalars become arrays."""
        return cls(
            *(
                np.concatenate([np.atleast_1d(getattr(a, f.name)) for a in parts])
                for f in fields(cls)
            )
        )


def mode_of(actions: Actions, user: int) -> str:
    """Return "local", "raw" or "semantic"."""
    return MODES[int(actions.mode[user])]


def ranges(
    problem: Problem, actions: Actions, task: Integers | None = None
) -> dict[str, tuple[Flags, Floats, Floats]]:
    """Return, for each variable, where it plays a part and its least and greatest values there.

    Arrays (..., N), in SI units.
    """
    users, semantic = problem.users, actions.semantic
    most = problem.tasks.extraction_max[problem.task if task is None else task]
    return {
        "power": (actions.offload, users.power_min, users.power_max),
        "frequency": (semantic | ~actions.offload, users.frequency_min, users.frequency_max),
        "extraction": (actions.offload, users.extraction_min, np.where(semantic, most, 1.0)),
    }
