"""`semopt train` and `semopt evaluate` as their users meet them."""

import json
import signal
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
from typer.testing import CliRunner

from semopt import cli
from semopt.cli import app
from semopt.learn import deciders

KEYS = {
    *("qoe", "reference_qoe", "ratio", "ratio_p1", "ratio_worst", "closure", "hit_share"),
    *("latency_ms", "energy_mj", "accuracy", "infeasible_share", "decision_us"),
    *("qoe_interval", "gap_interval", "ratio_interval"),
}


def run(*arguments):
    return CliRunner().invoke(app, list(arguments))


def test_a_run_is_trained_evaluated_and_taken_up(tmp_path):
    out = str(tmp_path / "run")
    trained = run("train", "mappo", "paper", "--out", out, "--time-limit", "0.2")
    assert trained.exit_code == 0, trained.output
    assert trained.output.startswith("mappo on paper, settings fast, device ")
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
    refused = run("train", "mappo", "paper", "--out", out, "--resume", "--seed", "1")
    assert "has seed = 0, not 1" in str(refused.exception)
    assert refused.output == ""  # nothing was begun


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


def test_ctrl_c_gives_the_scores_that_are_finished(tmp_path):
    late, file = tmp_path / "late.py", tmp_path / "scores.json"
    # A policy is tried on two slots before all are given to it.
    late.write_text(
        POLICY.replace("    return", "    if len(seen) > 2: raise KeyboardInterrupt\n    return")
    )
    names = ["local", f"{late}:f", "constant"]
    out = run("evaluate", *names, "--slots", "5", "--json", str(file))
    assert out.exit_code == 130
    assert "interrupted: 1 of 3 scores are finished and given" in out.output
    assert "Reference global" in out.output
    document = json.loads(file.read_text())
    assert (list(document["methods"]), document["missing"]) == (names[:1], names[1:])
    whole = run("evaluate", "local", "--slots", "5", "--json", "-")
    expected = json.loads(whole.stdout)
    assert "missing" not in expected
    for found in (document, expected):
        del found["methods"]["local"]["decision_us"]
    assert document["methods"] == expected["methods"]
    out = run("evaluate", *names[1:], "--slots", "5", "--json", str(tmp_path / "none.json"))
    assert out.exit_code == 130
    assert "interrupted: nothing is scored yet" in out.output
    assert not (tmp_path / "none.json").exists()


def test_sigterm_ends_a_training_with_a_checkpoint_and_a_word(tmp_path):
    out = tmp_path / "run"
    command = [sys.executable, "-m", "semopt", "train", "mappo", "paper", "--out", str(out)]
    command += ["--settings", "paper", "--updates", "100000"]  # a row every ten short updates
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as training:
        head = [training.stdout.readline() for _ in range(3)]  # the first row is there
        assert head[2].split()[0].isdigit()
        training.send_signal(signal.SIGTERM)
        _, said = training.communicate(timeout=240)
    assert training.returncode == 128 + signal.SIGTERM
    assert "Traceback" not in said
    updates = json.loads((out / "checkpoint.json").read_text())["progress"]["updates"]
    assert f"interrupted: {out} keeps the run up to update {updates}; --resume goes on" in said


POLICY = "import numpy as np\ndef f(seen):\n    return np.zeros((*seen.shape[:2], 6), np.float32)\n"
NAMES = (
    *("exact", "local", "reference", "constant", "relaxation", "mappo", "semantic-unaware"),
    *("", ".", "..", "/", ":", "::", "a:", ":f", "os:getcwd", "os:system", "math:pi", "nowhere:f"),
    *("./mine.py:f", "./mine.py:g", "mine:f", "./no.py:f", "./mine.py", "mine.toml:f", "~", "\x00"),
    *("-", "no such thing", "é", "[red]", "run", "empty", "folder:f", "x" * 300),
)
FILES = ("paper", "tiny", "contended", "", ".", "nowhere", "mine.py", "run", "empty", "x" * 300)
NUMBERS = ("0", "1", "2", "-1", "1.5", "nan", "inf", "", "x", "1e3", "9" * 30)
TARGETS = ("-", "", ".", "out.json", "mine.py", "run/checkpoint.json", "no/such/folder.json")


def clumsy(rng):
    """Return a command as somebody in a hurry types it."""

    def one(pool):
        return pool[int(rng.integers(len(pool)))]

    if rng.random() < 0.6:
        words = ["evaluate", *(one(NAMES) for _ in range(int(rng.integers(1, 3))))]
        options = {"--slots": NUMBERS, "--seed": NUMBERS, "--json": TARGETS, "--scenario": FILES}
        words += ["--slots", "2"] * int(rng.random() < 0.7)
    else:
        words = ["train", one(("mappo", "dqn", "distill", "ppo", "")), one(FILES)]
        words += ["--updates", "1", "--time-limit", "0.01"] * int(rng.random() < 0.8)
        outs = ("run", "new", "", "mine.py", "empty", "mine.py/x", "new/deep/er")
        options = {"--out": outs, "--seed": NUMBERS, "--observation": ("own", "all", "")}
        options |= {"--settings": ("fast", "paper", "slow", ""), "--device": ("cpu", "tpu")}
        options |= {"--time-limit": NUMBERS, "--updates": ("1", *NUMBERS[2:])}
        words += ["--out", one(outs)] * int(rng.random() < 0.8)
        words += ["--resume"] * int(rng.random() < 0.2)
    for option, values in options.items():
        if rng.random() < 0.12:
            words += [option, one(values)]
    return words


def answered(folder, rng, trials, monkeypatch, capsys):
    """Give clumsy commands; return how many ended with each exit code."""
    monkeypatch.chdir(folder)
    (folder / "mine.py").write_text(POLICY)
    (folder / "empty").mkdir()
    (folder / "folder:f").mkdir()
    codes = Counter()
    monkeypatch.setattr(deciders, "FITTED", 20)
    for _ in range(trials):
        words = clumsy(rng)
        code = cli.run(words)
        said = capsys.readouterr()
        codes[code] += 1
        assert code in (0, 2), words
        assert "Traceback" not in said.err, words
        assert code == 0 or len(said.err.strip().splitlines()) <= 12, words
        assert (folder / "mine.py").read_text() == POLICY, words
    return codes


def test_clumsy_commands_are_answered_in_a_sentence(tmp_path, monkeypatch, capsys):
    codes = answered(tmp_path, np.random.default_rng(0), 50, monkeypatch, capsys)
    assert codes[0] > 0
    assert codes[2] > 20


@pytest.mark.long
def test_a_thousand_clumsy_commands(tmp_path, monkeypatch, capsys):
    answered(tmp_path, np.random.default_rng(1), 1000, monkeypatch, capsys)
