"""What draws the gains of each law: parameters of a gain's law, and which loops write them.

A sampler is made for one channel, seed and size, and writes rows of gains on demand. Small draws
run in NumPy, large ones in the compiled loops; both give the same bits.
"""

from __future__ import annotations

import sys
from math import inf, log, sqrt
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from ..gains import HIGH, LOW
from ..problem import Floats
from . import fading, streams
from .fading import SINUSOIDS, Rows, Transform
from .keys import Parameters
from .streams import (
    FADING,
    OFFSETS,
    PATHS,
    PURPOSES,
    SHADOWING,
    U64,
    WAYPOINTS,
    stream_key,
    uniforms,
)
from .traces import load_trace, other_shape, parts
from .walks import CARRIER, LIGHT_SPEED, NEAREST, Walks

COMPILE_ABOVE = 1 << 22  # entries from which loading the compiled loops pays
# Uniforms at their ends, where gains are farthest from their mean: all powers of 2, and some turns.
POWERS = 0.5 ** np.arange(1, 54)
TAILS = np.concatenate([POWERS, 1.0 - POWERS])[:, None, None], POWERS[[0, 1, 2, -1], None]
RICIAN_POINTS = 1 << 14  # of a conditioned distribution function: its error is below 1e-6


class Sampler:
    """The gains of one channel and seed; parameters are those of `Gains`.

    Attributes
    ----------
    mean : (1, N) float64, local mean gain of each user
    """

    def __init__(
        self, channel: Parameters, seed: int, users: int, channels: int, threads: int
    ) -> None:
        self.channel, self.shape, self.threads = channel, (users, channels), threads
        self.keys = [stream_key(seed, purpose) for purpose in range(PURPOSES)]
        self.mean = self.local_mean()
        self._scratch = np.empty((0, users))
        self.prepare()

    def prepare(self) -> None:
        """Take what is the same for all rows."""

    def write(self, out: Floats, rows: Rows) -> None:
        """Write the gains of the rows' slots and lanes: (rows, N, K)."""
        raise NotImplementedError

    def local_mean(self) -> Floats:
        """Return mean gain times path loss: (1, N)."""
        return self.per_user("mean_gain") * self.per_user("distance") ** -self.exponent

    @property
    def exponent(self) -> float:
        """Exponent of the path loss; 0 where none is given."""
        return self.channel.path_loss_exponent or 0.0

    def per_user(self, name: str) -> Floats:
        """Return a field of the channel for each user, 1 where not given: (1, N)."""
        value = getattr(self.channel, name)
        values = np.asarray(1.0 if value is None else value, dtype=float)
        if values.shape not in ((), (self.shape[0],)):
            raise ValueError(
                f"channel.{name} = {value}: one number, or one for each of {self.shape[0]} users, "
                "is expected"
            )
        return np.array(np.broadcast_to(values, (1, self.shape[0])))

    def parameters_per_user(self, *parameters: ArrayLike) -> tuple[Floats, Floats]:
        """Return two parameters of a transform for each user: (N,)."""
        a, b = (np.array(np.broadcast_to(p, self.shape[0]), dtype=float) for p in parameters)
        return a, b

    def room(self, count: int) -> Floats:
        """Return memory for a value of each row and user, the same while the rows are as many."""
        if len(self._scratch) != count:
            self._scratch = np.empty((count, self.shape[0]))
        return self._scratch

    def fill(
        self,
        transform: Transform,
        out: Floats,
        purpose: int,
        rows: Rows,
        mean: Floats,
        parameters: tuple[Floats, Floats],
    ) -> None:
        """Write transform(u, v, mean, a, b) of the uniforms of each entry of a stream.

        `mean` : (1, N) or (rows, N); `parameters` : a and b, (N,)
        """
        key, (a, b) = self.keys[purpose], parameters
        if worth_compiling(out.size):
            from . import compiled

            compiled.filler(transform)(out, key, rows, mean, a, b, threads=self.threads)
        else:
            fading.fill(transform, out, key, rows, mean, a, b)


class Independent(Sampler):
    """Gains that are independent in time and between sub-channels, each a transform of uniforms."""

    transform: Transform

    def prepare(self) -> None:
        """Take what is the same for all rows; refuse parameters that lead gains too far.

        Raises
        ------
        ValueError
            Gains at the ends of the uniforms are no gains, as where `streams.exp` leaves its domain
        """
        self._parameters = self.parameters_per_user(*self.parameters())
        least = 0.0 if self.channel.gain_range else LOW
        with np.errstate(all="ignore"):
            gain = type(self).transform(*TAILS, self.mean[0], *self._parameters)
        if not ((least <= gain) & (gain <= HIGH)).all():
            given = {name: value for name, value in vars(self.channel).items() if value is not None}
            model = given.pop("model")
            raise ValueError(
                f"{' and '.join(f'channel.{name} = {value}' for name, value in given.items())}: "
                f"gains of {model} are drawn from {gain.min():.3g} to {gain.max():.3g}, within "
                f"{LOW:g} to {HIGH:g} is expected"
            )

    def parameters(self) -> tuple[ArrayLike, ArrayLike]:
        """Return the two parameters of `transform`, of all users or (N,)."""
        raise NotImplementedError

    def write(self, out: Floats, rows: Rows) -> None:
        """Write the gains of the rows' slots and lanes: (rows, N, K)."""
        self.fill(type(self).transform, out, FADING, rows, self.mean, self._parameters)

    def limits(self) -> tuple[float, float]:
        """Return the range to which gains are conditioned."""
        return self.channel.gain_range or (0.0, inf)


class Rayleigh(Independent):
    """Exponential power, conditioned to a range where one is given."""

    transform = staticmethod(fading.rayleigh)

    def parameters(self) -> tuple[ArrayLike, ArrayLike]:
        """Return the lower end and the probability of the range above it."""
        low, high = self.limits()
        return low, -np.expm1((low - high) / self.mean[0])


class Uniform(Independent):
    """Anywhere in a range."""

    transform = staticmethod(fading.uniform)
    parameters = Independent.limits


class Rician(Independent):
    """A line of sight and scatter; in a range, the inverse of the conditioned distribution."""

    transform = staticmethod(fading.rician)

    def prepare(self) -> None:
        """Take what is the same for all rows."""
        super().prepare()
        self._unit = self.parameters_per_user(0.0, 1.0)
        self._within = self._tables() if self.channel.gain_range else []

    def parameters(self) -> tuple[ArrayLike, ArrayLike]:
        """Return the amplitudes of the line of sight and of either part of the scatter."""
        k = self.channel.rician_k or 0.0
        return sqrt(k / (k + 1.0)), sqrt(0.5 / (k + 1.0))

    def write(self, out: Floats, rows: Rows) -> None:
        """Write the gains of the rows' slots and lanes: (rows, N, K)."""
        if not self._within:
            return super().write(out, rows)
        self.fill(fading.uniform, out, FADING, rows, self.mean, self._unit)
        for n, (power, below) in enumerate(self._within):
            out[:, n] = np.interp(out[:, n], below, power)

    def _tables(self) -> list[tuple[Floats, Floats]]:
        """Return powers and their conditioned distribution function, for each user."""
        from scipy.special import chndtr

        (low, high), k = self.limits(), self.channel.rician_k or 0.0
        sight, scatter = self._parameters
        unlikely = float(sight[0] + 9.0 * scatter[0])  # amplitude, 1e-17 lie above
        tables = []
        for mean in self.mean[0]:
            ends = np.sqrt(low / mean), min(sqrt(high / mean), max(unlikely, sqrt(low / mean)))
            power = np.linspace(*ends, RICIAN_POINTS) ** 2
            below = chndtr(2.0 * (1.0 + k) * power, 2.0, 2.0 * k)
            share = below[-1] - below[0]
            if not share > 1e-9:
                raise ValueError(
                    f"channel.gain_range = {self.channel.gain_range}: has a probability of "
                    f"{share:.1g} for rician gains of mean {mean:g}, at least 1e-9 is expected"
                )
            tables.append((power * mean, (below - below[0]) / share))
        return tables


class Shadowed(Independent):
    """Rayleigh about a local mean that is drawn for each user and slot."""

    def prepare(self) -> None:
        """Take what is the same for all rows."""
        self._parameters = self.parameters_per_user(*self.parameters())
        nepers = (self.channel.shadowing_db or 0.0) * log(10.0) / 10.0
        self._nepers = self.parameters_per_user(nepers, nepers)
        self._transform = fading.rayleigh_within if self.channel.gain_range else fading.rayleigh

    def parameters(self) -> tuple[ArrayLike, ArrayLike]:
        """Return the ends of the range, or all of the law above 0."""
        return self.channel.gain_range or (0.0, 1.0)

    def write(self, out: Floats, rows: Rows) -> None:
        """Write the gains of the rows' slots and lanes: (rows, N, K)."""
        mean = self.room(len(out))
        shadow = mean[:, :, None]
        self.fill(fading.lognormal, shadow, SHADOWING, rows, self.mean, self._nepers)
        self.fill(self._transform, out, FADING, rows, mean, self._parameters)


class Jakes(Sampler):
    """Sums of waves over a way that grows with time."""

    def write(self, out: Floats, rows: Rows) -> None:
        """Write the gains of the rows' slots and lanes: (rows, N, K)."""
        mean, way = self.travel(len(out), rows)
        if worth_compiling(out.size * SINUSOIDS):
            from . import compiled

            compiled.fill_waves(out, self.keys[PATHS], rows, mean, way, threads=self.threads)
        else:
            fading.fill_waves(out, self.keys[PATHS], rows, mean, way)

    def travel(self, count: int, rows: Rows) -> tuple[Floats, Floats]:
        """Return local means, (1, N) or (rows, N), and ways in wave lengths, (rows, N)."""
        way = self.room(count)
        way[:] = fading.counters((count, 1, 1), rows)[0][..., 0]
        way *= (self.channel.doppler_hz or 0.0) * (self.channel.slot or 0.0)
        return self.mean, way


class Mobility(Jakes):
    """The waves of Jakes over the ways of walking users, and the path loss of their distance."""

    _walks: Walks | None = None

    def local_mean(self) -> Floats:
        """Return the mean gain at 1 m: (1, N)."""
        return self.per_user("mean_gain")

    def travel(self, count: int, rows: Rows) -> tuple[Floats, Floats]:
        """Return local means, (rows, N), and ways in wave lengths, (rows, N)."""
        channel = self.channel
        *near, radius = np.atleast_1d(np.asarray(channel.distance, dtype=float)).tolist()
        nearest = near[0] if near else min(NEAREST, radius)
        slot, lane, *_ = (c[..., 0] for c in fading.counters((count, 1, 1), rows))
        if self._walks is None or not np.array_equal(self._walks.lane, lane):
            speeds = np.atleast_1d(np.asarray(channel.speed, dtype=float)) * (channel.slot or 0.0)
            slowest, fastest = speeds[0] / radius, speeds[-1] / radius
            key = self.keys[WAYPOINTS]
            self._walks = Walks(key, lane, self.shape[0], slowest, fastest)
        distance, way = self._walks.at(slot)
        away = np.maximum(distance * radius, nearest)
        wave_length = LIGHT_SPEED / (channel.carrier or CARRIER)
        mean = self.mean * streams.exp(-self.exponent * streams.log(away))
        return mean, way * (radius / wave_length)


class Replay(Sampler):
    """Rows of a file: lane 0 from its start, other lanes from a row drawn for each."""

    def prepare(self) -> None:
        """Take what is the same for all rows."""
        file = f"channel.file = {self.channel.file}"
        self._trace = rows_of(self.channel)
        if not len(self._trace):
            raise ValueError(
                f"{file}: no slot of it is for {self.channel.part}: take a longer trace, or set "
                "channel.split"
            )
        if self._trace.shape[1:] != self.shape:
            raise ValueError(f"{file}: {other_shape(self._trace.shape, *self.shape)}")

    def write(self, out: Floats, rows: Rows) -> None:
        """Copy the gains of the rows' slots and lanes: (rows, N, K)."""
        length = len(self._trace)
        slot, lane, *_ = fading.counters((len(out), 1, 1), rows)
        u, _ = uniforms(self.keys[OFFSETS], U64(0), lane, U64(0), U64(0))
        offset = np.where(lane > 0, (u * length).astype(np.uint64), U64(0))
        row = ((slot + offset) % U64(length)).astype(np.int64).ravel()
        np.take(self._trace, np.broadcast_to(row, len(out)), axis=0, out=out, mode="clip")


def rows_of(channel: Parameters) -> Floats:
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


def worth_compiling(entries: int) -> bool:
    """Say whether a draw is large enough for the compiled loops, or they are at hand."""
    return entries > (0 if f"{__package__}.compiled" in sys.modules else COMPILE_ABOVE)
