"""Studies: rows are what their cells name, whoever computes them, and stay when all else fails."""

import errno
import json
import re
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import replace
from itertools import product
from pathlib import Path
from shutil import copytree
from uuid import uuid4

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from filelock import Timeout
from typer.testing import CliRunner

import semopt
from semopt import Scenario
from semopt.cli import app, entry
from semopt.learn.evaluate import evaluate
from semopt.report.page import write
from semopt.statistics import interval
from semopt.studies import engine, policies
from semopt.studies.audit import audit
from semopt.studies.cells import Store
from semopt.studies.engine import executor, run, shard_of
from semopt.studies.gap import question as gap
from semopt.studies.gap import rows as gap_rows
from semopt.studies.gap.report import slots_of
from semopt.studies.method_cell import DECISION, MethodCell
from semopt.studies.questions import begin, keep, unanswered
from semopt.studies.tables import print_gaps
from semopt.studies.training_cell import TrainingCell
from semopt.studies.work import DONE, ELSEWHERE, FAILED, work
from semopt.worth import FIGURES
from tolerances import ROUNDING

CONTENDED = Scenario.load("contended").to_dict()
EMPTY = (*FIGURES, *DECISION)  # columns that a slot without a decision leaves open


def cells_of(methods=("exact", "local"), seeds=2, slots=30):
    grid = product(range(seeds), methods)
    return [MethodCell(CONTENDED, method, seed, slots) for seed, method in grid]


def computed(folder, cells):
    """Compute cells in this process."""
    store = Store(folder)
    for part in (store.cells, store.locks):
        part.mkdir(parents=True, exist_ok=True)
    return [work(str(folder), cell) for cell in cells]


def edited(file, **columns):
    """Write a cell with other values in some columns, each a function of the true one."""
    table = pq.read_table(file)
    for name, change in columns.items():
        values = pa.array([*map(change, table[name].to_pylist())], table.schema.field(name).type)
        table = table.set_column(table.column_names.index(name), name, values)
    pq.write_table(table, file)


def contents(folder):
    return {file.name: file.read_bytes() for file in (folder / "cells").glob("*.parquet")}


def test_a_cell_has_the_figures_of_evaluate(tmp_path):
    cell = MethodCell(CONTENDED, "semantic-unaware", 3, 40)
    assert computed(tmp_path, [cell]) == [DONE]
    rows = Store(tmp_path).read(cell)
    want = evaluate([cell.method], Scenario.from_dict(CONTENDED), 40, 3).scores[cell.method]
    for name in ("qoe", "latency_ms", "energy_mj", "accuracy", "infeasible_share"):
        assert np.mean(rows[name].to_numpy()) == pytest.approx(getattr(want, name), rel=ROUNDING)
    assert rows["slot"].to_pylist() == list(range(40))


def test_what_is_there_is_not_computed_again_and_what_is_not_whole_is(tmp_path):
    cells = cells_of()
    assert set(computed(tmp_path, cells)) == {DONE}
    first, store = contents(tmp_path), Store(tmp_path)
    files = [store.file(cell) for cell in cells]
    files[0].write_bytes(files[0].read_bytes()[:100])  # cut
    files[1].write_bytes(files[2].read_bytes())  # another's
    table = pq.read_table(files[2]).slice(0, 7)  # rows are missing
    pq.write_table(table, files[2])
    stamp = files[3].stat().st_mtime_ns
    assert [store.read(cell) is None for cell in cells] == [True, True, True, False]
    assert run(cells, store, workers=1).finished == {0, 1, 2, 3}
    assert contents(tmp_path) == first
    assert files[3].stat().st_mtime_ns == stamp


def test_a_cell_is_named_by_all_that_its_rows_depend_on(tmp_path):
    cell, policy = cells_of()[0], tmp_path / "policy.py"
    policy.write_text("f = 1")
    other = json.loads(json.dumps(CONTENDED))
    other["system"]["bandwidth_mhz"] *= 1.0000001
    turned = CONTENDED | {
        "tasks": dict(reversed(CONTENDED["tasks"].items()))
    }  # another draw of tasks
    names = {
        changed.name()
        for changed in (
            cell,
            replace(cell, scenario=other),
            replace(cell, scenario=turned),
            replace(cell, method="local"),
            replace(cell, seed=9),
            replace(cell, slots=31),
            replace(cell, options={"gap": 1e-3}),
            replace(cell, method=f"{policy}:f"),
        )
    }
    policy.write_text("f = 2")
    names.add(replace(cell, method=f"{policy}:f").name())
    assert len(names) == 9
    assert cell.name() == MethodCell(json.loads(json.dumps(CONTENDED)), "exact", 0, 30).name()


def test_names_follow_what_decides(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    module, exact = MethodCell(CONTENDED, "own_policy:f", 0, 5), cells_of()[0]
    names = [exact.name()]
    Path("exact").mkdir()
    Path("exact/checkpoint.json").write_text("{}")
    assert exact.name() == names[0]  # the method of that name comes first
    for text in ("f = 1", "f = 2"):
        Path("own_policy.py").write_text(text)
        names.append(module.name())
    assert len(set(names)) == 3


def test_a_failed_cell_says_why_and_is_tried_again(tmp_path):
    policy = tmp_path / "policy.py"
    policy.write_text("def decide(*given):\n    raise OverflowError('too far')\n")
    cell, sound = MethodCell(CONTENDED, f"{policy}:decide", 0, 5), cells_of()[0]
    store = Store(tmp_path)
    assert computed(tmp_path, [cell, sound]) == [FAILED, DONE]
    assert "too far" in store.reason(cell)
    assert store.read(cell) is None
    assert computed(tmp_path, [cell]) == [FAILED]
    assert store.reason(sound) == ""


def test_whatever_a_computation_raises_is_the_reason_of_its_cell(tmp_path, monkeypatch):
    def compute(self, folder):
        raise RuntimeError("no device")

    monkeypatch.setattr(MethodCell, "compute", compute)
    assert computed(tmp_path, cells_of()[:1]) == [FAILED]
    assert Store(tmp_path).reason(cells_of()[0]) == "no device"


CONSTANT_SHARE = """
import numpy as np
from pathlib import Path
def decide(seen):
    {}
    return np.full((*seen.shape[:2], 4 + {}), {})
"""


def test_rows_are_kept_under_the_name_of_the_policy_that_computed_them(tmp_path):
    """The policy's file is edited while it decides, or after the study has named its cells."""
    file, channels = tmp_path / "policy.py", CONTENDED["system"]["channels"]
    later = CONSTANT_SHARE.format("pass", channels, 0.25)
    edit = f"Path({str(file)!r}).write_text({later!r})"
    file.write_text(CONSTANT_SHARE.format(edit, channels, 0.75))
    cell, store = MethodCell(CONTENDED, f"{file}:decide", 0, 5), Store(tmp_path / "out")
    first = cell.name()
    assert computed(store.folder, [cell]) == [FAILED]
    assert "the policy changed while it was computed" in store.reason(cell)
    assert work(str(store.folder), cell, first) == FAILED
    assert contents(store.folder) == {}
    assert computed(store.folder, [cell]) == [DONE]
    assert store.reason(cell) == ""
    assert all("decides so again" in row.words and row.holds for row in audit(store.folder, 5))
    table, kept = store.read(cell), store.file(cell)
    file.write_text(CONSTANT_SHARE.format("pass", channels, 0.75))
    other = MethodCell(CONTENDED, f"{file}:decide", 0, 5)
    about = table.schema.metadata[b"semopt cell"].decode()
    about = json.dumps(json.loads(about) | {"policy": other.content()["policy"]}).encode()
    metadata = table.schema.metadata | {b"semopt cell": about}
    kept.unlink()
    pq.write_table(table.replace_schema_metadata(metadata), store.file(other))
    assert all("its policy now reaches" in row.words for row in audit(store.folder, 5))


def test_a_cell_that_somebody_is_at_is_passed_by(tmp_path):
    from filelock import FileLock

    cell = cells_of()[0]
    Store(tmp_path).begin()
    with FileLock(tmp_path / "locks" / f"{cell.name()}.lock"):
        assert computed(tmp_path, [cell]) == [ELSEWHERE]
    assert computed(tmp_path, [cell]) == [DONE]


def test_a_cell_that_kills_its_worker_fails_alone(tmp_path):
    policy = tmp_path / "policy.py"
    policy.write_text("import os\ndef decide(seen):\n    os._exit(9)\n")
    killer = MethodCell(CONTENDED, f"{policy}:decide", 0, 5)
    cells, store = [killer, *cells_of(("local",), 2, 5)], Store(tmp_path / "out")
    state = run(cells, store, workers=2)
    assert state.finished == {1, 2}
    assert state.failed == {0: "its worker was killed, perhaps for want of memory"}
    assert store.reason(killer) == state.failed[0]


class KilledWorker(Exception):  # noqa: N818 - its name
    """What Dask raises of a task whose workers die; Ray has its own."""


def cluster(answers):
    """Return an engine whose workers answer by method: words, or what is raised; and its calls."""
    calls = []

    class Cluster(Executor):
        def submit(self, fn, folder, cell, name):
            calls.append(cell.method)
            future, answer = Future(), answers[cell.method]
            if isinstance(answer, Exception):
                future.set_exception(answer)
            else:
                future.set_result(answer)
            return future

    return lambda workers: Cluster(), calls


def test_a_cell_that_kills_workers_of_a_cluster_fails_alone(tmp_path, monkeypatch):
    pool, calls = cluster({"exact": KilledWorker("died\non four hosts"), "local": DONE})
    monkeypatch.setitem(engine.ENGINES, "local", pool)
    cells, store = cells_of(("exact", "local"), 1), Store(tmp_path)
    state = run(cells, store, "local", workers=2)
    assert (state.finished, list(state.failed)) == ({1}, [0])
    assert calls.count("exact") == 2
    assert store.reason(cells[0]) == (
        "its worker was killed, perhaps for want of memory (KilledWorker: died on four hosts)"
    )


@pytest.mark.parametrize("fault", [OSError("no room"), ValueError("cannot write cells")])
def test_what_hinders_writing_ends_the_study(tmp_path, monkeypatch, fault):
    pool, _ = cluster({"exact": fault})
    monkeypatch.setitem(engine.ENGINES, "local", pool)
    with pytest.raises(type(fault), match=str(fault)):
        run(cells_of(("exact",), 1), Store(tmp_path), "local", workers=1)


def test_what_is_held_elsewhere_is_looked_at_now_and_then(tmp_path, monkeypatch):
    """One cell takes its time, the other is held elsewhere: the engine sleeps between looks."""
    clock, looks = [0.0], []

    class Pool(Executor):
        def submit(self, fn, folder, cell, name):
            future = Future()
            if cell.method == "exact":
                looks.append(clock[0])
                future.set_result(DONE if clock[0] >= 2.0 else ELSEWHERE)
            else:
                long.append(future)
            return future

    def pause(seconds):
        clock[0] += seconds
        if clock[0] >= 1.0 and not long[0].done():
            long[0].set_result(DONE)

    long = []
    monkeypatch.setattr(engine, "sleep", pause)
    monkeypatch.setitem(engine.ENGINES, "local", lambda workers: Pool())
    assert run(cells_of(("local", "exact"), 1), Store(tmp_path), workers=2).finished == {0, 1}
    assert len(looks) <= 2.0 / engine.PAUSE + 2


def test_a_log_names_each_cell_with_its_time_or_its_fault(tmp_path, monkeypatch, caplog):
    policy = tmp_path / "policy.py"
    policy.write_text("def decide(seen):\n    raise OverflowError('too far')\n")
    cells = [*cells_of(("local",), 1, 5), MethodCell(CONTENDED, f"{policy}:decide", 0, 5)]
    monkeypatch.setitem(engine.ENGINES, "local", lambda workers: ThreadPoolExecutor(1))
    with caplog.at_level("INFO", "semopt"):
        run(cells, Store(tmp_path / "out"), workers=1)
    first, second = (r.message for r in caplog.records if r.name == "semopt.studies.engine")
    assert re.fullmatch(r"contended, local, seed 0: \d+\.\d{3} s", first)
    assert f"{policy}:decide, seed 0: failed: " in second
    assert "too far" in second


def test_shards_part_the_cells_and_may_share_a_folder(tmp_path):
    cells = cells_of(("exact", "local", "reference"), 2, 10)
    parts = [run(cells, Store(tmp_path), workers=1, shard=(i, 4)) for i in (1, 2, 3, 4)]
    names = [cell.name() for part in parts for cell in part.cells]
    assert sorted(names) == sorted(cell.name() for cell in cells)
    assert len(contents(tmp_path)) == 6
    assert all(len(part.finished) == len(part.cells) for part in parts)


@pytest.mark.parametrize("words", ["0/4", "5/4", "1", "a/b", "1/0", "-1/2", "1/2/3"])
def test_a_shard_that_is_none_is_refused(words):
    with pytest.raises(ValueError, match=f"--shard {words}: i/n is expected"):
        shard_of(words)


def test_an_engine_that_is_not_there_is_named(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="--engine slurm: is not one of local, ray, dask"):
        executor("slurm", 1)
    monkeypatch.setitem(__import__("sys").modules, "distributed", None)
    with pytest.raises(ValueError, match="distributed is missing: pip install 'semopt\\[dask\\]'"):
        executor("dask", 1)
    assert entry.run([*STUDY, "--engine", "dask", "--out", str(tmp_path / "out")]) == 2
    assert not (tmp_path / "out").exists()


@pytest.mark.long
def test_dask_answers_anew_whoever_asks_again():
    pytest.importorskip("distributed", reason="the extra dask is not installed")
    with executor("dask", 1) as pool:
        asked = [pool.submit(uuid4).result() for _ in range(2)]
    assert asked[0] != asked[1]  # else a cell that others were at would be waited for in vain


@pytest.mark.long
@pytest.mark.parametrize(("name", "package"), [("ray", "ray"), ("dask", "distributed")])
def test_engines_give_the_same_bytes(tmp_path, name, package):
    pytest.importorskip(package, reason=f"the extra {name} is not installed")
    cells = cells_of(("exact", "global"), 2, 20)
    for each in ("local", name):
        assert len(run(cells, Store(tmp_path / each), each, 2).finished) == 4
    assert contents(tmp_path / "local") == contents(tmp_path / name)


def test_an_interval_covers_the_mean_as_often_as_it_says():
    rng = np.random.default_rng(0)
    covered = 0
    for trial in range(200):
        low, high = interval(rng.exponential(1.0, 80), seed=trial)
        covered += low <= 1.0 <= high
    assert 0.90 * 200 <= covered <= 0.985 * 200  # 95% less what 80 skewed numbers cost
    assert np.isnan(interval(np.arange(4.0))).all()
    assert interval(np.full(9, 0.25)) == (0.25, 0.25)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    question = gap.Question([Scenario.load("contended")], ["exact", "local"], 2, 40)
    assert set(computed(folder, question.cells())) == {DONE}
    begin(question, Store(folder))
    keep(question, Store(folder))
    return question, folder


def test_gaps_are_those_of_plain_sums(study):
    question, folder = study
    results = pq.read_table(folder / "results.parquet").to_pylist()
    for row in question.rows(Store(folder)):
        pairs = [
            (r["reference_qoe"], r["qoe"], r["infeasible_share"])
            for r in results
            if r["method"] == row.method
        ]
        assert row.slots == len(pairs) == 80
        gaps = [best - reached for best, reached, _ in pairs]
        assert row.gap == pytest.approx(sum(gaps) / 80, abs=ROUNDING)
        assert row.worst == pytest.approx(max(gaps), abs=ROUNDING)
        assert row.hit_share == sum(g <= 1e-4 for g in gaps) / 80
        assert row.low < row.gap < row.high
    by_method = {row.method: row for row in question.rows(Store(folder))}
    assert 0 < by_method["exact"].gap < by_method["constant"].gap
    assert by_method["exact"].infeasible_share == 0


def test_an_audit_holds_for_what_is_true_and_names_what_is_not(study, tmp_path):
    _, folder = study
    assert all(row.holds for row in audit(folder, 12))
    copytree(folder / "cells", tmp_path / "cells")
    for file in (tmp_path / "cells").glob("*.parquet"):
        edited(file, energy_mj=lambda energy: energy and energy * 1.001)
    found = list(audit(tmp_path, 6))
    assert len(found) == 6
    assert not any(row.holds for row in found)
    assert all(row.words.startswith("energy_mj is ") for row in found)


def test_an_audit_tells_what_is_damaged_and_what_the_joined_results_say_otherwise(study, tmp_path):
    _, folder = study
    copytree(folder, tmp_path / "copy")
    copy = tmp_path / "copy"
    cut, thin, strange = sorted((copy / "cells").glob("*.parquet"))[:3]
    cut.write_bytes(cut.read_bytes()[:100])
    pq.write_table(pq.read_table(thin).slice(0, 5), thin)
    pq.write_table(pq.read_table(strange).drop_columns("power_w"), strange)
    damaged = {row.file for row in audit(copy, 5) if not row.holds}
    assert damaged == {cut.name, thin.name, strange.name}
    table = pq.read_table(folder / "results.parquet")
    more = pa.array([qoe + 0.01 for qoe in table["qoe"].to_pylist()])
    place = table.column_names.index("qoe")
    copytree(folder, tmp_path / "other")
    pq.write_table(table.set_column(place, "qoe", more), tmp_path / "other" / "results.parquet")
    found = list(audit(tmp_path / "other", 5))
    assert {row.words for row in found} == {"results.parquet has other figures than the cell"}


def test_an_audit_counts_rows_apart_from_files_that_cannot_be_checked(study, tmp_path, capsys):
    _, folder = study
    copytree(folder, tmp_path / "copy")
    first, *rest = sorted((tmp_path / "copy" / "cells").glob("*.parquet"))
    for file in rest:
        file.write_bytes(b"PAR1")
    assert entry.run(["study", "audit", str(tmp_path / "copy"), "--sample", "2"]) == 1
    assert "2 of 2 rows drawn hold. 7 files" in " ".join(capsys.readouterr().out.split())
    first.write_bytes(b"PAR1")
    assert entry.run(["study", "audit", str(tmp_path / "copy"), "--sample", "2"]) == 1
    assert "0 of 0 rows drawn hold. 8 files" in " ".join(capsys.readouterr().out.split())


def test_of_processes_that_end_together_one_writes_the_page(study, tmp_path):
    question, folder = study
    copytree(folder, tmp_path / "copy")
    store = Store(tmp_path / "copy")
    keep(question, store)  # a copy has other times
    page = store.folder / "report.html"
    stamp = page.stat().st_mtime_ns
    keep(question, store)
    assert page.stat().st_mtime_ns == stamp
    other = replace(question, methods=["exact"])
    begin(other, store)
    keep(other, store)
    assert page.stat().st_mtime_ns > stamp
    store.file(question.cells()[0]).unlink()
    assert unanswered(question, store) == 1
    keep(question, store)
    assert "1 of 8 cells are not there yet" in page.read_text()


def test_slots_of_a_cell_that_failed_lack_all_of_the_optimum(study, tmp_path):
    """Of two seeds of `local` one failed: half of its slots score 0 in each table and figure."""
    question, folder = study
    copytree(folder, tmp_path / "copy")
    store, scenario = Store(tmp_path / "copy"), question.scenarios[0]
    cell = question.cell(scenario, "local", 1)
    store.file(cell).unlink()
    store.fail(cell, "its worker was killed")
    store.fail(TrainingCell("dqn", {}, CONTENDED, "full", True, 0), "it ran out of memory")
    store.fail(question.cell(scenario, "exact", 0), "at first, before it was computed again")
    store.fail(replace(question.reference(scenario, 0), slots=80), "its worker was killed")
    results = pq.read_table(folder / "results.parquet").to_pylist()
    rows = [row for row in results if row["method"] == "local"]
    gaps = [r["reference_qoe"] - (0 if r["seed"] else r["qoe"]) for r in rows]
    broken = [1 if r["seed"] else r["infeasible_share"] for r in rows]
    row = question.row(store, scenario, "local")
    assert (row.slots, row.failed, row.seeds) == (80, 1, 2)
    assert row.gap == pytest.approx(sum(gaps) / 80, abs=1e-12)
    assert row.worst == pytest.approx(max(gaps), abs=1e-12)
    assert row.infeasible_share == pytest.approx(sum(broken) / 80)
    figure = slots_of(question, store, scenario, row)
    assert sorted(figure) == pytest.approx(sorted(gaps), abs=1e-12)
    keep(question, store)
    joined = pq.read_table(store.folder / "results.parquet").to_pylist()
    words = {"status": "failed", "qoe": None, "channel": None}
    empty = [row for row in joined if words.items() <= row.items()]
    assert [(r["method"], r["seed"], r["slot"]) for r in empty] == [
        ("local", 1, slot) for slot in range(40)
    ]
    assert len(joined) == len(results)
    assert not any(row["reference_qoe"] is None for row in joined)
    lacking = [
        row["reference_qoe"] - (row["qoe"] or 0) for row in joined if row["method"] == "local"
    ]
    assert sorted(lacking) == pytest.approx(sorted(gaps), abs=1e-12)


def test_joined_results_hold_each_slot_of_the_question_last_asked_once(tmp_path, monkeypatch):
    """Asked for other slots, and by another version, whose rows another part still rests on."""
    store, scenario = Store(tmp_path), Scenario.load("contended")
    store.begin()
    monkeypatch.setattr("semopt.studies.cells.__version__", "0.0.1")
    other = policies.Question([], 20)
    monkeypatch.setattr(policies.Question, "parts", lambda self: {"policies": kept})
    kept = [MethodCell(CONTENDED, method, 0, 10) for method in ("global", "local")]
    assert set(computed(tmp_path, kept)) == {DONE}
    begin(other, store)
    monkeypatch.undo()
    for methods, slots in ((["local", "exact"], 20), (["local"], 30)):
        question = gap.Question([scenario], methods, 1, slots)
        assert set(computed(tmp_path, question.cells())) == {DONE}
        begin(question, store)
        keep(question, store)
    table = pq.read_table(tmp_path / "results.parquet").to_pylist()
    slots = [(row["study"], row["method"], row["slot"], row["semopt"]) for row in table]
    expected = product(["gap"], ["global", "constant", "local"], range(30), [semopt.__version__])
    earlier = product(["policies"], ["global", "local"], range(10), ["0.0.1"])
    assert sorted(slots) == sorted([*expected, *earlier])
    assert not any(row["reference_qoe"] is None for row in table)
    page = (tmp_path / "report.html").read_text()
    assert f"2 cells of {tmp_path} are of semopt 0.0.1" in page


def test_results_are_read_by_polars(study):
    polars = pytest.importorskip("polars", reason="polars is not installed")
    question, folder = study
    lacking = (polars.col("reference_qoe") - polars.col("qoe")).mean().alias("gap")
    gaps = polars.scan_parquet(folder / "results.parquet").group_by("method").agg(lacking)
    found = dict(gaps.collect().rows())
    for row in question.rows(Store(folder)):
        assert found[row.method] == pytest.approx(row.gap, abs=ROUNDING)


def test_an_audit_asks_the_cells_own_method_whether_a_slot_is_infeasible(tmp_path):
    tight = json.loads(json.dumps(CONTENDED))
    tight["system"]["latency_max_ms"] = 3.0  # too little for some slots, for others if all is local
    cells, store = (
        [MethodCell(tight, method, 0, 4) for method in ("local", "exact")],
        Store(tmp_path),
    )
    assert set(computed(tmp_path, cells)) == {DONE}
    words = [store.read(cell)["status"].to_pylist() for cell in cells]
    assert [each.count("infeasible") for each in words] == [2, 1]
    assert all(row.holds for row in audit(tmp_path, 8))
    nothing = dict.fromkeys(EMPTY, lambda _: None)
    edited(store.file(cells[1]), status=lambda _: "infeasible", **nothing)
    assert sum(not row.holds for row in audit(tmp_path, 8)) == 3


@pytest.mark.parametrize(("by", "words"), [(-0.01, "above its bound"), (0.01, "above the proven")])
def test_an_audit_refuses_a_bound_that_is_wrong(tmp_path, by, words):
    cell = MethodCell(CONTENDED, "global", 0, 3)
    assert computed(tmp_path, [cell]) == [DONE]
    assert all(row.holds for row in audit(tmp_path, 3))
    edited(Store(tmp_path).file(cell), upper_bound=lambda bound: bound + by)
    assert all(words in row.words and not row.holds for row in audit(tmp_path, 3))


def test_an_audit_refuses_a_relaxation_below_a_decision(tmp_path):
    cell = MethodCell(CONTENDED, "relaxation", 0, 2)
    assert computed(tmp_path, [cell]) == [DONE]
    assert all("more than its bound" in row.words and row.holds for row in audit(tmp_path, 2))
    edited(Store(tmp_path).file(cell), upper_bound=lambda bound: bound - 0.3)
    checked = list(audit(tmp_path, 2))
    assert [row.holds for row in checked] == [False, False]
    assert all("below a decision that is worth" in row.words for row in checked)


def test_the_command_goes_on_from_where_it_stands(tmp_path):
    out = tmp_path / "out"
    command = [
        "study",
        "gap",
        "local",
        "--scenario",
        "contended",
        "--seeds",
        "1",
        "--slots",
        "20",
        "--ranks",
        "0",
    ]
    command += ["--workers", "1", "--out", str(out), "--json", "-"]
    first = CliRunner().invoke(app, command)
    assert first.exit_code == 0, first.output
    document, stamps = json.loads(first.stdout), {f: f.stat().st_mtime_ns for f in out.glob("c*/*")}
    assert {row["method"] for row in document["rows"]} == {"constant", "local"}
    assert document["scenarios"]["contended"]["reference"] == "global"
    again = CliRunner().invoke(app, command)
    assert json.loads(again.stdout) == document
    assert {f: f.stat().st_mtime_ns for f in out.glob("c*/*")} == stamps
    page = (out / "report.html").read_text()
    assert "contended hardly" not in page
    next((out / "cells").glob("*.parquet")).unlink()
    assert CliRunner().invoke(app, ["study", "report", str(out)]).exit_code == 0
    assert "1 of 3 cells are not there yet" in (out / "report.html").read_text()
    checked = CliRunner().invoke(app, ["study", "audit", str(out), "--sample", "5"])
    assert checked.exit_code == 0, checked.output
    assert "5 of 5 rows drawn hold" in checked.output


def test_another_study_in_the_same_folder_says_what_it_replaces(study, tmp_path, capsys):
    _, folder = study
    out = tmp_path / "copy"
    copytree(folder, out)
    command = ["study", "scaling", "local", "--users", "2", "--slots", "1", "--out", str(out)]
    assert entry.run(command) == 0
    words = " ".join(capsys.readouterr().err.split())
    assert f"{out} holds study gap: report.html" in words
    assert "become those of study scaling" in words
    assert entry.run(command) == 0
    assert "holds study" not in capsys.readouterr().err
    rows = pq.read_table(out / "results.parquet")
    assert rows.equals(pq.read_table(folder / "results.parquet"))


def test_a_report_writes_the_results_too_and_alone(study, tmp_path, capsys, monkeypatch):
    _, folder = study
    out = tmp_path / "copy"
    copytree(folder, out)
    (out / "results.parquet").unlink()

    def write_held(report, place):
        with pytest.raises(Timeout):
            Store(out).alone().acquire(timeout=0)
        return write(report, place)

    monkeypatch.setattr("semopt.studies.questions.write", write_held)
    assert entry.run(["study", "report", str(out)]) == 0
    assert f"wrote {out / 'results.parquet'}" in capsys.readouterr().out
    rows = pq.read_table(out / "results.parquet")
    assert rows.equals(pq.read_table(folder / "results.parquet"))


def test_the_shard_that_ends_last_writes_the_page(tmp_path, capsys):
    out = tmp_path / "out"
    command = [
        "study",
        "gap",
        "local",
        "--scenario",
        "contended",
        "--seeds",
        "1",
        "--slots",
        "20",
        "--ranks",
        "0",
    ]
    command += ["--workers", "1", "--out", str(out)]
    for shard, page in (("1/2", False), ("2/2", True)):
        assert entry.run([*command, "--shard", shard]) == 0
        assert (out / "report.html").exists() == page
        if not page:
            assert "2 of 3 cells are answered" in " ".join(capsys.readouterr().err.split())
            assert entry.run(["study", "report", str(out)]) == 0  # also while it is unfinished
            assert "1 of 3 cells are not there yet" in (out / "report.html").read_text()
            (out / "report.html").unlink()


STUDY = ["study", "gap", "local", "--seeds", "1", "--slots", "5", "--workers", "1", "--ranks", "0"]


def test_what_a_study_cannot_use_is_refused(tmp_path, monkeypatch, capsys):
    def refusal(*options):
        assert entry.run([*STUDY, *map(str, options)]) == 2
        return " ".join(capsys.readouterr().err.split())

    monkeypatch.chdir(tmp_path)
    assert refusal("--scenario", "nowhere").startswith("error: nowhere: there is no such file")
    own = tmp_path / "own.toml"
    text = Scenario.load("contended").to_toml()
    own.write_text(text)
    assert "would overwrite what is read" in refusal("--scenario", own, "--json", own)
    assert own.read_text() == text
    assert "own.toml: is a file" in refusal("--out", own)
    assert "holds no study: name a new or an empty folder" in refusal("--out", tmp_path)
    assert [*tmp_path.iterdir()] == [own]


def test_failed_cells_are_counted_and_end_with_1(tmp_path, monkeypatch):
    """Where the reference fails, its reason is that of each row."""

    def solve_batch(*given, **options):
        raise ArithmeticError("too far")

    monkeypatch.setattr("semopt.studies.method_cell.solve_batch", solve_batch)
    monkeypatch.setitem(engine.ENGINES, "local", lambda workers: ThreadPoolExecutor(workers))
    ended = CliRunner().invoke(
        app, [*STUDY, "--scenario", "contended", "--out", str(tmp_path / "out")]
    )
    assert ended.exit_code == 1
    assert "2 of 3 cells failed" in " ".join(ended.output.split())
    page = (tmp_path / "out" / "report.html").read_text()
    assert "contended, global, seed 0: failed: too far" in page
    question = gap.Question([Scenario.load("contended")], ["local"], 1, 5)
    rows = question.rows(Store(tmp_path / "out"))
    assert [(row.failed, row.unmeasured) for row in rows] == [(0, 1), (1, 0)]


def test_a_full_disk_ends_with_one_message_and_keeps_what_is_finished(
    tmp_path, monkeypatch, capsys
):
    """The second cell finds no room; with room the study goes on from the first."""
    out, write, written = tmp_path / "out", pq.write_table, []

    def full(table, file, **options):
        if len(written) == 1:
            raise OSError(errno.ENOSPC, "No space left on device")
        written.append(table)
        write(table, file, **options)

    monkeypatch.setitem(engine.ENGINES, "local", lambda workers: ThreadPoolExecutor(workers))
    monkeypatch.setattr("semopt.studies.cells.pq.write_table", full)
    command = [*STUDY, "--scenario", "contended", "--out", str(out)]
    assert entry.run(command) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert said.startswith(f"error: cannot write {out / 'cells'}")
    assert said.endswith("No space left on device")
    kept = contents(out)
    assert len(kept) == 1
    assert not [*out.glob("cells/*.part")]
    monkeypatch.setattr("semopt.studies.cells.pq.write_table", write)
    assert entry.run(command) == 0
    assert kept.items() <= contents(out).items()
    assert len(contents(out)) == 3


def test_settings_that_are_no_studys_are_named(tmp_path, capsys):
    Store(tmp_path).begin()
    for text, words in {
        "{": "study.json: ",
        "[]": "study.json: is no study's: study = one of gap, scaling",
        '{"study": "gapp"}': "study.json: is no study's: study = one of gap, scaling",
        '{"study": ["gap"]}': "study.json: is no study's: study = one of gap, scaling",
        '{"study": "gap"}': "study.json: the key 'scenarios' is missing",
        '{"study": "gap", "scenarios": [], "seeds": []}': "a key is not what study gap wrote",
        '{"study": "gap", "scenarios": [{}], "seeds": 1, "slots": 1}': "study.json: ",
    }.items():
        (tmp_path / "study.json").write_text(text)
        assert entry.run(["study", "report", str(tmp_path)]) == 2
        assert words in " ".join(capsys.readouterr().err.split())


def test_a_table_says_how_many_cells_failed(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    figures = (40, 0.1, 0.05, 0.2, 0.3, 0.4, 0.5, 0.6, 0.0, 3.0)
    some = gap_rows.Row("s", "some", *figures, failed=2, cells=3, seeds=3)
    print_gaps([some, gap_rows.Row("s", "all", 0, failed=3, cells=3)], {})
    printed = capsys.readouterr().out
    assert "some (2 of 3 failed, scored 0) 0.10000" in printed
    assert re.search(r"all \(failed\) *\n", printed)
