"""The loops of fading.py compiled by Numba: threads over blocks of rows, SIMD over the rows of one.

The laws and streams are inlined before LLVM sees them (calls would keep it from using SIMD). No
fast-math: the bits are those of NumPy. Compiled code is kept on disk where Numba can write.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from hashlib import sha256
from pathlib import Path
from types import ModuleType
from typing import Any

import numba
import numpy as np
from numba.extending import register_jitable

from . import fading, streams
from .fading import SINUSOIDS, Law, wave
from .streams import U64, circle, uniforms

for function in (
    streams.philox,
    streams.unit,
    streams.uniforms,
    streams.to_bits,
    streams.from_bits,
    streams.log,
    streams.exp,
    streams.circle,
    streams.normals,
    fading.wave,
    fading.rayleigh,
    fading.rayleigh_within,
    fading.uniform,
    fading.rician,
    fading.lognormal,
):
    register_jitable(inline="always")(function)

ROWS = 64  # a block: long enough for SIMD, short enough to share out


def parallel(function: Callable[..., Any], name: str, *inlined: ModuleType) -> Callable[..., Any]:
    """Compile a loop.

    Its name on disk tells versions of the inlined modules apart: Numba looks at the age of the
    loop's own file alone.
    """
    sources = b"".join(Path(str(module.__file__)).read_bytes() for module in inlined)
    function.__qualname__ = f"{name}_{sha256(sources).hexdigest()[:16]}"
    compiled: Callable[..., Any] = numba.njit(parallel=True, cache=True, error_model="numpy")(
        function
    )
    return compiled


@cache
def filler(law: Law) -> Callable[..., None]:
    """Return fading.fill compiled for one law."""

    def fill(out, key, rows, mean, a, b):  # type: ignore[no-untyped-def]
        each = 1 if len(mean) > 1 else 0
        for block in numba.prange((len(out) + ROWS - 1) // ROWS):
            start, stop = block * ROWS, min(block * ROWS + ROWS, len(out))
            for n in range(out.shape[1]):
                for k in range(out.shape[2]):
                    for i in range(start, stop):
                        slot = U64(rows.slot + rows.slot_step * i)
                        lane = U64(rows.lane + rows.lane_step * i)
                        u, v = uniforms(key, slot, lane, U64(n), U64(k))
                        out[i, n, k] = law(u, v, mean[each * i, n], a[n], b[n])

    return parallel(fill, f"fill_{law.__name__}", streams, fading)


def _fill_waves(out, key, rows, mean, travel):  # type: ignore[no-untyped-def]
    each = 1 if len(mean) > 1 else 0
    for block in numba.prange((len(out) + ROWS - 1) // ROWS):
        start = block * ROWS
        count = min(ROWS, len(out) - start)
        real, imaginary, way = np.empty(ROWS), np.empty(ROWS), np.empty(ROWS)
        for n in range(out.shape[1]):
            for i in range(count):
                way[i] = travel[start + i, n]
            for k in range(out.shape[2]):
                for i in range(count):
                    real[i] = imaginary[i] = 0.0
                for index in range(SINUSOIDS):
                    if rows.lane_step == 0:  # one lane: its waves are drawn once a block
                        cosine, phase = wave(key, U64(index), U64(rows.lane), U64(n), U64(k))
                        for i in range(count):
                            x, y = circle(cosine * way[i] + phase)
                            real[i] += x
                            imaginary[i] += y
                    else:
                        for i in range(count):
                            lane = U64(rows.lane + rows.lane_step * (start + i))
                            share, turns = wave(key, U64(index), lane, U64(n), U64(k))
                            x, y = circle(share * way[i] + turns)
                            real[i] += x
                            imaginary[i] += y
                for i in range(count):
                    power = real[i] * real[i] + imaginary[i] * imaginary[i]
                    level = mean[each * (start + i), n]
                    out[start + i, n, k] = level * (power * (1.0 / SINUSOIDS))


fill_waves = parallel(_fill_waves, "fill_waves", streams, fading)


def _fill_tasks(out, key, rows, cumulative):  # type: ignore[no-untyped-def]
    for i in numba.prange(len(out)):
        slot = U64(rows.slot + rows.slot_step * i)
        lane = U64(rows.lane + rows.lane_step * i)
        for n in range(out.shape[1]):
            u, _ = uniforms(key, slot, lane, U64(n), U64(0))
            kind = 0
            for t in range(len(cumulative) - 1):
                kind += u >= cumulative[t]
            out[i, n] = kind


fill_tasks = parallel(_fill_tasks, "fill_tasks", streams)
