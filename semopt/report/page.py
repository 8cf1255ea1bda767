"""A report as one HTML page that needs no network, with its tables and figures as files beside."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import import_module
from math import floor, isnan, log10, nan
from pathlib import Path
from textwrap import wrap
from typing import Any

from ..console import percent
from ..files import write_atomically

IMAGES = (".svg", ".png", ".pdf")  # endings
AXIS = {"labelFlush": False}  # of all charts: labels stand at their ticks, at the ends too
WIDTH, HEIGHT, SCALE = 560, 300, 2.0  # of figures as files: pixels, and how many of a PNG's to one
LETTER, SMALL = 7, 6  # pixels of a letter of their titles, and of the notes below these, about
DIGITS, DECIMALS = 4, 6  # significant digits of a number in a table, and decimals, at most
TEX = str.maketrans(
    {mark: f"\\{mark}" for mark in "&%$#_{}"}
    | {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    | {"–": "--", "<": "$<$", ">": "$>$"}
)


@dataclass(frozen=True)
class Estimate:
    """A mean with its 95% interval, an entry of a table; NaN where there is none.

    `lacks` says what is to be known of it, such as that part of what it rests on failed.
    """

    mean: float = nan
    low: float = nan
    high: float = nan
    lacks: str = ""


@dataclass(frozen=True)
class Table:
    """A table: names of columns, rows of words and numbers; `name` is that of its files.

    Numbers of the columns `shares` are shown in per cent; files have them as they are. Who has the
    LaTeX alone reads its title and `comments` there: what stands in brackets, say.
    """

    name: str
    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    shares: Sequence[str] = ()
    comments: Sequence[str] = ()

    def csv(self) -> str:
        """Return the table as CSV, which has the ends of intervals in columns of their own."""
        columns = []
        for name, entries in zip(self.columns, self.by_column(), strict=True):
            columns.append([name, *map(central, entries)])
            if any(isinstance(entry, Estimate) for entry in entries):
                for end, words in (("low", "95% from"), ("high", "to")):
                    ends = (getattr(entry, end, None) for entry in entries)
                    columns.append([f"{name}, {words}", *(None if x != x else x for x in ends)])
                lacks = [getattr(entry, "lacks", "") for entry in entries]
                columns += [[f"{name}, lacks", *lacks]] if any(lacks) else []
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(zip(*columns, strict=True))
        return text.getvalue()

    def by_column(self) -> list[list[Any]]:
        """Return the entries of each column."""
        return [[row[place] for row in self.rows] for place in range(len(self.columns))]

    def kinds(self) -> str:
        """Return "l" for each column of words, "r" for each that has numbers."""
        return "".join(
            "r"
            if any(map(number, entries)) or not any(isinstance(x, str) for x in entries)
            else "l"
            for entries in self.by_column()
        )

    def texts(self) -> list[list[str]]:
        """Return the entries of each row as people read them: a column's in the same decimals."""
        columns = [
            texts_of(entries, name in self.shares)
            for name, entries in zip(self.columns, self.by_column(), strict=True)
        ]
        return [list(row) for row in zip(*columns, strict=True)]

    def lines(self) -> list[tuple[Sequence[Any], list[str]]]:
        """Return the rows, each with its entries as people read them."""
        return list(zip(self.rows, self.texts(), strict=True))

    def latex(self) -> str:
        """Return the table as LaTeX, for the package booktabs, its title and comments as such."""

        def line(entries: Sequence[str]) -> str:
            return " & ".join(entry.translate(TEX) for entry in entries) + r" \\"

        above = [f"% {' '.join(words.split())}" for words in (self.title, *self.comments)]
        lines = [*above, rf"\begin{{tabular}}{{{self.kinds()}}}", r"\toprule"]
        lines += [line(self.columns), r"\midrule", *map(line, self.texts()), r"\bottomrule"]
        return "\n".join([*lines, r"\end{tabular}", ""])


@dataclass(frozen=True)
class Figure:
    """A chart of Altair, and the sentence below it; `name` is that of its files.

    `command` makes it anew; that of the whole page unless given. Who has its file alone reads its
    title and `notes`: what is not drawn, say, and why.
    """

    name: str
    title: str
    chart: Any
    sentence: str
    command: str = ""
    notes: Sequence[str] = ()

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


def central(entry: Any) -> Any:
    """Return an entry of a table as it is sorted and computed with: of an estimate its mean."""
    value = entry.mean if isinstance(entry, Estimate) else entry
    return None if value != value else value


def number(entry: Any) -> bool:
    """Tell whether an entry of a table is a number, or an estimate of one."""
    return isinstance(entry, int | float | Estimate)


def texts_of(entries: Sequence[Any], share: bool = False) -> list[str]:
    """Return the entries of a column as people read them; shares are in per cent."""
    values = [value for value in map(central, entries) if isinstance(value, float)]
    written = (f"{value:.{DIGITS}g}" for value in values)
    decimals = max((len(w.partition(".")[2]) for w in written if "e" not in w), default=0)
    if any(isinstance(entry, Estimate) for entry in entries):
        decimals = DECIMALS
    return [shown(entry, share, min(decimals, DECIMALS)) for entry in entries]


def shown(entry: Any, share: bool = False, decimals: int = DECIMALS) -> str:
    """Return an entry with so many decimals, or fewer: four significant digits of a number."""
    value, lacks = central(entry), entry.lacks if isinstance(entry, Estimate) else ""
    if value is None:
        return lacks or "–"
    if not isinstance(value, float):
        return str(value)
    parts = [value]
    if isinstance(entry, Estimate) and not isnan(entry.low):
        parts += [entry.low, entry.high]
    mean, *ends = (percent(x) if share else digits(x, value, decimals) for x in parts)
    written = f"{mean} ({'–'.join(ends)})" if ends else mean
    return f"{written}; {lacks}" if lacks else written


def digits(value: float, like: float, decimals: int) -> str:
    """Return a number with the decimals of one like it: `decimals`, or fewer where it is large."""
    if abs(like) >= 1e4:
        return f"{value:,.0f}"
    if like and abs(like) < 10.0**-decimals:
        return f"{value:.{DIGITS}g}"
    most = DIGITS - 1 - floor(log10(abs(like))) if like else DIGITS
    return f"{value:.{max(min(most, decimals), 0)}f}"


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
    environment.filters["central"] = central
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
    title = {
        "text": wrap(figure.title, WIDTH // LETTER),
        "subtitle": [line for note in figure.notes for line in wrap(note, WIDTH // SMALL)],
        "anchor": "start",
        "frame": "group",
        "offset": 12,
    }
    spec = {"height": HEIGHT, "title": title} | figure.spec | {"width": WIDTH}
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
