"""The table of commands: each is built when it is asked for, so that `solve` starts fast."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from inspect import cleandoc
from typing import Any

import typer
from typer.core import TyperGroup

GROUPS = ("scenario", "semantic", "study")  # of commands; module `NAME` has them as its `app`
NAMES = (
    *("solve", "explain", "verify", "backends", "bench", "examples"),
    *("manual", "cite", "train", "evaluate"),
    *GROUPS,
)


@cache
def table_of(name: str) -> typer.Typer:
    """Return a group of commands, or the table of one command, as module `name` defines it."""
    module = import_module(f".{name}", __package__)
    table: typer.Typer
    if name in GROUPS:
        table = module.app
    else:
        table = typer.Typer(add_completion=False)
        table.command(name)(getattr(module, name))
    let_help_flow(table)
    return table


def let_help_flow(table: typer.Typer) -> None:
    """Let the help of commands wrap at the terminal's width, not where lines of the source end."""
    for command in table.registered_commands:
        words = cleandoc(getattr(command.callback, "__doc__", None) or "")
        command.help = "\n\n".join(" ".join(part.split()) for part in words.split("\n\n"))


class Commands(Mapping[str, Any]):
    """Commands by name, as typer takes them."""

    def __getitem__(self, name: str) -> Any:
        """Return a command; KeyError for a name that is none."""
        if name not in NAMES:
            raise KeyError(name)
        command = typer.main.get_command(table_of(name))
        command.name = name
        return command

    def __iter__(self) -> Iterator[str]:
        return iter(NAMES)

    def __len__(self) -> int:
        return len(NAMES)


class Root(TyperGroup):
    """The group of all commands."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**(settings | {"commands": Commands()}))
