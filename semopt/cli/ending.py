"""How a command ends: its exit code, what was kept, and the one message of a bad input.

0    answered: an infeasible slot and a time limit are answers
1    a claim is false (verify, study audit), or cells of a study failed
2    bad input, with one message on standard error
130  Ctrl-C, 143 SIGTERM, 129 SIGHUP: cut; what was finished is printed or saved first
141  whoever read the output has gone: nothing is left to say, as where SIGPIPE ends a program
"""

from __future__ import annotations

import signal
from time import monotonic
from types import FrameType
from typing import NoReturn

import typer

from ..interrupts import CUT
from ..report.lines import print_message

AGAIN = (
    1.0  # s within which a signal is the same one: `timeout` sends it to a process and its group
)

GONE = 128 + signal.SIGPIPE


class Received:
    """The signal that cut this command: its number, when it came, and whether a message said so."""

    number: int = 0
    time: float = 0.0
    reported: bool = False


def listen() -> None:
    """Let SIGTERM and SIGHUP cut a command as Ctrl-C does; what is ignored stays so."""
    for number in CUT:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, cut)


def cut(number: int, frame: FrameType | None) -> None:
    """Raise KeyboardInterrupt, which solvers and commands take as the end of their work."""
    now, again = monotonic(), Received.number != 0
    if again and now - Received.time < AGAIN:
        return
    Received.number, Received.time = number, now
    raise KeyboardInterrupt


def cut_code() -> int:
    """Return the exit code of a command that was cut."""
    return 128 + (Received.number or signal.SIGINT)


def end_cut(summary: str) -> NoReturn:
    """End a command that was cut, with a word of what was kept."""
    print_message(f"interrupted: {summary}")
    Received.reported = True
    raise typer.Exit(cut_code())
