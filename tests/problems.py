"""Random problems for tests: parameters of the scale of Table II, degenerate cases included."""

import copy
import json
from dataclasses import replace
from math import inf, nextafter
from pathlib import Path

import numpy as np

from semopt import Actions
from semopt.backends import Tables
from semopt.model import evaluate
from semopt.problem import AccuracyTable, Grid, Problem, System, Tasks, Users

CASES = Path(__file__).with_name("cases")
EXPECTED = json.loads((CASES / "expected.json").read_text())


def random_problem(rng, users=2, channels=2, kinds=3, own_figures=False, **changes):
    """Return a random problem; a third of the limits are absent, another third often bind."""

    def per_user(low, high):
        return rng.uniform(low, high, users)

    def limit(low, high):
        return rng.choice([inf, *rng.uniform(low, high, 2)])

    top = rng.uniform(0.6, 0.95, kinds)
    tables = []
    for best in top:
        steps = np.sort(rng.uniform(0, 0.3, (4, 5)), axis=0).cumsum(axis=1)
        table = best - (steps.max() - np.sort(steps, axis=1)) * 0.3
        axis = np.sort(np.r_[0.3, rng.uniform(0.35, 0.95, 2), 1.0])
        raw = table[-1] + (0.02 if own_figures else 0.0)
        tables.append(AccuracyTable(axis, np.linspace(-3, 17, 5), table, raw))
    local_flop = rng.uniform(3e6, 8e6, kinds)
    bits = rng.uniform(2e3, 4e4, kinds)
    server_flop = rng.uniform(3e6, 9e6, kinds)
    tasks = Tasks(
        names=tuple("abcdefgh"[:kinds]),
        bits=bits,
        semantic_bits=bits * (0.8 if own_figures else 1.0),
        local_flop=local_flop,
        extract_flop=rng.uniform(1e5, 2e6, kinds),
        server_flop=server_flop,
        server_raw_flop=server_flop * (1.2 if own_figures else 1.0),
        local_accuracy=rng.uniform(0.4, 0.8, kinds),
        accuracy_min=np.where(rng.random(kinds) < 0.3, top - 0.12, 0.0),
        extraction_max=np.full(kinds, 0.95 if own_figures else 1.0),
        accuracy=tuple(tables),
    )
    weight = rng.dirichlet(np.ones(3), users).T
    frequency_min, power_min = per_user(0.5e9, 0.7e9), per_user(0.01, 0.05)
    people = Users(
        flop_per_cycle=per_user(1.5, 3),
        energy_coefficient=np.full(users, 1e-26),
        frequency_min=frequency_min,
        frequency_max=frequency_min * rng.choice([1.0, 1.8], users),
        reference_frequency=per_user(0.6e9, 0.9e9),
        power_min=power_min,
        power_max=power_min * rng.choice([1.0, 10.0, 100.0], users),
        extraction_min=rng.choice([0.3, 0.5, 1.0], users, p=[0.5, 0.4, 0.1]),
        energy_max=np.array([limit(0.03, 0.1) for _ in range(users)]),
        weight_latency=weight[0],
        weight_energy=weight[1],
        weight_accuracy=weight[2],
    )
    system = System(
        bandwidth=2e6,
        noise=2e-3,
        server_frequency=3e9,
        server_flop_per_cycle=rng.choice([4.0, 8.0]),
        server_energy_coefficient=5e-27,
        compress_exponent=rng.choice([0.0, 0.7, 1.1]),
        extract_exponent=rng.choice([0.0, 0.5]),
        latency_max=rng.uniform(5e-3, 9e-3),
        slope_latency=rng.choice([0.0, 1e3, 3e3]),
        slope_energy=rng.choice([0.0, 300.0, 1000.0]),
        slope_accuracy=rng.choice([0.0, 20.0, 50.0]),
    )
    grid = Grid(*(int(n) for n in rng.integers(1, 5, 3)))
    gain = np.exp(rng.uniform(np.log(0.02), np.log(3), (users, channels)))
    drawn = {"system": system, "users": people, "tasks": tasks, "grid": grid, "gain": gain}
    return Problem(**(drawn | {"task": rng.integers(0, kinds, users)} | changes))


def beside(problem, user, channel, offloaders):
    """Return the problem of one user on one sub-channel as if so many offloaded in all.

    The server's time grows with their number m and its energy falls as m^-2: with one user the same
    comes from m times the server's work and m^-3 times its energy coefficient.
    """
    one = problem.only(user)
    tasks, system = one.tasks, one.system
    return replace(
        one,
        gain=one.gain[:, channel : channel + 1],
        tasks=replace(
            tasks,
            server_flop=tasks.server_flop * offloaders,
            server_raw_flop=tasks.server_raw_flop * offloaders,
        ),
        system=replace(
            system, server_energy_coefficient=system.server_energy_coefficient / offloaders**3
        ),
    )


def badly_scaled(rng, users=2, channels=2):
    """Return a random problem at the edges of what is allowed: a few of its figures are extreme.

    All that `Problem.from_arrays` would refuse stays out: figures lie within 1e-40 to 1e40,
    exponents up to 20, extraction from 1e-6. In half of the problems limits are lifted, so that
    many of them are feasible.
    """
    problem = random_problem(rng, users, channels, own_figures=rng.random() < 0.3)
    if rng.random() < 0.5:
        problem = replace(
            problem,
            system=replace(problem.system, latency_max=float(rng.choice([1.0, 1e10, 1e40]))),
            users=replace(problem.users, energy_max=np.full(users, inf)),
            tasks=replace(problem.tasks, accuracy_min=np.zeros_like(problem.tasks.accuracy_min)),
        )
    twists = rng.choice(TWISTS, rng.integers(1, 5), replace=False)
    for twist in twists:
        problem = twist(rng, problem)
    return problem


def decades(rng, low, high, size=None):
    """Return powers of ten, uniform in their exponent."""
    return 10.0 ** rng.uniform(low, high, size)


def steep_slopes(rng, problem):
    """Return the problem with some slopes so steep that a score is a step, or almost flat."""
    slopes = ("slope_latency", "slope_energy", "slope_accuracy")
    changed = {
        name: float(rng.choice([decades(rng, 4, 32), decades(rng, 4, 9), decades(rng, -30, 0)]))
        for name in slopes
        if rng.random() < 0.6
    }
    return replace(problem, system=replace(problem.system, **changed))


def extreme_exponents(rng, problem):
    """Return the problem with exponents up to 20 and extraction down to 1e-6."""
    system = replace(
        problem.system,
        compress_exponent=float(rng.choice([0.0, 1e-9, 1.0, 3.0, 20.0])),
        extract_exponent=float(rng.choice([0.0, 1e-9, 1.0, 3.0, 20.0])),
    )
    least = rng.choice([1e-6, 1e-3, 0.999999, nextafter(1.0, 0.0)], len(problem.users.power_min))
    return replace(
        problem, system=system, users=replace(problem.users, extraction_min=np.array(least))
    )


def extreme_gains(rng, problem):
    """Return the problem with gains of 1e-40 to 1e40, or all near one of the ends."""
    shape = problem.gain.shape
    spread = decades(rng, -40, 40, shape)
    near = np.clip(problem.gain * decades(rng, -40, 40), 1e-40, 1e40)
    ends = rng.choice([1e-40, 1e-20, 0.5, 1e40], shape)
    return replace(problem, gain=[spread, near, ends][rng.integers(3)])


def narrow_or_wide_ranges(rng, problem):
    """Return the problem with ranges of an ulp, or of up to 40 decades."""
    users = problem.users
    changed = {}
    for name in ("power", "frequency"):
        low = getattr(users, f"{name}_min")
        kind = rng.integers(4)
        if kind == 0:
            changed[f"{name}_max"] = np.nextafter(low, inf)
        elif kind == 1:
            changed[f"{name}_max"] = low * (1 + decades(rng, -15, -6))
        elif kind == 2:
            changed[f"{name}_min"] = low * decades(rng, -20, 0)
            changed[f"{name}_max"] = low * decades(rng, 1, 20)
    return replace(problem, users=replace(users, **changed))


def other_magnitudes(rng, problem):
    """Return the problem with some figures many decades from their usual size."""
    system, users, tasks = problem.system, problem.users, problem.tasks
    of_system = ("bandwidth", "noise", "server_frequency", "server_energy_coefficient")
    of_tasks = ("extract_flop", "server_flop", "server_raw_flop", "local_flop")

    def changed(owner, names):
        return {
            name: np.clip(getattr(owner, name) * decades(rng, -12, 12), 1e-40, 1e40)
            for name in names
            if rng.random() < 0.3
        }

    figures = {name: float(value) for name, value in changed(system, of_system).items()}
    loads = changed(tasks, of_tasks)
    if (tasks.extraction_max == 1.0).all():  # then both modes load the server alike
        loads["server_raw_flop"] = loads.get("server_flop", tasks.server_flop)
    return replace(
        problem,
        system=replace(system, **figures),
        users=replace(users, **changed(users, ("energy_coefficient", "flop_per_cycle"))),
        tasks=replace(tasks, **loads),
    )


def steps_in_tables(rng, problem):
    """Return the problem with tables that are flat, or steps, over axes narrow or wide."""
    tables = []
    for table in problem.tasks.accuracy:
        columns = len(table.snr_db)
        kind = rng.integers(3)
        top = float(table.table.max())
        if kind == 0:
            values = np.full_like(table.table, top)
        elif kind == 1:
            values = np.where(np.arange(columns) < rng.integers(1, columns), 0.0, top)
            values = np.broadcast_to(values, table.table.shape).copy()
        else:
            values = table.table
        step = float(rng.choice([1e-9, 1.0, 200.0]))
        snr_db = float(rng.uniform(-5, 5)) + step * np.arange(columns)
        raw = values[-1] if np.array_equal(table.raw, table.table[-1]) else values[-1] + 0.01
        tables.append(replace(table, snr_db=snr_db, table=values, raw=raw))
    return replace(problem, tasks=replace(problem.tasks, accuracy=tuple(tables)))


def one_sided_weights(rng, problem):
    """Return the problem with each user caring for one figure almost alone."""
    small = float(rng.choice([0.0, 1e-12]))
    users = len(problem.users.power_min)
    weights = np.where(np.arange(3)[:, None] == rng.integers(3, size=users), 1 - 2 * small, small)
    names = ("weight_latency", "weight_energy", "weight_accuracy")
    return replace(problem, users=replace(problem.users, **dict(zip(names, weights, strict=True))))


def limits_that_just_bind(rng, problem):
    """Return the problem with limits that one random joint action of the grid meets exactly."""
    users = len(problem.users.power_min)
    channel = np.full(users, -1)
    offloaders = rng.permutation(users)[: rng.integers(min(problem.gain.shape) + 1)]
    channel[offloaders] = rng.permutation(problem.gain.shape[1])[: len(offloaders)]
    action = Actions(
        channel,
        np.where(channel < 0, 0.0, problem.users.power_max),
        problem.users.frequency_min,
        np.ones(users),
    )
    outcome = evaluate(problem, action)
    least = problem.tasks.accuracy_min.copy()
    np.minimum.at(least, problem.task, outcome.accuracy)
    return replace(
        problem,
        system=replace(
            problem.system, latency_max=float(np.clip(outcome.latency.max(), 1e-40, 1e40))
        ),
        users=replace(problem.users, energy_max=np.clip(outcome.energy, 1e-40, inf)),
        tasks=replace(problem.tasks, accuracy_min=least),
    )


TWISTS = (
    steep_slopes,
    extreme_exponents,
    extreme_gains,
    narrow_or_wide_ranges,
    other_magnitudes,
    steps_in_tables,
    one_sided_weights,
    limits_that_just_bind,
)


FIGURES = ("latency", "energy", "accuracy", "qoe")


def random_actions(rng, problem, rows):
    """Joint actions of `rows` slots: distinct sub-channels, every mode, ends of ranges included."""
    users, channels = problem.gain.shape
    people = problem.users

    def within(low, high):
        share = rng.choice([0.0, 1.0, np.nan], (rows, users), p=[0.1, 0.1, 0.8])
        share = np.where(np.isnan(share), rng.random((rows, users)), share)
        return low + share * (high - low)

    seats = np.r_[np.arange(channels), np.full(users, -1)]
    channel = np.stack([rng.permutation(seats)[:users] for _ in range(rows)])
    extraction = within(people.extraction_min, 1.0)
    return Actions(
        np.where(rng.random((rows, users)) < 0.15, -1, channel),
        within(people.power_min, people.power_max),
        within(people.frequency_min, people.frequency_max),
        np.where(rng.random((rows, users)) < 0.3, 1.0, extraction),
    )


def random_slots(rng, problem, rows, extreme):
    users, channels = problem.gain.shape
    span = (1e-12, 1e6) if extreme else (0.02, 3.0)
    gain = np.exp(rng.uniform(*np.log(span), (rows, users, channels)))
    return gain, rng.integers(0, len(problem.tasks.names), (rows, users))


def random_tables(rng, space, *, limited=False, fairest=False, entries=None):
    """Tables of random entries; `entries` draws them, a tenth of them are infeasible."""
    draw = entries or (lambda total: rng.random(total))

    def lists(draw):
        return tuple(draw(space.list_total(n)) for n in range(len(space.local)))

    value = lists(lambda total: np.where(rng.random(total) < 0.1, -inf, draw(total)))
    energy = lists(lambda total: rng.random(total)) if limited else ()
    limit = 0.4 * len(space.local) if limited else inf
    return Tables(space, value, energy, limit, fairest)


def replaced(body, *path, by):
    """Return a copy of a document with one entry replaced, or added."""
    body = copy.deepcopy(body)
    owner = body
    for key in path[:-1]:
        owner = owner[key]
    owner[path[-1]] = by(owner[path[-1]]) if callable(by) else by
    return body
