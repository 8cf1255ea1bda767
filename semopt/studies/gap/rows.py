"""Rows of the gap study: how far methods are from the certified optimum, which scenarios show it.

Every method decides on the same slots of a scenario as the certified optimum. A slot's gap is what
the decision lacks of the optimum, a task; a task that breaks a limit scores 0, and a slot without a
decision lacks all of it, alike in every figure. Where the best fixed action for each kind of task
is as good as the optimum, no method can show what it is worth: that spread is the scenario's
discriminability.

Checkpoints that differ in their seed alone are trainings of one method, and share a row.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from math import nan
from pathlib import Path
from typing import Any

import numpy as np

from ...learn.deciders import CONSTANT, is_folder
from ...learn.evaluate import strongest
from ...learn.scores import HIT
from ...problem import Floats
from ...scenario import Scenario
from ...statistics import interval
from ...worth import closure, tasks_in
from ..cells import Cell, Store, column
from ..method_cell import MethodCell, decided
from .rank_cell import RankCell, countable

ALIKE = 0.01  # QoE a task: a spread below tells methods hardly apart


@dataclass(frozen=True)
class Row:
    """A method on a scenario, over all seeds, and over its trainings where it learns.

    Attributes
    ----------
    slots : that count: feasible ones of the cells that are there, or that failed
    gap : mean a task, with its 95% interval `low` to `high`: slots resampled in pairs, or of a
        method that learns its trainings, each reduced to its mean
    qoe : mean a task, with its 95% interval `qoe_low` to `qoe_high`, of what `gap` says
    gap_p99, worst : the 99th percentile and the largest gap of a slot
    hit_share : of slots within 1e-4 a task of the reference
    closure : of what lies between 0.5, which method `reference` has, and the optimum
    infeasible_share : of tasks that break a limit
    decision_us : median over cells
    rank : median over slots of a decision's rank among all joint actions of the grid, 1 the best
    failed : cells that failed, whose slots count as without a decision, or whose reference failed
    seeds : of slots that count, for each training
    trainings : mean gap of each training; none of a method that does not learn
    """

    scenario: str
    method: str
    slots: int
    gap: float = nan
    low: float = nan
    high: float = nan
    qoe: float = nan
    qoe_low: float = nan
    qoe_high: float = nan
    gap_p99: float = nan
    worst: float = nan
    hit_share: float = nan
    closure: float = nan
    infeasible_share: float = nan
    decision_us: float = nan
    failed: int = 0
    seeds: int = 0
    rank: float = nan
    trainings: tuple[float, ...] = ()


@dataclass(frozen=True)
class Grid:
    """Scenarios x methods x seeds, and a row for each scenario and method.

    Attributes
    ----------
    ranked : slots of each cell whose decisions are ranked, where joint actions can be counted
    """

    scenarios: Sequence[Scenario]
    methods: Sequence[str]
    seeds: int
    slots: int
    ranked: int = 0

    def reference(self, scenario: Scenario, seed: int) -> MethodCell:
        """Return the cell of the certified optimum."""
        return self.cell(scenario, strongest(scenario.template()), seed)

    def cell(self, scenario: Scenario, method: str, seed: int) -> MethodCell:
        """Return a method's cell."""
        return MethodCell(self.documents[scenario.name], method, seed, self.slots)

    def rank(self, scenario: Scenario, method: str, seed: int) -> RankCell | None:
        """Return the cell of a method's ranks; None where they are not counted."""
        if not self.counted[scenario.name]:
            return None
        return RankCell(vars(self.cell(scenario, method, seed)), self.ranked)

    @cached_property
    def counted(self) -> dict[str, bool]:
        """Whether decisions are ranked, by scenario."""
        return {each.name: self.ranked > 0 and countable(each) for each in self.scenarios}

    @cached_property
    def documents(self) -> dict[str, dict[str, Any]]:
        """The scenarios as their cells have them, by name."""
        return {each.name: each.to_dict() for each in self.scenarios}

    def cells(self) -> list[Cell]:
        """Return every cell once: references, the best fixed action, the methods, their ranks."""
        all_cells = list[Cell]()
        for seed in range(self.seeds):
            for scenario in self.scenarios:
                all_cells.append(self.reference(scenario, seed))
                for method in dict.fromkeys((CONSTANT, *self.methods)):
                    all_cells.append(self.cell(scenario, method, seed))
                    rank = self.rank(scenario, method, seed)
                    all_cells += [rank] if rank else []
        return list({cell.name(): cell for cell in all_cells}.values())

    @cached_property
    def groups(self) -> dict[str, list[str]]:
        """The methods by what their rows are called: trainings of one method share one."""
        groups = dict[str, list[str]]()
        for name in dict.fromkeys((CONSTANT, *self.methods)):
            groups.setdefault(training_of(name) or name, []).append(name)
        return {
            words.partition("\n")[0] if len(names) > 1 else names[0]: names
            for words, names in groups.items()
        }

    def rows(self, store: Store) -> Iterator[Row]:
        """Yield a row for each scenario and method, from the cells that are there."""
        for scenario in self.scenarios:
            for name in self.groups:
                yield self.row(store, scenario, name)

    def gaps(self, store: Store, scenario: Scenario, method: str) -> list[tuple[Floats, Floats]]:
        """Return the optimum and the gap of each seed that is there, QoE a task: (slots,)."""
        tasks, gaps = tasks_in(scenario.template()), []
        for seed in range(self.seeds):
            table = decided(store, self.cell(scenario, method, seed))
            reference = store.read(self.reference(scenario, seed))
            if table is not None and reference is not None:
                optimum, value = column(reference, "value"), column(table, "value")
                feasible = ~np.isnan(optimum)
                best = optimum[feasible] / tasks
                gaps.append((best, best - np.nan_to_num(value[feasible]) / tasks))
        return gaps

    def row(self, store: Store, scenario: Scenario, name: str) -> Row:
        """Return the figures of a method on a scenario, over its trainings where it learns."""
        broken, times, failed, ranks = list[Floats](), list[float](), 0, list[Floats]()
        for method in self.groups[name]:
            for seed in range(self.seeds):
                cell, best = self.cell(scenario, method, seed), self.reference(scenario, seed)
                table, reference = decided(store, cell), store.read(best)
                failed += any(store.read(one) is None and store.reason(one) for one in (cell, best))
                if table is None or reference is None:
                    continue
                feasible = ~np.isnan(column(reference, "value"))
                broken.append(np.nan_to_num(column(table, "infeasible_share")[feasible], nan=1.0))
                times.append(store.times(cell).get("decision_us", nan))
                rank = self.rank(scenario, method, seed)
                if rank and (counted := store.read(rank)) is not None:
                    ranks.append(1.0 + column(counted, "above")[feasible[: len(counted)]])
        by_training = [self.gaps(store, scenario, method) for method in self.groups[name]]
        pairs = [pair for training in by_training for pair in training]
        if not pairs:
            return Row(scenario.name, name, 0, failed=failed)
        optimum, gap = (np.concatenate(parts) for parts in zip(*pairs, strict=True))
        learns = any(map(is_folder, self.groups[name]))
        trainings = [
            tuple(np.concatenate(part) for part in zip(*each, strict=True))
            for each in by_training
            if each
        ]
        means = [float(lacking.mean()) for _, lacking in trainings]
        worths = [float((best - lacking).mean()) for best, lacking in trainings]
        low, high = interval(np.array(means) if learns else gap)
        qoe = optimum - gap
        ends = interval(np.array(worths) if learns else qoe)
        placed = np.concatenate(ranks) if ranks else np.array([nan])
        return Row(
            *(scenario.name, name, len(gap), float(gap.mean()), low, high),
            qoe=float(qoe.mean()),
            qoe_low=ends[0],
            qoe_high=ends[1],
            gap_p99=float(np.quantile(gap, 0.99)),
            worst=float(gap.max()),
            hit_share=float((gap <= HIT).mean()),
            closure=closure(float(qoe.mean()), float(optimum.mean())),
            infeasible_share=float(np.concatenate(broken).mean()),
            decision_us=float(np.nanmedian(times)) if np.isfinite(times).any() else nan,
            failed=failed,
            seeds=min(map(len, by_training)),
            rank=float(np.nanmedian(placed)) if np.isfinite(placed).any() else nan,
            trainings=tuple(means) if learns else (),
        )


def training_of(name: str) -> str:
    """Return what the checkpoints of one method's trainings have in common; "" of another method.

    Its first line is what people read.
    """
    if not is_folder(name):
        return ""
    from ...learn.checkpoint import Checkpoint

    about = Checkpoint.read(Path(name)).description
    unaware = "" if about.semantic else ", semantic-unaware"
    words = f"{about.algorithm}, {about.observation}{unaware}"
    return f"{words}\n{json.dumps(asdict(about) | {'seed': 0}, sort_keys=True)}"


def spread(rows: Iterable[Row], scenario: str) -> float:
    """Return the gap of the best fixed action: what a scenario can tell methods apart by."""
    return next(r.gap for r in rows if (r.scenario, r.method) == (scenario, CONSTANT))


def alike(rows: Sequence[Row]) -> dict[str, float]:
    """Return the scenarios that hardly tell methods apart, each with its spread."""
    names = dict.fromkeys(row.scenario for row in rows)
    return {name: gap for name in names if (gap := spread(rows, name)) < ALIKE}
