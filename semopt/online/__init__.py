"""Policies for queues with batteries that decide by what is known now."""

from .policies import make, names

__all__ = ["make", "names"]
