"""Cells of a solver's cost: slots of one size, solved one after the other in a process of its own.

A row is a slot, with its decision as in cells of decisions. What it took stands beside the rows:
for each slot the median time of solving it anew, and by how much the process' memory peaked above
what it held before. A solver that passes the limit of a cell, or refuses, says so; where it passed
the limit at half the size, it is not asked again.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from multiprocessing import get_context
from os import _exit, getppid
from pathlib import Path
from threading import Thread
from time import perf_counter, sleep
from typing import Any, ClassVar

import numpy as np

from ...model import Actions
from ...result import Result, Status
from ...scenario import Scenario
from ...solvers import find, solve
from ..cells import Store, finite
from ..method_cell import MethodCell, columns
from ..work import need

SMALLEST = 2  # users of a slot
TOTAL = 0.2  # s, about, for which a slot is solved again and again
STARTING = 30.0  # s in which a process loads what it needs
# Why a slot is not solved, as "why" beside the rows says it: the limit was passed, by fewer users.
BEFORE, FEWER = "passed", " with"


@dataclass(frozen=True)
class ScalingCell(MethodCell):
    """A solver on slots of one size; `limit` is the time of each slot, s."""

    limit: float = 60.0

    kind: ClassVar[str] = "scaling"

    @property
    def label(self) -> str:
        """What people read of it."""
        return f"{self.method}, {self.users} users"

    @property
    def users(self) -> int:
        """The size of its slots."""
        return int(self.scenario["system"]["users"])

    def at(self, users: int) -> ScalingCell:
        """Return the same cell of another size."""
        return replace(self, scenario=grown(Scenario.from_dict(self.scenario), users).to_dict())

    def compute(self, folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
        """Solve the slots in a process of its own, which is ended where the limit is passed.

        Beside the rows stand "slot_s" and "peak_mb", of each slot that was solved, and "why", the
        reason where others were not.
        """
        start = perf_counter()
        if self.users > SMALLEST:
            smaller = self.at(self.users // 2)
            need(folder, smaller)
            before = str(Store(folder).times(smaller).get("why", ""))
            if before.startswith(BEFORE):
                why = before if FEWER in before else f"{before}{FEWER} {smaller.users} users"
                return self.rows([]), {"seconds": 0.0, "slot_s": [], "peak_mb": [], "why": why}
        solved, why = self.solved()
        times = {
            "seconds": perf_counter() - start,
            "slot_s": [seconds for _, seconds, _ in solved],
            "peak_mb": [peak for _, _, peak in solved],
            "why": why,
        }
        return self.rows([result for result, _, _ in solved]), times

    def solved(self) -> tuple[list[tuple[Result, float, float]], str]:
        """Return each slot's result, time and peak of memory, and why others have none."""
        context = get_context("spawn")
        receiver, sender = context.Pipe(duplex=False)
        process = context.Process(target=measure, args=(sender, self), daemon=True)
        process.start()
        sender.close()
        done: list[tuple[Result, float, float]] = []
        try:
            while len(done) < self.slots:
                if not receiver.poll(2 * self.limit + STARTING):
                    return done, f"{BEFORE} {self.limit:g} s"
                answer = receiver.recv()
                if isinstance(answer, str):
                    return done, answer
                done.append(answer)
        except EOFError:
            return done, "its process was killed, perhaps for want of memory"
        finally:
            process.kill()
            process.join()
        return done, ""

    def rows(self, results: list[Result]) -> dict[str, Any]:
        """Return the columns of its rows, without a decision where a slot was not solved."""
        scenario = Scenario.from_dict(self.scenario)
        gain, task = scenario.draw(self.slots, self.seed, part="evaluation")
        actions = Actions.empty(*task.shape)
        bound, known = np.full(self.slots, np.inf), np.full(self.slots, False)
        for slot, result in enumerate(results):
            bound[slot], known[slot] = result.upper_bound, result.actions is not None
            if result.actions is not None:
                actions.put(slot, result.actions)
        status = [result.status.word for result in results]
        missing = [Status.LIMIT_REACHED.word] * (self.slots - len(results))
        return columns(scenario.template(), actions, gain, task, known) | {
            "slot": list(range(self.slots)),
            "status": status + missing,
            "upper_bound": finite(bound),
        }


def grown(scenario: Scenario, users: int) -> Scenario:
    """Return a scenario with so many users and sub-channels, and a server that grew with them.

    What the server gives to each offloader, in speed and in energy, stays what it was.
    """
    share = users / scenario.users
    system = scenario.system
    return scenario.replace(
        users=users,
        channels=users,
        slot=None,
        **{
            "system.server_flop_per_cycle": system.server_flop_per_cycle * share,
            "system.server_energy_coefficient": system.server_energy_coefficient * share**3,
        },
    )


def measure(to: Any, cell: ScalingCell) -> None:
    """Solve the slots of a cell, in a process of its own, and send what each took."""
    Thread(target=end_with, args=(getppid(),), daemon=True).start()
    try:
        scenario = Scenario.from_dict(cell.scenario)
        gain, task = scenario.draw(cell.slots, cell.seed, part="evaluation")
        takes = find(cell.method)[1]
        options: dict[str, Any] = {"threads": 1} if "threads" in takes else {}
        options |= {"time_limit": cell.limit} if "time_limit" in takes else {}
        small = grown(scenario, SMALLEST)
        pinned = small.draw(1, cell.seed, part="evaluation")
        solve(small.problem(pinned[0][0], pinned[1][0]), cell.method, **options)  # loads all
        for slot in range(cell.slots):
            problem = scenario.problem(gain[slot], task[slot])
            held, times = reset_peak(), list[float]()
            while not times or sum(times) + times[-1] < TOTAL:
                start = perf_counter()
                result = solve(problem, cell.method, **options)
                times.append(perf_counter() - start)
            if np.median(times) > cell.limit or result.status is Status.LIMIT_REACHED:
                to.send(f"{BEFORE} {cell.limit:g} s")
                return
            to.send((result, float(np.median(times)), peak() - held))
    except (ValueError, ArithmeticError, MemoryError) as error:
        to.send(f"refused: {error or type(error).__name__}")


def end_with(parent: int) -> None:
    """End this process once its parent has ended: a worker that is killed leaves none behind."""
    while getppid() == parent:
        sleep(1.0)
    _exit(1)


def reset_peak() -> float:
    """Let the peak of this process' memory begin anew, and return what it holds, MB."""
    with suppress(OSError):  # elsewhere than on Linux the peak is that of the whole process
        Path("/proc/self/clear_refs").write_text("5")
    return peak()


def peak() -> float:
    """Return the peak of this process' memory since it was reset, MB."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        from resource import RUSAGE_SELF, getrusage

        return getrusage(RUSAGE_SELF).ru_maxrss / 1024.0
    return float(status.split("VmHWM:")[1].split()[0]) / 1024.0
