"""What a file of targets says: parameters with their priors, what was measured, and its noise."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Sequence
from itertools import combinations
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError

from ...files import read_bytes
from ...scenario import Scenario
from ...strict import Strict

PAPER = Path(__file__).with_name("paper.toml")
FIGURES = ("qoe", "latency_ms", "energy_mj", "accuracy")  # means a task, as `evaluate` gives them
SHAPE = ("accuracy.exponent", "accuracy.noise", "accuracy.scale")  # of the law of accuracy
OF_TASK = ("top", "drop")  # of the law, of each kind of task
SOLVED = ("exact", "semantic-unaware", "local", "reference")


NonNegative = Annotated[float, Field(ge=0.0)]


class Parameter(Strict):
    """A key of the scenario and its prior: uniform from `low` to `high`, or so in the logarithm.

    The first start of a fit begins at `start`, or at the value that the scenario has.
    """

    key: str
    low: float
    high: float
    log: bool = False
    start: float | None = None


class Setting(Strict):
    """Figures that were measured together, means a task.

    Attributes
    ----------
    method : what is predicted to stand for the measured policy: its optimum
    weights : of latency, energy and accuracy, for all users; the scenario's unless given
    share : of the optimum's QoE above 0.5, what the measured policy reaches
    """

    name: str
    method: str = "exact"
    weights: list[float] | None = Field(None, min_length=3, max_length=3)
    share: float = Field(1.0, gt=0.0, le=1.0)
    qoe: float | None = None
    latency_ms: float | None = None
    energy_mj: float | None = None
    accuracy: float | None = None

    def figures(self) -> Iterator[tuple[str, float]]:
        """Yield the measured figures."""
        for name in FIGURES:
            if (value := getattr(self, name)) is not None:
                yield name, value


class Figures(Strict):
    """A number for each figure, 0 unless given."""

    qoe: NonNegative = 0.0
    latency_ms: NonNegative = 0.0
    energy_mj: NonNegative = 0.0
    accuracy: NonNegative = 0.0


class Noise(Strict):
    """Why a sound model may miss what was measured.

    Attributes
    ----------
    rounding : the last digit that is given
    model : standard deviation of what the model itself may be wrong by
    relative : likewise, as a share of the measured value
    """

    rounding: Figures = Figures()
    model: Figures = Figures()
    relative: Figures = Figures()


class Targets(Strict):
    """A file of targets.

    Attributes
    ----------
    scenario : what is no parameter stands there: a preset or a file, when read the document itself
    slots : on which each measured mean rests
    orders : lists of keys whose values may not fall along the list
    """

    scenario: str | dict[str, Any]
    slots: int = Field(ge=1)
    noise: Noise = Noise()
    parameter: list[Parameter] = Field(min_length=1)
    setting: list[Setting] = Field(min_length=1)
    orders: list[list[str]] = Field(default_factory=list)


def load(source: str | Path = PAPER) -> Targets:
    """Return the targets of a TOML file, with the document of the scenario in place of its name.

    Raises
    ------
    ValueError
        Naming the file, the key and what is allowed.
    """
    path = Path(source)
    try:
        document = tomllib.loads(read_bytes(path).decode("utf-8-sig"))
        targets = Targets.model_validate(document)
    except OSError as error:
        raise ValueError(f"{path}: cannot be read: {error.strerror or error}") from None
    except ValidationError as error:
        faults = "; ".join(_words(fault) for fault in error.errors())
        raise ValueError(f"{path}: {faults}") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ValueError(f"{path}: is not TOML: {error}") from None
    for fault in faults_of(targets):
        raise ValueError(f"{path}: {fault}")
    name = targets.scenario
    assert isinstance(name, str)
    beside = path.parent / name
    scenario = Scenario.load(str(beside) if beside.is_file() else name)
    return targets.model_copy(update={"scenario": scenario.to_dict()})


def _words(fault: Any) -> str:
    where = ".".join(str(part + 1) if isinstance(part, int) else part for part in fault["loc"])
    return f"{where}: {fault['msg']}"


def faults_of(targets: Targets) -> Iterator[str]:
    """Yield what no key shows alone."""
    if not isinstance(targets.scenario, str):
        yield "scenario: the name of a preset or a file is expected"
    keys = [parameter.key for parameter in targets.parameter]
    for parameter in targets.parameter:
        if keys.count(parameter.key) > 1:
            yield f"parameter {parameter.key}: stands there twice"
        if not parameter.low < parameter.high:
            yield (
                f"parameter {parameter.key}: low = {parameter.low:g} must be below "
                f"high = {parameter.high:g}"
            )
        start = parameter.low if parameter.start is None else parameter.start
        if not parameter.low <= start <= parameter.high:
            yield (
                f"parameter {parameter.key}: start = {parameter.start:g} must be from low to high"
            )
        if parameter.log and not parameter.low > 0.0:
            yield f"parameter {parameter.key}: low = {parameter.low:g} must be above 0 with log"
    yield from _faults_of_law(keys)
    for order in targets.orders:
        for key in order:
            if key not in keys:
                yield f"orders: {key} is no parameter: those are {', '.join(keys)}"
        if len(order) < 2:
            yield f"orders: {order} must have two keys or more"
        ends = [next(p for p in targets.parameter if p.key == key) for key in order if key in keys]
        for lower, upper in combinations(ends, 2):
            if not lower.low < upper.high:
                yield f"orders: {lower.key} can never be at most {upper.key}: see their ranges"
    names = [setting.name for setting in targets.setting]
    for setting in targets.setting:
        if names.count(setting.name) > 1:
            yield f"setting {setting.name}: two settings have this name"
        if setting.method not in SOLVED:
            words = ", ".join(SOLVED)
            yield f"setting {setting.name}: method {setting.method!r} is none of {words}"
        weights = setting.weights or [1.0]
        if min(weights) < 0.0 or not sum(weights) > 0.0:
            yield f"setting {setting.name}: weights {weights} must be at least 0, and not all 0"
        if not list(setting.figures()):
            yield f"setting {setting.name}: has none of {', '.join(FIGURES)}"


def _faults_of_law(keys: Sequence[str]) -> Iterator[str]:
    """Yield where the law of accuracy has some of its numbers and not all."""
    given = {key for key in keys if key in SHAPE or is_law(key)}
    kinds = {key.split(".")[1] for key in given - set(SHAPE)} or {"NAME"}
    needed = {f"tasks.{kind}.accuracy.{part}" for kind in kinds for part in OF_TASK} | set(SHAPE)
    if given and (missing := sorted(needed - given)):
        yield f"parameter: the law of accuracy also needs {', '.join(missing)}"


def is_law(key: str) -> bool:
    """Tell whether a key is a kind of task's number of the law of accuracy."""
    parts = key.split(".")
    return len(parts) == 4 and (parts[0], parts[2]) == ("tasks", "accuracy") and parts[3] in OF_TASK
