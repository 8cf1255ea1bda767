"""Channels: laws of gains, the gains themselves, and the tasks at the heads of the queues."""

from .gains import Gains, draw_gains
from .laws import NEEDS, TAKES, Channel, other_shape, rows_of
from .queues import Heads, draw_tasks

__all__ = [
    "NEEDS",
    "TAKES",
    "Channel",
    "Gains",
    "Heads",
    "draw_gains",
    "draw_tasks",
    "other_shape",
    "rows_of",
]
