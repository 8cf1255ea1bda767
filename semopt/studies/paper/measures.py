"""What methods reach, beside what the paper says: figures with intervals, and verdicts.

A verdict is computed, never typed: a number is *reproduced* where it is within `REPRODUCED_WITHIN`
of the paper's, *explained* where something that was measured accounts for the difference, and else
*not reproduced*, for a reason that was measured too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from math import isnan, nan, sqrt
from typing import Any

import numpy as np

from ...problem import Floats
from ...records import Record
from ...scenario import Scenario
from ...statistics import INDEPENDENT, InTime, interval, interval_of_slots
from ...worth import closure, tasks_in
from ..cells import Store, column
from ..method_cell import BOUND_ONLY, MethodCell, decided
from ..questions import known
from .setup import CERTIFIED, SERIES, Setup, published

FIGURE_LABELS = {"qoe": "QoE", "latency_ms": "latency, ms", "energy_mj": "energy, mJ"}
FIGURE_LABELS["accuracy"] = "accuracy, %"
SCALE = {"accuracy": 100.0}  # from columns to tables
# Differences that count as reproduced: of QoE and accuracy (points) absolute, else relative.
REPRODUCED_WITHIN = {"qoe": 0.005, "latency_ms": 0.05, "energy_mj": 0.05, "accuracy": 1.5}
ABSOLUTE = ("qoe", "accuracy")
SAME = 0.1  # of that: two of our figures are one
TIED = 0.001  # QoE a task within which decisions count as equally good
ERRORS = 2.0  # standard errors that two samples of slots may differ by
PUBLISHED_SLOTS = 1000  # of the paper's test: its numbers are a sample too
REPRODUCED, EXPLAINED, NOT = "reproduced", "explained", "not reproduced"


@dataclass(frozen=True)
class Sample(Record):
    """A method's figures on the test slots.

    Attributes
    ----------
    name : of `SERIES`
    values : of each figure (runs, S), in the units of tables; one run unless the method learns
    optimum : (S,) QoE a task of the certified optimum on the same slots
    infeasible_share : of tasks that break a limit
    failed : runs of it that failed, whose slots score 0
    in_time : how slots follow each other
    """

    name: str
    values: dict[str, Floats]
    optimum: Floats
    infeasible_share: float
    failed: int = 0
    in_time: InTime = INDEPENDENT

    @property
    def label(self) -> str:
        """What tables and figures call it: the method, and how many of its runs failed."""
        label, runs = SERIES[self.name].label, len(self.values["qoe"])
        return f"{label} ({self.failed} of {runs} failed, scored 0)" if self.failed else label

    @property
    def learns(self) -> bool:
        """Whether it is trained: then its runs are resampled, else slots."""
        return SERIES[self.name].algorithm != ""

    @property
    def slots(self) -> int:
        """How many slots count."""
        return len(self.optimum)

    def runs(self, figure: str) -> Floats:
        """Return the mean of each run that has the figure: (runs,) float64; NaN where none has."""
        values = self.values[figure]
        known = ~np.isnan(values).all(axis=1)
        means: Floats = np.nanmean(values[known], axis=1) if known.any() else np.array([nan])
        return means

    def mean(self, figure: str) -> float:
        """Return the mean over runs and slots."""
        return float(self.runs(figure).mean())

    def interval(self, figure: str) -> tuple[float, float]:
        """Return the 95% interval of the mean: runs resampled of a method that learns, else slots.

        Slots without the figure are left out.
        """
        if self.learns:
            return interval(self.runs(figure))
        return interval_of_slots([self.values[figure][0]], self.in_time)

    def error(self, figure: str) -> float:
        """Return the standard error of the difference of two means: these slots', the paper's."""
        spread = float(np.nanstd(self.values[figure], ddof=1))
        return spread * sqrt(1.0 / PUBLISHED_SLOTS + 1.0 / self.slots)

    def gap(self) -> tuple[float, float, float]:
        """Return what the mean lacks of the certified optimum, with its 95% interval.

        Slots are paired with the optimum's; of a method that learns each run is a mean first.
        """
        gaps = self.optimum - self.values["qoe"]
        mean = float(gaps.mean())
        if self.learns:
            return mean, *interval(gaps.mean(axis=1))
        return mean, *interval_of_slots([gaps[0]], self.in_time)


def sample(
    setup: Setup,
    store: Store,
    name: str,
    scenario: Scenario | None = None,
    trained: Scenario | None = None,
) -> Sample | None:
    """Return what a method reached, from its cells that are there; None where there are none.

    A slot without a decision scores 0 at the limit of latency, as do all of a cell that failed; of
    a method whose cells all failed nothing is known. Slots that are infeasible are left out.
    """
    scenario = scenario or setup.scenario
    certified = store.read(setup.cells(CERTIFIED, scenario)[0])
    cells = setup.cells(name, scenario, trained)
    bound = SERIES[name].solver == BOUND_ONLY  # one that failed bounds nothing
    read = [store.read(cell) if bound else decided(store, cell) for cell in cells]
    tables = [table for table in read if table is not None]
    failed = sum(
        table is not None and store.read(c) is None for c, table in zip(cells, read, strict=True)
    )
    if certified is None or failed == len(tables):
        return None
    slots, problem = len(tables[0]), scenario.template()
    optimum = column(certified, "value")[:slots] / tasks_in(problem)
    kept = ~np.isnan(optimum)
    replaced = {"qoe": 0.0, "latency_ms": scenario.system.latency_max_ms or nan}
    values = {}
    for figure in FIGURE_LABELS:
        rows = np.array([column(table, figure)[kept] for table in tables])
        if bound:
            bounds = column(tables[0], "upper_bound")[kept][None, :] / tasks_in(problem)
            rows = bounds if figure == "qoe" else np.full_like(bounds, nan)
        else:
            rows = np.where(np.isnan(rows), replaced.get(figure, nan), rows)
        values[figure] = rows * SCALE.get(figure, 1.0)
    broken = [column(table, "infeasible_share")[kept] for table in tables]
    share = nan if bound else float(np.nan_to_num(np.array(broken), nan=1.0).mean())
    return Sample(name, values, optimum[kept], share, failed, scenario.in_time)


@dataclass(frozen=True)
class Line:
    """A number beside the paper's.

    Attributes
    ----------
    case : method or preference
    figure : a key of `FIGURE_LABELS`, or words
    mean, low, high : with its 95% interval; NaN where there are too few runs
    runs : the mean of each training; () of a method that does not learn
    paper, difference : NaN where the paper has none
    verdict, reason : one of "reproduced", "explained", "not reproduced" or "", and why
    """

    case: str
    figure: str
    mean: float
    low: float = nan
    high: float = nan
    runs: tuple[float, ...] = ()
    paper: float = nan
    difference: float = nan
    verdict: str = ""
    reason: str = ""

    @property
    def heading(self) -> str:
        """The figure as people read it."""
        return FIGURE_LABELS.get(self.figure, self.figure)

    @property
    def words(self) -> str:
        """The verdict as people read it."""
        joints = {EXPLAINED: f"{EXPLAINED} by ", NOT: f"{NOT}, because "}
        return joints.get(self.verdict, self.verdict) + self.reason


@dataclass(frozen=True)
class Claim:
    """An order or a shape that the paper states; `holds` is None where it is `undecided`."""

    words: str
    holds: bool | None
    measured: str
    undecided: str = "not measured yet"

    @property
    def verdict(self) -> str:
        """Return what became of it."""
        return {True: REPRODUCED, False: NOT, None: self.undecided}[self.holds]

    @property
    def sentence(self) -> str:
        """The claim, its verdict, and what was measured."""
        return f"{self.words}: {self.verdict} ({self.measured})."


@dataclass(frozen=True)
class View:
    """What a part of the study says, from the cells that are there."""

    title: str
    summary: str
    lines: Sequence[Line] = ()
    claims: Sequence[Claim] = ()
    figures: Sequence[Any] = ()  # of `report.page.Figure`
    tables: Sequence[Any] = ()  # of `report.page.Table`

    def document(self) -> dict[str, Any]:
        """Return the part as JSON: null where a number is not known."""
        return {
            "title": self.title,
            "lines": [{k: known(v) for k, v in asdict(line).items()} for line in self.lines],
            "claims": [
                {"words": claim.words, "holds": claim.holds, "measured": claim.measured}
                | {"verdict": claim.verdict}
                for claim in self.claims
            ],
        }


def word_of(figure: str) -> str:
    """Return the name of a figure."""
    return FIGURE_LABELS[figure].partition(", ")[0]


def unit_of(figure: str) -> str:
    """Return the unit of a figure as it follows a number; "" of one without."""
    _, comma, unit = FIGURE_LABELS[figure].partition(", ")
    return unit if unit == "%" else f" {unit}" * bool(comma)


def close(figure: str, one: float, other: float, share: float = 1.0) -> bool:
    """Tell whether two values of a figure count as the same, or are nearer by a share of that."""
    within = share * REPRODUCED_WITHIN[figure] * (1.0 if figure in ABSOLUTE else abs(other))
    return abs(one - other) <= within


@dataclass(frozen=True)
class Elsewhere:
    """What the paper says in another place of decisions that may be the same.

    Attributes
    ----------
    where : in the paper, in words
    sample : ours of that place
    paper : its number
    """

    where: str
    sample: Sample
    paper: float


@dataclass(frozen=True)
class Beside:
    """What a number of the paper is compared with.

    Attributes
    ----------
    sample : ours
    optimum : of the best of the method's decisions; None of a method that does not choose
    others : optima of the same problem whose decisions differ: what nothing weighs is anything
    weight : of the figure in the QoE; that of QoE itself is 1
    assumed : between which means the optimum lies by `assumed.ranges`, of each figure
    elsewhere : the same figure in another place, if any
    """

    sample: Sample
    optimum: Sample | None = None
    others: Sequence[Sample] = field(default_factory=tuple)
    weight: float = 1.0
    assumed: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    elsewhere: Elsewhere | None = None


def line(case: str, figure: str, beside: Beside, paper: float = nan) -> Line:
    """Return a number beside the paper's, with its verdict."""
    ours = beside.sample
    runs = ours.runs(figure)
    low, high = ours.interval(figure)
    difference = ours.mean(figure) - paper
    verdict, reason = ("", "") if isnan(difference) else judged(figure, beside, paper)
    return Line(
        *(case, figure, ours.mean(figure), low, high),
        runs=tuple(map(float, runs)) if ours.learns else (),
        paper=paper,
        difference=difference,
        verdict=verdict,
        reason=reason,
    )


def judged(figure: str, beside: Beside, paper: float) -> tuple[str, str]:
    """Return verdict and reason of a number of the paper."""
    ours, unit = beside.sample, unit_of(figure)
    mean = ours.mean(figure)
    if close(figure, mean, paper):
        return REPRODUCED, ""
    error = ERRORS * ours.error(figure)
    if abs(mean - paper) <= error:
        return EXPLAINED, (
            f"sampling: means of {ours.slots} slots and of the paper's {PUBLISHED_SLOTS} differ by "
            f"up to {error:.3g}{unit}"
        )
    if beside.weight == 0.0:
        best = max(each.mean("qoe") for each in (*beside.others, ours))
        tied = [each for each in (*beside.others, ours) if best - each.mean("qoe") <= TIED]
        reached = [each.mean(figure) for each in tied]
        if min(reached) <= paper <= max(reached):
            return EXPLAINED, (
                "ties: the QoE gives it no weight, and decisions of the same QoE reach from "
                f"{min(reached):.4g} to {max(reached):.4g}{unit}"
            )
    other, optimum = beside.elsewhere, beside.optimum
    if other and _at_odds(figure, mean, paper, other):
        return EXPLAINED, (
            f"the paper itself: {other.where} it has {other.paper:.4g}{unit} for what is one "
            f"figure here, {mean:.4g}{unit}, which lies between"
        )
    if optimum is None:
        return NOT, f"it has {mean:.4g}{unit} here, {_off(figure, mean, paper)} the paper's"
    if close(figure, mean, optimum.mean(figure)):
        return _assumed(figure, beside, optimum.mean(figure), paper)
    best, worth = optimum.mean(figure), optimum.mean("qoe") - ours.mean("qoe")
    if figure == "qoe" and mean > paper:
        shares = [closure(value, float(ours.optimum.mean())) for value in (mean, paper)]
        return NOT, (
            f"this policy learns more: it reaches {shares[0]:.0%} of the optimum's gain over 0.5, "
            f"the paper's {shares[1]:.0%}"
        )
    return NOT, (
        f"the policy ends at {mean:.4g}{unit}, its optimum has {best:.4g}: it lacks {worth:.4f} "
        "QoE of it"
    )


def _at_odds(figure: str, mean: float, paper: float, other: Elsewhere) -> bool:
    """Tell whether the paper has two numbers for one of ours, which lies between them."""
    one_figure = close(figure, other.sample.mean(figure), mean, SAME)
    between = min(paper, other.paper) <= mean <= max(paper, other.paper)
    return one_figure and between and not close(figure, other.paper, paper)


def _assumed(figure: str, beside: Beside, best: float, paper: float) -> tuple[str, str]:
    """Return verdict and reason where a method decides as its optimum does, which has `best`."""
    unit = unit_of(figure)
    off = f"the scenario's optimum has {best:.4g}{unit}, {_off(figure, best, paper)} the paper's"
    if figure not in beside.assumed:
        return NOT, off
    low, high = beside.assumed[figure]
    drawn = f"by the calibration's draws it has from {low:.4g} to {high:.4g}{unit}"
    nearest = min(max(paper, low), high)
    if close(figure, nearest, paper):
        return EXPLAINED, f"the assumed figures: {off}, and {drawn}"
    return NOT, f"{off}, and {drawn}"


def _off(figure: str, value: float, paper: float) -> str:
    where = "above" if value > paper else "below"
    if figure in ABSOLUTE:
        points = " points" if figure == "accuracy" else ""
        return f"{abs(value - paper):.3g}{points} {where}"
    return f"{abs(value / paper - 1.0):.1%} {where}"


def cell_list(*groups: Sequence[MethodCell]) -> list[MethodCell]:
    """Return the cells of several methods in one list."""
    return [cell for group in groups for cell in group]


def reported(table: str, case: str, figure: str) -> float:
    """Return a number of the paper's tables in the units of ours; NaN where it has none."""
    row = published().get(table, {}).get(case, {})
    joules = 1e3 / float(published()["energy_tasks"])
    keys = {"latency_ms": ("latency_ms", 1.0), "energy_mj": ("energy_j", joules)}
    keys["accuracy"] = "accuracy_percent", 1.0
    key, factor = keys[figure]
    return float(row[key]) * factor if key in row else nan
