"""How far users get that see only their own gains and task: an estimate for two users.

    python bench/own.py [contended] [--slots 100000]

Exact decisions depend on what the other user has, which a user of observation `own` cannot see. So
the question is what the best pair of functions from own observations to actions would reach. Here
each function is a table: own observations fall into cells (kind of task, rank of each gain among
BINS), and a cell holds one of a few hundred actions: mode, sub-channel, how much it is wanted
against the other user, levels. Starting from the local policy, each user in turn takes, in every
cell, the action of highest mean reward over the drawn slots that fall into it, the other user's
table being what it is, until nothing improves. On other slots than it was fitted on, the result is
what no user could improve on its own by a function this fine: an estimate from below of the best.
"""

from __future__ import annotations

import argparse
from itertools import product

import numpy as np

from semopt import Scenario, solve_batch
from semopt.env import Decisions, Environment
from semopt.learn import evaluate
from semopt.model import LOCAL, RAW, SEMANTIC
from semopt.solvers import constant

BINS = 10  # of each gain
LEVELS = 4  # of power, frequency and extraction
WANTED = (1.0, 2.0, 3.0)  # bids for a sub-channel; 0 is bid for all others
SWEEPS = 6


def actions_of(channels: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return modes (A,), levels (A, 3) and preferences (A, K) of all actions of a table."""
    share = np.linspace(0.0, 1.0, LEVELS)
    rows = [(LOCAL, 0, 0.0, 1.0, f, 1.0) for f in share]
    bids = list(product(range(channels), WANTED))
    rows += [(RAW, k, bid, p, 1.0, 1.0) for (k, bid), p in product(bids, share)]
    rows += [(SEMANTIC, *b, *levels) for b, levels in product(bids, product(share, repeat=3))]
    table = np.array(rows)
    preference = np.zeros((len(table), channels), np.float32)
    preference[np.arange(len(table)), table[:, 1].astype(int)] = table[:, 2]
    return table[:, 0].astype(np.uint8), table[:, 3:].astype(np.float32), preference


class Tables:
    """A table for each user, over cells of own observations."""

    def __init__(self, scenario: Scenario, gain: np.ndarray) -> None:
        self.kinds = len(scenario.template().tasks.names)
        self.edges = np.quantile(gain, np.linspace(0, 1, BINS + 1)[1:-1])
        self.cells = self.kinds * BINS ** gain.shape[2]
        self.mode, self.level, self.preference = actions_of(gain.shape[2])
        self.chosen = np.zeros((gain.shape[1], self.cells), np.int64)

    def cell(self, gain: np.ndarray, task: np.ndarray) -> np.ndarray:
        """Return the cells (S, N) of slots gain (S, N, K), task (S, N)."""
        cell = task
        for rank in np.moveaxis(np.digitize(gain, self.edges), -1, 0):
            cell = cell * BINS + rank
        return cell

    def decisions(self, action: np.ndarray) -> Decisions:
        """Return what actions (S, N) stand for."""
        return Decisions(self.mode[action], self.level[action], self.preference[action])


def improve(env: Environment, tables: Tables, user: int, cell: np.ndarray) -> float:
    """Give a user its best table beside the others'; return the mean reward of a user then."""
    action = np.take_along_axis(tables.chosen, cell.T, axis=1).T
    count = np.bincount(cell[:, user], minlength=tables.cells)
    reward = np.empty(env.task.shape, np.float32)
    best = np.full(tables.cells, -np.inf)
    for a in range(len(tables.mode)):
        action[:, user] = a
        env.score(tables.decisions(action), reward)
        total = np.bincount(cell[:, user], reward.sum(axis=1), tables.cells)
        better = total > best
        tables.chosen[user, better], best[better] = a, total[better]
    return float(best[count > 0].sum()) / reward.size


def main() -> None:
    """Fit tables, and score them on slots that are not those of the fit."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("scenario", nargs="?", default="contended")
    parser.add_argument("--slots", type=int, default=100_000)
    given = parser.parse_args()
    scenario = Scenario.load(given.scenario)
    env = Environment(scenario, given.slots, seed=1)
    tables = Tables(scenario, env.gain)
    cell, reached = tables.cell(env.gain, env.task), -np.inf
    for sweep in range(SWEEPS):
        before = reached
        for user in range(env.users):
            reached = improve(env, tables, user, cell)
            print(f"sweep {sweep}, user {user}: mean reward {reached:.5f}", flush=True)
        if reached < before + 1e-5:
            break

    gain, task = scenario.draw(1000, 0)  # those of `semopt evaluate`
    optimum = solve_batch(scenario, gain, task, "global").objective
    gain, task, optimum = (x[~np.isnan(optimum)] for x in (gain, task, optimum))
    judge = Environment(scenario, len(task), seed=1)
    actions = evaluate.empty_actions(task.shape)
    action = np.take_along_axis(tables.chosen, tables.cell(gain, task).T, axis=1).T
    judge.decide(tables.decisions(np.ascontiguousarray(action)), task, actions)
    fixed = constant.fit(judge.problem, *scenario.draw(1000, 1)).decide(judge.problem, gain, task)
    own, least = (
        evaluate.score(judge.problem, a, gain, task, optimum, 0.0) for a in (actions, fixed)
    )
    gap = (own.qoe - least.qoe) / (own.reference_qoe - least.qoe)
    print(
        f"{scenario.name}, own observations, {tables.cells} cells, {len(tables.mode)} actions: QoE "
        f"{own.qoe:.5f}, closure {own.closure:.4f}, {gap:.1%} of the gap between constant "
        f"({least.qoe:.5f}) and the certified optimum ({own.reference_qoe:.5f})"
    )


if __name__ == "__main__":
    main()
