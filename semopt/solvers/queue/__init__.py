"""The queue in hindsight: slots that share batteries, all gains and tasks known."""

from .hindsight import solve_queue
from .result import QueueResult

__all__ = ["QueueResult", "solve_queue"]
