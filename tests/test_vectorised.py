"""The hot loops of the CPU kernels stay vectorised, as the compiler reports; no timing."""

import re
import subprocess
from collections import Counter
from pathlib import Path
from platform import machine
from shutil import which

import pytest

CSRC = Path(__file__).parents[1] / "csrc"
# The flags of CMakeLists.txt for the widest instruction set whose vectors the compiler makes.
FLAGS = ["-std=c++17", "-O3", "-march=x86-64-v3", "-DSEMOPT_ISA=v3", "-ffp-contract=off"]
FLAGS += ["-fopenmp-simd", "-fno-math-errno", "-fno-trapping-math", "-fno-thread-jumps"]
FLAGS += ["-fno-tree-pre", "-fschedule-insns", "-fsched-pressure"]


@pytest.fixture(scope="module")
def vectorised():
    """How many 32-byte loops the compiler reports in each header."""
    if which("g++") is None or machine() != "x86_64" or not CSRC.exists():
        pytest.skip("g++ for x86-64 and the sources are needed")
    command = ["g++", *FLAGS, "-fopt-info-vec-optimized", "-S", "-o", "-"]
    command += [str(CSRC / "cpu.cpp")]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stderr
    found = re.findall(r"(\w+\.h):(\d+):.*loop vectorized using 32 byte", text)
    return Counter((name, int(line)) for name, line in found)


def body(name, function):
    """Return the lines of a function of a header, by number."""
    lines = (CSRC / name).read_text().splitlines()
    first = next(i for i, line in enumerate(lines) if re.match(rf"\w[\w ]* {function}\(", line))
    last = next(i for i in range(first, len(lines)) if lines[i] == "}")
    return {i + 1: lines[i] for i in range(first, last)}


HOT = [("score_loops.h", f) for f in ("link_up", "extract", "serve")]
HOT += [("lookup.h", f) for f in ("find_cells", "find_accuracies")]
HOT += [("lanes.h", "in_two_steps")]  # `judge`


@pytest.mark.parametrize(("name", "function"), HOT)
def test_every_loop_over_a_block_is_vectorised(vectorised, name, function):
    text = body(name, function)
    lines = [i for i in text if "GCC ivdep" in text.get(i - 1, "")]  # the loops over tasks
    assert lines
    for line in lines:  # in both precisions
        assert vectorised[name, line] >= 2, f"{name}:{line}"


def test_the_scan_is_vectorised(vectorised):
    reported = sum(vectorised["scan_loops.h", i] for i in body("scan_loops.h", "glance"))
    assert reported >= 4  # sum or minimum, free or limited
