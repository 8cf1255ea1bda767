"""Suite `global`: a slot's certified optimum against general solvers for the whole of P0.

python -m pytest bench/test_global.py --benchmark-only        needs the extra `peers`

P0 of a slot stands here once, as one mixed-integer nonlinear program over any algebra: SCIP and
MAiNGO read it as expressions. A peer without its package is skipped with the reason.

Slots are those of the preset `contended` with accuracy tables of 2 x 2 points, which are the
corners of the preset's own tables, over every SNR that can occur (gains are clipped to match).
Accuracy is then one bilinear form: the peers need no binaries for cells of a table, which favours
them, and no approximation.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from math import inf, log, log10
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
import pytest

from figures import seconds_of
from semopt import Problem, Scenario, solve
from semopt.model import Actions, evaluate
from semopt.result import Status

GAP = 1e-6
AGREEMENT = 2e-6  # two gaps: a general solver's feasibility tolerance takes one of them
TIME_LIMIT = 10.0  # s a slot of a peer; a slot that reaches it bounds the ratio from below
SLOTS = 5
GAINS = (0.02, 3.0)
DECIBEL = 10 / log(10)  # dB of one neper of power


@cache
def slots(users: int) -> tuple[Problem, ...]:
    """Return feasible slots of `contended` with so many users and tables of 2 x 2 points."""
    document = Scenario.load("contended").to_dict()
    document["system"] |= {"users": users, "channels": users}
    noise = document["system"]["noise_mw"]
    ends = zip(document["user"]["power_mw"], GAINS, strict=True)
    snr_db = [10 * log10(power * gain / noise) for power, gain in ends]
    for task in document["tasks"].values():
        table = task["accuracy"]
        rows = [table["table"][0], table["table"][-1]]
        table["extraction"] = [table["extraction"][0], table["extraction"][-1]]
        table["snr_db"] = snr_db
        table["table"] = [[row[0], row[-1]] for row in rows]
    scenario = Scenario.from_dict(document)
    gain, task = scenario.draw(4 * SLOTS, 0)
    drawn = [scenario.problem(np.clip(g, *GAINS), t) for g, t in zip(gain, task, strict=True)]
    # What `program` leaves out, the preset must not have.
    tasks = drawn[0].tasks
    assert np.isinf(drawn[0].users.energy_max).all()
    assert not tasks.accuracy_min.any()
    assert (tasks.semantic_bits == tasks.bits).all()
    assert (tasks.server_raw_flop == tasks.server_flop).all()
    return tuple(p for p in drawn if solve(p, "global").status is Status.OPTIMAL)[:SLOTS]


# ---- P0 as one program: ms, mJ, GHz and kbit keep its numbers near 1 ----


@dataclass(frozen=True)
class User:
    """A user's variables, of any algebra.

    Attributes
    ----------
    log_power : logarithm of power in W
    frequency : GHz
    extraction : 1 unless the task is in semantic mode
    raw, semantic : (K,) binaries, one for each sub-channel; none is set for a local task
    """

    log_power: Any
    frequency: Any
    extraction: Any
    raw: list[Any]
    semantic: list[Any]


def linear(coefficients, variables):
    return sum(c * v for c, v in zip(coefficients, variables, strict=True))


def program(
    problem: Problem,
    users: list[User],
    count: list[Any],
    exp: Any,
    ln: Any,
    sigmoid: Any,
    at_least: Any = lambda x, low: x,
):
    """Return the sum of QoE, what must be at most 0, and what must be 0.

    Parameters
    ----------
    count : (K + 1,) binaries that mark the number of offloaders
    exp, ln, sigmoid : functions of the algebra
    at_least : maximum of an expression and a number below which no solution has it, for algebras
        that would else divide by what relaxed binaries make 0
    """
    system, own, tasks = problem.system, problem.users, problem.tasks
    channels = range(problem.gain.shape[1])
    number = linear(range(len(count)), count)
    inverse_square = linear([1 / m**2 for m in range(1, len(count))], count[1:])
    server = system.server_flop_per_cycle * system.server_frequency
    offloaders = sum(sum(user.raw + user.semantic) for user in users)
    total, equal = 0.0, [sum(count) - 1, offloaders - number]
    at_most = [sum(u.raw[k] + u.semantic[k] for u in users) - 1 for k in channels]

    for n, user in enumerate(users):
        kind = problem.task[n]
        table = tasks.accuracy[kind]
        semantic = sum(user.semantic)
        offload = sum(user.raw) + semantic
        local = 1 - offload
        floor = own.extraction_min[n]
        at_most += [offload - 1, 1 - (1 - floor) * semantic - user.extraction]
        # What a mode does not use stands at its lower end: else every value of it is an optimum.
        (low, high), (slow, fast) = ranges(problem, n)[:2]
        at_most += [user.log_power - low - (high - low) * offload]
        at_most += [user.frequency - slow - (fast - slow) * (1 - sum(user.raw))]

        # One binary picks the sub-channel, so that the logarithm of its gain is linear in them.
        log_gain = np.log(problem.gain[n])
        chosen = [user.raw[k] + user.semantic[k] for k in channels]
        log_snr = at_least(
            user.log_power + linear(log_gain, chosen) - log(system.noise),
            log(own.power_min[n]) + min(0.0, *log_gain) - log(system.noise),
        )
        full = tasks.bits[kind] * log(2) / system.bandwidth * 1e3
        t_tx = full * offload * user.extraction**system.compress_exponent / ln(1 + exp(log_snr))

        flop = local * (tasks.local_flop[kind] * 1e-6) + semantic * (
            tasks.extract_flop[kind] * 1e-6
        ) * user.extraction ** (-system.extract_exponent)
        cycles = flop * (1 / own.flop_per_cycle[n])
        t_es = tasks.server_flop[kind] / server * 1e3
        latency = cycles / user.frequency + t_tx + t_es * offload * number
        share = system.server_energy_coefficient * system.server_frequency**3 * t_es
        energy = (
            own.energy_coefficient[n] * 1e27 * cycles * user.frequency**2
            + exp(user.log_power) * t_tx
            + share * offload * inverse_square
        )
        (a, b), (c, d) = table.table
        x = (user.extraction - table.extraction[0]) * (1 / np.ptp(table.extraction))
        y = (log_snr * DECIBEL - table.snr_db[0]) * (1 / np.ptp(table.snr_db))
        reached = a + (c - a) * x + (b - a) * y + (a - b - c + d) * x * y
        gained = offload * (reached - tasks.local_accuracy[kind])

        reference = own.reference_frequency[n] * 1e-9
        t0 = tasks.local_flop[kind] * 1e-6 / (own.flop_per_cycle[n] * reference)
        e0 = own.energy_coefficient[n] * 1e27 * t0 * reference**3
        total = (
            total
            + own.weight_latency[n] * sigmoid(system.slope_latency * 1e-3 * (t0 - latency))
            + own.weight_energy[n] * sigmoid(system.slope_energy * 1e-3 * (e0 - energy))
            + own.weight_accuracy[n] * sigmoid(system.slope_accuracy * gained)
        )
        at_most.append(latency - system.latency_max * 1e3)
    return total, at_most, equal


def ranges(problem: Problem, n: int) -> list[tuple[float, float]]:
    """Return the ranges of log power, frequency and extraction of a user."""
    own = problem.users
    return [
        (log(own.power_min[n]), log(own.power_max[n])),
        (own.frequency_min[n] * 1e-9, own.frequency_max[n] * 1e-9),
        (own.extraction_min[n], 1.0),
    ]


def scip(problem: Problem) -> tuple[float, bool]:
    """Return SCIP's best value and whether it proved it."""
    import pyscipopt

    model = pyscipopt.Model()
    model.hideOutput()
    model.setParams({"limits/absgap": GAP, "limits/gap": 0.0, "limits/time": TIME_LIMIT})

    def binaries(count):
        return [model.addVar(vtype="B") for _ in range(count)]

    count, channels = problem.gain.shape
    users = [
        User(
            *(model.addVar(lb=low, ub=high) for low, high in ranges(problem, n)),
            binaries(channels),
            binaries(channels),
        )
        for n in range(count)
    ]
    value, at_most, equal = program(
        problem,
        users,
        binaries(channels + 1),
        pyscipopt.exp,
        pyscipopt.log,
        lambda x: 1 / (1 + pyscipopt.exp(-x)),
    )
    for expression in at_most:
        model.addCons(expression <= 0)
    for expression in equal:
        model.addCons(expression == 0)
    objective = model.addVar(lb=0.0, ub=float(count))
    model.addCons(objective <= value)
    model.setObjective(objective, "maximize")
    model.optimize()
    best = model.getObjVal() if model.getNSols() else -inf
    return best, model.getStatus() in ("optimal", "gaplimit")


def maingo(problem: Problem) -> tuple[float, bool]:
    """Return MAiNGO's best value and whether it proved it."""
    import maingopy

    count, channels = problem.gain.shape
    width = 3 + 2 * channels

    class Slot(maingopy.MAiNGOmodel):
        def get_variables(self):
            def variable(low, high, kind):
                return maingopy.OptimizationVariable(maingopy.Bounds(low, high), kind)

            bits = [(0, 1, maingopy.VT_BINARY)]
            rows = [
                [(*r, maingopy.VT_CONTINUOUS) for r in ranges(problem, n)] + 2 * channels * bits
                for n in range(count)
            ]
            return [variable(*v) for row in [*rows, (channels + 1) * bits] for v in row]

        def evaluate(self, x):
            rows = [x[n * width : (n + 1) * width] for n in range(count)]
            users = [User(*r[:3], r[3 : 3 + channels], r[3 + channels :]) for r in rows]
            value, at_most, equal = program(
                problem,
                users,
                x[count * width :],
                maingopy.exp,
                maingopy.log,
                lambda z: 0.5 + 0.5 * maingopy.tanh(0.5 * z),
                maingopy.max,
            )
            result = maingopy.EvaluationContainer()
            result.objective = -value
            result.ineq = at_most
            result.eq = equal
            return result

    model = Slot()  # the solver does not keep it alive
    solver = maingopy.MAiNGO(model)
    solver.set_option("loggingDestination", maingopy.LOGGING_NONE)
    solver.set_option("writeResultFile", False)
    solver.set_option("epsilonA", GAP)
    solver.set_option("epsilonR", 1e-9)
    solver.set_option("maxTime", TIME_LIMIT)
    status = solver.solve()
    return -solver.get_objective_value(), status == maingopy.GLOBALLY_OPTIMAL


PEERS = {"pyscipopt": scip, "maingopy": maingo}


def record(benchmark, problems, name, reference, ratio_of, **more):
    """Time `global` over the slots and state how the peer compares."""
    seconds = median(seconds_of(lambda p=p: solve(p, "global", gap=GAP)) for p in problems)
    benchmark.pedantic(
        lambda: [solve(p, "global", gap=GAP) for p in problems], rounds=5, warmup_rounds=1
    )
    benchmark.extra_info |= {
        "suite": "global",
        "name": name,
        "value": 1 / seconds,
        "unit": "slots/s",
        "reference": reference,
        "ratio": ratio_of / seconds,
        **more,
    }


@pytest.mark.parametrize("users", [1, 2, 3, 4, 5, 6])
@pytest.mark.parametrize("package", PEERS)
def test_whole_program(benchmark, package, users):
    """One program of a general solver: medians of the slots, the same gap, in process."""
    pytest.importorskip(package, reason=f"{package} is of the extra `peers`")
    problems, times, unfinished = slots(users), [], 0
    for problem in problems:
        start = perf_counter()
        value, proven = PEERS[package](problem)
        times.append(perf_counter() - start)
        best = solve(problem, "global", gap=GAP)
        assert value <= best.upper_bound + AGREEMENT
        assert not proven or abs(value - best.recompute()) <= AGREEMENT
        unfinished += not proven
    record(
        benchmark,
        problems,
        f"N={users}",
        f"{package}, P0 as one program",
        median(times),
        reference_seconds=times,
        unfinished=unfinished,
    )


@pytest.mark.parametrize("users", [1, 2, 3, 4, 5, 6])
def test_differential_evolution(benchmark, users):
    """What a user would try first: no bound, so that the value it falls short by is stated."""
    from scipy.optimize import differential_evolution

    problems, times, short = slots(users), [], []
    for problem in problems:
        start = perf_counter()
        found = differential_evolution(
            lambda x, p=problem: penalised(p, x),
            bounds=[
                bound
                for n in range(users)
                for bound in [(0, 2 * problem.gain.shape[1]), *ranges(problem, n)]
            ],
            integrality=[True, False, False, False] * users,
            rng=0,
            vectorized=True,
            updating="deferred",
            polish=False,
            tol=GAP,
        )
        times.append(perf_counter() - start)
        best = solve(problem, "global", gap=GAP)
        assert -found.fun <= best.upper_bound + 1e-9
        short.append(float(best.recompute() + found.fun))
    record(
        benchmark,
        problems,
        f"N={users}",
        "SciPy differential_evolution, vectorised",
        median(times),
        reference_seconds=times,
        reference_shortfall=short,
    )


def penalised(problem: Problem, x: np.ndarray) -> np.ndarray:
    """Return minus the sum of QoE of candidates (4 N, S), 1 more for each limit that is broken."""
    choice, log_power, frequency, extraction = np.moveaxis(x.reshape(-1, 4, x.shape[-1]), 0, -1)
    channels = problem.gain.shape[1]
    choice = choice.astype(int)
    local, semantic = choice == 0, choice > channels
    channel = np.where(local, -1, (choice - 1) % channels)
    power = np.where(local, 0.0, np.exp(log_power))
    clock = np.where(local | semantic, frequency * 1e9, problem.users.frequency_min)
    outcome = evaluate(problem, Actions(channel, power, clock, np.where(semantic, extraction, 1.0)))
    shared = sum(np.maximum((channel == k).sum(axis=-1) - 1, 0) for k in range(channels))
    return (outcome.violations > 0).sum(axis=-1) + shared - outcome.qoe.sum(axis=-1)
