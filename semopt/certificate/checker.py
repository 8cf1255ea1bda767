"""Re-checks certificates without solvers and kernels, in ball arithmetic.

The argument of a certificate (`certificate`) is followed step by step: boxes cover all actions,
each box's bound holds (`balls`), the prices prove the bound of each number of offloaders, and the
decision is feasible and worth what it claims.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import fsum, inf
from typing import TYPE_CHECKING, Any

import numpy as np

from ..limits import unpriced
from ..model import MODES, TOP_SCORE
from ..problem import Problem
from .claims import TOLERANCE, FalseClaim, Progress, real, require, whole
from .exact import FINE, arithmetic
from .format import digest, problem_from_json, problem_to_json, reads_as
from .schema import shaped

if TYPE_CHECKING:
    from flint import arb

    from .balls import Box, OneUser, Toll

VARIABLES = "power", "extraction", "frequency"
COSTS = ("latency", "energy", "loss")
AXES = ("power", "extraction", *COSTS)


class Tally:
    """What was re-checked so far: covers, of so many, and boxes."""

    def __init__(self, total: int, progress: Progress) -> None:
        self.total, self.progress = total, progress
        self.covers = self.boxes = 0

    def cover(self) -> None:
        """Count a cover and report the share that is done."""
        self.covers += 1
        self.progress(self.covers / self.total)

    def __str__(self) -> str:
        return f"{self.covers} covers, {self.boxes} boxes"


def check_certificate(body: dict[str, Any], progress: Progress = lambda share: None) -> str:
    """Re-check a certificate: see `verify.verify`."""
    original, body = body, shaped(body)
    require(body["digest"] == digest(original), "the digest differs: the file was changed")
    with arithmetic().precision():
        return _check_certificate(body, progress)


def _check_certificate(body: dict[str, Any], progress: Progress) -> str:
    problem = problem_from_json(body["problem"])
    name = check_scenario(body, problem)
    require(problem.objective == "sum", f"problem: objective {problem.objective!r} is not covered")
    for limit in unpriced(problem):
        require(False, f"problem: a limit on {limit.name} is not covered")
    objective, upper, status = body["objective"], body["upper_bound"], body["status"]
    if body["decision"] is None:
        require(objective is None, f"objective {objective}: there is no decision")
    else:
        require(objective is not None, "objective: there is none, but a decision")
        check_decision(problem, body["decision"], objective)
    highest, tally = check_sizes(problem, body, progress)
    if upper is None:
        require(highest < 0, f"upper_bound: there is one, {highest}")
        require(status == "infeasible" and objective is None, f"status {status!r}")
        return f"{name}: no joint action is feasible ({tally})"
    require(highest <= upper, f"upper_bound {upper}: sizes prove {highest}")
    require(status != "infeasible", f"status {status!r}: there is an upper bound")
    if objective is None:
        require(status == "limit_reached", "status 'optimal': there is no decision")
        return f"{name}: no joint action is worth more than {upper} ({tally})"
    gap = upper - objective
    require(gap >= -TOLERANCE, f"upper_bound {upper} is below the objective {objective}")
    if status == "optimal":
        allowed = min(body["gap"], TOP_SCORE * len(problem.task))
        require(gap <= allowed, f"status 'optimal': the gap is {gap}, above {allowed}")
    return (
        f"{name}: the decision is worth {objective}, and no joint action is worth more than "
        f"{upper}: gap {max(gap, 0.0):.2e} ({tally})"
    )


def check_sizes(problem: Problem, body: dict[str, Any], progress: Progress) -> tuple[float, Tally]:
    """Check the bound of each number of offloaders; return the largest."""
    sizes = body["sizes"]
    tally = Tally(len(body["local"]) + sum(len(size["covers"]) for size in sizes), progress)
    local = check_local(problem, body["local"], tally, "local")
    most = min(problem.gain.shape)
    require(len(sizes) == most + 1, f"sizes: {len(sizes)} numbers of offloaders, not 0 to {most}")
    for m, size in enumerate(sizes):
        path, claimed = f"sizes[{m}]", size["bound"]
        cells = check_covers(problem, m, size["covers"], tally, path)
        bound = assignment_bound(local, cells, size, m, path)
        require(bound <= claimed, f"{path}.bound {claimed}: the prices prove only {bound}")
    return max(size["bound"] for size in sizes), tally


def check_scenario(body: dict[str, Any], problem: Problem) -> str:
    """Check that the slot that is proven is the one of the scenario, if any; say which it is.

    The scenario's name is not repeated: nothing proves it.
    """
    if body["scenario"] is None:
        return "a slot without a scenario"
    try:
        same = reads_as(body["scenario"], problem_to_json(problem))
    except ValueError as error:
        raise ValueError(f"scenario: {error}") from None
    require(same, "scenario: its slot is not the one of `problem`")
    return "the slot of the file's scenario"


def check_decision(problem: Problem, decision: dict[str, Any], objective: float) -> None:
    """Check that a decision meets every limit (1e-9 relative) and is worth what is claimed."""
    from .balls import PRECISIONS, precision

    users, channels = problem.gain.shape
    for name in ("channel", "power", "frequency", "extraction"):
        require(len(decision[name]) == users, f"decision.{name}: not one entry a user")
    channel = [
        whole(k, -1, channels, f"decision.channel[{n}]") for n, k in enumerate(decision["channel"])
    ]
    used = [k for k in channel if k >= 0]
    require(len(set(used)) == len(used), "decision: a sub-channel is used twice")
    for bits in PRECISIONS:
        with precision(bits):
            worth = worth_of_decision(problem, channel, len(used), decision)
            if worth is not None and worth.rad() < FINE:
                holds = bool(abs(worth - objective) <= TOLERANCE)
                require(
                    holds,
                    f"objective {objective}: the decision is worth {worth.str(12, radius=False)}",
                )
                return
    raise FalseClaim(
        "decision: no precision tells whether it keeps its limits and what it is worth"
    )


def worth_of_decision(
    problem: Problem, channel: list[int], m: int, decision: dict[str, Any]
) -> arb | None:
    """Return the sum of QoE in a ball; None where this precision cannot tell that limits hold."""
    total: arb | None = None
    for n, k in enumerate(channel):
        action = tuple(decision[name][n] for name in VARIABLES)
        worth = worth_of_action(problem, n, k, m, action)
        if worth is None:
            return None
        total = worth if total is None else total + worth
    return total


def worth_of_action(
    problem: Problem, user: int, channel: int, m: int, action: tuple[float, float, float]
) -> arb | None:
    """Return the QoE of power, extraction and frequency in a ball, having checked every limit.

    None where this precision cannot tell whether a limit holds.
    """
    from .balls import in_mode

    user_mode, used = in_mode(problem, user, channel, m, action)
    path, extraction = f"decision: user {user}", action[1]
    exists = user_mode.exists and extraction <= 1.0
    require(exists, f"{path} has no {user_mode.name} mode at {extraction}")
    ranges = *user_mode.root[:2], user_mode.frequency
    for name, value, (low, high) in zip(VARIABLES, used, ranges, strict=True):
        inside = low * (1 - TOLERANCE) <= value <= high * (1 + TOLERANCE)
        require(inside, f"{path} has {name} {value}, not {low} to {high}")
    costs = user_mode.costs(*used)
    for name, cost, score in zip(COSTS, costs, user_mode.scores, strict=True):
        if score.limit is not None:
            allowed = score.limit + abs(score.limit) * TOLERANCE
            require(not cost > allowed, f"{path} breaks its limit on {name}")
            if not cost <= allowed:
                return None
    return user_mode.worth(costs)


def check_local(
    problem: Problem, covers: Any, tally: Tally, path: str, tolls: list[Toll] | None = None
) -> list[float]:
    """Check the covers of the local tasks; return the bound on each user's, -inf if infeasible."""
    users = len(problem.task)
    bounds = [inf] * users
    for place, (user, channel, upper, trees) in enumerate(covers):
        where = f"{path}[{place}]"
        user = whole(user, 0, users, f"{where}: user")
        require(channel == -1, f"{where}: sub-channel {channel} is not -1")
        cell = Cell(problem, user, -1, 0, tolls[user] if tolls else None)
        check_cover(cell, upper, trees, where, tally)
        bounds[user] = min(bounds[user], -inf if upper is None else upper)
    for user, bound in enumerate(bounds):
        require(bound < inf, f"{path}: the task of user {user} is not covered")
    return bounds


def check_covers(
    problem: Problem,
    m: int,
    covers: Any,
    tally: Tally,
    path: str,
    tolls: list[Toll] | None = None,
) -> Any:
    """Check the covers of one number of offloaders; return the bounds on cells (N, K)."""
    users, channels = problem.gain.shape
    if m == 0:
        require(len(covers) == 0, f"{path}: without offloaders there are no cells to cover")
    weights = problem.users.weight_latency + problem.users.weight_energy
    most = TOP_SCORE * (weights + problem.users.weight_accuracy) * (1 + 2.0**-50)
    bounds = np.repeat(most[:, None], channels, axis=1)
    for place, (user, channel, upper, trees) in enumerate(covers):
        where = f"{path}.covers[{place}]"
        user = whole(user, 0, users, f"{where}: user")
        channel = whole(channel, 0, channels, f"{where}: sub-channel")
        cell = Cell(problem, user, channel, m, tolls[user] if tolls else None)
        check_cover(cell, upper, trees, where, tally)
        weaker = problem.gain[user] <= problem.gain[user, channel]
        row = bounds[user]
        row[weaker] = np.minimum(row[weaker], -inf if upper is None else upper)
    return bounds


def assignment_bound(
    local: list[float], cells: Any, size: dict[str, Any], m: int, path: str
) -> float:
    """Return what the prices prove of joint actions with m offloaders, rounded up.

    In doubles, with an allowance of many times the rounding errors of the few sums.
    """
    users, channels = cells.shape
    price = np.array([real(v, f"{path}.channel") for v in size["channel"]])
    offloader = real(size["offloader"], f"{path}.offloader")
    require(price.shape == (channels,), f"{path}.channel: not one price a sub-channel")
    require(bool((price >= 0).all()), f"{path}.channel: a price is negative")
    user = np.array(local)
    unservable = user == -inf
    if m > 0:
        unservable &= (cells == -inf).all(axis=1)
    if unservable.any():
        return -inf  # that user has no feasible action
    if m > 0:
        user = np.maximum(user, (cells - price).max(axis=1, initial=-inf) - offloader)
    terms = [*user.tolist(), *price.tolist(), *[offloader] * m]
    size_of_all = fsum(map(abs, terms)) + users * (float(price.max(initial=0.0)) + abs(offloader))
    return float(fsum(terms) + 2.0**-48 * size_of_all)


class Cell:
    """What a user can do on a sub-channel beside m offloaders (0: at home), in every precision."""

    def __init__(
        self, problem: Problem, user: int, channel: int, m: int, toll: Toll | None = None
    ) -> None:
        gain = problem.gain[user, channel] if m else 1.0
        self._arguments = problem, user, gain, m, toll
        self._modes: dict[tuple[int, str], OneUser] = {}
        candidates = [self.mode(name) for name in (MODES[1:] if m else MODES[:1])]
        self.modes = [mode for mode in candidates if mode.exists]

    def mode(self, name: str) -> OneUser:
        """Return a mode in the present precision."""
        from flint import ctx

        from .balls import OneUser

        if (ctx.prec, name) not in self._modes:
            problem, user, gain, m, toll = self._arguments
            self._modes[ctx.prec, name] = OneUser(problem, user, name, gain, m, toll)
        return self._modes[ctx.prec, name]


def check_cover(
    cell: Cell, upper: float | None, trees: dict[str, Any], path: str, tally: Tally
) -> None:
    """Check that no action of a cell is worth more than `upper`."""
    names = [mode.name for mode in cell.modes]
    tally.cover()
    require(
        set(trees) == set(names), f"{path}: trees of {', '.join(trees)}, not of {', '.join(names)}"
    )
    for mode in cell.modes:
        for place, box, leaf in leaves(trees[mode.name], mode, f"{path}, {mode.name}"):
            tally.boxes += 1
            check_leaf(cell, mode.name, box, leaf, upper, f"{path}, {mode.name}[{place}]")


def check_leaf(
    cell: Cell, mode: str, box: Box, leaf: list[Any], upper: float | None, path: str
) -> None:
    """Check that a box holds nothing feasible, or nothing that is worth more than `upper`.

    Precision is raised before a proof is refused: it may be right, and the ball too wide to say so.
    """
    from .balls import PRECISIONS, precision

    numbers = leaf_numbers(leaf, path) if leaf else None
    proven = "nothing"
    for bits in PRECISIONS:
        with precision(bits):
            user_mode = cell.mode(mode)
            ranges = user_mode.ranges(box)
            if ranges is None:
                return
            if numbers is None:
                continue
            bound = user_mode.bound(box, ranges, numbers)
            if bound < user_mode.least(ranges) or (upper is not None and bound <= upper):
                return
            proven = str(float(bound.upper()))
    require(numbers is not None, f"{path}: 0 numbers, not 7, and the box is not empty")
    raise FalseClaim(f"{path}: the box is proven to {proven}, not to {upper}")


def leaf_numbers(leaf: Any, path: str) -> list[float]:
    """Return the seven numbers of a leaf: prices, slopes of the plane, and where it touches."""
    require(len(leaf) == 7, f"{path}: {len(leaf)} numbers, not 7")
    numbers = [real(x, path) for x in leaf]
    require(min(numbers[:3]) >= 0, f"{path}: a price is negative")
    require(min(numbers[5:]) > 0, f"{path}: the plane touches at {numbers[5:]}")
    return numbers


def leaves(tree: Any, mode: OneUser, path: str) -> Iterator[tuple[int, Box, Any]]:
    """Give the boxes of a tree in preorder, each with its place and the entry of its leaf."""
    open_boxes = [mode.root]
    for place, entry in enumerate(tree):
        require(bool(open_boxes), f"{path}: entries are left over")
        box = open_boxes.pop()
        if len(entry) != 2:
            yield place, box, entry
            continue
        split_path = f"{path}[{place}]"
        require(entry[0] in AXES, f"{split_path}: axis {entry[0]!r} is unknown")
        axis, value = AXES.index(entry[0]), real(entry[1], f"{split_path}: split")
        low, high = box[axis]
        require(low < value < high, f"{split_path}: {value} does not split {low} to {high}")
        open_boxes.append((*box[:axis], (value, high), *box[axis + 1 :]))
        open_boxes.append((*box[:axis], (low, value), *box[axis + 1 :]))
    require(not open_boxes, f"{path}: {len(open_boxes)} boxes have no proof")
