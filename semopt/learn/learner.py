"""What the algorithms share: networks, optimiser and generator, and how they are saved."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Tensor, nn

from ..checkpoints import state_of, take_state
from ..env import Singles
from ..env.environment import Environment
from ..worth import objective


class Learner(ABC):
    """An algorithm in training.

    Parameters
    ----------
    environment : of `settings.slots` slots
    settings : of the algorithm; with `learning_rate` and `gradient`, the largest norm of a gradient
    seed : of networks, exploration and order
    device : of the networks

    Attributes
    ----------
    networks : the one called "policy" decides
    updates, agent_steps : so far
    """

    def __init__(
        self, environment: Environment, settings: Any, seed: int, device: torch.device
    ) -> None:
        self.env, self.settings, self.device = environment, settings, device
        self.generator = torch.Generator(device).manual_seed(seed)
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.networks = nn.ModuleDict(self.build()).to(device)
        self.policy: Any = self.networks["policy"]
        parameters = [p for p in self.networks.parameters() if p.requires_grad]
        self.optimizer = torch.optim.Adam(parameters, settings.learning_rate, fused=True)
        self.updates = 0
        self.agent_steps = 0

    @abstractmethod
    def build(self) -> dict[str, nn.Module]:
        """Return fresh networks, among them "policy"."""

    @abstractmethod
    def update(self) -> dict[str, float]:
        """Learn a little; return the mean reward of a user, and losses."""

    def team(self, reward: Singles) -> Singles:
        """Return the team's rewards (...) of its users' (..., N), as the objective asks."""
        made: Singles = objective(self.env.problem, reward)
        return made

    def descend(self, loss: Tensor, rate: float | None = None) -> None:
        """Take one step of the optimiser, at another learning rate from now on if given."""
        for group in self.optimizer.param_groups if rate is not None else ():
            group["lr"] = rate
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.networks.parameters(), self.settings.gradient)
        self.optimizer.step()

    def tensors(self) -> dict[str, Tensor]:
        """Return the whole state of training but the environment's slot, as flat names."""
        generator = self.generator.get_state().clone()
        state = state_of(self.networks, self.optimizer) | {"generator": generator}
        if self.env.batteries:
            state["energy_left"] = torch.from_numpy(self.env.batteries.finite())
        return state

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Take up the state that `tensors` gave."""
        take_state(self.networks, self.optimizer, tensors)
        self.generator.set_state(tensors["generator"])
        if self.env.batteries:
            self.env.batteries.take_finite(tensors["energy_left"].numpy())

    def unlike(self, tensors: dict[str, Tensor]) -> str:
        """Return how tensors of a checkpoint differ from this learner's in kind; "" if they do not.

        The optimiser remembers of a weight what is as large as the weight, once it has moved.
        """
        needed = self.tensors()
        needed |= {f"best.{k}": v for k, v in self.policy.state_dict().items()}
        moved = [p for p in self.networks.parameters() if p.requires_grad]
        memory = {
            f"optimizer.{i}.{name}": torch.zeros(()) if name == "step" else p
            for i, p in enumerate(moved)
            for name in ("step", "exp_avg", "exp_avg_sq")
        }
        for name, tensor in tensors.items():
            like = needed.get(name, memory.get(name))
            if like is None:
                return f"{name} is unknown"
            if tensor.shape != like.shape or tensor.dtype != like.dtype:
                return (
                    f"{name} is {tensor.dtype} of shape {tuple(tensor.shape)}, not {like.dtype} of "
                    f"{tuple(like.shape)}"
                )
            if tensor.is_floating_point() and not tensor.isfinite().all():
                return f"{name} holds what is no finite number"
        missing = sorted(needed.keys() - tensors.keys())
        return f"{missing[0]} is missing" if missing else ""

    def on(self, array: Any) -> Tensor:
        """Return an array as a tensor on the learner's device."""
        return torch.from_numpy(array).to(self.device)
