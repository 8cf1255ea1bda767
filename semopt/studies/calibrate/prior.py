"""The prior of a calibration: where parameters may lie before anything was measured."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike

from ...arrays import Flags
from ...problem import Floats
from .targets import Targets


class Prior:
    """Where parameters may lie: a box in which each is uniform, or its logarithm, cut by orders.

    Places are points of the unit cube, (P,) float64; values are in the units of the scenario file.
    """

    def __init__(self, targets: Targets) -> None:
        parameters = targets.parameter
        self.keys = [parameter.key for parameter in parameters]
        self.log = np.array([parameter.log for parameter in parameters])
        low, high = (np.array([getattr(p, end) for p in parameters]) for end in ("low", "high"))
        self._low, self._high = self._scaled(low), self._scaled(high)
        self._width = high - low
        self.pairs = [
            (self.keys.index(lower), self.keys.index(upper))
            for order in targets.orders
            for lower, upper in pairwise(order)
        ]
        self._lower, self._upper = np.array(self.pairs, int).reshape(-1, 2).T

    def _scaled(self, values: Floats) -> Floats:
        return np.where(self.log, np.log(np.where(self.log, values, 1.0)), values)

    def values(self, place: Floats) -> Floats:
        """Return the values at places (..., P)."""
        scaled = self._low + (self._high - self._low) * place
        return np.where(self.log, np.exp(np.where(self.log, scaled, 0.0)), scaled)

    def place(self, values: ArrayLike) -> Floats:
        """Return the places of values (..., P)."""
        place: Floats = (self._scaled(np.asarray(values)) - self._low) / (self._high - self._low)
        return place

    def disorder(self, place: Floats) -> Floats:
        """Return by how much places (..., P) break orders: relative, squared, summed; 0 of none."""
        values, at = self.values(place), self._upper
        unit = np.where(self.log[at], values[..., at], self._width[at])
        excess = np.maximum((values[..., self._lower] - values[..., at]) / unit, 0.0)
        total: Floats = (excess**2).sum(axis=-1)
        return total

    def allows(self, places: Floats) -> Flags:
        """Tell of places (..., P) whether they are in the box and keep all orders: (...,)."""
        inside = ((places >= 0.0) & (places <= 1.0)).all(axis=-1)
        allowed: Flags = np.logical_and(inside, self.disorder(places) == 0.0)
        return allowed

    def draw(self, count: int, seed: int, purpose: int = 0) -> Floats:
        """Return places (count, P) drawn from the prior; others for each purpose.

        Parameters that orders connect are drawn together until they keep them.
        """
        rng = np.random.default_rng([seed, len(self.keys), purpose])
        places = rng.random((count, len(self.keys)))
        for group in self._groups():
            pairs, again = [pair for pair in self.pairs if pair[0] in group], np.arange(count)
            while len(again):
                places[np.ix_(again, np.array(group))] = rng.random((len(again), len(group)))
                values = self.values(places[again])
                fall = [values[:, lower] > values[:, upper] for lower, upper in pairs]
                again = again[np.logical_or.reduce(fall)]
        return places

    def _groups(self) -> list[list[int]]:
        """Return the parameters that orders connect."""
        groups: list[set[int]] = []
        for pair in self.pairs:
            met = [group for group in groups if group & set(pair)]
            groups = [group for group in groups if group not in met]
            groups.append(set(pair).union(*met))
        return [sorted(group) for group in groups]
