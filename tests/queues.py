"""Queues of few slots, and certificates of them."""

import json
from dataclasses import replace
from math import inf

import numpy as np
import pytest

from problems import random_problem, random_slots, replaced
from semopt import Scenario, solve_queue
from semopt.certificate.claims import FalseClaim
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


def refuses(check, forgeries):
    """Assert that each certificate is refused, in these words."""
    for words, body in forgeries:
        with pytest.raises(FalseClaim) as finding:
            check(body)
        assert words in str(finding.value)


def mixtures(body, other):
    """Yield certificates of two, with no words of the finding: it depends on the two."""
    parts = {"problem", "scenario", "decision", "cases", "proofs", "prices"} & body.keys()
    for key in sorted(parts):
        yield "", altered(body, key, by=other[key])
    queue = {key: other[key] for key in ("problem", "scenario")}
    yield "", altered(body | queue, "status", by="limit_reached")


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
