"""The bound on policies that do not know the future: by hand, against policies, in hindsight."""

from functools import cache

import numpy as np
import pytest

from semopt import Scenario
from semopt.online import make, policy_bound
from semopt.online.cells import Cells
from semopt.online.relaxation import Drawn
from semopt.online.terms import Terms
from semopt.online.training import Training
from semopt.solvers.queue import bound_queue
from semopt.statistics import mean_at_most

# One user of `tiny` whose sub-channel is too poor to offload in time. A text takes 7.5 mJ at
# 0.5 GHz or 30 mJ at 1 GHz, its reference; an image takes 60 mJ at 1 GHz and is too late at 0.5.
SLOW = 0.5 / (1 + np.exp(3.0)) + 0.25 / (1 + np.exp(-2.25)) + 0.25 / 2  # QoE of the text's 7.5 mJ
CHOICES = [(0.0, 0.0), (SLOW, 7.5), (0.5, 30.0)], [(0.0, 0.0), (0.5, 60.0)]


def alone(battery, length, **channel):
    document = Scenario.load("tiny").to_dict()
    del document["slot"], document["assumed"]
    document["system"] |= {"users": 1, "channels": 1}
    document["user"]["battery_mj"] = battery
    document["channel"] = channel or {"model": "uniform", "gain_range": [1e-4, 2e-4]}
    document["queue"] = {"length": length}
    return Scenario.from_dict(document)


@cache
def best_mean(tasks, battery):
    """Return what the best policy gains in the mean, by Bellman's equation."""
    if tasks == 0:
        return 0.0
    return np.mean(
        [
            max(
                qoe + best_mean(tasks - 1, battery - energy)
                for qoe, energy in kind
                if energy <= battery
            )
            for kind in CHOICES
        ]
    )


@pytest.mark.parametrize(("battery", "length"), [(70.0, 3), (100.0, 4), (30.0, 5)])
def test_a_lone_user_whose_policy_is_worked_by_hand(battery, length):
    assert len(Scenario.load("tiny").tasks) == len(CHOICES)
    bound = policy_bound(alone(battery, length), replications=4, slots=250)
    want = best_mean(length, battery) / length
    assert bound.value == pytest.approx(want, abs=0.02)  # 1,000 slots a step
    assert bound.upper >= want - 1e-9
    assert bound.upper - bound.value < 0.04


def test_no_policy_passes_it_and_it_lies_below_the_hindsight_bound():
    scenario = Scenario.load("battery")
    bound = policy_bound(scenario, replications=3, slots=80)
    queues, length = 60, scenario.queue_length
    gain, task = scenario.draw(queues * length, seed=3)
    problem, training = scenario.template(), Training(scenario)
    cells = Cells(problem, gain, task)
    for name in ("dp", "price", "greedy"):
        policy, gained = make(name, training), np.zeros(queues)
        left = np.tile(problem.users.battery, (queues, 1))
        for t in range(length):
            choice = policy.choose(cells.take(np.arange(queues) * length + t), left, length - t)
            gained += choice.qoe.sum(axis=1)
            left = np.maximum(left - choice.energy, 0.0)
        each = gained / (length * scenario.users)
        assert bound.upper >= each.mean() - 3.0 * each.std() / queues**0.5
    parts = [np.s_[q * length : (q + 1) * length] for q in range(queues)]
    known = [bound_queue(problem, gain[part], task[part])[0] for part in parts]
    each = np.array(known) / (length * scenario.users)
    assert bound.value < each.mean() - 2.0 * each.std() / queues**0.5


def test_users_apart_gain_no_less_than_any_joint_action():
    scenario = Scenario.load("battery").replace(users=3, channels=2)
    gain, task = scenario.draw(20, seed=1)
    cells = Cells(scenario.template(), gain, task)
    drawn = Drawn(cells, gain.shape)
    left, value = scenario.template().users.battery, np.zeros((3, 4097))
    worth = drawn.worth_at(left[None], value)
    extra = drawn.tuned(worth)
    apart = (worth[..., 0] + extra).max(axis=2).sum(axis=1)
    joint = cells.best(np.tile(left, (20, 1)), Terms()).qoe.sum(axis=1)
    assert (apart >= joint - 1e-9).all()
    assert (apart - joint).mean() < 0.02  # at one battery prices part users at almost no loss


def test_the_same_seed_gives_the_same_bound_and_more_confidence_a_higher_one():
    one, two, sure = (
        policy_bound(alone(70.0, 2), replications=3, slots=20, level=level)
        for level in (0.95, 0.95, 0.999)
    )
    assert (one.value, one.upper) == (two.value, two.upper)
    assert sure.upper > one.upper > one.value == sure.value


def test_the_limit_of_a_mean_is_that_of_a_table():
    # t(0.975, 2) = 4.303 (Student, 1908); mean 2, standard error 1 / sqrt(3)
    assert mean_at_most(np.array([1.0, 2.0, 3.0]), 0.975) == pytest.approx(4.484, abs=1e-3)


@pytest.mark.parametrize(
    ("change", "options", "words"),
    [
        ({"model": "jakes", "mean_gain": 1.0, "doppler_hz": 5.0, "slot_ms": 5.0}, {}, "'jakes'"),
        ({}, {"level": 1.0}, "level = 1.0"),
        ({}, {"level": float("nan")}, "level = nan"),
        ({}, {"replications": 1}, "replications = 1"),
        ({}, {"slots": 0}, "slots = 0"),
    ],
)
def test_bad_arguments_are_named(change, options, words):
    with pytest.raises(ValueError, match=words):
        policy_bound(alone(70.0, 2, **change), **options)
    with pytest.raises(ValueError, match="has a battery"):
        policy_bound(Scenario.load("contended"))
