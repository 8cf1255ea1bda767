"""`semopt train` and `semopt evaluate` as their users meet them."""

import json

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
    out = str(tmp_path)
    faults = {
        ("train", "mappo", "--out", out, "--settings", "slow"): "mappo has fast, paper",
        ("train", "dqn", "--out", out, "--observation", "all"): "one of own, shared",
        ("train", "mappo", "nowhere", "--out", out): "nowhere",
        ("evaluate", out): "holds no checkpoint",
        ("evaluate", "mappo"): "name the folder of its checkpoint",
    }
    for arguments, message in faults.items():
        result = run(*arguments)
        assert isinstance(result.exception, ValueError), arguments
        assert message in str(result.exception)
