"""Random streams that are functions: a value depends on its key and its counter, on nothing else.

Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011) turns key and
counter into random bits, so that draws do not depend on how work is split over batches or threads.
Every function here is plain arithmetic that reads the same for NumPy arrays and for Numba scalars.
The elementary functions are spelled out too, because libm, NumPy and Numba differ in the last bit.
Small draws run in NumPy without importing Numba, large ones run compiled; both give the same bits.
"""

from __future__ import annotations

from typing import Any

import numpy as np

# What a stream is for: one child of the seed's `SeedSequence` each, so that purposes share no draw.
PURPOSES = 6
FADING, SHADOWING, TASKS, PATHS, WAYPOINTS, OFFSETS = range(PURPOSES)

U64 = np.uint64
LOW32, SHIFT32 = U64(0xFFFFFFFF), U64(32)
MULTIPLIERS = U64(0xD2511F53), U64(0xCD9E8D57)  # of Philox4x32
WEYL = U64(0x9E3779B9), U64(0xBB67AE85)

MANTISSA, SHIFT52 = U64(0x000FFFFFFFFFFFFF), U64(52)
ONE_BITS, SQRT_HALF_BITS = U64(0x3FF0000000000000), U64(0x3FE6A09E667F3BCD)
TO_SQRT_HALF = U64(int(ONE_BITS) - int(SQRT_HALF_BITS))
BIAS = U64(1023)
LN2_HIGH = float.fromhex("0x1.62e42fefap-1")  # its product with an exponent is exact
LN2_LOW = float.fromhex("0x1.cf79abc9e3b3ap-40")
ROUND = 1.5 * 2.0**52  # adding it leaves the nearest integer in the low bits
TURN = 2.0 * np.pi

Array = Any  # float64 or uint64: arrays in NumPy, scalars when compiled
Key = tuple[np.uint64, np.uint64]  # two 32-bit words


def stream_key(seed: int, purpose: int) -> Key:
    """Return the Philox key of one purpose of a seed."""
    child = np.random.SeedSequence(seed, spawn_key=(purpose,))
    low, high = child.generate_state(2, np.uint32)
    return U64(low), U64(high)


def philox(
    key: Key, c0: Array, c1: Array, c2: Array, c3: Array
) -> tuple[Array, Array, Array, Array]:
    """Encrypt a counter of four 32-bit words (uint64 each): ten rounds."""
    k0, k1 = key
    for _ in range(10):
        a, b = MULTIPLIERS[0] * c0, MULTIPLIERS[1] * c2
        c0, c1, c2, c3 = (b >> SHIFT32) ^ c1 ^ k0, b & LOW32, (a >> SHIFT32) ^ c3 ^ k1, a & LOW32
        k0, k1 = (k0 + WEYL[0]) & LOW32, (k1 + WEYL[1]) & LOW32
    return c0, c1, c2, c3


def unit(high: Array, low: Array) -> Array:
    """Return a number of the open interval (0, 1), 52 bits deep, from two 32-bit words."""
    return ((((high << SHIFT32) | low) >> U64(12)) + 0.5) * 2.0**-52


def uniforms(key: Key, slot: Array, lane: Array, user: Array, entry: Array) -> tuple[Array, Array]:
    """Return the two independent uniforms of (0, 1) that belong to a place of a stream."""
    a, b, c, d = philox(key, slot, lane, user, entry)
    return unit(a, b), unit(c, d)


def to_bits(x: Array) -> Array:
    """Return the 64 bits of a double; the cast tells Numba that it is one."""
    return np.float64(x).view(np.uint64)


def from_bits(bits: Array) -> Array:
    """Return the double of 64 bits."""
    return np.uint64(bits).view(np.float64)


def log(x: Array) -> Array:
    """Natural logarithm of a positive normal number: 2 artanh((m - 1)/(m + 1)) + e ln 2."""
    bits = to_bits(x) + TO_SQRT_HALF
    exponent = (bits >> SHIFT52) - 1023.0
    m = from_bits((bits & MANTISSA) + SQRT_HALF_BITS)  # in [sqrt 1/2, sqrt 2)
    f = m - 1.0
    s = f / (2.0 + f)
    z = s * s
    tail = 1 / 19 + z * (1 / 21)
    tail = 1 / 15 + z * (1 / 17 + z * tail)
    tail = 1 / 11 + z * (1 / 13 + z * tail)
    tail = 1 / 7 + z * (1 / 9 + z * tail)
    tail = z * (1 / 3 + z * (1 / 5 + z * tail))
    return exponent * LN2_HIGH + (exponent * LN2_LOW + 2.0 * (s + s * tail))


def exp(x: Array) -> Array:
    """e^x for |x| < 700: 2^k times the series on [-ln 2 / 2, ln 2 / 2]."""
    rounded = x * (1.0 / (LN2_HIGH + LN2_LOW)) + ROUND
    k = rounded - ROUND
    r = (x - k * LN2_HIGH) - k * LN2_LOW
    tail = 1 / 39916800 + r * (1 / 479001600 + r * (1 / 6227020800))
    tail = 1 / 40320 + r * (1 / 362880 + r * (1 / 3628800 + r * tail))
    tail = 1 / 120 + r * (1 / 720 + r * (1 / 5040 + r * tail))
    tail = 1 / 2 + r * (1 / 6 + r * (1 / 24 + r * tail))
    scale = from_bits((to_bits(rounded) + BIAS) << SHIFT52)
    return (1.0 + (r + r * r * tail)) * scale


def circle(turns: Array) -> tuple[Array, Array]:
    """Return cosine and sine of an angle given in turns, |turns| < 2^49."""
    rounded = 4.0 * turns + ROUND
    quarter = to_bits(rounded)
    x = (turns - 0.25 * (rounded - ROUND)) * TURN  # the rest, in [-pi/4, pi/4]
    z = x * x
    tail = 1 / 362880 - z * (1 / 39916800 - z * (1 / 6227020800 - z * (1 / 1307674368000)))
    sine = x - x * z * (1 / 6 - z * (1 / 120 - z * (1 / 5040 - z * tail)))
    tail = 1 / 479001600 - z * (1 / 87178291200 - z * (1 / 20922789888000))
    tail = 1 / 40320 - z * (1 / 3628800 - z * tail)
    cosine = 1.0 - z * (1 / 2 - z * (1 / 24 - z * (1 / 720 - z * tail)))
    # Quarter turns swap and negate; products with 0 and 1 choose without a branch.
    odd = (quarter & U64(1)) * 1.0
    even = 1.0 - odd
    flip_sine = 1.0 - (quarter & U64(2)) * 1.0
    flip_cosine = 1.0 - ((quarter + U64(1)) & U64(2)) * 1.0
    return flip_cosine * (even * cosine + odd * sine), flip_sine * (even * sine + odd * cosine)


def normals(u: Array, v: Array) -> tuple[Array, Array]:
    """Return two independent standard normals of two uniforms (Box and Muller, 1958)."""
    radius = np.sqrt(-2.0 * log(u))
    cosine, sine = circle(v)
    return radius * cosine, radius * sine
