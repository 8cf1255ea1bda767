"""The device code as CUDA's own compilers see it; neither needs a GPU."""

import ctypes
import re
import subprocess
import sys
from pathlib import Path
from shutil import which

import pytest

from semopt import backends
from semopt.backends import gpu
from semopt.backends.cupy import HEADERS, OPTIONS

SOURCE = HEADERS / "kernels.cuh"
REGISTERS = 65536  # of a multiprocessor, from sm_75 on
SHARED = 48 * 1024  # bytes a block may have without asking for more
# How many blocks a multiprocessor must hold at a time, to hide latency.
RESIDENT = {"scan_sum": 6, "scan_min": 6, "scan_sum_limited": 4, "scan_min_limited": 4}
LEAST_RESIDENT = 2


@pytest.fixture(scope="module")
def figures(tmp_path_factory):
    """What ptxas says of each kernel: registers, bytes of shared memory, bytes spilled."""
    if which("nvcc") is None:
        pytest.skip("nvcc is not installed")
    out = tmp_path_factory.mktemp("ptxas") / "kernels.cubin"
    command = ["nvcc", *OPTIONS, "-arch=sm_90", "-cubin", "-x", "cu", "-Xptxas", "-v"]
    command += ["-o", str(out), str(SOURCE)]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stderr
    found = {}
    for part in re.split(r"Compiling entry function 'semopt_", text)[1:]:
        own = part.split("Compiling entry function")[0]
        shared = re.search(r"(\d+) bytes smem", own)
        found[own.split("'")[0]] = (
            int(re.search(r"Used (\d+) registers", own)[1]),
            int(shared[1]) if shared else 0,
            sum(int(n) for n in re.findall(r"(\d+) bytes spill", own)),
        )
    return found


def test_no_kernel_spills_and_enough_blocks_fit(figures):
    assert len(figures) == 14
    for name, (registers, shared, spilled) in figures.items():
        assert spilled == 0, name
        assert shared <= SHARED, name
        blocks = REGISTERS // (registers * gpu.THREADS)
        assert blocks >= RESIDENT.get(name, LEAST_RESIDENT), f"{name}: {registers} registers"


@pytest.mark.parametrize("kernel", ["sum", "min", "sum_limited", "min_limited"])
def test_a_scan_takes_one_instruction_for_a_maximum(kernel, tmp_path):
    if which("nvcc") is None:
        pytest.skip("nvcc is not installed")
    out = tmp_path / "kernels.ptx"
    command = ["nvcc", *OPTIONS, "-arch=sm_90", "-ptx", "-x", "cu", "-o", str(out), str(SOURCE)]
    subprocess.run(command, check=True, capture_output=True)
    body = out.read_text().split(f".entry semopt_scan_{kernel}(")[1].split("\n}")[0]
    largest, choices = body.count("max.f32"), body.count("selp.f32")
    assert largest >= 16  # a score that each thread holds
    assert choices <= (largest if "limited" in kernel else 16)  # reading the tail, and the limit


def nvrtc():
    """The runtime compiler, of a toolkit or of the package nvidia-cuda-nvrtc."""
    inside = [p for root in sys.path for p in Path(root or ".").glob("nvidia/*/lib/libnvrtc.so.*")]
    for name in (*(str(p) for p in inside), "libnvrtc.so", "libnvrtc.so.13", "libnvrtc.so.12"):
        try:
            # It looks for its library of built-in functions by name, and finds it once loaded.
            for other in Path(name).parent.glob("libnvrtc-builtins.so.*"):
                ctypes.CDLL(str(other), ctypes.RTLD_GLOBAL)
            return ctypes.CDLL(name)
        except OSError:
            continue
    pytest.skip("libnvrtc is not installed")


def test_nvrtc_compiles_the_headers_that_the_wheel_ships():
    library, program = nvrtc(), ctypes.c_void_p()
    made = library.nvrtcCreateProgram(
        ctypes.byref(program), SOURCE.read_bytes(), b"kernels.cuh", 0, None, None
    )
    assert made == 0
    options = [o.encode() for o in (*OPTIONS, "--gpu-architecture=compute_90")]
    status = library.nvrtcCompileProgram(
        program, len(options), (ctypes.c_char_p * len(options))(*options)
    )
    size = ctypes.c_size_t()
    library.nvrtcGetProgramLogSize(program, ctypes.byref(size))
    log = ctypes.create_string_buffer(size.value)
    library.nvrtcGetProgramLog(program, log)
    assert status == 0, log.value.decode()
    library.nvrtcGetPTXSize(program, ctypes.byref(size))
    code = ctypes.create_string_buffer(size.value)
    library.nvrtcGetPTX(program, code)
    for name in ("evaluate", "scan_sum", "settle", "histogram"):
        assert f".entry semopt_{name}(".encode() in code.value


def test_compiled_extension_loads_and_works_without_a_device():
    # In a process of its own that may see no device: importing must not look for one.
    text = "from semopt import _core, backends; print(backends.get('cpu').name)"
    environment = {"CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": ":".join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-P", "-c", text], env=environment, capture_output=True, text=True
    )
    assert done.stdout == "cpu\n", done.stderr
    assert "cuda" not in backends.available() or backends.why_not("cuda") is None
