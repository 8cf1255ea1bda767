"""What a policy decides, and the checks of the arrays in which it says so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..model import QUEUE_MODES
from ..records import Record

Singles = NDArray[np.float32]
Bytes = NDArray[np.uint8]
LEADING_SHARES = 4  # of a user's action that are no preferences: mode, power, frequency, extraction


@dataclass(frozen=True)
class Decisions(Record):
    """What a policy decides, free of units; `Environment.decide` turns it into actions.

    Attributes
    ----------
    mode : (rows, N) uint8, LOCAL, RAW, SEMANTIC or, in a queue with batteries, SKIP
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

    def take(self, share: NDArray[Any], modes: int) -> None:
        """Take decisions given as numbers from 0 to 1: (rows, N, 4 + K).

        Mode, power, frequency, extraction, and a preference score for each sub-channel. Of 3 modes
        it is local below 1/3, raw below 2/3, else semantic; of 4, in quarters, else skip.
        """
        np.minimum(share[..., 0] * modes, modes - 1, out=self.mode, casting="unsafe")
        self.level[:] = share[..., 1:LEADING_SHARES]
        self.preference[:] = share[..., LEADING_SHARES:]


def outside(share: NDArray[Any]) -> list[int]:
    """Return the index of the first entry that is no number from 0 to 1; empty if all are."""
    # The ufuncs themselves: a step of 20 microseconds has no time for more; NaN is never within.
    if np.minimum.reduce(share, None) >= 0 and np.maximum.reduce(share, None) <= 1:
        return []
    wrong = np.argwhere(~((share >= 0) & (share <= 1)))
    first: list[int] = wrong[0].tolist() if len(wrong) else []
    return first


def check_kind(decisions: Any, users: int, channels: int, rows: int | None) -> int:
    """Return the number of rows; raise ValueError for what is no `Decisions`, or of other sizes.

    Parameters
    ----------
    rows : that are expected; any number if None
    """
    if not isinstance(decisions, Decisions):
        raise ValueError(
            f"decisions: Decisions are expected, got {type(decisions).__name__}: Decisions.empty"
            f"(E, N, K).take(share, modes) takes an array (E, {users}, {LEADING_SHARES + channels})"
        )
    rows = decisions.mode.shape[0] if rows is None else rows
    check_array("decisions.mode", decisions.mode, (rows, users), np.uint8)
    check_array("decisions.level", decisions.level, (rows, users, 3), np.float32)
    check_array("decisions.preference", decisions.preference, (rows, users, channels), np.float32)
    return rows


def check_array(name: str, array: NDArray[Any], shape: tuple[int, ...], dtype: Any) -> None:
    """Raise ValueError unless an array is of this type and shape, without gaps."""
    if array.shape != shape or array.dtype != dtype or not array.flags.c_contiguous:
        raise ValueError(
            f"{name}: a contiguous {np.dtype(dtype)} array of shape {shape} is expected, got "
            f"{array.dtype} {array.shape}"
        )


def first_fault(decisions: Decisions, modes: int) -> str:
    """Name the first decision that is NaN or out of range."""
    *others, last = (f"{i} ({name})" for i, name in enumerate(QUEUE_MODES[:modes]))
    wrong = {
        "mode": (decisions.mode >= modes, f"{', '.join(others)} or {last}"),
        "level": (~((decisions.level >= 0) & (decisions.level <= 1)), "numbers from 0 to 1"),
        "preference": (np.isnan(decisions.preference), "numbers"),
    }
    for name, (bad, expected) in wrong.items():
        if bad.any():
            row, user, *index = (int(i) for i in np.argwhere(bad)[0])
            value = getattr(decisions, name)[(row, user, *index)]
            part = f"{name}{index}" if index else name
            return f"{part} of user {user} in row {row} = {value}: {expected} are expected"
    raise AssertionError("a fault was counted that is not there")
