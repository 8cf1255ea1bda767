"""Arrays at the boundary: those of other libraries, without a copy, and what is refused."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any, NoReturn

import numpy as np

from ..problem import Problem
from .gpu.memory import CUDA, MANAGED, OTHERS, OnDevice, borrowed, described, lies_in, not_shown
from .query import Batch, Tables


def view(name: str, array: Any) -> Any:
    """Return an array's memory as `OnDevice`, or as a NumPy array where it is on the host.

    Raises
    ------
    ValueError
        Naming an array that does not show its memory, or whose elements do not lie one after the
        other in C order.
    """
    if isinstance(array, np.ndarray) or lies_in(array) not in (CUDA, MANAGED):
        return host(name, array)
    return borrowed(name, array) if hasattr(array, "__dlpack__") else described(name, array)


def host(name: str, array: Any) -> Any:
    """Return the same memory as a NumPy array.

    Raises
    ------
    ValueError
        Naming an array that lies elsewhere, or that does not show its memory.
    """
    if isinstance(array, np.ndarray):
        return array
    kind = lies_in(array)
    if kind == CUDA:
        raise ValueError(f"{name}: it lies in a device's memory: an array on the host is expected")
    if kind in OTHERS:
        raise ValueError(
            f"{name}: it lies in memory of {OTHERS[kind]}: an array on the host, or on a CUDA "
            f"device for backends that use one, is expected"
        )
    try:
        return np.from_dlpack(array)
    except (AttributeError, TypeError, BufferError, RuntimeError) as fault:
        raise not_shown(name, fault) from None


def of_library(example: Any, array: Any) -> Any:
    """Return the same memory as an array of the library that `example` is of.

    A library without `from_dlpack` gets what shows its memory by both protocols.
    """
    if isinstance(example, np.ndarray):
        return array
    if hasattr(example, "__array_namespace__"):
        library = example.__array_namespace__()
    else:
        library = sys.modules[type(example).__module__.partition(".")[0]]
    return library.from_dlpack(array) if hasattr(library, "from_dlpack") else array


def each(show: Callable[[str, Any], Any], record: Any) -> Any:
    """Return actions or an outcome with `show` (`host` or `view`) applied to its arrays."""
    return type(record)(**{name: show(name, value) for name, value in vars(record).items()})


def each_list(show: Callable[[str, Any], Any], tables: Tables) -> Tables:
    """Return tables with `show` applied to their arrays; the same where that changes nothing."""
    changed: dict[str, Any] = {}
    for name in ("value", "server_energy"):
        lists = getattr(tables, name)
        shown = tuple(show(f"{name}[{n}]", values) for n, values in enumerate(lists))
        if any(one is not other for one, other in zip(shown, lists, strict=True)):
            changed[name] = shown
    return replace(tables, **changed) if changed else tables


def check(problem: Problem, batch: Batch) -> None:
    """Refuse what the compiled backend refuses, where Python reads the arrays.

    Indices on a device are left to the kernel that reads them.

    Raises
    ------
    ValueError
        Naming an array of another type, shape or order than expected, or an index out of range.
    """
    actions, gain, task, out, _ = batch
    shape, dtype = actions.channel.shape, actions.power.dtype
    users, channels = len(problem.task), gain.shape[-1] if gain.ndim else 0
    if dtype not in (np.float64, np.float32):
        dtype = np.dtype(np.float64)

    def require(name: str, array: Any, kind: Any, expected: tuple[int, ...]) -> None:
        kind = np.dtype(kind)
        packed = isinstance(array, OnDevice) or array.flags.c_contiguous
        if array.dtype != kind or array.shape != expected or not packed:
            raise ValueError(f"{name}: a C-ordered {kind} array of shape {expected} is expected")

    def within(name: str, indices: Any, low: int, end: int) -> None:
        if isinstance(indices, OnDevice):
            return
        if ((indices < low) | (indices >= end)).any():
            raise ValueError(f"{name}: indices from {low} to {end - 1} are expected")

    require("channel", actions.channel, np.int64, (*shape[:-1], users))
    for name in ("power", "frequency", "extraction"):
        require(name, getattr(actions, name), dtype, shape)
    slot = (users,) if gain.ndim == 2 else shape
    require("gain", gain, dtype, (*slot, channels))
    require("task", task, np.int64, slot)
    within("channel", actions.channel, -1, channels)
    within("task", task, 0, len(problem.tasks.names))
    if out is not None:
        for field in fields(out):
            kind = np.uint8 if field.name == "violations" else dtype
            array = getattr(out, field.name)
            require(field.name, array, kind, shape)
            if array.read_only if isinstance(array, OnDevice) else not array.flags.writeable:
                raise ValueError(f"{field.name}: a writeable array is expected")


def name_fault(problem: Problem, batch: Batch) -> NoReturn:
    """Name the argument that gives no QoE, of what is used of it, or all that may be out of range.

    Parameters
    ----------
    problem : whose figures may lie beyond the precision of the arrays
    batch : with `out` if that was written, so that an argument in its place can no longer tell

    Raises
    ------
    ValueError
        Always.
    """
    actions, gain, _, out, _ = batch
    away = actions.channel >= 0
    sent = away & (actions.extraction != 1)
    seat = np.where(away, actions.channel, 0)[..., None]
    links = np.broadcast_to(gain, (*away.shape, gain.shape[-1]))
    used = {
        "power": actions.power[away],
        "frequency": actions.frequency[sent | ~away],
        "extraction": actions.extraction[away],
        "gain": np.take_along_axis(links, seat, -1)[..., 0][away] if away.any() else gain[:0],
    }
    written = [] if out is None else [getattr(out, field.name) for field in fields(out)]
    for name in ("power", "frequency", "extraction"):
        if any(np.may_share_memory(getattr(actions, name), figure) for figure in written):
            used.pop(name)
    for name, values in used.items():
        if not np.isfinite(values).all():
            raise ValueError(f"{name}: finite numbers are expected")
    mu, link = used.get("extraction", np.ones(1)), used["gain"]
    if not ((mu > 0) & (mu <= 1)).all():
        raise ValueError("extraction: numbers above 0, at most 1, are expected of offloaded tasks")
    if (link < 0).any():
        raise ValueError("gain: numbers that are not negative are expected")
    if actions.power.dtype == np.float32:
        raise ValueError(
            f"{beyond_single(problem) or 'latency, energy or their slopes'}: beyond single "
            "precision (1.2e-38 to 3.4e38): arrays of float64 are expected"
        )
    raise ValueError("power, frequency, extraction, gain: values in their ranges are expected")


def beyond_single(problem: Problem) -> str:
    """Name the figure of a problem that single precision does not hold; "" where it holds all."""
    info = np.finfo(np.float32)
    for owner in ("system", "users", "tasks"):
        for name, figure in vars(getattr(problem, owner)).items():
            if name in ("names", "accuracy"):
                continue
            size = np.abs(np.asarray(figure, dtype=float))
            lost = np.isfinite(size) & (size != 0) & ((size < info.tiny) | (size > info.max))
            if lost.any():
                return f"{owner}.{name} = {size[lost].flat[0]:g}"
    return ""
