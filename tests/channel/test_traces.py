"""Measured gains: what files are read, how their faults are named, and that they travel."""

import json
from io import BytesIO

import numpy as np
import pytest
from typer.testing import CliRunner

from semopt import Scenario, solve
from semopt.channel import Channel
from semopt.channel.gains import Gains, draw_gains
from semopt.channel.traces import autocorrelation, load_trace, parts
from semopt.cli import app
from semopt.env.environment import Environment
from semopt.scenario import ScenarioError
from tolerances import FEW_ROUNDINGS

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


def test_a_trace_in_memory_cannot_be_changed(tmp_path, measured):
    np.save(tmp_path / "gains.npy", measured)
    trace = load_trace(tmp_path / "gains.npy")
    with pytest.raises(ValueError, match="read-only"):
        trace.gain[0, 0, 0] = 1.0
    assert load_trace(tmp_path / "gains.npy") is trace  # it is read once


def test_a_name_in_a_file_without_names_is_refused(tmp_path, measured):
    np.save(tmp_path / "gains.npy", measured)
    with pytest.raises(ValueError, match="variable = 'x': an NPY file has one array, without a"):
        load_trace(tmp_path / "gains.npy", variable="x")


def test_a_recorded_trace_that_is_gone_or_another_is_named(tmp_path, measured):
    recorded = Scenario.load(write(tmp_path, measured)).to_dict()
    np.save(tmp_path / "gains.npy", measured * 0.9)
    changed = Scenario.from_dict(recorded)
    with pytest.raises(ValueError, match=r"another file than .* recorded.*: put that one back, or"):
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


def clarke(slots, users, channels, doppler):
    """Rayleigh fading of Jakes' spectrum: 64 plane waves a link, from all around (Clarke, 1968)."""
    rng = np.random.default_rng(3)
    angle, phase = rng.uniform(0, 2 * np.pi, (2, 64, 1, users, channels))
    time = np.arange(slots)[:, None, None]
    waves = np.exp(1j * (2 * np.pi * doppler * np.cos(angle) * time + phase))
    return np.abs(waves.sum(axis=0)) ** 2 / 64


def test_check_says_how_measured_gains_spread(tmp_path):
    from scipy.special import j0

    gain = clarke(1000, 6, 6, 0.02)
    for lag in (0, 1, 5, 10):
        right = j0(2 * np.pi * 0.02 * lag) ** 2
        assert autocorrelation(gain, lag) == pytest.approx(right, abs=0.05)
    np.save(tmp_path / "gains.npy", gain[:, :2, :2])
    (tmp_path / "s.toml").write_text(Scenario.from_dict(document(), tmp_path).to_toml())
    shown = " ".join(run("scenario", "check", tmp_path / "s.toml").stdout.split())
    low, high = 10 * np.log10([gain[:, :2, :2].min(), gain[:, :2, :2].max()])
    assert f"gains from {low:.1f} to {high:.1f} dB, autocorrelation 0.9" in shown
    assert shown.count("after") == 3
    np.save(tmp_path / "gains.npy", np.full((9, 2, 2), 0.1))
    (tmp_path / "t.toml").write_text(Scenario.from_dict(document(), tmp_path).to_toml())
    shown = " ".join(run("scenario", "check", tmp_path / "t.toml").stdout.split())
    assert "gains from -10.0 to -10.0 dB that never change" in shown
    assert np.isnan(autocorrelation(np.ones((9, 2, 2)), 1))


# ------------------------------------------------------------------------------------------- files


def rows(separator=",", gain=lambda s, n, k: f"0.{s}{n}{k}1"):
    return [
        separator.join((str(s), str(n), str(k), gain(s, n, k)))
        for s in range(3)
        for n in range(2)
        for k in range(2)
    ]


EXPECTED = np.array(
    [[[float(f"0.{s}{n}{k}1") for k in range(2)] for n in range(2)] for s in range(3)]
)
HEAD = "slot,user,channel,gain"
TEXTS = {
    "plain": [HEAD, *rows()],
    "blank first": ["", HEAD, *rows()],
    "comments": ["# measured 2024-05-01, campus", HEAD, *rows()[:5], "  # a pause", *rows()[5:]],
    "quoted": ['"slot","user","channel","gain"', *(f'"{row[0]}",{row[2:]}' for row in rows())],
    "commas in quotes": [f"device,{HEAD}", *(f'"phone, old",{row}' for row in rows())],
    "semicolons": [HEAD.replace(",", ";"), *rows(";")],
    "decimal commas": [
        HEAD.replace(",", ";"),
        *rows(";", lambda s, n, k: f"0,{s}{n}{k}1"),
    ],
    "tabs": [HEAD.replace(",", "\t"), *rows("\t")],
    "capitals": ["Slot, User, Channel, Gain", *rows(", ")],
    "other order": ["gain,channel,user,slot", *(",".join(r.split(",")[::-1]) for r in rows())],
}


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
@pytest.mark.parametrize("kind", TEXTS)
def test_tables_are_read_as_people_write_them(tmp_path, kind, ending, mark):
    file = tmp_path / "g.csv"
    file.write_bytes(mark + ending.join(TEXTS[kind]).encode())
    np.testing.assert_array_equal(draw_gains(Channel("trace", file=file), 0, 0, 3, 2, 2), EXPECTED)


@pytest.mark.parametrize("kind", [k for k in TEXTS if k not in ("commas in quotes", "other order")])
def test_accuracy_tables_are_read_alike(tmp_path, kind):
    """The two kinds of CSV have one reader: what one may hold the other may too."""
    text = {
        "plain": "extraction,0,10\n0.5,0.6,0.7\n1,0.8,0.9",
        "blank first": "\nextraction,0,10\n0.5,0.6,0.7\n1,0.8,0.9",
        "comments": "# measured\nextraction,0,10\n # a pause\n0.5,0.6,0.7\n1,0.8,0.9",
        "quoted": '"extraction",0,10\n"0.5",0.6,0.7\n1,"0.8",0.9',
        "semicolons": "extraction;0;10\n0.5;0.6;0.7\n1;0.8;0.9",
        "decimal commas": "extraction;0;10\n0,5;0,6;0,7\n1;0,8;0,9",
        "tabs": "extraction\t0\t10\n0.5\t0.6\t0.7\n1\t0.8\t0.9",
        "capitals": "Extraction, 0, 10\n0.5, 0.6, 0.7\n1, 0.8, 0.9",
    }[kind]
    (tmp_path / "s.csv").write_text(text)
    tiny = Scenario.load("tiny").to_dict()
    tiny["tasks"]["text"]["accuracy"] = {"file": "s.csv"}
    found = Scenario.from_dict(tiny, tmp_path).tasks["text"].accuracy
    assert found.table == [[0.6, 0.7], [0.8, 0.9]]
    assert found.extraction == [0.5, 1.0]
    assert found.snr_db == [0, 10]


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ([HEAD, *rows(gain=lambda s, n, k: "(0.1+0.86j)")], "of complex coefficients h they are"),
        ([HEAD, *rows(gain=lambda s, n, k: "0.1 + 0.86i")], 'which unit = "complex" does'),
        (
            [HEAD + "_db", *rows(gain=lambda s, n, k: "-90")],
            'unit = "db" with variable = "gain_db"',
        ),
        ([HEAD, *rows(gain=lambda s, n, k: "-90")], "10**(gain / 10), which unit"),
        (["slot,user,channel,h", *rows()], 'variable = "h" names the column of gains'),
        (rows(), "the first row is 0, 0, 0, 0.0001"),
        ([], "the first row is nothing"),
        ([HEAD, *rows()[:-1]], "one row for each of 3 slots x 2 users x 2 channels"),
        ([HEAD, *rows()[:-1], rows()[0]], "got several of slot 0, user 0, channel 0"),
        ([HEAD, "0,0,0"], "row 1 below the header has gain = ''"),
        ([HEAD, "0,0,0,many"], "row 1 below the header has gain = 'many': a number is expected"),
        ([HEAD, "0,0,0,1_0"], "row 1 below the header has gain = '1_0': a number is expected"),
        ([HEAD, "0,0_0,0,0.5"], "row 1 below the header has user = '0_0': a number is expected"),
        (
            [HEAD, "0,0,0,\u0663"],
            "row 1 below the header has gain = '\u0663': a number is expected",
        ),
        ([HEAD, "0,0,0,1_0+2j"], "row 1 below the header has gain = '1_0+2j': a number is exp"),
        ([HEAD, "1,1,1,0.5"], "slot counts from 1"),
        ([HEAD, "1e30,0,0,0.5"], "count from 0"),
        ([HEAD, "0,0,0,1" + "0" * 300], "slot 0, user 0, channel 0 has gain 1e+300"),
        ([HEAD, "0,0,0," + "9" * 279], "has gain 1e+279"),
        ([HEAD, '0,0,0,"' + "1" * 200_000], "field larger than field limit"),
    ],
)
def test_faults_of_tables_say_what_to_do(tmp_path, lines, words):
    (tmp_path / "gains.csv").write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(ScenarioError) as refused:
        Scenario.from_dict(document(file="gains.csv"), tmp_path)
    ((path, sentence),) = refused.value.faults
    assert path == "channel.file"
    assert sentence.startswith('= "gains.csv": ')
    assert words in sentence
    assert len(sentence) < 400


def test_text_in_other_encodings_is_named(tmp_path):
    for encoding, words in (
        ("utf-16", "is UTF-16 text: save it as UTF-8"),
        ("latin-1", "not UTF-8"),
    ):
        (tmp_path / "g.csv").write_text("# Gebäude\n" + HEAD, encoding=encoding)
        with pytest.raises(ValueError, match=words):
            draw_gains(Channel("trace", file=tmp_path / "g.csv"), 0, 0, 1, 1, 1)


@pytest.mark.parametrize(
    ("unit", "column", "cell", "power"),
    [
        ("db", "gain", "-30", 1e-3),
        ("db", "gain_db", "-30", 1e-3),
        ("complex", "gain", "(0.3-0.4j)", 0.25),
        ("complex", "h", "0.3+0.4i", 0.25),
        ("amplitude", "gain", "0.5", 0.25),
    ],
)
def test_units_of_tables(tmp_path, unit, column, cell, power):
    text = [f"slot,user,channel,{column}", *rows(gain=lambda s, n, k: cell)]
    (tmp_path / "gains.csv").write_text("\n".join(text))
    changes = {} if column == "gain" else {"variable": column}
    scenario = Scenario.from_dict(document(file="gains.csv", unit=unit, **changes), tmp_path)
    np.testing.assert_allclose(scenario.draw(3, 0)[0], power)


def savez(file, **arrays):
    np.savez(file, **arrays)


def savemat(file, **arrays):
    from scipy.io import savemat as save

    save(file, arrays)


@pytest.mark.parametrize(("name", "save"), [("g.npz", savez), ("g.mat", savemat)])
def test_archives_name_their_arrays(tmp_path, measured, name, save):
    file = tmp_path / name
    h = np.sqrt(measured) * np.exp(1j * np.arange(measured.size).reshape(measured.shape))
    save(file, h=h, other=measured)

    def drawn(**keys):
        return draw_gains(Channel("trace", file=file, **keys), 0, 0, SLOTS, 2, 2)

    np.testing.assert_allclose(drawn(variable="h", unit="complex"), measured, rtol=FEW_ROUNDINGS)
    np.testing.assert_array_equal(drawn(variable="other"), measured)
    for keys, words in (
        ({}, 'the file holds h, other: say which is meant, as in variable = "h"'),
        ({"variable": "g"}, "has no variable 'g': the file holds h, other"),
        ({"variable": "h"}, 'or say unit = "complex"'),
    ):
        with pytest.raises(ValueError, match=r"channel\.file") as refused:
            drawn(**keys)
        assert words in str(refused.value)
    save(file, only=measured)
    np.testing.assert_array_equal(drawn(), measured)


def objects(file):
    np.save(file, np.array([{"a": 1}, None], dtype=object), allow_pickle=True)


def pickled(file):
    import pickle

    file.write_bytes(pickle.dumps([0.5]))


def written(content):
    return lambda file: file.write_bytes(content)


def archive():
    content = BytesIO()
    np.savez(content, g=np.ones((2, 2, 2)))
    return content.getvalue()


def cut(file):
    np.save(file, np.ones((9, 9, 9)))
    file.write_bytes(file.read_bytes()[:200])


def claims_much(file):
    """An array of a petabyte, in 128 bytes."""
    np.save(file, np.ones((1000, 1000, 1)))
    head = file.read_bytes()[:128]
    shape = b"(1000, 1000, 1)"
    file.write_bytes(
        head.replace(shape + b", }", b"(999999999, 99999, 1), }").ljust(128, b" ")[:128]
    )


@pytest.mark.parametrize(
    ("name", "save", "words"),
    [
        ("g.npy", objects, "holds Python objects, not numbers"),
        ("g.npy", pickled, "is not an NPY file"),
        ("g.npy", written(b""), "is not an NPY file"),
        ("g.npy", cut, "is not a whole NPY file"),
        ("g.npy", claims_much, "does not fit into memory"),
        ("g.npy", lambda file: file.write_bytes(archive()), "is not an NPY file"),
        ("g.npy", lambda file: np.save(file, np.ones((2, 2, 2), bool)), "holds booleans"),
        ("g.npy", lambda file: np.save(file, np.array([["a"]])), "holds text"),
        ("g.npy", lambda file: np.save(file, 1j * np.ones((2, 2, 2))), "complex coefficients h"),
        ("g.npy", lambda file: np.save(file, 1j * np.ones((2, 2, 2))), "`semopt scenario gains"),
        ("g.npy", lambda file: np.save(file, np.eye(2)[None]), "has a small gain, such as 1e-12"),
        (
            "g.npy",
            lambda file: np.save(file, 1j * np.ones((2, 3, 9, 8))),
            "channel.from_coefficients",
        ),
        ("g.npy", lambda file: np.save(file, -90.0 * np.ones((2, 2, 2))), "(and 7 more are out of"),
        ("g.npy", lambda file: np.save(file, np.ones((5, 2))), "gain[:, None, :] has one user"),
        (
            "g.npy",
            lambda file: np.save(file, np.ones(5)),
            "the array has shape (5,): must be (slots",
        ),
        ("g.npz", written(b"PK no archive"), "is not an NPZ file"),
        ("g.npz", lambda file: savez(file), "the file holds no array"),
        ("g.npz", lambda file: file.write_bytes(archive()[:-40]), "is not an NPZ file"),
        ("g.mat", written(b"MATLAB 5.0 but not really"), "is not a whole MAT file"),
        ("g.mat", written(b"MATLAB 7.3 MAT-file" + b" " * 200), "is not a whole MAT file"),
        (
            "g.mat",
            lambda file: savemat(file, g=np.ones((5, 2))),
            "gain[:, :, None] one sub-channel",
        ),
        ("g.mat", lambda file: savemat(file, g="text"), "holds text"),
        ("g.mat", lambda file: savemat(file, g={"a": 1.0}), "holds records"),
        ("g.parquet", written(b"PAR1 no table PAR1"), "is not a Parquet file"),
        ("g", written(b""), "the endings .npy, .npz, .mat, .csv, .parquet are expected"),
    ],
)
def test_faults_of_files_are_in_our_words(tmp_path, name, save, words):
    if name.endswith("parquet"):
        pytest.importorskip("pyarrow")
    save(tmp_path / name)
    with pytest.raises(ScenarioError) as refused:
        Scenario.from_dict(document(file=name), tmp_path)
    ((path, sentence),) = refused.value.faults
    assert path == "channel.file"
    assert words in sentence
    assert "pickle" not in sentence
    assert len(sentence) < 400


def test_what_is_no_file_is_named(tmp_path):
    import os

    os.mkfifo(tmp_path / "pipe.npy")  # which would never end
    (tmp_path / "folder.npy").mkdir()
    for name in ("pipe.npy", "folder.npy"):
        with pytest.raises(ScenarioError, match="is not a regular file"):
            Scenario.from_dict(document(file=name), tmp_path)
    with pytest.raises(ScenarioError, match="there is no such file beside the scenario"):
        Scenario.from_dict(document(file="absent.npy"), tmp_path)


def test_faults_of_a_trace_hide_no_others(tmp_path, measured):
    measured[3, 1, 0] = -1.0
    np.save(tmp_path / "gains.npy", measured)
    faulty = document(split=[1.0])
    faulty["system"]["noise_mw"] = 0.0
    faulty["tasks"]["text"]["data_kbit"] = "many"
    with pytest.raises(ScenarioError) as refused:
        Scenario.from_dict(faulty, tmp_path)
    found = dict(refused.value.faults)
    assert set(found) == {
        "system.noise_mw",
        "tasks.text.data_kbit",
        "channel.split",
        "channel.file",
    }
    assert "slot 3, user 1, channel 0 has gain -1.0: finite" in found["channel.file"]


def test_a_trace_of_other_users_is_named_with_the_rest(tmp_path):
    np.save(tmp_path / "gains.npy", np.ones((5, 3, 1)))
    faulty = document()
    faulty["qoe"]["slope_accuracy"] = -1.0
    with pytest.raises(ScenarioError) as refused:
        Scenario.from_dict(faulty, tmp_path)
    found = dict(refused.value.faults)
    assert set(found) == {"qoe.slope_accuracy", "channel.file"}
    words = "gains of 2 users on 2 channels are expected, got 3 and 1"
    assert found["channel.file"] == f'= "gains.npy": {words}'
