"""Which backends there are, which of them can be used here, and what each offers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import import_module
from logging import getLogger
from typing import TYPE_CHECKING

from .protocol import Evaluate, Module, Search, Tabulate

if TYPE_CHECKING:
    from . import cpu, cuda, cupy, reference

    CHECKED: tuple[Module, ...] = (reference, cpu, cupy, cuda)


LOG = getLogger(__name__)


@dataclass(frozen=True)
class Backend:
    """The operations of a backend that can be used here."""

    name: str
    evaluate: Evaluate
    tabulate: Tabulate
    search: Search
    on_device: bool = False


# Modules, imported when asked for. From the plainest to the fastest, which `auto` is.
BACKENDS = {
    "numpy": "reference",
    "cpu": "cpu",
    "cupy": "cupy",
    "cuda": "cuda",
}
ON_DEVICE = ("cupy", "cuda")  # those that read a device's memory
NAMES = ("auto", *BACKENDS)


@cache
def module_of(name: str) -> Module:
    """Return the module of a backend."""
    module: Module = import_module(f".{BACKENDS[name]}", __package__)
    return module


def why_not(name: str) -> str | None:
    """Return the sentence that says why a backend cannot be used here; None if it can."""
    if name not in BACKENDS:
        return f"it is not one of {', '.join(NAMES)}"
    return module_of(name).why_not()


def available() -> list[str]:
    """Return the names of the backends that can be used here, from the plainest to the fastest."""
    return [name for name in BACKENDS if why_not(name) is None]


def describe(name: str) -> str:
    """Return what a backend that can be used here runs on."""
    return module_of(name).describe()


def get(name: str = "auto") -> Backend:
    """Return a backend by name; `auto` is the fastest there is.

    Raises
    ------
    ValueError
        If the backend cannot be used here, saying why.
    """
    if name == "auto":
        name = available()[-1]
        LOG.debug("backend auto is %s", name)
    reason = why_not(name)
    if reason is not None:
        raise ValueError(f"backend {name!r} cannot be used: {reason}")
    return _backend(name)


@cache
def _backend(name: str) -> Backend:
    module = module_of(name)
    return Backend(name, module.evaluate, module.tabulate, module.search, name in ON_DEVICE)
