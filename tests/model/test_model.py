"""Each equation of the model against numbers worked by hand; the working is in the comments."""

from dataclasses import replace
from math import log

import numpy as np
import pytest

from semopt import Actions, _core, backends, model
from semopt.figures import USER_LIMITS
from semopt.problem import AccuracyTable, Problem
from tolerances import ROUNDING

LATENCY, ENERGY, ACCURACY = 1, 2, 4  # bits, as other programs read them in `violations`


def close(value):
    return pytest.approx(value, rel=ROUNDING, abs=0)


# Users: 2 FLOP a cycle, f_ref 1 GHz; weights 0.2, 0.3, 0.5. The slopes make each S(x) of the raw
# task below a plain fraction: S(ln 3) = 3/4, S(-ln 3) = 1/4.
PROBLEM = Problem.from_arrays(
    gain=[[0.06, 0.02], [0.06, 0.02]],
    bits=8000.0,
    local_flop=5e6,
    extract_flop=1e6,
    server_flop=3e6,
    server_raw_flop=6e6,
    local_accuracy=0.6,
    accuracy=AccuracyTable.from_arrays([0.25, 0.9], [0.0, 10.0], [[0.7] * 2] * 2, [0.8] * 2),
    extraction_max=0.9,
    latency_max=3e-3,
    energy_max=0.02,
    accuracy_min=0.75,
    slope_latency=log(3) / 1e-3,
    slope_energy=log(3) / 0.0427,
    slope_accuracy=log(3) / 0.2,
    compress_exponent=0.5,
    extract_exponent=0.5,
    frequency_min=0.5e9,
    frequency_max=1e9,
    weight_latency=0.2,
    weight_energy=0.3,
    weight_accuracy=0.5,
)
SYSTEM = PROBLEM.system


def joint(*rows):
    channel, power, frequency, extraction = zip(*rows, strict=True)
    return Actions(np.array(channel), *map(np.array, (power, frequency, extraction)))


LOCAL = (-1, 0.0, 1e9, 1.0)
SLOW = (-1, 0.0, 0.5e9, 1.0)
RAW = (0, 0.1, 0.5e9, 1.0)
SEMANTIC = (1, 0.3, 0.5e9, 0.25)


def test_equation_2_signal_to_noise_ratio():
    assert model.snr(0.5, 0.1, 2e-3) == close(25.0)  # 0.05 / 0.002


def test_equation_2_rate():
    assert model.rate(2e6, np.array(3.0)) == close(4e6)  # log2(4) = 2
    assert model.rate(2e6, np.array(255.0)) == close(16e6)  # log2(256) = 8
    # ln(1 + x) = x to 1e-12 here: 1e-12 / 0.6931471805599453 = 1.4426950408889634e-12
    assert model.rate(1.0, np.array(1e-12)) == close(1.4426950408882421e-12)


def test_decibel():
    assert model.decibel(np.array(100.0)) == close(20.0)
    assert model.decibel(np.array(1e-3)) == close(-30.0)


def test_equation_3_bits_and_time_on_the_air():
    assert model.sent_bits(8000.0, 0.25, 0.5) == close(4000.0)  # sqrt(1/4) = 1/2
    assert model.sent_bits(8000.0, 0.25, 0.0) == 8000.0
    assert model.transmission_time(4000.0, 4e6) == close(1e-3)


def test_equation_4_extraction_and_execution():
    assert model.extraction_flop(1e6, 0.25, 0.5) == close(2e6)  # 1e6 / (1/2)
    assert model.extraction_flop(1e6, 0.25, 0.0) == 1e6
    assert model.execution_time(5e6, 2.0, 1e9) == close(2.5e-3)  # 5e6 / 2e9


def test_equation_5_server_share():
    # 6e6 FLOP, half of 4 x 3e9 FLOP/s: 6e6 / 6e9
    assert model.server_time(6e6, 2.0, SYSTEM) == close(1e-3)


def test_equation_7_execution_energy():
    assert model.execution_energy(1e-26, 2.5e-3, 1e9) == close(0.025)  # 1e-26 x 1e27 = 10 W


def test_equation_8_transmission_energy():
    assert model.transmission_energy(0.1, 2e-3) == close(2e-4)


def test_equation_9_server_energy():
    # (1.5e9)^3 = 3.375e27; 5e-27 x 3.375e27 = 16.875 W, for 1 ms
    assert model.server_energy(1e-3, 2.0, SYSTEM) == close(0.016875)


TABLE = AccuracyTable(
    np.array([0.2, 0.6, 1.0]),
    np.array([0.0, 10.0]),
    np.array([[0.5, 0.7], [0.6, 0.8], [0.8, 0.9]]),
    np.array([0.55, 0.95]),
)


@pytest.mark.parametrize(
    ("extraction", "snr_db", "want"),
    [
        (0.4, 5.0, 0.65),  # the middle of a cell: (0.5 + 0.7 + 0.6 + 0.8) / 4
        (0.9, 10.0, 0.875),  # 3/4 of the way from 0.8 to 0.9
        (0.6, 2.0, 0.64),  # on a grid line: 0.6 + (0.8 - 0.6) / 5
        (0.1, -20.0, 0.5),  # clamped at both lower ends
        (0.9, 40.0, 0.875),  # clamped above
        (1.0, 2.5, 0.65),  # raw: 0.55 + (0.95 - 0.55) / 4
    ],
)
def test_equation_10_accuracy(extraction, snr_db, want):
    found = model.accuracy(TABLE, np.array(extraction), np.array(snr_db))
    assert found == close(want)


def test_equation_11_sigmoid():
    values = model.sigmoid(np.array([0.0, log(3), -log(3), 1e4, -1e4]))
    assert values == pytest.approx([0.5, 0.75, 0.25, 1.0, 0.0], abs=ROUNDING)


def test_local_task():
    # f_ref: t = 5e6 / 2e9, E = 1e-26 t 1e27; half the speed: 2 t, E / 4.
    outcome = model.evaluate(PROBLEM, joint(LOCAL, SLOW))
    assert outcome.latency == close([2.5e-3, 5e-3])
    assert outcome.energy == close([0.025, 0.00625])
    assert outcome.accuracy.tolist() == [0.6, 0.6]
    assert outcome.qoe[0] == 0.5
    # Limits 3 ms, 20 mJ, 0.75: the first breaks energy, the second latency, both accuracy.
    assert outcome.violations.tolist() == [
        ENERGY + ACCURACY,
        LATENCY + ACCURACY,
    ]


def test_raw_task_alone():
    # snr = 0.06 x 0.1 / 0.002 = 3, R = 4e6: t_tx = 8000 / 4e6 = 2 ms; t_es = 6e6 / 12e9 = 0.5 ms.
    # E = 0.1 x 2 ms + 5e-27 x 0.5 ms x 2.7e28 = 0.0002 + 0.0675.
    # S: t0 - t = 0 -> 1/2; E0 - E = 0.025 - 0.0677 = -0.0427 -> 1/4; a - a0 = 0.8 - 0.6 -> 3/4.
    # QoE = 0.2 / 2 + 0.3 / 4 + 0.5 x 3 / 4 = 0.55
    outcome = model.evaluate(PROBLEM, joint(RAW, LOCAL))
    assert outcome.latency[0] == close(2.5e-3)
    assert outcome.energy[0] == close(0.0677)
    assert outcome.accuracy[0] == close(0.8)
    assert outcome.qoe[0] == close(0.55)
    assert outcome.violations[0] == ENERGY


def test_semantic_task_beside_another():
    # User 1 on channel 1: snr = 0.02 x 0.3 / 0.002 = 3, R = 4e6; 8000 sqrt(1/4) = 4000 bit: 1 ms.
    # Extraction 1e6 / sqrt(1/4) = 2e6 FLOP at 1e9 FLOP/s: 2 ms. Server 3e6 x 2 / 12e9 = 0.5 ms.
    # E = 1e-26 x 2 ms x 1.25e26 + 0.3 x 1 ms + 5e-27 x 0.5 ms x 3.375e27
    #   = 0.0025 + 0.0003 + 0.0084375
    outcome = model.evaluate(PROBLEM, joint(RAW, SEMANTIC))
    assert outcome.latency[1] == close(3.5e-3)
    assert outcome.energy[1] == close(0.0112375)
    assert outcome.accuracy[1] == close(0.7)
    assert outcome.violations[1] == LATENCY + ACCURACY
    # The other, raw beside it: the server takes twice as long, 1 ms, at an eighth of the power.
    assert outcome.latency[0] == close(3e-3)
    assert outcome.energy[0] == close(2e-4 + 1e-3 * 135.0 / 8)


def test_costs_are_the_terms_of_time_and_energy():
    # The numbers above, term by term: on the user's GPU, on the air, on the server.
    costs, snr = model.costs(PROBLEM, joint(RAW, SEMANTIC))
    assert snr == close([3.0, 3.0])
    assert costs.device_time == close([0.0, 2e-3])
    assert costs.air_time == close([2e-3, 1e-3])
    assert costs.server_time == close([1e-3, 0.5e-3])
    assert costs.device_energy == close([0.0, 2.5e-3])
    assert costs.air_energy == close([2e-4, 3e-4])
    assert costs.user_energy == close([2e-4, 2.8e-3])
    assert costs.server_energy == close([1e-3 * 135.0 / 8, 8.4375e-3])
    costs, _ = model.costs(PROBLEM, joint(LOCAL, LOCAL))
    assert costs.device_time == close([2.5e-3, 2.5e-3])  # 5e6 FLOP at 2e9 a second
    assert not np.any([costs.air_time, costs.server_time, costs.air_energy, costs.server_energy])


def test_semantic_task_with_figures_of_its_own():
    # semantic_bits 2000 in place of 8000: a quarter of the 1 ms above; raw keeps its 8000 bit.
    tasks = replace(PROBLEM.tasks, semantic_bits=np.array([2000.0]))
    outcome = model.evaluate(replace(PROBLEM, tasks=tasks), joint(RAW, SEMANTIC))
    assert outcome.latency == close([3e-3, 3.5e-3 - 0.75e-3])


def test_limits_hold_exactly():
    # t = 2.5 ms exactly at the limit is feasible, one step of a double below it is not.
    for limit, want in ((2.5e-3, 0), (np.nextafter(2.5e-3, 0), LATENCY)):
        system = replace(SYSTEM, latency_max=limit)
        outcome = model.evaluate(replace(PROBLEM, system=system), joint(LOCAL, LOCAL))
        assert outcome.violations[0] & LATENCY == want


def test_each_limit_holds_exactly():
    # 20 mJ and 0.75: of figures that are the limit to the last digit none is broken, an ulp beyond
    # all are; who judges allows a billionth.
    limits = PROBLEM.system.latency_max, PROBLEM.users.energy_max[0], PROBLEM.tasks.accuracy_min[0]

    def flags(factor, slack):
        late, wasted = (np.full(2, limit * factor) for limit in limits[:2])
        right = np.full(2, limits[2] / factor)
        return model.violations(
            PROBLEM, model.Outcome(late, wasted, right, right, None), slack=slack
        ).tolist()

    every = [LATENCY + ENERGY + ACCURACY] * 2
    assert flags(1.0, 1.0) == [0, 0]
    assert flags(1 + 2.0**-51, 1.0) == every
    assert flags(1 + 0.9e-9, model.SLACK) == [0, 0]
    assert flags(1 + 1.1e-9, model.SLACK) == every
    assert flags(np.nan, model.SLACK) == [sum(limit.bit for limit in USER_LIMITS)] * 2


def test_evaluate_keeps_limits_to_the_last_digit():
    # The energy and accuracy of the raw task above, as its own limits.
    outcome = model.evaluate(PROBLEM, joint(RAW, LOCAL))
    energy, accuracy = outcome.energy[0], outcome.accuracy[0]
    for side, want in ((0.0, 0), (-np.inf, ENERGY | ACCURACY)):
        away = -side if side else accuracy
        problem = replace(
            PROBLEM,
            users=replace(
                PROBLEM.users, energy_max=np.full(2, np.nextafter(energy, side or energy))
            ),
            tasks=replace(PROBLEM.tasks, accuracy_min=np.array([np.nextafter(accuracy, away)])),
        )
        assert model.evaluate(problem, joint(RAW, LOCAL)).violations[0] == want


def hard_table(rng):
    """Return a table that interpolation by rounded numbers gets wrong if it can."""
    rows, columns = (int(n) for n in rng.integers(2, 6, 2))
    low = rng.uniform(0, 0.9)
    ulps = np.sort(np.sort(rng.integers(0, 4, (rows, columns)), 0), 1)
    wide = np.sort(np.sort(rng.uniform(0, 1, (rows, columns)), 0), 1)
    table = [np.full((rows, columns), low), low + ulps * np.spacing(low), wide][rng.integers(3)]
    return AccuracyTable(
        np.r_[np.sort(rng.uniform(0.1, 0.9, rows - 1)), rng.choice([0.95, 1.0])],
        np.sort(rng.uniform(-20, 30, columns)),
        table,
        table[-1],
    )


def signals(rng, axis, dtype):
    """Return rising SNRs: neighbours of every knot and of some places, and all over."""
    places = np.r_[axis, rng.uniform(axis[0], axis[-1], 20)].astype(dtype)
    word = np.int64 if dtype == np.float64 else np.int32
    near = (places.view(word)[:, None] + np.arange(-6, 7, dtype=word)).view(dtype).ravel()
    return np.sort(np.r_[near, rng.uniform(axis[0] - 5, axis[-1] + 5, 200).astype(dtype)])


def test_accuracy_never_leaves_its_corners_and_never_falls_with_the_signal():
    for seed in range(60):
        rng = np.random.default_rng(seed)
        table = hard_table(rng)
        snr_db = signals(rng, table.snr_db, np.float64)
        knots = np.r_[table.extraction, 1.0, rng.uniform(0.05, 1, 10)]
        for extraction in knots:
            found = model.accuracy(table, np.full(len(snr_db), extraction), snr_db)
            assert (np.diff(found) >= 0).all()
            row = table.raw if extraction == 1 else table.table
            assert row.min() <= found.min()
            assert found.max() <= row.max()
        # On the knots it is the table, and at the top its last value, to the last digit.
        for i, mu in enumerate(table.extraction):
            at = model.accuracy(table, np.full(len(table.snr_db), mu), table.snr_db)
            assert at.tolist() == (table.raw if mu == 1 else table.table[i]).tolist()


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_compiled_accuracy_has_the_same_manners(instruction_set, dtype):
    before = _core.instruction_set()
    _core.use_instruction_set(instruction_set)
    try:
        for seed in range(12):
            rng = np.random.default_rng(seed)
            table = hard_table(rng)
            if seed % 3 == 0:  # longer than what registers hold
                axis = np.sort(rng.uniform(-20, 30, 20))
                row = np.sort(rng.uniform(0.2, 0.3, 20))
                table = AccuracyTable(np.array([0.3, 1.0]), axis, np.stack([row, row]), row)
            tasks = replace(
                PROBLEM.tasks,
                accuracy=(table,),
                extraction_max=np.ones(1),
                accuracy_min=np.zeros(1),
            )
            problem = replace(PROBLEM.only(0), tasks=tasks)
            gain = signals(rng, 10 ** (table.snr_db / 10), dtype)
            gain = np.unique(np.maximum(gain, dtype(1e-6)))
            one = np.ones((len(gain), 1), dtype)
            for mu in (0.3, table.extraction[0], 0.77, 1.0):
                power = one * dtype(problem.system.noise)
                action = Actions(np.zeros((len(gain), 1), np.int64), power, one * dtype(6e8), one)
                action = replace(action, extraction=one * dtype(mu))
                task = np.zeros((len(gain), 1), np.int64)
                found = backends.evaluate(
                    problem, action, gain[:, None, None], task, backend="cpu"
                ).accuracy[:, 0]
                assert (np.diff(found) >= 0).all()
                row = table.raw if dtype(mu) == 1 else table.table
                assert dtype(row.min()) <= found.min()
                assert found.max() <= dtype(row.max())
    finally:
        _core.use_instruction_set(before)
