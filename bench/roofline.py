"""What a GPU would reach at most: a prediction from the instructions of csrc/kernels.cuh.

python bench/roofline.py

Nothing is run: nvcc compiles the kernels to PTX, the inner loop of each scan and the body of
`evaluate` are counted by the pipe that executes them, and the slowest of pipes, issue and memory
bounds the rate. PTX is not machine code: the assembler may still fuse or drop instructions, and
latency is taken to be hidden. `evaluate` counts all modes of a task, of which one is taken.

Figures of the H100 SXM: CUDA C++ Programming Guide, table "Throughput of native arithmetic
instructions", compute capability 9.0; NVIDIA H100 data sheet.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "csrc" / "kernels.cuh"
DEVICE, PROCESSORS, CLOCK, MEMORY = "H100 SXM", 132, 1.83e9, 3.35e12  # Hz, bytes/s
ISSUE = 128  # threads' instructions a clock of a multiprocessor: 4 schedulers of 32
# Pipes of a multiprocessor: results a clock, and what runs there.
PIPES = {
    "fp64": (64, r"(add|sub|mul|fma|min|max|setp\.\w+|neg|abs)\.(rn\.)?f64"),
    "fp32": (128, r"(add|sub|mul|fma)\.(rn\.)?f32"),
    "divide": (16, r"(div|rcp|sqrt)\.\w+(\.\w+)?\.f(32|64)|cvt\.\S*f64\S*"),
    "load": (32, r"(ld|st|atom|red)\."),
    "alu": (64, r""),  # comparisons, choices, integers, conversions, branches
}
SCANS = ("sum", "min", "sum_limited", "min_limited")
HEADS, PER_THREAD = 64, 16  # as in kernels.cuh: a round of the loop scores 16 a head
NUMBERS, BYTES = 11, 17  # of `evaluate`: numbers a task in its precision, indices and flags


def ptx() -> str:
    """Return the kernels as PTX for compute capability 9.0."""
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch) / "kernels.ptx"
        command = ["nvcc", "-std=c++17", "--fmad=false", "-arch=sm_90", "-ptx", "-x", "cu"]
        subprocess.run([*command, "-o", str(out), str(SOURCE)], check=True, capture_output=True)
        return out.read_text()


def instructions(text: str, kernel: str) -> list[str]:
    """Return the labels and instructions of a kernel."""
    body = text[re.search(rf"\.entry semopt_{kernel}\(", text).start() :].split("\n}")[0]
    lines = (line.strip() for line in body.split("\n"))
    return [line for line in lines if re.match(r"\$\w+:|@|[a-z]\w*\.\w|bra", line)]


def inner_loop(lines: list[str]) -> list[str]:
    """Return the longest loop without a label or another loop inside."""
    loops = []
    for at, line in enumerate(lines):
        target = re.search(r"bra(?:\.uni)?\s+(\$\w+)", line)
        if target and f"{target[1]}:" in lines[:at]:
            body = lines[lines.index(f"{target[1]}:") + 1 : at + 1]
            if not any(other.startswith("$") for other in body):
                loops.append(body)
    return max(loops, key=len)


def clocks(lines: list[str]) -> tuple[float, str, dict[str, int]]:
    """Return the clocks a thread's instructions take a multiprocessor, what bounds it, the mix."""
    mix = dict.fromkeys(PIPES, 0)
    for line in lines:
        if not line.startswith("$") and not line.startswith(("mov", "ret", "cvta")):
            word = line.split("}")[-1].split()[1 if line.startswith("@") else 0]
            mix[next(name for name, (_, kind) in PIPES.items() if re.match(kind, word))] += 1
    times = {name: mix[name] / rate for name, (rate, _) in PIPES.items()}
    times["issue"] = sum(mix.values()) / ISSUE
    slowest = max(times, key=lambda name: times[name])
    return times[slowest], slowest, mix


def main() -> None:
    """Print the prediction."""
    text = ptx()
    print(f"Prediction for one {DEVICE} from PTX; no such device was run.")
    print(f"{'kernel':22}{'bound by':10}{'rate':>12}  instructions")
    for name in SCANS:
        body = inner_loop(instructions(text, f"scan_{name}"))
        heads = sum("ld.shared" in line for line in body) // (2 if "limited" in name else 1)
        time, pipe, mix = clocks(body)
        rate = heads * PER_THREAD / time * PROCESSORS * CLOCK
        print(f"{'scan_' + name:22}{pipe:10}{rate / 1e12:8.2f} T/s  {shown(mix)}")
    for name, size in (("evaluate", 8), ("evaluate_single", 4)):
        time, pipe, mix = clocks(instructions(text, name))
        rates = {pipe: PROCESSORS * CLOCK / time, "memory": MEMORY / (NUMBERS * size + BYTES)}
        least = min(rates, key=lambda kind: rates[kind])
        print(f"{name:22}{least:10}{rates[least] / 1e9:8.2f} G/s  {shown(mix)}")


def shown(mix: dict[str, int]) -> str:
    """Return the mix in words."""
    return ", ".join(f"{count} {name}" for name, count in mix.items() if count)


if __name__ == "__main__":
    sys.exit(main())
