"""The engine room: computes the cells that are not there yet, in as many processes as there are.

Nothing is scheduled here. `--shard i/n` takes every n-th cell, for a shell loop or a job array, and
an engine is a `concurrent.futures.Executor`: processes of this machine, of a Ray or of a Dask
cluster. Processes and shards may share a folder: whoever begins a cell holds its lock (`work.py`),
the others pass on, and look again at the end for what a killed one left.

What much takes, from rates of one core of a 2-core AMD EPYC (certified optima, and the cells of a
method that is fast, rows and all): with 2 users 3,800 and 30,000 slots a second, with 8 users 440
and 9,700. So the references of a million slots of each of 100 scenarios take 7 core hours with 2
users and 63 with 8, and every such method 1 or 3 more; 5 GB of cells a method, of 50 bytes a row.
"""

from __future__ import annotations

import os
import signal
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    Executor,
    Future,
    ProcessPoolExecutor,
    wait,
)
from dataclasses import dataclass, field
from importlib import import_module
from logging import getLogger
from math import nan
from multiprocessing import get_context
from time import sleep
from typing import Any

from ..strict import shortened
from .cells import Cell, Store
from .work import DONE, ELSEWHERE, work

log = getLogger(__name__)
PAUSE = 0.2  # s between looks at cells that others are at
SHOWN = 200  # characters of what a cluster says
BREAKS = 2  # times that the worker of a cell may be killed, the last of them with no other cell
Progress = Callable[[int, int, str], None]  # told cells that are there, of how many, and the last


def local(workers: int) -> Executor:
    """Return processes of this machine, started afresh; Ctrl-C is for this one, which ends them."""
    ignore = (signal.SIGINT, signal.SIG_IGN)
    context = get_context("spawn")
    return ProcessPoolExecutor(workers, context, initializer=signal.signal, initargs=ignore)


class Ray(Executor):
    """Tasks of the Ray cluster that `RAY_ADDRESS` names, or of one that is started here."""

    def __init__(self, workers: int) -> None:
        import ray

        self._ray, self._own = ray, not ray.is_initialized()
        if self._own:
            cores = None if "RAY_ADDRESS" in os.environ else workers
            ray.init(num_cpus=cores, include_dashboard=False, log_to_driver=False)
        self._work: Any = ray.remote(work)

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Start a task on the cluster."""
        assert fn is work
        future: Future[Any] = self._work.remote(*args, **kwargs).future()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Leave the cluster; end it where it was started here."""
        if self._own:
            self._ray.shutdown()


class Dask(Executor):
    """Tasks of the Dask cluster that `DASK_SCHEDULER_ADDRESS` names, or of one started here."""

    def __init__(self, workers: int) -> None:
        from distributed import Client

        address = os.environ.get("DASK_SCHEDULER_ADDRESS")
        here = {"n_workers": workers, "threads_per_worker": 1, "dashboard_address": None}
        self._client: Any = Client(address, **({} if address else here))
        # A cell that others were at is asked for again, and answered anew: no task is pure.
        self._tasks: Executor = self._client.get_executor(pure=False)

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Start a task on the cluster."""
        return self._tasks.submit(fn, *args, **kwargs)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Leave the cluster; end it where it was started here."""
        self._tasks.shutdown(wait)
        self._client.close()


ENGINES: dict[str, Callable[[int], Executor]] = {"local": local, "ray": Ray, "dask": Dask}
PACKAGES = {"ray": "ray", "dask": "distributed"}


def check(engine: str) -> None:
    """Raise ValueError for a name that is no engine's, or where its package is missing."""
    if engine not in ENGINES:
        raise ValueError(f"--engine {engine}: is not one of {', '.join(ENGINES)}")
    try:
        import_module(PACKAGES.get(engine, __name__))
    except ImportError as error:
        raise ValueError(
            f"--engine {engine}: {error.name} is missing: pip install 'semopt[{engine}]'"
        ) from None


def executor(engine: str, workers: int) -> Executor:
    """Return an engine by name, or raise ValueError that says what is missing."""
    check(engine)
    return ENGINES[engine](workers)


def shard_of(words: str) -> tuple[int, int]:
    """Return (i, n) of the words "i/n", 1 to n."""
    first, slash, last = words.partition("/")
    if slash and first.isdecimal() and last.isdecimal() and 1 <= int(first) <= int(last):
        return int(first), int(last)
    raise ValueError(f"--shard {words}: i/n is expected, with i from 1 to n, such as 1/4")


@dataclass
class Run:
    """How a run ended: cells that are finished, and those that failed, with their reasons."""

    cells: Sequence[Cell]
    named: list[tuple[Cell, str]] = field(init=False)
    finished: set[int] = field(default_factory=set)
    failed: dict[int, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Name the cells once: a policy may be edited while others of them are computed."""
        self.named = [(cell, cell.name()) for cell in self.cells]


def run(
    cells: Sequence[Cell],
    store: Store,
    engine: str = "local",
    workers: int = 0,
    shard: tuple[int, int] = (1, 1),
    progress: Progress = lambda finished, total, label: None,
) -> Run:
    """Compute what is not there; a cell that failed before is tried again, once a call.

    Parameters
    ----------
    workers : processes; 0 for one a core
    shard : (i, n), the i-th of n parts of the cells

    Raises
    ------
    ValueError
        Where the engine is not there, or a cell could not be written.
    """
    store.begin()
    shard_cells = [at for at in range(len(cells)) if at % shard[1] == shard[0] - 1]
    state = Run([cells[at] for at in shard_cells])
    state.finished = {at for at, cell in enumerate(state.cells) if store.read(cell) is not None}
    todo = [at for at in range(len(shard_cells)) if at not in state.finished]
    progress(len(state.finished), len(shard_cells), "")
    workers = min(workers or os.cpu_count() or 1, max(len(todo), 1))
    breaks = dict.fromkeys(todo, 0)
    while todo:
        sound = [at for at in todo if not breaks[at]]
        part, many = (sound, workers) if sound else (todo[:1], 1)  # a suspect runs alone
        with executor(engine, many) as pool:
            left = _drain(state, store, pool, many, part, breaks, progress)
        todo = left + [at for at in todo if at not in part]
    return state


def _drain(
    state: Run,
    store: Store,
    pool: Executor,
    workers: int,
    todo: list[int],
    breaks: dict[int, int],
    progress: Progress,
) -> list[int]:
    """Compute cells until all are there or have failed; return those left where the pool broke."""
    waiting, flying = deque(todo), dict[Future[str], int]()
    elsewhere = set[int]()  # looked at since somebody else held them
    try:
        while waiting or flying:
            if waiting and elsewhere.issuperset(waiting):
                sleep(PAUSE)
            while waiting and len(flying) < workers:
                future = pool.submit(work, str(store.folder), *state.named[waiting[0]])
                flying[future] = waiting.popleft()
            for done in wait(flying, return_when=FIRST_COMPLETED).done:
                try:
                    answer = done.result()
                except (BrokenExecutor, OSError, ValueError):  # the pool's, or what hinders writing
                    raise
                except Exception as error:  # of a cluster, whose other workers go on
                    reason = " ".join(f"{type(error).__name__}: {error}".split())
                    waiting += _broken(state, store, [flying.pop(done)], breaks, reason)
                    continue
                at = flying.pop(done)
                if answer == ELSEWHERE:
                    waiting.append(at)
                    elsewhere.add(at)
                    continue
                if answer == DONE:
                    state.finished.add(at)
                    seconds = store.times(state.cells[at]).get("seconds", nan)
                    log.info("%s: %.3f s", state.cells[at].label, seconds)
                else:
                    state.failed[at] = store.reason(state.cells[at])
                    log.info("%s: failed: %s", state.cells[at].label, state.failed[at])
                answered = len(state.finished) + len(state.failed)
                progress(answered, len(state.cells), state.cells[at].label)
    except BrokenExecutor:
        waiting += _broken(state, store, flying.values(), breaks)
    except KeyboardInterrupt:  # nobody waits for cells: what they wrote is whole
        for process in (getattr(pool, "_processes", None) or {}).values():
            process.kill()
        raise
    finally:
        for future in flying:
            future.cancel()
    return list(waiting)


def _broken(
    state: Run, store: Store, places: Iterable[int], breaks: dict[int, int], reason: str = ""
) -> list[int]:
    """Count that the workers of cells were killed; return those cells that are tried again."""
    again = list[int]()
    for at in places:
        breaks[at] += 1
        if breaks[at] < BREAKS:
            again.append(at)
            continue
        words = "its worker was killed, perhaps for want of memory"
        state.failed[at] = f"{words} ({shortened(reason, SHOWN)})" if reason else words
        store.fail(state.cells[at], state.failed[at])
    return again
