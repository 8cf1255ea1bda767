"""Random-waypoint walks in a disc of radius 1, asked for slot by slot.

A walker heads straight for a point drawn uniformly in the disc, then for the next one, at a
constant speed and without pauses. It is under way at slot 0: a leg found at a random time is long
with probability in proportion to its length, which makes the law of the position the same in every
slot (Navidi and Camp, "Stationary distributions for the random waypoint mobility model", 2004).
"""

from __future__ import annotations

import numpy as np

from .problem import Floats, Integers
from .streams import U64, Array, Key, circle, uniforms

CORNERS, STARTS, ENDS, LEGS = range(4)  # what a walk's stream draws
TRIES = 64  # of the first leg; all fail with probability 0.55^64


class Walks:
    """Walks of N users in a range of lanes; the answers depend on the slots alone.

    Where the last question left each walker is remembered, so that slots asked in order cost no
    more than the legs between them; an earlier slot begins the walks again.

    Parameters
    ----------
    key : stream of waypoints
    lane : (lanes, 1) uint64
    stride : (N,) float64, radii walked a slot
    """

    def __init__(self, key: Key, lane: Array, stride: Floats) -> None:
        self.lane, self._key, self._stride = lane, key, stride
        self._user = np.arange(len(stride), dtype=np.uint64)
        self._lanes, self._users = np.indices((len(lane), len(stride)))
        self._begin()

    def radii(self, slot: Array) -> Floats:
        """Return distances from the centre: (rows, N), rows being lanes, or slots of one lane.

        `slot` : (1, 1) uint64, of all lanes, or (slots, 1), consecutive slots of the only lane.
        """
        walked = slot * self._stride
        if (walked[0] < self._path[0]).any():
            self._begin()
        x, y, path, index = [*self._x], [*self._y], [*self._path], self._next
        while np.min(path[-1]) <= np.max(walked):
            there = self._point(CORNERS, index)
            path.append(path[-1] + _distance(there[0] - x[-1], there[1] - y[-1]))
            x.append(there[0])
            y.append(there[1])
            index = index + U64(1)
        xs, ys, paths = np.array(x), np.array(y), np.array(path)
        if len(slot) > 1:
            columns = range(len(self._stride))
            legs = [np.searchsorted(paths[:, 0, n], walked[:, n], "right") - 1 for n in columns]
            leg = np.stack(legs, axis=1)
        else:
            leg = (paths <= walked).sum(axis=0) - 1
        self._remember(leg, xs, ys, paths)
        lanes = self._lanes if len(slot) == 1 else np.zeros_like(leg)
        start, end = (leg, lanes, self._users[:1]), (leg + 1, lanes, self._users[:1])
        share = (walked - paths[start]) / (paths[end] - paths[start])
        across = xs[start] + share * (xs[end] - xs[start])
        along = ys[start] + share * (ys[end] - ys[start])
        return _distance(across, along)

    def _remember(self, leg: Integers, xs: Floats, ys: Floats, paths: Floats) -> None:
        last = leg[-len(self.lane) :]
        ends = [(last + i, self._lanes, self._users) for i in (0, 1)]
        self._x, self._y, self._path = ([a[end] for end in ends] for a in (xs, ys, paths))
        self._next = self._next + last.astype(np.uint64)

    def _begin(self) -> None:
        """Draw the legs under way at slot 0: pairs of points taken in proportion to distance."""
        shape = (len(self.lane), len(self._stride))
        first = np.zeros((5, *shape))  # start x, y, end x, y, share of the leg already walked
        searching = np.ones(shape, dtype=bool)
        for attempt in range(TRIES):
            start, end = self._point(STARTS, U64(attempt)), self._point(ENDS, U64(attempt))
            luck, share = uniforms(self._key, U64(attempt), self.lane, self._user, U64(LEGS))
            length = _distance(end[0] - start[0], end[1] - start[1])
            found = searching & (2.0 * luck < length)  # no leg is longer than 2
            np.copyto(first, np.stack([*start, *end, share]), where=found)
            searching &= ~found
            if not searching.any():
                break
        length = _distance(first[2] - first[0], first[3] - first[1])
        self._x, self._y = [first[0], first[2]], [first[1], first[3]]
        self._path = [-first[4] * length, (1.0 - first[4]) * length]
        self._next = np.zeros(shape, dtype=np.uint64)

    def _point(self, purpose: int, index: Array) -> tuple[Floats, Floats]:
        u, v = uniforms(self._key, index, self.lane, self._user, U64(purpose))
        x, y = circle(v)
        return np.sqrt(u) * x, np.sqrt(u) * y


def _distance(x: Floats, y: Floats) -> Floats:
    return np.asarray(np.sqrt(x * x + y * y))
