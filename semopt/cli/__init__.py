"""The command line, `python -m semopt`: one module a command, loaded when it is called."""

from __future__ import annotations

import os
import signal
import sys
from io import TextIOWrapper
from typing import NoReturn

import typer

from . import backends, bench, evaluate, examples, scenario, semantic, solve, train, verify

app = typer.Typer(
    name="semopt",
    help="Finds, proves and learns the best way for wireless users to run AI tasks at the edge.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("solve")(solve.solve)
app.command("explain")(solve.explain)
app.command("verify")(verify.verify)
app.command("backends")(backends.backends)
app.command("bench")(bench.bench)
app.command("examples")(examples.examples)
app.command("train")(train.train)
app.command("evaluate")(evaluate.evaluate)
app.add_typer(scenario.app, name="scenario")
app.add_typer(semantic.app, name="semantic")


def main() -> None:
    """Run the command line; a bad input is one message on standard error and exit code 2."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal without UTF-8 shows "?"
    # As by Ctrl-C, a search stops with a checkpoint: a scheduler asks so when time is up.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        try:
            app()
        finally:
            if sys.stdout is not None:
                sys.stdout.flush()
    except BrokenPipeError:
        os._exit(1)  # whoever read standard output has gone; nothing is left to say
    except MemoryError as error:
        fail(f"not enough memory: {error or 'use fewer slots, users or levels'}")
    except OSError as error:
        fail(": ".join(str(part) for part in (error.filename, error.strerror) if part))
    except ValueError as error:
        fail(str(error))


def fail(message: str) -> NoReturn:
    """Say what was wrong and end with exit code 2, without another try to write the output."""
    print(f"error: {message}", file=sys.stderr, flush=True)
    os._exit(2)
