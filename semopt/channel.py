"""Channels: linear power gains of every user on every sub-channel, slot after slot.

A gain is the product of a local mean and of small-scale fading,

    gain[n, k] = mean_gain d_n^-alpha L_n |h_{n,k}|^2,      E|h|^2 = 1,

with reading `path_loss` for the distance d in metres. By model:

rayleigh : h ~ CN(0, 1), so that the power is exponential; `gain_range` conditions it entry by entry,
    by the inverse of the conditioned distribution function
uniform : uniform in `gain_range`; no distance
rician : a line of sight of `rician_k` times the power of the scattered CN part (Rice, 1944)
shadowed : Rayleigh with L log-normal of `shadowing_db` dB about a median of 1, one a user and slot
    since obstacles are wider than sub-channels (Suzuki, 1977)
jakes : Rayleigh in time, E[h(t) h*(t + tau)] = J0(2 pi doppler_hz tau) (Clarke, 1968): a sum of
    SINUSOIDS waves whose angles of arrival are drawn one in each sector of the circle and whose phases
    are uniform, which makes that autocorrelation exact over realisations (after Zheng and Xiao, 2003)
mobility : jakes for users that walk: random waypoints in a disc of radius `distance` about the access
    point, each started in the stationary law (Navidi and Camp, 2004); path loss from the distance, no
    nearer than 1 m; Doppler `doppler_hz`, else speed x carrier / c
trace : rows of a file, in its order and again from its start at the end

All draws come from counter-based streams (streams.py): a gain depends on the seed, the lane (one
realisation of the channel; 0 unless an environment runs many), the slot, the user and the sub-channel,
never on batch size, split or thread count.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache
from math import inf, isfinite, log, sqrt
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import streams
from .problem import Floats, Integers
from .streams import (
    FADING,
    OFFSETS,
    PATHS,
    SHADOWING,
    TASKS,
    U64,
    WAYPOINTS,
    Array,
    circle,
    exp,
    normals,
    stream_key,
    uniforms,
)

LIGHT_SPEED = 299_792_458.0  # m/s
SINUSOIDS = 32
SLOTS = 2**32  # counters are 32 bits deep
TRIES = 64  # of the stationary waypoint; all fail with probability 0.55^64

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


# ----------------------------------------------------------------- laws: one entry each, (u, v) in (0, 1)


def _rayleigh(u: Array, v: Array, mean: Array, low: Array, span: Array) -> Array:
    """Exponential power of that mean above `low`, span = P(power - low < high - low)."""
    return low - mean * streams.log(1.0 - u * span)


def _uniform(u: Array, v: Array, mean: Array, low: Array, span: Array) -> Array:
    return low + u * span


def _rician(u: Array, v: Array, mean: Array, sight: Array, scatter: Array) -> Array:
    """Power of a line of sight of amplitude `sight` plus CN(0, scatter^2)."""
    x, y = normals(u, v)
    real = sight + scatter * x
    imaginary = scatter * y
    return mean * (real * real + imaginary * imaginary)


def _lognormal(u: Array, v: Array, mean: Array, nepers: Array, unused: Array) -> Array:
    return mean * exp(nepers * normals(u, v)[0])


def _wave(k0: Array, k1: Array, index: Array, lane: Array, user: Array, entry: Array) -> Any:
    """Doppler share cos(angle of arrival) and phase in turns of one wave of the sum."""
    u, v = uniforms(k0, k1, index, lane, user, entry)
    return circle((index * 1.0 + u) * (1.0 / SINUSOIDS))[0], v


# ------------------------------------------------------ loops over entries: NumPy in blocks, or compiled

_BLOCK = 1 << 14  # entries whose temporaries stay in the cache
_COMPILE_ABOVE = 1 << 22  # entries from which loading or compiling the Numba loops pays


def _axes(gain: Floats, first: tuple[int, int], step: tuple[int, int], start: int) -> Any:
    """Return slot, lane, user and entry counters of gain[start:...] as broadcastable arrays."""
    rows = np.arange(start, start + len(gain))
    slot, lane = (np.atleast_1d(f + s * rows if s else f) for f, s in zip(first, step, strict=True))
    users, entries = (np.arange(n, dtype=np.uint64) for n in gain.shape[1:])
    return (
        slot.astype(np.uint64)[:, None, None],
        lane.astype(np.uint64)[:, None, None],
        users[None, :, None],
        entries[None, None, :],
    )


def _fill(law: Any, out: Any, key: Any, first: Any, step: Any, mean: Any, a: Any, b: Any) -> None:
    """out[i, n, k] = law(uniforms of the entry, mean[i, n], a[n], b[n])."""
    block = max(1, _BLOCK // max(1, out[0].size))
    for start in range(0, len(out), block):
        rows = slice(start, start + block)
        u, v = uniforms(*key, *_axes(out[rows], first, step, start))
        out[rows] = law(u, v, mean[rows, :, None], a[:, None], b[:, None])


def _fill_waves(out: Any, key: Any, first: Any, step: Any, mean: Any, doppler: float) -> None:
    """out[i, n, k] = mean[i, n] |sum of waves|^2 / SINUSOIDS, `doppler` in turns a slot."""
    block = max(1, _BLOCK // max(1, out[0].size))
    for start in range(0, len(out), block):
        rows = slice(start, start + block)
        slot, lane, user, entry = _axes(out[rows], first, step, start)
        real, imaginary = np.zeros_like(out[rows]), np.zeros_like(out[rows])
        for index in range(SINUSOIDS):
            share, phase = _wave(*key, U64(index), lane, user, entry)
            x, y = circle(doppler * share * slot + phase)
            real += x
            imaginary += y
        out[rows] = mean[rows, :, None] * ((real * real + imaginary * imaginary) / SINUSOIDS)


def _fill_compiled(law, out, key, first, step, mean, a, b):  # type: ignore[no-untyped-def]
    for block in prange((len(out) + 63) // 64):
        start, stop = block * 64, min(block * 64 + 64, len(out))
        for n in range(out.shape[1]):
            for k in range(out.shape[2]):
                for i in range(start, stop):
                    slot, lane = U64(first[0] + step[0] * i), U64(first[1] + step[1] * i)
                    u, v = uniforms(key[0], key[1], slot, lane, U64(n), U64(k))
                    out[i, n, k] = law(u, v, mean[i, n], a[n], b[n])


def _fill_waves_compiled(out, key, first, step, mean, doppler):  # type: ignore[no-untyped-def]
    for block in prange((len(out) + 63) // 64):
        start, stop = block * 64, min(block * 64 + 64, len(out))
        real, imaginary = np.empty(64), np.empty(64)
        for n in range(out.shape[1]):
            for k in range(out.shape[2]):
                real[:] = 0.0
                imaginary[:] = 0.0
                for index in range(SINUSOIDS):
                    wave = U64(index)
                    share, phase = _wave(key[0], key[1], wave, U64(first[1]), U64(n), U64(k))
                    for i in range(start, stop):
                        if step[1] != 0:
                            lane = U64(first[1] + step[1] * i)
                            share, phase = _wave(key[0], key[1], wave, lane, U64(n), U64(k))
                        slot = U64(first[0] + step[0] * i)
                        x, y = circle(doppler * share * slot + phase)
                        real[i - start] += x
                        imaginary[i - start] += y
                for i in range(start, stop):
                    x, y = real[i - start], imaginary[i - start]
                    out[i, n, k] = mean[i, n] * ((x * x + y * y) / SINUSOIDS)


prange: Any = range  # Numba's inside the compiled loops


@cache
def _compiled() -> dict[Callable[..., None], Callable[..., None]]:
    """Return the loops and laws compiled by Numba, keyed by their plain twins."""
    import numba
    from numba.extending import register_jitable

    global prange
    prange = numba.prange
    for function in (*streams.SHARED, _wave):
        register_jitable(function)
    serial = numba.njit(error_model="numpy")
    parallel = numba.njit(error_model="numpy", parallel=True, cache=True)
    laws = {law: serial(law) for law in (_rayleigh, _uniform, _rician, _lognormal)}
    return laws | {_fill: parallel(_fill_compiled), _fill_waves: parallel(_fill_waves_compiled)}


def _run(fill: Any, law: Any, out: Floats, *arguments: Any) -> None:
    """Run a loop over entries, compiled where it is large or the compiled one is at hand."""
    if out.size > _COMPILE_ABOVE or (_compiled.cache_info().currsize and out.size > 256):
        loops = _compiled()
        loops[fill](*([loops[law]] if law else []), out, *arguments)
    else:
        fill(*([law] if law else []), out, *arguments)


# --------------------------------------------------------------------------- walks, traces


def _walk(key: Any, lane: Array, user: Array, until: float) -> tuple[Floats, Floats, Floats]:
    """Return the corners of random-waypoint walks in the unit disc and how far along each lies.

    Parameters
    ----------
    lane, user : uint64 arrays that broadcast to the walks' shape (...)
    until : how far every walk must lead, in radii

    Returns
    -------
    x, y, path : (legs + 1, ...) float64, corners and the path length at them, negative at the first
    since the walk is under way at path 0
    """
    shape = np.broadcast_shapes(lane.shape, user.shape)

    def corner(index: int, kind: int) -> tuple[Floats, Floats]:
        u, v = uniforms(*key, U64(index), lane, user, U64(kind))
        x, y = circle(v)
        radius = np.sqrt(u)
        return np.broadcast_to(radius * x, shape), np.broadcast_to(radius * y, shape)

    # A leg found at a random time is long with probability in proportion to its length.
    x0, y0, x1, y1, share = (np.zeros(shape) for _ in range(5))
    open_ = np.ones(shape, dtype=bool)
    for index in range(TRIES):
        (ax, ay), (bx, by) = corner(index, 1), corner(index, 2)
        accept, along = uniforms(*key, U64(index), lane, user, U64(3))
        take = open_ & (np.hypot(bx - ax, by - ay) > 2.0 * accept)
        for whole, part in zip((x0, y0, x1, y1, share), (ax, ay, bx, by, along), strict=True):
            np.copyto(whole, part, where=take)
        open_ &= ~take
        if not open_.any():
            break
    length = np.sqrt((x1 - x0) ** 2 + (y1 - y0) ** 2)
    xs, ys, path = [x0, x1], [y0, y1], [-share * length, (1.0 - share) * length]
    while np.min(path[-1]) <= until:
        x, y = corner(len(xs), 0)
        path.append(path[-1] + np.sqrt((x - xs[-1]) ** 2 + (y - ys[-1]) ** 2))
        xs.append(x)
        ys.append(y)
    return np.array(xs), np.array(ys), np.array(path)


def _radius(key: Any, lane: Integers, slot: Integers, users: int, stride: float) -> Floats:
    """Return the distance from the centre, in radii: (rows, users), at path `stride` x slot."""
    one = lane[:1] if (lane == lane[0]).all() else lane
    user = np.arange(users, dtype=np.uint64)[None, :]
    walked = stride * slot
    xs, ys, path = _walk(key, one.astype(np.uint64)[:, None], user, float(np.max(walked)))
    at = np.broadcast_to(walked[:, None], (len(slot), users))
    if len(one) == 1:
        legs = np.stack(
            [np.searchsorted(path[:, 0, n], walked, "right") - 1 for n in range(users)], axis=1
        )
    else:
        legs = (path <= at).sum(axis=0) - 1
    row = np.zeros_like(slot) if len(one) == 1 else np.arange(len(slot))
    start = (legs, row[:, None], np.arange(users)[None, :])
    end = (legs + 1, *start[1:])
    share = (at - path[start]) / (path[end] - path[start])
    x = xs[start] + share * (xs[end] - xs[start])
    y = ys[start] + share * (ys[end] - ys[start])
    return np.sqrt(x * x + y * y)


def load_trace(file: Path) -> Floats:
    """Read measured gains: NPY of shape (S, N, K), or a table with columns slot, user, channel, gain.

    Raises
    ------
    ValueError
        Naming the file and what was expected of it.
    """
    file = Path(file)
    try:
        stamp = file.stat()
    except OSError as error:
        raise ValueError(f"channel.file = {file}: {error.strerror}") from None
    return _load_trace(file, stamp.st_mtime_ns, stamp.st_size)


@lru_cache(maxsize=4)
def _load_trace(file: Path, changed: int, size: int) -> Floats:
    readers = {".npy": _read_npy, ".csv": _read_csv, ".parquet": _read_parquet}
    if file.suffix.lower() not in readers:
        raise ValueError(f"channel.file = {file}: the endings {', '.join(readers)} are expected")
    try:
        gain = readers[file.suffix.lower()](file)
    except (ValueError, OSError, EOFError) as error:
        raise ValueError(f"channel.file = {file}: {error}") from None
    if gain.ndim != 3 or 0 in gain.shape:
        raise ValueError(
            f"channel.file = {file}: shape (slots, users, channels) is expected, got {gain.shape}"
        )
    wrong = np.argwhere(~((gain > 0) & np.isfinite(gain)))
    if len(wrong):
        i, n, k = wrong[0]
        raise ValueError(
            f"channel.file = {file}: slot {i}, user {n}, channel {k} has gain {gain[i, n, k]}; "
            "finite gains above 0 are expected"
        )
    gain.setflags(write=False)
    return gain


def _read_npy(file: Path) -> Floats:
    gain = np.load(file, allow_pickle=False)
    if not np.issubdtype(gain.dtype, np.floating):
        raise ValueError(f"floating-point gains are expected, got dtype {gain.dtype}")
    return np.ascontiguousarray(gain, dtype=np.float64)


_COLUMNS = ("slot", "user", "channel", "gain")


def _read_csv(file: Path) -> Floats:
    with file.open(encoding="utf-8") as lines:
        header = [name.strip() for name in lines.readline().split(",")]
        missing = [name for name in _COLUMNS if name not in header]
        if missing:
            raise ValueError(
                f"a header with the columns {', '.join(_COLUMNS)} is expected, "
                f"missing: {', '.join(missing)}"
            )
        order = [header.index(name) for name in _COLUMNS]
        rows = np.loadtxt(lines, delimiter=",", usecols=order, ndmin=2)
    return _pivot(rows)


def _read_parquet(file: Path) -> Floats:
    try:
        import pyarrow.parquet as parquet
    except ImportError:
        raise ValueError("reading Parquet needs pyarrow (pip install pyarrow)") from None
    table = parquet.read_table(file)
    missing = [name for name in _COLUMNS if name not in table.column_names]
    if missing:
        raise ValueError(
            f"the columns {', '.join(_COLUMNS)} are expected, missing: {', '.join(missing)}"
        )
    return _pivot(np.stack([table[name].to_numpy() for name in _COLUMNS], axis=1))


def _pivot(rows: Floats) -> Floats:
    """Turn rows (slot, user, channel, gain) into (S, N, K); every place exactly once."""
    if len(rows) == 0:
        raise ValueError("at least one row is expected")
    if not (np.isfinite(rows[:, :3]).all() and (rows[:, :3] >= 0).all()):
        raise ValueError("slot, user and channel are expected to count from 0")
    index = rows[:, :3].astype(np.int64)
    if (index != rows[:, :3]).any():
        raise ValueError("slot, user and channel are expected to be whole numbers")
    shape = tuple(int(n) for n in index.max(axis=0) + 1)
    places = shape[0] * shape[1] * shape[2]
    flat = (index[:, 0] * shape[1] + index[:, 1]) * shape[2] + index[:, 2]
    if places != len(rows) or len(np.unique(flat)) != places:
        raise ValueError(
            f"one row for each of {shape[0]} slots x {shape[1]} users x {shape[2]} channels is "
            f"expected, got {len(rows)} rows"
        )
    gain = np.empty(places)
    gain[flat] = rows[:, 3]
    return gain.reshape(shape)


# ----------------------------------------------------------------------------- draws


class Gains:
    """The gains of one channel and seed, ready to be written into arrays of (rows, N, K).

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
        self._keys = {purpose: stream_key(seed, purpose) for purpose in range(6)}
        distance = np.asarray(1.0 if channel.distance is None else channel.distance, dtype=float)
        if distance.shape not in ((), (users,)):
            raise ValueError(
                f"channel.distance: one number or one for each of {users} users is expected, "
                f"got {distance.size}"
            )
        distance = np.broadcast_to(distance, (users,))
        alpha = channel.path_loss_exponent or 0.0
        reach = channel.mean_gain if channel.mean_gain is not None else 1.0
        self._mean = reach * distance**-alpha
        self._doppler = (channel.doppler_hz or 0.0) * (channel.slot or 0.0)
        none, one = np.zeros(users), np.ones(users)
        match channel.model:
            case "rayleigh":
                low, high = channel.gain_range or (0.0, inf)
                span = -np.expm1(-(high - low) / self._mean)
                self._law: Any = (_rayleigh, one * low, span)
            case "shadowed":
                self._law = (_rayleigh, none, one)
            case "uniform":
                low, high = channel.gain_range or (0.0, 1.0)
                self._law = (_uniform, one * low, one * (high - low))
            case "rician":
                k = channel.rician_k or 0.0
                self._law = (_rician, one * sqrt(k / (k + 1)), one * sqrt(0.5 / (k + 1)))
            case "mobility":
                self._mean = one * reach
                self._radius, speed = distance, channel.speed or 0.0
                self._stride = speed * (channel.slot or 0.0)
                if channel.doppler_hz is None:
                    wave = LIGHT_SPEED / (channel.carrier or 3.5e9)
                    self._doppler = speed / wave * (channel.slot or 0.0)
            case "trace":
                self._trace = load_trace(channel.file or Path())
                if self._trace.shape[1:] != self.shape:
                    raise ValueError(
                        f"channel.file = {channel.file}: gains of {users} users on {channels} "
                        f"channels are expected, got {self._trace.shape[1:]}"
                    )

    def slots(self, out: Floats, first: int, lane: int = 0) -> None:
        """Write the gains of slots first, first + 1, ... of one lane into out (slots, N, K)."""
        self._write(out, (first, lane), (1, 0))

    def lanes(self, out: Floats, slot: int, first: int = 0) -> None:
        """Write the gains of one slot in lanes first, first + 1, ... into out (lanes, N, K)."""
        self._write(out, (slot, first), (0, 1))

    def _write(self, out: Floats, first: tuple[int, int], step: tuple[int, int]) -> None:
        last = [f + s * max(0, len(out) - 1) for f, s in zip(first, step, strict=True)]
        if min(first) < 0 or max(last) >= SLOTS:
            raise ValueError(f"slots and lanes from 0 to {SLOTS - 1} are expected, got {first}")
        if len(out) == 0:
            return
        mean = np.broadcast_to(self._mean, (len(out), self.shape[0]))
        match self.channel.model:
            case "trace":
                self._copy_trace(out, first, step)
                return
            case "jakes":
                pass
            case "shadowed":
                level = np.empty((len(out), self.shape[0], 1))
                nepers = np.full(self.shape[0], (self.channel.shadowing_db or 0.0) * log(10) / 10)
                key = self._keys[SHADOWING]
                _run(_fill, _lognormal, level, key, first, step, mean, nepers, nepers)
                mean = level[..., 0]
            case "mobility":
                rows = np.arange(len(out))
                slot, lane = first[0] + step[0] * rows, first[1] + step[1] * rows
                mean = self._mean * self._path_gain(slot, lane)
        if self.channel.model in ("jakes", "mobility"):
            _run(_fill_waves, None, out, self._keys[PATHS], first, step, mean, self._doppler)
        else:
            law, a, b = self._law
            _run(_fill, law, out, self._keys[FADING], first, step, mean, a, b)

    def _path_gain(self, slot: Integers, lane: Integers) -> Floats:
        """d^-alpha of walking users: (rows, N)."""
        stride = self._stride / self._radius
        parts = [
            _radius(self._keys[WAYPOINTS], lane, slot, self.shape[0], s)[:, n]
            for n, s in enumerate(stride)
        ]
        away = np.maximum(np.stack(parts, axis=1) * self._radius, 1.0)
        return exp(-(self.channel.path_loss_exponent or 0.0) * streams.log(away))

    def _copy_trace(self, out: Floats, first: tuple[int, int], step: tuple[int, int]) -> None:
        """Copy rows of the file: lane 0 from its start, other lanes from a row drawn for each."""
        rows = np.arange(len(out))
        slot, lane = first[0] + step[0] * rows, (first[1] + step[1] * rows).astype(np.uint64)
        u, _ = uniforms(*self._keys[OFFSETS], U64(0), lane, U64(0), U64(0))
        length = len(self._trace)
        offset = np.where(lane > 0, (u * length).astype(np.int64), 0)
        np.take(self._trace, (slot + offset) % length, axis=0, out=out)


def draw_gains(
    channel: Channel, seed: int, first: int, count: int, users: int, channels: int
) -> Floats:
    """Return the linear power gains of slots first to first + count - 1: (count, N, K) float64."""
    out = np.empty((count, users, channels))
    Gains(channel, seed, users, channels).slots(out, first)
    return out


def draw_tasks(share: ArrayLike, seed: int, first: int, count: int, users: int) -> Integers:
    """Return the kind of task at the head of each user's queue: (count, N) int64.

    Parameters
    ----------
    share : (T,) probabilities of the kinds, in proportion
    """
    cumulative = cumulative_share(share)
    slot = np.arange(first, first + count, dtype=np.uint64)[:, None]
    user = np.arange(users, dtype=np.uint64)[None, :]
    u, _ = uniforms(*stream_key(seed, TASKS), slot, U64(0), user, U64(0))
    return np.searchsorted(cumulative[:-1], u, side="right").astype(np.int64)


def cumulative_share(share: ArrayLike) -> Floats:
    """Return the cumulative probabilities of the kinds of task: (T,), the last exactly 1."""
    weights = np.asarray(share, dtype=float)
    if weights.ndim != 1 or not (np.isfinite(weights).all() and (weights >= 0).all()):
        raise ValueError(f"share = {share}: numbers of at least 0 are expected")
    if not weights.sum() > 0:
        raise ValueError(f"share = {share}: at least one above 0 is expected")
    return np.asarray(np.cumsum(weights) / weights.sum())
