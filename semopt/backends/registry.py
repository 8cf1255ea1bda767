"""Which backends there are, and which of them can be used here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import import_module

from ..model import Outcome
from .query import Found, Tables


@dataclass(frozen=True)
class Backend:
    """The functions of one backend; see `operations` for their arguments."""

    name: str
    evaluate: Callable[..., Outcome]
    tabulate: Callable[..., Tables]
    search: Callable[..., Found]


# The module of each backend, imported when asked for; from the plainest to the fastest.
MODULES = {"numpy": "reference", "cpu": "cpu", "cupy": "cupy", "cuda": "cuda"}
DEVICES = ("cupy", "cuda")  # those that read a device's memory
NAMES = ("auto", *MODULES)


def why_not(name: str) -> str | None:
    """Return the sentence that says why a backend cannot be used here; None if it can."""
    if name not in MODULES:
        return f"it is not one of {', '.join(MODULES)}"
    if name in ("numpy", "cpu"):
        return None
    reason: str | None = import_module(f".{MODULES[name]}", __package__).why_not()
    return reason


def available() -> list[str]:
    """Return the names of the backends that can be used here, from the plainest to the fastest."""
    return [name for name in MODULES if why_not(name) is None]


def describe(name: str) -> str:
    """Return what a backend that can be used here runs on."""
    about: str = import_module(f".{MODULES[name]}", __package__).describe()
    return about


def get(name: str = "auto") -> Backend:
    """Return a backend by name; `auto` is the fastest there is.

    Raises
    ------
    ValueError
        If the backend cannot be used here, saying why.
    """
    if name == "auto":
        name = available()[-1]
    reason = why_not(name)
    if reason is not None:
        raise ValueError(f"backend {name!r} cannot be used: {reason}")
    return _backend(name)


@cache
def _backend(name: str) -> Backend:
    module = import_module(f".{MODULES[name]}", __package__)
    return Backend(name, module.evaluate, module.tabulate, module.search)
