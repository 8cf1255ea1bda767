"""`semopt examples`."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Annotated

import typer

from .. import examples as package
from ..files import write_atomically
from ..report.lines import print_line, print_names, print_written


def examples(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="Examples to copy.")
    ] = None,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where to.")] = Path(),
) -> None:
    """List the example programs, or copy some to start from."""
    programs = {path.stem: path for path in sorted(Path(package.__path__[0]).glob("[!_]*.py"))}
    if not names:
        print_names({name: first_sentence(path) for name, path in programs.items()})
        print_line("`semopt examples NAME` copies one.")
        return
    for name in names:
        if name not in programs:
            raise ValueError(f"example {name!r} is not one of {', '.join(programs)}")
    for name in names:
        target = out / f"{name}.py"
        if target.exists():
            raise ValueError(f"{target} is there already: it is not written over")
        write_atomically(target, programs[name].read_text())
        print_written(target)


def first_sentence(path: Path) -> str:
    """Return the first line of a program's docstring."""
    return (ast.get_docstring(ast.parse(path.read_text())) or "").partition("\n")[0]
