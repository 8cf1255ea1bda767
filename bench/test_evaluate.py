"""Suite `evaluate`: QoE evaluations a second, against NumPy, Numba and torch in the same run.

python -m pytest bench/test_evaluate.py --benchmark-only

The ceiling is the machine's rate of fused multiply-adds, two operations each. Operations are those
of the formulas as csrc/isa/score_loops.h is compiled for AVX-512: +, -, *, /, minimum, maximum,
comparison, choice and the look-up in a table are one, what moves data none. A sweep lies in memory;
what a learner scores at a time lies in a cache.
"""

from __future__ import annotations

import numpy as np
import pytest

import peers
from figures import report, seconds_of
from semopt import Actions, Scenario, backends, model

# Rows, and how often each side is timed: Numba's threads spin on for a while after a call, and
# others on a host disturb single calls.
ROWS, ROUNDS = {"": 400_000, ", in cache": 65_536}, {"": 25, ", in cache": 1000}
FIGURES = ("latency", "energy", "accuracy", "qoe")
#                local raw semantic: the QoE takes 84, rate and SNR 78, the logarithm that both
# powers share 56, a power of it 33, an accuracy 50; in single precision 67, 62, 46, 27, 48
OPERATIONS = {"f64": (96, 246, 370), "f32": (79, 211, 313)}
TOLERANCE = {"f64": 1e-9, "f32": 3e-3}  # relative; the slopes of the QoE amplify rounding
NUMBERS, BYTES = 9, 17  # of a task: 2 gains, 3 variables, 4 figures; 2 indices and its flags


def batch(dtype, rows):
    """Return a problem and joint actions of many slots: every mode, every kind of task."""
    scenario = Scenario.load("paper")
    gain, task = scenario.draw(rows, 0)
    problem, rng = scenario.problem(gain[0], task[0]), np.random.default_rng(0)
    users = problem.users

    def within(low, high):
        return (low + rng.random((rows, 2)) * (high - low)).astype(dtype)

    seats = np.array([[-1, -1], [-1, 0], [0, -1], [1, 0], [0, 1], [1, 0], [0, 1]])
    extraction = within(users.extraction_min, 1.0)
    actions = Actions(
        seats[rng.integers(0, len(seats), rows)],
        within(users.power_min, users.power_max),
        within(users.frequency_min, users.frequency_max),
        np.where(rng.random((rows, 2)) < 0.2, dtype(1), extraction),
    )
    return problem, actions, gain.astype(dtype), task


def operations(actions, precision):
    """Return the mean number of operations that an evaluation of these actions needs."""
    local, raw = actions.channel < 0, (actions.channel >= 0) & (actions.extraction == 1)
    mode = np.where(local, 0, np.where(raw, 1, 2))
    return float(np.array(OPERATIONS[precision])[mode].mean())


def numba(problem, actions, gain, task, dtype, rounds):
    packed = peers.arguments(problem, actions, gain, task, dtype)
    peers.evaluate(*packed)  # compiles
    return packed[-2], seconds_of(lambda: peers.evaluate(*packed), rounds)


def torch_compiled(problem, actions, gain, task, dtype, rounds):
    torch = pytest.importorskip("torch")
    score = torch.compile(peers.evaluate_torch)  # takes half a minute, and half the time from then
    *packed, _, _ = peers.arguments(problem, actions, gain, task, dtype)
    tensors = [torch.as_tensor(array) for array in packed]
    score(*tensors)
    return score(*tensors), seconds_of(lambda: score(*tensors), rounds)


def numpy(problem, actions, gain, task, dtype, rounds):
    double = Actions(
        actions.channel,
        *(getattr(actions, f).astype(float) for f in ("power", "frequency", "extraction")),
    )
    found = model.evaluate(problem, double, gain.astype(float), task)
    seconds = seconds_of(lambda: model.evaluate(problem, actions, gain, task), rounds)
    return [getattr(found, name) for name in FIGURES], seconds


PEERS = {"numba parallel fastmath": numba, "torch compiled": torch_compiled, "numpy": numpy}
# In cache first: torch leaves threads and memory behind that disturb it.
CASES = [("numba parallel fastmath", ", in cache")] + [(peer, "") for peer in PEERS]


@pytest.mark.parametrize("precision", ["f64", "f32"])
@pytest.mark.parametrize(("peer", "size"), CASES)
def test_evaluate(benchmark, peer, size, precision):
    dtype = np.float64 if precision == "f64" else np.float32
    problem, actions, gain, task = batch(dtype, ROWS[size])
    out = backends.evaluate(problem, actions, gain, task, backend="cpu")
    figures, seconds = PEERS[peer](problem, actions, gain, task, dtype, ROUNDS[size])
    for name, want in zip(FIGURES, figures, strict=False):
        assert np.allclose(getattr(out, name), want, rtol=TOLERANCE[precision]), name
    count = actions.channel.size
    report(
        benchmark,
        "evaluate",
        precision + size,
        lambda: backends.evaluate(problem, actions, gain, task, out=out, backend="cpu"),
        count,
        "QoE/s",
        peer,
        count / seconds,
        kind="fma" if precision == "f64" else "fma_single",
        operations=operations(actions, precision),
        read=NUMBERS * np.dtype(dtype).itemsize + BYTES,
        cached=bool(size),
        rounds=ROUNDS[size],
    )
