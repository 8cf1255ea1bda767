"""A report as one HTML page that needs no network, with its tables and figures as files beside."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from ..console import percent
from ..files import write_atomically

IMAGES = (".svg", ".png", ".pdf")  # endings
AXIS = {"labelFlush": False}  # of all charts: labels stand at their ticks, at the ends too
WIDTH, HEIGHT, SCALE = 560, 300, 2.0  # of figures as files: pixels, and how many of a PNG's to one


@dataclass(frozen=True)
class Table:
    """A table: names of columns, rows of words and numbers; `name` is that of its files.

    Numbers of the columns `shares` are shown in per cent; files have them as they are.
    """

    name: str
    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    shares: Sequence[str] = ()

    def csv(self) -> str:
        """Return the table as CSV."""
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([self.columns, *self.rows])
        return text.getvalue()

    def kinds(self) -> str:
        """Return "l" for each column of words, "r" for each of numbers, by the first row."""
        first = self.rows[0] if self.rows else self.columns
        return "".join("l" if isinstance(entry, str) else "r" for entry in first)

    def latex(self) -> str:
        """Return the table as LaTeX, for the package booktabs."""
        escapes = str.maketrans({mark: f"\\{mark}" for mark in "&%$#_{}"})

        def line(entries: Sequence[Any]) -> str:
            return " & ".join(shown(entry).translate(escapes) for entry in entries)

        lines = [rf"\begin{{tabular}}{{{self.kinds()}}}", r"\toprule", line(self.columns) + r" \\"]
        lines += [r"\midrule", *(line(row) + r" \\" for row in self.rows), r"\bottomrule"]
        return "\n".join([*lines, r"\end{tabular}", ""])


@dataclass(frozen=True)
class Figure:
    """A chart of Altair, and the sentence below it; `name` is that of its files.

    `command` makes it anew; that of the whole page unless given.
    """

    name: str
    title: str
    chart: Any
    sentence: str
    command: str = ""

    @property
    def spec(self) -> dict[str, Any]:
        """The chart in the words of Vega-Lite."""
        return dict(self.chart.to_dict())


@dataclass(frozen=True)
class Section:
    """A part of a page with its heading: a sentence, tables and figures, and what they show."""

    title: str
    summary: str
    tables: Sequence[Table]
    figures: Sequence[Figure]
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class Report:
    """What a page shows, from top to bottom.

    Attributes
    ----------
    command : that makes it anew
    notes : sentences: what is missing, what failed, what to beware of
    about : settings, versions, machine, as they stand in a file beside it
    sections : below tables and figures
    """

    title: str
    summary: str
    command: str
    tables: Sequence[Table]
    figures: Sequence[Figure]
    notes: Sequence[str] = ()
    about: dict[str, Any] = field(default_factory=dict)
    sections: Sequence[Section] = ()

    def every_table(self) -> list[Table]:
        """Return all tables of the page."""
        return [*self.tables, *(table for part in self.sections for table in part.tables)]

    def every_figure(self) -> list[Figure]:
        """Return all figures of the page."""
        return [*self.figures, *(figure for part in self.sections for figure in part.figures)]


def shown(value: Any, share: bool = False) -> str:
    """Return an entry of a table as people read it; a share is in per cent."""
    if value is None or value != value:
        return "–"
    if not isinstance(value, float):
        return str(value)
    if share:
        return percent(value)
    return f"{value:,.0f}" if abs(value) >= 1e4 else f"{value:.4g}"


def html(report: Report) -> str:
    """Return a report as one page that needs no network.

    Raises
    ------
    ValueError
        Where a package of the extra `plots` is missing.
    """
    return rendered(
        "page.html",
        report=report,
        specs={figure.name: figure.spec for figure in report.every_figure()},
        about=json.dumps(report.about, indent=2),
    )


def rendered(template: str, **values: Any) -> str:
    """Return a page of a template, which has the script that draws charts as `script`.

    Raises
    ------
    ValueError
        Where a package of the extra `plots` is missing.
    """
    check_packages()
    import vl_convert
    from jinja2 import Environment, PackageLoader

    environment = Environment(
        loader=PackageLoader("semopt.report"), autoescape=True, trim_blocks=True
    )
    environment.filters["shown"] = shown
    environment.globals["axis"] = AXIS
    script = vl_convert.javascript_bundle()  # type: ignore[call-arg]
    return environment.get_template(template).render(script=script, **values)


def pictures(figure: Figure) -> dict[str, str | bytes]:
    """Return a figure as the content of files, by suffix: of SVG, PNG and PDF.

    Raises
    ------
    ValueError
        Where a package of the extra `plots` is missing.
    """
    spec = {"height": HEIGHT} | figure.spec | {"width": WIDTH}
    return {suffix: image(spec, suffix) for suffix in IMAGES}


def image(spec: dict[str, Any], suffix: str) -> str | bytes:
    """Return a chart, in the words of Vega-Lite, as the content of a file of one of `IMAGES`.

    Raises
    ------
    ValueError
        Where a package of the extra `plots` is missing.
    """
    check_packages()
    import vl_convert

    svg = vl_convert.vegalite_to_svg(spec, config={"axis": AXIS})
    if suffix == ".svg":
        return svg
    return vl_convert.svg_to_pdf(svg) if suffix == ".pdf" else vl_convert.svg_to_png(svg, SCALE)


def write(report: Report, folder: Path) -> list[Path]:
    """Write `report.html`, `tables/` and `figures/` into a folder; return the files.

    Raises
    ------
    ValueError
        Where a package of the extra `plots` is missing, or a file cannot be written.
    """
    files: dict[Path, str | bytes] = {folder / "report.html": html(report)}
    for table in report.every_table():
        files[folder / "tables" / f"{table.name}.csv"] = table.csv()
        files[folder / "tables" / f"{table.name}.tex"] = table.latex()
    for figure in report.every_figure():
        for suffix, content in pictures(figure).items():
            files[folder / "figures" / f"{figure.name}{suffix}"] = content
    for path, content in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, content)
    return list(files)


def check_packages() -> None:
    """Raise ValueError where a package of the extra `plots` is missing."""
    for name in ("altair", "jinja2", "vl_convert"):
        try:
            import_module(name)
        except ImportError:
            raise ValueError(f"{name} is missing: pip install 'semopt[plots]'") from None
