"""Figures 8 and 9 of the paper: latency of methods."""

from __future__ import annotations

from collections.abc import Mapping

from ..cells import Cell, Store
from .measures import Claim, Sample, View, cell_list, order, sample
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
        means = {n: s.mean("latency_ms") for n, s in samples.items() if s is not None}
        listed = ", ".join(f"{SERIES[n].label} {mean:.4g} ms" for n, mean in means.items())
        means.pop(CERTIFIED, None)
        whole = len(means) == len(COMPARED)
        for words, name, pick in (
            ("MAPPO is the fastest", "mappo", min),
            ("local is the slowest", "local", max),
        ):
            holds = pick(means, key=means.__getitem__) == name if whole else None
            claims.append(Claim(f"{task}, {words}", holds, listed or "cells are missing"))
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
    times = {task: each.mean("latency_ms") for task, each in local.items() if each is not None}
    if len(times) < len(local):
        return Claim(words, None, "cells are missing")
    listed = ", ".join(f"{task} {time:.4g} ms" for task, time in times.items())
    return Claim(words, sorted(times.values()) == list(times.values()), f"run locally: {listed}")
