"""A report as one HTML page that needs no network, with its tables and figures as files beside."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..files import write_atomically

WIDTH, HEIGHT, SCALE = 560, 300, 2.0  # of figures as files: pixels, and how many of a PNG's to one


@dataclass(frozen=True)
class Table:
    """A table: names of columns, rows of words and numbers; `name` is that of its files."""

    name: str
    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]

    def csv(self) -> str:
        """Return the table as CSV."""
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([self.columns, *self.rows])
        return text.getvalue()

    def latex(self) -> str:
        """Return the table as LaTeX, for the package booktabs."""
        escapes = str.maketrans({mark: f"\\{mark}" for mark in "&%$#_{}"})

        def line(cells: Sequence[Any]) -> str:
            return " & ".join(shown(cell).translate(escapes) for cell in cells)

        kinds = "".join("l" if isinstance(cell, str) else "r" for cell in self.rows[0])
        lines = [rf"\begin{{tabular}}{{{kinds}}}", r"\toprule", line(self.columns) + r" \\"]
        lines += [r"\midrule", *(line(row) + r" \\" for row in self.rows), r"\bottomrule"]
        return "\n".join([*lines, r"\end{tabular}", ""])


@dataclass(frozen=True)
class Figure:
    """A Vega-Lite specification, and the sentence below it; `name` is that of its files."""

    name: str
    title: str
    spec: dict[str, Any]
    sentence: str


@dataclass(frozen=True)
class Report:
    """What a page shows, from top to bottom.

    Attributes
    ----------
    command : that makes it anew
    notes : sentences: what is missing, what failed, what to beware of
    about : settings, versions, machine, as they stand in a file beside it
    """

    title: str
    summary: str
    command: str
    tables: Sequence[Table]
    figures: Sequence[Figure]
    notes: Sequence[str] = ()
    about: dict[str, Any] = field(default_factory=dict)


def shown(value: Any) -> str:
    """Return a cell of a table as people read it."""
    if value is None or value != value:
        return "–"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def write(report: Report, folder: Path) -> list[Path]:
    """Write `report.html`, `tables/` and `figures/` into a folder; return the files.

    Raises
    ------
    ValueError
        Where a package of the extra `study` is missing, or a file cannot be written.
    """
    try:
        import vl_convert
        from jinja2 import Environment, PackageLoader
    except ImportError as error:
        raise ValueError(f"{error.name} is missing: pip install 'semopt[study]'") from None
    files = {folder / "tables" / f"{t.name}.csv": t.csv() for t in report.tables}
    files |= {folder / "tables" / f"{t.name}.tex": t.latex() for t in report.tables}
    pictures: dict[Path, str | bytes] = {}
    for figure in report.figures:
        text = json.dumps(figure.spec | {"width": WIDTH, "height": HEIGHT})
        to = folder / "figures" / figure.name
        pictures[to.with_suffix(".svg")] = vl_convert.vegalite_to_svg(text)
        pictures[to.with_suffix(".png")] = vl_convert.vegalite_to_png(text, scale=SCALE)
        pictures[to.with_suffix(".pdf")] = vl_convert.vegalite_to_pdf(text)
    environment = Environment(
        loader=PackageLoader("semopt.report"), autoescape=True, trim_blocks=True
    )
    environment.filters["shown"] = shown
    page = environment.get_template("page.html").render(
        report=report,
        specs={figure.name: figure.spec for figure in report.figures},
        about=json.dumps(report.about, indent=2),
        script=vl_convert.javascript_bundle() if report.figures else "",  # type: ignore[call-arg]
    )
    for path, content in {folder / "report.html": page, **files, **pictures}.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, content)
    return [folder / "report.html", *files, *pictures]
