"""The slots of a batch as its files have them: JSON, a line a slot, or the columns of a table.

Both go through the batch in parts, so that memory does not grow with the slots, and figures are
computed for all slots of a part at once.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from ..files import writing
from ..result import exact_integer, number
from .slots import FIGURES, VALUES, Batch, entries, head, parts

COMPACT = json.JSONEncoder(separators=(",", ":"), allow_nan=False)
Progress = Callable[[float], None]


def text(batch: Batch, seed: int, progress: Progress = lambda done: None) -> Iterator[str]:
    """Yield the JSON document, a line a slot; `progress` takes the number of slots written."""
    yield COMPACT.encode(head(batch, seed))[:-1] + ',"slots":[\n'
    last = len(batch.objective) - 1
    for s, entry in enumerate(entries(batch)):
        yield COMPACT.encode(entry) + (",\n" if s < last else "\n]}\n")
        if s % 256 == 255:
            progress(s + 1)


def write_table(
    target: str, batch: Batch, seed: int | None, progress: Progress = lambda written: None
) -> None:
    """Write a Parquet file with a row for each slot and user.

    The figures of a slot stand in each of its rows; all else that the JSON document says is the
    file's metadata, under the key "semopt".

    Raises
    ------
    ValueError
        Where pyarrow is missing or the file cannot be written.
    """
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise ValueError(
            f"{target}: pyarrow is missing: pip install 'semopt[parquet]', or name a .json file"
        ) from None
    words = pa.dictionary(pa.int32(), pa.string())
    kinds = {
        **{"slot": pa.int64(), "user": pa.int32(), "task": words},
        **{"offload": pa.bool_(), "channel": pa.int32()},
        **{name: pa.float64() for name in FIGURES},
        **{"feasible": pa.bool_(), "gain": pa.list_(pa.float64()), "status": words},
        **{name: pa.float64() for name in VALUES},
        **{"joint_actions": pa.string(), "infeasible": pa.string()},
    }
    metadata = {"semopt": COMPACT.encode(head(batch, seed))}
    schema, written = pa.schema(list(kinds.items()), metadata=metadata), 0
    with writing(target) as file, pq.ParquetWriter(file, schema) as writer:
        for columns in parts(batch):
            arrays = {name: pa.array(*column) for name, column in rows_of(columns, written).items()}
            cast = [column.cast(kinds[name]) for name, column in arrays.items()]
            writer.write_table(pa.table(cast, schema=schema))
            written += len(columns["decided"])
            progress(written)


def rows_of(columns: dict[str, Any], first: int) -> dict[str, tuple[Any, ...]]:
    """Return the columns of a table with a row a slot and user: values, and where there is none."""
    slots, users = columns["channel"].shape
    lacking = np.repeat(~columns["decided"], users)

    def shared(values: Sequence[Any]) -> tuple[Any]:
        return (np.repeat(np.array(values, dtype=object), users),)

    return {
        "slot": (np.repeat(np.arange(first, first + slots), users),),
        "user": (np.tile(np.arange(users), slots),),
        "task": (columns["task"].ravel(),),
        "offload": (columns["offload"].ravel(), None, lacking),
        "channel": (columns["channel"].ravel(), None, lacking | ~columns["offload"].ravel()),
        **{name: (columns[name].ravel(), None, lacking) for name in (*FIGURES, "feasible")},
        "gain": (list(columns["gain"].reshape(slots * users, -1)),),
        "status": shared(columns["status"]),
        **{name: shared([number(value) for value in columns[name]]) for name in VALUES},
        "joint_actions": shared([str(exact_integer(n)) for n in columns["joint_actions"]]),
        "infeasible": shared([r and COMPACT.encode(r) for r in columns["infeasible"]]),
    }
