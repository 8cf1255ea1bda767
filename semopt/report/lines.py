"""Single lines for people: what was written, what is worth a note, what went wrong."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..result import Status

CLOSE = 1e-4  # of its value, which a proven optimum may miss of its bound without a word
LONGEST = 200  # characters of a word in a message


class Verbosity:
    """What a command shows besides its answer and its faults: see --quiet and --verbose."""

    quiet: bool = False


def ended(status: Status, value: float, bound: float) -> str:
    """Return how a search ended: of a wide gap, that the decision is no more than within it.

    Parameters
    ----------
    value, bound : of the decision, and what is proven
    """
    if status.word == "optimal" and bound - value > CLOSE * abs(value):
        return f"optimal: within the gap that is allowed, {bound - value:.3g} below the bound"
    return f"{status.word}: {status.sentence}"


def short(names: Sequence[str]) -> dict[str, str]:
    """Return what people read of methods: of file.py:function, the function where one has it."""
    last = {name: name.rpartition(":")[2] for name in names}
    return {
        name: word if list(last.values()).count(word) == 1 else name for name, word in last.items()
    }


def by_reason(reasons: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return names in words by the reason that they share, of names and reasons; "" is none."""
    names = dict[str, dict[str, None]]()
    for name, why in reasons:
        if why:
            names.setdefault(why, {})[name] = None
    return {why: ", ".join(each) for why, each in names.items()}


def print_line(text: str) -> None:
    """Print a line on standard output."""
    from ..console import visible

    print(visible(text), flush=True)


def print_written(file: str | Path) -> None:
    """Print which file was written."""
    print_line(f"wrote {file}")


def print_text(text: str) -> None:
    """Print sentences on standard output, wrapped to the terminal."""
    from ..console import Console

    Console().print(text)


def print_names(sentences: Mapping[str, str]) -> None:
    """Print names and the sentence of each, in two columns."""
    width = max(map(len, sentences), default=0)
    for name, sentence in sentences.items():
        print_line(f"{name:{width}}  {sentence}")


def print_message(message: str) -> None:
    """Print a message on standard error, if there is one."""
    from ..console import visible

    if message and sys.stderr is not None:
        print(visible(with_short_words(message)), file=sys.stderr, flush=True)


def print_note(note: str) -> None:
    """Print a note on standard error, unless notes are not wanted."""
    if not Verbosity.quiet:
        print_message(f"note: {note}")


def with_short_words(message: str) -> str:
    """Return a message in which no word is longer than people read."""
    half = LONGEST // 2
    return re.sub(
        rf"\S{{{LONGEST + 1},}}",
        lambda word: f"{word[0][:half]}...{word[0][-half:]} ({len(word[0])} characters)",
        message,
    )
