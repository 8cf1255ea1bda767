"""The study of policies: how far each kind of training ends from the certified optimum.

A kind is an algorithm on a scenario with some settings, trained from a few seeds; each training is
scored on the same slots as the optimum and the best fixed action, as it is and with its levels
optimised (`--refine` of `evaluate`). Tables give the least of a kind's trainings.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from math import nan
from typing import Any, ClassVar, Self

import numpy as np
import pyarrow as pa

from ..learn.deciders import CONSTANT
from ..learn.evaluate import strongest
from ..problem import Floats
from ..report.page import Figure, Report, Table
from ..scenario import Scenario
from ..statistics import interval
from ..worth import closure, tasks_in
from .cells import Cell, Store, column
from .method_cell import MethodCell, decided
from .questions import command_of, known, lacking, rows_document, settings_of
from .tables import Policy, print_policies
from .training_cell import TrainingCell

REFINED = {"refine": True}  # option of a cell whose policy has its levels optimised


@dataclass(frozen=True)
class Kind:
    """Trainings that differ in their seeds alone."""

    scenario: str
    policy: str
    algorithm: str
    seeds: int = 1
    settings: str = "fast"
    observation: str = "own"
    semantic: bool = True
    updates: int | None = None


KINDS = {
    "paper-mappo": Kind("paper", "MAPPO", "mappo", 5),
    "paper-unaware": Kind("paper", "MAPPO, semantic-unaware", "mappo", semantic=False),
    "paper-dqn": Kind("paper", "DQN", "dqn"),
    "paper-settings": Kind("paper", "MAPPO, paper's settings", "mappo", settings="paper"),
    "paper-distill": Kind("paper", "distilled", "distill"),
    "contended-mappo": Kind("contended", "MAPPO, shared", "mappo", 3, observation="shared"),
    "contended-own": Kind("contended", "MAPPO, own", "mappo"),
    "contended-distill": Kind("contended", "distilled, shared", "distill", observation="shared"),
    "contended-4-mappo": Kind("contended-4", "MAPPO, shared", "mappo", observation="shared"),
    "contended-4-own": Kind("contended-4", "MAPPO, own", "mappo"),
    "contended-8-mappo": Kind("contended-8", "MAPPO, shared", "mappo", observation="shared"),
    "contended-8-long": Kind(
        *("contended-8", "MAPPO, shared, 2500 updates", "mappo"),
        observation="shared",
        updates=2500,
    ),
    "contended-8-own": Kind("contended-8", "MAPPO, own", "mappo"),
}


@dataclass(frozen=True)
class Question:
    """How far kinds of trainings end from the optimum; `updates` cuts each short, where given."""

    kinds: Sequence[str]
    slots: int
    updates: int | None = None

    name: ClassVar[str] = "policies"

    @classmethod
    def of_settings(cls, settings: Mapping[str, Any]) -> Self:
        """Return the question of the settings that `settings` gave."""
        return cls(settings["kinds"], int(settings["slots"]), settings["updates"])

    def settings(self) -> dict[str, Any]:
        """Return what makes the question again, in the words of JSON."""
        return {"kinds": list(self.kinds), "slots": self.slots, "updates": self.updates}

    def trainings(self, kind: Kind) -> list[TrainingCell]:
        """Return the trainings of a kind."""
        from ..learn.train import describe

        updates = kind.updates if self.updates is None else self.updates
        changed: dict[str, Any] = {} if updates is None else {"updates": updates}
        scenario = Scenario.load(kind.scenario)
        return [
            TrainingCell(
                **asdict(
                    describe(
                        *(kind.algorithm, scenario, kind.settings),
                        observation=kind.observation,  # type: ignore[arg-type]
                        semantic=kind.semantic,
                        seed=seed,
                        **changed,
                    )
                )
            )
            for seed in range(kind.seeds)
        ]

    def scored(self, kind: Kind, training: TrainingCell) -> tuple[MethodCell, MethodCell]:
        """Return the cells of a trained policy: as it is, and with its levels optimised."""
        plain = MethodCell(
            *(training.scenario, kind.policy, 0, self.slots), training=training.fields()
        )
        return plain, MethodCell(**vars(plain) | {"options": REFINED})

    def beside(self, name: str) -> tuple[MethodCell, MethodCell]:
        """Return the cells of a scenario's certified optimum and best fixed action."""
        scenario = Scenario.load(name)
        best, fixed = (
            MethodCell(scenario.to_dict(), method, 0, self.slots)
            for method in (strongest(scenario.template()), CONSTANT)
        )
        return best, fixed

    def parts(self) -> Mapping[str, Sequence[Cell]]:
        """Return all cells."""
        kinds = [KINDS[name] for name in self.kinds]
        cells: list[Cell] = [cell for kind in kinds for cell in self.beside(kind.scenario)]
        trainings = [(kind, training) for kind in kinds for training in self.trainings(kind)]
        cells += [training for _, training in trainings]
        cells += [cell for kind, training in trainings for cell in self.scored(kind, training)]
        return {self.name: cells}

    def rows(self, store: Store) -> list[Policy]:
        """Return a row for each scenario's best fixed action and each kind of training."""
        rows, named = [], set[str]()
        for kind in (KINDS[name] for name in self.kinds):
            reference, fixed = self.beside(kind.scenario)
            if kind.scenario not in named:
                named.add(kind.scenario)
                rows.append(_row(kind.scenario, CONSTANT, store, reference, fixed, [(fixed, None)]))
            scores, seconds = list[tuple[MethodCell, MethodCell | None]](), list[float]()
            for training in self.trainings(kind):
                scores.append(self.scored(kind, training))
                seconds.append(store.times(training).get("seconds", nan))
            row = _row(kind.scenario, kind.policy, store, reference, fixed, scores, seconds)
            rows.append(row)
        return rows

    def report(self, store: Store) -> Report:
        """Return the page, from the cells that are there."""
        from ..report.charts import intervals

        rows, figures = self.rows(store), []
        for place, scenario in enumerate(dict.fromkeys(row.scenario for row in rows)):
            available = [row for row in rows if row.scenario == scenario and row.gaps]
            means = []
            for row in available:
                low, high = interval(np.array(row.gaps))
                means.append((row.label, float(np.mean(row.gaps)), known(low), known(high)))
            spec = intervals(
                means,
                "gap to the certified optimum, QoE a task",
                {row.label: row.gaps for row in available},
            )
            sentence = "A point a training; bars are 95% intervals, of 5 trainings or more."
            if means:
                name, title = f"policies-{place}", f"{scenario}: mean gap"
                absent = [row for row in rows if row.scenario == scenario and not row.gaps]
                words = [f"{row.policy}: {row.lacks}." for row in absent]
                figures.append(Figure(name, title, spec, sentence, notes=words))
        updates = [] if self.updates is None else ["--updates", self.updates]
        return Report(
            "Policies against the certified optimum",
            f"{self.slots} slots; the least of a kind's trainings. Gap closed: of what lies "
            "between the best fixed action and the optimum; refined: with levels optimised.",
            command_of("policies", [*self.kinds, "--slots", self.slots, *updates], store.folder),
            [
                Table(
                    "policies",
                    "Policies",
                    [
                        *("scenario", "policy", "trainings", "ratio", "closure", "worst slot"),
                        *("gap closed", "gap closed, refined", "training, s"),
                    ],
                    [_entries(row) for row in rows],
                )
            ],
            figures,
            list(lacking(self, store)),
            settings_of(self),
        )

    def document(self, store: Store) -> dict[str, Any]:
        """Return the study's JSON; numbers that are not known are null."""
        return rows_document(self.name, self.slots, self.rows(store))

    def show(self, store: Store) -> None:
        """Print a row for each kind of training."""
        print_policies(self.rows(store))


def _row(
    scenario: str,
    policy: str,
    store: Store,
    reference: MethodCell,
    fixed: MethodCell,
    scores: Iterable[tuple[MethodCell, MethodCell | None]],
    seconds: Sequence[float] = (),
) -> Policy:
    """Return what the trainings that are there reach, the least of each."""
    about = Policy(scenario, policy, lacks="not there yet")
    optimum, least_table = store.read(reference), store.read(fixed)
    for cell, table in ((reference, optimum), (fixed, least_table)):
        if table is None:
            words = f"{cell.method} failed" if store.reason(cell) else about.lacks
            return replace(about, lacks=words)
    tasks = tasks_in(Scenario.from_dict(reference.scenario).template())
    optima = column(optimum, "value")
    feasible = ~np.isnan(optima)
    optima = optima[feasible]
    best, least = optima.mean(), _values(least_table)[feasible].mean()
    reached, refined, failed = list[Any](), list[float](), 0
    scores = [*scores]
    for plain, other in scores:
        table, again = decided(store, plain), decided(store, other) if other else None
        failed += store.read(plain) is None and store.reason(plain) != ""
        if table is not None:
            reached.append(_values(table)[feasible])
        if again is not None:
            refined.append(float(_values(again)[feasible].mean()))
    if failed == len(scores):  # of what decided nowhere nothing is known
        return replace(about, lacks="failed")
    if not reached:
        return about
    means = [float(values.mean()) for values in reached]
    return Policy(
        *(scenario, policy, len(seconds) and len(reached)),
        ratio=min(float((values / optima).mean()) for values in reached),
        closure=closure(min(means) / tasks, float(best) / tasks),
        worst=min(float((values / optima).min()) for values in reached),
        closed=(min(means) - least) / (best - least),
        refined=(min(refined) - least) / (best - least) if refined else nan,
        seconds=(float(np.nanmin(seconds)), float(np.nanmax(seconds)))
        if np.isfinite(seconds).any()
        else (nan, nan),
        gaps=tuple(float(best - mean) / tasks for mean in means),
        lacks=f"{failed} of {len(scores)} failed, scored 0" if failed else "",
    )


def _values(table: pa.Table) -> Floats:
    """Return what decisions are worth: 0 of a slot without one."""
    values: Floats = np.nan_to_num(column(table, "value"))
    return values


def _entries(row: Policy) -> list[Any]:
    return [
        *(row.scenario, row.label, row.trainings or None, known(row.ratio), known(row.closure)),
        *(known(row.worst), known(row.closed), known(row.refined), row.time()),
    ]
