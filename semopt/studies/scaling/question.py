"""The scaling study: time and memory of each solver by the number of users, with exponents.

The sizes double; sub-channels and the server grow with the users, so that a slot of any size is
the base scenario's, only larger. Each solver runs on one thread, in a process of its own. What the
slots of a size take goes into the exponent of time each by itself; of memory the largest peak.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import nan
from typing import Any, ClassVar, Self

import numpy as np

from ...report.page import Figure, Report, Table
from ...scenario import Scenario
from ...statistics import exponent
from ..cells import Store
from ..questions import command_of, known, lacking, settings_of
from ..tables import Cost, Growth, print_scaling
from .cell import SMALLEST, ScalingCell, grown

FROM = 8  # users, below which what every call takes rules the times
LOADED = 2.0  # MB that code takes when it first runs: smaller peaks are not fitted


@dataclass(frozen=True)
class Question:
    """What each solver takes by the number of users, from 2 to `users`.

    `asked` is the option that names the scenario.
    """

    scenario: Scenario
    methods: Sequence[str]
    users: int
    slots: int
    limit: float
    asked: str = ""

    name: ClassVar[str] = "scaling"

    @classmethod
    def of_settings(cls, settings: Mapping[str, Any]) -> Self:
        """Return the question of the settings that `settings` gave."""
        scenario = Scenario.from_dict(settings["scenario"])
        users, slots = int(settings["users"]), int(settings["slots"])
        limit, asked = float(settings["limit"]), str(settings["asked"])
        return cls(scenario, settings["methods"], users, slots, limit, asked)

    def settings(self) -> dict[str, Any]:
        """Return what makes the question again, in the words of JSON."""
        return {
            "scenario": self.scenario.to_dict(),
            "methods": list(self.methods),
            "users": self.users,
            "slots": self.slots,
            "limit": self.limit,
            "asked": self.asked,
        }

    def sizes(self) -> list[int]:
        """Return the numbers of users: 2, 4, 8, ..."""
        return [SMALLEST << place for place in range((self.users // SMALLEST).bit_length())]

    def cell(self, method: str, users: int) -> ScalingCell:
        """Return the cell of a solver on slots of one size."""
        document = grown(self.scenario, users).to_dict()
        return ScalingCell(document, method, 0, self.slots, limit=self.limit)

    def parts(self) -> Mapping[str, Sequence[ScalingCell]]:
        """Return all cells, the small ones of each solver first: large ones ask them."""
        return {self.name: [self.cell(method, n) for n in self.sizes() for method in self.methods]}

    def rows(self, store: Store) -> list[Cost]:
        """Return a row for each solver and size, from the cells that are there."""
        rows = []
        for method in self.methods:
            for users in self.sizes():
                cell = self.cell(method, users)
                finished, times = store.read(cell) is not None, store.times(cell)
                if not finished:
                    why = store.reason(cell)
                    rows.append(Cost(method, users, why=f"failed: {why}" if why else ""))
                elif times.get("slot_s"):
                    seconds, peaks = times["slot_s"], times["peak_mb"]
                    cost = float(np.median(seconds)), float(max(peaks))
                    rows.append(Cost(method, users, len(seconds), *cost, times["why"]))
                else:
                    rows.append(Cost(method, users, why=times.get("why", "its times are gone")))
        return rows

    def fits(self, store: Store) -> list[Growth]:
        """Return how the cost of each solver grows, from 8 users on."""
        fits = []
        for method in self.methods:
            points, peaks = list[tuple[int, float]](), list[tuple[int, float]]()
            for users in self.sizes():
                times = store.times(self.cell(method, users))
                if users < FROM or times.get("why") or not times.get("slot_s"):
                    continue
                points += [(users, seconds) for seconds in times["slot_s"]]
                if max(times["peak_mb"]) >= LOADED:
                    peaks.append((users, max(times["peak_mb"])))
            if not points:
                continue
            time, memory = (
                exponent(*np.array(each, float).reshape(-1, 2).T) for each in (points, peaks)
            )
            fits.append(Growth(method, f"{points[0][0]}-{points[-1][0]}", *time, *memory))
        return fits

    def report(self, store: Store) -> Report:
        """Return the page, from the cells that are there."""
        from ...report.charts import curves

        rows, fits = self.rows(store), self.fits(store)
        tables = [
            Table(
                "exponents",
                "Exponents: cost grows as users to this power",
                ["method", "users", "time", "95% from", "to", "memory", "95% from", "to"],
                [[known(value) for value in vars(fit).values()] for fit in fits],
            ),
            Table(
                "costs",
                "One slot",
                ["method", "users", "slots solved", "time, s", "peak memory, MB", ""],
                [[known(value) for value in vars(row).values()] for row in rows],
            ),
        ]
        figures = []
        for name, title, unit in (("seconds", "Time", "s"), ("peak_mb", "Memory", "MB")):
            series = {
                method: (
                    [float(row.users) for row in rows if row.method == method],
                    [getattr(row, name) or nan for row in rows if row.method == method],
                )
                for method in self.methods
            }
            spec = curves(series, "users", f"{title.lower()}, {unit}", log=(2, 10))
            figures.append(Figure(name, f"{title} of one slot", spec, SENTENCES[name]))
        lengths = ["--users", self.users, "--slots", self.slots, "--limit", f"{self.limit:g}"]
        return Report(
            "What solvers take by the number of users",
            f"{self.slots} slots of each size, one thread, at most {self.limit:g} s a slot. Sub-"
            "channels and the server grow with the users.",
            command_of(
                "scaling", [*self.methods, *shlex.split(self.asked), *lengths], store.folder
            ),
            tables,
            figures if any(row.solved for row in rows) else [],
            [
                *lacking(self, store),
                *(f"{row.method}, {row.users} users: {row.why}" for row in rows if row.why),
            ],
            settings_of(self),
        )

    def document(self, store: Store) -> dict[str, Any]:
        """Return the study's JSON; numbers that are not known are null."""
        return {
            "schema": 1,
            "study": self.name,
            "limit": self.limit,
            "rows": [{k: known(v) for k, v in vars(row).items()} for row in self.rows(store)],
            "exponents": [{k: known(v) for k, v in vars(f).items()} for f in self.fits(store)],
        }

    def show(self, store: Store) -> None:
        """Print what slots take, and the exponents."""
        print_scaling(self.rows(store), self.fits(store), self.limit)


SENTENCES = {
    "seconds": "Median over slots; each is solved again until a fifth of a second has passed.",
    "peak_mb": "By how much the process grew while it solved a slot, the largest of the slots; "
    "some two MB are what code takes when it first runs.",
}
