"""The laws of the gains: one row a law, one field a key; all that lists laws or keys reads them.

From the rows of `LAWS` and the fields of `Channel` come the keys of [channel] in scenario files,
their units, sentences and faults (`scenario`), the checks below, and what draws (`gains`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from math import inf, pi
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
from ..gains import HIGH, LOW, UNITS
from . import samplers
from .traces import PARTS, Part
from .walks import CARRIER, LIGHT_SPEED, NEAREST

MOST_WAYPOINTS = 10  # a slot: a walk is followed from corner to corner
MOST_TURNS = 1e5  # wave lengths a slot: angles of 2^32 slots keep their digits
FADES, PEAKS = 17.0, 2.0  # decades: how far below and above its mean a gain is ever drawn
DEVIATIONS = 8.6  # of a shadow from its median that are ever drawn

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


def _key(allowed: Any, key: str, sentence: str, form: Form = "number", words: Any = ()) -> Any:
    """Return a field of `Channel` with its row: the key is "" where no file has it."""
    row = {"key": key, "allowed": allowed, "sentence": sentence, "form": form, "words": words}
    return field(default=None, metadata=row)


@dataclass(frozen=True)
class Law:
    """One law of the gains.

    Attributes
    ----------
    sampler : what draws, in NumPy and compiled
    follows : the distribution, in a line
    source : where it is described
    needs, optional : fields of `Channel` that it must have, and those that it may have
    mean : whether it has a mean too: a file gives `mean_gain`, or `distance_m` and
        `path_loss_exponent`, or all three; in Python `mean_gain` is 1 unless given
    correlated : whether gains depend on earlier ones, so that a range would break their law
    pairs : fields that are (low, high) here, and one number a user elsewhere
    """

    sampler: type[samplers.Sampler]
    follows: str
    source: str = ""
    needs: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    mean: bool = False
    correlated: bool = False
    pairs: tuple[str, ...] = ()

    @property
    def takes(self) -> set[str]:
        """All fields besides `model`."""
        return {*self.needs, *self.optional, *(MEANS if self.mean else ())}

    def __str__(self) -> str:
        """Say which keys of a file the law uses."""
        needs, (mean_gain, *loss) = keys(self.needs), keys(MEANS)
        mean = (f"a mean ({mean_gain}, or {' and '.join(loss)}, or all three)",)
        extra = tuple(f"optionally {key}" for key in keys(self.optional))
        return ", ".join(needs + mean * self.mean + extra)


MEANS = ("mean_gain", "distance", "path_loss_exponent")
LAWS = {
    "rayleigh": Law(
        samplers.Rayleigh,
        "exponential power: h ~ CN(0, 1)",
        "Rayleigh, 1880",
        optional=("gain_range",),
        mean=True,
    ),
    "uniform": Law(
        samplers.Uniform, "uniform in the range, whatever the distance", needs=("gain_range",)
    ),
    "rician": Law(
        samplers.Rician,
        "a line of sight of rician_k times the power of the scattered part, CN",
        "Rice, 1948",
        needs=("rician_k",),
        optional=("gain_range",),
        mean=True,
    ),
    # Obstacles are wider than a sub-channel: one shadow a user and slot. A range conditions the
    # fading, given the shadow.
    "shadowed": Law(
        samplers.Shadowed,
        "Rayleigh with L log-normal of shadowing_db about a median of 1",
        "Suzuki, 1977",
        needs=("shadowing_db",),
        optional=("gain_range",),
        mean=True,
    ),
    # Waves from 64 directions, equally spaced and turned at random, with random phases and random
    # amplitudes that pass into new ones every 64 wave lengths of way. The gain is exponential, its
    # covariance J0^2 mean_gain^2. What remains: over the first 9 wave lengths the autocorrelations
    # of the field and of the gain differ from J0 and J0^2 by at most 0.0025 and 0.0005; farther
    # apart, where J0^2 is below 0.012, that of the gain is up to 0.05 too high (between 9 and 12
    # wave lengths, then 0.035, on average 0.003), and beyond 128 it is 0.
    "jakes": Law(
        samplers.Jakes,
        "Rayleigh in time, E[h(t) h*(t + tau)] = J0(2 pi doppler_hz tau)",
        "Clarke, 1968",
        needs=("doppler_hz", "slot"),
        mean=True,
        correlated=True,
    ),
    # Of the distance from the access point in a disc of radius `distance`, and over the way.
    "mobility": Law(
        samplers.Mobility,
        "path loss and the waves of jakes along random-waypoint walks",
        "Navidi and Camp, 2004",
        needs=("distance", "path_loss_exponent", "slot", "speed"),
        optional=("mean_gain", "carrier"),
        correlated=True,
        pairs=("distance",),
    ),
    "trace": Law(
        samplers.Replay,
        "rows of a file in its order, again from its start after its end; or of one part of it",
        needs=("file",),
        optional=("unit", "variable", "split", "sha256", "shape", "part"),
        correlated=True,
    ),
}


@dataclass(frozen=True)
class Channel:
    """The law of the gains, in SI units; None means not given.

    Each field stands beside its row: what is allowed, its key in a scenario file, what it is. A
    range's upper end may be inf but for uniform; rician_k is linear; of measured gains `part` names
    the slots that are used, all of them unless given.

    Raises
    ------
    ValueError
        Naming every field that is missing, out of range or foreign to the model.
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

    def __post_init__(self) -> None:
        faults = list(self._faults())
        if faults:
            raise ValueError("; ".join(f"channel.{fault}" for fault in faults))

    @classmethod
    def from_keys(cls, keys: dict[str, Any]) -> Channel:
        """Return the law of the keys of [channel]."""
        names = {row.key: row for row in KEYS.values() if row.key}
        return cls(
            **{
                names[key].name if key in names else key: names[key].si(v) if key in names else v
                for key, v in keys.items()
            }
        )

    def _extremes(self, figures: dict[str, Any]) -> Iterator[str]:
        """Yield faults of figures that are sound alone but lead too far together."""

        def ends(name: str, instead: float = 1.0) -> tuple[float, float]:
            values = np.atleast_1d(np.asarray(figures.get(name, instead), dtype=float))
            sound = values.size and not KEYS[name].interval.refuses(values).any()
            return (float(values.min()), float(values.max())) if sound else (instead, instead)

        law, far, slot = LAWS[self.model], ends("distance"), ends("slot")[1]
        if "speed" in law.needs:
            # The mean distance of two points of a disc is 128 / (45 pi) radii.
            passed = ends("speed", 0.0)[1] * slot / (far[1] * 128.0 / (45.0 * pi))
            if passed > MOST_WAYPOINTS:
                yield (
                    f"speed, slot and distance: users pass {passed:.3g} waypoints in a slot, at "
                    f"most {MOST_WAYPOINTS} are expected: slower users, shorter slots, a wider disc"
                )
            far = min(far[0] if far[0] < far[1] else NEAREST, far[1]), far[1]
        shift = ends("speed", 0.0)[1] * ends("carrier", CARRIER)[1] / LIGHT_SPEED
        turns = max(ends("doppler_hz", 0.0)[1], shift) * slot
        if turns > MOST_TURNS:
            motion = "doppler_hz" if "doppler_hz" in figures else "speed"
            yield (
                f"{motion} and slot: users go {turns:.3g} wave lengths in a slot, at most "
                f"{MOST_TURNS:g} are expected; gains that forget each other are those of rayleigh"
            )
        with np.errstate(divide="ignore"):
            decades = [np.log10(ends("mean_gain")[i]) for i in (0, 1)]
            loss = [ends("path_loss_exponent", 0.0)[1] * np.log10(far[i]) for i in (1, 0)]
        shadow = DEVIATIONS * ends("shadowing_db", 0.0)[1] / 10.0
        least = decades[0] - loss[0] - shadow - FADES
        most = decades[1] - loss[1] + shadow + PEAKS
        if "mean_gain" in law.takes and not (least >= np.log10(LOW) and most <= np.log10(HIGH)):
            names = [name for name in (*MEANS, "shadowing_db") if name in figures]
            yield (
                f"{' and '.join(names)}: gains from 1e{least:.0f} to 1e{most:.0f} could be drawn, "
                f"within {LOW:g} to {HIGH:g} is expected"
            )

    def _faults(self) -> Iterator[str]:
        if self.model not in LAWS:
            yield f"model = {self.model!r}: one of {', '.join(LAWS)} is expected"
            return
        law = LAWS[self.model]
        values = {name: value for name, value in vars(self).items() if value is not None}
        for name in sorted(values.keys() - law.takes - {"model"}):
            why = "it has no such parameter"
            if name == "gain_range" and law.correlated:
                why = "a range would break its correlation in time"
            yield f"{name} = {values[name]}: not for model {self.model}, {why}"
        for name in law.needs:
            if name not in values:
                yield f"{name}: missing, model {self.model} needs it"
        for name, row in KEYS.items():
            if name in values and row.form in ("number", "users", "pair", "counts"):
                yield from _number_faults(
                    row, values[name], row.form == "pair" or name in law.pairs
                )
        for name in ("unit", "part"):
            if name in values and values[name] not in KEYS[name].words:
                words = ", ".join(KEYS[name].words)
                yield f"{name} = {values[name]!r}: one of {words} is expected"
        if self.gain_range is not None:
            low, high = self.gain_range
            sound = 0.0 <= low <= high and high > 0.0 and low < inf
            if not sound or (high == inf and "gain_range" in law.needs):
                yield f"gain_range = {self.gain_range}: 0 <= low <= high is expected"
            elif 0.0 < low < LOW or HIGH < high < inf:
                yield f"gain_range = {self.gain_range}: {LOW:g} to {HIGH:g} is expected"
        if self.split is not None and not sound_split(self.split):
            yield f"split = {self.split}: {SPLIT_WORDS}, is expected"
        yield from self._extremes(values)


KEYS = {row.name: Key(row.name, **row.metadata) for row in fields(Channel) if row.metadata}


def keys(names: Sequence[str]) -> tuple[str, ...]:
    """Return the keys of a file that hold fields of a channel."""
    return tuple(KEYS[name].key for name in names if KEYS[name].key)


def _number_faults(row: Key, value: Any, pair: bool) -> Iterator[str]:
    values = np.atleast_1d(np.asarray(value, dtype=float))
    if row.interval.refuses(values).any() or values.ndim > 1 or len(values) == 0:
        yield f"{row.name} = {value}: must be {row.interval.sentence}"
    if pair and not isinstance(value, (int, float)):
        if len(value) != 2 or not value[0] <= value[1]:
            yield f"{row.name} = {value}: one number or (low, high) is expected"
        elif row.name == "speed" and value[0] == 0 < value[1]:
            yield f"{row.name} = {value}: speeds down to 0 leave walks no stationary law"


SPLIT_WORDS = "[training, validation, evaluation], three shares that sum to 1"


def sound_split(split: Sequence[float]) -> bool:
    """Tell whether a split is three shares of 1."""
    return len(split) == 3 and min(split) >= 0.0 and sums_to_one(sum(split))
