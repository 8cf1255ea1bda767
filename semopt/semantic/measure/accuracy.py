"""Accuracy of a codec over extraction and SNR: measured, with intervals, and made monotone.

The model's bounds rely on an accuracy that falls along neither axis. Measured values do, a little:
by chance, and where a smaller extraction buys another stage of layers. They are replaced by the
nearest table, in least squares, that rises along both axes, and how far values moved is recorded.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist
from typing import Any

import numpy as np
import torch

from ...problem import Floats
from ...scenario.monotone import nearest
from ..networks.codec import Codec, Fading, channel
from ..networks.samples import Samples
from ..networks.training import EVALUATED, hits

EXTRACTIONS = (0.3, 0.35, 0.4, 0.5, 0.6, 0.7, 0.85, 1.0)
SNRS_DB = (-4.0, 0.0, 4.0, 8.0, 12.0, 18.0)  # Table II: -3 to 17
LEVEL = 0.95  # of confidence


@dataclass(frozen=True)
class Surface:
    """Right answers of one network on held-out samples.

    Attributes
    ----------
    extraction, snr_db : (E,) and (R,), increasing
    right : (E, R) int64
    samples : number of answers at each point
    """

    extraction: tuple[float, ...]
    snr_db: tuple[float, ...]
    right: Any
    samples: int

    @property
    def accuracy(self) -> Floats:
        """Share of right answers, (E, R)."""
        return np.asarray(self.right / self.samples, np.float64)

    def to_json(self) -> dict[str, Any]:
        """Return the surface with its intervals and its monotone fit."""
        table, fit = nearest(self.accuracy)
        bounds = [[wilson(int(n), self.samples) for n in row] for row in self.right]
        return {
            "extraction": list(self.extraction),
            "snr_db": list(self.snr_db),
            "samples": self.samples,
            "right": self.right.tolist(),
            "confidence": LEVEL,
            "low": [[round(low, 5) for low, _ in row] for row in bounds],
            "high": [[round(high, 5) for _, high in row] for row in bounds],
            "table": np.round(table, 5).tolist(),
            "moved_most": round(fit.largest, 5),
            "moved_rms": round(fit.root_mean_square, 5),
        }


@torch.no_grad()
def measure(
    network: Codec,
    samples: Samples,
    *,
    extraction: Sequence[float] = EXTRACTIONS,
    snr_db: Sequence[float] = SNRS_DB,
    fading: Fading = "awgn",
    seed: int = 0,
    tick: Callable[[float], None] = lambda _: None,
) -> Surface:
    """Count a codec's right answers at every extraction and SNR.

    The noise of a sample is the same draw at every SNR, scaled: what differs between the columns
    of a row is the SNR alone.

    Parameters
    ----------
    network : with a channel
    samples : held out
    extraction, snr_db : the grid
    fading : law of the channel, whose mean SNR is `snr_db`
    seed : of the noise
    tick : told the share that is done
    """
    network.eval()
    right = np.zeros((len(extraction), len(snr_db)), np.int64)
    batches = samples.batches(EVALUATED)
    for i, mu in enumerate(extraction):
        for number, rows in enumerate(batches):
            sent = network.at_user(samples.batch(rows), mu)
            for j, level in enumerate(snr_db):
                noise = torch.Generator().manual_seed(seed * len(batches) + number)
                answer = network.at_server(channel(sent, level, fading, noise)).argmax(1)
                right[i, j] += int((answer == samples.label[rows]).sum())
            tick((i + (number + 1) / len(batches)) / len(extraction))
    return Surface(tuple(extraction), tuple(snr_db), right, len(samples))


def single(network: Codec, samples: Samples) -> dict[str, Any]:
    """Return accuracy and interval of a network without a channel."""
    right = int(hits(network, samples, 1.0, 0.0, 0).sum())
    return proportion(right, len(samples))


def proportion(right: int, samples: int) -> dict[str, Any]:
    """Return a share of right answers with its interval, as the record has it."""
    low, high = wilson(right, samples)
    return {
        "accuracy": round(right / samples, 5),
        "low": round(low, 5),
        "high": round(high, 5),
        "samples": samples,
    }


def wilson(right: int, samples: int, level: float = LEVEL) -> tuple[float, float]:
    """Return Wilson's score interval of a proportion (Wilson 1927)."""
    if not 0 <= right <= samples or samples == 0:
        raise ValueError(f"{right} right answers of {samples}: 0 to {samples} of at least 1")
    z = NormalDist().inv_cdf(0.5 + level / 2.0)
    share, weight = right / samples, z * z / samples
    centre = (share + weight / 2.0) / (1.0 + weight)
    spread = z * sqrt(share * (1.0 - share) / samples + weight / samples / 4.0) / (1.0 + weight)
    return max(0.0, centre - spread), min(1.0, centre + spread)
