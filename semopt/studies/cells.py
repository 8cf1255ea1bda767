"""Cells: what is computed at a time, named by what it is, a file each.

The files are the state of a study. A cell's name is a digest of all that its rows depend on: its
kind and fields, the version of semopt and the compiled extension. So a cell that is there is never
computed again, by whomever, and studies in one folder share what they have in common.

Rows hold no time: the same cell gives the same bytes on every machine and engine; what it took
stands beside it. A cell that failed leaves its reason, and is tried again.
"""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cache, lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from filelock import FileLock

from .. import __version__, _core
from ..files import write_atomically, writing
from ..problem import Floats

EQUAL = 1e-9  # absolute or relative: two evaluations of the same formulas
AGAIN = 1e-6  # likewise: a search or a network, whose last digits depend on the machine
FORMAT = "semopt cell"
SHAPE = "semopt cell shape"  # number of rows, and the columns with their types
# Where each kind of cell stands, by the name that its content bears.
KINDS = {
    "method": "method_cell:MethodCell",
    "training": "training_cell:TrainingCell",
    "rank": "gap.rank_cell:RankCell",
    "scaling": "scaling.cell:ScalingCell",
    "start": "calibrate.cells:StartCell",
    "best": "calibrate.cells:BestCell",
    "leg": "calibrate.legs:LegCell",
    "posterior": "calibrate.legs:DrawsCell",
    "information": "information.cell:InformationCell",
}


class Elsewhere(Exception):  # noqa: N818 - not a fault: somebody else computes what a cell needs
    """A cell that this one needs is being computed by somebody else."""


@dataclass(frozen=True)
class Cell(ABC):
    """What is computed at a time; kinds of cells are dataclasses that derive from it.

    Attributes
    ----------
    kind : a name of `KINDS`
    schema : the columns of its rows
    """

    kind: ClassVar[str]
    schema: ClassVar[pa.Schema]

    @property
    @abstractmethod
    def label(self) -> str:
        """What people read of it."""

    @abstractmethod
    def compute(self, folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the columns of its rows, and what it took: "seconds", and others that it names.

        `folder` is the study's: a cell may need what other cells leave there.

        Raises
        ------
        Elsewhere
            Where somebody else is at a cell that this one needs.
        """

    @staticmethod
    @abstractmethod
    def audited(
        about: Mapping[str, Any], row: Mapping[str, Any], place: int, folder: Path
    ) -> tuple[str, bool]:
        """Check what a row claims, the `place`-th of the cell of this content, in words.

        The second value tells whether the claim holds.
        """

    def content(self) -> dict[str, Any]:
        """Return all that its rows depend on."""
        versions = {"semopt": __version__, "extension": digest_of_extension()}
        return {"kind": self.kind} | asdict(self) | versions

    def name(self) -> str:
        """Return the digest of its content."""
        return name_of(self.content())


def kind_of(about: Mapping[str, Any]) -> type[Cell]:
    """Return the kind of cell that a content is of."""
    module, name = KINDS[about["kind"]].split(":")
    kind: type[Cell] = getattr(import_module(f".{module}", __package__), name)
    return kind


@cache
def digest_of_extension() -> str:
    """Return the SHA-256 of the compiled extension."""
    return hashlib.sha256(Path(_core.__file__).read_bytes()).hexdigest()


def whole(file: Path) -> tuple[dict[str, Any], pa.Table] | None:
    """Return the content and the rows of a cell's file; None where it is not what its name says."""
    try:
        about = file.stat()
    except OSError:
        return None
    return _whole(file, about.st_mtime_ns, about.st_size)


@lru_cache(maxsize=128)  # tables, pages and results ask for the same cells, one after the other
def _whole(file: Path, time: int, size: int) -> tuple[dict[str, Any], pa.Table] | None:
    try:
        table = pq.read_table(file)
        metadata = table.schema.metadata or {}
        text = metadata[FORMAT.encode()]
        about = json.loads(text)
        sound = metadata[SHAPE.encode()].decode() == shape(table) and about["kind"] in KINDS
    except (OSError, ValueError, KeyError, TypeError, pa.ArrowException):
        return None
    return (about, table) if sound and digest(text) == file.stem else None


def shape(table: pa.Table) -> str:
    """Return the number of rows and the columns of a table, as its file says them."""
    return json.dumps([table.num_rows, {f.name: str(f.type) for f in table.schema}])


def name_of(about: Mapping[str, Any]) -> str:
    """Return the name of the cell of a content."""
    return digest(json.dumps(about, allow_nan=False).encode())  # the order of tasks counts


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

    def alone(self) -> FileLock:
        """Return the lock of what stands beside the cells, which one process writes at a time."""
        return FileLock(self.locks / "page.lock")

    def state(self) -> list[tuple[str, int]]:
        """Return what tells the cells from those of another time, failed ones among them."""
        files = sorted(self.cells.glob("*.*"))
        return [(f.name, f.stat().st_mtime_ns) for f in files if not f.name.endswith(".part")]

    def file(self, cell: Cell) -> Path:
        """Return where the rows of a cell are, or will be."""
        return self.cells / f"{cell.name()}.parquet"

    def read(self, cell: Cell) -> pa.Table | None:
        """Return the rows of a cell; None where there are none, or the file is not whole."""
        content = whole(self.file(cell))
        return content[1] if content else None

    def everything(self) -> Iterator[tuple[str, dict[str, Any], pa.Table]]:
        """Yield the name, the content and the rows of every cell that is there, by name."""
        for file in sorted(self.cells.glob("*.parquet")):
            if (content := whole(file)) is not None:
                yield file.stem, *content

    def contents(self) -> Iterator[dict[str, Any]]:
        """Yield the content of every cell that is there, without its rows."""
        for file in sorted(self.cells.glob("*.parquet")):
            try:
                about = json.loads((pq.read_schema(file).metadata or {})[FORMAT.encode()])
            except (OSError, ValueError, KeyError, pa.ArrowException):
                continue
            if file.stem == name_of(about):
                yield about

    def failures(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield the name and the content of every cell that failed and is not there, by name."""
        for file in sorted(self.cells.glob("*.failed.json")):
            name, about = file.name.removesuffix(".failed.json"), written(file).get("content")
            there = whole(self.cells / f"{name}.parquet") is not None
            if isinstance(about, dict) and name_of(about) == name and not there:
                yield name, about

    def write(
        self, cell: Cell, content: dict[str, Any], rows: dict[str, Any], times: dict[str, Any]
    ) -> None:
        """Keep the rows of a cell, whole or not at all, and what they took.

        `content` is the cell's when its computation began.
        """
        schema = cell.schema
        table = pa.table(
            {name: pa.array(rows[name], schema.field(name).type) for name in schema.names},
            schema=schema,
        )
        about = json.dumps(content, allow_nan=False)
        path = self.cells / f"{name_of(content)}.parquet"
        write_atomically(path.with_suffix(".times.json"), json.dumps(times))
        with writing(path) as file:
            pq.write_table(
                table.replace_schema_metadata({FORMAT: about, SHAPE: shape(table)}),
                file,
                compression="zstd",
            )
        path.with_suffix(".failed.json").unlink(missing_ok=True)

    def times(self, cell: Cell) -> dict[str, Any]:
        """Return what a cell took: seconds, and what else its kind names."""
        return written(self.file(cell).with_suffix(".times.json"))

    def failure(self, cell: Cell) -> Path:
        """Return where the reason of a cell that failed stands."""
        return self.file(cell).with_suffix(".failed.json")

    def fail(self, cell: Cell, reason: str) -> None:
        """Keep why a cell failed."""
        document = {"cell": cell.label, "reason": reason, "content": cell.content()}
        write_atomically(self.failure(cell), json.dumps(document))

    def reason(self, cell: Cell) -> str:
        """Return why a cell failed; "" where it did not."""
        return str(written(self.failure(cell)).get("reason", ""))


def written(path: Path) -> dict[str, Any]:
    """Return what stands in a JSON file beside a cell; nothing where there is none, or no whole."""
    try:
        document = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return document if isinstance(document, dict) else {}


def finite(values: Floats) -> list[float | None]:
    """Return numbers for a column, null where there is none."""
    return [float(value) if np.isfinite(value) else None for value in values]


def column(table: pa.Table, name: str) -> Floats:
    """Return a column of numbers, NaN where there is none."""
    values: Floats = table[name].to_numpy(zero_copy_only=False).astype(float)
    return values
