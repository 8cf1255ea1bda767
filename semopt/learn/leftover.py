"""What MAPPO needs where batteries couple slots: a critic of what is left, and lookahead by it.

The critic judges the slot behind a decision. Where gains do not depend on earlier ones nothing but
the energy and the tasks left tells of what is to come, and nothing else is looked at. It learns
from the next slot: its reward and what that leaves, by the best of the decisions compared there.
Both count in full: a queue has an end, and the discount of the settings no part in it.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..channel.laws import LAWS
from ..env import Decisions, Singles
from ..env.batteries import Batteries
from ..env.compiled import SPREAD
from ..env.environment import Environment
from ..worth import objective
from .actor import Heads, energy_a_task, perceptron

Outcome = tuple[Singles, Singles]  # rewards (E, N) and the state behind them (E, S)
SCATTERED = 0.5  # share of queues whose energy is drawn anew before a step


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
    """What decisions of an environment with batteries are worth with what they leave.

    Parameters
    ----------
    environment : whose current slots are decided
    batteries : its own
    critic : of what is left
    floor : rewards below it are cut
    """

    def __init__(
        self, environment: Environment, batteries: Batteries, critic: Critic, floor: float
    ) -> None:
        self.env, self.batteries, self.critic, self.floor = environment, batteries, critic, floor

    def scatter(self, generator: torch.Generator) -> NDArray[np.bool_]:
        """Draw the energy left of some queues anew, up to twice an equal share; return which.

        What a policy that still explores leaves itself is little, and says nothing of more.
        """
        env, ahead = self.env, self.batteries.ahead
        at = {"generator": generator, "device": generator.device}
        drawn = torch.rand((env.slots, env.users + 1), **at).cpu().numpy()  # type: ignore[call-overload]
        anew: NDArray[np.bool_] = drawn[:, -1] < SCATTERED
        share = 2.0 * (1.0 - drawn[:, :-1])  # above 0, for whom the whole is endless
        part = np.minimum(share * (ahead.tasks / env.length)[:, None], 1.0)
        ahead.left[anew] = (self.batteries.full * part)[anew]
        return anew

    def behind(self) -> Singles:
        """Return the state with what the last decisions left: (E, S)."""
        env = self.env
        state = np.empty((env.slots, env.state_size), np.float32)
        env.state(env.gain, env.task, state, self.batteries.after)
        return state

    def outcome(self, decisions: Decisions) -> Outcome:
        """Return the rewards (E, N) of decisions, and the state behind them."""
        reward = np.empty((self.env.slots, self.env.users), np.float32)
        self.env.score(decisions, reward)
        return np.maximum(reward, self.floor, out=reward), self.behind()

    def worth(self, reward: Singles, behind: Singles) -> Singles:
        """Return the team's rewards and what is left is worth to it: (..., E)."""
        team: Singles = objective(self.env.problem, reward) + self.critic.worth(behind)
        return team

    def mode_values(self, heads: Heads, mode: Tensor) -> Singles:
        """Return what each mode of each user would be worth: (E, N, M).

        At greedy levels and preferences. Users before it do what they did, `mode` (E, N); those
        after it choose greedily by what it does, where users choose in turns.
        """
        env, greedy = self.env, heads.greedy()
        modes = len(env.modes)
        value = np.empty((env.slots, env.users, modes), np.float32)
        for n in range(env.users):
            for m in range(modes):
                chosen = heads.answered(mode, n, m)
                level, preference = heads.peaks(chosen), greedy.score
                decisions = Decisions(
                    *(chosen.to(torch.uint8).cpu().numpy(), level.contiguous().cpu().numpy()),
                    preference.contiguous().cpu().numpy(),
                )
                value[:, n, m] = self.worth(*self.outcome(decisions))
        return value

    def others(self, heads: Heads, mode: Tensor, played: Decisions) -> tuple[Outcome, Outcome]:
        """Return outcomes at greedy levels, and then also without noise on the preferences."""
        level = heads.peaks(mode).contiguous().cpu().numpy()
        preference = heads.preference.contiguous().cpu().numpy()
        first = Decisions(played.mode, level, played.preference)
        return self.outcome(first), self.outcome(Decisions(played.mode, level, preference))

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
        alone = np.repeat(base[1][None], self.env.users, axis=0)
        for n in range(self.env.users):
            column = n - self.env.users - 1  # its energy left
            alone[n, :, column] = behind[:, column]
        credit = self.critic.worth(alone) - self.critic.worth(base[1])
        assignment = self.worth(*base) - self.worth(*assigned)
        return np.zeros_like(reward), reward - base[0] + credit.T, assignment[:, None]
