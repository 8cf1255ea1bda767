"""The hot loops of the CPU kernels stay vectorised, as the compiler reports; no timing."""

import re
import subprocess
from collections import Counter
from functools import cache
from pathlib import Path
from platform import machine
from shutil import which

import pytest

CSRC = Path(__file__).parents[2] / "csrc"
KERNELS = CSRC / "isa" / "kernels.cpp"
# The flags of CMakeLists.txt that decide on vectors.
FLAGS = ["-std=c++17", "-O3", "-ffp-contract=off", "-fopenmp-simd", "-fno-math-errno"]
FLAGS += ["-fno-trapping-math", "-fno-thread-jumps", "-fno-tree-pre", "-fschedule-insns"]
FLAGS += ["-fsched-pressure"]


@cache
def vectorised(instruction_set, width):
    """How many loops the compiler reports in each header, by line, of vectors of `width` bytes."""
    if which("g++") is None or machine() != "x86_64" or not CSRC.exists():
        pytest.skip("g++ for x86-64 and the sources are needed")
    command = ["g++", *FLAGS, f"-march=x86-64-{instruction_set}", "-DSEMOPT_ISA=any"]
    command += ["-fopt-info-vec-optimized", "-S", "-o", "-", f"-I{CSRC}", str(KERNELS)]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stderr
    found = re.findall(rf"(\w+\.h):(\d+):.*loop vectorized using {width} byte", text)
    return Counter((name, int(line)) for name, line in found)


def body(name, function):
    """Return the lines of a function of a header, by number."""
    lines = (CSRC / "isa" / name).read_text().splitlines()
    first = next(i for i, line in enumerate(lines) if re.match(rf"\w[\w ]* {function}\(", line))
    last = next(i for i in range(first, len(lines)) if lines[i] == "}")
    return {i + 1: lines[i] for i in range(first, last)}


# Where a lane is a number (csrc/isa/lanes_scalar.h); with AVX2 and AVX-512 it is a register.
HOT = [("score_loops.h", f) for f in ("rates_and_snr", "bits_and_flop", "remote_costs_of")]
HOT += [("accuracy_lookup.h", f) for f in ("find_cells", "find_accuracies")]
HOT += [("lanes.h", "software_pipelined")]  # `judge`


@pytest.mark.parametrize(("name", "function"), HOT)
def test_every_loop_over_a_block_is_vectorised(name, function):
    text = body(name, function)
    lines = [i for i in text if "GCC ivdep" in text.get(i - 1, "")]  # the loops over tasks
    assert lines
    for line in lines:  # in both precisions
        assert vectorised("v2", 16)[name, line] >= 2, f"{name}:{line}"


@pytest.mark.parametrize(("instruction_set", "width"), [("v2", 16), ("v3", 32)])
def test_the_scan_is_vectorised(instruction_set, width):
    found = vectorised(instruction_set, width)
    reported = sum(found["scan_loops.h", i] for i in body("scan_loops.h", "score_stretch"))
    assert reported >= 4  # sum or minimum, free or limited
