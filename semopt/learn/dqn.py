"""Deep Q-learning by each user on discretised actions: the paper's baseline.

A user's actions are all combinations of a few levels: local (frequency), raw (sub-channel, power),
semantic (sub-channel, power, frequency, extraction). All users share one network and the team's
reward; each learns the value of its own actions from replayed slots, as if it were alone, and bids
for the sub-channel of its action only.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import smooth_l1_loss

from ..env.environment import Environment
from ..model import LOCAL, RAW, SEMANTIC, SKIP
from ..problem import LENGTH
from ..worth import tasks_in
from . import algorithms, learner
from .actor import Sample, as_decisions, can_extract, observation_order, perceptron


@dataclass(frozen=True)
class Settings(algorithms.CommonSettings):
    """Settings of DQN; the defaults are `fast`."""

    slots: int = 64  # slots side by side
    updates: int = 800  # episodes of all slots
    levels: int = 4  # values of power, frequency and extraction each
    memory: int = 50  # episodes of all slots that are remembered
    steps: int = 4  # steps of the optimiser after each slot
    minibatch: int = 256  # remembered slots in a step
    learning_rate: float = 1e-3  # of Adam
    discount: float = 0.0  # of the reward of the next slot (gamma)
    explore: float = 1.0  # share of random actions, at the start
    final_explore: float = 0.02  # and once half of the updates are done
    target: int = 20  # updates between two copies of the network into the target network
    gradient: float = 10.0  # largest norm of the gradient
    width: int = 96  # units of a hidden layer
    layers: int = 2  # hidden layers
    validate_every: int = 40  # updates between two validations
    patience: int = 0  # validations without better regret that end a run; 0: none does

    def for_queues(self, length: int) -> Settings:
        """Return settings that look to the end of the queue, and remember as many slots.

        Those that look ahead already stay as they are.
        """
        if self.discount:
            return self
        return replace(self, discount=1.0, slots=max(1, self.slots * LENGTH // length))


FAST = Settings()
PAPER = Settings(  # Table II; the paper gives no figures of its own for DQN but the memory
    slots=1,
    updates=250,
    steps=1,
    minibatch=32,
    learning_rate=5e-4,
    discount=0.95,
    validate_every=10,
)
SETTINGS = {"fast": FAST, "paper": PAPER}
ALLOWED = {
    "levels": (1, 64),
    "memory": (1, 1 << 16),
    "explore": (0.0, 1.0),
    "final_explore": (0.0, 1.0),
    "target": (1, 1_000_000_000),
}


class Network(nn.Module):
    """A value for each of a user's actions.

    Attributes
    ----------
    mode : (A,) int64, channel : (A,) int64, level : (A, 3) float32, what the actions are
    """

    order: Tensor
    mode: Tensor
    level: Tensor
    score: Tensor

    def __init__(self, environment: Environment, settings: Settings) -> None:
        super().__init__()
        mode, channel, level = actions_of(environment, settings.levels)
        bids = np.eye(environment.channels, dtype=np.float32)[channel]
        self.register_buffer("order", observation_order(environment), persistent=False)
        self.register_buffer("mode", torch.from_numpy(mode), persistent=False)
        self.register_buffer("level", torch.from_numpy(level), persistent=False)
        self.register_buffer("score", torch.from_numpy(bids), persistent=False)
        size = environment.observation_size
        self.body = perceptron(size, settings.width, settings.layers, len(mode), 0.01)

    def forward(self, observation: Tensor) -> Tensor:
        """Return values (R, N, A) for observations (R, N, observation_size)."""
        order = self.order.expand(len(observation), *self.order.shape)
        values: Tensor = self.body(observation.gather(-1, order))
        return values

    def decisions(self, action: Tensor) -> Sample:
        """Return what action indices (R, N) stand for."""
        return Sample(self.mode[action], self.level[action], self.score[action])

    def greedy(self, observation: Tensor) -> Sample:
        """Return the decisions of highest value."""
        return self.decisions(self(observation).argmax(-1))


def actions_of(environment: Environment, levels: int) -> tuple[np.ndarray, ...]:
    """Return the modes (A,), sub-channels (A,) and levels (A, 3) of a user's actions."""
    shares = np.linspace(0.0, 1.0, levels) if levels > 1 else np.ones(1)
    channels = range(environment.channels)
    rows = [(LOCAL, 0, 1.0, f, 1.0) for f in shares]
    rows += [(RAW, k, p, 1.0, 1.0) for k, p in product(channels, shares)]
    if can_extract(environment):
        rows += [(SEMANTIC, *action) for action in product(channels, shares, shares, shares)]
    if environment.batteries:
        rows += [(SKIP, 0, 1.0, 1.0, 1.0)]
    table = np.array(rows)
    return table[:, 0].astype(np.int64), table[:, 1].astype(np.int64), table[:, 2:].astype("f4")


class Learner(learner.Learner):
    """DQN in training."""

    def __init__(
        self, environment: Environment, settings: Settings, seed: int, device: torch.device
    ) -> None:
        super().__init__(environment, settings, seed, device)
        # A ring of rows of slots: what was seen, done, got and seen next; and whether it went on.
        rows = settings.memory * environment.length * settings.slots
        users = environment.users
        shape = rows, users, environment.observation_size
        self.memory = {
            "seen": torch.zeros(shape),
            "next": torch.zeros(shape if settings.discount else (0,)),
            "action": torch.zeros((rows, users), dtype=torch.int64),
            "reward": torch.zeros((rows, users)),
            "goes_on": torch.zeros((rows, 1)),
        }
        self.written = 0  # rows, in all

    def build(self) -> dict[str, nn.Module]:
        """Return the network, and its copy of a while ago, whose values are what it learns from."""
        policy = Network(self.env, self.settings)
        return {"policy": policy, "target": deepcopy(policy).requires_grad_(False)}

    def tensors(self) -> dict[str, Tensor]:
        """Return the state of training, what is remembered included."""
        memory = {f"memory.{name}": tensor for name, tensor in self.memory.items()}
        return memory | {"written": torch.tensor(self.written)} | super().tensors()

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Take up the state that `tensors` gave."""
        for name, tensor in self.memory.items():
            tensor.copy_(tensors[f"memory.{name}"])
        self.written = int(tensors["written"])
        super().restore(tensors)

    def update(self) -> dict[str, float]:
        """Play one episode in every slot, learning after each step."""
        s, env = self.settings, self.env
        observation = np.empty((s.slots, env.users, env.observation_size), np.float32)
        following, reward = np.empty_like(observation), np.empty(observation.shape[:2], np.float32)
        total, loss = 0.0, torch.zeros(())
        env.observe(env.gain, env.task, observation, env.ahead)
        for _ in range(env.length):
            action = self.explore(self.on(observation))
            done = env.step(as_decisions(self.policy.decisions(action)), following, reward)
            self.remember(observation, action, reward, following, done)
            total += float(self.team(reward).mean()) / tasks_in(env.problem)
            observation, following = following, observation
            for _ in range(s.steps):
                loss = self.learn()
        self.updates += 1
        self.agent_steps += env.length * s.slots * env.users
        if self.updates % s.target == 0:
            self.networks["target"].load_state_dict(self.policy.state_dict())
        return {"reward": total / env.length, "temporal_difference": loss.item()}

    def explore(self, observation: Tensor) -> Tensor:
        """Return the best action of each user, or a random one: (E, N) indices."""
        s = self.settings
        left = max(0.0, 1.0 - 2.0 * self.updates / s.updates)
        share = s.final_explore + (s.explore - s.final_explore) * left
        with torch.no_grad():
            best = self.policy(observation).argmax(-1)
        at = {"generator": self.generator, "device": self.device}
        random = torch.randint(len(self.policy.mode), best.shape, **at)  # type: ignore[call-overload]
        tossed = torch.rand(best.shape, **at) < share  # type: ignore[call-overload]
        return torch.where(tossed, random, best)

    def remember(
        self,
        observation: np.ndarray,
        action: Tensor,
        reward: np.ndarray,
        following: np.ndarray,
        done: bool,
    ) -> None:
        """Write the slots of one step over the oldest ones."""
        first = self.written % len(self.memory["seen"])
        rows = slice(first, first + len(observation))
        self.memory["seen"][rows] = torch.from_numpy(observation)
        self.memory["action"][rows] = action.cpu()
        # The team's: an offloader slows the others down, which its own reward does not say.
        self.memory["reward"][rows] = torch.from_numpy(self.team(reward))[:, None]
        self.memory["goes_on"][rows] = float(not done)
        if self.settings.discount:
            self.memory["next"][rows] = torch.from_numpy(following)
        self.written += len(observation)

    def learn(self) -> Tensor:
        """Take one step of the optimiser on remembered slots; return its loss."""
        s = self.settings
        filled = min(self.written, len(self.memory["seen"]))
        at = {"generator": self.generator, "device": self.device}
        rows = torch.randint(filled, (s.minibatch,), **at).cpu()  # type: ignore[call-overload]
        batch = {name: x[rows].to(self.device) for name, x in self.memory.items() if len(x)}
        worth = batch["reward"]
        if s.discount:
            with torch.no_grad():
                later = self.networks["target"](batch["next"]).amax(-1)
            worth = worth + s.discount * batch["goes_on"] * later
        value = self.policy(batch["seen"]).gather(-1, batch["action"][..., None])[..., 0]
        loss = smooth_l1_loss(value, worth)
        self.descend(loss)
        return loss.detach()
