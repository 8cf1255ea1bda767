"""Modes that users choose in turns: each knows what those before it do.

Offloading alone may cost a battery many times what it costs together: the server slows down with
each offloader, and its energy falls faster. Users that choose at the same time then dare not begin.
With observations that are `shared` nobody need tell the others what it does, since each can work
out what all before it do; where users see their own part alone, they choose at the same time.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot


class Turns(nn.Module):
    """Log-probabilities of a user's modes, by what it sees and the modes of the users before it.

    Parameters
    ----------
    users, modes : how many
    width : of what is made of an observation, and of the hidden layer
    """

    place: Tensor
    known: Tensor

    def __init__(self, users: int, modes: int, width: int) -> None:
        super().__init__()
        self.users, self.modes = users, modes
        self.own = nn.Linear(width, width)
        self.before = nn.Linear(users * modes, width, bias=False)
        self.last = nn.Linear(width, modes)
        nn.init.orthogonal_(self.last.weight, 0.01)
        nn.init.zeros_(self.last.bias)
        # Others come in the order in which their parts of an observation do, its own first.
        place = (torch.arange(users)[:, None] + torch.arange(users)) % users
        self.register_buffer("place", place, persistent=False)
        self.register_buffer("known", place < torch.arange(users)[:, None], persistent=False)

    def forward(
        self, hidden: Tensor, alone: Tensor, mode: Tensor, who: slice = slice(None)
    ) -> Tensor:
        """Return the log-probabilities (R, N, M) of each user's modes where others' are known.

        Parameters
        ----------
        hidden : (R, N, width), what is made of observations
        alone : (R, N, M), log-probabilities of who knows of no other
        mode : (R, N) int64; of who comes later it does not matter
        who : users; all unless given
        """
        table = one_hot(mode, self.modes).to(hidden.dtype)
        seen = table[:, self.place[who]] * self.known[who, :, None]
        inner = torch.relu(self.own(hidden[:, who]) + self.before(seen.flatten(2)))
        law: Tensor = (alone[:, who] + self.last(inner)).log_softmax(-1)
        return law

    def choose(
        self,
        hidden: Tensor,
        alone: Tensor,
        pick: Callable[[Tensor], Tensor],
        mode: Tensor,
        first: int = 0,
    ) -> Tensor:
        """Return modes (R, N) that users choose one after the other from their log-probabilities.

        Parameters
        ----------
        pick : of log-probabilities (R, M) makes modes (R,)
        mode, first : (R, N) int64, the modes of those before the `first` that chooses
        """
        chosen = mode.clone()
        for n in range(first, self.users):
            chosen[:, n] = pick(self(hidden, alone, chosen, slice(n, n + 1))[:, 0])
        return chosen
