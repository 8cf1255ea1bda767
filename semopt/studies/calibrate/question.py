"""The calibration study: which values of a scenario's unpublished figures explain measurements.

A file of targets names parameters with their priors, and what was measured (`targets.py`);
the paper's stand in paper.toml. Starts from all over the prior are fitted, the best of them is
the answer; chains from the prior say what else explains the measurements as well, and so which
parameters the data fix and which they leave free.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ...problem import Floats
from ...records import Record
from ...report.page import Report
from ...scenario import Scenario, ScenarioError
from ..cells import Cell, Store, column
from ..questions import settings_of
from .cells import BestCell, Fit, StartCell
from .legs import FEWEST, DrawsCell, Legs, Walk, leg_cells, posterior
from .model import Model, Target, chi_square
from .prior import Prior
from .spread import Spread, spread
from .targets import PAPER, load

PRIOR_DRAWS = 20_000


@dataclass(frozen=True)
class Explained(Record):
    """What is known so far.

    Attributes
    ----------
    misfits : of the starts that are there, the best first
    values : (P,) of the best, refined where it is; predicted : (T,) figures; None of no start
    misfit : of the best, on the fine slots
    predicted_before, misfit_before : of the scenario given
    spread : of the later halves of chains' legs on their ladders, None before one has any
    evidences : the log evidence of each chain that has come to the posterior
    draws : values (D, P), predicted (D, T) and QoE (D, settings) of draws of the chains
    """

    misfits: list[float]
    values: Floats | None
    predicted: Floats | None
    misfit: float
    predicted_before: Floats
    misfit_before: float
    spread: Spread | None
    evidences: list[float]
    draws: dict[str, Floats]

    @property
    def mixed(self) -> bool:
        """Whether the chains are a posterior."""
        return self.spread is not None and self.spread.mixed


@dataclass(frozen=True)
class Question:
    """Targets, and how long starts and chains take; `asked` is the argument that names a file."""

    fit: Fit
    walk: Walk
    draws: int
    asked: str = ""

    name: ClassVar[str] = "calibrate"

    @classmethod
    def of_settings(cls, settings: Mapping[str, Any]) -> Self:
        """Return the question of the settings that `settings` gave."""
        fit, walk = Fit(**settings["fit"]), Walk(**settings["walk"])
        return cls(fit, walk, int(settings["draws"]), str(settings["asked"]))

    def settings(self) -> dict[str, Any]:
        """Return what makes the question again, in the words of JSON."""
        return asdict(self)

    def parts(self) -> Mapping[str, Sequence[Cell]]:
        """Return all cells: the study is one part."""
        cells: list[Cell] = [
            *self.starts,
            BestCell(self.fit),
            *leg_cells(self.fit, self.walk),
            self.last,
        ]
        return {self.name: cells}

    @cached_property
    def starts(self) -> list[StartCell]:
        """The starts of the fit."""
        return [StartCell(self.fit, seed) for seed in range(self.fit.starts)]

    @cached_property
    def last(self) -> DrawsCell:
        """The draws of the chains."""
        return DrawsCell(self.fit, self.walk, self.draws)

    @cached_property
    def model(self) -> Model:
        """The model on the fine slots."""
        return self.fit.model(fine=True)

    @property
    def targets(self) -> list[Target]:
        """What was measured."""
        return self.model.targets

    def explained(self, store: Store) -> Explained:
        """Return what is known, from the cells that are there."""
        model = self.model
        ends = [table for cell in self.starts if (table := store.read(cell)) is not None]
        ends.sort(key=lambda table: float(column(table, "misfit")[0]))
        refined = store.read(BestCell(self.fit))
        best = next(iter(ends), None) if refined is None else refined
        values = None if best is None else np.array(best["values"][0].as_py())
        predicted, missed = (None, float("nan")) if values is None else model.predict(values)
        before, lost = model.predict_given()
        legs, arrived = dict[tuple[int, int], pa.Table](), dict[int, pa.Table]()
        for cell in leg_cells(self.fit, self.walk):
            if (leg := store.read(cell)) is not None:
                legs[cell.seed, cell.leg] = leg
                if pc.max(leg["power"]).as_py() == 1.0:
                    arrived[cell.seed] = leg
        draws, table = dict[str, Floats](), store.read(self.last)
        if table is not None:
            draws = {name: np.array(table[name].to_pylist()) for name in table.column_names}
        return Explained(
            [float(column(table, "misfit")[0]) for table in ends],
            values,
            predicted,
            float("nan") if predicted is None else chi_square(model.deviating(predicted, missed)),
            before,
            chi_square(model.deviating(before, lost)),
            self._spread(legs, values),
            [leg["log_evidence"][-1].as_py() for leg in arrived.values()],
            draws,
        )

    def _spread(self, legs: Legs, fitted: Floats | None) -> Spread | None:
        """Return what the chains say that have come to the posterior, beside fitted values (P,)."""
        prior, sampled = self.model.prior, posterior(legs, self.walk)
        if sampled.size == 0 or fitted is None:
            return None
        drawn = prior.draw(PRIOR_DRAWS, seed=0)
        return spread(prior.place(sampled), drawn, prior.place(fitted))

    def report(self, store: Store) -> Report:
        """Return the page, from the cells that are there."""
        from .report import page

        return page(self, store, self.explained(store), settings_of(self))

    def show(self, store: Store) -> None:
        """Print what was measured beside what is explained, and the verdict on each parameter."""
        from .tables import print_calibration

        print_calibration(self, self.explained(store))

    def document(self, store: Store) -> dict[str, Any]:
        """Return the study's JSON; numbers that are not known are null."""
        from .report import document

        return document(self, store, self.explained(store))

    def best(self, known: Explained) -> Scenario | None:
        """Return the scenario of the best start; None where none ended."""
        return None if known.values is None else self.model.scenario(known.values)


def question_of(
    source: str | Path,
    *,
    starts: int,
    evaluations: int,
    gains: int,
    chains: int,
    legs: int,
    steps: int,
    walkers: int,
    draws: int,
) -> Question:
    """Return the question of a file of targets.

    Raises
    ------
    ValueError
        Naming the fault of the file, or the option that does not do, or the package that is missing
    """
    for package, extra in (("cma", "study"), ("torch", "learn")):
        if find_spec(package) is None:
            raise ValueError(f"{package} is missing: pip install 'semopt[{extra}]'")
    if gains & (gains - 1):
        raise ValueError(f"--gains {gains}: a power of two is expected, for they are Sobol points")
    targets = load(source)
    prior, model = Prior(targets), Model(targets, gains=1)
    assert model.targets  # they have noise
    for end in (0.0, 1.0):
        try:
            model.scenario(prior.values(np.full(len(prior.keys), end)))
        except ScenarioError as error:
            raise ValueError(f"{source}: at the ends of the parameters' ranges: {error}") from None
    fit = Fit(targets.model_dump(mode="json"), gains, evaluations, starts)
    if walkers < (least := max(2 * len(targets.parameter), FEWEST)):
        raise ValueError(
            f"--walkers {walkers}: {least} or more are needed, two for each parameter and at least "
            f"{FEWEST}"
        )
    asked = "" if source == PAPER else shlex.join([str(source)])
    return Question(fit, Walk(chains, legs, steps, walkers), draws, asked)
