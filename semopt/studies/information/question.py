"""The information study: what observations of users' own permit at best.

For each user, all others are informed of everything (`cell.py`): what is lost still
bounds what policies of own observations reach from above, and the largest loss bounds it best. As
an estimate of what all lose at once, the single losses are also added up.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from ...figures import SHARED_LIMITS
from ...learn.deciders import CONSTANT
from ...learn.evaluate import strongest
from ...limits import refuse
from ...report.page import Figure, Report, Table
from ...scenario import Scenario
from ...statistics import interval_of_slots, without_interval
from ...worth import closure, tasks_in
from ..cells import Cell, Store, column
from ..method_cell import MethodCell
from ..questions import command_of, known, lacking, rows_document, settings_of
from ..tables import Permitted, print_information
from .cell import InformationCell


@dataclass(frozen=True)
class Question:
    """What observations permit on each scenario; `asked` are the options that name these."""

    scenarios: Sequence[Scenario]
    draws: int
    replies: int
    slots: int
    asked: str = ""

    name: ClassVar[str] = "information"

    @classmethod
    def of_settings(cls, settings: Mapping[str, Any]) -> Self:
        """Return the question of the settings that `settings` gave."""
        scenarios = [Scenario.from_dict(document) for document in settings["scenarios"]]
        draws, replies = int(settings["draws"]), int(settings["replies"])
        return cls(scenarios, draws, replies, int(settings["slots"]), str(settings["asked"]))

    def settings(self) -> dict[str, Any]:
        """Return what makes the question again, in the words of JSON."""
        return {
            "scenarios": [scenario.to_dict() for scenario in self.scenarios],
            "draws": self.draws,
            "replies": self.replies,
            "slots": self.slots,
            "asked": self.asked,
        }

    def check(self) -> None:
        """Raise ValueError for a scenario whose users the bound does not part from one another."""
        for scenario in self.scenarios:
            problem = scenario.template()
            refuse(problem, SHARED_LIMITS, "couples the users: what each loses cannot be told")
            if problem.objective != "sum" or scenario.users < 2:
                raise ValueError(
                    f"{scenario.name}: two or more users and the objective sum are expected"
                )
            if scenario.channel_law().model == "trace":
                raise ValueError(
                    f"{scenario.name}: is a trace, whose users may not be independent: name a "
                    "scenario with another channel.model"
                )

    def losses(self, scenario: Scenario) -> list[InformationCell]:
        """Return a cell for each user."""
        document = scenario.to_dict()
        return [
            InformationCell(document, user, 0, self.draws, self.replies)
            for user in range(scenario.users)
        ]

    def means(self, scenario: Scenario) -> list[MethodCell]:
        """Return the cells of the certified optimum and of the best fixed action."""
        methods = strongest(scenario.template()), CONSTANT
        return [MethodCell(scenario.to_dict(), method, 0, self.slots) for method in methods]

    def parts(self) -> Mapping[str, Sequence[Cell]]:
        """Return all cells."""
        cells = [cell for of in self.scenarios for cell in (*self.losses(of), *self.means(of))]
        return {self.name: cells}

    def rows(self, store: Store) -> list[Permitted]:
        """Return a row for each scenario, from the cells that are there."""
        rows = []
        for scenario in self.scenarios:
            tables = [store.read(cell) for cell in self.means(scenario)]
            lost = [
                column(table, "informed") - column(table, "blind")
                for cell in self.losses(scenario)
                if (table := store.read(cell)) is not None
            ]
            cells = [*self.means(scenario), *self.losses(scenario)]
            failed = sum(store.read(cell) is None and store.reason(cell) != "" for cell in cells)
            if None in tables or not lost:
                lacks = "failed" if failed else "not there yet"
                rows.append(Permitted(scenario.name, len(lost), lacks=lacks))
                continue
            left = scenario.users - len(lost) - failed
            words = [f"{failed} of {scenario.users} users failed"] * (failed > 0)
            words += [f"{left} of {scenario.users} users not there yet"] * (left > 0)
            tasks = tasks_in(scenario.template())
            optima, fixed = (column(table, "value") / tasks for table in tables)
            feasible = ~np.isnan(optima)
            optimum, constant = float(optima[feasible].mean()), float(fixed[feasible].mean())
            most, added = max(lost, key=np.mean), float(np.sum(lost, axis=0).mean())
            loss = float(most.mean())
            low, high = interval_of_slots([most], scenario.in_time)
            rows.append(
                Permitted(
                    *(scenario.name, len(lost), optimum, constant, loss, low, high, added),
                    closed=closure(optimum - loss, optimum, constant),
                    closed_added=closure(optimum - added, optimum, constant),
                    without_interval=without_interval([most], scenario.in_time, "observations"),
                    lacks=", ".join(words),
                )
            )
        return rows

    def report(self, store: Store) -> Report:
        """Return the page, from the cells that are there."""
        from ...report.charts import intervals

        rows = self.rows(store)
        columns = [
            *("scenario", "users", "optimum", "constant", "loss of one", "95% from", "to"),
            *("losses added up", "closed at most", "closed, added up"),
        ]
        figures = [
            Figure(
                f"information-{place}",
                f"{row.label}: what observations permit",
                intervals(
                    [
                        (
                            "own observations, at most",
                            row.optimum - row.loss,
                            known(row.optimum - row.high),
                            known(row.optimum - row.low),
                        ),
                        ("the same, losses added up", row.optimum - row.added, None, None),
                        ("best fixed action", row.constant, None, None),
                    ],
                    "QoE a task",
                    optimum=row.optimum,
                ),
                "The line is the certified optimum. No policy of own observations is right of the "
                "first point, but for the grid of levels and the noise of the draws; the second "
                "is an estimate.",
                notes=[f"No interval: {row.without_interval}."] * (row.without_interval != ""),
            )
            for place, row in enumerate(rows)
            if row.loss == row.loss
        ]
        lengths = ["--draws", self.draws, "--replies", self.replies, "--slots", self.slots]
        return Report(
            "What observations permit",
            f"{self.draws} observations of each user, each answered by {self.replies} draws of the "
            "others, who see everything and choose last.",
            command_of("information", [*shlex.split(self.asked), *lengths], store.folder),
            [Table("information", "QoE a task", columns, [_entries(row) for row in rows])],
            figures,
            list(lacking(self, store)),
            settings_of(self),
        )

    def document(self, store: Store) -> dict[str, Any]:
        """Return the study's JSON; numbers that are not known are null."""
        return rows_document(self.name, self.slots, self.rows(store))

    def show(self, store: Store) -> None:
        """Print a row for each scenario."""
        print_information(self.rows(store))


def _entries(row: Permitted) -> list[Any]:
    _, *figures, _, _ = vars(row).values()
    return [row.label, *map(known, figures)]
