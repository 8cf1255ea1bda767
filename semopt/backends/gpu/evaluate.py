"""Evaluation of joint actions on a device."""

from __future__ import annotations

from dataclasses import fields
from math import prod
from typing import Any, NoReturn

import numpy as np

from ... import _core
from ...model import Actions, Outcome
from ...problem import Floats, Integers, Problem
from .. import cpu, packing
from ..arrays import check, each, name_fault
from .memory import OnDevice
from .runtime import THREADS, Borrowed, Buffer, Job, Runtime, meet, place, read, shaped, upload

EVALUATE = (
    "system users tasks tables channel power frequency extraction gain task "
    "latency energy accuracy qoe violations faults rows user_count channels task_count slot_per_row"
)
TABLE = np.dtype(
    [
        (name, "u8")
        for name in ("extraction", "snr_db", "table", "raw", "extraction_scale", "snr_scale")
    ]
    + [("rows", "i4"), ("columns", "i4")]
)


def evaluate(
    runtime: Runtime,
    problem: Problem,
    actions: Actions,
    gain: Floats | None = None,
    task: Integers | None = None,
    out: Outcome | None = None,
    threads: int = 0,
) -> Outcome:
    """Score joint actions in the precision of `actions.power`; the host's threads have no part."""

    def met(name: str, array: Any) -> Any:
        return meet(runtime, name, array)

    actions, out = each(met, actions), None if out is None else each(met, out)
    gain, task = met("gain", gain), met("task", task)
    check(problem, actions, gain, task, out)
    packing.refuse_unpackable(problem)
    given = actions, gain, task
    shape, dtype = actions.channel.shape, actions.power.dtype
    gain = np.asarray(problem.gain, dtype) if gain is None else gain
    task = problem.task if task is None else task
    if out is None:
        out = cpu.empty_outcome(shape, dtype)
        if isinstance(actions.power, OnDevice):
            out = each(lambda _, a: shaped(runtime, Buffer(runtime, a.nbytes), a), out)
    rows = int(prod(shape[:-1]))

    def records(owner: Any, names: list[str]) -> Buffer:
        return upload(runtime, np.stack([getattr(owner, n) for n in names], axis=-1).astype(dtype))

    kept, tables = [], np.zeros(len(problem.tasks.accuracy), TABLE)
    for row, table in zip(tables, problem.tasks.accuracy, strict=True):
        parts = {field.name: getattr(table, field.name).astype(dtype) for field in fields(table)}
        for axis in (parts["extraction"], parts["snr_db"]):
            keep_apart(axis)
        for scale, axis in (("extraction_scale", "extraction"), ("snr_scale", "snr_db")):
            parts[scale] = np.append(1 / np.diff(parts[axis]), parts[axis].dtype.type(0))
        for name, part in parts.items():
            kept.append(upload(runtime, part))
            row[name] = kept[-1].address
        row["rows"], row["columns"] = table.table.shape
    figures = [field.name for field in fields(out)]
    faults = upload(runtime, np.zeros(1, np.uint64))
    results = {name: target(runtime, getattr(out, name)) for name in figures}
    job = Job(
        runtime,
        EVALUATE,
        system=records(problem.system, _core.SYSTEM_FIELDS),
        users=records(problem.users, _core.USER_FIELDS),
        tasks=records(problem.tasks, _core.TASK_FIELDS),
        tables=upload(runtime, tables),
        channel=place(runtime, actions.channel),
        power=place(runtime, actions.power),
        frequency=place(runtime, actions.frequency),
        extraction=place(runtime, actions.extraction),
        gain=place(runtime, gain),
        task=place(runtime, task),
        **results,
        faults=faults,
        rows=rows,
        user_count=shape[-1],
        channels=gain.shape[-1],
        task_count=len(problem.tasks.names),
        slot_per_row=int(gain.ndim > 2),
    )
    single = "_single" if dtype == np.float32 else ""
    job.launch(f"evaluate{single}", -(-rows * shape[-1] // THREADS))
    if faults.read(np.uint64, 1)[0]:
        refuse(runtime, problem, *given)
    for name in figures:
        if not isinstance(getattr(out, name), OnDevice):
            runtime.copy_out(getattr(out, name), results[name].address)
    return out


def keep_apart(axis: Any) -> None:
    """Move points of a rising axis that its precision does not tell apart to the next numbers."""
    for i in range(1, len(axis)):
        above = np.nextafter(axis[i - 1], np.inf), axis[i - 1] + np.finfo(axis.dtype).tiny
        axis[i] = max(axis[i], *above)


def refuse(runtime: Runtime, problem: Problem, actions: Actions, gain: Any, task: Any) -> NoReturn:
    """Name the argument with the fault that a kernel found, from copies.

    Raises
    ------
    ValueError
        Always.
    """
    actions = each(lambda _, array: read(runtime, array), actions)
    gain, task = read(runtime, gain), read(runtime, task)
    check(problem, actions, gain, task, None)
    name_fault(problem, actions, gain)


def target(runtime: Runtime, figure: Any) -> Buffer:
    """Return where a kernel writes a figure: its own memory on the device, or a buffer."""
    if isinstance(figure, OnDevice):
        return Borrowed(runtime, figure)
    return Buffer(runtime, figure.nbytes)
