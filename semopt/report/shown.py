"""An object as `print` and as a notebook show it: what its command prints, as text or HTML."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from html import escape
from io import StringIO
from typing import Any

from ..console import Console, Sheet, collected, visible

RIGHT = ' style="text-align: right"'
LEFT = ' style="text-align: left"'


def text(show: Callable[[], None]) -> str:
    """Return what a function prints, for the width of the terminal, without colour."""
    console = Console(file=StringIO(), color_system=None)
    for part in collected(show):
        console.print(part)
    written: Any = console.file
    lines = [line.rstrip() for line in written.getvalue().splitlines()]
    return "\n".join(lines).strip("\n")


def html(show: Callable[[], None]) -> str:
    """Return what a function prints as HTML, whose colours are those of the page around it."""
    return "\n".join(
        "\n".join(table(part)) if isinstance(part, Sheet) else f"<p>{escaped(part)}</p>"
        for part in collected(show)
    )


def table(sheet: Sheet) -> Iterator[str]:
    """Yield the lines of a table in HTML."""
    sides = [RIGHT if column.justify == "right" else LEFT for column in sheet.columns]
    yield "<table>"
    if sheet.title:
        yield f"<caption{LEFT}>{escaped(sheet.title)}</caption>"
    yield "<thead>" + row("th", sheet.headings(), sides) + "</thead><tbody>"
    for cells in sheet.rows_of_text():
        yield row("td", cells, sides)
    yield "</tbody></table>"


def row(cell: str, words: list[str], sides: list[str]) -> str:
    """Return a row of cells of one kind."""
    parts = [f"<{cell}{side}>{escaped(w)}</{cell}>" for w, side in zip(words, sides, strict=True)]
    return f"<tr>{''.join(parts)}</tr>"


def escaped(part: Any) -> str:
    """Return text as HTML shows it: neither markup nor control characters are obeyed."""
    return escape(visible(str(part))).replace("\n", "<br/>")
