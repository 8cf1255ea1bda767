"""`semopt semantic train`, `measure` and `export`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .ending import end_cut

if TYPE_CHECKING:
    from ..semantic.networks.training import Progress

DataOption = Annotated[
    Path | None,
    typer.Option("--data", metavar="DIR", help="The data folder; $SEMOPT_DATA, else the cache."),
]

ScenarioOption = Annotated[
    str, typer.Option(metavar="NAME", help="The scenario that it is for: measured or grounded.")
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
    scenario: ScenarioOption = "measured",
    data: DataOption = None,
) -> None:
    """Train one network behind a scenario: tiny and new, or on pretrained encoders."""
    from ..semantic.data import splits
    from ..semantic.data.sources import data_folder
    from ..semantic.measure.plans import plan_of
    from ..semantic.networks.training import train as run
    from .progress import progress

    plan = replace(plan_of(name, role, scenario), seed=seed)
    plan = plan if epochs is None else replace(plan, epochs=epochs)
    plan = plan if share is None else replace(plan, share=share)
    folder = data or data_folder()
    dataset = splits.load(name, folder, plan.share)
    print(f"{name} {role}: {len(dataset.train)} samples, seed {seed}", flush=True)
    try:
        with progress(f"{name} {role}", 1.0) as tick:
            run(plan, dataset, folder, out, resume=resume, report=print_progress, tick=tick)
    except KeyboardInterrupt:
        end_cut(f"what is trained is in {out}, where --resume takes it up")
    print(f"Checkpoint: {out}")


def print_progress(told: Progress) -> None:
    """Print one line of progress."""
    print(
        f"epoch {told.epoch:2}/{told.epochs}  loss {told.loss:.4f}  validation accuracy "
        f"{told.accuracy:.4f}  {told.seconds:.0f} s, {told.left:.0f} s left",
        flush=True,
    )


def measure(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="Data sets.")
    ] = None,
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="Folder of checkpoints and records.")
    ] = ...,  # type: ignore[assignment]
    every: Annotated[
        bool, typer.Option("--all", help="All three modalities of the scenario.")
    ] = False,
    scenario: ScenarioOption = "measured",
    plots: Annotated[
        bool, typer.Option("--plots", help="Also draw each surface to a PNG file.")
    ] = False,
    data: DataOption = None,
) -> None:
    """Train what is not trained yet, then measure accuracy, FLOPs, bits and floors.

    What was stopped is taken up where it stopped. All of it takes under an hour on two cores.
    """
    from ..report.plots import plot_surface
    from ..semantic.data.sources import data_folder
    from ..semantic.measure.plans import MODALITIES, plan_of
    from ..semantic.measure.record import measure as run
    from ..semantic.networks.training import ROLES
    from .progress import phases

    if bool(names) == every:
        raise ValueError("semantic measure: names of data sets, or --all")
    chosen = list(names or MODALITIES.values())
    done = 0
    try:
        for name in chosen:
            seen: set[str] = set()

            def report(role: str, told: Progress, name: str = name, seen: set[str] = seen) -> None:
                if role not in seen:
                    print(f"{name} {role}", flush=True)
                    seen.add(role)
                print_progress(told)

            with phases() as tick:
                record = run(
                    name,
                    data or data_folder(),
                    out,
                    plans={role: plan_of(name, role, scenario) for role in ROLES},
                    report=report,
                    tick=tick,
                )
            done += 1
            print_record(record)
            print(f"wrote {out / name}.json", flush=True)
            if plots:
                plot_surface(record, out / f"{name}.png")
                print(f"wrote {out / name}.png", flush=True)
    except KeyboardInterrupt:
        end_cut(
            f"{done} of {len(chosen)} data sets are measured; what is trained is in {out}, and the "
            "same command goes on there"
        )


def print_record(record: dict[str, Any]) -> None:
    """Print what one modality's models reach, beside their floors."""
    from ..console import Console, slim_table

    found, source = record["accuracy"], record["data"]
    samples = source["samples"]["test"]
    table = slim_table(f"{source['title']}: {samples} test samples")
    table.add_column("model")
    table.add_column("accuracy, % (95% interval)", justify="right")
    rows = dict(record["floors"])
    rows |= {role: found[role] for role in ("local", "server")}
    for name, each in rows.items():
        floor = "" if name in ("local", "server") else "floor: "
        low, high = (100 * each[end] for end in ("low", "high"))
        table.add_row(f"{floor}{name}", f"{100 * each['accuracy']:.1f} ({low:.1f}-{high:.1f})")
    surface = found["semantic"]
    for at in (0, -1):
        for column in (0, -1):
            values = (surface[key][at][column] for key in ("table", "low", "high"))
            share, low, high = (100 * value for value in values)
            where = f"extraction {surface['extraction'][at]:g}, {surface['snr_db'][column]:g} dB"
            table.add_row(f"semantic, {where}", f"{share:.1f} ({low:.1f}-{high:.1f})")
    Console().print(table)


def export(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="The scenario: measured or grounded.")
    ],
    records: Annotated[
        Path, typer.Option("--from", metavar="DIR", help="Folder of the records.")
    ] = ...,  # type: ignore[assignment]
    data_set: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="A data set in place of the usual one of its modality."),
    ] = None,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where to.")] = Path(),
) -> None:
    """Write a scenario of what was measured, and its record beside it."""
    from ..semantic.measure.export import CHOSEN, data_sets, read_records
    from ..semantic.measure.export import export as write

    if name not in CHOSEN:
        raise ValueError(f"semantic export: {name!r} is not one of {', '.join(CHOSEN)}")
    for file in write(name, read_records(records, data_sets(data_set or ())), out):
        print(f"wrote {file}")
