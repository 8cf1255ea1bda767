"""The gap study: any methods and policies against the certified optimum."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Self

from ...learn.evaluate import strongest
from ...report.page import Report
from ...scenario import Scenario
from ..cells import Cell, Store
from ..questions import known, lacking, settings_of
from ..tables import print_gaps
from .rows import Grid, alike, in_time, spread


@dataclass(frozen=True)
class Question(Grid):
    """How far methods are from the certified optimum; `asked` are the options of its scenarios."""

    asked: str = ""

    name: ClassVar[str] = "gap"

    @classmethod
    def of_settings(cls, settings: Mapping[str, Any]) -> Self:
        """Return the question of the settings that `settings` gave."""
        scenarios = [Scenario.from_dict(document) for document in settings["scenarios"]]
        seeds, slots = int(settings["seeds"]), int(settings["slots"])
        ranked, asked = int(settings["ranked"]), str(settings["asked"])
        return cls(scenarios, settings["methods"], seeds, slots, ranked, asked)

    def settings(self) -> dict[str, Any]:
        """Return what makes the question again, in the words of JSON."""
        return {
            "scenarios": [scenario.to_dict() for scenario in self.scenarios],
            "methods": list(self.methods),
            "seeds": self.seeds,
            "slots": self.slots,
            "ranked": self.ranked,
            "asked": self.asked,
        }

    def parts(self) -> Mapping[str, Sequence[Cell]]:
        """Return all cells: the study is one part."""
        return {self.name: self.cells()}

    def report(self, store: Store) -> Report:
        """Return the page, from the cells that are there."""
        from .report import page

        rows, missing = list(self.rows(store)), list(lacking(self, store))
        return page(self, store, rows, settings_of(self), missing, self.asked)

    def show(self, store: Store) -> None:
        """Print a table for each scenario."""
        rows = list(self.rows(store))
        words = [
            in_time(scenario, [row for row in rows if row.scenario == scenario.name])
            for scenario in self.scenarios
        ]
        print_gaps(rows, alike(rows), [*filter(None, words)])

    def document(self, store: Store) -> dict[str, Any]:
        """Return the study's JSON; numbers that are not known are null."""
        rows = list(self.rows(store))
        return {
            "schema": 1,
            "study": self.name,
            "slots": self.slots,
            "seeds": self.seeds,
            "scenarios": {
                scenario.name: {
                    "reference": strongest(scenario.template()),
                    "discriminability": known(spread(rows, scenario.name)),
                }
                for scenario in self.scenarios
            },
            "rows": [{name: known(value) for name, value in asdict(row).items()} for row in rows],
        }
