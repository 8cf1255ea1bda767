"""Cells of information: what one user's observations permit at most, all others informed.

A user of observation `own` chooses mode and levels without knowing what the others have. Relax that
for all others: they see everything, choose last, and give out the sub-channels. Draws of users are
independent, so decisions can be conditioned on a user's observations without bins: for each drawn
observation, the best of its actions is the one of highest mean value over draws of the others,
each answered by the best reply. That is the column `blind`; `informed` is the mean of what would be
the best with each draw known. Functions of own observations have no higher mean than the blind one,
but for the grid of levels and the noise of the draws. A task that breaks a limit is worth 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from time import perf_counter
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from ...backends import Tables, tabulate
from ...problem import Floats, Integers, Problem
from ...records import Record
from ...scenario import Scenario
from ...worth import forbidding_weight
from ..cells import EQUAL, Cell


@dataclass(frozen=True)
class Drawn(Record):
    """What a cell draws: slots gain (S, N, K) and task (S, N), and the others' best replies (J).

    Attributes
    ----------
    beside : (J, K, M) float64, the best total of the others where the user has sub-channel k and
        m + 1 users offload
    alone : (J,) float64, their best total where it is local
    """

    problem: Problem
    gain: Floats
    task: Integers
    beside: Floats
    alone: Floats


@dataclass(frozen=True)
class InformationCell(Cell):
    """One user that sees its own gains and task alone.

    Attributes
    ----------
    scenario : document, as `Scenario.to_dict` gives it
    user : who sees nothing else
    seed : of the draws
    draws : of its observations, a row each
    replies : draws of the others, the same for all observations
    """

    scenario: dict[str, Any]
    user: int
    seed: int
    draws: int
    replies: int

    kind: ClassVar[str] = "information"
    schema: ClassVar[pa.Schema] = pa.schema(
        {"draw": pa.int64(), "informed": pa.float64(), "blind": pa.float64()}
    )

    @property
    def label(self) -> str:
        """What people read of it."""
        return f"{self.scenario['name']}, what user {self.user} sees, seed {self.seed}"

    def compute(self, folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return what each observation is worth, QoE a task, informed and blind."""
        start, drawn = perf_counter(), self.drawn()
        informed, blind = zip(*(self.worth(drawn, s) for s in range(self.draws)), strict=True)
        columns = {"draw": list(range(self.draws)), "informed": informed, "blind": blind}
        return columns, {"seconds": perf_counter() - start}

    def drawn(self) -> Drawn:
        """Draw slots, and find the best replies of the others."""
        scenario = Scenario.from_dict(self.scenario)
        problem = scenario.template()
        gain, task = scenario.draw(max(self.draws, self.replies), self.seed)
        others = np.delete(np.arange(scenario.users), self.user)
        channels, most = scenario.channels, min(scenario.users, scenario.channels)
        beside, alone = np.empty((self.replies, channels, most)), np.empty(self.replies)
        for j in range(self.replies):
            tables = tabulate(problem.with_slot(gain[j], task[j]), threads=1)
            worth = [values(tables, user) for user in others.tolist()]
            local = np.array([at_home.max() for at_home, _ in worth])
            offload = np.array([away.max(axis=0) for _, away in worth])
            for k, m in np.ndindex(channels, most):
                free = np.delete(offload[:, :, m], k, axis=1)
                beside[j, k, m] = best_with(local, free, m)
            counts = range(1, min(len(others), channels) + 1)
            totals = [best_with(local, offload[:, :, m - 1], m) for m in counts]
            alone[j] = max(local.sum(), *totals)
        return Drawn(problem, gain, task, beside, alone)

    def worth(self, drawn: Drawn, s: int) -> tuple[float, float]:
        """Return what the s-th observation is worth, informed and blind."""
        slot = drawn.problem.with_slot(drawn.gain[s], drawn.task[s])
        local, offload = values(tabulate(slot, threads=1), self.user)
        value = np.full((offload.shape[0], self.replies), -np.inf)
        for k, m in np.ndindex(offload.shape[1:]):
            np.maximum(value, offload[:, k, m, None] + drawn.beside[:, k, m], out=value)
        at_home = local.max() + drawn.alone
        informed = np.maximum(value.max(axis=0), at_home).mean()
        blind = max(value.mean(axis=1).max(), at_home.mean())
        users = len(slot.task)
        return float(informed) / users, float(blind) / users

    @staticmethod
    def audited(
        about: Mapping[str, Any], row: Mapping[str, Any], place: int, folder: Path
    ) -> tuple[str, bool]:
        """Compute an observation's row again."""
        cell = InformationCell(
            **{field.name: about[field.name] for field in fields(InformationCell)}
        )
        again = dict(zip(("informed", "blind"), cell.worth(cell.drawn(), place), strict=True))
        for name, value in again.items():
            if abs(row[name] - value) > EQUAL:
                return f"{name} is {row[name]}, computed again {value}", False
        return "its observation is worth what it says", True


def values(tables: Tables, user: int) -> tuple[Floats, Floats]:
    """Return what a user's actions are worth: (A,) local, (B, K, M) of M offloaders in all."""
    space, scores = tables.space, np.maximum(tables.value[user], 0.0)
    local, offload = np.split(scores, [space.local[user]])
    shape = space.most_offloaders, space.channels, space.offload[user]
    return local, offload.reshape(shape).transpose(2, 1, 0)


def best_with(local: Floats, offload: Floats, count: int) -> float:
    """Return the best total with exactly `count` offloaders.

    Parameters
    ----------
    local : (U,) float64, what each user is worth locally
    offload : (U, C) float64, what it is worth on each sub-channel
    """
    from scipy.optimize import linear_sum_assignment

    users, channels = offload.shape
    # Square: sub-channels that stay free go to nobody's rows, which cannot take a local place.
    nobody, places = channels - count, users - count
    matrix = np.zeros((users + nobody, channels + places))
    matrix[:users, :channels] = offload
    matrix[:users, channels:] = local[:, None]
    matrix[users:, channels:] = -forbidding_weight(users + 1)
    rows, columns = linear_sum_assignment(matrix, maximize=True)
    return float(matrix[rows, columns].sum())
