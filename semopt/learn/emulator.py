"""A network that learns what is slow to compute: searches are shown the way by it, and check."""

from __future__ import annotations

from itertools import pairwise
from math import ceil

import numpy as np
import torch
from torch import nn

from ..problem import Floats

WIDTH, LAYERS = 192, 3
BEND = 4.0  # deviations up to about which count as they are; far ones by their logarithm
EPOCHS, UPDATES, BATCH, RATE = 30, 6000, 512, 4e-3  # updates: at most so many


class Emulator:
    """Predicts the deviations (T,) of places (P,) of the unit cube from those that were computed.

    A perceptron, trained anew from all that it is given; as a surrogate of a likelihood it was used
    by Liu, Monte Carlo Strategies in Scientific Computing, 2001 (section 9.4.3), and many since.

    Parameters
    ----------
    places, deviations : (D, P) and (D, T) float64 of scenarios that were computed
    seed : of its first weights and of the order of updates
    """

    def __init__(self, places: Floats, deviations: Floats, seed: int) -> None:
        bent = np.arcsinh(deviations / BEND)
        self._mean, self._scale = bent.mean(axis=0), np.maximum(bent.std(axis=0), 1e-6)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self._network = _network(places.shape[1], deviations.shape[1])
            self._learn(_tensor(2.0 * places - 1.0), _tensor((bent - self._mean) / self._scale))

    def _learn(self, places: torch.Tensor, bent: torch.Tensor) -> None:
        batches = ceil(len(places) / BATCH)
        epochs = max(1, min(EPOCHS, UPDATES // batches))
        optimizer = torch.optim.AdamW(self._network.parameters(), weight_decay=1e-4)
        pace = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=epochs * batches)
        for _ in range(epochs):
            order = torch.randperm(len(places))
            for batch in order.split(BATCH):  # type: ignore[no-untyped-call]
                loss = nn.functional.mse_loss(self._network(places[batch]), bent[batch])
                optimizer.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
                pace.step()

    def log_likelihood(self, places: Floats) -> Floats:
        """Return the log likelihoods (W,) that it expects at places (W, P)."""
        with torch.inference_mode():
            bent = self._network(_tensor(2.0 * places - 1.0)).numpy()
        deviations = BEND * np.sinh(self._mean + self._scale * bent)
        level: Floats = -0.5 * (deviations**2).sum(axis=1)
        return level


def _network(parameters: int, figures: int) -> nn.Sequential:
    widths = [parameters, *[WIDTH] * LAYERS]
    layers = [
        layer
        for before, after in pairwise(widths)
        for layer in (nn.Linear(before, after), nn.SiLU())
    ]
    return nn.Sequential(*layers, nn.Linear(WIDTH, figures))


def _tensor(numbers: Floats) -> torch.Tensor:
    return torch.as_tensor(numbers, dtype=torch.float32)
