"""What an evaluation finds: scores by name, and what each slot gave."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar

import numpy as np

from ..allowed import one_of
from ..model import TOLERANCE
from ..problem import Floats, Integers
from ..records import Record, Shown
from ..result import number
from ..statistics import INDEPENDENT, InTime, interval_of_slots, without_interval

HIT = 1e-4  # a slot is hit when it misses at most so much QoE a task
MEANS = ("qoe", "gap", "ratio")  # figures of a slot whose mean has an interval


@dataclass(frozen=True)
class Score:
    """A method on many slots: the keys of the JSON of `semopt evaluate`.

    Attributes
    ----------
    qoe, reference_qoe : mean a task
    ratio, ratio_p1, ratio_worst : of objective to reference: mean, 1st percentile, smallest slot
    closure : (qoe - 0.5) / (reference_qoe - 0.5), the part of the gain over method `reference`, all
        local at the reference frequency, that is reached
    hit_share : of slots within 1e-4 a task of the reference
    latency_ms, energy_mj, accuracy : mean a task
    infeasible_share : of tasks that break a limit
    decision_us : median time of a decision, one slot at a time
    """

    qoe: float
    reference_qoe: float
    ratio: float
    ratio_p1: float
    ratio_worst: float
    closure: float | None
    hit_share: float
    latency_ms: float
    energy_mj: float
    accuracy: float
    infeasible_share: float
    decision_us: float


@dataclass(frozen=True)
class Evaluation(Shown, Record):
    """Scores by name, on the F slots whose P0 is feasible.

    Attributes
    ----------
    scenario, objective : name of the scenario, and what its slots are worth: "sum" or "min" of QoE
    reference : the method whose optimum is the measure
    slots, seed : how many slots were drawn, and from which seed
    infeasible_slots : how many of them are left out
    scores : `Score` by name
    missing : names without a score yet
    slot : (F,) int64, which of the slots drawn they are
    optimum : (F,) float64, QoE a task of the reference
    qoe : by name, (F,) float64, QoE a task
    in_time : how slots follow each other: where they resemble their neighbours, intervals take
        blocks of them
    """

    scenario: str
    objective: str
    reference: str
    slots: int
    infeasible_slots: int
    scores: dict[str, Score]
    missing: tuple[str, ...] = ()
    seed: int = 0
    slot: Integers = field(default_factory=lambda: np.empty(0, np.int64))
    optimum: Floats = field(default_factory=lambda: np.empty(0))
    qoe: dict[str, Floats] = field(default_factory=dict)
    in_time: InTime = INDEPENDENT

    units: ClassVar[str] = "slots"  # what there are several of
    best: ClassVar[str] = "certified optimum"  # what the reference is

    @property
    def drawn(self) -> str:
        """What was drawn, in words."""
        return f"{self.slots} slots"

    def __repr__(self) -> str:
        """Return the mean shares of the optimum, in one line."""
        ratios = ", ".join(f"{name} {score.ratio:.4f}" for name, score in self.scores.items())
        return (
            f"<Evaluation on {self.slots} slots of {self.scenario}: share of {self.reference} "
            f"{ratios or 'unknown yet'}>"
        )

    def show(self) -> None:
        """Print the table of scores, as `semopt evaluate` does."""
        from ..report.learning import print_evaluation

        print_evaluation(self)

    def plot(self) -> Any:
        """Return the gaps drawn, their distribution and their means, as a chart of Altair.

        Raises
        ------
        ValueError
            Where Altair is missing
        """
        from ..report.plots import of_evaluation

        return of_evaluation(self)

    @property
    def finished(self) -> str:
        """How much of what was asked for is there, in words."""
        return f"{len(self.scores)} of {len(self.scores) + len(self.missing)} scores"

    @property
    def gaps(self) -> dict[str, Floats]:
        """What each slot lacks of the optimum: by name, (F,) float64, QoE a task."""
        return {name: self.optimum - reached for name, reached in self.qoe.items()}

    def interval(self, name: str, figure: str = "gap") -> tuple[float, float]:
        """Return the 95% interval of a mean over slots: see `statistics.interval_of_slots`.

        NaN where slots that resemble their neighbours in time are too few for one. It says what
        other slots would give; of a trained policy, not what another training would.

        Parameters
        ----------
        name : of a score
        figure : "gap" or "qoe", a task, or "ratio", the share of the optimum

        Raises
        ------
        ValueError
            For a name or a figure that is not there
        """
        one_of("name", name, tuple(self.qoe))
        one_of("figure", figure, MEANS)
        reached = self.qoe[name]
        ratio = shares(reached, self.optimum)
        values = {"gap": self.optimum - reached, "qoe": reached, "ratio": ratio}[figure]
        return interval_of_slots([values], self.in_time)

    @property
    def without_interval(self) -> dict[str, str]:
        """Why the mean gap has no interval, by name; without those that have one."""
        reasons = {
            name: without_interval([gap], self.in_time, self.units)
            for name, gap in self.gaps.items()
        }
        return {name: reason for name, reason in reasons.items() if reason}

    def to_json(self) -> dict[str, Any]:
        """Return the document of `semopt evaluate --json`."""
        intervals = {
            name: {f"{mean}_interval": [*map(number, self.interval(name, mean))] for mean in MEANS}
            for name in self.qoe
        }
        return {
            "schema": 1,
            "scenario": self.scenario,
            "objective": self.objective,
            "reference": self.reference,
            "slots": self.slots,
            "infeasible_slots": self.infeasible_slots,
            "methods": {
                name: asdict(score) | intervals.get(name, {}) for name, score in self.scores.items()
            },
            **({"missing": list(self.missing)} if self.missing else {}),
        }


def shares(reached: Floats, optimum: Floats) -> Floats:
    """Return which part of an optimum is reached: all of it where there is nothing to reach."""
    part: Floats = np.divide(reached, optimum, out=np.ones_like(optimum), where=optimum > TOLERANCE)
    return part
