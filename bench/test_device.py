"""Suite `device`: a GPU's evaluations and joint actions a second, against the CPU in the same run.

python -m pytest bench/test_device.py --benchmark-only

Batches lie in the device's memory and fill it a good part; spaces are large enough that a launch is
nothing beside them. Answers are those of the CPU: of a search exactly, of an evaluation up to
rounding. Shares of a device's ceilings are predicted by roofline.py, not measured here.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from figures import seconds_of
from semopt import Actions, Outcome, Scenario, backends
from semopt.backends import Query
from semopt.problem import Grid
from test_evaluate import FIGURES, batch

ROWS, CHECKED = 1 << 25, 1 << 14  # slots of two users on the device, and of those on the CPU
TOLERANCE = {"f64": 1e-12, "f32": 1e-4}  # relative: the same formulas, rounded in another order
QUERIES = {
    "best": Query(),
    "100 best": Query(keep=100),
    "rank": Query(keep=0, above=1.2),
    "histogram": Query(keep=0, bins=64, high=2.0),
}
DEVICES = [name for name in ("cuda", "cupy") if backends.why_not(name) is None]
NEEDED = pytest.mark.skipif(not DEVICES, reason="no GPU can be used: see `semopt backends`")


def report(benchmark, name, function, amount, unit, reference, reference_rate):
    """Time a function, whose result was checked, beside the rate of its reference."""
    benchmark.pedantic(function, rounds=10, warmup_rounds=2)
    rate = amount / benchmark.stats.stats.min
    benchmark.extra_info |= {
        "suite": "device",
        "name": name,
        "value": rate,
        "unit": unit,
        "reference": reference,
        "ratio": rate / reference_rate,
    }


@NEEDED
@pytest.mark.parametrize("precision", ["f64", "f32"])
@pytest.mark.parametrize("device", DEVICES)
def test_evaluate(benchmark, device, precision):
    torch = pytest.importorskip("torch")
    dtype = np.float64 if precision == "f64" else np.float32
    problem, actions, gain, task = batch(dtype, CHECKED)
    want = backends.evaluate(problem, actions, gain, task, backend="cpu")
    seconds = seconds_of(
        lambda: backends.evaluate(problem, actions, gain, task, out=want, backend="cpu"), 20
    )

    def placed(array):
        tensor = torch.from_numpy(np.ascontiguousarray(array)).to("cuda")
        return tensor.repeat(ROWS // CHECKED, *[1] * (tensor.ndim - 1))

    fields = ("channel", "power", "frequency", "extraction")
    there = Actions(*(placed(getattr(actions, name)) for name in fields))
    slots = placed(gain), placed(task)
    out = Outcome(*(torch.empty_like(there.power) for _ in FIGURES), placed(want.violations))

    def call():
        backends.evaluate(problem, there, *slots, out=out, backend=device)
        torch.cuda.synchronize()

    call()
    for name in FIGURES:
        for part in (slice(CHECKED), slice(-CHECKED, None)):
            found = getattr(out, name)[part].cpu().numpy()
            assert np.allclose(found, getattr(want, name), rtol=TOLERANCE[precision]), name
    rate = want.qoe.size / seconds
    report(benchmark, f"evaluate {precision}, {device}", call, 2 * ROWS, "QoE/s", "cpu", rate)


@pytest.fixture(scope="module")
def tables():
    """Return tables of about 1e12 joint actions of two users, none of which drops out."""
    problem = replace(Scenario.load("paper").problem(), grid=Grid(160, 100, 60))
    problem = replace(problem, system=replace(problem.system, latency_max=1.0))
    return backends.tabulate(problem, backend="cpu")


@NEEDED
@pytest.mark.parametrize("what", QUERIES)
@pytest.mark.parametrize("device", DEVICES)
def test_search(benchmark, tables, device, what):
    query, few = QUERIES[what], min(tables.space.size, 10**10)
    want = backends.search(tables, 0, few, query=query, backend="cpu")
    found = backends.search(tables, 0, few, query=query, backend=device)
    assert found.above == want.above
    for name in ("value", "index", "histogram"):
        assert np.array_equal(getattr(found, name), getattr(want, name)), name
    seconds = seconds_of(lambda: backends.search(tables, 0, few, query=query, backend="cpu"), 3)
    report(
        benchmark,
        f"search {what}, {device}",
        lambda: backends.search(tables, query=query, backend=device),
        tables.space.size,
        "joint actions/s",
        "cpu",
        few / seconds,
    )
