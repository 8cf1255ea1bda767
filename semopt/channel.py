"""Channels: linear power gains of every user on every sub-channel, slot after slot.

A gain is the product of a local mean and of small-scale fading,

    gain[n, k] = mean_gain d_n^-alpha L_n |h_{n,k}|^2,      E|h|^2 = 1,

with reading `path_loss` for the distance d in metres. By model:

rayleigh : h ~ CN(0, 1), so that the power is exponential; `gain_range` conditions it entry by
    entry, by the inverse of the conditioned distribution function
uniform : uniform in `gain_range`, whatever the distance
rician : a line of sight of `rician_k` times the power of the scattered part, CN (Rice, 1948)
shadowed : Rayleigh with L log-normal of `shadowing_db` dB about a median of 1, one a user and slot,
    since obstacles are wider than a sub-channel (Suzuki, 1977)
jakes : Rayleigh in time, E[h(t) h*(t + tau)] = J0(2 pi doppler_hz tau) (Clarke, 1968): a sum of 32
    waves, angles of arrival drawn one in each sector of the circle and phases uniform, which makes
    that autocorrelation exact over realisations (in the manner of Zheng and Xiao, 2003); its power
    has variance 1 - 1/32 in place of 1
mobility : jakes for users on random-waypoint walks (walks.py) in a disc of radius `distance` about
    the access point; path loss of the distance, no nearer than 1 m; Doppler shift `doppler_hz`, or
    that of the speed at the carrier
trace : rows of a file, in its order and again from its start after its end

All draws come from counter-based streams (streams.py): a gain depends on the seed, the lane (one
realisation of the channel; 0 unless an environment runs many), the slot, the user and the
sub-channel, never on batch size, split or thread count.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from math import inf, isfinite, log, sqrt
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from . import fading, streams
from .fading import SINUSOIDS, Law, Rows, lognormal, rayleigh, rician, uniform
from .problem import Floats, Integers
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
from .traces import load_trace
from .walks import Walks

LIGHT_SPEED = 299_792_458.0  # m/s
CARRIER = 3.5e9  # Hz, the middle of the 5G band n78
NEAREST = 1.0  # m; the law d^-alpha ends there
COMPILE_ABOVE = 1 << 22  # entries from which loading the compiled loops pays

_COMMON = {"mean_gain", "path_loss_exponent", "distance", "slot"}
USES = {  # what each model reads; anything else that is set is refused
    "rayleigh": _COMMON | {"gain_range"},
    "uniform": {"gain_range", "slot"},
    "rician": _COMMON | {"rician_k"},
    "shadowed": _COMMON | {"shadowing_db"},
    "jakes": _COMMON | {"doppler_hz"},
    "mobility": _COMMON | {"doppler_hz", "speed", "carrier"},
    "trace": {"file", "slot"},
}
NEEDS = {
    "rayleigh": set[str](),
    "uniform": {"gain_range"},
    "rician": {"rician_k"},
    "shadowed": {"shadowing_db"},
    "jakes": {"doppler_hz", "slot"},
    "mobility": {"speed", "distance", "slot"},
    "trace": {"file"},
}


@dataclass(frozen=True)
class Channel:
    """The law of the gains, in SI units; None means not given.

    Attributes
    ----------
    model : one of rayleigh, uniform, rician, shadowed, jakes, mobility, trace
    mean_gain : linear mean power gain at a distance of 1 m (median where shadowed), default 1
    gain_range : (low, high) linear, for rayleigh and uniform
    rician_k : linear power of the line of sight over that of the scattered part
    shadowing_db : standard deviation, dB
    doppler_hz : maximum Doppler shift, Hz
    slot : s between slots
    path_loss_exponent : alpha, default 0
    distance : m, of all users or one a user; for mobility the radius of the disc; default 1
    speed : m/s
    carrier : Hz, turns speed into Doppler; default 3.5 GHz
    file : trace: NPY of shape (S, N, K), or CSV or Parquet with columns slot, user, channel, gain

    Raises
    ------
    ValueError
        Naming every field that is missing, out of range or foreign to the model.
    """

    model: str = "rayleigh"
    mean_gain: float | None = None
    gain_range: tuple[float, float] | None = None
    rician_k: float | None = None
    shadowing_db: float | None = None
    doppler_hz: float | None = None
    slot: float | None = None
    path_loss_exponent: float | None = None
    distance: float | tuple[float, ...] | None = None
    speed: float | None = None
    carrier: float | None = None
    file: Path | None = None

    def __post_init__(self) -> None:
        faults = list(self._faults())
        if faults:
            raise ValueError("; ".join(faults))

    def _faults(self) -> Iterator[str]:
        if self.model not in USES:
            yield f"channel.model = {self.model!r}: one of {', '.join(USES)} is expected"
            return
        given = {name for name, value in vars(self).items() if value is not None} - {"model"}
        for name in sorted(given - USES[self.model]):
            why = (
                "a range would break its law in time"
                if name == "gain_range" and self.model in ("jakes", "mobility", "trace")
                else "it does not use it"
            )
            yield f"channel.{name} = {getattr(self, name)}: not for model {self.model}, {why}"
        for name in sorted(NEEDS[self.model] - given):
            yield f"channel.{name}: model {self.model} needs it"
        if self.gain_range is not None:
            low, high = self.gain_range
            ordered = 0 < low < high if self.model == "uniform" else 0 <= low < high
            if not (ordered and (isfinite(high) or self.model == "rayleigh")):
                yield f"channel.gain_range = {self.gain_range}: 0 < low < high is expected"
        distances = np.atleast_1d(np.asarray(self.distance if self.distance is not None else 1.0))
        positive = {
            "mean_gain": self.mean_gain,
            "slot": self.slot,
            "carrier": self.carrier,
            "distance": None if self.distance is None else float(np.min(distances, initial=inf)),
        }
        zero = {
            name: getattr(self, name)
            for name in ("rician_k", "shadowing_db", "doppler_hz", "path_loss_exponent", "speed")
        }
        for name, value in positive.items():
            if value is not None and not (isfinite(value) and value > 0):
                yield f"channel.{name} = {value}: a number above 0 is expected"
        for name, value in zero.items():
            if value is not None and not (isfinite(value) and value >= 0):
                yield f"channel.{name} = {value}: a number of at least 0 is expected"


class Gains:
    """The gains of one channel and seed, written into arrays of (rows, N, K) on demand.

    Parameters
    ----------
    channel : the law
    seed : of all streams
    users, channels : N, K

    Raises
    ------
    ValueError
        Where distances or the trace disagree with N and K.
    """

    def __init__(self, channel: Channel, seed: int, users: int, channels: int) -> None:
        self.channel, self.shape = channel, (users, channels)
        self._keys = {purpose: stream_key(seed, purpose) for purpose in range(PURPOSES)}
        distance = np.asarray(channel.distance or 1.0, dtype=float)
        if distance.shape not in ((), (users,)):
            raise ValueError(
                f"channel.distance: one number or one for each of {users} users is expected, "
                f"got {distance.size}"
            )
        self._distance = np.broadcast_to(distance, (1, users))
        self._alpha = channel.path_loss_exponent or 0.0
        self._mean = (1.0 if channel.mean_gain is None else channel.mean_gain) * np.ones((1, users))
        if channel.model != "mobility":
            self._mean = self._mean * self._distance**-self._alpha
        self._walks: Walks | None = None
        if channel.model == "trace":
            self._trace = load_trace(Path(channel.file or ""))
            if self._trace.shape[1:] != self.shape:
                raise ValueError(
                    f"channel.file = {channel.file}: gains of {users} users on {channels} channels "
                    f"are expected, got {self._trace.shape[1]} and {self._trace.shape[2]}"
                )

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
        channel, users = self.channel, self.shape[0]
        none, one = np.zeros(users), np.ones(users)
        match channel.model:
            case "rayleigh":
                low, high = channel.gain_range or (0.0, inf)
                span = -np.expm1((low - high) / self._mean[0])
                self._fill(rayleigh, out, FADING, rows, self._mean, low * one, span)
            case "uniform":
                low, high = channel.gain_range or (0.0, 1.0)
                self._fill(uniform, out, FADING, rows, self._mean, low * one, (high - low) * one)
            case "rician":
                k = channel.rician_k or 0.0
                sight, scatter = sqrt(k / (k + 1.0)), sqrt(0.5 / (k + 1.0))
                self._fill(rician, out, FADING, rows, self._mean, sight * one, scatter * one)
            case "shadowed":
                level = np.empty((len(out), users, 1))
                nepers = (channel.shadowing_db or 0.0) * log(10.0) / 10.0
                self._fill(lognormal, level, SHADOWING, rows, self._mean, nepers * one, none)
                self._fill(rayleigh, out, FADING, rows, level.reshape(-1, users), none, one)
            case "jakes":
                self._fill_waves(out, rows, self._mean, channel.doppler_hz or 0.0)
            case "mobility":
                wave_length = LIGHT_SPEED / (channel.carrier or CARRIER)
                doppler = channel.doppler_hz
                if doppler is None:
                    doppler = (channel.speed or 0.0) / wave_length
                self._fill_waves(out, rows, self._walked_mean(len(out), rows), doppler)
            case "trace":
                self._copy_trace(out, rows)

    def _fill(self, law: Law, out: Floats, purpose: int, *arguments: Any) -> None:
        key = self._keys[purpose]
        if worth_compiling(out.size):
            from . import compiled

            compiled.filler(law)(out, key, *arguments)
        else:
            fading.fill(law, out, key, *arguments)

    def _fill_waves(self, out: Floats, rows: Rows, mean: Floats, doppler: float) -> None:
        turns = doppler * (self.channel.slot or 0.0)
        if worth_compiling(out.size * SINUSOIDS):
            from . import compiled

            compiled.fill_waves(out, self._keys[PATHS], rows, mean, turns)
        else:
            fading.fill_waves(out, self._keys[PATHS], rows, mean, turns)

    def _walked_mean(self, count: int, rows: Rows) -> Floats:
        """Return the local mean of users on their walks: (rows, N)."""
        slot, lane, *_ = (c[..., 0] for c in fading.counters((count, *self.shape), rows))
        if self._walks is None or not np.array_equal(self._walks.lane, lane):
            stride = (self.channel.speed or 0.0) * (self.channel.slot or 0.0) / self._distance[0]
            self._walks = Walks(self._keys[WAYPOINTS], lane, stride)
        away = np.maximum(self._walks.radii(slot) * self._distance, NEAREST)
        return np.asarray(self._mean * streams.exp(-self._alpha * streams.log(away)))

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
    """

    def __init__(self, share: ArrayLike, seed: int) -> None:
        weights = np.asarray(share, dtype=float)
        if weights.ndim != 1 or not (np.isfinite(weights).all() and (weights >= 0).all()):
            raise ValueError(f"share = {weights.tolist()}: numbers of at least 0 are expected")
        if not weights.sum() > 0:
            raise ValueError(f"share = {weights.tolist()}: at least one above 0 is expected")
        self._cumulative = np.cumsum(weights) / weights.sum()
        self._key = stream_key(seed, TASKS)

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

            compiled.fill_tasks(out, self._key, rows, self._cumulative)
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
    return entries > (256 if f"{__package__}.compiled" in sys.modules else COMPILE_ABOVE)
