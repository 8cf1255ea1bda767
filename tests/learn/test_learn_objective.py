"""What learners learn from: the objective asked, streams kept apart, traces found again."""

import json
import shutil
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
import torch

from problems import random_problem
from semopt.env.environment import Environment
from semopt.learn import deciders, distill, dqn, evaluate, mappo, train
from semopt.learn.checkpoint import Checkpoint
from semopt.learn.validation import Validation
from semopt.model import Actions
from semopt.model import evaluate as model_evaluate
from semopt.problem import Grid
from semopt.scenario import Scenario
from semopt.solvers import constant, solve
from semopt.worth import objective, within_limits
from tolerances import SINGLE

PAPER, CONTENDED = Scenario.load("paper"), Scenario.load("contended")
TINY = {
    "mappo": {"slots": 32, "updates": 4, "minibatches": 2, "validate_every": 2, "width": 16},
    "dqn": {
        "slots": 2,
        "updates": 4,
        "levels": 2,
        "minibatch": 8,
        "validate_every": 2,
        "width": 16,
    },
    "distill": {"slots": 64, "updates": 4, "minibatch": 32, "validate_every": 2, "width": 16},
}
CPU = torch.device("cpu")


@pytest.fixture(autouse=True, scope="module")
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def fairest(scenario):
    document = scenario.to_dict()
    return Scenario.from_dict(document | {"qoe": document["qoe"] | {"objective": "min"}})


# ------------------------------------------------------------------------------------- objective


@pytest.mark.parametrize("algorithm", TINY)
@pytest.mark.parametrize("scenario", [CONTENDED, fairest(CONTENDED)], ids=["sum", "min"])
def test_regret_is_what_the_objective_misses_of_its_optimum(algorithm, scenario, tmp_path):
    told = []
    description = train.describe(algorithm, scenario, **TINY[algorithm])
    train.train(description, tmp_path, report=told.append)
    validation = Validation.draw(Environment(scenario, 1))
    problem = scenario.template()
    some = range(0, len(validation.task), 64)  # solved one by one, without the batch
    optima = [
        solve(problem.with_slot(validation.gain[s], validation.task[s])).objective for s in some
    ]
    assert validation.optimum[some] == pytest.approx(optima)
    tasks = 1 if problem.objective == "min" else 2
    best = validation.optimum.mean() / tasks
    assert 0.3 < best < 1.0
    for report in told:
        assert report.qoe + report.regret == pytest.approx(best)
        assert 0.0 <= report.regret < best
        assert report.best <= report.regret
    assert best == pytest.approx(0.6, abs=0.12)


def test_teams_are_rewarded_by_their_worst_user_where_the_objective_is_min():
    reward = np.array([[0.5, 0.25], [-0.125, 0.75]], np.float32)
    for scenario, expected in ((CONTENDED, [0.75, 0.625]), (fairest(CONTENDED), [0.25, -0.125])):
        env = Environment(scenario, 2)
        settings = replace(dqn.FAST, slots=2, levels=2, memory=1, width=8)
        learner = dqn.Learner(env, settings, 0, CPU)
        assert learner.team(reward).tolist() == expected
        seen = np.zeros((2, 2, env.observation_size), np.float32)
        learner.remember(seen, torch.zeros((2, 2), dtype=torch.int64), reward, seen, True)
        assert learner.memory["reward"][:2].tolist() == [[e, e] for e in expected]


def test_counterfactuals_of_the_worst_user_by_hand():
    """Two users, one slot: levels, then mode of user 0, mode of user 1, the assignment greedy."""
    others = np.array([[[0.5, 0.25]], [[0.75, 0.0]], [[0.25, 0.5]], [[0.5, 0.5]]], np.float32)
    played = np.array([[0.375, 0.25]], np.float32)
    for by, mode, assignment in (
        (lambda r: r.sum(-1), [[0.0, 0.0]], [[-0.25]]),
        (lambda r: r.min(-1), [[0.25, 0.0]], [[-0.25]]),
    ):
        found = mappo.counterfactual_advantages(played, others, by)
        assert found[0].tolist() == mode
        assert found[1].tolist() == [[-0.125, 0.0]]
        assert found[2].tolist() == assignment


@pytest.mark.parametrize("scenario", [CONTENDED, fairest(CONTENDED)], ids=["sum", "min"])
def test_the_teacher_says_what_its_lesson_is_worth(scenario):
    env = Environment(scenario, 24, seed=3)
    learner = distill.Learner(env, replace(distill.Settings(), slots=24, margin=0.0), 0, CPU)
    learner.prepare()
    optima = [
        solve(scenario.template().with_slot(g, t)) for g, t in zip(env.gain, env.task, strict=True)
    ]
    values = [o.objective for o in optima if o.actions is not None]
    tasks = 1 if scenario.qoe.objective == "min" else 2
    assert learner.mean == pytest.approx(np.mean(values) / tasks)


# --------------------------------------------------------------------------------------- streams


def drawn_for(scenario, seed, monkeypatch):
    """The gains that training, validation, `constant` and evaluation look at."""
    learner, _ = train.make(
        train.describe("mappo", scenario, seed=seed, slots=64, minibatches=1), CPU
    )
    gains = {"training": [learner.env.gain.copy()]}
    for _ in range(3):
        learner.update()
        gains["training"].append(learner.env.gain.copy())
    gains["validation"] = [Validation.draw(learner.env).gain]
    fitted = []

    def fit(problem, gain, task, tick):
        fitted.append(gain)
        ones = np.ones(len(problem.tasks.names))
        return constant.Constant(np.zeros(len(ones), np.int64), ones, ones, ones)

    monkeypatch.setattr(constant, "fit", fit)
    judged = []

    class Judge:
        def __call__(self, gain, task):
            judged.append(gain.copy())
            alone = np.full(task.shape, 1.0)
            clock = scenario.template().users.reference_frequency
            return Actions(np.full(task.shape, -1), 0 * alone, clock * alone, alone)

    monkeypatch.setattr(
        evaluate,
        "decider",
        lambda name, *rest: deciders.decider(name, *rest) if name == "constant" else Judge(),
    )
    evaluate.evaluate(["judge", "constant"], scenario, None, seed, reference="exact")
    gains["constant"], gains["evaluation"] = fitted, judged
    return {name: set(np.concatenate(parts)[:, 0, 0].tolist()) for name, parts in gains.items()}


@pytest.mark.parametrize("seed", [0, 1, 12345])
def test_no_slot_serves_two_purposes(seed, monkeypatch):
    seen = drawn_for(PAPER, seed, monkeypatch)
    for one, other in combinations(seen, 2):
        assert not seen[one] & seen[other], (one, other)
    assert min(map(len, seen.values())) > 200


# ---------------------------------------------------------------------------------------- traces


def traced(folder, slots=100, scale=1.0, **channel):
    """A scenario beside a trace whose gains of slot s are 0.2 + s / 1000."""
    folder.mkdir(exist_ok=True)
    gain = 0.2 + np.arange(slots)[:, None, None] / 1000 + np.zeros((1, 2, 2))
    np.save(folder / "gains.npy", scale * gain)
    document = PAPER.to_dict()
    for key in ("slot", "assumed"):
        document.pop(key, None)
    document["system"] = document["system"] | {"users": 2, "channels": 2}
    document["channel"] = {"model": "trace", "file": "gains.npy"} | channel
    path = folder / "s.toml"
    path.write_text(Scenario.from_dict(document, folder).to_toml().replace(f"{folder}/", ""))
    return path


def rows_of(seen):
    return {round((gain - 0.2) * 1000) for gain in seen}


def test_a_trace_is_split_and_no_part_is_looked_at_by_another(tmp_path, monkeypatch):
    scenario = Scenario.load(traced(tmp_path / "a", split=[0.5, 0.3, 0.2]))
    seen = {name: rows_of(gains) for name, gains in drawn_for(scenario, 0, monkeypatch).items()}
    assert seen["training"] <= set(range(50))
    assert len(seen["training"]) > 30
    assert seen["constant"] == set(range(50))
    assert seen["validation"] == set(range(50, 80))
    assert seen["evaluation"] == set(range(80, 100))


def test_more_slots_than_a_trace_has_for_evaluation_are_refused(tmp_path):
    scenario = Scenario.load(traced(tmp_path / "a"))
    assert evaluate.evaluate(["reference"], scenario, reference="exact").slots == 20
    assert evaluate.evaluate(["reference"], scenario, 20, reference="exact").slots == 20
    with pytest.raises(
        ValueError, match=r"21 slots are asked for, .* evaluation has 20: ask for at"
    ):
        evaluate.evaluate(["reference"], scenario, 21)


@pytest.mark.parametrize(
    ("split", "part"), [([0, 0.5, 0.5], "training"), ([0.5, 0, 0.5], "validation")]
)
def test_a_split_without_slots_for_a_part_is_refused(tmp_path, split, part):
    scenario = Scenario.load(traced(tmp_path / "a", split=split))
    with pytest.raises(
        ValueError, match=rf"channel.split leaves no slot of .*gains.npy for {part}"
    ):
        train.describe("mappo", scenario)


def test_a_run_on_a_trace_finds_it_from_anywhere_and_takes_no_other(tmp_path, monkeypatch):
    path, out = traced(tmp_path / "a"), tmp_path / "run"
    elsewhere = tmp_path / "b"
    elsewhere.mkdir()
    np.save(elsewhere / "gains.npy", np.full((100, 2, 2), 0.9))  # another of the same name
    monkeypatch.chdir(elsewhere)
    tiny = TINY["mappo"]
    train.train(train.describe("mappo", Scenario.load(path), **tiny), out)
    kept = json.loads((out / "checkpoint.json").read_text())["scenario"]["channel"]
    assert kept["file"] == str((tmp_path / "a" / "gains.npy").resolve())
    assert len(kept["sha256"]) == 64
    home = deciders.home([str(out)])
    before = evaluate.evaluate([str(out)], home, 5).scores[str(out)]

    moved = tmp_path / "c"
    shutil.move(tmp_path / "a", moved)
    with pytest.raises(ValueError, match=r"gains\.npy"):
        evaluate.evaluate([str(out)], deciders.home([str(out)]), 5)
    scenario = Scenario.load(moved / "s.toml")  # the same trace, said to be elsewhere
    after = evaluate.evaluate([str(out)], scenario, 5).scores[str(out)]
    assert replace(after, decision_us=0.0) == replace(before, decision_us=0.0)
    longer = train.describe("mappo", scenario, **tiny)
    assert train.train(longer, out, resume=True) == "all updates are done"

    changed = Scenario.load(traced(moved, scale=1.01))
    with pytest.raises(ValueError, match=r"channel\.sha256"):
        evaluate.evaluate([str(out)], changed, 5)
    with pytest.raises(ValueError, match=r"channel\.sha256"):
        train.train(train.describe("mappo", changed, **tiny), out, resume=True)


def test_solve_answers_by_a_policy_whose_trace_has_moved(tmp_path):
    path, out = traced(tmp_path / "a"), tmp_path / "run"
    train.train(train.describe("mappo", Scenario.load(path), **TINY["mappo"]), out)
    shutil.move(tmp_path / "a", tmp_path / "c")
    scenario = Scenario.load(tmp_path / "c" / "s.toml")
    gain, task = scenario.draw(1, 0)
    result = solve(scenario.problem(gain[0], task[0]), "policy", checkpoint=str(out))
    assert result.status.word in ("feasible", "infeasible")
    assert Checkpoint.read(out).description.world().name == scenario.name


# -------------------------------------------------------------------------------------- by hand


def test_the_surrogate_is_the_lesser_of_the_clipped_and_the_plain():
    """PPO, clip 0.25: rows of ratio 2 and 1/2, advantages of both signs; the sum over parts."""
    moved = torch.tensor([[2.0, 2.0], [0.5, 0.5], [1.0, 1.125]]).log()
    advantage = torch.tensor([[1.0, -1.0], [1.0, -1.0], [4.0, 8.0]])
    # min(2, 1.25) + min(-2, -1.25); min(0.5, 0.75) + min(-0.5, -0.75); 4 + 9
    rows = [1.25 - 2.0, 0.5 - 0.75, 13.0]
    found = mappo.clipped(moved, advantage, 0.25)
    assert float(found) == pytest.approx(sum(rows) / 3, rel=SINGLE)


def test_values_are_in_the_scale_of_returns_whose_mean_is_not_0():
    """A critic that says 0 says the running mean: (1 + 3) / 2 = 2 with deviation 1."""
    env = Environment(PAPER, 1, seed=1)
    settings = replace(mappo.PAPER, steps=2, minibatches=1, discount=0.5, gae_lambda=0.5)
    learner = mappo.Learner(env, settings, 0, CPU)
    for parameter in learner.networks["critic"].parameters():
        parameter.data.zero_()
    learner.follow_returns(torch.tensor([1.0, 3.0]))
    assert learner.mean() == pytest.approx(2.0)
    assert learner.deviation() == pytest.approx(1.0)
    state = np.zeros((2, 1, env.state_size), np.float32)
    team = np.array([[1.0], [4.0]], np.float32)
    advantage, target = learner.estimate(state, team, np.array([False, True]))
    # Last: 4 - 2. First: 1 + 0.5 x 2 - 2 + 0.5 x 0.5 x 2.
    assert advantage[:, 0].tolist() == pytest.approx([0.5, 2.0])
    assert target[:, 0].tolist() == pytest.approx([2.5, 4.0])
    learner.scale *= 0.0
    assert (learner.mean(), learner.deviation()) == (0.0, 1.0)


def test_the_running_mean_forgets_by_a_hundredth():
    env = Environment(PAPER, 1)
    learner = mappo.Learner(env, replace(mappo.FAST, slots=1), 0, CPU)
    learner.follow_returns(torch.tensor([2.0]))
    learner.follow_returns(torch.tensor([5.0]))
    weight = 0.99 * 0.01 + 0.01
    assert learner.mean() == pytest.approx((0.99 * 0.01 * 2 + 0.01 * 5) / weight)
    square = (0.99 * 0.01 * 4 + 0.01 * 25) / weight
    assert learner.deviation() == pytest.approx((square - learner.mean() ** 2) ** 0.5)


def test_a_fixed_action_stays_below_the_extraction_that_a_task_allows():
    document = PAPER.to_dict()
    for key in ("slot", "assumed"):
        document.pop(key)
    tasks = {name: dict(task) for name, task in document["tasks"].items()}
    tasks["image"]["extraction_max"] = 0.7
    scenario = Scenario.from_dict(document | {"tasks": tasks})
    problem = scenario.template()
    kinds = len(problem.tasks.names)
    image = list(problem.tasks.names).index("image")
    policy = constant.Constant(np.full(kinds, 2), *(np.ones(kinds) for _ in range(3)))
    gain, task = np.full((1, 2, 2), 0.5), np.array([[image, (image + 1) % kinds]])
    actions = policy.decide(problem, gain, task)
    assert actions.extraction[0, 0] == 0.7
    assert 0.99 < actions.extraction[0, 1] < 1.0
    half = replace(policy, extraction=np.full(kinds, 0.5))
    low = problem.users.extraction_min[0]
    assert half.decide(problem, gain, task).extraction[0] == pytest.approx((low + 1.0) / 2)


def test_fixed_actions_are_a_maximum_that_no_single_change_betters():
    """Against every neighbour, scored one slot at a time: one kind of task, one variable."""
    gain, task = CONTENDED.draw(12, 3)
    problem = CONTENDED.template()
    best = constant.fit(problem, gain, task)

    def worth(policy):
        actions = policy.decide(problem, gain, task)
        total = 0.0
        for s in range(12):
            slot = problem.with_slot(gain[s], task[s])
            outcome = model_evaluate(slot, actions.take(s))
            qoe = np.where(outcome.violations == 0, outcome.qoe, 0.0)
            total += float(objective(slot, qoe))
        return total / 24

    value = worth(best)
    assert value == pytest.approx(
        constant.mean_worth(problem, best.decide(problem, gain, task), gain, task)
    )
    for kind in range(len(best.mode)):
        for name in ("power", "frequency", "extraction"):
            for share in np.linspace(0.0, 1.0, 10):
                shares = getattr(best, name).copy()
                shares[kind] = share
                assert worth(replace(best, **{name: shares})) <= value + 1e-9


def test_ascent_ends_where_no_single_level_is_better():
    """Power and extraction depend on each other: one pass over them is not always enough."""
    passes = 0
    for seed in range(12):
        rng = np.random.default_rng(seed)
        problem = random_problem(rng, 3, 3, kinds=2, grid=Grid(4, 3, 4))
        gain = np.exp(rng.uniform(np.log(0.02), np.log(3), (4, 3, 3)))
        task = rng.integers(0, 2, (4, 3))

        def worth(policy, problem=problem, gain=gain, task=task):
            actions = policy.decide(problem, gain, task)
            return constant.mean_worth(problem, actions, gain, task)

        start = constant.Constant(np.full(2, 2), np.ones(2), np.ones(2), np.full(2, 0.5))
        policy, value = constant.ascend(problem, start, gain, task)
        assert value == worth(policy)
        neighbours = [
            replace(policy, **{name: np.where(np.arange(2) == kind, share, getattr(policy, name))})
            for kind in range(2)
            for name, levels in (("power", 4), ("frequency", 3), ("extraction", 4))
            for share in np.linspace(0.0, 1.0, levels)
        ]
        assert max(map(worth, neighbours)) <= value + 1e-12
        passes += value > worth(start)
    assert passes > 6


def test_the_share_of_patterns_that_are_done_is_told():
    problem, told = CONTENDED.template(), []
    single = replace(problem, grid=Grid(1, 1, 1))
    constant.fit(single, *CONTENDED.draw(1, 0), told.append)
    count = 3 ** len(problem.tasks.names)
    assert told == [i / count for i in range(count)]


def test_a_grid_of_one_level_has_no_other():
    """Where only energy counts the lowest frequency is best, but it is not on the grid."""
    problem = random_problem(np.random.default_rng(1), 2, 2, kinds=2, grid=Grid(1, 1, 1))
    system = replace(problem.system, slope_latency=0.0, slope_energy=300.0, latency_max=1.0)
    problem = replace(problem, system=system)
    frequency = 2.0 * problem.users.frequency_min
    problem = replace(problem, users=replace(problem.users, frequency_max=frequency))
    local = constant.Constant(np.zeros(2, int), *(np.ones(2) for _ in range(3)))
    policy, value = constant.ascend(problem, local, problem.gain[None], problem.task[None])
    assert policy.frequency.tolist() == [1.0, 1.0]
    slow = replace(policy, frequency=np.zeros(2)).decide(
        problem, problem.gain[None], problem.task[None]
    )
    assert constant.mean_worth(problem, slow, problem.gain[None], problem.task[None]) > value
    assert problem.grid_levels(0)[1].tolist() == [frequency[0]]
    eager = replace(problem, system=replace(system, slope_latency=1e3, slope_energy=0.0))
    policy, _ = constant.ascend(eager, local, problem.gain[None], problem.task[None])
    assert policy.frequency.tolist() == [1.0, 1.0]
    assert policy.decide(eager, problem.gain[None], problem.task[None]).power.tolist() == [[0, 0]]


def test_the_servers_energy_is_a_limit_of_its_offloaders_alone():
    problem = CONTENDED.template()
    users = len(problem.users.power_min)
    gain, task = (drawn[:1] for drawn in CONTENDED.draw(1, 0))
    channel = np.full((1, users), -1)
    channel[0, 0] = 0
    one = np.ones((1, users))
    sends = channel >= 0
    high, low = problem.users.power_max, problem.users.frequency_min
    actions = Actions(channel, np.where(sends, high, 0.0), one * low, one)
    limits = replace(problem.users, energy_max=np.full(users, np.inf))
    free = replace(
        problem,
        system=replace(problem.system, latency_max=1e3),
        users=limits,
        tasks=replace(problem.tasks, accuracy_min=np.zeros(len(problem.tasks.names))),
    )
    tight = replace(free, system=replace(free.system, server_energy_max=1e-12))
    wide = replace(free, system=replace(free.system, server_energy_max=1e3))
    slow = replace(wide, system=replace(wide.system, latency_max=1e-9))
    for slot, kept in ((wide, one > 0), (tight, ~sends), (slow, one < 0)):
        outcome = model_evaluate(slot, actions, gain, task)
        assert (within_limits(slot, actions, outcome, task) == kept).all()
