"""What energy is worth to a policy in a slot: all in which policies of the grid differ."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

import numpy as np

from ..arrays import Floats
from ..records import Record


@dataclass(frozen=True)
class Terms(Record):
    """The highest sum of QoE - y E + v(left - E) is looked for, with E limited.

    Attributes
    ----------
    most : J, limit of E beside what is left; an array (S, N), or what broadcasts to it
    price : y, QoE/J, likewise
    value : (N, G) float64, v of each user at G energies from 0 to its battery, linear between them;
        None of 0
    """

    most: Floats | float = inf
    price: Floats | float = 0.0
    value: Floats | None = None

    def worth(self, battery: Floats, left: Floats, qoe: Floats, energy: Floats) -> Floats:
        """Return QoE - y E + v(left - E) of each user: (S, N)."""
        worth: Floats = qoe - self.price * energy
        return worth + self._value_of(battery, left - energy)

    def price_at(self, battery: Floats, left: Floats, energy: Floats) -> Floats:
        """Return y and the slope of v near left - E: QoE/J, (S, N)."""
        price = np.array(np.broadcast_to(self.price, left.shape), dtype=float)
        if self.value is None:
            return price
        full = np.where(np.isfinite(battery), battery, 1.0)  # without one, v is 0
        kept, step = np.minimum(left - energy, full), full / (self.value.shape[1] - 1)
        low, high = np.maximum(kept - step, 0.0), np.minimum(kept + step, full)
        width = np.maximum(high - low, step)
        rise = self._value_of(battery, high) - self._value_of(battery, low)
        price += np.maximum(rise, 0.0) / width
        return price

    def _value_of(self, battery: Floats, energy: Floats) -> Floats:
        """Return v at energies (S, N); 0 of who has no battery."""
        worth = np.zeros(energy.shape)
        if self.value is not None:
            for n in np.flatnonzero(np.isfinite(battery)):
                knots = np.linspace(0.0, battery[n], self.value.shape[1])
                worth[:, n] = np.interp(energy[:, n], knots, self.value[n])
        return worth
