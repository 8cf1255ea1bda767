"""The environment with batteries against a plain queue that is handled slot by slot."""

from dataclasses import replace
from math import inf, sqrt

import numpy as np
import pytest

from semopt.env import Decisions, Environment
from semopt.env.batteries import Ahead
from semopt.model import LOCAL, RAW, SEMANTIC, SKIP, Actions, costs, evaluate
from semopt.scenario import Scenario
from tolerances import ROUNDING, SINGLE

CONTENDED = Scenario.load("contended")
BATTERY = CONTENDED.replace({"user.battery_mj": 120.0})


def buffers(env):
    observation = np.empty((env.slots, env.users, env.observation_size), np.float32)
    return observation, np.empty((env.slots, env.users), np.float32)


def random_decisions(rng, env):
    shape = env.slots, env.users
    return Decisions(
        rng.choice(4, shape, p=[0.3, 0.3, 0.3, 0.1]).astype(np.uint8),
        rng.random((*shape, 3)).astype(np.float32),
        rng.random((*shape, env.channels)).astype(np.float32),
    )


# ----------------------------------------------------------------------------------- a plain queue


class PlainQueue:
    """One queue of the model, in loops over its users."""

    def __init__(self, scenario, length):
        self.problem = scenario.template()
        self.pays = scenario.queue.battery_pays if scenario.queue else "task"
        self.length = length
        self.begin()

    def begin(self):
        self.left, self.tasks = self.problem.users.battery.tolist(), self.length

    def action(self, task, mode, level, preference):
        """Return the actions that a user's numbers stand for, and who skips by choice."""
        users, n_users = self.problem.users, len(mode)
        channel, free = [-1] * n_users, set(range(preference.shape[1]))
        waiting = {n for n in range(n_users) if mode[n] in (RAW, SEMANTIC)}
        while waiting and free:
            n, k = max(((n, k) for n in waiting for k in free), key=lambda p: preference[p])
            channel[n] = k
            waiting.remove(n)
            free.remove(k)
        power, frequency, extraction = np.zeros((3, n_users))
        for n, (p, f, x) in enumerate(level.astype(float)):
            low, high = users.frequency_min[n], users.frequency_max[n]
            frequency[n], extraction[n] = low + f * (high - low), 1.0
            if channel[n] >= 0:
                low, high = users.power_min[n], users.power_max[n]
                power[n] = low + p * (high - low)
                if mode[n] == SEMANTIC:
                    low = users.extraction_min[n]
                    extraction[n] = low + x * (self.problem.tasks.extraction_max[task[n]] - low)
                else:
                    frequency[n] = users.frequency_min[n]
        return Actions(np.array(channel), power, frequency, extraction)

    def step(self, gain, task, mode, level, preference):
        """Return each user's reward and whether its task was executed; go to the next slot."""
        slot = self.problem.with_slot(gain, task)
        actions = self.action(task, mode, level, preference)
        outcome, (of, _) = evaluate(slot, actions), costs(slot, actions)
        energy = outcome.energy - (of.server_energy if self.pays == "device" else 0.0)
        reward, executed = [], []
        for n in range(len(mode)):
            executed.append(mode[n] != SKIP and energy[n] <= self.left[n] * (1 + 1e-9))
            if not executed[n]:
                reward.append(0.0)
                continue
            self.left[n] = max(self.left[n] - energy[n], 0.0)
            limits = [
                (outcome.latency[n], slot.system.latency_max),
                (outcome.energy[n], slot.users.energy_max[n]),
            ]
            broken = sum((value - limit) / limit for value, limit in limits if value > limit)
            reward.append(-broken if broken else outcome.qoe[n])
        self.tasks -= 1
        return reward, executed


def one_battery(mj=60.0):
    document = CONTENDED.to_dict()
    document["users"] = [{}, {"battery_mj": mj}]
    return Scenario.from_dict(document)


@pytest.mark.parametrize(
    ("scenario", "queues", "length"),
    [
        (BATTERY, 500, 10),
        (BATTERY.replace({"queue.battery_pays": "device", "user.battery_mj": 40.0}), 100, 10),
        (one_battery(), 100, 10),
        (BATTERY.replace({"queue.length": 1, "user.battery_mj": 15.0}), 20, 1),
        (BATTERY.replace({"queue.length": 7, "user.battery_mj": 0.01}), 20, 7),
        (Scenario.load("contended-4").replace({"user.battery_mj": 90.0}), 50, 10),
    ],
)
def test_the_batch_agrees_with_a_plain_queue(scenario, queues, length):
    env = Environment(scenario, queues, seed=3, identity="none")
    observation, reward = buffers(env)
    plain = [PlainQueue(scenario, length) for _ in range(queues)]
    rng, after_the_fact, energy = np.random.default_rng(1), 0, env.problem.users.battery
    env.reset(observation)
    for step in range(length + 2):
        for queue in plain if step % length == 0 else []:  # with full batteries
            queue.begin()
        left = np.array([queue.left for queue in plain])
        np.testing.assert_allclose(env.batteries.ahead.left, left, rtol=ROUNDING)
        np.testing.assert_allclose(observation[..., -2], shares(left, energy), atol=SINGLE)
        share = plain[0].tasks / length
        np.testing.assert_allclose(observation[..., -1], (share - 0.5) * sqrt(12), atol=SINGLE)
        gain, task, decisions = env.gain.copy(), env.task.copy(), random_decisions(rng, env)
        assert env.step(decisions, observation, reward) == ((step + 1) % length == 0)
        for e, queue in enumerate(plain):
            row = decisions.mode[e], decisions.level[e], decisions.preference[e]
            earned, executed = queue.step(gain[e], task[e], *row)
            np.testing.assert_allclose(reward[e], earned, rtol=SINGLE)
            assert (~env.batteries.skipped[e]).tolist() == executed
            after_the_fact += int((~np.array(executed) & (decisions.mode[e] != SKIP)).sum())
    assert after_the_fact > 10


def shares(left, full):
    share = np.where(np.isinf(full), 1.0, left / np.where(np.isinf(full), 1.0, full))
    return (share - 0.5) * sqrt(12)


# ------------------------------------------------------------------------------------------ by hand


def all_of(env, mode, level=0.5):
    decisions = Decisions.empty(env.slots, env.users, env.channels)
    decisions.mode[:], decisions.level[:] = mode, level
    return decisions


def test_skipping_costs_and_earns_nothing_and_takes_no_place():
    env = Environment(BATTERY, 5, seed=2)
    _, reward = buffers(env)
    env.score(all_of(env, SKIP), reward)
    assert (reward == 0.0).all()
    assert (env.actions.channel == -1).all()
    assert (env.batteries.after.left == env.batteries.ahead.left).all()
    assert np.isnan(env.outcome.latency).all()
    assert np.isnan(env.outcome.accuracy).all()
    assert not env.outcome.energy.any()
    env.score(all_of(env, RAW), reward)
    together = env.outcome.latency[:, 0].copy()
    env.score(all_of(env, [RAW, SKIP]), reward)
    assert (env.outcome.latency[:, 0] < together).all()  # the server is the first user's alone


def test_what_is_too_dear_keeps_its_place_and_its_sub_channel():
    env = Environment(BATTERY, 5, seed=2)
    _, reward = buffers(env)
    env.score(all_of(env, RAW), reward)
    first, channel = env.outcome.latency[:, 0].copy(), env.actions.channel.copy()
    env.batteries.ahead.left[:, 1] = 1e-9
    env.score(all_of(env, RAW), reward)
    np.testing.assert_array_equal(env.outcome.latency[:, 0], first)
    np.testing.assert_array_equal(env.actions.channel, channel)
    assert (channel >= 0).all()
    assert env.batteries.skipped.tolist() == [[False, True]] * 5
    assert not reward[:, 1].any()
    assert (reward[:, 0] != 0).all()


def test_scores_leave_the_batteries_and_steps_take_from_them():
    env = Environment(BATTERY, 3)
    observation, reward = buffers(env)
    env.reset(observation)
    full = env.batteries.ahead.left.copy()
    for _ in range(3):
        env.score(all_of(env, LOCAL), reward)
    np.testing.assert_array_equal(env.batteries.ahead.left, full)
    env.step(all_of(env, LOCAL), observation, reward)
    once = full - env.batteries.ahead.left
    np.testing.assert_allclose(once, env.outcome.energy, rtol=ROUNDING)
    env.advance()  # nobody has played in between
    np.testing.assert_array_equal(env.batteries.ahead.left, full - once)
    assert env.batteries.ahead.tasks.tolist() == [8] * 3


def test_batteries_are_full_wherever_a_queue_begins():
    env = Environment(BATTERY, 3)
    observation, reward = buffers(env)
    for begin in (lambda: env.reset(observation), lambda: env.seek(10), lambda: env.seed(4)):
        env.step(all_of(env, LOCAL), observation, reward)
        assert (env.batteries.ahead.left < 0.12).all()
        begin()
        assert (env.batteries.ahead.left == 0.12).all()
        assert env.batteries.ahead.tasks.tolist() == [10] * 3
    env.seek(27)
    assert env.batteries.ahead.tasks.tolist() == [3] * 3


def test_a_user_without_a_battery_has_all_its_energy_left_and_may_skip():
    env = Environment(one_battery(), 4)
    observation, reward = buffers(env)
    env.reset(observation)
    for _ in range(9):
        env.step(all_of(env, LOCAL, 1.0), observation, reward)
        assert (env.batteries.ahead.left[:, 0] == inf).all()
        np.testing.assert_allclose(observation[:, 0, -2], sqrt(3), atol=SINGLE)
    assert env.batteries.skipped.tolist() == [[False, True]] * 4
    assert (observation[:, 1, -2] < 0).all()
    env.step(all_of(env, [SKIP, LOCAL]), observation, reward)
    assert env.batteries.skipped[:, 0].all()


def test_a_battery_below_the_cost_of_any_action_leaves_nothing_but_skips():
    env = Environment(BATTERY.replace({"user.battery_mj": 1e-9}), 20)
    observation, reward = buffers(env)
    env.reset(observation)
    rng = np.random.default_rng(0)
    for _ in range(12):
        env.step(random_decisions(rng, env), observation, reward)
        assert not reward.any()
        assert np.isfinite(observation).all()
        assert env.batteries.skipped.all()


def test_an_ample_battery_changes_no_reward():
    ample, free = (
        Environment(scenario, 50, seed=5)
        for scenario in (CONTENDED.replace({"user.battery_mj": 1e6}), CONTENDED)
    )
    (seen, reward), (seen_free, reward_free) = buffers(ample), buffers(free)
    rng = np.random.default_rng(2)
    for env, observation in ((ample, seen), (free, seen_free)):
        env.reset(observation)
    for _ in range(12):
        np.testing.assert_array_equal(seen[..., :-2], seen_free)
        decisions = random_decisions(rng, free)
        decisions.mode[decisions.mode == SKIP] = LOCAL
        ample.step(decisions, seen, reward)
        free.step(decisions, seen_free, reward_free)
        np.testing.assert_array_equal(reward, reward_free)


def test_a_queue_of_a_thousand_tasks():
    env = Environment(BATTERY.replace({"queue.length": 1000, "user.battery_mj": 9000.0}), 2)
    observation, reward = buffers(env)
    env.reset(observation)
    ends = [env.step(all_of(env, LOCAL), observation, reward) for _ in range(1500)]
    assert np.flatnonzero(ends).tolist() == [999]


# ------------------------------------------------------------------------- observations and states


def test_all_energies_stand_behind_what_is_shared_and_in_the_state():
    shared = Environment(BATTERY, 6, observation="shared", identity="index")
    observation, reward = buffers(shared)
    shared.reset(observation)
    shared.step(random_decisions(np.random.default_rng(0), shared), observation, reward)
    full = shared.problem.users.battery
    left = shares(shared.batteries.ahead.left, full)
    state = np.empty((6, shared.state_size), np.float32)
    shared.state(shared.gain, shared.task, state, shared.ahead)
    np.testing.assert_allclose(state[:, -3:-1], left, atol=SINGLE)
    np.testing.assert_allclose(state[:, -1], 0.4 * sqrt(12), atol=SINGLE)  # 9 tasks of 10
    for n in range(2):
        np.testing.assert_array_equal(observation[:, n, -3:], state[:, -3:])
        np.testing.assert_array_equal(observation[:, n, :-4], state[:, :-3])
        assert (observation[:, n, -4] == n).all()


def test_any_queues_can_be_observed_and_what_is_missing_is_named():
    env = Environment(BATTERY, 2)
    seen = np.empty((3, 2, env.observation_size), np.float32)
    gain, task = BATTERY.draw(3, 0)
    ahead = Ahead(np.array([[0.12, 0.06], [0.0, 0.03], [0.12, 0.12]]), np.array([10, 5, 1]))
    env.observe(gain, task, seen, ahead)
    share = np.array([[1.0, 0.5], [0.0, 0.25], [1.0, 1.0]])
    np.testing.assert_allclose(seen[..., -2], (share - 0.5) * sqrt(12), atol=SINGLE)
    np.testing.assert_allclose(seen[:, 0, -1], (np.array([1.0, 0.5, 0.1]) - 0.5) * sqrt(12))
    with pytest.raises(ValueError, match="ahead: the energy and the tasks left of each row"):
        env.observe(gain, task, seen)
    with pytest.raises(ValueError, match=r"ahead\.left: a contiguous float64 array"):
        env.observe(gain, task, seen, replace(ahead, left=ahead.left[:2]))
    with pytest.raises(ValueError, match=r"ahead\.tasks: a contiguous int64 array"):
        env.observe(gain, task, seen, replace(ahead, tasks=ahead.tasks.astype(float)))
    free = Environment(CONTENDED, 2)
    with pytest.raises(ValueError, match="ahead: no user has a battery"):
        free.observe(gain, task, np.empty((3, 2, free.observation_size), np.float32), ahead)


def test_only_a_queue_with_batteries_knows_skips():
    for scenario, mode, words in (
        (CONTENDED, 3, "mode of user 0 in row 0 = 3: 0 (local), 1 (raw) or 2 (semantic) are"),
        (BATTERY, 4, "0 (local), 1 (raw), 2 (semantic) or 3 (skip) are expected"),
    ):
        env = Environment(scenario, 1)
        with pytest.raises(ValueError, match="mode of user 0") as error:
            env.score(all_of(env, mode), buffers(env)[1])
        assert words in str(error.value)


def test_golden_trace_with_batteries():
    """Team rewards, and energy left, of a fixed policy on `tiny`, as they have always been."""
    env = Environment(Scenario.load("tiny").replace({"user.battery_mj": 40.0}), 3, seed=7)
    seen, reward = buffers(env)
    env.reset(seen)
    decisions = all_of(env, [[LOCAL, RAW], [RAW, SEMANTIC], [SEMANTIC, SKIP]], [0.25, 0.5, 0.75])
    decisions.preference[:] = [[1.0, 0.0], [0.5, 0.25]]
    found = []
    for _ in range(4):
        env.step(decisions, seen, reward)
        found.append([reward.sum(axis=1).copy(), env.ahead.left.min(axis=1) * 1e3])
    np.testing.assert_allclose(found, GOLDEN, rtol=SINGLE)


GOLDEN = [
    [[1.300588, 1.469255, 0.735319], [23.125, 35.778043, 32.777089]],
    [[0.845956, 1.265922, 0.762516], [23.125, 30.527707, 25.556965]],
    [[1.224607, 1.283804, 0.753222], [6.25, 26.296769, 18.335846]],
    [[0.801607, 1.46883, 0.724117], [6.25, 22.075586, 11.111879]],
]
