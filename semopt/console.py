"""Where text is printed for people: what users wrote is shown as they wrote it.

A console of this module reads no markup and no emoji codes: a scenario named `sweep[lr=5e-4]` or
`[/best]` is printed so. Control characters, which a terminal would obey, are shown as escapes.
Styles are given by objects (`style=`, `rich.text.Text`), never inside of text.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from rich import box
from rich.console import Console as RichConsole
from rich.table import Table
from rich.text import Text

WIDTH = 80  # what every table fits: on less, a terminal wraps lines, and no figure is cut
# Of ASCII and ISO 8859-1, lines and paragraphs, directions of writing, halves of characters.
_CONTROL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]",
)


class Console(RichConsole):
    """A console that takes strings literally, and is at least `WIDTH` wide."""

    def __init__(self, stderr: bool = False) -> None:
        super().__init__(
            stderr=stderr,
            markup=False,
            emoji=False,
            highlight=False,
            _environ=sizes_in(os.environ),
        )
        if self.width < WIDTH:
            self.width = WIDTH

    def render_str(self, text: str, **options: Any) -> Text:
        """Return a string as the text that it is."""
        return super().render_str(visible(text), **options)


def sizes_in(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment without a COLUMNS or LINES that is no size: 0, say, or no number."""
    sizes = ("COLUMNS", "LINES")
    return {
        name: value
        for name, value in environment.items()
        if name not in sizes or (value.isascii() and value.isdigit() and 0 < int(value) < 10_000)
    }


def visible(text: str) -> str:
    """Return text with control characters as escapes; lines and tabs stay."""
    return _CONTROL.sub(lambda character: character[0].encode("unicode_escape").decode(), text)


def slim_table(title: str) -> Table:
    """Return an empty table without vertical rules: eleven columns fit eighty characters."""
    return Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=0)


def count(number: int | Decimal) -> str:
    """Return a count that may have hundreds of digits."""
    if number < 10**15:
        return f"{number:,}"
    return f"about {Decimal(number):.3g}"


def figure(value: float, decimals: int) -> str:
    """Return a figure with so many decimals; one of many digits in the short form."""
    return f"{value:.{decimals}f}" if abs(value) < 1e6 else f"{value:.4g}"
