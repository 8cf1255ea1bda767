"""Every joint action of the grid scored: ground truth that assumes nothing about structure.

The joint actions are numbered (`backends.space`) and searched range by range, so that memory is
flat in the size of the space, progress is known, and a stopped search can be taken up again:

    best = max over index of  sum_n value_n[action of user n beside m offloaders on its channel]
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from math import inf
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from .. import backends
from ..backends import Backend, Query, Space, Tables
from ..backends.query import MAX_SIZE
from ..console import count
from ..files import check_writable
from ..problem import Problem
from ..result import INTERRUPTED, TIME_LIMIT, Result, Status
from .checkpoint import State, contradicted, fingerprint, load, save
from .infeasibility import infeasible

REFUSED = 60.0  # s, estimated, above which a search is not begun without a time limit
_STEP = 0.2  # s, of one range: how long Ctrl-C and the progress bar wait at most
_SAMPLE = Space((64, 64), (4096, 4096), 2)  # what the machine's speed is estimated on
_TABULATED = 2e6  # scores a second that any backend tabulates at least


def solve(
    problem: Problem,
    *,
    backend: str = "auto",
    time_limit: float | None = None,
    progress: Callable[[float], None] | None = None,
    resume: str | Path | None = None,
    query: Query | None = None,
    threads: int = 0,
) -> Result:
    """Score every canonical joint action and return the best.

    Parameters
    ----------
    problem : any objective; the limit on the server's energy is honoured
    backend : a name of `backends.NAMES`
    time_limit : s, after which the best so far is returned; allows spaces of any duration
    progress : called with the share of joint actions examined so far, 0 to 1
    resume : file that a stopped search leaves, and from which it is taken up again
    query : what to report besides the best: the k best, how many score above a value, a histogram
    threads : how many to use; 0 for every core

    Raises
    ------
    ValueError
        For a space that would take over 60 s and has no time limit, one of 2^63 joint actions or
        more, or a file of another problem.
    """
    begun = perf_counter()
    file = Path(resume) if resume is not None else None
    if file:
        check_replaceable(file)
    size = problem.joint_actions()
    chosen = backends.get(backend)
    if time_limit is None or size > MAX_SIZE:
        refuse_if_long(problem, chosen, size, threads)
    query = query or Query()
    tables = backends.tabulate(problem, backend=chosen.name, threads=threads)
    name = fingerprint(problem, query, tables) if file else ""
    state = State(0, backends.nothing(query.bins))
    if file and file.exists():
        state = load(file, name, query, tables)
        if fault := contradicted(problem, query, tables, state):
            raise ValueError(f"resume {file}: is false: {fault}; delete it to start anew")
    deadline = inf if time_limit is None else begun + time_limit
    state, stopped = run(tables, chosen, query, state, deadline, progress, threads)
    if file:
        save(file, name, state) if stopped else file.unlink(missing_ok=True)
    return answer(problem, tables, chosen.name, query, state, stopped)


def check_replaceable(file: Path) -> None:
    """Raise ValueError where a search could not leave its state."""
    check_writable(file)
    if file.exists() and not file.is_file():
        raise ValueError(f"resume {file}: is no regular file, which a search could replace")


def run(
    tables: Tables,
    backend: Backend,
    query: Query,
    state: State,
    deadline: float,
    progress: Callable[[float], None] | None,
    threads: int,
) -> tuple[State, str]:
    """Search ranges of about `_STEP` until the end, the deadline or Ctrl-C; say which of the two.

    Returns
    -------
    state : how far the search came
    stopped : "time limit" or "interrupted", "" at the end
    """
    size, step = tables.space.size, 1 << 20
    try:
        while state.next < size and (now := perf_counter()) < deadline:
            stop = min(state.next + step, size)
            # One assignment takes the range in: Ctrl-C falls before it or after it.
            state = State(
                stop,
                state.partial.merged(
                    backend.search(tables, state.next, stop, query, threads), query.keep
                ),
                state.loaded,
            )
            if progress:
                progress(state.next / size)
            took = perf_counter() - now
            step = max(1, int(step * min(8.0, _STEP / max(took, 1e-6))))
    except KeyboardInterrupt:
        return state, INTERRUPTED if state.next < size else ""
    return state, TIME_LIMIT if state.next < size else ""


def answer(
    problem: Problem, tables: Tables, backend: str, query: Query, state: State, stopped: str
) -> Result:
    """Return what a search, complete or not, proves."""
    partial = state.partial
    details: dict[str, Any] = {"examined": state.next}
    if state.loaded:
        details["examined_before"] = state.loaded  # so says the file
    if query.keep > 1:
        best = zip(partial.value.tolist(), partial.index.tolist(), strict=True)
        details["best"] = [{"objective": value, "index": index} for value, index in best]
    if query.above is not None:
        details["above"] = partial.above
    if query.bins:
        details["histogram"] = {
            "low": query.low,
            "high": query.high,
            "counts": partial.histogram.tolist(),
        }
    result = Result(problem, "exhaustive", backend, Status.LIMIT_REACHED, details=details)
    if len(partial.value):
        objective = float(partial.value[0])
        decision = backends.decode(problem, int(partial.index[0]))
        result = replace(result, actions=decision, objective=objective)
    if stopped:
        details["stopped"] = stopped
        return replace(result, upper_bound=tables.bound())
    if result.actions is None:
        return infeasible(result)
    return replace(result, status=Status.OPTIMAL, upper_bound=result.objective)


def refuse_if_long(problem: Problem, backend: Backend, size: int | Decimal, threads: int) -> None:
    """Raise an error that says the size, the time and the way out, for a space that takes long."""
    space = Space.of(problem)
    entries = sum(space.list_total(n) for n in range(len(problem.task)))
    if size <= MAX_SIZE and max(int(size) / _SAMPLE.size, entries / _TABULATED) < 1:
        return
    seconds = float(min(size, 10**300)) / speed(backend, threads) + entries / _TABULATED
    number = f"exhaustive: {count(size)} joint actions"
    if size > MAX_SIZE:
        raise ValueError(
            f"{number}, at most 2^63 - 1 can be numbered (they would take "
            f"about {duration(seconds)}): use method 'exact'"
        )
    if seconds > REFUSED:
        raise ValueError(
            f"{number} would take about {duration(seconds)} on backend "
            f"{backend.name!r}, above {REFUSED:.0f} s: use method 'exact', which finds the same "
            "optimum, or set a time limit"
        )


def speed(backend: Backend, threads: int) -> float:
    """Return how many joint actions a second a backend scores here, measured on a small space."""
    rng = np.random.default_rng(0)
    totals = [_SAMPLE.list_total(n) for n in range(len(_SAMPLE.local))]
    tables = Tables(_SAMPLE, tuple(rng.random(total) for total in totals))
    sample = 1 << (20 if backend.name == "numpy" else 24)
    backend.search(tables, 0, 1 << 16, Query(), threads)  # threads and tables warm
    start = perf_counter()
    backend.search(tables, 0, sample, Query(), threads)
    return sample / (perf_counter() - start)


def duration(seconds: float) -> str:
    """Return a time in the unit that suits it."""
    for unit, length in (("years", 365.25 * 86400), ("days", 86400), ("hours", 3600)):
        if seconds >= 2 * length:
            return f"{seconds / length:.3g} {unit}"
    return f"{seconds:.3g} s"
