"""What proofs rely on of compilers and processors: refused, taken back, checked, or kept."""

import ctypes
import os
import re
import subprocess
import sys
import threading
from pathlib import Path
from platform import machine
from shutil import which

import numpy as np
import pytest

from semopt import Scenario, _core, backends, solve
from semopt.backends import packing
from semopt.model import Actions
from tolerances import DUALS

ROOT = Path(__file__).parents[2]
CSRC = ROOT / "csrc"
PAPER = Scenario.load("paper").problem()
OPTIMUM = 1.285582  # of `paper` with continuous variables
UPWARD, NEAREST = 0x800, 0  # of fesetround on x86-64

needs_sources = pytest.mark.skipif(not CSRC.exists(), reason="the C++ sources are needed")
needs_gcc = pytest.mark.skipif(which("g++") is None, reason="a C++ compiler (g++) is needed")
needs_x86 = pytest.mark.skipif(machine() != "x86_64", reason="flags and modes are those of x86-64")


def source(name):
    return next(CSRC.rglob(name))


# ---------------------------------------------------------------------------------------- refused

FLAGS = [
    "-ffast-math",
    "-Ofast",
    "-funsafe-math-optimizations",
    "-fassociative-math -fno-signed-zeros -fno-trapping-math",
    "-freciprocal-math",
    "-ffinite-math-only",
    "-fno-signed-zeros",
    "-fsingle-precision-constant",
    "-mfpmath=387",
    "-m32",
]


@needs_sources
@needs_gcc
@needs_x86
@pytest.mark.parametrize("flags", FLAGS)
def test_flags_that_round_otherwise_are_refused_in_words(flags, tmp_path):
    command = ["g++", "-std=c++17", "-fsyntax-only", "-x", "c++", str(source("math.h"))]
    assert subprocess.run(command, capture_output=True).returncode == 0
    run = subprocess.run([*command, *flags.split()], capture_output=True, text=True)
    assert run.returncode != 0
    assert "results are proofs: compile" in run.stderr


@needs_sources
def test_every_file_of_which_a_result_depends_asks_for_the_flags():
    """Each includes math.h, directly or by others; but for what only passes words on."""
    texts = {
        str(path.relative_to(CSRC)): path.read_text() for path in CSRC.rglob("*") if path.is_file()
    }

    def reached(name, seen):
        if name in texts and name not in seen:
            seen.add(name)
            for other in re.findall(r'#include "([^"]+)"', texts[name]):
                reached(other, seen)
        return seen

    free = {"probe/ceiling_loops.cpp", "bindings/dlpack_capsules.cpp", "bindings/cuda.cpp"}
    files = [name for name in texts if name.endswith((".cpp", ".cu"))]
    assert len(files) > 10
    for name in set(files) - free:
        assert "model/math.h" in reached(name, set()), name
    assert "model/math.h" not in reached(
        "probe/ceiling_loops.cpp", set()
    )  # compiled with fast-math on purpose


# ------------------------------------------------------------------------------ checked when loaded

# What a compiler that tells nothing of its flags would do: their macros are taken away.
SILENT = [
    "-U__FAST_MATH__",
    "-U__ASSOCIATIVE_MATH__",
    "-U__RECIPROCAL_MATH__",
    "-U__NO_SIGNED_ZEROS__",
    "-U__FINITE_MATH_ONLY__",
    "-U__GCC_IEC_559",
    "-U__FLT_EVAL_METHOD__",
]
CHECK = """
#include <cstdio>
#include "{header}"
int main() {{
    const char* const fault = semopt::arithmetic_fault();
    std::puts(fault ? fault : "sound");
}}
"""


@needs_sources
@needs_gcc
@needs_x86
@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ("-O0", "sound"),
        ("-O3", "sound"),
        ("-O3 -fno-math-errno -fno-trapping-math", "sound"),
        ("-ffast-math", "reordered"),
        ("-funsafe-math-optimizations", "reordered"),
        ("-fassociative-math -fno-signed-zeros -fno-trapping-math", "reordered"),
        ("-freciprocal-math", "reciprocal"),
        ("-ffinite-math-only", "finite"),
        ("-fno-signed-zeros", "sign of zero"),
        ("-mfpmath=387", "more digits"),
        ("-mfma -mavx2 -ffp-contract=fast", "fused"),
    ],
)
def test_the_check_finds_each_by_a_known_rounding(flags, words, tmp_path):
    if "-mfma" in flags and "v3" not in _core.instruction_sets():
        pytest.skip("this processor has no fused operations")
    program, code = tmp_path / "check", tmp_path / "check.cpp"
    code.write_text(CHECK.format(header=source("arithmetic.h")))
    command = ["g++", "-std=c++17", "-O2", f"-I{CSRC}", "-ffp-contract=off", *SILENT]
    command += [*flags.split(), str(code), "-o", str(program)]
    subprocess.run(command, check=True, capture_output=True)
    found = subprocess.run([str(program)], check=True, capture_output=True, text=True).stdout
    assert words in found


# ---------------------------------------------------------------- taken back, and refused at import


def build(folder, flags, *options):
    """Compile the extension with flags of a user's; return the module."""
    cmake = which("cmake")
    if cmake is None or which("g++") is None:
        pytest.skip("cmake and g++ are needed to compile the extension")
    pybind11 = pytest.importorskip("pybind11")
    own = {**os.environ, "CXXFLAGS": flags, "LDFLAGS": flags}
    where = [f"-Dpybind11_DIR={pybind11.get_cmake_dir()}", f"-DPython_EXECUTABLE={sys.executable}"]
    made = [cmake, "-S", str(ROOT), "-B", str(folder), "-DCMAKE_BUILD_TYPE=Release"]
    subprocess.run(
        [*made, "-DSEMOPT_CUDA=off", *where, *options], env=own, check=True, capture_output=True
    )
    subprocess.run([cmake, "--build", str(folder), "-j"], check=True, capture_output=True)
    (module,) = folder.glob("_core*.so")
    return module


def run_with(module, code):
    """Run code with this module in place of the installed one."""
    start = (
        "import importlib.util as u, sys, semopt\n"
        f"spec = u.spec_from_file_location('semopt._core', {str(module)!r})\n"
        "core = u.module_from_spec(spec)\nsys.modules['semopt._core'] = core\n"
        "spec.loader.exec_module(core)\nsemopt._core = core\n"
    )
    return subprocess.run([sys.executable, "-c", start + code], capture_output=True, text=True)


@pytest.mark.long
@needs_sources
@needs_x86
def test_a_build_with_fast_math_is_as_sound_as_another(tmp_path):
    module = build(tmp_path, "-Ofast -ffast-math -funsafe-math-optimizations -ffp-contract=fast")
    run = run_with(
        module,
        "small = 5e-324\nassert small * 1.0 > 0, 'loading it flushes denormal numbers'\n"
        "from semopt import Scenario, solve\n"
        "result = solve(Scenario.load('paper').problem(), 'global')\n"
        "print(repr(result.objective), repr(result.upper_bound))",
    )
    assert run.returncode == 0, run.stderr
    right = solve(PAPER, "global")
    assert run.stdout.split() == [repr(right.objective), repr(right.upper_bound)]
    assert abs(right.objective - OPTIMUM) < 1e-5


# ----------------------------------------------------------------------------- kept, while it runs


def in_another_rounding(work):
    """Run work() in a thread that rounds upward; return what it returned, and how it was left."""
    libm = ctypes.CDLL("libm.so.6")
    found = []

    def run():
        libm.fesetround(UPWARD)
        found.append(1.0 + float(np.float64(1e-30)) > 1.0)
        found.append(work())
        found.append(libm.fegetround())

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(120)
    upward, answer, left = found
    assert upward
    assert left == UPWARD  # what another library has set is not ours to change
    return answer


@needs_x86
@pytest.mark.parametrize("method", ["exact", "exhaustive", "global", "local", "relaxation"])
def test_no_method_depends_on_how_a_thread_rounds(method):
    right = solve(PAPER, method)
    found = in_another_rounding(lambda: solve(PAPER, method))
    assert found.status is right.status
    near = DUALS if method == "relaxation" else 0.0  # its solver is not ours
    for name in ("objective", "upper_bound", "continuous_bound"):
        np.testing.assert_allclose(getattr(found, name), getattr(right, name), rtol=near)


@needs_x86
def test_no_compiled_call_depends_on_how_a_thread_rounds():
    rows = 4000
    rng = np.random.default_rng(0)
    actions = Actions(
        np.tile([0, 1], (rows, 1)),
        *(rng.uniform(*ends, (rows, 2)) for ends in ((0.01, 0.1), (6e8, 1e9), (0.3, 1.0))),
    )

    def work():
        outcome = backends.evaluate(PAPER, actions, backend="cpu")
        tables = backends.tabulate(PAPER, backend="cpu")
        best = backends.search(tables, backend="cpu")
        scenario = packing.scenario(PAPER)
        cell = _core.cell_optimum(scenario, 0, int(PAPER.task[0]), 0.5, 1, 1e-6)
        weight, local = rng_weights()
        return (
            outcome.qoe,
            tables.value[0],
            best.value,
            cell["upper"],
            _core.assign(weight, local, 2)[0],
        )

    def rng_weights():
        other = np.random.default_rng(1)
        return other.random((5, 4)), other.random(5)

    for found, right in zip(in_another_rounding(work), work(), strict=True):
        np.testing.assert_array_equal(found, right)


def test_denormal_numbers_are_kept_where_others_flush_them():
    torch = pytest.importorskip("torch")
    found = []

    def run():
        if not torch.set_flush_denormal(True):
            return
        least = 5e-324
        found.append(least * 1.0 == 0)
        found.append(_core.in_usual_rounding(lambda: least * 1.0 == least))
        found.append(solve(PAPER, "global").objective)
        found.append(least * 1.0 == 0)

    thread = threading.Thread(target=run)  # the mode is the thread's own
    thread.start()
    thread.join(120)
    if not found:
        pytest.skip("this processor flushes no denormal numbers")
    assert found == [True, True, solve(PAPER, "global").objective, True]


def test_what_a_call_raises_passes_through_and_the_mode_is_set_again():
    def work():
        with pytest.raises(KeyError, match="mine"):
            _core.in_usual_rounding(lambda: {}["mine"])

    if machine() == "x86_64":
        in_another_rounding(work)
    else:
        work()
