"""The hybrid policy of a user: network, sampling, log-probabilities, and the greedy decision.

A user picks a mode, then the levels that matter in it (local: frequency; raw: power; semantic:
power, frequency, extraction; skip: none), each from a Beta law of its own, and scores sub-channels
by its preference plus Gumbel noise. Under that noise the rule of `preference_assignment` draws
pairs (user, sub-channel) one after the other from a softmax over the pairs still open, a
Plackett-Luce law, so the assignment has a probability in closed form.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from ..env import Decisions
from ..env.compiled import SPREAD
from ..env.environment import Environment
from ..model import RAW, SEMANTIC
from .turns import Turns

# Beta laws of a user: which one says power, frequency and extraction in each mode; -1 for none.
LAW = torch.tensor([[-1, 0, -1], [1, -1, -1], [2, 3, 4], [-1, -1, -1]])
BETAS = 5
NEVER = 1 << 20  # rank of what is not assigned
RICHEST = 3.0  # energy left a task, over that of a full battery, beyond which it says no more
IMPOSSIBLE = -1e6  # log-probability that only modes lie below which a user has not
REACH = 12.0  # preferences lie within +-REACH, so that their softmax stays finite


class Sample(NamedTuple):
    """Decisions of rows of slots, as the update needs them.

    Attributes
    ----------
    mode : (R, N) int64
    level : (R, N, 3) float32
    score : (R, N, K) float32, preference plus noise
    """

    mode: Tensor
    level: Tensor
    score: Tensor


class Heads(NamedTuple):
    """What the network says of rows of slots.

    Attributes
    ----------
    mode : (R, N, M) float32, log-probabilities of the environment's modes, to who knows of no other
    peak, sharpness : (R, N, BETAS) float32: the law is Beta(1 + s p, 1 + s (1 - p)), its mode p
    preference : (R, N, K) float32
    hidden, turns : (R, N, width) float32, and how users choose their modes in turns; None where all
        choose at the same time
    """

    mode: Tensor
    peak: Tensor
    sharpness: Tensor
    preference: Tensor
    hidden: Tensor | None = None
    turns: Turns | None = None

    def laws(self, mode: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return alpha, beta and peak of the levels in these modes, and which matter: (R, N, 3)."""
        law = LAW.to(mode.device)[mode]
        matters, law = law >= 0, law.clamp(min=0)
        peak, sharpness = self.peak.gather(-1, law), self.sharpness.gather(-1, law)
        return 1.0 + sharpness * peak, 1.0 + sharpness * (1.0 - peak), peak, matters

    def greedy(self) -> Sample:
        """Return the most probable mode, the peaks of its laws, and preferences without noise."""
        return self.at_peaks(self.chosen(best))

    def at_peaks(self, mode: Tensor) -> Sample:
        """Return decisions in these modes (R, N) with nothing else drawn."""
        return Sample(mode, self.peaks(mode), self.preference)

    def possible(self) -> list[int]:
        """Return the modes that some user may choose."""
        some: list[int] = (self.mode > IMPOSSIBLE).flatten(0, 1).any(0).nonzero()[:, 0].tolist()
        return some

    def chosen(self, pick: Callable[[Tensor], Tensor]) -> Tensor:
        """Return the modes (R, N) that `pick` makes of log-probabilities (..., M)."""
        if self.turns is None or self.hidden is None:
            return pick(self.mode)
        nothing = torch.zeros(self.mode.shape[:2], dtype=torch.int64, device=self.mode.device)
        return self.turns.choose(self.hidden, self.mode, pick, nothing)

    def given(self, mode: Tensor) -> Heads:
        """Return the heads of users who know that these modes (R, N) were chosen."""
        if self.turns is None or self.hidden is None:
            return self
        law = self.turns(self.hidden, self.mode, mode)
        return self._replace(mode=law, hidden=None, turns=None)

    def answered(self, mode: Tensor, user: int, own: int) -> Tensor:
        """Return modes (R, N) where one user changes its own, and those after it choose greedily.

        Where all choose at the same time they stay with theirs.
        """
        changed = mode.clone()
        changed[:, user] = own
        if self.turns is None or self.hidden is None:
            return changed
        return self.turns.choose(self.hidden, self.mode, best, changed, user + 1)

    def peaks(self, mode: Tensor) -> Tensor:
        """Return the most probable levels in these modes: (R, N, 3)."""
        _, _, peak, matters = self.laws(mode)
        return torch.where(matters, peak, 1.0)

    def indifferent(self) -> Heads:
        """Return the same heads with every possible mode equally probable."""
        return self._replace(mode=normalised(torch.where(self.mode > IMPOSSIBLE, 0.0, -1e9)))

    def blunt(self, limit: float) -> Heads:
        """Return the same heads with no law sharper than a limit."""
        return self._replace(sharpness=self.sharpness.clamp(max=limit))

    def sample(self, generator: torch.Generator) -> Sample:
        """Draw modes, levels and scores."""
        mode = self.chosen(lambda law: drawn(law, generator))
        alpha, beta, _, matters = self.laws(mode)
        level = torch.ones_like(alpha)
        x, y = torch._standard_gamma(torch.stack([alpha[matters], beta[matters]]), generator)
        level[matters] = (x / (x + y)).clamp(1e-4, 1.0 - 1e-4)
        return Sample(mode, level, self.preference + gumbel(self.preference, generator))

    def log_prob(self, sample: Sample) -> tuple[Tensor, Tensor]:
        """Return the log-probabilities of each user's mode, and of its levels in it: (R, N)."""
        alpha, beta, _, matters = self.laws(sample.mode)
        level = sample.level.clamp(1e-4, 1.0 - 1e-4)
        density = (alpha - 1.0) * level.log() + (beta - 1.0) * torch.log1p(-level)
        density = density - log_beta(alpha, beta)
        mode = self.mode.gather(-1, sample.mode[..., None])[..., 0]
        return mode, torch.where(matters, density, 0.0).sum(-1)

    def entropy(self) -> Tensor:
        """Return the entropy of each user's mode: (R, N)."""
        return -(self.mode.exp() * self.mode).sum(-1)


class Openness(NamedTuple):
    """Which pairs were open at each draw of an assignment.

    Attributes
    ----------
    won : (R, N) bool, and channel : (R, N) int64, the sub-channel that a user won, 0 where none
    users : (R, M, N) float32, 1 where the user had none yet and wanted one; M = min(N, K)
    channels : (R, M, K) float32, 1 where the sub-channel was free
    """

    won: Tensor
    channel: Tensor
    users: Tensor
    channels: Tensor

    @classmethod
    def of(cls, sample: Sample, channel: Tensor) -> Openness:
        """Return what was open when scores led to sub-channels (R, N), -1 where local."""
        rows, users, channels = sample.score.shape
        won, place = channel >= 0, channel.clamp(min=0)
        score = sample.score.gather(-1, place[..., None])[..., 0]
        ahead = (score[:, None, :] > score[:, :, None]) & won[:, None, :]
        rank = torch.where(won, ahead.sum(-1), NEVER)  # (R, N): in which draw a user won
        drawn = torch.full((rows, channels + 1), NEVER, device=rank.device)
        drawn.scatter_(1, torch.where(won, place, channels), rank)
        draw = torch.arange(min(users, channels), device=rank.device)[None, :, None]
        offloading = ((sample.mode == RAW) | (sample.mode == SEMANTIC))[:, None, :]
        free = drawn[:, None, :channels] >= draw
        return cls(won, place, ((rank[:, None, :] >= draw) & offloading).float(), free.float())

    def log_prob(self, preference: Tensor) -> Tensor:
        """Return the log-probability of the assignment under preferences (R, N, K): (R,)."""
        pairs = torch.einsum("rmn,rnk,rmk->rm", self.users, preference.exp(), self.channels)
        happened = torch.arange(pairs.shape[1], device=pairs.device) < self.won.sum(-1)[:, None]
        chosen = preference.gather(-1, self.channel[..., None])[..., 0]
        total = torch.where(happened, pairs.clamp(min=1e-30).log(), 0.0)
        return torch.where(self.won, chosen, 0.0).sum(-1) - total.sum(-1)


class Actor(nn.Module):
    """The network that all users share.

    Parameters
    ----------
    environment : says what is observed and how many sub-channels there are
    width, layers : of the hidden layers
    """

    order: Tensor

    def __init__(self, environment: Environment, width: int, layers: int) -> None:
        super().__init__()
        self.channels, self.modes = environment.channels, len(environment.modes)
        self.semantic = can_extract(environment)
        self.register_buffer("order", observation_order(environment), persistent=False)
        size = environment.observation_size
        heads = self.modes + 2 * BETAS + self.channels
        shared, self.batteries, self.length = environment.observation == "shared", 0, 0
        if environment.batteries:
            self.batteries = environment.users if shared else 1  # whose energy is observed
            self.length = environment.length
            size += self.batteries
        self.body = perceptron(size, width, layers, heads, 0.01)
        self.turns: Turns | None = None
        if environment.batteries and shared:
            self.turns = Turns(environment.users, self.modes, width if layers else size)

    def forward(self, observation: Tensor) -> Heads:
        """Return the heads for observations (R, N, observation_size)."""
        order = self.order.expand(len(observation), *self.order.shape)
        seen = observation.gather(-1, order)
        if self.batteries:
            ahead = seen[..., -self.batteries - 1 :]
            seen = torch.cat([seen, energy_a_task(ahead, self.length)], -1)
        hidden, last = self.body[:-1](seen), self.body[-1]
        # The last layer is transposed, so that all users' figures of one kind lie side by side in
        # memory: what follows runs along them.
        assert isinstance(last, nn.Linear)
        out = torch.addmm(last.bias[:, None], last.weight, hidden.flatten(0, 1).t())
        out = out.view(-1, *hidden.shape[:2]).movedim(0, -1)
        sizes = [self.modes, BETAS, BETAS, self.channels]
        mode, peak, sharpness, preference = torch.split(out, sizes, -1)
        if not self.semantic:
            never = torch.arange(self.modes, device=mode.device) == SEMANTIC
            mode = mode.masked_fill(never, -1e9)
        return Heads(
            normalised(mode),
            Bounded.apply(0.5 + 0.25 * peak),  # type: ignore[no-untyped-call]
            1.0 + softplus(4.0 * sharpness + 3.0),
            REACH * torch.tanh(preference.contiguous() / REACH),
            hidden,
            self.turns,
        )

    def greedy(self, observation: Tensor) -> Sample:
        """Return decisions without noise for observations (R, N, observation_size)."""
        heads: Heads = self(observation)
        return heads.greedy()


def best(law: Tensor) -> Tensor:
    """Return the most probable index: (...) of (..., M)."""
    return law.contiguous().argmax(-1)


def drawn(law: Tensor, generator: torch.Generator) -> Tensor:
    """Return indices drawn by log-probabilities: (...) of (..., M)."""
    below = law.exp().cumsum(-1)
    uniform = torch.rand(below.shape[:-1], generator=generator, device=below.device)
    return (uniform[..., None] * below[..., -1:] > below[..., :-1]).sum(-1)


def normalised(x: Tensor) -> Tensor:
    """Return log-probabilities of logits; `log_softmax` is slow on so few side by side."""
    return x - x.logsumexp(-1, keepdim=True)


class Bounded(torch.autograd.Function):
    """Clamps to 0 and 1, and lets those gradients pass that do not lead further out.

    Both ends are reached exactly, and left as easily (Hausknecht and Stone, "Deep reinforcement
    learning in parameterized action space", ICLR 2016).
    """

    @staticmethod
    def forward(context: Any, x: Tensor) -> Tensor:
        """Return x within 0 and 1."""
        context.save_for_backward(x)
        return x.clamp(0.0, 1.0)

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> Tensor:
        """Return the gradient, 0 where a step against it would lead further out."""
        (x,) = context.saved_tensors
        outwards = ((x < 0.0) & (gradient > 0.0)) | ((x > 1.0) & (gradient < 0.0))
        return gradient.masked_fill(outwards, 0.0)


def as_decisions(sample: Sample) -> Decisions:
    """Return what the environment reads."""
    return Decisions(
        sample.mode.to(torch.uint8).cpu().numpy(),
        sample.level.contiguous().cpu().numpy(),
        sample.score.contiguous().cpu().numpy(),
    )


def perceptron(size: int, width: int, layers: int, out: int, last: float) -> nn.Sequential:
    """Return a network of rectified layers, orthogonal at the start, the last one scaled."""
    widths = [size, *[width] * layers, out]
    parts: list[nn.Module] = []
    for i, (a, b) in enumerate(pairwise(widths)):
        linear = nn.Linear(a, b)
        nn.init.orthogonal_(linear.weight, last if i == layers else 2.0**0.5)
        nn.init.zeros_(linear.bias)
        parts += [linear] if i == layers else [linear, nn.ReLU(inplace=True)]
    return nn.Sequential(*parts)


def observation_order(environment: Environment) -> Tensor:
    """Return, for each user, the order of what it observes that puts its own part first: (N, O).

    One network for all users then finds itself in one place, whoever it is.
    """
    users, size = environment.users, environment.observation_size
    order = np.tile(np.arange(size), (users, 1))
    for start, part in environment.blocks:
        for n in range(users):
            parts = np.roll(np.arange(users), -n)
            columns = start + parts[:, None] * part + np.arange(part)
            order[n, start : start + users * part] = columns.ravel()
    return torch.from_numpy(order)


def energy_a_task(ahead: Tensor, length: int) -> Tensor:
    """Return the energy left for each task left, over that of a full battery, less 1: (..., users).

    Where tasks are few it says more than the energy alone.

    Parameters
    ----------
    ahead : (..., users + 1), the last entries of an observation or a state
    length : of a queue
    """
    share = ahead / SPREAD + 0.5
    tasks = share[..., -1:].clamp(min=1.0 / length)
    return (share[..., :-1] / tasks).clamp(max=RICHEST) - 1.0


def can_extract(environment: Environment) -> bool:
    """Return whether any user has a semantic mode."""
    problem = environment.problem
    return bool((problem.users.extraction_min < 1.0).any())


def gumbel(like: Tensor, generator: torch.Generator) -> Tensor:
    """Return standard Gumbel noise."""
    uniform = torch.rand(like.shape, generator=generator, device=like.device)
    return -(-uniform.clamp_(min=1e-20).log_()).clamp_(min=1e-20).log_()


def log_beta(alpha: Tensor, beta: Tensor) -> Tensor:
    """Return the logarithm of the Beta function."""
    return torch.lgamma(alpha) + torch.lgamma(beta) - torch.lgamma(alpha + beta)
