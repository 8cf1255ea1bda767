"""Arrays of other libraries, on the host and on a device, without a GPU and without a copy."""

import ctypes
import gc
import weakref
from dataclasses import fields, replace

import numpy as np
import pytest

import emulator
from emulator import Emulator
from lender import CPU, ROCM, Lent, Received
from problems import FIGURES, random_actions, random_problem, random_slots, random_tables
from semopt import _core, backends
from semopt.backends import Query, Space, cpu, packing
from semopt.backends.gpu import search as gpu
from semopt.backends.gpu.operations import operations
from tolerances import TWINS


class Device(Emulator):
    """A device whose arrays are the host's: those of address `elsewhere` lie on another."""

    def __init__(self, library):
        super().__init__(library)
        self.elsewhere, self.waited, self.sent, self.received = {}, [], [], []

    def copy_in(self, memory, host):
        self.sent.append(host.nbytes)
        super().copy_in(memory, host)

    def copy_out(self, host, memory):
        self.received.append(host.nbytes)
        ctypes.memmove(host.ctypes.data, memory, host.nbytes)

    def device_of(self, memory):
        return self.elsewhere.get(memory, 0)

    def wait(self, stream):
        self.waited.append(stream)


@pytest.fixture
def slots():
    """A problem, 40 joint actions in slots of their own, and what they are worth."""
    rng = np.random.default_rng(3)
    problem = random_problem(rng, 3, 3)
    actions = random_actions(rng, problem, 40)
    gain, task = random_slots(rng, problem, 40, extreme=False)
    return problem, actions, gain, task, backends.evaluate(problem, actions, gain, task)


@pytest.fixture
def device(slots, monkeypatch):
    """A backend `cuda` whose device is the emulator; `slots` were scored before."""
    found = Device(emulator.library())
    evaluate, search = operations(lambda: found)
    chosen = backends.Backend("cuda", evaluate, None, search, on_device=True)
    monkeypatch.setattr(backends.operations, "get", lambda name="auto": chosen)
    return found


class Described:
    """An array on a device that has `__cuda_array_interface__` alone."""

    def __init__(self, array, strides=None, stream=None, read_only=False):
        self.array = array
        about = {"shape": array.shape, "typestr": array.dtype.str, "strides": strides}
        place = {"data": (array.ctypes.data, read_only), "stream": stream, "version": 3}
        self.__cuda_array_interface__ = about | place


def lent_before_version_1(array):
    return Lent(array, versioned=False)


SHOWN = pytest.mark.parametrize(
    "show", [Described, Lent, lent_before_version_1], ids=["described", "lent", "lent, old"]
)


def shown(show, record):
    return type(record)(*(show(getattr(record, f.name)) for f in fields(record)))


def test_a_scenario_is_sent_once_a_precision_and_given_back(slots, device):
    problem, actions, gain, task, want = slots
    moved = replace(problem, gain=problem.gain[:, ::-1].copy())  # another slot of the scenario
    figures = (getattr(actions, f).astype(np.float32) for f in ("power", "frequency", "extraction"))
    halved = type(actions)(actions.channel, *figures)
    doubles, singles = (actions, gain, TWINS), (halved, gain.astype(np.float32), 1e-3)
    transfers = []
    for shown_problem, (given, gains, tolerance) in (
        (problem, doubles),
        (problem, doubles),
        (moved, doubles),
        (moved, singles),
        (problem, singles),
    ):
        device.sent.clear()
        found = backends.evaluate(shown_problem, given, gains, task)
        assert np.allclose(found.qoe, want.qoe, rtol=tolerance)
        transfers.append(len(device.sent))
    assert [count - min(transfers) for count in transfers] == [1, 0, 0, 1, 0]
    packing._packed.clear()
    gc.collect()
    assert not device.memory


@SHOWN
def test_arrays_on_the_device_are_read_and_written_where_they_lie(slots, device, show):
    problem, actions, gain, task, want = slots
    out = type(want)(*(np.zeros_like(getattr(want, f.name)) for f in fields(want)))
    given = shown(show, out)
    found = backends.evaluate(problem, shown(show, actions), show(gain), show(task), out=given)
    assert found is given
    for name in (*FIGURES, "violations"):
        assert np.allclose(getattr(out, name), getattr(want, name), rtol=TWINS), name
    scenario, *others = device.sent
    assert max(others) < actions.power.nbytes < scenario  # no array of the caller
    assert device.received == [8]  # whether there were faults


def test_an_outcome_is_of_the_kind_of_the_actions(slots, device):
    problem, actions, gain, task, want = slots
    fresh = backends.evaluate(problem, shown(Described, actions), Described(gain), Described(task))
    about = fresh.qoe.__cuda_array_interface__
    qoe = np.empty(about["shape"], about["typestr"])
    device.copy_out(qoe, about["data"][0])
    assert np.allclose(qoe, want.qoe, rtol=TWINS)

    fresh = backends.evaluate(problem, shown(Lent, actions), Lent(gain), Lent(task))
    for name in (*FIGURES, "violations"):
        figure = getattr(fresh, name)
        assert isinstance(figure, Received)
        assert figure.device == Lent(gain).device
        assert figure.array.dtype == getattr(want, name).dtype
        assert np.allclose(figure.array, getattr(want, name), rtol=TWINS), name
    held = len(device.memory)
    del fresh, figure
    gc.collect()
    assert len(device.memory) == held - len(fields(want))  # with the last array that shows it


@pytest.mark.parametrize("show", [Lent, lent_before_version_1], ids=["new", "old"])
def test_what_is_lent_is_ready_and_given_back_once(slots, device, show):
    problem, actions, gain, task, _ = slots
    lent = shown(show, actions), show(gain), show(task)
    backends.evaluate(problem, *lent)
    gc.collect()
    for array in (*(getattr(lent[0], f.name) for f in fields(actions)), *lent[1:]):
        assert array.streams == [1]  # CUDA's default stream, where the kernels run
        assert array.given_back == 1


def test_the_work_of_an_array_s_own_stream_is_waited_for(slots, device):
    problem, actions, gain, task, _ = slots
    given = replace(shown(Described, actions), power=Described(actions.power, stream=77))
    backends.evaluate(problem, given, Described(gain, stream=1), Described(task))
    assert device.waited == [77]


REFUSED = {
    "other device": (lambda a: Lent(a, device=(2, 3)), "it lies on device 3: memory of device 0"),
    "other kind": (lambda a: Lent(a, device=(ROCM, 0)), "it lies in memory of ROCm"),
    "Fortran order": (lambda a: Lent(a, strides=(1, 40)), "a C-ordered array is expected"),
    "bfloat16": (lambda a: Lent(a, code=4, bits=16), "elements of a type of NumPy's are expected"),
    "vectors": (lambda a: Lent(a, lanes=4), "elements of a type of NumPy's are expected"),
    "int64": (lambda a: Lent(a, code=0), "a C-ordered float64 array of shape"),
    "short": (lambda a: Lent(a[:-1]), "a C-ordered float64 array of shape"),
    "version 2": (lambda a: Lent(a, major=2), "a DLPack capsule of version 0 or 1"),
    "turned": (lambda a: Described(a, strides=(8, 320)), "a C-ordered array is expected"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_wrong_arrays_on_the_device_are_refused_by_name(slots, device, case):
    problem, actions, gain, task, _ = slots
    spoil, words = REFUSED[case]
    spoilt = spoil(actions.power)
    given = replace(shown(Lent, actions), power=spoilt)
    with pytest.raises(ValueError, match=f"^power: {words}"):
        backends.evaluate(problem, given, Lent(gain), Lent(task))
    gc.collect()
    if isinstance(spoilt, Lent):
        assert spoilt.given_back == len(spoilt.streams)


def test_an_axis_of_one_may_have_any_stride(slots, device):
    problem, actions, gain, task, want = slots
    one = type(actions)(*(getattr(actions, f.name)[:1] for f in fields(actions)))
    given = replace(shown(Lent, one), power=Lent(one.power, strides=(1, 1)))
    found = backends.evaluate(problem, given, Lent(gain[:1]), Lent(task[:1]))
    assert np.allclose(found.qoe.array, want.qoe[:1], rtol=TWINS)


def test_wrong_contents_and_places_are_refused_by_name(slots, device):
    problem, actions, gain, task, want = slots
    given, slot = shown(Described, actions), (Lent(gain), Lent(task))
    for index in (3, -2, 2**62):
        beyond = actions.channel.copy()
        beyond[-1, -1] = index
        with pytest.raises(ValueError, match=r"^channel: indices from -1 to 2"):
            backends.evaluate(problem, replace(given, channel=Lent(beyond)), *slot)
        beyond = task.copy()
        beyond[0, 1] = -1 if index < 0 else index
        with pytest.raises(ValueError, match=r"^task: indices from 0 to"):
            backends.evaluate(problem, given, Lent(gain), Lent(beyond))
    for place, words in ((1, "on device 1"), (-1, "on the host")):
        device.elsewhere = {actions.frequency.ctypes.data: place}
        with pytest.raises(ValueError, match=f"^frequency: it lies {words}: memory of device 0"):
            backends.evaluate(problem, given, *slot)
    device.elsewhere = {}
    for read_only in (Lent(want.energy, flags=1), Described(want.energy, read_only=True)):
        out = replace(shown(Lent, want), energy=read_only)
        with pytest.raises(ValueError, match=r"^energy: a writeable array is expected"):
            backends.evaluate(problem, given, *slot, out=out)
    once = Lent(gain).__dlpack__()
    _core.Borrowed("gain", once)
    with pytest.raises(ValueError, match=r"^gain: a DLPack capsule not yet used is expected"):
        _core.Borrowed("gain", once)
    gain[0] = np.nan
    with pytest.raises(ValueError, match=r"^gain: finite numbers are expected"):
        backends.evaluate(problem, given, *slot)


@SHOWN
def test_backends_of_the_host_refuse_a_device_s_arrays(slots, backend, show):
    problem, actions, gain, task, _ = slots
    lies = "it lies in a device's memory: an array on the host is expected"
    given = replace(actions, extraction=show(actions.extraction))
    with pytest.raises(ValueError, match=f"^extraction: {lies}"):
        backends.evaluate(problem, given, gain, task, backend=backend)
    tables = random_tables(np.random.default_rng(4), Space((3, 2), (4, 5), 2))
    tables = replace(tables, value=(tables.value[0], show(tables.value[1])))
    with pytest.raises(ValueError, match=rf"^value\[1\]: {lies}"):
        backends.search(tables, backend=backend)


@pytest.mark.parametrize("limited", [False, True], ids=["free", "limited"])
@SHOWN
def test_a_search_reads_tables_where_they_lie(device, monkeypatch, show, limited):
    monkeypatch.setattr(gpu, "WORTH", 0)
    tables = random_tables(np.random.default_rng(5), Space((3, 5), (70, 470), 2), limited=limited)
    query = Query(keep=2, above=1.2, bins=3, high=2.0)
    want = cpu.search(tables, 0, tables.space.size, query)
    there = replace(
        tables,
        value=tuple(show(values) for values in tables.value),
        server_energy=tuple(show(values) for values in tables.server_energy),
    )
    found = backends.search(there, query=query)
    assert max(device.sent) < tables.value[1].nbytes
    assert (found.above, found.examined) == (want.above, want.examined)
    for name in ("value", "index", "histogram"):
        array = getattr(found, name)
        if show is Described:
            host = np.empty(array.shape, array.dtype)
            device.copy_out(host, array.__cuda_array_interface__["data"][0])
        else:
            assert isinstance(array, Received)
            host = array.array
        assert host.tolist() == getattr(want, name).tolist(), name


def test_a_search_answers_tensors_with_tensors(backend):
    torch = pytest.importorskip("torch")
    tables = random_tables(np.random.default_rng(6), Space((3, 2), (4, 5), 2))
    want = backends.search(tables, query=Query(keep=3), backend=backend)
    tensors = replace(tables, value=tuple(torch.from_numpy(values) for values in tables.value))
    found = backends.search(tensors, query=Query(keep=3), backend=backend)
    for name in ("value", "index", "histogram"):
        assert isinstance(getattr(found, name), torch.Tensor)
        assert getattr(found, name).tolist() == getattr(want, name).tolist()


class Owner:
    """What lends its memory on the host through the code under test."""

    def __init__(self, array, versioned, read_only=False):
        self.array, self.versioned, self.read_only = array, versioned, read_only

    def __dlpack_device__(self):
        return (CPU, 0)

    def __dlpack__(self, **asked):
        address, shape = self.array.ctypes.data, self.array.shape
        return _core.lend(self, address, shape, (2, 64), (CPU, 0), self.versioned, self.read_only)


@pytest.mark.parametrize("versioned", [False, True])
@pytest.mark.parametrize("library", ["numpy", "torch"])
def test_other_libraries_take_what_is_lent_and_give_it_back(library, versioned):
    taker = pytest.importorskip(library)
    array = np.arange(6.0).reshape(2, 3)
    owner = Owner(array, versioned)
    kept, taken = weakref.ref(owner), taker.from_dlpack(owner)
    assert np.array_equal(np.asarray(taken), array)
    array[1, 2] = 7
    assert taken[1, 2] == 7  # the same memory
    del owner
    assert kept() is not None
    del taken
    gc.collect()
    assert kept() is None


def test_what_must_not_be_written_says_so():
    owner = Owner(np.zeros(3), versioned=True, read_only=True)
    assert _core.Borrowed("power", owner.__dlpack__()).read_only


def test_a_capsule_that_nobody_takes_keeps_nothing():
    owner = Owner(np.zeros(3), versioned=True)
    kept, capsule = weakref.ref(owner), owner.__dlpack__()
    del owner
    assert kept() is not None
    del capsule
    assert kept() is None


def test_tensors_are_borrowed_as_they_are():
    torch = pytest.importorskip("torch")
    tensor = torch.arange(12.0).reshape(3, 4)[1:]
    lent = _core.Borrowed("power", tensor.__dlpack__())
    assert (lent.address, lent.shape, lent.strides) == (tensor.data_ptr(), [2, 4], [4, 1])
    assert (lent.type, lent.device, lent.read_only) == ((2, 32, 1), (CPU, 0), False)
