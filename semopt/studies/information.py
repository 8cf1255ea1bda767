"""The most that two users reach when each sees its own gains and task alone.

    python -m semopt.studies.information [SCENARIO]

A user of observation `own` chooses mode and levels without knowing what the other has. Relax that
for one user only: let the other see everything, choose last, and give out the sub-channels. Draws
of users are independent, so the exact decisions can be conditioned on own observations without
bins: for each drawn observation of the first user, the best of its actions is the one of highest
mean value over the draws of the second, each answered by its best reply. No pair of functions of
own observations has a higher mean (but for the grid of levels, and for the noise of the draws). As
an estimate of what both lose at once, their single losses are also added up.
"""

from __future__ import annotations

import sys

import numpy as np

from ..backends import cpu
from ..learn.evaluate import evaluate
from ..learn.refine import modes_of
from ..model import Actions
from ..problem import Floats, Integers, Problem
from ..report.lines import print_line, print_message
from ..scenario import Scenario
from ..worth import closure

DRAWS = 400  # observations of the user that sees nothing else
REPLIES = 1000  # draws of the other, the same for all observations


def worth(problem: Problem, user: int, gain: Floats, kind: int) -> tuple[float, Floats]:
    """Return the best local QoE, and that of offloading actions: (A, K, 2), by offloaders - 1.

    A task that breaks a limit is worth 0. The other user is there to be counted: local, or on the
    next sub-channel.
    """
    local, *modes = modes_of(problem, user, kind)
    offload = np.concatenate(modes, axis=1)
    channels = len(gain)
    place = np.indices((offload.shape[1], channels, 2)).reshape(3, -1)
    rows = np.concatenate([local, offload[:, place[0]]], axis=1)
    channel = np.full((rows.shape[1], 2), -1)
    channel[local.shape[1] :, user] = place[1]
    channel[local.shape[1] :, 1 - user] = np.where(place[2] == 1, (place[1] + 1) % channels, -1)
    actions = Actions(channel, *(np.repeat(row[:, None], 2, axis=1) for row in rows))
    outcome = cpu.evaluate(problem, actions, np.tile(gain, (2, 1)), np.array([kind, kind]))
    value = np.where(outcome.violations == 0, outcome.qoe, 0.0)[:, user]
    best = float(value[: local.shape[1]].max())
    return best, value[local.shape[1] :].reshape(-1, channels, 2)


def loss(problem: Problem, user: int, gain: Floats, task: Integers) -> float:
    """Return what it costs both users together that one sees its own gains and task alone."""
    replies = [
        worth(problem, 1 - user, gain[s, 1 - user], task[s, 1 - user]) for s in range(REPLIES)
    ]
    local = np.array([reply[0] for reply in replies])
    offload = np.array([reply[1].max(axis=0) for reply in replies])  # (J, K, 2)
    alone = np.maximum(local, offload[:, :, 0].max(axis=1))  # beside a local user
    channels = range(offload.shape[1])
    beside = [np.delete(offload[:, :, 1], k, axis=1).max(axis=1) for k in channels]
    lost = []
    for s in range(DRAWS):
        local_alone, offloaded = worth(problem, user, gain[s, user], task[s, user])
        value = np.full((len(offloaded), REPLIES), -np.inf)
        for k in channels:
            np.maximum(value, offloaded[:, k, 0, None] + local, out=value)
            np.maximum(value, offloaded[:, k, 1, None] + beside[k], out=value)
        informed = np.maximum(value.max(axis=0), local_alone + alone).mean()
        lost.append(informed - max(value.mean(axis=1).max(), local_alone + alone.mean()))
        if s % 100 == 99:
            print_message(f"user {user}: {s + 1} draws, loss {np.mean(lost):.5f}")
    return float(np.mean(lost))


def main() -> None:
    """Print the bound beside the reference and `constant`."""
    scenario = Scenario.load(sys.argv[1] if len(sys.argv) > 1 else "contended")
    if scenario.users != 2 or scenario.channels < 2:
        sys.exit(f"{scenario.name}: two users and two or more sub-channels are expected")
    gain, task = scenario.draw(REPLIES, 0)
    lost = [loss(scenario.template(), user, gain, task) / 2 for user in range(2)]
    fixed = evaluate(["constant"], scenario).scores["constant"]
    best, least = fixed.reference_qoe, fixed.qoe
    print_line(f"{scenario.name}: certified optimum {best:.5f} a task, constant {least:.5f}")
    for what, less in (("at most", max(lost)), ("if the losses add up", sum(lost))):
        share = closure(best - less, best, least)
        print_line(
            f"on own observations, {what}: {best - less:.5f}, {share:.1%} of the gap between them"
        )


if __name__ == "__main__":
    main()
