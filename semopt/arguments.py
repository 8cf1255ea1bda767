"""The arguments of `Problem.from_arrays`: their checks and, for `help`, their words."""

from __future__ import annotations

from collections.abc import Sequence
from inspect import Parameter, signature
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from . import allowed
from .arrays import Floats, Integers
from .figures import RECORDS, WEIGHTS


def array(name: str, value: ArrayLike, interval: allowed.Interval, dimensions: int) -> Floats:
    """Return a checked float64 copy of `value` with so many dimensions."""
    numbers = allowed.numbers(name, value)
    if numbers.ndim != dimensions or (dimensions and 0 in numbers.shape):
        expected = ("a number", "a non-empty array (n,)", "a non-empty array (n, m)")[dimensions]
        raise ValueError(f"{name} has shape {numbers.shape}: must be {expected}")
    values = numbers.astype(np.float64, order="C")
    outside = np.atleast_1d(interval.refuses(values))
    if outside.any():
        first = np.argwhere(outside)[0] if dimensions else ()
        element = name + "".join(f"[{i}]" for i in first)
        raise ValueError(f"{element} = {values[tuple(first)]}: must be {interval.sentence}")
    return values


def _spread(
    name: str, value: ArrayLike, interval: allowed.Interval, count: int, owner: str
) -> Floats:
    """Return `value`, a number or an array, as a checked (count,) array."""
    values = array(name, value, interval, min(np.ndim(value), 1))
    if values.ndim and len(values) != count:
        raise ValueError(
            f"{name} has shape {values.shape}: must be a number or ({count},), "
            f"a value for each {owner}"
        )
    return np.full(count, values) if not values.ndim else values


def checked(figures: dict[str, ArrayLike], users: int, tasks: int) -> dict[str, dict[str, Any]]:
    """Return the figures of system, users and tasks, checked: numbers, arrays (N,) and (T,)."""
    names = {figure.name for rows in RECORDS.values() for figure in rows}
    for name in figures:
        if name not in names:
            raise TypeError(f"from_arrays() has no argument {name!r}")
    counts = {"system": None, "user": users, "task": tasks}
    records = {owner: _of_owner(owner, figures, count) for owner, count in counts.items()}
    _check_users(records["user"])
    return records


def _of_owner(owner: str, figures: dict[str, ArrayLike], count: int | None) -> dict[str, Any]:
    """Return the checked figures of one owner: numbers, or arrays (count,)."""
    values: dict[str, Any] = {}
    for figure in RECORDS[owner]:
        name, value = figure.name, figures.get(figure.name)
        if value is None:
            value = figure.default
        if value is None:
            raise TypeError(f"from_arrays() needs {name}: {figure.sentence}")
        if isinstance(value, str) and value == figure.default:
            values[name] = value  # another figure stands in, once all are there
        elif count is None:
            values[name] = float(array(name, value, figure.allowed, 0))
        else:
            values[name] = _spread(name, value, figure.allowed, count, owner)
    return {
        name: values[value].copy() if isinstance(value, str) else value
        for name, value in values.items()
    }


def _check_users(users: dict[str, Floats]) -> None:
    """Raise ValueError for weights that do not sum to 1, and for ranges that are reversed."""
    for n, total in enumerate(sum(users[figure.name] for figure in WEIGHTS)):  # type: ignore[arg-type]
        if not allowed.sums_to_one(total):
            raise ValueError(f"weights of user {n} sum to {total:.6g}: must sum to 1 within 1e-3")
    for name in ("frequency", "power"):
        low, high = users[f"{name}_min"], users[f"{name}_max"]
        for n in np.flatnonzero(low > high).tolist():
            raise ValueError(
                f"{name}_min of user {n} = {low[n]}: must be at most {name}_max = {high[n]}"
            )


def check_tasks(
    tasks: dict[str, Floats], names: Sequence[str], separate_raw: Sequence[bool]
) -> None:
    """Raise ValueError where the modes of a task differ up to extraction 1.

    `separate_raw` tells of which tasks raw mode has an accuracy of its own.
    """
    differ = (
        (tasks["semantic_bits"] != tasks["bits"])
        | (tasks["server_raw_flop"] != tasks["server_flop"])
        | separate_raw
    )
    top = tasks["extraction_max"]
    for t in np.flatnonzero(differ & (top >= 1.0)).tolist():
        raise ValueError(
            f"extraction_max of task {names[t]} = {top[t]}: must be below 1, "
            "since semantic_bits, server_raw_flop or accuracy.raw make its modes differ"
        )


def check_grid(counts: dict[str, int]) -> None:
    """Raise ValueError for numbers of levels that are not allowed."""
    for name, value in counts.items():
        if type(value) is not int or not 1 <= value <= allowed.MAX_LEVELS:
            raise ValueError(f"grid.{name} = {value!r}: must be {allowed.LEVELS.sentence}")


def task_indices(task: Sequence[str] | ArrayLike, names: tuple[str, ...], count: int) -> Integers:
    """Return the tasks at the heads of the queues as (N,) indices into `names`."""
    values = np.asarray(task)
    if values.ndim > 1 or (values.ndim == 1 and len(values) != count):
        raise ValueError(
            f"task has shape {values.shape}: must be one index or name, or ({count},) of them"
        )
    heads = np.broadcast_to(values, count)
    if values.dtype.kind == "U":
        for n, name in enumerate(heads):
            if name not in names:
                raise ValueError(f"task[{n}] = {str(name)!r}: must be one of {', '.join(names)}")
        return np.array([names.index(name) for name in heads], dtype=np.int64)
    if values.dtype.kind not in "iu":
        raise ValueError(f"task holds {values.dtype}: must hold indices or names of tasks")
    for n in np.flatnonzero((heads < 0) | (heads >= len(names))).tolist():
        raise ValueError(f"task[{n}] = {heads[n]}: must be an index from 0 to {len(names) - 1}")
    return heads.astype(np.int64)


def _arguments() -> list[Parameter]:
    """Return the figures as arguments of `Problem.from_arrays`, those that must be given first."""
    figures = [figure for rows in RECORDS.values() for figure in rows]
    return [
        Parameter(
            figure.name,
            Parameter.KEYWORD_ONLY,
            default=Parameter.empty if figure.default is None else figure.default,
            annotation="ArrayLike",
        )
        for figure in sorted(figures, key=lambda figure: figure.default is not None)
    ]


def _described() -> str:
    """Return a line on each figure for the docstring of `Problem.from_arrays`."""
    lines = []
    for owner, rows in RECORDS.items():
        shape = {"system": "a number", "user": "(N,)", "task": "(T,)"}[owner]
        for figure in rows:
            unit, value = figure.unit[1], figure.default
            number = f"{value:g}" if isinstance(value, float) else str(value)
            default = "" if value is None else f" (default: {number})"
            words = ", ".join(filter(None, (shape, unit, figure.sentence)))
            lines.append(f"{figure.name} : {words}{default}")
    return f"\n{' ' * 8}".join(lines)


def document(function: Any) -> None:
    """Let `help`, completion and checkers of calls see the figures that `from_arrays` takes."""
    written = signature(function)
    plain = [p for p in written.parameters.values() if p.kind is not Parameter.VAR_KEYWORD]
    function.__signature__ = written.replace(parameters=[*plain, *_arguments()])
    function.__doc__ = function.__doc__.replace("{figures}", _described())
