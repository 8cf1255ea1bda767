"""Trainings in studies: each is run once, by the same steps as `semopt train`."""

from dataclasses import asdict, replace
from shutil import copytree

import numpy as np
import pytest

from tolerances import SUMS

pytest.importorskip("torch")

from semopt import Scenario
from semopt.learn import train
from semopt.learn.evaluate import evaluate
from semopt.learn.threads import one_thread
from semopt.studies.audit import audit
from semopt.studies.cells import Store
from semopt.studies.method_cell import MethodCell
from semopt.studies.training_cell import TrainingCell
from semopt.studies.work import DONE, FAILED, work

CONTENDED = Scenario.load("contended")
TINY = {"slots": 32, "updates": 4, "minibatches": 2, "width": 8, "validate_every": 1}


def tiny(**changed):
    return train.describe("mappo", CONTENDED, **(TINY | changed))


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A training and decisions of its policy on two scenarios, in a study's folder."""
    folder = tmp_path_factory.mktemp("study")
    other = CONTENDED.to_dict() | {"name": "preference"}
    other["qoe"] = other["qoe"] | {"slope_accuracy": 11.0}
    training = TrainingCell(**asdict(tiny()))
    cells = [
        MethodCell(document, "mappo", 0, 20, training=training.fields())
        for document in (CONTENDED.to_dict(), other)
    ]
    Store(folder).begin()
    stamps = []
    for cell in cells:
        assert work(str(folder), cell) == DONE
        stamps.append(Store(folder).file(training).stat().st_mtime_ns)
    assert stamps[0] == stamps[1]
    return folder, training, cells


def test_a_policy_decides_as_that_of_train(trained, tmp_path):
    folder, training, cells = trained
    with one_thread():
        train.train(tiny(), tmp_path / "run", device="cpu")
        want = evaluate([str(tmp_path / "run")], CONTENDED, 20).scores[str(tmp_path / "run")]
    rows = Store(folder).read(cells[0])
    assert np.mean(rows["qoe"].to_numpy()) == pytest.approx(want.qoe, rel=SUMS)
    assert np.mean(rows["energy_mj"].to_numpy()) == pytest.approx(want.energy_mj, rel=SUMS)
    curve = Store(folder).read(training)
    assert curve["updates"].to_pylist() == [1, 2, 3, 4]
    elsewhere = Store(folder).read(cells[1])  # the same decisions, worth something else
    assert elsewhere["power_w"] == rows["power_w"]
    assert elsewhere["qoe"] != rows["qoe"]


def test_a_training_that_was_cut_ends_as_one_that_was_not(trained, tmp_path):
    _, training, _ = trained
    cut, store = Store(tmp_path / "cut"), Store(trained[0])
    cut.begin()

    class Killed(BaseException):
        pass

    def kill(what, done):
        if done == 0.5:
            raise Killed

    with one_thread(), pytest.raises(Killed):
        train.train(tiny(), training.place(cut.folder), device="cpu", tick=kill)
    assert training.checkpoint(cut.folder).progress.updates == 2
    assert work(str(cut.folder), training) == DONE
    assert cut.file(training).read_bytes() == store.file(training).read_bytes()


def test_rows_that_were_removed_are_those_of_the_run_that_is_kept(trained, tmp_path):
    folder, training, _ = trained
    copytree(folder, tmp_path / "copy")
    store = Store(tmp_path / "copy")
    before = store.file(training).read_bytes()
    store.file(training).unlink()
    kept = training.checkpoint(store.folder).progress
    assert work(str(store.folder), training) == DONE
    assert store.file(training).read_bytes() == before
    assert training.checkpoint(store.folder).progress == kept


def test_a_policy_that_was_removed_is_trained_again(trained, tmp_path):
    _, training, cells = trained
    store = Store(tmp_path / "study")
    store.begin()
    assert work(str(store.folder), training) == DONE
    for file in training.place(store.folder).glob("*.json"):
        file.write_text("{")
    assert work(str(store.folder), cells[0]) == DONE
    assert store.read(cells[0]) == Store(trained[0]).read(cells[0])


def test_what_a_failed_training_says_is_the_reason_of_what_needs_it(tmp_path):
    store, bad = Store(tmp_path), TrainingCell(**asdict(tiny())).fields()
    bad["settings"] = bad["settings"] | {"learning_rate": 1e9, "gradient": 1e9}
    store.begin()
    cell = MethodCell(CONTENDED.to_dict(), "mappo", 0, 5, training=bad)
    assert work(str(tmp_path), cell) == FAILED
    assert "training of mappo, seed 0 failed: training diverged" in store.reason(cell)
    before, training = store.reason(cell), TrainingCell(**bad)
    stamp = store.failure(training).stat().st_mtime_ns
    assert work(str(tmp_path), cell) == FAILED  # the training is not tried again for it
    assert (store.failure(training).stat().st_mtime_ns, store.reason(cell)) == (stamp, before)
    assert work(str(tmp_path), training) == FAILED  # but by itself
    assert store.failure(training).stat().st_mtime_ns > stamp


def test_an_audit_asks_the_policy_that_was_kept(trained, tmp_path):
    folder, training, _ = trained
    assert all(row.holds for row in audit(folder, 44))
    better = replace(training, seed=9)
    store = Store(tmp_path)
    store.begin()
    assert work(str(tmp_path), better) == DONE
    table = store.read(better)
    rows = {name: table[name].to_pylist() for name in table.column_names}
    rows["regret"] = [regret - 0.02 for regret in rows["regret"]]
    store.write(better, better.content(), rows, {})
    checked = list(audit(tmp_path, 4))
    assert [row.holds for row in checked] == [False] * 4
    assert all("QoE and regret add up to" in row.words for row in checked)
