"""The page and the JSON of a calibration, made of the cells that are there, at any time."""

from __future__ import annotations

from collections.abc import Iterator
from math import isnan
from typing import TYPE_CHECKING, Any

import numpy as np

from ...report.charts import spreads
from ...report.page import Figure, Report, Table
from ..cells import Store
from .spread import MIXED

if TYPE_CHECKING:
    from .question import Explained, Question

WORDS = {
    "fixed": "fixed by the data",
    "narrowed": "narrowed",
    "one-sided": "one-sided",
    "free": "free",
}


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
        if known.verdicts:
            judged = known.verdicts[at]
            for end in ("low", "median", "high"):
                places = np.full(len(prior.keys), getattr(judged, end))
                row[end] = float(prior.values(places)[at])
            row |= {"contraction": judged.contraction, "verdict": judged.word}
        yield row


def qoe_rows(question: Question, known: Explained) -> Iterator[dict[str, Any]]:
    """Yield the QoE of each setting's optimum over the draws, and in how many it is the best.

    Only settings of the first one's weights can be compared.
    """
    if "qoe" not in known.draws:
        return
    settings = question.fit.targets["setting"]
    alike = [at for at, one in enumerate(settings) if one["weights"] == settings[0]["weights"]]
    qoe = known.draws["qoe"][:, alike]
    for column, at in enumerate(alike):
        others = np.delete(qoe, column, axis=1)
        ends = np.quantile(qoe[:, column], [0.05, 0.95])
        yield {
            "setting": settings[at]["name"],
            "qoe": float(qoe[:, column].mean()),
            "low": float(ends[0]),
            "high": float(ends[1]),
            "best": float((qoe[:, column] > others.max(axis=1)).mean()) if others.size else None,
            "draws": len(qoe),
        }


def quantiles(known: Explained, name: str) -> Any:
    """Return 5% and 95% of the draws' figures, each (T,); None of each where there are no draws."""
    if name in known.draws:
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
    if known.verdicts:
        mixed = "" if known.mixed <= MIXED else "at most "
        words.append(f"the data fix {mixed}{known.fixed} of {len(known.left)} directions")
    return "; ".join(words) + "."


def notes(question: Question, known: Explained) -> Iterator[str]:
    """Yield what to beware of."""
    if len(known.misfits) < question.fit.starts:
        yield f"{question.fit.starts - len(known.misfits)} starts are not there yet."
    if not known.verdicts:
        yield "No chain has come to its later half yet: there is no spread."
    elif isnan(known.mixed):
        yield "The chains are too short to tell whether they have mixed."
    elif known.mixed > MIXED:
        yield (
            f"R-hat is up to {known.mixed:.2f}: the chains have not mixed, so that contractions "
            "are upper bounds, and what is called fixed may be free. More steps help."
        )


def page(question: Question, store: Store, known: Explained, about: dict[str, Any]) -> Report:
    """Return the page."""
    tables = [
        _table("figures", "Measured and explained", list(figure_rows(question, known))),
        _table("parameters", "Parameters", list(parameter_rows(question, known))),
    ]
    figures = []
    if known.verdicts:
        left = [{"direction": at + 1, "variance left": float(v)} for at, v in enumerate(known.left)]
        tables.append(_table("directions", "Directions: variance left of the prior's", left))
        keys = question.model.prior.keys
        figures.append(
            Figure(
                "spreads",
                "Posterior against prior",
                spreads(
                    [
                        (key, one.low, one.median, one.high, WORDS[one.word])
                        for key, one in zip(keys, known.verdicts, strict=True)
                    ],
                    "place in the prior: 0 its low end, 1 its high end",
                ),
                "Bars hold 90% of the posterior, points are medians; a bar from 0.05 to 0.95 is "
                "the prior itself.",
            )
        )
    if rows := list(qoe_rows(question, known)):
        tables.append(_table("qoe", "QoE of the optima over draws of the posterior", rows))
        draws = [
            dict(zip(question.model.prior.keys, values, strict=True))
            for values in known.draws["values"].tolist()
        ]
        tables.append(_table("draws", "Draws of the posterior", draws))
    fit, walk = question.fit, question.walk
    command = (
        f"python -m semopt study calibrate --starts {fit.starts} --evaluations {fit.evaluations} "
        f"--gains {fit.gains} --chains {walk.chains} --legs {walk.legs} --steps {walk.steps} "
        f"--out {store.folder.name}"
    )
    return Report(
        "Calibration",
        summary(question, known),
        command,
        tables,
        figures,
        list(notes(question, known)),
        about,
    )


def document(question: Question, store: Store, known: Explained) -> dict[str, Any]:
    """Return the JSON; numbers that are not known are null."""
    best = question.best(known)
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
            "fixed": known.fixed if known.verdicts else None,
            "variance_left": known.left.tolist(),
            "r_hat": None if isnan(known.mixed) else known.mixed,
        },
        "qoe": list(qoe_rows(question, known)),
        "draws": known.draws["values"].tolist() if known.draws else [],
        "scenario": None if best is None else best.to_dict(),
    }


def _table(name: str, title: str, rows: list[dict[str, Any]]) -> Table:
    return Table(name, title, list(rows[0]), [list(row.values()) for row in rows])
