"""Policies for queues with batteries: worked by hand, against plain search, and theorems."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from problems import random_problem, random_slots
from semopt import Scenario
from semopt.battery import step
from semopt.grid import local_actions, offload_actions
from semopt.methods import QUEUE_POLICIES
from semopt.model import Actions
from semopt.online import dynamic, make
from semopt.online.cells import Cells
from semopt.online.equal_split import EqualSplit
from semopt.online.greedy import Greedy
from semopt.online.lyapunov import Lyapunov
from semopt.online.price import Price, spending
from semopt.online.refined import Refined
from semopt.online.terms import Terms
from semopt.online.training import Training
from semopt.solvers.cells import score
from semopt.solvers.queue import bound_queue, solve_queue
from tolerances import CASES, OBJECTIVE, ROUNDING, SUMS

# One user of `tiny` whose sub-channel is too poor to offload in time. A text takes 7.5 mJ at
# 0.5 GHz or 30 mJ at 1 GHz, its reference; an image takes 60 mJ at 1 GHz and is too late at 0.5.
TEXT, IMAGE = 0, 1
SLOW = 0.5 / (1 + np.exp(3.0)) + 0.25 / (1 + np.exp(-2.25)) + 0.25 / 2  # QoE of the text's 7.5 mJ
ONE = np.full((1, 1, 1), 1e-4), np.array([[TEXT]])  # a slot
CHOICES = {TEXT: [(0.0, 0.0), (SLOW, 7.5), (0.5, 30.0)], IMAGE: [(0.0, 0.0), (0.5, 60.0)]}


def alone(battery, length):
    document = Scenario.load("tiny").to_dict()
    del document["slot"], document["assumed"]
    document["system"] |= {"users": 1, "channels": 1}
    document["user"]["battery_mj"] = battery
    document["channel"] = {"model": "uniform", "gain_range": [1e-4, 2e-4]}
    document["queue"] = {"length": length}
    return Scenario.from_dict(document)


def play(policy, gain, task, pays="task"):
    """Return QoE, energy that counts and skips of one queue, (T, N), by the reference model."""
    problem, rows = policy.problem, []
    left = problem.users.battery[None]
    for t in range(len(task)):
        now = gain[t : t + 1], task[t : t + 1]
        actions, skipped = policy(*now, left, len(task) - t)
        played = step(problem, actions, skipped, left, *now, pays=pays)
        assert np.array_equal(played.skipped, skipped)  # what is chosen is affordable
        assert not played.outcome.violations.any()
        rows.append((played.outcome.qoe[0], played.spent[0], skipped[0]))
        left = played.left
    return tuple(map(np.array, zip(*rows, strict=True)))


def spends(policy, kinds):
    """Return the energies, mJ, that a policy takes of the lone user's tasks."""
    task = np.array(kinds)[:, None]
    return (play(policy, np.full((len(task), 1, 1), 1e-4), task)[1][:, 0] * 1e3).round(9).tolist()


# ----------------------------------------------------------------------- by hand


@pytest.mark.filterwarnings("error")
def test_who_has_no_battery_is_refined_without_a_price():
    document = Scenario.load("contended").to_dict() | {"users": [{}, {"battery_mj": 100.0}]}
    policy = make("dp", Training(Scenario.from_dict(document)))
    terms, battery = (
        policy.terms(policy.problem.users.battery[None], 5),
        policy.problem.users.battery,
    )
    left, energy = np.array([[np.inf, 0.05]]), np.array([[0.01, 0.01]])
    price = terms.price_at(battery, left, energy)
    assert price[0, 0] == 0.0
    assert price[0, 1] > 0.0
    knots = np.linspace(0.0, 0.1, terms.value.shape[1])
    steps = np.diff(terms.value[1]) / np.diff(knots)
    assert steps.min() <= price[0, 1] <= steps.max()


@pytest.mark.parametrize("pays", ["task", "device"])
@pytest.mark.parametrize("name", QUEUE_POLICIES)
def test_no_other_levels_are_worth_more_than_refined_ones(name, pays):
    scenario = Scenario.load("battery").replace({"queue.battery_pays": pays})
    policy = make(name, Training(scenario))
    problem, battery = policy.problem, policy.problem.users.battery
    gain, task = scenario.draw(40, seed=5)
    left, tasks_left = np.tile(battery, (40, 1)), scenario.queue_length
    terms = policy.terms(left, tasks_left)
    (actions, skipped), (grid, none) = (
        p(gain, task, left, tasks_left) for p in (Refined(policy), policy)
    )

    def worth(actions, skipped):
        played = step(problem, actions, skipped, left, gain, task)
        kept = (played.outcome.violations == 0) & (played.skipped == skipped)
        kept &= played.spent <= np.minimum(left, terms.most) * (1 + 1e-9)
        after = np.zeros(task.shape)
        if terms.value is not None:
            for n, value in enumerate(terms.value):
                knots = np.linspace(0.0, battery[n], len(value))
                after[:, n] = np.interp(left[:, n] - played.spent[:, n], knots, value)
        figure = played.outcome.qoe - terms.price * played.spent + after
        return np.where(kept, figure, -np.inf)

    reached = worth(actions, skipped)
    assert np.array_equal(actions.channel >= 0, grid.channel >= 0)
    assert (reached >= worth(grid, none) - ROUNDING).all()
    rng, users = np.random.default_rng(0), problem.users
    least = np.where(actions.offload, users.extraction_min, 1.0)
    # Of the same sub-channels; where there is a value function, its slope stands for it.
    for _ in range(300 if terms.value is None else 0):
        power = np.where(actions.offload, rng.uniform(users.power_min, users.power_max), 0.0)
        clock = rng.uniform(users.frequency_min, users.frequency_max, task.shape)
        extraction = rng.uniform(least, 1.0)
        tried = worth(Actions(actions.channel, power, clock, extraction), skipped)
        assert (tried <= reached + 1e-4).all()


def test_greedy_takes_the_best_that_is_left_to_take():
    greedy = Greedy(alone(75.0, 3).template())
    assert spends(greedy, [TEXT, TEXT, TEXT]) == [30.0, 30.0, 7.5]
    assert spends(greedy, [TEXT, IMAGE, TEXT]) == [30.0, 0.0, 30.0]


def test_an_equal_part_of_what_is_left_is_the_most():
    split = EqualSplit(alone(75.0, 3).template())
    assert spends(split, [TEXT, TEXT, TEXT]) == [7.5, 30.0, 30.0]  # of 25, 33.75 and 37.5
    assert spends(split, [IMAGE, TEXT, IMAGE]) == [0.0, 30.0, 0.0]  # of 25, 37.5 and 45


def test_a_price_takes_what_is_worth_it():
    # The text's last 22.5 mJ bring 0.5 - SLOW, 5.56 QoE/J; the image brings 8.33 QoE/J.
    problem = alone(1000.0, 3).template()
    assert spends(Price(problem, np.array([5.5])), [TEXT, IMAGE]) == [30.0, 60.0]
    assert spends(Price(problem, np.array([5.6])), [TEXT, IMAGE]) == [7.5, 60.0]
    assert spends(Price(problem, np.array([8.4])), [TEXT, IMAGE]) == [7.5, 0.0]


def test_a_virtual_queue_prices_what_was_overspent():
    # Shares of 25 mJ. The first 30 mJ leave the virtual queue at 5, at which 22.5 mJ cost 1.125e-4
    # J^2: more than 0.125 QoE at a weight of 5e-4. The 7.5 mJ that are taken empty it.
    problem = alone(75.0, 3).template()
    assert spends(Lyapunov(problem, 3, 5e-4), [TEXT, TEXT, TEXT]) == [30.0, 7.5, 30.0]
    assert spends(Lyapunov(problem, 3, 1e-3), [TEXT, TEXT, TEXT]) == [30.0, 30.0, 7.5]
    # No credit is left of what was saved: the third 30 mJ leave it at 5 again.
    problem = alone(100.0, 4).template()
    assert spends(Lyapunov(problem, 4, 5e-4), [TEXT] * 4) == [30.0, 7.5, 30.0, 7.5]
    with pytest.raises(ValueError, match="plays queues from their first task on"):
        Lyapunov(problem, 4, 1e-3)(*ONE, [[0.075]], 2)


def test_dynamic_programming_finds_what_expectimax_finds(monkeypatch):
    # Knots at multiples of 7.5 mJ, a little above them so that none is missed by rounding.
    monkeypatch.setattr(dynamic, "KNOTS", 17)
    training = Training(alone(120.0 * (1 + 1e-9), 5), seed=3)
    policy = dynamic.make(training.scenario.template(), training)
    shares = np.bincount(training.cells.task[:, 0], minlength=2) / len(training.cells)
    assert 0.4 < shares[TEXT] < 0.6

    def expectimax(left, tasks):
        if tasks == 0:
            return 0.0
        return sum(
            share * max(q + expectimax(left - e, tasks - 1) for q, e in CHOICES[kind] if e <= left)
            for kind, share in enumerate(shares)
        )

    for tasks, knot in product(range(6), range(17)):
        wanted = expectimax(7.5 * knot, tasks)
        assert policy.value[tasks, 0, knot] == pytest.approx(wanted, abs=1e-6), (tasks, knot)
    # Of 67.6 mJ for two tasks a text takes 7.5: an image may come. The last one takes 30.
    assert spends(policy, [TEXT]) == [30.0]
    problem = training.scenario.template()
    actions, _ = policy(*ONE, [[0.0676]], 2)
    assert actions.frequency[0, 0] == problem.users.frequency_min[0]
    with pytest.raises(ValueError, match="tasks_left = 6: its value functions are of 5 tasks"):
        policy(*ONE, [[0.06]], 6)


@pytest.mark.parametrize(
    ("left", "tasks_left", "message"),
    [
        ([0.1], 3, r"left has shape \(1,\): \(1, 1\) is expected"),
        ([[-0.1]], 3, "left = -0.1 of user 0 in queue 0: numbers of at least 0, J"),
        ([[np.nan]], 3, "left = nan of user 0"),
        ([[0.1]], 0, "tasks_left = 0: "),
    ],
)
def test_what_is_no_state_of_a_queue_is_refused(left, tasks_left, message):
    with pytest.raises(ValueError, match=message):
        Greedy(alone(75.0, 3).template())(*ONE, left, tasks_left)


# ----------------------------------------------------------------------- plain search


def plain_best(slot, left, most, price, battery, value):
    """Return the most that one slot's joint actions are worth, all of them tried."""
    users, channels = slot.gain.shape
    best = -np.inf
    for places in product(("skip", -1, *range(channels)), repeat=users):
        used = [k for k in places if k not in ("skip", -1)]
        if len(set(used)) < len(used):
            continue
        total = 0.0
        for n, place in enumerate(places):
            qoe = energy = np.zeros(1)
            if place != "skip":
                actions = local_actions(slot, n) if place < 0 else offload_actions(slot, n, place)
                outcome = score(slot, n, actions, len(used))
                kept = outcome.violations == 0
                qoe, energy = outcome.qoe[kept], outcome.energy[kept]
            knots = np.linspace(0.0, 1.0, value.shape[1]) * battery[n]
            worth = qoe - price[n] * energy + np.interp(left[n] - energy, knots, value[n])
            total += worth[energy <= min(left[n], most[n])].max(initial=-np.inf)
        best = max(best, total)
    return best


@pytest.mark.parametrize("seed", range(6))
def test_the_best_of_cells_is_the_best_of_all_joint_actions(seed):
    rng = np.random.default_rng(seed)
    problem = with_batteries(random_problem(rng, users=2 + seed % 2, channels=2), 0.05)
    gain, task = random_slots(rng, problem, 4, extreme=False)
    shape, battery = task.shape, problem.users.battery
    left, most = rng.uniform(0, 1, shape) * battery, rng.uniform(0.2, 2, shape) * battery
    price = rng.uniform(0, 20, shape)
    value = np.cumsum(rng.uniform(0, 0.3, (shape[1], 5)), axis=1)
    cells = Cells(problem, gain, task)
    choice = cells.best(left, Terms(most, price, value))
    raised = cells.worth_by_energy(left, value)
    for t in range(len(task)):
        slot = problem.with_slot(gain[t], task[t])
        wanted = plain_best(slot, left[t], most[t], price[t], battery, value)
        after = left[t] - choice.energy[t]
        worth = [
            np.interp(after[n], np.linspace(0.0, 1.0, 5) * battery[n], value[n])
            for n in range(shape[1])
        ]
        reached = choice.qoe[t].sum() - price[t] @ choice.energy[t] + sum(worth)
        assert reached == pytest.approx(wanted, rel=OBJECTIVE)
        for n, knot in product(range(shape[1]), range(5)):
            other = np.where(np.arange(shape[1]) == n, battery[n] * knot / 4, left[t])
            free, none = np.full(shape[1], np.inf), np.zeros(shape[1])
            wanted = plain_best(slot, other, free, none, battery, value)
            assert raised[t, n, knot] == pytest.approx(wanted, rel=ROUNDING)


def with_batteries(problem, joules):
    users = len(problem.users.power_min)
    battery = np.full(users, joules)
    return replace(problem, users=replace(problem.users, battery=battery))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"slot": np.array([1])}, "slot"),
        ({"slot": np.array([-1])}, "slot"),
        ({"left": np.array([[0.2]])}, "left: from 0 to the battery is expected"),
        ({"left": np.array([[np.nan]])}, "left"),
        ({"left": np.array([[0.0], [0.0]])}, "left"),
        ({"most": np.array([[-1.0]])}, "most"),
        ({"battery": np.array([0.0])}, "battery"),
        ({"battery": np.array([0.1, 0.1])}, "battery"),
        ({"value": np.zeros((1, 1))}, "value"),
        ({"value": np.zeros((2, 2))}, "value"),
    ],
)
def test_the_extension_reads_no_array_that_is_none_of_its_slots(changes, message):
    cells = Cells(alone(100.0, 3).template(), *ONE)
    zero = np.zeros((1, 1))
    figures = {"slot": np.array([0]), "left": zero, "most": zero, "price": zero}
    figures |= {"battery": np.array([0.1]), "value": np.zeros((1, 2))} | changes
    for call in (cells.queue.best_within, cells.queue.worth_by_energy):
        with pytest.raises(ValueError, match=message):
            call(**figures)


# ----------------------------------------------------------------------- theorems


def drawn(seed):
    """Return a random scenario with batteries, some for one user only, and three queues of it."""
    rng = np.random.default_rng(seed)
    users = 1 + seed % 3
    scenario = Scenario.load("contended").replace(
        {
            **{f"grid.{name}": int(rng.integers(1, 4)) for name in ("power", "extraction")},
            "grid.frequency": 2,
            "queue.length": int(rng.integers(1, 5)),
            "queue.battery_pays": ("task", "device")[seed % 2],
            "user.battery_mj": float(rng.uniform(5, 80)),
        },
        users=users,
        channels=int(rng.integers(1, 3)),
    )
    length = scenario.queue_length
    gain, task = scenario.draw(3 * length, seed)
    gain = gain.reshape(3, length, *gain.shape[1:])
    return scenario, gain, task.reshape(3, length, users)


@pytest.fixture
def few(monkeypatch):
    monkeypatch.setattr("semopt.online.training.SLOTS", 40)


@pytest.mark.parametrize("seed", range(6))
def test_no_policy_reaches_more_than_the_bound(few, seed):
    scenario, gains, tasks = drawn(seed)
    training = Training(scenario, seed)
    for name in QUEUE_POLICIES:
        policy = make(name, training)
        for gain, task in zip(gains, tasks, strict=True):
            pays = scenario.queue.battery_pays
            qoe, spent, skipped = play(policy, gain, task, pays)
            bound, _ = bound_queue(scenario, gain, task)
            assert qoe.sum() <= bound + CASES, name
            assert (spent.sum(axis=0) <= policy.problem.users.battery * (1 + CASES)).all(), name
            assert (qoe[skipped] == 0.0).all()


@pytest.mark.parametrize("seed", range(4))
def test_the_last_task_is_decided_as_in_hindsight(few, seed):
    # A queue of one: P0 with skip, and with the smaller of both limits.
    scenario, gains, tasks = drawn(seed)
    scenario = scenario.replace({"queue.length": 1})
    training = Training(scenario, seed)
    for gain, task in zip(gains[:, :1], tasks[:, :1], strict=True):
        best = solve_queue(scenario, gain, task, gap=1e-9).objective
        for name in ("greedy", "equal-split", "dp", "lyapunov"):
            qoe, *_ = play(make(name, training), gain, task, scenario.queue.battery_pays)
            assert qoe.sum() == pytest.approx(best, rel=SUMS), name


@pytest.mark.parametrize("seed", range(3))
def test_with_large_batteries_all_are_best_slot_by_slot(few, seed):
    scenario, gains, tasks = drawn(seed)
    scenario = scenario.replace({"user.battery_mj": 1e4})
    training = Training(scenario, seed)
    policies = [make(name, training) for name in QUEUE_POLICIES]
    for gain, task in zip(gains, tasks, strict=True):
        best = solve_queue(scenario, gain, task, gap=1e-9).objective
        for policy in policies:
            qoe, *_ = play(policy, gain, task, scenario.queue.battery_pays)
            assert qoe.sum() == pytest.approx(best, rel=SUMS), type(policy)


def test_prices_spend_the_batteries_in_the_mean(few):
    training = Training(Scenario.load("contended").replace({"user.battery_mj": 120.0}))
    price, cells = spending(training), training.cells
    share = cells.battery / training.length
    dear, cheap = (cells.queue.best(price * factor)[2].mean(axis=0) for factor in (1.1, 0.9))
    assert (price > 0.0).all()
    assert (dear <= share).all()
    assert (cheap >= share).all()


def test_what_a_user_without_battery_takes_is_free():
    one = {"battery_mj": 40.0}
    scenario = Scenario.load("contended")
    document = scenario.to_dict() | {"users": [one, {}]}
    training = Training(Scenario.from_dict(document))
    for name in QUEUE_POLICIES:
        policy = make(name, training)
        gain, task = scenario.draw(10, 1)
        _, spent, _ = play(policy, gain, task)
        assert spent[:, 0].sum() <= 0.040 * (1 + CASES)
        assert spent[:, 1].sum() > 0.1, name  # about 26 mJ a task where nothing is to be saved


def test_fits_repeat_and_share_no_draw_with_evaluations(few):
    scenario = Scenario.load("contended").replace({"user.battery_mj": 120.0})
    one, two = (Training(scenario, 7) for _ in range(2))
    assert np.array_equal(make("dp", one).value, make("dp", two).value)
    assert not np.array_equal(one.cells.task, scenario.draw(40, 7)[1])


@pytest.mark.parametrize(
    ("changes", "name", "message"),
    [
        ({}, "greedy", "no user of scenario contended has a battery: set user.battery_mj"),
        ({"user.battery_mj": 50.0}, "best", "policy = 'best': must be one of greedy, equal-split"),
        ({"user.battery_mj": 50.0, "qoe.objective": "min"}, "dp", "a queue has the sum alone"),
        ({"user.battery_mj": 50.0, "system.server_energy_max_mj": 9.0}, "dp", "server_energy_max"),
    ],
)
def test_what_has_no_policy_says_why(changes, name, message):
    scenario = Scenario.load("contended")
    with pytest.raises(ValueError, match=message):
        make(name, scenario.replace(changes) if changes else scenario)
