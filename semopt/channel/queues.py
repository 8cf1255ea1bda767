"""The heads of the users' queues: a task a user and slot."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from ..problem import Integers
from . import fading, samplers
from .fading import Rows
from .gains import check_rows
from .streams import TASKS, stream_key, uniforms


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
        if samplers.worth_compiling(out.size):
            from . import compiled

            compiled.fill_tasks(out, self._key, rows, self._cumulative, threads=self.threads)
            return
        counters = fading.counters((*out.shape, 1), rows)
        u, _ = uniforms(self._key, *counters)
        out[:] = np.searchsorted(self._cumulative[:-1], u[..., 0], side="right")


def draw_tasks(share: ArrayLike, seed: int, first: int, count: int, users: int) -> Integers:
    """Return the kind of task at the head of each user's queue: (count, N) int64.

    `share` : (T,) probabilities of the kinds, in proportion.
    """
    out = np.empty((count, users), dtype=np.int64)
    Heads(share, seed).slots(out, first)
    return out
