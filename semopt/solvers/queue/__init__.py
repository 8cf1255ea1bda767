"""The queue in hindsight: slots that share batteries, all gains and tasks known."""

from .hindsight import bound_queue, solve_queue

__all__ = ["bound_queue", "solve_queue"]
