"""The device code itself, run on the host by an emulator of CUDA's threads (simt.h)."""

import ctypes
from dataclasses import replace
from math import inf

import numpy as np
import pytest

import emulator
from emulator import Emulator
from problems import FIGURES, random_actions, random_problem, random_slots, random_tables
from semopt import _core, backends
from semopt.backends import Batch, Query, Space, Tables
from semopt.backends.gpu import search as gpu
from semopt.backends.gpu.evaluate import evaluate


@pytest.fixture(scope="session")
def library():
    return emulator.library()


@pytest.fixture
def v3():
    """Choose the instruction set that computes as the device does, with fused multiply-add."""
    if "v3" not in _core.instruction_sets():
        pytest.skip("no instruction set with fused multiply-add, which the device code uses")
    before = _core.instruction_set()
    _core.use_instruction_set("v3")
    yield
    _core.use_instruction_set(before)


def test_emulator_notices_a_race(library):
    results = set()
    for seed in range(8):
        out = np.zeros(1, dtype=np.int32)
        library.launch(b"racing", out.ctypes.data_as(ctypes.c_void_p), 1, 64, seed)
        results.add(int(out[0]))
    assert len(results) > 1


def test_emulator_notices_a_barrier_that_is_not_reached(library):
    assert library.launch(b"diverging", None, 1, 64, 0) == 1


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("per_row", [False, True], ids=["one slot", "slot a row"])
def test_evaluate_gives_the_cpus_bits(library, v3, dtype, per_row):
    rng = np.random.default_rng(per_row)
    for rows, grid, threads in (
        (1, 1, 32),
        (37, 3, 96),
        (37, 64, 1),
        (300, 2, 1024),
        (300, 5, 256),
    ):
        problem = random_problem(rng, 3, 3, own_figures=True)
        actions = random_actions(rng, problem, rows)
        gain, task = random_slots(rng, problem, rows, extreme=True)
        if not per_row:
            gain, task = gain[0], task[0]
        figures = (getattr(actions, f).astype(dtype) for f in ("power", "frequency", "extraction"))
        actions = type(actions)(actions.channel, *figures)
        gain = gain.astype(dtype)
        want = backends.evaluate(problem, actions, gain, task, backend="cpu")
        device = Emulator(library, grid, seed=rows, threads=threads)
        found = evaluate(device, problem, Batch(actions, gain, task))
        for name in (*FIGURES, "violations"):
            assert np.array_equal(getattr(found, name), getattr(want, name)), name


SPACES = {
    "ragged": Space((3, 5), (700, 4700), 2),
    "three users": Space((4, 3, 5), (40, 50, 45), 3),
    "long tail": Space((2, 7), (150, 9001), 1),
    "many heads": Space((2, 3), (3000, 400), 2),
}


@pytest.mark.parametrize("fairest", [False, True], ids=["sum", "min"])
@pytest.mark.parametrize("limited", [False, True], ids=["free", "limited"])
@pytest.mark.parametrize("name", SPACES)
def test_search_gives_the_cpus_answer(library, monkeypatch, name, limited, fairest):
    monkeypatch.setattr(gpu, "WORTH", 0)
    monkeypatch.setattr(gpu, "HEADS", 600)
    rng = np.random.default_rng(len(name))
    space = SPACES[name]
    tables = random_tables(rng, space, limited=limited, fairest=fairest)
    stop = min(space.size, 1_200_000)
    start = stop // 5 + 3
    top = backends.search(tables, start, stop, query=Query(keep=200), backend="cpu")
    for query, grid, seed, threads in (
        (Query(), 1, 0, 32),
        (Query(above=float(top.value[-1])), 5, 1, 224),
        (Query(keep=0, above=float(top.value[-1])), 5, 1, 1024),
        (Query(keep=3, bins=7, high=np.float64(len(space.local))), 64, 2, 256),
    ):
        want = backends.search(tables, start, stop, query=query, backend="cpu")
        found = gpu.search(Emulator(library, grid, seed, threads), tables, start, stop, query, 1)
        assert found.index.tolist() == want.index.tolist()
        assert found.value.tolist() == want.value.tolist()
        assert found.above == want.above
        assert found.histogram.tolist() == want.histogram.tolist()
        assert found.examined == want.examined


def test_ties_and_blind_scans_are_settled_exactly(library, monkeypatch):
    monkeypatch.setattr(gpu, "WORTH", 0)
    rng = np.random.default_rng(5)
    space = SPACES["ragged"]
    # From where a long pattern begins, so that the CPU has no share: each thread meets many ties.
    start = space.pattern_start((0, 1))
    for draw in (
        lambda total: rng.integers(0, 3, total) / 4,
        lambda total: 0.5 + 1e-9 * rng.random(total),
        lambda total: 0.5 + np.linspace(0, 1e-9, total),  # each joint action beats those before it
    ):
        tables = random_tables(rng, space, entries=draw)
        sample = backends.search(tables, start, start + 40_000, query=Query(keep=9000))
        above = float(sample.value[-1])
        for query in (Query(above=above, bins=8, high=2.0), Query(keep=70)):  # on edges of bins
            want = backends.search(tables, start, start + 600_000, query=query, backend="cpu")
            found = gpu.search(Emulator(library), tables, start, start + 600_000, query, 1)
            assert found.index.tolist() == want.index.tolist()
            assert found.value.tolist() == want.value.tolist()
            assert found.above == want.above
            assert found.histogram.tolist() == want.histogram.tolist()


def test_the_best_lies_below_what_is_a_little_too_costly(library, monkeypatch):
    monkeypatch.setattr(gpu, "WORTH", 0)
    rng = np.random.default_rng(6)
    space = SPACES["ragged"]
    start = space.pattern_start((0, 1))
    tables = random_tables(rng, space)
    energy = tuple(np.where(values > 0.1, 0.5, 0.4) for values in tables.value)
    limit = 1.0 - 1e-12  # which single precision does not tell from the sum of two of 0.5
    tables = replace(tables, server_energy=energy, server_energy_max=limit)
    for query in (Query(), Query(above=1.05, bins=4, high=2.0)):
        want = backends.search(tables, start, start + 600_000, query=query, backend="cpu")
        assert want.value[0] < 1.1 < tables.bound()
        found = gpu.search(Emulator(library), tables, start, start + 600_000, query, 1)
        assert found.value.tolist() == want.value.tolist()
        assert found.index.tolist() == want.index.tolist()
        assert found.above == want.above
        assert found.histogram.tolist() == want.histogram.tolist()


@pytest.mark.parametrize("limited", [False, True], ids=["free", "limited"])
@pytest.mark.parametrize("name", ["long tail", "many heads"])
@pytest.mark.parametrize("room", [0, 1 << 14])
def test_the_best_few_are_found_with_and_without_room_for_them(
    library, monkeypatch, name, limited, room
):
    monkeypatch.setattr(gpu, "WORTH", 0)
    monkeypatch.setattr(gpu, "ROOM", room)
    space = SPACES[name]
    tables = random_tables(np.random.default_rng(8), space, limited=limited)
    start = space.pattern_start((0, 1) if space.channels > 1 else (0, -1))
    stop = min(space.size, start + 1_200_000)
    for keep in (2, 40):
        query = Query(keep=keep)
        want = backends.search(tables, start, stop, query=query, backend="cpu")
        found = gpu.search(Emulator(library), tables, start, stop, query, 1)
        assert found.value.tolist() == want.value.tolist()
        assert found.index.tolist() == want.index.tolist()


@pytest.mark.parametrize("seed", range(4))
def test_no_result_depends_on_the_order_of_threads(library, monkeypatch, seed):
    monkeypatch.setattr(gpu, "WORTH", 0)
    tables = random_tables(np.random.default_rng(1), SPACES["ragged"], limited=True)
    query = Query(above=1.2, bins=5, high=2.0)
    first, other = (
        gpu.search(Emulator(library, grid, s), tables, 0, 400_000, query, 1)
        for grid, s in ((3, 0), (3 + seed, 100 + seed))
    )
    assert first.index.tolist() == other.index.tolist()
    assert first.above == other.above
    assert first.histogram.tolist() == other.histogram.tolist()


def test_nothing_feasible_is_nothing_found(library, monkeypatch):
    monkeypatch.setattr(gpu, "WORTH", 0)
    space = SPACES["three users"]
    value = tuple(np.full(space.list_total(n), -inf) for n in range(3))
    found = gpu.search(Emulator(library), Tables(space, value), 0, 100_000, Query(above=0.0), 1)
    assert len(found.value) == found.above == 0


def test_device_memory_is_given_back(library, monkeypatch):
    monkeypatch.setattr(gpu, "WORTH", 0)
    emulator = Emulator(library)
    tables = random_tables(np.random.default_rng(2), SPACES["three users"])
    gpu.search(emulator, tables, 0, 100_000, Query(), 1)
    assert not emulator.memory
