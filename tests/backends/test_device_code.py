"""The device code as CUDA's own compilers see it; neither needs a GPU."""

import ctypes
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from shutil import which

import pytest

from semopt import backends
from semopt.backends.cupy import HEADERS, OPTIONS
from semopt.backends.gpu.runtime import THREADS

with pytest.MonkeyPatch.context() as patch:
    patch.syspath_prepend(str(Path(__file__).parents[2] / "bench"))
    import roofline
    import sass

SOURCE = HEADERS / "gpu" / "kernels.cuh"
ARCHITECTURES = ("sm_75", "sm_80", "sm_90", "sm_100", "sm_120")  # of the wheel
REGISTERS = 65536  # of a multiprocessor, from sm_75 on
SHARED = 48 * 1024  # bytes a block may have without asking for more
# How many blocks a multiprocessor of an H100 must hold at a time, to hide latency.
RESIDENT = {"scan_sum": 6, "scan_min": 6, "scan_sum_limited": 4, "scan_min_limited": 4}
LEAST_RESIDENT = 2


def nvcc(architecture, out):
    """Compile to machine code; return what ptxas says."""
    if which("nvcc") is None:
        pytest.skip("nvcc is not installed")
    known = subprocess.run(["nvcc", "--list-gpu-code"], capture_output=True, text=True)
    if architecture not in known.stdout.split():
        pytest.skip(f"this nvcc does not compile for {architecture}")
    command = ["nvcc", *OPTIONS, f"-arch={architecture}", "-cubin", "-x", "cu", "-Xptxas", "-v"]
    command += ["-o", str(out), str(SOURCE)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stderr


def nvrtc(architecture):
    """Compile at run time: to PTX for `compute_90`, to machine code for `sm_90`."""
    library, program = nvrtc_library(), ctypes.c_void_p()
    made = library.nvrtcCreateProgram(
        ctypes.byref(program), SOURCE.read_bytes(), b"kernels.cuh", 0, None, None
    )
    assert made == 0
    options = [o.encode() for o in (*OPTIONS, f"--gpu-architecture={architecture}")]
    status = library.nvrtcCompileProgram(
        program, len(options), (ctypes.c_char_p * len(options))(*options)
    )

    def read(name):
        size = ctypes.c_size_t()
        getattr(library, f"nvrtcGet{name}Size")(program, ctypes.byref(size))
        text = ctypes.create_string_buffer(size.value)
        getattr(library, f"nvrtcGet{name}")(program, text)
        return text.raw

    assert status == 0, read("ProgramLog").decode()
    return read("PTX" if architecture.startswith("compute") else "CUBIN")


def nvrtc_library():
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
    pytest.skip("libnvrtc is not installed: pip install nvidia-cuda-nvrtc")


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_no_kernel_spills_and_enough_blocks_fit(architecture, tmp_path):
    text = nvcc(architecture, tmp_path / "kernels.cubin")
    parts = re.split(r"Compiling entry function 'semopt_", text)[1:]
    assert len(parts) == 14
    for part in parts:
        name = part.split("'")[0]
        spilled = sum(int(n) for n in re.findall(r"(\d+) bytes spill", part))
        assert spilled == 0, f"{name}: {spilled} bytes spilled"
        shared = re.search(r"(\d+) bytes smem", part)
        assert shared is None or int(shared[1]) <= SHARED, name
        registers = int(re.search(r"Used (\d+) registers", part)[1])
        least = RESIDENT.get(name, LEAST_RESIDENT) if architecture == "sm_90" else LEAST_RESIDENT
        assert REGISTERS // (registers * THREADS) >= least, f"{name}: {registers} registers"


@pytest.fixture(scope="module", params=["nvcc", "nvrtc"])
def code(request, tmp_path_factory):
    """The machine code of each kernel for an H100, by each of the compilers that users meet."""
    if sass.disassembler() is None:
        pytest.skip(sass.WITHOUT)
    out = tmp_path_factory.mktemp("sass") / "kernels.cubin"
    if request.param == "nvcc":
        nvcc("sm_90", out)
    else:
        out.write_bytes(nvrtc("sm_90"))
    return sass.kernels(out)


def test_no_kernel_keeps_anything_in_local_memory(code):
    assert len(code) == 14
    for name, lines in code.items():
        assert not [line for line in lines if any(word in line for word in sass.LOCAL)], name


@pytest.mark.parametrize(
    ("kernel", "wanted"),
    [
        ("sum", {"FADD": 1, "FMNMX": 1}),
        ("min", {"FMNMX": 2}),
        ("sum_limited", {"FADD": 2, "FSETP": 1, "FSEL": 1, "FMNMX": 1}),
        ("min_limited", {"FADD": 1, "FSETP": 1, "FSEL": 1, "FMNMX": 2}),
    ],
)
def test_a_scan_scores_with_the_fewest_instructions(code, kernel, wanted):
    body = sass.innermost(code[f"scan_{kernel}"], "FMNMX")
    scored = roofline.joint_actions(body) // (2 if "limited" in kernel else 1)
    assert scored >= 16
    found = Counter(sass.mnemonic(line).partition(".")[0] for line in body)
    assert {name: found[name] / scored for name in wanted} == wanted
    others = found.total() - sum(found[name] for name in wanted)
    assert others <= scored / 4  # reading the heads and counting the rounds, for 16 scores each


def test_prediction_is_that_of_the_pipe_that_takes_the_maximum(code):
    found = {row.kernel: row for row in roofline.predictions(code)}
    # One maximum a joint action, and 64 of them a clock of each multiprocessor.
    most = 64 * roofline.PROCESSORS * roofline.CLOCK
    assert 0.9 * most <= found["scan_sum"].rate <= most
    assert 0.9 * most / 2 <= found["scan_min"].rate <= most / 2
    assert found["scan_min"].bound_by == "alu"
    for row in found.values():
        assert 1e9 < row.rate <= most


def test_longest_way_through_a_loop_passes_by_rare_calls():
    text = """FADD; @P0 BRA `(.L_x_1); MOV; CALL.REL `(slow); .L_x_1:; @P1 BRA `(.L_x_2);
    DADD; DMUL; BRA `(.L_x_3); .L_x_2:; FMUL; .L_x_3:; ISETP; BRA `(.L_x_0)"""
    body = re.split(r";\s+", text)
    way = [sass.mnemonic(line) for line in sass.path(body)]
    assert way == ["FADD", "BRA", "BRA", "DADD", "DMUL", "BRA", "ISETP", "BRA"]


def test_nvrtc_compiles_the_headers_that_the_wheel_ships():
    text = nvrtc("compute_90")
    for name in ("evaluate", "scan_sum", "collect", "histogram"):
        assert f".entry semopt_{name}(".encode() in text


def test_compiled_extension_loads_and_works_without_a_device():
    # In a process of its own that may see no device: importing must not look for one.
    text = "from semopt import _core, backends; print(backends.get('cpu').name)"
    environment = os.environ | {"CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": ":".join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-P", "-c", text], env=environment, capture_output=True, text=True
    )
    assert done.stdout == "cpu\n", done.stderr
    assert "cuda" not in backends.available() or backends.why_not("cuda") is None
