"""Many slots: the batch against slot-by-slot solves, and its independence of threads."""

import json
from dataclasses import replace
from math import isclose

import numpy as np
import pyarrow.parquet as pq
import pytest

from semopt import Actions, Scenario, Solver, Status, solve, solve_batch
from semopt.certificate.results import check_result
from semopt.solvers import infeasibility
from semopt.solvers.matching import ExactBatch
from semopt.solvers.slots import Batch, batch_of
from tolerances import OBJECTIVE


@pytest.fixture(scope="module")
def tight():
    """Return a scenario's arrays in which some slots are infeasible, and slots of it."""
    scenario = Scenario.load("paper")
    problem = scenario.template()
    # Texts and images must be offloaded; a text takes more energy than is allowed, an image less.
    tasks = replace(problem.tasks, accuracy_min=np.array([0.7, 0.5, 0.5]))
    users = replace(problem.users, energy_max=np.full(2, 0.0244))
    return replace(problem, tasks=tasks, users=users), *scenario.draw(60, 3)


@pytest.mark.parametrize("method", ["exact", "local", "semantic-unaware", "reference"])
def test_batch_is_slot_by_slot(tight, method):
    problem, gain, task = tight
    batch = solve_batch(problem, gain, task, method)
    single = [solve(problem.with_slot(g, t), method) for g, t in zip(gain, task, strict=True)]
    for s, (one, from_batch) in enumerate(zip(single, batch.results(), strict=True)):
        assert (from_batch.status, from_batch.problem) == (one.status, one.problem)
        if one.actions is None:
            assert np.isnan(batch.objective[s])
        else:
            assert isclose(batch.objective[s], one.objective, rel_tol=OBJECTIVE)
            assert isclose(from_batch.recompute(), one.objective, rel_tol=OBJECTIVE)
            assert not from_batch.violations()
    feasible = [one for one in single if one.actions is not None]
    mean = batch.mean()
    assert isclose(mean["infeasible_share"], 1 - len(feasible) / len(single))
    if feasible:
        values = [one.objective / 2 for one in feasible]
        assert isclose(mean["qoe"], np.mean(values), rel_tol=OBJECTIVE)


def test_some_slots_are_infeasible_and_some_are_not(tight):
    share = solve_batch(*tight).mean()["infeasible_share"]
    assert 0 < share < 1


def test_threads_and_splits_change_nothing():
    scenario = Scenario.load("paper")
    gain, task = scenario.draw(700, 5)
    one = solve_batch(scenario, gain, task, threads=1)
    many = solve_batch(scenario, gain, task, threads=7)
    late = solve_batch(scenario, gain[500:], task[500:], threads=2)
    assert (one.objective == many.objective).all()
    assert (one.actions.channel == many.actions.channel).all()
    assert (one.objective[500:] == late.objective).all()


def test_draws_are_those_of_the_seed():
    scenario = Scenario.load("paper")
    gain, task = scenario.draw(20, 1)
    assert (scenario.draw(5, 1)[0] == gain[:5]).all()
    assert (scenario.draw(5, 1, first=15)[1] == task[15:]).all()
    assert (scenario.draw(20, 2)[0] != gain).any()
    assert ((gain > 0.1) & (gain < 1.0)).all()


def test_warm_solver_agrees_and_counts_its_decisions():
    scenario = Scenario.load("contended-4")
    solver = Solver(scenario)
    gain, task = scenario.draw(30, 0)
    assert np.isnan(solver.decision_times()["p50_us"])
    for g, t in zip(gain, task, strict=True):
        decision = solver.decide(g, t)
        want = solve(scenario.problem(g, t))
        if want.status is Status.OPTIMAL:
            assert isclose(decision.objective, want.objective, rel_tol=OBJECTIVE)
            assert (decision.actions.channel == want.actions.channel).all()
        else:
            assert decision.objective == -np.inf
    times = solver.decision_times()
    assert times["decisions"] == 30
    assert 0 < times["p50_us"] <= times["p99_us"]


@pytest.mark.parametrize(
    ("gain", "task", "words"),
    [
        (np.ones((3, 3, 2)), np.zeros((3, 2), int), "gain has shape"),
        (np.full((3, 2, 2), -1.0), np.zeros((3, 2), int), "must be a number above 0"),
        (np.full((3, 2, 2), np.nan), np.zeros((3, 2), int), "must be a number above 0"),
        (np.ones((3, 2, 2)), np.zeros((3, 1), int), "tasks: integers of shape"),
        (np.ones((3, 2, 2)), np.zeros((3, 2)), "tasks: integers"),
        (np.ones((3, 2, 2)), np.full((3, 2), 3), "tasks: indices from 0 to 2"),
    ],
)
def test_bad_slots_are_named(gain, task, words):
    with pytest.raises(ValueError, match=words):
        solve_batch(Scenario.load("paper"), gain, task)


@pytest.mark.parametrize("method", ["exact", "global"])
@pytest.mark.parametrize("threads", [-1, 1.5, "2", None, True, 2**40])
def test_numbers_of_threads_that_are_none_are_named(method, threads):
    scenario = Scenario.load("paper")
    with pytest.raises(ValueError, match=r"threads = .*must be a whole number"):
        solve_batch(scenario, *scenario.draw(2, 0), method, threads)


@pytest.mark.parametrize("gap", ["a", None, 0.0, np.nan, np.inf])
def test_gaps_that_are_none_are_named(gap):
    scenario = Scenario.load("paper")
    with pytest.raises(ValueError, match=r"gap = .*must be at least 1e-09"):
        solve_batch(scenario, *scenario.draw(2, 0), "global", gap=gap)


KEPT = ("status", "objective", "upper_bound", "gap", "joint_actions", "users", "infeasible")


@pytest.mark.parametrize(
    ("method", "objective"),
    [
        *(("exact", "sum"), ("exact", "min"), ("semantic-unaware", "min")),
        *(("reference", "sum"), ("global", "sum")),
    ],
)
def test_the_entries_of_a_file_are_those_of_the_slots_own_results(tight, method, objective):
    problem, gain, task = tight
    problem = replace(problem, objective=objective)
    batch = solve_batch(problem, gain[:25], task[:25], method)
    document = json.loads("".join(batch.text(3)))
    assert document == json.loads(json.dumps(batch.to_json(3)))
    for entry, result in zip(document["slots"], batch.results(), strict=True):
        one = json.loads(json.dumps(result.to_json()))
        want = {key: one[key] for key in KEPT if key in one} | {"slot": one["problem"]["slot"]}
        assert entry == want
    assert {entry["status"] for entry in document["slots"]} >= {"infeasible"}


@pytest.mark.parametrize("threads", [1, 2])
def test_continuous_optima_of_a_batch_are_those_of_its_slots(tight, threads):
    problem, gain, task = tight
    batch = solve_batch(problem, gain[:30], task[:30], "global", threads, gap=1e-4)
    statuses = set()
    for s, found in enumerate(batch.results()):
        want = solve(problem.with_slot(gain[s], task[s]), "global", gap=1e-4)
        assert (found.status, found.infeasibility) == (want.status, want.infeasibility)
        assert (found.upper_bound, found.continuous_bound) == (
            *(want.upper_bound, want.continuous_bound),
        )
        assert found.details.get("gap") == want.details["gap"] or want.actions is None
        statuses.add(found.status)
        if want.actions is not None:
            assert found.objective == want.objective
            for name in ("channel", "power", "frequency", "extraction"):
                assert np.array_equal(getattr(found.actions, name), getattr(want.actions, name))
    assert statuses == {Status.OPTIMAL, Status.INFEASIBLE}


def test_a_batch_of_continuous_optima_ends_in_time_with_bounds_of_what_it_began(monkeypatch):
    scenario = Scenario.load("contended")
    gain, task = scenario.draw(40, 0)
    clock = iter(range(10**6))
    monkeypatch.setattr("semopt.solvers.batch.perf_counter", lambda: float(next(clock)))
    batch = solve_batch(scenario, gain, task, "global", time_limit=5.5)
    assert batch.stopped == "time limit"
    assert 0 < batch.solved < 40
    assert batch.status(39) is Status.LIMIT_REACHED
    assert batch.bound(39) == np.inf
    for s in range(batch.solved):
        assert batch.bound(s) - batch.objective[s] <= 1e-6


def test_a_file_has_a_line_a_slot_and_little_else():
    batch = solve_batch(Scenario.load("paper"), *Scenario.load("paper").draw(50, 0))
    lines = "".join(batch.text(0)).splitlines()
    assert len(lines) == 52
    assert all(json.loads(line.rstrip(","))["status"] == "optimal" for line in lines[1:-1])
    assert len(lines[1]) < 800  # 4,700 characters where each number has a line of its own


def test_a_table_has_the_figures_of_the_document(tight, tmp_path):
    problem, gain, task = tight
    batch = solve_batch(problem, gain, task)
    document, told = batch.to_json(7), []
    file = tmp_path / "r.parquet"
    batch.to_parquet(str(file), 7, told.append)
    table = pq.read_table(file)
    rows = table.to_pylist()
    assert told == [60]
    assert table.num_rows == 2 * 60
    about = json.loads(table.schema.metadata[b"semopt"])
    assert about == {k: v for k, v in json.loads(json.dumps(document)).items() if k != "slots"}
    for place, row in enumerate(rows):
        slot, user = divmod(place, 2)
        entry = document["slots"][slot]
        assert (row["slot"], row["user"], row["status"]) == (slot, user, entry["status"])
        assert row["objective"] == entry["objective"]
        assert row["upper_bound"] == entry["upper_bound"]
        assert row["task"] == entry["slot"]["tasks"][user]
        assert row["gain"] == entry["slot"]["gain"][user]
        assert row["joint_actions"] == str(entry["joint_actions"])
        if entry["users"]:
            assert {name: row[name] for name in entry["users"][user]} == entry["users"][user]
            assert row["infeasible"] is None
        else:
            assert row["qoe"] is row["channel"] is row["offload"] is row["feasible"] is None
            assert json.loads(row["infeasible"]) == json.loads(json.dumps(entry["infeasible"]))


def test_one_slots_result_is_a_batch_of_one(tmp_path):
    problem = Scenario.load("tiny").problem()
    result = solve(problem)
    batch_of(result).to_parquet(tmp_path / "r.parquet", 0)
    rows = pq.read_table(tmp_path / "r.parquet").to_pylist()
    assert [row["qoe"] for row in rows] == [user["qoe"] for user in result.users_json()]
    lacking = replace(problem, system=replace(problem.system, latency_max=1e-9))
    batch_of(solve(lacking)).to_parquet(tmp_path / "r.parquet", 0)
    rows = pq.read_table(tmp_path / "r.parquet").to_pylist()
    assert [row["status"] for row in rows] == ["infeasible"] * 2
    assert rows[0]["qoe"] is None


@pytest.mark.parametrize("method", ["exact", "local"])
def test_reasons_of_a_batch_keep_to_its_time(tight, method, monkeypatch):
    problem, gain, task = tight
    free, limited = (solve_batch(problem, gain, task, method, time_limit=t) for t in (None, 1e3))
    entries = free.to_json(0)["slots"]
    assert entries == limited.to_json(0)["slots"]
    lacking = [entry for entry in entries if entry["status"] == "infeasible"]
    assert lacking
    for entry, result in zip(entries, free.results(), strict=True):
        if entry["status"] == "infeasible":
            assert result.infeasibility == solve(result.problem, method).infeasibility
    monkeypatch.setattr(ExactBatch, "solve_within", lambda *given: pytest.fail("solved again"))
    late = replace(limited, deadline=0.0).to_json(0)["slots"]
    assert [entry["status"] for entry in late] == [entry["status"] for entry in entries]
    for entry in late:
        if entry["status"] == "infeasible":
            assert "time limit" in entry["infeasible"]["unfinished"]


def test_ctrl_c_while_reasons_are_looked_for_ends_it(tight, monkeypatch):
    batch = solve_batch(*tight)
    reach = infeasibility._core.feasible_channels
    monkeypatch.setattr(
        infeasibility._core, "feasible_channels", lambda *given: (reach(*given)[0], "interrupted")
    )
    with pytest.raises(KeyboardInterrupt):
        batch.to_json(0)


def test_ctrl_c_is_raised_unless_what_is_solved_is_asked_for():
    scenario = Scenario.load("paper")
    gain, task = scenario.draw(30, 0)

    def cut(done):
        if done >= 9:
            raise KeyboardInterrupt

    for method in ("exact", "reference"):
        with pytest.raises(KeyboardInterrupt):
            solve_batch(scenario, gain, task, method, progress=cut)
        whole = solve_batch(scenario, gain, task, method)
        part = solve_batch(scenario, gain, task, method, progress=cut, partial=True)
        assert (part.solved, part.unsolved, part.stopped) == (9, 21, "interrupted")
        assert (part.objective[:9] == whole.objective[:9]).all()
        assert np.isnan(part.objective[9:]).all()
        assert (part.actions.channel[9:] == -1).all()
        assert np.isnan(part.actions.power[9:]).all()
        assert part.mean()["undecided_share"] == 21 / 30
        assert part.mean()["infeasible_share"] == 0
        results = list(part.results())
        assert len(results) == 30
        assert results[9].status is Status.LIMIT_REACHED
        assert results[9].actions is None
        assert results[9].details == {"stopped": "interrupted"}
        assert part.to_json(0)["slots"][8]["objective"] == whole.objective[8]


def test_ctrl_c_within_a_slot_keeps_what_its_method_has_found(monkeypatch):
    scenario = Scenario.load("paper")
    gain, task = scenario.draw(5, 0)
    from semopt.backends import SearchResult

    right, calls = SearchResult.merged, []

    def cut(self, *rest):
        calls.append(1)
        if len(calls) > 3:  # in the second of two parts of the second slot
            raise KeyboardInterrupt
        return right(self, *rest)

    monkeypatch.setattr(SearchResult, "merged", cut)
    monkeypatch.setattr("semopt.solvers.exhaustive.perf_counter", lambda: 0.0)  # parts are alike
    batch = solve_batch(scenario, gain, task, "exhaustive", partial=True)
    results = list(batch.results())
    assert [result.status.word for result in results] == ["optimal", *["limit_reached"] * 4]
    assert [result.actions is None for result in results] == [False, False, True, True, True]
    assert batch.stopped == "interrupted"
    calls.clear()
    with pytest.raises(KeyboardInterrupt):
        solve_batch(scenario, gain, task, "exhaustive")


@pytest.mark.parametrize("method", ["exact", "local", "reference", "exhaustive", "global"])
def test_a_time_limit_is_of_all_slots_together(method, monkeypatch):
    scenario = Scenario.load("paper")
    gain, task = scenario.draw(40, 0)
    clock = iter(range(10**6))
    monkeypatch.setattr("semopt.solvers.batch.perf_counter", lambda: float(next(clock)))
    batch = solve_batch(scenario, gain, task, method, time_limit=5.5)
    assert batch.stopped == "time limit"
    assert 0 < batch.solved < 40
    decided = ~np.isnan(batch.objective)
    assert decided[: batch.solved].all()
    assert not decided[batch.solved :].any()
    for limit in (0, -1.0, np.nan, "3"):
        with pytest.raises(ValueError, match=f"time_limit = {limit!r}: must be above 0 s"):
            solve_batch(scenario, gain, task, method, time_limit=limit)


def test_a_batch_that_stops_is_solved_up_to_the_first_slot_that_is_open(monkeypatch):
    """One slot, then eight: of these the first is finished, the second is not, nor is the last."""
    scenario, right = Scenario.load("paper"), ExactBatch.solve_within
    gain, task = scenario.draw(20, 0)
    whole = solve_batch(scenario, gain, task)

    def cut(self, seconds, gain, task):
        actions, value, upper, effort = right(self, seconds, gain, task)
        if len(gain) > 1:
            upper[[1, 7]] += 0.5
            effort = effort | {"stopped": "time limit"}
        return actions, value, upper, effort

    monkeypatch.setattr(ExactBatch, "solve_within", cut)
    monkeypatch.setattr("semopt.solvers.batch.perf_counter", lambda: 0.0)
    batch = solve_batch(scenario, gain, task)
    assert (batch.solved, batch.unsolved, batch.stopped) == (2, 18, "time limit")
    assert [batch.status(s) for s in (1, 2)] == [Status.OPTIMAL, Status.LIMIT_REACHED]
    assert (batch.objective[:9] == whole.objective[:9]).all()  # the best so far of those begun
    assert batch.bound(2) == whole.objective[2] + 0.5
    assert np.isnan(batch.objective[9:]).all()
    assert batch.bound(9) == np.inf


@pytest.mark.parametrize("slots", [1, 7, 12, 20])
def test_the_first_slots_of_a_batch_are_a_batch(slots):
    """Of 20 slots, 12 of them solved: those at the end that are left out are no longer open."""
    scenario = Scenario.load("paper")
    gain, task = scenario.draw(20, 0)

    def cut(done):
        if done >= 12:
            raise KeyboardInterrupt

    batch = solve_batch(scenario, gain, task, "reference", progress=cut, partial=True)
    first = batch.first(slots)
    assert (first.solved, first.unsolved) == (min(slots, 12), max(slots - 12, 0))
    assert first.gain.shape == (slots, 2, 2)
    assert np.array_equal(first.objective, batch.objective[:slots], equal_nan=True)


def test_a_solver_keeps_the_times_of_its_last_decisions(monkeypatch):
    monkeypatch.setattr("semopt.solvers.solver.TIMED", 3)
    scenario = Scenario.load("tiny")
    solver, (gain, task) = Solver(scenario), scenario.draw(1, 0)
    clock = iter([0.0, 9.0, 10.0, 10.0 + 1e-6, 20.0, 20.0 + 3e-6, 30.0, 30.0 + 5e-6])
    monkeypatch.setattr("semopt.solvers.solver.perf_counter", lambda: next(clock))
    for _ in range(4):  # the first takes 9 s
        solver.decide(gain[0], task[0])
    times = solver.decision_times()
    assert times["decisions"] == 3
    assert times["p50_us"] == pytest.approx(3, abs=1e-6)


def test_times_of_decisions_are_in_microseconds(monkeypatch):
    scenario = Scenario.load("tiny")
    solver, (gain, task) = Solver(scenario), scenario.draw(1, 0)
    ends = [place + took * 1e-6 for place, took in enumerate(range(1, 102))]
    clock = iter([t for pair in zip(range(101), ends, strict=True) for t in pair])
    monkeypatch.setattr("semopt.solvers.solver.perf_counter", lambda: next(clock))
    for _ in range(101):  # they take 1 to 101 us
        solver.decide(gain[0], task[0])
    times = solver.decision_times()
    assert times["decisions"] == 101
    assert times["p50_us"] == pytest.approx(51, abs=1e-6)
    assert times["p99_us"] == pytest.approx(100, abs=1e-6)


def test_a_file_does_not_depend_on_the_parts_it_is_written_in(tight, monkeypatch):
    problem, gain, task = tight
    batch, told = solve_batch(problem, gain[:20], task[:20]), []
    whole = "".join(batch.text(3))
    monkeypatch.setattr("semopt.solvers.slots.PART", 7)
    assert "".join(batch.text(3, told.append)) == whole
    assert told == []
    many = np.repeat(gain[:1], 600, axis=0), np.repeat(task[:1], 600, axis=0)
    assert len("".join(solve_batch(problem, *many).text(3, told.append)).splitlines()) == 602
    assert told == [256, 512]


@pytest.mark.parametrize("speed", [100.0, 1e5])
def test_progress_of_a_batch_is_told_every_tenth_of_a_second(monkeypatch, speed):
    """A slot takes 10 ms, or 10 us: then parts grow eightfold until they hold 4096 slots."""
    scenario, now, parts = Scenario.load("tiny"), [0.0], []
    right = ExactBatch.solve_within

    def slow(self, seconds, gain, task):
        parts.append(len(gain))
        now[0] += len(gain) / speed
        return right(self, seconds, gain, task)

    monkeypatch.setattr(ExactBatch, "solve_within", slow)
    monkeypatch.setattr("semopt.solvers.batch.perf_counter", lambda: now[0])
    count, told = 45 if speed < 1e3 else 9000, []
    gain, task = scenario.draw(count, 0)
    solve_batch(scenario, gain, task, progress=told.append)
    assert told == np.cumsum(parts).tolist()
    if speed < 1e3:
        assert sum(parts) == 45
        assert parts[:2] == [1, 8]
        assert all(9 <= part <= 10 for part in parts[2:-1])
    else:
        assert parts == [1, 8, 64, 512, 4096, 4096, 9000 - 8777]


def test_shares_of_modes_by_hand():
    """Three decided slots of two users, and one without a decision, which counts for nothing."""
    problem = Scenario.load("tiny").problem()
    names = problem.tasks.names
    task = np.array([[0, 1], [0, 0], [1, 1], [1, 1]])
    channel = np.array([[-1, 0], [0, 1], [-1, 1], [0, 1]])
    extraction = np.array([[1.0, 0.5], [1.0, 0.25], [1.0, 1.0], [0.3, 0.3]])
    actions = Actions(channel, np.ones((4, 2)), np.ones((4, 2)), extraction)
    value = np.array([1.0, 1.0, 1.0, np.nan])
    batch = Batch(problem, "exact", "cpu", np.ones((4, 2, 2)), task, actions, value, 1.0)
    alike = replace(problem, tasks=replace(problem.tasks, names=("all", "all tasks")))
    assert replace(batch, problem=alike).total == "all tasks tasks"
    third = pytest.approx(1 / 3)
    assert batch.modes() == {
        names[0]: {"local": third, "raw": third, "semantic": third, "extraction": 0.25},
        names[1]: {"local": third, "raw": third, "semantic": third, "extraction": 0.5},
        "all": {"local": third, "raw": third, "semantic": third, "extraction": 0.375},
    }
    raw = replace(actions, extraction=np.ones((4, 2)))
    found = replace(batch, actions=raw, task=np.zeros((4, 2), int)).modes()
    some = {"local": third, "raw": pytest.approx(2 / 3), "semantic": 0.0, "extraction": None}
    assert found == {names[0]: some, "all": some}


@pytest.mark.parametrize("slope", [1e7, 1e12])
@pytest.mark.parametrize("method", ["exact", "local", "semantic-unaware"])
def test_steep_slopes_claim_what_the_model_says(slope, method):
    # An ulp of energy moves the QoE by more than a judge allows.
    document = Scenario.load("tiny").to_dict()
    document["qoe"]["slope_energy_per_mj"] = slope
    document["channel"] = {"model": "rayleigh", "mean_gain": 0.5}
    scenario = Scenario.from_dict(document)
    batch = solve_batch(scenario, *scenario.draw(40, 0), method)
    for result in batch.results():
        assert abs(result.objective - result.recompute()) <= 1e-9
        assert result.upper_bound >= result.recompute() - 1e-9
    claimed = json.loads("".join(batch.text(0)))
    assert check_result(claimed).startswith("40 of 40 slots have a decision")
