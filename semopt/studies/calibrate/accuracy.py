"""A law of accuracy with five numbers, and the table that a scenario holds of it.

    accuracy(mu, snr) = top - drop ((1 - mu) / (1 - mu_min))^exponent - noise exp(-snr / scale)

with a linear snr, and never below 0: compression costs at most `drop`, a bad channel at most
`noise`. The paper publishes no accuracy by extraction and channel; the law has the least that makes
both effects.
"""

from __future__ import annotations

from math import ceil, floor, log10
from typing import Any

import numpy as np

from ...problem import Floats

POINTS = 15  # of the axis of extraction
STEP = 2.0  # dB between the points of the axis of the SNR


def extraction_points(least: float, exponent: float) -> Floats:
    """Place points from `least` to 1 so that linear interpolation errs alike everywhere: (I,).

    The error on an interval is its width squared times the second derivative, which goes with
    (1 - mu)^(exponent - 2): points stand at equal steps of the integral of its square root.
    """
    steps = np.arange(POINTS) / (POINTS - 1)
    points: Floats = 1.0 - (1.0 - least) * (1.0 - steps) ** (2.0 / exponent)
    points[0] = least
    return points


def snr_points(low: float, high: float) -> Floats:
    """Return even numbers of dB that enclose a range of linear SNRs: (J,)."""
    first, last = (10.0 * log10(snr) / STEP for snr in (low, high))
    points: Floats = STEP * np.arange(floor(first), ceil(last) + 1, dtype=float)
    return points


def accuracy_table(
    least: float,
    snr_db: Floats,
    top: float,
    drop: float,
    exponent: float,
    noise: float,
    scale: float,
) -> dict[str, Any]:
    """Return the table of a kind of task, in the words of a scenario file.

    Parameters
    ----------
    least : the smallest extraction factor
    snr_db : (J,), the table's SNRs
    top, drop : of the kind of task
    exponent, noise, scale : of all kinds of task
    """
    extraction = extraction_points(least, exponent)
    lost = drop * ((1.0 - extraction) / (1.0 - least)) ** exponent
    table = top - lost[:, None] - noise * np.exp(-(10.0 ** (snr_db / 10.0)) / scale)
    return {
        "extraction": extraction.tolist(),
        "snr_db": snr_db.tolist(),
        "table": np.maximum(table, 0.0).tolist(),
    }
