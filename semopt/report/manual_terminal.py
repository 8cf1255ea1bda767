"""The pages of the manual on a terminal: within its width, colours and characters."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from rich import markdown
from rich.cells import cell_len
from rich.console import Console as RichConsole
from rich.console import ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.padding import Padding
from rich.syntax import Syntax
from rich.text import Text

from ..console import PLAIN, WIDTH, Console, Sheet, slim_table
from .manual import PAGES, Page, read

if TYPE_CHECKING:
    from markdown_it.token import Token

INDENT = 2  # columns before code, where there is room
LINK = re.compile(r"\[([^\]]*)\]\((\w[\w-]*)\.md(?:#[\w-]*)?\)")  # [words](page.md#heading)
TITLE = re.compile(r'title="(.*?)"')


class Heading(markdown.Heading):
    """A heading, at the left."""

    def __rich_console__(self, console: RichConsole, options: ConsoleOptions) -> RenderResult:
        """Yield the words, set apart from what comes before."""
        if self.tag != "h1":
            yield Text("")
        yield Text(self.text.plain, style="bold underline" if self.tag == "h1" else "bold")


class CodeBlock(markdown.CodeBlock):
    """A block of code in the colours of the terminal; the name of its file stands above it."""

    title: str = ""

    @classmethod
    def create(cls, page: markdown.Markdown, token: Token) -> CodeBlock:
        """Return the block of a fence."""
        block = cls((token.info or "text").split()[0], page.code_theme)
        named = TITLE.search(token.info or "")
        block.title = named[1] if named else ""
        return block

    def __rich_console__(self, console: RichConsole, options: ConsoleOptions) -> RenderResult:
        """Yield the name of the file and the lines."""
        text = str(self.text).rstrip()
        free = options.max_width - max(map(cell_len, text.splitlines()), default=0)
        code = Syntax(
            text,
            self.lexer_name,
            theme="ansi_dark",
            background_color="default",
            word_wrap=True,
        )
        if self.title:
            yield Text(f"{self.title}:", style="italic")
        yield Padding(code, (0, 0, 0, min(max(free, 0), INDENT)))


class Table(markdown.TableElement):
    """A table that breaks lines between words; where these have no room, its rows become blocks."""

    def __rich_console__(self, console: RichConsole, options: ConsoleOptions) -> RenderResult:
        """Yield the table, or its blocks."""
        if not (self.header and self.header.row and self.body):
            return
        heads, *rows = (
            [cell.content for cell in row.cells] for row in (self.header.row, *self.body.rows)
        )
        table = slim_table("")
        table.padding = (0, 1)
        for head in heads:
            table.add_column(head, justify=head.justify or "left")
        for row in rows:
            table.add_row(*row)
        columns = [[text.plain for text in column] for column in zip(heads, *rows, strict=True)]
        whole = [max(map(cell_len, column)) for column in columns]
        words = [max(map(cell_len, " ".join(column).split()), default=0) for column in columns]
        wide = options.update(max_width=sum(whole) + WIDTH)
        room = options.max_width - (Measurement.get(console, wide, table).maximum - sum(whole))
        if sum(words) > room:
            yield from table.blocks(console, options.max_width)
        else:
            for column, width in zip(table.columns, widths(whole, words, room), strict=True):
                column.width = width
            yield table


def widths(whole: Sequence[int], words: Sequence[int], room: int) -> list[int]:
    """Return widths of columns that fit: the broad ones are narrowed, to their words at most."""
    for most in range(max(whole), 0, -1):
        chosen = [max(word, min(most, line)) for line, word in zip(whole, words, strict=True)]
        if sum(chosen) <= room:
            return chosen
    return list(words)


class Shown(markdown.Markdown):
    """A page as a terminal shows it; without colours, code in sentences keeps its marks."""

    elements: ClassVar[dict[str, type[markdown.MarkdownElement]]] = {
        **markdown.Markdown.elements,
        "heading_open": Heading,
        "fence": CodeBlock,
        "code_block": CodeBlock,
        "table_open": Table,
    }

    def __init__(self, text: str, coloured: bool) -> None:
        super().__init__(LINK.sub(r"\1 (`semopt manual \2`)", text), hyperlinks=False)
        for token in self.parsed:
            for part in token.children or ():
                if part.type == "code_inline" and not coloured:
                    part.content = f"`{part.content}`"


def print_topics() -> None:
    """Print the pages in their order, with what one learns from each."""
    table = Sheet(box=None, show_header=False, padding=(0, 1), pad_edge=False)
    table.add_column("topic", no_wrap=True, style="bold")
    table.add_column("what it says")
    for name in PAGES:
        table.add_row(name, read(name).sentence)
    console = Console()
    console.print(table)
    console.print("")
    console.print("`semopt manual TOPIC` shows a page, `semopt manual --html DIR` writes a site.")


def show(page: Page) -> None:
    """Show a page: in a pager where a person reads it on a terminal that it does not fit."""
    console = Console()
    with console.capture() as written:
        console.print(Shown(page.text, coloured=console.color_system is not None))
    lines = [line.rstrip() for line in written.get().splitlines()]
    shown = "\n".join(lines).strip("\n") + "\n"
    if not (console.encoding or "").lower().startswith("utf"):
        shown = shown.translate(PLAIN)
    if console.is_terminal and len(lines) >= console.height:
        import pydoc

        os.environ.setdefault("LESS", "FRX")  # colours are shown, and what is short does not stay
        pydoc.pager(shown)
    else:
        sys.stdout.write(shown)
        sys.stdout.flush()
