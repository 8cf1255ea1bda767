"""How the command line is run, and how it ends."""

from __future__ import annotations

import atexit
import os
import re
import sys
from collections.abc import Iterator, Sequence
from io import TextIOWrapper
from shutil import get_terminal_size
from typing import Annotated, Any, get_type_hints

import typer

from ..interrupts import end_at_once, ignore
from ..report.lines import Verbosity, print_line, print_message
from . import ending, options
from .commands import GROUPS, NAMES, Root, table_of

# Typer's own base of what it refuses: its place differs between versions.
Refused: Any = typer.BadParameter.__mro__[2]
SHARED = ("--quiet", "--verbose")  # options that every command has
NARROW = 60  # columns, below which help would cut words
# What pydantic says of a number, and what is said here.
RANGES = {
    r"Input should be greater than or equal to (\S+)$": r"a number of at least \1 is expected",
    r"Input should be less than or equal to (\S+)$": r"a number of at most \1 is expected",
    r"Input should be a valid integer\b.*": "a whole number is expected",
    r"Input should be a valid number\b.*": "a number is expected",
}
app = typer.Typer(
    name="semopt",
    cls=Root,
    epilog="Exit codes: 0 answered; 1 verify found a false claim; 2 bad input; 130 and 143 cut by "
    "Ctrl-C or SIGTERM, what was finished is printed or saved.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def show_version(requested: bool) -> None:
    """Print the version and end."""
    if requested:
        from .. import __version__

        print_line(f"semopt {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool,
        typer.Option(
            "--version", is_eager=True, callback=show_version, help="Print the version and exit."
        ),
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", help="Show no progress and no notes; anywhere in a command.")
    ] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", help="Log what is done, and how long it takes; likewise.")
    ] = False,
) -> None:
    """Find, prove and learn the best way for wireless users to run AI tasks at the edge.

    New here? semopt manual start takes ten minutes.
    """
    if quiet and verbose:
        raise ValueError("--quiet and --verbose: one of the two is expected")
    Verbosity.quiet = quiet
    if quiet or verbose:
        log_on_standard_error(verbose)


def log_on_standard_error(verbose: bool) -> None:
    """Let the records of semopt's loggers be written, by Python's own logging."""
    import logging

    logging.basicConfig(format="%(relativeCreated)7.0f ms  %(name)s: %(message)s", force=True)
    logging.getLogger("semopt").setLevel(logging.INFO if verbose else logging.ERROR)


def in_front(arguments: Sequence[str]) -> list[str]:
    """Return arguments with the options of all commands before the command."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    shared = [argument for argument in arguments[:end] if argument in SHARED]
    others = [argument for argument in arguments[:end] if argument not in SHARED]
    return [*dict.fromkeys(shared), *others, *arguments[end:]]


def main() -> None:
    """Run the command line and end with its exit code; see `ending`."""
    from ..console import write_plain

    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            write_plain(stream)
    atexit.register(ignore)  # the last that is called: what was registered first is
    ending.listen()
    try:
        code = run(sys.argv[1:])
    except BaseException:  # of an import that was cut, or a second signal
        if not ending.Received.number:
            raise
        if not ending.Received.reported:
            print_message("interrupted: nothing was finished")
        code = ending.cut_code()
    end_at_once(code)
    exec("")  # else Python, cut inside of another one, ends itself by the signal
    try:
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
    except OSError:
        os._exit(code)  # else Python tries once more at its end, and complains
    sys.exit(code)


def run(arguments: Sequence[str]) -> int:
    """Run a command; return its exit code. A bad input is one message on standard error."""
    from ..console import WIDTH, sizes_in

    for name in {"COLUMNS", "LINES"} - sizes_in(os.environ).keys():
        os.environ.pop(name, None)
    asks_help = not arguments or arguments[-1] in {*GROUPS, "-h", "--help"}
    if asks_help and get_terminal_size().columns < NARROW:
        os.environ["COLUMNS"] = str(WIDTH)
    if any(name.endswith("_COMPLETE") for name in os.environ):  # a shell asks, as typer has it
        from .completion import let_shells_complete

        for name in NAMES:
            let_shells_complete(table_of(name))
    ending.Received.reported, options.TYPED[:] = False, arguments
    try:
        check_digits(arguments)
        code = app(in_front(arguments), standalone_mode=False)
        if sys.stdout is not None:
            sys.stdout.flush()
        if code == 130 and not ending.Received.reported:  # so says typer of a KeyboardInterrupt
            print_message("interrupted: nothing was finished")
            return ending.cut_code()
        return code if isinstance(code, int) else 0
    except BrokenPipeError:
        return ending.GONE
    except SystemExit as ended:
        if isinstance(ended.__context__, BrokenPipeError):  # which typer met
            return ending.GONE
        return ended.code if isinstance(ended.code, int) else 1
    except (typer.Abort, KeyboardInterrupt):
        print_message("interrupted: nothing was finished")
        return ending.cut_code()
    except Refused as error:
        print_message(refusal(error, arguments))
    except MemoryError as error:
        print_message(f"error: not enough memory: {error or 'use fewer slots, users or levels'}")
    except OSError as error:
        parts = (error.filename or "output", error.strerror)
        print_message("error: " + ": ".join(str(part) for part in parts if part))
    except ValueError as error:
        print_message(f"error: {as_typed(str(error), arguments)}")
    return 2


def check_digits(arguments: Sequence[str]) -> None:
    """Raise ValueError for an option's number that Python alone reads as one, such as 1_0."""
    from ..rows import plain

    if all("_" not in argument and argument.isascii() for argument in arguments):
        return
    for option in {option for name in NAMES for option in number_options(table_of(name))}:
        for value in option_values(option, arguments):
            try:
                plain(value)
            except ValueError:
                raise ValueError(
                    f"{option} {value}: a number in plain digits is expected"
                ) from None


def number_options(table: typer.Typer) -> Iterator[str]:
    """Yield the options of the commands of a table that take a number."""
    for command in table.registered_commands:
        for name, kind in get_type_hints(command.callback).items():
            if kind in (int, float, int | None, float | None):
                yield f"--{name.replace('_', '-')}"


def as_typed(message: str, arguments: Sequence[str]) -> str:
    """Return a message in which an option has the name that was typed, not the function's own."""
    name = re.match(r"(\w+)( = |: | )", message)
    option = f"--{name[1].replace('_', '-')}" if name else ""
    typed = name is not None and any(True for _ in option_values(option, arguments))
    if not name or not typed or (name[2] == ": " and name[1] in arguments):  # a file of that name
        return message
    return option + name[2].replace(" =", "") + message[name.end() :]


def refusal(error: Any, arguments: Sequence[str]) -> str:
    """Return what typer says of an option or argument, and where help is; "" after help itself."""
    message, context = error.format_message(), getattr(error, "ctx", None)
    parameter = getattr(error, "param", None)
    values = [
        f"{name} {value}"
        for name in getattr(parameter, "opts", [])
        for value in option_values(name, arguments)
    ]
    if values and error.message:
        message = f"{values[-1]}: {error.message}"
    message = message.replace("Value error, ", "")
    for words, own in RANGES.items():
        message = re.sub(words, own, message)
    hint = f"\n{context.command_path} --help says what is allowed" if context else ""
    return f"error: {message}{hint}" if message else ""


def option_values(option: str, arguments: Sequence[str]) -> Iterator[str]:
    """Yield the values that an option was given."""
    for place, argument in enumerate(arguments):
        if argument.startswith(f"{option}="):
            yield argument.partition("=")[2]
        elif argument == option and place + 1 < len(arguments):
            yield arguments[place + 1]
