"""`semopt train`."""

from __future__ import annotations

from dataclasses import asdict
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from ..methods import ALGORITHMS
from .options import (
    PlotOption,
    ReportOption,
    check_plot,
    check_report,
    files_read,
    learning,
    load,
    write_page,
    write_plot,
)

if TYPE_CHECKING:
    from ..learn.train import Report


Algorithm = StrEnum("Algorithm", {name: name for name in ALGORITHMS})  # type: ignore[misc]


class Observation(StrEnum):
    """What a policy sees."""

    own = "own"
    shared = "shared"


class Device(StrEnum):
    """Where networks lie."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"


def train(
    algorithm: Annotated[
        Algorithm,
        typer.Argument(
            metavar="|".join(ALGORITHMS),
            help="; ".join(f"{name} {does}" for name, (does, _) in ALGORITHMS.items()) + ".",
        ),
    ],
    scenario: Annotated[
        str, typer.Argument(metavar="SCENARIO", help="A TOML file or the name of a preset.")
    ] = "paper",
    out: Annotated[str, typer.Option(metavar="DIR", help="Folder of checkpoint and logs.")] = ...,  # type: ignore[assignment]
    settings: Annotated[
        str, typer.Option(help="fast, or paper: those of Table II.", metavar="fast|paper")
    ] = "fast",
    semantic_unaware: Annotated[
        bool, typer.Option("--semantic-unaware", help="Without semantic mode.")
    ] = False,
    observation: Annotated[
        Observation,
        typer.Option(
            help="own: a user sees its gains and task; shared: those of all.", metavar="own|shared"
        ),
    ] = Observation.own,
    seed: Annotated[int, typer.Option(min=0, help="Seed of everything random.")] = 0,
    updates: Annotated[
        int | None,
        typer.Option(min=1, help="Length of the run, and of its schedules; else the settings'."),
    ] = None,
    time_limit: Annotated[
        float | None,
        typer.Option(min=0.0, help="Seconds after which training stops, to be resumed."),
    ] = None,
    device: Annotated[
        Device, typer.Option(metavar="auto|cpu|cuda", help="Of the networks.")
    ] = Device.auto,
    resume: Annotated[
        bool, typer.Option("--resume", help="Take up the run in DIR where it stopped.")
    ] = False,
    report: ReportOption = None,
    plot: PlotOption = None,
) -> None:
    """Train a policy and measure it, while it learns, by its regret against the exact optimum.

    On queues with batteries regret is against the hindsight bound, which knows the future. `semopt
    manual learning` says which algorithm to take and what to expect.
    """
    from ..files import check_apart
    from ..report.lines import print_line
    from ..report.progress import phases, progress
    from ..result import INTERRUPTED
    from .ending import end_cut

    check_report(report)
    check_plot(plot)
    check_apart({"--report": report, "--plot": plot}, files_read(scenario))
    loaded = load(scenario)
    with learning(), progress("loading torch", None):
        from ..learn import train as training
        from ..learn.logs import log_of
        from ..report import plots
        from ..report.learning import print_report

    folder = training.check_folder(out, resume)
    description = training.describe(
        algorithm.value,
        loaded,
        settings,
        observation=observation.value,
        semantic=not semantic_unaware,
        seed=seed,
        **({} if updates is None else {"updates": updates}),
    )
    place, rows, kept = training.choose_device(device.value), 0, ""
    heading = f"{algorithm.value} on {scenario}, settings {settings}, device {place}"
    try:
        with learning(), phases() as show:

            def tick(what: str, done: float) -> None:
                nonlocal heading
                if heading:  # the run is not refused
                    print_line(heading)
                    heading = ""
                show(what, done)

            def say(state: Report) -> None:
                nonlocal rows
                show("", 1.0)  # no bar where a row is printed
                rows += 1
                print_report(state, heading=rows == 1)

            ended = training.train(
                description,
                folder,
                time_limit=time_limit,
                device=device.value,
                resume=resume,
                report=say,
                tick=tick,
            )
    except KeyboardInterrupt as stop:
        ended, kept = INTERRUPTED, str(stop) or training.kept_message(folder)
    else:
        print_line(f"Ended: {ended}. Checkpoint and logs: {out}")
    title, log = f"{algorithm.value} on {loaded.name}", log_of(folder)
    if report and log:
        from ..report import pages

        about = asdict(description)
        write_page(lambda typed: pages.of_training(log, title, ended, about, typed), report, None)
    if log:
        write_plot(lambda: plots.of_training(log, title, ended), plot, None)
    if kept:
        end_cut(kept)
