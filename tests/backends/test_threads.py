"""Many threads at a time: every answer is the one that a caller alone gets; wrong ones are counted.

.ci/sanitize thread runs these tests under ThreadSanitizer.
"""

import threading
from dataclasses import fields, replace

import numpy as np
import pytest

from semopt import Scenario, Solver, _core, backends, solve, solve_batch
from semopt.backends import Query
from semopt.env import Decisions
from semopt.env.environment import Environment
from semopt.model import Actions, Outcome, evaluate
from semopt.problem import Grid
from semopt.solvers.matching import ExactBatch, dense
from tolerances import DUALS, ROUNDING

THREADS = 8
PAPER, CONTENDED = Scenario.load("paper"), Scenario.load("contended-8")


def together(work, threads=THREADS):
    """Run work(thread) in threads that start at one moment; return the sum of what they return."""
    start, found, faults = threading.Barrier(threads), [0] * threads, []

    def run(thread):
        try:
            start.wait(60)
            found[thread] = work(thread)
        except BaseException as error:
            faults.append(error)

    running = [threading.Thread(target=run, args=(i,), daemon=True) for i in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join(120)
        assert not thread.is_alive(), "a thread hangs"
    if faults:
        raise faults[0]
    return sum(found)


def slots(scenario, count, seed=0):
    problem, rng = scenario.template(), np.random.default_rng(seed)
    gain = rng.exponential(size=(count, *problem.gain.shape))
    return problem, gain, rng.integers(0, len(problem.tasks.names), (count, len(problem.task)))


def same(one, other):
    return all(
        np.array_equal(getattr(one, f.name), getattr(other, f.name), equal_nan=True)
        for f in fields(one)
    )


def differ(own, others):
    return sum(not same(a, b) for a, b in zip(own, others, strict=True))


# ------------------------------------------------------------------------------- the exact solver


def test_slots_that_are_watched_for_signals_share_one_clock():
    # Their actions are so many that each lane asks whether it is to stop.
    problem = replace(slots(CONTENDED, 1)[0], grid=Grid(60, 20, 20))
    _, gain, task = slots(CONTENDED, 24)
    own, _, _ = ExactBatch(problem, 1).solve(gain, task)
    shared, _, told = ExactBatch(problem, 2).solve(gain, task)
    assert same(own, shared)
    assert "stopped" not in told


def test_a_solver_shared_by_threads_answers_as_the_plain_one():
    problem, gain, task = slots(PAPER, 40)
    right = [dense(problem.with_slot(g, t))[:2] for g, t in zip(gain, task, strict=True)]
    solver = Solver(PAPER)

    def wrong(thread):
        order = np.random.default_rng(thread).permutation(len(gain))
        count = 0
        for s in np.tile(order, 5):
            decision = solver.decide(gain[s], task[s])
            worth = evaluate(problem.with_slot(gain[s], task[s]), decision.actions).qoe.sum()
            count += abs(decision.objective - right[s][1]) > ROUNDING
            count += abs(worth - right[s][1]) > ROUNDING
        return count

    assert together(wrong) == 0
    assert solver.decision_times()["decisions"] == THREADS * 5 * len(gain)


def test_a_solver_of_many_users_does_not_hang_in_threads():
    _, gain, task = slots(CONTENDED, 30)
    alone, shared = Solver(CONTENDED), Solver(CONTENDED)
    right = [alone.decide(*slot).objective for slot in zip(gain, task, strict=True)]
    assert (
        together(
            lambda _: sum(
                shared.decide(g, t).objective != value
                for g, t, value in zip(gain, task, right, strict=True)
            )
        )
        == 0
    )


def test_a_decision_is_its_own_memory():
    _, gain, task = slots(PAPER, 2)
    solver = Solver(PAPER)
    first = solver.decide(gain[0], task[0])
    kept = [array.copy() for array in vars(first.actions).values()]
    second = solver.decide(gain[1], task[1])
    for array, before, other in zip(
        vars(first.actions).values(), kept, vars(second.actions).values(), strict=True
    ):
        np.testing.assert_array_equal(array, before)
        assert not np.shares_memory(array, other)


def test_warm_solvers_of_a_batch_are_not_shared_by_callers():
    problem, gain, task = slots(PAPER, 60)
    right = ExactBatch(problem).solve(gain, task)
    shared = ExactBatch(problem, 2)

    def wrong(_):
        count = 0
        for _ in range(10):
            actions, value, effort = shared.solve(gain, task)
            count += not same(actions, right[0])
            count += not np.array_equal(value, right[1]) or effort != right[2]
        return count

    assert together(wrong) == 0


def test_batches_at_the_same_time_are_those_of_one():
    _, gain, task = slots(PAPER, 300)  # more than one round of progress
    right = {
        method: solve_batch(PAPER, gain, task, method) for method in ("exact", "semantic-unaware")
    }

    def wrong(_):
        found = {method: solve_batch(PAPER, gain, task, method) for method in right}
        return sum(not same(found[m].actions, right[m].actions) for m in right)

    assert together(wrong) == 0


# ------------------------------------------------------------------------- the other compiled parts


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_evaluations_at_the_same_time_write_into_their_own_arrays(dtype):
    problem = PAPER.template()
    rng, rows = np.random.default_rng(0), (3000, 2)
    power, frequency, extraction, gain = (
        rng.uniform(*ends, shape).astype(dtype)
        for ends, shape in (
            ((0.01, 0.1), rows),
            ((0.6e9, 1e9), rows),
            ((0.3, 1.0), rows),
            ((0.1, 1.0), (*rows, 2)),
        )
    )
    channel = rng.permuted(np.tile([0, 1], (3000, 1)), axis=1)
    actions, task = Actions(channel, power, frequency, extraction), rng.integers(0, 3, rows)
    right = evaluate(problem, actions, gain, task)
    near = 1e-9 if dtype is np.float64 else 2e-3

    def wrong(_):
        out = Outcome(*(np.empty(rows, dtype) for _ in range(4)), np.empty(rows, np.uint8))
        count = 0
        for threads in (1, 2, 0) * 3:
            for array in vars(out).values():
                array[:] = 0
            backends.evaluate(problem, actions, gain, task, out=out, backend="cpu", threads=threads)
            count += not np.allclose(out.qoe, right.qoe, rtol=near, atol=near)
        return count

    assert together(wrong) == 0


def test_searches_at_the_same_time_count_the_same_joint_actions():
    problem, gain, task = slots(PAPER, 1)
    problem = problem.with_slot(gain[0], task[0])
    tables = backends.tabulate(problem, backend="cpu")
    query = Query(keep=5, above=1.0, bins=16, low=0.0, high=2.0)
    right = backends.search(tables, query=query, backend="numpy")

    def wrong(_):
        found = [
            backends.search(tables, query=query, backend="cpu", threads=threads)
            for threads in (1, 2, 0)
        ]
        return sum(
            not np.array_equal(f.index, right.index)
            or f.above != right.above
            or not np.array_equal(f.histogram, right.histogram)
            for f in found
        )

    assert together(wrong) == 0


def test_slots_solved_at_the_same_time_are_those_of_one():
    base, gain, task = slots(PAPER, 3)
    problems = [base.with_slot(*slot) for slot in zip(gain, task, strict=True)]
    methods = ("exact", "exhaustive", "global", "local", "semantic-unaware")
    right = {(m, i): solve(p, m) for m in methods for i, p in enumerate(problems)}

    def wrong(_):
        count = 0
        for (method, i), result in right.items():
            found = solve(problems[i], method)
            count += found.objective != result.objective or not same(found.actions, result.actions)
            count += found.upper_bound != result.upper_bound
        return count

    assert together(wrong, 4) == 0


def test_relaxations_at_the_same_time_keep_their_bounds():
    base, gain, task = slots(PAPER, 3)
    problems = [base.with_slot(*slot) for slot in zip(gain, task, strict=True)]
    right = [solve(problem, "relaxation").upper_bound for problem in problems]

    def wrong(thread):
        i = thread % 3
        bound = solve(problems[i], "relaxation").upper_bound
        return abs(bound - right[i]) > DUALS * right[i]

    assert together(wrong, 4) == 0


def test_packed_scenarios_end_for_others_without_harm():
    """More scenarios than are kept packed, made and dropped by all threads at a time."""
    base, gain, task = slots(PAPER, 1)
    problems = [
        base.with_slot(gain[0] * (1 + i), task[0]).only(i % 2).without_semantic() for i in range(24)
    ]
    actions = Actions(np.array([[0]]), *(np.array([[x]]) for x in (0.05, 0.8e9, 1.0)))
    right = [evaluate(p, actions).qoe[0, 0] for p in problems]

    def wrong(thread):
        order = np.random.default_rng(thread).permutation(24)
        return sum(
            abs(backends.evaluate(problems[i], actions, backend="cpu").qoe[0, 0] - right[i]) > 1e-12
            for _ in range(5)
            for i in order
        )

    assert together(wrong) == 0


def test_environments_of_many_threads_step_as_one_alone():
    def trace(seed, rows):
        env, rng = Environment(PAPER, rows, seed=seed), np.random.default_rng(seed)
        seen = np.empty((rows, 2, env.observation_size), np.float32)
        reward, kept = np.empty((rows, 2), np.float32), []
        env.reset(seen)
        for _ in range(12):
            decisions = Decisions(
                rng.integers(0, 3, (rows, 2)).astype(np.uint8),
                rng.random((rows, 2, 3)).astype(np.float32),
                rng.random((rows, 2, 2)).astype(np.float32),
            )
            env.step(decisions, seen, reward)
            kept += [seen.copy(), reward.copy()]
        return kept

    for rows in (3, 40_000):  # on the caller's thread alone, and on helpers
        threads = THREADS if rows == 3 else 3
        right = [trace(seed, rows) for seed in range(threads)]
        assert (
            together(
                lambda i, rows=rows, right=right: sum(
                    not np.array_equal(a, b) for a, b in zip(trace(i, rows), right[i], strict=True)
                ),
                threads,
            )
            == 0
        )


def test_every_compiled_object_says_what_threads_may_do():
    kinds = [thing for thing in vars(_core).values() if isinstance(thing, type)]
    assert {kind.__name__ for kind in kinds} >= {"Scenario", "ExactBatch", "Space"}
    for kind in kinds:
        assert "threads share" in kind.__doc__, kind
    assert "many threads" in _core.__doc__


def test_parts_of_a_loop_are_its_rows_once_each():
    from semopt.channel.compiled import row_loop

    def visit(first, last, out, seen):
        for e in range(first, last):
            out[e] += 1
            seen[e] = first
        return last - first

    loop = row_loop(visit, "visit", grain=1)
    for rows in (1, 2, 63, 64, 65, 127, 128, 129, 191, 193, 1000):
        for threads in (1, 2, 3, 0):
            room, first = np.zeros(rows + 200, np.int64), np.zeros(rows + 200, np.int64)
            assert loop(room[:rows], first[:rows], threads=threads) == rows
            assert (room[:rows] == 1).all()
            assert not room[rows:].any()
            assert len(set(first[:rows])) <= (threads or rows)
