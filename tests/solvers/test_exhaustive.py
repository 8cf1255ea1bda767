"""The exhaustive method: against the exact one, refusals, limits, interrupts, checkpoints."""

import json
from dataclasses import replace
from decimal import Decimal
from math import inf
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import semopt
from problems import random_problem
from semopt import Status, backends, solve
from semopt.backends import Query, Space, Tables
from semopt.model import evaluate
from semopt.problem import Grid
from semopt.solvers import checkpoint, exhaustive
from tolerances import OBJECTIVE


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
    with pytest.raises(ValueError, match=rf"{size:,} joint actions .* 3 days .* method 'exact'"):
        solve(problem, "exhaustive")
    huge = replace(problem, grid=Grid(4096, 4096, 4096))
    shown = f"about {Decimal(huge.joint_actions()):.3g}".replace("+", r"\+")
    for options in ({}, {"time_limit": 5.0}):
        with pytest.raises(ValueError, match=rf"{shown} joint actions, at most 2\^63 - 1"):
            solve(huge, "exhaustive", **options)
    rng = np.random.default_rng(1)
    with pytest.raises(ValueError, match=r"about \d\.\d\de\+\d{3} joint actions.*years"):
        solve(random_problem(rng, 300, 300), "exhaustive")
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


def test_a_bound_of_tables_is_each_user_at_its_best():
    value = np.array([0.25, -inf, 0.75]), np.array([1.0, 0.125])
    tables = Tables(Space((3, 2), (1, 1), 0), value)
    assert tables.bound() == 1.75
    assert replace(tables, fairest=True).bound() == 0.75


def test_interrupted_search_is_taken_up_again(tmp_path):
    rng = np.random.default_rng(3)
    problem = random_problem(rng, 3, 3, grid=Grid(6, 6, 6))
    while problem.joint_actions() < 10**7 or solve(problem).status is not Status.OPTIMAL:
        problem = random_problem(rng, 3, 3, grid=Grid(6, 6, 6))
    file = tmp_path / "search.json"
    query = Query(keep=5, above=1.2, bins=6, high=3.0)

    def interrupt(share):
        raise KeyboardInterrupt

    stopped = solve(problem, "exhaustive", resume=file, query=query, progress=interrupt)
    assert stopped.status is Status.LIMIT_REACHED
    assert 0 < stopped.details["examined"] < problem.joint_actions()
    with pytest.raises(ValueError, match="it is of another problem or query"):
        solve(replace(problem, objective="min"), "exhaustive", resume=file, query=query)
    resumed = solve(problem, "exhaustive", resume=file, query=query)
    whole = solve(problem, "exhaustive", query=query)
    assert resumed.status is whole.status is Status.OPTIMAL
    assert resumed.details.pop("examined_before") == stopped.details["examined"]
    assert resumed.details == whole.details
    assert len(whole.details["best"]) == 5
    assert sum(whole.details["histogram"]["counts"]) <= problem.joint_actions()
    assert list(tmp_path.iterdir()) == []


def test_the_old_name_of_its_file_is_understood(tmp_path):
    problem = semopt.Scenario.load("tiny").problem()
    with pytest.warns(FutureWarning, match="'checkpoint' of method 'exhaustive' is an old name"):
        solve(problem, "exhaustive", checkpoint=tmp_path / "file", time_limit=1e-9)
    assert (tmp_path / "file").exists()
    assert solve(problem, "exhaustive", resume=tmp_path / "file").status is Status.OPTIMAL


# --------------------------------------------------------------- checkpoints that somebody changed


@pytest.fixture(scope="module")
def stopped(tmp_path_factory):
    """A problem, and what a search of its first half left."""
    file = tmp_path_factory.mktemp("stopped") / "search.json"
    rng, query = np.random.default_rng(5), Query(keep=3, above=0.5, bins=4, high=3.0)
    while True:  # the best of the second half is better, the exact optimum one of it
        problem = random_problem(rng, 3, 3, grid=Grid(3, 3, 3))
        result = solve(problem)
        if result.actions is None:
            continue
        tables = backends.tabulate(problem)
        half = tables.space.size // 2
        first = backends.search(tables, 0, half, query=query)
        if len(first.value) == 3 and first.value[0] < result.objective - 1e-6:
            break
    state = checkpoint.State(half, first)
    checkpoint.save(file, checkpoint.fingerprint(problem, query, tables), state)
    return problem, query, file.read_text(), backends.encode(problem, result.actions)


def taken_up(stopped, tmp_path, text):
    problem, query, *_ = stopped
    file = tmp_path / "search.json"
    file.write_text(text)
    return solve(problem, "exhaustive", resume=file, query=query)


def edits(content, size):
    """Changed contents of each kind: a value, a type, a key, an order."""
    best = content["best"]
    yield {"next": size}
    yield {"next": size - 1}
    yield {"next": content["next"] + 1}
    yield {"next": 1.5}
    yield {"next": True}
    yield {"next": str(content["next"])}
    yield {"next": -1}
    yield {"next": None}
    yield {"above": -7}
    yield {"above": content["above"] + 1}
    yield {"histogram": [1]}
    yield {"histogram": [h + 1 for h in content["histogram"]]}
    yield {"best": []}
    yield {"best": best[:1]}
    yield {"best": best[::-1]}
    yield {"best": [best[0], best[0], best[1]]}
    yield {"best": [[(9.0).hex(), best[0][1]]]}
    yield {"best": [[best[0][0], size - 1]]}
    yield {"best": [["nan", 0]]}
    yield {"best": [[best[0][1], best[0][0]]]}
    yield {"best": [[*best[0], 1]]}
    yield {"schema": 1}
    yield {"schema": "2"}
    yield {"problem": "0" * 64}
    yield {"digest": "0" * 64}
    yield {"digest": None}
    yield {"note": "mine"}


def test_what_a_search_left_is_taken_up_as_it_stands(stopped, tmp_path):
    result = taken_up(stopped, tmp_path, stopped[2])
    assert result.status is Status.OPTIMAL
    assert result.objective == pytest.approx(solve(stopped[0]).objective, rel=OBJECTIVE)
    assert result.details["examined_before"] == json.loads(stopped[2])["next"]


def test_a_search_that_had_found_the_optimum_is_not_called_false(stopped, tmp_path):
    problem, query, _, best = stopped
    tables, file = backends.tabulate(problem), tmp_path / "search.json"
    for done in (best + 1, problem.joint_actions() - 1):
        state = checkpoint.State(done, backends.search(tables, 0, done, query=query))
        checkpoint.save(file, checkpoint.fingerprint(problem, query, tables), state)
        result = solve(problem, "exhaustive", resume=file, query=query)
        assert result.objective == pytest.approx(solve(problem).objective, rel=OBJECTIVE)
        assert len(result.details["best"]) == 3
        assert not file.exists()


def test_every_edit_of_a_checkpoint_is_noticed(stopped, tmp_path):
    problem, _, text, _ = stopped
    content, size = json.loads(text), problem.joint_actions()
    for change in edits(content, size):
        with pytest.raises(ValueError, match=r"search\.json: cannot be taken up: .*; delete it"):
            taken_up(stopped, tmp_path, json.dumps(content | change))
    for key in content:
        rest = {name: value for name, value in content.items() if name != key}
        with pytest.raises(ValueError, match="cannot be taken up"):
            taken_up(stopped, tmp_path, json.dumps(rest))


def test_an_edit_of_any_character_is_noticed(stopped, tmp_path):
    text, rng = stopped[2], np.random.default_rng(0)
    refused = 0
    for place in rng.integers(0, len(text), 60).tolist():
        other = chr(32 + int(rng.integers(0, 95)))
        changed = text[:place] + other + text[place + 1 :]
        try:
            same = json.loads(changed) == json.loads(text)
        except ValueError:
            same = False
        if not same:
            with pytest.raises(ValueError, match="cannot be taken up"):
                taken_up(stopped, tmp_path, changed)
            refused += 1
    assert refused > 40


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("next", lambda c, size: size, "below .* joint actions is expected"),
        ("above", lambda c, size: c["next"] + 1, "its counts are not those"),
        ("histogram", lambda c, size: [c["next"] + 1, 0, 0, 0], "its counts are not those"),
        ("histogram", lambda c, size: c["histogram"][:3], "its counts are not those"),
        ("best", lambda c, size: [*c["best"], [(0.0).hex(), 0]], "4 best joint actions for 3"),
        ("best", lambda c, size: [c["best"][0][::-1]], "pairs of a value and an index"),
        ("best", lambda c, size: c["best"][::-1], "by falling value, then rising index"),
        ("best", lambda c, size: [c["best"][0]] * 2, "each once"),
        ("best", lambda c, size: [[(9.0).hex(), c["best"][0][1]]], "does not score 9.0"),
    ],
)
def test_what_cannot_be_is_refused_under_a_new_digest(stopped, tmp_path, name, value, words):
    problem, _, text, _ = stopped
    content = json.loads(text)
    forged = content | {name: value(content, problem.joint_actions())}
    forged["digest"] = checkpoint.sealed(forged)
    with pytest.raises(ValueError, match=f"cannot be taken up: .*{words}"):
        taken_up(stopped, tmp_path, json.dumps(forged))


def test_a_joint_action_at_the_end_of_what_was_searched_is_not_among_the_best(stopped, tmp_path):
    problem, query, text, _ = stopped
    tables, content = backends.tabulate(problem), json.loads(text)
    index = content["next"]
    while not (value := checkpoint.score(tables, index)):
        index += 1
    for done, good in ((index, False), (index + 1, True)):
        every = {"next": done, "best": [[value[0].hex(), index]], "above": done}
        forged = content | every | {"histogram": [done, 0, 0, 0]}
        forged["digest"] = checkpoint.sealed(forged)
        file = tmp_path / "search.json"
        file.write_text(json.dumps(forged))
        if good:  # though every joint action were above, and in the histogram
            state = checkpoint.load(file, forged["problem"], query, tables)
            assert (state.next, state.loaded, state.partial.above) == (done, done, done)
        else:
            with pytest.raises(ValueError, match=f"joint action {index} does not score"):
                checkpoint.load(file, forged["problem"], query, tables)


def test_an_optimum_skipped_under_a_new_digest_is_found_out(stopped, tmp_path):
    problem, _, text, best = stopped
    content = json.loads(text)
    forged = content | {"next": problem.joint_actions() - 1}
    assert best < forged["next"]
    forged["digest"] = checkpoint.sealed(forged)
    with pytest.raises(ValueError, match=f"is false: joint action {best} scores"):
        taken_up(stopped, tmp_path, json.dumps(forged))
    forged["best"] = []
    forged["digest"] = checkpoint.sealed(forged)
    with pytest.raises(ValueError, match=f"is false: joint action {best} scores"):
        taken_up(stopped, tmp_path, json.dumps(forged))


def forgeries(stopped, rng, trials):
    """Yield texts of checkpoints with one or two entries forged and the digest made anew."""
    problem, _, text, _ = stopped
    size = problem.joint_actions()
    for _ in range(trials):
        content = json.loads(text)
        for name in rng.choice(["next", "above", "best", "histogram"], int(rng.integers(1, 3))):
            near = int(content["next"] if rng.random() < 0.5 else rng.integers(0, size + 2))
            match name:
                case "next" | "above":
                    content[name] = near
                case "best":
                    kept = [b for b in content["best"] if rng.random() < 0.7]
                    content["best"] = kept + [[(2.9).hex(), near]] * int(rng.random() < 0.3)
                case "histogram":
                    content[name][int(rng.integers(len(content[name])))] += int(rng.integers(-9, 9))
        content["digest"] = checkpoint.sealed(content)
        yield json.dumps(content)


def count_accepted(stopped, tmp_path, rng, trials):
    optimum, refused = solve(stopped[0]).objective, 0
    for forged in forgeries(stopped, rng, trials):
        try:
            result = taken_up(stopped, tmp_path, forged)
        except ValueError:
            refused += 1
            continue
        assert result.status is Status.OPTIMAL
        assert result.objective == pytest.approx(optimum, rel=OBJECTIVE)
    return trials - refused


def test_no_forgery_makes_a_false_optimum(stopped, tmp_path):
    assert 0 < count_accepted(stopped, tmp_path, np.random.default_rng(0), 100) < 100


@pytest.mark.long
def test_no_forgery_of_many_makes_a_false_optimum(stopped, tmp_path):
    assert 0 < count_accepted(stopped, tmp_path, np.random.default_rng(1), 10_000) < 10_000


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is not JSON"),
        ('{"schema": 1}', "not of schema 2"),
        ("[1]", "no file of a search"),
        ('{"schema": 2, "schema": 2}', "has the key 'schema' twice in one table"),
        ('{"schema": 2, "next": NaN}', "holds NaN"),
        ('{"schema": 2, "next": ' + 5000 * "9" + "}", "a whole number of 5000 digits"),
        (100_000 * "[", "is nested too deeply"),
    ],
)
def test_a_file_of_nonsense_is_refused(stopped, tmp_path, text, message):
    with pytest.raises(ValueError, match=rf"search\.json: cannot be taken up: .*{message}"):
        taken_up(stopped, tmp_path, text)
    assert (tmp_path / "search.json").read_text() == text


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="needs a device that never ends")
def test_a_device_is_refused_before_it_is_read(stopped):
    problem, query, *_ = stopped
    with pytest.raises(ValueError, match="regular file"):
        solve(problem, "exhaustive", resume="/dev/zero", query=query)


def test_rank_of_a_decision():
    rng = np.random.default_rng(2)
    problem = random_problem(rng, 2, 2, grid=Grid(3, 3, 3))
    while (local := solve(problem, "local")).actions is None:
        problem = random_problem(rng, 2, 2, grid=Grid(3, 3, 3))
    rank = solve(problem, "exhaustive", query=Query(above=local.objective)).details["above"]
    better = backends.search(problem, query=Query(keep=rank + 1))
    assert better.value[rank - 1] > local.objective >= better.value[rank] > -inf


# ------------------------------------------------------------------------------------------- pace


class Machine:
    """A backend that scores so many joint actions a second of its own clock."""

    def __init__(self, speed, name="cpu"):
        self.speed, self.name, self.now, self.ranges = speed, name, 0.0, []

    def search(self, tables, first, stop, query, threads):
        self.ranges.append((first, stop))
        assert len(self.ranges) < 1000  # ranges that shrink would never end
        self.now += (stop - first) / self.speed
        return backends.nothing(query.bins)


@pytest.mark.parametrize("speed", [1e6, 1e8])
def test_progress_is_told_every_fifth_of_a_second(monkeypatch, speed):
    machine, shares = Machine(speed), []
    monkeypatch.setattr(exhaustive, "perf_counter", lambda: machine.now)
    tables = SimpleNamespace(space=SimpleNamespace(size=10**8))
    start = checkpoint.State(0, backends.nothing(0))
    state, stopped = exhaustive.run(tables, machine, Query(), start, inf, shares.append, 1)
    assert (state.next, stopped) == (10**8, "")
    assert [first for first, _ in machine.ranges] == [0, *(s for _, s in machine.ranges[:-1])]
    assert shares == [stop / 10**8 for _, stop in machine.ranges]
    took = [(stop - first) / speed for first, stop in machine.ranges]
    assert machine.ranges[0] == (0, 2**20)
    assert took[1:-1] == pytest.approx([took[1], *[0.2] * (len(took) - 3)], rel=1e-4)
    assert took[1] == pytest.approx(min(0.2, 8 * took[0]), rel=1e-4)


def test_speed_is_measured_on_a_warm_machine(monkeypatch):
    for name, sample in (("numpy", 2**20), ("cpu", 2**24)):
        machine = Machine(5e6, name)
        monkeypatch.setattr(exhaustive, "perf_counter", lambda machine=machine: machine.now)
        assert exhaustive.speed(machine, 1) == pytest.approx(5e6)
        assert machine.ranges == [(0, 2**16), (0, sample)]


def test_a_minute_is_the_longest_search_without_a_limit(monkeypatch):
    problem, size = large_problem(), 10**12
    machine = Machine(1.0)
    scores = sum(Space.of(problem).list_total(n) for n in range(4))
    for seconds, refused in ((59.99, False), (60.01, True)):
        left = seconds - scores / 2e6  # tables take their time too
        monkeypatch.setattr(exhaustive, "speed", lambda *_, left=left: size / left)
        if refused:
            with pytest.raises(ValueError, match=r"would take about 60 s on backend 'cpu', ab"):
                exhaustive.refuse_if_long(problem, machine, size, 1)
        else:
            exhaustive.refuse_if_long(problem, machine, size, 1)
    monkeypatch.setattr(exhaustive, "speed", lambda *_: 1e30)
    exhaustive.refuse_if_long(problem, machine, 2**63 - 1, 1)
    with pytest.raises(ValueError, match=r"at most 2\^63 - 1 can be numbered"):
        exhaustive.refuse_if_long(problem, machine, 2**63, 1)


def test_times_have_the_unit_that_suits_them():
    year = 365.25 * 86400
    for seconds, words in {
        2 * year: "2 years",
        2 * year * 0.999: "730 days",
        2 * 86400: "2 days",
        1.99 * 86400: "47.8 hours",
        7200: "2 hours",
        7199: "7.2e+03 s",
        61.0: "61 s",
    }.items():
        assert exhaustive.duration(seconds) == words
