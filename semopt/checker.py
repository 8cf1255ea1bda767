"""Re-checks certificates and results without solvers and kernels: ball arithmetic or `model.py`.

The argument of a certificate (`certificate`) is followed step by step: boxes cover all actions,
each box's bound holds (`balls`), the prices prove the bound of each number of offloaders, and the
decision is feasible and worth what it claims.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import fsum, inf, isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .certificate import FORMAT, VERSION, digest, problem_from_json, read
from .problem import Problem

if TYPE_CHECKING:
    from .balls import Box, OneUser

TOLERANCE = 1e-9  # by which a reported figure may differ from the recomputed one
COSTS = ("latency", "energy", "loss")
AXES = ("power", "extraction", *COSTS)
MODES = ("local", "raw", "semantic")


class FalseClaim(Exception):  # noqa: N818 - it is a finding, not a fault of the program
    """The first claim of a file that does not hold."""


def check(source: str | Path) -> str:
    """Re-check a certificate or a result file.

    Returns
    -------
    What was proven, in words

    Raises
    ------
    FalseClaim
        The first claim that does not hold
    ValueError
        For a file that is neither, or where python-flint is missing
    """
    body = read(source)
    if isinstance(body, dict) and body.get("format") == FORMAT:
        return check_certificate(body)
    if isinstance(body, dict) and "schema" in body:
        return check_result(body)
    raise ValueError(f"{source} is neither a certificate nor a result of semopt")


def require(holds: bool, claim: str) -> None:
    """Raise `FalseClaim` unless a claim holds."""
    if not holds:
        raise FalseClaim(claim)


def check_certificate(body: dict[str, Any]) -> str:
    """Re-check a certificate: see `check`."""
    require(body.get("version") == VERSION, f"version {body.get('version')!r} is not {VERSION}")
    require(body.get("digest") == digest(body), "the digest differs: the file was changed")
    try:
        from .balls import precision
    except ImportError:
        raise ValueError(
            "verifying a certificate needs python-flint: pip install 'semopt[verify]'"
        ) from None
    with precision():
        try:
            return _check_certificate(body)
        except (LookupError, TypeError, AttributeError, ArithmeticError) as error:
            raise FalseClaim(f"the file is malformed: {error!r}") from None


def _check_certificate(body: dict[str, Any]) -> str:
    try:
        problem = problem_from_json(body["problem"])
    except ValueError as error:
        raise FalseClaim(f"problem: {error}") from None
    objective, upper = body["objective"], body["upper_bound"]
    if body["decision"] is None:
        require(objective is None, f"objective {objective}: there is no decision")
    else:
        check_decision(problem, body["decision"], objective)
    counts = [0, 0]
    local = check_local(problem, body["local"], counts)
    users, channels = problem.gain.shape
    sizes = body["sizes"]
    require(
        len(sizes) == min(users, channels) + 1,
        f"sizes: {len(sizes)} numbers of offloaders, not 0 to {min(users, channels)}",
    )
    bounds = []
    for m, size in enumerate(sizes):
        values = check_covers(problem, m, size["covers"], counts)
        bound = assignment_bound(local, values, size, m)
        claimed = real(size["bound"], f"sizes[{m}].bound")
        require(bound <= claimed, f"sizes[{m}].bound {claimed}: the prices prove only {bound}")
        bounds.append(claimed)
    found = f"{counts[0]} covers, {counts[1]} boxes"
    highest = max(bounds)
    status = body["status"]
    if upper is None:
        require(highest < 0, f"upper_bound: there is one, {highest}")
        require(status == "infeasible" and objective is None, f"status {status!r}")
        return f"no joint action is feasible ({found})"
    require(highest <= real(upper, "upper_bound"), f"upper_bound {upper}: sizes prove {highest}")
    require(status in ("optimal", "limit_reached"), f"status {status!r}")
    if objective is None:
        require(status == "limit_reached", "status 'optimal': there is no decision")
        return f"no joint action is worth more than {upper} ({found})"
    gap = upper - objective
    require(gap >= -TOLERANCE, f"upper_bound {upper} is below the objective {objective}")
    if status == "optimal":
        limit = real(body["gap"], "gap")
        require(gap <= limit, f"status 'optimal': the gap is {gap}, above {limit}")
    return (
        f"the decision is worth {objective}, and no joint action is worth more than {upper}: "
        f"gap {max(gap, 0.0):.2e} ({found})"
    )


def real(value: Any, what: str) -> float:
    """Return a finite JSON number as float."""
    good = isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)
    require(good, f"{what} {value!r} is not a number")
    return float(value)


def whole(value: Any, low: int, end: int, what: str) -> int:
    """Return a JSON integer from `low` to `end` - 1."""
    good = isinstance(value, int) and not isinstance(value, bool) and low <= value < end
    require(good, f"{what} {value!r} is not an integer from {low} to {end - 1}")
    return int(value)


def check_decision(problem: Problem, decision: dict[str, Any], objective: Any) -> None:
    """Check that a decision meets every limit (1e-9 relative) and is worth what is claimed."""
    users, channels = problem.gain.shape
    values = {}
    for name in ("channel", "power", "frequency", "extraction"):
        values[name] = decision[name]
        require(len(values[name]) == users, f"decision.{name}: not one entry a user")
    channel = [
        whole(k, -1, channels, f"decision.channel[{n}]") for n, k in enumerate(values["channel"])
    ]
    used = [k for k in channel if k >= 0]
    require(len(set(used)) == len(used), "decision: a sub-channel is used twice")
    from .balls import OneUser

    total = []
    for n, k in enumerate(channel):
        power, frequency, extraction = (
            real(values[name][n], f"decision.{name}[{n}]")
            for name in ("power", "frequency", "extraction")
        )
        mode = "local" if k < 0 else "raw" if extraction == 1.0 else "semantic"
        own = OneUser(problem, n, mode, problem.gain[n, k] if k >= 0 else 1.0, len(used))
        require(own.exists, f"decision: user {n} has no {mode} mode")
        ranges = {"power": own.root[0], "extraction": own.root[1], "frequency": own.frequency}
        given = {"power": power, "extraction": extraction, "frequency": frequency}
        if k < 0:
            del given["power"], given["extraction"]
        for name, value in given.items():
            low, high = ranges[name]
            inside = low * (1 - TOLERANCE) <= value <= high * (1 + TOLERANCE)
            require(inside, f"decision: user {n} has {name} {value}, not {low} to {high}")
        if mode == "semantic":
            require(extraction < 1.0, f"decision: user {n} has extraction {extraction} as semantic")
        costs = own.costs(*((power, extraction) if k >= 0 else (1.0, 1.0)), frequency)
        for name, cost, score in zip(COSTS, costs, own.scores, strict=True):
            if score.limit is None:
                continue
            room = cost <= score.limit + abs(score.limit) * TOLERANCE
            require(room, f"decision: user {n} breaks its limit on {name}")
        total += [score.value(cost) for score, cost in zip(own.scores, costs, strict=True)]
    claimed, worth = real(objective, "objective"), sum(total[1:], total[0]) if total else 0
    require(
        abs(worth - claimed) <= TOLERANCE,
        f"objective {claimed}: the decision is worth {float(worth)}",
    )


def check_local(problem: Problem, covers: Any, counts: list[int]) -> list[float]:
    """Check the covers of the local tasks; return the bound on each user's, -inf if infeasible."""
    users = len(problem.task)
    bounds = [inf] * users
    for place, (user, channel, upper, trees) in enumerate(covers):
        where = f"local[{place}]"
        user = whole(user, 0, users, f"{where}: user")
        require(channel == -1, f"{where}: sub-channel {channel} is not -1")
        check_cover(problem, (user, -1, 0), upper, trees, where, counts)
        bounds[user] = min(bounds[user], -inf if upper is None else upper)
    for user, bound in enumerate(bounds):
        require(bound < inf, f"local: the task of user {user} is not covered")
    return bounds


def check_covers(problem: Problem, m: int, covers: Any, counts: list[int]) -> Any:
    """Check the covers of one number of offloaders; return the bounds on cells (N, K)."""
    users, channels = problem.gain.shape
    bounds = np.full((users, channels), inf)
    if m == 0:
        require(len(covers) == 0, "sizes[0]: without offloaders there are no cells to cover")
        return bounds
    for place, (user, channel, upper, trees) in enumerate(covers):
        where = f"sizes[{m}].covers[{place}]"
        user = whole(user, 0, users, f"{where}: user")
        channel = whole(channel, 0, channels, f"{where}: sub-channel")
        check_cover(problem, (user, channel, m), upper, trees, where, counts)
        weaker = problem.gain[user] <= problem.gain[user, channel]
        row = bounds[user]
        row[weaker] = np.minimum(row[weaker], -inf if upper is None else upper)
    for user, channel in np.argwhere(bounds == inf).tolist():
        raise FalseClaim(f"sizes[{m}]: cell of user {user}, sub-channel {channel} is not covered")
    return bounds


def assignment_bound(local: list[float], cells: Any, size: dict[str, Any], m: int) -> float:
    """Return what the prices prove of joint actions with m offloaders, rounded up.

    In doubles, with an allowance of many times the rounding errors of the few sums.
    """
    users, channels = cells.shape
    where = f"sizes[{m}]"
    price = np.array([real(v, f"{where}.channel") for v in size["channel"]])
    offloader = real(size["offloader"], f"{where}.offloader")
    require(price.shape == (channels,), f"{where}.channel: not one price a sub-channel")
    require(bool((price >= 0).all()), f"{where}.channel: a price is negative")
    user = np.array(local)
    if m > 0:
        user = np.maximum(user, (cells - price).max(axis=1, initial=-inf) - offloader)
    if (user == -inf).any():
        return -inf  # that user has no feasible action
    terms = [*user.tolist(), *price.tolist(), *[offloader] * m]
    size_of_all = fsum(map(abs, terms)) + users * (float(price.max(initial=0.0)) + abs(offloader))
    return fsum(terms) + 2.0**-48 * size_of_all


def check_cover(
    problem: Problem,
    cell: tuple[int, int, int],
    upper: Any,
    trees: dict[str, Any],
    where: str,
    counts: list[int],
) -> None:
    """Check that no action of a cell (user, sub-channel, offloaders) is worth more than `upper`."""
    user, channel, m = cell
    from .balls import OneUser

    enough = 0.0 if upper is None else real(upper, f"{where}: upper")
    gain = problem.gain[user, channel] if m else 1.0
    modes = [OneUser(problem, user, mode, gain, m) for mode in (MODES[1:] if m else MODES[:1])]
    modes = [mode for mode in modes if mode.exists]
    require(
        set(trees) == {mode.name for mode in modes},
        f"{where}: trees of {', '.join(trees)}, not of {', '.join(mode.name for mode in modes)}",
    )
    counts[0] += 1
    for mode in modes:
        for place, box, leaf in leaves(trees[mode.name], mode, f"{where}, {mode.name}"):
            counts[1] += 1
            spot = f"{where}, {mode.name}[{place}]"
            ranges = mode.ranges(box)
            if ranges is None:
                continue
            bound = mode.bound(box, ranges, leaf_numbers(leaf, spot))
            require(
                bound < 0 or (upper is not None and bound <= enough),
                f"{spot}: the box is proven to {float(bound)}, not to {upper}",
            )


def leaf_numbers(leaf: Any, where: str) -> list[float]:
    """Return the seven numbers of a leaf: prices, slopes of the plane, and where it touches."""
    require(len(leaf) == 7, f"{where}: {len(leaf)} numbers, not 7")
    numbers = [real(x, where) for x in leaf]
    require(min(numbers[:3]) >= 0, f"{where}: a price is negative")
    require(min(numbers[5:]) > 0, f"{where}: the plane touches at {numbers[5:]}")
    return numbers


def leaves(tree: Any, mode: OneUser, where: str) -> Iterator[tuple[int, Box, Any]]:
    """Give the boxes of a tree in preorder, each with its place and the entry of its leaf."""
    open_boxes = [mode.root]
    for place, entry in enumerate(tree):
        require(bool(open_boxes), f"{where}: entries are left over")
        box = open_boxes.pop()
        if len(entry) != 2:
            yield place, box, entry
            continue
        spot = f"{where}[{place}]"
        require(entry[0] in AXES, f"{spot}: axis {entry[0]!r} is unknown")
        axis, value = AXES.index(entry[0]), real(entry[1], f"{spot}: split")
        low, high = box[axis]
        require(low < value < high, f"{spot}: {value} does not split {low} to {high}")
        open_boxes.append((*box[:axis], (value, high), *box[axis + 1 :]))
        open_boxes.append((*box[:axis], (low, value), *box[axis + 1 :]))
    require(not open_boxes, f"{where}: {len(open_boxes)} boxes have no proof")


def check_result(body: dict[str, Any]) -> str:
    """Re-check a result file with `model.py`: see `check`."""
    raise NotImplementedError
