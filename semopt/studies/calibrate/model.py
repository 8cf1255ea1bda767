"""The inverse problem: how well a scenario explains what was measured.

Each setting's figures are predicted by the optimum that stands for the measured policy, on slots
that are the same for all values of the parameters (common random numbers). Every combination of
tasks meets each of the gains, and gains fill their law evenly (Sobol points through the quantiles
of the law), so that the prediction's own noise lies below the last digit of the measurements. What
values miss is a chi square: each difference in units of its noise, which is made of the rounding of
the measured figure, of the slots that it rests on, and of a stated error of the model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations_with_replacement, permutations, product
from math import prod
from typing import Any

import numpy as np

from ...backends import Batch, cpu
from ...channel.laws import LAWS
from ...channel.samplers import Independent
from ...figures import SLOPES, SYSTEM, TASK, USER, WEIGHTS, in_si
from ...model import Actions, Outcome
from ...problem import AccuracyTable, Floats, Integers, Problem
from ...scenario import Scenario
from ...solvers.baselines import restriction
from ...solvers.matching import ExactBatch
from .accuracy import accuracy_table, snr_points
from .prior import Prior
from .targets import SHAPE, Setting, Targets, is_law

ARRAYS: dict[str, Callable[[Outcome], Floats]] = {  # of each figure, a value a task: (S, N)
    "qoe": lambda outcome: outcome.qoe,
    "latency_ms": lambda outcome: outcome.latency * 1e3,
    "energy_mj": lambda outcome: outcome.energy * 1e3,
    "accuracy": lambda outcome: outcome.accuracy,
}
TASK_FIELDS = [row.name for row in TASK]
ALL_LOCAL = 0.5  # QoE of the reference
COMBINATIONS = 200  # of tasks at most that all are taken; where there are more, tasks are drawn
QUANTILES = 1 << 16  # of the law of independent gains
ROUNDING_ERRORS = 1e-9  # of a mean, relative: no noise
UNEXPLAINED = 1e9  # misfit of a scenario in which a setting has no feasible slot
INFEASIBLE = 1e3  # misfit of one in which half the slots of two settings are infeasible
DISORDER = 1e6  # misfit of a parameter that is twice the one it may not exceed


@dataclass(frozen=True)
class Target:
    """One measured figure of a setting, in the figure's unit, and the deviation of its noise."""

    setting: str
    figure: str
    value: float
    noise: float


class Model:
    """The figures that a scenario predicts, and what they miss of the targets.

    Parameters
    ----------
    targets : with the document of their scenario
    gains : how many Sobol points of the gains, a power of two
    seed : of the slots
    """

    def __init__(self, targets: Targets, gains: int, seed: int = 0) -> None:
        assert not isinstance(targets.scenario, str)
        self.prior, self._targets = Prior(targets), targets
        self.base = Scenario.from_dict(targets.scenario).replace(assumed=None)
        drawn = self.base.draw(QUANTILES if independent(self.base) else gains, seed)[0]
        self.gain, self.task, self.weight = common_slots(self.base, drawn, gains, seed)
        self._document, self._template = self.base.to_dict(), self.base.template()
        users, noise = self._template.users, self._template.system.noise
        self._least = float(users.extraction_min.min())
        self._snr_db = snr_points(
            users.power_min.min() * drawn.min() / noise,
            users.power_max.max() * drawn.max() / noise,
        )

    def scenario(self, values: Floats) -> Scenario:
        """Return the scenario in which the parameters (P,) have these values.

        Raises
        ------
        ScenarioError
            Where a value is not allowed.
        """
        return self.base.replace(self._changes(values))

    def _changes(self, values: Floats) -> dict[str, Any]:
        """Return the keys of the scenario that values (P,) of the parameters change."""
        changes: dict[str, Any] = dict(zip(self.prior.keys, map(float, values), strict=True))
        shape = [changes.pop(key) for key in SHAPE if key in changes]
        for kind in {key.split(".")[1] for key in changes if is_law(key)}:
            table = f"tasks.{kind}.accuracy"
            ends = changes.pop(f"{table}.top"), changes.pop(f"{table}.drop")
            changes[table] = accuracy_table(self._least, self._snr_db, *ends, *shape)
        return changes

    def problem(self, values: Floats) -> Problem:
        """Return the arrays of `scenario(values)`, unchecked and many times as fast."""
        sections: dict[str, dict[str, Any]] = {}
        for path, value in self._changes(values).items():
            section, _, key = path.rpartition(".")
            sections.setdefault(section, {})[key] = value
        template = self._template
        system, users = template.system, template.users
        tasks: dict[str, Any] = {
            name: np.copy(getattr(template.tasks, name)) for name in TASK_FIELDS
        }
        tables = list(template.tasks.accuracy)
        for section, keys in sections.items():
            owner, _, kind = section.partition(".")
            if owner == "tasks":
                at = template.tasks.names.index(kind)
                if law := keys.pop("accuracy", None):
                    tables[at] = AccuracyTable.of(**law, raw=None)
                keys = self._document["tasks"][kind] | keys
                for name, value in in_si(TASK, keys).items():
                    tasks[name][at] = value
            elif owner == "user":
                alike = in_si(USER, self._document["user"] | keys)
                users = replace(users, **{n: np.full(self.base.users, v) for n, v in alike.items()})
            else:
                rows = SYSTEM if owner == "system" else SLOPES
                system = replace(system, **in_si(rows, self._document[owner] | keys))
        kinds = replace(template.tasks, **tasks, accuracy=tuple(tables))
        return replace(template, system=system, users=users, tasks=kinds)

    def given(self) -> Floats:
        """Return where the first start begins (P,), NaN where nothing says so."""
        values = []
        for parameter in self._targets.parameter:
            key = parameter.key
            if parameter.start is not None:
                values.append(parameter.start)
                continue
            section, _, last = key.rpartition(".")
            owner, _, kind = section.partition(".")
            table = self._document.get(owner, {})
            number = (table.get(kind, {}) if kind else table).get(last)
            values.append(number if isinstance(number, float) and key not in SHAPE else np.nan)
        return np.array(values)

    def predict(self, values: Floats) -> tuple[Floats, float]:
        """Return the figures that values (P,) predict, and the share of slots without an answer.

        Figures (T,) are NaN where a setting has no feasible slot; shares are summed over settings.
        """
        return self._predict(self.problem(values))

    def predict_given(self) -> tuple[Floats, float]:
        """Return what `predict` does, of the scenario given."""
        return self._predict(self._template)

    def _predict(self, template: Problem) -> tuple[Floats, float]:
        figures, lost = [], 0.0
        for setting, outcome, weight in self._outcomes(template):
            lost += max(0.0, 1.0 - float(weight.sum()))
            for figure, _ in setting.figures():
                mean = mean_of(ARRAYS[figure](outcome), weight)
                if figure == "qoe":
                    mean = ALL_LOCAL + setting.share * (mean - ALL_LOCAL)
                figures.append(mean)
        return np.array(figures), lost

    def qoe(self, values: Floats) -> dict[str, float]:
        """Return the mean QoE a task of each setting, of the optimum itself."""
        return {
            setting.name: mean_of(outcome.qoe, weight)
            for setting, outcome, weight in self._outcomes(self.problem(values))
        }

    @cached_property
    def targets(self) -> list[Target]:
        """The measured figures; how slots vary is that of the scenario given."""
        noise, targets = self._targets.noise, []
        for setting, outcome, weight in self._outcomes(self._template):
            for figure, value in setting.figures():
                slots = ARRAYS[figure](outcome).mean(axis=1, keepdims=True)
                variance = mean_of((slots - mean_of(slots, weight)) ** 2, weight)
                parts = (
                    getattr(noise.rounding, figure) / 12.0**0.5,
                    (variance / self._targets.slots) ** 0.5,
                    getattr(noise.model, figure),
                    getattr(noise.relative, figure) * value,
                )
                total = float(np.linalg.norm(parts))
                if total < ROUNDING_ERRORS * max(1.0, abs(value)):
                    raise ValueError(
                        f"setting {setting.name}: {figure} has no noise, no slot differs in it: "
                        "give noise.rounding or noise.model"
                    )
                targets.append(Target(setting.name, figure, value, total))
        return targets

    def misfit(self, place: Floats) -> float:
        """Return the chi square of a place, and more where it breaks orders or slots."""
        predicted, lost = self.predict(self.prior.values(place))
        return self.missed(predicted, lost) + DISORDER * float(self.prior.disorder(place))

    def missed(self, predicted: Floats, lost: float) -> float:
        """Return the chi square of figures (T,), and more where slots have no answer."""
        if np.isnan(predicted).any():
            return UNEXPLAINED
        deviations = (predicted - self._measured) / self._noise
        return float(deviations @ deviations) + INFEASIBLE * lost

    def log_likelihood(self, place: Floats) -> float:
        """Return minus half the chi square, and -inf outside the prior."""
        return -0.5 * self.misfit(place) if self.prior.allows(place) else -np.inf

    @cached_property
    def _measured(self) -> Floats:
        return np.array([target.value for target in self.targets])

    @cached_property
    def _noise(self) -> Floats:
        return np.array([target.noise for target in self.targets])

    def _outcomes(self, template: Problem) -> Iterator[tuple[Setting, Outcome, Floats]]:
        """Yield what decisions are worth in each setting (D, N), with weights (D,) of slots."""
        for setting in self._targets.setting:
            problem, gain, task, weight = template, self.gain, self.task, self.weight
            if setting.weights is not None:
                problem = weighted(problem, setting.weights)
            if setting.method == "reference":
                clock = problem.users.reference_frequency
                actions = Actions.local(np.tile(clock, (len(task), 1)))
            else:
                solver = ExactBatch(restriction(problem, setting.method))
                actions, value, _ = solver.solve(gain, task)
                decided = value > -np.inf
                if not decided.all():
                    actions, gain, task = actions.take(decided), gain[decided], task[decided]
                    weight = weight[decided]
            yield setting, cpu.evaluate(problem, Batch(actions, gain, task, threads=1)), weight


def mean_of(tasks: Floats, weight: Floats) -> float:
    """Return the mean over tasks (S, N) of slots with weights (S,); NaN of none."""
    return float(tasks.mean(axis=1) @ weight / weight.sum()) if len(weight) else np.nan


def weighted(problem: Problem, weights: Iterable[float]) -> Problem:
    """Return a problem in which all users have these weights of latency, energy and accuracy."""
    each = np.array(list(weights)) / sum(weights)
    users = len(problem.users.power_min)
    fields = {row.name: np.full(users, w) for row, w in zip(WEIGHTS, each, strict=True)}
    return replace(problem, users=replace(problem.users, **fields))


def common_slots(
    scenario: Scenario, drawn: Floats, gains: int, seed: int
) -> tuple[Floats, Integers, Floats]:
    """Return slots that stand for all draws of a scenario, and their weights.

    Gain is (S, N, K), task (S, N), weight (S,); `drawn` gains are (D, N, K). Weights sum to 1.
    Where users are alike, combinations of tasks are taken once for all orders.
    """
    users, shares = scenario.users, np.asarray(scenario.shares(), dtype=float)
    shares = shares / shares.sum()
    gain = even_gains(drawn, gains, seed) if independent(scenario) else drawn
    if len(shares) ** users > COMBINATIONS:
        task = scenario.draw(gains, seed)[1]
        return gain, task, np.full(gains, 1.0 / gains)
    if alike(scenario):
        task = np.array(list(combinations_with_replacement(range(len(shares)), users)))
        orders = [len(set(permutations(row))) for row in task.tolist()]
    else:
        task = np.array(list(product(range(len(shares)), repeat=users)))
        orders = [1] * len(task)
    weight = shares[task].prod(axis=1) * orders / gains
    return np.repeat(gain, len(task), axis=0), np.tile(task, (gains, 1)), np.tile(weight, gains)


def alike(scenario: Scenario) -> bool:
    """Tell whether no user differs from another, neither in its device nor in its channel."""
    users = vars(scenario.template().users).values()
    law = scenario.channel_law()
    means = (np.asarray(getattr(law, name) or 1.0).ndim for name in ("mean_gain", "distance"))
    return (
        independent(scenario) and not any(means) and all((each == each[0]).all() for each in users)
    )


def independent(scenario: Scenario) -> bool:
    """Tell whether gains are independent in time, between users and between sub-channels."""
    return issubclass(LAWS[scenario.channel_law().model].sampler, Independent)


def even_gains(drawn: Floats, count: int, seed: int) -> Floats:
    """Return gains (count, N, K) that fill the law of independent ones (D, N, K) evenly."""
    from scipy.stats import qmc

    entries = prod(drawn.shape[1:])
    quantiles = np.sort(drawn.reshape(len(drawn), entries), axis=0)
    places = qmc.Sobol(entries, rng=seed).random(count)
    rank = (np.arange(len(drawn)) + 0.5) / len(drawn)
    even = [np.interp(places[:, entry], rank, quantiles[:, entry]) for entry in range(entries)]
    return np.ascontiguousarray(np.stack(even, axis=1).reshape(count, *drawn.shape[1:]))
