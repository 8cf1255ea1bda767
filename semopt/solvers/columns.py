"""The slots of a batch as its files have them: JSON, a line a slot, or the columns of a table.

Both go through the batch in parts, so that memory does not grow with the slots, and figures are
computed for all slots of a part at once.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from decimal import Decimal
from math import inf
from typing import Any

import numpy as np

from .. import worth
from ..counts import joint_actions
from ..files import writing
from ..model import evaluate
from ..problem import Floats
from ..result import Status, exact_integer, number
from .batch import Batch

PART = 4096  # slots
COMPACT = json.JSONEncoder(separators=(",", ":"), allow_nan=False)
Progress = Callable[[float], None]


def head(batch: Batch, seed: int | None) -> dict[str, Any]:
    """Return what a file says of a batch besides its slots."""
    gap = batch.single[0].details.get("gap") if batch.single else None
    gap = batch.gap if batch.continuous and not batch.single else gap
    return {
        "schema": 1,
        "method": batch.method,
        "backend": batch.backend,
        "seconds": batch.seconds,
        "seed": seed,
        "readings": asdict(batch.problem.readings),
        "problem": batch.problem.origin,
        "mean": batch.mean(),
        **({} if gap is None else {"details": {"gap": gap}}),
    }


def text(batch: Batch, seed: int, progress: Progress = lambda done: None) -> Iterator[str]:
    """Yield the JSON document, a line a slot; `progress` takes the number of slots written."""
    yield COMPACT.encode(head(batch, seed))[:-1] + ',"slots":[\n'
    last = len(batch.objective) - 1
    for s, entry in enumerate(entries(batch)):
        yield COMPACT.encode(entry) + (",\n" if s < last else "\n]}\n")
        if s % 256 == 255:
            progress(s + 1)


def entries(batch: Batch) -> Iterator[dict[str, Any]]:
    """Yield one entry a slot: status, value and bound, its users, its tasks and gains."""
    for columns in parts(batch):
        users = len(batch.problem.users.power_min)
        user_columns = {name: columns[name].tolist() for name in USER}
        slot = {name: columns[name] for name in SLOT}
        gain = columns["gain"].tolist()
        for row, status in enumerate(slot["status"]):
            entry = {"status": status}
            entry |= {name: number(slot[name][row]) for name in VALUES}
            entry["joint_actions"] = exact_integer(slot["joint_actions"][row])
            figures = [user_columns[name][row] for name in USER]
            entry["users"] = (
                [dict(zip(USER, figure, strict=True)) for figure in zip(*figures, strict=True)]
                if slot["decided"][row]
                else []
            )
            for user in entry["users"]:
                if not user["offload"]:
                    user["channel"] = None
            if (reason := slot["infeasible"][row]) is not None:
                entry["infeasible"] = reason
            entry["slot"] = {
                "tasks": [user_columns["task"][row][n] for n in range(users)],
                "gain": gain[row],
            }
            yield entry


USER = (
    *("task", "offload", "channel", "power_mw", "frequency_ghz", "extraction"),
    *("latency_ms", "energy_mj", "accuracy", "qoe", "feasible"),
)  # arrays (S, N)
FIGURES = USER[3:10]
VALUES = ("objective", "upper_bound", "gap")
SLOT = ("status", *VALUES, "joint_actions", "decided", "infeasible")  # (S,)


def parts(batch: Batch) -> Iterator[dict[str, Any]]:
    """Yield the columns of a file, for so many slots at a time as memory allows."""
    problem, counts = batch.problem, dict[bytes, int | Decimal]()
    users, channels = batch.gain.shape[1:]
    names = np.array(problem.tasks.names, dtype=object)
    user_counts = [
        [problem.action_counts(n, kind) for kind in range(len(names))] for n in range(users)
    ]
    size = max(1, min(PART, 4_000_000 // (users * (channels + 10))))
    for first in range(0, len(batch.objective), size):
        rows = slice(first, first + size)
        gain, task, value = batch.gain[rows], batch.task[rows], batch.objective[rows]
        actions = batch.actions.take(rows)
        decided = ~np.isnan(value)
        outcome = evaluate(problem, actions, gain, task)
        if worth.steep(problem):
            for slot in np.flatnonzero(decided).tolist():
                outcome.qoe[slot] = batch.result(first + slot).qoe()
        recomputed = worth.objective(problem, outcome.qoe)
        places = range(first, first + len(value))
        status = [batch.status(s).word for s in places]
        bound = np.array([batch.bound(s) for s in places])
        feasible = worth.within_limits(problem, actions, outcome, task)
        for row in np.flatnonzero(decided & ~feasible.all(axis=1)):  # a limit, to the last digit
            broken = {user for user, _ in batch.result(first + int(row)).broken()}
            feasible[row] = [n not in broken for n in range(users)]
        for kinds in task:
            if kinds.tobytes() not in counts:
                actions_of = [user_counts[n][kind] for n, kind in enumerate(kinds)]
                counts[kinds.tobytes()] = joint_actions(actions_of, channels)
        yield {
            "task": names[task],
            "offload": actions.channel >= 0,
            "channel": actions.channel,
            "power_mw": actions.power * 1e3,
            "frequency_ghz": actions.frequency / 1e9,
            "extraction": actions.extraction,
            "latency_ms": outcome.latency * 1e3,
            "energy_mj": outcome.energy * 1e3,
            "accuracy": outcome.accuracy,
            "qoe": outcome.qoe,
            "feasible": feasible,
            "gain": gain,
            "status": status,
            "objective": value,
            "upper_bound": bound,
            "gap": gaps(bound, recomputed, decided),
            "joint_actions": [counts[kinds.tobytes()] for kinds in task],
            "decided": decided,
            "infeasible": [
                reason.to_json()
                if word == Status.INFEASIBLE.word and (reason := batch.result(s).infeasibility)
                else None
                for s, word in zip(places, status, strict=True)
            ],
        }


def gaps(bound: Floats, value: Floats, decided: Any) -> Floats:
    """Return bound - value, from the recomputed value; inf where either is unknown."""
    gap: Floats = np.full(len(bound), inf)
    np.subtract(bound, value, out=gap, where=decided)
    return gap


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
