"""The gap study: grids of scenarios, ranks by enumeration, who is better on how many slots."""

import json
import re
import shlex

import numpy as np
import pytest

from drawing import rows_of
from semopt import Scenario, model
from semopt.backends import decode
from semopt.cli import entry
from semopt.report.page import pictures
from semopt.statistics import interval
from semopt.studies.audit import audit
from semopt.studies.cells import Store
from semopt.studies.gap.over import over_values
from semopt.studies.gap.question import Question
from semopt.studies.gap.rank_cell import RankCell, countable
from semopt.studies.gap.report import better, page
from semopt.studies.gap.rows import Row
from semopt.studies.gap.vary import varied
from semopt.studies.information.question import Question as Information
from semopt.studies.method_cell import MethodCell
from semopt.studies.scaling.question import Question as Scaling
from semopt.studies.work import DONE, FAILED, work
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
        ("load=x", "--vary load=x: x is no number: one such as 0.5 is expected"),
        ("weights=a/0/1", "--vary weights=a/0/1: a is no number"),
        ("qoe.wieght_latency=1", "--vary qoe.wieght_latency=1: "),
    ],
)
def test_what_cannot_be_varied_is_named(option, words):
    with pytest.raises(ValueError, match=f"^{re.escape(words)}"):
        varied([CONTENDED], [option])


def test_a_key_is_varied_once():
    words = "--vary users is given twice: give all values in one, users=V1,V2"
    with pytest.raises(ValueError, match=f"^{re.escape(words)}"):
        varied([CONTENDED], ["users=2", "load=2", "users=3"])


@pytest.mark.parametrize(
    ("option", "hint"),
    [
        ("user=2,3", "perhaps users was meant: the number of users, as in users=2,4"),
        ("chanels=2", "perhaps channels was meant: the number of sub-channels"),
        ("weight=1/0/0", "perhaps weights was meant"),
        ("users=2-4", "values stand between commas: users=2,3,4"),
        ("channels=2..3", "values stand between commas: channels=2,3"),
        ("load=1:3", "values stand between commas: load=1,2,3"),
    ],
)
def test_what_was_perhaps_meant_to_be_varied_is_said(option, hint):
    with pytest.raises(ValueError, match=re.escape(f"; {hint}")):
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
    names = ["over-users-load-1", "over-users-load-2", "over-load-users-1", "over-load-users-2"]
    assert [table.name for table in tables] == names
    assert tables[1].latex().startswith("% a, b, load=2: QoE a task by users\n")
    figure = next(figure for figure in page.figures if figure.name == names[1])
    drawn = {(row["method"], row["x"]): row for row in rows_of(figure.chart, 1)}
    for users, row in zip((1, 2), tables[1].rows, strict=True):
        scenario = next(s for s in scenarios if s.name == f"a, b, users={users}, load=2")
        worth = np.array(store.read(question.cell(scenario, "local", 0))["value"]) / users
        mean, (low, high) = worth.mean(), interval(worth)
        optimum = np.array(store.read(question.reference(scenario, 0))["value"]).mean() / users
        assert row[:2] == [users, pytest.approx(optimum, rel=ROUNDING)]
        shown = tables[1].texts()[users - 1][tables[1].columns.index("local")]
        assert shown == f"{mean:.4f} ({low:.4f}–{high:.4f})"
        assert drawn["local", users]["y"] == pytest.approx(mean, rel=ROUNDING)
        assert drawn["certified optimum", users]["y"] == pytest.approx(optimum, rel=ROUNDING)
    axis = figure.spec["layer"][1]["encoding"]["x"]["axis"]
    assert axis["values"] == [1, 2]  # no half users


def test_whoever_has_a_picture_or_a_table_alone_reads_what_its_intervals_are(tmp_path, capsys):
    """Gains that drift over 100 slots give none, 40 independent slots do."""
    gain = np.cumsum(np.random.default_rng(7).exponential(0.01, (100, 2, 2)), axis=0)
    np.save(tmp_path / "gains.npy", gain)
    trace = {"model": "trace", "file": str(tmp_path / "gains.npy"), "split": [0.4, 0.1, 0.5]}
    drifting = CONTENDED.replace(channel=trace)
    options = ["system.bandwidth_mhz=1,2"]
    for place, (scenario, some) in enumerate([(CONTENDED, True), (drifting, False)]):
        store = Store(tmp_path / str(place))
        asked = shlex.join(["--vary", *options])
        question = Question(varied([scenario], options), ["local"], 1, 40, 0, asked)
        store.begin()
        done = {work(str(store.folder), cell) for cell in question.cells()}
        assert done == {DONE}, [store.reason(cell) for cell in question.cells()]
        report = question.report(store)
        (figure,) = (each for each in report.figures if each.name.startswith("over"))
        (table,) = (each for each in report.tables if each.name.startswith("over"))
        drawn, tex = " ".join(figure.notes), table.latex()
        spec = json.dumps(figure.spec)
        assert '"bandwidth of a sub-channel, MHz"' in spec
        assert ("area" in spec, "Bands: 95%" in drawn, "brackets: 95%" in tex) == (some,) * 3
        question.show(store)
        printed = " ".join(capsys.readouterr().out.split())
        rows = question.document(store)["rows"]
        for row in rows:
            assert (row["without_interval"] == "") == some
            assert row["without_interval"] in printed
            assert all(row["without_qoe_interval"] in words for words in (drawn, tex))
        assert ("No interval of constant" in drawn) == (not some)


def test_where_no_slot_is_feasible_there_is_no_number_and_a_page(tmp_path):
    options = ["system.latency_max_ms=0.01,5"]
    question = Question(varied([CONTENDED], options), ["exact"], 1, 20, 0, "")
    store = Store(tmp_path)
    store.begin()
    for cell in question.cells():
        work(str(store.folder), cell)
    states = [row.state for row in question.rows(store) if row.method == "exact"]
    assert states == ["no slot is feasible", ""]
    assert question.report(store).tables


def test_axes_are_told_apart_whatever_their_values_and_names_hold():
    options = ["users=1,2", "user.power_mw=[10, 100],[10, 20]"]
    asked = shlex.join(word for option in options for word in ("--vary", option))
    scenarios = varied(
        [CONTENDED.replace(name=name) for name in ("a, b", "Größe/../" * 40)], options
    )
    rows = [Row(s.name, "local", 5, qoe=0.5, optimum=0.6) for s in scenarios]
    drawn = [(table.name, [row[0] for row in table.rows]) for table, _ in over_values(rows, asked)]
    assert [values for _, values in drawn] == [[1, 2]] * 4
    names = [name for name, _ in drawn]
    assert names[:2] == [f"over-users-a-b-user-power_mw-10-{most}" for most in (100, 20)]
    assert len({*names}) == 4
    assert all(re.fullmatch(r"over-[\w-]{,100}", name, re.ASCII) for name in names)


POLICY = """
import numpy as np
def two_users(seen):
    if seen.shape[1] != 2:
        raise ValueError("two users are expected")
    return np.zeros((*seen.shape[:2], 6))
"""


def test_a_policy_that_failed_has_no_number_in_any_table_or_figure(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(POLICY)
    options = ["users=2,3,4"]
    asked = shlex.join(["--vary", *options])
    methods, store = [f"{file}:two_users", "local"], Store(tmp_path / "out")
    question = Question(varied([CONTENDED], options), methods, 1, 6, 0, asked)
    store.begin()
    answers = [work(str(store.folder), cell) for cell in question.cells()]
    assert answers.count(FAILED) == 2
    report = question.report(store)
    for table in report.tables:
        if table.name in ("gap-1", "gap-2"):
            row = next(row for row in table.lines() if row[0][0] == "two_users (failed)")
            assert {*row[1][1:-2]} == {"–"}
        elif table.name.startswith("improvement"):
            assert ("two_users" in table.columns) == (table.name == "improvement-0")
    tables = {table.name: table for table in report.tables}
    place = tables["over-users"].columns.index("two_users")
    entries = [row[place] for row in tables["over-users"].texts()]
    assert float(entries[0].split()[0]) > 0.4
    assert entries[1:] == ["failed"] * 2
    assert tables["all"].texts()[1][2:] == ["failed", "failed", "–"]
    assert tables["over-users"].latex().count("& failed &") == 2
    figures = {figure.name: figure for figure in report.figures}
    over = rows_of(figures["over-users"].chart, 1)
    assert [row["x"] for row in over if row["method"] == "two_users"] == [2]
    *states, bands = figures["over-users"].notes
    assert states == [f"two_users at users = {users}: failed." for users in (3, 4)]
    assert bands.startswith("Bands: 95% intervals of the mean: of slots")
    svg = pictures(figures["over-users"])[".svg"]
    assert "two_users at users = 3: failed." in svg  # whoever has the file alone reads it
    marks = {row["method"]: row["mean"] for row in rows_of(figures["intervals-1"].chart)}
    assert marks["two_users (failed)"] is None
    assert marks["local"] > 0.0
    drawn = figures["profile-1"].spec["encoding"]["color"]["scale"]["domain"]
    assert drawn == ["constant", "two_users (failed)", "local"]  # colours are those of profile-0
    assert {row["method"] for row in rows_of(figures["profile-1"].chart)} == {"constant", "local"}
    (row,) = (r for r in question.document(store)["rows"] if r["failed"] and "=3" in r["scenario"])
    assert row["gap"] is row["qoe"] is row["closure"] is row["infeasible_share"] is None


def test_of_a_policy_that_failed_in_part_every_table_and_figure_says_so(tmp_path):
    store = Store(tmp_path)
    question = Question(varied([TINY], ["load=1,2"]), ["local"], 2, 6, 0, "--vary load=1,2")
    store.begin()
    for cell in question.cells():
        if cell.method == "local" and cell.seed == 1:
            store.fail(cell, "its worker was killed")
        else:
            assert work(str(tmp_path), cell) == DONE
    words, report = "1 of 2 failed, scored 0", question.report(store)
    marked = [*report.tables, *(figure for figure in report.figures if "over" not in figure.name)]
    for part in marked:
        whole = part.latex() if hasattr(part, "latex") else json.dumps(part.spec)
        assert words in whole
    (over,) = (figure for figure in report.figures if figure.name == "over-load")
    assert over.notes[:2] == [f"local at load = {load}: {words}." for load in (1, 2)]


def test_where_the_optimum_failed_the_rows_say_that_it_did(tmp_path, capsys):
    store, question = Store(tmp_path), Question([TINY], ["local"], 2, 6)
    store.begin()
    for cell in question.cells():
        if cell.method == "global":
            store.fail(cell, "too far")
        else:
            assert work(str(tmp_path), cell) == DONE
    question.show(store)
    printed = capsys.readouterr().out
    assert "local (no optimum: it failed)" in " ".join(printed.split())
    rows = {row.method: row for row in question.rows(store)}
    assert (rows["local"].failed, rows["local"].unmeasured) == (0, 2)


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


@pytest.mark.parametrize("policy", ["greedy", "dp", "lyapunov"])
def test_policies_for_queues_are_sent_where_queues_are_played(tmp_path, capsys, policy):
    words = ["study", "gap", policy, "--scenario", "battery", "--quick", "--out", str(tmp_path)]
    assert entry.run(words) == 2
    said = capsys.readouterr().err
    assert f"{policy}: decides whole queues" in said
    assert f"semopt evaluate {policy} plays the queues of scenario battery" in said
    assert "has a battery: set" not in said


def test_a_policy_trained_on_queues_is_sent_there_too(tmp_path, capsys):
    out = str(tmp_path / "run")
    assert entry.run(["train", "dqn", "battery", "--updates", "1", "--out", out]) == 0
    words = ["study", "gap", out, "--scenario", "battery", "--out", str(tmp_path / "study")]
    assert entry.run(words) == 2
    assert f"semopt evaluate {out} plays the queues" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["battery", "contended"])
def test_batteries_that_are_not_counted_are_said_not_to_be(tmp_path, capsys, name):
    scenario = Scenario.load(name)
    for question in (
        Question([scenario], ["local"], 1, 5),
        Information([scenario], 2, 2, 5),
        Scaling(scenario, ["local"], 2, 1, 9.0),
    ):
        notes = question.report(Store(tmp_path / question.name)).notes
        said = [note for note in notes if "user.battery_mj is not counted" in note]
        assert len(said) == (name == "battery")
    words = ["study", "scaling", "local", "--scenario", name, "--users", "2", "--slots", "1"]
    assert entry.run([*words, "--out", str(tmp_path / "out")]) == 0
    printed = " ".join(capsys.readouterr().err.split())
    assert ("battery: user.battery_mj is not counted" in printed) == (name == "battery")


def test_the_files_that_are_made_of_what_is_varied_are_named_each_time(tmp_path, capsys):
    out = tmp_path / "out"
    words = ["study", "gap", "local", "--scenario", "tiny", "--vary", "load=1,2", "--quick"]
    words += ["--slots", "5", "--ranks", "0", "--workers", "1", "--out", str(out)]
    for _ in range(2):  # the second time all is there
        assert entry.run(words) == 0
        printed = capsys.readouterr().out.replace("\n", " ")
        for name in ("report.html", "tables/over-load.tex", "figures/over-load.pdf"):
            assert f"wrote {out / name}" in printed
            assert (out / name).is_file()
        assert f"tables (.csv, .tex) in {out / 'tables'}" in printed
