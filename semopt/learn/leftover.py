"""What MAPPO needs where batteries couple slots: a critic of what is left, and lookahead by it.

The critic judges the slot behind a decision. Where gains do not depend on earlier ones nothing but
the energy and the tasks left tells of what is to come, and nothing else is looked at. It learns
from the next slot: its reward and what that leaves, by the best of the decisions compared there.
Both count in full: a queue has an end, and the discount of the settings no part in it.

Once trained, users to whom everything is `shared` look ahead too: each can work out what every
decision would earn all and leave them, and so they take the actor's for where to begin.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations, product
from math import inf

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..backends import cpu
from ..channel.laws import LAWS
from ..env import Decisions, Singles
from ..env.batteries import Ahead, Batteries
from ..env.compiled import SPREAD
from ..env.environment import Environment
from ..model import Actions
from ..problem import Floats, Integers
from ..worth import objective
from .actor import Actor, Heads, as_decisions, energy_a_task, perceptron

Outcome = tuple[Singles, Singles]  # rewards (E, N) and the state behind them (E, S)
SCATTERED = 0.5  # share of queues whose energy is drawn anew before a step
UNPAID = -0.5  # reward of a task that is offloaded though the battery cannot pay for it
STEPS = 0.2, 0.1, 0.05, 0.02  # by which levels are moved, one after the other,
SIDES = [side for side in product((-1, 0, 1), repeat=3) if any(side)]  # each up, down, or not


class Critic(nn.Module):
    """The sum of QoE of all tasks to come.

    Parameters
    ----------
    environment : with batteries
    width, layers : of the hidden layers
    """

    def __init__(self, environment: Environment, width: int, layers: int) -> None:
        super().__init__()
        self.users, self.length = environment.users, environment.length
        self.looks_back = LAWS[environment.scenario.channel_law().model].correlated
        seen = environment.state_size if self.looks_back else self.users + 1
        self.body = perceptron(seen + self.users, width, layers, 1, 0.01)

    def forward(self, state: Tensor) -> Tensor:
        """Return the worth a task (...) of states (..., S) of `Environment.state`."""
        ahead = state[..., -self.users - 1 :]
        seen = state if self.looks_back else ahead
        seen = torch.cat([seen, energy_a_task(ahead, self.length)], -1)
        made: Tensor = self.body(seen)[..., 0]
        return made

    def tasks(self, state: Tensor) -> Tensor:
        """Return how many tasks of each user are to come: (...)."""
        return (state[..., -1] / SPREAD + 0.5) * self.length

    def worth(self, state: Singles) -> Singles:
        """Return the worth of all tasks to come, 0 where there are none: (...) of (..., S)."""
        with torch.no_grad():
            seen = torch.from_numpy(state).to(next(self.parameters()).device)
            worth: Singles = (self(seen) * self.tasks(seen)).cpu().numpy()
        return worth

    def loss(self, state: Tensor, target: Tensor) -> Tensor:
        """Return the mean square of what was missed a task, 0 where no target is known."""
        known = ~target.isnan()
        state, target = state[known], target[known]
        miss: Tensor = self(state) - target / self.tasks(state)
        return miss.square().sum() / max(len(target), 1)


class Lookahead:
    """What decisions in slots of queues are worth with what they leave.

    Parameters
    ----------
    environment : with batteries
    critic : of what is left
    gain, task, ahead : of the slots: (E, N, K) float64, (E, N) int64, and their queues'
    floor : rewards below it are cut
    """

    def __init__(
        self,
        environment: Environment,
        critic: Critic,
        gain: Floats,
        task: Integers,
        ahead: Ahead,
        floor: float = -inf,
    ) -> None:
        self.env, self.critic, self.floor = environment, critic, floor
        self.gain, self.task, self.ahead = gain, task, ahead

    def state(self, after: Ahead) -> Singles:
        """Return the state of these slots with what is left after a decision: (E, S)."""
        state = np.empty((len(self.task), self.env.state_size), np.float32)
        self.env.state(self.gain, self.task, state, after)
        return state

    def outcome(self, decisions: Decisions) -> Outcome:
        """Return the rewards (E, N) of decisions, and the state behind them."""
        env, shape = self.env, self.task.shape
        actions, outcome = Actions.empty(*shape), cpu.empty_outcome(shape, np.float64)
        reward = np.empty(shape, np.float32)
        env.decide(decisions, self.task, actions)
        env.evaluate(actions, self.gain, self.task, outcome)
        env.reward(outcome, self.task, reward)
        batteries = Batteries(env.problem, len(self.task), env.length, env.threads)
        batteries.ahead.left[:], batteries.ahead.tasks[:] = self.ahead.left, self.ahead.tasks
        batteries.charge(decisions.mode, actions, self.gain, self.task, outcome, reward)
        np.maximum(reward, self.floor, out=reward)
        discourage(reward, batteries, actions)
        return reward, self.state(batteries.after)

    def worth(self, reward: Singles, behind: Singles) -> Singles:
        """Return the team's rewards and what is left is worth to it: (..., E)."""
        team: Singles = objective(self.env.problem, reward) + self.critic.worth(behind)
        return team

    def compare(self, choices: Sequence[Decisions]) -> Outcome:
        """Return the same of several decisions at once: (C, E, N) and (C, E, S)."""
        many, slots = len(choices), len(self.task)
        ahead = Ahead(np.tile(self.ahead.left, (many, 1)), np.tile(self.ahead.tasks, many))
        gain, task = np.tile(self.gain, (many, 1, 1)), np.tile(self.task, (many, 1))
        repeated = Lookahead(self.env, self.critic, gain, task, ahead, self.floor)
        parts = zip(*(vars(choice).values() for choice in choices), strict=True)
        reward, behind = repeated.outcome(Decisions(*map(np.concatenate, parts)))
        return reward.reshape(many, slots, -1), behind.reshape(many, slots, -1)

    def own_worth(self, reward: Singles, behind: Singles, base: Outcome) -> Singles:
        """Return what each user's part in outcomes is worth beyond that in another: (..., E, N).

        Its own reward, and what its own energy is worth where the others' is that of `base`.
        """
        users = self.env.users
        alone = np.empty((*reward.shape, behind.shape[-1]), np.float32)
        alone[:] = base[1][:, None]
        for n in range(users):
            column = n - users - 1  # its energy left
            alone[..., n, column] = behind[..., column]
        credit: Singles = self.critic.worth(alone) - self.critic.worth(base[1])[:, None]
        return reward - base[0] + credit

    def mode_values(self, heads: Heads, mode: Tensor) -> Singles:
        """Return what each mode of each user would be worth: (E, N, M).

        At greedy levels and preferences. Users before it do what they did, `mode` (E, N); those
        after it choose greedily by what it does, where users choose in turns.
        """
        modes = range(len(self.env.modes))
        value = np.empty((*self.task.shape, len(modes)), np.float32)
        for n in range(self.env.users):
            answers = [as_decisions(heads.at_peaks(heads.answered(mode, n, m))) for m in modes]
            value[:, n] = self.worth(*self.compare(answers)).T
        return value

    def others(self, heads: Heads, mode: Tensor, played: Decisions) -> tuple[Outcome, Outcome]:
        """Return outcomes at greedy levels, and then also without noise on the preferences."""
        greedy = as_decisions(heads.at_peaks(mode))
        return self.outcome(replace(greedy, preference=played.preference)), self.outcome(greedy)

    def advantages(
        self, reward: Singles, behind: Singles, base: Outcome, assigned: Outcome
    ) -> tuple[Singles, Singles, Singles]:
        """Return advantages of modes, none here, levels (E, N) and assignment (E, 1).

        A user's levels concern its own reward and its own battery alone.

        Parameters
        ----------
        reward, behind : (E, N) and (E, S), of the decisions
        base, assigned : what `others` gave
        """
        assignment = self.worth(*base) - self.worth(*assigned)
        level = self.own_worth(reward, behind, base)
        return np.zeros_like(reward), level, assignment[:, None]

    def best(self, heads: Heads) -> Decisions:
        """Return the decisions that are worth most of those near the greedy ones.

        Each user's mode in turn, those after it answering; then two sub-channels that change
        places; then the levels, of which each user's concern itself alone.
        """
        decisions = as_decisions(heads.greedy())
        for n in range(self.env.users):
            mode = torch.from_numpy(decisions.mode).long().to(heads.mode.device)
            answers = [heads.at_peaks(heads.answered(mode, n, m)) for m in heads.possible()]
            decisions = self._best_of([decisions, *map(as_decisions, answers)])
        swapped = [decisions]
        for pair in combinations(range(self.env.channels), 2):
            preference = decisions.preference.copy()
            preference[..., pair] = preference[..., pair[::-1]]
            swapped.append(replace(decisions, preference=preference))
        decisions = self._best_of(swapped)
        levelled = decisions
        for step in STEPS:
            levelled = self._levelled(levelled, step)
        return self._best_of([decisions, levelled])

    def _best_of(self, choices: Sequence[Decisions]) -> Decisions:
        """Return in each slot the choice that is worth most, the first of equals."""
        best = self.worth(*self.compare(choices)).argmax(axis=0), np.arange(len(self.task))
        parts = zip(*(vars(choice).values() for choice in choices), strict=True)
        return Decisions(*(np.stack(part)[best] for part in parts))

    def _levelled(self, decisions: Decisions, step: float) -> Decisions:
        """Return decisions at the levels within a step that are best for each user by itself."""
        moves = np.array([(0, 0, 0), *SIDES], np.float32) * np.float32(step)
        level = np.clip(decisions.level + moves[:, None, None], 0.0, 1.0)
        reward, behind = self.compare([replace(decisions, level=moved) for moved in level])
        best = self.own_worth(reward, behind, (reward[0], behind[0])).argmax(axis=0)
        chosen = np.take_along_axis(level, best[None, ..., None], axis=0)[0]
        return replace(decisions, level=chosen)


class Foresight(nn.Module):
    """An actor that looks ahead by its critic before it decides.

    Parameters
    ----------
    actor, critic : trained together; all users see what is `shared`
    """

    def __init__(self, actor: Actor, critic: Critic) -> None:
        super().__init__()
        self.actor, self.critic = actor, critic

    def forward(self, observation: Tensor) -> Heads:
        """Return what the actor says of observations (R, N, observation_size)."""
        heads: Heads = self.actor(observation)
        return heads


def discourage(reward: Singles, batteries: Batteries, actions: Actions) -> None:
    """Make who offloads what it cannot pay for worse off than others can gain by it.

    In the environment it keeps its place in m, by which the server takes less energy of the others:
    a bargain that is not within the batteries, and so not to be learned.
    """
    reward[batteries.skipped & actions.offload] = UNPAID


def scatter(batteries: Batteries, generator: torch.Generator) -> NDArray[np.bool_]:
    """Draw the energy left of some queues anew, up to twice an equal share; return which.

    What a policy that still explores leaves itself is little, and says nothing of more.
    """
    ahead, shape = batteries.ahead, batteries.ahead.left.shape
    at = {"generator": generator, "device": generator.device}
    drawn = torch.rand((shape[0], shape[1] + 1), **at).cpu().numpy()  # type: ignore[call-overload]
    anew: NDArray[np.bool_] = drawn[:, -1] < SCATTERED
    share = 2.0 * (1.0 - drawn[:, :-1])  # above 0, for whom the whole is endless
    part = np.minimum(share * (ahead.tasks / batteries.length)[:, None], 1.0)
    ahead.left[anew] = (batteries.full * part)[anew]
    return anew
