"""The decisions of result files: what they hold, and which of them a method may take."""

from __future__ import annotations

import json
from math import inf, nan
from pathlib import Path
from typing import Any

import numpy as np

from ..files import named
from ..model import Actions
from ..problem import Problem
from ..result import Infeasibility, Result, Status
from ..strict import parse_json
from .claims import TOLERANCE, FalseClaim, require, whole
from .format import closed
from .reading import read
from .schema import shaped

GRID = ("local", "semantic-unaware", "exhaustive", "exact")  # methods whose problem is the grid's


def decided(problem: Problem, users: list[dict[str, Any]], prefix: str) -> Result:
    """Return the decision that a result file reports, as a result to recompute."""
    count, channels = problem.gain.shape
    require(len(users) == count, f"{prefix}users: {len(users)} entries for {count} users")
    columns: dict[str, list[float]] = {name: [] for name in ("power", "frequency", "extraction")}
    channel = []
    for n, user in enumerate(users):
        path = f"{prefix}users[{n}]"
        name = problem.tasks.names[problem.task[n]]
        require(user["task"] == name, f"{path}.task {user['task']!r:.60}: it is {name!r}")
        offload = user["offload"]
        require(offload == (user["channel"] is not None), f"{path}: offload and channel disagree")
        channel.append(whole(user["channel"], 0, channels, f"{path}.channel") if offload else -1)
        columns["power"].append(user["power_mw"] / 1e3)
        columns["frequency"].append(user["frequency_ghz"] * 1e9)
        columns["extraction"].append(user["extraction"])
        nothing = columns["power"][-1] == 0.0 and columns["extraction"][-1] == 1.0
        require(offload or nothing, f"{path}: a local task sends with power or extraction")
        sound = 0.0 < user["extraction"] <= 1.0 and user["frequency_ghz"] > 0.0
        require(sound and (user["power_mw"] > 0.0 or not offload), f"{path}: no such action")
    actions = Actions(np.array(channel), *(np.array(column) for column in columns.values()))
    return Result(problem, "", "", Status.FEASIBLE, actions=actions)


def result_of(source: dict[str, Any] | str | Path) -> Result:
    """Return the result of one slot that a document or a file holds; see `Result.from_json`."""
    if isinstance(source, dict):
        name, document = "the result", as_read(source)
    elif isinstance(source, str | Path):
        name, document = named(source), read(source)
    else:
        kind = type(source).__name__
        raise ValueError(f"source: a document or a file's path is expected, not {kind}")
    try:
        body = shaped(document)
        if "users" not in body:
            raise ValueError("it is not a result of one slot")
        problem = closed(body["problem"]).problem()
        users = body["users"]
        actions = decided(problem, users, "").actions if users else None
    except (ValueError, FalseClaim) as error:
        raise ValueError(f"{name}: {error}") from None
    reason = body["infeasible"]

    def known(key: str, otherwise: float) -> float:
        return otherwise if body[key] is None else float(body[key])

    return Result(
        *(problem, body["method"], body["backend"]),
        next(status for status in Status if status.word == body["status"]),
        actions,
        objective=known("objective", nan),
        upper_bound=known("upper_bound", inf),
        continuous_bound=known("continuous_bound", inf),
        seconds=known("seconds", nan),
        infeasibility=None if reason is None else Infeasibility.from_json(reason),
        details=body["details"],
    )


def as_read(document: dict[str, Any]) -> Any:
    """Return a document as it would be read from a file; raise ValueError for what JSON has not."""
    try:
        return parse_json(json.dumps(document))
    except (TypeError, RecursionError) as error:
        raise ValueError(f"the result is no document of JSON: {error}") from None


def check_kind(problem: Problem, result: Result, method: str, prefix: str) -> None:
    """Check that a decision is one that the method may take."""
    actions = result.actions
    assert actions is not None
    offload, semantic = actions.offload, actions.semantic
    if method in ("reference", "local"):
        require(not offload.any(), f"{prefix}users: {method} sends nothing")
    if method == "semantic-unaware":
        require(not semantic.any(), f"{prefix}users: {method} sends all that it sends raw")
    if method == "reference":
        same = np.isclose(actions.frequency, home(problem).frequency, rtol=TOLERANCE, atol=0.0)
        require(bool(same.all()), f"{prefix}users: the frequency is not the reference")
    if method not in GRID:
        return
    for n, sends in enumerate(offload):
        power, frequency, extraction = problem.grid_levels(n)
        if sends and not semantic[n]:
            frequency = problem.users.frequency_min[n : n + 1]
        for name, levels, chosen in (
            ("power", power, sends),
            ("frequency", frequency, True),
            ("extraction", extraction, semantic[n]),
        ):
            value = getattr(actions, name)[n]
            on_grid = np.isclose(levels, value, rtol=TOLERANCE, atol=0.0).any()
            require(
                bool(on_grid) or not chosen, f"{prefix}users[{n}]: {name} {value} is off the grid"
            )


def home(problem: Problem) -> Actions:
    """Return the decision of method `reference`."""
    return Actions.local(problem.users.reference_frequency)
