"""The methods of `solve`: functions from a problem and their own options to a `Result`."""

from ..methods import METHODS
from .slot import LADDER, bound, find, ladder, solve

__all__ = ["LADDER", "METHODS", "bound", "find", "ladder", "solve"]
