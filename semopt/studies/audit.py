"""An audit of a study: rows drawn at random, and what they claim checked again.

A row's decision is evaluated by the reference model on the slot that its cell names, and each of
its figures is compared. A certified optimum is solved once more with a certificate, which `verify`
checks in ball arithmetic, and the row's bound may not lie below what is proven there.
"""

from __future__ import annotations

import json
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
from ..model import Actions
from ..result import GAP
from ..scenario import Scenario
from ..solvers import solve
from .cells import FORMAT
from .work import columns

CLOSE = 1e-9  # relative: two evaluations of the same formulas
FIGURES = ("value", "qoe", "latency_ms", "energy_mj", "accuracy", "infeasible_share")
DECISION = ("channel", "power_w", "frequency_hz", "extraction")


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
    sizes = [rows_in(file) for file in files]
    if not sum(sizes):
        raise ValueError(f"{folder}: holds no cells of a study: semopt study NAME --out makes some")
    rng = np.random.default_rng(seed)
    drawn = np.sort(rng.choice(sum(sizes), min(sample, sum(sizes)), replace=False))
    ends = np.cumsum(sizes)
    for done, at in enumerate(drawn.tolist()):
        progress(done / len(drawn))
        which = int(np.searchsorted(ends, at, side="right"))
        yield checked(files[which], at - int(ends[which] - sizes[which]))


def rows_in(file: Path) -> int:
    """Return how many rows a cell has; none where the file is not whole."""
    try:
        return int(pq.read_metadata(file).num_rows)
    except (OSError, pa.ArrowException):
        return 0


def checked(file: Path, slot: int) -> Checked:
    """Check one row."""
    table = pq.read_table(file)
    about = json.loads((table.schema.metadata or {}).get(FORMAT.encode(), b"{}"))
    if not about:
        return Checked(file.name, "", slot, "it does not say which cell it is", False)
    method, row = about["method"], {n: table[n][slot].as_py() for n in table.column_names}
    words, holds = _claims(about, row, slot)
    return Checked(file.name, method, slot, words, holds)


def _claims(about: dict[str, Any], row: dict[str, Any], slot: int) -> tuple[str, bool]:
    scenario = Scenario.from_dict(about["scenario"])
    gain, task = scenario.draw(1, about["seed"], first=slot, part="evaluation")
    problem = scenario.problem(gain[0], task[0])
    if row["channel"] is None:
        if row["status"] != "infeasible":
            return f"it claims no decision ({row['status']})", True
        infeasible = solve(problem).status.word == "infeasible"
        return "infeasible on the grid too" if infeasible else "the slot is feasible", infeasible
    arrays = (np.array([row[name]]) for name in DECISION)
    again = columns(problem, Actions(*arrays), gain, task, np.array([True]))
    for name in FIGURES:
        if not np.isclose(row[name], again[name][0], rtol=CLOSE, atol=CLOSE):
            return f"{name} is {row[name]}, the decision is worth {again[name][0]}", False
    bound = row["upper_bound"]
    if bound is not None and row["value"] > bound + CLOSE:
        return f"its value {row['value']} is above its bound {bound}", False
    if about["method"] != "global":
        return "its decision is worth what it says", True
    with TemporaryDirectory() as scratch:
        file = Path(scratch) / "certificate.json"
        result = solve(problem, "global", certificate=str(file))
        try:
            check(file)
        except FalseClaim as claim:
            return f"its certificate is refused: {claim}", False
    gap = about["options"].get("gap", GAP)
    close = bound is not None and abs(result.upper_bound - bound) <= gap + CLOSE
    words = f"its decision is worth what it says, and a certificate proves {result.upper_bound:.9f}"
    return (words, True) if close else (f"{words}, where it says {bound}", False)
