"""The gap study: grids of scenarios, ranks by enumeration, who is better on how many slots."""

import re
import shlex

import numpy as np
import pytest

from drawing import rows_of
from semopt import Scenario, model
from semopt.backends import decode
from semopt.statistics import interval
from semopt.studies.audit import audit
from semopt.studies.cells import Store
from semopt.studies.gap.question import Question
from semopt.studies.gap.rank_cell import RankCell, countable
from semopt.studies.gap.report import better, page
from semopt.studies.gap.vary import varied
from semopt.studies.method_cell import MethodCell
from semopt.studies.work import DONE, work
from tolerances import ROUNDING

TINY, CONTENDED = Scenario.load("tiny"), Scenario.load("contended")


def test_scenarios_are_varied_by_every_combination():
    grid = varied([CONTENDED], ["users=2,4", "weights=0.6/0.3/0.1,0.2/0.2/0.6"])
    assert [scenario.name for scenario in grid] == [
        "contended, users=2, weights=0.6/0.3/0.1",
        "contended, users=2, weights=0.2/0.2/0.6",
        "contended, users=4, weights=0.6/0.3/0.1",
        "contended, users=4, weights=0.2/0.2/0.6",
    ]
    assert [scenario.users for scenario in grid] == [2, 2, 4, 4]
    assert [scenario.channels for scenario in grid] == [2] * 4
    assert grid[0].template().users.weight_energy == pytest.approx([0.3, 0.3])


def test_load_and_law_and_any_key_can_be_varied():
    before = CONTENDED.template()
    (double,) = varied([CONTENDED], ["load=2"])
    after = double.template()
    for name in ("bits", "local_flop", "extract_flop", "server_flop"):
        np.testing.assert_allclose(getattr(after.tasks, name), 2 * getattr(before.tasks, name))
    plain, ranged = varied([CONTENDED], ["law=rayleigh,shadowed"])
    assert (plain.channel.model, plain.channel.mean_gain) == ("rayleigh", [0.31])
    assert "shadowing_db" not in plain.to_dict()["channel"]
    assert ranged.to_dict()["channel"] == CONTENDED.to_dict()["channel"]
    powers = varied([CONTENDED], ["user.power_mw=[10,100],[10,20]"])
    assert [each.template().users.power_max[0] for each in powers] == pytest.approx([0.1, 0.02])
    assert varied([CONTENDED], []) == [CONTENDED]


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("users", "--vary users: KEY=VALUE,VALUE is expected"),
        ("users=", "--vary users=: KEY=VALUE,VALUE is expected"),
        ("users=2,", "--vary users=2,: KEY=VALUE,VALUE is expected"),
        ("users=none", "--vary users=none: "),
        ("weights=1/2", "--vary weights=1/2: three numbers are expected"),
        ("law=nakagami", "--vary law=nakagami: is not one of rayleigh"),
        ("law=uniform", "--vary law=uniform: "),
        ("load=-1", "--vary load=-1: "),
        ("qoe.wieght_latency=1", "--vary qoe.wieght_latency=1: "),
    ],
)
def test_what_cannot_be_varied_is_named(option, words):
    with pytest.raises(ValueError, match=f"^{re.escape(words)}"):
        varied([CONTENDED], [option])


def test_ranks_are_those_of_plain_enumeration(tmp_path):
    store, scenario = Store(tmp_path), TINY
    store.begin()
    gain, task = scenario.draw(6, 0, part="evaluation")
    for method in ("local", "exact"):
        of = MethodCell(scenario.to_dict(), method, 0, 8)
        cell = RankCell(vars(of), 6)
        assert work(str(tmp_path), cell) == DONE
        values, rows = store.read(of)["value"].to_pylist(), store.read(cell).to_pylist()
        for slot, row in enumerate(rows):
            problem = scenario.problem(gain[slot], task[slot])
            scores = []
            for index in range(row["joint_actions"]):
                outcome = model.evaluate(problem, decode(problem, index))
                scores.append(-1.0 if outcome.violations.any() else outcome.qoe.sum())
            assert row["above"] == sum(score > values[slot] + 1e-7 for score in scores)
        assert [row["slot"] for row in rows] == list(range(6))
    assert set(store.read(cell)["above"].to_pylist()) == {0}  # exact
    assert all(row.holds for row in audit(tmp_path, 30))


def test_ranks_are_counted_where_there_are_not_too_many_joint_actions():
    assert countable(CONTENDED)  # 1,699,900
    assert not countable(Scenario.load("contended-4"))


def test_rows_say_the_median_rank_and_who_is_better(tmp_path):
    store = Store(tmp_path)
    question = Question([TINY], ["exact", "local"], 1, 12, 12, "--scenario tiny")
    store.begin()
    assert {work(str(tmp_path), cell) for cell in question.cells()} == {DONE}
    rows = {row.method: row for row in question.rows(store)}
    counted = store.read(question.rank(TINY, "local", 0))["above"].to_pylist()
    assert rows["local"].rank == 1 + sorted(counted)[5] / 2 + sorted(counted)[6] / 2
    assert rows["exact"].rank == 1
    page = question.report(store)
    table = next(table for table in page.tables if table.name == "improvement-0")
    shares = {
        (row[0], name): row[at] for row in table.rows for at, name in enumerate(table.columns)
    }
    assert shares["exact", "exact"] == 0.5
    assert shares["exact", "local"] + shares["local", "exact"] == pytest.approx(1.0)
    assert "--scenario tiny --seeds 1 --slots 12 --ranks 12" in page.command
    store.file(question.cell(TINY, "local", 0)).unlink()
    table = next(t for t in question.report(store).tables if t.name == "improvement-0")
    assert table.columns == ["method", "constant", "exact"]  # of whom all slots are there
    again = Question.of_settings(question.settings())
    assert again.settings() == question.settings()


def test_qoe_is_drawn_over_the_numbers_that_are_varied(tmp_path):
    store, options = Store(tmp_path), ["users=1,2", "load=1,2"]
    asked = shlex.join(word for option in options for word in ("--vary", option))
    scenarios = varied([CONTENDED.replace(name="a, b")], options)
    question = Question(scenarios, ["local"], 1, 12, 0, asked)
    store.begin()
    assert {work(str(tmp_path), cell) for cell in question.cells()} == {DONE}
    page = question.report(store)
    tables = [table for table in page.tables if table.name.startswith("over-")]
    assert [table.title for table in tables] == [
        f"a, b, {rest}: QoE a task by {key}"
        for key, rest in [
            *(("users", f"load={load}") for load in (1, 2)),
            *(("load", f"users={users}") for users in (1, 2)),
        ]
    ]
    figure = next(figure for figure in page.figures if figure.name == "over-1")
    drawn = {(row["method"], row["x"]): row for row in rows_of(figure.chart, 1)}
    for users, row in zip((1, 2), tables[1].rows, strict=True):
        scenario = next(s for s in scenarios if s.name == f"a, b, users={users}, load=2")
        worth = np.array(store.read(question.cell(scenario, "local", 0))["value"]) / users
        mean, (low, high) = worth.mean(), interval(worth)
        assert row[0] == str(users)
        assert row[tables[1].columns.index("local")] == (f"{mean:.4f} ({low:.4f}-{high:.4f})")
        assert drawn["local", users]["y"] == pytest.approx(mean, rel=ROUNDING)


def test_the_command_of_a_page_is_typed_as_it_stands(tmp_path):
    # A shell would part the first method, and the option, at their blanks.
    methods, asked = ["my rules.py:decide", "local"], shlex.join(["--vary", "weights=1/0/0; rm"])
    question, folder = Question([TINY], methods, 1, 12, 0, asked), tmp_path / "a study"
    made_by = page(question, Store(folder), [], {}, [], asked).command
    words = ["python", "-m", "semopt", "study", "gap", *methods, "--vary", "weights=1/0/0; rm"]
    words += ["--seeds", "1", "--slots", "12", "--ranks", "0", "--out", str(folder)]
    assert shlex.split(made_by) == words


def test_better_counts_slots_and_half_of_those_that_are_equal():
    one, other = np.array([0.0, 0.1, 0.2, 0.3]), np.array([0.1, 0.1, 0.1, 0.1])
    assert better(one, other) == (1 + 0.5) / 4
    assert better(other, one) == (2 + 0.5) / 4
    assert better(np.concatenate([one, one]), other) == (1 + 0.5) / 4  # two trainings
