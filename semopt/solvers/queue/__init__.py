"""The queue in hindsight: slots that share batteries, all gains and tasks known."""

from .hindsight import solve_queue

__all__ = ["solve_queue"]
