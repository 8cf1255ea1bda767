"""Arrays at the boundary: those of other libraries, without a copy, and what is refused."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import fields
from math import prod
from typing import Any

import numpy as np

from ..model import Actions, Outcome
from ..problem import Floats, Integers, Problem


class OnDevice:
    """Memory of a device, described by `__cuda_array_interface__`; it is neither read nor copied.

    Raises
    ------
    ValueError
        Naming an array whose elements do not lie one after the other in C order.
    """

    def __init__(self, name: str, array: Any) -> None:
        about = array.__cuda_array_interface__
        self.shape, self.dtype = tuple(about["shape"]), np.dtype(about["typestr"])
        self.address = about["data"][0]
        self.owner = array  # keeps the memory
        self.ndim, size = len(self.shape), prod(self.shape)
        self.nbytes = size * self.dtype.itemsize
        inner = [prod(self.shape[i + 1 :]) for i in range(self.ndim)]
        packed = tuple(self.dtype.itemsize * count for count in inner)
        strides = about.get("strides")
        if size and strides is not None and tuple(strides) != packed:
            raise ValueError(f"{name}: a C-ordered array is expected")

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        about = {"shape": self.shape, "typestr": self.dtype.str, "data": (self.address, False)}
        return {**about, "strides": None, "version": 3, "stream": 1}  # the default stream


def on_device(array: Any) -> bool:
    """Return whether an array lies in a device's memory."""
    return hasattr(array, "__cuda_array_interface__")


def view(name: str, array: Any) -> Any:
    """Return an array's memory as `OnDevice`, or as a NumPy array where it is on the host."""
    return OnDevice(name, array) if on_device(array) else host(name, array)


def host(name: str, array: Any) -> Any:
    """Return the same memory as a NumPy array.

    Raises
    ------
    ValueError
        Naming an array that lies on a device, or that does not show its memory.
    """
    if isinstance(array, np.ndarray):
        return array
    if on_device(array):
        raise ValueError(f"{name}: it lies in a device's memory: an array on the host is expected")
    try:
        return np.from_dlpack(array)
    except (AttributeError, TypeError, BufferError, RuntimeError) as fault:
        raise ValueError(
            f"{name}: an array that shows its memory by DLPack is expected: {fault}"
        ) from None


def like(example: Any, array: Any) -> Any:
    """Return the same memory as an array of the library that `example` is of."""
    if isinstance(example, np.ndarray):
        return array
    library = sys.modules[type(example).__module__.partition(".")[0]]
    if isinstance(array, OnDevice):
        make = getattr(library, "as_tensor", None) or getattr(library, "asarray", None)
        return make(array) if make else array
    return library.from_dlpack(array)


def each(show: Callable[[str, Any], Any], record: Any) -> Any:
    """Return actions or an outcome with `show` (`host` or `view`) applied to its arrays."""
    return type(record)(*(show(f.name, getattr(record, f.name)) for f in fields(record)))


def check(
    problem: Problem,
    actions: Actions,
    gain: Floats | None,
    task: Integers | None,
    out: Outcome | None,
) -> None:
    """Refuse what the compiled backend refuses, where Python reads the arrays.

    Raises
    ------
    ValueError
        Naming an array of another type, shape or order than expected, or an index out of range.
    """
    shape, dtype = actions.channel.shape, actions.power.dtype
    users, channels = problem.gain.shape
    if dtype not in (np.float64, np.float32):
        dtype = np.dtype(np.float64)

    def require(name: str, array: Any, kind: Any, wanted: tuple[int, ...]) -> None:
        kind = np.dtype(kind)
        packed = isinstance(array, OnDevice) or array.flags.c_contiguous
        if array.dtype != kind or array.shape != wanted or not packed:
            raise ValueError(f"{name}: a C-ordered {kind} array of shape {wanted} is expected")

    def within(name: str, indices: Any, low: int, end: int) -> None:
        if ((indices < low) | (indices >= end)).any():
            raise ValueError(f"{name}: indices from {low} to {end - 1} are expected")

    require("channel", actions.channel, np.int64, (*shape[:-1], users))
    for name in ("power", "frequency", "extraction"):
        require(name, getattr(actions, name), dtype, shape)
    if gain is not None:
        slot = (users,) if gain.ndim == 2 else shape
        channels = gain.shape[-1]
        require("gain", gain, dtype, (*slot, channels))
        if task is not None:
            require("task", task, np.int64, slot)
    within("channel", actions.channel, -1, channels)
    if task is not None:
        within("task", task, 0, len(problem.tasks.names))
    if out is not None:
        for field in fields(out):
            kind = np.uint8 if field.name == "violations" else dtype
            require(field.name, getattr(out, field.name), kind, shape)


def refuse_nan(actions: Actions, gain: Floats | None, out: Outcome) -> None:
    """Name the argument whose NaN or infinity made a QoE that is not a number.

    Raises
    ------
    ValueError
        If there is such a QoE.
    """
    if not np.isnan(out.qoe.sum()):  # one pass, nothing allocated: every QoE is within [0, 1]
        return
    given = {name: getattr(actions, name) for name in ("power", "frequency", "extraction")}
    given |= {} if gain is None else {"gain": gain}
    for name, array in given.items():
        if not np.isfinite(array).all():
            raise ValueError(f"{name}: finite numbers are expected")
    raise ValueError("power, frequency, extraction, gain: values in their ranges are expected")
