"""`semopt semantic train`, `measure` and `export`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ..semantic.training import Progress

DataOption = Annotated[
    Path | None,
    typer.Option("--data", metavar="DIR", help="The data folder; $SEMOPT_DATA, else the cache."),
]


def train(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The data set.")],
    role: Annotated[
        str,
        typer.Argument(
            metavar="semantic|local|server",
            help="The codec over the channel, the user's own model, or the server's full one.",
        ),
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder of the checkpoint.")] = ...,  # type: ignore[assignment]
    epochs: Annotated[int | None, typer.Option(min=1, help="Through the training part.")] = None,
    share: Annotated[float | None, typer.Option(help="Part of the data that is used.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of everything random.")] = 0,
    resume: Annotated[
        bool, typer.Option("--resume", help="Take up the run in DIR where it stopped.")
    ] = False,
    data: DataOption = None,
) -> None:
    """Train one tiny network of the scenario `measured`."""
    from ..semantic import tasks
    from ..semantic.plans import plan_of
    from ..semantic.sources import data_folder
    from ..semantic.training import train as run
    from .progress import progress

    plan = replace(plan_of(name, role), seed=seed)
    plan = replace(plan, epochs=epochs or plan.epochs, share=share or plan.share)
    folder = data or data_folder()
    dataset = tasks.load(name, folder, plan.share)
    print(f"{name} {role}: {len(dataset.train)} samples, seed {seed}", flush=True)
    with progress(f"{name} {role}", 1.0) as tick:
        run(plan, dataset, folder, out, resume=resume, report=print_progress, tick=tick)
    print(f"Checkpoint: {out}")


def print_progress(told: Progress) -> None:
    """Print one line of progress."""
    print(
        f"epoch {told.epoch:2}/{told.epochs}  loss {told.loss:.4f}  validation accuracy "
        f"{told.accuracy:.4f}  {told.seconds:.0f} s, {told.left:.0f} s left",
        flush=True,
    )
