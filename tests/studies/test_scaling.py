"""The scaling study: what solvers take by size, those that pass the limit among them."""

import numpy as np
import pytest

from semopt import Scenario, model, solve
from semopt.statistics import exponent
from semopt.studies.audit import audit
from semopt.studies.cells import Store
from semopt.studies.scaling.cell import grown
from semopt.studies.scaling.question import Question
from semopt.studies.tables import print_scaling
from semopt.studies.work import DONE, work
from tolerances import ROUNDING, SUMS

LARGE = Scenario.load("large")


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A study of two solvers up to 8 users, of whom one passes its limit with 4."""
    folder = tmp_path_factory.mktemp("scaling")
    question, store = Question(LARGE, ["exact", "exhaustive"], 8, 2, 2.0), Store(folder)
    store.begin()
    assert {work(str(folder), cell) for cell in question.parts()["scaling"]} == {DONE}
    return question, store


def test_a_slot_of_any_size_is_the_base_scenarios_only_larger():
    """With as many offloaders as users, each has of the server what it had."""
    base, small = LARGE.template(), grown(LARGE, 2).template()
    flop = base.tasks.server_flop
    time = model.server_time(flop, 64.0, base.system)
    assert model.server_time(flop, 2.0, small.system) == pytest.approx(time, rel=ROUNDING)
    energy = model.server_energy(time, 64.0, base.system)
    assert model.server_energy(time, 2.0, small.system) == pytest.approx(energy, rel=ROUNDING)


def test_solvers_that_pass_the_limit_say_so_and_are_not_asked_again(study):
    question, store = study
    rows = {(row.method, row.users): row for row in question.rows(store)}
    assert len(rows) == 6
    for users in (2, 4, 8):
        row = rows["exact", users]
        assert (row.solved, row.why) == (2, "")
        assert 0 < row.seconds < 2.0
        assert row.peak_mb >= 0
    assert rows["exhaustive", 2].solved == 2
    assert rows["exhaustive", 4].why == "passed 2 s"
    assert rows["exhaustive", 8].why == "passed 2 s with 4 users"
    assert store.times(question.cell("exhaustive", 8))["seconds"] == 0.0
    assert len([*store.cells.glob("*.parquet")]) == 6  # a size is one cell, whoever asks for it


def test_rows_hold_the_decisions_that_were_timed(study):
    question, store = study
    scenario = grown(LARGE, 4)
    gain, task = scenario.draw(2, 0, part="evaluation")
    values = store.read(question.cell("exact", 4))["value"].to_pylist()
    again = [solve(scenario.problem(gain[s], task[s]), backend="numpy").objective for s in (0, 1)]
    assert values == pytest.approx(again, rel=SUMS)
    assert store.read(question.cell("exhaustive", 4))["value"].to_pylist() == [None, None]
    assert all(row.holds for row in audit(store.folder, 12))


def test_a_page_and_a_table_say_why_costs_are_missing(study, capsys):
    question, store = study
    page = question.report(store)
    assert "exhaustive, 4 users: passed 2 s" in page.notes
    assert [row[:3] for row in page.tables[1].rows][:3] == [
        ["exact", 2, 2],
        ["exact", 4, 2],
        ["exact", 8, 2],
    ]
    question.show(store)
    assert "passed 2 s with 4 users" in capsys.readouterr().out
    assert Question.of_settings(question.settings()).settings() == question.settings()
    print_scaling([], [], 1.0)


def test_an_exponent_is_the_slope_of_logarithms():
    size = np.array([8.0, 16.0, 32.0, 64.0, 128.0])
    assert exponent(size, 3.0 * size**2.5) == pytest.approx((2.5, 2.5, 2.5), abs=1e-6)
    power, low, high = exponent(size[:2], np.array([1.0, 8.0]))  # doubling costs eight times
    assert power == pytest.approx(3.0)
    assert np.isnan([low, high]).all()
    assert np.isnan(exponent(size[:1], size[:1])).all()


def test_an_exponents_interval_covers_as_often_as_it_says():
    rng, covered, size = np.random.default_rng(0), 0, np.repeat([8.0, 16.0, 32.0, 64.0], 5)
    for _ in range(400):
        _, low, high = exponent(size, size**1.5 * np.exp(rng.normal(0.0, 0.3, len(size))))
        covered += low <= 1.5 <= high
    assert 0.92 * 400 <= covered <= 0.98 * 400
