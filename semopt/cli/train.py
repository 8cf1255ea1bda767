"""`semopt train` and `semopt evaluate`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ..learn.evaluate import Evaluation
    from ..learn.train import Report


class Algorithm(StrEnum):
    """What `train` knows."""

    mappo = "mappo"
    dqn = "dqn"
    distill = "distill"


def train(
    algorithm: Annotated[
        Algorithm,
        typer.Argument(
            help="mappo and dqn learn from rewards, distill imitates the exact optimum."
        ),
    ],
    scenario: Annotated[
        str, typer.Argument(metavar="SCENARIO", help="A TOML file or the name of a preset.")
    ] = "paper",
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder of checkpoint and logs.")] = ...,  # type: ignore[assignment]
    settings: Annotated[
        str, typer.Option(help="fast, or paper: those of Table II.", metavar="fast|paper")
    ] = "fast",
    semantic_unaware: Annotated[
        bool, typer.Option("--semantic-unaware", help="Without semantic mode.")
    ] = False,
    observation: Annotated[
        str,
        typer.Option(
            help="own: a user sees its gains and task; shared: those of all.", metavar="own|shared"
        ),
    ] = "own",
    seed: Annotated[int, typer.Option(min=0, help="Seed of everything random.")] = 0,
    updates: Annotated[
        int | None,
        typer.Option(min=1, help="Length of the run, and of its schedules; else the settings'."),
    ] = None,
    time_limit: Annotated[
        float | None,
        typer.Option(min=0.0, help="Seconds after which training stops, to be resumed."),
    ] = None,
    device: Annotated[str, typer.Option(metavar="auto|cpu|cuda", help="Of the networks.")] = "auto",
    resume: Annotated[
        bool, typer.Option("--resume", help="Take up the run in DIR where it stopped.")
    ] = False,
) -> None:
    """Train a policy and measure it, while it learns, by its regret against the exact optimum."""
    from ..scenario import Scenario

    with learning():
        from ..learn import train as training

        description = training.describe(
            algorithm.value,
            Scenario.load(scenario),
            settings,
            observation=observation,  # type: ignore[arg-type]
            semantic=not semantic_unaware,
            seed=seed,
            **({} if updates is None else {"updates": updates}),
        )
        place = training.choose_device(device)
        print(f"{algorithm.value} on {scenario}, settings {settings}, device {place}", flush=True)
        print(HEADING, flush=True)
        ended = training.train(
            description,
            out,
            time_limit=time_limit,
            device=device,
            resume=resume,
            report=print_report,
        )
    print(f"Ended: {ended}. Checkpoint and logs: {out}")


HEADING = " updates agent-steps seconds  reward     QoE   regret offload steps/s"


def print_report(told: Report) -> None:
    """Print one line of progress."""
    print(
        f"{told.updates:8d} {told.agent_steps:11,d} {told.seconds:7.1f} {told.reward:7.4f} "
        f"{told.qoe:7.5f} {told.regret:8.5f} {told.offloading:7.1%} "
        f"{told.steps_per_second / 1e3:6.0f}k",
        flush=True,
    )
    if told.note:
        print(f"warning: {told.note}", file=sys.stderr, flush=True)


def evaluate(
    what: Annotated[
        list[str],
        typer.Argument(
            metavar="WHAT...",
            help="Checkpoint folders, methods of solve, constant, or module:function.",
        ),
    ],
    scenario: Annotated[
        str | None,
        typer.Option(help="File or preset; the first checkpoint's own unless given, else paper."),
    ] = None,
    slots: Annotated[int, typer.Option(min=1, help="Decision slots to draw.")] = 1000,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the slots.")] = 0,
    refine: Annotated[
        bool, typer.Option("--refine", help="Also keep each choice of mode, optimise its levels.")
    ] = False,
    json: Annotated[
        str | None, typer.Option(metavar="FILE|-", help="Write the result as JSON; - prints it.")
    ] = None,
) -> None:
    """Score policies and methods on the same slots against the certified optimum."""
    from ..scenario import Scenario

    with learning():
        from ..learn import evaluate as evaluation

        loaded = Scenario.load(scenario) if scenario else evaluation.home(what)
        found = evaluation.compare(what, loaded, slots, seed, refine=refine)
    if json:
        from ..files import write_json

        write_json(json, found.to_json())
    if json != "-":
        print_evaluation(found, seed)


def print_evaluation(found: Evaluation, seed: int) -> None:
    """Print the table of scores."""
    from ..console import Console, slim_table

    table = slim_table(f"{found.scenario}: {found.slots} slots, seed {seed}")
    table.add_column("", overflow="fold", max_width=18)
    for heading in HEADINGS:
        table.add_column(heading, justify="right", no_wrap=True)
    for name, s in found.scores.items():
        closure = "" if s.closure is None else f"{s.closure:.4f}"
        table.add_row(
            name,
            f"{s.qoe:.5f}",
            f"{s.ratio:.4f}",
            f"{s.ratio_p1:.3f}",
            f"{s.ratio_worst:.3f}",
            closure,
            f"{s.hit_share:.1%}",
            f"{s.latency_ms:.2f}",
            f"{s.energy_mj:.1f}",
            f"{s.accuracy:.3f}",
            f"{s.infeasible_share:.1%}",
            f"{s.decision_us:.0f}",
        )
    console = Console()
    console.print(table)
    best = next(iter(found.scores.values())).reference_qoe
    left = found.infeasible_slots
    left_out = f"; {left} infeasible slots are left out" if left else ""
    console.print(
        f"Reference {found.reference}: QoE {best:.5f} a task. Closure: the part of its gain over "
        f"local, 0.5, that is reached. A task that breaks a limit scores 0{left_out}.",
    )


HEADINGS = (
    *("QoE", "ratio", "p1", "worst", "clos-\nure", "hits", "ms", "mJ", "accu-\nracy"),
    *("infea-\nsible", "us a\nslot"),
)


@contextmanager
def learning() -> Iterator[None]:
    """Say what to install where a package of the learners is missing."""
    try:
        yield
    except ImportError as error:
        if error.name not in ("torch", "safetensors", "tensorboard"):
            raise
        raise ValueError(f"{error.name} is missing: pip install 'semopt[learn]'") from None
