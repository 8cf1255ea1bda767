"""Backend `cuda`: kernels compiled into the wheel by nvcc (csrc/gpu)."""

from __future__ import annotations

from typing import Any

from .cpu import tabulate
from .gpu.operations import operations

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
    return reason or None


def describe() -> str:
    """Return what this backend runs on."""
    name: str = runtime().device_name()
    return name


evaluate, search = operations(runtime)
