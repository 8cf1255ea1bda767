"""A CUDA runtime as the GPU backends need it: memory, records of jobs, launches by name."""

from __future__ import annotations

import weakref
from typing import Any, Protocol

import numpy as np

from .memory import DEFAULT_STREAM, OnDevice

THREADS = 256  # a block, as in kernels.cuh


class Runtime(Protocol):
    """A CUDA runtime: addresses are integers, copies wait for the kernels queued before them."""

    def allocate(self, bytes: int, /) -> int:
        """Return the address of so much device memory."""

    def release(self, memory: int, /) -> None:
        """Give memory back."""

    def copy_in(self, memory: int, host: Any, /) -> None:
        """Copy an array to the device."""

    def copy_out(self, host: Any, memory: int, /) -> None:
        """Copy from the device into an array."""

    def clear(self, memory: int, bytes: int, /) -> None:
        """Set memory to zero."""

    def launch(self, name: str, job: int, blocks: int, /) -> None:
        """Queue a kernel of `THREADS` threads a block on the job at an address."""

    def processors(self) -> int:
        """Return how many multiprocessors the device has."""

    def current_device(self) -> int:
        """Return the index of the device that kernels are launched on."""

    def device_of(self, memory: int, /) -> int:
        """Return the index of the device that memory lies on; -1 if it is the host's."""

    def wait(self, stream: int, /) -> None:
        """Return when the work queued on a stream is done."""


class Buffer:
    """Device memory, given back with the object."""

    def __init__(self, runtime: Runtime, size: int) -> None:
        self.runtime, self.size = runtime, size
        self.address = runtime.allocate(size)
        weakref.finalize(self, runtime.release, self.address)

    def read(self, dtype: Any, count: int) -> Any:
        """Return a copy of the first `count` elements on the host."""
        host = np.empty(count, dtype)
        if count:
            self.runtime.copy_out(host, self.address)
        return host


class Borrowed(Buffer):
    """Device memory that belongs to another's array."""

    def __init__(self, runtime: Runtime, array: OnDevice) -> None:
        self.runtime, self.size, self.address = runtime, array.nbytes, array.address
        self.array = array


def usable(runtime: Runtime, name: str, array: Any) -> Any:
    """Return an array that may be used: on the kernels' device its work is waited for.

    Raises
    ------
    ValueError
        Naming an array that lies on another device.
    """
    if not isinstance(array, OnDevice) or not array.nbytes:
        return array
    current, device = runtime.current_device(), array.device
    if device is None:
        device = runtime.device_of(array.address)
    if device != current:
        place = f"on device {device}" if device >= 0 else "on the host"
        raise ValueError(f"{name}: it lies {place}: memory of device {current} is expected")
    if array.stream not in (None, DEFAULT_STREAM):
        runtime.wait(array.stream)
    return array


def upload(runtime: Runtime, array: Any) -> Buffer:
    """Return a copy of an array on the device."""
    host = np.ascontiguousarray(array)
    buffer = Buffer(runtime, host.nbytes)
    if host.nbytes:
        runtime.copy_in(buffer.address, host)
    return buffer


def place(runtime: Runtime, array: Any) -> Buffer:
    """Return an array's memory on the device: its own where it lies there, else a copy."""
    return Borrowed(runtime, array) if isinstance(array, OnDevice) else upload(runtime, array)


def shaped(runtime: Runtime, buffer: Buffer, example: Any) -> OnDevice:
    """Return a buffer in the shape of an array."""
    return OnDevice(buffer, buffer.address, example.shape, example.dtype, runtime.current_device())


def read(runtime: Runtime, array: Any) -> Any:
    """Return an array on the host: itself, or a copy from the device."""
    if not isinstance(array, OnDevice):
        return array
    copy = np.empty(array.shape, array.dtype)
    if copy.nbytes:
        runtime.copy_out(copy, array.address)
    return copy


class Job:
    """A record of 8-byte fields on the device, in the order of the structure in kernels.cuh."""

    def __init__(self, runtime: Runtime, names: str, **values: Any) -> None:
        self.runtime, self.values = runtime, values

        def kind(value: Any) -> str:  # all else is an address
            return "f8" if isinstance(value, float) else "i8" if isinstance(value, int) else "u8"

        self.dtype = np.dtype([(n, kind(values[n])) for n in names.split()])
        self.buffer = Buffer(runtime, self.dtype.itemsize)
        self.update()

    def update(self, **values: Any) -> None:
        """Change fields, and send the record."""
        self.values |= values
        row = np.zeros(1, self.dtype)
        for name in self.dtype.names or ():
            value = self.values[name]
            row[name] = (
                value.address if isinstance(value, Buffer) else 0 if value is None else value
            )
        self.runtime.copy_in(self.buffer.address, row)

    def launch(self, kernel: str, work: int) -> int:
        """Queue a kernel with about `work` blocks of work, and return with how many.

        A few blocks a processor suffice.
        """
        blocks = max(1, min(work, 8 * self.runtime.processors()))
        self.runtime.launch(f"semopt_{kernel}", self.buffer.address, blocks)
        return blocks
