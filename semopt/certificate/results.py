"""Re-checks result files with `model.py`: decisions, and every figure that follows from them."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from math import inf
from statistics import fmean
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..figures import LIMITS, SHARED_LIMITS
from ..limits import coupled, is_set
from ..model import TOP_SCORE
from ..problem import Problem, Readings
from ..result import GAP, Result, Status, exact_integer
from . import grid, search
from .claims import TOLERANCE, FalseClaim, Progress, require, whole
from .decisions import GRID, check_kind, decided, home
from .format import closed
from .grid import MOST_SCORED, Optimum, Table, tabulated
from .schema import shaped

if TYPE_CHECKING:
    from ..scenario import Scenario

UNPROVEN = "is not proven here: only a certificate of method global proves it"
CONTINUOUS = ("global", "relaxation")
# What a method may say: with a decision, and without one.
SEARCHED = ("optimal", "limit_reached"), ("infeasible", "limit_reached")
STATUSES = dict.fromkeys((*GRID, "global"), SEARCHED) | {
    "relaxation": ((), ("bound_only", "infeasible", "limit_reached"))
}
OTHERS = ("feasible",), ("infeasible",)
SHAPES = 0.1  # of the time that a result of many slots takes: that of looking at its shape


def check_result(body: Any, progress: Progress = lambda share: None) -> str:
    """Re-check a result file, of one slot, of many, or of many methods: see `verify.verify`.

    Raises
    ------
    FalseClaim, ValueError
        The first claim that does not hold; a document of another shape, or whose problem is none
    """
    body = shaped(body, lambda share: progress(SHAPES * share))
    if "methods" in body:
        return check_ladder(body)
    return check_slots(body, progress) if "slots" in body else check_one(body)


def check_one(body: dict[str, Any], prefix: str = "") -> str:
    """Re-check a result file of one slot."""
    try:
        problem = closed(body["problem"]).problem()
    except ValueError as error:
        raise ValueError(f"{prefix}problem: {error}") from None
    check_readings(body, prefix)
    method = body["method"]
    return str(check_answer(problem, body, method, affordable([problem], method), prefix))


def affordable(problems: list[Problem], method: str) -> int:
    """Return what is computed again: 0 nothing, 1 the grid's optimum, 2 a search off the grid."""
    if sum(map(grid.effort, problems)) > MOST_SCORED:
        return 0
    return 1 + (method in CONTINUOUS and sum(map(search.effort, problems)) <= search.MOST_SEARCHED)


def check_ladder(body: dict[str, Any]) -> str:
    """Re-check the answers of many methods to one slot, each alone and each beside the others."""
    answers, words = body["methods"], []
    first: tuple[str, Any] | None = None
    for name, entry in answers.items():
        prefix = f"methods.{name}."
        require(entry["method"] == name, f"{prefix}method {entry['method']!r}: it is {name!r}")
        require(name not in body["refused"], f"{prefix[:-1]}: it has an answer and is refused")
        first = first or (name, entry["problem"])
        require(entry["problem"] == first[1], f"{prefix}problem: it is not that of {first[0]}")
        words.append(f"{name}: {check_one(entry, prefix)}")
    for name, entry in answers.items():
        if entry["users"]:
            for other in answers:
                beside(name, entry["objective"], other, answers[other])
    return "; ".join(words)


def beside(name: str, value: float, other: str, entry: dict[str, Any]) -> None:
    """Check that a decision of one method does not refute what another says of the same slot."""
    covered = other in CONTINUOUS or (other in ("exhaustive", "exact") and name in GRID)
    if not covered or (other in CONTINUOUS and name == "reference"):
        return  # the reference frequency may lie outside the range
    prefix = f"methods.{other}."
    require(entry["status"] != "infeasible", f"{prefix}status: there is the decision of {name}")
    bound = entry["upper_bound"]
    if bound is not None:
        require(value <= bound + TOLERANCE, f"{prefix}upper_bound {bound}: {name} reaches {value}")


def check_slots(body: dict[str, Any], progress: Progress) -> str:
    """Re-check the decisions of many slots, their means, and that the seed draws them."""
    check_readings(body, "")
    entries, method = body["slots"], body["method"]
    require("slot" not in body["problem"], "problem.slot: each of `slots` has its own")
    try:
        scenario = closed(body["problem"] | {"slot": entries[0]["slot"]})
        first = scenario.problem()
        problems = [first.with_slot(e["slot"]["gain"], e["slot"]["tasks"]) for e in entries]
    except ValueError as error:
        raise ValueError(f"problem, slots: {error}") from None
    drawn = check_seed(body, scenario, problems)
    depth = affordable(problems, method)
    beyond: Counter[str] = Counter()
    for place, (problem, entry) in enumerate(zip(problems, entries, strict=True)):
        entry["details"] = body["details"]
        beyond[check_answer(problem, entry, method, depth, f"slots[{place}].").beyond] += 1
        progress(SHAPES + (1.0 - SHAPES) * (place + 1) / len(entries))
    check_means(body["mean"], entries)
    decided = sum(1 for entry in entries if entry["users"])
    statements = [f"{count} of them: {words}" for words, count in beyond.items()]
    return (
        f"{decided} of {len(entries)} slots have a decision: all are feasible and worth "
        f"what they claim; {'; '.join(statements)}; {drawn}"
    )


def check_seed(body: dict[str, Any], scenario: Scenario, problems: list[Problem]) -> str:
    """Draw the slots again and compare; return what was found."""
    seed, law = body["seed"], body["problem"].get("channel")
    if seed is None:
        return "the slots are the file's own, no seed is claimed"
    require(law is not None, f"seed {seed}: the scenario has no [channel] to draw slots from")
    if "file" in law:
        return "that the slots are those of the trace is not re-checked: its file is not opened"
    gain, task = scenario.draw(len(problems), seed)
    # Another machine may round a sine otherwise, and a gain may be a small difference of waves.
    same = np.isclose([p.gain for p in problems], gain, rtol=TOLERANCE, atol=1e-12 * gain.max())
    for place, problem in enumerate(problems):
        drawn = same[place].all() and (problem.task == task[place]).all()
        require(bool(drawn), f"slots[{place}].slot: it is not slot {place} that seed {seed} draws")
    return f"they are those that seed {seed} draws"


def check_means(mean: dict[str, Any], entries: list[dict[str, Any]]) -> None:
    """Check the means over users and decided slots, and the shares of the other slots."""
    users = [user for entry in entries for user in entry["users"]]
    shares = [entry["status"] for entry in entries if not entry["users"]]
    lacking = shares.count("infeasible")
    means: dict[str, float | None] = {
        name: fmean(user[name] for user in users) if users else None
        for name in ("qoe", "latency_ms", "energy_mj", "accuracy")
    }
    means |= {
        "offload_share": fmean(user["offload"] for user in users) if users else None,
        "infeasible_share": lacking / len(entries),
        "undecided_share": (len(shares) - lacking) / len(entries),
    }
    for name, value in means.items():
        same = near(mean[name], value, least=0.0 if name in ("latency_ms", "energy_mj") else 1.0)
        require(same, f"mean.{name} {mean[name]}: it is {value}")


def check_readings(body: dict[str, Any], prefix: str) -> None:
    """Check that the equations were read as they are here."""
    for name, sentence in asdict(Readings()).items():
        reading = body["readings"].get(name)
        require(
            reading == sentence, f"{prefix}readings.{name}: {reading!r:.60} is not {sentence!r}"
        )
    extra = set(body["readings"]) - set(asdict(Readings()))
    require(not extra, f"{prefix}readings: unknown are {sorted(extra)!r:.60}")


class Verdict(NamedTuple):
    """What was found about a slot's answer: what its decision is worth, and what is beyond it."""

    worth: float | None
    beyond: str

    def __str__(self) -> str:
        if self.worth is None:
            return f"there is no decision; {self.beyond}"
        return f"the decision is feasible and worth {self.worth}; {self.beyond}"


def check_answer(
    problem: Problem, entry: dict[str, Any], method: str, depth: int, prefix: str
) -> Verdict:
    """Re-check what a method says of one slot.

    Parameters
    ----------
    depth : what is computed again, as `affordable` has it
    prefix : the place of the answer in the file
    """
    counted = exact_integer(problem.joint_actions())
    require(
        type(entry["joint_actions"]) is type(counted) and entry["joint_actions"] == counted,
        f"{prefix}joint_actions {entry['joint_actions']!r:.60}: they are {counted!s:.60}",
    )
    status, decision = entry["status"], bool(entry["users"])
    allowed = STATUSES.get(method, OTHERS)[0 if decision else 1]
    presence = "a decision" if decision else "no decision"
    require(status in allowed, f"{prefix}status {status!r}: there is {presence} of {method}")
    require(
        (status == "infeasible") == (entry["infeasible"] is not None),
        f"{prefix}infeasible: a reason belongs to the status infeasible, and to no other",
    )
    value = check_decision(problem, entry, method, prefix) if decision else None
    check_bounds(entry, method, value, prefix)
    table = optimum = None
    if depth and not coupled(problem) and method in GRID + CONTINUOUS:
        table = tabulated(problem, method)
        if depth > 1:
            table = table.or_better(search.searched(problem))
        optimum = table.optimum(problem.objective)
        check_beside(entry, optimum, prefix)
    if value is None:
        value = entry["objective"]
        require(value is None, f"{prefix}objective {value}: there is no decision")
        if status == "infeasible":
            check_reason(problem, entry["infeasible"], table, prefix)
        return Verdict(None, check_undecided(problem, entry, method, optimum, prefix))
    beyond = f"that no other is worth more {UNPROVEN}"
    if status == "feasible":
        beyond = "of others nothing is claimed"
    elif status == "limit_reached":
        beyond = f"its bound on others {UNPROVEN}"
    elif method in GRID and optimum and optimum.possible <= value + TOLERANCE:
        beyond = "no other of the method's grid is worth more: all were scored again"
    return Verdict(value, beyond)


def check_undecided(
    problem: Problem, entry: dict[str, Any], method: str, optimum: Optimum | None, prefix: str
) -> str:
    """Re-check an answer without a decision; say what was found."""
    if entry["status"] != "infeasible":
        return f"its bound {UNPROVEN}"
    if method == "reference":
        decision = Result(problem, method, "", Status.FEASIBLE, actions=home(problem))
        require(bool(decision.broken()), f"{prefix}status: the reference keeps every limit")
        return "the reference frequency breaks a limit"
    if method in GRID and optimum is not None and optimum.possible == -inf:
        return "none of the method's grid is feasible: all were scored again"
    return f"that nothing is feasible {UNPROVEN}"


def check_reason(problem: Problem, reason: Any, table: Table | None, prefix: str) -> None:
    """Check who is to blame, on the grid where there is a table, and by limits that there are."""
    users, alone = len(problem.task), not isinstance(reason, dict)
    listed = [entry["user"] for entry in reason] if alone else reason["joint"]
    for place, user in enumerate(listed):
        whole(user, 0, users, f"{prefix}infeasible[{place}]: user")
    distinct = (
        len(set(listed)) == len(listed) >= alone
    )  # of a set nobody is named where time was up
    require(distinct, f"{prefix}infeasible: users {listed} are not a set")
    for entry in reason if alone else ():
        limits, user = entry["limits"], entry["user"]
        union = {limit for broken in entry["modes"].values() for limit in broken}
        require(set(limits) == union, f"{prefix}infeasible: limits {limits}, modes have {union}")
        restricted = problem.only(user)
        for limit in LIMITS:
            has_limit = limit.name not in limits or is_set(restricted, limit)
            require(has_limit, f"{prefix}infeasible: user {user} has no limit on {limit.name}")
    if not alone and reason["limit"]:
        limited = any(is_set(problem, x) for x in SHARED_LIMITS if x.bound == reason["limit"])
        require(limited, f"{prefix}infeasible: there is no {reason['limit']}")
    for blamed in [[user] for user in listed] if alone else [listed] if listed else []:
        free = table is not None and table.only(blamed).optimum("sum").certain > -inf
        require(not free, f"{prefix}infeasible: users {blamed} can be served, the others aside")


def check_decision(problem: Problem, entry: dict[str, Any], method: str, prefix: str) -> float:
    """Check that a decision is the method's, keeps every limit and gives what the file says."""
    result = decided(problem, entry["users"], prefix)
    for sentence in result.violations():
        if method == "reference" and "frequency" in sentence:
            continue  # it may lie outside the range
        raise FalseClaim(f"{prefix}users: {sentence}")
    check_kind(problem, result, method, prefix)
    raw = [user["offload"] and user["extraction"] == 1.0 for user in entry["users"]]
    lowest = problem.users.frequency_min * 1e-9
    for n, (recomputed, claim) in enumerate(zip(result.users_json(), entry["users"], strict=True)):
        path, clock = f"{prefix}users[{n}]", claim["frequency_ghz"]
        require(claim["feasible"], f"{path}.feasible: it is")
        idle = not raw[n] or method not in (*GRID, *CONTINUOUS) or near(clock, lowest[n])
        require(idle, f"{path}.frequency_ghz {clock}: a raw task's is the lowest, {lowest[n]}")
        for name in ("latency_ms", "energy_mj", "accuracy", "qoe"):
            claimed = claim[name]
            same = near(claimed, recomputed[name], least=0.0 if "_" in name else 1.0)
            require(same, f"{path}.{name} {claimed}: it is {recomputed[name]}")
    value = result.recompute()
    require(
        near(entry["objective"], value),
        f"{prefix}objective {entry['objective']}: the decision is worth {value}",
    )
    return value


def check_bounds(entry: dict[str, Any], method: str, value: float | None, prefix: str) -> None:
    """Check bounds against the decision's worth, and against what the status says of them."""
    bound, status = entry["upper_bound"], entry["status"]
    for name in ("upper_bound", "continuous_bound"):
        claimed = entry.get(name)
        below = claimed is None or value is None or claimed >= value - TOLERANCE
        require(below, f"{prefix}{name} {claimed}: the decision is worth {value}")
    beyond = entry.get("continuous_bound")
    same = beyond == bound if method in CONTINUOUS else beyond is None
    require("slot" in entry or same, f"{prefix}continuous_bound {beyond}: upper_bound is {bound}")
    if status in ("feasible", "infeasible"):
        require(bound is None, f"{prefix}upper_bound {bound}: the status is {status}")
    elif status != "limit_reached":
        require(bound is not None, f"{prefix}upper_bound: the status {status} has one")
    gap = None if bound is None or value is None else bound - value
    require(near(entry["gap"], gap), f"{prefix}gap {entry['gap']}: it is {gap}")
    if status == "optimal":
        allowed = entry["details"].get("gap", GAP) if method == "global" else 0.0
        require(type(allowed) in (int, float), f"{prefix}details.gap {allowed!r:.60}: is no number")
        allowed = min(allowed + TOLERANCE, TOP_SCORE * len(entry["users"]))
        close = gap is not None and gap <= allowed
        require(close, f"{prefix}status 'optimal': the gap is {gap}, above {allowed}")


def check_beside(entry: dict[str, Any], optimum: Optimum, prefix: str) -> None:
    """Check that no decision that was found refutes a bound, or that nothing is feasible."""
    best = optimum.certain
    if entry["status"] == "infeasible":
        statement = f"a decision keeps every limit and is worth {best}"
        require(best == -inf, f"{prefix}status: {statement}")
    for name in ("upper_bound", "continuous_bound"):
        bound = entry.get(name)
        below = bound is None or bound >= best - TOLERANCE
        require(below, f"{prefix}{name} {bound}: a decision is worth {best}")


def near(claimed: float | None, value: float | None, least: float = 1.0) -> bool:
    """Tell whether a reported figure is the recomputed one, within 1e-9 of it or of `least`."""
    if claimed is None or value is None:
        return claimed is value
    return abs(claimed - value) <= TOLERANCE * max(least, abs(value))
