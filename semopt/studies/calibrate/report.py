"""The page and the JSON of a calibration, made of the cells that are there, at any time."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from math import isfinite, isnan
from typing import TYPE_CHECKING, Any

import numpy as np

from ...report.charts import spreads
from ...report.page import Figure, Report, Section, Table
from ..cells import Store
from ..questions import command_of
from .spread import KEPT, MIXED

if TYPE_CHECKING:
    from .question import Explained, Question
    from .spread import Spread

WORDS = {
    "fixed": "fixed by the data",
    "narrowed": "narrowed",
    "one-sided": "one-sided",
    "free": "free",
}
NOT_MIXED = "not mixed"


def figure_rows(question: Question, known: Explained) -> Iterator[dict[str, Any]]:
    """Yield a row for each measured figure; what is not known is None."""
    ranges = quantiles(known, "predicted")
    for at, target in enumerate(question.targets):
        fitted = None if known.predicted is None else float(known.predicted[at])
        yield {
            "setting": target.setting,
            "figure": target.figure,
            "measured": target.value,
            "noise": target.noise,
            "before": float(known.predicted_before[at]),
            "fitted": fitted,
            "difference": None if fitted is None else fitted - target.value,
            "deviations": None if fitted is None else (fitted - target.value) / target.noise,
            "low": ranges[0][at],
            "high": ranges[1][at],
        }


def parameter_rows(question: Question, known: Explained) -> Iterator[dict[str, Any]]:
    """Yield a row for each parameter; what is not known is None."""
    prior = question.model.prior
    before = question.model.given()
    for at, key in enumerate(prior.keys):
        row: dict[str, Any] = {
            "parameter": key,
            "before": None if isnan(before[at]) else float(before[at]),
            "fitted": None if known.values is None else float(known.values[at]),
            **dict.fromkeys(("low", "median", "high", "contraction", "verdict")),
        }
        if known.spread and known.spread.mixed:
            judged, ends = known.spread.verdicts[at], prior.values(known.spread.ranges)[:, at]
            row |= dict(zip(("low", "median", "high"), ends.tolist(), strict=True))
            row |= {"contraction": judged.contraction, "verdict": judged.word}
        yield row


def qoe_rows(question: Question, known: Explained) -> Iterator[dict[str, Any]]:
    """Yield the QoE of each setting's optimum over the draws, and in how many it is the best.

    Of chains that have not mixed the mean alone is given.
    Only settings of the first one's weights can be compared.
    """
    if "qoe" not in known.draws:
        return
    settings = question.fit.targets["setting"]
    alike = [at for at, one in enumerate(settings) if one["weights"] == settings[0]["weights"]]
    qoe = known.draws["qoe"][:, alike]
    for column, at in enumerate(alike):
        others = np.delete(qoe, column, axis=1)
        low, high = np.quantile(qoe[:, column], [0.05, 0.95]).tolist()
        best = float((qoe[:, column] > others.max(axis=1)).mean()) if others.size else None
        yield {
            "setting": settings[at]["name"],
            "qoe": float(qoe[:, column].mean()),
            "low": low if known.mixed else None,
            "high": high if known.mixed else None,
            "best": best if known.mixed else None,
            "draws": len(qoe),
        }


def quantiles(known: Explained, name: str) -> Any:
    """Return 5% and 95% of the draws' figures, each (T,); None of each unless chains have mixed."""
    if name in known.draws and known.mixed:
        return np.quantile(known.draws[name], [0.05, 0.95], axis=0).tolist()
    return [[None] * len(known.predicted_before)] * 2


def summary(question: Question, known: Explained) -> str:
    """Say in a sentence or two how far the calibration is, and what it says."""
    starts, of = len(known.misfits), question.fit.starts
    words = [f"{starts} of {of} starts ended"]
    figures = len(question.targets)
    if starts:
        words.append(
            f"the best explains {figures} figures with a chi square of {known.misfit:.1f}, "
            f"where the scenario given has {known.misfit_before:.1f}"
        )
    if known.spread and known.spread.mixed:
        words.append(f"the data fix {known.spread.fixed} of {len(known.spread.left)} directions")
    elif known.spread:
        words.append(f"the chains have {NOT_MIXED}, and say nothing of what the data fix")
    return "; ".join(words) + "."


def notes(question: Question, known: Explained) -> Iterator[str]:
    """Yield what to beware of."""
    if len(known.misfits) < question.fit.starts:
        yield f"{question.fit.starts - len(known.misfits)} starts are not there yet."
    more, chains = f"--legs {2 * question.walk.legs} goes on from here", question.walk.chains
    if len(known.evidences) < chains or not known.spread:
        yield (
            f"{len(known.evidences)} of {chains} chains have come from the prior to where the "
            f"measurements count whole, and then need legs more: {more}."
        )
    if known.spread and not known.spread.mixed:
        more = "--chains 2 " * (chains < 2) + more
        yield (
            f"{_reason(question, known.spread)} There is no verdict, contraction or number of "
            f"directions, and draws are no posterior. {more}; more --walkers, --steps or --starts "
            "begin anew."
        )
    if known.evidences:
        each = " and ".join(f"{evidence:.1f}" for evidence in known.evidences)
        yield (
            f"Log evidence, by each of these chains: {each}. It compares two scenarios, or two "
            "readings of the same measurements with the same noise, where it differs by more than "
            "chains do."
        )


def _reason(question: Question, spread: Spread) -> str:
    """Say why chains do not count as mixed."""
    if isnan(spread.r_hat):
        return (
            "Nobody can tell whether the chains have mixed: two chains or more are needed, that "
            f"move, with {KEPT} ensembles each in the later half of their ladders' legs."
        )
    if spread.r_hat > MIXED:
        return f"R-hat is up to {spread.r_hat:.2f}, where {MIXED:g} counts as mixed."
    keys = [key for key, far in zip(question.model.prior.keys, spread.outside, strict=True) if far]
    return f"The fitted value of {', '.join(keys)} is outside of all that the chains sampled."


def page(question: Question, store: Store, known: Explained, about: dict[str, Any]) -> Report:
    """Return the page."""
    tables = [
        _table("figures", "Measured and explained", list(figure_rows(question, known))),
        _table("parameters", "Parameters", list(parameter_rows(question, known))),
    ]
    figures, sections = [], []
    if spread := known.spread:
        figures.append(_figure(question.model.prior.keys, spread))
    if spread and spread.mixed:
        left = [
            {"direction": at + 1, "variance left": v} for at, v in enumerate(spread.left.tolist())
        ]
        tables.append(_table("directions", "Directions: variance left of the prior's", left))
    drawn = "the posterior" if known.mixed else f"chains that have {NOT_MIXED}"
    if rows := list(qoe_rows(question, known)):
        tables.append(_table("qoe", f"QoE of the optima over draws of {drawn}", rows))
        draws = [
            dict(zip(question.model.prior.keys, values, strict=True))
            for values in known.draws["values"].tolist()
        ]
        table = _table("draws", f"Draws of {drawn}", draws)
        text = "What each draw is made of, a row a draw: tables/draws.csv holds the same."
        sections.append(Section("Draws", text, [table], []))
    fit, walk = question.fit, question.walk
    words = [*shlex.split(question.asked), "--starts", fit.starts]
    words += ["--evaluations", fit.evaluations, "--gains", fit.gains, "--chains", walk.chains]
    words += ["--legs", walk.legs, "--steps", walk.steps, "--walkers", walk.walkers]
    words += ["--draws", question.draws]
    return Report(
        "Calibration",
        summary(question, known),
        command_of(question.name, words, store.folder),
        tables,
        figures,
        list(notes(question, known)),
        about,
        sections,
    )


def _figure(keys: Sequence[str], spread: Spread) -> Figure:
    """Return the ranges of the parameters in the prior: of a posterior only where it is one."""
    words = [WORDS[one.word] for one in spread.verdicts] or [NOT_MIXED] * len(keys)
    ranges = [
        (key, low, median, high, word)
        for key, (low, median, high), word in zip(keys, spread.ranges.T, words, strict=True)
    ]
    title, sampled = "Posterior against prior", "the posterior"
    if not spread.mixed:
        title = "Where the chains have been, in the prior: not mixed, and no posterior"
        sampled = "what the chains sampled so far"
    return Figure(
        "spreads",
        title,
        spreads(ranges, "place in the prior: 0 its low end, 1 its high end"),
        f"Bars hold 90% of {sampled}, points are medians; a bar from 0.05 to 0.95 is the prior "
        "itself.",
    )


def document(question: Question, store: Store, known: Explained) -> dict[str, Any]:
    """Return the JSON; numbers that are not known are null."""
    best, spread = question.best(known), known.spread
    return {
        "schema": 1,
        "study": question.name,
        "starts": {"misfits": known.misfits, "of": question.fit.starts},
        "misfit": {
            "before": known.misfit_before,
            "fitted": known.misfit if known.misfits else None,
        },
        "figures": list(figure_rows(question, known)),
        "parameters": list(parameter_rows(question, known)),
        "directions": {
            "fixed": spread.fixed if spread and known.mixed else None,
            "variance_left": spread.left.tolist() if spread and known.mixed else None,
            "r_hat": spread.r_hat if spread and isfinite(spread.r_hat) else None,
        },
        "log_evidence": known.evidences,
        "qoe": list(qoe_rows(question, known)),
        "draws": known.draws["values"].tolist() if known.draws else [],
        "scenario": None if best is None else best.to_dict(),
    }


def _table(name: str, title: str, rows: list[dict[str, Any]]) -> Table:
    return Table(name, title, list(rows[0]), [list(row.values()) for row in rows])
