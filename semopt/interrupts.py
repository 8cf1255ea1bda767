"""The signals that cut a command, held back while something must not be cut in two."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

CUT = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


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
