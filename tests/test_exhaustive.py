"""The exhaustive method: against the exact one, refusals, limits, interrupts, checkpoints."""

import json
from dataclasses import replace
from math import inf

import numpy as np
import pytest

from problems import random_problem
from semopt import Status, backends, evaluate, solve
from semopt.backends import Query
from semopt.problem import Grid
from semopt.solvers import exhaustive
from tolerances import OBJECTIVE


@pytest.mark.parametrize("backend", ["numpy", "cpu"])
@pytest.mark.parametrize("objective", ["sum", "min"])
def test_agrees_with_the_exact_method(objective, backend):
    rng = np.random.default_rng(11)
    seen = set()
    for trial in range(30):
        users, channels = int(rng.integers(1, 4)), int(rng.integers(1, 4))
        grid = Grid(*(int(n) for n in rng.integers(1, 4, 3)))
        problem = random_problem(
            rng, users, channels, objective=objective, own_figures=trial % 2 == 0, grid=grid
        )
        if problem.joint_actions() > 300_000:
            continue
        result, exact = solve(problem, "exhaustive", backend=backend), solve(problem, "exact")
        seen.add(result.status)
        assert result.backend == backend
        assert result.status is exact.status
        assert result.details["examined"] == problem.joint_actions()
        if exact.actions is None:
            assert result.infeasibility == exact.infeasibility
        else:
            assert result.objective == pytest.approx(exact.objective, rel=OBJECTIVE)
            assert result.recompute() == pytest.approx(result.objective, rel=OBJECTIVE)
            assert result.bound() == result.objective
            assert not result.violations()
    assert seen == {Status.OPTIMAL, Status.INFEASIBLE}


def test_limit_on_the_servers_energy():
    rng = np.random.default_rng(12)
    bound = 0  # how often the limit cost something
    for _ in range(12):
        problem = random_problem(rng, 3, 3, grid=Grid(2, 2, 3))
        free = solve(problem, "exhaustive")
        if free.actions is None or not (free.actions.channel >= 0).any():
            continue
        spent = server_energy(problem, free.actions)
        limited = replace(problem, system=replace(problem.system, server_energy_max=0.7 * spent))
        for backend in ("numpy", "cpu"):
            result = solve(limited, "exhaustive", backend=backend)
            if result.status is not Status.INFEASIBLE:
                assert server_energy(problem, result.actions) <= 0.7 * spent
                assert result.objective < free.objective
                bound += 1
        # A limit of exactly what the optimum spends changes nothing.
        enough = replace(
            problem, system=replace(problem.system, server_energy_max=spent * (1 + 1e-9))
        )
        assert solve(enough, "exhaustive").objective == free.objective
    assert bound > 0


def server_energy(problem, actions):
    """The server's energy in a slot: what offloading costs beyond the user's own equipment."""
    system = replace(problem.system, server_energy_coefficient=0.0)
    own = evaluate(replace(problem, system=system), actions).energy
    return float((evaluate(problem, actions).energy - own).sum())


def large_problem():
    """Return a feasible problem of some 1e13 joint actions."""
    rng = np.random.default_rng(0)
    while True:
        problem = random_problem(rng, 4, 4, grid=Grid(9, 9, 9))
        if problem.joint_actions() > 10**11 and solve(problem).status is Status.OPTIMAL:
            return problem


def test_a_long_search_is_refused_before_any_work(monkeypatch):
    problem = large_problem()
    size = problem.joint_actions()
    monkeypatch.setattr(exhaustive, "speed", lambda backend, threads: size / 3 / 86400)
    monkeypatch.setattr(backends, "tabulate", lambda *a, **k: pytest.fail("work was begun"))
    with pytest.raises(ValueError, match=rf"{size} joint actions .* 3 days .* method 'exact'"):
        solve(problem, "exhaustive")
    huge = replace(problem, grid=Grid(4096, 4096, 4096))
    size = huge.joint_actions()
    for options in ({}, {"time_limit": 5.0}):
        with pytest.raises(ValueError, match=rf"{size} joint actions, at most 2\^63 - 1"):
            solve(huge, "exhaustive", **options)
    with pytest.raises(ValueError, match="time_limit = 0: must be above 0 s"):
        solve(problem, "exhaustive", time_limit=0)


def test_time_limit_gives_the_best_so_far_and_a_valid_bound():
    problem = large_problem()
    shares = []
    result = solve(problem, "exhaustive", time_limit=0.3, progress=shares.append)
    assert result.status is Status.LIMIT_REACHED
    assert shares == sorted(shares)
    assert 0 < shares[-1] < 1
    optimum = solve(problem).objective
    assert result.bound() >= optimum
    examined = result.details["examined"]
    prefix = backends.search(problem, 0, examined)
    if result.actions is not None:
        assert result.objective == prefix.value[0] <= optimum
        assert not result.violations()


def test_interrupted_search_is_taken_up_again(tmp_path):
    rng = np.random.default_rng(3)
    problem = random_problem(rng, 3, 3, grid=Grid(6, 6, 6))
    while problem.joint_actions() < 10**7 or solve(problem).status is not Status.OPTIMAL:
        problem = random_problem(rng, 3, 3, grid=Grid(6, 6, 6))
    file = tmp_path / "search.json"
    query = Query(keep=5, above=1.2, bins=6, high=3.0)

    def interrupt(share):
        raise KeyboardInterrupt

    stopped = solve(problem, "exhaustive", checkpoint=file, query=query, progress=interrupt)
    assert stopped.status is Status.LIMIT_REACHED
    assert 0 < stopped.details["examined"] < problem.joint_actions()
    other = replace(problem, objective="min")
    with pytest.raises(ValueError, match="it is of another problem, query or schema"):
        solve(other, "exhaustive", checkpoint=file, query=query)
    taken = json.loads(file.read_text())
    for changed in (
        {"next": problem.joint_actions() + 1},
        {"next": 1.5},
        {"above": -7},
        {"histogram": [1]},
        {"best": [[(9.0).hex(), taken["best"][0][1]]]},
        {"best": [[taken["best"][0][0], problem.joint_actions() - 1]]},
        {"schema": 2},
    ):
        false = tmp_path / "false.json"
        false.write_text(json.dumps(taken | changed))
        with pytest.raises(ValueError, match=r"false.json: cannot be taken up: .*; delete it"):
            solve(problem, "exhaustive", checkpoint=false, query=query)
        false.unlink()
    resumed = solve(problem, "exhaustive", checkpoint=file, query=query)
    whole = solve(problem, "exhaustive", query=query)
    assert resumed.status is whole.status is Status.OPTIMAL
    assert resumed.details == whole.details
    assert len(whole.details["best"]) == 5
    assert sum(whole.details["histogram"]["counts"]) <= problem.joint_actions()
    assert list(tmp_path.iterdir()) == []


def test_damaged_checkpoint_is_refused(tmp_path):
    file = tmp_path / "search.json"
    file.write_text('{"schema": 1}')
    with pytest.raises(ValueError, match=r"search\.json: cannot be taken up"):
        solve(random_problem(np.random.default_rng(1)), "exhaustive", checkpoint=file)
    assert file.exists()


def test_rank_of_a_decision():
    rng = np.random.default_rng(2)
    problem = random_problem(rng, 2, 2, grid=Grid(3, 3, 3))
    while (local := solve(problem, "local")).actions is None:
        problem = random_problem(rng, 2, 2, grid=Grid(3, 3, 3))
    rank = solve(problem, "exhaustive", query=Query(above=local.objective)).details["above"]
    better = backends.search(problem, query=Query(keep=rank + 1))
    assert better.value[rank - 1] > local.objective >= better.value[rank] > -inf
