"""Where text is printed for people: what users wrote is shown as they wrote it.

Tables are `Sheet`s: where one has no room for its figures, each row becomes a block of lines.

A console of this module reads no markup and no emoji codes: a scenario named `sweep[lr=5e-4]` or
`[/best]` is printed so. Control characters, which a terminal would obey, are shown as escapes.
Styles are given by objects (`style=`, `rich.text.Text`), never inside of text.
"""

from __future__ import annotations

import codecs
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from decimal import Decimal
from io import TextIOWrapper
from typing import Any

from rich import box
from rich.cells import cell_len
from rich.console import Console as RichConsole
from rich.console import ConsoleOptions, RenderResult
from rich.containers import Lines
from rich.measure import Measurement
from rich.table import Column, Table
from rich.text import Text

WIDTH = 80  # columns of a terminal whose width is not known
NARROWEST = 24  # columns: on less, the terminal wraps lines
NAME = 12  # columns that a name is folded to before a table becomes blocks
# Of ASCII and ISO 8859-1, lines and paragraphs, directions of writing, halves of characters.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
# Parts of a word, each with its last sign: of paths and lists, and the parts of these.
_PIECES = [re.compile(rf"[^{signs}]*[{signs}]+|[^{signs}]+") for signs in ("/:,", "/_.:,=-")]
# What stands for signs that an encoding lacks: levels from empty to full, lines, words for letters.
PLAIN = str.maketrans("▁▂▃▄▅▆▇█•·×–—−─━’“”", '.:-=+*%#*.x-----\'""') | str.maketrans(
    {"≤": "<=", "≥": ">=", "…": "...", "→": "->", "²": "^2", "³": "^3", "Σ": "sum"}
    | {"α": "alpha", "β": "beta", "ε": "epsilon", "η": "eta", "κ": "kappa", "λ": "lambda"}
    | {"μ": "mu", "µ": "u", "π": "pi", "ρ": "rho", "σ": "sigma", "τ": "tau", "ω": "omega"}
)


_collected: ContextVar[list[Any] | None] = ContextVar("collected", default=None)


class Console(RichConsole):
    """A console that takes strings literally, and is at least `NARROWEST` wide."""

    def __init__(self, **options: Any) -> None:
        super().__init__(
            markup=False, emoji=False, highlight=False, _environ=sizes_in(os.environ), **options
        )
        if self.width < NARROWEST:
            self.width = NARROWEST

    def print(self, *objects: Any, **options: Any) -> None:
        """Print objects, or give them to who collects them."""
        parts = _collected.get()
        if parts is None:
            super().print(*objects, **options)
        else:
            parts.extend(objects)

    def render_str(
        self, text: str, *, style: Any = "", justify: Any = None, overflow: Any = None, **_: Any
    ) -> Text:
        """Return a string as the text that it is."""
        return Words(visible(text), style=style, justify=justify, overflow=overflow)


class Words(Text):
    """Text whose long words, such as names of files, go on in the next line after a sign."""

    def wrap(
        self, console: RichConsole, width: int, *, no_wrap: bool | None = None, **options: Any
    ) -> Lines:
        """Return the lines of so many columns; a word without a sign is cut where they end."""
        parts = self.plain if no_wrap or self.spans else parted(self.plain, width)
        whole = Text(parts, self.style, justify=self.justify, overflow=self.overflow)
        whole.spans = self.spans
        return whole.wrap(console, width, no_wrap=no_wrap, **options)


def parted(text: str, width: int) -> str:
    """Return text in which words that are longer than a line are parted after signs."""

    def lines(word: re.Match[str]) -> str:
        parts = [word[0]]
        for pieces in _PIECES:
            parts = [line for part in parts for line in filled(pieces.findall(part), width)]
        return "\n".join(parts)

    return re.sub(r"\S+", lines, text)


def filled(pieces: Sequence[str], width: int) -> list[str]:
    """Return lines of at most so many columns made of pieces, none of which is cut."""
    lines = [""]
    for piece in pieces:
        if lines[-1] and cell_len(lines[-1] + piece) > width:
            lines.append("")
        lines[-1] += piece
    return lines


def sizes_in(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment without a COLUMNS or LINES that is no size: 0, say, or no number."""
    sizes = ("COLUMNS", "LINES")
    return {
        name: value
        for name, value in environment.items()
        if name not in sizes or (value.isascii() and value.isdigit() and 0 < int(value) < 10_000)
    }


def write_plain(stream: TextIOWrapper) -> None:
    """Let a stream write what its encoding lacks in plain signs, or else as "?"."""

    def plain(error: UnicodeError) -> tuple[str, int]:
        if not isinstance(error, UnicodeEncodeError):
            raise error
        signs = error.object[error.start : error.end].translate(PLAIN)
        return signs.encode("ascii", "replace").decode(), error.end

    codecs.register_error("semopt.plain", plain)
    stream.reconfigure(errors="semopt.plain")


def visible(text: str) -> str:
    """Return text with control characters as escapes; lines and tabs stay."""
    return _CONTROL.sub(lambda character: character[0].encode("unicode_escape").decode(), text)


def collected(show: Callable[[], None]) -> list[Any]:
    """Return what a function would print on consoles: texts and tables."""
    parts: list[Any] = []
    token = _collected.set(parts)
    try:
        show()
    finally:
        _collected.reset(token)
    return parts


class Sheet(Table):
    """A table whose figures are never cut: without room for them each row becomes a block."""

    def __rich_console__(self, console: RichConsole, options: ConsoleOptions) -> RenderResult:
        """Yield the table, or its blocks."""
        if self.needed(console, options) <= options.max_width:
            yield from super().__rich_console__(console, options)
        else:
            yield from self.blocks(console, options.max_width)

    def needed(self, console: RichConsole, options: ConsoleOptions) -> int:
        """Return the least width at which no figure is cut; names may be folded, words wrapped."""
        whole = Measurement.get(console, options.update(max_width=10_000), self).maximum
        for column in self.columns:
            if not column.no_wrap:
                width = max(map(cell_len, self.lines_of(console, column)), default=0)
                whole -= max(width - NAME, 0)
        return whole

    def lines_of(self, console: RichConsole, column: Column) -> Iterator[str]:
        """Yield the lines of a column, its heading's too."""
        for entry in (column.header, *column.cells):
            yield from str(console.render_str(entry) if isinstance(entry, str) else entry).split(
                "\n"
            )

    def rows_of_text(self) -> Iterator[list[str]]:
        """Yield the entries of each row."""
        yield from (
            list(map(str, row)) for row in zip(*(c.cells for c in self.columns), strict=True)
        )

    def headings(self) -> list[str]:
        """Return the headings, each in one line; a part of a word goes on without its hyphen."""
        return [" ".join(str(c.header).replace("-\n", "").split()) for c in self.columns]

    def blocks(self, console: RichConsole, width: int) -> Iterator[Text]:
        """Yield the lines of one block a row: a line a figure, empty ones left out.

        Cells without a heading stand in the first line of their block.
        """
        headings = self.headings()
        title = str(self.title or "") or ("" if any(headings[1:]) else headings[0])
        if title:
            yield Text(visible(title), style="bold")
        labels = [heading for heading in headings if heading and heading != title]
        indent = max((len(label) for label in labels if len(label) <= width // 2), default=0)
        for row in self.rows_of_text():
            entries = [(h, entry) for h, entry in zip(headings, row, strict=True) if entry.strip()]
            plain = [entry for heading, entry in entries if heading not in labels]
            if labels:
                yield Text("")
            if plain:
                yield from hanging(console, "", "  ".join(plain), width)
            for heading, entry in entries:
                if heading in labels:
                    yield from hanging(console, f"{heading:{indent}}  ", entry, width)
        if labels:
            yield Text("")


def hanging(console: RichConsole, label: str, words: str, width: int) -> Iterator[Text]:
    """Yield words behind a label and below each other; below the label where that is long."""
    indent = len(label) if label and width - len(label) >= NAME else 2
    first = True
    if label and indent < len(label):
        yield Text(label.rstrip())
        first, label = False, " " * indent
    for line in Words(visible(words)).wrap(console, width - indent):
        yield Text((label if first else " " * indent) + line.plain.rstrip(), overflow="fold")
        first = False


def slim_table(title: str) -> Sheet:
    """Return an empty table without vertical rules: eleven columns fit eighty characters."""
    return Sheet(title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=0)


def count(number: int | Decimal) -> str:
    """Return a count that may have hundreds of digits."""
    if number < 10**15:
        return f"{number:,}"
    return f"about {Decimal(number):.3g}"


def percent(share: float, decimals: int = 1) -> str:
    """Return a share in per cent: 0% and 100% are said of nothing and of all alone."""
    words = f"{share:.{decimals}%}"
    step = 10.0**-decimals
    if 0.0 < share < 1.0 and words == f"{0:.{decimals}%}":
        return f"<{step:.{decimals}f}%"
    if 0.0 < share < 1.0 and words == f"{1:.{decimals}%}":
        return f">{100 - step:.{decimals}f}%"
    return words


def figure(value: float, decimals: int) -> str:
    """Return a figure with so many decimals; one of many digits in the short form."""
    return f"{value:.{decimals}f}" if abs(value) < 1e6 else f"{value:.4g}"


def in_four_digits(value: float) -> str:
    """Return a number in four digits at most: 9999, 12k, 3000k."""
    return f"{value:.0f}" if value < 9999.5 else f"{value / 1e3:.0f}k"
