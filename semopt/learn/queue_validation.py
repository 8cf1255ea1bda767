"""What a run on queues with batteries is measured by: a fixed set of them with hindsight bounds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ..actions import Actions
from ..arrays import Flags
from ..env.batteries import Ahead
from ..env.environment import Environment
from ..online.play import play
from ..online.policy import Policy
from ..problem import Floats, Integers
from ..records import Record
from ..solvers.queue import bound_queue
from .validation import VALIDATION, decide_ahead, stream_seed

QUEUES = 100  # of the validation set, the same for every seed


@dataclass(frozen=True)
class QueueValidation(Record):
    """A fixed set of queues with what no policy can be worth more than, on the grid.

    Attributes
    ----------
    gain, task : (Q, T, N, K) and (Q, T, N)
    bound : (Q,) float64, on the sum of QoE
    """

    WORDS: ClassVar[str] = "bounds of the validation queues"

    gain: Floats
    task: Integers
    bound: Floats

    @classmethod
    def draw(
        cls, env: Environment, tick: Callable[[float], None] = lambda _: None
    ) -> QueueValidation:
        """Draw queues and bound them; `tick` is told the share that is done.

        Of a trace, as many as its part for validation has, up to `QUEUES`.
        """
        length, slots = env.length, env.scenario.length("validation")
        queues = QUEUES if slots is None else min(QUEUES, slots // length)
        if not queues:
            raise ValueError(
                f"scenario {env.scenario.name}: a queue has {length} slots, its part for "
                f"validation {slots}: shorten queue.length, or change channel.split"
            )
        seed = stream_seed(0, VALIDATION)
        gain, task = env.scenario.draw(queues * length, seed, part="validation")
        gain = gain.reshape(queues, length, *gain.shape[1:])
        task = task.reshape(queues, length, -1)
        bound = np.empty(queues)
        for q in range(queues):
            tick(q / queues)
            bound[q], _ = bound_queue(env.problem, gain[q], task[q])
        return cls(gain, task, bound)

    def score(self, env: Environment, policy: Any) -> dict[str, float]:
        """Return QoE and regret a task, and the share offloaded."""
        offloaded = 0
        decide = policy_of(env, policy)

        def counted(
            gain: Floats, task: Integers, left: Floats, tasks_left: int
        ) -> tuple[Actions, Flags]:
            nonlocal offloaded
            actions, skipped = decide(gain, task, left, tasks_left)
            offloaded += int((actions.offload & ~skipped).sum())
            return actions, skipped

        qoe = float(play(env.problem, counted, self.gain, self.task).value.mean())
        return {
            "qoe": qoe,
            "regret": float(self.bound.sum()) / self.task.size - qoe,
            "offloading": offloaded / self.task.size,
        }

    def collapsed(self, offloading: float, done: float) -> str:
        """Return no word: a bound has no decision that a policy could be held to."""
        return ""


def policy_of(env: Environment, network: Any) -> Policy:
    """Return a network's decisions as a policy for queues."""

    def decide(
        gain: Floats, task: Integers, left: Floats, tasks_left: int
    ) -> tuple[Actions, Flags]:
        return decide_ahead(env, network, gain, task, Ahead(left, np.full(len(task), tasks_left)))

    return decide
