"""Figures 8 and 9 of the paper: latency of methods."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

from ..cells import Cell, Store
from .measures import Claim, Sample, View, cell_list, sample
from .orders import LEVEL_WITH, all_of, below, first, order
from .setup import CERTIFIED, SERIES, Setup
from .tables import COMPARED, chart, samples_of, sentence

SHOWN = (*COMPARED, CERTIFIED)


def cells_of_fig8(setup: Setup) -> list[Cell]:
    """Return the cells of Fig. 8, which are among those of Table III."""
    return [*cell_list(*(setup.cells(name) for name in SHOWN))]


def fig8(setup: Setup, store: Store) -> View:
    """Return Fig. 8: latency of mixed queues."""
    samples = samples_of(setup, store, SHOWN)
    ranks = ("mappo", "dqn", "semantic-unaware-mappo", "local")
    words = sentence(setup)
    return View(
        "Fig. 8: latency of mixed queues",
        f"Mean latency of a task over {setup.episodes} test episodes.",
        claims=[*order("latency_ms", samples, ranks)],
        figures=chart(setup, store, "fig8", "Latency, ms", samples, "latency_ms", words),
    )


def cells_of_fig9(setup: Setup) -> list[Cell]:
    """Return the cells of Fig. 9: policies trained on mixed queues decide on those of one kind."""
    return [
        *cell_list(
            *(
                setup.cells(name, setup.alone(task), setup.scenario)
                for task in setup.scenario.tasks
                for name in SHOWN
            )
        )
    ]


def fig9(setup: Setup, store: Store) -> View:
    """Return Fig. 9: latency of queues of one kind of task."""
    tasks, by_task = list(setup.scenario.tasks), dict[str, dict[str, Sample | None]]()
    for task in tasks:
        scenario = setup.alone(task)
        by_task[task] = {n: sample(setup, store, n, scenario, setup.scenario) for n in SHOWN}
    claims = [_heavier({task: samples["local"] for task, samples in by_task.items()})]
    for task, samples in by_task.items():
        there = {n: each for n, each in samples.items() if each is not None}
        listed = ", ".join(
            f"{SERIES[n].label} {s.mean('latency_ms'):.4g} ms" for n, s in there.items()
        )
        there.pop(CERTIFIED, None)
        for words, name, sign in (
            ("MAPPO is the fastest", "mappo", 1),
            ("local is the slowest", "local", -1),
        ):
            words = f"{task}, {words}"
            if len(there) < len(COMPARED):
                claims.append(Claim(words, None, "cells are missing"))
                continue
            holds = first("latency_ms", there, name, sign)
            claims.append(Claim(words, holds, listed, LEVEL_WITH))
    figures = [
        figure
        for task, samples in by_task.items()
        for figure in chart(
            setup, store, f"fig9-{task}", f"Latency of {task}, ms", samples, "latency_ms", ""
        )
    ]
    return View(
        "Fig. 9: latency of queues of one kind of task",
        "Policies trained on mixed queues decide on queues of one kind. " + sentence(setup),
        claims=claims,
        figures=figures,
    )


def _heavier(local: Mapping[str, Sample | None]) -> Claim:
    """Return the claim that kinds of task come in the order of their load."""
    words = f"load rises in the order {', '.join(local)}"
    there = {task: each for task, each in local.items() if each is not None}
    if len(there) < len(local):
        return Claim(words, None, "cells are missing")
    listed = ", ".join(f"{task} {each.mean('latency_ms'):.4g} ms" for task, each in there.items())
    holds = all_of(below("latency_ms", *pair) for pair in pairwise(there.values()))
    return Claim(words, holds, f"run locally: {listed}", LEVEL_WITH)
