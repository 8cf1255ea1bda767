"""The Markov decision process (13)-(16), batched, and its adapters."""

from .decisions import Decisions, Singles
from .environment import Environment
from .features import FEATURES

__all__ = [
    "FEATURES",
    "Decisions",
    "Environment",
    "Singles",
]
