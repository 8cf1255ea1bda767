"""Cells of a calibration: starts of the fit, and the best of them; chains are in `legs.py`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from json import dumps, loads
from pathlib import Path
from time import perf_counter
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from ...problem import Floats
from ..cells import AGAIN, Cell, Store
from ..work import need
from .model import Model
from .prior import Prior
from .search import (
    CANDIDATES,
    FINE_STEP,
    STEP,
    Best,
    descend,
)
from .targets import Targets

FINE = 32  # times as many gains are the fine slots
REFINED = 5  # part of the evaluations of a start that refines the best of them
VALUES = pa.list_(pa.field("element", pa.float64()))  # as Parquet reads it back


@dataclass(frozen=True)
class Fit:
    """What all cells of a calibration share.

    Attributes
    ----------
    targets : document, with that of the scenario
    gains : Sobol points of the gains, a power of two; 32 times as many refine the best start
    evaluations : of a start
    starts : how many there are
    """

    targets: dict[str, Any]
    gains: int
    evaluations: int
    starts: int

    def model(self, fine: bool = False) -> Model:
        """Return the model that misfits are those of."""
        return _model(dumps(self.targets), self.gains * (FINE if fine else 1))


@cache
def _model(targets: str, gains: int) -> Model:
    return Model(Targets.model_validate(loads(targets)), gains)


@dataclass(frozen=True)
class StartCell(Cell):
    """One descent from the prior; its row is where it ended."""

    fit: Fit
    seed: int

    kind: ClassVar[str] = "start"
    schema: ClassVar[pa.Schema] = pa.schema(
        {
            "misfit": pa.float64(),  # chi square
            "evaluations": pa.int64(),
            "stopped": pa.string(),
            "values": VALUES,  # of the parameters, in their order
        }
    )

    @property
    def label(self) -> str:
        """What people read of it."""
        return f"start {self.seed + 1} of the fit"

    def compute(self, folder: Path) -> tuple[dict[str, Any], dict[str, float]]:
        """Descend from the best of some draws of the prior.

        The first start begins where the scenario stands, with small steps where all of it is known.
        """
        begun, model = perf_counter(), self.fit.model()
        drawn, step = model.prior.draw(CANDIDATES, self.seed), STEP
        if self.seed == 0:
            given = model.prior.place(model.given())
            drawn = np.clip(np.where(np.isnan(given), drawn, given), 0.0, 1.0)
            step = STEP if np.isnan(given).any() else FINE_STEP
        place = min(drawn, key=model.misfit)
        end = descend(model.misfit, place, step, self.fit.evaluations - CANDIDATES, self.seed)
        return row_of(model, end), {"seconds": perf_counter() - begun}

    @staticmethod
    def audited(
        about: Mapping[str, Any], row: Mapping[str, Any], place: int, folder: Path
    ) -> tuple[str, bool]:
        """Compute the misfit of its values again."""
        return misfit_again(Fit(**about["fit"]).model(), row)


@dataclass(frozen=True)
class BestCell(Cell):
    """The best of all starts, refined on the fine slots: the answer."""

    fit: Fit

    kind: ClassVar[str] = "best"
    schema: ClassVar[pa.Schema] = StartCell.schema

    @property
    def label(self) -> str:
        """What people read of it."""
        return "the best start, refined"

    def compute(self, folder: Path) -> tuple[dict[str, Any], dict[str, float]]:
        """Descend from the start that explains the fine slots best."""
        begun, fine = perf_counter(), self.fit.model(fine=True)
        place = min(ends_of(folder, self.fit, fine.prior), key=fine.misfit)
        end = descend(fine.misfit, place, FINE_STEP, self.fit.evaluations // REFINED, 0)
        return row_of(fine, end), {"seconds": perf_counter() - begun}

    @staticmethod
    def audited(
        about: Mapping[str, Any], row: Mapping[str, Any], place: int, folder: Path
    ) -> tuple[str, bool]:
        """Compute the misfit of its values again."""
        return misfit_again(Fit(**about["fit"]).model(fine=True), row)


def row_of(model: Model, end: Best) -> dict[str, Any]:
    """Return the columns of where a descent ended."""
    return {
        "misfit": [end.misfit],
        "evaluations": [end.evaluations],
        "stopped": [end.stopped],
        "values": [model.prior.values(end.place).tolist()],
    }


def ends_of(folder: Path, fit: Fit, prior: Prior) -> Floats:
    """Return the places where all starts ended: (S, P)."""
    starts = (StartCell(fit, seed) for seed in range(fit.starts))
    values = [rows_of(folder, start)["values"].to_pylist() for start in starts]
    ends = prior.place(np.concatenate(values))
    return np.clip(ends, 0.0, 1.0)


def rows_of(folder: Path, cell: Cell) -> pa.Table:
    """Return the rows of a cell, which is computed where it is not there.

    Raises
    ------
    Elsewhere
        Where somebody else is at it.
    """
    need(folder, cell)
    table = Store(folder).read(cell)
    assert table is not None
    return table


def misfit_again(model: Model, row: Mapping[str, Any]) -> tuple[str, bool]:
    """Say whether the values of a row have the misfit that it says, and tell."""
    again = model.misfit(model.prior.place(row["values"]))
    if abs(again - row["misfit"]) > AGAIN * max(1.0, again):
        return f"its misfit is {row['misfit']:.6f}, its values have {again:.6f}", False
    return "its values have the misfit that it says", True
