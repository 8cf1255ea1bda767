"""Channels: linear power gains of every user on every sub-channel, slot after slot.

A gain is the product of a local mean and of small-scale fading,

    gain[n, k] = mean_gain d_n^-alpha L_n |h_{n,k}|^2,      E|h|^2 = 1,

with reading `path_loss` for the distance d in metres. By model:

rayleigh : h ~ CN(0, 1), so that the power is exponential
uniform : uniform in `gain_range`, whatever the distance
rician : a line of sight of `rician_k` times the power of the scattered part, CN (Rice, 1948)
shadowed : Rayleigh with L log-normal of `shadowing_db` dB about a median of 1, one a user and slot,
    since obstacles are wider than a sub-channel (Suzuki, 1977)
jakes : Rayleigh in time, E[h(t) h*(t + tau)] = J0(2 pi doppler_hz tau) (Clarke, 1968): waves from
    64 directions, equally spaced and turned at random, with random phases and random amplitudes
    that pass into new ones every 64 wave lengths of way. The gain is exponential and its covariance
    J0^2 mean_gain^2. What remains: over the first 9 wave lengths the autocorrelations of the field
    and of the gain differ from J0 and J0^2 by at most 0.0025 and 0.0005; farther apart, where J0^2
    is below 0.012, that of the gain is up to 0.05 too high (between 9 and 12 wave lengths, then
    0.035, on average 0.003), and beyond 128 it is 0
mobility : users on random-waypoint walks (walks.py) in a disc of radius `distance` about the access
    point: path loss of the distance, and the waves of jakes over the way that they have gone
trace : rows of a file, in its order and again from its start after its end; of one part of it where
    a `part` is asked for

`gain_range` conditions rayleigh, rician and shadowed to a range entry by entry, by the inverse of
the conditioned distribution function (shadowed: of the fading, given the shadow).

All draws come from counter-based streams (streams.py): a gain depends on the seed, the lane (one
realisation of the channel; 0 unless an environment runs many), the slot, the user and the
sub-channel, never on batch size, split or thread count.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import inf, log, pi, sqrt
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..allowed import sums_to_one
from ..gains import HIGH, LOW, UNITS
from ..problem import Floats, Integers
from . import fading, streams
from .fading import SINUSOIDS, Law, Rows, lognormal, rayleigh, rayleigh_within, rician, uniform
from .streams import (
    FADING,
    OFFSETS,
    PATHS,
    PURPOSES,
    SHADOWING,
    TASKS,
    U64,
    WAYPOINTS,
    stream_key,
    uniforms,
)
from .traces import PARTS, Part, load_trace, parts
from .walks import Walks

LIGHT_SPEED = 299_792_458.0  # m/s
CARRIER = 3.5e9  # Hz, the middle of the 5G band n78
NEAREST = 1.0  # m; the law d^-alpha ends there
MOST_WAYPOINTS = 10  # a slot: a walk is followed from corner to corner
MOST_TURNS = 1e5  # wave lengths a slot: angles of 2^32 slots keep their digits
FADES, PEAKS, DEVIATIONS = 17.0, 2.0, 8.6  # decades below and above a mean, and shadows, ever drawn
COMPILE_ABOVE = 1 << 22  # entries from which loading the compiled loops pays
RICIAN_POINTS = 1 << 14  # of a conditioned distribution function: its error is below 1e-6

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


class Gains:
    """The gains of one channel and seed, written into arrays of (rows, N, K) on demand.

    Parameters
    ----------
    channel : the law
    seed : of all streams
    users, channels : N, K
    threads : that write at most, 0 for one a core; few gains are written by the caller's alone

    Raises
    ------
    ValueError
        Where distances or the trace disagree with N and K.
    """

    def __init__(
        self, channel: Channel, seed: int, users: int, channels: int, threads: int = 0
    ) -> None:
        self.channel, self.shape, self.threads = channel, (users, channels), threads
        self._keys = [stream_key(seed, purpose) for purpose in range(PURPOSES)]
        self._alpha = channel.path_loss_exponent or 0.0
        self._mean = self._each("mean_gain")
        if channel.model != "mobility":
            self._mean = self._mean * self._each("distance") ** -self._alpha
        self._walks: Walks | None = None
        self._scratch = np.empty((0, users))
        low, high = channel.gain_range or (0.0, inf)
        law: Law = rayleigh
        a: Any = low
        b: Any = -np.expm1((low - high) / self._mean[0])
        match channel.model:
            case "shadowed":
                law, b = (rayleigh_within, high) if channel.gain_range else (rayleigh, 1.0)
            case "uniform":
                law, b = uniform, high
            case "rician" if channel.gain_range:
                law, a, b = uniform, 0.0, 1.0  # of which _rician_within makes gains
            case "rician":
                k = channel.rician_k or 0.0
                law, a, b = rician, sqrt(k / (k + 1.0)), sqrt(0.5 / (k + 1.0))
            case "trace":
                self._trace = rows_of(channel)
                if not len(self._trace):
                    raise ValueError(
                        f"channel.file = {channel.file}: no slot of it is for {channel.part}: take "
                        "a longer trace, or set channel.split"
                    )
                if self._trace.shape[1:] != self.shape:
                    raise ValueError(
                        f"channel.file = {channel.file}: "
                        f"{other_shape(self._trace.shape, users, channels)}"
                    )
        self._law = law, np.full(users, a), np.full(users, b)
        self._nepers = np.full(users, (channel.shadowing_db or 0.0) * log(10.0) / 10.0)

    def _each(self, name: str) -> Floats:
        """Return a field of the channel for each user, 1 where not given: (1, N)."""
        value = getattr(self.channel, name)
        values = np.asarray(1.0 if value is None else value, dtype=float)
        if values.shape not in ((), (self.shape[0],)):
            raise ValueError(
                f"channel.{name} = {value}: one number, or one for each of {self.shape[0]} users, "
                "is expected"
            )
        return np.array(np.broadcast_to(values, (1, self.shape[0])))

    def slots(self, out: Floats, first: int, lane: int = 0) -> None:
        """Write the gains of slots first, first + 1, ... of one lane into out (slots, N, K)."""
        self._write(out, Rows(first, lane, 1, 0))

    def lanes(self, out: Floats, slot: int, first: int = 0) -> None:
        """Write the gains of one slot in lanes first, first + 1, ... into out (lanes, N, K)."""
        self._write(out, Rows(slot, first, 0, 1))

    def _write(self, out: Floats, rows: Rows) -> None:
        check_rows(rows, len(out))
        if out.shape[1:] != self.shape or out.dtype != np.float64 or not out.flags.c_contiguous:
            raise ValueError(
                f"out: a contiguous float64 array of shape (rows, {self.shape[0]}, "
                f"{self.shape[1]}) is expected, got {out.dtype} {out.shape}"
            )
        if out.size == 0:
            return
        match self.channel.model:
            case "trace":
                self._copy_trace(out, rows)
            case "jakes":
                self._fill_waves(out, rows, self._mean, self._turns(len(out), rows))
            case "mobility":
                self._fill_waves(out, rows, *self._walk(len(out), rows))
            case "shadowed":
                self._fill(self._law, out, FADING, rows, self._shadowed_mean(len(out), rows))
            case _:
                self._fill(self._law, out, FADING, rows, self._mean)
        if self.channel.model == "rician" and self.channel.gain_range:
            for n, (power, below) in enumerate(self._rician_within):
                out[:, n] = np.interp(out[:, n], below, power)

    def _room(self, count: int) -> Floats:
        """Return memory for a value of each row and user, the same while the rows are as many."""
        if len(self._scratch) != count:
            self._scratch = np.empty((count, self.shape[0]))
        return self._scratch

    def _shadowed_mean(self, count: int, rows: Rows) -> Floats:
        mean = self._room(count)
        law = lognormal, self._nepers, self._nepers
        self._fill(law, mean[:, :, None], SHADOWING, rows, self._mean)
        return mean

    def _turns(self, count: int, rows: Rows) -> Floats:
        """Return the way of jakes in wave lengths, Doppler shift x time: (rows, N)."""
        turns = self._room(count)
        turns[:] = fading.counters((count, 1, 1), rows)[0][..., 0]
        turns *= (self.channel.doppler_hz or 0.0) * (self.channel.slot or 0.0)
        return turns

    @cached_property
    def _rician_within(self) -> list[tuple[Floats, Floats]]:
        """Return powers and their conditioned distribution function, for each user."""
        from scipy.special import chndtr

        channel, k = self.channel, self.channel.rician_k or 0.0
        low, high = channel.gain_range or (0.0, inf)
        unlikely = sqrt(k / (k + 1.0)) + 9.0 * sqrt(0.5 / (k + 1.0))  # amplitude, 1e-17 lie above
        tables = []
        for mean in self._mean[0]:
            ends = np.sqrt(low / mean), min(sqrt(high / mean), max(unlikely, sqrt(low / mean)))
            power = np.linspace(*ends, RICIAN_POINTS) ** 2
            below = chndtr(2.0 * (1.0 + k) * power, 2.0, 2.0 * k)
            share = below[-1] - below[0]
            if not share > 1e-9:
                raise ValueError(
                    f"channel.gain_range = {channel.gain_range}: has a probability of {share:.1g} "
                    f"for rician gains of mean {mean:g}, at least 1e-9 is expected"
                )
            tables.append((power * mean, (below - below[0]) / share))
        return tables

    def _fill(
        self, law: tuple[Law, Floats, Floats], out: Floats, purpose: int, rows: Rows, mean: Floats
    ) -> None:
        function, a, b = law
        key = self._keys[purpose]
        if worth_compiling(out.size):
            from . import compiled

            compiled.filler(function)(out, key, rows, mean, a, b, threads=self.threads)
        else:
            fading.fill(function, out, key, rows, mean, a, b)

    def _fill_waves(self, out: Floats, rows: Rows, mean: Floats, travel: Floats) -> None:
        if worth_compiling(out.size * SINUSOIDS):
            from . import compiled

            key = self._keys[PATHS]
            compiled.fill_waves(out, key, rows, mean, travel, threads=self.threads)
        else:
            fading.fill_waves(out, self._keys[PATHS], rows, mean, travel)

    def _walk(self, count: int, rows: Rows) -> tuple[Floats, Floats]:
        """Return local means and ways in wave lengths of walking users: (rows, N)."""
        channel = self.channel
        *near, radius = np.atleast_1d(np.asarray(channel.distance, dtype=float)).tolist()
        nearest = near[0] if near else min(NEAREST, radius)
        slot, lane, *_ = (c[..., 0] for c in fading.counters((count, 1, 1), rows))
        if self._walks is None or not np.array_equal(self._walks.lane, lane):
            speeds = np.atleast_1d(np.asarray(channel.speed, dtype=float)) * (channel.slot or 0.0)
            slowest, fastest = speeds[0] / radius, speeds[-1] / radius
            key = self._keys[WAYPOINTS]
            self._walks = Walks(key, lane, self.shape[0], slowest, fastest)
        distance, way = self._walks.at(slot)
        away = np.maximum(distance * radius, nearest)
        wave_length = LIGHT_SPEED / (channel.carrier or CARRIER)
        mean = self._mean * streams.exp(-self._alpha * streams.log(away))
        return mean, way * (radius / wave_length)

    def _copy_trace(self, out: Floats, rows: Rows) -> None:
        """Copy rows of the file: lane 0 from its start, other lanes from a row drawn for each."""
        length = len(self._trace)
        slot, lane, *_ = fading.counters((len(out), 1, 1), rows)
        u, _ = uniforms(self._keys[OFFSETS], U64(0), lane, U64(0), U64(0))
        offset = np.where(lane > 0, (u * length).astype(np.uint64), U64(0))
        row = ((slot + offset) % U64(length)).astype(np.int64).ravel()
        np.take(self._trace, np.broadcast_to(row, len(out)), axis=0, out=out, mode="clip")


class Heads:
    """The kinds of task at the heads of the users' queues, written into arrays of (rows, N).

    Parameters
    ----------
    share : (T,) probabilities of the kinds, in proportion
    seed : of the stream
    threads : that write at most, 0 for one a core
    """

    def __init__(self, share: ArrayLike, seed: int, threads: int = 0) -> None:
        weights = np.asarray(share, dtype=float)
        if weights.ndim != 1 or not (np.isfinite(weights).all() and (weights >= 0).all()):
            raise ValueError(f"share = {weights.tolist()}: numbers of at least 0 are expected")
        if not weights.sum() > 0:
            raise ValueError(f"share = {weights.tolist()}: at least one above 0 is expected")
        self._cumulative = np.cumsum(weights) / weights.sum()
        self._key, self.threads = stream_key(seed, TASKS), threads

    def slots(self, out: Integers, first: int, lane: int = 0) -> None:
        """Write the heads of slots first, first + 1, ... of one lane into out (slots, N)."""
        self._write(out, Rows(first, lane, 1, 0))

    def lanes(self, out: Integers, slot: int, first: int = 0) -> None:
        """Write the heads of one slot in lanes first, first + 1, ... into out (lanes, N)."""
        self._write(out, Rows(slot, first, 0, 1))

    def _write(self, out: Integers, rows: Rows) -> None:
        check_rows(rows, len(out))
        if worth_compiling(out.size):
            from . import compiled

            compiled.fill_tasks(out, self._key, rows, self._cumulative, threads=self.threads)
            return
        counters = fading.counters((*out.shape, 1), rows)
        u, _ = uniforms(self._key, *counters)
        out[:] = np.searchsorted(self._cumulative[:-1], u[..., 0], side="right")


def draw_gains(
    channel: Channel, seed: int, first: int, count: int, users: int, channels: int
) -> Floats:
    """Return the linear power gains of slots first to first + count - 1: (count, N, K) float64."""
    out = np.empty((count, users, channels))
    Gains(channel, seed, users, channels).slots(out, first)
    return out


def draw_tasks(share: ArrayLike, seed: int, first: int, count: int, users: int) -> Integers:
    """Return the kind of task at the head of each user's queue: (count, N) int64.

    `share` : (T,) probabilities of the kinds, in proportion.
    """
    out = np.empty((count, users), dtype=np.int64)
    Heads(share, seed).slots(out, first)
    return out


def check_rows(rows: Rows, count: int) -> None:
    """Refuse counters that do not fit into 32 bits."""
    ends = (
        rows.slot + rows.slot_step * max(0, count - 1),
        rows.lane + rows.lane_step * max(0, count - 1),
    )
    if min(rows.slot, rows.lane) < 0 or max(ends) >= 2**32:
        raise ValueError(
            f"slots and lanes from 0 to {2**32 - 1} are expected, got {rows.slot} to {ends[0]} and "
            f"{rows.lane} to {ends[1]}"
        )


def worth_compiling(entries: int) -> bool:
    """Say whether a draw is large enough for the compiled loops, or they are at hand."""
    return entries > (0 if f"{__package__}.compiled" in sys.modules else COMPILE_ABOVE)
