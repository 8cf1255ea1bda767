"""Slots whose limits bind to the last digit, and every joint action of a slot in plain order."""

from dataclasses import replace
from itertools import product
from math import inf

import numpy as np

from semopt import Actions, backends
from semopt.grid import local_actions, offload_actions
from semopt.model import evaluate
from semopt.problem import AccuracyTable, Grid, Problem, System, Tasks, Users


def joint_actions(problem):
    """Yield every canonical joint action, a channel pattern at a time: arrays (A, N)."""
    users, channels = problem.gain.shape
    for pattern in product(range(-1, channels), repeat=users):
        used = [k for k in pattern if k >= 0]
        if len(used) != len(set(used)):
            continue
        own = [
            local_actions(problem, n) if k < 0 else offload_actions(problem, n, k)
            for n, k in enumerate(pattern)
        ]
        index = np.indices([len(a.channel) for a in own]).reshape(users, -1)
        yield Actions(
            *(
                np.stack([getattr(a, name)[i] for a, i in zip(own, index, strict=True)], axis=-1)
                for name in ("channel", "power", "frequency", "extraction")
            )
        )


def enumerate_best(problem):
    """Score every canonical joint action with the reference model: (best objective, how many)."""
    reduce = np.min if problem.objective == "min" else np.sum
    best, count = -inf, 0
    for actions in joint_actions(problem):
        outcome = evaluate(problem, actions)
        feasible = (outcome.violations == 0).all(axis=-1)
        count += len(feasible)
        if feasible.any():
            best = max(best, float(reduce(outcome.qoe[feasible], axis=-1).max()))
    return best, count


def binding_slots(rng, count):
    """Yield so many slots that differ in their limits, which lie where actions end up.

    They lie there to the last digit, or an ulp above or below.
    Users, kinds of task, gains and powers are often equal, or differ by an ulp or so; tables are
    often flat; slopes may be steep. What is attained is asked of the compiled backend.
    """
    users, channels, kinds = (int(n) for n in rng.integers(1, 4, 3))
    if rng.random() < 0.4:
        users = channels = 1

    def alike(low, high):
        drawn = rng.uniform(low, high, users)
        return np.full(users, drawn[0]) if rng.random() < 0.5 else drawn

    weight = rng.dirichlet(np.ones(3), users).T
    if rng.random() < 0.4:
        weight = np.repeat(weight[:, :1], users, axis=1)
    frequency, power = alike(0.5e9, 0.7e9), alike(0.01, 0.05)
    people = Users(
        flop_per_cycle=alike(1.5, 3),
        energy_coefficient=np.full(users, 1e-26),
        frequency_min=frequency,
        frequency_max=frequency * rng.choice([1.0, 1 + 2.0**-51, 1.8]),
        reference_frequency=alike(0.6e9, 0.9e9),
        power_min=power,
        power_max=power * rng.choice([1.0, 1 + 2.0**-51, 1 + 1e-12, 10.0, 100.0]),
        extraction_min=np.full(users, rng.choice([0.3, 0.5])),
        energy_max=np.full(users, inf),
        weight_latency=weight[0],
        weight_energy=weight[1],
        weight_accuracy=weight[2],
    )
    bits, server = rng.uniform(2e3, 4e4, kinds), rng.uniform(3e6, 9e6, kinds)
    own_bits = rng.random() < 0.5
    tasks = Tasks(
        names=tuple("abc"[:kinds]),
        bits=bits,
        semantic_bits=bits * (0.8 if own_bits else 1.0),
        local_flop=rng.uniform(3e6, 8e6, kinds),
        extract_flop=rng.uniform(1e4, 2e6, kinds),
        server_flop=server,
        server_raw_flop=server.copy(),
        local_accuracy=rng.uniform(0.4, 0.8, kinds),
        accuracy_min=np.zeros(kinds),
        extraction_max=np.full(kinds, 0.9 if own_bits else 1.0),
        accuracy=tuple(accuracy_table(rng) for _ in range(kinds)),
    )
    system = System(
        bandwidth=2e6,
        noise=10.0 ** rng.uniform(-4, 2),
        server_frequency=3e9,
        server_flop_per_cycle=rng.choice([4.0, 8.0]),
        server_energy_coefficient=5e-27,
        compress_exponent=rng.choice([0.0, 0.7, 1.1]),
        extract_exponent=rng.choice([0.0, 0.5, 3.0]),
        latency_max=1e3,
        slope_latency=rng.choice([0.0, 1e3, 3e3, 1e9]),
        slope_energy=rng.choice([0.0, 300.0, 1e9]),
        slope_accuracy=rng.choice([0.0, 20.0, 1e6]),
    )
    gain = np.exp(rng.uniform(np.log(0.02), np.log(3), (users, channels)))
    law = rng.integers(4)
    if law == 0:
        gain[:] = gain[0, 0]
    elif law == 1:
        gain[:] = gain[0, 0] * (1 + 2.0**-52 * rng.integers(-2, 3, gain.shape))
    elif law == 2:
        gain[:] = gain[:, :1]
    problem = Problem(
        system=system,
        users=people,
        tasks=tasks,
        grid=Grid(*(int(n) for n in rng.integers(1, 4 if users < 3 else 3, 3))),
        gain=gain,
        task=rng.integers(0, kinds, users),
        objective=str(rng.choice(["sum", "sum", "min"])),
    )
    figures = [attained(rng, problem, n) for _ in range(2) for n in range(users)]
    for _ in range(count):
        yield bound_to(rng, problem, figures)


def binding_slot(rng):
    """Return one of them."""
    return next(binding_slots(rng, 1))


def accuracy_table(rng):
    points, columns = (int(n) for n in rng.integers(2, 5, 2))
    kind = rng.integers(4)
    table = np.full((points, columns), rng.uniform(0.1, 1))  # flat
    if kind == 1:
        table[:, -1] = np.nextafter(table[:, -1], 1)
    elif kind > 1:
        table = np.sort(np.sort(rng.uniform(0.1, 0.95, (points, columns)), 0), 1)
    extraction = np.r_[np.sort(rng.uniform(0.2, 0.9, points - 1)), 1.0]
    return AccuracyTable(extraction, np.sort(rng.uniform(-30, 50, columns)), table, table[-1])


def attained(rng, problem, user):
    """Return latency, energy and accuracy of an action of the user, beside any number of others."""
    users, channels = problem.gain.shape
    offloaders = int(rng.integers(0, min(users, channels) + 1))
    own = (
        offload_actions(problem, user, int(rng.integers(channels)))
        if offloaders
        else local_actions(problem, user)
    )
    own = own.take(int(rng.integers(len(own.channel))))
    people = problem.users
    action = Actions(
        np.full(users, -1), people.power_min.copy(), people.frequency_min.copy(), np.ones(users)
    )
    action.put(user, own)
    free = [k for k in range(channels) if k != own.channel]
    for other in [n for n in range(users) if n != user][: max(offloaders - 1, 0)]:
        action.channel[other] = free.pop()
    outcome = backends.evaluate(problem, action, backend="cpu")
    return [float(getattr(outcome, name)[user]) for name in ("latency", "energy", "accuracy")]


def bound_to(rng, problem, figures):
    """Return the problem with limits among the figures, latency, energy and accuracy of each."""
    latency, energy, accuracy = zip(*figures, strict=True)

    def near(values):
        value = float(rng.choice(values))
        return np.nextafter(value, rng.choice([value, value, 0.0, inf]))

    which, people = int(rng.integers(1, 8)), len(problem.task)
    system, users, tasks = problem.system, problem.users, problem.tasks
    if which & 1:
        system = replace(system, latency_max=near(latency))
    if which & 2:
        users = replace(users, energy_max=np.array([near(energy) for _ in range(people)]))
    if which & 4:
        least = min(near(accuracy), 1.0)
        tasks = replace(tasks, accuracy_min=np.full(len(tasks.bits), least))
    return replace(problem, system=system, users=users, tasks=tasks)
