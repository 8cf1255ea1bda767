"""Measured gains from files: arrays of shape (S, N, K), or tables with one gain a row.

A trace is read once for each content of its file, converted to linear power gains (`unit`), checked
as all gains are, and known by the SHA-256 of the file. For learning it is split in time: training,
validation and evaluation see different slots.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import nan
from pathlib import Path
from stat import S_ISREG
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from ..gains import DECIBELS, HIGH, LOW, RESPONSES, SILENT, check_shape, converted, within
from ..problem import Floats
from ..records import Record
from .readers import READERS

Part = Literal["training", "validation", "evaluation"]
PARTS: tuple[Part, ...] = get_args(Part)
SPLIT = (0.6, 0.2, 0.2)  # shares of the slots, in the order of PARTS


@dataclass(frozen=True)
class Trace(Record):
    """The gains of a file.

    Attributes
    ----------
    gain : (S, N, K) float64, linear power gains, read-only
    sha256 : of the file
    """

    gain: Floats
    sha256: str


def load_trace(
    file: Path, unit: str = "linear", variable: str | None = None, sha256: str | None = None
) -> Trace:
    """Return the trace of a file, kept until the file changes.

    Parameters
    ----------
    file : NPY, NPZ, MAT, CSV or Parquet
    unit : of the numbers: linear, db, amplitude or complex
    variable : the name of the array in NPZ and MAT, of the column of gains in CSV and Parquet
    sha256 : that the file must have, if given

    Raises
    ------
    ValueError
        Naming the file and what was expected of it.
    """
    try:
        trace = read_trace(file, unit, variable)
    except ValueError as error:
        reason = str(error)
        if sha256 is not None and not Path(file).exists():
            reason += f", where the trace of SHA-256 {sha256} was when it was recorded"
        raise ValueError(f"channel.file = {file}: {reason}") from None
    if sha256 is not None and trace.sha256 != sha256:
        raise ValueError(
            f"channel.file = {file}: is another file than the one recorded: its SHA-256 is "
            f"{trace.sha256}, not {sha256}: put that one back, or take this one by leaving "
            "channel.sha256 and channel.shape out"
        )
    return trace


def read_trace(file: Path, unit: str = "linear", variable: str | None = None) -> Trace:
    """Return the trace of a file as `load_trace` does, its faults without the file's name."""
    file = Path(file)
    try:
        stamp = file.stat()
    except (OSError, ValueError) as error:
        raise ValueError(getattr(error, "strerror", None) or str(error)) from None
    if not S_ISREG(stamp.st_mode):
        raise ValueError("is not a regular file")
    return _read(file.absolute(), unit, variable, (stamp.st_mtime_ns, stamp.st_size, stamp.st_ino))


@lru_cache(maxsize=4)
def _read(file: Path, unit: str, variable: str | None, stamp: tuple[int, int, int]) -> Trace:
    ending = file.suffix.lower()
    if ending not in READERS:
        raise ValueError(f"the endings {', '.join(READERS)} are expected")
    try:
        data = file.read_bytes()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what matters is said in words of our own
            stored = READERS[ending](data, variable, unit)
            if stored.dtype.kind == "c" and stored.ndim != 3:
                words = f"holds complex numbers of shape {stored.shape}"
                raise ValueError(f"{words}: must be (slots, users, sub-channels); {RESPONSES}")
            gain = converted(stored, unit)
    except OSError as error:
        raise ValueError(error.strerror or str(error)) from None
    except MemoryError:
        raise ValueError("does not fit into memory") from None
    except ValueError as error:
        raise ValueError(str(error).lstrip()) from None
    check_shape(gain.shape, (None, None, None), "the array")
    if not within(gain):
        raise ValueError(_first_fault(gain, stored, unit))
    gain = np.ascontiguousarray(gain)
    gain.setflags(write=False)
    return Trace(gain, hashlib.sha256(data).hexdigest())


def _first_fault(gain: Floats, stored: NDArray[Any], unit: str) -> str:
    """Return a sentence on the gains out of range, with the first in the words of the file."""
    wrong = np.argwhere(~((gain >= LOW) & (gain <= HIGH)))
    slot, user, channel = first = tuple(wrong[0].tolist())
    value = stored[first].item()
    words = f"slot {slot}, user {user}, channel {channel} has gain {value!r}"
    if len(wrong) > 1:
        words += f" (and {len(wrong) - 1} more are out of range)"
    if unit != "linear":
        return f"{words}: {gain[first]:g} as a linear power gain, {LOW:g} to {HIGH:g} are expected"
    hint = f"; {SILENT}" if value == 0 else ""
    hint = f'; {DECIBELS}, which unit = "db" does' if (stored < 0).any() else hint
    return f"{words}: finite gains above 0 are expected ({LOW:g} to {HIGH:g}){hint}"


def other_shape(shape: tuple[int, ...], users: int, channels: int) -> str:
    """Return a sentence on a trace of other users or sub-channels than expected."""
    return (
        f"gains of {users} users on {channels} channels are expected, got {shape[1]} and {shape[2]}"
    )


def parts(length: int, split: Sequence[float] | None = None) -> dict[Part, range]:
    """Return the slots of a trace's parts: blocks in the order of time.

    Where there are as many slots as parts with a share above 0, each of these has at least one.
    """
    shares = split or SPLIT
    total, ends = sum(shares), [0, 0, 0]
    before = 0
    for i, share in enumerate(shares):
        later = sum(s > 0 for s in shares[i + 1 :])
        end = round(length * sum(shares[: i + 1]) / total)
        before = max(min(max(end, before + (share > 0)), length - later), before)
        ends[i] = before
    starts = (0, *ends)
    return {name: range(starts[i], ends[i]) for i, name in enumerate(PARTS)}


def autocorrelation(gain: Floats, lag: int) -> float:
    """Return how alike gains are that lie `lag` slots apart: 1 alike, 0 unrelated.

    The autocovariance of each link (user and sub-channel) over its variance, in the mean over the
    links; for Rayleigh fading of Jakes' spectrum J0(2 pi f_D tau)^2 (Clarke, 1968).

    Parameters
    ----------
    gain : (S, N, K) float64
    lag : from 0 to S - 1

    Returns
    -------
    NaN where no gain ever changes
    """
    away = gain - gain.mean(axis=0)
    variance = (away**2).mean(axis=0)
    changing = variance > 0
    covariance = (away[: len(away) - lag] * away[lag:]).mean(axis=0)
    return float((covariance[changing] / variance[changing]).mean()) if changing.any() else nan
