"""Memory of a CUDA device that another library's array shows, or that ours does.

Two protocols describe it: DLPack (`__dlpack__`, and `__dlpack_device__` says where an array lies),
and `__cuda_array_interface__`, which is used for arrays that have nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from ... import _core

# DLPack's numbers: kinds of memory, and of elements by NumPy's letter.
CPU, CUDA, MANAGED = 1, 2, 13
OTHERS = {4: "OpenCL", 7: "Vulkan", 8: "Metal", 10: "ROCm", 14: "oneAPI", 15: "WebGPU"}
LETTERS = {0: "i", 1: "u", 2: "f", 6: "b"}
DEFAULT_STREAM = 1  # CUDA's legacy default stream, as both protocols number it: ours


@dataclass(frozen=True)
class OnDevice:
    """Memory of a CUDA device, C-ordered; it is neither read nor copied."""

    owner: Any  # keeps the memory
    address: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    device: int | None  # its index, where that is known
    read_only: bool = False
    stream: int | None = None  # that must have done its work before the memory is touched

    @property
    def ndim(self) -> int:
        """Return the number of dimensions."""
        return len(self.shape)

    @property
    def nbytes(self) -> int:
        """Return the size of the memory."""
        return prod(self.shape) * self.dtype.itemsize

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        about = {"shape": self.shape, "typestr": self.dtype.str, "strides": None, "version": 3}
        return about | {"data": (self.address, self.read_only), "stream": DEFAULT_STREAM}

    def __dlpack_device__(self) -> tuple[int, int]:
        """Return where the memory lies, in DLPack's numbers."""
        return CUDA, self.device or 0  # the first, where an interface does not say

    def __dlpack__(
        self,
        *,
        stream: int | None = None,
        max_version: tuple[int, int] | None = None,
        dl_device: tuple[int, int] | None = None,
        copy: bool | None = None,
    ) -> Any:
        """Lend the memory, whose work is done; never a copy.

        Raises
        ------
        BufferError
            If a copy or another device is asked for, or memory that must not be written by a
            library of before DLPack 1.0, which cannot be told so.
        """
        here = self.__dlpack_device__()
        if copy or dl_device not in (None, here):
            raise BufferError("the memory is lent where it lies, without a copy")
        code = next(code for code, letter in LETTERS.items() if letter == self.dtype.kind)
        element = code, 8 * self.dtype.itemsize
        versioned = max_version is not None and max_version[0] >= 1
        if self.read_only and not versioned:
            raise BufferError("the memory is read-only: max_version of at least (1, 0) is expected")
        return _core.lend(self, self.address, self.shape, element, here, versioned, self.read_only)


def lies_in(array: Any) -> int:
    """Return DLPack's number of the kind of memory that an array lies in."""
    if hasattr(array, "__dlpack_device__"):
        return int(array.__dlpack_device__()[0])
    return CUDA if hasattr(array, "__cuda_array_interface__") else CPU


def not_shown(name: str, fault: Exception) -> ValueError:
    """Return the error for an array that does not show its memory."""
    return ValueError(f"{name}: an array that shows its memory by DLPack is expected: {fault}")


def borrowed(name: str, array: Any) -> OnDevice:
    """Return the memory of an array on a device, by DLPack."""
    try:
        try:
            capsule = array.__dlpack__(stream=DEFAULT_STREAM, max_version=(1, 0), copy=False)
        except TypeError:  # a library of before version 1
            capsule = array.__dlpack__(stream=DEFAULT_STREAM)
    except (AttributeError, TypeError, BufferError, RuntimeError) as fault:
        raise not_shown(name, fault) from None
    lent = _core.Borrowed(name, capsule)
    code, bits, lanes = lent.type
    if code not in LETTERS or lanes != 1 or bits % 8:
        raise ValueError(
            f"{name}: elements of a type of NumPy's are expected, not of DLPack's type {code} "
            f"({bits} bits, {lanes} lanes)"
        )
    dtype, shape = np.dtype(f"{LETTERS[code]}{bits // 8}"), tuple(lent.shape)
    require_packed(name, shape, lent.strides or None, 1)
    return OnDevice(lent, lent.address, shape, dtype, lent.device[1], lent.read_only)


def described(name: str, array: Any) -> OnDevice:
    """Return the memory of an array on a device, by `__cuda_array_interface__`."""
    about = array.__cuda_array_interface__
    shape, dtype = tuple(about["shape"]), np.dtype(about["typestr"])
    require_packed(name, shape, about.get("strides"), dtype.itemsize)
    address, read_only = about["data"]
    return OnDevice(array, address, shape, dtype, None, read_only, about.get("stream"))


def require_packed(name: str, shape: tuple[int, ...], strides: Any, unit: int) -> None:
    """Refuse strides, in steps of 1/unit elements, of anything but C order; None is C order."""
    steps = [unit * prod(shape[i + 1 :]) for i in range(len(shape))]
    if strides is not None and prod(shape) > 0:
        lengths = zip(strides, steps, shape, strict=True)
        if any(stride != step for stride, step, length in lengths if length > 1):
            raise ValueError(f"{name}: a C-ordered array is expected")
