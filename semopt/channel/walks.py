"""Random-waypoint walks in a disc of radius 1, asked for slot by slot.

A walker heads straight for a point drawn uniformly in the disc, at a speed drawn uniformly between
the slowest and the fastest, then for the next one, without pauses. It is under way at slot 0: the
leg found at a random time is long or slow with probability in proportion to its duration, which
makes the law of position and speed the same in every slot (Navidi and Camp, "Stationary
distributions for the random waypoint mobility model", 2004).
"""

from __future__ import annotations

import numpy as np

from ..problem import Floats, Integers
from .streams import U64, Array, Key, circle, exp, log, uniforms

LIGHT_SPEED = 299_792_458.0  # m/s
CARRIER = 3.5e9  # Hz, the middle of the 5G band n78
NEAREST = 1.0  # m; the law d^-alpha ends there

CORNERS, SPEEDS, STARTS, ENDS, LUCK = range(5)  # what a walk's stream draws
TRIES = 64  # of the first leg; all fail with probability 0.55^64
STANDSTILL = 1e-12  # radii a slot: what stands still has a leg that never ends


class Walks:
    """Walks of N users in a range of lanes; the answers depend on the slots alone.

    Where the last question left each walker is remembered, so that slots asked in order cost no
    more than the legs between them; an earlier slot begins the walks again.

    Parameters
    ----------
    key : stream of waypoints
    lane : (lanes, 1) uint64
    users : N
    slowest, fastest : radii a slot
    """

    def __init__(self, key: Key, lane: Array, users: int, slowest: float, fastest: float) -> None:
        self.lane, self._key = lane, key
        self._slowest, self._fastest = max(slowest, STANDSTILL), max(fastest, STANDSTILL)
        self._user = np.arange(users, dtype=np.uint64)
        self._lanes, self._users = np.indices((len(lane), users))
        self._next: Array = U64(0)  # index of the corner after the current leg
        self._begin()

    def at(self, slot: Array) -> tuple[Floats, Floats]:
        """Return distances from the centre and lengths of way since slot 0, in radii: (rows, N).

        `slot` : (1, 1) uint64, of all lanes, or (slots, 1), consecutive slots of the only lane.
        """
        time = np.broadcast_to(slot * 1.0, (max(len(slot), len(self.lane)), len(self._user)))
        if (time[0] < self._legs[0][2]).any():
            self._begin()
        legs, index = [*self._legs], self._next
        while np.min(legs[-1][2]) <= time[-1, 0]:
            corner = self._point(CORNERS, index)
            x, y, _, way = legs[-1]
            length = _distance(corner[0] - x, corner[1] - y)
            u, _ = uniforms(self._key, index, self.lane, self._user, U64(SPEEDS))
            speed = self._slowest + u * (self._fastest - self._slowest)
            legs.append(np.stack([*corner, legs[-1][2] + length / speed, way + length]))
            index = index + U64(1)
        corners = np.stack(legs, axis=1)  # (x, y, time, way) of each corner
        if len(slot) > 1:
            times = corners[2, :, 0]
            leg = np.stack(
                [np.searchsorted(times[:, n], time[:, n], "right") - 1 for n in self._users[0]],
                axis=1,
            )
            lanes = np.zeros_like(leg)
        else:
            leg, lanes = (corners[2] <= time).sum(axis=0) - 1, self._lanes
        start = corners[:, leg, lanes, self._users[:1]]
        end = corners[:, leg + 1, lanes, self._users[:1]]
        share = (time - start[2]) / (end[2] - start[2])
        x, y, _, way = start + share * (end - start)
        self._remember(leg[-len(self.lane) :], corners)
        return _distance(x, y), way

    def _remember(self, leg: Integers, corners: Floats) -> None:
        self._legs = [corners[:, leg + i, self._lanes, self._users] for i in (0, 1)]
        self._next = self._next + leg.astype(np.uint64)

    def _begin(self) -> None:
        """Draw the legs under way at slot 0: pairs of points taken in proportion to distance."""
        shape = (len(self.lane), len(self._user))
        first = np.zeros((4, *shape))  # start x, y, end x, y
        searching = np.ones(shape, dtype=bool)
        for attempt in range(TRIES):
            pair = [*self._point(STARTS, U64(attempt)), *self._point(ENDS, U64(attempt))]
            luck, _ = uniforms(self._key, U64(attempt), self.lane, self._user, U64(LUCK))
            length = _distance(pair[2] - pair[0], pair[3] - pair[1])
            accepted = searching & (2.0 * luck < length)  # no leg is longer than 2
            np.copyto(first, np.stack(pair), where=accepted)
            searching &= ~accepted
            if not searching.any():
                break
        length = _distance(first[2] - first[0], first[3] - first[1])
        u, share = uniforms(self._key, U64(2**32 - 1), self.lane, self._user, U64(SPEEDS))
        ratio = log(np.atleast_1d(self._fastest / self._slowest))
        speed = self._slowest * exp(u * ratio)  # of density 1 / speed: slow legs last longer
        behind, ahead = share * length, (1.0 - share) * length
        self._legs = [
            np.stack([first[0], first[1], -behind / speed, -behind]),
            np.stack([first[2], first[3], ahead / speed, ahead]),
        ]
        self._next = np.zeros(shape, dtype=np.uint64)

    def _point(self, purpose: int, index: Array) -> tuple[Floats, Floats]:
        u, v = uniforms(self._key, index, self.lane, self._user, U64(purpose))
        x, y = circle(v)
        return np.sqrt(u) * x, np.sqrt(u) * y


def _distance(x: Floats, y: Floats) -> Floats:
    return np.asarray(np.sqrt(x * x + y * y))
