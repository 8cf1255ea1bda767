"""CUDA's threads on the host: `simt.h` runs the kernels, and this is their runtime."""

import ctypes
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from shutil import which

import numpy as np
import pytest

from semopt import _core
from semopt.backends.gpu.runtime import THREADS

HERE = Path(__file__).parent
ANY_SHAPE = ("semopt_evaluate", "semopt_evaluate_single", "semopt_heads", "semopt_tail")
HEADERS = Path(_core.__file__).parent / "include"


@cache
def library():
    """Compile the kernels with the emulator, once a process."""
    if which("g++") is None:
        pytest.skip("the emulator is compiled with g++, which is not here")
    fused = ["-mfma"] if "v3" in _core.instruction_sets() else []
    command = ["g++", "-std=c++17", "-O1", "-fPIC", "-shared", "-ffp-contract=off", *fused]
    with tempfile.TemporaryDirectory() as scratch:
        out = f"{scratch}/simt.so"
        command += [f"-I{HERE}", f"-I{HEADERS}", str(HERE / "simt.cpp"), "-o", out]
        subprocess.run(command, check=True)
        return ctypes.CDLL(out)


class Emulator:
    """A `Runtime` on the host; `grid` caps the number of blocks, `seed` orders the threads.

    Kernels without shared memory run in blocks of `threads`, which the others have built in.
    """

    def __init__(self, library, grid=5, seed=0, threads=THREADS):
        self.library, self.grid, self.seed, self.threads = library, grid, seed, threads
        self.memory = {}

    def allocate(self, size):
        # Exactly as large as asked for, filled with what nothing may read.
        block = np.full(max(size, 1), 0xFF, dtype=np.uint8)
        self.memory[block.ctypes.data] = block
        return block.ctypes.data

    def release(self, memory):
        del self.memory[memory]

    def copy_in(self, memory, host):
        assert host.nbytes <= self.memory[memory].nbytes
        ctypes.memmove(memory, host.ctypes.data, host.nbytes)

    def copy_out(self, host, memory):
        assert host.nbytes <= self.memory[memory].nbytes
        ctypes.memmove(host.ctypes.data, memory, host.nbytes)

    def clear(self, memory, size):
        self.memory[memory][:size] = 0

    def launch(self, name, job, blocks):
        blocks = min(blocks, self.grid)
        threads = self.threads if name in ANY_SHAPE else THREADS
        code = self.library.launch(
            name.encode(), ctypes.c_void_p(job), blocks, threads, ctypes.c_ulonglong(self.seed)
        )
        assert code == 0, f"{name}: {('', 'a barrier is not reached', 'no such kernel')[code]}"

    def processors(self):
        return 4

    def current_device(self):
        return 0

    def device_of(self, memory):
        return 0

    def wait(self, stream):
        raise AssertionError("nothing here has a stream of its own")
