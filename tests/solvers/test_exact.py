"""The exact optimum against plain enumeration, its plain twin and theorems."""

import signal
from dataclasses import replace
from math import inf, isclose

import numpy as np
import pytest

from binding import enumerate_best
from problems import random_problem
from semopt import Actions, Scenario, Status, _core, solve
from semopt.backends import decode, encode, packing
from semopt.backends.cpu import best_of_cells
from semopt.problem import AccuracyTable, Grid, Problem
from semopt.solvers.cells import best_local, best_offloads, score
from tolerances import OBJECTIVE, SUMS


@pytest.mark.parametrize("objective", ["sum", "min"])
@pytest.mark.parametrize(("users", "channels"), [(1, 1), (2, 2), (3, 2), (2, 3), (3, 3)])
def test_optimum_is_that_of_enumeration(users, channels, objective):
    rng = np.random.default_rng(100 * users + channels)
    seen = set()
    for trial in range(12):
        small = Grid(*(int(n) for n in rng.integers(1, 4 if users < 3 else 3, 3)))
        problem = random_problem(
            rng, users, channels, own_figures=trial % 3 == 0, grid=small, objective=objective
        )
        if trial % 6 == 3:  # raw tasks that the server has less to do with
            flop = 0.1 * problem.tasks.server_flop
            problem = replace(problem, tasks=replace(problem.tasks, server_raw_flop=flop))
        want, count = enumerate_best(problem)
        assert problem.joint_actions() == count
        result = solve(problem)
        seen.add(result.status)
        if want == -inf:
            assert result.status is Status.INFEASIBLE
            assert result.infeasibility.users or result.infeasibility.joint
        else:
            assert result.status is Status.OPTIMAL
            assert isclose(result.objective, want, rel_tol=OBJECTIVE)
            assert isclose(result.recompute(), want, rel_tol=OBJECTIVE)
            assert result.bound() == result.objective
            assert not result.violations()
    assert Status.OPTIMAL in seen


@pytest.mark.parametrize("modes", [0, 1, 2], ids=["local", "raw", "semantic"])
def test_levels_stand_for_the_same_actions_as_numbers_of_joint_actions(modes):
    feasible = 0
    for seed in range(12):
        problem = random_problem(np.random.default_rng(seed), 3, 3)
        scenario, gain = packing.scenario(problem), np.ascontiguousarray(problem.gain)
        for user in range(3):
            best = _core.forced(scenario, gain, problem.task, user, modes, inf)
            if best["value"] == -inf:
                continue
            # Alone in the cell, so that the number of a joint action of this user alone has it.
            channel, *figures = best["action"]
            alone = problem.only(user)
            actions = Actions(np.array([channel]), *(np.array([figure]) for figure in figures))
            decoded = decode(alone, encode(alone, actions))
            assert all(
                np.array_equal(getattr(decoded, name), getattr(actions, name))
                for name in ("channel", "power", "frequency", "extraction")
            )
            mode = 0 if channel < 0 else 1 if figures[2] == 1 else 2
            assert mode == modes
            feasible += 1
    assert feasible >= 12


@pytest.mark.parametrize("users", [4, 9])
def test_lazy_search_agrees_with_its_plain_twin(users):
    rng = np.random.default_rng(users)
    for channels in (users - 2, users, users + 3):
        problem = random_problem(rng, users, channels)
        fast, plain = solve(problem), solve(problem, backend="numpy")
        assert fast.status is plain.status
        if fast.status is Status.OPTIMAL:
            assert isclose(fast.objective, plain.objective, rel_tol=OBJECTIVE)


def test_the_best_actions_of_all_cells_are_those_of_plain_tables():
    absent = 0
    for seed in range(6):
        problem = random_problem(np.random.default_rng(seed), 3, 2, own_figures=seed % 2 == 0)
        best = best_of_cells(problem, 3)
        assert best.qoe.shape == (4, 3, len(problem.tasks.names), 2)
        for m, user, kind in np.ndindex(best.qoe.shape[:3]):
            here = replace(problem, task=np.full(3, kind))
            if m == 0:
                local, action = best_local(here, user)
                value, actions = [local] * 2, [action] * 2
            else:
                value, several = best_offloads(here, user, m)
                actions = [several.take(k) for k in range(2)]
            for k in range(2):
                cell = m, user, kind, k
                if value[k] == -inf:
                    absent += 1
                    assert best.qoe[cell] == -inf
                    assert np.isnan(
                        [best.latency[cell], best.energy[cell], best.accuracy[cell]]
                    ).all()
                    continue
                assert isclose(best.qoe[cell], value[k], rel_tol=OBJECTIVE)
                outcome = score(here, user, actions[k].take(np.newaxis), m)
                for name in ("latency", "energy", "accuracy"):
                    assert isclose(
                        getattr(best, name)[cell], getattr(outcome, name)[0], rel_tol=SUMS
                    )
    assert absent > 0


def test_methods_are_ordered():
    rng = np.random.default_rng(3)
    compared = 0
    for _ in range(40):
        problem = random_problem(rng, 4, 3)
        values = [
            -inf if (r := solve(problem, method)).actions is None else r.objective
            for method in ("local", "semantic-unaware", "exact")
        ]
        assert values[0] <= values[1] <= values[2]
        compared += values[0] < values[1] < values[2]
    assert compared > 3


def test_relabelling_users_and_channels_changes_nothing():
    rng = np.random.default_rng(11)
    problem = random_problem(rng, 6, 5)
    users, channels = rng.permutation(6), rng.permutation(5)
    people = replace(problem.users, **{f: v[users] for f, v in vars(problem.users).items()})
    moved = replace(
        problem,
        users=people,
        gain=np.ascontiguousarray(problem.gain[users][:, channels]),
        task=problem.task[users],
    )
    assert isclose(solve(moved).objective, solve(problem).objective, rel_tol=OBJECTIVE)


def test_a_stronger_channel_never_hurts():
    rng = np.random.default_rng(12)
    for _ in range(20):
        problem = random_problem(rng, 3, 3)
        weak = solve(problem)
        strong = solve(problem.with_slot(problem.gain * rng.uniform(1, 3, (3, 3)), problem.task))
        if weak.actions is not None:
            assert strong.objective >= weak.objective * (1 - OBJECTIVE)


def test_server_energy_limit_is_refused_by_name():
    problem = random_problem(np.random.default_rng(0))
    limited = replace(problem, system=replace(problem.system, server_energy_max=0.1))
    with pytest.raises(ValueError, match="server_energy_max_mj"):
        solve(limited)


def test_unknown_method_and_option_are_named():
    problem = random_problem(np.random.default_rng(0))
    with pytest.raises(ValueError, match=r"method = 'best': must be one of .*exact"):
        solve(problem, "best")
    with pytest.raises(ValueError, match=r"speed: method 'exact' does not take it"):
        solve(problem, speed=3)
    with pytest.raises(ValueError, match="backend"):
        solve(problem, backend="cuda")


@pytest.mark.long
def test_large_agrees_with_its_plain_twin():
    scenario = Scenario.load("large")
    gain, task = scenario.draw(1, 0)
    problem = scenario.problem(gain[0], task[0])
    fast, plain = solve(problem), solve(problem, backend="numpy")
    assert isclose(fast.objective, plain.objective, rel_tol=OBJECTIVE)


def crowded(objective, users=120):
    """Return a feasible slot whose optimum takes a while: many users on as many sub-channels."""
    document = Scenario.load("large").to_dict()
    document["system"] |= {"users": users, "channels": users}
    document["qoe"]["objective"] = objective
    scenario = Scenario.from_dict(document)
    gain, task = scenario.draw(1, 0)
    return scenario.template().with_slot(gain[0], task[0])


@pytest.mark.parametrize("objective", ["sum", "min"])
@pytest.mark.parametrize("seconds", [1e-9, 0.002, 0.01, 0.05])
def test_a_time_limit_leaves_the_best_so_far_and_a_valid_bound(objective, seconds):
    problem = crowded(objective)
    whole, part = solve(problem), solve(problem, time_limit=seconds)
    local = solve(problem, "local")
    if part.status is Status.LIMIT_REACHED:
        assert part.details["stopped"] == "time limit"
        assert part.bound() >= whole.objective
        assert part.bound() <= (1 if objective == "min" else len(problem.task))
    else:
        assert part.objective == whole.objective
    if local.actions is not None:
        assert local.objective <= part.objective <= whole.objective
    if part.actions is not None:
        assert part.recompute() == pytest.approx(part.objective, rel=OBJECTIVE)
        assert not part.violations()


def test_a_limit_of_no_time_stops_at_once_and_one_of_much_changes_nothing():
    problem = crowded("min")
    assert solve(problem, time_limit=1e-9).status is Status.LIMIT_REACHED
    long = solve(problem, time_limit=1e6)
    assert long.status is Status.OPTIMAL
    assert (long.actions.channel == solve(problem).actions.channel).all()
    numpy = solve(random_problem(np.random.default_rng(1)), backend="numpy", time_limit=1e-9)
    assert numpy.status is Status.LIMIT_REACHED
    assert np.isclose(numpy.bound(), len(numpy.problem.task), rtol=SUMS)


def test_many_levels_of_few_users_are_watched_too():
    problem = replace(crowded("sum", 15), grid=Grid(600, 600, 600))
    assert solve(problem, time_limit=0.001).status is Status.LIMIT_REACHED


def interrupted(problem, seconds):
    """Solve a problem that a signal interrupts; None where it came before the search or after."""
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, seconds)
        result = solve(problem)
    except KeyboardInterrupt:  # packing was still at work
        return None
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    return result if "stopped" in result.details else None


def test_ctrl_c_stops_one_slot_and_keeps_the_best_so_far():
    problem = crowded("min", 200)
    solve(problem, time_limit=0.01)  # loads what is loaded once
    found = (interrupted(problem, seconds) for seconds in (0.1, 0.2, 0.4, 0.8, 1.6))
    result = next(filter(None, found))
    assert result.status is Status.LIMIT_REACHED
    assert result.details["stopped"] == "interrupted"
    assert result.bound() >= result.objective


def test_the_plain_twin_forbids_what_all_others_together_would_pay_for():
    # Four users must offload. User 0 is served on sub-channel 0 alone, which keeps every other user
    # from the one where it is worth about 1: all are worth about 0. Without user 0, three are.
    good, poor, hopeless = 1.0, 1e-3, 1e-9
    gain = np.full((4, 4), hopeless)
    gain[range(4), range(4)] = poor
    gain[range(1, 4), range(3)] = good
    flat = AccuracyTable.from_arrays([0.5, 1.0], [0.0, 10.0], [[0.9] * 2] * 2, [0.9] * 2)
    problem = Problem.from_arrays(
        gain=gain,
        bits=1e4,
        local_flop=1e7,
        extract_flop=1e6,
        server_flop=1.0,
        local_accuracy=0.1,
        accuracy_min=0.5,
        accuracy=flat,
        latency_max=10.0,
        slope_latency=2e3,
        slope_energy=0.0,
        slope_accuracy=0.0,
        compress_exponent=0.7,
        extract_exponent=0.3,
        weight_latency=1.0,
        weight_energy=0.0,
        weight_accuracy=0.0,
        grid=Grid(1, 1, 1),
    )
    want, _ = enumerate_best(problem)
    plain, fast = solve(problem, backend="numpy"), solve(problem)
    assert plain.status is fast.status is Status.OPTIMAL
    assert isclose(plain.objective, want, rel_tol=OBJECTIVE)
    assert isclose(fast.objective, want, rel_tol=OBJECTIVE)
    unlimited = replace(problem, gain=np.where(gain == hopeless, poor, gain))
    assert solve(unlimited).objective > want + 2
