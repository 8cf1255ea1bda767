"""Scenario files: what they mean in SI units, and how their faults are named."""

import copy
import json
import pickle
import re
import subprocess
import sys
from dataclasses import fields
from math import inf, nan
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from semopt import allowed
from semopt.channel.keys import KEYS, keys
from semopt.channel.laws import LAWS, Channel
from semopt.model import Actions, accuracy, evaluate
from semopt.problem import AccuracyTable, Grid, Problem
from semopt.scenario import PRESETS, Scenario, ScenarioError, presets
from semopt.scenario.surface import read_table
from tolerances import ROUNDING

BENCH = Path(__file__).parents[2] / "bench"
ABSENT = object()


def tiny(changes=None):
    """Return the document of preset tiny with values put at dotted paths."""
    document = Scenario.load("tiny").to_dict()
    document.pop("assumed")
    for path, value in (changes or {}).items():
        *tables, key = (int(p) if p.isdigit() else p for p in path.split("."))
        table = document
        for name in tables:
            table = table[name] if isinstance(table, list) else table.setdefault(name, {})
        if value is ABSENT:
            del table[key]
        else:
            table[key] = value
    return document


def faults(changes, folder="."):
    """Return path -> words of every fault of preset tiny after changes."""
    with pytest.raises(ScenarioError) as caught:
        Scenario.from_dict(tiny(changes), folder)
    return dict(caught.value.faults)


# ------------------------------------------------------------------------------------------ meaning


def test_paper_is_table_2_in_si_units():
    problem = Scenario.load("paper").problem()
    system, users = problem.system, problem.users
    assert_allclose([system.bandwidth, system.noise, system.server_frequency], [2e6, 2e-3, 3e9])
    assert (system.server_flop_per_cycle, system.server_energy_coefficient) == (4, 5e-27)
    assert system.latency_max == 5e-3
    assert_allclose(users.frequency_min, 0.55e9)
    assert_allclose(users.frequency_max, 1.0e9)
    assert users.power_min.tolist() == [0.01, 0.01]
    assert users.power_max.tolist() == [0.1, 0.1]
    assert users.extraction_min.tolist() == [0.3, 0.3]
    assert users.flop_per_cycle.tolist() == [2, 2]
    assert_allclose(users.weight_energy, 1 / 3, rtol=ROUNDING)
    assert problem.tasks.names == ("text", "image", "vqa")
    assert (users.energy_max == inf).all()
    assert (problem.tasks.accuracy_min == 0).all()
    assert (Scenario.load("paper").channel.model, Scenario.load("paper").users) == ("rayleigh", 2)


def test_slopes_loads_and_limits_change_units():
    changes = {
        "qoe.slope_latency_per_ms": 2.0,
        "qoe.slope_energy_per_mj": 3.0,
        "user.energy_max_mj": 40.0,
        "system.server_energy_max_mj": 7.0,
        "tasks.text.semantic_kbit": 1.5,
        "tasks.text.server_raw_mflop": 5.0,
        "tasks.text.extraction_max": 0.75,
    }
    problem = Scenario.from_dict(tiny(changes)).problem()
    assert (problem.system.slope_latency, problem.system.slope_energy) == (2000, 3000)
    assert (problem.users.energy_max[0], problem.system.server_energy_max) == (0.04, 0.007)
    assert problem.tasks.semantic_bits.tolist() == [1500, 12000]
    assert problem.tasks.bits.tolist() == [2000, 12000]
    assert problem.tasks.server_raw_flop.tolist() == [5e6, 8e6]
    assert problem.tasks.extraction_max.tolist() == [0.75, 1]


def test_tiny_is_what_pencil_and_paper_give():
    # Text raw on sub-channel 1: SNR 1, 1 Mbit/s, 2 ms; server 4 MFLOP at 4 GFLOP/s (shared), 1 ms
    # at 1 W; image at mu = 0.5 on sub-channel 0: SNR 7, 3 Mbit/s, 6 kbit in 2 ms; 2 MFLOP at
    # 2 GFLOP/s and 10 W, 1 ms; server 2 ms at 1 W. Sending costs 10 mW.
    problem = Scenario.load("tiny").problem()
    actions = Actions(
        channel=np.array([1, 0]),
        power=np.array([0.01, 0.01]),
        frequency=np.array([0.5e9, 1e9]),
        extraction=np.array([1.0, 0.5]),
    )
    outcome = evaluate(problem, actions)
    assert_allclose(outcome.latency, [3e-3, 5e-3], rtol=ROUNDING)
    assert_allclose(outcome.energy, [1.02e-3, 12.02e-3], rtol=ROUNDING)
    assert_allclose(outcome.accuracy, [0.9, 0.8], rtol=ROUNDING)
    # Local at 1 GHz: 3 ms, 30 mJ; 6 ms, 60 mJ. Scores S(0), S(2.898), S(1); S(1), S(4.798), S(2).
    assert_allclose(outcome.qoe, [0.6697015, 0.8336839], atol=1e-7)


@pytest.mark.parametrize(
    ("changes", "count"),
    [
        # Each user has 2 local actions; on a sub-channel 1 raw and 2 semantic. (2 + 3x)^2.
        ({}, 4 + 12 * 2 + 9 * 2),
        ({"user.extraction": [1.0, 1.0]}, 4 + 4 * 2 + 1 * 2),
        ({"grid.extraction": 1}, 4 + 4 * 2 + 1 * 2),
        ({"user.frequency_ghz": [0.7, 0.7]}, 1 + 4 * 2 + 4 * 2),
        ({"grid.power": 3}, 4 + 12 * 2 + 9 * 2),  # equal ends of the power range
        ({"grid.power": 3, "user.power_mw": [1.0, 3.0]}, 4 + 36 * 2 + 81 * 2),
        ({"tasks.image.extraction_max": 0.45}, 4 + (2 * 3 + 2 * 1) * 2 + 3 * 2),
        # One user; more sub-channels than users; more users than sub-channels.
        ({"system.users": 1, "slot": {"tasks": ["text"], "gain": [[0.3, 0.1]]}}, 2 + 3 * 2),
        ({"system.channels": 3, "slot.gain": [[0.3] * 3] * 2}, 4 + 12 * 3 + 9 * 6),
        ({"system.channels": 1, "slot.gain": [[0.3], [0.7]]}, 4 + 12),
    ],
)
def test_joint_actions_worked_by_hand(changes, count):
    assert Scenario.from_dict(tiny(changes)).problem().joint_actions() == count


def test_users_override_devices_and_weights():
    own = {
        "power_mw": [1.0, 5.0],
        "energy_max_mj": 9.0,
        "weight_latency": 0.2,
        "weight_accuracy": 0.55,
    }
    users = Scenario.from_dict(tiny({"users": [{}, own]})).problem().users
    assert users.power_min.tolist() == [0.01, 0.001]
    assert users.power_max.tolist() == [0.01, 0.005]
    assert users.energy_max.tolist() == [inf, 0.009]
    assert_allclose(users.weight_latency, [0.5, 0.2])
    assert_allclose(users.weight_energy, [0.25, 0.25])
    assert_allclose(users.weight_accuracy, [0.25, 0.55])


def test_weights_within_the_tolerance_are_normalised():
    weights = {
        "qoe.weight_latency": 0.333,
        "qoe.weight_energy": 0.333,
        "qoe.weight_accuracy": 0.333,
    }
    users = Scenario.from_dict(tiny(weights)).problem().users
    assert_allclose(users.weight_latency, 1 / 3, rtol=ROUNDING)


def test_shares_default_to_equal():
    assert Scenario.load("tiny").shares().tolist() == [0.5, 0.5]
    given = tiny({"tasks.text.share": 0.9, "tasks.image.share": 0.1})
    assert_allclose(Scenario.from_dict(given).shares(), [0.9, 0.1])


def test_another_slot_of_the_same_scenario():
    problem = Scenario.load("tiny").problem([[1, 2], [3, 4]], ["image", "text"])
    assert problem.gain.tolist() == [[1, 2], [3, 4]]
    assert problem.task.tolist() == [1, 0]
    assert "slot" not in problem.origin
    with pytest.raises(ValueError, match=r"gain has shape \(1, 2\): must be \(2, 2\)"):
        Scenario.load("tiny").problem([[1, 2]])
    with pytest.raises(ValueError, match=r"task\[1\] = 'audio': must be one of text, image"):
        Scenario.load("tiny").problem(tasks=["text", "audio"])
    with pytest.raises(ValueError, match=r"pins no \[slot\]"):
        Scenario.from_dict(tiny({"slot": ABSENT})).problem()


@pytest.mark.parametrize("name", presets())
def test_presets_round_trip_and_draw(name):
    scenario = Scenario.load(name)
    again = Scenario.parse(scenario.to_toml("head", optional=True))
    assert again.to_dict() == scenario.to_dict()
    assert scenario.name == name
    assert len(presets()[name]) > 10
    assert scenario.template().joint_actions() > 1
    assert scenario.assumed
    gain, task = scenario.draw(2, seed=0)
    assert gain.shape == (2, scenario.users, scenario.channels)
    assert task.shape == (2, scenario.users)


def test_shipped_files_are_what_the_script_writes(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCH))
    import presets as script

    written = script.files()
    measured = {path.stem for path in PRESETS.glob("*.json")}  # these have a record beside them
    assert {path.stem for path in written} == set(presets()) - measured
    for path, text in written.items():
        assert (PRESETS / path.name).read_text() == text, f"{path.name}: run bench/presets.py"


def test_tables_of_paper_follow_the_fitted_formula(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCH))
    import presets as script

    tasks = Scenario.load("paper").problem().tasks
    mu, snr = np.linspace(0.3, 1, 71), np.geomspace(0.5, 50, 71)
    exponent, noise, scale = (
        script.value(f"accuracy.{part}") for part in ("exponent", "noise", "scale")
    )
    for name, table in zip(tasks.names, tasks.accuracy, strict=True):
        top, drop = (script.value(f"tasks.{name}.accuracy.{part}") for part in ("top", "drop"))
        compressed = ((1.0 - mu[:, None]) / 0.7) ** exponent
        formula = top - drop * compressed - noise * np.exp(-snr / scale)
        found = accuracy(table, *np.meshgrid(mu, 10 * np.log10(snr), indexing="ij"))
        assert_allclose(found[:-1], formula[:-1], atol=2.5e-3)


def test_assumed_may_be_written_as_nested_tables():
    nested = tiny({"assumed": {"qoe": {"slope_accuracy": "a guess"}, "slot": "an example"}})
    expected = {"qoe.slope_accuracy": "a guess", "slot": "an example"}
    assert Scenario.from_dict(nested).assumed == expected


# ------------------------------------------------------------------------------------------- faults

FAULTS = [
    # wrong types, never coerced
    ({"system.noise_mw": "2"}, "system.noise_mw", '= "2": must be a number above 0'),
    ({"system.noise_mw": True}, "system.noise_mw", "= true: must be a number above 0"),
    ({"system.noise_mw": [1.0]}, "system.noise_mw", "= [1.0]: must be a number"),
    ({"grid.power": 2.0}, "grid.power", "= 2.0: must be a whole number from 1 to 4096"),
    ({"grid.power": True}, "grid.power", "= true: must be a whole number"),
    ({"system": 3}, "system", "= 3: must be a table"),
    ({"users": {"power_mw": [1, 2]}}, "users", "must be an array of tables, [[users]]"),
    ({"user.power_mw": 3.0}, "user.power_mw", "= 3.0: must be an array"),
    ({"name": 3}, "name", "= 3: must be a text in quotes"),
    ({"slot.tasks": ["text", 1]}, "slot.tasks[1]", "= 1: must be a text"),
    # numbers out of range
    ({"system.noise_mw": nan}, "system.noise_mw", "= nan: must be a number above 0"),
    ({"system.noise_mw": inf}, "system.noise_mw", "= inf: must be a number above 0"),
    ({"system.noise_mw": 0.0}, "system.noise_mw", "= 0.0: must be a number above 0"),
    ({"system.noise_mw": 10**400}, "system.noise_mw", "must be a number above 0"),
    ({"qoe.slope_accuracy": -1}, "qoe.slope_accuracy", "= -1: must be a number of at least 0"),
    (
        {"system.compress_exponent": 21},
        "system.compress_exponent",
        "= 21: must be a number from 0 to",
    ),
    ({"tasks.text.local_accuracy": 56.0}, "tasks.text.local_accuracy", "a number from 0 to 1"),
    ({"user.extraction": [0.0, 1.0]}, "user.extraction[0]", "= 0.0: must be a number above 0"),
    ({"user.extraction": [0.5, 1.5]}, "user.extraction[1]", "= 1.5: must be a number above 0"),
    ({"user.extraction": [0.5, 0.9]}, "user.extraction", "the upper end is always 1"),
    (
        {"user.power_mw": [5.0, 1.0]},
        "user.power_mw",
        "= [5.0, 1.0]: must be [low, high] with low <=",
    ),
    ({"user.power_mw": [5.0]}, "user.power_mw", "= [5.0]: must be [low, high]"),
    ({"user.power_mw": [-10.0, 1.0]}, "user.power_mw[0]", "= -10.0: must be a number above 0"),
    ({"grid.extraction": 4097}, "grid.extraction", "= 4097: must be a whole number from 1 to 4096"),
    ({"qoe.objective": "max"}, "qoe.objective", "= \"max\": must be 'sum' or 'min'"),
    # keys
    ({"system.nose_mw": 1.0}, "system.nose_mw", "is an unknown key: did you mean noise_mw?"),
    ({"qoe.latency_max_ms": 1.0}, "qoe.latency_max_ms", "it belongs in [system]"),
    ({"grid.xyz": 1}, "grid.xyz", "allowed here are power, frequency, extraction"),
    ({"solt": {}}, "solt", "did you mean slot?"),
    ({"users": [{"power": [1, 2]}, {}]}, "users[0].power", "did you mean power_mw?"),
    ({"qoe.slope_energy": 1.0}, "qoe.slope_energy", "did you mean slope_energy_per_mj?"),
    ({"system.bandwidth_khz": 1.0}, "system.bandwidth_khz", "did you mean bandwidth_mhz?"),
    ({"grid.noise": 1.0}, "grid.noise", "noise_mw belongs in [system]"),
    ({"user.data_kbit": 1.0}, "user.data_kbit", "it belongs in [tasks.NAME]"),
    ({"tasks.text.table": []}, "tasks.text.table", "it belongs in [tasks.NAME.accuracy]"),
    ({"slot.gain": [[0, 0.5], [1, 1]]}, "slot.gain[0][0]", "has a small gain, such as 1e-12"),
    ({"slot.gain": [[-1, 0.5], [1, 1]]}, "slot.gain[0][0]", "a number above 0 (1e-40 to 1e40)"),
    ({"tasks.text.data_kb": 1}, "tasks.text.data_kb", "did you mean data_kbit?"),
    ({"tasks.text.accuracy.tabel": []}, "tasks.text.accuracy.tabel", "did you mean table?"),
    ({"users": [{"powr_mw": 1}, {}]}, "users[0].powr_mw", "did you mean power_mw?"),
    ({"overrides": []}, "overrides", "is an unknown key"),
    (
        {"system.noise_mw": ABSENT},
        "system.noise_mw",
        "is missing (noise power of a sub-channel, mW)",
    ),
    ({"grid": ABSENT}, "grid", "table is missing"),
    ({"tasks": {}}, "tasks", "must have a length of at least 1"),
    ({"tasks.text.accuracy": ABSENT}, "tasks.text.accuracy", "table is missing"),
    # across keys
    (
        {"qoe.weight_latency": 0.6},
        "qoe.weight_latency + weight_energy + weight_accuracy",
        "= 0.6 + 0.25 + 0.25 = 1.1: must be 1 (within 0.001)",
    ),
    (
        {"users": [{}, {"weight_energy": 0.5}]},
        "users[1].weight_latency + weight_energy + weight_accuracy",
        "= 0.5 + 0.5 + 0.25 = 1.25: must be 1",
    ),
    ({"users": [{}]}, "users", "has length 1: must have 2, an entry for each user"),
    ({"system.users": 3}, "slot.tasks", "has length 2: must have 3, an entry for each user"),
    ({"slot.tasks": ["text", "imago"]}, "slot.tasks[1]", "did you mean image?"),
    ({"slot.gain.1": [0.3]}, "slot.gain[1]", "= [0.3] has length 1: must have 2, a gain"),
    ({"slot.gain.1": []}, "slot.gain[1]", "has length 0: must have 2"),
    ({"system.channels": ABSENT, "slot.gain": [[0.3, 0.1], []]}, "slot.gain[1]", "must have 2, a"),
    ({"slot.gain.1.0": 0.0}, "slot.gain[1][0]", "= 0.0: must be a number above 0"),
    ({"slot": ABSENT, "channel": ABSENT}, "slot", "give a [slot] of pinned gains, a [channel]"),
    (
        {"slot": ABSENT, "system.users": ABSENT},
        "system.users",
        "without a [slot] nothing else says",
    ),
    ({"tasks.text.share": 0.5}, "tasks.image.share", "give every task a share, or none"),
    (
        {"tasks.text.share": 0.5, "tasks.image.share": 0.6},
        "tasks.*.share",
        "= 0.5 + 0.6 = 1.1: must be 1",
    ),
    (
        {"tasks.text.semantic_kbit": 1.0},
        "tasks.text.extraction_max",
        "below 1 beside semantic_kbit",
    ),
    (
        {"tasks.text.accuracy.raw": [0.9, 0.9], "tasks.text.extraction_max": 1.0},
        "tasks.text.extraction_max",
        "= 1.0: must be below 1 beside accuracy.raw",
    ),
    ({"assumed": {"qoe.slope_acuracy": "?"}}, "assumed", "did you mean qoe.slope_accuracy?"),
    # accuracy tables
    (
        {"tasks.text.accuracy.extraction": [0.5, 0.5]},
        "tasks.text.accuracy.extraction[1]",
        "= 0.5: must be above the value before it, 0.5",
    ),
    (
        {"tasks.text.accuracy.snr_db": [10, 0]},
        "tasks.text.accuracy.snr_db[1]",
        "must be above the value before it",
    ),
    ({"tasks.text.accuracy.snr_db": [1]}, "tasks.text.accuracy.snr_db", "a length of at least 2"),
    (
        {"tasks.text.accuracy.table.0": [0.7, 0.6]},
        "tasks.text.accuracy.table[0][1]",
        "= 0.6: must be at least table[0][0] = 0.7, accuracy may not fall as SNR rises",
    ),
    (
        {"tasks.text.accuracy.table.1": [0.9, 0.6]},
        "tasks.text.accuracy.table[1][1]",
        "accuracy may not fall as",
    ),
    (
        {"tasks.text.accuracy.table": [[0.7, 0.7]]},
        "tasks.text.accuracy.table",
        "has length 1: must have 2, a row for each extraction",
    ),
    (
        {"tasks.text.accuracy.table.0": [0.7]},
        "tasks.text.accuracy.table[0]",
        "has length 1: must have 2, a value for each snr_db",
    ),
    (
        {"tasks.text.accuracy.raw": [0.9, 0.8], "tasks.text.extraction_max": 0.9},
        "tasks.text.accuracy.raw[1]",
        "= 0.8: must be at least raw[0] = 0.9",
    ),
    (
        {"tasks.text.accuracy.raw": [0.9], "tasks.text.extraction_max": 0.9},
        "tasks.text.accuracy.raw",
        "has length 1: must have 2",
    ),
    ({"tasks.text.accuracy.table.0.0": 70}, "tasks.text.accuracy.table[0][0]", "from 0 to 1"),
    # channels
    ({"channel": {"model": "raleigh"}}, "channel.model", "did you mean 'rayleigh'?"),
    ({"channel": {}}, "channel.model", "is missing (the channel model)"),
    ({"channel": {"model": "uniform"}}, "channel.gain_range", "is missing: uniform needs it"),
    (
        {"channel": {"model": "rayleigh"}},
        "channel.mean_gain",
        "or distance_m and path_loss_exponent",
    ),
    (
        {"channel": {"model": "rayleigh", "distance_m": 3.0}},
        "channel.path_loss_exponent",
        "is missing: rayleigh needs it",
    ),
    (
        {"channel": {"model": "rayleigh", "mean_gain": 0.5, "doppler_hz": 1.0}},
        "channel.doppler_hz",
        "is not used by rayleigh, which has a mean",
    ),
    (
        {
            "channel": {
                "model": "jakes",
                "mean_gain": 1,
                "slot_ms": 1,
                "doppler_hz": 1,
                "gain_range": [1, 2],
            }
        },
        "channel.gain_range",
        "must be left out: a range would break the law of jakes in time",
    ),
    ({"channel.gain_range": [0.7, 0.1]}, "channel.gain_range", "[low, high] with low <= high"),
    (
        {"channel": {"model": "rayleigh", "mean_gain": [1, 2, 3]}},
        "channel.mean_gain",
        "= [1, 2, 3]: must be one number, or one for each of the 2 users",
    ),
    (
        {"channel": {"model": "rayleigh", "mean_gain": 0}},
        "channel.mean_gain",
        "= 0: must be a number above",
    ),
    ({"channel": {"model": "trace", "file": "no.csv"}}, "channel.file", "there is no such file"),
]


@pytest.mark.parametrize(("changes", "path", "words"), FAULTS)
def test_fault_is_named(changes, path, words):
    found = faults(changes)
    key = path if path in found else next((key for key in found if key.startswith(path)), path)
    assert words in found.get(key, str(found))


MOBILITY = {"model": "mobility", "path_loss_exponent": 2, "slot_ms": 1}


@pytest.mark.parametrize(
    ("changes", "path", "words"),
    [
        (
            {"distance_m": 1.0, "speed_mps": [1, 100], "slot_ms": 1e5},
            "channel.speed_mps, slot_ms and distance_m",
            "users pass 1.1e+04 waypoints in a slot, at most 10 are expected",
        ),
        (
            {"distance_m": [5, 2], "speed_mps": 1},
            "channel.distance_m",
            "[low, high] with low <= high",
        ),
        ({"distance_m": 5, "speed_mps": [1, 2, 3]}, "channel.speed_mps", "[low, high]"),
        ({"distance_m": 5, "speed_mps": [0, 3]}, "channel.speed_mps", "must start above 0"),
    ],
)
def test_fault_of_mobility_is_named(changes, path, words):
    assert words in faults({"channel": {**MOBILITY, **changes}})[path]


def test_slot_without_sub_channels_is_refused():
    found = faults({"system.channels": ABSENT, "slot.gain": [[], []]})
    assert (
        found["slot.gain[1]"]
        == "= [] has length 0: must have at least 1, a gain for each sub-channel"
    )


def test_one_mistake_is_one_fault():
    both = [{"system.users": 3}]  # contradicts the slot's tasks and its gains
    for changes, _, _ in FAULTS:
        assert len(faults(changes)) == (2 if changes in both else 1), changes


def test_every_fault_of_a_file_is_reported_at_once():
    found = faults(
        {
            "system.bandwidth_mhz": 0.0,
            "system.nose_mw": 1.0,
            "system.noise_mw": ABSENT,
            "qoe.weight_latency": 0.6,
            "user.power_mw": [3.0, 1.0],
            "users": [{}, {"weight_energy": -1.0}],
            "tasks.text.accuracy.table.0": [0.7, 0.6],
            "tasks.image.local_mflop": "8",
            "tasks.image.accuracy.snr_db": [5.0, 1.0],
            "grid.power": 0,
            "slot.tasks": ["text", "audio"],
            "slot.gain.0": [0.5],
            "channel": {"model": "uniform", "mean_gain": 1.0},
        }
    )
    assert list(found) == [
        "system.nose_mw",
        "system.bandwidth_mhz",
        "qoe.weight_latency + weight_energy + weight_accuracy",
        "user.power_mw",
        "users[1].weight_energy",
        "tasks.image.local_mflop",
        "tasks.text.accuracy.table[0][1]",
        "tasks.image.accuracy.snr_db[1]",
        "grid.power",
        "slot.tasks[1]",
        "slot.gain[0]",
        "channel.gain_range",
        "channel.mean_gain",
    ]


def test_message_counts_faults_and_gives_each_a_line():
    with pytest.raises(ScenarioError) as caught:
        Scenario.from_dict(tiny({"grid.power": 0, "system.noise_mw": -2.0}), source="my.toml")
    assert str(caught.value) == (
        "my.toml: 2 faults\n"
        "  system.noise_mw = -2.0: must be a number above 0 (1e-30 to 1e30)\n"
        "  grid.power = 0: must be a whole number from 1 to 4096"
    )
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_many_faults_of_one_array_are_counted():
    found = faults(
        {
            "slot": {"tasks": ["text"] * 40, "gain": [[-1.0]] * 40},
            "system.users": 40,
            "system.channels": 1,
        }
    )
    assert found.pop("slot.gain") == "has 32 more faults like these"
    assert len(found) == 8


# -------------------------------------------------------------------------------- files and folders


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("this is = = not toml", "is not TOML: line 1: Expected '='"),
        ("a = 1\nb = [1,\n\n", "is not TOML: line 3"),
        ("a = 1\n[a]\n", "is not TOML: line 2"),
        ("x = " + "[" * 100_000, "nested too deeply"),
        ("x = " + "9" * 5000, "is not TOML"),
        ("", "system table is missing"),
    ],
)
def test_text_that_is_no_scenario(text, words):
    with pytest.raises(ScenarioError) as caught:
        Scenario.parse(text)
    assert words in str(caught.value)


@pytest.mark.parametrize("depth", range(100, 1000, 100))
def test_nesting_of_any_depth_is_named(depth):
    for text in ("[" * depth + "]" * depth, "{a=" * depth + "1" + "}" * depth):
        with pytest.raises(ScenarioError, match=r"nested too deeply|name = "):
            Scenario.parse(f"name = {text}")


@pytest.mark.parametrize(
    ("name", "meant"),
    [("site", "site.toml"), ("siet.toml", "site.toml"), ("sub/lab", "sub/lab.toml"), ("x", None)],
)
def test_a_file_of_nearly_that_name_is_named(tmp_path, monkeypatch, name, meant):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sub").mkdir()
    for file in ("site.toml", "sub/lab.toml"):
        (tmp_path / file).write_text("")
    with pytest.raises(ScenarioError, match="there is no such file") as refused:
        Scenario.load(name)
    assert (f"did you mean {meant}?" in str(refused.value)) == (meant is not None)


def test_source_that_cannot_be_read(tmp_path):
    (tmp_path / "latin.toml").write_bytes(b"name = 'x'\nnote = '\xe9'\n")
    with pytest.raises(ScenarioError, match="line 2: is not UTF-8 text"):
        Scenario.load(tmp_path / "latin.toml")
    with pytest.raises(ScenarioError, match=r"did you mean paper\? \(presets: .*paper.*tiny"):
        Scenario.load("papr")
    with pytest.raises(ScenarioError, match="no such file, and no such preset"):
        Scenario.load(tmp_path / "absent.toml")
    with pytest.raises(ScenarioError, match="cannot be read"):
        Scenario.load(tmp_path)
    with pytest.raises(ScenarioError, match="cannot be read"):
        Scenario.load("a\0b")


def test_file_with_a_byte_order_mark_and_carriage_returns(tmp_path):
    text = Scenario.load("tiny").to_toml().replace("\n", "\r\n")
    (tmp_path / "windows.toml").write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert Scenario.load(tmp_path / "windows.toml").to_dict() == Scenario.load("tiny").to_dict()


def test_name_defaults_to_the_file(tmp_path):
    document = tiny({"name": ABSENT})
    (tmp_path / "mine.toml").write_text(
        Scenario.from_dict(document).to_toml().replace("name", "#", 1)
    )
    assert Scenario.load(tmp_path / "mine.toml").name == "mine"


CSV = "# measured\nextraction, 0, 10\n0.5, 0.6, 0.7\n\n1.0, 0.8, 0.9\nraw, 0.85, 0.95\n"


def test_accuracy_from_csv(tmp_path):
    (tmp_path / "surface.csv").write_text(CSV)
    changes = {"tasks.text.accuracy": {"file": "surface.csv"}, "tasks.text.extraction_max": 0.9}
    scenario = Scenario.from_dict(tiny(changes), tmp_path)
    table = scenario.problem().tasks.accuracy[0]
    assert table.extraction.tolist() == [0.5, 1.0]
    assert table.snr_db.tolist() == [0, 10]
    assert table.table.tolist() == [[0.6, 0.7], [0.8, 0.9]]
    assert table.raw.tolist() == [0.85, 0.95]
    assert Scenario.parse(scenario.to_toml()).to_dict() == scenario.to_dict()


LONG = """extraction,snr_db,accuracy
1.0,10,0.9
0.5,0,0.6
raw,0,0.85
0.5,10,0.7
raw,10,0.95
1,0,0.8
"""


@pytest.mark.parametrize(
    "content",
    [
        LONG,
        LONG.replace(",", ";").replace(".", ","),
        LONG.replace(",", "\t").replace("extraction", "# a note\nExtraction"),
        "accuracy,seed,snr_db,extraction\n"
        + "".join(
            f"{accuracy},7,{snr},{extraction}\n"
            for extraction, snr, accuracy in (line.split(",") for line in LONG.split()[1:])
        ),
    ],
)
def test_a_row_for_each_point_is_the_grid(content, tmp_path):
    (tmp_path / "grid.csv").write_text(CSV)
    (tmp_path / "long.csv").write_text(content)
    assert read_table(tmp_path / "long.csv") == read_table(tmp_path / "grid.csv")


def test_points_that_others_write_are_read(tmp_path):
    pa, csv = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.csv")
    x, y = np.meshgrid([0.3, 0.6, 1.0], [-5.0, 0.0, 5.0], indexing="ij")
    accuracy = np.sort(np.random.default_rng(0).random((3, 3)).ravel())
    columns = {"extraction": x.ravel(), "snr_db": y.ravel(), "accuracy": accuracy}
    csv.write_csv(pa.table(columns), tmp_path / "long.csv")
    table = read_table(tmp_path / "long.csv")
    assert table["extraction"] == [0.3, 0.6, 1.0]
    assert table["snr_db"] == [-5.0, 0.0, 5.0]
    assert np.ravel(table["table"]).tolist() == accuracy.tolist()


@pytest.mark.parametrize(
    ("content", "path", "words"),
    [
        (LONG + "0.5,0,0.6\n", "file", "has extraction 0.5 at 0 dB twice"),
        (LONG.replace("0.5,0,0.6\n", ""), "file", "has no accuracy of extraction 0.5 at 0 dB"),
        (LONG.replace("raw,0,0.85\n", ""), "file", "has no accuracy of extraction raw at 0 dB"),
        (LONG.replace("0.6", "x"), "file", "point 2 = 0.5, 0, x: must be three numbers"),
        (LONG.replace("0.5,10,0.7", "0.5,10"), "file", "point 4 = 0.5, 10, : must be three"),
        (
            LONG.replace("0.7", "1.7"),
            "table[0][1]",
            "= 1.7: must be a number from 0 to 1 (in s.csv, extraction 0.5 at 10 dB)",
        ),
        (
            LONG.replace("0.9\n", "0.5\n"),
            "table",
            "falls 2 times, most by 0.3 from table[1][0] (extraction 1 at 0 dB) = 0.8 to "
            "table[1][1] (extraction 1 at 10 dB) = 0.5",
        ),
        (
            LONG.replace("0.95", "nan"),
            "raw[1]",
            "= nan: must be a number from 0 to 1 (in s.csv, raw mode at 10 dB)",
        ),
        (LONG.replace("0.5,0,", "nan,0,"), "file", "point 2 = nan, 0, 0.6: must be three numbers"),
        (LONG.replace("0.5,10", "0.5,inf"), "file", "point 4 = 0.5, inf, 0.7: must be three"),
        ("extraction,snr_db,accuracy\n", "extraction", "must have a length of at least 2"),
        ("", "file", "is no accuracy table: must be a grid"),
        ("mu,0,1\n0.5,2,3\n", "file", "accuracy; it begins: mu,0,1 / 0.5,2,3"),
        ("extraction,snr,acc\n1,2,3\n", "file", "below the headings extraction, snr_db, accuracy"),
        (CSV.replace("0.6", "x"), "table[0][0]", '= "x": must be a number from 0 to 1 (in s.csv, '),
        (
            CSV.replace("0.6", "0_0.6"),
            "table[0][0]",
            '= "0_0.6": must be a number from 0 to 1 (in s.csv, extraction 0.5 at 0 dB)',
        ),
        (
            CSV.replace("0.6", "nan"),
            "table[0][0]",
            "= nan: must be a number from 0 to 1 (in s.csv, extraction 0.5 at 0 dB)",
        ),
        (CSV.replace("0.5, 0.6, 0.7", "0.5, 0.6"), "table[0]", "snr_db (in s.csv, extraction 0.5)"),
        (CSV.replace("0.8", "0.5"), "table[1][0]", "at least table[0][0] (extraction 0.5 at 0"),
        (None, "file", '= "s.csv": No such file or directory'),
        (b"extraction,\xff", "file", "is not UTF-8 text"),
        ("extraction," + "1" * 200_000, "file", "field larger than field limit"),
    ],
)
def test_faulty_csv(tmp_path, content, path, words):
    if content is not None:
        data = content if isinstance(content, bytes) else content.encode()
        (tmp_path / "s.csv").write_bytes(data)
    changes = {"tasks.text.accuracy": {"file": "s.csv"}, "tasks.text.extraction_max": 0.9}
    assert words in faults(changes, tmp_path)[f"tasks.text.accuracy.{path}"]


def test_csv_stands_alone(tmp_path):
    changes = {"tasks.text.accuracy.file": "s.csv"}
    (tmp_path / "s.csv").write_text(CSV.replace("raw", "#"))
    found = faults(changes, tmp_path)
    assert set(found) == {f"tasks.text.accuracy.{key}" for key in ("extraction", "snr_db", "table")}
    assert "must not stand beside file" in found["tasks.text.accuracy.table"]
    assert (
        "must be the name"
        in faults({"tasks.text.accuracy": {"file": 3}})["tasks.text.accuracy.file"]
    )


# ----------------------------------------------------------------------------------------- channels

CHANNELS = [
    {"model": "rayleigh", "mean_gain": 0.5},
    {"model": "rayleigh", "mean_gain": [0.5, 0.1], "gain_range": [0.1, 1.0]},
    {"model": "rayleigh", "distance_m": [3.0, 4.0], "path_loss_exponent": 2.5},
    {"model": "uniform", "gain_range": [0.1, 1.0]},
    {"model": "rician", "rician_k_db": 3.0, "mean_gain": 0.5},
    {"model": "shadowed", "shadowing_db": 8.0, "mean_gain": 0.5},
    {"model": "jakes", "doppler_hz": 10.0, "slot_ms": 1.0, "mean_gain": 0.5},
    {**MOBILITY, "distance_m": [1.0, 50.0], "speed_mps": [1.0, 2.0], "carrier_ghz": 28.0},
    {**MOBILITY, "distance_m": 50.0, "speed_mps": 1.0, "mean_gain": 10.0},
    {"model": "trace", "file": "gains.csv"},
]


def test_every_law_has_an_example():
    assert {keys["model"] for keys in CHANNELS} == LAWS.keys()


@pytest.mark.parametrize("keys", CHANNELS, ids=lambda keys: keys["model"])
def test_every_channel_model_draws(keys, tmp_path):
    rows = [f"{s},{n},{k},0.{s + n + k + 1}" for s in range(3) for n in range(2) for k in range(2)]
    (tmp_path / "gains.csv").write_text("\n".join(["slot,user,channel,gain", *rows]) + "\n")
    scenario = Scenario.from_dict(tiny({"channel": keys}), tmp_path)
    gain, task = scenario.draw(3, seed=1)
    assert gain.shape == (3, 2, 2)
    assert (gain > 0).all()
    assert set(task.ravel()) <= {0, 1}


@pytest.mark.parametrize(
    ("keys", "path", "words"),
    [
        (
            {"model": "rayleigh", "mean_gain": 1e-25},
            "channel.mean_gain",
            "gains from 1e-42 to 1e-23",
        ),
        (
            {"model": "jakes", "doppler_hz": 1e9, "slot_ms": 1.0, "mean_gain": 1.0},
            "channel.doppler_hz and slot_ms",
            "users go 1e+06 wave lengths in a slot, at most 100000",
        ),
        (
            {"model": "rayleigh", "distance_m": [1e3, 1e9], "path_loss_exponent": 4.0},
            "channel.distance_m and path_loss_exponent",
            "gains from 1e-53 to 1e-10 could be drawn",
        ),
    ],
)
def test_figures_that_lead_too_far_together_are_named(keys, path, words):
    found = faults({"channel": keys, "system.noise_mw": -1})
    assert words in found[path]
    assert "system.noise_mw" in found  # with the other faults of the file


def test_keys_of_a_channel_become_si_units(tmp_path):
    rician = Scenario.from_dict(tiny({"channel": {**CHANNELS[4], "rician_k_db": 20.0}}))
    assert rician.channel_law().rician_k == pytest.approx(100.0, rel=ROUNDING)
    walk = {**MOBILITY, "distance_m": [2.0, 60.0], "speed_mps": 3.0, "slot_ms": 4.0}
    law = Scenario.from_dict(tiny({"channel": {**walk, "carrier_ghz": 28.0}})).channel_law()
    assert (law.slot, law.distance, law.speed, law.carrier) == (4e-3, (2.0, 60.0), 3.0, 28e9)
    assert law.path_loss_exponent == 2


def test_what_a_law_in_time_does_not_use_is_named_so():
    keys = {"model": "jakes", "doppler_hz": 10.0, "slot_ms": 1.0, "mean_gain": 0.5}
    found = faults({"channel": {**keys, "rician_k_db": 3.0}})
    assert found["channel.rician_k_db"].startswith("is not used by jakes")


FORMS = {"users": 1.0, "pair": 1.0, "range": [0.1, 1.0], "shares": [0.6, 0.2, 0.2], "file": "g.npy"}


@pytest.mark.parametrize("model", LAWS)
def test_files_and_python_refuse_and_miss_the_same_keys(model):
    given = {
        row.key: {"unit": "db", "sha256": "0" * 64, "shape": [1, 1, 1]}.get(
            row.key, FORMS.get(row.form, 1.0 if row.allowed else "h")
        )
        for row in KEYS.values()
        if row.key
    }
    found = faults({"channel": {"model": model, **given}})
    foreign = {path.removeprefix("channel.") for path in found}
    with pytest.raises(ValueError, match="not for model") as error:
        Channel.from_keys({"model": model, **given})
    refused = {text.split(" ")[0] for text in str(error.value).split("channel.")[1:]}
    assert {KEYS[name].key for name in refused} == foreign
    assert foreign.isdisjoint(keys(LAWS[model].needs))
    missing = faults({"channel": {"model": model, "mean_gain": 1.0}, "system.noise_mw": -1})
    needed = {path for path, words in missing.items() if "needs it" in words}
    assert needed == {f"channel.{key}" for key in keys(LAWS[model].needs)}
    for name in LAWS[model].needs:
        with pytest.raises(ValueError, match=f"{name}: missing, model {model} needs it"):
            Channel(model)


NUMBERS = [row for row in KEYS.values() if row.form in ("number", "users", "pair")]


@pytest.mark.parametrize("row", NUMBERS, ids=lambda row: row.name)
def test_files_and_python_refuse_what_is_just_outside_an_interval(row):
    example = next(keys for keys in CHANNELS if row.name in LAWS[keys["model"]].takes)
    sound, words = vars(Channel.from_keys(example)), row.allowed.sentence.partition(" (")[0]
    low, high = row.allowed.low, row.allowed.high
    for value in (low - 1e-6 if low <= 0.0 else low / 1.01, high * 1.01, nan):
        found = faults({"channel": {**example, row.key: value}})
        assert f"must be {words}" in found[f"channel.{row.key}"]
        in_ratio = row.key.endswith("_db") and row.name != row.key
        with pytest.raises(ValueError, match=f"channel.{row.name} = ") as error:
            Channel(**sound | {row.name: 10 ** (value / 10) if in_ratio else value})
        assert words in str(error.value)


# ------------------------------------------------------------------------------ Problem.from_arrays

TABLE = AccuracyTable.from_arrays([0.5, 1.0], [0.0, 10.0], [[0.7, 0.7], [0.9, 0.9]])
ARRAYS = {
    "gain": [[0.3, 0.1], [0.7, 0.1]],
    "task": ["text", "image"],
    "names": ["text", "image"],
    "bits": [2e3, 12e3],
    "local_flop": [6e6, 12e6],
    "extract_flop": 1e6,
    "server_flop": [4e6, 8e6],
    "local_accuracy": [0.8, 0.6],
    "accuracy": [
        TABLE,
        AccuracyTable.from_arrays([0.5, 1.0], [0.0, 10.0], [[0.8, 0.8], [0.9, 0.9]]),
    ],
    "latency_max": 8e-3,
    "slope_latency": 1e3,
    "slope_energy": 100.0,
    "slope_accuracy": 10.0,
    "bandwidth": 1e6,
    "noise": 1e-3,
    "server_frequency": 2e9,
    "server_energy_coefficient": 1e-27,
    "frequency_min": 0.5e9,
    "power_min": 0.01,
    "power_max": 0.01,
    "extraction_min": 0.5,
    "weight_latency": 0.5,
    "weight_energy": 0.25,
    "weight_accuracy": [0.25, 0.25],
    "grid": Grid(1, 2, 2),
}


def test_arrays_and_file_make_the_same_problem():
    problem, scenario = Problem.from_arrays(**ARRAYS), Scenario.load("tiny").problem()
    for part in ("system", "users", "tasks"):
        for name, value in vars(getattr(scenario, part)).items():
            found = getattr(getattr(problem, part), name)
            if name == "accuracy":
                assert [t.table.tolist() for t in found] == [t.table.tolist() for t in value]
            elif name == "names":
                assert found == value
            else:
                assert_allclose(found, value, rtol=ROUNDING, err_msg=name)
    assert problem.joint_actions() == scenario.joint_actions() == 46
    assert problem.task.tolist() == [0, 1]


OPTIONAL = {
    "system": {
        "server_flop_per_cycle": 3.0,
        "server_energy_max": 2e-3,
        "compress_exponent": 1.25,
        "extract_exponent": 0.75,
    },
    "users": {
        "flop_per_cycle": [3.0, 4.0],
        "energy_coefficient": [2e-26, 3e-26],
        "frequency_min": [0.3e9, 0.4e9],
        "frequency_max": [0.8e9, 0.9e9],
        "reference_frequency": [0.7e9, 0.6e9],
        "power_min": [0.004, 0.005],
        "power_max": [0.05, 0.06],
        "extraction_min": [0.2, 0.4],
        "energy_max": [0.1, 0.2],
    },
    "tasks": {
        "semantic_bits": [1e3, 6e3],
        "server_raw_flop": [5e6, 9e6],
        "accuracy_min": [0.1, 0.2],
        "extraction_max": [0.8, 0.9],
    },
}


@pytest.mark.parametrize("together", [False, True])
def test_every_optional_figure_goes_where_it_belongs(together):
    figures = {name: (room, v) for room, found in OPTIONAL.items() for name, v in found.items()}
    below_one = {"extraction_max": [0.8, 0.9]}  # which modes of their own need
    sets = [list(figures)] if together else [[name] for name in figures]
    plain = Problem.from_arrays(**ARRAYS)
    for names in sets:
        given = {name: figures[name][1] for name in names}
        needs = below_one if {"semantic_bits", "server_raw_flop"} & set(names) else {}
        problem = Problem.from_arrays(**{**ARRAYS, **needs, **given})
        for name, (room, value) in figures.items():
            expected = value if name in {**needs, **given} else getattr(getattr(plain, room), name)
            if name == "reference_frequency" and name not in given:  # it is the upper end
                expected = problem.users.frequency_max
            np.testing.assert_array_equal(getattr(getattr(problem, room), name), expected, name)


def test_problems_do_not_change_and_are_equal_without_their_origin():
    problem = Problem.from_arrays(**ARRAYS)
    for record in (problem, problem.system, problem.users, problem.tasks, problem.grid, TABLE):
        name = next(iter(vars(record)))
        with pytest.raises(AttributeError):  # FrozenInstanceError is one
            setattr(record, name, None)
    one, other = (Problem.from_arrays(**ARRAYS, origin={"name": name}) for name in "ab")
    assert [f.name for f in fields(Problem) if not f.compare] == ["origin"]
    assert one.origin != other.origin


def test_arrays_of_the_caller_stay_its_own():
    users = {"frequency_max": [1e9, 1e9], "power_max": [0.01, 0.01], "weight_latency": [0.5, 0.5]}
    arrays = {name: np.array(value) for name, value in users.items()}
    tasks = ("bits", "local_flop", "server_flop", "local_accuracy")
    arrays |= {name: np.array(ARRAYS[name]) for name in tasks}
    axes = [np.array(x) for x in ([0.5, 1.0], [0.0, 10.0], [[0.7, 0.7], [0.9, 0.9]], [0.9, 0.9])]
    table = AccuracyTable.from_arrays(*axes)
    problem = Problem.from_arrays(**{**ARRAYS, **arrays, "accuracy": [table, table]})
    before = {name: getattr(problem.tasks, name).copy() for name in tasks}
    for array in [*arrays.values(), *axes]:
        array *= 0.5  # what was frozen would raise
    for name in tasks:
        np.testing.assert_array_equal(getattr(problem.tasks, name), before[name])
    np.testing.assert_array_equal(problem.users.power_max, [0.01, 0.01])
    assert table.table.tolist() == [[0.7, 0.7], [0.9, 0.9]]
    for array in (table.raw, problem.users.power_max, problem.tasks.bits):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1.0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"gain": [[1.0], [1.0, 2.0]]}, "gain: must be a rectangular array of numbers"),
        ({"gain": [1.0, 2.0]}, r"gain has shape \(2,\): must be \(users, sub-channels\)"),
        ({"gain": np.empty((0, 2))}, r"gain has shape \(0, 2\)"),
        ({"gain": [[1.0, nan], [1.0, 1.0]]}, r"gain\[0\]\[1\] = nan: must be a number above 0"),
        ({"noise": -1.0}, r"noise = -1.0: must be a number above 0"),
        ({"noise": "2"}, "noise holds text: must hold numbers"),
        ({"noise": True}, "noise holds booleans: must hold numbers"),
        ({"noise": [1.0, 2.0]}, r"noise has shape \(2,\): must be a number"),
        ({"power_max": [1.0, 2.0, 3.0]}, r"power_max has shape \(3,\): must be a number or \(2,\)"),
        ({"power_min": 0.02}, r"power_min of user 0 = 0.02: must be at most power_max = 0.01"),
        ({"weight_latency": 0.6}, r"weights of user 0 sum to 1.1: must sum to 1"),
        ({"bits": [1.0, 2.0, 3.0]}, r"bits has shape \(3,\): must be a number or \(2,\)"),
        ({"semantic_bits": 1e3}, "extraction_max of task text = 1.0: must be below 1"),
        ({"accuracy": [TABLE]}, "accuracy has 1 tables for 2 tasks"),
        ({"task": [0, 2]}, r"task\[1\] = 2: must be an index from 0 to 1"),
        ({"task": [0.5, 1.0]}, "task holds float64: must hold indices or names"),
        ({"task": [0, 1, 0]}, r"task has shape \(3,\)"),
        ({"grid": Grid(0, 1, 1)}, "grid.power = 0: must be a whole number from 1 to 4096"),
        ({"objective": "max"}, "objective = 'max'"),
        ({"energy_max": 0.0}, "energy_max = 0.0: must be a number above 0"),
    ],
)
def test_fault_of_an_argument_is_named(changes, message):
    with pytest.raises(ValueError, match=message):
        Problem.from_arrays(**{**ARRAYS, **changes})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ([0.5], [0.0, 1.0], [[0.1, 0.2]]),
            "accuracy.extraction has 1 values: must have at least 2",
        ),
        (([0.5, 1.0], [0.0, 1.0], [[0.1, 0.2]]), "accuracy.table has length 1"),
        (([0.5, 1.0], [0.0, 1.0], [[0.2, 0.1]] * 2), r"accuracy.table falls 2 times, most by"),
        (([0.5, 1.0], [1.0, 1.0], [[0.1, 0.2]] * 2), r"accuracy.snr_db\[1\] = 1.0: must be above"),
        (([0.5, 1.0], [0.0, 1.0], [[0.1, 0.2]] * 2, [0.3]), "accuracy.raw has length 1"),
        (([0.5, 1.0], [0.0, 1.0], [[0.1, 1.2]] * 2), r"accuracy.table\[0\]\[1\] = 1.2: must be a"),
    ],
)
def test_fault_of_a_table_is_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        AccuracyTable.from_arrays(*arguments)


# ---------------------------------------------------------------------------------- any file at all

VALUES = st.one_of(
    st.none().map(lambda _: ABSENT),
    st.booleans(),
    st.integers(-3, 5000),
    st.just(10**30),
    st.floats(),
    st.text(max_size=5),
    st.lists(st.floats(0, 1), max_size=3),
    st.lists(st.lists(st.floats(0, 1), max_size=3), max_size=3),
    st.dictionaries(
        st.sampled_from(["model", "file", "x", "table"]), st.text(max_size=3), max_size=2
    ),
)


def leaves(value, path=()):
    """Return the path of every table, array and value of a document."""
    found = [path] if path else []
    if isinstance(value, dict | list):
        for key, below in value.items() if isinstance(value, dict) else enumerate(value):
            found += leaves(below, (*path, key))
    return found


BASE = tiny(
    {
        "users": [{"power_mw": [1.0, 2.0]}, {"weight_latency": 0.5}],
        "tasks.text.semantic_kbit": 1.0,
        "tasks.text.extraction_max": 0.9,
        "tasks.text.accuracy.raw": [0.9, 0.95],
        "tasks.text.share": 0.5,
        "tasks.image.share": 0.5,
        "assumed": {"slot": "an example"},
    }
)


@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.tuples(st.sampled_from(leaves(BASE)), VALUES), min_size=1, max_size=3))
def test_any_change_is_either_sound_or_named(changes):
    document = copy.deepcopy(BASE)
    for (*tables, key), value in changes:
        table = document
        for name in tables:
            inside = isinstance(table, dict) and name in table
            inside |= isinstance(table, list) and isinstance(name, int) and name < len(table)
            table = table[name] if inside else None
        if isinstance(table, dict) or (
            isinstance(table, list) and isinstance(key, int) and key < len(table)
        ):
            if value is not ABSENT:
                table[key] = value
            elif isinstance(table, list) or key in table:
                del table[key]
    try:
        scenario = Scenario.from_dict(document)
    except ScenarioError:
        return
    assert Scenario.parse(scenario.to_toml()).to_dict() == scenario.to_dict()
    problem = scenario.template()
    local = np.full(problem.gain.shape[0], -1)
    offload = np.where(np.arange(len(local)) < problem.gain.shape[1], np.arange(len(local)), -1)
    users = problem.users
    for chosen in (local, offload):
        for mu in (1.0, users.extraction_min):
            extraction = np.broadcast_to(mu, local.shape)
            outcome = evaluate(
                problem, Actions(chosen, users.power_max, users.frequency_max, extraction)
            )
            assert np.isfinite(outcome.latency).all()
            assert np.isfinite(outcome.energy).all()
            assert ((outcome.qoe >= 0) & (outcome.qoe <= 1 + ROUNDING)).all()


def test_schema_lists_keys_with_their_ranges():
    schema = Scenario.json_schema()
    assert "users" in schema["properties"]
    assert schema["additionalProperties"] is False
    assert schema["$defs"]["Grid"]["properties"]["power"]["maximum"] == 4096
    assert "file" in str(schema["$defs"]["Task"]["properties"]["accuracy"])
    assert sorted(schema["$defs"]["System"]["required"])[0] == "bandwidth_mhz"


def test_reading_a_scenario_imports_nothing_heavy():
    heavy = ["scipy", "numba", "torch", "cvxpy", "altair", "rich", "typer"]
    code = (
        "import sys; from semopt.scenario import Scenario; Scenario.load('paper').problem(); "
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    command = [sys.executable, "-P", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_of_a_ragged_table_each_short_row_is_named_and_no_fall():
    table = [[0.1, 0.2, 0.3], [0.1], [0.1, 0.2, 0.3]]
    faults = allowed.table_faults("accuracy", [0.1, 0.2, 0.3], [0.0, 1.0, 2.0], table, None)
    assert [where for where, _ in faults] == ["accuracy.table[1]"]


@pytest.mark.parametrize("name", ["contended", "tiny"])
def test_null_is_refused_wherever_it_stands(name):
    def places(value, path=()):
        if isinstance(value, dict | list):
            for key, part in value.items() if isinstance(value, dict) else enumerate(value):
                yield (*path, key)
                yield from places(part, (*path, key))

    document = Scenario.load(name).to_dict()
    for path in places(document):
        changed = json.loads(json.dumps(document))
        table = changed
        for key in path[:-1]:
            table = table[key]
        table[path[-1]] = None
        with pytest.raises(ScenarioError, match="None"):
            Scenario.from_dict(changed)


# ---------------------------------------------------------------------------------------- replacing


def of_file(text, folder):
    """Return the scenario of a file of this text."""
    file = folder / "paper.toml"
    file.write_text(text)
    return Scenario.load(file)


@pytest.mark.parametrize(
    ("path", "value", "line"),
    [
        ("system.bandwidth_mhz", 4, "bandwidth_mhz = 4"),
        ("system.bandwidth_mhz", -4.0, "bandwidth_mhz = -4.0"),
        ("user.power_mw", np.array([200.0, 10.0]), "power_mw = [200.0, 10.0]"),
        ("user.power_mw", (20.0, 40.0), "power_mw = [20.0, 40.0]"),
        ("grid.power", np.int32(3), "power = 3"),
        ("grid.power", 3.0, "power = 3.0"),
        ("qoe.objective", "most", 'objective = "most"'),
        ("tasks.vqa.local_accuracy", nan, "local_accuracy = nan"),
        ("system.latency_max_ms", None, ""),
        ("system.bandwith_mhz", 2.0, "bandwidth_mhz = 2.0\nbandwith_mhz = 2.0"),
    ],
)
def test_a_changed_key_is_judged_as_in_a_file(path, value, line, tmp_path):
    # The last task of the file is vqa, so the last line with a key is that of the path.
    text = Scenario.load("paper").to_toml()
    key = path.rpartition(".")[2].replace("bandwith", "bandwidth")
    before, _, after = text.rpartition(f"\n{key} = ")
    edited = f"{before}\n{line}\n{after.partition(chr(10))[2]}"

    def answer(make):
        try:
            return make().to_dict()
        except ScenarioError as error:
            return error.faults

    expected = answer(lambda: of_file(edited, tmp_path))
    found = answer(lambda: Scenario.load("paper").replace({path: value}))
    if isinstance(found, dict):
        for document in (expected, found):
            document.pop("assumed")
    assert found == expected


def test_sizes_change_in_one_line():
    paper = Scenario.load("paper")
    wide = paper.replace(users=8, channels=4, **{"system.bandwidth_mhz": 4})
    gain, task = wide.draw(3, seed=1)
    assert (gain.shape, task.shape) == ((3, 8, 4), (3, 8))
    assert wide.problem(gain[0], task[0]).system.bandwidth == 4e6
    assert (paper.users, paper.slot is None, wide.slot) == (2, False, None)
    # What still fits is kept, and so is what else says the sizes.
    assert paper.replace(users=2, **{"system.bandwidth_mhz": 4}).slot == paper.slot
    free = paper.replace(slot=None)
    assert (free.users, free.channels, free.slot) == (2, 2, None)


def test_a_user_of_its_own_and_reasons_that_no_longer_hold():
    paper = Scenario.load("paper")
    assert "system.extract_exponent" in paper.assumed
    other = paper.replace({"users[1].power_mw": [10.0, 50.0], "system.extract_exponent": 2})
    assert other.problem().users.power_max.tolist() == [0.1, 0.05]
    assert paper.assumed.keys() - other.assumed.keys() == {"system.extract_exponent"}
    assert other.replace(users=None).problem().users.power_max.tolist() == [0.1, 0.1]


def test_users_as_a_number_and_as_a_list_are_two_changes():
    contended = Scenario.load("contended")
    unlike = [{}, {}, {"power_mw": [10, 30]}]
    weakest = [0.1, 0.1, 0.03]  # W
    for number in ({"users": 3}, {"system.users": 3}, {"channels": 3, "system.users": np.int64(3)}):
        made = contended.replace({"users": unlike}, **number)
        assert made.template().users.power_max.tolist() == weakest
    # A key of one user makes an entry for each of those that are asked for, in either order.
    one = "users[2].power_mw", [10, 30]
    for changes in ({one[0]: one[1], "users": 3}, {"users": 3, one[0]: one[1]}):
        made = contended.replace(changes)
        assert made.template().users.power_max.tolist() == weakest
        grown = made.replace({"users[3].power_mw": [10, 50]}, users=4)
        assert grown.template().users.power_max.tolist() == [*weakest, 0.05]
    with pytest.raises(ScenarioError, match="users has length 3: must have 4"):
        made.replace(users=4)


def test_no_change_is_lost_in_another():
    contended = Scenario.load("contended")
    channel = {"model": "rayleigh", "mean_gain": 0.5}
    for changes in (
        {"channel.mean_gain": 0.25, "channel": channel},
        {"channel": channel, "channel.mean_gain": 0.25},
    ):
        assert contended.replace(changes).channel.mean_gain == [0.25]
    with pytest.raises(ScenarioError, match="users is given twice: give it once"):
        contended.replace({"users": 3}, users=4)
    with pytest.raises(ScenarioError, match=r"users means the same as system\.users: give one"):
        contended.replace({"system.users": 3}, users=4)


ENDLESS: dict = {}
ENDLESS["system"] = ENDLESS


def test_a_document_without_an_end_is_named():
    with pytest.raises(ScenarioError, match="is nested too deeply to be a scenario"):
        Scenario.from_dict(ENDLESS)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"users": 3, "channel": None}, "slot.gain has length 2: must have 3"),
        ({"users[2].power_mw": [1, 2]}, "users[2].power_mw leads nowhere: users has 2 entries"),
        ({"system.noise_mw.x": 1}, "leads nowhere: system.noise_mw is one value"),
        ({"tasks.txt.share": 0.3}, "is of a task that is not there: did you mean text?"),
        ({"tasks.photo.share": 0.3}, "that is not there: the tasks are text, image"),
        ({"users": 3, "system.users": 3}, "means the same as users: give one of them"),
        ({"system .users": 3}, "is no path of a key, such as system.bandwidth_mhz"),
        ({"": 3}, "'' is no path of a key"),
        ({'tasks."\\x".share': 3}, "is no path of a key"),
        ({7: 3}, "7 is no path of a key"),
        ({"channel.file": "x", "channel": 3}, "channel.file leads nowhere: channel is one value"),
        ({"users[0].power_mw": [1, 2], "users": 200_000}, "at most 100000 can have one"),
        ({"users": [{}], "users[0].power_mw": [1, 2]}, "users has length 1: must have 2"),
        ({"users": 3, "users[3].power_mw": [1, 2]}, "leads nowhere: users has 3 entries"),
        ({"system": ENDLESS}, "system is nested too deeply"),
        ([("users", 3)], "changes must be a mapping of paths to values"),
    ],
)
def test_a_change_that_leads_nowhere_is_named(changes, words):
    with pytest.raises(ScenarioError, match=f"(?s)^paper: .*{re.escape(words)}") as caught:
        Scenario.load("paper").replace(changes)
    assert isinstance(caught.value.faults, tuple)


def test_files_of_a_changed_preset_lie_in_the_working_folder(tmp_path, monkeypatch):
    np.save(tmp_path / "gain.npy", np.full((3, 2, 2), 0.5))
    (tmp_path / "text.csv").write_text(
        LONG.replace("raw,0,0.85\n", "").replace("raw,10,0.95\n", "")
    )
    monkeypatch.chdir(tmp_path)
    channel = {"model": "trace", "file": "gain.npy"}
    accuracy = {"file": "text.csv"}
    measured = Scenario.load("contended").replace(
        {"tasks.text.accuracy": accuracy}, channel=channel
    )
    assert measured.draw(3, 0)[0].tolist() == np.full((3, 2, 2), 0.5).tolist()
    assert measured.tasks["text"].accuracy.table == [[0.6, 0.7], [0.8, 0.9]]
    monkeypatch.chdir("/")
    assert measured.draw(3, 0)[0].shape == (3, 2, 2)


def test_a_trace_is_read_anew_where_its_file_changes(tmp_path):
    rng = np.random.default_rng(5)
    for name in ("one.npy", "two.npy"):
        np.save(tmp_path / name, rng.uniform(0.1, 1, (9, 2, 2)))
    channel = {"model": "trace", "file": "one.npy"}
    scenario = Scenario.from_dict(tiny({"channel": channel}), tmp_path)
    two = scenario.replace({"channel.file": "two.npy"})
    assert_array_equal(two.draw(9, 0)[0], np.load(tmp_path / "two.npy"))
    with pytest.raises(ScenarioError, match=r"channel\.file = .*3 users on 2 channels"):
        two.replace(users=3)
