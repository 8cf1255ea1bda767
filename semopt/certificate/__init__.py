"""Certificates of continuous optima, and their checker, which runs no solver."""

from .format import (
    FORMAT,
    VERSION,
    closed,
    digest,
    document,
    problem_from_json,
    problem_to_json,
    reads_as,
    write,
)
from .reading import read

__all__ = [
    "FORMAT",
    "VERSION",
    "closed",
    "digest",
    "document",
    "problem_from_json",
    "problem_to_json",
    "read",
    "reads_as",
    "write",
]
