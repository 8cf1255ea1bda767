"""Backend `cuda`: kernels compiled into the wheel by nvcc."""

from __future__ import annotations


def why_not() -> str | None:
    """Return why there is no CUDA here."""
    return "this build has no CUDA kernels yet"
