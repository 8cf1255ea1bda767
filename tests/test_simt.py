"""The device code itself, run on the host by an emulator of CUDA's threads (simt.h)."""

import ctypes
import subprocess
from dataclasses import fields, replace
from math import inf
from pathlib import Path
from shutil import which

import numpy as np
import pytest

from problems import random_problem
from semopt import _core, backends
from semopt.backends import Query, Space, Tables, gpu
from test_search import random_tables
from test_twins import FIGURES, random_actions, random_slots
from tolerances import TWINS

HERE = Path(__file__).parent
HEADERS = Path(_core.__file__).parent / "include"


class Emulator:
    """A `gpu.Runtime` on the host; `grid` caps the number of blocks, `seed` orders the threads."""

    def __init__(self, library, grid=5, seed=0):
        self.library, self.grid, self.seed, self.memory = library, grid, seed, {}

    def allocate(self, size):
        # Exactly as large as asked for, filled with what nothing may read.
        block = np.full(max(size, 1), 0xFF, dtype=np.uint8)
        self.memory[block.ctypes.data] = block
        return block.ctypes.data

    def release(self, memory):
        del self.memory[memory]

    def copy_in(self, memory, host):
        assert host.nbytes <= self.memory[memory].nbytes
        ctypes.memmove(memory, host.ctypes.data, host.nbytes)

    def copy_out(self, host, memory):
        assert host.nbytes <= self.memory[memory].nbytes
        ctypes.memmove(host.ctypes.data, memory, host.nbytes)

    def clear(self, memory, size):
        self.memory[memory][:size] = 0

    def launch(self, name, job, blocks):
        blocks = min(blocks, self.grid)
        code = self.library.launch(
            name.encode(), ctypes.c_void_p(job), blocks, gpu.THREADS, ctypes.c_ulonglong(self.seed)
        )
        assert code == 0, f"{name}: {('', 'a barrier is not reached', 'no such kernel')[code]}"

    def processors(self):
        return 4


@pytest.fixture(scope="session")
def library(tmp_path_factory):
    if which("g++") is None:
        pytest.skip("the emulator is compiled with g++, which is not here")
    out = tmp_path_factory.mktemp("simt") / "simt.so"
    fused = ["-mfma"] if "v3" in _core.instruction_sets() else []
    command = ["g++", "-std=c++17", "-O1", "-fPIC", "-shared", "-ffp-contract=off", *fused]
    command += [f"-I{HERE}", f"-I{HEADERS}", str(HERE / "simt.cpp"), "-o", str(out)]
    subprocess.run(command, check=True)
    return ctypes.CDLL(str(out))


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
def test_evaluate_gives_the_cpus_bits(library, dtype, per_row):
    if "v3" not in _core.instruction_sets():
        pytest.skip("no instruction set with fused multiply-add, which the device code uses")
    rng = np.random.default_rng(per_row)
    for rows in (1, 37, 300):
        problem = random_problem(rng, 3, 3, own_figures=True)
        actions = random_actions(rng, problem, rows)
        gain, task = random_slots(rng, problem, rows, extreme=True)
        if not per_row:
            gain, task = gain[0], task[0]
        figures = (getattr(actions, f).astype(dtype) for f in ("power", "frequency", "extraction"))
        actions = type(actions)(actions.channel, *figures)
        gain = gain.astype(dtype)
        want = backends.evaluate(problem, actions, gain, task, backend="cpu")
        found = gpu.evaluate(Emulator(library), problem, actions, gain, task, None)
        for name in (*FIGURES, "violations"):
            assert np.array_equal(getattr(found, name), getattr(want, name)), name


class Borrowed:
    """An array as one on a device shows itself: the emulator's device has the host's memory."""

    def __init__(self, array, strides=None):
        self.array = array
        about = {"shape": array.shape, "typestr": array.dtype.str, "strides": strides}
        self.__cuda_array_interface__ = {**about, "data": (array.ctypes.data, False), "version": 3}


@pytest.fixture
def device(library, monkeypatch):
    """A backend `cuda` whose device is the emulator."""

    class Device(Emulator):
        def copy_out(self, host, memory):
            ctypes.memmove(host.ctypes.data, memory, host.nbytes)

    emulator = Device(library)

    def evaluate(problem, actions, gain, task, out, threads):
        return gpu.evaluate(emulator, problem, actions, gain, task, out)

    chosen = backends.Backend("cuda", evaluate, None, None)
    monkeypatch.setattr(backends, "get", lambda name="auto": chosen)
    return emulator


def slots_on_a_device(rows=40):
    rng = np.random.default_rng(3)
    problem = random_problem(rng, 3, 3)
    actions = random_actions(rng, problem, rows)
    gain, task = random_slots(rng, problem, rows, extreme=False)
    want = backends.evaluate(problem, actions, gain, task, backend="cpu")
    return problem, actions, gain, task, want


def borrowed(record):
    return type(record)(*(Borrowed(getattr(record, f.name)) for f in fields(record)))


def test_arrays_on_the_device_are_read_and_written_where_they_lie(request):
    problem, actions, gain, task, want = slots_on_a_device()
    emulator = request.getfixturevalue("device")
    copied = []
    plain = emulator.copy_in
    emulator.copy_in = lambda memory, host: (copied.append(host.nbytes), plain(memory, host))
    out = type(want)(*(np.zeros_like(getattr(want, f.name)) for f in fields(want)))
    shown = borrowed(out)
    found = backends.evaluate(problem, borrowed(actions), Borrowed(gain), Borrowed(task), out=shown)
    assert found is shown
    for name in (*FIGURES, "violations"):
        assert np.allclose(getattr(out, name), getattr(want, name), rtol=TWINS), name
    assert max(copied) < actions.power.nbytes  # records and tables alone

    fresh = backends.evaluate(problem, borrowed(actions), Borrowed(gain), Borrowed(task))
    about = fresh.qoe.__cuda_array_interface__
    qoe = np.empty(about["shape"], about["typestr"])
    emulator.copy_out(qoe, about["data"][0])
    assert np.array_equal(qoe, out.qoe)


def test_wrong_arrays_on_the_device_are_refused_by_name(request):
    problem, actions, gain, task, _ = slots_on_a_device()
    request.getfixturevalue("device")
    given, slots = borrowed(actions), (Borrowed(gain), Borrowed(task))
    turned = Borrowed(actions.power, strides=(8, 8 * 40))
    with pytest.raises(ValueError, match=r"^power: a C-ordered array is expected"):
        backends.evaluate(problem, replace(given, power=turned), *slots)
    short = Borrowed(actions.frequency[:-1])
    with pytest.raises(ValueError, match=r"^frequency: a C-ordered float64 array of shape"):
        backends.evaluate(problem, replace(given, frequency=short), *slots)
    beyond = Borrowed(np.full_like(actions.channel, 3))
    with pytest.raises(ValueError, match=r"^channel: indices from -1 to 2"):
        backends.evaluate(problem, replace(given, channel=beyond), *slots)
    gain[0] = np.nan
    with pytest.raises(ValueError, match=r"^gain: finite numbers are expected"):
        backends.evaluate(problem, given, *slots)


SPACES = {
    "ragged": Space((3, 5), (700, 4700), 2),
    "three users": Space((4, 3, 5), (40, 50, 45), 3),
    "long tail": Space((2, 7), (150, 9001), 1),
}


@pytest.mark.parametrize("fairest", [False, True], ids=["sum", "min"])
@pytest.mark.parametrize("limited", [False, True], ids=["free", "limited"])
@pytest.mark.parametrize("name", SPACES)
def test_search_gives_the_cpus_answer(library, monkeypatch, name, limited, fairest):
    monkeypatch.setattr(gpu, "WORTH", 0)
    monkeypatch.setattr(gpu, "HEADS", 200)
    rng = np.random.default_rng(len(name))
    space = SPACES[name]
    tables = random_tables(rng, space, limited=limited, fairest=fairest)
    stop = min(space.size, 1_200_000)
    start = stop // 5 + 3
    top = backends.search(tables, start, stop, query=Query(keep=200), backend="cpu")
    for query, grid, seed in (
        (Query(), 1, 0),
        (Query(above=float(top.value[-1])), 5, 1),
        (Query(keep=0, above=float(top.value[-1])), 5, 1),
        (Query(keep=3, bins=7, high=float(len(space.local))), 64, 2),
    ):
        want = backends.search(tables, start, stop, query=query, backend="cpu")
        found = gpu.search(Emulator(library, grid, seed), tables, start, stop, query, 1)
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
    ):
        tables = random_tables(rng, space, entries=draw)
        sample = backends.search(tables, start, start + 40_000, query=Query(keep=9000))
        query = Query(above=float(sample.value[-1]))
        want = backends.search(tables, start, start + 600_000, query=query, backend="cpu")
        found = gpu.search(Emulator(library), tables, start, start + 600_000, query, 1)
        assert found.index.tolist() == want.index.tolist()
        assert found.value.tolist() == want.value.tolist()
        assert found.above == want.above


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
