"""What the settings of the learners may be: asked for, or read from a checkpoint."""

from __future__ import annotations

from dataclasses import fields
from importlib import import_module
from typing import Any, get_args, get_type_hints

ALGORITHMS = ("mappo", "dqn", "distill")
TINY = 1e-12  # what must be above 0 is at least this

# Of each setting, in whatever algorithm: the least and the greatest value.
ALLOWED: dict[str, tuple[float, float]] = {
    "slots": (1, 1 << 20),
    "steps": (1, 10_000),
    "updates": (1, 1_000_000_000),
    "epochs": (1, 10_000),
    "minibatches": (1, 1 << 20),
    "minibatch": (1, 1 << 20),
    "learning_rate": (TINY, 1e12),
    "final_rate": (0.0, 1.0),
    "discount": (0.0, 1.0),
    "gae_lambda": (0.0, 1.0),
    "clip": (TINY, 1.0),
    "unit": (TINY, 1e12),
    "entropy": (TINY, 1e12),
    "final_entropy": (TINY, 1e12),
    "sharpness": (TINY, 1e12),
    "final_sharpness": (TINY, 1e12),
    "value": (0.0, 1e12),
    "gradient": (TINY, 1e12),
    "floor": (-1e12, 1.0),
    "warmup": (0.0, 0.99),
    "width": (1, 8192),
    "layers": (0, 64),
    "levels": (1, 64),
    "memory": (1, 1 << 16),
    "explore": (0.0, 1.0),
    "final_explore": (0.0, 1.0),
    "target": (1, 1_000_000_000),
    "margin": (0.0, 0.99),
    "level": (0.0, 1e12),
    "every": (1, 1_000_000_000),
    "patience": (0, 1_000_000_000),
}


def module_of(algorithm: str) -> Any:
    """Return the module of an algorithm."""
    if algorithm not in ALGORITHMS:
        raise ValueError(f"algorithm = {algorithm!r}: one of {', '.join(ALGORITHMS)} is expected")
    return import_module(f".{algorithm}", __package__)


def settings_of(algorithm: str, given: dict[str, Any]) -> Any:
    """Return the settings of an algorithm, all of them given.

    Raises
    ------
    ValueError
        Naming a setting that is missing, unknown, of another type or out of its range.
    """
    kind = module_of(algorithm).Settings
    hints, known = get_type_hints(kind), {field.name for field in fields(kind)}
    for name in (*sorted(known - given.keys()), *sorted(given.keys() - known)):
        what = "is missing" if name in known else f"is no setting of {algorithm}"
        raise ValueError(f"settings.{name} {what}")
    for name, value in given.items():
        if words := get_args(hints[name]):
            if value not in words or type(value) is not str:
                raise ValueError(f"settings.{name} = {value!r}: one of {', '.join(words)}")
            continue
        low, high = ALLOWED[name]
        whole = hints[name] is int
        sound = type(value) is int or (type(value) is float and not whole)
        if not sound or not low <= value <= high:
            number = "a whole number" if whole else "a number"
            raise ValueError(
                f"settings.{name} = {value!r}: {number} from {low:g} to {high:g} is expected"
            )
    settings = kind(**given)
    if algorithm == "mappo" and settings.minibatches > settings.slots * settings.steps:
        raise ValueError(
            f"settings.minibatches = {settings.minibatches}: at most slots x steps, "
            f"{settings.slots * settings.steps}, are expected"
        )
    return settings
