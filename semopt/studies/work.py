"""What a worker does: computes the rows of one cell."""

from __future__ import annotations

from pathlib import Path

from filelock import FileLock, Timeout

from .cells import Cell, Elsewhere, Store

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
                rows, times = cell.compute(store.folder)
            except (ValueError, ArithmeticError, MemoryError, ImportError) as error:
                store.fail(cell, f"{error}" or type(error).__name__)
                return FAILED
            store.write(cell, rows, times)
            return DONE
    except (Timeout, Elsewhere):
        return ELSEWHERE


def need(folder: Path, cell: Cell) -> None:
    """Compute a cell that another one needs, unless it is there.

    Raises
    ------
    Elsewhere
        Where somebody else is at it.
    ValueError
        Where it failed.
    """
    match work(str(folder), cell):
        case "elsewhere":
            raise Elsewhere
        case "failed":
            raise ValueError(f"{cell.label} failed: {Store(folder).reason(cell)}")
