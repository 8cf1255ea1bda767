"""Queues of few slots, and certificates of them."""

import json
from dataclasses import replace
from math import inf

import numpy as np

from problems import random_problem, random_slots, replaced
from semopt import Scenario, solve_queue
from semopt.certificate.format import digest
from semopt.problem import Grid

FEW = {f"grid.{axis}": 4 for axis in ("power", "frequency", "extraction")}  # levels: quick to score


def certified(folder, *queue, **options):
    """Solve a queue with a certificate: (result, certificate)."""
    path = folder / "certificate.json"
    result = solve_queue(*queue, certificate=str(path), **options)
    return result, json.loads(path.read_text())


def altered(body, *path, by):
    """Return a copy with one entry replaced, the digest made right again."""
    body = replaced(body, *path, by=by)
    return body | {"digest": digest(body)}


def drawn(seed, slots=5, battery=60.0):
    """Return a queue of two users whose batteries the prices alone do not settle."""
    scenario = Scenario.load("contended").replace({"user.battery_mj": battery} | FEW)
    return scenario, *scenario.draw(slots, seed)


def random_queue(rng, users, channels, slots):
    """Return a random queue on a small grid, one user in four without a battery."""
    grid = Grid(*(int(n) for n in rng.integers(1, 4, 3)))
    problem = random_problem(rng, users, channels, grid=grid, own_figures=bool(rng.integers(2)))
    gain, task = random_slots(rng, problem, slots, extreme=False)
    free = solve_queue(problem, gain, task).spent.sum(axis=0)
    battery = np.maximum(free * rng.uniform(0.2, 0.9, users), 1e-6)
    battery[rng.random(users) < 0.25] = inf
    return replace(problem, users=replace(problem.users, battery=battery)), gain, task
