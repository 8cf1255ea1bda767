"""The study of policies: its rows are what `evaluate` says of the same checkpoints."""

from dataclasses import asdict

import pytest

from semopt import Scenario
from semopt.cli import entry
from semopt.studies import policies
from semopt.studies.audit import audit
from semopt.studies.cells import Store
from semopt.studies.gap.rows import Grid
from semopt.studies.work import DONE, work
from tolerances import ROUNDING, SUMS

evaluate = pytest.importorskip("semopt.learn.evaluate", reason="the extra learn is not installed")


def test_rows_are_what_evaluate_says_of_the_checkpoints(tmp_path, monkeypatch, capsys):
    kind = policies.Kind("contended", "MAPPO", "mappo", 2)
    monkeypatch.setattr(policies, "KINDS", {"tiny": kind})
    question, store = policies.Question(["tiny"], 20, updates=1), Store(tmp_path)
    store.begin()
    cells = question.parts()["policies"]
    assert [cell.kind for cell in cells].count("training") == 2
    assert {work(str(tmp_path), cell) for cell in cells} == {DONE}
    fixed, row = question.rows(store)
    folders = [str(training.place(tmp_path)) for training in question.trainings(kind)]
    scores = evaluate.evaluate(
        [*folders, "constant"], Scenario.load("contended"), 20, refine=True
    ).scores
    plain, refined = ([scores[f"{folder}{end}"] for folder in folders] for end in ("", " refined"))
    assert row.ratio == pytest.approx(min(score.ratio for score in plain), rel=ROUNDING)
    assert row.closure == pytest.approx(min(score.closure for score in plain), rel=SUMS)
    assert row.worst == pytest.approx(min(score.ratio_worst for score in plain), rel=ROUNDING)
    least, best = scores["constant"].qoe, plain[0].reference_qoe
    for reached, of in ((row.closed, plain), (row.refined, refined)):
        want = (min(score.qoe for score in of) - least) / (best - least)
        assert reached == pytest.approx(want, rel=SUMS)
    assert row.gaps == pytest.approx([score.reference_qoe - score.qoe for score in plain])
    assert (row.trainings, fixed.trainings, fixed.closed) == (2, 0, 0.0)
    assert all(checked.holds for checked in audit(tmp_path, 6))
    question.show(store)
    assert f"{row.refined:.1%}" in capsys.readouterr().out
    assert question.report(store).notes == []
    # The same checkpoints in the gap study: trainings of one method share a row and no interval.
    grid = Grid([Scenario.load("contended")], [*folders, "local"], 1, 20)
    assert grid.groups == {"constant": ["constant"], "mappo, own": folders, "local": ["local"]}
    assert {work(str(tmp_path), cell) for cell in grid.cells()} == {DONE}
    learned = next(row for row in grid.rows(store) if row.method == "mappo, own")
    assert learned.trainings == pytest.approx(row.gaps)
    assert learned.gap == pytest.approx(sum(row.gaps) / 2)
    assert learned.slots == 40
    assert learned.low != learned.low


def test_trainings_that_failed_are_no_measurement_and_some_of_them_are_named(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(policies, "KINDS", {"two": policies.Kind("tiny", "MAPPO", "mappo", 2)})
    question, store = policies.Question(["two"], 5, updates=1), Store(tmp_path)
    store.begin()
    cells = question.parts()["policies"]
    solved = [cell for cell in cells if cell.kind == "method" and not cell.training]
    learned = [cell for cell in cells if cell not in solved]
    assert {work(str(tmp_path), cell) for cell in solved} == {DONE}
    for cell in learned:
        store.fail(cell, "training diverged")
    question.show(store)
    assert "MAPPO (failed)" in capsys.readouterr().out
    row = question.rows(store)[1]
    assert row.ratio != row.ratio
    assert row.gaps == ()
    assert question.report(store).tables[0].texts()[1][1:] == ["MAPPO (failed)", *["–"] * 6, ""]
    (figure,) = question.report(store).figures
    assert figure.notes == ["MAPPO: failed."]
    for cell in learned:
        if (cell.seed if cell.kind == "training" else cell.training["seed"]) == 1:
            assert work(str(tmp_path), cell) == DONE
    row = question.rows(store)[1]
    assert row.label == "MAPPO (1 of 2 failed, scored 0)"
    assert (row.ratio, row.worst) == (0.0, 0.0)


def test_every_kind_can_be_described():
    question = policies.Question(list(policies.KINDS), 1000)
    trainings = [t for kind in policies.KINDS.values() for t in question.trainings(kind)]
    assert len({training.name() for training in trainings}) == len(trainings)
    long = question.trainings(policies.KINDS["contended-8-long"])[0]
    assert asdict(long)["settings"]["updates"] == 2500


def test_a_kind_that_is_none_is_refused_with_the_kinds_that_there_are(capsys):
    assert entry.run(["study", "policies", "paper-ppo"]) == 2
    assert "paper-ppo: is not one of paper-mappo, " in " ".join(capsys.readouterr().err.split())
