"""What a solver answers, and how the answer proves itself."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from decimal import Decimal
from enum import Enum
from math import inf, isfinite, nan
from pathlib import Path
from typing import Any

import numpy as np

from .actions import Actions, ranges
from .model import Outcome, broken, evaluate, exceeds
from .problem import Floats, Integers, Problem
from .records import Record, Shown

GAP = 1e-6  # within which a decision of `global` is called optimal, unless another is asked for
# Why a solve stopped early, as `details` of a result say it under "stopped".
INTERRUPTED, TIME_LIMIT, ROUNDING_ERRORS = "interrupted", "time limit", "rounding errors"


class Status(Enum):
    """How a solve ended."""

    OPTIMAL = "optimal", "the decision is a proven optimum of the method's own problem"
    FEASIBLE = "feasible", "the decision meets every limit; nothing is proven about its value"
    INFEASIBLE = "infeasible", "no decision of the method's own problem meets every limit"
    BOUND_ONLY = "bound_only", "an upper bound without a decision"
    LIMIT_REACHED = (
        "limit_reached",
        "stopped early: the best decision known, if any, and a valid bound",
    )

    def __init__(self, word: str, sentence: str) -> None:
        self.word, self.sentence = word, sentence


@dataclass(frozen=True)
class Infeasibility:
    """Why no joint action is feasible.

    Attributes
    ----------
    users : each user whose own actions all fail, with the limits that they break, by mode
    joint : where `users` is empty, the smallest set of users found that cannot be served together
    limit : the limit on all users together that is to blame, where one is
    unfinished : what the explanation had no time for, if anything
    """

    users: dict[int, dict[str, tuple[str, ...]]] = field(default_factory=dict)
    joint: tuple[int, ...] = ()
    limit: str = ""
    unfinished: str = ""

    @classmethod
    def from_json(cls, entry: list[dict[str, Any]] | dict[str, Any]) -> Infeasibility:
        """Return the reason of an `infeasible` entry that `to_json` made."""
        if isinstance(entry, dict):
            words = {name: entry.get(name, "") for name in ("limit", "unfinished")}
            return cls(joint=tuple(entry["joint"]), **words)
        return cls(
            {
                one["user"]: {mode: tuple(broken) for mode, broken in one["modes"].items()}
                for one in entry
            }
        )

    def to_json(self) -> list[dict[str, Any]] | dict[str, Any]:
        """Return the `infeasible` entry of a result file."""
        if not self.users:
            more = {"limit": self.limit, "unfinished": self.unfinished}
            return {"joint": list(self.joint)} | {name: text for name, text in more.items() if text}
        entries = []
        for user, modes in self.users.items():
            limits = sorted({limit for broken in modes.values() for limit in broken})
            by_mode = {mode: list(broken) for mode, broken in modes.items()}
            entries.append({"user": user, "limits": limits, "modes": by_mode})
        return entries


@dataclass(frozen=True)
class Search(Record):
    """How a search between bounds went.

    Attributes
    ----------
    time : (P,) float64, s since it began
    value, bound : (P,) float64, of the best decision known then, -inf before any, and proven
    boxes : (N, 1 + K) int64, how many were bounded for each user's local task and sub-channels
    """

    time: Floats
    value: Floats
    bound: Floats
    boxes: Integers


@dataclass(frozen=True)
class Result(Shown, Record):
    """A method's answer to one problem.

    Attributes
    ----------
    problem : the problem that was answered
    method, backend : what answered it
    status : how it ended
    actions : the decision, arrays (N,); None where there is none
    objective : sum (or minimum) of QoE as the method computed it; NaN without a decision
    upper_bound : proven bound on the method's own problem; inf where none is known
    continuous_bound : proven bound with continuous variables; inf where none is known
    seconds : wall time of the solve
    infeasibility : the reason where the status is infeasible
    details : further figures of the method, JSON values only
    search : how a search between bounds went, where the method is one; files do not hold it
    """

    problem: Problem
    method: str
    backend: str
    status: Status
    actions: Actions | None = None
    objective: float = nan
    upper_bound: float = inf
    continuous_bound: float = inf
    seconds: float = field(default=nan, compare=False)
    infeasibility: Infeasibility | None = None
    details: dict[str, Any] = field(default_factory=dict)
    search: Search | None = field(default=None, compare=False)

    def __repr__(self) -> str:
        """Return what is known, in one line: the problem's arrays say nothing to a reader."""
        parts = [self.status.word]
        if self.actions is not None:
            parts.append(f"value {self.recompute():g}")
        if isfinite(self.upper_bound):
            parts.append(f"bound {self.upper_bound:g}")
        return f"<Result of {self.method} on {self.backend}: {', '.join(parts)}>"

    def show(self) -> None:
        """Print the decision, user by user, and what it is worth, as `semopt solve` does."""
        from .report.slot import print_result

        print_result(self, self.problem.origin.get("name", "a problem"))

    def plot(self) -> Any:
        """Return the decision drawn, beside limits and local execution, as a chart of Altair.

        Raises
        ------
        ValueError
            Where Altair is missing
        """
        from .report.plots import of_slot

        return of_slot(self, self.problem.origin.get("name", "a problem"))

    @property
    def interrupted(self) -> bool:
        """Whether Ctrl-C cut the solve short."""
        return bool(self.details.get("stopped") == INTERRUPTED)

    def outcome(self) -> Outcome:
        """Evaluate the decision with the reference model: arrays (N,)."""
        if self.actions is None:
            raise ValueError(f"a result with status {self.status.word} holds no decision")
        return evaluate(self.problem, self.actions)

    def qoe(self) -> Floats:
        """Return what the decision is worth to each user: (N,), by the reference model.

        Where slopes are so steep that doubles do not tell, balls do, of the decision as a file
        holds it; without python-flint the doubles stand.
        """
        from .worth import ill_conditioned

        if self.actions is None or not ill_conditioned(self.problem):
            return self.outcome().qoe
        from .certificate.exact import sure_qoe

        return sure_qoe(self.problem, as_written(self.actions))

    def recompute(self) -> float:
        """Return the decision's objective, from `qoe`; NaN without a decision."""
        if self.actions is None:
            return nan
        qoe = self.qoe()
        return float(qoe.min() if self.problem.objective == "min" else qoe.sum())

    def bound(self) -> float:
        """Return the proven upper bound on the method's own problem; inf where none is known."""
        return self.upper_bound

    def gap(self) -> float:
        """Return bound - value, from the recomputed value; inf where either is unknown."""
        value = self.recompute()
        return self.upper_bound - value if isfinite(value) else inf

    def broken(self) -> list[tuple[int, str]]:
        """Return (user, limit or range) for each that the decision breaks (1e-9 relative)."""
        if self.actions is None:
            return []
        problem, action, outcome = self.problem, self.actions, self.outcome()
        faults = broken(problem, action, outcome)
        for name, (applies, low, high) in ranges(problem, action).items():
            value = getattr(action, name)
            faults[name] = applies & (exceeds(low, value) | exceeds(value, high))
        shared = (action.channel[:, None] == action.channel).sum(axis=1) > 1
        faults["sub-channel"] = action.offload & shared
        return [(int(n), name) for name, flags in faults.items() for n in np.flatnonzero(flags)]

    def violations(self) -> list[str]:
        """Return a sentence for each limit or range that the decision breaks (1e-9 relative)."""
        return [f"user {user} breaks its {name} limit" for user, name in self.broken()]

    @classmethod
    def from_json(cls, source: dict[str, Any] | str | Path) -> Result:
        """Return the result of a document of `to_json`, or of a file that holds one.

        Nothing of it is believed but its form: `semopt.verify` re-checks what it claims.

        Raises
        ------
        ValueError
            The file cannot be read, or the document is no result of one slot

        Examples
        --------
        >>> import semopt
        >>> result = semopt.solve("tiny")
        >>> Result.from_json(result.to_json()) == result
        True
        """
        from .certificate.decisions import result_of

        return result_of(source)

    def to_json(self) -> dict[str, Any]:
        """Return the result in the words and units of its file format (schema 1)."""
        problem = self.problem
        document = {
            "schema": 1,
            "method": self.method,
            "backend": self.backend,
            "status": self.status.word,
            "objective": number(self.objective),
            "upper_bound": number(self.upper_bound),
            "gap": number(self.gap()),
            "seconds": number(self.seconds),
            "joint_actions": exact_integer(problem.joint_actions()),
            "readings": asdict(problem.readings),
            "problem": problem.to_json(),
            "users": self.users_json(),
        }
        if isfinite(self.continuous_bound):
            document["continuous_bound"] = self.continuous_bound
        if self.infeasibility:
            document["infeasible"] = self.infeasibility.to_json()
        if self.details:
            document["details"] = self.details
        return document

    def users_json(self) -> list[dict[str, Any]]:
        """Return one entry a user: its decision and what it gives; empty without a decision."""
        if self.actions is None:
            return []
        action, outcome, names = self.actions, self.outcome(), self.problem.tasks.names
        broken, qoe = {user for user, _ in self.broken()}, self.qoe()
        return [
            {
                "task": names[self.problem.task[n]],
                "offload": bool(action.channel[n] >= 0),
                "channel": int(action.channel[n]) if action.channel[n] >= 0 else None,
                "power_mw": float(action.power[n]) * 1e3,
                "frequency_ghz": float(action.frequency[n]) / 1e9,
                "extraction": float(action.extraction[n]),
                "latency_ms": float(outcome.latency[n]) * 1e3,
                "energy_mj": float(outcome.energy[n]) * 1e3,
                "accuracy": float(outcome.accuracy[n]),
                "qoe": float(qoe[n]),
                "feasible": n not in broken,
            }
            for n in range(len(action.channel))
        ]


def as_written(actions: Actions) -> Actions:
    """Return actions as a file gives them back, whose units may move a last digit."""
    for _ in range(9):  # until nothing moves any more: at once, or after a step
        power, frequency = actions.power * 1e3 / 1e3, actions.frequency / 1e9 * 1e9
        same = np.array_equal(power, actions.power, equal_nan=True)
        if same and np.array_equal(frequency, actions.frequency, equal_nan=True):
            break
        actions = replace(actions, power=power, frequency=frequency)
    return actions


def number(value: float) -> float | None:
    """Return a number for JSON, which has neither infinities nor NaN."""
    return float(value) if isfinite(value) else None


def exact_integer(value: int | Decimal) -> int | str:
    """Return a count for JSON: a string where a double could not hold it; "about 1e+N" of 10^N."""
    if isinstance(value, Decimal):
        return f"about {value:e}"
    return value if value <= 2**53 else f"{Decimal(value):f}"  # str() refuses 4300 digits
