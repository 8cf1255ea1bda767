"""The operations of a backend that runs on a device."""

from __future__ import annotations

from collections.abc import Callable

from ...model import Actions, Outcome
from ...problem import Floats, Integers, Problem
from ..query import Found, Query, Tables
from .evaluate import evaluate
from .runtime import Runtime
from .search import search


def operations(
    runtime: Callable[[], Runtime],
) -> tuple[Callable[..., Outcome], Callable[..., Found]]:
    """Return `evaluate` and `search` of the backend with this runtime, started when called."""

    def evaluate_there(
        problem: Problem,
        actions: Actions,
        gain: Floats | None = None,
        task: Integers | None = None,
        out: Outcome | None = None,
        threads: int = 0,
    ) -> Outcome:
        return evaluate(runtime(), problem, actions, gain, task, out)

    def search_there(
        tables: Tables, start: int, stop: int, query: Query, threads: int = 0
    ) -> Found:
        return search(runtime(), tables, start, stop, query, threads)

    return evaluate_there, search_there
