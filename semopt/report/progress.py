"""What is shown while a command computes: on standard error, where that is a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from time import monotonic
from typing import TYPE_CHECKING

from .lines import Verbosity

if TYPE_CHECKING:
    from ..console import Console

INTERVAL = 5.0  # s between two lines where a line cannot be written over


@contextmanager
def progress(title: str, total: float | None = 1.0) -> Iterator[Callable[[float], None]]:
    """Show how far a command is, and an estimate of the time that is left.

    Gives a function that takes how much of `total` is done. Where the total is None, or nothing has
    been told yet, the time that has passed is shown alone. One bar at a time. Where log records are
    wanted, the title and its time are one instead.
    """
    from logging import INFO, getLogger

    log = getLogger(__name__)
    if log.isEnabledFor(INFO):
        start = monotonic()
        yield no_bar
        log.info("%s: %.3f s", title, monotonic() - start)
        return
    if sys.stderr is None or not sys.stderr.isatty() or Verbosity.quiet:
        yield no_bar
        return
    from rich.progress import (
        BarColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    from ..console import Console

    console = Console(stderr=True)
    if console.is_dumb_terminal:
        yield lines(console, title, total)
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TextColumn("left:"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(title, total=total)
        yield lambda done: bar.update(task, completed=done)


def lines(console: Console, title: str, total: float | None) -> Callable[[float], None]:
    """Return a function that says in lines how far a command is: for terminals without a cursor."""
    console.print(f"{title} ...")
    start = last = monotonic()

    def show(done: float) -> None:
        nonlocal last
        now = monotonic()
        if now - last >= INTERVAL and total and done > 0:
            last = now
            remaining = (now - start) * max(total - done, 0.0) / done
            console.print(f"{title}: {done / total:.0%}, about {remaining:.0f} s left")

    return show


@contextmanager
def phases() -> Iterator[Callable[[str, float], None]]:
    """Give a function that shows what is at work and the share of it that is done, one bar each.

    Where nothing is at work, "", no bar is shown: the place for a line of output.
    """
    with ExitStack() as bars:
        current = ""
        show: Callable[[float], None] = no_bar

        def tick(title: str, done: float) -> None:
            nonlocal current, show
            if title != current:
                bars.close()
                current = title
                show = bars.enter_context(progress(title)) if title else no_bar
            show(done)

        yield tick


def no_bar(done: float) -> None:
    """Show nothing."""
