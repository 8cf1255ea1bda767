"""Channels: linear power gains of every user on every sub-channel, slot after slot.

A gain is the product of a local mean and of small-scale fading,

    gain[n, k] = mean_gain d_n^-alpha L_n |h_{n,k}|^2,      E|h|^2 = 1,

with reading `path_loss` for the distance d in metres; `laws.LAWS` says what each law makes of it.

All draws come from counter-based streams (streams.py): a gain depends on the seed, the lane (one
realisation of the channel; 0 unless an environment runs many), the slot, the user and the
sub-channel, never on batch size, split or thread count.
"""

from __future__ import annotations

import numpy as np

from ..problem import Floats
from . import samplers
from .fading import Rows
from .laws import LAWS, Channel

AT_ONCE = 1 << 18  # gains that are drawn between two moments at which Ctrl-C is heard


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
        self._sampler = LAWS[channel.model].sampler(channel, seed, users, channels, threads)

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
        if out.size:
            self._sampler.write(out, rows)


def draw_gains(
    channel: Channel, seed: int, first: int, count: int, users: int, channels: int
) -> Floats:
    """Return the linear power gains of slots first to first + count - 1: (count, N, K) float64."""
    out, gains = np.empty((count, users, channels)), Gains(channel, seed, users, channels)
    if samplers.worth_compiling(out.size):
        from . import compiled  # noqa: F401 (one part alone may be too small to load it for)
    part = max(1, AT_ONCE // (users * channels))
    for begin in range(0, count, part):
        gains.slots(out[begin : begin + part], first + begin)
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
