"""Suite `learn`: agent-steps a second of MAPPO, rollout and update, and where the time goes.

python -m pytest bench/test_learn.py --benchmark-only -s
"""

from __future__ import annotations

from statistics import median

import numpy as np
import pytest

from figures import seconds_of
from semopt import Scenario

torch = pytest.importorskip("torch")

ROUNDS = 30


@pytest.mark.parametrize(("scenario", "observation"), [("paper", "own"), ("contended", "shared")])
def test_updates_of_mappo(benchmark, scenario, observation):
    from semopt.learn import mappo, train

    description = train.describe("mappo", Scenario.load(scenario), observation=observation)
    learner, settings = train.make(description, torch.device("cpu"))
    learner.updates = settings.updates // 2  # past the warm-up, as most updates are
    env = learner.env
    rollout, _ = learner.play()
    with torch.no_grad():  # the update sees what the rollout did: all ratios are 1 at first
        heads = learner.heads(rollout.observation)
        again = mappo.log_probs(heads, rollout.sample, rollout.openness)
    for found, expected in zip(again, rollout.log_prob, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)

    decisions = mappo.as_decisions(mappo.Sample(*(x[: env.slots] for x in rollout.sample)))
    seen = np.empty((env.slots, env.users, env.observation_size), np.float32)
    reward = np.empty(env.task.shape, np.float32)
    seconds = {
        "environment": seconds_of(lambda: env.step(decisions, seen, reward), 5, median),
        "counterfactuals": (env.users + 2)
        * seconds_of(lambda: env.score(decisions, reward), 5, median),
        "rollout, both included": seconds_of(learner.play, 5, median),
        "update": seconds_of(lambda: learner.learn(rollout, 0.0, 0.0), 5, median),
    }
    benchmark.pedantic(learner.update, rounds=ROUNDS, warmup_rounds=3)
    whole = benchmark.stats.stats.median
    rate = settings.steps * settings.slots * env.users / whole
    shares = {name: value / whole for name, value in seconds.items()}
    benchmark.extra_info |= {
        "suite": "learn",
        "value": rate,
        "unit": "agent-steps/s",
        "reference": "the environment alone",
        "ratio": seconds["environment"] / whole,
        "shares": shares,
    }
    words = ", ".join(f"{name} {share:.0%}" for name, share in shares.items())
    print(
        f"\nmappo on {scenario}, {observation}, width {settings.width}, {settings.layers} layers, "
        f"{settings.epochs} epoch of {settings.minibatches} minibatches, {settings.slots} slots, "
        f"{torch.get_num_threads()} threads: {rate / 1e3:.0f} k agent-steps/s; {words}",
        end="",
    )
