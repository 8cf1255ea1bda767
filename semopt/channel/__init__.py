"""Channels: laws of gains, the gains themselves, and the tasks at the heads of the queues."""

from .gains import Gains, draw_gains
from .laws import LAWS, Channel
from .queues import Heads, draw_tasks

__all__ = ["LAWS", "Channel", "Gains", "Heads", "draw_gains", "draw_tasks"]
