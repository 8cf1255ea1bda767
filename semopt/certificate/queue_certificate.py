"""Re-checks certificates of queues without solvers and kernels, in ball arithmetic.

The argument of a certificate (`queue_format`) is followed step by step: the decision here, the
cases of the grid in `queue_cases`, those off it in `queue_ranges`.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any

import numpy as np

from ..limits import unpriced
from ..model import TOP_SCORE
from ..problem import Problem
from .checker import VARIABLES, worth_of_action
from .claims import TOLERANCE, FalseClaim, Progress, require, whole
from .exact import FINE, arithmetic
from .format import digest
from .queue_cases import check_grid
from .queue_format import FORMAT, queue_from_json, reads_as
from .queue_ranges import check_ranges
from .schema import shaped

if TYPE_CHECKING:
    from flint import arb


def check_queue_certificate(body: dict[str, Any], progress: Progress = lambda share: None) -> str:
    """Re-check a certificate of a queue: see `verify.verify`."""
    original, body = body, shaped(body)
    require(body["digest"] == digest(original), "the digest differs: the file was changed")
    with arithmetic().precision():
        on_the_grid = body["format"] == FORMAT
        slots = queue_from_json(body["problem"], scored=on_the_grid)
        require(slots[0].objective == "sum", "problem: a queue has the objective 'sum' alone")
        for limit in unpriced(slots[0]):
            require(False, f"problem: a limit on {limit.name} is not covered")
        name = check_scenario(body)
        objective, upper = body["objective"], body["upper_bound"]
        check_decision(slots, body["decision"], body["battery_pays"], objective, on_the_grid)
        gap, most = upper - objective, TOP_SCORE * slots[0].task.size * len(slots)
        require(gap >= -TOLERANCE, f"upper_bound {upper} is below the objective {objective}")
        if body["status"] == "optimal":
            allowed = min(body["gap"], most)
            require(gap <= allowed, f"status 'optimal': the gap is {gap}, above {allowed}")
        check = check_grid if on_the_grid else check_ranges
        rests_on = check(slots, body, upper, progress)
    within = "the batteries and the levels of the grid" if on_the_grid else "the batteries"
    return (
        f"{name}: the decisions of {len(slots)} slots keep all limits and batteries and are worth "
        f"{objective}, and no policy within {within} is worth more than {upper} on this queue: "
        f"gap {max(gap, 0.0):.2e} ({rests_on})"
    )


def check_scenario(body: dict[str, Any]) -> str:
    """Check that the queue that is proven is the one of the scenario, if any; say which it is."""
    if body["scenario"] is None:
        return "a queue without a scenario"
    try:
        same = reads_as(body["scenario"], body["problem"], body["battery_pays"])
    except ValueError as error:
        raise ValueError(f"scenario: {error}") from None
    require(same, "scenario: its queue is not the one of `problem`")
    return "the queue of the file's scenario"


def check_decision(
    slots: list[Problem],
    decision: dict[str, Any],
    pays: str,
    objective: float,
    on_the_grid: bool,
) -> None:
    """Check that a decision keeps all limits, may be on the grid, and is worth what is claimed."""
    users, channels = slots[0].gain.shape
    for name in ("skipped", "channel", *VARIABLES):
        entries = decision[name]
        whole_queue = len(entries) == len(slots) and all(len(row) == users for row in entries)
        require(whole_queue, f"decision.{name}: not one entry a slot and user")
    for t, slot in enumerate(slots):
        used = []
        for n, (channel, skipped) in enumerate(
            zip(decision["channel"][t], decision["skipped"][t], strict=True)
        ):
            whole(channel, -1, channels, f"decision.channel[{t}][{n}]")
            require(not skipped or channel < 0, f"decision: slot {t}: user {n} skips and sends")
            used += [channel] if channel >= 0 else []
            action = [decision[name][t][n] for name in VARIABLES]
            require(
                skipped or not on_the_grid or on_grid(slot, n, channel, action),
                f"decision: slot {t}: user {n} has an action off the grid",
            )
        require(len(set(used)) == len(used), f"decision: slot {t}: a sub-channel is used twice")
    balls = arithmetic()
    for bits in balls.PRECISIONS:
        with balls.precision(bits):
            worth, spent = worth_of_decision(slots, decision, pays)
            if worth is None or not worth.rad() < FINE:
                continue
            holds = bool(abs(worth - objective) <= TOLERANCE)
            words = f"objective {objective}: the decision is worth {worth.str(12, radius=False)}"
            require(holds, words)
            for n, battery in enumerate(slots[0].users.battery.tolist()):
                within = battery == inf or bool(spent[n] <= battery * (1.0 + TOLERANCE))
                require(within, f"decision: user {n} spends more than its battery holds")
            return
    raise FalseClaim(
        "decision: no precision tells whether it keeps its limits and what it is worth"
    )


def on_grid(slot: Problem, user: int, channel: int, action: list[float]) -> bool:
    """Tell whether a power, an extraction and a frequency are levels of the grid."""
    levels = slot.grid_levels(user)
    raw = channel >= 0 and action[1] == 1.0
    for of_variable, value, plays in zip(
        (levels[0], levels[2], levels[1]),
        action,
        (channel >= 0, channel >= 0 and not raw, not raw),
        strict=True,
    ):
        near = np.isclose(of_variable, value, rtol=TOLERANCE, atol=0.0)
        if plays and not near.any():
            return False
    return True


def worth_of_decision(
    slots: list[Problem], decision: dict[str, Any], pays: str
) -> tuple[arb | None, list[arb]]:
    """Return the sum of QoE, and what each user spends; None where a ball is too wide to tell."""
    from flint import arb

    from .balls import in_mode

    total, spent = arb(0), [arb(0) for _ in slots[0].task]
    for t, slot in enumerate(slots):
        m = sum(channel >= 0 for channel in decision["channel"][t])
        for n, channel in enumerate(decision["channel"][t]):
            if decision["skipped"][t][n]:
                continue
            power, extraction, frequency = (decision[name][t][n] for name in VARIABLES)
            action = power, extraction, frequency
            try:
                worth = worth_of_action(slot, n, channel, m, action)
            except FalseClaim as error:
                raise FalseClaim(f"slot {t}: {error}") from None
            if worth is None:
                return None, spent
            total += worth
            user_mode, used = in_mode(slot, n, channel, m, action)
            spent[n] += user_mode.counted(user_mode.costs(*used)[1], pays)
    return total, spent
