"""Certificates of continuous optima, and their checker, which runs no solver."""

from .reading import read

__all__ = ["read"]
