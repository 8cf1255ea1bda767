"""The keys of [channel]: what each field of a channel is called in a file, and what it may be."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ..allowed import (
    COUNT,
    DECIBEL,
    EXPONENT,
    FRACTION,
    NON_NEGATIVE,
    POSITIVE,
    Interval,
    sums_to_one,
)
from ..figures import Figure
from ..gains import UNITS
from .traces import PARTS, Part

SPLIT_WORDS = "[training, validation, evaluation], three shares that sum to 1"

Form = Literal["number", "users", "pair", "range", "shares", "counts", "text", "file"]


@dataclass(frozen=True)
class Key(Figure):
    """One key of [channel].

    Attributes
    ----------
    form : "number"; "users", one number or one for each user; "pair", one number or [low, high];
        "range", [low, high]; "shares", three that sum to 1; "counts", three; "text"; "file"
    words : of a text: those that are allowed, or a pattern
    """

    form: Form = "number"
    words: tuple[str, ...] | str = ()

    def si(self, value: Any) -> Any:
        """Return a value of a file as the field of a channel, in SI units."""
        if isinstance(value, list):
            return tuple(map(self.si, value))
        if self.form in ("text", "file", "counts"):
            return Path(value) if self.form == "file" else value
        return 10.0 ** (value / 10.0) if self.converted else super().si(value)

    @property
    def converted(self) -> bool:
        """Whether a file has dB where the field is a ratio."""
        return self.key.endswith("_db") and self.name != self.key

    @cached_property
    def interval(self) -> Interval:
        """What is allowed of the field."""
        if not self.converted:
            return self.allowed
        low, high = self.si(self.allowed.low), self.si(self.allowed.high)
        words = f"a number from {low:g} to {high:g} (in files {self.allowed.sentence})"
        return Interval(low, high, words)

    def faults(self, value: Any, pair: bool) -> Iterator[str]:
        """Yield what is wrong with a value of the field alone; `pair`: it may be (low, high)."""
        if self.form in ("number", "users", "pair", "counts"):
            values = np.atleast_1d(np.asarray(value, dtype=float))
            if self.interval.refuses(values).any() or values.ndim > 1 or len(values) == 0:
                yield f"{self.name} = {value}: must be {self.interval.sentence}"
            if (pair or self.form == "pair") and not isinstance(value, (int, float)):
                if len(value) != 2 or not value[0] <= value[1]:
                    yield f"{self.name} = {value}: one number or (low, high) is expected"
                elif self.name == "speed" and value[0] == 0 < value[1]:
                    yield f"{self.name} = {value}: speeds down to 0 leave walks no stationary law"
        elif self.form == "shares" and not sound_split(value):
            yield f"{self.name} = {value}: {SPLIT_WORDS}, is expected"
        elif isinstance(self.words, tuple) and self.words and value not in self.words:
            yield f"{self.name} = {value!r}: one of {', '.join(self.words)} is expected"


def _key(allowed: Any, key: str, sentence: str, form: Form = "number", words: Any = ()) -> Any:
    """Return a field of `Channel` with its row: the key is "" where no file has it."""
    row = {"key": key, "allowed": allowed, "sentence": sentence, "form": form, "words": words}
    return field(default=None, metadata=row)


@dataclass(frozen=True)
class Parameters:
    """The parameters of a law, in SI units; None means not given.

    Each field stands beside its row: what is allowed, its key in a scenario file, what it is. A
    range's upper end may be inf but for uniform; rician_k is linear; of measured gains `part` names
    the slots that are used, all of them unless given.
    """

    model: str = "rayleigh"
    mean_gain: float | Sequence[float] | None = _key(
        POSITIVE,
        "mean_gain",
        "mean power gain of all users or of each, at 1 m where there is path loss",
        "users",
    )
    gain_range: tuple[float, float] | None = _key(
        POSITIVE, "gain_range", "[low, high], to which every gain is conditioned", "range"
    )
    rician_k: float | None = _key(DECIBEL, "rician_k_db", "line of sight over scattered power")
    shadowing_db: float | None = _key(
        NON_NEGATIVE, "shadowing_db", "standard deviation of log-normal shadowing"
    )
    doppler_hz: float | None = _key(NON_NEGATIVE, "doppler_hz", "largest Doppler shift")
    slot: float | None = _key(POSITIVE, "slot_ms", "time from slot to slot")
    path_loss_exponent: float | None = _key(
        EXPONENT, "path_loss_exponent", "the mean gain falls as distance_m^-path_loss_exponent"
    )
    distance: float | Sequence[float] | None = _key(
        POSITIVE,
        "distance_m",
        "distance of all users or of each, mobility: radius or [nearest, radius]",
        "users",
    )
    speed: float | tuple[float, float] | None = _key(
        NON_NEGATIVE, "speed_mps", "speed or [slowest, fastest]", "pair"
    )
    carrier: float | None = _key(
        POSITIVE, "carrier_ghz", "carrier that turns ways into wave lengths, 3.5 unless given"
    )
    file: Path | None = _key(  # noqa: RUF009 (a field, and no default that is shared)
        None,
        "file",
        "measured gains, relative to this file: .npy, .npz, .mat, .csv, .parquet",
        "file",
    )
    unit: str | None = _key(
        None, "unit", "of the measured gains; linear, power gains, unless given", "text", UNITS
    )
    variable: str | None = _key(
        None,
        "variable",
        "name of the array in .npz and .mat, of the column of gains in a table",
        "text",
    )
    split: tuple[float, ...] | None = _key(
        FRACTION,
        "split",
        "shares of the measured slots for training, validation and evaluation, in the order of "
        "time; [0.6, 0.2, 0.2] unless given",
        "shares",
    )
    sha256: str | None = _key(
        None,
        "sha256",
        "SHA-256 of the file of measured gains, which it is checked for",
        "text",
        "^[0-9a-f]{64}$",
    )
    shape: tuple[int, ...] | None = _key(
        COUNT, "shape", "slots, users and sub-channels of the measured gains, as recorded", "counts"
    )
    part: Part | None = _key(None, "", "which slots of the measured gains", "text", PARTS)  # noqa: RUF009


KEYS = {row.name: Key(row.name, **row.metadata) for row in fields(Parameters) if row.metadata}


def keys(names: Sequence[str]) -> tuple[str, ...]:
    """Return the keys of a file that hold fields of a channel."""
    return tuple(KEYS[name].key for name in names if KEYS[name].key)


def sound_split(split: Sequence[float]) -> bool:
    """Tell whether a split is three shares of 1."""
    return len(split) == 3 and min(split) >= 0.0 and sums_to_one(sum(split))
