"""Suite `evaluate`: QoE evaluations a second, against NumPy and Numba in the same run.

python -m pytest bench/test_evaluate.py --benchmark-only

The ceiling is the machine's rate of fused multiply-adds, two operations each. Operations are those
of csrc/model.h and csrc/math.h, counted by hand: +, -, *, /, minimum, maximum and choice are one.
"""

from __future__ import annotations

import numpy as np
import pytest

import peers
from figures import report, seconds_of
from semopt import Actions, Scenario, backends, model

ROWS = 400_000
FIGURES = ("latency", "energy", "accuracy", "qoe")
#                local raw semantic: an exp takes 35, log1p and log10 45 each, the logarithm that
# both powers share 75, and a power of it 45; in single precision about a fifth less
OPERATIONS = {"f64": (130, 285, 480), "f32": (100, 240, 400)}
TOLERANCE = {"f64": 1e-9, "f32": 3e-3}  # relative; the slopes of the QoE amplify rounding
BYTES = 13  # a task needs about so many numbers: 2 gains, 3 variables, 2 indices, 5 figures


def batch(dtype):
    """Return a problem and joint actions of many slots: every mode, every kind of task."""
    scenario = Scenario.load("paper")
    gain, task = scenario.draw(ROWS, 0)
    problem, rng = scenario.problem(gain[0], task[0]), np.random.default_rng(0)
    users = problem.users

    def within(low, high):
        return (low + rng.random((ROWS, 2)) * (high - low)).astype(dtype)

    seats = np.array([[-1, -1], [-1, 0], [0, -1], [1, 0], [0, 1], [1, 0], [0, 1]])
    extraction = within(users.extraction_min, 1.0)
    actions = Actions(
        seats[rng.integers(0, len(seats), ROWS)],
        within(users.power_min, users.power_max),
        within(users.frequency_min, users.frequency_max),
        np.where(rng.random((ROWS, 2)) < 0.2, dtype(1), extraction),
    )
    return problem, actions, gain.astype(dtype), task


def operations(actions, precision):
    """Return the mean number of operations that an evaluation of these actions needs."""
    local, raw = actions.channel < 0, (actions.channel >= 0) & (actions.extraction == 1)
    mode = np.where(local, 0, np.where(raw, 1, 2))
    return float(np.array(OPERATIONS[precision])[mode].mean())


@pytest.mark.parametrize("precision", ["f64", "f32"])
@pytest.mark.parametrize("peer", ["numba", "numpy"])
def test_evaluate(benchmark, peer, precision):
    dtype = np.float64 if precision == "f64" else np.float32
    problem, actions, gain, task = batch(dtype)
    out = backends.evaluate(problem, actions, gain, task, backend="cpu")
    if peer == "numba":
        packed = peers.arguments(problem, actions, gain, task, dtype)
        peers.evaluate(*packed)  # compiles
        seconds = seconds_of(lambda: peers.evaluate(*packed))
        want = dict(zip(FIGURES, packed[-2], strict=True))
    else:
        seconds = seconds_of(lambda: model.evaluate(problem, actions, gain, task), 1)
        wide = (getattr(actions, f).astype(float) for f in ("power", "frequency", "extraction"))
        double = Actions(actions.channel, *wide)
        result = model.evaluate(problem, double, gain.astype(float), task)
        want = {name: getattr(result, name) for name in FIGURES}
    for name in FIGURES:
        assert np.allclose(getattr(out, name), want[name], rtol=TOLERANCE[precision]), name
    count = actions.channel.size
    report(
        benchmark,
        "evaluate",
        precision,
        lambda: backends.evaluate(problem, actions, gain, task, out=out, backend="cpu"),
        count,
        "QoE/s",
        "numba parallel fastmath" if peer == "numba" else "numpy",
        count / seconds,
        kind="fma" if precision == "f64" else "fma_single",
        operations=operations(actions, precision),
        read=BYTES * np.dtype(dtype).itemsize,
    )
