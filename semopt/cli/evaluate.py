"""`semopt evaluate`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .options import to_stdout
from .train import learning

if TYPE_CHECKING:
    from ..learn.evaluate import Evaluation


def evaluate(
    what: Annotated[
        list[str],
        typer.Argument(
            metavar="WHAT...",
            help="Checkpoint folders, methods of solve, constant, module:function or "
            "file.py:function.",
        ),
    ],
    scenario: Annotated[
        str | None,
        typer.Option(help="File or preset; the first checkpoint's own unless given, else paper."),
    ] = None,
    slots: Annotated[
        int | None,
        typer.Option(min=1, help="Decision slots to draw; 1000, or as many as a trace has."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the slots.")] = 0,
    refine: Annotated[
        bool, typer.Option("--refine", help="Also keep each choice of mode, optimise its levels.")
    ] = False,
    json: Annotated[
        str | None, typer.Option(metavar="FILE|-", help="Write the result as JSON; - prints it.")
    ] = None,
) -> None:
    """Score policies and methods on the same slots against the certified optimum.

    Ctrl-C prints and saves the scores that are finished; the exit code is then 130.
    """
    from ..files import check_apart
    from ..scenario import Scenario
    from .ending import end_cut
    from .progress import phases, progress

    check_apart({"--json": json}, inputs(what, scenario))
    with learning(), progress("loading", None):
        from ..learn import deciders
        from ..learn import evaluate as evaluation
    for sentence in deciders.taken_as(what):
        print(f"note: {sentence}", file=sys.stderr, flush=True)
    loaded = Scenario.load(scenario) if scenario else deciders.home(what)
    so_far: list[Evaluation] = []
    cut = False
    try:
        with learning(), phases() as tick:
            evaluation.compare(
                what, loaded, slots, seed, refine=refine, tick=tick, report=so_far.append
            )
    except KeyboardInterrupt:
        cut = True
    if not so_far:
        end_cut("nothing is scored yet")
    found = so_far[-1]
    if json:
        from ..files import write_json

        write_json(json, found.to_json())
    if not to_stdout(json):
        print_evaluation(found, seed)
    if cut:
        done = len(found.scores)
        end_cut(f"{done} of {done + len(found.missing)} scores are finished and given")


def inputs(names: list[str], scenario: str | None) -> list[str | Path]:
    """Return the files that an evaluation may read, so that it overwrites none."""
    read: list[str | Path] = [scenario] if scenario else []
    for name in names:
        read.append(name.rpartition(":")[0] or name)
        if Path(name).is_dir():
            read += [file for file in Path(name).iterdir() if file.is_file()]
    return read


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
            f"{s.hit_share:.0%}",
            f"{s.latency_ms:.2f}",
            f"{s.energy_mj:.1f}",
            f"{s.accuracy:.3f}",
            f"{s.infeasible_share:.1%}",
            f"{s.decision_us:.0f}" if s.decision_us < 9999.5 else f"{s.decision_us / 1e3:.0f}k",
        )
    console = Console()
    console.print(table)
    best = next(iter(found.scores.values())).reference_qoe
    left = found.infeasible_slots
    left_out = f"; {left} infeasible slots are left out" if left else ""
    of = "of the worst user" if found.objective == "min" else "a task"
    console.print(
        f"Reference {found.reference}: QoE {best:.5f} {of}. Closure: the part of its gain over "
        f"local, 0.5, that is reached. A task that breaks a limit scores 0{left_out}.",
    )


HEADINGS = (
    *("QoE", "ratio", "p1", "worst", "clos-\nure", "hits", "ms", "mJ", "accu-\nracy"),
    *("infea-\nsible", "us a\nslot"),
)
