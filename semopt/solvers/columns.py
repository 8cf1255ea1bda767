"""The slots of a batch as its files have them: JSON, a line a slot, or the columns of a table.

Both go through the batch in parts, so that memory does not grow with the slots, and figures are
computed for all slots of a part at once.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from math import inf
from pathlib import Path
from typing import Any

import numpy as np

from ..certificate.format import closed
from ..files import writing
from ..model import Actions
from ..result import Status, exact_integer, number
from ..strict import parse_json

COMPACT = json.JSONEncoder(separators=(",", ":"), allow_nan=False)
Progress = Callable[[float], None]
USER = (
    *("task", "offload", "channel", "power_mw", "frequency_ghz", "extraction"),
    *("latency_ms", "energy_mj", "accuracy", "qoe", "feasible"),
)  # arrays (S, N)
USER_FIGURES = USER[3:10]
VALUES = ("objective", "upper_bound", "gap")
SLOT = ("status", *VALUES, "joint_actions", "decided", "infeasible")  # (S,)


def text(
    head: dict[str, Any],
    parts: Iterable[dict[str, Any]],
    slots: int,
    progress: Progress = lambda done: None,
) -> Iterator[str]:
    """Yield the JSON document of so many slots, a line each; `progress` takes how many are done."""
    yield COMPACT.encode(head)[:-1] + ',"slots":[\n'
    for s, entry in enumerate(entries(parts), 1):
        yield COMPACT.encode(entry) + (",\n" if s < slots else "\n]}\n")
        if s % 256 == 0:
            progress(s)


def entries(parts: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield one entry a slot: status, value and bound, its users, its tasks and gains."""
    for columns in parts:
        users = columns["channel"].shape[1]
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


def write_table(
    target: str | Path,
    head: dict[str, Any],
    parts: Iterable[dict[str, Any]],
    progress: Progress = lambda written: None,
) -> None:
    """Write a Parquet file of `tables`.

    Raises
    ------
    ValueError
        Where pyarrow is missing or the file cannot be written.
    """
    _, parquet = arrow(str(target))
    made = tables(head, parts, progress)
    first = next(made)
    with writing(target) as file, parquet.ParquetWriter(file, first.schema) as writer:
        for table in (first, *made):
            writer.write_table(table)


def arrow(what: str) -> tuple[Any, Any]:
    """Return pyarrow and its Parquet module, or raise ValueError saying how to get them."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        hint = ", or name a .json file" if what.endswith(".parquet") else ""
        words = f"{what}: pyarrow is missing: pip install 'semopt[parquet]'{hint}"
        raise ValueError(words) from None
    return pyarrow, pyarrow.parquet


def tables(
    head: dict[str, Any],
    parts: Iterable[dict[str, Any]],
    progress: Progress = lambda written: None,
) -> Iterator[Any]:
    """Yield Arrow tables with a row for each slot and user, of one schema.

    The figures of a slot stand in each of its rows; all else that the JSON document says is the
    metadata, under the key "semopt".
    """
    pa, _ = arrow("to_arrow")
    words = pa.dictionary(pa.int32(), pa.string())
    kinds = {
        **{"slot": pa.int64(), "user": pa.int32(), "task": words},
        **{"offload": pa.bool_(), "channel": pa.int32()},
        **{name: pa.float64() for name in USER_FIGURES},
        **{"feasible": pa.bool_(), "gain": pa.list_(pa.float64()), "status": words},
        **{name: pa.float64() for name in VALUES},
        **{"joint_actions": pa.string(), "infeasible": pa.string()},
    }
    metadata = {"semopt": COMPACT.encode(head)}
    schema, written = pa.schema(list(kinds.items()), metadata=metadata), 0
    for columns in parts:
        arrays = {name: pa.array(*column) for name, column in rows_of(columns, written).items()}
        yield pa.table([column.cast(kinds[name]) for name, column in arrays.items()], schema=schema)
        written += len(columns["decided"])
        progress(written)


NEEDED = (*USER[:6], "slot", "user", "gain", "status", "objective", "upper_bound")


def fields_of(table: Any, source: str) -> dict[str, Any]:
    """Return the fields of a batch from an Arrow table that `tables` made, or whole slots of one.

    Parameters
    ----------
    source : what messages call it

    Raises
    ------
    ValueError
        Naming what is missing, and rows that are not those of all users of each slot
    """
    try:
        about = parse_json((table.schema.metadata or {})[b"semopt"].decode())
        details, origin = about.get("details", {}), about["problem"]
        columns = {name: table[name].to_numpy() for name in NEEDED if name != "gain"}
        users = int(columns["user"].max(initial=0)) + 1
        of_slots = columns["user"].reshape(-1, users) if len(table) % users == 0 else None
        if of_slots is None or not len(table) or (of_slots != np.arange(users)).any():
            raise ValueError("its rows are not all users of each slot, in their order")
        shaped = {name: column.reshape(-1, users) for name, column in columns.items()}
        gain = np.array(table["gain"].to_pylist()).reshape(*shaped["user"].shape, -1)
        slot = {"tasks": shaped["task"][0].tolist(), "gain": gain[0].tolist()}
        problem = closed(origin | {"slot": slot}).template()
        names = list(problem.tasks.names)
        task = np.array([[names.index(kind) for kind in kinds] for kinds in shaped["task"]])
        status = tuple(shaped["status"][:, 0].tolist())
    except KeyError as error:
        raise ValueError(f"{source} holds no batch of semopt: {error.args[0]} is missing") from None
    except ValueError as error:
        raise ValueError(f"{source} holds no batch of semopt: {error}") from None
    upper = shaped["upper_bound"][:, 0].astype(float)
    infeasible = np.array(status) == Status.INFEASIBLE.word
    return {
        "problem": problem,
        "method": about["method"],
        "backend": about["backend"],
        "gain": gain,
        "task": task,
        "actions": Actions(
            np.where(shaped["offload"] == 1, shaped["channel"], -1).astype(np.int64),
            shaped["power_mw"] / 1e3,
            shaped["frequency_ghz"] * 1e9,
            shaped["extraction"],
        ),
        "objective": shaped["objective"][:, 0].astype(float),
        "seconds": about["seconds"],
        "unsolved": details.get("unsolved", 0),
        "stopped": details.get("stopped", ""),
        "upper": np.where(infeasible, -inf, np.where(np.isnan(upper), inf, upper)),
        "gap": details.get("gap", 0.0),
        "ended": status,
    }


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
        **{name: (columns[name].ravel(), None, lacking) for name in (*USER_FIGURES, "feasible")},
        "gain": (list(columns["gain"].reshape(slots * users, -1)),),
        "status": shared(columns["status"]),
        **{name: shared([number(value) for value in columns[name]]) for name in VALUES},
        "joint_actions": shared([str(exact_integer(n)) for n in columns["joint_actions"]]),
        "infeasible": shared([r and COMPACT.encode(r) for r in columns["infeasible"]]),
    }
