"""Accuracy over extraction and SNR, in balls."""

from __future__ import annotations

from flint import arb

from ..problem import Floats


class Surface:
    """Accuracy over (extraction, SNR), bilinear between knots and clamped outside.

    Parameters
    ----------
    extraction, snr_db : (I,), (J,), strictly increasing
    table : (I, J), falling along neither axis
    """

    def __init__(self, extraction: Floats, snr_db: Floats, table: Floats) -> None:
        self.extraction: list[float] = extraction.tolist()
        self.table: list[list[float]] = table.tolist()
        self.snr = [arb(float(db)) * arb(10).log() / 10 for db in snr_db]  # nepers

    def rows_within(self, low: float, high: float) -> list[float]:
        """Return the ends of a range of extraction and the knots between."""
        return [low, *(x for x in self.extraction if low < x < high), high]

    def columns_within(self, low: arb, high: arb) -> list[tuple[int, arb]]:
        """Return the knots of SNR between two SNRs, or perhaps there."""
        return [(j, s) for j, s in enumerate(self.snr) if not (s < low or s > high)]

    def at_knot(self, extraction: float, column: int) -> arb:
        """Return the accuracy at a knot of SNR."""
        axis = self.extraction
        last = len(axis) - 1
        if extraction <= axis[0] or last == 0:
            return arb(self.table[0][column])
        if extraction >= axis[last]:
            return arb(self.table[last][column])
        i = next(i for i in range(last) if axis[i] <= extraction <= axis[i + 1])
        share = (arb(extraction) - axis[i]) / (arb(axis[i + 1]) - axis[i])
        low = arb(self.table[i][column])
        return low + share * (self.table[i + 1][column] - low)

    def at(self, extraction: float, snr: arb) -> arb:
        """Return the accuracy; at an SNR that may lie on either side of a knot, for both sides."""
        knots = self.snr
        last = len(knots) - 1
        if last == 0 or snr < knots[0]:
            return self.at_knot(extraction, 0)
        if snr > knots[last]:
            return self.at_knot(extraction, last)
        accuracies = []
        if not snr > knots[0]:
            accuracies.append(self.at_knot(extraction, 0))
        if not snr < knots[last]:
            accuracies.append(self.at_knot(extraction, last))
        for j in range(last):
            if snr < knots[j] or snr > knots[j + 1]:
                continue
            low, high = self.at_knot(extraction, j), self.at_knot(extraction, j + 1)
            accuracies.append(low + (snr - knots[j]) / (knots[j + 1] - knots[j]) * (high - low))
        value = accuracies[0]
        for accuracy in accuracies[1:]:
            value = value.union(accuracy)
        return value
