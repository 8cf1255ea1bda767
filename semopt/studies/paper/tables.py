"""Tables III to V of the paper: QoE, energy and accuracy of methods, and of preferences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import isnan, nan

from ...report.charts import intervals
from ...report.page import Figure, Table
from ...scenario import Scenario
from ...statistics import FEWEST, middle_mean
from ..cells import Cell, Store
from ..questions import known
from .assumed import ranges
from .measures import (
    FIGURE_LABELS,
    NOT,
    REPRODUCED,
    Beside,
    Claim,
    Elsewhere,
    Line,
    Sample,
    View,
    cell_list,
    line,
    reported,
    sample,
)
from .orders import LEVEL_WITH, first, order
from .setup import CERTIFIED, SERIES, SLOTS, Setup, published

COMPARED = ("local", "dqn", "semantic-unaware-mappo", "mappo")  # of Tables III and IV
OPTIMA = ("exact", "semantic-unaware", CERTIFIED)
PREFERENCES = ("none", "latency", "energy", "accuracy")
TABLE5 = ("latency_ms", "energy_mj", "accuracy")
HOLLOW = "Hollow marks are the paper's numbers."
REDUCTION = 5.0  # points that a reduction in per cent may differ: of two numbers within 5%
COLUMNS = ("", "figure", "verdict", "ours", "95% from", "to", "runs", "paper", "difference")


def samples_of(
    setup: Setup, store: Store, names: Sequence[str], scenario: Scenario | None = None
) -> dict[str, Sample | None]:
    """Return what methods reached on a scenario."""
    return {name: sample(setup, store, name, scenario) for name in names}


def table_of(name: str, title: str, lines: Sequence[Line]) -> Table:
    """Return lines as a table; their figure is a column where they are not all of the same."""
    rows = [
        [
            *(entry.case, entry.heading, entry.words, entry.mean),
            *(known(value) for value in (entry.low, entry.high)),
            len(entry.runs) or None,
            *(known(value) for value in (entry.paper, entry.difference)),
        ]
        for entry in lines
    ]
    if len({entry.figure for entry in lines}) > 1:
        return Table(name, title, COLUMNS, rows)
    place = COLUMNS.index("figure")
    columns, *rows = ([*row[:place], *row[place + 1 :]] for row in (COLUMNS, *rows))
    return Table(name, title, columns, rows)


def chart(
    setup: Setup,
    store: Store,
    part: str,
    title: str,
    samples: dict[str, Sample | None],
    figure: str,
    sentence: str,
    lines: Sequence[Line] = (),
) -> list[Figure]:
    """Return a figure of methods: means, intervals, each training, and the certified optimum.

    There is none where no method has an answer yet.
    """
    best = samples.get(CERTIFIED)
    slots = max((each.slots for each in samples.values() if each), default=0)
    available = {
        each.label: each
        for name, each in samples.items()
        if each is not None and name != CERTIFIED and each.slots == slots
    }
    bounds = {label: each.interval(figure) for label, each in available.items()}
    rows = [
        (label, each.mean(figure), known(bounds[label][0]), known(bounds[label][1]))
        for label, each in available.items()
    ]
    spec = intervals(
        rows,
        FIGURE_LABELS[figure],
        {label: each.runs(figure).tolist() for label, each in available.items() if each.learns},
        None if best is None else best.mean(figure),
        {x.case: x.paper for x in lines if x.figure == figure and not isnan(x.paper)},
    )
    command = setup.command(part.partition("-")[0], store.folder)
    return [Figure(part, title, spec, sentence, command)] if rows else []


def sentence(setup: Setup) -> str:
    """Return what bars and ticks of a figure of methods mean."""
    few = f" Fewer than {FEWEST} trainings carry no interval." if setup.seeds < FEWEST else ""
    return (
        "The dashed line is the certified optimum. Bars are 95% intervals: trainings resampled of "
        "methods that learn, each a mean first and a tick of its own, else slots." + few
    )


def beside(setup: Setup, name: str, samples: Mapping[str, Sample | None]) -> Beside:
    """Return what the numbers of a method, which is there, are compared with."""
    each, best = samples[name], SERIES[name].optimum
    assert each is not None
    return Beside(each, samples.get(best), assumed=ranges(setup, best))


def cells_of_table3(setup: Setup) -> list[Cell]:
    """Return the cells of Table III: all methods."""
    return [*cell_list(*(setup.cells(name) for name in SERIES))]


def table3(setup: Setup, store: Store) -> View:
    """Return Table III: QoE without preference."""
    samples, paper = samples_of(setup, store, list(SERIES)), published()["table3"]["qoe"]
    available = {name: each for name, each in samples.items() if each is not None}
    slots = max((each.slots for each in available.values()), default=0)
    lines = [
        line(
            each.label,
            "qoe",
            beside(setup, name, samples),
            float(paper.get(SERIES[name].published, nan)),
        )
        for name, each in available.items()
        if each.slots == slots
    ]
    rows = [
        [
            each.label,
            *map(known, each.gap()),
            known(middle_mean(each.runs("qoe")) if each.learns else nan),
            known(each.infeasible_share),
            each.slots,
        ]
        for each in available.values()
    ]
    gaps = Table(
        "table3-gaps",
        "Gap to the certified optimum, QoE a task",
        ("", "gap", "95% from", "to", "middle half of runs", "limits broken", "slots"),
        rows,
        ("limits broken",),
    )
    words = f"{sentence(setup)} {HOLLOW}"
    return View(
        "Table III: QoE without preference",
        f"Mean a task over {setup.episodes} test episodes of {SLOTS} slots, the same for all; "
        f"{setup.seeds} trainings of each policy. local runs at the reference frequency, where it "
        "scores 0.5 by definition. relaxation proves a bound on each slot, on the first ones only "
        "where it would take long: it stands among the gaps, which are taken slot by slot.",
        lines,
        [*order("qoe", samples, (*COMPARED, "exhaustive"))],
        chart(setup, store, "table3", "QoE a task", samples, "qoe", words, lines),
        [gaps],
    )


def cells_of_table4(setup: Setup) -> list[Cell]:
    """Return the cells of Table IV, which are among those of Table III."""
    saving = preference(setup, "energy")
    return [
        *cell_list(*(setup.cells(name) for name in (*COMPARED, *OPTIMA))),
        *cell_list(*(setup.cells(name, saving) for name in ("exact", CERTIFIED))),
    ]


def table4(setup: Setup, store: Store) -> View:
    """Return Table IV: energy and accuracy without preference; and the abstract's reductions."""
    samples = samples_of(setup, store, (*COMPARED, *OPTIMA))
    saving = sample(setup, store, "exact", preference(setup, "energy"))
    lines = [
        line(
            each.label,
            figure,
            replace(beside(setup, name, samples), elsewhere=_all_local(name, figure, saving)),
            reported("table4", SERIES[name].published, figure) if name in COMPARED else nan,
        )
        for figure in ("energy_mj", "accuracy")
        for name, each in samples.items()
        if each is not None and name != "exact"
    ]
    mappo, unaware = samples["mappo"], samples["semantic-unaware-mappo"]
    if mappo and unaware:
        lines += [
            _reduction(mappo, unaware, "latency_ms", "latency"),
            _reduction(mappo, unaware, "energy_mj", "energy"),
        ]
    ranks = ("local", "dqn", "mappo", "semantic-unaware-mappo")
    claims = [claim for key in ("energy_mj", "accuracy") for claim in order(key, samples, ranks)]
    words = f"{sentence(setup)} {HOLLOW}"
    return View(
        "Table IV: energy and accuracy without preference",
        "Means a task; the paper's joules are those of 100 tasks. Reductions are MAPPO's against "
        f"semantic-unaware MAPPO, as the abstract says them, within {REDUCTION:g} points.",
        lines,
        claims,
        [
            figure
            for key, title in (("energy_mj", "Energy, mJ a task"), ("accuracy", "Accuracy, %"))
            for figure in chart(setup, store, f"table4-{key}", title, samples, key, words, lines)
        ],
    )


def _all_local(name: str, figure: str, saving: Sample | None) -> Elsewhere | None:
    """Return where else the paper has a figure of all tasks at home: where energy alone counts."""
    if saving is None or name != "local":
        return None
    where = "for the energy preference (Table V)"
    return Elsewhere(where, saving, reported("table5", "energy", figure))


def _reduction(mappo: Sample, unaware: Sample, figure: str, word: str) -> Line:
    """Return a reduction in per cent beside the abstract's."""
    paper = float(published()["abstract"][f"{word}_reduction_percent"])
    ours = 100.0 * (1.0 - mappo.mean(figure) / unaware.mean(figure))
    verdict, reason = REPRODUCED, ""
    if abs(ours - paper) > REDUCTION:
        verdict, reason = (
            NOT,
            (
                f"MAPPO takes {mappo.mean(figure):.4g} and semantic-unaware MAPPO "
                f"{unaware.mean(figure):.4g} here"
            ),
        )
    return Line(
        *("MAPPO", f"{word} saved, %", ours),
        paper=paper,
        difference=ours - paper,
        verdict=verdict,
        reason=reason,
    )


def preference(setup: Setup, name: str) -> Scenario:
    """Return the scenario of a preference of Table V."""
    weights = [float(weight) for weight in published()["table5"][name]["weights"]]
    return setup.scenario if name == "none" else setup.weighted(*weights)


def cells_of_table5(setup: Setup) -> list[Cell]:
    """Return the cells of Table V: MAPPO trained for each preference, and its optima."""
    return [
        *cell_list(
            *(
                setup.cells(method, preference(setup, name))
                for name in PREFERENCES
                for method in ("mappo", "exact", CERTIFIED)
            )
        )
    ]


def table5(setup: Setup, store: Store) -> View:
    """Return Table V: latency, energy and accuracy of MAPPO under preferences."""
    lines, means = [], dict[str, dict[str, Sample | None]]()
    for name in PREFERENCES:
        scenario = preference(setup, name)
        samples = samples_of(setup, store, ("mappo", "exact", CERTIFIED), scenario)
        means[name], weights = samples, published()["table5"][name]["weights"]
        others = [each for key, each in samples.items() if each and key != "mappo"]
        for method in ("mappo", CERTIFIED):
            for figure, weight in zip(TABLE5, weights, strict=True):
                each = samples[method]
                if each is None:
                    continue
                best = SERIES[method].optimum
                assumed = ranges(setup, best, () if name == "none" else tuple(weights))
                compared = Beside(each, samples.get(best), others, weight, assumed)
                paper = reported("table5", name, figure) if method == "mappo" else nan
                lines.append(line(f"{name}: {each.label}", figure, compared, paper))
    claims = [
        _preferred(means, "latency", "latency_ms", -1),
        _preferred(means, "energy", "energy_mj", -1),
        _preferred(means, "accuracy", "accuracy", 1),
    ]
    return View(
        "Table V: preferences",
        "MAPPO trained anew for each preference: its weight is 1, the others 0. A figure without "
        "weight is what decisions of equal QoE leave open.",
        lines,
        claims,
    )


def _preferred(
    means: dict[str, dict[str, Sample | None]], name: str, figure: str, sign: int
) -> Claim:
    """Return the claim that a preference has the best mean of what it prefers."""
    words = f"the {name} preference has the {'highest' if sign > 0 else 'lowest'} {name} of all"
    reached = {key: each for key, samples in means.items() if (each := samples["mappo"])}
    if len(reached) < len(PREFERENCES):
        return Claim(words, None, "cells are missing")
    listed = ", ".join(f"{key} {each.mean(figure):.4g}" for key, each in reached.items())
    holds = first(figure, reached, name, -sign)
    return Claim(words, holds, f"{FIGURE_LABELS[figure]}: {listed}", LEVEL_WITH)
