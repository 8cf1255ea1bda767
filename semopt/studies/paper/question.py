"""The paper's study: every table and figure again, against certified optima.

The paper is Chen et al., "Online Multi-Task Offloading for Semantic-Aware Edge Computing Systems".
A part is a table or a figure; its cells are named by their content, so parts share what they have
in common. Beside each number stand the paper's, the difference and a verdict; orders and shapes
that the paper states are checked (`measures.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, Self

from ...limits import coupled
from ...report.page import Report, Section
from ...scenario import Scenario
from ...statistics import FEWEST
from ..cells import Cell, Store
from ..method_cell import MethodCell
from ..questions import lacking, settings_of
from ..tables import print_view
from ..training_cell import TrainingCell
from .curves import cells_of_curves, fig6, fig7
from .figures import cells_of_fig8, cells_of_fig9, fig8, fig9
from .measures import View
from .setup import EPISODES, PRESET, QUICK, SEEDS, WHOLE, Setup, published
from .tables import (
    cells_of_table3,
    cells_of_table4,
    cells_of_table5,
    table3,
    table4,
    table5,
    table_of,
)
from .weights import cells_of, view_of

ALL = "paper"


class Part(NamedTuple):
    """A table or a figure: its cells, and what they say."""

    cells: Callable[[Setup], list[Cell]]
    view: Callable[[Setup, Store], View]


PARTS = {
    "table3": Part(cells_of_table3, table3),
    "table4": Part(cells_of_table4, table4),
    "table5": Part(cells_of_table5, table5),
    "fig6": Part(cells_of_curves("mappo"), fig6),
    "fig7": Part(cells_of_curves("dqn"), fig7),
    "fig8": Part(cells_of_fig8, fig8),
    "fig9": Part(cells_of_fig9, fig9),
    **{name: Part(cells_of(name), view_of(name)) for name in ("fig10", "fig11", "fig12")},
}


@dataclass(frozen=True)
class Question:
    """What the paper's tables and figures say; `name` is "paper" for all, or that of a part."""

    name: str
    setup: Setup

    @classmethod
    def asked(
        cls,
        name: str,
        scenario: Scenario,
        quick: bool = False,
        seeds: int | None = None,
        episodes: int | None = None,
        source: str = PRESET,
    ) -> Self:
        """Return the question as the command line asks it.

        Raises
        ------
        ValueError
            For a scenario whose weights cannot be moved, or whose slots are a trace's.
        """
        if scenario.channel is None or scenario.channel.file:
            raise ValueError(f"{scenario.name}: a [channel] that draws gains is expected, no trace")
        problem = scenario.template()
        if problem.objective != "sum" or coupled(problem):
            raise ValueError(
                f'{scenario.name}: qoe.objective = "sum" without system.server_energy_max_mj is '
                "expected: the certified optimum is of that problem"
            )
        seeds, episodes = seeds or SEEDS[quick], episodes or EPISODES
        lengths = QUICK if quick else WHOLE
        return cls(name, Setup(scenario, seeds, episodes, lengths, source=source))

    @classmethod
    def of_settings(cls, settings: Mapping[str, Any]) -> Self:
        """Return the question of the settings that `settings` gave."""
        scenario = Scenario.from_dict(settings["scenario"])
        rest = {key: settings[key] for key in ("seeds", "episodes", "lengths", "named", "source")}
        return cls(settings["study"], Setup(scenario, **rest))

    def settings(self) -> dict[str, Any]:
        """Return what makes the question again, in the words of JSON."""
        setup = self.setup
        return {
            "scenario": setup.scenario.to_dict(),
            "seeds": setup.seeds,
            "episodes": setup.episodes,
            "lengths": setup.lengths,
            "named": setup.named,
            "source": setup.source,
        }

    def parts(self) -> Mapping[str, Sequence[Cell]]:
        """Return the cells of each table and figure."""
        return self._cells

    @cached_property
    def _cells(self) -> dict[str, list[Cell]]:
        names = PARTS if self.name == ALL else [self.name]
        return {name: with_trainings(PARTS[name].cells(self.setup)) for name in names}

    def views(self, store: Store) -> dict[str, View]:
        """Return what each part says, from the cells that are there."""
        return {name: PARTS[name].view(self.setup, store) for name in self._cells}

    def report(self, store: Store) -> Report:
        """Return the page, from the cells that are there."""
        views, setup = self.views(store), self.setup
        counts = verdicts(views)
        listed = ", ".join(f"{count} {verdict}" for verdict, count in counts.items())
        notes = list(lacking(self, store))
        if setup.seeds < FEWEST:
            notes.append(
                f"{setup.seeds} trainings of each policy: fewer than {FEWEST} carry no interval."
            )
        return Report(
            "The paper again, against certified optima",
            f"{published()['citation']}: {len(views)} of its tables and figures on scenario "
            f"{setup.scenario.name}. Numbers, orders and shapes: {listed}.",
            setup.command(self.name, store.folder),
            [],
            [],
            notes,
            settings_of(self),
            [section(name, view) for name, view in views.items()],
        )

    def document(self, store: Store) -> dict[str, Any]:
        """Return the study's JSON."""
        return {
            "schema": 1,
            "study": self.name,
            "scenario": self.setup.scenario.name,
            "seeds": self.setup.seeds,
            "episodes": self.setup.episodes,
            "citation": published()["citation"],
            "parts": {name: view.document() for name, view in self.views(store).items()},
        }

    def show(self, store: Store) -> None:
        """Print a table for each part."""
        for view in self.views(store).values():
            print_view(view)


def with_trainings(cells: Sequence[Cell]) -> list[Cell]:
    """Return cells, before them the trainings whose policies decide in them."""
    trainings = [
        TrainingCell(**cell.training)
        for cell in cells
        if isinstance(cell, MethodCell) and cell.training
    ]
    return [*trainings, *cells]


def verdicts(views: Mapping[str, View]) -> dict[str, int]:
    """Return how many numbers and claims of the paper have which verdict."""
    counts = dict[str, int]()
    for view in views.values():
        all_verdicts = [*(x.verdict for x in view.lines), *(x.verdict for x in view.claims)]
        for verdict in all_verdicts:
            if verdict:
                counts[verdict] = counts.get(verdict, 0) + 1
    return counts


def section(name: str, view: View) -> Section:
    """Return a part as a section of the page."""
    tables = [table_of(name, "Beside the paper's numbers", view.lines)] if view.lines else []
    notes = [claim.sentence for claim in view.claims]
    tables += [table for table in view.tables if table.rows]
    stated = published()["figures"].get(name, "")
    summary = f"{view.summary} The paper: {stated}." if stated else view.summary
    return Section(view.title, summary, tables, view.figures, notes)
