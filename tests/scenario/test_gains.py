"""The one door of gains: every way in takes the same values and refuses the same ones."""

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from semopt import Problem, Scenario, Solver, solve, solve_batch
from semopt.channel import Channel
from semopt.channel.gains import Gains
from semopt.env.environment import Environment
from semopt.gains import converted, gains
from semopt.model import Actions
from semopt.scenario import ScenarioError
from tolerances import FEW_ROUNDINGS

TINY = Scenario.load("tiny")
TASK = np.array([0, 1])
SOLVER = Solver(TINY)
ENV = Environment(Scenario.load("paper"), 1)
LOCAL = Actions(np.full((1, 2), -1), np.zeros((1, 2)), np.full((1, 2), 1e9), np.ones((1, 2)))
TABLE = TINY.problem().tasks.accuracy[0]
PLAIN = {
    "bits": 2e3,
    "local_flop": 6e6,
    "extract_flop": 1e6,
    "server_flop": 4e6,
    "local_accuracy": 0.8,
    "accuracy": TABLE,
    "latency_max": 8e-3,
    "slope_latency": 1e3,
    "slope_energy": 1.0,
    "slope_accuracy": 1.0,
}


def by_environment(gain):
    seen = np.empty((1, 2, ENV.observation_size), np.float32)
    rows = gain[None] if isinstance(gain, np.ndarray) else gain
    ENV.observe(rows, TASK[None], seen)


def by_evaluation(gain):
    ENV.evaluate(LOCAL, gain[None], TASK[None], ENV.outcome)


DOORS = {
    "from_arrays": lambda gain: Problem.from_arrays(gain=gain, **PLAIN),
    "scenario": lambda gain: TINY.problem(gain, TASK),
    "with_slot": lambda gain: TINY.problem().with_slot(gain, TASK),
    "decide": lambda gain: SOLVER.decide(gain, TASK),
    "batch": lambda gain: solve_batch(
        TINY, gain[None] if isinstance(gain, np.ndarray) else [gain], TASK[None]
    ),
}
ARRAYS_ONLY = {"environment": by_environment, "evaluation": by_evaluation}  # writes into buffers


def file(gain):
    """Give the gains in a scenario file."""
    document = TINY.to_dict()
    document["slot"] = {"tasks": ["text", "image"], "gain": gain}
    return Scenario.from_dict(document)


def mixed(value):
    return [[0.5, value], [0.3, 0.2]]


BAD = {
    "complex": (np.array(mixed(0.1)) * (1 + 1j), "abs(h)**2"),
    "complex without imaginary part": (np.array(mixed(0.1)) + 0j, "abs(h)**2"),
    "complex in a list": (mixed(0.1 + 0.2j), "abs(h)**2"),
    "text": (np.array(mixed("0.1")), "holds text"),
    "text in a list": (mixed("0.1"), "holds text"),
    "bytes": (np.array([[b"1", b"2"], [b"3", b"4"]]), "holds bytes"),
    "booleans": (np.ones((2, 2), bool), "holds booleans"),
    "a boolean in a list": (mixed(True), "holds the boolean True"),
    "a boolean of NumPy": (mixed(np.True_), "holds the boolean True"),
    "rows of booleans": ([np.array([True, False]), [0.1, 0.2]], "holds booleans"),
    "masked": (np.ma.masked_greater(np.array(mixed(0.9)), 0.8), "has 1 masked entries"),
    "a masked constant": (mixed(np.ma.masked), "masked entries"),
    "nothing": (mixed(None), "NoneType objects"),
    "objects": (np.array(mixed("x"), dtype=object), "str objects"),
    "complex objects": (np.array(mixed(1j), dtype=object), "complex objects"),
    "no array": ({"a": 1}, "dict objects"),
    "dates": (np.zeros((2, 2), "M8[s]"), "holds dates"),
    "records": (np.zeros((2, 2), [("a", float)]), "holds records"),
    "NaN": (np.array(mixed(np.nan)), "gain[0][1] = nan: must be a number above 0"),
    "infinity": (np.array(mixed(np.inf)), "gain[0][1] = inf: must be a number above 0"),
    "zero": (np.array(mixed(0.0)), "a link without signal has a small gain, such as 1e-12"),
    "decibels": (np.array(mixed(-90.0)), "decibels become linear power gains by 10**(gain / 10)"),
    "many": (-np.ones((2, 2)), "(and 3 more)"),
    "too small": (np.array(mixed(0.99e-40)), "(1e-40 to 1e40)"),
    "too large": (np.array(mixed(1.01e40)), "(1e-40 to 1e40)"),
    "too large for a double": (mixed(10**400), "must be a rectangular array of numbers"),
    "ragged": ([[0.5], [0.3, 0.2]], "must be a rectangular array of numbers"),
    "flat": (np.ones(4), "shape (4,): must be ("),
    "empty": (np.ones((0, 2)), "has shape"),
}


@pytest.mark.parametrize("kind", BAD)
@pytest.mark.parametrize("door", DOORS)
def test_every_door_refuses_the_same(door, kind):
    gain, words = BAD[kind]
    with pytest.raises(ValueError, match="gain") as refused:
        DOORS[door](gain)
    message = str(refused.value)
    if door == "batch":  # which counts slots too
        message = message.replace("gain[0][0][1]", "gain[0][1]").replace("(1, 4,)", "(4,)")
        words = words.replace("(4,): must", "(1, 4): must")
    assert words in message


FLOATS = [kind for kind in BAD if getattr(BAD[kind][0], "dtype", None) == np.float64]


@pytest.mark.parametrize("kind", [kind for kind in FLOATS if kind not in ("flat", "empty")])
@pytest.mark.parametrize("door", ARRAYS_ONLY)
def test_environments_refuse_the_same(door, kind):
    with pytest.raises(ValueError, match="gain"):
        ARRAYS_ONLY[door](BAD[kind][0])


@pytest.mark.parametrize("value", ["0.1", True, np.nan, np.inf, 0.0, -90.0, 0.99e-40, 1.01e40])
def test_files_refuse_the_same(value):
    with pytest.raises(ScenarioError, match=r"slot\.gain\[0\]\[1\]"):
        file(mixed(value))


@pytest.mark.parametrize("value", [1e-40, 1e40])
def test_every_door_takes_the_ends(value):
    gain = mixed(value)
    for door in DOORS.values():
        door(gain)
    for door in ARRAYS_ONLY.values():
        door(np.array(gain))
    kept = file(gain).problem().to_json()
    assert Scenario.from_dict(kept, folder=None).problem().gain.tolist() == gain


GOOD = np.array([[0.75, 0.5], [0.25, 2.0]])
WRITTEN = {
    "lists": GOOD.tolist(),
    "tuples": tuple(map(tuple, GOOD.tolist())),
    "float32": GOOD.astype(np.float32),
    "float16": GOOD.astype(np.float16),
    "long": GOOD.astype(np.longdouble),
    "columns first": np.asfortranarray(GOOD),
    "every other": np.repeat(GOOD, 2, axis=1)[:, ::2],
    "swapped bytes": GOOD.astype(">f8"),
    "masked nowhere": np.ma.array(GOOD, mask=False),
    "fractions": [[Fraction(x) for x in row] for row in GOOD.tolist()],
    "decimals": [[Decimal(x) for x in row] for row in GOOD.tolist()],
    "objects": GOOD.astype(object),
    "rows": list(GOOD),
}


@pytest.mark.parametrize("way", WRITTEN)
def test_every_door_takes_numbers_however_they_are_written(way):
    gain = WRITTEN[way]
    expected = solve(TINY.problem(GOOD, TASK)).objective
    assert DOORS["decide"](gain).objective == expected
    assert DOORS["batch"](gain).objective.tolist() == [expected]
    for door in ("from_arrays", "scenario", "with_slot"):
        np.testing.assert_array_equal(DOORS[door](gain).gain, GOOD)


def test_two_dimensions_are_told_how_to_be_three():
    with pytest.raises(ValueError, match=r"gain\[None\] is one slot") as refused:
        gains(GOOD, (None, 2, 2))
    assert "gain[:, :, None] one sub-channel" in str(refused.value)
    with pytest.raises(
        ValueError, match=r"must be \(slots, 2, 2\) \(slots, users, sub-channels\)$"
    ):
        gains(np.ones(3), (None, 2, 2))


def test_whole_numbers_are_gains():
    assert gains([[1, 2], [3, 4]], (2, 2)).tolist() == [[1.0, 2.0], [3.0, 4.0]]
    assert gains(np.array([[1, 2]], np.uint8), (1, 2)).dtype == np.float64


def test_a_problem_keeps_gains_and_tasks_of_its_own():
    gain, task = GOOD.copy(), TASK.copy()
    for problem in (
        Problem.from_arrays(
            gain=gain, task=task, names=["a", "b"], **PLAIN | {"accuracy": [TABLE] * 2}
        ),
        TINY.problem(gain, task),
        TINY.problem().with_slot(gain, task),
    ):
        before = problem.gain.copy(), problem.task.copy()
        gain += 1.0  # a caller's array stays writable, and its own
        task[:] = 1 - task
        np.testing.assert_array_equal(problem.gain, before[0])
        np.testing.assert_array_equal(problem.task, before[1])


@given(
    st.lists(
        st.floats(width=64) | st.integers(-(10**45), 10**45) | st.sampled_from([True, "1", None]),
        min_size=4,
        max_size=4,
    )
)
def test_doors_agree_on_any_values(values):
    gain = [values[:2], values[2:]]
    allowed = all(type(x) in (int, float) and 1e-40 <= x <= 1e40 for x in values)
    for door in ("from_arrays", "with_slot", "decide"):
        if allowed:
            DOORS[door](gain)
        else:
            with pytest.raises(ValueError, match=r"^gain"):
                DOORS[door](gain)


# -------------------------------------------------------------------------------------------- units


@pytest.mark.parametrize(
    ("unit", "numbers", "power"),
    [
        ("linear", [1e-9, 0.5], [1e-9, 0.5]),
        ("db", [-90.0, 3.0], [1e-9, 1.9952623149688795]),
        ("amplitude", [3e-5, 2.0], [9e-10, 4.0]),
        ("complex", [3e-5 + 4e-5j, -2j], [2.5e-9, 4.0]),
        ("complex", [-3.0, 2.0], [9.0, 4.0]),  # MATLAB drops imaginary parts that are all 0
    ],
)
def test_units_of_a_trace(tmp_path, unit, numbers, power):
    file = tmp_path / "g.npy"
    np.save(file, np.array(numbers).reshape(2, 1, 1))
    out = np.empty((2, 1, 1))
    Gains(Channel("trace", file=file, unit=unit), 0, 1, 1).slots(out, 0)
    np.testing.assert_allclose(out.ravel(), power, rtol=FEW_ROUNDINGS)


@pytest.mark.parametrize(
    ("unit", "value", "words"),
    [
        ("linear", -90.0, 'which unit = "db" does'),
        ("linear", 1j, 'or say unit = "complex"'),
        ("db", 5000.0, "inf as a linear power gain"),
        ("db", np.nan, "has gain nan"),
        ("amplitude", -1.0, "has an amplitude of -1.0"),
        ("amplitude", 0.0, "(and 1 more are out of range): 0 as a linear power gain"),
        ("complex", 0j, "has gain 0j (and 1 more are out of range): 0 as a linear power gain"),
        ("db", 1j, 'or say unit = "complex"'),
        ("decibel", 1.0, "channel.unit = 'decibel': one of linear, db, amplitude, complex"),
    ],
)
def test_faults_of_units(tmp_path, unit, value, words):
    file = tmp_path / "g.npy"
    np.save(file, np.full((2, 1, 1), value))
    with pytest.raises(ValueError, match=r"channel\.") as refused:
        Gains(Channel("trace", file=file, unit=unit), 0, 1, 1)
    assert words in str(refused.value)


def test_units_convert_in_double_precision():
    single = np.array([3e-25 + 4e-25j], np.complex64)  # whose square is no single
    assert converted(single, "complex") == pytest.approx(2.5e-49, rel=1e-6)


def test_a_problem_without_sub_channels_has_no_gains_to_check():
    alone = TINY.problem().without_channels()
    assert alone.with_slot(np.empty((2, 0)), TASK).gain.shape == (2, 0)
    with pytest.raises(ValueError, match=r"gain has shape \(2, 1\): must be \(2, 0\)"):
        alone.with_slot(np.ones((2, 1)), TASK)
