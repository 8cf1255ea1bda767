"""Multi-agent proximal policy optimisation, MAPPO: a shared actor and a centralised critic.

Read from top to bottom: settings, rollout, advantages, update. The paper's settings learn from one
episode at a time, with a critic. Since a slot does not affect the next, the fast ones set discount
to 0, so that a slot's reward is its return, and put exact counterfactuals in the critic's place:
what the rewards would have been, had one part of the decision been greedy. The environment is cheap
enough for that, and what other users did is then no noise to a user. Where batteries couple slots a
critic says what decisions leave, and all modes are judged, not the drawn one (learn/leftover.py).

The file is long because an algorithm is one file, which can be read as a whole.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from ..env import Decisions, Singles
from ..env.environment import Environment
from ..worth import tasks_in
from . import algorithms, learner
from .actor import Actor, Heads, Openness, Sample, as_decisions, perceptron
from .algorithms import TINY
from .leftover import Critic, Foresight, Lookahead, discourage, scatter


@dataclass(frozen=True)
class Settings(algorithms.CommonSettings):
    """Settings of MAPPO; the defaults are `fast`."""

    slots: int = 4096  # slots side by side
    steps: int = 1  # slots in a row between two updates of the policy
    updates: int = 1000  # rollouts, each followed by `epochs` passes over it
    epochs: int = 1  # passes over a rollout
    minibatches: int = 4  # steps of the optimiser in a pass
    learning_rate: float = 1e-3  # of Adam, at the start
    final_rate: float = 0.02  # share of the learning rate that is left at the end
    discount: float = 0.0  # of the reward of the next slot (gamma)
    gae_lambda: float = 0.0  # of generalised advantage estimation (23)
    clip: float = 0.2  # how far the probability ratio may move in an update
    unit: float = 0.05  # QoE that is an advantage of 1 where counterfactuals are the baseline
    entropy: float = 8.0  # weight of the modes' entropy, at the start: no mode is given up early
    final_entropy: float = 0.01  # and at the end; between them it falls exponentially
    sharpness: float = 0.3  # limit of the laws' sharpness in the warm-up: any level is drawn
    final_sharpness: float = 3000.0  # and at the end; between them it rises exponentially
    value: float = 0.5  # weight of the critic's loss
    gradient: float = 1.0  # largest norm of the gradient
    floor: float = -0.1  # rewards below it are cut: a limit missed ten times over says no more
    warmup: float = 0.1  # share of the updates in which all modes are drawn alike
    baseline: Literal["critic", "counterfactual"] = "counterfactual"  # what advantages are over
    width: int = 64  # units of a hidden layer
    layers: int = 2  # hidden layers
    validate_every: int = 100  # updates between two validations
    patience: int = 0  # validations without better regret that end a run; 0: none does

    def check(self) -> None:
        """Raise ValueError for more minibatches than rows."""
        if self.minibatches > self.slots * self.steps:
            raise ValueError(
                f"settings.minibatches = {self.minibatches}: at most slots x steps, "
                f"{self.slots * self.steps}, are expected"
            )

    def for_queues(self, length: int) -> Settings:
        """Return settings by which a rollout holds whole queues, and as many slots.

        What each mode is worth is known, not drawn, so that more passes over a rollout teach more.
        Those of the paper stay as they are printed.
        """
        if self.baseline == "critic":
            return self
        slots = max(1, self.slots // length)
        return replace(self, slots=slots, steps=length, epochs=3, width=128)


FAST = Settings()
PAPER = Settings(  # Table II
    slots=1,
    steps=10,
    updates=250,
    epochs=5,
    minibatches=1,
    learning_rate=5e-4,
    final_rate=1.0,
    discount=0.95,
    gae_lambda=0.98,
    clip=0.2,
    entropy=0.01,
    final_entropy=0.01,
    sharpness=3000.0,
    floor=-1e6,  # none
    warmup=0.0,
    baseline="critic",
    validate_every=10,
)
SETTINGS = {"fast": FAST, "paper": PAPER}
ALLOWED = {
    "epochs": (1, 10_000),
    "minibatches": (1, 1 << 20),
    "final_rate": (0.0, 1.0),
    "gae_lambda": (0.0, 1.0),
    "clip": (TINY, 1.0),
    "unit": (TINY, 1e12),
    "entropy": (TINY, 1e12),
    "final_entropy": (TINY, 1e12),
    "sharpness": (TINY, 1e12),
    "final_sharpness": (TINY, 1e12),
    "value": (0.0, 1e12),
    "floor": (-1e12, 1.0),
    "warmup": (0.0, 0.99),
}


class Parts(NamedTuple):
    """A figure for each part of the decisions of R rows: log-probabilities, or advantages.

    Attributes
    ----------
    mode, level : (R, N) float32
    assignment : (R, 1) float32
    """

    mode: Tensor
    level: Tensor
    assignment: Tensor


class Rollout(NamedTuple):
    """What happened in R = steps x slots rows.

    Attributes
    ----------
    observation : (R, N, O) float32
    state : (R, S) float32, for the critic
    sample : what was decided
    openness : of the assignment
    log_prob, advantage : of the parts of what was decided
    value : (R, N, M) float32, of each mode with what it leaves in batteries; M = 0 without
    target : (R,) float32, what the critic should have said; NaN where nothing tells
    """

    observation: Tensor
    state: Tensor
    sample: Sample
    openness: Openness
    log_prob: Parts
    advantage: Parts
    value: Tensor
    target: Tensor


class Learner(learner.Learner):
    """MAPPO in training."""

    def __init__(
        self, environment: Environment, settings: Settings, seed: int, device: torch.device
    ) -> None:
        super().__init__(environment, settings, seed, device)
        # Mean, mean square and weight of returns: what the critic says is in their scale.
        self.scale = torch.zeros(3, dtype=torch.float64)
        self.ahead: Lookahead | None = None
        if isinstance(critic := self.networks["critic"], Critic) and environment.batteries:
            if settings.steps < min(2, environment.length):
                raise ValueError(
                    f"settings.steps = {settings.steps}: at least 2 are expected with batteries, "
                    "since what a slot leaves is judged by the next one"
                )
            slots = environment.gain, environment.task, environment.batteries.ahead
            self.ahead = Lookahead(environment, critic, *slots, settings.floor)
            if environment.observation == "shared":
                self.policy = Foresight(self.policy, critic)

    def build(self) -> dict[str, nn.Module]:
        """Return actor and critic; beside counterfactuals it judges what is left of batteries."""
        width, layers = self.settings.width, self.settings.layers
        networks: dict[str, nn.Module] = {"policy": Actor(self.env, width, layers)}
        if self.env.batteries and self.settings.baseline == "counterfactual":
            return networks | {"critic": Critic(self.env, width, layers)}
        return networks | {"critic": perceptron(self.env.state_size, width, layers, 1, 1.0)}

    def tensors(self) -> dict[str, Tensor]:
        """Return the state of training."""
        return {"scale": self.scale} | super().tensors()

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Take up the state that `tensors` gave."""
        self.scale = tensors["scale"]
        super().restore(tensors)

    # ------------------------------------------------------------------------------------ rollout

    def update(self) -> dict[str, float]:
        """Play one rollout and learn from it."""
        s, done = self.settings, self.updates / self.settings.updates
        rate = s.learning_rate * (1.0 - done * (1.0 - s.final_rate))
        rollout, reward = self.play()
        losses = self.learn(rollout, rate, s.entropy * (s.final_entropy / s.entropy) ** done)
        self.updates += 1
        self.agent_steps += rollout.observation.shape[0] * self.env.users
        return {"reward": reward, **losses}

    def play(self) -> tuple[Rollout, float]:
        """Decide in `steps` x `slots` slots; return them with the mean reward of a user."""
        s, env = self.settings, self.env
        by_critic = s.baseline == "critic"
        reward = np.empty((s.steps, s.slots, env.users), np.float32)
        observation = np.empty((s.steps, s.slots, env.users, env.observation_size), np.float32)
        size = env.state_size if by_critic or self.ahead else 0
        state = np.empty((s.steps, s.slots, size), np.float32)
        modes = len(env.modes) if self.ahead else 0
        value = np.empty((s.steps, s.slots, env.users, modes), np.float32)
        target = np.full((s.steps, s.slots), np.nan, np.float32)
        done = np.empty(s.steps, bool)
        steps, advantages = [], []
        for t in range(s.steps):
            if self.ahead and env.batteries:
                anew = scatter(env.batteries, self.generator)
            env.observe(env.gain, env.task, observation[t], env.ahead)
            with torch.no_grad():
                heads = self.heads(self.on(observation[t]))
                sample = heads.sample(self.generator)
                decisions = as_decisions(sample)
                if by_critic:
                    env.state(env.gain, env.task, state[t], env.ahead)
                elif self.ahead:
                    value[t] = self.ahead.mode_values(heads, sample.mode)
                    if t and not done[t - 1]:
                        target[t - 1] = np.where(anew, np.nan, value[t, :, 0].max(-1))
                    others = self.ahead.others(heads, sample.mode, decisions)
                else:
                    counterfactual = self.counterfactuals(heads, sample.mode, decisions)
                env.score(decisions, reward[t])
                openness = Openness.of(sample, self.on(env.actions.channel))
                steps.append((sample, openness, log_probs(heads, sample, openness)))
            np.maximum(reward[t], s.floor, out=reward[t])
            if env.batteries:
                discourage(reward[t], env.batteries, env.actions)
            if self.ahead and env.batteries:
                state[t] = self.ahead.state(env.batteries.after)
                advantages.append(self.ahead.advantages(reward[t], state[t], *others))
            elif not by_critic:
                advantages.append(counterfactual_advantages(reward[t], counterfactual, self.team))
            done[t] = env.advance()
        team = self.team(reward)
        if by_critic:
            estimated, target = self.estimate(state, team, done)
            advantages = [(estimated, estimated, estimated)]
        elif not self.ahead:
            target = team
        samples, open_pairs, log_prob = (joined(parts) for parts in zip(*steps, strict=True))
        played = Rollout(
            self.on(observation).flatten(0, 1),
            self.on(state).flatten(0, 1),
            samples,
            open_pairs,
            log_prob,
            Parts(*(self.on(np.concatenate(part)) for part in zip(*advantages, strict=True))),
            self.on(value).flatten(0, 1),
            self.on(target).flatten(),
        )
        return played, float(team.mean()) / tasks_in(env.problem)

    def heads(self, observation: Tensor) -> Heads:
        """Return what the actor says; every mode alike while the levels warm up."""
        s, done = self.settings, self.updates / self.settings.updates
        heads: Heads = self.policy(observation)
        warm = max(0.0, done - s.warmup) / (1.0 - s.warmup)
        heads = heads.blunt(s.sharpness * (s.final_sharpness / s.sharpness) ** warm)
        return heads.indifferent() if done < s.warmup and not self.ahead else heads

    def counterfactuals(self, heads: Heads, mode: Tensor, played: Decisions) -> Singles:
        """Return rewards had parts of the decisions been greedy: (N + 2, E, N).

        First: all levels greedy. Then, levels so: the mode of one user after the other greedy.
        Last, levels so: all sub-channels scored without noise.
        """
        env, greedy = self.env, as_decisions(heads.greedy())
        level = heads.peaks(mode).cpu().numpy()
        reward = np.empty((env.users + 2, env.slots, env.users), np.float32)
        env.score(replace(played, level=level), reward[0])
        for n in range(env.users):
            alternative = Decisions(played.mode.copy(), level.copy(), played.preference)
            alternative.mode[:, n], alternative.level[:, n] = greedy.mode[:, n], greedy.level[:, n]
            env.score(alternative, reward[n + 1])
        env.score(Decisions(played.mode, level, greedy.preference), reward[-1])
        np.maximum(reward, self.settings.floor, out=reward)
        return reward

    def estimate(self, state: Singles, team: Singles, done: Any) -> tuple[Singles, Singles]:
        """Return generalised advantages (R, 1) of team rewards (T, E), and the critic's targets.

        The last slot's value stands in for what follows it, unless its episode ended there.
        """
        s = self.settings
        with torch.no_grad():
            estimate = self.networks["critic"](self.on(state))[..., 0].cpu()
        value = estimate.double().numpy() * self.deviation() + self.mean()
        advantage = np.zeros(team.shape, np.float32)
        later = np.zeros(team.shape[1])
        for t in reversed(range(s.steps)):
            continues = s.discount * (not done[t])
            following = value[min(t + 1, s.steps - 1)]
            later = team[t] + continues * following - value[t] + continues * s.gae_lambda * later
            advantage[t] = later
        return advantage.reshape(-1, 1), (advantage + value).astype(np.float32)

    # ------------------------------------------------------------------------------------- update

    def learn(self, rollout: Rollout, rate: float, entropy: float) -> dict[str, float]:
        """Take the optimiser's steps on a rollout; return the last losses.

        Slots are drawn independently of each other: consecutive rows are as good as shuffled ones,
        where slots side by side do not stand at the same task of their queues.
        """
        s, rows = self.settings, len(rollout.observation)
        log_prob, scaled = torch.cat(rollout.log_prob, 1), self.scaled(rollout.advantage)
        parts = zip(scaled, rollout.log_prob, strict=True)
        advantage = torch.cat([a.expand_as(of) for a, of in parts], 1)
        by_critic, value = s.baseline == "critic", torch.zeros(())
        if by_critic:
            self.follow_returns(rollout.target)
            target = (rollout.target - self.mean()) / self.deviation()
        batches: list[Any] = [
            slice(part[0], part[-1] + 1) for part in np.array_split(np.arange(rows), s.minibatches)
        ]
        if self.ahead:
            batches = [torch.arange(i, rows, s.minibatches) for i in range(s.minibatches)]
        for part in batches * s.epochs:
            sample = Sample(*(x[part] for x in rollout.sample))
            heads = self.heads(rollout.observation[part]).given(sample.mode)  # by their turns
            openness = Openness(*(x[part] for x in rollout.openness))
            moved = torch.cat(log_probs(heads, sample, openness), 1) - log_prob[part]
            policy = -clipped(moved, advantage[part], s.clip)
            spread = heads.entropy().mean()
            loss = policy - entropy * self.env.users * spread
            if by_critic:
                estimate = self.networks["critic"](rollout.state[part])[:, 0]
                value = (estimate - target[part]).square().mean()
                loss = loss + s.value * value
            if self.ahead:
                # Of all modes, not of the one that was drawn: what each is worth is known.
                worth = rollout.value[part] - rollout.value[part].amax(-1, keepdim=True)
                loss = loss - (heads.mode.exp() * worth).sum(-1).sum(-1).mean() / s.unit
                value = self.ahead.critic.loss(rollout.state[part], rollout.target[part])
                loss = loss + s.value * value
            self.descend(loss, rate)
        return {"policy": policy.item(), "critic": value.item(), "entropy": spread.item()}

    def scaled(self, advantage: Parts) -> Parts:
        """Return advantages of about 1, and of mean 0 where the critic guessed their baseline."""
        mode, level, assignment = (a / (a.std() + 1e-6) for a in advantage)
        if self.settings.baseline == "critic":
            return Parts(mode - mode.mean(), level - level.mean(), assignment - assignment.mean())
        # Rare great losses would make the deviation, and with it the weight of entropy, erratic.
        unit = self.settings.unit
        return Parts(advantage.mode / unit, level, advantage.assignment / unit)

    def follow_returns(self, target: Tensor) -> None:
        """Take returns into the running mean and mean square of value normalisation."""
        new = target.double().cpu()
        self.scale *= 0.99
        self.scale += 0.01 * torch.stack([new.mean(), new.square().mean(), torch.ones(())])

    def mean(self) -> float:
        """Return the running mean of returns."""
        return float(self.scale[0] / self.scale[2]) if self.scale[2] > 0 else 0.0

    def deviation(self) -> float:
        """Return the running standard deviation of returns."""
        if not self.scale[2] > 0:
            return 1.0
        return float((self.scale[1] / self.scale[2] - self.mean() ** 2).clamp(min=1e-4).sqrt())


def log_probs(heads: Heads, sample: Sample, openness: Openness) -> Parts:
    """Return the log-probability of each part of decisions."""
    return Parts(
        *heads.given(sample.mode).log_prob(sample), openness.log_prob(heads.preference)[:, None]
    )


def clipped(moved: Tensor, advantage: Tensor, clip: float) -> Tensor:
    """Return the clipped surrogate of (R, parts) that moved, summed over parts."""
    ratio = moved.exp()
    bounded = ratio.clamp(1.0 - clip, 1.0 + clip)
    return torch.minimum(ratio * advantage, bounded * advantage).sum(-1).mean()


def counterfactual_advantages(
    reward: Singles, counterfactual: Singles, objective: Callable[[Singles], Singles]
) -> tuple[Singles, Singles, Singles]:
    """Return advantages of modes, levels (E, N) and assignment (E, 1) over counterfactuals.

    `objective` makes a team's reward of its users'.

    A user's levels concern its own reward alone: users meet only in the sub-channels they hold and
    in how many of them offload. Modes and assignments are judged at greedy levels, by the team.
    """
    team = objective(counterfactual)
    mode = team[0][:, None] - team[1:-1].T
    return mode, reward - counterfactual[0], (team[0] - team[-1])[:, None]


def joined(steps: Sequence[Any]) -> Any:
    """Return tuples of tensors, one a step, as one whose tensors hold all rows."""
    return type(steps[0])(*(torch.cat(parts) for parts in zip(*steps, strict=True)))
