"""Transforms of uniforms into gains, and NumPy loops that apply them; compiled.py has the twins.

A transform turns the two uniforms of an entry into its value: that of a law, given a mean and two
parameters. The same function serves NumPy arrays here and scalars in the compiled loops, so that
both give the same bits.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ..problem import Floats
from .streams import LOW32, U64, Array, Key, circle, exp, log, normals, philox, uniforms

SINUSOIDS = 32  # frequencies of a sum of waves; each has two waves, of opposite shift
STRETCH = 64.0  # wave lengths of way from one set of amplitudes to the next, a power of 2
SIXTH = U64(2**32 // 6)  # of the words of a stream

Transform = Callable[[Array, Array, Array, Array, Array], Array]


class Rows(NamedTuple):
    """Which counters the rows of an array hold: slot + i slot_step in lane + i lane_step."""

    slot: int
    lane: int
    slot_step: int
    lane_step: int


def rayleigh(u: Array, v: Array, mean: Array, low: Array, span: Array) -> Array:
    """Power |h|^2 of a mean, exponential: the inverse of its distribution function above `low`.

    `span` = 1 - e^(-(high - low) / mean) conditions it to [low, high]; 1 sets no upper end.
    """
    return low - mean * log(1.0 - u * span)


def rayleigh_within(u: Array, v: Array, mean: Array, low: Array, high: Array) -> Array:
    """Rayleigh conditioned to [low, high] where each entry has its own mean."""
    return rayleigh(u, v, mean, low, 1.0 - exp(np.maximum((low - high) / mean, -700.0)))


def uniform(u: Array, v: Array, mean: Array, low: Array, high: Array) -> Array:
    """Power anywhere in [low, high]."""
    return low + u * (high - low)


def rician(u: Array, v: Array, mean: Array, sight: Array, scatter: Array) -> Array:
    """Power of a line of sight of amplitude `sight` plus scatter (x + j y), x and y normal."""
    x, y = normals(u, v)
    real, imaginary = sight + scatter * x, scatter * y
    return mean * (real * real + imaginary * imaginary)


def lognormal(u: Array, v: Array, median: Array, nepers: Array, b: Array) -> Array:
    """Local mean about its median, normal in nepers of power."""
    return median * exp(nepers * normals(u, v)[0])


def rotation(key: Key, lane: Array, user: Array, entry: Array) -> Array:
    """Turn of all angles of arrival of a sum, in sectors."""
    return uniforms(key, U64(0), lane, user, entry)[0]


def wave(
    key: Key, index: Array, turn: Array, lane: Array, user: Array, entry: Array
) -> tuple[Array, Array]:
    """One frequency of a sum: cosine of its angle of arrival and phase, in turns.

    The angle lies in sector `index`. The sectors cover half a circle; the amplitudes stand for the
    waves from both sides.
    """
    _, phase = uniforms(key, index, lane, user, entry)
    return circle((index * 1.0 + turn) * (0.5 / SINUSOIDS))[0], phase


def amplitudes(
    key: Key, index: Array, stretch: Array, lane: Array, user: Array, entry: Array
) -> tuple[Array, Array, Array, Array]:
    """Four independent amplitudes of a frequency on a stretch of the way: -1, 0 and 1.

    With probabilities 1/6, 2/3 and 1/6 they have the first five moments of a normal variable of
    variance 1/3. The angles of a sum use the counters below SINUSOIDS.
    """
    counter = (index + (stretch + U64(1)) * U64(SINUSOIDS)) & LOW32
    a, b, c, d = philox(key, counter, lane, user, entry)
    return three(a), three(b), three(c), three(d)


def three(word: Array) -> Array:
    """Return -1, 0 or 1 of a 32-bit word."""
    return (word >= LOW32 - SIXTH) * 1.0 - (word <= SIXTH) * 1.0


POWER = 1.5 / SINUSOIDS  # makes the mean power of a sum 1


BLOCK = 1 << 14  # entries whose temporaries stay in the cache


def counters(shape: tuple[int, ...], rows: Rows) -> tuple[Array, Array, Array, Array]:
    """Return slot, lane, user and entry of an array (rows, N, K), uint64 that broadcast to it."""
    row = np.arange(shape[0])
    slot, lane = (
        np.atleast_1d(np.asarray(first + row * step if step else first, dtype=np.uint64))
        for first, step in ((rows.slot, rows.slot_step), (rows.lane, rows.lane_step))
    )
    user, entry = (np.arange(n, dtype=np.uint64) for n in shape[1:])
    return slot[:, None, None], lane[:, None, None], user[None, :, None], entry[None, None, :]


def blocks(out: Floats, rows: Rows) -> list[tuple[slice, Rows]]:
    """Split the rows of an array into parts of about BLOCK entries."""
    size = max(1, BLOCK // max(1, out[0].size))
    return [
        (
            slice(i, i + size),
            rows._replace(slot=rows.slot + i * rows.slot_step, lane=rows.lane + i * rows.lane_step),
        )
        for i in range(0, len(out), size)
    ]


def fill(
    transform: Transform, out: Floats, key: Key, rows: Rows, mean: Floats, a: Floats, b: Floats
) -> None:
    """Write transform(u, v, mean[i, n], a[n], b[n]) to out[i, n, k]; `mean` has one row or all."""
    for part, counted in blocks(out, rows):
        u, v = uniforms(key, *counters(out[part].shape, counted))
        level = mean[part] if len(mean) > 1 else mean
        out[part] = transform(u, v, level[:, :, None], a[:, None], b[:, None])


def fill_waves(out: Floats, key: Key, rows: Rows, mean: Floats, travel: Floats) -> None:
    """Write mean[i, n] |sum of waves|^2 for `travel[i, n]` wave lengths of way."""
    for part, counted in blocks(out, rows):
        _, lane, user, entry = counters(out[part].shape, counted)
        way = travel[part, :, None]
        stretch = (way * (1.0 / STRETCH)).astype(np.uint64)
        fade, rise = circle(0.25 * (way * (1.0 / STRETCH) - stretch * 1.0))
        real, imaginary = np.zeros_like(out[part]), np.zeros_like(out[part])
        turn = rotation(key, lane, user, entry)
        for index in map(U64, range(SINUSOIDS)):
            cosine, phase = wave(key, index, turn, lane, user, entry)
            x, y = circle(cosine * way + phase)
            p, q, r, s = amplitudes(key, index, stretch, lane, user, entry)
            t, u, v, w = amplitudes(key, index, stretch + U64(1), lane, user, entry)
            real += fade * (p * x + q * y) + rise * (t * x + u * y)
            imaginary += fade * (r * x + s * y) + rise * (v * x + w * y)
        level = mean[part] if len(mean) > 1 else mean
        out[part] = level[:, :, None] * ((real * real + imaginary * imaginary) * POWER)
