"""Rows of the gap study: how far methods are from the certified optimum, which scenarios show it.

Every method decides on the same slots of a scenario as the certified optimum. A slot's gap is what
the decision lacks of the optimum, a task; a task that breaks a limit scores 0, and a slot without a
decision lacks all of it, alike in every figure. Where the best fixed action for each kind of task
is as good as the optimum, no method can show what it is worth: that spread is the scenario's
discriminability.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import nan

import numpy as np

from ..learn.deciders import CONSTANT
from ..learn.evaluate import HIT, strongest
from ..scenario import Scenario
from ..worth import closure, tasks_in
from .cells import Store, column
from .method_cell import MethodCell
from .statistics import interval

ALIKE = 0.01  # QoE a task: a spread below tells methods hardly apart


@dataclass(frozen=True)
class Row:
    """A method on a scenario, over all seeds.

    Attributes
    ----------
    slots : that count: feasible ones of the cells that are there
    gap : mean a task, with its 95% interval `low` to `high` (slots resampled in pairs)
    gap_p99, worst : the 99th percentile and the largest gap of a slot
    hit_share : of slots within 1e-4 a task of the reference
    closure : of what lies between 0.5, all-local, and the optimum
    infeasible_share : of tasks that break a limit
    decision_us : median over cells
    failed : cells that have no answer, or whose reference has none
    """

    scenario: str
    method: str
    slots: int
    gap: float = nan
    low: float = nan
    high: float = nan
    gap_p99: float = nan
    worst: float = nan
    hit_share: float = nan
    closure: float = nan
    infeasible_share: float = nan
    decision_us: float = nan
    failed: int = 0
    seeds: int = 0


@dataclass(frozen=True)
class Grid:
    """Scenarios x methods x seeds, and a row for each scenario and method."""

    scenarios: Sequence[Scenario]
    methods: Sequence[str]
    seeds: int
    slots: int

    def reference(self, scenario: Scenario, seed: int) -> MethodCell:
        """Return the cell of the certified optimum."""
        return self.cell(scenario, strongest(scenario.template()), seed)

    def cell(self, scenario: Scenario, method: str, seed: int) -> MethodCell:
        """Return a method's cell."""
        return MethodCell(scenario.to_dict(), method, seed, self.slots)

    def cells(self) -> list[MethodCell]:
        """Return every cell once: references, the best fixed action, the methods."""
        all_cells = {
            (cell.scenario["name"], cell.method, seed): cell
            for seed in range(self.seeds)
            for scenario in self.scenarios
            for cell in (
                self.reference(scenario, seed),
                *(self.cell(scenario, name, seed) for name in (CONSTANT, *self.methods)),
            )
        }
        return list(all_cells.values())

    def rows(self, store: Store) -> Iterable[Row]:
        """Yield a row for each scenario and method, from the cells that are there."""
        for scenario in self.scenarios:
            for method in dict.fromkeys((CONSTANT, *self.methods)):
                yield self.row(store, scenario, method)

    def row(self, store: Store, scenario: Scenario, method: str) -> Row:
        """Return a method's figures on a scenario."""
        gaps, values, optima, broken, times, failed = [], [], [], [], [], 0
        tasks = tasks_in(scenario.template())
        for seed in range(self.seeds):
            cell = self.cell(scenario, method, seed)
            table, reference = store.read(cell), store.read(self.reference(scenario, seed))
            if table is None or reference is None:
                failed += any(map(store.reason, (cell, self.reference(scenario, seed))))
                continue
            optimum, value = column(reference, "value"), column(table, "value")
            feasible = ~np.isnan(optimum)
            optimum, value = optimum[feasible] / tasks, np.nan_to_num(value[feasible]) / tasks
            gaps.append(optimum - value)
            values.append(value)
            optima.append(optimum)
            broken.append(np.nan_to_num(column(table, "infeasible_share")[feasible], nan=1.0))
            times.append(store.times(cell).get("decision_us", nan))
        if not gaps:
            return Row(scenario.name, method, 0, failed=failed)
        gap, value, optimum = (np.concatenate(parts) for parts in (gaps, values, optima))
        low, high = interval(gap)
        return Row(
            *(scenario.name, method, len(gap), float(gap.mean()), low, high),
            gap_p99=float(np.quantile(gap, 0.99)),
            worst=float(gap.max()),
            hit_share=float((gap <= HIT).mean()),
            closure=closure(float(value.mean()), float(optimum.mean())),
            infeasible_share=float(np.concatenate(broken).mean()),
            decision_us=float(np.median(times)),
            failed=failed,
            seeds=len(gaps),
        )


def spread(rows: Iterable[Row], scenario: str) -> float:
    """Return the gap of the best fixed action: what a scenario can tell methods apart by."""
    return next(r.gap for r in rows if (r.scenario, r.method) == (scenario, CONSTANT))


def alike(rows: Sequence[Row]) -> dict[str, float]:
    """Return the scenarios that hardly tell methods apart, each with its spread."""
    names = dict.fromkeys(row.scenario for row in rows)
    return {name: gap for name in names if (gap := spread(rows, name)) < ALIKE}
