"""An audit of a study: rows drawn at random, and what they claim checked again.

A row's decision is evaluated by the reference model on the slot that its cell names, and each of
its figures is compared; of a slot that it calls infeasible its own method is asked again. A
certified optimum is solved once more with a certificate, which `verify` checks in ball arithmetic.
The row's bound is valid where no decision that this solve found is worth more, and tight where it
lies no further above what is proven than the gap.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ..certificate.claims import FalseClaim
from ..certificate.verify import check
from ..methods import METHODS
from ..model import Actions
from ..problem import Problem
from ..result import Status
from ..scenario import Scenario
from ..solvers import solve
from ..worth import FIGURES
from .cells import DECISION, whole
from .work import columns

CLOSE = 1e-9  # relative: two evaluations of the same formulas


@dataclass(frozen=True)
class Checked:
    """What was checked of a row, in words; `holds` is false for a claim that does not."""

    file: str
    method: str
    slot: int
    words: str
    holds: bool


def audit(
    folder: Path,
    sample: int,
    seed: int = 0,
    progress: Callable[[float], None] = lambda share: None,
) -> Iterator[Checked]:
    """Check `sample` rows of a study's cells, drawn with equal chances, and yield what was found.

    Raises
    ------
    ValueError
        Where the folder holds no cells.
    """
    files = sorted((folder / "cells").glob("*.parquet"))
    for file in [file for file in files if whole(file) is None]:
        files.remove(file)
        words = "the file is not whole, or not what its name says: the study computes it anew"
        yield Checked(file.name, "", 0, words, False)
    sizes = [int(pq.read_metadata(file).num_rows) for file in files]
    if not files:
        raise ValueError(f"{folder}: holds no cells of a study: semopt study gap --out makes some")
    results = results_of(folder)
    rng = np.random.default_rng(seed)
    drawn = np.sort(rng.choice(sum(sizes), min(sample, sum(sizes)), replace=False))
    ends = np.cumsum(sizes)
    for done, at in enumerate(drawn.tolist()):
        progress(done / len(drawn))
        which = int(np.searchsorted(ends, at, side="right"))
        yield checked(files[which], at - int(ends[which] - sizes[which]), results)


Joined = dict[tuple[str, str, int, int], list[dict[str, Any]]]


def results_of(folder: Path) -> Joined:
    """Return the rows of `results.parquet`, by scenario, method, seed and slot; none without it."""
    rows = Joined()
    try:
        table = pq.read_table(folder / "results.parquet")
    except (OSError, pa.ArrowException):
        return rows
    for row in table.to_pylist():
        key = row["scenario"], row["method"], row["seed"], row["slot"]
        rows.setdefault(key, []).append(row)
    return rows


def checked(file: Path, slot: int, results: Joined) -> Checked:
    """Check one row, and that the joined results say the same of it, where they have it."""
    found = whole(file)
    assert found is not None
    about, table = found
    row = {name: table[name][slot].as_py() for name in table.column_names}
    words, holds = _claims(about, row, slot)
    same = results.get((about["scenario"]["name"], about["method"], about["seed"], slot))
    if holds and same and row not in [{name: one[name] for name in row} for one in same]:
        words, holds = "results.parquet has other figures than the cell", False
    return Checked(file.name, about["method"], slot, words, holds)


def _claims(about: dict[str, Any], row: dict[str, Any], slot: int) -> tuple[str, bool]:
    scenario = Scenario.from_dict(about["scenario"])
    gain, task = scenario.draw(1, about["seed"], first=slot, part="evaluation")
    problem = scenario.problem(gain[0], task[0])
    method, options = about["method"], about["options"]
    if row["channel"] is None:
        return _undecided(row, problem, method, options)
    decision = Actions(**{array: np.array([row[name]]) for name, array in DECISION.items()})
    again = columns(problem, decision, gain, task, np.array([True]))
    for name in FIGURES:
        if row[name] is None or not np.isclose(row[name], again[name][0], rtol=CLOSE, atol=CLOSE):
            return f"{name} is {row[name]}, the decision is worth {again[name][0]}", False
    bound = row["upper_bound"]
    if bound is not None and row["value"] > bound + CLOSE:
        return f"its value {row['value']} is above its bound {bound}", False
    if method != "global":
        return "its decision is worth what it says", True
    if bound is None:
        return "it has no bound", False
    with TemporaryDirectory() as scratch:
        file = Path(scratch) / "certificate.json"
        result = solve(problem, method, certificate=str(file), **options)
        try:
            check(file)
        except FalseClaim as claim:
            return f"its certificate is refused: {claim}", False
    if result.status is Status.INFEASIBLE:
        return "the slot is infeasible", False
    best, proven, gap = result.objective, result.upper_bound, result.details["gap"]
    if bound < best - CLOSE:
        return f"its bound {bound:.9f} is below a decision that is worth {best:.9f}", False
    if bound > proven + gap + CLOSE:
        return f"its bound {bound:.9f} is more than {gap:g} above the proven {proven:.9f}", False
    if row["status"] == Status.OPTIMAL.word and row["value"] < bound - gap - CLOSE:
        return (
            f"its value {row['value']:.9f} is more than {gap:g} below its bound {bound:.9f}",
            False,
        )
    return f"its decision is worth what it says, and a certificate proves {proven:.9f}", True


def _undecided(
    row: dict[str, Any], problem: Problem, method: str, options: dict[str, Any]
) -> tuple[str, bool]:
    """Check a row without a decision."""
    if any(row[name] is not None for name in FIGURES):
        return "it has figures without a decision", False
    if method not in METHODS or method == "policy":
        return "it has no decision, and a policy always decides", False
    if row["status"] != Status.INFEASIBLE.word:
        return f"it claims no decision ({row['status']})", True
    infeasible = solve(problem, method, **options).status is Status.INFEASIBLE
    words = "infeasible when solved again" if infeasible else "the slot is feasible"
    return f"{words}, by {method}", infeasible
