"""Measured gains: what files are read, how their faults are named, and that they travel."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from semopt import Scenario, solve
from semopt.channel import Channel, Gains
from semopt.channel.traces import parts
from semopt.cli import app
from semopt.env import Environment
from semopt.scenario import ScenarioError

SLOTS = 20


@pytest.fixture
def measured():
    return np.random.default_rng(5).uniform(0.1, 1.0, (SLOTS, 2, 2))


def document(**channel):
    found = Scenario.load("tiny").to_dict()
    found.pop("slot")
    found.pop("assumed", None)
    found["system"] |= {"users": 2, "channels": 2}
    return found | {"name": "field", "channel": {"model": "trace", "file": "gains.npy", **channel}}


def write(folder, gain, name="s.toml", **channel):
    """Write a scenario and the trace beside it; return the path of the scenario."""
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "gains.npy", gain)
    file = folder / name
    file.write_text(Scenario.from_dict(document(**channel), folder).to_toml())
    text = [
        line for line in file.read_text().splitlines() if not line.startswith(("sha256", "shape"))
    ]
    file.write_text("\n".join(text).replace(f'"{folder}/gains.npy"', '"gains.npy"'))
    assert 'file = "gains.npy"' in file.read_text()
    return file


def run(*arguments):
    return CliRunner().invoke(app, [str(a) for a in arguments])


# ------------------------------------------------------------------------------------- they travel


def test_a_scenario_draws_from_the_file_beside_it_wherever_the_command_runs(
    tmp_path, measured, monkeypatch
):
    write(tmp_path / "field", measured)
    (tmp_path / "elsewhere").mkdir()
    np.save(tmp_path / "elsewhere" / "gains.npy", measured[::-1] * 0.5)  # another of that name
    monkeypatch.chdir(tmp_path)
    scenario = Scenario.load("field/s.toml")
    monkeypatch.chdir("elsewhere")
    copies = [Scenario.from_dict(json.loads(json.dumps(scenario.to_dict())))]
    copies.append(Scenario.from_dict(scenario.to_dict(), folder=None))
    copies.append(Scenario.parse(scenario.to_toml(), "/nowhere"))
    for each in [scenario, *copies]:
        np.testing.assert_array_equal(each.draw(SLOTS, 0)[0], measured)
        assert each.to_dict() == scenario.to_dict()


@pytest.mark.parametrize("slots", [1, 3])
def test_results_are_verified_without_the_trace(tmp_path, measured, monkeypatch, slots):
    write(tmp_path / "field", measured)
    monkeypatch.chdir(tmp_path)
    asked = ("solve", "field/s.toml", "--seed", 0, "--slots", slots, "--json", "r.json")
    assert run(*asked).exit_code == 0
    (tmp_path / "field" / "gains.npy").unlink()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")
    found = run("verify", tmp_path / "r.json")
    assert found.exit_code == 0, found.output
    kept = json.loads((tmp_path / "r.json").read_text())["problem"]["channel"]
    assert kept["file"] == str(tmp_path / "field" / "gains.npy")
    assert kept["shape"] == [SLOTS, 2, 2]


def test_certificates_are_verified_without_the_trace(tmp_path, measured, monkeypatch):
    pytest.importorskip("flint")
    write(tmp_path / "field", measured)
    monkeypatch.chdir(tmp_path)
    asked = ("--seed", 0, "--method", "global", "--certificate", "c.json")
    assert run("solve", "field/s.toml", *asked).exit_code == 0
    (tmp_path / "field" / "gains.npy").unlink()
    found = run("verify", "c.json")
    assert found.exit_code == 0, found.output


def test_a_document_that_stands_alone_opens_no_file(tmp_path, measured):
    np.save(tmp_path / "gains.npy", measured)
    plain = document() | {"slot": {"tasks": ["text", "text"], "gain": measured[0].tolist()}}
    scenario = Scenario.from_dict(plain, folder=None)
    assert solve(scenario.problem()).actions is not None
    with pytest.raises(ValueError, match="absolute path is expected"):
        scenario.draw(1, 0)
    plain["tasks"]["text"]["accuracy"] = {"file": str(tmp_path / "s.csv")}
    with pytest.raises(ScenarioError, match="this document stands alone"):
        Scenario.from_dict(plain, folder=None)


def test_a_recorded_trace_that_is_gone_or_another_is_named(tmp_path, measured):
    recorded = Scenario.load(write(tmp_path, measured)).to_dict()
    np.save(tmp_path / "gains.npy", measured * 0.9)
    changed = Scenario.from_dict(recorded)
    with pytest.raises(ValueError, match="is another file than the one recorded"):
        changed.draw(1, 0)
    (tmp_path / "gains.npy").unlink()
    words = r"gains.npy: No such file or directory, where the trace of SHA-256 [0-9a-f]{64} was"
    with pytest.raises(ValueError, match=words):
        changed.draw(1, 0)
    with pytest.raises(ScenarioError, match="there is no such file"):
        Scenario.load(tmp_path / "s.toml")


# ----------------------------------------------------------------------------------- they have ends


def test_a_trace_is_split_in_the_order_of_time(tmp_path, measured):
    scenario = Scenario.load(write(tmp_path, measured))
    found = {name: scenario.draw(scenario.length(name), 0, part=name)[0] for name in parts(1)}
    assert [len(gain) for gain in found.values()] == [12, 4, 4]
    np.testing.assert_array_equal(np.concatenate(list(found.values())), measured)
    other = Scenario.load(write(tmp_path, measured, split=[0.5, 0.0, 0.5]))
    assert [other.length(name) for name in (None, *parts(1))] == [20, 10, 0, 10]
    with pytest.raises(ValueError, match="its part for validation has 0: ask for at most 0"):
        other.draw(1, 0, part="validation")
    with pytest.raises(ValueError, match="no slot of it is for validation"):
        Gains(other.channel_law("validation"), 0, 2, 2)


@pytest.mark.parametrize(
    ("length", "split", "lengths"),
    [
        (3, None, [1, 1, 1]),
        (4, None, [2, 1, 1]),
        (5, None, [3, 1, 1]),
        (10, None, [6, 2, 2]),
        (10, (0.98, 0.01, 0.01), [8, 1, 1]),
        (10, (0.01, 0.01, 0.98), [1, 1, 8]),
        (10, (0.0, 0.0, 1.0), [0, 0, 10]),
        (10, (1.0, 0.0, 0.0), [10, 0, 0]),
        (7, (0.0, 0.5, 0.5), [0, 4, 3]),
    ],
)
def test_parts_of_a_split(length, split, lengths):
    found = parts(length, split)
    assert [len(rows) for rows in found.values()] == lengths
    assert [i for rows in found.values() for i in rows] == list(range(length))


def test_laws_have_no_parts_and_no_end():
    scenario = Scenario.load("paper")
    assert scenario.length() is None
    whole, part = scenario.draw(5, 1), scenario.draw(5, 1, part="evaluation")
    np.testing.assert_array_equal(whole[0], part[0])


def test_more_slots_than_there_are_is_refused(tmp_path, measured):
    file = write(tmp_path, measured)
    scenario = Scenario.load(file)
    assert len(scenario.draw(20, 0)[0]) == 20
    with pytest.raises(ValueError, match=r"21 slots are asked for, it has 20: ask for at most 20"):
        scenario.draw(21, 0)
    with pytest.raises(ValueError, match=r"2 slots are asked for after the first 19, it has 20: "):
        scenario.draw(2, 0, first=19)
    words = r"5 slots are asked for, its part for evaluation has 4: ask for at most 4"
    with pytest.raises(ValueError, match=words):
        scenario.draw(5, 0, part="evaluation")
    asked = run("solve", file, "--slots", 21)
    assert isinstance(asked.exception, ValueError)
    assert "ask for at most 20" in str(asked.exception)


def test_an_environment_sees_its_part_alone(tmp_path, measured):
    scenario = Scenario.load(write(tmp_path, measured))
    env = Environment(scenario, 64, part="training")
    known = {gain.tobytes() for gain in measured[:12]}
    for slot in range(30):
        env.seek(slot)
        assert {gain.tobytes() for gain in env.gain} <= known
    whole = Environment(scenario, 64)
    assert whole._centre != env._centre  # what policies see is scaled by their part too


@pytest.mark.parametrize(
    "split", [[0.5, 0.5], [0.5, 0.4, 0.0], [1.2, -0.2, 0.0], "half", [0.2, 0.2, 0.2, 0.4]]
)
def test_a_split_is_three_shares(tmp_path, measured, split):
    np.save(tmp_path / "gains.npy", measured)
    with pytest.raises(ScenarioError, match=r"channel\.split"):
        Scenario.from_dict(document(split=split), tmp_path)
    if isinstance(split, list):
        with pytest.raises(ValueError, match=r"channel\.split = "):
            Channel("trace", file=tmp_path / "gains.npy", split=tuple(split))


def test_check_says_how_long_a_trace_is_and_how_it_is_split(tmp_path, measured):
    found = run("scenario", "check", write(tmp_path, measured))
    assert found.exit_code == 0
    words = "a trace of 20 slots (training 12, validation 4, evaluation 4)"
    assert words in " ".join(found.stdout.split())
