"""The command line, `python -m semopt`: one module a command, loaded when it is called."""

from .entry import app, main

__all__ = ["app", "main"]
