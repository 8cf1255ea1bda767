"""Backend `cpu`: compiled kernels, one build for each instruction set, on a pool of threads."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import _core
from ..grid import Space
from ..model import Outcome
from ..problem import Problem
from . import packing
from .arrays import name_fault
from .query import MAX_SIZE, Batch, Query, SearchResult, Tables


def why_not() -> None:
    """Return None: it can be used wherever semopt is installed."""


def describe() -> str:
    """Return what this backend runs on."""
    others = ", ".join(name for name in _core.instruction_sets())
    chosen, threads = _core.instruction_set(), _core.threads_available()
    return f"instruction set {chosen} (of {others}; SEMOPT_ISA chooses), {threads} threads"


def empty_outcome(shape: tuple[int, ...], dtype: Any) -> Outcome:
    """Return an outcome to be written into."""
    latency, energy, accuracy, qoe = (np.empty(shape, dtype) for _ in range(4))
    return Outcome(latency, energy, accuracy, qoe, np.empty(shape, np.uint8))


def evaluate(problem: Problem, batch: Batch) -> Outcome:
    """Score joint actions in the precision of `actions.power`, float64 or float32."""
    actions, gain, task, out, threads = batch
    if out is None:
        out = empty_outcome(actions.channel.shape, actions.power.dtype)
    if not _core.evaluate(packing.scenario(problem), actions, gain, task, out, threads):
        name_fault(problem, batch._replace(out=out))
    return out


def tabulate(problem: Problem, threads: int = 0) -> Tables:
    """Score every action of every user, on every sub-channel, beside every number of others."""
    space = Space.of(problem)
    limited = np.isfinite(problem.system.server_energy_max)
    totals = [space.list_total(n) for n in range(len(problem.task))]
    value = tuple(np.empty(total) for total in totals)
    energy = tuple(np.empty(total) for total in totals) if limited else ()
    gain = np.ascontiguousarray(problem.gain)
    _core.tabulate(packing.scenario(problem), gain, problem.task, value, energy, threads)
    limit = problem.system.server_energy_max
    return Tables(space, value, energy, limit, problem.objective == "min")


def best_of_cells(problem: Problem, offloaders: int) -> Outcome:
    """Score the best action of every cell: user, kind of task, sub-channel, number of offloaders.

    Arrays are (offloaders + 1, N, T, K), the first of the best local action, whatever the
    sub-channel. Where no action meets its limits, the QoE is -inf, the rest NaN.
    """
    users, channels = problem.gain.shape
    out = empty_outcome((offloaders + 1, users, len(problem.tasks.names), channels), float)
    out.violations.fill(0)
    gain = np.ascontiguousarray(problem.gain)
    figures = out.latency, out.energy, out.accuracy, out.qoe
    _core.best_of_cells(packing.scenario(problem), gain, *figures)
    return out


def search(tables: Tables, start: int, stop: int, query: Query, threads: int = 0) -> SearchResult:
    """Scan joint actions start..stop-1 in single precision, and settle in double what it leaves."""
    space = tables.space
    if space.size > MAX_SIZE:
        raise ValueError(f"{space.size} joint actions: at most {MAX_SIZE} can be indexed")
    counts = _core.Space(space.local, space.offload, space.channels)
    value, index, above, histogram = counts.search(
        tables.value,
        tables.server_energy,
        tables.server_energy_max,
        tables.fairest,
        start,
        stop,
        min(query.keep, stop - start),
        query.above,
        query.bins,
        query.low,
        query.high,
        *tables.slack,
        threads,
    )
    return SearchResult(value, index, above, histogram, stop - start)
