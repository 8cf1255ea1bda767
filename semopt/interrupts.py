"""The signals that cut a command, held back while something must not be cut in two."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

CUT = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def end_at_once(code: int | None = None) -> None:
    """Let the signals that cut a command end the process where they come; the ignored stay so.

    So it is before a command has begun, when an exception would come out of half an import, and
    once it has ended.

    Parameters
    ----------
    code : the exit code of what has ended; a signal then says nothing, and changes nothing
    """

    def end(number: int, frame: FrameType | None) -> None:
        if code is None:
            with suppress(OSError):
                os.write(2, b"interrupted: nothing was finished\n")
        os._exit(128 + number if code is None else code)

    for number in CUT:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, end)


def ignore() -> None:
    """Ignore the signals that cut a command: Python takes handlers away before its very end."""
    for number in CUT:
        signal.signal(number, signal.SIG_IGN)


@contextmanager
def held_back() -> Iterator[Callable[[], bool]]:
    """Hold back until the block ends what `CUT` raises; a second one comes through at once.

    Gives a function that tells whether one has come, so that the block can end early. The handlers
    of the signals are called when these come: a signal for which a handler raises nothing is none.
    Other threads than the main one, which gets all signals, hold nothing back.

    Raises
    ------
    KeyboardInterrupt
        At the end of a block in which a signal has come
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    raised: KeyboardInterrupt | None = None
    handlers: dict[int, Any] = {number: signal.getsignal(number) for number in CUT}
    before = {n: h for n, h in handlers.items() if h not in (signal.SIG_IGN, None)}

    def hold(number: int, frame: FrameType | None) -> None:
        nonlocal raised
        try:
            if not callable(before[number]):
                raise KeyboardInterrupt  # instead of the end of the process
            before[number](number, frame)
        except KeyboardInterrupt as interrupt:
            if raised:
                raise
            raised = interrupt

    for number in before:
        signal.signal(number, hold)
    try:
        yield lambda: raised is not None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if raised:
        raise raised
