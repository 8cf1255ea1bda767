"""The command line, `python -m semopt`: one module a command, loaded when it is called."""

from __future__ import annotations

import sys

import typer

from . import backends, scenario, solve, train

app = typer.Typer(
    name="semopt",
    help="Finds, proves and learns the best way for wireless users to run AI tasks at the edge.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("solve")(solve.solve)
app.command("explain")(solve.explain)
app.command("train")(train.train)
app.command("evaluate")(train.evaluate)
app.command("backends")(backends.backends)
app.add_typer(scenario.app, name="scenario")


def main() -> None:
    """Run the command line; a bad input is one message on standard error and exit code 2."""
    try:
        app()
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)
