"""Evaluation: scores by hand, what can decide, and a user's own code, whatever it does."""

from dataclasses import replace

import numpy as np
import pytest

from semopt import model
from semopt.learn import deciders, evaluate
from semopt.learn.refine import Refined
from semopt.model import Actions
from semopt.scenario import Scenario
from semopt.solvers import constant, solve
from semopt.solvers.batch import solve_batch
from semopt.solvers.solver import Solver
from semopt.worth import figures, objective, tasks_in, within_limits
from tolerances import SINGLE, SINGLE_SUM

PAPER, CONTENDED = Scenario.load("paper"), Scenario.load("contended")


def everyone_local(seen):
    """Local at the share of the range where the reference frequency of `paper` lies."""
    given = np.zeros((*seen.shape[:2], 6), np.float32)
    given[..., 2] = (PAPER.user.reference_frequency_ghz - 0.55) / (1.0 - 0.55)
    return given


def everyone_raw(seen):
    """Each on the sub-channel of its own number, at full power."""
    ones = np.ones(seen.shape[:2])
    return Actions(np.tile([0, 1], (len(seen), 1)), 0.1 * ones, 0.55e9 * ones, ones)


def test_exact_hits_and_local_at_the_reference_closes_nothing():
    names = ["exact", f"{__name__}:everyone_local"]
    found = evaluate.evaluate(names, PAPER, 60, seed=2, reference="exact")
    exact, local = (found.scores[name] for name in names)
    assert (exact.ratio, exact.hit_share, exact.infeasible_share) == (1.0, 1.0, 0.0)
    assert exact.closure == pytest.approx(1.0)
    assert local.qoe == pytest.approx(0.5, abs=SINGLE)
    assert local.closure == pytest.approx(0.0, abs=SINGLE_SUM)
    gain, task = PAPER.draw(60, 2)
    optimum = solve_batch(PAPER, gain, task).objective
    assert local.ratio == pytest.approx(float((1.0 / optimum).mean()), rel=SINGLE_SUM)
    assert local.ratio_worst == pytest.approx(float(1.0 / optimum.max()), rel=SINGLE_SUM)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("magic", "'magic' is no checkpoint folder"),
        ("relaxation", "it proves a bound and makes no decisions"),
        ("mappo", "mappo: name the folder of its checkpoint instead"),
        ("dqn", "dqn: name the folder of its checkpoint instead"),
        ("", "'' is no checkpoint folder"),
    ],
)
def test_what_decides_nothing_is_refused_before_any_work(monkeypatch, name, message):
    monkeypatch.setattr(evaluate, "solve_batch", lambda *_, **__: pytest.fail("work was begun"))
    monkeypatch.setattr(constant, "fit", lambda *_, **__: pytest.fail("work was begun"))
    with pytest.raises(ValueError, match=message):
        evaluate.evaluate(["constant", "exact", name], PAPER, 5)


def test_a_policy_that_fails_is_found_before_the_reference_is_solved(monkeypatch, tmp_path):
    monkeypatch.setattr(evaluate, "solve_batch", lambda *_, **__: pytest.fail("work was begun"))
    (tmp_path / "late.py").write_text("def f(seen):\n    return None\n")
    with pytest.raises(ValueError, match="returned a NoneType"):
        evaluate.evaluate(["exact", f"{tmp_path}/late.py:f"], PAPER, 5)


def test_a_folder_named_like_a_method_is_told_apart(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for name in ("exact", "constant", "run"):
        (tmp_path / name).mkdir()
    names = ["exact", "constant", "reference", "./exact"]
    assert deciders.taken_as(names) == [
        f"{name} is taken as the method; the folder of that name is ./{name}"
        for name in ("exact", "constant")
    ]
    assert isinstance(deciders.decider("exact", PAPER), deciders.Method)
    assert deciders.home(["exact", "constant"]).name == "paper"
    for name in ("./exact", "run"):
        with pytest.raises(ValueError, match=r"(exact|run) holds no checkpoint"):
            deciders.decider(name, PAPER)


# ----------------------------------------------------------------------- objectives and limits


def changed(scenario, **tables):
    document = scenario.to_dict()
    for table, keys in tables.items():
        document[table] = document[table] | keys
    return Scenario.from_dict(document)


def test_the_worst_user_is_what_the_objective_min_is_judged_by(monkeypatch):
    monkeypatch.setattr(deciders, "FITTED", 60)
    scenario = changed(CONTENDED, qoe={"objective": "min"})
    found = evaluate.evaluate(["exact", "reference", "constant"], scenario, 50, seed=4)
    assert (found.reference, found.to_json()["objective"]) == ("exact", "min")
    exact, reference, fixed = found.scores.values()
    gain, task = scenario.draw(50, 4)
    optima = [solve(scenario.template().with_slot(gain[s], task[s])).objective for s in range(50)]
    optimum = np.array([o for o in optima if not np.isnan(o)])
    assert exact.qoe == pytest.approx(optimum.mean())
    assert (exact.ratio, exact.hit_share) == (1.0, 1.0)
    assert exact.closure == pytest.approx(1.0)
    # The worst of users who all run at the reference frequency scores 0.5.
    if reference.infeasible_share == 0.0:
        assert reference.qoe == pytest.approx(0.5)
        assert reference.ratio == pytest.approx((0.5 / optimum).mean())
    assert reference.qoe <= fixed.qoe <= exact.qoe


def test_fixed_actions_are_the_best_for_the_objective_asked():
    scenario = changed(CONTENDED, qoe={"objective": "min"})
    problem, slots = scenario.template(), scenario.draw(30, 3)
    fairest = constant.fit(problem, *slots)
    total = constant.fit(CONTENDED.template(), *slots)
    worst = [
        np.where(o.violations == 0, o.qoe, 0.0).min(axis=1).mean()
        for policy in (fairest, total)
        for o in [model.evaluate(problem, policy.decide(problem, *slots), *slots)]
    ]
    assert worst[0] > worst[1]
    assert constant.mean_worth(problem, fairest.decide(problem, *slots), *slots) == worst[0]


def limited(share, grid=2):
    """`contended` on a small grid, the server's energy limited to a share of one offloader's."""
    scenario = changed(CONTENDED, grid=dict.fromkeys(("power", "frequency", "extraction"), grid))
    system, kinds = scenario.system, scenario.tasks.values()
    # Energy of one offloader, by hand: kappa x (FLOP / (o f)) x f^3 at the whole server.
    clock = system.server_frequency_ghz * 1e9
    flop = max(task.server_mflop for task in kinds) * 1e6
    one = system.server_energy_coefficient * flop * clock**2 / system.server_flop_per_cycle
    return changed(scenario, system={"server_energy_max_mj": share * one * 1e3}), one


def test_a_limit_on_the_servers_energy_is_measured():
    scenario, _ = limited(1e-6)  # nobody may offload
    name = f"{__name__}:everyone_raw"
    found = evaluate.evaluate(["exhaustive", "reference", name, "constant"], scenario, 20, seed=1)
    assert found.reference == "exhaustive"
    best, reference, raw, fixed = found.scores.values()
    assert (raw.qoe, raw.infeasible_share) == (0.0, 1.0)
    assert best.ratio == 1.0
    assert best.qoe >= fixed.qoe >= reference.qoe > 0.0
    assert fixed.infeasible_share == 0.0


def test_two_offloaders_meet_half_of_what_one_takes_each():
    """Shares of the server: m users each take m times as long at 1/m^3 of the power."""
    for share, kept in ((1.001, True), (0.999, False)):
        scenario, one = limited(share)
        problem = scenario.template()
        kind = int(np.argmax([t.server_mflop for t in scenario.tasks.values()]))
        gain, task = np.full((1, 2, 2), 1.0), np.full((1, 2), kind)
        actions = everyone_raw(np.empty((1, 2, 1)))
        for channel, energy in (([0, -1], one), ([0, 1], 2 * one / 4)):
            alone = replace(actions, channel=np.array([channel]))
            outcome = model.evaluate(problem, alone, gain, task)
            outcome = replace(outcome, violations=np.zeros((1, 2), np.uint8))
            expected = [True, True] if kept or energy < one else [False, True]
            assert within_limits(problem, alone, outcome, task).tolist() == [expected]
            found = model.server_energies(problem, alone, task).sum()
            assert found == pytest.approx(energy)


def test_what_does_not_know_a_limit_says_so_in_batches_too():
    scenario, _ = limited(1.0)
    gain, task = scenario.draw(3, 0)
    for work in (
        lambda: solve_batch(scenario, gain, task),
        lambda: solve_batch(scenario, gain, task, "semantic-unaware"),
        lambda: Solver(scenario),
        lambda: evaluate.evaluate(["exact"], scenario, 3),
        lambda: evaluate.evaluate(["global"], scenario, 3),
    ):
        with pytest.raises(ValueError, match="server_energy_max_mj couples the users"):
            work()


def test_objectives_are_sums_and_minima():
    problem = PAPER.template()
    qoe = np.array([[0.25, 0.5], [1.0, 0.125]])
    assert objective(problem, qoe).tolist() == [0.75, 1.125]
    assert tasks_in(problem) == 2
    fairest = replace(problem, objective="min")
    assert objective(fairest, qoe).tolist() == [0.25, 0.125]
    assert tasks_in(fairest) == 1


# ---------------------------------------------------------------------------------- scores


def test_a_task_that_breaks_a_limit_scores_nothing():
    problem = PAPER.template()
    gain, task = np.full((1, 2, 2), 1.0), np.array([[0, 0]])
    slow = problem.users.frequency_min / 100
    actions = Actions(np.full((1, 2), -1), np.zeros((1, 2)), slow[None], np.ones((1, 2)))
    worth = figures(problem, actions, gain, task)
    score = evaluate.score(problem, worth, np.array([1.2]), 0.0)
    assert (score.qoe, score.ratio, score.infeasible_share) == (0.0, 0.0, 1.0)


def test_refinement_keeps_choices_and_never_loses():
    gain, task = CONTENDED.draw(100, 6)
    problem = CONTENDED.template()
    policy = constant.fit(problem, *CONTENDED.draw(50, 7))
    before = policy.decide(problem, gain, task)
    after = Refined(problem, lambda *_: before)(gain, task)
    assert (after.channel == before.channel).all()
    offload = before.channel >= 0
    assert ((after.extraction < 1.0) == (before.extraction < 1.0))[offload].all()
    worth = [model.evaluate(problem, a, gain, task) for a in (before, after)]
    kept = [np.where(o.violations == 0, o.qoe, 0.0) for o in worth]
    assert (kept[1] >= kept[0] - 1e-12).all()
    assert kept[1].sum() > kept[0].sum()


def test_refinement_finds_the_levels_of_the_optimum_whose_choices_it_is_given():
    """All its levels are of the grid, so the worst ones with its modes and sub-channels do."""
    gain, task = CONTENDED.draw(50, 8)
    problem = CONTENDED.template()
    batch = solve_batch(CONTENDED, gain, task)
    users, best = problem.users, batch.actions
    worst = Actions(
        best.channel,
        np.where(best.offload, users.power_min, 0.0),
        np.full_like(best.frequency, users.frequency_min),
        np.where(best.semantic, users.extraction_min, 1.0),
    )
    after = Refined(problem, lambda *_: worst)(gain, task)
    value = model.evaluate(problem, after, gain, task).qoe.sum(axis=1)
    assert value == pytest.approx(batch.objective, abs=1e-12)
    assert (np.ptp(best.power, axis=0) > 0).all()
    assert {int(mode) for mode in best.mode.ravel()} == {0, 1, 2}


@pytest.mark.parametrize(("method", "gap"), [("exact", 1e-12), ("global", 1e-6)])
def test_refinement_leaves_an_optimum_alone(method, gap):
    gain, task = CONTENDED.draw(50, 8)
    batch = solve_batch(CONTENDED, gain, task, method)  # the continuous one lies off the grid
    problem = CONTENDED.template()
    after = Refined(problem, lambda *_: batch.actions)(gain, task)
    value = model.evaluate(problem, after, gain, task).qoe.sum(axis=1)
    assert value == pytest.approx(batch.objective, abs=gap)


def test_constant_sends_raw_what_has_no_semantic_mode():
    document = Scenario.load("paper").to_dict()
    document["user"]["extraction"] = [0.9, 1.0]
    for task in document["tasks"].values():
        task["extraction_max"] = 0.5
    problem = Scenario.from_dict(document).problem()
    fixed = constant.Constant(np.full(3, model.SEMANTIC), *np.full((3, 3), 0.3))
    actions = fixed.decide(problem, problem.gain[None], problem.task[None])
    assert (actions.channel >= 0).all()
    assert (actions.extraction == 1.0).all()
    assert (actions.frequency == problem.users.frequency_min).all()


def test_a_score_by_hand():
    """All local at the reference frequency: 0.5 a task, its time flop / (o f), energy k t f^3."""
    problem = PAPER.template()
    users, tasks = problem.users, problem.tasks
    optimum = np.array([1.0, 1.25, 2.0, 1.000199, 1.000201])
    gain, task = np.ones((5, 2, 2)), np.array([[0, 1], [1, 1], [0, 0], [1, 0], [0, 1]])
    ones = np.ones((5, 2))
    clock = users.reference_frequency * ones
    actions = Actions(-np.ones((5, 2), np.int64), ones, clock, ones)
    found = evaluate.score(problem, figures(problem, actions, gain, task), optimum, 0.25)
    time = tasks.local_flop[task] / (users.flop_per_cycle * clock)
    assert found.qoe == 0.5
    assert found.reference_qoe == pytest.approx(6.2504 / 10)
    ratio = sorted(1.0 / optimum)
    assert found.ratio == pytest.approx(sum(ratio) / 5)
    assert found.ratio_worst == ratio[0] == 0.5
    assert found.ratio_p1 == pytest.approx(0.5 + 0.04 * 0.3)  # from 0.5 to 0.8 in a fourth of 1
    assert found.closure == 0.0
    assert found.hit_share == pytest.approx(2 / 5)  # within 1e-4 a task, 2e-4 a slot
    assert found.latency_ms == pytest.approx(1e3 * time.mean())
    watt = users.energy_coefficient * clock**3
    assert found.energy_mj == pytest.approx(1e3 * (watt * time).mean())
    assert found.accuracy == pytest.approx(tasks.local_accuracy[task].mean())
    assert (found.infeasible_share, found.decision_us) == (0.0, 250_000.0)


@pytest.mark.parametrize(("longest", "timed", "median"), [(9.0, 3, 1.0), (5.2, 2, 2.75)])
def test_a_decision_is_timed_alone_and_the_median_counts(monkeypatch, longest, timed, median):
    clock, seen, shown = [0.0], [], []
    monkeypatch.setattr(evaluate, "LONGEST", longest)
    monkeypatch.setattr(evaluate, "perf_counter", lambda: clock[0])
    monkeypatch.setattr(evaluate, "TIMED", 3)

    def decide(gain, task):
        seen.append((gain.ravel().tolist(), task.ravel().tolist()))
        clock[0] += (5.0, 0.5, 1.0)[len(seen) - 1]

    slots = np.arange(4.0)[:, None, None], np.arange(4)[:, None]
    assert evaluate.decision_time(decide, *slots, shown.append) == median
    assert seen == [([0.0], [0]), ([1.0], [1]), ([2.0], [2])][:timed]
    assert shown == [0.0, 1 / 3, 2 / 3][:timed]


def test_where_a_method_finds_no_decision_all_run_at_the_reference_frequency():
    scenario = changed(CONTENDED, system={"latency_max_ms": 1e-6})
    users = scenario.template().users
    for slots in (1, 3):  # one alone is decided by the warm solver
        gain, task = scenario.draw(slots, 5)
        found = deciders.Method(scenario, "exact")(gain, task)
        for have, want in (
            (found.channel, -1),
            (found.frequency, users.reference_frequency),
            (found.extraction, 1.0),
        ):
            assert have.shape == task.shape
            assert (have == want).all()


@pytest.mark.parametrize(
    ("methods", "differ"),
    [(["exact", "local"], True), (["exact", "constant"], False), (["local", "reference"], False)],
)
def test_times_of_different_things_are_said_to_be_so(methods, differ, capsys):
    evaluate.evaluate(methods, "tiny", slots=5, reference="exact").show()
    printed = " ".join(capsys.readouterr().out.split())
    assert ("us a slot: exact by a Solver that stands ready" in printed) == differ
