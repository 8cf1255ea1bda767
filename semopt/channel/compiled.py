"""The loops of fading.py compiled by Numba: threads over the rows, SIMD over blocks of them.

Transforms and streams are inlined before LLVM sees them (calls would keep it from using SIMD). No
fast-math: the bits are those of NumPy. Compiled code is kept on disk where Numba can write.

Threads are Python's, which compiled loops leave to run, and not Numba's: of its layers one aborts
where a process forks after a loop, another where two threads run loops at a time. Few rows run on
the caller's thread alone; a forked child has helpers of its own.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import cache
from hashlib import sha256
from inspect import isfunction
from pathlib import Path
from types import ModuleType
from typing import Any

import numba
import numpy as np
from numba.extending import register_jitable

from . import fading, streams
from .fading import POWER, SINUSOIDS, STRETCH, Transform, amplitudes, rotation, wave
from .streams import U64, circle, uniforms

for function in {f for module in (streams, fading) for f in vars(module).values() if isfunction(f)}:
    register_jitable(inline="always")(function)

ROWS = 64  # a block: long enough for SIMD, short enough for the cache
GRAIN = 32768  # entries that a thread of its own is worth
CORES: int = numba.config.NUMBA_NUM_THREADS  # type: ignore[attr-defined]


@cache
def helpers() -> ThreadPoolExecutor:
    """Return the threads beside the caller's."""
    return ThreadPoolExecutor(max(1, CORES - 1), "semopt")


if hasattr(os, "register_at_fork"):  # a child inherits no thread
    os.register_at_fork(after_in_child=helpers.cache_clear)


def row_loop(
    function: Callable[..., Any], name: str, *inlined: ModuleType, grain: int = GRAIN
) -> Callable[..., Any]:
    """Compile function(first, last, *arrays), a loop over rows first to last - 1 of its arrays.

    Its name on disk tells versions of the inlined modules apart: Numba looks at the age of the
    loop's own file alone.

    Returns
    -------
    a function of the arrays, which runs over all rows of the first of them, on a thread for every
    `grain` entries of it, but `threads` at most (0: one a core), and adds up what the parts return
    """
    sources = b"".join(Path(str(module.__file__)).read_bytes() for module in inlined)
    function.__qualname__ = f"{name}_{sha256(sources).hexdigest()[:16]}"
    loop = numba.njit(nogil=True, cache=True, error_model="numpy")(function)

    def run(*arrays: Any, threads: int = 0) -> Any:
        rows, size = len(arrays[0]), arrays[0].size
        if size < 2 * grain:
            return loop(0, rows, *arrays)
        lanes = min(size // grain, -(-rows // ROWS), threads or CORES, CORES)
        if lanes < 2:
            return loop(0, rows, *arrays)
        share = -(-rows // (lanes * ROWS)) * ROWS  # below `rows`: whole blocks, two at least
        futures = [
            helpers().submit(loop, first, min(first + share, rows), *arrays)
            for first in range(share, rows, share)
        ]
        try:
            first_part = loop(0, share, *arrays)
        finally:  # nothing is written after this call
            await_all(futures)
        return first_part if first_part is None else first_part + sum(o.result() for o in futures)

    return run


def await_all(futures: list[Future[Any]]) -> None:
    """Wait until futures have ended, and raise what interrupted that only then."""
    interrupt: BaseException | None = None
    while True:
        try:
            wait(futures)
        except KeyboardInterrupt as error:
            interrupt = error
            continue
        break
    if interrupt is not None:
        raise interrupt


@cache
def filler(transform: Transform) -> Callable[..., None]:
    """Return fading.fill compiled for one transform."""
    home = sys.modules[transform.__module__]
    if home is not fading:
        register_jitable(inline="always")(transform)

    # LLVM uses SIMD where it knows that what is written is not what is read: an array of ours.
    def fill(first, last, out, key, rows, mean, a, b):  # type: ignore[no-untyped-def]
        row_step = 1 if len(mean) > 1 else 0
        level, value = np.empty(ROWS), np.empty(ROWS)
        for start in range(first, last, ROWS):
            count = min(ROWS, last - start)
            slot, slot_step = U64(rows.slot + rows.slot_step * start), U64(rows.slot_step)
            lane, lane_step = U64(rows.lane + rows.lane_step * start), U64(rows.lane_step)
            for n in range(out.shape[1]):
                for i in range(count):
                    level[i] = mean[row_step * (start + i), n]
                low, high = a[n], b[n]
                for k in range(out.shape[2]):
                    for i in range(count):
                        u, v = uniforms(
                            key,
                            slot + slot_step * U64(i),
                            lane + lane_step * U64(i),
                            U64(n),
                            U64(k),
                        )
                        value[i] = transform(u, v, level[i], low, high)
                    for i in range(count):
                        out[start + i, n, k] = value[i]

    return row_loop(fill, f"fill_{transform.__name__}", streams, fading, home)


def _fill_waves(first, last, out, key, rows, mean, travel):  # type: ignore[no-untyped-def]
    row_step = 1 if len(mean) > 1 else 0
    real, imaginary, way = np.empty(ROWS), np.empty(ROWS), np.empty(ROWS)
    fade, rise, turns = np.empty(ROWS), np.empty(ROWS), np.empty(ROWS)
    stretch = np.empty(ROWS, np.uint64)
    for start in range(first, last, ROWS):
        count = min(ROWS, last - start)
        for n in range(out.shape[1]):
            for i in range(count):
                way[i] = travel[start + i, n]
                stretch[i] = U64(way[i] * (1.0 / STRETCH))
                fade[i], rise[i] = circle(0.25 * (way[i] * (1.0 / STRETCH) - stretch[i] * 1.0))
            # One lane, whose way never shrinks: its waves are drawn once a block and stretch.
            alone = rows.lane_step == 0 and stretch[0] == stretch[count - 1]
            for k in range(out.shape[2]):
                user, entry = U64(n), U64(k)
                current, lane = stretch[0], U64(rows.lane)
                turn = rotation(key, lane, user, entry)
                for i in range(count):
                    real[i] = imaginary[i] = 0.0
                    if not alone:
                        lane = U64(rows.lane + rows.lane_step * (start + i))
                        turns[i] = rotation(key, lane, user, entry)
                for place in range(SINUSOIDS):
                    index = U64(place)
                    if alone:
                        cosine, phase = wave(key, index, turn, lane, user, entry)
                        p, q, r, s = amplitudes(key, index, current, lane, user, entry)
                        t, u, v, w = amplitudes(key, index, current + U64(1), lane, user, entry)
                        for i in range(count):
                            x, y = circle(cosine * way[i] + phase)
                            real[i] += fade[i] * (p * x + q * y) + rise[i] * (t * x + u * y)
                            imaginary[i] += fade[i] * (r * x + s * y) + rise[i] * (v * x + w * y)
                    else:
                        for i in range(count):
                            current, turn = stretch[i], turns[i]
                            lane = U64(rows.lane + rows.lane_step * (start + i))
                            cosine, phase = wave(key, index, turn, lane, user, entry)
                            p, q, r, s = amplitudes(key, index, current, lane, user, entry)
                            t, u, v, w = amplitudes(key, index, current + U64(1), lane, user, entry)
                            x, y = circle(cosine * way[i] + phase)
                            real[i] += fade[i] * (p * x + q * y) + rise[i] * (t * x + u * y)
                            imaginary[i] += fade[i] * (r * x + s * y) + rise[i] * (v * x + w * y)
                for i in range(count):
                    power = real[i] * real[i] + imaginary[i] * imaginary[i]
                    level = mean[row_step * (start + i), n]
                    out[start + i, n, k] = level * (power * POWER)


fill_waves = row_loop(_fill_waves, "fill_waves", streams, fading, grain=GRAIN // SINUSOIDS)


def _fill_tasks(first, last, out, key, rows, cumulative):  # type: ignore[no-untyped-def]
    for i in range(first, last):
        slot = U64(rows.slot + rows.slot_step * i)
        lane = U64(rows.lane + rows.lane_step * i)
        for n in range(out.shape[1]):
            u, _ = uniforms(key, slot, lane, U64(n), U64(0))
            kind = 0
            for t in range(len(cumulative) - 1):
                kind += u >= cumulative[t]
            out[i, n] = kind


fill_tasks = row_loop(_fill_tasks, "fill_tasks", streams)
