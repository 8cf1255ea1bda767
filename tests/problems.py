"""Random problems for tests: parameters of the scale of Table II, degenerate cases included."""

from dataclasses import replace
from math import inf

import numpy as np

from semopt.problem import AccuracyTable, Grid, Problem, System, Tasks, Users


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
