"""The law of the gains: its parameters in SI units, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import inf, pi
from pathlib import Path
from typing import Any

import numpy as np

from ..allowed import sums_to_one
from ..gains import HIGH, LOW, UNITS
from ..problem import Floats
from .traces import PARTS, Part, load_trace, parts

LIGHT_SPEED = 299_792_458.0  # m/s
CARRIER = 3.5e9  # Hz, the middle of the 5G band n78
NEAREST = 1.0  # m; the law d^-alpha ends there
MOST_WAYPOINTS = 10  # a slot: a walk is followed from corner to corner
MOST_TURNS = 1e5  # wave lengths a slot: angles of 2^32 slots keep their digits
FADES, PEAKS, DEVIATIONS = 17.0, 2.0, 8.6  # decades below and above a mean, and shadows, ever drawn

_MEANS = ("mean_gain", "distance", "path_loss_exponent")
_MEAN = {"mean_gain", "path_loss_exponent", "distance", "slot"}
TAKES = {  # the fields of each model besides `model`; others are refused
    "rayleigh": _MEAN | {"gain_range"},
    "uniform": {"gain_range", "slot"},
    "rician": _MEAN | {"gain_range", "rician_k"},
    "shadowed": _MEAN | {"gain_range", "shadowing_db"},
    "jakes": _MEAN | {"doppler_hz"},
    "mobility": _MEAN | {"speed", "carrier"},
    "trace": {"file", "slot", "unit", "variable", "sha256", "split", "part"},
}
NEEDS = {
    "rayleigh": (),
    "uniform": ("gain_range",),
    "rician": ("rician_k",),
    "shadowed": ("shadowing_db",),
    "jakes": ("doppler_hz", "slot"),
    "mobility": ("distance", "slot", "speed"),
    "trace": ("file",),
}
CORRELATED = ("jakes", "mobility", "trace")


@dataclass(frozen=True)
class Channel:
    """The law of the gains, in SI units; None means not given.

    Attributes
    ----------
    model : one of rayleigh, uniform, rician, shadowed, jakes, mobility, trace
    mean_gain : linear mean power gain at 1 m (its median where shadowed), of all users or one a
        user; default 1
    gain_range : (low, high) linear; high may be inf but for uniform
    rician_k : linear power of the line of sight over that of the scattered part
    shadowing_db : standard deviation, dB
    doppler_hz : largest Doppler shift, Hz
    slot : s from slot to slot
    path_loss_exponent : alpha, default 0
    distance : m, of all users or one a user, default 1; mobility: radius of the disc, or
        (nearest, radius): the path loss is that of `nearest` (default 1 m) where users come closer
    speed : m/s, or (slowest, fastest)
    carrier : Hz, says how many wave lengths a walk has; default 3.5 GHz
    file : trace: NPY, NPZ or MAT with an array of shape (S, N, K), or CSV or Parquet with columns
        slot, user, channel, gain
    unit : of a trace's numbers: linear (default), db, amplitude or complex
    variable : name of a trace's array, or of its column of gains
    sha256 : that a trace's file must have
    split : shares of a trace's slots for training, validation and evaluation, in this order of time
    part : training, validation or evaluation: the slots of that part alone; the whole trace unless
        given

    Raises
    ------
    ValueError
        Naming every field that is missing, out of range or foreign to the model.
    """

    model: str = "rayleigh"
    mean_gain: float | Sequence[float] | None = None
    gain_range: tuple[float, float] | None = None
    rician_k: float | None = None
    shadowing_db: float | None = None
    doppler_hz: float | None = None
    slot: float | None = None
    path_loss_exponent: float | None = None
    distance: float | Sequence[float] | None = None
    speed: float | tuple[float, float] | None = None
    carrier: float | None = None
    file: Path | None = None
    unit: str | None = None
    variable: str | None = None
    sha256: str | None = None
    split: tuple[float, ...] | None = None
    part: Part | None = None

    def __post_init__(self) -> None:
        faults = list(self._faults())
        if faults:
            raise ValueError("; ".join(f"channel.{fault}" for fault in faults))

    def _extremes(self, given: dict[str, Any]) -> Iterator[str]:
        """Yield faults of figures that are sound alone but lead too far together."""

        def ends(name: str, instead: float = 1.0) -> tuple[float, float]:
            values = np.atleast_1d(np.asarray(given.get(name, instead), dtype=float))
            least = 0.0 if instead == 0.0 else 1e-300
            sound = values.size and np.isfinite(values).all() and (values >= least).all()
            return (float(values.min()), float(values.max())) if sound else (instead, instead)

        far, slot = ends("distance"), ends("slot")[1]
        if self.model == "mobility":
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
            how = "doppler_hz" if "doppler_hz" in given else "speed"
            yield (
                f"{how} and slot: users go {turns:.3g} wave lengths in a slot, at most "
                f"{MOST_TURNS:g} are expected; gains that forget each other are those of rayleigh"
            )
        with np.errstate(divide="ignore"):
            decades = [np.log10(ends("mean_gain")[i]) for i in (0, 1)]
            loss = [ends("path_loss_exponent", 0.0)[1] * np.log10(far[i]) for i in (1, 0)]
        shadow = DEVIATIONS * ends("shadowing_db", 0.0)[1] / 10.0
        least = decades[0] - loss[0] - shadow - FADES
        most = decades[1] - loss[1] + shadow + PEAKS
        if self.model not in ("uniform", "trace") and not (
            least >= np.log10(LOW) and most <= np.log10(HIGH)
        ):
            names = [name for name in (*_MEANS, "shadowing_db") if name in given]
            yield (
                f"{' and '.join(names)}: gains from 1e{least:.0f} to 1e{most:.0f} could be drawn, "
                f"within {LOW:g} to {HIGH:g} is expected"
            )

    def _faults(self) -> Iterator[str]:
        if self.model not in TAKES:
            yield f"model = {self.model!r}: one of {', '.join(TAKES)} is expected"
            return
        given = {name: value for name, value in vars(self).items() if value is not None}
        for name in sorted(given.keys() - TAKES[self.model] - {"model"}):
            why = "it has no such parameter"
            if name == "gain_range" and self.model in CORRELATED:
                why = "a range would break its correlation in time"
            yield f"{name} = {given[name]}: not for model {self.model}, {why}"
        for name in NEEDS[self.model]:
            if name not in given:
                yield f"{name}: missing, model {self.model} needs it"
        above = ("mean_gain", "distance", "slot", "carrier")
        from_zero = ("rician_k", "shadowing_db", "doppler_hz", "path_loss_exponent", "speed")
        for name in (*above, *from_zero):
            values = np.atleast_1d(np.asarray(given.get(name, 1.0), dtype=float))
            sound = np.isfinite(values) & (values > 0 if name in above else values >= 0)
            if not sound.all() or values.ndim > 1 or len(values) == 0:
                kind = "above 0" if name in above else "of at least 0"
                yield f"{name} = {given[name]}: finite numbers {kind} are expected"
        if self.gain_range is not None:
            low, high = self.gain_range
            sound = 0.0 <= low <= high and high > 0.0 and low < inf
            if not sound or (high == inf and self.model == "uniform"):
                yield f"gain_range = {self.gain_range}: 0 <= low <= high is expected"
            elif 0.0 < low < LOW or HIGH < high < inf:
                yield f"gain_range = {self.gain_range}: {LOW:g} to {HIGH:g} is expected"
        for name, known in (("unit", UNITS), ("part", PARTS)):
            if name in given and given[name] not in known:
                yield f"{name} = {given[name]!r}: one of {', '.join(known)} is expected"
        if self.split is not None and not sound_split(self.split):
            yield f"split = {self.split}: {SPLIT_WORDS} is expected"
        yield from self._extremes(given)
        pairs = {"speed": self.speed}
        if self.model == "mobility":
            pairs["distance"] = self.distance  # type: ignore[assignment]
        for name, pair in pairs.items():
            if pair is not None and not isinstance(pair, (int, float)):
                if len(pair) != 2 or not pair[0] <= pair[1]:
                    yield f"{name} = {pair}: one number or (low, high) is expected"
                elif name == "speed" and pair[0] == 0 < pair[1]:
                    yield f"{name} = {pair}: speeds down to 0 leave walks no stationary law"


SPLIT_WORDS = "[training, validation, evaluation], three shares that sum to 1,"


def sound_split(split: Sequence[float]) -> bool:
    """Tell whether a split is three shares of 1."""
    return len(split) == 3 and min(split) >= 0.0 and sums_to_one(sum(split))


def other_shape(shape: tuple[int, ...], users: int, channels: int) -> str:
    """Return a sentence on a trace of other users or sub-channels than expected."""
    return (
        f"gains of {users} users on {channels} channels are expected, got {shape[1]} and {shape[2]}"
    )


def rows_of(channel: Channel) -> Floats:
    """Return the gains of a trace, or of the part that is asked for: (S, N, K), read-only.

    Raises
    ------
    ValueError
        The file is not there, another one or faulty.
    """
    trace = load_trace(
        Path(channel.file or ""), channel.unit or "linear", channel.variable, channel.sha256
    )
    if channel.part is None:
        return trace.gain
    rows = parts(len(trace.gain), channel.split)[channel.part]
    return trace.gain[rows.start : rows.stop]
