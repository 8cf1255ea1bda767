"""Figures 6 and 7 of the paper: learning curves, with the paper's own settings beside `fast`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import nan
from typing import Any

import numpy as np

from ...report.charts import curves
from ...report.page import Figure
from ...worth import tasks_in
from ..cells import Cell, Store, column
from .measures import Claim, View
from .setup import CERTIFIED, SERIES, SLOTS, Setup, published

SETTLED = 0.01  # QoE a task within which a curve counts as converged
WINDOW = 25  # episodes at the end of a run that its level is the mean of
BLOCK = 50  # episodes of DQN's memory
JUMP = 0.3  # share of the whole range that one step must make to be a jump
NAMES = {"paper": "Table II", "fast": "fast"}  # of settings, as figures call them
LOWEST = -0.2  # reward below which nothing is drawn

Points = tuple[list[float], list[float]]


def cells_of_curves(algorithm: str) -> Callable[[Setup], list[Cell]]:
    """Return what gives the cells of a learning curve."""

    def cells(setup: Setup) -> list[Cell]:
        runs = [
            training
            for settings in ("paper", "fast")
            for training in setup.trainings(algorithm, setup.scenario, settings)
        ]
        return [*runs, setup.validated()]

    return cells


def fig6(setup: Setup, store: Store) -> View:
    """Return Fig. 6: the learning curve of MAPPO."""
    drawn = _Curves(setup, store, "mappo", "fig6")
    claims = [drawn.converges(50, published()["table3"]["qoe"]["mappo"])]
    return drawn.view("Fig. 6: convergence of MAPPO", claims)


def fig7(setup: Setup, store: Store) -> View:
    """Return Fig. 7: the learning curve of DQN."""
    drawn = _Curves(setup, store, "dqn", "fig7")
    level = published()["table3"]["qoe"]["dqn"]
    return drawn.view("Fig. 7: convergence of DQN", [drawn.jumps(), drawn.converges(350, level)])


class _Curves:
    """Learning curves of an algorithm, by the paper's settings and by `fast`."""

    def __init__(self, setup: Setup, store: Store, algorithm: str, part: str) -> None:
        self.setup, self.store, self.part = setup, store, part
        self.label = SERIES[algorithm].label
        self.runs, self.notes = dict[str, list[Any]](), list[str]()
        for settings, words in NAMES.items():
            trainings = setup.trainings(algorithm, setup.scenario, settings)
            tables = [store.read(training) for training in trainings]
            self.runs[settings] = [table for table in tables if table is not None]
            pairs = zip(trainings, tables, strict=True)
            failed = sum(table is None and store.reason(cell) != "" for cell, table in pairs)
            if failed:
                self.notes.append(
                    f"{words}: {failed} of {len(trainings)} trainings failed, and are not drawn."
                )
        certified = store.read(setup.validated())
        tasks = tasks_in(setup.scenario.template())
        self.optimum = (
            nan if certified is None else float(np.nanmean(column(certified, "value"))) / tasks
        )

    def points(self, settings: str, name: str) -> list[Points]:
        """Return a column of the curve of each training, by episodes played."""
        played = self.setup.scenario.users * SLOTS  # agent steps of an episode
        return [
            ((column(table, "agent_steps") / played).tolist(), column(table, name).tolist())
            for table in self.runs[settings]
        ]

    def mean(self, settings: str, name: str) -> Points:
        """Return the mean curve of the trainings, as far as all of them went."""
        curve = self.points(settings, name)
        length = min((len(points[0]) for points in curve), default=0)
        values = np.array([points[1][:length] for points in curve])
        return (curve[0][0][:length], values.mean(axis=0).tolist()) if curve else ([], [])

    def end(self, settings: str) -> float:
        """Return the level at which the greedy policy ends."""
        episodes, values = self.mean(settings, "qoe")
        if not values:
            return nan
        kept = [v for e, v in zip(episodes, values, strict=True) if e > episodes[-1] - WINDOW]
        return float(np.mean(kept))

    def settled(self, settings: str) -> float:
        """Return the episodes after which the greedy policy stays at its end's level."""
        episodes, values = self.mean(settings, "qoe")
        away = [at for at, value in enumerate(values) if abs(value - self.end(settings)) > SETTLED]
        return episodes[min(away[-1] + 1, len(episodes) - 1)] if away else episodes[0]

    def beside(self) -> str:
        """Return what a level is to be compared with, where the optimum is there."""
        known = f", where method reference has 0.5 and the optimum {self.optimum:.4f}"
        return "" if self.optimum != self.optimum else known

    def converges(self, within: int, level: float) -> Claim:
        """Return the claim that the paper's settings converge at their published level."""
        words = f"{self.label} converges within about {within} episodes to a QoE of {level:g}"
        if not self.runs["paper"]:
            return Claim(words, None, "cells are missing")
        end, settled = self.end("paper"), self.settled("paper")
        played = self.mean("paper", "qoe")[0][-1]
        holds = settled <= 1.5 * within and abs(end - level) <= SETTLED
        measured = (
            f"with the paper's settings the greedy policy has QoE {end:.4f} after {played:g} "
            f"episodes{self.beside()}; "
            + ("it has not settled" if settled == played else f"there it is from {settled:g} on")
        )
        if self.runs["fast"]:
            measured += (
                f". With `fast` it ends at {self.end('fast'):.4f}, and stays there from episode "
                f"{self.settled('fast'):,.0f} on"
            )
        return Claim(words, holds, measured)

    def jumps(self) -> Claim:
        """Return the claim that the reward jumps when the memory of 50 episodes is full."""
        words = f"{self.label}'s reward jumps at {BLOCK} episodes"
        episodes, reward = map(np.array, self.mean("paper", "reward"))
        place = (episodes - 1) // BLOCK
        blocks = [float(reward[place == each].mean()) for each in np.unique(place)]
        if len(blocks) < 3:
            return Claim(words, None, "cells are missing, or runs are too short")
        steps = np.diff(blocks)
        holds = bool(steps[0] > 0.0 and steps[0] >= JUMP * (max(blocks) - min(blocks)))
        listed = ", ".join(f"{block:.3f}" for block in blocks)
        return Claim(
            words,
            holds,
            f"the mean reward of every {BLOCK} episodes, while it explores: {listed}",
        )

    def view(self, title: str, claims: Sequence[Claim]) -> View:
        """Return the part."""
        means, runs = dict[str, Points](), dict[str, list[Points]]()
        for settings, words in NAMES.items():
            for name, what in (("qoe", "policy"), ("reward", "reward")):
                if self.runs[settings]:
                    means[f"{words}: {what}"] = self.mean(settings, name)
                    runs[f"{words}: {what}"] = self.points(settings, name) if name == "qoe" else []
        ends = [points[0] for points in means.values()]
        if ends and self.optimum == self.optimum:
            span = [min(map(min, ends)), max(map(max, ends))]
            means[SERIES[CERTIFIED].label] = span, [self.optimum] * 2
        low = min((min(points[1][1:] or [0.0]) for points in means.values()), default=0.0)
        clipped = {name: _clipped(points, max(low, LOWEST)) for name, points in means.items()}
        spec = curves(
            clipped,
            *(f"episodes of {SLOTS} slots", "QoE or reward a task", (10, 0)),
            seeds={n: [_clipped(p, max(low, LOWEST)) for p in each] for n, each in runs.items()},
            point=False,
            optimum=SERIES[CERTIFIED].label,
        )
        figure = Figure(
            self.part,
            f"{self.label}: what it learns",
            spec,
            "policy: QoE of the greedy one on the validation slots, whose certified optimum is "
            "dashed. reward: a user's mean while it explores. Means over trainings, each of which "
            f"is a thin line. Below {LOWEST:g} nothing is drawn.",
            self.setup.command(self.part, self.store.folder),
            self.notes,
        )
        return View(
            title,
            f"Learning curves of {self.label} by the settings of Table II, which play one episode "
            f"of {SLOTS} slots for each update, and by `fast`.",
            claims=claims,
            figures=[figure] if means else [],
        )


def _clipped(points: Points, low: float) -> Points:
    return points[0], [value if value >= low else nan for value in points[1]]
