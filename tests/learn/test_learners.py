"""Parts of the learners by hand: networks at known weights, targets, schedules, steps."""

from dataclasses import replace
from math import cos, exp, log, pi

import numpy as np
import pytest
import torch

from semopt.env.environment import Environment
from semopt.learn import distill, dqn, mappo, train
from semopt.learn.actor import (
    BETAS,
    Actor,
    Heads,
    energy_a_task,
    gumbel,
    log_beta,
    normalised,
    observation_order,
    perceptron,
)
from semopt.learn.validation import Validation
from semopt.model import LOCAL, RAW, SEMANTIC, Actions
from semopt.scenario import Scenario
from tolerances import NETWORK, ROUNDING, SINGLE_SUM

PAPER, CONTENDED = Scenario.load("paper"), Scenario.load("contended")
CPU = torch.device("cpu")


@pytest.fixture(autouse=True, scope="module")
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


# ----------------------------------------------------------------------------------------- actor


def biased(scenario=PAPER, semantic=True, **bias):
    """An actor whose last layer says its bias alone: mode 3, peak 5, sharpness 5, preference 2."""
    env = Environment(scenario, 1, semantic=semantic)
    actor = Actor(env, 8, 1)
    last = actor.body[-1]
    last.weight.data.zero_()
    last.bias.data.zero_()
    starts = {"mode": 0, "peak": 3, "sharpness": 3 + BETAS, "preference": 3 + 2 * BETAS}
    for name, values in bias.items():
        last.bias.data[starts[name] : starts[name] + len(values)] = torch.tensor(values)
    with torch.no_grad():
        return actor(torch.ones((1, 2, env.observation_size)))


def test_what_an_actor_says_at_the_start():
    heads = biased()
    assert heads.mode[0, 0].tolist() == pytest.approx([log(1 / 3)] * 3)
    assert heads.peak[0, 1].tolist() == [0.5] * BETAS
    assert heads.sharpness[0, 1].tolist() == pytest.approx([1.0 + log(1.0 + exp(3.0))] * BETAS)
    assert heads.preference[0, 0].tolist() == [0.0, 0.0]
    assert heads.entropy()[0].tolist() == pytest.approx([log(3.0)] * 2)


def test_what_an_actor_makes_of_its_last_layer():
    heads = biased(
        mode=[0.0, log(2.0), log(5.0)],
        peak=[0.4, -4.0, 3.0, 2.0, -2.0],
        sharpness=[1.0, -2.0, 0.5, 0.0, 0.0],
        preference=[12.0, -1.0],
    )
    assert heads.mode[0, 0].exp().tolist() == pytest.approx([1 / 8, 2 / 8, 5 / 8])
    assert heads.peak[0, 0].tolist() == pytest.approx([0.6, 0.0, 1.0, 1.0, 0.0])
    expected = [1.0 + log(1.0 + exp(4.0 * s + 3.0)) for s in (1.0, -2.0, 0.5, 0.0, 0.0)]
    assert heads.sharpness[0, 0].tolist() == pytest.approx(expected)
    assert heads.preference[0, 0].tolist() == pytest.approx(
        [12 * np.tanh(1), 12 * np.tanh(-1 / 12)]
    )
    greedy = heads.greedy()
    assert greedy.mode.tolist() == [[SEMANTIC, SEMANTIC]]
    assert greedy.level[0, 0].tolist() == pytest.approx([1.0, 1.0, 0.0])  # its three laws' peaks
    for mode, level in ((LOCAL, [1.0, 0.6, 1.0]), (RAW, [0.0, 1.0, 1.0])):
        assert heads.peaks(torch.full((1, 2), mode))[0, 0].tolist() == pytest.approx(level)


def test_a_policy_without_extraction_never_takes_it():
    heads = biased(semantic=False, mode=[0.0, 0.0, 50.0])
    for each in (heads, heads.indifferent()):
        assert each.mode[0, 0].exp().tolist() == pytest.approx([0.5, 0.5, 0.0])
        assert each.entropy()[0, 0] == pytest.approx(log(2.0))
    assert biased(mode=[3.0, 0.0, 0.0]).indifferent().mode[0, 0].tolist() == pytest.approx(
        [log(1 / 3)] * 3
    )


def test_modes_are_drawn_as_often_as_they_are_probable():
    rows = 20_000
    heads = biased(mode=[log(0.1), log(0.3), log(0.6)])
    many = Heads(*(part.expand(rows, *part.shape[1:]) for part in heads[:4]))
    drawn = many.sample(generator()).mode
    for mode, share in enumerate((0.1, 0.3, 0.6)):
        spread = (share * (1 - share) / (2 * rows)) ** 0.5
        assert float((drawn == mode).double().mean()) == pytest.approx(share, abs=4 * spread)


def test_noise_of_scores_is_gumbels():
    """Mean 0.5772 (Euler), variance pi^2 / 6."""
    noise = gumbel(torch.zeros(200_000), generator()).double()
    assert float(noise.mean()) == pytest.approx(0.5772157, abs=4 * pi / 6**0.5 / 200_000**0.5)
    assert float(noise.var()) == pytest.approx(pi**2 / 6, rel=0.03)


def test_functions_by_hand():
    assert float(log_beta(torch.tensor(2.0), torch.tensor(3.0))) == pytest.approx(log(1 / 12))
    assert normalised(torch.tensor([0.0, log(3.0)])).exp().tolist() == pytest.approx([0.25, 0.75])


def test_energy_for_each_task_left_by_hand():
    """Shares of a full battery for two users, and of a queue of ten: twice as much is 1."""
    share = torch.tensor([[0.5, 0.25, 0.25], [1.0, 0.0, 0.1], [0.2, 0.05, 0.0]])
    found = energy_a_task((share - 0.5) * 12**0.5, 10)  # as it is observed
    assert found[0].tolist() == pytest.approx([1.0, 0.0])
    assert found[1].tolist() == pytest.approx([2.0, -1.0])  # ten times as much says no more than 3
    assert found[2].tolist() == pytest.approx([1.0, -0.5])  # of none left as of one


def test_who_looks_finds_itself_first():
    """Three features a user here, two users, and who one is: 3 + 3 + 2."""
    env = Environment(PAPER, 1, observation="shared", features=("local_load",))
    assert observation_order(env).tolist() == [[0, 1, 2, 3, 4, 5, 6, 7], [3, 4, 5, 0, 1, 2, 6, 7]]
    own = Environment(PAPER, 1, features=("local_load",))
    assert observation_order(own).tolist() == [[0, 1, 2, 3, 4]] * 2


def test_layers_are_orthogonal_with_gain_root_2_but_for_the_last():
    torch.manual_seed(0)
    net = perceptron(4, 8, 2, 3, 0.01)
    linear = [layer for layer in net if isinstance(layer, torch.nn.Linear)]
    assert [(layer.in_features, layer.out_features) for layer in linear] == [(4, 8), (8, 8), (8, 3)]
    assert [type(layer).__name__ for layer in net] == ["Linear", "ReLU", "Linear", "ReLU", "Linear"]
    for layer, gain, rows in zip(linear, (2.0, 2.0, 1e-4), (4, 8, 3), strict=True):
        product = layer.weight.T @ layer.weight if rows == 4 else layer.weight @ layer.weight.T
        assert torch.allclose(product, gain * torch.eye(rows), atol=SINGLE_SUM)
        assert not layer.bias.any()


# --------------------------------------------------------------------------------------- learner


def test_a_step_is_cut_to_its_norm_and_takes_the_rate():
    """Adam's first step is its rate times the sign of each gradient, however long it is."""
    env = Environment(PAPER, 1)
    learner = distill.Learner(env, replace(distill.Settings(), slots=1, gradient=0.5), 0, CPU)
    seen, step = [], learner.optimizer.step

    def spy():
        seen.append([p.grad.clone() for p in learner.networks.parameters()])
        step()

    learner.optimizer.step = spy
    before = [p.detach().clone() for p in learner.networks.parameters()]
    learner.descend(sum(3.0 * p.sum() for p in learner.networks.parameters()), 0.125)
    norm = sum(float(g.double().square().sum()) for g in seen[0]) ** 0.5
    assert norm == pytest.approx(0.5, rel=NETWORK)
    for old, new in zip(before, learner.networks.parameters(), strict=True):
        assert torch.allclose(old - new.detach(), torch.tensor(0.125), rtol=1e-2)
    learner.descend(sum(p.sum() for p in learner.networks.parameters()))
    assert learner.optimizer.param_groups[0]["lr"] == 0.125  # from then on


# ----------------------------------------------------------------------------------------- mappo


def test_schedules_of_mappo(monkeypatch):
    """Half-way: the rate linear, entropy and sharpness geometric; modes alike in the warm-up."""
    settings = replace(
        mappo.FAST, slots=4, minibatches=1, updates=10, warmup=0.5, sharpness=1.0,
        final_sharpness=16.0, entropy=4.0, final_entropy=1.0, learning_rate=0.1, final_rate=0.5,
    )  # fmt: skip
    learner = mappo.Learner(Environment(PAPER, 4, seed=2), settings, 0, CPU)
    told = []
    monkeypatch.setattr(
        learner, "learn", lambda rollout, rate, entropy: told.append((rate, entropy)) or {}
    )
    limits, blunt = [], Heads.blunt
    monkeypatch.setattr(
        Heads, "blunt", lambda heads, limit: limits.append(limit) or blunt(heads, limit)
    )
    for done in (0, 5):
        learner.updates = done
        learner.update()
        assert learner.updates == done + 1
    assert [rate for rate, _ in told] == pytest.approx([0.1, 0.075])
    assert [entropy for _, entropy in told] == pytest.approx([4.0, 2.0])
    assert set(limits) == {1.0}  # the warm-up ends at a half
    assert learner.agent_steps == 2 * 4 * 2
    seen = torch.zeros((1, 2, learner.env.observation_size))
    learner.updates = 4
    assert learner.heads(seen).mode[0, 0].exp().tolist() == pytest.approx([1 / 3] * 3)
    limits.clear()
    learner.updates = 7.5
    learner.heads(seen)
    assert limits == pytest.approx([4.0])  # half of what is left: 16^(1/2)


def test_advantages_are_scaled_by_their_unit_or_to_mean_0():
    parts = mappo.Parts(
        torch.tensor([[1.0, 3.0]]), torch.tensor([[2.0, 6.0]]), torch.tensor([[0.5], [1.5]])
    )
    env = Environment(PAPER, 4)
    learner = mappo.Learner(env, replace(mappo.FAST, slots=4, unit=0.5), 0, CPU)
    mode, level, assignment = learner.scaled(parts)
    assert mode.tolist() == [[2.0, 6.0]]
    assert assignment.tolist() == [[1.0], [3.0]]
    assert level[0].tolist() == pytest.approx([2 / 8**0.5, 6 / 8**0.5], rel=NETWORK)
    critic = mappo.Learner(env, replace(mappo.PAPER, slots=4), 0, CPU)
    for part in critic.scaled(parts):
        assert part.flatten().tolist() == pytest.approx([-(0.5**0.5), 0.5**0.5], rel=NETWORK)


def test_a_critics_value_is_in_the_scale_of_returns():
    """It says 1; returns of mean 2 and deviation 2 so far: that is 1 x 2 + 2 = 4."""
    env = Environment(PAPER, 1, seed=1)
    learner = mappo.Learner(env, replace(mappo.PAPER, steps=1, minibatches=1), 0, CPU)
    last = learner.networks["critic"][-1]
    last.weight.data.zero_()
    last.bias.data.fill_(1.0)
    learner.follow_returns(torch.tensor([0.0, 4.0]))
    state = np.zeros((1, 1, env.state_size), np.float32)
    advantage, target = learner.estimate(state, np.full((1, 1), 5.0, "f4"), np.array([True]))
    assert advantage.tolist() == [[1.0]]
    assert target.tolist() == [[5.0]]


def test_rewards_are_cut_at_the_floor():
    env = Environment(PAPER, 8, seed=3)
    learner = mappo.Learner(env, replace(mappo.FAST, slots=8, minibatches=1, floor=0.45), 0, CPU)
    rollout, reward = learner.play()
    assert reward >= 0.45
    assert (rollout.target >= 0.9).all()


# ------------------------------------------------------------------------------------------- dqn


def small(**changed):
    settings = replace(
        dqn.FAST, slots=2, levels=1, memory=1, minibatch=64, width=8, layers=1, **changed
    )
    return dqn.Learner(Environment(PAPER, 2, seed=4), settings, 0, CPU)


def says(network, values):
    """Let a network say these values whatever it sees."""
    last = network.body[-1]
    last.weight.data.zero_()
    last.bias.data[:] = torch.tensor(values)


def actions(learner):
    return len(learner.policy.mode)


@pytest.mark.parametrize(
    ("discount", "goes_on", "worth"), [(0.0, 1, 3.0), (0.5, 1, 5.0), (0.5, 0, 3.0)]
)
def test_the_temporal_difference_by_hand(discount, goes_on, worth):
    """All know value 1 for what they did; the target network says 4 at best of what follows."""
    learner = small(discount=discount)
    count = actions(learner)
    says(learner.policy, [1.0] + [0.0] * (count - 1))
    says(learner.networks["target"], [0.0] * (count - 1) + [4.0])
    seen = np.zeros((2, 2, learner.env.observation_size), np.float32)
    reward = np.array([[1.0, 2.0], [2.5, 0.5]], np.float32)
    learner.remember(seen, torch.zeros((2, 2), dtype=torch.int64), reward, seen, not goes_on)
    found = float(learner.learn())
    assert found == pytest.approx(worth - 1.0 - 0.5)  # Huber's loss beyond 1


def test_the_oldest_slots_are_written_over():
    learner = small()
    rows = len(learner.memory["seen"])
    assert rows == 20  # one episode of ten slots, two side by side
    seen = np.zeros((2, 2, learner.env.observation_size), np.float32)
    for i in range(11):
        reward = np.full((2, 2), float(i), np.float32)
        learner.remember(seen + i, torch.full((2, 2), i % 3), reward, seen, i % 2 == 0)
    assert learner.written == 22
    assert learner.memory["seen"][:2, 0, 0].tolist() == [10.0, 10.0]
    assert learner.memory["seen"][2:4, 0, 0].tolist() == [1.0, 1.0]
    assert learner.memory["reward"][0].tolist() == [20.0, 20.0]
    assert learner.memory["goes_on"][:4, 0].tolist() == [0.0, 0.0, 1.0, 1.0]
    assert learner.memory["action"][2].tolist() == [1, 1]


@pytest.mark.parametrize(("updates", "share"), [(0, 0.8), (25, 0.5), (50, 0.2), (99, 0.2)])
def test_exploration_falls_until_half_of_the_run(updates, share):
    learner = small(updates=100, explore=0.8, final_explore=0.2)
    learner.updates, count = updates, actions(learner)
    says(learner.policy, [0.0] * (count - 1) + [1.0])
    seen = torch.zeros((20_000, 2, learner.env.observation_size))
    best = float((learner.explore(seen) == count - 1).double().mean())
    expected = 1.0 - share + share / count
    assert best == pytest.approx(expected, abs=4 * 0.5 / 40_000**0.5)


def test_the_target_network_is_copied_now_and_then():
    learner = small(target=2, steps=1)

    def alike():
        pairs = zip(
            learner.policy.parameters(), learner.networks["target"].parameters(), strict=True
        )
        return all(torch.equal(a, b) for a, b in pairs)

    found = []
    for _ in range(4):
        learner.update()
        found.append(alike())
    assert found == [False, True, False, True]
    assert learner.agent_steps == 4 * 10 * 2 * 2
    assert learner.written == 4 * 10 * 2


def test_actions_of_one_level_are_at_the_upper_end():
    learner = small()
    # local; raw and semantic on each of two sub-channels
    assert learner.policy.mode.tolist() == [LOCAL, RAW, RAW, SEMANTIC, SEMANTIC]
    assert learner.policy.level.tolist() == [[1.0] * 3] * 5
    assert learner.policy.score[1:3].tolist() == [[1.0, 0.0], [0.0, 1.0]]
    plain = dqn.actions_of(Environment(PAPER, 1, semantic=False), 1)
    assert plain[0].tolist() == [LOCAL, RAW, RAW]


# --------------------------------------------------------------------------------------- distill


def test_rates_of_distillation_fall_by_a_quarter_of_a_cosine(monkeypatch):
    settings = replace(distill.Settings(), slots=8, minibatch=4, updates=2, learning_rate=0.5)
    learner = distill.Learner(Environment(CONTENDED, 8, seed=1), settings, 0, CPU)
    rates = []
    monkeypatch.setattr(learner, "descend", lambda loss, rate: rates.append(rate))
    for _ in range(2):
        learner.update()
    steps = len(rates)
    assert steps in (2, 4)  # slots without a feasible action are left out
    assert rates == pytest.approx([0.5 * cos(0.5 * pi * i / steps) for i in range(steps)])
    assert learner.agent_steps == 2 * 2 * len(learner.lesson[0])


def test_the_teacher_stays_below_the_limits_by_its_margin():
    problem = CONTENDED.template()
    tasks = replace(problem.tasks, accuracy_min=np.full(len(problem.tasks.bits), 0.5))
    taught = distill.strict(replace(problem, tasks=tasks), 0.25)
    assert taught.system.latency_max == 0.75 * problem.system.latency_max
    assert (taught.users.energy_max == 0.75 * problem.users.energy_max).all()
    assert (taught.tasks.accuracy_min == 0.5).all()  # which a local task may just reach


def test_a_task_that_breaks_a_limit_is_worth_nothing_to_a_run(monkeypatch):
    """At home at the reference frequency a task is worth 0.5; one of four is far slower."""
    env = Environment(PAPER, 1)
    clock = np.tile(env.problem.users.reference_frequency, (2, 1))
    clock[1, 0] /= 100
    monkeypatch.setattr("semopt.learn.validation.decide", lambda *_: Actions.local(clock))
    optimum, task = np.array([1.25, 1.75]), np.zeros((2, 2), np.int64)
    score = Validation(np.ones((2, 2, 2)), task, optimum, 0.5).score(env, None)
    assert score == pytest.approx({"qoe": 0.375, "regret": 0.375, "offloading": 0.0})


def test_what_a_run_is_judged_by_is_its_best_policy(tmp_path):
    told = []
    description = train.describe(
        "mappo",
        PAPER,
        slots=32,
        updates=8,
        validate_every=1,
        minibatches=1,
        width=8,
        learning_rate=0.05,
    )
    train.train(description, tmp_path, report=told.append)
    best = min(report.regret for report in told)
    assert told[-1].best == best
    from semopt.learn.checkpoint import Checkpoint

    learner, _ = train.make(description, CPU)
    kept = Checkpoint.read(tmp_path)
    learner.policy.load_state_dict(kept.part("best"))
    score = Validation.draw(learner.env).score(learner.env, learner.policy)
    assert score["regret"] == pytest.approx(best, abs=ROUNDING)
    assert kept.progress.best == pytest.approx(best)


def test_a_run_ends_when_regret_has_stopped_falling(tmp_path):
    told = []
    description = train.describe(
        "mappo", PAPER, slots=8, updates=50, validate_every=1, minibatches=1, width=8,
        learning_rate=1e-12, patience=3,
    )  # fmt: skip
    ended = train.train(description, tmp_path, report=told.append)
    assert ended == "regret has not fallen by 1% in 3 validations"
    assert [report.updates for report in told] == [1, 2, 3, 4]
