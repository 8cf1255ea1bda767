"""Sub-channels by preference: reading `preference_assignment` of the paper's action (14)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..problem import Floats, Integers


def assign_by_preference(score: Floats, offload: NDArray[np.bool_]) -> Integers:
    """Give sub-channels to the users that want one, the highest score first.

    Repeatedly the highest score among unassigned users and free sub-channels wins; ties go to the
    lowest user, then the lowest sub-channel. Users left without a sub-channel run locally.

    Parameters
    ----------
    score : (S, N, K) float64, finite, preference of each user for each sub-channel
    offload : (S, N) bool, who wants to offload

    Returns
    -------
    channel : (S, N) int64, -1 where local
    """
    slots, users, channels = score.shape
    open_pairs = np.where(offload[..., None], score, -np.inf)
    channel = np.full((slots, users), -1)
    every = np.arange(slots)
    for _ in range(min(users, channels)):
        winner, won = np.divmod(open_pairs.reshape(slots, -1).argmax(axis=1), channels)
        rows = every[open_pairs[every, winner, won] > -np.inf]
        channel[rows, winner[rows]] = won[rows]
        open_pairs[rows, winner[rows]] = -np.inf
        open_pairs[rows, :, won[rows]] = -np.inf
    return channel
