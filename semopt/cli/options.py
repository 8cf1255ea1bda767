"""Options as users type them: which method takes which, and files that may be written over none."""

from __future__ import annotations

import shlex
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from ..report.page import Report
    from ..scenario import Scenario

ScenarioArgument = Annotated[
    str,
    typer.Argument(
        metavar="SCENARIO", help="A TOML file, the name of a preset, or - for standard input."
    ),
]

SeedOption = Annotated[
    int | None,
    typer.Option(
        min=0,
        help="Draw the slot from the channel law with this seed; a trace gives its first, "
        "and the seed its tasks.",
    ),
]

JsonOption = Annotated[
    str | None, typer.Option(metavar="FILE|-", help="Write the figures as JSON; - prints them.")
]

ReportOption = Annotated[
    str | None,
    typer.Option(
        metavar="FILE",
        help="Draw the result on a page, FILE.html; needs semopt\\[plots].",  # Rich reads [words]
    ),
]

PlotOption = Annotated[
    str | None,
    typer.Option(
        metavar="FILE",
        help="Draw the result: FILE.html, .svg, .png or .pdf; needs semopt\\[plots].",
    ),
]

TYPED: list[str] = []  # the arguments of the command that runs

# Of the options that not every method takes: the solver's own name, and for what it is.
OF_METHODS = {
    "--backend": ("backend", "exact, exhaustive, local and semantic-unaware"),
    "--gap": ("gap", "global and relaxation"),
    "--certificate": ("certificate", "global"),
    "--checkpoint": ("checkpoint", "policy"),
    "--resume": ("resume", "exhaustive"),
    "--best": ("query", "exhaustive"),
    "--above": ("query", "exhaustive"),
    "--histogram": ("query", "exhaustive"),
}


def check_options(method: str, values: dict[str, Any]) -> None:
    """Raise ValueError where a method does not take an option, or its number is none."""
    from ..solvers import find

    find(method)
    check_numbers(values)
    for option, value in values.items():
        if value is None:
            continue
        if option in OF_METHODS and OF_METHODS[option][0] not in find(method)[1]:
            raise ValueError(
                f"{option} {value}: is for method {OF_METHODS[option][1]}, not {method!r}"
            )


def check_numbers(values: dict[str, Any]) -> None:
    """Raise ValueError where the number of an option is none."""
    from ..solvers.slot import check_time_limit

    for option, value in values.items():
        if option == "--time-limit":
            check_time_limit(value)
        if isinstance(value, float) and option != "--time-limit" and not isfinite(value):
            raise ValueError(f"{option} {value}: a finite number is expected")


def load(source: str) -> Scenario:
    """Return a scenario that is to be solved or learned, and note gains in another unit."""
    from ..report.lines import print_note
    from ..scenario import Scenario
    from ..scenario.notes import far_from_tables
    from ..scenario.source import preset_names

    scenario = Scenario.load(source)
    for note in () if source in preset_names() else far_from_tables(scenario):
        print_note(note)
    return scenario


def files_read(scenario: str) -> Iterator[str | Path]:
    """Yield the files that a scenario is read from: its own, and those that it names."""
    if scenario == "-":
        return
    path = Path(scenario)
    yield path
    try:
        if path.is_file() and path.stat().st_size < 1 << 20:
            document = tomllib.loads(path.read_text(encoding="utf-8-sig"))
            yield from (path.parent / name for name in file_names(document))
    except (OSError, ValueError, RecursionError):
        return  # loading it says what is wrong


def file_names(table: Any) -> Iterator[str]:
    """Yield what stands under any key `file`."""
    for key, value in table.items() if isinstance(table, dict) else enumerate(table):
        if key == "file" and isinstance(value, str):
            yield value
        elif isinstance(value, dict | list):
            yield from file_names(value)


def is_table(target: str | None) -> bool:
    """Tell whether a file is to be written as columns."""
    return target is not None and target.lower().endswith(".parquet")


def to_stdout(target: str | None) -> bool:
    """Tell whether a file is standard output, on which nothing else may be printed then."""
    from ..files import descriptor

    return target is not None and descriptor(target) == 1


@contextmanager
def learning(extra: str = "learn") -> Iterator[None]:
    """Say what to install where a package of the learners, or of the studies, is missing."""
    try:
        yield
    except ImportError as error:
        if error.name not in ("torch", "safetensors", "filelock", "tensorboard", "pyarrow"):
            raise
        raise ValueError(f"{error.name} is missing: pip install 'semopt[{extra}]'") from None


def command_line() -> str:
    """Return the command that runs, as it was typed, for whoever wants to run it again."""
    return shlex.join(["python", "-m", "semopt", *TYPED])


def check_report(target: str | None) -> None:
    """Raise ValueError, before any work, where a page could not be made."""
    if target is None:
        return
    if to_stdout(target):
        raise ValueError(f"--report {target}: the name of a file is expected, such as page.html")
    from ..report.page import check_packages

    check_packages()


def check_plot(target: str | None) -> None:
    """Raise ValueError, before any work, where a picture could not be made."""
    if target is None:
        return
    from ..report.plots import check_target

    check_target("--plot", target)


def write_plot(draw: Callable[[], Any], target: str | None, json: str | None) -> None:
    """Write what `draw` draws as a file, if one is asked for, and say so."""
    if target is None:
        return
    from ..report.lines import print_written
    from ..report.plots import write

    write(draw(), target)
    if not to_stdout(json):
        print_written(target)


def write_page(report: Callable[[str], Report], target: str, json: str | None) -> None:
    """Write what `report` makes of the command that runs as a page, and say so."""
    from ..files import write_atomically
    from ..report.lines import print_written
    from ..report.page import html

    write_atomically(target, html(report(command_line())))
    if not to_stdout(json):
        print_written(target)
