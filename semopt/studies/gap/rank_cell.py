"""Cells of ranks: how many joint actions of the grid are worth more than a decision is.

A row is one of the first slots of a cell of decisions. The rank of a decision is one more than the
number above it, and its place among all joint actions says what a gap cannot: whether a small gap
is worth anything on this slot. Searches count it where the grid is small enough.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from time import perf_counter
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from ...backends import Query, search
from ...problem import Problem
from ...scenario import Scenario
from ..cells import EQUAL, Cell, Store, column
from ..method_cell import MethodCell
from ..work import need

MOST_JOINT_ACTIONS = 10_000_000  # joint actions of a slot, a tenth of a second of one core


@dataclass(frozen=True)
class RankCell(Cell):
    """The ranks of a method's decisions in its first `slots` slots; `of` are its cell's fields."""

    of: dict[str, Any]
    slots: int

    kind: ClassVar[str] = "rank"
    schema: ClassVar[pa.Schema] = pa.schema(
        {"slot": pa.int64(), "above": pa.int64(), "joint_actions": pa.int64()}
    )

    @property
    def label(self) -> str:
        """What people read of it."""
        return f"{self.method.label}, ranks"

    @property
    def method(self) -> MethodCell:
        """The cell whose decisions are ranked."""
        return MethodCell(**self.of)

    def content(self) -> dict[str, Any]:
        """Return all that its rows depend on."""
        return super().content() | {"of": self.method.content()}

    def compute(self, folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the columns of its rows; of a slot without a decision nothing is counted."""
        start, method = perf_counter(), self.method
        need(folder, method)
        decided = Store(folder).read(method)
        assert decided is not None
        slots = range(min(self.slots, method.slots))
        gain, task = Scenario.from_dict(method.scenario).draw(
            len(slots), method.seed, part="evaluation"
        )
        problem = Scenario.from_dict(method.scenario).template()
        values = column(decided, "value")
        counted = [ranked(problem.with_slot(gain[s], task[s]), float(values[s])) for s in slots]
        above, sizes = zip(*counted, strict=True)
        columns = {"slot": list(slots), "above": above, "joint_actions": sizes}
        return columns, {"seconds": perf_counter() - start}

    @staticmethod
    def audited(
        about: Mapping[str, Any], row: Mapping[str, Any], place: int, folder: Path
    ) -> tuple[str, bool]:
        """Count again."""
        method = MethodCell(**{field.name: about["of"][field.name] for field in fields(MethodCell)})
        decided = Store(folder).read(method)
        if decided is None:
            return "the cell of its decisions is not there", False
        scenario = Scenario.from_dict(method.scenario)
        gain, task = scenario.draw(1, method.seed, first=place, part="evaluation")
        value = float(column(decided, "value")[place])
        above, _ = ranked(scenario.problem(gain[0], task[0]), value)
        if above != row["above"]:
            return f"{row['above']} joint actions are said to be above, {above} are", False
        return "so many joint actions are above its decision", True


def ranked(slot: Problem, value: float) -> tuple[int | None, int]:
    """Return how many joint actions of a slot are worth more than a value, and how many it has.

    The number is None where the value is NaN.
    """
    size = int(slot.joint_actions())
    if np.isnan(value):
        return None, size
    above = value + EQUAL * len(slot.task)  # the decision itself is not above it
    return search(slot, query=Query(keep=0, above=above), threads=1).above, size


def countable(scenario: Scenario) -> bool:
    """Tell whether the joint actions of a scenario's slots are few enough to be counted."""
    problem, kinds = scenario.template(), range(len(scenario.tasks))
    slots = (problem.with_slot(problem.gain, np.full(scenario.users, kind)) for kind in kinds)
    return all(slot.joint_actions() <= MOST_JOINT_ACTIONS for slot in slots)
