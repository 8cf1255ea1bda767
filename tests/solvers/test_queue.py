"""The hindsight optimum of a queue against plain enumeration and theorems."""

import json
import signal
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import pairwise, product
from math import inf

import numpy as np
import pytest
from typer.testing import CliRunner

from problems import random_problem, random_slots
from semopt import Actions, Scenario, _core, solve
from semopt.backends import packing
from semopt.cli import app, entry
from semopt.grid import local_actions, offload_actions
from semopt.model import costs, evaluate, skipping, violations
from semopt.problem import Grid
from semopt.solvers.cells import score
from semopt.solvers.continuous import SMALLEST_GAP, GlobalBatch, Tolls
from semopt.solvers.queue import bound_queue, search, solve_queue
from tolerances import CASES, GAP, OBJECTIVE

CLOSED = 1e-9  # QoE: the gap of a search that is to find the optimum itself


def choices_of(slot, user, place, offloaders, pays):
    """Return QoE and energy of a user's feasible actions at a place: "skip", -1 or a channel."""
    if place == "skip":
        return np.zeros((1, 2))
    actions = local_actions(slot, user) if place < 0 else offload_actions(slot, user, place)
    outcome = score(slot, user, actions, offloaders)
    energy = outcome.energy
    if pays == "device":
        energy = costs(slot.only(user), actions.take(np.s_[:, None]))[0].user_energy[:, 0]
    return np.stack([outcome.qoe, energy], axis=1)[outcome.violations == 0]


def undominated(value, spent):
    """Return the pairs that no other one equals or betters in all."""
    order = np.lexsort((*spent.T, -value))
    value, spent = value[order], spent[order]
    keep = []
    for row in range(len(value)):
        if not any((spent[other] <= spent[row]).all() for other in keep):
            keep.append(row)
    return value[keep], spent[keep]


def joint_choices(slot, pays="task"):
    """Return (value, energy of each user) of a slot's joint actions, skips among them."""
    users, channels = slot.gain.shape
    values, energies = [], []
    for places in product(("skip", -1, *range(channels)), repeat=users):
        used = [k for k in places if k not in ("skip", -1)]
        if len(set(used)) < len(used):
            continue
        value, spent = np.zeros(1), np.zeros((1, 0))
        for user, place in enumerate(places):
            chosen = choices_of(slot, user, place, len(used), pays)
            value = (value[:, None] + chosen[:, 0]).ravel()
            spent = np.column_stack(
                [np.repeat(spent, len(chosen), 0), np.tile(chosen[:, 1], len(spent))]
            )
        values.append(value)
        energies.append(spent)
    return undominated(np.concatenate(values), np.concatenate(energies))


def best_of_queue(problem, gain, task, pays="task"):
    """Return the optimum by enumeration, and the choices of each slot."""
    slots = [joint_choices(problem.with_slot(*slot), pays) for slot in zip(gain, task, strict=True)]
    value, spent = np.zeros(1), np.zeros((1, gain.shape[1]))
    for more, energy in slots:
        value = (value[:, None] + more).ravel()
        spent = (spent[:, None] + energy).reshape(-1, spent.shape[1])
        within = (spent <= problem.users.battery).all(axis=1)
        value, spent = undominated(value[within], spent[within])
    return value.max(), slots


def small_queue(rng, users, channels, slots, share=None):
    """Return a random scenario with batteries, gains and tasks."""
    grid = Grid(*(int(n) for n in rng.integers(1, 3, 3)))
    problem = random_problem(rng, users, channels, grid=grid)
    gain, task = random_slots(rng, problem, slots, extreme=False)
    most = sum(
        joint_choices(problem.with_slot(*s))[1].max(axis=0) for s in zip(gain, task, strict=True)
    )
    shares = rng.uniform(0.1, 1.1, users) if share is None else np.full(users, share)
    battery = np.maximum(most * shares, 1e-6)
    battery[rng.random(users) < 0.15] = inf
    return with_battery(problem, battery), gain, task


def with_battery(problem, battery):
    return replace(problem, users=replace(problem.users, battery=battery))


SHAPES = [(1, 1, 4), (1, 2, 3), (2, 1, 4), (2, 2, 3), (2, 3, 2), (3, 2, 2)]


@pytest.mark.parametrize(("users", "channels", "slots"), SHAPES)
@pytest.mark.parametrize("pays", ["task", "device"])
def test_closed_value_is_that_of_enumeration(users, channels, slots, pays):
    rng = np.random.default_rng([users, channels, slots])
    for _ in range(6 if users < 3 else 3):
        problem, gain, task = small_queue(rng, users, channels, slots)
        want, _ = best_of_queue(problem, gain, task, pays)
        result = solve_queue(problem, gain, task, gap=CLOSED, battery_pays=pays)
        assert result.status.word == "optimal"
        assert result.objective == pytest.approx(want, abs=CASES)
        assert want - CASES <= result.upper_bound <= want + 2 * CASES
        assert not result.violations()


def test_a_device_pays_for_what_it_computes_and_sends():
    # The slot of README: user 0 sends for 2 ms at 10 mW; user 1 computes for 10 mJ and sends alike.
    tiny = Scenario.load("tiny")
    problem = with_battery(tiny.problem(), np.array([1.0, 1.0]))
    slots = problem.gain[None], problem.task[None]
    result = solve_queue(problem, *slots, battery_pays="device")
    assert result.spent[0] == pytest.approx([2e-5, 0.01002])
    # It could send for 0.01 mJ on sub-channel 0: with less it skips.
    problem = with_battery(problem, np.array([9e-6, 1.0]))
    result = solve_queue(problem, *slots, battery_pays="device")
    assert result.skipped[0].tolist() == [True, False]


def test_what_a_server_takes_is_nothing_to_a_battery_that_pays_for_the_device():
    # Energy counts in no QoE here, so a server's, however large, changes nothing.
    coarse = {f"grid.{name}": 3 for name in ("power", "frequency", "extraction")}
    scenario = Scenario.load("battery").replace(
        {"user.battery_mj": 20.0, "queue.battery_pays": "device", "qoe.slope_energy_per_mj": 1e-30}
        | coarse
    )
    values = []
    for coefficient in (1e-27, 1e-7):
        changed = scenario.replace({"system.server_energy_coefficient": coefficient})
        result = solve_queue(changed, *changed.draw(3, 4), gap=SMALLEST_GAP)
        assert not result.violations()
        values.append(result.objective)
    assert values[0] == pytest.approx(values[1], abs=SMALLEST_GAP)


@pytest.mark.parametrize("users", [4, 5])
def test_many_users_with_batteries_are_closed_as_well(users):
    rng = np.random.default_rng(users)
    for slots in (1, 2, 3):
        problem, gain, task = small_queue(rng, users, 1, slots)
        want, _ = best_of_queue(problem, gain, task)
        result = solve_queue(problem, gain, task, gap=CLOSED)
        assert result.status.word == "optimal"
        assert not result.violations()
        assert result.objective == pytest.approx(want, abs=CASES)
        assert result.upper_bound >= want - CASES


def test_no_decision_beats_the_bound_at_any_prices():
    rng = np.random.default_rng(5)
    for users, channels, slots in SHAPES:
        problem, gain, task = small_queue(rng, users, channels, slots)
        battery = np.where(problem.users.battery < inf, problem.users.battery, 0.1)
        problem = with_battery(problem, battery)
        want, choices = best_of_queue(problem, gain, task)
        queue = _core.Queue(packing.scenario(problem), gain, task, False, 1)
        for _ in range(20):
            price = 10.0 ** rng.uniform(-1, 3, users) * (rng.random(users) < 0.8)
            worth = queue.best(price)[0]
            plain = [(value - spent @ price).max() for value, spent in choices]
            assert worth == pytest.approx(plain, rel=OBJECTIVE, abs=OBJECTIVE)
            assert worth.sum() + price @ battery >= want - CASES


def test_the_bound_alone_holds_and_is_the_lowest_of_all_prices():
    rng = np.random.default_rng(11)
    for users, channels, slots in SHAPES:
        problem, gain, task = small_queue(rng, users, channels, slots)
        want, choices = best_of_queue(problem, gain, task)
        bound, price = bound_queue(problem, gain, task, gap=CLOSED)
        assert bound >= want - CASES
        battery = problem.users.battery
        limited = battery < inf
        assert (price[~limited] == 0.0).all()
        for _ in range(100):  # no other prices give less, of choices that a whole battery can pay
            other = price * np.exp(rng.normal(0.0, 0.5, users)) + limited * rng.random(users) * 1e-3
            worth = [
                (value - spent @ other)[(spent <= battery).all(axis=1)].max()
                for value, spent in choices
            ]
            assert bound <= sum(worth) + other[limited] @ battery[limited] + CASES


def free_tolls(price, task):
    return Tolls(price, np.zeros(task.shape), np.full(task.shape, inf))


def test_slots_at_prices_off_the_grid_are_bounded_and_reached():
    rng = np.random.default_rng(9)
    for users, channels, slots in SHAPES:
        problem, gain, task = small_queue(rng, users, channels, slots)
        finer = replace(problem, grid=Grid(6, 5, 7))
        queue = _core.Queue(packing.scenario(finer), gain, task, False, 1)
        for decade in (-2, 0, 1, 3):
            price = 10.0 ** rng.uniform(decade, decade + 1, users)
            actions, value, upper, _ = GlobalBatch(problem, 1, GAP).solve_within(
                inf, gain, task, free_tolls(price, task)
            )
            assert (upper - value <= GAP).all()
            assert (upper >= queue.best(price)[0] - CASES).all()
            skipped = actions.frequency == 0.0
            actions.put(skipped, Actions.local(np.full(skipped.sum(), 1e9)))
            outcome = skipping(evaluate(problem, actions, gain, task), skipped)
            assert not violations(problem, outcome, task)[~skipped].any()
            worth = (outcome.qoe - price * outcome.energy).sum(axis=1)
            assert worth == pytest.approx(value, abs=CASES)


def test_continuous_levels_are_worth_no_less_and_bounded():
    rng, closed = np.random.default_rng(10), 0
    for users, channels, slots in SHAPES:
        problem, gain, task = small_queue(rng, users, channels, slots)
        off = solve_queue(problem, gain, task, "global", gap=1e-3)
        closed += off.status.word == "optimal"
        assert not off.violations()
        assert (off.gap() <= 1e-3 + CASES) == (off.status.word == "optimal")
        assert off.objective == pytest.approx(off.recompute(), abs=CASES)
        for grid in (problem.grid, Grid(4, 3, 4)):
            on = solve_queue(replace(problem, grid=grid), gain, task, gap=CLOSED)
            assert off.upper_bound >= on.objective - CASES
            assert grid is not problem.grid or off.objective >= on.objective - 1e-3
        free = with_battery(problem, np.full(users, inf))
        result = solve_queue(free, gain, task, "global", gap=1e-3)
        assert result.status.word == "optimal"
        for t in range(slots):
            slot = solve(problem.with_slot(gain[t], task[t]), "global")
            if slot.actions is not None:  # without a skip it is worth no more
                assert slot.objective <= result.outcome.qoe[t].sum() + 1e-3
    assert closed


def test_value_grows_with_the_battery_up_to_that_of_free_slots():
    rng = np.random.default_rng(6)
    for users, channels, slots in SHAPES:
        problem, gain, task = small_queue(rng, users, channels, slots, share=0.1)
        values = []
        for factor in (1.0, 2.0, 4.0, 30.0):
            larger = with_battery(problem, problem.users.battery * factor)
            values.append(solve_queue(larger, gain, task, gap=CLOSED))
        assert all(a.objective <= b.objective + CASES for a, b in pairwise(values))
        free = sum(
            joint_choices(problem.with_slot(*s))[0].max() for s in zip(gain, task, strict=True)
        )
        assert values[-1].objective == pytest.approx(free, abs=CASES)
        assert (values[-1].price == 0.0).all()


def test_a_battery_that_is_not_used_up_has_no_price():
    rng, priced = np.random.default_rng(7), 0
    for _ in range(10):
        problem, gain, task = small_queue(rng, 2, 2, 3)
        free = solve_queue(with_battery(problem, np.full(2, inf)), gain, task)
        battery = problem.users.battery.copy()
        battery[0] = 3.0 * free.spent[:, 0].sum() + 1.0  # more than it spends, whatever the other
        result = solve_queue(with_battery(problem, battery), gain, task, gap=CLOSED)
        assert result.price[0] == 0.0
        assert result.energy_left()[-1, 0] > 0.0
        priced += result.price[1] > 0.0
    assert priced


def test_one_slot_is_p0_with_the_smaller_of_the_two_limits():
    rng, compared = np.random.default_rng(8), 0
    for _ in range(60):
        problem, gain, task = small_queue(rng, 2, 2, 1)
        battery, users = problem.users.battery, problem.users
        slot = problem.with_slot(gain[0], task[0])
        slot = replace(slot, users=replace(users, energy_max=np.minimum(users.energy_max, battery)))
        at_home = solve(slot, "local")
        if at_home.actions is None:
            continue  # a task that could not run locally might be worth a skip
        compared += 1
        result = solve_queue(problem, gain, task, gap=CLOSED)
        assert result.objective == pytest.approx(solve(slot).objective, abs=CASES)
        assert not result.skipped.any()
        if compared % 3 == 0:  # off the grid the one slot closes the gap as well
            off = solve_queue(problem, gain, task, "global", gap=1e-5)
            assert off.status.word == "optimal"
            assert off.objective == pytest.approx(solve(slot, "global").objective, abs=2e-5)
    assert compared > 5


def test_a_battery_below_the_cost_of_any_action_leaves_nothing_but_skips():
    scenario = Scenario.load("contended")
    gain, task = scenario.draw(10, 0)
    for method, little in product(("exact", "global"), (1e-6, 1e-33)):
        empty = with_battery(scenario.template(), np.full(2, little))
        result = solve_queue(empty, gain, task, method, gap=CLOSED)
        assert (result.objective, result.status.word) == (0.0, "optimal")
        assert result.skipped.all()
        assert result.upper_bound < CLOSED
    one = with_battery(scenario.template(), np.array([1e-6, inf]))
    result = solve_queue(one, gain, task)
    assert result.skipped.all(axis=0).tolist() == [True, False]
    assert not result.skipped[:, 1].any()


def test_a_queue_of_a_thousand_slots_has_a_small_gap():
    scenario = Scenario.load("contended")
    gain, task = scenario.draw(1000, 0)
    problem = with_battery(scenario.template(), np.array([18.0, 25.0]))
    result = solve_queue(problem, gain, task)
    assert result.status.word == "optimal"
    assert not result.violations()
    assert result.spent.sum(axis=0) == pytest.approx([18.0, 25.0], rel=1e-2)


def test_threads_share_the_cells_of_a_queue():
    problem, gain, task = small_queue(np.random.default_rng(12), 3, 2, 3)
    queue = _core.Queue(packing.scenario(problem), gain, task, False, 2)
    battery = np.where(problem.users.battery < inf, problem.users.battery, 0.1)

    def answers(seed):
        price = 10.0 ** np.random.default_rng(seed).uniform(-1, 2, 3)
        value, _, upper, cases, _ = queue.cases(battery, price, 0.0, 1e-6, 1000, 10.0)
        return queue.best(price)[0].tolist(), value, upper, cases["price"].tolist()

    alone = list(map(answers, range(40)))
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(answers, range(40))) == alone


def test_bad_arguments_are_named():
    scenario = Scenario.load("contended")
    gain, task = scenario.draw(3, 0)
    with pytest.raises(ValueError, match="gain"):
        solve_queue(scenario, gain[:, :, :1], task)
    with pytest.raises(ValueError, match="gain"):
        solve_queue(scenario, gain[0], task)
    with pytest.raises(ValueError, match="gain has shape"):
        solve_queue(scenario, gain[:0], task[:0])
    with pytest.raises(ValueError, match="tasks"):
        solve_queue(scenario, gain, task[:2])
    with pytest.raises(ValueError, match="method: 'greedy'"):
        solve_queue(scenario, gain, task, "greedy")
    with pytest.raises(ValueError, match="gap = 0"):
        solve_queue(scenario, gain, task, gap=0)
    with pytest.raises(ValueError, match="battery_pays = 'phone'"):
        solve_queue(scenario, gain, task, battery_pays="phone")
    with pytest.raises(ValueError, match="time_limit"):
        solve_queue(scenario, gain, task, time_limit=0.0)
    fairest = replace(scenario.template(), objective="min")
    with pytest.raises(ValueError, match="a queue has the sum alone"):
        solve_queue(fairest, gain, task)


def long_queue():
    scenario = Scenario.load("contended-4")
    gain, task = scenario.draw(200, 0)
    return with_battery(scenario.template(), np.full(4, 2.0)), gain, task


def test_a_time_limit_leaves_a_decision_and_a_bound():
    problem, gain, task = long_queue()
    for seconds in (1e-6, 0.05, 0.5):
        result = solve_queue(problem, gain, task, gap=CLOSED, time_limit=seconds)
        assert result.status.word == "limit_reached"
        assert result.details["stopped"] == "time limit"
        assert not result.violations()
        assert 0.0 <= result.objective <= result.upper_bound <= task.size + CASES


def interrupted_after(seconds, *queue, **options):
    """Solve a queue, and press Ctrl-C after some time."""
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, seconds)
        return solve_queue(*queue, **options)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_the_end_may_come_while_actions_are_scored(monkeypatch):
    scenario = Scenario.load("battery-8")
    queue = scenario, *scenario.draw(1000, 0)  # whose actions take seconds
    monkeypatch.setattr(search, "AT_LEAST", 0.01)
    late = solve_queue(*queue, time_limit=0.01)
    for result, why in (
        (late, "time limit"),
        (interrupted_after(0.1, *queue, threads=1), "interrupted"),
    ):
        assert result.status.word == "limit_reached"
        assert result.details["stopped"] == why
        assert not result.violations()
        assert result.upper_bound == pytest.approx(queue[2].size)  # nothing is known but QoE <= 1


def test_ctrl_c_keeps_the_decision_and_the_bound():
    problem, gain, task = long_queue()
    solve_queue(problem, gain, task, time_limit=0.1)  # loads what is loaded once
    result = interrupted_after(0.5, problem, gain, task, gap=CLOSED)
    assert result.interrupted
    assert result.status.word == "limit_reached"
    assert not result.violations()
    assert 0.0 <= result.objective <= result.upper_bound <= task.size + CASES


def pinned(tmp_path, battery=60.0):
    document = Scenario.load("tiny").to_dict()
    document["queue"] = {"slots": [document.pop("slot")] * 3}
    document["user"]["battery_mj"] = battery
    del document["assumed"]["slot"]
    file = tmp_path / "queue.toml"
    file.write_text(Scenario.from_dict(document).to_toml())
    return str(file)


def test_the_command_writes_what_the_function_finds(tmp_path):
    source = pinned(tmp_path)
    ended = CliRunner().invoke(app, ["solve", source, "--queue", "--gap", "1e-9", "--json", "-"])
    assert ended.exit_code == 0
    assert ended.stderr == ""
    document = json.loads(ended.stdout)
    scenario = Scenario.load(source)
    want, _ = best_of_queue(scenario.template(), *scenario.draw_queue())
    assert document["objective"] == pytest.approx(want, abs=CASES)
    assert document["status"] == "optimal"
    spent = sum(user["energy_mj"] for slot in document["slots"] for user in slot["users"])
    assert spent + sum(document["energy_left_mj"]) == pytest.approx(120.0)
    again = Scenario.from_dict(document["problem"])
    assert np.array_equal(again.draw_queue()[0], scenario.draw_queue()[0])
    for slot in document["slots"]:
        for user in slot["users"]:
            assert user["skip"] == (user["qoe"] == 0.0)


def test_a_person_sees_decisions_batteries_and_the_bound(tmp_path):
    ended = CliRunner().invoke(app, ["solve", pinned(tmp_path, 20.0), "--queue"])
    assert ended.exit_code == 0
    for words in ("skipped", "Energy left after each slot", "no policy within the batteries"):
        assert words in " ".join(ended.stdout.split())


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--method", "exhaustive"], "--queue and --method exhaustive"),
        (["--slots", "5"], "[queue] length says"),
        (["--ladder"], "--queue and --ladder"),
        (["--json", "queue.parquet"], "name a .json file"),
        (["--gap", "nan"], "--gap nan: a finite number"),
        (["--time-limit", "0"], "--time-limit 0"),
    ],
)
def test_options_that_do_not_go_with_a_queue_are_named(tmp_path, capsys, options, words):
    assert entry.run(["solve", pinned(tmp_path), "--queue", *options]) == 2
    assert words in " ".join(capsys.readouterr().err.split())
