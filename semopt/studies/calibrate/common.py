"""Slots that are the same for all values of the parameters: they stand for all draws."""

from __future__ import annotations

from itertools import combinations_with_replacement, permutations, product
from math import prod

import numpy as np

from ...channel.laws import LAWS
from ...channel.samplers import Independent
from ...counts import joint_actions
from ...problem import Floats, Integers
from ...scenario import Scenario
from .slots import CellSlots

WAYS = 50  # to give sub-channels to users, at most, that are all tried
COMBINATIONS = 200  # of tasks at most that all are taken; where there are more, tasks are drawn
AT_A_LEVEL = 2  # of the gains: slots need to be more than the values that their gains take
QUANTILES = 1 << 16  # of the law of independent gains


def cell_slots(scenario: Scenario, gain: Floats, task: Integers) -> CellSlots | None:
    """Return slots as cells that are met again and again, None where few are."""
    _, users, channels = gain.shape
    fairest = scenario.template().objective == "min"
    if fairest or not independent(scenario) or joint_actions([(1, 1)] * users, channels) > WAYS:
        return None
    return CellSlots.of(gain, task, len(scenario.shares()), alike(scenario))


def common_slots(
    scenario: Scenario, drawn: Floats, gains: int, seed: int
) -> tuple[Floats, Integers, Floats]:
    """Return slots that stand for all draws of a scenario, and their weights.

    Gain is (S, N, K), task (S, N), weight (S,); `drawn` gains are (D, N, K). Weights sum to 1.
    Where users are alike, combinations of tasks are taken once for all orders.
    """
    users, shares = scenario.users, np.asarray(scenario.shares(), dtype=float)
    shares = shares / shares.sum()
    gain = even_gains(drawn, gains, seed, alike(scenario)) if independent(scenario) else drawn
    if len(shares) ** users > COMBINATIONS:
        task = scenario.draw(gains, seed)[1]
        return gain, task, np.full(gains, 1.0 / gains)
    if alike(scenario):
        task = np.array(list(combinations_with_replacement(range(len(shares)), users)))
        orders = [len(set(permutations(row))) for row in task.tolist()]
    else:
        task = np.array(list(product(range(len(shares)), repeat=users)))
        orders = [1] * len(task)
    weight = shares[task].prod(axis=1) * orders / gains
    return np.repeat(gain, len(task), axis=0), np.tile(task, (gains, 1)), np.tile(weight, gains)


def alike(scenario: Scenario) -> bool:
    """Tell whether no user differs from another, neither in its device nor in its channel."""
    users = vars(scenario.template().users).values()
    law = scenario.channel_law()
    means = (np.asarray(getattr(law, name) or 1.0).ndim for name in ("mean_gain", "distance"))
    return (
        independent(scenario) and not any(means) and all((each == each[0]).all() for each in users)
    )


def independent(scenario: Scenario) -> bool:
    """Tell whether gains are independent in time, between users and between sub-channels."""
    law = scenario.channel_law()
    shadowed = bool(law.shadowing_db)  # which all sub-channels of a user share
    return issubclass(LAWS[law.model].sampler, Independent) and not shadowed


def even_gains(drawn: Floats, count: int, seed: int, alike: bool) -> Floats:
    """Return gains (count, N, K) that fill the law of independent ones (D, N, K) evenly.

    Each entry takes quantiles of its law, each as often as another, so that cells are few; they are
    the same ones where entries are `alike`.
    """
    from scipy.stats import qmc

    entries, levels = prod(drawn.shape[1:]), max(1, count // AT_A_LEVEL)
    columns = drawn.reshape(-1, 1 if alike else entries)
    quantiles = np.quantile(columns, (np.arange(levels) + 0.5) / levels, axis=0)
    rank = (qmc.Sobol(entries, rng=seed).random(count) * levels).astype(int)
    even = [quantiles[rank[:, entry], entry % quantiles.shape[1]] for entry in range(entries)]
    return np.ascontiguousarray(np.stack(even, axis=1).reshape(count, *drawn.shape[1:]))
