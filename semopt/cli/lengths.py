"""How long each study is unless options say so: whole, or with --quick."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from ..scenario import Scenario

# Of each option: its value in the whole study, and with --quick.
LENGTHS: dict[str, dict[str, tuple[Any, Any]]] = {
    "gap": {"seeds": (3, 1), "slots": (1000, 100), "ranked": (100, 10)},
    "scaling": {"users": (256, 32), "slots": (5, 2), "limit": (60.0, 2.0)},
    "calibrate": {
        "starts": (20, 2),
        "evaluations": (8000, 800),
        "gains": (64, 8),
        "chains": (2, 2),
        "legs": (40, 4),
        "steps": (10, 4),
        "walkers": (1000, 100),
        "draws": (30, 30),
    },
    "information": {"draws": (400, 40), "replies": (1000, 100), "slots": (1000, 100)},
    "policies": {"slots": (1000, 100), "updates": (None, 2)},
}


def lengths(
    study: str, quick: bool, scenarios: Iterable[Scenario] = (), **given: Any
) -> dict[str, Any]:
    """Return the value of each option of a study: as given, else as usual.

    Of slots the usual number, or as many as the traces of all `scenarios` have for evaluation.
    """
    usual = {name: of[quick] for name, of in LENGTHS[study].items()}
    for scenario in scenarios if given.get("slots") is None else ():
        usual["slots"] = min(usual["slots"], scenario.length("evaluation") or usual["slots"])
    return {name: usual[name] if value is None else value for name, value in given.items()}


def length(study: str, name: str, least: float, text: str) -> Any:
    """Return an option that says what stands where it is not given."""
    whole, quick = LENGTHS[study][name]
    usual = [] if whole is None else [f"{whole:g} unless given"]
    usual += [] if quick == whole else [f"{quick:g} with --quick"]
    return typer.Option(min=least, help=f"{text}; {', '.join(usual)}.")
