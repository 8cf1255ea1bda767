"""Evaluation of joint actions on a device."""

from __future__ import annotations

from dataclasses import fields
from math import prod
from typing import Any, NoReturn
from weakref import WeakKeyDictionary

import numpy as np

from ... import _core
from ...model import Outcome
from ...problem import Problem
from .. import cpu, packing
from ..arrays import check, each, name_fault
from ..query import Batch
from .memory import OnDevice
from .runtime import THREADS, Borrowed, Buffer, Job, Runtime, place, read, shaped, upload, usable

EVALUATE = (
    "system users tasks tables channel power frequency extraction gain task "
    "latency energy accuracy qoe violations faults rows user_count channels task_count slot_per_row"
)


class DeviceScenario:
    """All of a problem but its slot on a device, as the kernels read it in one precision."""

    def __init__(self, runtime: Runtime, packed: _core.Scenario, single: bool) -> None:
        self.memory = Buffer(runtime, len(packed.device_image(single, 0)[0]))
        base = self.memory.address
        image, users, tasks, tables = packed.device_image(single, base)
        runtime.copy_in(base, np.frombuffer(image, np.uint8))
        self.system, self.users, self.tasks, self.tables = (
            base + offset for offset in (0, users, tasks, tables)
        )


Key = tuple[Runtime, int, bool]  # the device by its index, single precision or double
_on_devices: WeakKeyDictionary[_core.Scenario, dict[Key, DeviceScenario]] = WeakKeyDictionary()


def device_scenario(runtime: Runtime, problem: Problem, single: bool) -> DeviceScenario:
    """Return the scenario of a problem on the device in use, where it stays while it is packed."""
    packed = packing.scenario(problem)
    made = _on_devices.setdefault(packed, {})
    key = runtime, runtime.current_device(), single
    if key not in made:
        made[key] = DeviceScenario(runtime, packed, single)
    return made[key]


def evaluate(runtime: Runtime, problem: Problem, batch: Batch) -> Outcome:
    """Score joint actions in the precision of `actions.power`; the host's threads have no part."""

    def ready(name: str, array: Any) -> Any:
        return usable(runtime, name, array)

    actions, gain, task, out, _ = batch
    actions, out = each(ready, actions), None if out is None else each(ready, out)
    gain, task = ready("gain", gain), ready("task", task)
    check(problem, Batch(actions, gain, task, out))
    shape, dtype = actions.channel.shape, actions.power.dtype
    if out is None:
        out = cpu.empty_outcome(shape, dtype)
        if isinstance(actions.power, OnDevice):
            out = each(lambda _, a: shaped(runtime, Buffer(runtime, a.nbytes), a), out)
    rows = int(prod(shape[:-1]))

    single = dtype == np.float32
    scenario = device_scenario(runtime, problem, single)
    figures = [field.name for field in fields(out)]
    faults = upload(runtime, np.zeros(1, np.uint64))
    results = {name: target(runtime, getattr(out, name)) for name in figures}
    job = Job(
        runtime,
        EVALUATE,
        system=scenario.system,
        users=scenario.users,
        tasks=scenario.tasks,
        tables=scenario.tables,
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
    job.launch("evaluate_single" if single else "evaluate", -(-rows * shape[-1] // THREADS))
    if faults.read(np.uint64, 1)[0]:
        refuse(runtime, problem, Batch(actions, gain, task))
    for name in figures:
        if not isinstance(getattr(out, name), OnDevice):
            runtime.copy_out(getattr(out, name), results[name].address)
    return out


def refuse(runtime: Runtime, problem: Problem, batch: Batch) -> NoReturn:
    """Name the argument with the fault that a kernel found, from copies.

    Raises
    ------
    ValueError
        Always.
    """
    actions = each(lambda _, array: read(runtime, array), batch.actions)
    copied = Batch(actions, read(runtime, batch.gain), read(runtime, batch.task))
    check(problem, copied)
    name_fault(problem, copied)


def target(runtime: Runtime, figure: Any) -> Buffer:
    """Return where a kernel writes a figure: its own memory on the device, or a buffer."""
    if isinstance(figure, OnDevice):
        return Borrowed(runtime, figure)
    return Buffer(runtime, figure.nbytes)
