"""The inverse problem: how well a scenario explains what was measured.

Each setting's figures are predicted by the optimum that stands for the measured policy, on slots
that are the same for all values of the parameters (common random numbers). Every combination of
tasks meets each of the gains, and gains fill their law evenly (Sobol points through the quantiles
of the law), so that the prediction's own noise lies below the last digit of the measurements. What
values miss is a chi square: each difference in units of its noise, which is made of the rounding of
the measured figure, of the slots that it rests on, and of a stated error of the model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from ...arrays import Flags
from ...backends import Batch, cpu
from ...figures import SLOPES, SYSTEM, TASK, USER, WEIGHTS, in_si
from ...model import Outcome, execution_energy, execution_time
from ...problem import AccuracyTable, Floats, Integers, Problem
from ...scenario import Scenario
from ...solvers.baselines import restriction
from ...solvers.matching import ExactBatch, refuse_coupled
from .accuracy import accuracy_table, snr_points
from .common import QUANTILES, cell_slots, common_slots, independent
from .prior import Prior
from .slots import Variants
from .targets import SHAPE, Setting, Targets, is_law

ARRAYS: dict[str, Callable[[Outcome], Floats]] = {  # of each figure, a value a task: (S, N)
    "qoe": lambda outcome: outcome.qoe,
    "latency_ms": lambda outcome: outcome.latency * 1e3,
    "energy_mj": lambda outcome: outcome.energy * 1e3,
    "accuracy": lambda outcome: outcome.accuracy,
}
TASK_FIELDS = [row.name for row in TASK]
ALL_LOCAL = 0.5  # QoE of the reference
ROUNDING_ERRORS = 1e-9  # of a mean, relative: no noise
UNEXPLAINED = 1e9  # misfit by a figure of a setting that has no feasible slot
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
        self._cells = cell_slots(self.base, self.gain, self.task)
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
        if self._document.get("users"):  # figures of some users' own, which a parameter leaves
            return self.scenario(values).template()
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
        return chi_square(self.deviations(place)) + DISORDER * float(self.prior.disorder(place))

    def deviations(self, place: Floats) -> Floats:
        """Return by how much noise a place misses each target, and one for lost slots: (T + 1,).

        Half the sum of their squares is minus the log likelihood.
        """
        return self.deviating(*self.predict(self.prior.values(place)))

    def deviating(self, predicted: Floats, lost: float) -> Floats:
        """Return the deviations (T + 1,) of figures (T,) and of slots without an answer."""
        missed = np.nan_to_num((predicted - self._measured) / self._noise, nan=UNEXPLAINED**0.5)
        return np.append(missed, (INFEASIBLE * lost) ** 0.5)

    def allows(self, places: Floats) -> Flags:
        """Tell of places (W, P) whether they are in the prior: (W,)."""
        return self.prior.allows(places)

    @cached_property
    def _measured(self) -> Floats:
        return np.array([target.value for target in self.targets])

    @cached_property
    def _noise(self) -> Floats:
        return np.array([target.noise for target in self.targets])

    def _outcomes(self, template: Problem) -> Iterator[tuple[Setting, Outcome, Floats]]:
        """Yield what decisions are worth in each setting (D, N), with weights (D,) of slots."""
        optima = self._optima(template)
        for setting in self._targets.setting:
            if setting.method == "reference":
                yield setting, at_reference(template, self.task), self.weight
            else:
                yield setting, *next(optima)

    @cached_property
    def _solved(self) -> list[Setting]:
        return [setting for setting in self._targets.setting if setting.method != "reference"]

    @cached_property
    def _variants(self) -> Variants:
        """The solved settings, for slots that are cells."""
        nan = np.full(3, np.nan)
        methods = [setting.method for setting in self._solved]
        return Variants(
            np.array([nan if s.weights is None else weights(s) for s in self._solved]),
            np.array([method == "semantic-unaware" for method in methods]),
            np.array([method == "local" for method in methods]),
        )

    def _optima(self, template: Problem) -> Iterator[tuple[Outcome, Floats]]:
        """Yield what feasible slots give in each solved setting (D, N), and their weights (D,)."""
        if self._cells is not None:
            if not self._variants.local.all():
                refuse_coupled(template)
            for outcome in self._cells.solve(template, self._variants):
                feasible = outcome.qoe.sum(axis=1) > -np.inf
                if feasible.all():
                    yield outcome, self.weight
                else:
                    yield outcome.take(feasible), self.weight[feasible]
            return
        for setting in self._solved:
            problem = template if setting.weights is None else weighted(template, weights(setting))
            restricted = restriction(problem, setting.method)
            gain = np.ascontiguousarray(self.gain[..., : restricted.gain.shape[1]])
            actions, value, _ = ExactBatch(restricted).solve(gain, self.task)
            feasible = value > -np.inf
            slots = self.gain[feasible], self.task[feasible]
            outcome = cpu.evaluate(problem, Batch(actions.take(feasible), *slots, threads=1))
            yield outcome, self.weight[feasible]


def chi_square(deviations: Floats) -> float:
    """Return the sum of squares of deviations (T,)."""
    return float(deviations @ deviations)


def mean_of(tasks: Floats, weight: Floats) -> float:
    """Return the mean over tasks (S, N) of slots with weights (S,); NaN of none."""
    if len(weight) == 0:
        return np.nan
    return float((weight @ tasks).sum() / (tasks.shape[1] * weight.sum()))


def weights(setting: Setting) -> Floats:
    """Return the weights of a setting that has some, of a sum of 1: (3,)."""
    given = np.array(setting.weights)
    each: Floats = given / given.sum()
    return each


def weighted(problem: Problem, each: Floats) -> Problem:
    """Return a problem in which all users have these weights of latency, energy and accuracy."""
    users = len(problem.users.power_min)
    fields = {row.name: np.full(users, w) for row, w in zip(WEIGHTS, each, strict=True)}
    return replace(problem, users=replace(problem.users, **fields))


def at_reference(problem: Problem, task: Integers) -> Outcome:
    """Return what tasks (S, N) give on their users' own devices at the reference frequency."""
    users, tasks = problem.users, problem.tasks
    latency = execution_time(
        tasks.local_flop[task], users.flop_per_cycle, users.reference_frequency
    )
    energy = execution_energy(users.energy_coefficient, latency, users.reference_frequency)
    qoe, violations = np.full(task.shape, ALL_LOCAL), np.zeros(task.shape, np.uint8)
    return Outcome(latency, energy, tasks.local_accuracy[task], qoe, violations)
