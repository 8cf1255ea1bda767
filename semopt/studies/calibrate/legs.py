"""Legs of the chains, and what chains say together.

A leg of a chain goes on where its last one ended, the first one is drawn from the prior: so a chain
that was killed loses one leg at most, and whoever computes a leg waits for what it needs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from ...problem import Floats, Integers
from ..cells import Cell, column
from .cells import VALUES, Fit, misfit_again, rows_of
from .model import Model
from .search import Ensemble, advance, first_leg, level, standing

FIRST = 4  # times as many draws of the prior as there are walkers are the first leg
MEMORY = 150_000  # scenarios, of a chain's latest, that its emulator learns from
LADDER = 0.2  # power that the lowest rung has at most: there valleys are one
RUNG = 4  # walkers at least: steps are along differences of those of the other half
FEWEST = 2 * RUNG
WALKING = 1  # what chains draw, apart from what starts do


@dataclass(frozen=True)
class Walk:
    """What all legs of the chains share: so many chains of so many legs of so many steps."""

    chains: int
    legs: int
    steps: int
    walkers: int


@dataclass(frozen=True)
class LegCell(Cell):
    """One leg of a chain; its rows are what each walker tried in each step, one step after another.

    A chain is an ensemble on its way from the prior, of which the first leg is draws, to the
    posterior. There it becomes a ladder, of walkers that earlier legs ended with: from then on they
    exchange their powers, and those of power 1 are the posterior's.
    """

    fit: Fit
    walkers: int
    steps: int
    seed: int
    leg: int

    kind: ClassVar[str] = "leg"
    schema: ClassVar[pa.Schema] = pa.schema(
        {
            "misfit": pa.float64(),  # chi square
            "taken": pa.bool_(),  # whether the walker went there; all did where the leg began
            "power": pa.float64(),  # of the likelihood, after the step
            "log_evidence": pa.float64(),  # of the likelihood to the highest power
            "values": VALUES,
            "deviations": pa.list_(pa.field("element", pa.float32())),
        }
    )

    @property
    def label(self) -> str:
        """What people read of it."""
        return f"chain {self.seed + 1}, leg {self.leg + 1}"

    def compute(self, folder: Path) -> tuple[dict[str, Any], dict[str, float]]:
        """Walk on from the last leg, or draw from the prior."""
        begun, model = perf_counter(), self.fit.model()
        if self.leg == 0:
            drawn = model.prior.draw(FIRST * self.walkers, self.seed, WALKING)
            trace = first_leg(model, drawn.reshape(FIRST, self.walkers, -1))
        else:
            from ...learn.threads import one_thread

            seed = np.random.SeedSequence([WALKING, self.seed, self.leg])
            ensemble, known = self.begun_with(folder, model)
            with one_thread():
                trace = advance(model, ensemble, known, self.steps, seed)
        places, deviations = trace.tried()
        columns = {
            "misfit": -2.0 * level(deviations),
            "taken": trace.taken.ravel(),
            "power": trace.power.ravel(),
            "log_evidence": np.full(len(places), trace.log_evidence),
            "values": list(model.prior.values(places)),
            "deviations": list(deviations.astype(np.float32)),
        }
        return columns, {"seconds": perf_counter() - begun}

    def begun_with(self, folder: Path, model: Model) -> tuple[Ensemble, tuple[Floats, Floats]]:
        """Return where it begins, and what its chain has computed lately: places, deviations."""
        known, count = list[tuple[Floats, Floats]](), 0
        for leg in reversed(range(self.leg)):
            table = rows_of(folder, replace(self, leg=leg))
            known.insert(0, (placed(table, model), matrix(table, "deviations")))
            count += len(table)
            if count >= MEMORY:
                break
        places, deviations = (np.concatenate(column) for column in zip(*known, strict=True))
        last = self._ended(folder, model, self.leg - 1)
        if last.power.min() == 1.0:
            last = self._ladder(folder, model, last)
        return last, (places, deviations)

    def _ended(self, folder: Path, model: Model, leg: int) -> Ensemble:
        """Return what a leg ended with."""
        table = rows_of(folder, replace(self, leg=leg))
        at = stood(table, self.walkers)[-1]
        places, deviations = placed(table, model)[at], matrix(table, "deviations")[at]
        power = column(table, "power")[-self.walkers :]
        return Ensemble(places, deviations, power, table["log_evidence"][0].as_py())

    def _ladder(self, folder: Path, model: Model, top: Ensemble) -> Ensemble:
        """Return walkers of the posterior and, below them, of the legs that led there."""
        rungs = [top]
        for leg in reversed(range(self.leg - 1)):
            rungs.append(self._ended(folder, model, leg))
            if rungs[-1].power[0] <= LADDER:
                break
        count = min(len(rungs), self.walkers // RUNG)
        chosen = [rungs[at] for at in np.linspace(0, len(rungs) - 1, count).round().astype(int)]
        share = np.full(count, self.walkers // count)
        share[0] += self.walkers - share.sum()
        members = [np.linspace(0, self.walkers - 1, n).round().astype(int) for n in share]
        pairs = list(zip(chosen, members, strict=True))
        places, deviations, power = (
            np.concatenate([getattr(rung, name)[at] for rung, at in pairs])
            for name in ("places", "deviations", "power")
        )
        return Ensemble(places, deviations, power, top.log_evidence)

    @staticmethod
    def audited(
        about: Mapping[str, Any], row: Mapping[str, Any], place: int, folder: Path
    ) -> tuple[str, bool]:
        """Compute the misfit of its values again."""
        return misfit_again(Fit(**about["fit"]).model(), row)


@dataclass(frozen=True)
class DrawsCell(Cell):
    """Draws, equally spaced in what the chains sampled; a row is a draw.

    They are the posterior's where the chains have mixed.
    """

    fit: Fit
    walk: Walk
    draws: int

    kind: ClassVar[str] = "posterior"
    schema: ClassVar[pa.Schema] = pa.schema(
        {
            "misfit": pa.float64(),  # on the fine slots
            "values": VALUES,
            "predicted": VALUES,  # figures, in the order of the targets
            "qoe": VALUES,  # of each setting's optimum, mean a task
        }
    )

    @property
    def label(self) -> str:
        """What people read of it."""
        return f"{self.draws} draws of the chains"

    def compute(self, folder: Path) -> tuple[dict[str, Any], dict[str, float]]:
        """Predict every figure by draws of the chains."""
        begun, model = perf_counter(), self.fit.model(fine=True)
        cells = leg_cells(self.fit, self.walk)
        legs = {(cell.seed, cell.leg): rows_of(folder, cell) for cell in cells}
        sampled = posterior(legs, self.walk)
        if sampled.size == 0:
            ends = list(legs.values())[-self.walk.chains :]
            sampled = np.array(
                [matrix(leg, "values")[stood(leg, self.walk.walkers)[-1]] for leg in ends]
            )
        sampled = sampled.reshape(-1, sampled.shape[-1])
        at = np.linspace(0, len(sampled) - 1, self.draws).round().astype(int)
        rows: dict[str, Any] = {name: [] for name in self.schema.names}
        for values in sampled[at]:
            rows["misfit"].append(model.misfit(model.prior.place(values)))
            rows["values"].append(values.tolist())
            rows["predicted"].append(model.predict(values)[0].tolist())
            rows["qoe"].append(list(model.qoe(values).values()))
        return rows, {"seconds": perf_counter() - begun}

    @staticmethod
    def audited(
        about: Mapping[str, Any], row: Mapping[str, Any], place: int, folder: Path
    ) -> tuple[str, bool]:
        """Compute the misfit of its values again."""
        return misfit_again(Fit(**about["fit"]).model(fine=True), row)


def leg_cells(fit: Fit, walk: Walk) -> list[LegCell]:
    """Return the legs of all chains, first legs first."""
    return [
        LegCell(fit, walk.walkers, walk.steps, seed, leg)
        for leg in range(walk.legs)
        for seed in range(walk.chains)
    ]


Legs = Mapping[tuple[int, int], pa.Table]  # rows, by seed and leg


def posterior(legs: Legs, walk: Walk) -> Floats:
    """Return the values that chains have of the posterior (C, K, W, P); none of none.

    They are where walkers of power 1 stood after each step of the later half of each chain's legs
    on the ladder, of as many steps of each, and of as many walkers as each has.
    """
    chains = dict[int, list[Floats]]()
    for (seed, _), table in sorted(legs.items()):
        power = column(table, "power").reshape(-1, walk.walkers)
        if power[0].min() < power[0].max() == 1.0:
            rows = stood(table, walk.walkers)[1:]
            top = [at[here == 1.0] for at, here in zip(rows, power[1:], strict=True)]
            chains.setdefault(seed, []).append(matrix(table, "values")[np.array(top)])
    each = [np.concatenate(chain[len(chain) // 2 :]) for chain in chains.values()]
    if not each:
        return np.empty((0, 0, 0, 0))
    steps, walkers = (min(chain.shape[axis] for chain in each) for axis in (0, 1))
    return np.stack([chain[-steps:, :walkers] for chain in each])


def stood(leg: pa.Table, walkers: int) -> Integers:
    """Return the rows of a leg in which its walkers stood after each step: (S, W)."""
    step = standing(np.asarray(leg["taken"]).reshape(-1, walkers))
    return step * walkers + np.arange(walkers)


def placed(table: pa.Table, model: Model) -> Floats:
    """Return the places of a leg's rows: (R, P)."""
    return np.clip(model.prior.place(matrix(table, "values")), 0.0, 1.0)


def matrix(table: pa.Table, name: str) -> Floats:
    """Return a column of lists of one length as a matrix, a row a row: float64."""
    lists = table[name].combine_chunks()
    return np.asarray(lists.flatten(), dtype=float).reshape(len(lists), -1)
