"""The operations of backends: `evaluate` a batch of joint actions, `search` a range of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import numpy as np

from ..figures import SHARED_LIMITS
from ..grid import Space
from ..limits import refuse
from ..model import Actions, Outcome
from ..problem import Floats, Integers, Problem
from . import arrays
from .query import MAX_ENTRIES, MAX_SIZE, Batch, Query, SearchResult, Tables
from .registry import Backend, get


def evaluate(
    problem: Problem,
    actions: Actions,
    gain: Floats | None = None,
    task: Integers | None = None,
    *,
    out: Outcome | None = None,
    backend: str = "auto",
    threads: int = 0,
) -> Outcome:
    """Score joint actions by equations (2)-(11).

    Parameters
    ----------
    problem : the scenario; its own slot is used unless `gain` and `task` are given
    actions : B joint actions, arrays (..., N): channel int64, the others float64 or all float32
    gain : (..., N, K) linear power gain, one slot a joint action, or (N, K); in the same precision
    task : (..., N) int64, or (N,)
    out : where to write, arrays (..., N) in the same precision and uint8; allocated unless given
    backend : a name of `NAMES`
    threads : how many to use; 0 for every core; results do not depend on it

    Arrays may be NumPy's or of any library that speaks DLPack, such as torch's: on the host, and
    for backends `cuda` and `cupy` in the device's memory too (or by `__cuda_array_interface__`),
    where the work that their library queued on them is waited for. All are read and written where
    they lie, and the outcome is of the kind of `actions.power`. An array of `out` may be one of
    `actions`, but must not overlap another in part, which `cpu` refuses; after an error `out` holds
    anything.

    Raises
    ------
    ValueError
        Naming an argument of another type, shape, order or device than expected, an index out of
        range, or what gives no QoE: NaN, infinite gains, and, of offloaded tasks, extractions that
        are not above 0 and at most 1. Nothing is converted.
    """
    chosen, kind = get(backend), actions.power
    show = _show(chosen)
    actions = _shown(show, actions)
    gain = None if gain is None else show("gain", gain)
    task = None if task is None else show("task", task)
    target = None if out is None else _shown(show, out)
    outcome = chosen.evaluate(problem, Batch.of(problem, actions, gain, task, target, threads))
    if out is not None:
        return out
    return Outcome(*(arrays.of_library(kind, getattr(outcome, f.name)) for f in fields(outcome)))


def _shown(show: Callable[[str, Any], Any], record: Any) -> Any:
    """Return a record as a backend reads it: itself where its arrays are NumPy's."""
    if {np.ndarray}.issuperset(map(type, vars(record).values())):
        return record
    return arrays.each(show, record)


def _show(backend: Backend) -> Callable[[str, Any], Any]:
    """Return what shows a backend the memory of other libraries' arrays."""
    return arrays.view if backend.on_device else arrays.host


def tabulate(problem: Problem, *, backend: str = "auto", threads: int = 0) -> Tables:
    """Score every action of every user, for `search`; -inf where a user's own limits fail.

    Raises
    ------
    ValueError
        If the tables would take more than 1 GiB, or hold too little for a limit of the problem.
    """
    others = [limit for limit in SHARED_LIMITS if limit.figure != "server_energy"]
    refuse(problem, others, "is a limit on all users together that searches do not know")
    space = Space.of(problem)
    entries = sum(space.list_total(n) for n in range(len(problem.task)))
    if entries > MAX_ENTRIES:
        raise ValueError(
            f"grid: {entries} scores of single users would have to be tabulated, at most "
            f"{MAX_ENTRIES} can be: use fewer levels, or method 'exact'"
        )
    return get(backend).tabulate(problem, threads)


def search(
    problem: Problem | Tables,
    start: int = 0,
    stop: int | None = None,
    *,
    query: Query | None = None,
    backend: str = "auto",
    threads: int = 0,
) -> SearchResult:
    """Score joint actions start..stop-1 (to the last unless given), ordered as in `Space`.

    Parameters
    ----------
    problem : the slot, or tables of it made once for many ranges: their arrays may be those that
        `evaluate` takes, and the arrays of the answer are of the kind of the first
    query : what to look for besides the best joint action
    backend : a name of `NAMES`
    threads : how many to use; 0 for every core; results do not depend on it

    Raises
    ------
    ValueError
        For a range outside the space, or a space of 2^63 joint actions or more.
    """
    chosen = get(backend)
    tables = tabulate(problem, backend=chosen.name) if isinstance(problem, Problem) else problem
    size = tables.space.size
    if size > MAX_SIZE:
        raise ValueError(f"{size} joint actions: at most {MAX_SIZE} can be indexed")
    stop = size if stop is None else stop
    if not 0 <= start <= stop <= size:
        raise ValueError(f"start, stop = {start}, {stop}: must be ordered and within 0 to {size}")
    shown = arrays.each_list(_show(chosen), tables)
    result = chosen.search(shown, start, stop, query or Query(), threads)
    if shown is tables:
        return result
    parts = ("value", "index", "histogram")
    kind = tables.value[0]
    return replace(
        result, **{name: arrays.of_library(kind, getattr(result, name)) for name in parts}
    )
