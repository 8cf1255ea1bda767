"""Cells of decisions: one method on the slots of one scenario and seed. A row is a slot."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from ..certificate.claims import FalseClaim
from ..certificate.verify import verify
from ..learn.deciders import Method, decider, files_of
from ..learn.evaluate import decision_time
from ..learn.refine import Decider, Refined
from ..methods import METHODS
from ..model import Actions
from ..problem import Floats, Integers, Problem
from ..result import Status
from ..scenario import Scenario
from ..solvers import solve
from ..solvers.batch import solve_batch
from ..worth import FIGURES, figures
from .cells import EQUAL, Cell, Store, finite
from .training_cell import TrainingCell
from .work import FAILED

ALIKE = 1e-6  # QoE: decisions of a network, computed again
BOUND_ONLY = "relaxation"  # proves a bound and decides nothing
DECISION = {  # columns of lists (N), and the arrays of `Actions` that they are
    "channel": "channel",
    "power_w": "power",
    "frequency_hz": "frequency",
    "extraction": "extraction",
}


@dataclass(frozen=True)
class MethodCell(Cell):
    """One method on the slots of one scenario and seed.

    Attributes
    ----------
    scenario : document, as `Scenario.to_dict` gives it
    method : what decides, as `semopt evaluate` takes it; with `training`, its name in tables
    seed, slots : of the draw
    options : of the method; {"refine": True} optimises the levels of a policy
    training : fields of the `TrainingCell` whose policy decides; of another scenario perhaps
    """

    scenario: dict[str, Any]
    method: str
    seed: int
    slots: int
    options: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] | None = None

    kind: ClassVar[str] = "method"
    schema: ClassVar[pa.Schema] = pa.schema(
        {
            "slot": pa.int64(),
            "status": pa.string(),  # of the decision, or "failed"
            "upper_bound": pa.float64(),  # of the method, on the objective; null where none is
            **dict.fromkeys(FIGURES, pa.float64()),
            **dict.fromkeys(DECISION, pa.list_(pa.field("element", pa.float64()))),
            "channel": pa.list_(pa.field("element", pa.int64())),
        }
    )

    @property
    def label(self) -> str:
        """What people read of it."""
        trained = f", training {self.training['seed']}" if self.training else ""
        refined = ", refined" if self.options.get("refine") else ""
        return f"{self.scenario['name']}, {self.method}{refined}, seed {self.seed}{trained}"

    def content(self) -> dict[str, Any]:
        """Return all that its rows depend on."""
        policy = "" if self.training else digest_of_policy(self.method)
        return super().content() | {"policy": policy}

    def compute(self, folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the columns of its rows; "decision_us" is the median time of a decision."""
        trained = TrainingCell(**self.training).decider(folder) if self.training else None
        scenario = Scenario.from_dict(self.scenario)
        problem = scenario.template()
        gain, task = scenario.draw(self.slots, self.seed, part="evaluation")
        start, microseconds = perf_counter(), np.nan
        decide: Decider | None
        if trained is None and self.method in METHODS and self.method != "policy":
            batch = solve_batch(scenario, gain, task, self.method, threads=1, **self.options)
            actions, upper, status = batch.actions, batch.upper_bound, batch.statuses.tolist()
            known = ~np.isnan(batch.objective)
            timed = self.method != BOUND_ONLY
            decide = Method(scenario, self.method, **self.options) if timed else None
        else:
            decide = self.policy(scenario, trained)
            actions, upper = decide(gain, task), np.full(self.slots, np.inf)
            status, known = [Status.FEASIBLE.word] * self.slots, np.full(self.slots, True)
        seconds = perf_counter() - start
        if decide:
            microseconds = decision_time(decide, gain, task) * 1e6
        return columns(problem, actions, gain, task, known) | {
            "slot": list(range(self.slots)),
            "status": status,
            "upper_bound": finite(upper),
        }, {"seconds": seconds, "decision_us": microseconds}

    def policy(self, scenario: Scenario, trained: Decider | None = None) -> Decider:
        """Return what decides where no solver does."""
        decide = trained or decider(self.method, scenario, self.seed)
        return Refined(scenario.template(), decide) if self.options.get("refine") else decide

    @staticmethod
    def audited(
        about: Mapping[str, Any], row: Mapping[str, Any], place: int, folder: Path
    ) -> tuple[str, bool]:
        """Evaluate the decision of a slot again; solve a certified optimum with a certificate."""
        scenario = Scenario.from_dict(about["scenario"])
        gain, task = scenario.draw(1, about["seed"], first=place, part="evaluation")
        problem = scenario.problem(gain[0], task[0])
        method, options = about["method"], about["options"]
        solved = about["training"] is None and method in METHODS and method != "policy"
        if row["channel"] is None:
            return _undecided(row, problem, method, options, solved)
        decision = Actions(**{array: np.array([row[name]]) for name, array in DECISION.items()})
        again = columns(problem, decision, gain, task, np.array([True]))
        for name in FIGURES:
            value, worth = row[name], again[name][0]
            if value is None or not np.isclose(value, worth, rtol=EQUAL, atol=EQUAL):
                return f"{name} is {value}, the decision is worth {worth}", False
        bound = row["upper_bound"]
        if bound is not None and row["value"] > bound + EQUAL:
            return f"its value {row['value']} is above its bound {bound}", False
        if about["policy"] and about["policy"] == digest_of_policy(method):
            return _asked_again(about, row, place)
        if not solved or method != "global":
            return "its decision is worth what it says", True
        if bound is None:
            return "it has no bound", False
        return _certified(row, problem, options)


def decided(store: Store, cell: MethodCell) -> pa.Table | None:
    """Return the rows of a cell; where it failed, rows without a decision; else None."""
    table = store.read(cell)
    return undecided(cell.slots) if table is None and store.reason(cell) else table


def undecided(slots: int) -> pa.Table:
    """Return the rows of a cell that failed: their status says so, and no figure is there."""
    schema = MethodCell.schema
    rows: dict[str, Any] = {column.name: pa.nulls(slots, column.type) for column in schema}
    rows |= {"slot": list(range(slots)), "status": [FAILED] * slots}
    return pa.table(rows, schema=schema)


def digest_of_policy(method: str) -> str:
    """Return the SHA-256 of the files of a checkpoint or of a user's own code; "" of a method."""
    total, files = hashlib.sha256(), [file for file in files_of(method) if file.is_file()]
    for file in files:
        total.update(f"{file.name}\0".encode() + hashlib.sha256(file.read_bytes()).digest())
    return total.hexdigest() if files else ""


def columns(
    problem: Problem, actions: Actions, gain: Floats, task: Integers, known: Any
) -> dict[str, Any]:
    """Return what decisions (S, N) are worth by the reference model, null where none is `known`."""
    worth = figures(problem, actions, gain, task)
    decisions = {name: getattr(actions, array) for name, array in DECISION.items()}
    return {name: finite(np.where(known, values, np.nan)) for name, values in worth.items()} | {
        name: [row.tolist() if there else None for row, there in zip(values, known, strict=True)]
        for name, values in decisions.items()
    }


def _asked_again(about: Mapping[str, Any], row: Mapping[str, Any], place: int) -> tuple[str, bool]:
    """Check a row against what its policy decides now, whose files are those of the row."""
    cell = MethodCell(**{field.name: about[field.name] for field in fields(MethodCell)})
    scenario = Scenario.from_dict(cell.scenario)
    drawn = scenario.draw(cell.slots, cell.seed, part="evaluation")
    try:
        actions = cell.policy(scenario)(*drawn)
    except ValueError as fault:
        return f"its policy cannot be asked: {fault}", False
    worth = float(figures(scenario.template(), actions, *drawn)["value"][place])
    if abs(row["value"] - worth) > ALIKE:
        return f"its value is {row['value']}, its policy now reaches {worth}", False
    return "its decision is worth what it says, and its policy decides so again", True


def _certified(
    row: Mapping[str, Any], problem: Problem, options: Mapping[str, Any]
) -> tuple[str, bool]:
    """Check the bound of a certified optimum against a certificate that `verify` accepts."""
    value, bound = row["value"], row["upper_bound"]
    with TemporaryDirectory() as scratch:
        file = Path(scratch) / "certificate.json"
        result = solve(problem, "global", certificate=str(file), **options)
        try:
            verify(file)
        except FalseClaim as claim:
            return f"its certificate is refused: {claim}", False
    if result.status is Status.INFEASIBLE:
        return "the slot is infeasible", False
    best, proven, gap = result.objective, result.upper_bound, result.details["gap"]
    if bound < best - EQUAL:
        return f"its bound {bound:.9f} is below a decision that is worth {best:.9f}", False
    if bound > proven + gap + EQUAL:
        return f"its bound {bound:.9f} is more than {gap:g} above the proven {proven:.9f}", False
    if row["status"] == Status.OPTIMAL.word and value < bound - gap - EQUAL:
        return f"its value {value:.9f} is more than {gap:g} below its bound {bound:.9f}", False
    return f"its decision is worth what it says, and a certificate proves {proven:.9f}", True


def _undecided(
    row: Mapping[str, Any],
    problem: Problem,
    method: str,
    options: Mapping[str, Any],
    solved: bool,
) -> tuple[str, bool]:
    """Check a row without a decision."""
    if any(row[name] is not None for name in FIGURES):
        return "it has figures without a decision", False
    if not solved:
        return "it has no decision, and a policy always decides", False
    if row["status"] == Status.BOUND_ONLY.word:
        best, bound = solve(problem, "global"), row["upper_bound"]
        if best.status is not Status.INFEASIBLE and (bound is None or bound < best.objective):
            return f"its bound {bound} is below a decision that is worth {best.objective}", False
        return "no decision that global finds is worth more than its bound", True
    if row["status"] != Status.INFEASIBLE.word:
        return f"it claims no decision ({row['status']})", True
    infeasible = solve(problem, method, **options).status is Status.INFEASIBLE
    words = "infeasible when solved again" if infeasible else "the slot is feasible"
    return f"{words}, by {method}", infeasible
