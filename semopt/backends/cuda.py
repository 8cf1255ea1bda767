"""Backend `cuda`: kernels compiled into the wheel by nvcc (csrc/kernels.cuh, csrc/cuda.cu)."""

from __future__ import annotations

from typing import Any

from ..model import Actions, Outcome
from ..problem import Floats, Integers, Problem
from . import gpu
from .cpu import tabulate
from .tables import Found, Query, Tables

__all__ = ["describe", "evaluate", "search", "tabulate", "why_not"]


def runtime() -> Any:
    """Return the compiled runtime."""
    from .. import _cuda

    return _cuda


def why_not() -> str | None:
    """Return why no CUDA device can be used here; None if one can."""
    try:
        reason: str = runtime().why_not()
    except ImportError:
        return "this build has no CUDA kernels: nvcc was not found when it was made"
    return f"CUDA says: {reason}" if reason else None


def describe() -> str:
    """Return what this backend runs on."""
    name: str = runtime().device_name()
    return name


def evaluate(
    problem: Problem,
    actions: Actions,
    gain: Floats | None = None,
    task: Integers | None = None,
    out: Outcome | None = None,
    threads: int = 0,
) -> Outcome:
    """Score joint actions on the device."""
    return gpu.evaluate(runtime(), problem, actions, gain, task, out)


def search(tables: Tables, start: int, stop: int, query: Query, threads: int = 0) -> Found:
    """Scan joint actions start..stop-1 on the device."""
    return gpu.search(runtime(), tables, start, stop, query, threads)
