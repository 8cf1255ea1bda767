"""An audit of a study: rows drawn at random, and what they claim checked again.

A row of decisions is evaluated by the reference model on the slot that its cell names, and each of
its figures is compared; of a slot that it calls infeasible its own method is asked again. A
certified optimum is solved once more with a certificate, which `verify` checks in ball arithmetic.
The row's bound is valid where no decision that this solve found is worth more, and tight where it
lies no further above what is proven than the gap. What rows of other cells claim, their kinds say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from .cells import kind_of, whole


@dataclass(frozen=True)
class Checked:
    """What was checked of a row, in words; `holds` is false for a claim that does not.

    `method` is "" for a file that is not whole, whose rows cannot be checked.
    """

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
    if not files:
        raise ValueError(f"{folder}: holds no cells of a study: semopt study gap --out makes some")
    for file in [file for file in files if whole(file) is None]:
        files.remove(file)
        words = "the file is not whole, or not what its name says: the study computes it anew"
        yield Checked(file.name, "", 0, words, False)
    sizes = [int(pq.read_metadata(file).num_rows) for file in files]
    results = results_of(folder)
    rng = np.random.default_rng(seed)
    drawn = np.sort(rng.choice(sum(sizes), min(sample, sum(sizes)), replace=False))
    ends = np.cumsum(sizes)
    for done, at in enumerate(drawn.tolist()):
        progress(done / len(drawn))
        which = int(np.searchsorted(ends, at, side="right"))
        yield checked(files[which], at - int(ends[which] - sizes[which]), results)


Joined = dict[tuple[str, int], list[dict[str, Any]]]


def results_of(folder: Path) -> Joined:
    """Return the rows of `results.parquet`, by cell and slot; none without it."""
    rows = Joined()
    try:
        table = pq.read_table(folder / "results.parquet")
    except (OSError, pa.ArrowException):
        return rows
    for row in table.to_pylist() if "cell" in table.column_names else ():
        rows.setdefault((row["cell"], row["slot"]), []).append(row)
    return rows


def checked(file: Path, place: int, results: Joined) -> Checked:
    """Check one row, and that the joined results say the same of it, where they have it."""
    content = whole(file)
    assert content is not None
    about, table = content
    row = {name: table[name][place].as_py() for name in table.column_names}
    words, holds = kind_of(about).audited(about, row, place, file.parents[1])
    joined = results.get((file.stem, place), [])
    if holds and any(row != {name: one[name] for name in row} for one in joined):
        words, holds = "results.parquet has other figures than the cell", False
    name = about.get("method") or about.get("algorithm") or about["kind"]
    return Checked(file.name, name, place, words, holds)
