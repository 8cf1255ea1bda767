"""`semopt solve --queue`: a whole queue of slots that share batteries, in hindsight."""

from __future__ import annotations

from typing import Any

from ..report.progress import progress
from .ending import end_cut
from .options import is_table, load, to_stdout, write_page, write_plot

TAKEN = ("--gap", "--time-limit", "--certificate")


def check_queue_options(method: str, slots: int, json: str | None, values: dict[str, Any]) -> None:
    """Raise ValueError for what does not go with --queue."""
    from ..solvers.queue.hindsight import QUEUE_METHODS

    if method not in QUEUE_METHODS:
        raise ValueError(
            f"--queue and --method {method}: a queue has {' and '.join(QUEUE_METHODS)}"
        )
    if slots > 1:
        raise ValueError(f"--queue and --slots {slots}: [queue] length says how many slots it has")
    if is_table(json):
        raise ValueError(
            f"--queue and --json {json}: a queue is written as JSON; name a .json file"
        )
    for option, value in values.items():
        if value and option not in TAKEN:
            raise ValueError(
                f"--queue and {option}: a queue takes {', '.join(TAKEN)}, --json, --plot and "
                "--report"
            )


def solve_whole_queue(
    source: str,
    method: str,
    seed: int | None,
    json: str | None,
    report: str | None,
    plot: str | None,
    values: dict[str, Any],
) -> None:
    """Solve the queue that a scenario pins, or one that a seed draws, and report it."""
    from ..files import write_json
    from ..report.queue import print_queue
    from ..solvers.queue import solve_queue

    scenario = load(source)
    gain, task = scenario.draw_queue(seed)
    options = {option[2:].replace("-", "_"): values[option] for option in TAKEN}
    with progress(f"{method}: a queue of {len(gain)} slots", None):
        result = solve_queue(scenario, gain, task, method, **options)
    if json is not None:
        write_json(json, result.to_json())
    if not to_stdout(json):
        pinned = seed is None and scenario.queue and scenario.queue.slots
        print_queue(result, scenario.name, None if pinned else seed or 0)
    if report:
        from ..report import pages

        write_page(lambda typed: pages.of_queue(result, scenario.name, typed), report, json)
    write_plot(result.plot, plot, json)
    if result.interrupted:
        end_cut("the best decision known until then and a valid bound are given")
