"""Cells: one method on the slots of one scenario and seed, named by what they are, a file each.

The files are the state of a study. A cell's name is a digest of all that its rows depend on: the
scenario, the method with the content of a policy's files, the seed, the number of slots, the
version of semopt and the compiled extension. So a cell that is there is never computed again, by
whomever, and studies in one folder share what they have in common.

A row is a slot. It holds no time: the same cell gives the same bytes on every machine and engine;
what it took stands beside it. A cell that failed leaves its reason, and is tried again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from .. import __version__, _core
from ..files import write_atomically, writing
from ..learn.deciders import files_of
from ..problem import Floats
from ..worth import FIGURES

FORMAT = "semopt cell"
DECISION = {  # columns of lists (N), and the arrays of `Actions` that they are
    "channel": "channel",
    "power_w": "power",
    "frequency_hz": "frequency",
    "extraction": "extraction",
}
SCHEMA = pa.schema(
    {
        "slot": pa.int64(),
        "status": pa.string(),
        "upper_bound": pa.float64(),  # of the method, on the objective; null where none is
        **dict.fromkeys(FIGURES, pa.float64()),
        **dict.fromkeys(DECISION, pa.list_(pa.float64())),
        "channel": pa.list_(pa.int64()),
    }
)


@dataclass(frozen=True)
class Cell:
    """What is computed at a time.

    Attributes
    ----------
    scenario : document, as `Scenario.to_dict` gives it
    method : what decides, as `semopt evaluate` takes it
    seed, slots : of the draw
    options : of the method
    """

    scenario: dict[str, Any]
    method: str
    seed: int
    slots: int
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """What people read of it."""
        return f"{self.scenario['name']}, {self.method}, seed {self.seed}"

    def content(self) -> dict[str, Any]:
        """Return all that its rows depend on."""
        return asdict(self) | {
            "policy": digest_of_policy(self.method),
            "semopt": __version__,
            "extension": digest_of_extension(),
        }

    def name(self) -> str:
        """Return the digest of its content."""
        text = json.dumps(self.content(), allow_nan=False)  # the order of tasks counts
        return digest(text.encode())


@cache
def digest_of_extension() -> str:
    """Return the SHA-256 of the compiled extension."""
    return hashlib.sha256(Path(_core.__file__).read_bytes()).hexdigest()


def digest_of_policy(method: str) -> str:
    """Return the SHA-256 of the files of a checkpoint or of a user's own code; "" of a method."""
    total, files = hashlib.sha256(), [file for file in files_of(method) if file.is_file()]
    for file in files:
        total.update(f"{file.name}\0".encode() + hashlib.sha256(file.read_bytes()).digest())
    return total.hexdigest() if files else ""


def whole(file: Path) -> tuple[dict[str, Any], pa.Table] | None:
    """Return the content and the rows of a cell's file; None where it is not what its name says."""
    try:
        table = pq.read_table(file)
        text = (table.schema.metadata or {})[FORMAT.encode()]
        about = json.loads(text)
        sound = table.schema.remove_metadata().equals(SCHEMA) and table.num_rows == about["slots"]
    except (OSError, ValueError, KeyError, TypeError, pa.ArrowException):
        return None
    return (about, table) if sound and digest(text) == file.stem else None


def digest(content: bytes) -> str:
    """Return the name of a cell of this content."""
    return hashlib.sha256(content).hexdigest()[:32]


class Store:
    """The cells of a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.cells, self.locks = folder, folder / "cells", folder / "locks"

    def begin(self) -> None:
        """Make the folder, or raise ValueError where it is something else than a study's."""
        if self.folder.exists() and not self.cells.is_dir():
            if not self.folder.is_dir():
                raise ValueError(f"{self.folder}: is a file: name a folder")
            if any(self.folder.iterdir()):
                raise ValueError(f"{self.folder}: holds no study: name a new or an empty folder")
        for folder in (self.cells, self.locks):
            folder.mkdir(parents=True, exist_ok=True)

    def file(self, cell: Cell) -> Path:
        """Return where the rows of a cell are, or will be."""
        return self.cells / f"{cell.name()}.parquet"

    def read(self, cell: Cell) -> pa.Table | None:
        """Return the rows of a cell; None where there are none, or the file is not whole."""
        found = whole(self.file(cell))
        return found[1] if found else None

    def everything(self) -> Iterator[tuple[dict[str, Any], pa.Table]]:
        """Yield the content and the rows of every cell that is there, by name."""
        for file in sorted(self.cells.glob("*.parquet")):
            if (found := whole(file)) is not None:
                yield found

    def write(self, cell: Cell, rows: dict[str, Any], times: dict[str, float]) -> None:
        """Keep the rows of a cell, whole or not at all, and what they took."""
        about = {FORMAT: json.dumps(cell.content(), allow_nan=False)}
        table = pa.table(
            {name: pa.array(rows[name], SCHEMA.field(name).type) for name in SCHEMA.names},
            schema=SCHEMA.with_metadata(about),
        )
        path = self.file(cell)
        write_atomically(path.with_suffix(".times.json"), json.dumps(times))
        with writing(path) as file:
            pq.write_table(table, file, compression="zstd")
        self.failure(cell).unlink(missing_ok=True)

    def times(self, cell: Cell) -> dict[str, float]:
        """Return what a cell took: seconds, and microseconds of one decision."""
        path = self.file(cell).with_suffix(".times.json")
        return dict(json.loads(path.read_bytes())) if path.is_file() else {}

    def failure(self, cell: Cell) -> Path:
        """Return where the reason of a cell that failed stands."""
        return self.file(cell).with_suffix(".failed.json")

    def fail(self, cell: Cell, reason: str) -> None:
        """Keep why a cell failed."""
        document = {"cell": cell.label, "reason": reason}
        write_atomically(self.failure(cell), json.dumps(document))

    def reason(self, cell: Cell) -> str:
        """Return why a cell failed; "" where it did not."""
        path = self.failure(cell)
        return str(json.loads(path.read_bytes())["reason"]) if path.is_file() else ""


def finite(values: Floats) -> list[float | None]:
    """Return numbers for a column, null where there is none."""
    return [float(value) if np.isfinite(value) else None for value in values]
