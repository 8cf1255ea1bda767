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
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from math import inf, nan
from pathlib import Path
from typing import Any

import numpy as np

from ...learn.deciders import CONSTANT, is_folder
from ...learn.evaluate import strongest
from ...learn.scores import HIT
from ...problem import Floats
from ...report.lines import by_reason, short
from ...report.page import Estimate
from ...scenario import Scenario
from ...statistics import (
    BLOCK,
    FEWEST,
    interval,
    interval_of_slots,
    without_interval,
    without_nan,
)
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
    optimum : mean a task of the certified optimum on the same slots
    qoe : mean a task, with its 95% interval `qoe_low` to `qoe_high`, of what `gap` says
    gap_p99, worst : the 99th percentile and the largest gap of a slot
    hit_share : of slots within 1e-4 a task of the reference
    closure : of what lies between 0.5, which method `reference` has, and the optimum
    infeasible_share : of tasks that break a limit
    decision_us : median over cells
    rank : median over slots of a decision's rank among all joint actions of the grid, 1 the best
    failed : cells that failed; of a method that decided elsewhere, their slots count as without a
        decision, and of one that decided nowhere nothing is known
    unmeasured : cells whose reference failed, so that nothing is known of them
    missing : cells that are not there yet, or whose reference is not
    cells : that were asked for
    seeds : of slots that count, for each training
    trainings : mean gap of each training; none of a method that does not learn
    words : what people read of the method; the method itself unless given
    without_interval, without_qoe_interval : why `gap` or `qoe` has no interval; "" where it has one
    lacks : why there are no figures, where cells are there
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
    optimum: float = nan
    unmeasured: int = 0
    missing: int = 0
    cells: int = 0
    words: str = ""
    without_interval: str = ""
    without_qoe_interval: str = ""
    lacks: str = ""

    @property
    def label(self) -> str:
        """What every table and figure calls it: the method, and what its figures lack."""
        return f"{self.name} ({self.state})" if self.state else self.name

    @property
    def name(self) -> str:
        """What people read of the method."""
        return self.words or self.method

    def estimate(self, figure: str) -> Estimate:
        """Return the mean of "gap" or "qoe" as an entry of a table."""
        ends = ("low", "high") if figure == "gap" else ("qoe_low", "qoe_high")
        low, high = (getattr(self, end) for end in ends)
        return Estimate(getattr(self, figure), low, high, self.state)

    @property
    def state(self) -> str:
        """What its figures lack, in words, such as "failed" where there are none; "" of nothing."""
        if not self.slots:
            if self.lacks:
                return self.lacks
            if self.failed:
                return "failed"
            return "no optimum: it failed" if self.unmeasured else "not there yet"
        parts = [f"{self.failed} of {self.cells} failed, scored 0"] * (self.failed > 0)
        parts += [f"{self.unmeasured} of {self.cells} without an optimum"] * (self.unmeasured > 0)
        parts += [f"{self.missing} of {self.cells} not there yet"] * (self.missing > 0)
        return ", ".join(parts)


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
        """Return the optimum and the gap of each seed that is there, QoE a task: (slots,).

        Of infeasible slots both are NaN.
        """
        tasks, gaps = tasks_in(scenario.template()), []
        for seed in range(self.seeds):
            table = decided(store, self.cell(scenario, method, seed))
            reference = store.read(self.reference(scenario, seed))
            if table is not None and reference is not None:
                optimum, value = column(reference, "value"), column(table, "value")
                gaps.append((optimum / tasks, (optimum - np.nan_to_num(value)) / tasks))
        return gaps

    def row(self, store: Store, scenario: Scenario, name: str) -> Row:
        """Return the figures of a method on a scenario, over its trainings where it learns."""
        broken, times, ranks = list[Floats](), list[float](), list[Floats]()
        measured = failed = unmeasured = missing = 0
        for method in self.groups[name]:
            for seed in range(self.seeds):
                cell, best = self.cell(scenario, method, seed), self.reference(scenario, seed)
                table, reference = decided(store, cell), store.read(best)
                fault = store.read(cell) is None and store.reason(cell) != ""
                failed += fault
                if table is None or reference is None:
                    lost = reference is None and store.reason(best) != ""
                    unmeasured += lost and not fault
                    missing += not (lost or fault)
                    continue
                measured += not fault
                feasible = ~np.isnan(column(reference, "value"))
                broken.append(np.nan_to_num(column(table, "infeasible_share")[feasible], nan=1.0))
                times.append(store.times(cell).get("decision_us", nan))
                rank = self.rank(scenario, method, seed)
                if rank and (counted := store.read(rank)) is not None:
                    ranks.append(1.0 + column(counted, "above")[feasible[: len(counted)]])
        about = Row(
            *(scenario.name, name, 0),
            failed=failed,
            unmeasured=unmeasured,
            missing=missing,
            cells=self.seeds * len(self.groups[name]),
            words=short([*self.groups])[name],
        )
        if not measured:
            return about
        trainings = [each for m in self.groups[name] if (each := self.gaps(store, scenario, m))]
        pairs = [pair for training in trainings for pair in training]
        optimum, gap = (without_nan(np.concatenate(parts)) for parts in zip(*pairs, strict=True))
        if not len(gap):
            return replace(about, lacks="no slot is feasible")
        learns = any(map(is_folder, self.groups[name]))
        qoe = optimum - gap
        lacks = [[lacking for _, lacking in each] for each in trainings]
        worths = [[best - lacking for best, lacking in each] for each in trainings]
        means = [float(np.nanmean(np.concatenate(each))) for each in lacks]
        low, high = self.interval(scenario, lacks, learns)
        qoe_low, qoe_high = self.interval(scenario, worths, learns)
        why, qoe_why = (
            "" if low == low else self.without_interval(scenario, each, learns)
            for low, each in ((low, lacks), (qoe_low, worths))
        )
        placed = np.concatenate(ranks) if ranks else np.array([nan])
        return replace(
            about,
            slots=len(gap),
            gap=float(gap.mean()),
            low=low,
            high=high,
            optimum=float(optimum.mean()),
            qoe=float(qoe.mean()),
            qoe_low=qoe_low,
            qoe_high=qoe_high,
            gap_p99=float(np.quantile(gap, 0.99)),
            worst=float(gap.max()),
            hit_share=float((gap <= HIT).mean()),
            closure=closure(float(qoe.mean()), float(optimum.mean())),
            infeasible_share=float(np.concatenate(broken).mean()),
            decision_us=float(np.nanmedian(times)) if np.isfinite(times).any() else nan,
            seeds=min(map(len, trainings)) if len(trainings) == len(self.groups[name]) else 0,
            rank=float(np.nanmedian(placed)) if np.isfinite(placed).any() else nan,
            trainings=tuple(means) if learns else (),
            without_interval=why,
            without_qoe_interval=qoe_why,
        )

    def interval(
        self, scenario: Scenario, trainings: Sequence[Sequence[Floats]], learns: bool
    ) -> tuple[float, float]:
        """Return the 95% interval of a mean over the slots of each seed, of each training."""
        if learns:
            return interval(np.array([np.nanmean(np.concatenate([*each])) for each in trainings]))
        (series,) = trainings
        return interval_of_slots(series, scenario.in_time)

    def without_interval(
        self, scenario: Scenario, trainings: Sequence[Sequence[Floats]], learns: bool
    ) -> str:
        """Return why there is none."""
        if learns:
            return f"fewer than {FEWEST} trainings have no interval"
        return without_interval(trainings[0], scenario.in_time)


def in_time(scenario: Scenario, rows: Sequence[Row]) -> str:
    """Return what intervals rest on where slots resemble their neighbours; "" where they do not."""
    depend, replayed, memory = scenario.in_time
    if not depend:
        return ""
    seeds = ", and all seeds share their gains or their tasks" * replayed
    time = f"{memory:.3g} slots" if memory < inf else "which cannot be told here"
    times = f"the autocorrelation time of the gains, {time}, or of the gap"
    words = (
        f"{scenario.name}: slots resemble their neighbours in time{seeds}. Intervals rest on means "
        f"of blocks, each at least {BLOCK:g} times as long as {times}, or of a whole seed"
    )
    lacking = ((row.name, row.without_interval) for row in rows if not row.trainings)
    return " ".join([f"{words}.", *lacking_intervals(lacking)])


def lacking_intervals(without: Iterable[tuple[str, str]]) -> list[str]:
    """Return a sentence on each reason why methods have no interval, of names and reasons."""
    return [f"No interval of {names}: {why}." for why, names in by_reason(without).items()]


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
