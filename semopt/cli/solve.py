"""`semopt solve`."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..methods import METHODS, renamed
from ..report.progress import progress
from .ending import end_cut
from .options import (
    PlotOption,
    ReportOption,
    ScenarioArgument,
    SeedOption,
    check_numbers,
    check_options,
    check_plot,
    check_report,
    files_read,
    is_table,
    load,
    to_stdout,
    write_page,
    write_plot,
)
from .queue import check_queue_options, solve_whole_queue
from .slot import one_slot, pinned, print_alternatives, solve_one, title_of

if TYPE_CHECKING:
    from ..backends import Query
    from ..problem import Problem
    from ..result import Result
    from ..scenario import Scenario


def solve(
    scenario: ScenarioArgument = "paper",
    method: Annotated[
        str, typer.Option(help=f"{', '.join(METHODS)}; policy needs --checkpoint.")
    ] = "exact",
    slots: Annotated[
        int, typer.Option(min=1, help="How many slots to draw from the channel law.")
    ] = 1,
    seed: SeedOption = None,
    backend: Annotated[
        str | None, typer.Option(help="auto, or a name of `semopt backends`.")
    ] = None,
    time_limit: Annotated[
        float | None,
        typer.Option(
            help="Seconds after which the best so far is given: of the whole command, whatever "
            "the method and the number of slots."
        ),
    ] = None,
    gap: Annotated[
        float | None,
        typer.Option(
            help="global, relaxation, and exact with --queue: largest gap between decision and "
            "bound, in QoE."
        ),
    ] = None,
    certificate: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="global, and exact with --queue: write the proof, which verify re-checks; of "
            "--queue --method global it takes time beyond --time-limit.",
        ),
    ] = None,
    checkpoint: Annotated[
        str | None,
        typer.Option(
            metavar="DIR", help="policy: folder that train wrote (exhaustive: use --resume)."
        ),
    ] = None,
    resume: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="exhaustive: file that a stopped search leaves and is taken up from.",
        ),
    ] = None,
    best: Annotated[
        int | None, typer.Option(min=1, help="exhaustive: list so many of the best joint actions.")
    ] = None,
    above: Annotated[
        float | None,
        typer.Option(help="exhaustive: count joint actions that score above this, a rank."),
    ] = None,
    histogram: Annotated[
        int | None, typer.Option(min=1, metavar="BINS", help="exhaustive: count scores by bin.")
    ] = None,
    json: Annotated[
        str | None,
        typer.Option(
            metavar="FILE|-",
            help="Write the result as JSON, or as columns to FILE.parquet; - prints JSON.",
        ),
    ] = None,
    report: ReportOption = None,
    plot: PlotOption = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Add each user's best alternative and its cost.")
    ] = False,
    prices: Annotated[
        bool,
        typer.Option("--prices", help="Add what one more sub-channel, ms or GFLOP/s is worth."),
    ] = False,
    ladder: Annotated[
        bool,
        typer.Option(
            "--ladder",
            help="Compare methods on this slot, from the plainest decision to the bounds.",
        ),
    ] = False,
    queue: Annotated[
        bool,
        typer.Option(
            "--queue",
            help="Solve a whole queue of slots that share batteries, in hindsight.",
        ),
    ] = False,
) -> None:
    """Solve a decision slot, or many: who offloads, on which sub-channel, and how.

    `semopt manual methods` says what each method proves.

    Without --slots and --seed the slot that the scenario pins is solved; where it pins none, the
    first drawn with seed 0, of a trace its first.

    Ctrl-C prints and saves what is finished; the exit code is then 130.
    """
    from ..files import check_apart
    from ..limits import has_battery
    from ..report.lines import print_note
    from ..result import Status

    method, files, notes = renamed(method, {"checkpoint": checkpoint, "resume": resume})
    for note in notes:
        print_note(note)
    checkpoint, resume = files.get("checkpoint"), files.get("resume")
    values = {
        "--backend": backend,
        "--time-limit": time_limit,
        "--gap": gap,
        "--certificate": certificate,
        "--checkpoint": checkpoint,
        "--resume": resume,
        "--best": best,
        "--above": above,
        "--histogram": histogram,
    }
    switches = {"--explain": explain, "--prices": prices, "--ladder": ladder}
    drawings = {"--report": report, "--plot": plot}
    if queue:
        check_queue_options(method, slots, json, values | switches)
        check_numbers(values)
        check_report(report)
        check_plot(plot)
        outputs = {"--json": json, "--certificate": certificate}
        check_apart(outputs | drawings, files_read(scenario))
        return solve_whole_queue(scenario, method, seed, json, report, plot, values)
    check_together(method, slots, json, values | drawings, switches)
    check_options(method, values)
    check_report(report)
    check_plot(plot)
    outputs = {"--json": json, "--certificate": certificate, "--resume": resume}
    check_apart(outputs | drawings, files_read(scenario))
    options: dict[str, Any] = {
        option[2:].replace("-", "_"): value
        for option, value in values.items()
        if value is not None and option not in ("--best", "--above", "--histogram")
    }
    loaded = load(scenario)
    if has_battery(loaded.template()):
        print_note("user.battery_mj is not counted: a slot is solved alone; --queue solves all")
    if slots > 1:
        return solve_many(loaded, method, slots, seed or 0, json, report, plot, options)
    problem, title = one_slot(loaded, seed), title_of(loaded, seed)
    if ladder:
        return climb(problem, title, json, time_limit)
    if best or histogram or above is not None:
        options["query"] = query(problem, best, above, histogram)
    start = perf_counter()
    result = solve_one(problem, method, options, prices)
    cut = result.interrupted
    write(result, json, None if pinned(loaded, seed) else seed or 0)
    if not to_stdout(json):
        from ..report.slot import print_prices, print_result

        print_result(result, title)
        if explain and not cut and result.status is not Status.INFEASIBLE:
            print_alternatives(result, range(len(problem.task)), start, time_limit)
        if prices:
            print_prices(result)
    if report:
        from ..report import pages

        write_page(lambda typed: pages.of_slot(result, title, typed), report, json)
    write_plot(result.plot, plot, json)
    if cut:
        state = f"; --resume {resume} takes the search up" if resume else ""
        end_cut(f"what was found until then is given{state}")


def check_together(
    method: str, slots: int, json: str | None, values: dict[str, Any], switches: dict[str, bool]
) -> None:
    """Raise ValueError for options that do not go together."""
    chosen = [option for option, value in values.items() if value is not None]
    chosen += [option for option, on in switches.items() if on]
    of_one_slot = ("--certificate", "--resume", "--best", "--above", "--histogram", *switches)
    for option in chosen:
        if slots > 1 and option in of_one_slot:
            raise ValueError(f"{option}: is of one slot, and --slots {slots} is above 1")
    if switches["--ladder"]:
        conflicting = [o for o in chosen if o not in ("--ladder", "--time-limit")]
        if conflicting or method != "exact" or is_table(json):
            conflict = conflicting[0] if conflicting else f"--method {method}"
            raise ValueError(
                f"--ladder and {conflict if not is_table(json) else f'--json {json}'}: the ladder "
                "asks every method as it is; it takes --seed, --time-limit and --json FILE.json"
            )
    if switches["--explain"] and method != "exact":
        raise ValueError(
            f"--explain and --method {method}: alternatives are those to the exact optimum; use "
            "method exact"
        )


def write(result: Result, json: str | None, seed: int | None) -> None:
    """Write the result of a slot that `seed` drew, if one did, as JSON or as columns."""
    if is_table(json):
        from ..solvers.slots import batch_of

        batch_of(result).to_parquet(str(json), seed)
    elif json is not None:
        from ..files import write_json

        write_json(json, result.to_json())


def query(problem: Problem, best: int | None, above: float | None, bins: int | None) -> Query:
    """Return what an exhaustive search is asked for besides the best joint action."""
    from ..backends import Query

    high = 1.0 if problem.objective == "min" else float(len(problem.task))
    try:
        return Query(keep=best or 1, above=above, bins=bins or 0, high=high)
    except ValueError as error:
        words = str(error)
    for name, option in {"keep": "--best", "bins": "--histogram", "above": "--above"}.items():
        words = words.replace(f"{name} =", option) if words.startswith(f"{name} =") else words
    raise ValueError(words)


def climb(problem: Problem, name: str, json: str | None, time_limit: float | None) -> None:
    """Solve by every method of the ladder, and compare."""
    from ..files import write_json
    from ..report.slot import print_ladder
    from ..solvers import LADDER, ladder

    with progress("ladder", len(LADDER)) as show:
        answers = ladder(problem, time_limit=time_limit, progress=show)
    if json:
        methods = {m: a.to_json() for m, a in answers.items() if not isinstance(a, str)}
        refused = {m: a for m, a in answers.items() if isinstance(a, str)}
        write_json(json, {"schema": 1, "methods": methods, "refused": refused})
    if not to_stdout(json):
        print_ladder(answers, name)
    if len(answers) < len(LADDER) or any(
        not isinstance(a, str) and a.interrupted for a in answers.values()
    ):
        end_cut(f"{len(answers)} of {len(LADDER)} methods were asked")


def solve_many(
    scenario: Scenario,
    method: str,
    slots: int,
    seed: int,
    json: str | None,
    report: str | None,
    plot: str | None,
    options: Any,
) -> None:
    """Draw slots, solve them, and report their means."""
    from ..files import write_text
    from ..result import INTERRUPTED
    from ..solvers.batch import solve_batch

    with progress(f"drawing {slots} slots", None):
        gain, task = scenario.draw(slots, seed)
    with progress(f"{method}: {slots} slots", slots) as show:
        batch = solve_batch(scenario, gain, task, method, progress=show, partial=True, **options)
    solved = batch.first(batch.solved) if batch.stopped == INTERRUPTED else batch
    written = True
    if json is not None:
        try:
            if not len(solved.objective):
                raise KeyboardInterrupt  # a file without a slot says nothing
            with progress(f"writing {batch.solved} slots", batch.solved) as show:
                if is_table(json):
                    solved.to_parquet(json, seed, show)
                else:
                    write_text(json, solved.text(seed, show))
        except KeyboardInterrupt:
            written = False
    if not to_stdout(json):
        from ..report.batch import print_batch

        print_batch(batch, scenario.name, seed)
    if report:
        from ..report import pages

        write_page(
            lambda command: pages.of_batch(batch, scenario.name, seed, command), report, json
        )
    write_plot(batch.plot, plot, json)
    if not written:
        end_cut(f"{batch.solved} of {slots} slots are solved, and {json} is not written")
    if batch.stopped == INTERRUPTED:
        end_cut(f"{batch.solved} of {slots} slots are solved and given")
