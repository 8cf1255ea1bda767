"""`semopt study`."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from .conduct import (
    DIR,
    Engine,
    Json,
    Out,
    Shard,
    Workers,
    check_outputs,
    conduct,
    scenarios_of,
)
from .lengths import length, lengths
from .options import files_read, learning, to_stdout

Quick = Annotated[
    bool, typer.Option("--quick", help="Short, to see it work; options that are given stand.")
]

app = typer.Typer(
    no_args_is_help=True,
    help="Studies: many scenarios, methods and seeds against the certified optimum.",
)


@app.command("gap")
def gap(
    what: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[WHAT]...",
            help="As of evaluate: checkpoint folders, methods of solve, constant, module:function "
            "or file.py:function; exact, local and semantic-unaware unless given.",
        ),
    ] = None,
    scenario: Annotated[
        list[str] | None,
        typer.Option(help="File or preset; as often as there are some. paper unless given."),
    ] = None,
    vary: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=V,V",
            help="Every scenario with each of these values: a key of its file, users, channels, "
            "weights (0.6/0.2/0.2), load (a factor) or law; several make a grid.",
        ),
    ] = None,
    seeds: Annotated[int | None, length("gap", "seeds", 1, "Seeds of slots, from 0 on")] = None,
    slots: Annotated[int | None, length("gap", "slots", 1, "Decision slots a seed")] = None,
    ranks: Annotated[
        int | None,
        length("gap", "ranked", 0, "Slots of each cell whose decisions are ranked among all"),
    ] = None,
    quick: Quick = False,
    out: Out = DIR,
    engine: Engine = "local",
    workers: Workers = 0,
    shard: Shard = "1/1",
    json: Json = None,
) -> None:
    """Measure how far methods and policies are from the certified optimum.

    `semopt manual studies` says what a study leaves, and how to read it.

    What is in DIR is not computed again, whoever computed it. Ctrl-C keeps every cell that is
    finished; the same command goes on from there. The exit code is 1 where cells failed.
    """
    from ..report.progress import progress
    from .evaluate import inputs

    with learning("study"), progress("loading", None):
        from ..learn.deciders import decider
        from ..studies.gap.question import Question

    methods = list(dict.fromkeys(what or ["exact", "local", "semantic-unaware"]))
    check_outputs(out, json, inputs(methods, scenario or []))
    scenarios = scenarios_of(scenario or ["paper"], vary or ())
    with learning():
        for name in methods:
            for loaded in scenarios:
                decider(name, loaded)
    named = [word for name in scenario or ["paper"] for word in ("--scenario", name)]
    named += [word for axis in vary or () for word in ("--vary", axis)]
    question = Question(
        scenarios,
        methods,
        **lengths("gap", quick, scenarios, seeds=seeds, slots=slots, ranked=ranks),
        asked=shlex.join(named),
    )
    conduct(question, out, engine, workers, shard, json)


@app.command("scaling")
def scaling(
    what: Annotated[
        list[str] | None,
        typer.Argument(metavar="[METHOD]...", help="Methods of solve; all that decide or bound."),
    ] = None,
    scenario: Annotated[str, typer.Option(help="File or preset, of any size.")] = "large",
    users: Annotated[int | None, length("scaling", "users", 2, "Largest number of users")] = None,
    slots: Annotated[int | None, length("scaling", "slots", 1, "Slots of each size")] = None,
    limit: Annotated[
        float | None, length("scaling", "limit", 0.1, "Most seconds of a slot")
    ] = None,
    quick: Quick = False,
    out: Out = DIR,
    engine: Engine = "local",
    workers: Workers = 1,
    shard: Shard = "1/1",
    json: Json = None,
) -> None:
    """Measure time and peak memory of solvers by the number of users, and how they grow.

    Each runs on one thread, one after the other unless --workers says more. A solver that passes
    the limit is not asked about larger slots.
    """
    from ..methods import METHODS
    from ..scenario import Scenario

    with learning("study"):
        from ..studies.scaling.question import Question

    methods = list(dict.fromkeys(what or [name for name in METHODS if name != "policy"]))
    for name in methods:
        if name not in METHODS or name == "policy":
            solvers = ", ".join(method for method in METHODS if method != "policy")
            raise ValueError(f"study scaling {name}: is not one of {solvers}")
    check_outputs(out, json, files_read(scenario))
    question = Question(
        Scenario.load(scenario),
        methods,
        **lengths("scaling", quick, users=users, slots=slots, limit=limit),
        asked=shlex.join(["--scenario", scenario]),
    )
    conduct(question, out, engine, workers, shard, json)


@app.command("calibrate")
def calibrate(
    targets: Annotated[
        Path | None,
        typer.Argument(
            metavar="[TARGETS]",
            help="TOML of parameters and of what was measured; the paper's unless given.",
        ),
    ] = None,
    starts: Annotated[
        int | None, length("calibrate", "starts", 1, "Starts of the fit, all over the prior")
    ] = None,
    evaluations: Annotated[
        int | None, length("calibrate", "evaluations", 600, "Scenarios that a start tries, at most")
    ] = None,
    gains: Annotated[
        int | None,
        length(
            "calibrate",
            "gains",
            2,
            "Gains that each combination of tasks meets, 32 times that last",
        ),
    ] = None,
    chains: Annotated[
        int | None, length("calibrate", "chains", 1, "Chains from the prior; verdicts need two")
    ] = None,
    legs: Annotated[
        int | None, length("calibrate", "legs", 2, "Parts of a chain, each kept as a cell")
    ] = None,
    steps: Annotated[int | None, length("calibrate", "steps", 2, "Steps of a leg")] = None,
    walkers: Annotated[int | None, length("calibrate", "walkers", 2, "Walkers of a chain")] = None,
    draws: Annotated[
        int | None, length("calibrate", "draws", 1, "Draws of the chains that are kept")
    ] = None,
    quick: Quick = False,
    out: Out = DIR,
    engine: Engine = "local",
    workers: Workers = 0,
    shard: Shard = "1/1",
    json: Json = None,
) -> None:
    """Find the unpublished figures of a scenario that explain what was measured.

    DIR/calibrated.toml is the best scenario, DIR/report.html says how well it explains them, and
    which figures the data leave open. What is in DIR is not computed again; Ctrl-C keeps every
    cell that is finished. The exit code is 1 where cells failed.
    """
    from ..files import write_atomically
    from ..report.lines import print_written

    with learning("study"):
        from ..studies.calibrate.question import question_of
        from ..studies.calibrate.targets import PAPER
        from ..studies.cells import Store
    check_outputs(out, json, [targets or PAPER])
    given = lengths(
        "calibrate",
        quick,
        starts=starts,
        evaluations=evaluations,
        gains=gains,
        chains=chains,
        legs=legs,
        steps=steps,
        walkers=walkers,
        draws=draws,
    )
    question = question_of(targets or PAPER, **given)
    conduct(question, out, engine, workers, shard, json)
    if best := question.best(question.explained(Store(out))):
        write_atomically(
            out / "calibrated.toml", best.to_toml("Written by semopt study calibrate.")
        )
        if not to_stdout(json):
            print_written(out / "calibrated.toml")


@app.command("information")
def information(
    scenario: Annotated[
        list[str] | None,
        typer.Option(help="File or preset; as often as there are some. contended unless given."),
    ] = None,
    draws: Annotated[
        int | None, length("information", "draws", 1, "Observations of each user")
    ] = None,
    replies: Annotated[
        int | None, length("information", "replies", 1, "Draws of the others")
    ] = None,
    slots: Annotated[int | None, length("information", "slots", 1, "Slots of the optimum")] = None,
    quick: Quick = False,
    out: Out = DIR,
    engine: Engine = "local",
    workers: Workers = 0,
    shard: Shard = "1/1",
    json: Json = None,
) -> None:
    """Bound what users reach who see their own gains and task alone.

    One user at a time decides blindly, and the others see everything and choose last: no policy of
    own observations reaches more.
    """
    with learning("study"):
        from ..studies.information.question import Question

    names = scenario or ["contended"]
    check_outputs(out, json, [file for name in names for file in files_read(name)])
    question = Question(
        scenarios_of(names),
        **lengths("information", quick, draws=draws, replies=replies, slots=slots),
        asked=shlex.join([word for name in names for word in ("--scenario", name)]),
    )
    question.check()
    conduct(question, out, engine, workers, shard, json)


# What `semopt study paper` makes, and each part of it alone.
PAPER = {
    "paper": "Every table and figure of the paper again, against certified optima.",
    "table3": "Table III: QoE of all methods without preference.",
    "table4": "Table IV: energy and accuracy without preference.",
    "table5": "Table V: MAPPO trained for latency, energy or accuracy.",
    "fig6": "Figure 6: the learning curve of MAPPO.",
    "fig7": "Figure 7: the learning curve of DQN.",
    "fig8": "Figure 8: latency of mixed queues.",
    "fig9": "Figure 9: latency of queues of one kind of task.",
    "fig10": "Figure 10: weight moves from accuracy to latency.",
    "fig11": "Figure 11: weight moves from energy to accuracy.",
    "fig12": "Figure 12: weight moves from energy to latency.",
}


def of_paper(name: str) -> Callable[..., None]:
    """Return the command of the paper's study or of a part of it."""

    def paper(
        scenario: Annotated[
            str, typer.Option(help="File or preset in which the paper is studied.")
        ] = "paper",
        seeds: Annotated[
            int | None,
            typer.Option(min=1, help="Trainings of each policy; 10 unless given, 2 with --quick."),
        ] = None,
        episodes: Annotated[
            int | None, typer.Option(min=1, help="Test episodes of ten slots; 100 unless given.")
        ] = None,
        quick: Annotated[
            bool, typer.Option("--quick", help="Two trainings of each policy, and shorter ones.")
        ] = False,
        out: Out = DIR,
        engine: Engine = "local",
        workers: Workers = 0,
        shard: Shard = "1/1",
        json: Json = None,
    ) -> None:
        from ..report.progress import progress
        from ..scenario import Scenario

        check_outputs(out, json, files_read(scenario))
        loaded = Scenario.load(scenario)
        with learning("study"), learning(), progress("loading", None):
            from ..studies.paper.question import Question
        question = Question.asked(name, loaded, quick, seeds, episodes, scenario)
        conduct(question, out, engine, workers, shard, json)

    paper.__doc__ = PAPER[name]
    return paper


for part in PAPER:
    app.command(part)(of_paper(part))


@app.command("policies")
def policies(
    kinds: Annotated[
        list[str] | None,
        typer.Argument(metavar="[KIND]...", help="Kinds of trainings; all unless given."),
    ] = None,
    slots: Annotated[int | None, length("policies", "slots", 1, "Slots they are scored on")] = None,
    updates: Annotated[
        int | None,
        length("policies", "updates", 1, "Length of each training, its settings' else"),
    ] = None,
    quick: Quick = False,
    out: Out = DIR,
    engine: Engine = "local",
    workers: Workers = 0,
    shard: Shard = "1/1",
    json: Json = None,
) -> None:
    """Train policies of each kind and score them against the certified optimum.

    The tables of README.md and of `semopt manual learning` are those of this study; all of it takes
    40 minutes of one core.
    """
    with learning("study"):
        from ..studies.policies import KINDS, Question

    names = list(dict.fromkeys(kinds or KINDS))
    for name in names:
        if name not in KINDS:
            raise ValueError(f"study policies {name}: is not one of {', '.join(KINDS)}")
    check_outputs(out, json, [])
    question = Question(names, **lengths("policies", quick, slots=slots, updates=updates))
    conduct(question, out, engine, workers, shard, json)


@app.command("report")
def report(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of a study.")],
) -> None:
    """Write results, page, tables and figures of a study anew, also of an unfinished one."""
    from ..report.lines import print_written

    with learning("study"), learning():
        from ..studies.cells import Store
        from ..studies.questions import of_folder, publish

        files = publish(of_folder(folder), Store(folder))
    for file in files:
        print_written(file)


@app.command("audit")
def audit(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of a study.")],
    sample: Annotated[int, typer.Option(min=1, help="Rows to draw.")] = 20,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the rows drawn.")] = 0,
    json: Json = None,
) -> None:
    """Check rows of a study drawn at random: by the reference model, and by `verify`.

    The exit code is 1 where a claim does not hold.
    """
    from dataclasses import asdict

    from ..files import check_apart, write_json
    from ..report.progress import progress
    from ..studies.tables import print_audit

    check_apart({"--json": json}, (folder / "cells").glob("*"))
    with learning("study"):
        from ..studies.audit import audit as rows_of
    with progress("audit", 1.0) as tick:
        rows = list(rows_of(folder, sample, seed, tick))
    if json:
        write_json(json, {"schema": 1, "rows": [asdict(row) for row in rows]})
    if not to_stdout(json):
        print_audit(rows)
    if not all(row.holds for row in rows):
        raise typer.Exit(1)
