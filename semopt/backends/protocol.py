"""What a backend offers: the arguments of its operations, and what it says about itself."""

from __future__ import annotations

from typing import Protocol

from ..model import Outcome
from ..problem import Problem
from .query import Batch, Query, SearchResult, Tables


class Evaluate(Protocol):
    """What scores joint actions."""

    def __call__(self, problem: Problem, batch: Batch) -> Outcome:
        """Score joint actions; `operations.evaluate` says what the arrays are."""


class Tabulate(Protocol):
    """What makes the tables that a search reads."""

    def __call__(self, problem: Problem, threads: int = 0) -> Tables:
        """Score every action of every user, on every sub-channel, beside every number of others."""


class Search(Protocol):
    """What scores joint actions by their number."""

    def __call__(
        self, tables: Tables, start: int, stop: int, query: Query, threads: int = 0
    ) -> SearchResult:
        """Score joint actions start..stop-1, in their order."""


class Module(Protocol):
    """What the module of a backend offers: three operations, and two functions about itself."""

    evaluate: Evaluate
    tabulate: Tabulate
    search: Search

    def why_not(self) -> str | None:
        """Return why the backend cannot be used here; None if it can."""

    def describe(self) -> str:
        """Return what a backend that can be used here runs on."""
