"""Backend `numpy`: both operations in readable NumPy, which tests hold the others against."""

from __future__ import annotations

from dataclasses import replace
from math import inf

import numpy as np

from .. import model
from ..grid import NO_CHANNEL, Space, local_actions, offload_actions, pattern_size
from ..model import Outcome
from ..problem import Floats, Integers, Problem
from .arrays import check, name_fault
from .query import Batch, Query, SearchResult, Tables, nothing

CHUNK = 1 << 18  # joint actions scored at a time: memory stays flat


def why_not() -> None:
    """Return None: it can be used wherever semopt is installed."""


def describe() -> str:
    """Return what this backend runs on."""
    return f"NumPy {np.__version__}, one thread"


def evaluate(problem: Problem, batch: Batch) -> Outcome:
    """Score joint actions with the model itself."""
    check(problem, batch)
    actions, gain, task, out, _ = batch
    sent = actions.extraction
    usable = replace(actions, extraction=np.where((sent > 0) & (sent <= 1), sent, np.nan))
    finite = np.where(np.isinf(gain), np.nan, gain)
    with np.errstate(invalid="ignore", divide="ignore"):  # refused by name below
        outcome = model.evaluate(problem, usable, finite, task)
    if np.isnan(outcome.qoe).any():
        name_fault(problem, batch._replace(out=None))
    if out is None:
        return outcome
    for name in ("latency", "energy", "accuracy", "qoe", "violations"):
        np.copyto(getattr(out, name), getattr(outcome, name), casting="same_kind")
    return out


def tabulate(problem: Problem, threads: int = 0) -> Tables:
    """Score every action of every user, on every sub-channel, beside every number of others."""
    space = Space.of(problem)
    limited = np.isfinite(problem.system.server_energy_max)
    values, energies = [], []
    for n in range(len(problem.task)):
        alone = problem.only(n)
        value = np.empty(space.list_total(n))
        energy = np.zeros_like(value)
        for m in range(space.most_offloaders + 1):
            for k in range(space.channels) if m else (NO_CHANNEL,):
                actions = offload_actions(problem, n, k) if m else local_actions(problem, n)
                outcome = model.evaluate(alone, actions.take(np.s_[:, None]), offloaders=m)
                start = space.list_start(n, k, m)
                part = slice(start, start + len(actions.channel))
                value[part] = np.where(outcome.violations == 0, outcome.qoe, -inf)[:, 0]
                if m:
                    flop = np.where(
                        actions.extraction < 1.0,
                        problem.tasks.server_flop[problem.task[n]],
                        problem.tasks.server_raw_flop[problem.task[n]],
                    )
                    shared = np.asarray(float(m))
                    time = model.server_time(flop, shared, problem.system)
                    energy[part] = model.server_energy(time, shared, problem.system)
        values.append(value)
        energies.append(energy)
    return Tables(
        space,
        tuple(values),
        tuple(energies) if limited else (),
        problem.system.server_energy_max,
        problem.objective == "min",
    )


def search(tables: Tables, start: int, stop: int, query: Query, threads: int = 0) -> SearchResult:
    """Score joint actions start..stop-1, pattern by pattern, in chunks."""
    space, result = tables.space, nothing(query.bins)
    while start < stop:
        pattern, first = space.pattern_at(start)
        end = min(stop, first + pattern_size(space, pattern), start + CHUNK)
        score = scores(tables, pattern, np.arange(start - first, end - first))
        feasible = score > -inf
        best = (
            np.argsort(-score, kind="stable")[: query.keep]
            if query.keep > 1
            else np.array([score.argmax()])[: query.keep]
        )
        best = best[feasible[best]]
        chunk = SearchResult(
            score[best],
            best + start,
            0 if query.above is None else int((score > query.above).sum()),
            histogram(score[feasible], query),
            end - start,
        )
        result, start = result.merged(chunk, query.keep), end
    return result


def histogram(score: Floats, query: Query) -> Integers:
    """Count scores (A,) by bin; the last bin holds its upper end, scores outside are left out."""
    if query.bins == 0:
        return np.zeros(0, dtype=np.int64)
    bin_of = (score - query.low) * (query.bins / (query.high - query.low))
    inside = bin_of[(bin_of >= 0) & (bin_of <= query.bins)].astype(np.int64)
    return np.bincount(np.minimum(inside, query.bins - 1), minlength=query.bins)


def scores(tables: Tables, pattern: tuple[int, ...], offset: Integers) -> Floats:
    """Return the scores of joint actions of one pattern: offset (A,) within it -> (A,)."""
    space = tables.space
    offloaders = sum(k != NO_CHANNEL for k in pattern)
    entries: list[Integers] = []
    for n in reversed(range(len(pattern))):
        offset, digit = np.divmod(offset, space.sizes(pattern)[n])
        entries.insert(0, space.list_start(n, pattern[n], offloaders) + digit)
    total, energy = np.array(inf if tables.fairest else 0.0), np.array(0.0)
    for n, entry in enumerate(entries):
        value = tables.value[n][entry]
        total = np.minimum(total, value) if tables.fairest else total + value
        if tables.server_energy:
            energy = energy + tables.server_energy[n][entry]
    return np.where(energy <= tables.server_energy_max, total, -inf)
