"""Learning on queues with batteries: what is left counts, users choose in turns, runs go on."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from semopt import solve
from semopt.battery import skip_unpaid, step
from semopt.env import Decisions
from semopt.env.environment import Environment
from semopt.learn import mappo, train
from semopt.learn.actor import Actor, Openness, Sample, as_decisions, observation_order
from semopt.learn.checkpoint import Checkpoint
from semopt.learn.dqn import actions_of
from semopt.learn.queue_validation import QueueValidation
from semopt.learn.queues import queue_decider
from semopt.model import LOCAL, RAW, SEMANTIC, SKIP, Actions
from semopt.online.cells import Cells
from semopt.online.play import play
from semopt.online.policies import make
from semopt.online.terms import Terms
from semopt.online.training import Training
from semopt.scenario import Scenario
from semopt.solvers.queue import solve_queue
from tolerances import NETWORK, SINGLE, SINGLE_SUM

BATTERY = Scenario.load("battery")
CPU = torch.device("cpu")
TINY = {
    "mappo": {"slots": 8, "updates": 6, "minibatches": 2, "validate_every": 2, "width": 16},
    "dqn": {"slots": 2, "updates": 6, "levels": 2, "validate_every": 2, "width": 16},
    "distill": {"slots": 8, "updates": 6, "minibatch": 32, "validate_every": 2, "width": 16},
}


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def learner(slots=16, observation="shared", scenario=BATTERY):
    env = Environment(scenario, slots, seed=3, observation=observation)
    settings = replace(mappo.FAST.for_queues(env.length), slots=slots, minibatches=1, width=16)
    return mappo.Learner(env, settings, 0, CPU)


# -------------------------------------------------------------------------------------------- actor


def heads_of(env, seed=0):
    torch.manual_seed(seed)
    actor = Actor(env, 16, 1)
    for parameter in actor.parameters():
        parameter.data.normal_(0.0, 0.5)
    observation = np.empty((env.slots, env.users, env.observation_size), np.float32)
    env.observe(env.gain, env.task, observation, env.ahead)
    with torch.no_grad():
        return actor(torch.from_numpy(observation))


def test_users_choose_in_turns_by_what_those_before_them_do():
    env = Environment(Scenario.load("battery-4"), 200, observation="shared")
    heads = heads_of(env)
    mode = heads.greedy().mode
    laws = heads.given(mode).mode
    assert torch.equal(laws.argmax(-1), mode)
    assert torch.allclose(laws.exp().sum(-1), torch.ones(200, 4), atol=NETWORK)
    for user in range(4):
        other = mode.clone()
        other[:, user] = (other[:, user] + 1) % 4
        changed = heads.given(other).mode != laws
        assert not changed[:, : user + 1].any()
        assert user == 3 or changed[:, user + 1 :].float().mean() > 0.9
        answer = heads.answered(mode, user, SKIP)
        assert torch.equal(answer[:, :user], mode[:, :user])
        assert (answer[:, user] == SKIP).all()
        assert torch.equal(
            heads.given(answer).mode.argmax(-1)[:, user + 1 :], answer[:, user + 1 :]
        )


def test_who_sees_its_own_part_alone_chooses_alone():
    env = Environment(BATTERY, 50)
    heads = heads_of(env)
    mode = heads.greedy().mode
    assert heads.given(mode) is heads
    answer = heads.answered(mode, 0, SKIP)
    assert torch.equal(answer[:, 1], mode[:, 1])


def test_modes_are_drawn_by_the_laws_that_they_are_judged_by():
    env = Environment(BATTERY, 1, observation="shared")
    heads = heads_of(env)
    many = heads._replace(
        **{
            name: getattr(heads, name).expand(20_000, *getattr(heads, name).shape[1:])
            for name in ("mode", "peak", "sharpness", "preference", "hidden")
        }
    )
    with torch.no_grad():
        drawn = many.sample(torch.Generator().manual_seed(0)).mode
    both = torch.zeros(4, 4)
    for first in range(4):
        for second in range(4):
            modes = torch.tensor([[first, second]])
            with torch.no_grad():
                law = heads.given(modes).mode[0]
            both[first, second] = (law[0, first] + law[1, second]).exp()
            share = ((drawn == modes).all(-1)).float().mean()
            assert share == pytest.approx(both[first, second].item(), abs=0.02)
    assert both.sum() == pytest.approx(1.0, abs=NETWORK)


def test_a_skip_has_no_levels_and_takes_no_sub_channel():
    env = Environment(BATTERY, 30, observation="shared")
    heads = heads_of(env)
    mode = torch.full((30, 2), SKIP)
    level = heads.peaks(mode)
    sample = Sample(mode, level, heads.preference)
    assert (level == 1.0).all()
    assert (heads.log_prob(sample)[1] == 0.0).all()
    openness = Openness.of(sample, torch.full((30, 2), -1))
    assert (openness.log_prob(heads.preference) == 0.0).all()


def test_a_policy_without_extraction_still_skips():
    actor = Actor(Environment(BATTERY, 1, semantic=False), 16, 1)
    with torch.no_grad():
        law = actor(torch.ones((1, 2, 10))).mode.exp()[0, 0]
    assert law.tolist() == pytest.approx([1 / 3, 1 / 3, 0.0, 1 / 3], abs=0.02)


def test_who_looks_finds_its_own_energy_first():
    env = Environment(Scenario.load("battery-4"), 1, observation="shared")
    size = env.observation_size
    for user, order in enumerate(observation_order(env).tolist()):
        left = order[-5:-1]
        assert left == [size - 5 + (user + i) % 4 for i in range(4)]
        assert order[-1] == size - 1  # the tasks left are everybody's
        assert sorted(order) == list(range(size))


# --------------------------------------------------------------------------------------- lookahead


def known_critic(learner, price=20.0):
    """What is left is worth 20 QoE/J to the first user and twice as much to the second."""
    full = learner.env.problem.users.battery
    share = lambda state: state[..., -3:-1] / np.sqrt(12) + 0.5  # noqa: E731
    learner.ahead.critic.worth = lambda state: share(state) * full @ (price * np.array([1.0, 2.0]))
    return lambda left: left @ (price * np.array([1.0, 2.0]))


@pytest.mark.parametrize("observation", ["own", "shared"])
def test_a_mode_is_worth_its_reward_and_what_it_leaves(observation):
    made = learner(observation=observation)
    env, worth = made.env, known_critic(made)
    env.ahead.left[:] = np.random.default_rng(0).uniform(0.0, 0.06, (16, 2))
    seen = np.empty((16, 2, env.observation_size), np.float32)
    env.observe(env.gain, env.task, seen, env.ahead)
    with torch.no_grad():
        heads = made.heads(torch.from_numpy(seen))
        mode = heads.sample(torch.Generator().manual_seed(1)).mode
        value = made.ahead.mode_values(heads, mode)
    reward, beyond = np.empty((16, 2), np.float32), 0
    for user in range(2):
        for own in (LOCAL, RAW, SEMANTIC, SKIP):
            chosen = heads.answered(mode, user, own)
            env.score(
                Decisions(
                    chosen.numpy().astype(np.uint8),
                    heads.peaks(chosen).numpy(),
                    heads.preference.contiguous().numpy(),
                ),
                reward,
            )
            # Who offloads what its battery cannot pay for loses half a QoE by it.
            unpaid = env.batteries.skipped & env.actions.offload
            kept = np.where(unpaid, -0.5, np.maximum(reward, made.settings.floor)).sum(axis=1)
            wanted = kept + worth(env.batteries.after.left)
            np.testing.assert_allclose(value[:, user, own], wanted, rtol=1e-4, atol=1e-5)
            beyond += int(unpaid.sum())
    assert beyond > 10


def test_levels_are_judged_by_the_energy_that_they_leave_their_own_user():
    made = learner()
    rng = np.random.default_rng(0)
    known_critic(made)
    size = made.env.state_size
    behind, base = rng.random((2, 16, size), np.float32)
    reward, others = rng.random((2, 16, 2), np.float32)
    mode, level, assignment = made.ahead.advantages(
        reward, behind, (others, base), (reward, behind)
    )
    full, price = made.env.problem.users.battery, np.array([20.0, 40.0])
    more = (behind - base)[:, -3:-1] / np.sqrt(12) * full * price
    np.testing.assert_allclose(level, reward - others + more, atol=SINGLE_SUM)
    total = others.sum(axis=1) - reward.sum(axis=1) - more.sum(axis=1)
    np.testing.assert_allclose(assignment[:, 0], total, atol=SINGLE_SUM)
    assert not mode.any()


def test_the_critic_learns_what_the_next_slot_is_worth():
    made = learner(slots=64)
    rollout, _ = made.play()
    tasks = np.repeat(np.arange(9, -1, -1), 64)
    np.testing.assert_allclose(made.ahead.critic.tasks(rollout.state), tasks, atol=SINGLE_SUM)
    known = ~rollout.target.isnan().numpy()
    assert not known[tasks == 0].any()  # nothing follows
    assert 0.3 < known[tasks > 0].mean() < 0.7  # of the others energy was drawn anew
    following = rollout.value[:, 0].amax(-1).roll(-64)
    assert torch.equal(rollout.target[known], following[known])
    assert (made.ahead.critic.worth(rollout.state.numpy())[tasks == 0] == 0.0).all()


def test_correlated_gains_are_seen_by_the_critic():
    jakes = BATTERY.replace(
        {"channel": {"model": "jakes", "mean_gain": 0.5, "doppler_hz": 5.0, "slot_ms": 10.0}}
    )
    for scenario, counts in ((BATTERY, False), (jakes, True)):
        critic = learner(scenario=scenario).ahead.critic
        state = torch.rand((5, critic.users + 9))[:, : learner().env.state_size]
        other = state.clone()
        other[:, 0] += 1.0
        assert (critic(state) != critic(other)).any().item() == counts


def test_looking_ahead_goes_most_of_the_way_to_the_best_action_at_known_prices():
    made, price = learner(slots=100), np.array([20.0, 40.0])
    env, problem = made.env, made.env.problem
    known_critic(made)
    left = np.random.default_rng(0).uniform(0.005, 0.06, (100, 2))
    env.ahead.left[:] = left
    seen = np.empty((100, 2, env.observation_size), np.float32)
    env.observe(env.gain, env.task, seen, env.ahead)

    def worth(actions, skipped):
        played = step(problem, actions, skipped, left, env.gain, env.task)
        return (played.outcome.qoe + price * played.left).sum(axis=1)

    def of_network(decisions):
        actions = Actions.empty(100, 2)
        env.decide(decisions, env.task, actions)
        now = left, env.gain, env.task
        return worth(actions, skip_unpaid(problem, actions, decisions.mode == SKIP, *now))

    with torch.no_grad():
        heads = made.policy(torch.from_numpy(seen))
        preference = heads.preference.clone()
        first, found = as_decisions(heads.greedy()), made.ahead.best(heads)
    assert torch.equal(heads.preference, preference)  # what is tried is a copy
    cells = Cells(problem, env.gain, env.task)
    best = worth(*cells.decoded(cells.best(left, Terms(price=price))))
    before, after = of_network(first), of_network(found)
    assert (after >= before - SINGLE_SUM).all()
    assert after.mean() > (before.mean() + best.mean()) / 2.0  # of an actor that knows nothing


def test_two_sub_channels_change_places_where_that_is_better():
    made = learner(slots=64)
    env = made.env
    known_critic(made, 0.0)
    env.gain[:] = np.where(np.eye(2, dtype=bool), 1e-3, 1.0) * env.gain.mean()  # crosswise
    straight = 3.0 * torch.eye(2).expand(64, 2, 2)
    heads = heads_of(env)
    away = torch.isin(torch.arange(4), torch.tensor([RAW, SEMANTIC]))
    heads = heads._replace(mode=heads.mode.masked_fill(~away, -1e9), preference=straight)
    actions = Actions.empty(64, 2)
    made.ahead.floor = -np.inf  # cut, all that is far too slow would be alike
    env.decide(made.ahead.best(heads), env.task, actions)
    assert (actions.channel == [1, 0]).all()


def test_a_rollout_of_single_slots_is_refused():
    env = Environment(BATTERY, 4)
    with pytest.raises(ValueError, match=r"settings\.steps = 1: at least 2 are expected"):
        mappo.Learner(env, replace(mappo.FAST, slots=4, minibatches=1), 0, CPU)


# --------------------------------------------------------------------------------------------- runs


def tiny(algorithm, scenario=BATTERY, **options):
    return train.describe(algorithm, scenario, **TINY[algorithm], **options)


@pytest.mark.parametrize("algorithm", TINY)
@pytest.mark.parametrize("observation", ["own", "shared"])
def test_a_run_taken_up_ends_with_the_same_weights(algorithm, observation, tmp_path):
    document = Scenario.load("contended").to_dict()
    document["users"] = [{}, {"battery_mj": 100.0}]  # of one user only
    scenario = Scenario.from_dict(document)
    options = {"steps": 7} if algorithm == "mappo" else {}  # updates end within queues
    description = tiny(algorithm, scenario, observation=observation, seed=3, **options)
    train.train(description, tmp_path / "whole")
    stopped, updates = tmp_path / "stopped", []

    def die(report):
        updates.append(report.updates)
        if len(updates) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train.train(description, stopped, report=die)
    train.train(description, stopped, resume=True, report=die)
    assert updates == [2, 4, 6]
    whole, again = Checkpoint.read(tmp_path / "whole"), Checkpoint.read(stopped)
    assert whole.tensors.keys() == again.tensors.keys()
    for name, tensor in whole.tensors.items():
        assert torch.equal(tensor, again.tensors[name]), name


@pytest.mark.parametrize(
    ("algorithm", "changed"),
    [
        ("mappo", {"slots": 24, "updates": 50}),
        ("distill", {"slots": 100, "updates": 15}),
    ],
)
def test_learned_policies_keep_energy_for_later(algorithm, changed, tmp_path):
    options = TINY[algorithm] | changed | {"width": 64, "validate_every": changed["updates"]}
    train.train(train.describe(algorithm, BATTERY, observation="shared", **options), tmp_path)
    last = json.loads((tmp_path / "log.jsonl").read_text().splitlines()[-1])
    gain, task = (drawn.reshape(50, 10, *drawn.shape[1:]) for drawn in BATTERY.draw(500, seed=1))
    base, played = (
        play(BATTERY.template(), policy, gain, task)
        for policy in (make("greedy", BATTERY), queue_decider(str(tmp_path), Training(BATTERY)))
    )
    greedy, learned = float(base.value.mean()), float(played.value.mean())
    assert learned > greedy + 0.08
    assert not played.unpaid.any()  # though the environment lets users offload what they cannot pay
    assert learned == pytest.approx(last["qoe"], abs=0.02)  # on other queues


def test_validation_measures_queues_by_what_no_policy_is_worth_more_than():
    env = Environment(BATTERY, 1, observation="shared")
    validation = QueueValidation.draw(env)
    assert validation.gain.shape == (100, 10, 2, 2)
    for q in range(3):
        best = solve_queue(BATTERY, validation.gain[q], validation.task[q])
        assert best.objective - 1e-9 <= validation.bound[q] <= best.objective * 1.03
    actor = Actor(env, 16, 1)
    skips = actor.body[-1].bias
    skips.data[:4] = torch.tensor([-9.0, -9.0, -9.0, 9.0])
    score = validation.score(env, actor)
    assert score["qoe"] == score["offloading"] == 0.0
    assert score["regret"] == pytest.approx(validation.bound.mean() / 20, abs=SINGLE)


def test_actions_of_dqn_hold_a_skip_where_there_are_batteries():
    modes = {
        name: actions_of(Environment(Scenario.load(name), 1), 2)[0].tolist()
        for name in ("contended", "battery")
    }
    assert modes["battery"] == [*modes["contended"], SKIP]


def test_settings_of_queues_hold_as_many_slots_whatever_their_length():
    for algorithm in TINY:
        held = []
        for length in (1, 10, 1000):
            scenario = BATTERY.replace({"queue.length": length})
            settings = train.describe(algorithm, scenario).settings
            held.append(settings["slots"] * length)
            assert settings.get("discount", 1.0) == (algorithm != "mappo")
        assert max(held) < 1.7 * min(held)


def test_one_slot_has_no_answer_of_a_policy_for_queues(tmp_path):
    train.train(tiny("distill"), tmp_path)
    slot = BATTERY.problem(*(drawn[0] for drawn in BATTERY.draw(1, 0)))
    with pytest.raises(ValueError, match="semopt evaluate plays the checkpoint on whole queues"):
        solve(slot, "policy", checkpoint=str(tmp_path))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"qoe.objective": "min"}, "a queue has the sum alone"),
        ({"system.server_energy_max_mj": 1.0}, "server_energy_max_mj"),
    ],
)
def test_what_has_no_hindsight_bound_is_refused(changes, words):
    with pytest.raises(ValueError, match=words):
        tiny("mappo", BATTERY.replace(changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"user.battery_mj": 1e-6},
        {"queue.length": 1},
        {"queue.battery_pays": "device"},
    ],
)
@pytest.mark.parametrize("algorithm", TINY)
def test_batteries_of_any_kind_are_learned_on(algorithm, changes, tmp_path):
    train.train(tiny(algorithm, BATTERY.replace(changes)), tmp_path)
    last = json.loads((tmp_path / "log.jsonl").read_text().splitlines()[-1])
    assert last["regret"] >= -1e-3
    if "user.battery_mj" in changes:
        assert last["qoe"] == 0.0
