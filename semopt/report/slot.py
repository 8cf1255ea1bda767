"""Results as a person reads them: tables on standard output."""

from __future__ import annotations

from math import inf, isfinite

import numpy as np
from rich.table import Table

from ..actions import mode_of
from ..arrays import Flags, Floats
from ..backends import decode
from ..console import Console, count, figure, percent, slim_table
from ..figures import USER_LIMITS
from ..limits import of_user
from ..model import Actions, evaluate
from ..problem import Problem
from ..result import Infeasibility, Result, Status
from ..solvers.cells import best_local
from ..solvers.explanation import Alternative
from ..worth import objective
from .lines import ended

ACCURACY_OF_DUALS = 1e-6  # QoE


def print_result(result: Result, name: str) -> None:
    """Print one slot's decision, user by user, and what it is worth."""
    if result.status is Status.INFEASIBLE:
        print_infeasible(result)
        return
    console, problem, action = Console(), result.problem, result.actions
    if action is None:
        console.print(f"{name}: {' '.join(verdict(result))}")
        return
    console.print(decision_table(f"{name}: {result.method}", problem, action))
    for sentence in verdict(result):
        console.print(sentence)
    print_details(result)


def decision_table(
    title: str,
    problem: Problem,
    action: Actions,
    skipped: Flags | None = None,
    energy_left: Floats | None = None,
) -> Table:
    """Return a slot's decision as a table, a row a user.

    Parameters
    ----------
    skipped : (N,) bool, who did not execute its task, whatever its action
    energy_left : (N,) float64, J, of batteries; inf without one
    """
    outcome, at_home = evaluate(problem, action), all_local(problem)
    bounded = objective(problem, at_home) > -inf
    table = slim_table(title)
    latency, energy, accuracy, qoe = (
        limited(problem, figure) for figure in ("latency", "energy", "accuracy", "qoe")
    )
    table.add_column("user", no_wrap=True)
    table.add_column("task", overflow="fold")
    table.add_column("mode,\nchannel", no_wrap=True)
    for heading in (
        *("power\nmW", "GPU\nGHz", "extr."),
        f"latency\n{latency[0] or 'ms'}",
        f"energy\n{energy[0] or 'mJ'}",
        f"accu-\nracy\n{accuracy[0]}".strip(),
        f"QoE\n{qoe[0]}".strip(),
        "over\nlocal",
    ):
        table.add_column(heading, justify="right", no_wrap=True)
    if energy_left is not None:
        table.add_column("left\nmJ", justify="right", no_wrap=True)
    for n in range(len(action.channel)):
        left = [] if energy_left is None else [millijoules(energy_left[n])]
        if skipped is not None and skipped[n]:
            cells = [str(n), problem.tasks.names[problem.task[n]], "skipped"]
            table.add_row(*cells, *[""] * 6, f"{0:.4f}", "", *left)
            continue
        mode = mode_of(action, n)
        table.add_row(
            str(n),
            problem.tasks.names[problem.task[n]],
            mode + (f" {action.channel[n]}" if mode != "local" else ""),
            f"{action.power[n] * 1e3:.4g}" if mode != "local" else "",
            f"{action.frequency[n] * 1e-9:.3g}" if mode != "raw" else "",
            f"{action.extraction[n]:.3g}" if mode == "semantic" else "",
            figure(outcome.latency[n] * 1e3, 3) + latency[1][n],
            figure(outcome.energy[n] * 1e3, 2) + energy[1][n],
            f"{outcome.accuracy[n]:.3f}" + accuracy[1][n],
            f"{outcome.qoe[n]:.4f}" + qoe[1][n],
            f"{outcome.qoe[n] - at_home[n]:+.4f}" if bounded else "",
            *left,
        )
    return table


def millijoules(energy_left: float) -> str:
    """Return what is left of a battery; nothing without one."""
    return figure(energy_left * 1e3, 2) if energy_left < inf else ""


def all_local(problem: Problem) -> Floats:
    """Return the QoE of each user's best local execution, (N,); -inf where all break a limit."""
    return np.array([best_local(problem, n)[0] for n in range(len(problem.task))])


def verdict(result: Result) -> list[str]:
    """Return what a result is worth, beside all-local and the bound, and what it proves."""
    problem, seconds = result.problem, f"{effort(result)}."
    how = ended(result.status, result.objective, result.upper_bound)
    if result.actions is None:
        bound = result.upper_bound
        proven = f"; proven upper bound {bound:.6f}" if isfinite(bound) else ""
        return [f"{result.method} gives no decision{proven}.", f"{how}; {seconds}"]
    reached = objective(problem, all_local(problem))
    word = "smallest" if problem.objective == "min" else "total"
    line = f"{word.capitalize()} QoE {result.objective:.6f}"
    if problem.objective == "sum":
        line += f", {result.objective / len(problem.task):.4f} a task"
    if reached > -inf:
        line += f"; all-local reaches {reached:.6f} ({result.objective - reached:+.6f})"
    else:
        line += "; all-local breaks limits"
    if result.objective < result.upper_bound < inf:
        line += f"; proven upper bound {result.upper_bound:.6f}"
    joint_actions = count(problem.joint_actions())
    return [f"{line}.", f"{how}. {joint_actions} joint actions on the grid; {seconds}"]


def effort(result: Result) -> str:
    """Return how long a solve took, where it is known, and what computed it."""
    time = f"{result.seconds * 1e3:.2f} ms " if isfinite(result.seconds) else ""
    return f"{time}on backend {result.backend}"


def limited(problem: Problem, figure: str) -> tuple[str, list[str]]:
    """Return what limits a figure, as words below its heading, or behind each user's value.

    They stand below the heading where they are the same for all users.
    """
    below, behind = list[str](), [""] * len(problem.task)
    for limit in USER_LIMITS:
        if limit.figure != figure:
            continue
        bounds = [of_user(problem, limit, n) for n in range(len(problem.task))]
        words = ["" if x == limit.none else f"{limit.row.in_file(x):.3g}" for x in bounds]
        if len(set(words)) > 1:
            behind = [
                before + (word and f"/{word}") for before, word in zip(behind, words, strict=True)
            ]
        elif words[0]:
            below.append(f"{limit.sign}{words[0]} {limit.row.unit[0]}".rstrip())
    return "\n".join(below), behind


BAR = 40  # characters of the longest bar of a histogram


def print_details(result: Result) -> None:
    """Print what an exhaustive search was asked for besides the best joint action."""
    console, details = Console(), result.details
    if "above" in details:
        share = details["above"] / max(details["examined"], 1)
        console.print(
            f"{count(details['above'])} joint actions score above the value given "
            f"({percent(share, 3)} of {count(details['examined'])} examined).",
        )
    if "best" in details:
        table = slim_table("The best joint actions")
        table.add_column("rank", justify="right")
        table.add_column("QoE", justify="right")
        table.add_column("users 0, 1, ...: mode, channel, mW, GHz, extraction", overflow="fold")
        for rank, entry in enumerate(details["best"], 1):
            decision = decode(result.problem, entry["index"])
            table.add_row(str(rank), f"{entry['objective']:.6f}", shorthand(decision))
        console.print(table)
    if "histogram" in details:
        low, high, counts = (details["histogram"][name] for name in ("low", "high", "counts"))
        table = slim_table("Feasible joint actions by QoE")
        table.add_column("from", justify="right")
        table.add_column("count", justify="right")
        table.add_column("")
        most = max(*counts, 1)
        for place, number in enumerate(counts):
            bar = "█" * -(-number * BAR // most)
            start = low + (high - low) * place / len(counts)
            table.add_row(f"{start:.4g}", count(number), bar)
        console.print(table)


def shorthand(actions: Actions) -> str:
    """Return a joint action in few characters."""
    words = []
    for n, channel in enumerate(actions.channel):
        mode, power = mode_of(actions, n), f"{actions.power[n] * 1e3:.3g}"
        clock, extraction = f"{actions.frequency[n] * 1e-9:.3g}", f"{actions.extraction[n]:.3g}"
        words.append(
            {
                "local": f"local {clock}",
                "raw": f"raw {channel} {power}",
                "semantic": f"semantic {channel} {power} {clock} {extraction}",
            }[mode]
        )
    return "; ".join(words)


SCARCE = {  # keys of prices, in words
    "sub_channel": "sub-channel",
    "latency_max": "time, the limit of latency",
    "server_speed": "speed of the server",
}


def print_prices(result: Result) -> None:
    """Print what a little more of each scarce thing is worth, by the duals of the relaxation."""
    prices = result.details.get("prices")
    if not prices:
        Console().print("There are no prices: the slot is infeasible, or the relaxation was cut.")
        return
    table = slim_table("What a little more is worth")
    for heading in ("scarce", "worth", "unit"):
        table.add_column(heading)
    for name, price in prices.items():
        value, words = price["value"], SCARCE[name]
        if isinstance(value, list):
            for channel, price_of_channel in enumerate(value):
                table.add_row(f"{words} {channel}", worth(price_of_channel), price["unit"])
        else:
            table.add_row(words, worth(value), price["unit"])
    console = Console()
    console.print(table)
    console.print(
        "Derivatives of the relaxation's bound: the next whole unit may be worth less.",
    )


def worth(price: float) -> str:
    """Return a price in words; one below the accuracy of duals is none."""
    return f"{price:.3g}" if price > ACCURACY_OF_DUALS else "0"


def print_infeasible(result: Result) -> None:
    """Print why no decision of the method's problem meets every limit."""
    console = Console()
    console.print(f"infeasible: {result.status.sentence}.")
    for reason in reasons(result):
        console.print(f"  {reason}")


def reasons(result: Result) -> list[str]:
    """Return why no decision of the method's problem meets every limit."""
    names, reason = result.problem.tasks.names, result.infeasibility or Infeasibility()
    lines = []
    for user, modes in reason.users.items():
        ways = "; ".join(f"{mode} breaks {' and '.join(limits)}" for mode, limits in modes.items())
        lines.append(f"user {user} ({names[result.problem.task[user]]}): {ways}")
    if reason.joint:
        users = ", ".join(map(str, reason.joint))
        why = f": {reason.limit} cannot be met" if reason.limit else ""
        lines.append(f"users {users} cannot be served together{why}")
    return lines + ([reason.unfinished] if reason.unfinished else [])


ALONE = {  # methods that are no rung of the ladder, and why
    "exhaustive": "exhaustive, which scores every joint action and finds what exact finds",
    "policy": "policy, which needs --checkpoint",
}


def print_ladder(answers: dict[str, Result | str], name: str) -> None:
    """Print what each method reaches, proves, and misses of the least continuous bound."""
    table = slim_table(f"{name}: from the plainest decision to the bounds")
    for heading in ("method", "status"):
        table.add_column(heading, no_wrap=True)
    for heading in ("QoE", " a task", " proven\nbound", " below the\nleast bound", " time\nms"):
        table.add_column(heading, justify="right", no_wrap=True)
    results = [answer for answer in answers.values() if isinstance(answer, Result)]
    least = min((result.continuous_bound for result in results), default=inf)
    for result in results:
        problem, value = result.problem, result.objective
        decided = isfinite(value)
        table.add_row(
            result.method,
            result.status.word,
            shown(value) if decided else "",
            f"{value / len(problem.task):.4f}" if decided and problem.objective == "sum" else "",
            shown(result.upper_bound) if isfinite(result.upper_bound) else "",
            shown(least - value) if decided and isfinite(least) else "",
            figure(result.seconds * 1e3, 2 if result.seconds < 10 else 0),
        )
    console = Console()
    console.print(table)
    for method, answer in answers.items():
        if isinstance(answer, str):
            console.print(f"{method} does not apply: {answer}")
    console.print("Times are of one call each; the first also pays for what all of them load.")
    console.print(f"Asked for alone, by --method: {'; '.join(ALONE.values())}.")


def shown(qoe: float) -> str:
    """Return a sum of QoE in at most nine characters, of up to 99,999 users."""
    return f"{qoe:.{6 if abs(qoe) < 100 else 3}f}"


def print_explanation(result: Result, alternatives: list[list[Alternative]]) -> None:
    """Print, for each user, the other modes and what the slot would lose by them."""
    assert result.actions is not None
    qoe = result.outcome().qoe
    table = slim_table("If one user took another mode, the others optimised anew")
    for heading in ("user", "now", "instead"):
        table.add_column(heading)
    for heading in ("off-\nloaders", "own\nQoE", "own\nchange", "total\nQoE", "the slot\nloses"):
        table.add_column(heading, justify="right")
    for options in alternatives:
        for place, option in enumerate(options):
            user = option.user
            head = (str(user), mode_of(result.actions, user)) if place == 0 else ("", "")
            if option.user_action is None:
                table.add_row(*head, option.mode, "", "", "", "infeasible", "")
                continue
            table.add_row(
                *head,
                describe(option),
                str(option.offloaders),
                f"{option.user_qoe:.4f}",
                f"{option.user_qoe - qoe[user]:+.4f}",
                shown(option.objective),
                shown(option.loss),
            )
        table.add_section()
    Console().print(table)


def describe(option: Alternative) -> str:
    """Return an alternative action in words."""
    action = option.user_action
    assert action is not None
    parts = [option.mode]
    if option.mode != "local":
        parts[0] += f" {int(action.channel)}"
        parts.append(f"{float(action.power) * 1e3:.4g} mW")
    if option.mode != "raw":
        parts.append(f"{float(action.frequency) * 1e-9:.4g} GHz")
    if option.mode == "semantic":
        parts.append(f"{float(action.extraction):.3g}")
    return ", ".join(parts)
