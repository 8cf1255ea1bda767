"""What an algorithm offers, and what its settings may be: asked for, or read from a checkpoint."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol, Self, get_args, get_type_hints

from ..methods import ALGORITHMS

if TYPE_CHECKING:
    from torch import device

    from ..env.environment import Environment
    from .learner import Learner

TINY = 1e-12  # what must be above 0 is at least this
Range = tuple[float, float]

# Of the settings that several algorithms have: the least and the greatest value.
ALLOWED: dict[str, Range] = {
    "slots": (1, 1 << 20),
    "steps": (1, 10_000),
    "updates": (1, 1_000_000_000),
    "minibatch": (1, 1 << 20),
    "learning_rate": (TINY, 1e12),
    "discount": (0.0, 1.0),
    "gradient": (TINY, 1e12),
    "width": (1, 8192),
    "layers": (0, 64),
    "validate_every": (1, 1_000_000_000),
    "patience": (0, 1_000_000_000),
}
OLD_SETTINGS = {"every": "validate_every"}  # as checkpoints of earlier versions call them


class CommonSettings:
    """What the settings of all algorithms have; a frozen dataclass derives from it.

    Attributes
    ----------
    slots : side by side in the environment
    updates : length of the run
    learning_rate, gradient : of the optimiser, and the largest norm of a gradient
    validate_every : updates between two validations
    patience : validations without better regret that end a run; 0: none does
    """

    slots: int
    updates: int
    learning_rate: float
    gradient: float
    validate_every: int
    patience: int

    def check(self) -> None:
        """Raise ValueError for settings that do not go together."""

    def for_queues(self, length: int) -> Self:
        """Return the settings for queues with batteries, of so many tasks."""
        return self


class Algorithm(Protocol):
    """What the module of an algorithm offers.

    Attributes
    ----------
    Settings : a frozen dataclass, with a sentence beside each field
    SETTINGS : settings by name, among them "fast"
    ALLOWED : least and greatest value of the settings that no other algorithm has
    Learner : made of an environment of `slots` slots, settings, a seed and a device
    """

    Settings: type[CommonSettings]
    SETTINGS: Mapping[str, CommonSettings]
    ALLOWED: Mapping[str, Range]
    Learner: Callable[[Environment, Any, int, device], Learner]


def module_of(algorithm: str) -> Algorithm:
    """Return the module of an algorithm."""
    if algorithm not in ALGORITHMS:
        raise ValueError(f"algorithm = {algorithm!r}: one of {', '.join(ALGORITHMS)} is expected")
    module: Any = import_module(f".{ALGORITHMS[algorithm][1]}", __package__)
    made: Algorithm = module
    return made


def settings_of(algorithm: str, values: dict[str, Any]) -> CommonSettings:
    """Return the settings of an algorithm, all of them given.

    Raises
    ------
    ValueError
        Naming a setting that is missing, unknown, of another type or out of its range.
    """
    module = module_of(algorithm)
    kind: Any = module.Settings
    allowed = {**ALLOWED, **module.ALLOWED}
    hints, known = get_type_hints(kind), {field.name for field in fields(kind)}
    for name in (*sorted(known - values.keys()), *sorted(values.keys() - known)):
        problem = "is missing" if name in known else f"is no setting of {algorithm}"
        raise ValueError(f"settings.{name} {problem}")
    for name, value in values.items():
        if words := get_args(hints[name]):
            if value not in words or type(value) is not str:
                raise ValueError(f"settings.{name} = {value!r}: one of {', '.join(words)}")
            continue
        low, high = allowed[name]
        whole = hints[name] is int
        sound = type(value) is int or (type(value) is float and not whole)
        if not sound or not low <= value <= high:
            number = "a whole number" if whole else "a number"
            raise ValueError(
                f"settings.{name} = {value!r}: {number} from {low:g} to {high:g} is expected"
            )
    settings: CommonSettings = kind(**values)
    settings.check()
    return settings
