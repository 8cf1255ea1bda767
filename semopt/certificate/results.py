"""Re-checks result files with `model.py`: decisions, and every figure that follows from them."""

from __future__ import annotations

from dataclasses import asdict
from decimal import Decimal
from statistics import fmean
from typing import Any

import numpy as np

from ..model import Actions
from ..problem import Problem
from ..result import Result, Status
from .claims import TOLERANCE, FalseClaim, real, require, whole

DECIDED = ("optimal", "feasible", "limit_reached")  # statuses of an answer with a decision
UNDECIDED = ("infeasible", "bound_only", "limit_reached")
ONLY = "only a certificate proves"


def check_result(body: dict[str, Any]) -> str:
    """Re-check a result file, of one slot, of many, or of many methods: see `verify.check`."""
    schema = body["schema"]
    require(type(schema) is int and schema == 1, f"schema {schema!r} is not 1")
    try:
        if "methods" in body:
            words = {name: check_slot(entry) for name, entry in body["methods"].items()}
            return "; ".join(f"{name}: {found}" for name, found in words.items())
        return check_slots(body) if "slots" in body else check_slot(body)
    except (LookupError, TypeError, AttributeError, ArithmeticError) as error:
        raise FalseClaim(f"the file is malformed: {error!r}") from None


def check_slots(body: dict[str, Any]) -> str:
    """Re-check the decisions of many slots, and their means."""
    entries = body["slots"]
    require(len(entries) > 0, "slots: there is none")
    for place, entry in enumerate(entries):
        scenario = body["problem"] | {"slot": entry["slot"]}
        check_slot(entry | {"problem": scenario}, f"slots[{place}].")
    decided = [entry["users"] for entry in entries if entry["users"]]
    shares = [entry["status"] for entry in entries if not entry["users"]]
    lacking = shares.count("infeasible")
    means = {
        "infeasible_share": lacking / len(entries),
        "undecided_share": (len(shares) - lacking) / len(entries),
    }
    if decided:
        users = [user for slot in decided for user in slot]
        for name in ("qoe", "latency_ms", "energy_mj", "accuracy"):
            means[name] = fmean(user[name] for user in users)
        means["offload_share"] = fmean(user["offload"] for user in users)
    for name, value in means.items():
        claimed = real(body["mean"][name], f"mean.{name}")
        require(near(claimed, value), f"mean.{name} {claimed}: it is {value}")
    return (
        f"{len(decided)} of {len(entries)} slots have a decision: all are feasible and worth "
        f"what they claim; that no others are worth more, {ONLY}"
    )


def check_slot(entry: dict[str, Any], where: str = "") -> str:
    """Re-check the decision of one slot; `where` is its place in the file."""
    from ..scenario import Scenario

    try:
        problem = Scenario.from_dict(entry["problem"]).problem()
    except ValueError as error:
        raise FalseClaim(f"{where}problem: {error}") from None
    counted = str(entry.get("joint_actions", problem.joint_actions()))
    require(counted == f"{Decimal(problem.joint_actions()):f}", f"{where}joint_actions {counted}")
    readings = entry.get("readings", asdict(problem.readings))
    require(readings == asdict(problem.readings), f"{where}readings: they are others")
    status, claimed = entry["status"], entry["objective"]
    if not entry["users"]:
        require(claimed is None, f"{where}objective: there is no decision")
        require(status in UNDECIDED, f"{where}status {status!r}: there is no decision")
        return f"nothing to prove, there is no decision; what cannot be done, {ONLY}"
    require(status in DECIDED, f"{where}status {status!r}: there is a decision")
    result = decided(problem, entry["users"], where)
    for sentence in result.violations():
        raise FalseClaim(f"{where}users: {sentence}")
    for n, (found, given) in enumerate(zip(result.users_json(), entry["users"], strict=True)):
        require(given["feasible"] is True, f"{where}users[{n}].feasible: it is")
        for name in ("latency_ms", "energy_mj", "accuracy", "qoe"):
            what = f"{where}users[{n}].{name}"
            require(near(real(given[name], what), found[name]), f"{what}: it is {found[name]}")
    value = result.recompute()
    objective = real(claimed, f"{where}objective")
    require(near(objective, value), f"{where}objective {claimed}: the decision is worth {value}")
    for name in ("upper_bound", "continuous_bound"):
        if entry.get(name) is not None:
            bound = real(entry[name], f"{where}{name}")
            require(bound >= value - TOLERANCE, f"{where}{name} {bound} is below {value}")
    if entry.get("gap") is not None:
        gap = real(entry["gap"], f"{where}gap")
        bound = real(entry["upper_bound"], f"{where}upper_bound")
        require(near(gap, bound - value), f"{where}gap {gap}: it is {bound - value}")
    return f"the decision is feasible and worth {value}; that no other is worth more, {ONLY}"


def near(claimed: float, value: float) -> bool:
    """Tell whether a reported figure is the recomputed one."""
    return abs(claimed - value) <= TOLERANCE * max(1.0, abs(value))


def decided(problem: Problem, users: list[dict[str, Any]], where: str) -> Result:
    """Return the decision that a result file reports, as a result to recompute."""
    count, channels = problem.gain.shape
    require(len(users) == count, f"{where}users: {len(users)} entries for {count} users")
    columns: dict[str, list[float]] = {name: [] for name in ("power", "frequency", "extraction")}
    channel = []
    for n, user in enumerate(users):
        what = f"{where}users[{n}]"
        name = problem.tasks.names[problem.task[n]]
        require(user["task"] == name, f"{what}.task {user['task']!r}: it is {name!r}")
        offload = user["offload"] is True
        require(offload == (user["channel"] is not None), f"{what}: offload and channel disagree")
        channel.append(whole(user["channel"], 0, channels, f"{what}.channel") if offload else -1)
        columns["power"].append(real(user["power_mw"], f"{what}.power_mw") / 1e3)
        columns["frequency"].append(real(user["frequency_ghz"], f"{what}.frequency_ghz") * 1e9)
        columns["extraction"].append(real(user["extraction"], f"{what}.extraction"))
        nothing = columns["power"][-1] == 0.0 and columns["extraction"][-1] == 1.0
        require(offload or nothing, f"{what}: a local task sends with power or extraction")
    actions = Actions(np.array(channel), *(np.array(column) for column in columns.values()))
    return Result(problem, "", "", Status.FEASIBLE, actions=actions)
