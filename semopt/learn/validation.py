"""What a run is measured by while it learns: a fixed set of slots with their exact optima."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch

from ..arrays import Flags
from ..battery import skip_unpaid
from ..env.batteries import Ahead
from ..env.environment import Environment
from ..model import SKIP, Actions, evaluate
from ..problem import Floats, Integers
from ..records import Record
from ..solvers.batch import solve_batch
from ..worth import objective, tasks_in, within_limits
from .actor import as_decisions
from .leftover import Foresight, Lookahead

VALIDATION, TRAINING = 1, 2  # streams of a seed; evaluation draws from the seed itself
SLOTS = 512  # of the validation set, the same for every seed
SETTLED = 0.5  # share of a run after which a policy has had the time to take up every mode


@dataclass(frozen=True)
class Validation(Record):
    """A fixed set of slots with their optima.

    Attributes
    ----------
    gain, task : (S, N, K) and (S, N), slots whose P0 is feasible
    optimum : (S,) float64
    offloading : share of tasks that the optimum offloads
    """

    WORDS: ClassVar[str] = "optima of the validation slots"

    gain: Floats
    task: Integers
    optimum: Floats
    offloading: float

    @classmethod
    def draw(cls, env: Environment, tick: Callable[[float], None] = lambda _: None) -> Validation:
        """Draw slots and solve them exactly; `tick` is told the share that is done.

        Of a trace, as many as its part for validation has, up to `SLOTS`.
        """
        slots = min(SLOTS, env.scenario.length("validation") or SLOTS)
        seed = stream_seed(0, VALIDATION)
        gain, task = env.scenario.draw(slots, seed, part="validation")
        batch = solve_batch(env.problem, gain, task, progress=lambda done: tick(done / slots))
        solved = ~np.isnan(batch.objective)
        if not solved.any():
            raise ValueError(f"scenario {env.scenario.name}: no slot of {slots} drawn is feasible")
        offloading = float((batch.actions.channel[solved] >= 0).mean())
        return cls(gain[solved], task[solved], batch.objective[solved], offloading)

    def score(self, env: Environment, policy: Any) -> dict[str, float]:
        """Return QoE and regret a task, of the objective asked, and the share offloaded."""
        actions = decide(env, policy, self.gain, self.task)
        outcome = evaluate(env.problem, actions, self.gain, self.task)
        feasible = within_limits(env.problem, actions, outcome, self.task)
        reached = objective(env.problem, np.where(feasible, outcome.qoe, 0.0))
        tasks = tasks_in(env.problem)
        qoe = float(reached.mean()) / tasks
        return {
            "qoe": qoe,
            "regret": float(self.optimum.mean()) / tasks - qoe,
            "offloading": float(actions.offload.mean()),
        }

    def collapsed(self, offloading: float, done: float) -> str:
        """Return a sentence where a policy does one thing that the optimum does not; else "".

        In the first half of a run, of which `done` is the share, it still explores: no word then.
        """
        if done < SETTLED:
            return ""
        for name, share in (("all-local", 0.0), ("all-offload", 1.0)):
            if abs(offloading - share) < 0.005 < 0.05 < abs(self.offloading - share):
                return (
                    f"the policy has collapsed to {name}: it offloads {offloading:.1%} of tasks, "
                    f"the optimum {self.offloading:.1%}"
                )
        return ""


def decide(env: Environment, policy: Any, gain: Floats, task: Integers) -> Actions:
    """Return a network's greedy actions in slots gain (S, N, K), task (S, N)."""
    return decide_ahead(env, policy, gain, task, None)[0]


def decide_ahead(
    env: Environment, policy: Any, gain: Floats, task: Integers, ahead: Ahead | None
) -> tuple[Actions, Flags]:
    """Return a network's greedy actions, and who skips its task: (S, N).

    One with `Foresight` looks ahead from there. With batteries nobody offloads what it cannot pay
    for, though the environment lets it: what bounds policies is within the batteries.

    `ahead` : what queues with batteries have ahead of them; None where there are none
    """
    observation = np.empty((len(task), env.users, env.observation_size), np.float32)
    env.observe(gain, task, observation, ahead)
    device = next(policy.parameters()).device
    seen = torch.from_numpy(observation).to(device)
    with torch.no_grad():
        if ahead and isinstance(policy, Foresight):
            decisions = Lookahead(env, policy.critic, gain, task, ahead).best(policy(seen))
        else:
            decisions = as_decisions(policy.greedy(seen))
    actions = Actions.empty(*task.shape)
    env.decide(decisions, task, actions)
    skipped = decisions.mode == SKIP
    if ahead:
        skipped = skip_unpaid(env.problem, actions, skipped, ahead.left, gain, task)
    return actions, skipped


def stream_seed(seed: int, stream: int) -> int:
    """Return the seed of one purpose of a run, far from the seeds that evaluation draws from."""
    return int(np.random.SeedSequence(seed, spawn_key=(stream,)).generate_state(1)[0])
