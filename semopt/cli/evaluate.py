"""`semopt evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..methods import QUEUE_POLICIES
from .options import (
    JsonOption,
    PlotOption,
    ReportOption,
    check_plot,
    check_report,
    files_read,
    learning,
    load,
    to_stdout,
    write_page,
    write_plot,
)

if TYPE_CHECKING:
    from ..learn.scores import Evaluation


def evaluate(
    what: Annotated[
        list[str],
        typer.Argument(
            metavar="WHAT...",
            help="Checkpoint folders, methods of solve, constant, module:function or "
            f"file.py:function; of queues with batteries {', '.join(QUEUE_POLICIES)}, too.",
        ),
    ],
    scenario: Annotated[
        str | None,
        typer.Option(help="File or preset; the first checkpoint's own unless given, else paper."),
    ] = None,
    slots: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Decision slots to draw; 1000, or as many as a trace has; of batteries whole "
            "queues.",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the slots.")] = 0,
    refine: Annotated[
        bool,
        typer.Option(
            "--refine",
            help="Also keep each choice of mode and sub-channel, optimise its levels; of queues "
            "of policies by name.",
        ),
    ] = False,
    json: JsonOption = None,
    report: ReportOption = None,
    plot: PlotOption = None,
) -> None:
    """Score policies and methods on the same slots against the certified optimum.

    `semopt manual policies` has the contract of a function of your own.

    Where users have batteries, whole queues are played. Their reference, hindsight, knows the
    future: it bounds every policy within the batteries.

    Ctrl-C prints and saves the scores, or the queues, that are finished; the exit code is then 130.
    """
    from ..files import check_apart
    from ..report.lines import print_note
    from ..report.progress import phases, progress
    from .ending import end_cut

    check_report(report)
    check_plot(plot)
    with learning(), progress("loading", None):
        from ..learn import deciders
        from ..learn import evaluate as scoring
        from ..learn.plugged import is_plug
    outputs = {"--json": json, "--report": report, "--plot": plot}
    check_apart(outputs, inputs(what, [scenario] if scenario else []))
    for sentence in deciders.taken_as(what):
        print_note(sentence)
    loaded = load(scenario) if scenario else deciders.home(what)
    if not scenario and any(map(is_plug, what)):
        print_note(f"no --scenario is given: {loaded.name} is taken")
    evaluations: list[Evaluation] = []
    cut = False
    try:
        with learning(), phases() as tick:
            scoring.evaluate(
                what, loaded, slots, seed, refine=refine, tick=tick, report=evaluations.append
            )
    except KeyboardInterrupt:
        cut = True
    if not evaluations:
        end_cut("nothing is scored yet")
    evaluation = evaluations[-1]
    if json:
        from ..files import write_json

        write_json(json, evaluation.to_json())
    if not to_stdout(json):
        evaluation.show()
    if refine and (others := unrefined(evaluation)):
        print_note(f"not refined: {', '.join(others)} (what energy is worth to them is not told)")
    if report:
        from ..report import pages

        write_page(lambda typed: pages.of_evaluation(evaluation, typed), report, json)
    write_plot(evaluation.plot, plot, json)
    if cut:
        end_cut(f"{evaluation.finished} are finished and given")


def unrefined(evaluation: Evaluation) -> list[str]:
    """Return the policies whose levels could not be optimised: some of queues."""
    from ..learn.refine import refined

    names = evaluation.scores.keys()
    both = {name for name in names if refined(name) in names}
    return [name for name in names if name not in both | {refined(each) for each in both}]


def inputs(names: list[str], scenarios: list[str]) -> list[str | Path]:
    """Return the files that an evaluation reads, so that it overwrites none."""
    from ..learn.deciders import files_of

    read = [file for scenario in scenarios for file in files_read(scenario)]
    return read + [file for name in names for file in files_of(name)]
