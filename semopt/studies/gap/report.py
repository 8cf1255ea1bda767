"""The page of the gap study, made of the cells that are there, at any time."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Any

import numpy as np

from ...learn.scores import HIT
from ...problem import Floats
from ...report.charts import intervals, profile
from ...report.page import Figure, Report, Table
from ...scenario import Scenario
from ...statistics import without_nan
from ..cells import Store
from ..questions import command_of, known
from .over import INTERVALS, over_values
from .rows import Grid, Row, alike, in_time

LEAST = 1e-6  # gap of a certified optimum, as asked for
FIGURES = {
    "qoe": "QoE a task",
    "gap": "gap a task",
    "low": "95% from",
    "high": "to",
    "gap_p99": "99% of slots",
    "worst": "worst",
    "hit_share": "hits",
    "closure": "closure",
    "infeasible_share": "infeasible",
    "rank": "rank, median",
    "decision_us": "us a slot",
    "slots": "slots",
    "failed": "failed",
}
SHARES = FIGURES["hit_share"], FIGURES["infeasible_share"]


def page(
    question: Grid,
    store: Store,
    rows: Sequence[Row],
    about: dict[str, Any],
    missing: Sequence[str],
    asked: str,
) -> Report:
    """Return the page of the rows that are there.

    Parameters
    ----------
    about : settings, versions and machine
    missing : sentences on cells that are not there
    asked : the options that named the scenarios
    """
    tables, figures = [], []
    if len(question.scenarios) > 1:
        tables.append(over_all(rows))
        for table, figure in over_values(rows, asked):
            tables.append(table)
            figures.append(figure)
    for place, scenario in enumerate(question.scenarios):
        name, selected = scenario.name, [row for row in rows if row.scenario == scenario.name]
        entries = [[row.label, *(known(getattr(row, key)) for key in FIGURES)] for row in selected]
        tables.append(
            Table(
                f"gap-{place}", f"{name}: the gap", ["method", *FIGURES.values()], entries, SHARES
            )
        )
        available = [row for row in selected if row.slots]
        if not available:
            continue
        gaps = {row.label: slots_of(question, store, scenario, row) for row in selected}
        names = [row.label for row in available if row.seeds == question.seeds]
        tables.append(
            Table(
                f"improvement-{place}",
                f"{name}: share of slots on which a row is better than a column",
                ["method", *names],
                [[one, *(better(gaps[one], gaps[other]) for other in names)] for one in names],
                names,
            )
        )
        figures.append(
            Figure(
                f"intervals-{place}",
                f"{name}: mean gap",
                intervals(
                    [(r.label, *map(known, (r.gap, r.low, r.high))) for r in selected],
                    "gap to the certified optimum, QoE a task",
                    {r.label: r.trainings for r in selected},
                ),
                "What each method lacks of the certified optimum, which stands at 0; bars are 95% "
                f"intervals: {resampled(scenario)}.",
            )
        )
        figures.append(
            Figure(
                f"profile-{place}",
                f"{name}: slots within a gap",
                profile(
                    gaps,
                    LEAST,
                    "gap to the certified optimum, QoE a task",
                ),
                f"A line that rises early is good. The certified optimum would stand at the left "
                f"edge, {LEAST:g}, where all smaller gaps are drawn.",
            )
        )
    lengths = ["--seeds", question.seeds, "--slots", question.slots, "--ranks", question.ranked]
    words = [*question.methods, *shlex.split(asked), *lengths]
    return Report(
        "Gaps to the certified optimum",
        f"{count(question.methods, 'method')} on {count(question.scenarios, 'scenario')}, "
        f"{question.seeds} seed{'s' * (question.seeds != 1)} of {question.slots} slots "
        "each. A slot without a decision lacks all of the optimum; a task that breaks a limit "
        "scores 0.",
        command_of("gap", words, store.folder),
        tables,
        figures,
        [*missing, *notes(question, rows)],
        about,
    )


def count(things: Sequence[Any], noun: str) -> str:
    """Return how many things there are, in words."""
    return f"{len(things)} {noun}{'s' * (len(things) != 1)}"


def notes(question: Grid, rows: Sequence[Row]) -> list[str]:
    """Return what to beware of, and on which scenarios methods look alike."""
    words = []
    seeds = 1 if any(of.in_time.replayed for of in question.scenarios) else question.seeds
    if seeds * question.slots < 1000:
        words.append("Under 1000 slots: the 99th percentile and the worst slot say little.")
    for scenario in question.scenarios:
        words += [in_time(scenario, [row for row in rows if row.scenario == scenario.name])]
    return [*filter(None, words)] + [
        f"{name} hardly tells methods apart: the best fixed action for each kind of task lacks "
        f"{spread:.5f} a task."
        for name, spread in alike(rows).items()
    ]


def resampled(scenario: Scenario) -> str:
    """Return what the intervals of a scenario resample, in words."""
    slots = (
        "blocks of slots"
        if scenario.in_time.depend
        else "slots resampled in pairs with the optimum's"
    )
    return f"{slots}, or of a method that learns its trainings, each a tick, where there are five"


def slots_of(question: Grid, store: Store, scenario: Scenario, row: Row) -> Floats:
    """Return the gaps of a row, QoE a task: (trainings x seeds x slots,) float64; () without."""
    methods = question.groups[row.method] if row.slots else ()
    gaps = [gap for method in methods for _, gap in question.gaps(store, scenario, method)]
    return without_nan(np.concatenate([*gaps, np.empty(0)]))


def better(one: Floats, other: Floats) -> float:
    """Return the share of slots on which a gap is the smaller one; hits count as equal, for half.

    Slots stand in one order, once a training: each training of a method meets the other's slots.
    """
    size = max(len(one), len(other))
    difference = np.resize(other, size) - np.resize(one, size)
    return float((difference > HIT).mean() + 0.5 * (np.abs(difference) <= HIT).mean())


def over_all(rows: Sequence[Row]) -> Table:
    """Return the mean gap of each method on each scenario, and over all of them."""
    scenarios = list(dict.fromkeys(row.scenario for row in rows))
    of = {(row.method, row.scenario): row for row in rows}
    lines: list[list[Any]] = []
    for method in dict.fromkeys(row.method for row in rows):
        selected = [of[method, scenario] for scenario in scenarios]
        mean = float(np.mean([row.gap for row in selected]))  # of all scenarios, or NaN
        lines.append([selected[0].name, *(row.estimate("gap") for row in selected), known(mean)])
    return Table(
        *("all", "All scenarios: gap a task", ["method", *scenarios, "mean"], lines),
        comments=[f"In brackets: {INTERVALS}"] * any(row.low == row.low for row in rows),
    )
