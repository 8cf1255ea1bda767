"""Backend `cupy`: the same kernels, compiled by NVRTC from the headers that the wheel ships."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from .. import _core
from .cpu import tabulate
from .gpu.operations import operations
from .gpu.runtime import THREADS

__all__ = ["describe", "evaluate", "search", "tabulate", "why_not"]

HEADERS = Path(_core.__file__).parent / "include"
OPTIONS = ("-std=c++17", f"-I{HEADERS}", "--fmad=false")  # no contraction: the CPU's values


class CupyRuntime:
    """The functions of a `Runtime`, from CuPy."""

    def __init__(self) -> None:
        import cupy

        self._cupy, self._api = cupy, cupy.cuda.runtime
        self._module = cupy.RawModule(
            code=(HEADERS / "gpu" / "kernels.cuh").read_text(),
            options=OPTIONS,
        )
        self.allocate, self.release, self.clear = (
            lambda size: self._api.malloc(max(size, 1)),
            self._api.free,
            lambda memory, size: self._api.memset(memory, 0, size),
        )

    def copy_in(self, memory: int, host: Any) -> None:
        """Copy an array to the device."""
        kind = self._api.memcpyHostToDevice
        self._api.memcpy(memory, host.ctypes.data, host.nbytes, kind)

    def copy_out(self, host: Any, memory: int) -> None:
        """Copy from the device into an array."""
        kind = self._api.memcpyDeviceToHost
        self._api.memcpy(host.ctypes.data, memory, host.nbytes, kind)

    def launch(self, name: str, job: int, blocks: int) -> None:
        """Queue a kernel on the default stream."""
        from numpy import uintp

        with self._cupy.cuda.Stream.null:
            self._module.get_function(name)((blocks,), (THREADS,), (uintp(job),))

    def processors(self) -> int:
        """Return how many multiprocessors the device has."""
        count: int = self._cupy.cuda.Device().attributes["MultiProcessorCount"]
        return count

    def current_device(self) -> int:
        """Return the index of the device that kernels are launched on."""
        index: int = self._api.getDevice()
        return index

    def device_of(self, memory: int) -> int:
        """Return the index of the device that memory lies on; -1 if it is the host's."""
        about = self._api.pointerGetAttributes(memory)
        device: int = about.device
        on_device = about.type in (self._api.memoryTypeDevice, self._api.memoryTypeManaged)
        return device if on_device else -1

    def wait(self, stream: int) -> None:
        """Return when the work queued on a stream is done."""
        self._api.streamSynchronize(stream)


@cache
def runtime() -> CupyRuntime:
    """Return the runtime, its kernels compiled once a process."""
    return CupyRuntime()


def why_not() -> str | None:
    """Return why CuPy cannot be used here; None if it can."""
    if find_spec("cupy") is None:
        return "the package cupy is not installed"
    try:
        import cupy

        cupy.cuda.runtime.getDeviceCount()
        runtime()
    except Exception as fault:  # CuPy and NVRTC raise types of their own, by version
        return f"CuPy says: {fault}"
    return None


def describe() -> str:
    """Return what this backend runs on."""
    import cupy

    name: bytes = cupy.cuda.runtime.getDeviceProperties(cupy.cuda.Device().id)["name"]
    return f"{name.decode()}, CuPy {cupy.__version__}"


evaluate, search = operations(runtime)
