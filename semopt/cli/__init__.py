"""The command line, `python -m semopt`: one module a command, loaded when it is called."""

from .entry import app, main, run

__all__ = ["app", "main", "run"]
