"""`semopt semantic train`, `measure` and `export` from the outside."""

import json

import pytest
from typer.testing import CliRunner

pytest.importorskip("torch")
pytest.importorskip("transformers")

from semantic_data import write_cifar
from semopt.cli.semantic import app
from semopt.semantic.data.sources import SOURCES, data_folder, missing
from semopt.semantic.measure.record import measured_once


def run(*arguments):
    return CliRunner().invoke(app, [str(a) for a in arguments])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("train", "cifar", "local", "--out", "x"), "no plan for 'cifar' 'local'"),
        (("measure", "--out", "x"), "names of data sets, or --all"),
        (("measure", "easy-vqa", "--all", "--out", "x"), "names of data sets, or --all"),
        (("export", "paper", "--from", "x"), "'paper' is not one of measured"),
        (("export", "measured", "--from", "no-such"), "`semopt semantic measure movie-snippets"),
        (("export", "measured", "--from", "x", "--data-set", "sst2"), "semantic measure sst2"),
        (("export", "measured", "--from", "x", "--data-set", "sst"), "'sst' is not one of movie"),
    ],
)
def test_bad_arguments(arguments, message):
    found = run(*arguments)
    assert isinstance(found.exception, ValueError)
    assert message in str(found.exception)


def test_missing_data_says_how_to_get_them(tmp_path):
    found = run("train", "easy-vqa", "local", "--out", tmp_path / "run", "--data", tmp_path)
    assert "`semopt semantic data easy-vqa` fetches it" in str(found.exception)


def test_the_papers_own_data_sets_train_from_their_files(tmp_path):
    write_cifar(tmp_path / "cifar10/cifar-10-batches-bin")
    for role in ("local", "semantic"):
        arguments = ("train", "cifar10", role, "--epochs", 1, "--data", tmp_path)
        found = run(*arguments, "--out", tmp_path / role)
        assert "180 samples" in found.stdout
        assert "epoch  1/1" in found.stdout
    message = "put data_batch_1.bin to 5 and test_batch.bin of the binary version there"
    found = run("train", "cifar10", "local", "--data", tmp_path / "no", "--out", tmp_path / "x")
    assert message in str(found.exception)


def test_ctrl_c_says_where_a_run_is_taken_up(tmp_path, monkeypatch):
    write_cifar(tmp_path / "cifar10/cifar-10-batches-bin")

    def cut(told):
        raise KeyboardInterrupt

    arguments = ("train", "cifar10", "local", "--epochs", 2, "--data", tmp_path)
    arguments += ("--out", tmp_path / "run")
    monkeypatch.setattr("semopt.report.measure.print_progress", cut)
    found = run(*arguments)
    assert found.exit_code == 130
    assert f"what is trained is in {tmp_path / 'run'}, where --resume" in found.output
    monkeypatch.undo()
    shown = run(*arguments, "--resume").stdout
    assert "epoch  2/2" in shown
    assert "epoch  1/2" not in shown


def test_what_was_measured_of_the_same_weights_is_kept(tmp_path):
    file, made = tmp_path / "measured.json", []

    def make():
        made.append(1)
        return {"accuracy": 0.5}

    for digest, calls in (("a", 1), ("a", 1), ("b", 2), ("b", 2)):
        assert measured_once(file, digest, make) == {"accuracy": 0.5}
        assert len(made) == calls
    for text in ("", "[]", "{}", '{"checkpoint_sha256": "b"}'):
        file.write_text(text)
        assert measured_once(file, "b", make) == {"accuracy": 0.5}
    assert len(made) == 6


def test_train_and_resume(tmp_path):
    if fault := missing(SOURCES["easy-vqa"], data_folder()):
        pytest.skip(fault)
    arguments = ("train", "easy-vqa", "local", "--share", 0.01, "--epochs", 2)
    arguments += ("--out", tmp_path / "run")
    shown = run(*arguments).stdout
    assert "epoch  2/2" in shown
    document = json.loads((tmp_path / "run" / "checkpoint.json").read_text())
    assert document["plan"]["share"] == 0.01
    assert len(document["progress"]["history"]) == 2
    assert "holds a run already" in str(run(*arguments).exception)
    assert "epoch" not in run(*arguments, "--resume").stdout  # it has ended
