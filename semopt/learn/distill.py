"""Distillation: a policy that imitates the exact decisions of many drawn slots.

The idea of DROO with a perfect teacher. The network is MAPPO's actor; it is taught the optimum's
modes and assignments by their log-probability, and its levels by the square of the error. Slots are
drawn and solved once, and passed over many times. Of queues with batteries the teacher is dynamic
programming with separable value functions, which is not perfect (semopt/online/dynamic.py).
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from ..actions import SKIP, Actions, ranges
from ..battery import in_place_of_skips, step
from ..env.batteries import Batteries
from ..env.environment import Environment
from ..figures import USER_LIMITS
from ..limits import tightened
from ..online import dynamic
from ..online.training import Training
from ..problem import Integers, Problem
from ..solvers.matching import ExactBatch
from ..worth import tasks_in
from . import algorithms, learner
from .actor import Actor, Heads, Openness, Sample

ANEW = 0.3  # share of a teacher's queues that get another energy before a step


@dataclass(frozen=True)
class Settings(algorithms.CommonSettings):
    """Settings of distillation; the defaults are `fast`."""

    slots: int = 65536  # slots drawn and solved exactly
    updates: int = 40  # passes over them
    minibatch: int = 512  # slots in a step of the optimiser
    learning_rate: float = 2e-3  # of Adam, falling to 0 by a quarter of a cosine
    margin: float = 0.02  # share by which the teacher stays below the limits, for want of exactness
    level: float = 10.0  # weight of the squared error of levels beside the log-probabilities
    gradient: float = 1.0  # largest norm of the gradient
    width: int = 128  # units of a hidden layer
    layers: int = 2  # hidden layers
    validate_every: int = 2  # updates between two validations
    patience: int = 0  # validations without better regret that end a run; 0: none does

    def for_queues(self, length: int) -> Settings:
        """Return settings for as many slots in whole queues."""
        return replace(self, slots=max(1, self.slots // length))


SETTINGS = {"fast": Settings()}
ALLOWED = {"margin": (0.0, 0.99), "level": (0.0, 1e12)}


class Learner(learner.Learner):
    """Distillation in training."""

    lesson: tuple[Tensor, Sample, Tensor] | None = None  # follows from the seed

    def build(self) -> dict[str, nn.Module]:
        """Return the network."""
        return {"policy": Actor(self.env, self.settings.width, self.settings.layers)}

    def update(self) -> dict[str, float]:
        """Pass once over the lesson."""
        s, env = self.settings, self.env
        if self.lesson is None:
            of_queues = env.batteries
            self.lesson = self.prepare_queues(of_queues) if of_queues else self.prepare()
        observation, taught, channel = self.lesson
        order = torch.randperm(len(observation), generator=self.generator, device=self.device)
        batches = order.split(s.minibatch)  # type: ignore[no-untyped-call]
        total = torch.zeros(3)
        for i, part in enumerate(batches):
            done = (self.updates + i / len(batches)) / s.updates
            sample = Sample(*(x[part] for x in taught))
            heads: Heads = self.policy(observation[part]).given(sample.mode)
            # Of the orders in which sub-channels may be won, the one most probable now.
            openness = Openness.of(sample._replace(score=heads.preference.detach()), channel[part])
            mode = -heads.log_prob(sample)[0].mean()
            level = (heads.peaks(sample.mode) - sample.level).square().mean()
            assignment = -openness.log_prob(heads.preference).mean() / env.users
            loss = mode + s.level * level + assignment
            self.descend(loss, s.learning_rate * float(np.cos(0.5 * np.pi * done)))
            total += torch.stack([mode, level, assignment]).detach().cpu()
        self.updates += 1
        self.agent_steps += len(observation) * env.users
        mode, level, assignment = (total / len(batches)).tolist()
        return {"reward": self.mean, "mode": mode, "level": level, "assignment": assignment}

    def prepare(self) -> tuple[Tensor, Sample, Tensor]:
        """Solve the environment's slots; return observations, decisions and sub-channels."""
        env = self.env
        teacher = ExactBatch(strict(env.problem, self.settings.margin), os.cpu_count() or 1)
        actions, value, _ = teacher.solve(env.gain, env.task)
        solved = np.flatnonzero(value > -np.inf)
        if not len(solved):
            raise ValueError(f"scenario {env.scenario.name}: no slot of {env.slots} is feasible")
        self.mean = float(value[solved].mean()) / tasks_in(env.problem)
        observation = np.empty((env.slots, env.users, env.observation_size), np.float32)
        env.observe(env.gain, env.task, observation)
        mode, level = undecide(env, actions.take(solved), env.task[solved])
        score = np.zeros((len(solved), env.users, env.channels), np.float32)
        taught = Sample(*(self.on(x) for x in (mode, level, score)))
        return self.on(observation[solved]), taught, self.on(actions.channel[solved])

    def prepare_queues(self, batteries: Batteries) -> tuple[Tensor, Sample, Tensor]:
        """Let the teacher play the environment's queues; return what `prepare` returns.

        Before each step some of them get another energy, as a pupil that errs will have it.
        """
        env, rng = self.env, np.random.default_rng(self.generator.initial_seed())
        problem = strict(env.problem, self.settings.margin)
        teacher = dynamic.make(problem, Training(env.scenario, self.generator.initial_seed()))
        env.begin()
        first, worth = env.slot, 0.0
        seen, actions, skips, tasks = [], [], [], []
        for tasks_left in range(env.length, 0, -1):
            left, anew = batteries.ahead.left, rng.random(env.slots) < ANEW
            share = tasks_left / env.length * rng.uniform(0.0, 2.0, left.shape)
            left[anew] = (batteries.full * np.minimum(share, 1.0))[anew]
            observation = np.empty((env.slots, env.users, env.observation_size), np.float32)
            env.observe(env.gain, env.task, observation, env.ahead)
            decided, skipped = teacher(env.gain, env.task, left, tasks_left)
            played = step(problem, decided, skipped, left, env.gain, env.task)
            seen.append(observation)
            actions.append(in_place_of_skips(problem, decided, skipped))
            skips.append(skipped)
            tasks.append(env.task.copy())
            worth += float(played.outcome.qoe.mean()) / env.length
            if not env.advance():
                left[:] = played.left
        env.seek(first)  # where a run that is taken up learns the same
        whole, skipped = Actions.concatenate(actions), np.concatenate(skips)
        mode, level = undecide(env, whole, np.concatenate(tasks))
        score = np.zeros((*mode.shape, env.channels), np.float32)
        taught = Sample(*map(self.on, (np.where(skipped, SKIP, mode), level, score)))
        self.mean = worth
        return self.on(np.concatenate(seen)), taught, self.on(whole.channel)


def strict(problem: Problem, margin: float) -> Problem:
    """Return a problem whose upper limits are lower by a share: no margin helps local accuracy."""
    return tightened(problem, margin, [limit for limit in USER_LIMITS if limit.worse > 0])


def undecide(env: Environment, actions: Actions, task: Integers) -> tuple[Integers, np.ndarray]:
    """Return modes (S, N) and levels (S, N, 3) that `Environment.decide` turns into actions.

    Levels that do not matter in a mode are 1.
    """
    level = np.ones((*task.shape, 3), np.float32)
    for i, (name, (applies, low, high)) in enumerate(ranges(env.problem, actions, task).items()):
        width = np.broadcast_to(high - low, task.shape)
        above = getattr(actions, name) - low
        share = np.divide(above, width, out=np.ones(task.shape), where=width > 0)
        level[..., i] = np.where(applies, np.clip(share, 0.0, 1.0), 1.0)
    return actions.mode, level
