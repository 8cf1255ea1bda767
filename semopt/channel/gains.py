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
from functools import cached_property
from math import inf, log, sqrt
from typing import Any

import numpy as np

from ..problem import Floats
from . import fading, streams
from .fading import SINUSOIDS, Law, Rows, lognormal, rayleigh, rayleigh_within, rician, uniform
from .laws import CARRIER, LIGHT_SPEED, NEAREST, Channel, other_shape, rows_of
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
from .walks import Walks

COMPILE_ABOVE = 1 << 22  # entries from which loading the compiled loops pays
RICIAN_POINTS = 1 << 14  # of a conditioned distribution function: its error is below 1e-6


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


def draw_gains(
    channel: Channel, seed: int, first: int, count: int, users: int, channels: int
) -> Floats:
    """Return the linear power gains of slots first to first + count - 1: (count, N, K) float64."""
    out = np.empty((count, users, channels))
    Gains(channel, seed, users, channels).slots(out, first)
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
