"""Re-checks result files of queues: decisions, batteries, and the bound that their prices prove.

A queue's bound rests on its prices and on a search. The prices are re-checked: D(y), the sum of
what each slot is worth with tolls y on energy plus y times the batteries, scored again by
`model.py`. What the search adds, where the bound lies below D(y), is not: its cases and their
prices stand in a certificate (`queue_format`). But no bound lies below what a queue of local tasks
is worth.
"""

from __future__ import annotations

from dataclasses import fields
from math import inf
from typing import Any

import numpy as np

from ..battery import step
from ..model import SLACK, TOLERANCE, Actions, evaluate, violations
from ..problem import Floats, Integers, Problem
from ..queue import SKIP, QueueResult, rounded_up, within_batteries
from ..result import Status
from .claims import FalseClaim, Progress, require
from .decisions import check_kind, decided
from .format import closed
from .grid import MOST_SCORED, effort, tabulated
from .results import check_readings, near
from .schema import shaped

UNPROVEN = "is not proven here: it rests on the search, which a certificate proves"


def check_queue(body: Any, progress: Progress) -> str:
    """Re-check the decisions of a queue, its batteries and its bound: see `verify.verify`."""
    body = shaped(body)
    try:
        scenario = closed(body["problem"])
        if not (scenario.queue and scenario.queue.slots):
            raise ValueError("queue.slots is missing: what is decided is not known")
        gain, task = scenario.draw_queue()
        problem, pays = scenario.template(), scenario.queue.battery_pays
    except ValueError as error:
        raise ValueError(f"problem: {error}") from None
    readings = dict(body["readings"])
    reading = readings.pop("battery_pays", None)
    require(reading == pays, f"readings.battery_pays {reading!r:.60}: the scenario has {pays!r}")
    check_readings(body | {"readings": readings}, "")
    require(len(body["slots"]) == len(gain), f"slots: {len(body['slots'])} for {len(gain)} pinned")
    slots = [problem.with_slot(*slot) for slot in zip(gain, task, strict=True)]
    result = check_decisions(body, slots, gain, task)
    check_batteries(body, result)
    value, bound = result.recompute(), body["upper_bound"]
    require(near(body["objective"], value), f"objective {body['objective']}: it is {value}")
    require(bound >= value - TOLERANCE, f"upper_bound {bound}: the decisions are worth {value}")
    require(near(body["gap"], bound - value), f"gap {body['gap']}: it is {bound - value}")
    if body["status"] == "optimal":
        allowed = body["details"].get("gap")
        require(type(allowed) in (int, float), f"details.gap {allowed!r:.60}: is no number")
        most = min(allowed + TOLERANCE, task.size)
        require(bound - value <= most, f"status 'optimal': the gap is {bound - value}")
    local = worth_at_home(problem, gain, task, pays)
    require(bound >= local - TOLERANCE, f"upper_bound {bound}: local tasks alone are worth {local}")
    words = (
        f"the decisions of {len(gain)} slots keep all limits and batteries and are worth {value}"
    )
    return f"{words}; {check_bound(body, slots, pays, progress)}"


def worth_at_home(problem: Problem, gain: Floats, task: Integers, pays: str) -> float:
    """Return what the queue is worth where tasks are executed locally, at one of the grid's clocks.

    A task is skipped where it breaks a limit, or where its user cannot pay for it any more.
    """
    clocks = np.stack([problem.grid_levels(n)[1] for n in range(task.shape[1])], axis=-1)
    left = np.broadcast_to(problem.users.battery / SLACK**2, clocks.shape)  # surely within it
    actions, value = Actions.local(clocks), np.zeros(len(clocks))
    for now in zip(gain, task, strict=True):
        strong, kind = (np.broadcast_to(part, (len(clocks), *part.shape)) for part in now)
        broken = violations(problem, evaluate(problem, actions, strong, kind), kind) > 0
        played = step(problem, actions, broken, left, strong, kind, pays)
        value, left = value + played.outcome.qoe.sum(axis=-1), played.left
    return float(value.max())


def check_decisions(
    body: dict[str, Any], slots: list[Problem], gain: Floats, task: Integers
) -> QueueResult:
    """Check each slot's decision and figures; return them as a result to recompute."""
    single, method = [], body["method"]
    skipped = np.array([[user["skip"] for user in entry["users"]] for entry in body["slots"]])
    for t, (slot, entry) in enumerate(zip(slots, body["slots"], strict=True)):
        users, clocks = [], slot.users.frequency_max / 1e9
        for n, user in enumerate(entry["users"]):
            path = f"slots[{t}].users[{n}]"
            other = [name for name, figure in SKIP.items() if user[name] != figure]
            require(not (user["skip"] and other), f"{path}: a skipped task has {other}")
            if not user["skip"] and None in (user["latency_ms"], user["accuracy"]):
                raise FalseClaim(f"{path}: latency or accuracy is missing")
            missing = user["frequency_ghz"] is None
            require(missing == user["skip"], f"{path}.frequency_ghz: a skipped task has none")
            users.append(user | {"frequency_ghz": clocks[n]} if missing else user)
        decision = decided(slot, users, f"slots[{t}].")
        check_kind(slot, decision, method, f"slots[{t}].")
        single.append(decision.actions)
    result = QueueResult(
        *(slots[0], gain, task, method, Status.FEASIBLE),
        actions=Actions(
            *(np.stack([getattr(one, field.name) for one in single]) for field in fields(Actions))
        ),
        skipped=skipped,
        objective=body["objective"],
        upper_bound=body["upper_bound"],
        price=np.array(body["prices_per_mj"]) * 1e3,
        battery_pays=body["readings"]["battery_pays"],
    )
    for sentence in result.violations():
        raise FalseClaim(sentence)
    for t, (entry, again) in enumerate(zip(body["slots"], result.slots_json(), strict=True)):
        for n, (user, figures) in enumerate(zip(entry["users"], again, strict=True)):
            for name in ("latency_ms", "energy_mj", "accuracy", "qoe"):
                same = near(user[name], figures[name], least=0.0 if "_" in name else 1.0)
                where = f"slots[{t}].users[{n}].{name}"
                require(same, f"{where} {user[name]}: it is {figures[name]}")
            require(user["feasible"], f"slots[{t}].users[{n}].feasible: it is")
    return result


def check_batteries(body: dict[str, Any], result: QueueResult) -> None:
    """Check what is left of each battery."""
    batteries = result.problem.users.battery
    for name in ("energy_left_mj", "prices_per_mj"):
        require(len(body[name]) == len(batteries), f"{name}: an entry a user is expected")
    for n, left in enumerate(result.energy_left()[-1]):
        claimed, full = body["energy_left_mj"][n], float(batteries[n]) * 1e3
        same = claimed is None if full == inf else near(claimed, float(left) * 1e3, least=full)
        require(same, f"energy_left_mj[{n}] {claimed}: it is {left * 1e3}")


def check_bound(body: dict[str, Any], slots: list[Problem], pays: str, progress: Progress) -> str:
    """Return what the prices prove of all other decisions."""
    price, bound = np.array(body["prices_per_mj"]) * 1e3, body["upper_bound"]
    batteries = slots[0].users.battery
    free = bool((price[batteries == inf] == 0.0).all())
    require(free, "prices_per_mj: a user without a battery has a price")
    if body["method"] != "exact" or pays != "task" or sum(map(effort, slots)) > MOST_SCORED:
        return f"its bound on others {UNPROVEN}"
    limited = batteries < inf
    total = float(price[limited] @ batteries[limited])
    for t, slot in enumerate(slots):
        total += tabulated(within_batteries(slot, pays), toll=price).optimum("sum").possible
        progress((t + 1) / len(slots))
    total = rounded_up(total, len(slots) * len(price))
    claim = f"no policy within the batteries is worth more than {total:.9g} on the grid"
    words = f"{claim}: all was scored at its prices"
    if total <= bound + TOLERANCE * len(slots):
        return words
    return f"{words}; that none is worth more than {bound:.9g} {UNPROVEN}"
