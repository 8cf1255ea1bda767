"""The order of joint actions, and searches over it: against plain enumeration and each other."""

import os
from dataclasses import replace
from itertools import product
from math import inf

import numpy as np
import pytest

from problems import random_problem, random_tables
from semopt import _core, backends
from semopt.backends import Query, Space, Tables
from semopt.model import evaluate
from semopt.problem import AccuracyTable, Grid, Problem
from tolerances import ROUNDING


def enumerate_scores(tables):
    """Score every joint action in canonical order, with loops as plain as they get."""
    space, out = tables.space, []
    users = range(len(space.local))
    for pattern in product(range(-1, space.channels), repeat=len(users)):
        used = [k for k in pattern if k >= 0]
        if len(used) != len(set(used)):
            continue
        starts = [space.list_start(n, pattern[n], len(used)) for n in users]
        for digits in product(*(range(size) for size in space.sizes(pattern))):
            entries = [starts[n] + digits[n] for n in users]
            values = [tables.value[n][entries[n]] for n in users]
            energies = [e[i] for e, i in zip(tables.server_energy, entries, strict=False)]
            score = min(values) if tables.fairest else sum(values[1:], values[0])
            out.append(score if sum(energies) <= tables.server_energy_max else -inf)
    return np.array(out)


SPACES = [
    Space((3,), (4,), 1),
    Space((2, 3), (5, 4), 2),
    Space((1, 2, 3), (2, 3, 4), 2),
    Space((2, 1, 2), (3, 2, 2), 3),
    Space((1, 1, 1, 2), (2, 1, 2, 1), 3),
    Space((3, 4), (1, 1), 0),
]


@pytest.mark.parametrize("space", SPACES)
def test_order_is_the_documented_one(space):
    compiled = _core.Space(space.local, space.offload, space.channels)
    index = 0
    for pattern in product(range(-1, space.channels), repeat=len(space.local)):
        used = [k for k in pattern if k >= 0]
        if len(used) != len(set(used)):
            continue
        assert space.pattern_start(pattern) == index
        for inside in range(index, index + int(np.prod(space.sizes(pattern)))):
            assert space.pattern_at(inside) == (pattern, index)
            assert compiled.pattern_at(inside) == (list(pattern), index)
        index = inside + 1
    assert space.size == compiled.size == index


@pytest.mark.parametrize("fairest", [False, True], ids=["sum", "min"])
@pytest.mark.parametrize("limited", [False, True], ids=["free", "limited"])
@pytest.mark.parametrize("space", SPACES)
def test_search_agrees_with_enumeration(space, limited, fairest, instruction_set):
    rng = np.random.default_rng(space.size)
    for ties in (False, True):  # coarse entries tie often
        entries = (lambda total: rng.integers(0, 4, total) / 4) if ties else None
        tables = random_tables(rng, space, limited=limited, fairest=fairest, entries=entries)
        scores = enumerate_scores(tables)
        assert len(scores) == space.size
        feasible = np.flatnonzero(scores > -inf)
        order = feasible[np.lexsort((feasible, -scores[feasible]))]
        high = float(len(space.local))
        for keep, above, bins in (
            (1, None, 0),
            (3, 0.5, 0),
            (0, 0.75, 3),
            (50, float(scores.max()), 5),
        ):
            query = Query(keep=keep, above=above, bins=bins, high=high)
            for backend in ("numpy", "cpu"):
                found = backends.search(tables, query=query, backend=backend, threads=2)
                assert found.index.tolist() == order[:keep].tolist()
                assert found.value.tolist() == scores[order[:keep]].tolist()
                assert found.above == (0 if above is None else (scores > above).sum())
                if bins:
                    counts = np.histogram(scores[feasible], bins, (0.0, high))[0]
                    assert found.histogram.tolist() == counts.tolist()
                assert found.examined == space.size


LARGE = {
    "long lists": Space((5, 7), (3000, 2000), 2),
    "three users": Space((10, 10, 10), (60, 80, 70), 3),
    "merged tail": Space((6, 5, 4, 6, 5), (9, 8, 7, 9, 6), 2),
    "many short": Space((2,) * 9, (2,) * 9, 2),
}


@pytest.mark.parametrize("name", LARGE)
def test_scan_is_exact_where_single_precision_is_blind(name, instruction_set):
    # Entries differ by 1e-9, far below single precision: nearly every stretch has to be settled.
    space = LARGE[name]
    rng = np.random.default_rng(len(name))
    tables = random_tables(rng, space, entries=lambda total: 0.5 + 1e-9 * rng.random(total))
    stop = min(space.size, 400_000)
    start = stop // 3
    above = float(np.median(backends.search(tables, start, start + 1000, backend="numpy").value))
    query = Query(keep=4, above=above)
    want = backends.search(tables, start, stop, query=query, backend="numpy")
    found = backends.search(tables, start, stop, query=query, backend="cpu", threads=2)
    assert found.index.tolist() == want.index.tolist()
    assert found.value.tolist() == want.value.tolist()
    assert found.above == want.above


@pytest.mark.parametrize("limited", [False, True], ids=["free", "limited"])
@pytest.mark.parametrize("fairest", [False, True], ids=["sum", "min"])
@pytest.mark.parametrize("name", LARGE)
def test_scan_agrees_with_the_plain_twin(name, fairest, limited, instruction_set):
    space = LARGE[name]
    rng = np.random.default_rng(len(name) + 2 * fairest + limited)
    tables = random_tables(rng, space, limited=limited, fairest=fairest)
    stop = min(space.size, 1_500_000)
    sample = backends.search(tables, 0, stop // 10, query=Query(keep=500), backend="numpy")
    for query in (Query(), Query(keep=20, above=float(sample.value[-1]))):
        want = backends.search(tables, 0, stop, query=query, backend="numpy")
        for threads in (1, 3):
            found = backends.search(tables, 0, stop, query=query, backend="cpu", threads=threads)
            assert found.index.tolist() == want.index.tolist()
            assert found.value.tolist() == want.value.tolist()
            assert found.above == want.above


def test_a_limit_that_the_best_just_meets_does_not_bar_it(instruction_set):
    """What scans in single precision settles it in double: an ulp less bars it."""
    space = LARGE["three users"]
    users = range(len(space.local))
    start, sizes = space.pattern_start(tuple(users)), space.sizes(tuple(users))
    stop = start + int(np.prod(sizes))
    for seed in range(10):
        rng = np.random.default_rng(seed)
        tables = random_tables(rng, space, limited=True)
        digits = [int(rng.integers(size)) for size in sizes]
        index, energy = 0, 0.0
        for n, digit in enumerate(digits):
            at = space.list_start(n, n, len(users)) + digit
            tables.value[n][at] = 2.0  # the best of its list
            energy += tables.server_energy[n][at]
            index = index * sizes[n] + digit
        for limit, within in ((energy, True), (float(np.nextafter(energy, 0)), False)):
            bound = replace(tables, server_energy_max=limit)
            want = backends.search(bound, start, stop, backend="numpy")
            found = backends.search(bound, start, stop, backend="cpu", threads=1)
            assert found.index.tolist() == want.index.tolist()
            assert (found.index.tolist() == [start + index]) is within


def test_a_limit_that_single_precision_breaks_does_not_bar_the_best(instruction_set):
    """All else on the best one's head scores below what is kept: the scan must see it itself."""
    space = Space((64, 3000), (1, 1), 0)
    rng, tried = np.random.default_rng(0), 0
    tables = random_tables(rng, space, limited=True)
    for energy in rng.uniform((0.5, 0.25), (0.7, 0.3), (2000, 2)):
        (first, second), limit = energy.astype(np.float32), np.float32(energy.sum())
        if limit < energy.sum():
            limit = np.nextafter(limit, np.float32(inf))
        if first + second <= limit:
            continue  # single precision does not break it
        tried += 1
        head, tail = np.full_like(tables.value[0], 0.5), np.full_like(tables.value[1], 0.1)
        head[20], head[40], tail[700] = 0.55, 0.6, 0.9
        head_energy, tail_energy = (np.zeros_like(e) for e in tables.server_energy)
        head_energy[40], tail_energy[700] = energy
        bound = replace(
            tables,
            value=(head, tail),
            server_energy=(head_energy, tail_energy),
            server_energy_max=float(energy.sum()),
        )
        found = backends.search(bound, backend="cpu", threads=1)
        assert found.index.tolist() == [40 * 3000 + 700]
        assert found.value.tolist() == [0.6 + 0.9]
    assert tried > 0


@pytest.mark.parametrize("fairest", [False, True], ids=["sum", "min"])
def test_a_score_just_above_the_edge_counts(fairest, instruction_set):
    """Within a part of a list too, which is counted one by one."""
    space = SPACES[1]
    tables = random_tables(np.random.default_rng(5), space, limited=True, fairest=fairest)
    coarse = tuple(np.round(4 * energy) / 4 for energy in tables.server_energy)
    tables = replace(tables, server_energy=coarse, server_energy_max=1.0)  # which many just meet
    scores = enumerate_scores(tables)
    for score in scores[scores > -inf][:20].tolist():
        query = Query(keep=0, above=float(np.nextafter(score, -inf)))
        for start, stop in ((0, 5), (1, 4), (3, 40), (41, space.size - 1)):
            found = backends.search(tables, start, stop, query=query, backend="cpu", threads=1)
            assert found.above == (scores[start:stop] >= score).sum()


def test_slack_bounds_the_error_of_single_precision():
    # The bound of the error argument holds, and is not vacuous: errors come within a factor of 8.
    rng = np.random.default_rng(3)
    space = Space((50, 50), (2000, 2000), 2)
    tables = random_tables(rng, space, entries=lambda total: rng.uniform(0, 1, total))
    first, second = (values[np.isfinite(values)] for values in tables.value)
    exact = first[:, None] + second[None, :]
    single = first.astype(np.float32)[:, None] + second.astype(np.float32)[None, :]
    error = np.abs(exact - single.astype(float)).max()
    assert error <= tables.slack[0] <= 8 * error


def test_ranges_merge_into_the_whole():
    space = LARGE["three users"]
    tables = random_tables(np.random.default_rng(4), space)
    query = Query(keep=7, above=2.5, bins=9, high=3.0)
    whole = backends.search(tables, 0, 600_000, query=query, backend="cpu")
    parts = backends.nothing(9)
    for start, stop in ((0, 1), (1, 100_003), (100_003, 599_999), (599_999, 600_000)):
        found = backends.search(tables, start, stop, query=query, backend="cpu")
        parts = parts.merged(found, query.keep)
    assert parts.index.tolist() == whole.index.tolist()
    assert parts.value.tolist() == whole.value.tolist()
    assert (parts.above, parts.examined) == (whole.above, whole.examined)
    assert parts.histogram.tolist() == whole.histogram.tolist()


@pytest.mark.parametrize("users", [1, 2, 3])
def test_decoded_actions_score_what_the_search_says(users):
    rng = np.random.default_rng(users)
    for trial in range(8):
        problem = random_problem(rng, users, int(rng.integers(0, 4)), own_figures=trial % 2 == 0)
        problem = replace(problem, objective=("sum", "min")[trial % 2])
        if problem.joint_actions() > 2_000_000:
            problem = replace(problem, grid=Grid(2, 2, 3))
        for backend in ("numpy", "cpu"):
            found = backends.search(problem, query=Query(keep=5), backend=backend)
            for value, index in zip(found.value, found.index.tolist(), strict=True):
                actions = backends.decode(problem, index)
                outcome = evaluate(problem, actions)
                assert not outcome.violations.any()
                joint = outcome.qoe.min() if problem.objective == "min" else outcome.qoe.sum()
                assert joint == pytest.approx(value, rel=ROUNDING)
                assert backends.encode(problem, actions) == index


def test_counts_of_joint_actions_overflow_nowhere():
    """A little below 2^63 they are exact; beyond it both who counts and who scans refuse."""
    below, beyond = ((500,) * 7, (10,) * 7, 1), ((508,) * 7, (10,) * 7, 1)
    assert Space(*below).size == _core.Space(*below).size == 500**7 + 7 * 10 * 500**6
    assert Space(*beyond).size == 508**7 + 7 * 10 * 508**6 > 2**63
    with pytest.raises(ValueError, match=r"joint actions: fewer than 2\^63 are expected"):
        _core.Space(*beyond)


def test_encode_refuses_what_is_not_on_the_grid():
    problem = random_problem(np.random.default_rng(1), 2, 2, grid=Grid(3, 3, 3))
    actions = backends.decode(problem, problem.joint_actions() - 1)
    with pytest.raises(ValueError, match=r"power of user 0 = .*: must be a level of its grid"):
        backends.encode(problem, replace(actions, power=actions.power * 1.01))
    with pytest.raises(ValueError, match="distinct sub-channels"):
        backends.encode(problem, replace(actions, channel=np.array([1, 1])))


def test_bad_ranges_and_queries_are_refused():
    problem = random_problem(np.random.default_rng(2), 2, 2, grid=Grid(2, 2, 2))
    size = problem.joint_actions()
    with pytest.raises(ValueError, match=f"start, stop = 0, {size + 1}: must be ordered"):
        backends.search(problem, 0, size + 1)
    with pytest.raises(ValueError, match="keep = -1: must not be negative"):
        Query(keep=-1)
    with pytest.raises(ValueError, match="above = nan"):
        Query(above=np.nan)
    with pytest.raises(ValueError, match="must be an interval"):
        Query(bins=3, low=1.0, high=1.0)
    broken = random_tables(
        np.random.default_rng(0), SPACES[1], entries=lambda total: np.full(total, np.nan)
    )
    with pytest.raises(ValueError, match="an entry of user 0 is NaN"):
        backends.search(broken, backend="cpu")
    with pytest.raises(ValueError, match="from 0 to"):
        backends.decode(problem, size)
    with pytest.raises(ValueError, match="joint actions: at most 9223372036854775807"):
        backends.search(Tables(Space((10**10,) * 2, (1, 1), 1), ()), backend="cpu")


def test_tables_that_would_not_fit_are_refused():
    problem = random_problem(np.random.default_rng(3), 1, 1, grid=Grid(4096, 4096, 4096))
    people = replace(problem.users, extraction_min=np.array([0.3]), power_max=np.array([1.0]))
    problem = replace(problem, users=replace(people, frequency_max=np.array([1e9])))
    with pytest.raises(ValueError, match="scores of single users would have to be tabulated"):
        backends.tabulate(problem)


def test_a_forked_child_has_threads_of_its_own():
    space = LARGE["long lists"]
    tables = random_tables(np.random.default_rng(9), space)
    want = backends.search(tables, 0, 1_000_000, backend="cpu", threads=2)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:  # pragma: no cover
        found = backends.search(tables, 0, 1_000_000, backend="cpu", threads=2)
        os.write(writing, str(found.index[0]).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as answer:
        assert int(answer.read()) == want.index[0]
    os.waitpid(child, 0)


def test_tabulated_energies_of_the_server_by_hand(backend):
    # 4 x 3e9 FLOP/s at 5e-27 x 2.7e28 = 135 W: raw 6e6 FLOP take 0.5 ms, semantic 3e6 half of it.
    # Beside another both take twice as long at an eighth of the power.
    problem = Problem.from_arrays(
        gain=[[0.06, 0.02], [0.06, 0.02]],
        bits=8000.0,
        local_flop=5e6,
        extract_flop=1e6,
        server_flop=3e6,
        server_raw_flop=6e6,
        local_accuracy=0.6,
        accuracy=AccuracyTable.from_arrays([0.25, 0.9], [0.0, 10.0], [[0.7] * 2] * 2, [0.8] * 2),
        extraction_max=0.9,
        latency_max=1.0,
        slope_latency=1.0,
        slope_energy=1.0,
        slope_accuracy=1.0,
        compress_exponent=0.5,
        extract_exponent=0.5,
        server_energy_max=1.0,
        grid=Grid(2, 1, 2),
    )
    tables = backends.tabulate(problem, backend=backend)
    raw, semantic = 0.0675, 0.03375
    alone, both = [raw] * 2 + [semantic] * 2, [raw / 4] * 2 + [semantic / 4] * 2
    for energy in tables.server_energy:
        np.testing.assert_allclose(energy, [0.0, *alone, *alone, *both, *both], rtol=ROUNDING)
