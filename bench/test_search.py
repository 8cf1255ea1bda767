"""Suite `search`: joint actions scored a second, against NumPy and Numba in the same run.

python -m pytest bench/test_search.py --benchmark-only

A joint action needs one addition and one comparison; the ceiling is the machine's rate of both in
single precision. Tables are read from caches, so no bytes of memory are needed for one. The best
are found by scoring every joint action; ranks and histograms bisect a sorted list instead, so
their share of the ceiling may exceed 1.
"""

from __future__ import annotations

from dataclasses import replace
from math import isclose, prod

import numpy as np
import pytest

import peers
from figures import report, seconds_of
from semopt import Scenario, backends, solve
from semopt.backends import Query
from semopt.problem import Grid

KEEP, BINS, HIGH = 100, 64, 2.0


KEEP, BINS, HIGH = 100, 64, 2.0
WORST = -1e3  # scores infeasible actions for peers whose fast-math knows no infinity
NUMBA = "numba f32 prange"


@pytest.fixture(scope="module")
def tables():
    """Return tables of over 1e10 joint actions of two users."""
    problem = replace(Scenario.load("paper").problem(), grid=Grid(50, 40, 40))
    # Without a limit no joint action drops out before it is scored.
    problem = replace(problem, system=replace(problem.system, latency_max=1.0))
    made = backends.tabulate(problem, backend="cpu")
    assert made.space.size >= 1e10
    return made


@pytest.fixture(scope="module")
def pairs(tables):
    """Return the lists that every channel pattern pairs, in single precision for peers."""
    space, index, out = tables.space, 0, []
    while index < space.size:
        pattern, _ = space.pattern_at(index)
        offloaders = sum(k >= 0 for k in pattern)
        sizes = space.sizes(pattern)
        pair = []
        for n, (k, size) in enumerate(zip(pattern, sizes, strict=True)):
            start = space.list_start(n, k, offloaders)
            pair.append(np.maximum(tables.value[n][start : start + size], WORST).astype(np.float32))
        out.append(sorted(pair, key=len))  # the inner loop goes over the longer
        index += prod(sizes)
    return out


def compare(benchmark, name, tables, query, peer, reference=NUMBA, share=1.0, operations=2):
    """Report a search against a peer that scores `share` of the joint actions."""
    seconds = seconds_of(peer, 1)
    report(
        benchmark,
        "search",
        name,
        lambda: backends.search(tables, query=query, backend="cpu"),
        tables.space.size,
        "joint actions/s",
        reference,
        share * tables.space.size / seconds,
        kind="add_max",
        operations=operations,
        read=0,
        rounds=2,
    )


def test_best(benchmark, tables, pairs):
    found = backends.search(tables, backend="cpu")
    scores = [a[i] + b[j] for a, b in pairs for i, j in [peers.best(a, b)]]
    assert isclose(found.value[0], max(scores), rel_tol=1e-6)
    compare(benchmark, "best", tables, Query(), lambda: [peers.best(a, b) for a, b in pairs])


def test_best_numpy(benchmark, tables, pairs):
    a, b = pairs[-1]
    rows = a[:1000]
    want = max(float((x + b).max()) for x in rows)
    assert isclose(peers.row_best(rows, b).max(), want, rel_tol=1e-6)
    share = len(rows) * len(b) / tables.space.size
    peer = lambda: max((x + b).max() for x in rows)  # noqa: E731
    compare(benchmark, "best", tables, Query(), peer, "numpy f32", share)


def test_best_torch(benchmark, tables, pairs):
    torch = pytest.importorskip("torch")
    a, b = (torch.from_numpy(part) for part in pairs[-1])
    rows = a[:1000].reshape(-1, 50, 1)
    want = peers.row_best(pairs[-1][0][:1000], pairs[-1][1]).max()
    assert isclose(max(float((x + b).amax()) for x in rows), want, rel_tol=1e-6)
    share = 1000 * len(b) / tables.space.size
    peer = lambda: [(x + b).amax() for x in rows]  # noqa: E731
    compare(benchmark, "best", tables, Query(), peer, "torch f32, CPU", share)


def test_k_best(benchmark, tables, pairs):
    query = Query(keep=KEEP)
    found = backends.search(tables, query=query, backend="cpu")

    def peer():
        kept = [peers.best_scores(a, b, KEEP) for a, b in pairs if len(b) >= KEEP]
        return np.sort(np.concatenate(kept))[: -KEEP - 1 : -1]

    assert np.allclose(found.value, peer(), rtol=1e-6)
    compare(benchmark, f"{KEEP} best", tables, query, peer)


def test_rank(benchmark, tables, pairs):
    value = solve(Scenario.load("paper").problem(), "local").objective
    found = backends.search(tables, query=Query(keep=0, above=value), backend="cpu")

    def peer():
        return sum(peers.count_above(a, b, np.float32(value)) for a, b in pairs)

    assert isclose(found.above, peer(), rel_tol=1e-4)  # single precision miscounts a few
    query = Query(keep=0, above=value)  # sorted lists are halved
    compare(benchmark, "rank", tables, query, peer, operations=None)


def test_histogram(benchmark, tables, pairs):
    query = Query(keep=0, bins=BINS, high=HIGH)
    found = backends.search(tables, query=query, backend="cpu")

    def peer():
        return sum(peers.histogram(a, b, BINS, 0.0, HIGH) for a, b in pairs)

    assert np.allclose(found.histogram, peer(), rtol=1e-3, atol=1e-6 * tables.space.size)
    compare(benchmark, f"histogram, {BINS} bins", tables, query, peer, operations=None)


def test_three_users(benchmark):
    """N = 3 on the default grid: enumerated, and the exact method finds the same optimum."""
    scenario = Scenario.from_dict(three_users())
    gain, task = scenario.draw(1, 0)
    problem = scenario.problem(gain[0], task[0])
    tables = backends.tabulate(problem, backend="cpu")
    found = backends.search(tables, backend="cpu")
    assert isclose(found.value[0], solve(problem).objective, rel_tol=1e-12)
    few = min(tables.space.size, 10**7)
    compare(
        benchmark,
        "best, N = 3",
        tables,
        Query(),
        lambda: backends.search(tables, 0, few, backend="numpy"),
        "numpy",
        few / tables.space.size,
    )


def three_users():
    """Return `paper` with a third user and sub-channel."""
    document = Scenario.load("paper").to_dict()
    document["system"] |= {"users": 3, "channels": 3}
    del document["slot"], document["assumed"]
    return document
