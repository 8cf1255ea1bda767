"""The operations of a backend that runs on a device."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...model import Outcome
from ..protocol import Evaluate, Search
from ..query import Found
from .evaluate import evaluate
from .runtime import Runtime
from .search import search


def operations(
    runtime: Callable[[], Runtime],
) -> tuple[Evaluate, Search]:
    """Return `evaluate` and `search` of the backend with this runtime, started when called."""

    def evaluate_there(*given: Any, **named: Any) -> Outcome:
        return evaluate(runtime(), *given, **named)

    def search_there(*given: Any, **named: Any) -> Found:
        return search(runtime(), *given, **named)

    return evaluate_there, search_there
