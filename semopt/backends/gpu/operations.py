"""The operations of a backend that runs on a device."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...model import Outcome
from ..protocol import Evaluate, Search
from ..query import SearchResult
from .evaluate import evaluate
from .runtime import Runtime
from .search import search


def operations(
    runtime: Callable[[], Runtime],
) -> tuple[Evaluate, Search]:
    """Return `evaluate` and `search` of the backend with this runtime, started when called."""

    def evaluate_on_device(*arguments: Any, **options: Any) -> Outcome:
        return evaluate(runtime(), *arguments, **options)

    def search_on_device(*arguments: Any, **options: Any) -> SearchResult:
        return search(runtime(), *arguments, **options)

    return evaluate_on_device, search_on_device
