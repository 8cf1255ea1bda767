"""The page of the gap study, made of the cells that are there, at any time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..report.charts import intervals, profile
from ..report.page import Figure, Report, Table
from ..scenario import Scenario
from ..worth import tasks_in
from .cells import Store, column
from .gap_rows import Grid, Row, alike
from .questions import known

LEAST = 1e-6  # gap of a certified optimum, as asked for
COLUMNS = {
    "method": "method",
    "gap": "gap a task",
    "low": "95% from",
    "high": "to",
    "gap_p99": "99% of slots",
    "worst": "worst",
    "hit_share": "hits",
    "closure": "closure",
    "infeasible_share": "infeasible",
    "decision_us": "us a slot",
    "slots": "slots",
    "failed": "failed",
}


def page(
    question: Grid,
    store: Store,
    rows: Sequence[Row],
    about: dict[str, Any],
    missing: Sequence[str],
) -> Report:
    """Return the page of the rows that are there.

    `about` are settings, versions and machine; `missing` are sentences on cells that lack.
    """
    tables, figures = [], []
    for place, scenario in enumerate(question.scenarios):
        name, mine = scenario.name, [row for row in rows if row.scenario == scenario.name]
        cells = [[known(getattr(row, key)) for key in COLUMNS] for row in mine]
        tables.append(Table(f"gap-{place}", f"{name}: the gap", list(COLUMNS.values()), cells))
        there = [row for row in mine if row.slots]
        if not there:
            continue
        figures.append(
            Figure(
                f"intervals-{place}",
                f"{name}: mean gap",
                intervals(
                    [(r.method, r.gap, known(r.low), known(r.high)) for r in there],
                    "gap to the certified optimum, QoE a task",
                ),
                "What each method lacks of the certified optimum, which stands at 0; bars are 95% "
                "intervals, slots resampled in pairs with the optimum's.",
            )
        )
        figures.append(
            Figure(
                f"profile-{place}",
                f"{name}: slots within a gap",
                profile(
                    gaps(question, store, scenario, [row.method for row in there]),
                    LEAST,
                    "gap to the certified optimum, QoE a task",
                ),
                f"A line that rises early is good. The certified optimum would stand at the left "
                f"edge, {LEAST:g}, where all smaller gaps are drawn.",
            )
        )
    options = " ".join(f"--scenario {scenario.name}" for scenario in question.scenarios)
    command = (
        f"python -m semopt study gap {' '.join(question.methods)} {options} "
        f"--seeds {question.seeds} --slots {question.slots} --out {store.folder.name}"
    )
    return Report(
        "Gaps to the certified optimum",
        f"{len(question.methods)} methods on {len(question.scenarios)} scenarios, "
        f"{question.seeds} seeds of {question.slots} slots each. A slot without a decision lacks "
        "all of the optimum; a task that breaks a limit scores 0.",
        command,
        tables,
        figures,
        [*missing, *notes(question, rows)],
        about,
    )


def notes(question: Grid, rows: Sequence[Row]) -> list[str]:
    """Return what to beware of, and on which scenarios methods look alike."""
    words = []
    if question.seeds * question.slots < 1000:
        words.append("Under 1000 slots: the 99th percentile and the worst slot say little.")
    return words + [
        f"{name} hardly tells methods apart: the best fixed action for each kind of task lacks "
        f"{spread:.5f} a task."
        for name, spread in alike(rows).items()
    ]


def gaps(
    question: Grid, store: Store, scenario: Scenario, methods: Sequence[str]
) -> dict[str, Any]:
    """Return each method's gaps on the feasible slots of a scenario, QoE a task: (slots,)."""
    tasks, gaps_of = tasks_in(scenario.template()), dict[str, Any]()
    for method in methods:
        parts = []
        for seed in range(question.seeds):
            table = store.read(question.cell(scenario, method, seed))
            reference = store.read(question.reference(scenario, seed))
            if table is not None and reference is not None:
                optimum = column(reference, "value")
                gap = (optimum - np.nan_to_num(column(table, "value"))) / tasks
                parts.append(gap[~np.isnan(optimum)])
        gaps_of[method] = np.concatenate(parts)
    return gaps_of
