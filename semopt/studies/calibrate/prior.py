"""The prior of a calibration: where parameters may lie before anything was measured."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike

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
        values = self.values(place)
        total = np.zeros(values.shape[:-1])
        for lower, upper in self.pairs:
            unit = values[..., upper] if self.log[upper] else self._width[upper]
            total += np.maximum((values[..., lower] - values[..., upper]) / unit, 0.0) ** 2
        return total

    def allows(self, place: Floats) -> bool:
        """Tell whether a place is in the box and keeps all orders."""
        inside = bool(((place >= 0.0) & (place <= 1.0)).all())
        return inside and float(self.disorder(place)) == 0.0

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
