"""What shells complete the arguments of commands from: `semopt --install-completion` tells them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import get_type_hints

import typer

from ..backends.registry import NAMES
from ..methods import METHODS, QUEUE_POLICIES
from ..report.manual import PAGES

Complete = Callable[[str], list[str]]


def files(incomplete: str, *endings: str) -> Iterator[str]:
    """Yield folders, and files of these endings, as far as a path is typed."""
    typed = Path(incomplete or ".")
    folder = typed if incomplete.endswith("/") or not incomplete else typed.parent
    for file in sorted(folder.iterdir()) if folder.is_dir() else []:
        if file.is_dir():
            yield f"{file}/"
        elif file.suffix in endings:
            yield str(file)


def of_words(*words: str, endings: tuple[str, ...] = ()) -> Complete:
    """Return what completes from words, and from files of these endings."""

    def complete(incomplete: str) -> list[str]:
        names = [*words, *(files(incomplete, *endings) if endings else ())]
        return [name for name in names if name.startswith(incomplete)]

    return complete


PRESETS = sorted(file.stem for file in (Path(__file__).parents[1] / "scenarios").glob("*.toml"))
SCENARIO = of_words(*PRESETS, endings=(".toml",))
OF_PARAMETERS = {
    **dict.fromkeys(("scenario", "scenarios", "source"), SCENARIO),
    **dict.fromkeys(("method", "methods"), of_words(*METHODS)),
    "what": of_words(*METHODS, "constant", *QUEUE_POLICIES, endings=(".py",)),
    "backend": of_words(*NAMES),
    "topic": of_words(*PAGES),
}


def let_shells_complete(table: typer.Typer) -> None:
    """Let the parameters of all commands of a table be completed by their names."""
    for command in table.registered_commands:
        hints = get_type_hints(command.callback, include_extras=True)
        for name, hint in hints.items():
            for about in getattr(hint, "__metadata__", ()):
                about.autocompletion = OF_PARAMETERS.get(name, about.autocompletion)
        command.callback.__annotations__ = hints  # evaluated once, so that typer sees the change
