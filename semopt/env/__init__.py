"""The Markov decision process (13)-(16), batched, and its adapters."""

from .decisions import Decisions, Singles, empty_actions
from .environment import QUEUE, Environment, Identity, Observed
from .features import FEATURES

__all__ = [
    "FEATURES",
    "QUEUE",
    "Decisions",
    "Environment",
    "Identity",
    "Observed",
    "Singles",
    "empty_actions",
]
