"""What a worker does: computes the rows of one cell."""

from __future__ import annotations

from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from filelock import FileLock, Timeout

from ..learn.deciders import Method, decider
from ..learn.evaluate import decision_time
from ..learn.refine import Decider
from ..methods import METHODS
from ..model import Actions
from ..problem import Floats, Integers, Problem
from ..result import Status
from ..scenario import Scenario
from ..solvers.batch import solve_batch
from ..worth import figures
from .cells import DECISION, Cell, Store, finite

DONE, ELSEWHERE, FAILED = "done", "elsewhere", "failed"


def work(folder: str, cell: Cell) -> str:
    """Compute a cell unless it is there, or somebody else is at it; say which.

    The lock is the operating system's and goes with the process. What the cell's own computation
    raises is its failure, and kept; what hinders writing is raised.
    """
    store = Store(Path(folder))
    lock = FileLock(store.locks / f"{cell.name()}.lock")
    try:
        with lock.acquire(timeout=0):
            if store.read(cell) is not None:
                return DONE
            try:
                rows, times = compute(cell)
            except (ValueError, ArithmeticError, MemoryError, ImportError) as error:
                store.fail(cell, f"{error}" or type(error).__name__)
                return FAILED
            store.write(cell, rows, times)
            return DONE
    except Timeout:
        return ELSEWHERE


def compute(cell: Cell) -> tuple[dict[str, Any], dict[str, float]]:
    """Return the columns of a cell, and what it took: seconds, and a decision's microseconds."""
    scenario = Scenario.from_dict(cell.scenario)
    problem = scenario.template()
    gain, task = scenario.draw(cell.slots, cell.seed, part="evaluation")
    start = perf_counter()
    decide: Decider
    if cell.method in METHODS and cell.method != "policy":
        batch = solve_batch(scenario, gain, task, cell.method, threads=1, **cell.options)
        actions, upper = batch.actions, np.array([batch.bound(s) for s in range(cell.slots)])
        status = [batch.status(s).word for s in range(cell.slots)]
        known, decide = ~np.isnan(batch.objective), Method(scenario, cell.method, **cell.options)
    else:
        decide = decider(cell.method, scenario, cell.seed)
        actions, upper = decide(gain, task), np.full(cell.slots, np.inf)
        status, known = [Status.FEASIBLE.word] * cell.slots, np.full(cell.slots, True)
    seconds = perf_counter() - start
    times = {"seconds": seconds, "decision_us": decision_time(decide, gain, task) * 1e6}
    return columns(problem, actions, gain, task, known) | {
        "slot": list(range(cell.slots)),
        "status": status,
        "upper_bound": finite(upper),
    }, times


def columns(
    problem: Problem, actions: Actions, gain: Floats, task: Integers, known: Any
) -> dict[str, Any]:
    """Return what decisions (S, N) are worth by the reference model, null where none is `known`."""
    worth = figures(problem, actions, gain, task)
    decisions = {name: getattr(actions, array) for name, array in DECISION.items()}
    return {name: finite(np.where(known, values, np.nan)) for name, values in worth.items()} | {
        name: [row.tolist() if there else None for row, there in zip(values, known, strict=True)]
        for name, values in decisions.items()
    }
