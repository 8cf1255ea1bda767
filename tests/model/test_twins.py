"""The compiled backends' `evaluate` against the readable model, on random and extreme inputs."""

from dataclasses import fields, replace

import numpy as np
import pytest

from problems import FIGURES, random_actions, random_problem, random_slots
from semopt import Actions, backends, model
from semopt.backends import Batch
from semopt.backends.arrays import name_fault
from semopt.model import Outcome
from semopt.problem import AccuracyTable
from tolerances import TWINS, TWINS_SINGLE

LATENCY, ENERGY, ACCURACY = 1, 2, 4  # bits, as other programs read them in `violations`


def assert_twins(found, want, tolerance):
    for name in FIGURES:
        got, expected = getattr(found, name), getattr(want, name)
        assert got.shape == expected.shape
        assert np.allclose(got, expected, rtol=tolerance, atol=tolerance * 1e-2), name


def assert_same_violations(problem, found, want, task):
    """Compare the flags except where a figure lies on its limit up to rounding."""
    for bit, figure, limit in (
        (LATENCY, want.latency, problem.system.latency_max),
        (ENERGY, want.energy, problem.users.energy_max),
        (ACCURACY, want.accuracy, problem.tasks.accuracy_min[task]),
    ):
        clear = ~np.isclose(figure, limit, rtol=TWINS)
        assert np.array_equal((found.violations & bit)[clear], (want.violations & bit)[clear])


@pytest.mark.parametrize("extreme", [False, True], ids=["usual", "extreme"])
@pytest.mark.parametrize(
    ("users", "channels", "kinds"),
    [
        (1, 1, 3),
        (2, 2, 3),
        (3, 2, 4),
        (4, 4, 8),
        (2, 5, 1),
        (9, 3, 3),
        (70, 4, 5),
        (3, 2, 20),
        (1700, 2, 2),
    ],
)
def test_evaluate_agrees_with_the_model(users, channels, kinds, extreme, instruction_set):
    rng = np.random.default_rng(1000 * users + 10 * channels + extreme)
    for trial in range(6):
        problem = random_problem(rng, users, channels, kinds, own_figures=trial % 2 == 0)
        if trial > 2:  # the same axes for all kinds
            first, *others = problem.tasks.accuracy
            same = (replace(t, extraction=first.extraction, snr_db=first.snr_db) for t in others)
            problem = replace(problem, tasks=replace(problem.tasks, accuracy=(first, *same)))
        rows = min(int(rng.choice([1, 7, 130, 1100])), 250_000 // users)  # for the model's memory
        actions = random_actions(rng, problem, rows)
        gain, task = random_slots(rng, problem, rows, extreme)
        if trial % 3 == 0:  # one slot for all rows
            gain, task = gain[0], task[0]
        found = backends.evaluate(problem, actions, gain, task, backend="cpu")
        want = model.evaluate(problem, actions, gain, task)
        assert_twins(found, want, TWINS)
        assert_same_violations(problem, found, want, task)

        single = Actions(
            actions.channel,
            *(getattr(actions, f).astype(np.float32) for f in ("power", "frequency", "extraction")),
        )
        low = backends.evaluate(problem, single, gain.astype(np.float32), task, backend="cpu")
        assert low.qoe.dtype == np.float32
        # Rounded inputs may leave semantic mode or the grid's ends: the model gets the same ones.
        widened = Actions(
            actions.channel,
            *(getattr(single, f).astype(float) for f in ("power", "frequency", "extraction")),
        )
        near = model.evaluate(problem, widened, gain.astype(np.float32).astype(float), task)
        for name in FIGURES:
            got, expected = getattr(low, name), getattr(near, name)
            scale = 1.0 if name in ("qoe", "accuracy") else 0.0
            error = np.abs(got - expected) / (np.abs(expected) + scale)
            assert error.max() < TWINS_SINGLE * (1 + slope_error(problem, near, name)), name


def slope_error(problem, outcome, name):
    """How much of a figure's relative error the slopes of the QoE pass on."""
    if name != "qoe":
        return 0.0
    system = problem.system
    steepest = (
        system.slope_latency * np.abs(outcome.latency).max(),
        system.slope_energy * np.abs(outcome.energy).max(),
        system.slope_accuracy,
    )
    return float(sum(np.minimum(steepest, 1e3)))


@pytest.mark.parametrize("points", [2, 8, 16, 17, 40])
def test_accuracy_tables_of_any_length(points, instruction_set):
    rng = np.random.default_rng(points)
    problem = random_problem(rng, 3, 3)
    table = AccuracyTable(
        np.sort(rng.uniform(0.2, 1, points)),
        np.sort(rng.uniform(-10, 25, points)),
        np.sort(np.sort(rng.random((points, points)), axis=0), axis=1),
        np.sort(rng.random(points)),
    )
    tasks = replace(problem.tasks, accuracy=(table, *problem.tasks.accuracy[1:]))
    problem = replace(problem, tasks=tasks)
    actions = random_actions(rng, problem, 300)
    gain, task = random_slots(rng, problem, 300, extreme=True)
    found = backends.evaluate(problem, actions, gain, task, backend="cpu")
    assert_twins(found, model.evaluate(problem, actions, gain, task), TWINS)


@pytest.mark.parametrize("step", [1e-9, 1e-310])
@pytest.mark.parametrize("points", [3, 16, 20])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_axes_may_rise_by_less_than_a_precision_tells(dtype, points, step, instruction_set):
    rng = np.random.default_rng(points)
    problem = random_problem(rng, 1, 1)
    axis = np.arange(points, dtype=float)  # dB
    axis[1] = step
    axis[-1] = axis[-2] + max(step, np.spacing(axis[-2]))
    raw = np.linspace(0.2, 0.8, points)
    table = AccuracyTable(np.array([0.5, 1.0]), axis, np.stack([raw, raw]), raw)
    tasks = replace(problem.tasks, accuracy=(table, *problem.tasks.accuracy[1:]))
    problem = replace(problem, tasks=tasks, task=np.zeros(1, np.int64))
    snr_db = np.array([-30, -1, 0.25, 0.5, axis[-2] - 0.25, axis[-1] + 1, 60])
    gain = (10 ** (snr_db / 10)).astype(dtype)[:, None, None]
    one = np.ones((len(snr_db), 1), dtype)
    actions = Actions(np.zeros((len(snr_db), 1), np.int64), one * problem.system.noise, one, one)
    actions = replace(actions, power=actions.power.astype(dtype))
    task = np.zeros((len(snr_db), 1), np.int64)
    found = backends.evaluate(problem, actions, gain, task, backend="cpu")
    want = np.interp(snr_db, axis, raw)  # clamped outside
    assert np.allclose(found.accuracy[:, 0], want, atol=1e-6 if dtype == np.float32 else 1e-9)


def test_results_do_not_depend_on_threads_or_neighbours():
    rng = np.random.default_rng(5)
    problem = random_problem(rng, 3, 3)
    actions = random_actions(rng, problem, 5000)
    gain, task = random_slots(rng, problem, 5000, extreme=False)
    whole = backends.evaluate(problem, actions, gain, task, backend="cpu", threads=1)
    several = backends.evaluate(problem, actions, gain, task, backend="cpu", threads=7)
    few = np.s_[1234:1241]
    alone = backends.evaluate(problem, actions.take(few), gain[few], task[few], backend="cpu")
    for name in (*FIGURES, "violations"):
        assert np.array_equal(getattr(whole, name), getattr(several, name))
        assert np.array_equal(getattr(whole, name)[few], getattr(alone, name))


def test_outcome_is_written_where_asked():
    rng = np.random.default_rng(6)
    problem = random_problem(rng, 2, 2)
    actions = random_actions(rng, problem, 9)
    out = backends.evaluate(problem, actions, backend="cpu")
    for backend in ("numpy", "cpu"):
        for name in FIGURES:
            getattr(out, name)[:] = np.nan
        again = backends.evaluate(problem, actions, out=out, backend=backend)
        assert again is out
        assert np.isfinite(out.qoe).all()


BAD = {
    "channel": lambda a: a.astype(np.int32),
    "power": lambda a: a[:, ::-1],
    "frequency": lambda a: a.astype(np.float32),
    "extraction": lambda a: a[:-1],
}


@pytest.mark.parametrize("name", BAD)
def test_wrong_arrays_are_refused_by_name(name, backend):
    rng = np.random.default_rng(7)
    problem = random_problem(rng, 2, 2)
    actions = random_actions(rng, problem, 4)
    bad = replace(actions, **{name: BAD[name](getattr(actions, name))})
    with pytest.raises(ValueError, match=f"^{name}: a C-ordered .* is expected"):
        backends.evaluate(problem, bad, backend=backend)


def test_numbers_that_lie_across_words_are_refused():
    rng = np.random.default_rng(17)
    problem = random_problem(rng, 2, 2)
    actions = random_actions(rng, problem, 4)
    odd = np.zeros(4 * 2 * 8 + 1, np.uint8)[1:].view(np.float64).reshape(4, 2)
    with pytest.raises(ValueError, match="power: memory aligned for its numbers is expected"):
        backends.evaluate(problem, replace(actions, power=odd), backend="cpu")


def test_indices_out_of_range_are_refused(backend):
    rng = np.random.default_rng(8)
    problem = random_problem(rng, 2, 2)
    actions = random_actions(rng, problem, 4)
    for channel in (2, -5, 2**31 - 1, 2**32, 2**63 - 1, -(2**63)):
        beyond = replace(actions, channel=np.full((4, 2), channel))
        with pytest.raises(ValueError, match="channel: indices from -1 to 1"):
            backends.evaluate(problem, beyond, backend=backend)
    with pytest.raises(ValueError, match="task: indices from 0 to 2"):
        backends.evaluate(problem, actions, problem.gain, np.array([0, 3]), backend=backend)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_lanes_find_indices_out_of_range(dtype, instruction_set):
    # Wherever in a vector, and wherever beyond its lanes' width.
    rng = np.random.default_rng(15)
    problem = random_problem(rng, 2, 2)
    actions = random_actions(rng, problem, 21)
    numbers = (getattr(actions, f).astype(dtype) for f in ("power", "frequency", "extraction"))
    actions = Actions(actions.channel, *numbers)
    gain, task = random_slots(rng, problem, 21, extreme=False)
    gain = gain.astype(dtype)
    backends.evaluate(problem, actions, gain, task, backend="cpu")
    for place in np.ndindex(21, 2):
        wrong = int(rng.choice([2**31 - 1, 2**31, 2**32, 2**32 + 1, 2**62, -(2**32), -(2**63)]))
        channel, kind = actions.channel.copy(), task.copy()
        channel[place] = kind[place] = wrong
        with pytest.raises(ValueError, match="channel: indices from -1 to 1"):
            backends.evaluate(problem, replace(actions, channel=channel), gain, task, backend="cpu")
        with pytest.raises(ValueError, match="task: indices from 0 to 2"):
            backends.evaluate(problem, actions, gain, kind, backend="cpu")


@pytest.mark.parametrize("name", ["power", "frequency", "extraction", "gain"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_no_number_is_refused_by_name(value, name, backend):
    rng = np.random.default_rng(9)
    problem = random_problem(rng, 2, 2)
    actions = random_actions(rng, problem, 4)
    actions.channel[:] = [0, 1]
    actions.extraction[:] = 0.9
    gain = problem.gain.copy()
    spoilt = gain if name == "gain" else getattr(actions, name)
    spoilt[1] = value
    with pytest.raises(ValueError, match=f"^{name}: finite numbers are expected"):
        backends.evaluate(problem, actions, gain, problem.task, backend=backend)


def test_only_what_is_used_is_blamed(backend):
    rng = np.random.default_rng(16)
    problem = random_problem(rng, 2, 3)
    actions = random_actions(rng, problem, 4)
    actions.channel[:] = [-1, 2]
    actions.extraction[:] = 0.9
    actions.power[:, 0] = actions.extraction[:, 0] = np.nan  # local: sends nothing
    gain = problem.gain.copy()
    gain[0], gain[1, :2] = np.inf, np.nan  # sub-channels that nobody has
    backends.evaluate(problem, actions, gain, problem.task, backend=backend)
    actions.extraction[:, 1] = 1.0
    want = backends.evaluate(problem, actions, gain, problem.task, backend=backend)
    actions.frequency[:, 1] = np.nan  # raw: computes nothing
    found = backends.evaluate(problem, actions, gain, problem.task, backend=backend)
    assert np.array_equal(found.qoe, want.qoe)
    gain[1, 2] = -1
    with pytest.raises(ValueError, match=r"^gain: numbers that are not negative are expected"):
        backends.evaluate(problem, actions, gain, problem.task, backend=backend)
    gain[1, 2] = np.nan
    out = backends.evaluate(problem, actions, problem.gain, problem.task, backend=backend)
    written = replace(out, latency=actions.power)
    with pytest.raises(ValueError, match=r"^gain: finite numbers are expected"):
        backends.evaluate(problem, actions, gain, problem.task, out=written, backend=backend)


@pytest.mark.parametrize("extraction", [1.5, np.inf, 0.0, -1.0])
def test_extraction_out_of_range_is_refused_where_a_task_is_offloaded(extraction, backend):
    rng = np.random.default_rng(11)
    problem = random_problem(rng, 2, 2)
    actions = random_actions(rng, problem, 4)
    actions.channel[:] = [0, -1]
    actions.extraction[:] = 0.9
    want = backends.evaluate(problem, actions, backend=backend)
    actions.extraction[:, 1] = extraction  # of a local task, which extracts nothing
    found = backends.evaluate(problem, actions, backend=backend)
    assert np.array_equal(found.qoe, want.qoe)
    actions.extraction[2, 0] = extraction
    with pytest.raises(ValueError, match=r"^extraction: "):
        backends.evaluate(problem, actions, backend=backend)


@pytest.mark.parametrize("payload", [0x7FF8000000000000, 0x7FF80000000007A2, 0xFFFFFFFFFFFFFFFF])
def test_no_bits_of_a_nan_make_a_number(payload, instruction_set):
    rng = np.random.default_rng(12)
    problem = random_problem(rng, 2, 2)
    actions = random_actions(rng, problem, 9)
    actions.frequency.view(np.uint64)[3, 1] = payload
    actions.channel[3] = -1
    with pytest.raises(ValueError, match=r"^frequency: finite numbers"):
        backends.evaluate(problem, actions, backend="cpu")


def test_arrays_of_other_shapes_are_refused_however_many_numbers_they_hold(backend):
    rng = np.random.default_rng(13)
    problem = random_problem(rng, 2, 2)
    actions = random_actions(rng, problem, 6)
    for shape in ((12,), (3, 2, 2)):
        with pytest.raises(ValueError, match=r"^power: "):
            backends.evaluate(
                problem, replace(actions, power=actions.power.reshape(shape)), backend=backend
            )


def test_outcomes_lie_beside_what_is_read_or_in_its_place(instruction_set):
    rng = np.random.default_rng(15)
    problem = random_problem(rng, 3, 2)
    actions = random_actions(rng, problem, 200)
    want = backends.evaluate(problem, actions, backend="cpu")
    memory = np.empty(3 * 200 + 1)
    free = {name: np.empty((200, 3)) for name in FIGURES}
    flags = np.empty((200, 3), np.uint8)

    def write(**into):
        given = replace(actions, **{f: getattr(actions, f).copy() for f in ("power", "frequency")})
        out = {name: getattr(given, array) for name, array in into.items() if array != "memory"}
        if "memory" in into.values():  # the power lies there, a number further on
            given = replace(given, power=memory[1:].reshape(200, 3))
            given.power[:] = actions.power
            out |= {name: memory[:-1].reshape(200, 3) for name in into}
        return backends.evaluate(problem, given, out=Outcome(**free | out, violations=flags))

    found = write(latency="power", qoe="frequency")
    for name in FIGURES:
        assert np.array_equal(getattr(found, name), getattr(want, name))
    with pytest.raises(ValueError, match=r"^energy: memory of its own is expected"):
        write(energy="memory")
    with pytest.raises(ValueError, match=r"^energy: memory of its own is expected"):
        write(latency="power", energy="power")


def test_signals_beyond_all_numbers_have_the_accuracy_of_the_strongest(instruction_set):
    rng = np.random.default_rng(16)
    problem = random_problem(rng, 2, 2)
    actions = random_actions(rng, problem, 20)
    actions.power[:] = 1e300  # times the gain: an SNR of infinity
    gain = np.full((2, 2), 1e300)
    with np.errstate(over="ignore"):
        want = model.evaluate(problem, actions, gain, problem.task)
    found = backends.evaluate(problem, actions, gain, problem.task, backend="cpu")
    assert np.allclose(found.accuracy, want.accuracy, rtol=TWINS)


def test_arrays_that_backends_keep_copies_of_cannot_be_changed():
    problem = random_problem(np.random.default_rng(14), 2, 2)
    table = AccuracyTable.from_arrays([0.3, 1.0], [0.0, 10.0], [[0.7, 0.7], [0.9, 0.9]])
    for array in (table.table, table.raw, problem.tasks.bits, problem.users.power_max):
        with pytest.raises(ValueError, match="read-only"):
            array[:] = 0.1


def test_tensors_are_read_and_written_where_they_lie(backend):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(10)
    problem = random_problem(rng, 2, 2)
    actions = random_actions(rng, problem, 5)
    want = backends.evaluate(problem, actions, backend=backend)
    tensors = Actions(*(torch.from_numpy(getattr(actions, f.name).copy()) for f in fields(actions)))
    found = backends.evaluate(
        problem, tensors, torch.from_numpy(problem.gain), torch.from_numpy(problem.task)
    )
    for name in FIGURES:
        assert isinstance(getattr(found, name), torch.Tensor)
        assert np.allclose(getattr(found, name).numpy(), getattr(want, name), rtol=TWINS)
    with pytest.raises(ValueError, match=r"^power: an array that shows its memory"):
        backends.evaluate(problem, replace(tensors, power=tensors.power.requires_grad_()))


class OnDevice:
    """What looks like an array in a device's memory."""

    @property
    def __cuda_array_interface__(self):
        return {"shape": (4, 2), "typestr": "<f8", "data": (8, False), "version": 3}


@pytest.mark.parametrize("name", ["channel", "power", "extraction"])
def test_arrays_on_a_device_are_refused_by_name(name):
    rng = np.random.default_rng(11)
    problem = random_problem(rng, 2, 2)
    actions = replace(random_actions(rng, problem, 4), **{name: OnDevice()})
    with pytest.raises(ValueError, match=f"^{name}: it lies in a device's memory"):
        backends.evaluate(problem, actions)


@pytest.mark.parametrize(
    "changes",
    [
        # 100 W at so many hertz, the cube of which single precision does not hold.
        {"system": {"server_frequency": 1.9e13, "server_energy_coefficient": 100 / 1.9e13**3}},
        {
            "system": {
                "server_frequency": 8e12,
                "server_flop_per_cycle": 1.0,
                "server_energy_coefficient": 1e-35,
            }
        },
        {
            "users": {
                "frequency_min": 1e13,
                "frequency_max": 1.9e13,
                "reference_frequency": 1.2e13,
                "energy_coefficient": 100 / 1.9e13**3,
            }
        },
        # Products of gain and power, or of power and 1 / noise, that leave it.
        {"system": {"noise": 2e-38}, "gain": 3e-37},
        {"system": {"noise": 1e30}, "gain": 1e31},
        {"system": {"noise": 1e-30}, "gain": 1e-31, "users": {"power_max": 1e9}},
    ],
)
def test_single_precision_holds_what_its_figures_are_made_of(changes, instruction_set):
    rng = np.random.default_rng(3)
    problem = random_problem(rng, 3, 3)
    for owner in ("system", "users"):
        record = getattr(problem, owner)
        wanted = changes.get(owner, {})
        if owner == "users":
            wanted = {name: np.full(3, figure) for name, figure in wanted.items()}
        problem = replace(problem, **{owner: replace(record, **wanted)})
    actions = random_actions(rng, problem, 200)
    gain, task = random_slots(rng, problem, 200, extreme=False)
    gain = gain * changes.get("gain", 1.0)
    single = Actions(
        actions.channel,
        *(getattr(actions, f).astype(np.float32) for f in ("power", "frequency", "extraction")),
    )
    low = backends.evaluate(problem, single, gain.astype(np.float32), task, backend="cpu")
    want = model.evaluate(problem, actions, gain, task)
    for name in ("latency", "energy", "accuracy"):
        got, expected = getattr(low, name), getattr(want, name)
        error = np.abs(got - expected) / (np.abs(expected) + np.abs(expected).mean() * 1e-3)
        assert error.max() < 30 * TWINS_SINGLE, name
    assert np.isfinite(low.qoe).all()


@pytest.mark.parametrize(
    ("owner", "name", "figure"),
    [
        ("system", "noise", 1e-40),
        ("system", "bandwidth", 1e39),
        ("tasks", "bits", 1e40),
        ("users", "flop_per_cycle", 1e-39),
    ],
)
def test_a_figure_beyond_single_precision_is_named(owner, name, figure):
    problem = random_problem(np.random.default_rng(5), 2, 2)
    record = getattr(problem, owner)
    shape = np.shape(getattr(record, name))
    changed = replace(record, **{name: np.full(shape, figure) if shape else figure})
    actions = Actions(np.array([0, 1]), *(np.full(2, x, np.float32) for x in (np.nan, 0.6e9, 0.5)))
    gain = np.ones((2, 2), np.float32)
    with pytest.raises(ValueError, match=r"^power: finite numbers"):
        backends.evaluate(replace(problem, **{owner: changed}), actions, gain, backend="cpu")
    batch = Batch(replace(actions, power=gain[0]), gain, problem.task)
    with pytest.raises(ValueError, match=rf"^{owner}.{name} = .*: beyond single precision"):
        name_fault(replace(problem, **{owner: changed}), batch)
