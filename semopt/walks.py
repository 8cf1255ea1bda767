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

CORNERS, STARTS, ENDS, LUCK = range(4)  # what a walk's stream draws
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
        self._next: Array = U64(0)  # index of the corner after the current leg
        self._begin()

    def radii(self, slot: Array) -> Floats:
        """Return distances from the centre: (rows, N), rows being lanes, or slots of one lane.

        `slot` : (1, 1) uint64, of all lanes, or (slots, 1), consecutive slots of the only lane.
        """
        walked = np.broadcast_to(
            slot * self._stride, (max(len(slot), len(self.lane)), len(self._user))
        )
        if (walked[0] < self._legs[0][2]).any():
            self._begin()
        legs, index = [*self._legs], self._next
        while (legs[-1][2] <= walked[-1]).any():
            corner = self._point(CORNERS, index)
            x, y, way = legs[-1]
            length = _distance(corner[0] - x, corner[1] - y)
            legs.append(np.stack([*corner, way + length]))
            index = index + U64(1)
        corners = np.stack(legs, axis=1)  # x, y and the way gone, of each corner
        if len(slot) > 1:
            ways = corners[2, :, 0]
            each = [np.searchsorted(ways[:, n], walked[:, n], "right") for n in self._users[0]]
            leg, lanes = np.stack(each, axis=1) - 1, np.zeros_like(walked, dtype=np.int64)
        else:
            leg, lanes = (corners[2] <= walked).sum(axis=0) - 1, self._lanes
        start = corners[:, leg, lanes, self._users[:1]]
        end = corners[:, leg + 1, lanes, self._users[:1]]
        share = (walked - start[2]) / (end[2] - start[2])
        x, y, _ = start + share * (end - start)
        self._remember(leg[-len(self.lane) :], corners)
        return _distance(x, y)

    def _remember(self, leg: Integers, corners: Floats) -> None:
        self._legs = [corners[:, leg + i, self._lanes, self._users] for i in (0, 1)]
        self._next = self._next + leg.astype(np.uint64)

    def _begin(self) -> None:
        """Draw the legs under way at slot 0: pairs of points taken in proportion to distance."""
        shape = (len(self.lane), len(self._user))
        first = np.zeros((5, *shape))  # start x, y, end x, y, share of the leg already gone
        searching = np.ones(shape, dtype=bool)
        for attempt in range(TRIES):
            pair = [*self._point(STARTS, U64(attempt)), *self._point(ENDS, U64(attempt))]
            luck, share = uniforms(self._key, U64(attempt), self.lane, self._user, U64(LUCK))
            length = _distance(pair[2] - pair[0], pair[3] - pair[1])
            found = searching & (2.0 * luck < length)  # no leg is longer than 2
            np.copyto(first, np.stack([*pair, share]), where=found)
            searching &= ~found
            if not searching.any():
                break
        length = _distance(first[2] - first[0], first[3] - first[1])
        gone = first[4] * length
        self._legs = [np.stack([*first[:2], -gone]), np.stack([*first[2:4], length - gone])]
        self._next = np.zeros(shape, dtype=np.uint64)

    def _point(self, purpose: int, index: Array) -> tuple[Floats, Floats]:
        u, v = uniforms(self._key, index, self.lane, self._user, U64(purpose))
        x, y = circle(v)
        return np.sqrt(u) * x, np.sqrt(u) * y


def _distance(x: Floats, y: Floats) -> Floats:
    return np.asarray(np.sqrt(x * x + y * y))
