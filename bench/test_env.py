"""Suite `env`: agent-steps a second, against a plain environment of one slot.

python -m pytest bench/test_env.py --benchmark-only -s
"""

from __future__ import annotations

from time import perf_counter
from typing import Any

import numpy as np
import pytest

from semopt import Scenario, model
from semopt.env import Decisions
from semopt.env.environment import Environment
from semopt.model import LOCAL, SEMANTIC, Actions, evaluate
from semopt.problem import LENGTH

gymnasium = pytest.importorskip("gymnasium")

ROUNDS = 15
SLOTS = 8192


class PlainSlot(gymnasium.Env):
    """What one writes first: a slot at a time, in NumPy, on the same model."""

    def __init__(self, scenario: Scenario, seed: int = 0) -> None:
        self.problem, self.channel = scenario.template(), scenario.channel_law()
        self.users, self.channels = scenario.users, scenario.channels
        self.shares, self.rng, self.steps = scenario.shares(), np.random.default_rng(seed), 0
        size = self.users * (self.channels + 2)
        self.observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (size,), np.float32)
        self.action_space = gymnasium.spaces.Box(0, 1, (self.users, 4 + self.channels), np.float32)

    def draw(self) -> Any:
        low, high = self.channel.gain_range
        mean = np.reshape(self.channel.mean_gain, (-1, 1))
        u = self.rng.random((self.users, self.channels))
        self.gain = low - mean * np.log1p(u * np.expm1((low - high) / mean))
        self.task = self.rng.choice(len(self.shares), self.users, p=self.shares)
        tasks = self.problem.tasks
        loads = np.stack([tasks.local_flop[self.task], tasks.server_flop[self.task]], axis=1)
        return np.concatenate([np.log(self.gain), loads / 1e6], axis=1, dtype=np.float32).ravel()

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.steps = 0
        return self.draw(), {}

    def actions(self, action: Any) -> Actions:
        mode = np.minimum(action[:, 0] * 3, SEMANTIC).astype(int)
        preference = np.where((mode == LOCAL)[:, None], -np.inf, action[:, 4:])
        channel = np.full(self.users, -1)
        while np.isfinite(preference).any():
            n, k = np.unravel_index(preference.argmax(), preference.shape)
            channel[n] = k
            preference[n], preference[:, k] = -np.inf, -np.inf
        users, offload = self.problem.users, channel >= 0
        level = action[:, 1:4].astype(float)
        power = users.power_min + level[:, 0] * (users.power_max - users.power_min)
        frequency = users.frequency_min + level[:, 1] * (users.frequency_max - users.frequency_min)
        extraction = users.extraction_min + level[:, 2] * (1 - users.extraction_min)
        extraction = np.where(offload & (mode == SEMANTIC), extraction, 1.0)
        return Actions(channel, np.where(offload, power, 0.0), frequency, extraction)

    def rewards(self, gain: Any, task: Any, action: Any) -> Any:
        problem = self.problem.with_slot(gain, task)
        return model.rewards(problem, evaluate(problem, self.actions(action)))

    def step(self, action: Any) -> Any:
        rewards = self.rewards(self.gain, self.task, action)
        self.steps += 1
        return self.draw(), float(rewards.sum()), self.steps == LENGTH, False, {}


def plain_rate(env: PlainSlot, seconds: float = 2.0) -> float:
    """Return agent-steps a second of the plain environment under a random policy."""
    env.reset(seed=0)
    actions = np.random.default_rng(0).random((1000, *env.action_space.shape), np.float32)
    start, steps = perf_counter(), 0
    while perf_counter() - start < seconds:
        *_, over, _, _ = env.step(actions[steps % 1000])
        steps += 1
        if over:
            env.reset()
    return steps * env.users / (perf_counter() - start)


def random_decisions(env: Environment) -> tuple[Decisions, Any]:
    shape = (env.slots, env.users, 4 + env.channels)
    action = np.random.default_rng(0).random(shape, np.float32)
    mode = np.minimum(action[..., 0] * 3, SEMANTIC).astype(np.uint8)
    return Decisions(mode, action[..., 1:4].copy(), action[..., 4:].copy()), action


@pytest.mark.parametrize("observation", ["own", "shared"])
def test_steps_of_paper(benchmark, observation):
    scenario = Scenario.load("paper")
    env, plain = Environment(scenario, SLOTS, observation=observation), PlainSlot(scenario)
    seen = np.empty((SLOTS, env.users, env.observation_size), np.float32)
    rewards = np.empty((SLOTS, env.users), np.float32)
    env.reset(seen)
    decisions, action = random_decisions(env)
    gain, task = env.gain.copy(), env.task.copy()
    env.step(decisions, seen, rewards)
    for e in range(200):
        np.testing.assert_allclose(rewards[e], plain.rewards(gain[e], task[e], action[e]), 1e-5)
    reference = plain_rate(plain)
    benchmark.pedantic(env.step, (decisions, seen, rewards), rounds=ROUNDS, warmup_rounds=3)
    rate = SLOTS * env.users / benchmark.stats.stats.median
    benchmark.extra_info |= {
        "suite": "env",
        "value": rate,
        "unit": "agent-steps/s",
        "reference": "NumPy, one slot, Gymnasium",
        "ratio": rate / reference,
    }
    print(
        f"\nenv, {observation}: {rate / 1e6:.1f} M agent-steps/s, one slot in NumPy "
        f"{reference / 1e3:.1f} k, {rate / reference:.0f} times",
        end="",
    )


def test_steps_of_one_slot(benchmark):
    from semopt.adapters import SlotEnv

    scenario = Scenario.load("paper")
    env, plain = SlotEnv(scenario, seed=0), PlainSlot(scenario)
    actions = np.random.default_rng(0).random((1000, *env.action_space.shape), np.float32)
    gain, task = scenario.draw(200, seed=0)
    for slot in range(200):
        _, reward, *_ = env.step(actions[slot])
        users = actions[slot].reshape(plain.users, -1)
        np.testing.assert_allclose(reward, plain.rewards(gain[slot], task[slot], users).sum(), 1e-5)
    reference = plain_rate(plain) / plain.users
    benchmark.pedantic(lambda: [env.step(action) for action in actions], rounds=ROUNDS)
    rate = len(actions) / benchmark.stats.stats.median
    benchmark.extra_info |= {
        "suite": "env",
        "value": rate,
        "unit": "steps/s",
        "reference": "NumPy, one slot, Gymnasium",
        "ratio": rate / reference,
    }
    print(
        f"\nSlotEnv, {plain.users} users: {rate / 1e3:.1f} k steps/s, in NumPy "
        f"{reference / 1e3:.1f} k, {rate / reference:.0f} times",
        end="",
    )


def test_where_the_time_of_a_step_goes(benchmark):
    env = Environment(Scenario.load("paper"), SLOTS)
    seen = np.empty((SLOTS, env.users, env.observation_size), np.float32)
    rewards = np.empty((SLOTS, env.users), np.float32)
    env.reset(seen)
    decisions, _ = random_decisions(env)
    env.step(decisions, seen, rewards)
    parts = {
        "decide": lambda: env.decide(decisions, env.task, env.actions),
        "evaluate": lambda: env.evaluate(env.actions, env.gain, env.task, env.outcome),
        "reward": lambda: env.reward(env.outcome, env.task, rewards),
        "draw": lambda: env.seek(env.slot + 1),
        "observe": lambda: env.observe(env.gain, env.task, seen),
    }
    shares = {}
    for name, part in parts.items():
        times = []
        for _ in range(ROUNDS):
            start = perf_counter()
            part()
            times.append(perf_counter() - start)
        shares[name] = float(np.median(times)) * 1e6
    benchmark.pedantic(env.step, (decisions, seen, rewards), rounds=ROUNDS)
    benchmark.extra_info |= {"suite": "env", "parts_us": shares}
    words = ", ".join(f"{name} {value:.0f}" for name, value in shares.items())
    print(f"\none step of {SLOTS} slots, us: {words}", end="")
