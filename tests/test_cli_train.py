"""`semopt train` and `semopt evaluate` as their users meet them."""

import json
import signal
import subprocess
import sys

from typer.testing import CliRunner

from semopt.cli import app

KEYS = {
    *("qoe", "reference_qoe", "ratio", "ratio_p1", "ratio_worst", "closure", "hit_share"),
    *("latency_ms", "energy_mj", "accuracy", "infeasible_share", "decision_us"),
}


def run(*arguments):
    return CliRunner().invoke(app, list(arguments))


def test_a_run_is_trained_evaluated_and_taken_up(tmp_path):
    out = str(tmp_path / "run")
    trained = run("train", "mappo", "paper", "--out", out, "--time-limit", "0.2")
    assert trained.exit_code == 0, trained.output
    assert "regret" in trained.output
    assert "the time is up; --resume goes on" in trained.output
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert {"checkpoint.json", "log.jsonl", "tensorboard"} <= names
    file = tmp_path / "scores.json"
    scored = run("evaluate", out, "local", "global", "--slots", "20", "--json", str(file))
    assert scored.exit_code == 0, scored.output
    assert max(len(line.rstrip()) for line in scored.output.splitlines()) <= 80
    document = json.loads(file.read_text())
    assert {"schema", "reference", "slots", "methods"} <= document.keys()
    assert (document["schema"], document["slots"]) == (1, 20)
    assert document["methods"].keys() == {out, "local", "global"}
    for score in document["methods"].values():
        assert score.keys() == KEYS
    assert document["methods"]["global"]["hit_share"] == 1.0
    again = run("train", "mappo", "paper", "--out", out, "--time-limit", "0.1", "--resume")
    assert again.exit_code == 0, again.output
    reports = [json.loads(line) for line in (tmp_path / "run/log.jsonl").read_text().splitlines()]
    assert [r["updates"] for r in reports] == sorted({r["updates"] for r in reports})
    assert len(reports) == 2


def test_a_run_has_the_length_that_is_asked_for(tmp_path):
    trained = run("train", "mappo", "paper", "--out", str(tmp_path / "run"), "--updates", "2")
    assert trained.exit_code == 0, trained.output
    document = json.loads((tmp_path / "run/checkpoint.json").read_text())
    assert document["settings"]["updates"] == document["progress"]["updates"] == 2


def test_bad_words_are_named(tmp_path):
    out = str(tmp_path / "run")
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    empty, file = str(tmp_path / "empty"), str(tmp_path / "file")
    faults = {
        ("train", "mappo", "--out", out, "--settings", "slow"): "mappo has fast, paper",
        ("train", "mappo", "nowhere", "--out", out): "nowhere",
        ("train", "mappo", "--out", ""): "out = ''",
        ("train", "mappo", "--out", file): "is a file",
        ("train", "mappo", "--out", empty, "--resume"): "holds no run to take up",
        ("evaluate", empty): "holds no checkpoint",
        ("evaluate", "mappo"): "name the folder of its checkpoint",
        ("evaluate", "exact", "--json", ""): "--json",
        ("evaluate", "exact", "--scenario", file, "--json", file): "would overwrite what is read",
        ("evaluate", f"{file}:f", "--json", file): "would overwrite what is read",
    }
    for arguments, message in faults.items():
        result = run(*arguments)
        assert isinstance(result.exception, ValueError), arguments
        assert message in str(result.exception)
    assert not (tmp_path / "run").exists()


def test_an_unknown_word_of_a_few_is_refused_at_once():
    for option, word in (("--observation", "all"), ("--device", "gpu")):
        result = run("train", "dqn", "--out", "x", option, word)
        assert result.exit_code == 2
        assert word in result.output


def test_no_json_overwrites_a_checkpoint(tmp_path):
    (tmp_path / "checkpoint.json").write_text("{}")
    result = run("evaluate", str(tmp_path), "--json", str(tmp_path / "checkpoint.json"))
    assert "would overwrite what is read" in str(result.exception)


def test_ctrl_c_ends_a_training_with_a_checkpoint_and_a_word(tmp_path):
    out = tmp_path / "run"
    command = [sys.executable, "-m", "semopt", "train", "mappo", "paper", "--out", str(out)]
    for number, more in ((signal.SIGINT, []), (signal.SIGTERM, ["--resume"])):
        with subprocess.Popen(
            [*command, *more], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as training:
            head = [training.stdout.readline() for _ in range(3)]  # the first row is there
            assert head[2].split()[0].isdigit()
            training.send_signal(number)
            _, said = training.communicate(timeout=120)
        assert training.returncode == 128 + number
        assert "Traceback" not in said
        updates = json.loads((out / "checkpoint.json").read_text())["progress"]["updates"]
        assert f"interrupted: {out} keeps the run up to update {updates}; --resume goes" in said
