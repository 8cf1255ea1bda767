"""A library of arrays that speaks DLPack and nothing else; its device has the host's memory.

The C structures stand here a second time, in ctypes, so that both sides of the protocol are held
against DLPack's ABI and not against the code under test.
"""

import ctypes
from types import SimpleNamespace

import numpy as np

CPU, CUDA, ROCM = 1, 2, 10
CODES = {"i": 0, "u": 1, "f": 2}


class Tensor(ctypes.Structure):
    _fields_ = (
        ("data", ctypes.c_void_p),
        ("device_type", ctypes.c_int32),
        ("device_id", ctypes.c_int32),
        ("ndim", ctypes.c_int32),
        ("code", ctypes.c_uint8),
        ("bits", ctypes.c_uint8),
        ("lanes", ctypes.c_uint16),
        ("shape", ctypes.POINTER(ctypes.c_int64)),
        ("strides", ctypes.POINTER(ctypes.c_int64)),
        ("byte_offset", ctypes.c_uint64),
    )


DELETER = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


class Plain(ctypes.Structure):
    name = b"dltensor"
    _fields_ = (("tensor", Tensor), ("context", ctypes.c_void_p), ("deleter", DELETER))


class Versioned(ctypes.Structure):
    name = b"dltensor_versioned"
    _fields_ = (
        ("major", ctypes.c_uint32),
        ("minor", ctypes.c_uint32),
        ("context", ctypes.c_void_p),
        ("deleter", DELETER),
        ("flags", ctypes.c_uint64),
        ("tensor", Tensor),
    )


def capsule_function(name, result, *arguments):
    return ctypes.PYFUNCTYPE(result, *arguments)((f"PyCapsule_{name}", ctypes.pythonapi))


new = capsule_function("New", ctypes.py_object, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p)
pointer = capsule_function("GetPointer", ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p)
name_of = capsule_function("GetName", ctypes.c_char_p, ctypes.py_object)


LENT = {}  # what others hold, by the address of its record


@DELETER
def TAKE_BACK(record):  # noqa: N802
    LENT.pop(record).given_back += 1


class Lent:
    """An array on a device; what is said of it may be changed, to say something wrong."""

    def __init__(self, array, *, versioned=True, device=(CUDA, 0), major=1, **said):
        self.array, self.device, self.streams, self.given_back = array, device, [], 0
        self.record = (Versioned if versioned else Plain)()
        self.record.deleter = TAKE_BACK
        if versioned:
            self.record.major, self.record.flags = major, said.pop("flags", 0)
        element = {"code": CODES[array.dtype.kind], "bits": 8 * array.itemsize, "lanes": 1}
        half = array.nbytes // 2  # the memory begins at an offset from where it is said to lie
        place = {"data": array.ctypes.data - half, "byte_offset": half, "ndim": array.ndim}
        where = {"device_type": device[0], "device_id": device[1]}
        for name, value in (element | place | where | said).items():
            if name in ("shape", "strides"):
                continue
            setattr(self.record.tensor, name, value)
        self.lists = {"shape": said.get("shape", array.shape), "strides": said.get("strides")}
        for name, values in self.lists.items():
            if values is not None:
                setattr(self.record.tensor, name, (ctypes.c_int64 * array.ndim)(*values))

    def __dlpack_device__(self):
        return self.device

    def __dlpack__(self, *, stream=None, **asked):
        if isinstance(self.record, Plain) and asked:
            raise TypeError("a library of before version 1 knows the stream alone")
        self.streams.append(stream)
        address = ctypes.addressof(self.record)
        LENT[address] = self
        return new(address, self.record.name, None)

    def __array_namespace__(self):
        return SimpleNamespace(from_dlpack=Received)


class Received:
    """What this library makes of another's memory: a view by NumPy, given back at the end."""

    def __init__(self, other, **asked):
        self.device, capsule = other.__dlpack_device__(), other.__dlpack__(stream=1, **asked)
        kind = Versioned if name_of(capsule) == Versioned.name else Plain
        self.record = kind.from_address(pointer(capsule, kind.name))
        assert not ctypes.pythonapi.PyCapsule_SetName(ctypes.py_object(capsule), b"used")
        tensor = self.record.tensor
        shape, strides = tensor.shape[: tensor.ndim], tensor.strides[: tensor.ndim]
        size = tensor.bits // 8
        letter = next(letter for letter, code in CODES.items() if code == tensor.code)
        count = size * int(np.prod(shape))
        memory = (ctypes.c_char * count).from_address((tensor.data or 0) + tensor.byte_offset)
        self.array = np.ndarray(
            shape, f"{letter}{size}", memory, strides=[size * step for step in strides]
        )

    def __del__(self):
        self.record.deleter(ctypes.addressof(self.record))
