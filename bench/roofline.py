"""What a GPU would reach at most: a prediction from the machine code of csrc/gpu/kernels.cuh.

python bench/roofline.py

Nothing is run: nvcc compiles the kernels for the GPU, and the instructions of a unit of a scan and
of the body of `evaluate` are counted by the pipe that executes them; the slowest of pipes, issue
and memory bounds the rate. Latency is taken to be hidden. `evaluate` is counted along its longest
way, the costliest mode of a task; a scan that counts both where each head reaches the value to be
counted above, without doubt, and where none does.

Loops inside `evaluate` (the offloaders of a row, the points of an axis) are counted once: it is the
more an upper bound.

Figures of the H100 SXM: CUDA C++ Programming Guide, table "Throughput of native arithmetic
instructions", compute capability 9.0; Nsight Compute documentation, "Pipelines"; NVIDIA H100 data
sheet.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import sass

SOURCE = Path(__file__).parents[1] / "csrc" / "gpu" / "kernels.cuh"
DEVICE, PROCESSORS, CLOCK, MEMORY = "H100 SXM", 132, 1.83e9, 3.35e12  # Hz, bytes/s
# Threads' instructions a clock of a multiprocessor. `fma` is both halves of the pipe of fp32, of
# which one also multiplies integers; `issue` is 4 schedulers of 32.
RATES = {"fp64": 64, "fma": 128, "imad": 64, "alu": 64, "xu": 16, "load": 32, "issue": 128}
SCANS = [
    f"{goal}{limit}{count}"
    for goal in ("sum", "min")
    for limit in ("", "_limited")
    for count in ("", "_count")
]
PER_THREAD = 16  # scores of the tail that a thread holds, as in kernels.cuh
UNIT = 256 * PER_THREAD  # joint actions of a unit that a thread scores
FIGURES, INDICES, SECTOR = 7, 17, 32  # of a task of `evaluate`: numbers, bytes, bytes of a gain


def cubin(out: Path) -> Path:
    """Compile the kernels for compute capability 9.0, as the wheel's are."""
    command = ["nvcc", "-std=c++17", "--fmad=false", "-arch=sm_90", "-cubin", "-x", "cu"]
    subprocess.run([*command, "-o", str(out), str(SOURCE)], check=True, capture_output=True)
    return out


def joint_actions(lines: list[str]) -> int:
    """Return how many joint actions a thread scores by these instructions of a scan.

    Each number of a head that is read from shared memory meets every score of the tail; with a
    limit on energy a head has two numbers.
    """
    widths = {"LDS": 1, "LDS.64": 2, "LDS.128": 4}
    numbers = sum(widths[sass.mnemonic(line)] for line in lines if "LDS" in line)
    return numbers * PER_THREAD


def bound(mix: Counter[str]) -> tuple[float, str]:
    """Return the clocks that a thread's instructions take a multiprocessor, and what bounds it."""
    work = {**mix, "fma": mix["fp32"] + mix["imad"], "issue": mix.total()}
    times = {name: work.get(name, 0) / rate for name, rate in RATES.items()}
    slowest = max(times, key=lambda name: times[name])
    return times[slowest], slowest


@dataclass(frozen=True)
class Prediction:
    """What a kernel reaches at most: `rate` is of joint actions or tasks a second."""

    kernel: str
    rate: float
    bound_by: str
    mix: Counter[str]  # instructions of a thread, by pipe
    done: int  # joint actions or tasks by these instructions


def predict_scan(name: str, lines: list[str], shortest: bool = False) -> Prediction:
    """Return the prediction for a scan with these lines, for one thread's share of a unit."""
    inner = sass.innermost(lines, "FMNMX")
    way = sass.path(inner, shortest)
    scored = joint_actions(way) // (2 if "limited" in name else 1)
    mix = sass.mix(sass.path(sass.outermost(lines), shortest))  # with one round of the inner loop
    for pipe, count in sass.mix(way).items():
        mix[pipe] += count * (UNIT // scored - 1)
    time, pipe = bound(mix)
    return Prediction(name, UNIT / time * PROCESSORS * CLOCK, pipe, mix, UNIT)


def predict_evaluate(name: str, lines: list[str], size: int) -> Prediction:
    """Return the prediction for `evaluate` in numbers of `size` bytes."""
    mix = sass.mix(sass.path(sass.outermost(lines)))
    time, pipe = bound(mix)
    rates = {
        pipe: PROCESSORS * CLOCK / time,
        "memory": MEMORY / (FIGURES * size + INDICES + SECTOR),
    }
    least = min(rates, key=lambda kind: rates[kind])
    return Prediction(name, rates[least], least, mix, 1)


def predictions(code: dict[str, list[str]]) -> list[Prediction]:
    """Return the predictions for the kernels whose lines these are."""
    rows = []
    for name in (f"scan_{scan}" for scan in SCANS):
        rows.append(predict_scan(name, code[name]))
        if "count" in name:
            rows.append(predict_scan(f"{name}, none above", code[name], shortest=True))
    rows.append(predict_evaluate("evaluate", code["evaluate"], 8))
    rows.append(predict_evaluate("evaluate_single", code["evaluate_single"], 4))
    return rows


def main() -> None:
    """Print the predictions."""
    with tempfile.TemporaryDirectory() as scratch:
        code = sass.kernels(cubin(Path(scratch) / "kernels.cubin"))
    print(f"Prediction for one {DEVICE} from its machine code; no such device was run.")
    print(f"{'kernel':36}{'bound by':9}{'at most, G/s':>13}  instructions of a thread")
    for row in predictions(code):
        mix = ", ".join(f"{count} {name}" for name, count in row.mix.most_common())
        done = f"{row.done} scores" if row.done > 1 else "1 task"
        print(f"{row.kernel:36}{row.bound_by:9}{row.rate / 1e9:13,.1f}  {mix}: {done}")


if __name__ == "__main__":
    try:
        main()
    except (OSError, ValueError) as fault:
        sys.exit(f"roofline: {fault}")
