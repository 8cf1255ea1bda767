"""What a worker does: computes the rows of one cell."""

from __future__ import annotations

from pathlib import Path

from filelock import FileLock, Timeout

from .cells import Cell, Elsewhere, Store, name_of

DONE, ELSEWHERE, FAILED = "done", "elsewhere", "failed"
WHY = " failed: "


def work(folder: str, cell: Cell, name: str = "") -> str:
    """Compute a cell unless it is there, or somebody else is at it; say which.

    The lock is the operating system's and goes with the process. What the cell's own computation
    raises is its failure, and kept; what hinders writing is raised.

    Parameters
    ----------
    name : of the cell when the study began; its name now unless given. Rows are kept under this
        name alone: where a policy's files are edited meanwhile the cell fails.
    """
    store, content = Store(Path(folder)), cell.content()
    name = name or name_of(content)
    try:
        with FileLock(lock_of(store, cell)).acquire(timeout=0):
            if store.read(cell) is not None:
                return DONE
            try:
                rows, times = cell.compute(store.folder)
                if not name == name_of(content) == cell.name():
                    raise ValueError("the policy changed while it was computed: ask again")
            except Elsewhere:
                raise
            except Exception as error:  # a user's code may raise anything
                store.fail(cell, f"{error}" or type(error).__name__)
                return FAILED
            store.write(cell, content, rows, times)
            return DONE
    except (Timeout, Elsewhere):
        return ELSEWHERE


def need(folder: Path, cell: Cell) -> None:
    """Compute a cell that another one needs, unless it is there, or failed before.

    One that failed is tried again by itself, not by each cell that needs it.

    Raises
    ------
    Elsewhere
        Where somebody else is at it.
    ValueError
        Where it failed.
    """
    store = Store(folder)
    try:
        with FileLock(lock_of(store, cell)).acquire(timeout=0):
            failed = store.read(cell) is None and store.reason(cell) != ""
    except Timeout:
        raise Elsewhere from None
    answer = FAILED if failed else work(str(folder), cell)
    if answer == ELSEWHERE:
        raise Elsewhere
    if answer == FAILED:
        reason = store.reason(cell)  # which may be that of a cell that it needs, in turn
        raise ValueError(reason if WHY in reason else f"{cell.label}{WHY}{reason}")


def lock_of(store: Store, cell: Cell) -> Path:
    """Return the file whose lock is held by whoever computes a cell."""
    return store.locks / f"{cell.name()}.lock"
