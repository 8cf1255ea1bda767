"""The command `semopt scenario`."""

import json
import re
import shlex
from decimal import Decimal
from math import comb, perm

import numpy as np
import pytest
from typer.testing import CliRunner

from semopt import solve
from semopt.cli import app as commands
from semopt.cli.lengths import lengths
from semopt.cli.scenario import app
from semopt.scenario import Scenario, presets


def run(*arguments):
    return CliRunner().invoke(app, [str(a) for a in arguments])


def test_list_names_every_preset():
    lines = run("list").stdout.splitlines()
    assert [line.split()[0] for line in lines] == list(presets())


def test_show_marks_assumed_values_with_their_reasons():
    shown = run("show", "paper").stdout
    slope = next(line for line in shown.splitlines() if line.startswith("slope_accuracy"))
    mark = re.fullmatch(r"slope_accuracy +[0-9.]+ +(\*\d+) .*", slope)[1]
    noise = next(line for line in shown.splitlines() if line.startswith("noise_mw"))
    assert "*" not in noise
    assert "noise power of a sub-channel, mW" in noise
    assert f"{mark} assumed: qoe.slope_accuracy" in shown


def test_show_has_a_column_for_each_user(tmp_path):
    document = Scenario.load("tiny").to_dict() | {"users": [{"power_mw": [1.0, 2.0]}, {}]}
    (tmp_path / "own.toml").write_text(Scenario.from_dict(document).to_toml())
    lines = run("show", tmp_path / "own.toml").stdout.splitlines()
    row = lines.index(next(line for line in lines if line.startswith("[users]")))
    assert lines[row].split() == ["[users]", "user", "0", "user", "1"]
    assert lines[row + 1].split() == ["power_mw", "1", "2", "-"]


def test_show_as_json_and_toml():
    tiny = Scenario.load("tiny").to_dict()
    assert json.loads(run("show", "tiny", "--json").stdout) == tiny
    assert Scenario.parse(run("show", "tiny", "--toml").stdout).to_dict() == tiny
    assert "--json and --toml" in str(run("show", "--json", "--toml").exception)


def test_check_reports_sound_and_faulty_files_alike(tmp_path):
    (tmp_path / "bad.toml").write_text("[system]\nnoise_mw = -1\n")
    result = run("check", "tiny", tmp_path / "bad.toml")
    assert result.exit_code == 2
    assert result.stdout.startswith("ok: tiny: 2 users, 2 sub-channels, tasks text, image")
    assert "46 joint actions" in result.stdout
    assert "system.noise_mw = -1: must be a number above 0" in result.stderr
    assert "qoe table is missing" in result.stderr
    assert run("check", "paper").exit_code == 0


def test_new_writes_a_sound_commented_file_and_spares_what_is_there(tmp_path):
    file = tmp_path / "mine.toml"
    assert run("new", file).exit_code == 0
    text = file.read_text()
    assert text.startswith("# A scenario of semopt.")
    assert "# may also hold energy_max_mj: limit of a task's energy, mJ" in text
    assert Scenario.load(file).to_dict() == Scenario.load("paper").to_dict() | {"name": "mine"}
    assert "exists" in str(run("new", file, "--from", "tiny").exception)
    assert file.read_text() == text
    assert run("new", file, "--from", "tiny", "--force").exit_code == 0
    assert Scenario.load(file).problem().joint_actions() == 46
    assert [path.name for path in tmp_path.iterdir()] == ["mine.toml"]


def test_new_in_a_folder_that_is_not_there(tmp_path):
    result = run("new", tmp_path / "no" / "mine.toml")
    assert isinstance(result.exception, ValueError)
    assert "cannot write" in str(result.exception)


@pytest.mark.parametrize("key", ["system", "users", "tasks", "channel", "assumed"])
def test_schema_is_json_with_every_section(key):
    assert key in json.loads(run("schema").stdout)["properties"]


def test_compare_counts_the_modes_of_the_best_decisions(tmp_path):
    file = tmp_path / "modes.json"
    assert "mean" in run("compare", "tiny", "paper", "--slots", 40, "--json", file).stdout
    found = json.loads(file.read_text())
    assert found["slots"] == 40
    scenario = Scenario.load("tiny")
    gain, task = scenario.draw(40, 0)
    count = dict.fromkeys(("local", "raw", "semantic"), 0)
    extraction = []
    for slot in range(40):
        action = solve(scenario.problem(gain[slot], task[slot]), "exhaustive").actions
        for channel, mu in zip(action.channel, action.extraction, strict=True):
            mode = "local" if channel < 0 else "raw" if mu == 1 else "semantic"
            count[mode] += 1
            extraction += [mu] * (mode == "semantic")
    own = found["scenarios"]["tiny"]["modes"]["all"]
    assert {mode: own[mode] for mode in count} == {m: n / 80 for m, n in count.items()}
    assert own["extraction"] == pytest.approx(sum(extraction) / len(extraction))
    assert found["scenarios"]["paper"]["modes"]["text"]["extraction"] is None


def test_compare_refuses_what_is_no_scenario():
    assert isinstance(run("compare", "papre").exception, ValueError)


def write(folder, name, changes=lambda document: document):
    """Write a scenario made from the preset `paper` with few levels."""
    document = Scenario.load("paper").to_dict()
    document.pop("assumed", None)
    document["grid"] = {"power": 2, "frequency": 2, "extraction": 2}
    changes(document)
    (folder / name).write_text(Scenario.from_dict(document).to_toml())
    return folder / name


def test_check_shows_control_characters_as_escapes(tmp_path):
    file = write(tmp_path, "odd.toml", lambda document: document.update(name="red \x1b[31m"))
    told = run("check", file)
    assert "\x1b" not in told.output
    assert r"red \x1b[31m" in told.stdout


def test_compare_tells_scenarios_of_one_name_apart(tmp_path):
    def change(document):
        document["system"]["server_frequency_ghz"] = 6.0

    other = write(tmp_path, "other.toml", change)
    file = tmp_path / "modes.json"
    sources = ("paper", other, "tiny", other)
    told = run("compare", *sources, "--slots", 20, "--json", file)
    found = json.loads(file.read_text())["scenarios"]
    assert list(found) == ["paper", f"paper ({other})", "tiny", f"paper ({other}) #4"]
    assert found["paper"]["mean"] != found[f"paper ({other})"]["mean"]
    assert told.stdout.count(" all ") == 4


def test_what_is_not_asked_for_is_as_long_as_the_trace(tmp_path):
    np.save(tmp_path / "g.npy", np.full((40, 2, 2), 0.3))
    trace = {"model": "trace", "file": str(tmp_path / "g.npy")}
    scenario = Scenario.load("tiny").replace({"slot": None, "channel": trace})
    file, figures = tmp_path / "measured.toml", tmp_path / "modes.json"
    file.write_text(scenario.replace(name="measured").to_toml(), encoding="utf-8")
    assert run("compare", file, "tiny", "--json", figures).exit_code == 0
    assert json.loads(figures.read_text())["slots"] == 40
    asked = run("compare", file, "tiny", "--slots", 41).exception
    assert "41 slots are asked for, it has 40" in str(asked)
    assert lengths("gap", True, [Scenario.load(file)], slots=None) == {"slots": 8}  # a fifth of it
    assert lengths("gap", True, [Scenario.load("tiny")], slots=None) == {"slots": 100}
    assert lengths("gap", True, [Scenario.load(file)], slots=9) == {"slots": 9}


def test_compare_shows_a_task_named_all_beside_the_total(tmp_path):
    def change(document):
        document["tasks"]["all"] = document["tasks"].pop("vqa")
        document["slot"]["tasks"] = ["text", "all"]

    file = write(tmp_path, "mine.toml", change)
    figures = tmp_path / "modes.json"
    assert "all tasks" in run("compare", file, "--slots", 40, "--json", figures).stdout
    modes = json.loads(figures.read_text())["scenarios"]["paper"]["modes"]
    assert list(modes) == ["text", "image", "all", "all tasks"]
    _, task = Scenario.load(file).draw(40, 0)
    own = [np.mean(task == kind) for kind in range(3)]
    for mode in ("local", "raw", "semantic"):
        parts = [modes[name][mode] for name in ("text", "image", "all")]
        assert modes["all tasks"][mode] == pytest.approx(np.dot(own, parts))


@pytest.mark.parametrize(("users", "channels"), [(320, 320), (5000, 20)])
def test_check_counts_what_has_thousands_of_digits(tmp_path, users, channels):
    def change(document):
        document["slot"] = {"tasks": ["text"] * users, "gain": [[0.5] * channels] * users}
        document["system"] |= {"users": users, "channels": channels}
        document["grid"] = {"power": 2, "frequency": 3, "extraction": 1}

    file = write(tmp_path, "many.toml", change)
    # A user has 3 local actions, and 2 on each sub-channel: m of n users offload in C(n, m) ways.
    count = sum(
        comb(users, m) * 3 ** (users - m) * 2**m * perm(channels, m) for m in range(channels + 1)
    )
    assert Scenario.load(file).problem().joint_actions() == count
    told = run("check", file)
    assert told.exit_code == 0, told.output
    assert f"about {Decimal(count):.3g} joint actions" in told.stdout
    assert len(told.stdout) < 300


@pytest.mark.parametrize("name", ["[/best]", "s[a=1]", ":smile:", "[red]", "a\\"])
def test_names_are_shown_as_they_are_written(tmp_path, name):
    def change(document):
        document["name"] = name
        document["tasks"][name] = document["tasks"].pop("vqa")
        document["slot"]["tasks"] = ["text", name]

    file = write(tmp_path, "odd.toml", change)
    for asked in (("check", file), ("show", file), ("compare", file, "--slots", 4)):
        assert name in run(*asked).stdout


def test_new_takes_sizes_tables_and_values(tmp_path):
    points = "extraction,snr_db,accuracy\n0.5,0,0.6\n0.5,10,0.7\n1,0,0.8\n1,10,0.9\n"
    (tmp_path / "text.csv").write_text(points)
    options = ["--users", "8", "--channels", "3", "--from-csv", f"text={tmp_path / 'text.csv'}"]
    options += ["--set", "system.bandwidth_mhz=4", "--set", "qoe.objective=min"]
    out = run("new", tmp_path / "mine.toml", *options)
    assert out.exit_code == 0, out
    made = Scenario.load(tmp_path / "mine.toml")
    assert (made.name, made.users, made.channels) == ("mine", 8, 3)
    assert (made.system.bandwidth_mhz, made.qoe.objective) == (4.0, "min")
    assert made.tasks["text"].accuracy.table == [[0.6, 0.7], [0.8, 0.9]]
    assert made.draw(2, 0)[0].shape == (2, 8, 3)


@pytest.mark.parametrize(
    "unlike",
    ["users=[{}, {}, {power_mw=[10, 30]}]", "users[2].power_mw=[10,30]", "users[2] ={}"],
)
def test_new_takes_unlike_users_beside_their_number(unlike, tmp_path):
    run("new", tmp_path / "mine.toml", "--from", "contended", "--users", "3", "--set", unlike)
    made = Scenario.load(tmp_path / "mine.toml")
    weakest = 0.1 if unlike.endswith("{}") else 0.03
    assert made.template().users.power_max.tolist() == [0.1, 0.1, weakest]


def test_new_says_what_was_changed_and_assumes_the_rest_alone(tmp_path):
    points = "extraction,snr_db,accuracy\n0.5,0,0.6\n0.5,10,0.7\n1,0,0.8\n1,10,0.9\n"
    (tmp_path / "photo.csv").write_text(points)
    options = ["--from-csv", f"image={tmp_path / 'photo.csv'}", "--set", "system.noise_mw=3"]
    run("new", tmp_path / "mine.toml", "--from", "contended", "--users", "5", *options)
    made = Scenario.load(tmp_path / "mine.toml")
    assert made.description == (
        "contended with 5 users, the accuracy of image from photo.csv, system.noise_mw=3"
    )
    assert {"user", "channel", "tasks.text", "tasks.image.data_kbit"} <= made.assumed.keys()
    assert {"system.channels", "system.latency_max_ms"} <= made.assumed.keys()
    for replaced in ("system", "system.users", "system.noise_mw", "tasks", "tasks.image"):
        assert replaced not in made.assumed
    assert "tasks.image.accuracy" not in made.assumed
    row = next(x for x in run("show", tmp_path / "mine.toml").stdout.splitlines() if "0.6 to" in x)
    assert " ".join(row.split()) == "accuracy 0.646 to 0.848 *1 0.6 to 0.9 0.3404 to 0.5791 *1"
    run("new", tmp_path / "same.toml", "--from", "contended")
    same = Scenario.load(tmp_path / "same.toml")
    assert (same.description, same.assumed) == (
        Scenario.load("contended").description,
        Scenario.load("contended").assumed,
    )
    run("new", tmp_path / "said.toml", "--users", "5", "--set", "description=ours")
    assert Scenario.load(tmp_path / "said.toml").description == "ours"


def test_new_with_gains_beside_it_makes_a_folder_that_can_be_handed_on(tmp_path, monkeypatch):
    (tmp_path / "here" / "data").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    np.save("here/data/gains.npy", np.full((20, 2, 2), 0.5))
    law = ["--set", "channel.model=trace", "--set", "channel.file=here/data/gains.npy"]
    assert run("new", "here/mine.toml", "--from", "contended", *law).exit_code == 0
    assert run("new", "here/data/other.toml", "--from", "here/mine.toml").exit_code == 0
    (tmp_path / "here").rename(tmp_path / "there")
    for file, place in (("mine.toml", "data/gains.npy"), ("data/other.toml", "gains.npy")):
        assert f'file = "{place}"' in (tmp_path / "there" / file).read_text()
        gain, _ = Scenario.load(tmp_path / "there" / file).draw(2, 0)
        assert (gain == 0.5).all()
    (tmp_path / "empty").mkdir()
    assert run("new", "empty/far.toml", "--from", "there/mine.toml").exit_code == 0
    (tmp_path / "empty").rename(tmp_path / "elsewhere")
    assert Scenario.load("elsewhere/far.toml").length() == 20


def test_check_and_new_note_what_is_seldom_meant(tmp_path):
    file = tmp_path / "far.toml"
    law = ["--set", "channel.mean_gain=1e-9"]
    made = run("new", file, "--from", "contended", *law)
    asked = run("check", file, "tiny")
    for out in (made, asked):
        assert out.exit_code == 0
        assert "SNR of all users at full power is from" in out.stderr
        assert out.stderr.count("note: ") == 1
    assert asked.stdout.startswith("ok: far: ")
    for words in (["solve"], ["solve", "--slots", "3"], ["explain"], ["evaluate", "--slots", "3"]):
        name, *options = words
        what = ["local", "--scenario", str(file)] if name == "evaluate" else [str(file)]
        out = CliRunner().invoke(commands, [name, *what, *options, "--seed", "0"])
        assert (out.exit_code, out.stderr.count("note: SNR of all users at full power")) == (0, 1)


@pytest.mark.parametrize("ending", ["npy", "npz", "mat"])
def test_gains_of_complex_responses_become_a_trace(tmp_path, ending):
    rng = np.random.default_rng(2)
    h = rng.standard_normal((2, 4, 30, 8)) + 1j * rng.standard_normal((2, 4, 30, 8))
    if ending == "mat":
        pytest.importorskip("scipy.io").savemat(tmp_path / "h.mat", {"h": h})
    else:
        save = np.save if ending == "npy" else np.savez
        save(tmp_path / f"h.{ending}", h)
    options = ["--axes", "user rx time subcarrier", "--channels", "2", "--mean", "0.5"]
    out = run("gains", tmp_path / f"h.{ending}", *options)
    assert out.exit_code == 0, out
    power = (abs(h) ** 2).sum(axis=1).transpose(1, 0, 2)  # over antennas: (slots, users, carriers)
    right = np.stack([power[..., :4].mean(axis=-1), power[..., 4:].mean(axis=-1)], axis=-1)
    made = tmp_path / "h-gains.npy"
    np.testing.assert_allclose(np.load(made), right * 0.5 / right.mean(), rtol=1e-12)
    # What it says to type makes a scenario of them.
    line = out.stdout.split("semopt scenario ")[1]
    words = [str(tmp_path / word) if word == "my.toml" else word for word in shlex.split(line)]
    assert run(*words).exit_code == 0
    assert Scenario.load(tmp_path / "my.toml").length() == 30
    assert "30 slots of 2 users on 2 sub-channels, mean 0.5" in out.stdout
    refused = run("gains", tmp_path / f"h.{ending}", *options)
    assert "exists: choose another name with --out, or --force" in str(refused.exception)
    assert run("gains", tmp_path / f"h.{ending}", *options, "--force").exit_code == 0


@pytest.mark.parametrize(
    ("name", "axes", "options", "words"),
    [
        ("h.npy", "user tme", [], "h.npy: axes = 'user tme': 'tme' is not one of"),
        ("h.npy", "user subcarrier", ["--channels", "2"], "h.npy: channels = 2: 3 sub-carriers"),
        ("h.npy", "user time", ["--mean", "nan"], "h.npy: mean = nan: must be a number above 0"),
        (
            "h.npy",
            "user time",
            ["--antennas", "all"],
            "antennas = 'all': must be one of mrc, power",
        ),
        ("h.npy", "user time", ["--out", "g.csv"], "g.csv: a name that ends in .npy is expected"),
        ("h.npy", "user time", ["--out", "h.npy"], "h.npy: would overwrite"),
        ("real.npy", "user time", [], "power gains are a trace as they are"),
        ("no.npy", "user time", [], "no.npy: No such file or directory"),
        ("h.csv", "user time", [], "h.csv: the endings .npy, .npz, .mat are expected"),
        ("folder.npy", "user time", [], "folder.npy: is not a regular file"),
        (".", "user time", [], "FILE .: is a folder, a file with coefficients is expected"),
    ],
)
def test_what_is_no_response_is_named(name, axes, options, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("h.npy", np.ones((2, 3), complex))
    np.save("real.npy", np.ones((2, 3)))
    (tmp_path / "folder.npy").mkdir()
    assert words in str(run("gains", name, "--axes", axes, *options).exception)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["folder.npy", "h.npy", "real.npy"]


def test_another_law_leaves_out_what_it_does_not_take(tmp_path):
    before = Scenario.load("contended")
    law = before.replace({"channel.model": "rician", "channel.rician_k_db": 3}).channel
    assert (law.model, law.mean_gain, law.rician_k_db) == ("rician", [0.31], 3)
    with pytest.raises(ValueError, match=r"channel.shadowing_db is not used by rayleigh"):
        before.replace({"channel.model": "rayleigh", "channel.shadowing_db": 3})
    with pytest.raises(ValueError, match=r'channel.model = "rayleih"'):
        before.replace({"channel.model": "rayleih"})


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--from-csv", "txt=a.csv"], "txt.accuracy is of a task that is not there: did you mean"),
        (["--from-csv", "a.csv"], "--from-csv a.csv: TASK=FILE is expected"),
        (["--from-csv", "text=/nowhere.csv"], 'file = "/nowhere.csv": No such file'),
        (["--set", "system.bandwith_mhz=4"], "did you mean bandwidth_mhz?"),
        (["--set", "system.bandwidth_mhz=four"], 'bandwidth_mhz = "four": must be a number'),
        (["--set", "name"], "--set name: KEY=VALUE is expected"),
        (["--set", "name=a", "--set", "name=b"], "--set name is given twice: give it once"),
        (["--from-csv", "text=a", "--from-csv", "text=b"], "--from-csv text is given twice"),
        (["--from-csv", "text=a", "--set", "tasks.text.accuracy=1"], "is given too, give one"),
        (["--users", "3", "--set", "users=4"], "users is given twice: give it once"),
        (["--users", "3", "--set", "system.users=3"], "means the same as system.users: give one"),
        (["--users", "3", "--set", "users=[{}]"], "users has length 1: must have 3"),
        (["--set", "users=[{}, {power_mw=10,30]}]"], "power_mw=10,30]}]: is not TOML (Expected"),
    ],
)
def test_what_new_cannot_change_is_named(options, words, tmp_path):
    out = run("new", tmp_path / "mine.toml", *options)
    assert words in str(out.exception)
    assert not (tmp_path / "mine.toml").exists()


def test_new_names_every_key_with_its_unit(tmp_path):
    run("new", tmp_path / "mine.toml")
    text = (tmp_path / "mine.toml").read_text()
    schema = Scenario.json_schema()["$defs"]
    for table in ("System", "Qoe", "User", "Task", "Accuracy", "Grid", "Slot", "Queue", "Channel"):
        for key, about in schema[table]["properties"].items():
            lines = [line for line in text.splitlines() if re.search(rf"\b{key}\b", line)]
            assert lines, f"{table}.{key} is not named"
            unit = re.search(r"_(ms|mj|mw|mhz|ghz|hz|db|kbit|mflop|mps)$", key)
            if unit and about.get("description"):
                assert any(unit[1] in line.lower().replace("m/s", "mps") for line in lines)
