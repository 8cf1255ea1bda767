"""`semopt examples`."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Annotated

import typer

from .. import examples as package
from ..files import write_atomically


def examples(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="Examples to copy.")
    ] = None,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where to.")] = Path(),
) -> None:
    """List the example programs, or copy some to start from."""
    there = {path.stem: path for path in sorted(Path(package.__path__[0]).glob("[!_]*.py"))}
    if not names:
        from ..console import Console, slim_table

        table = slim_table("Examples: semopt examples NAME copies one")
        for heading in ("name", "what it shows"):
            table.add_column(heading)
        for name, path in there.items():
            words = ast.get_docstring(ast.parse(path.read_text())) or ""
            table.add_row(name, words.partition("\n")[0])
        Console().print(table)
        return
    for name in names:
        if name not in there:
            raise ValueError(f"example {name!r} is not one of {', '.join(there)}")
    for name in names:
        target = out / f"{name}.py"
        if target.exists():
            raise ValueError(f"{target} is there already: it is not written over")
        write_atomically(target, there[name].read_text())
        print(f"wrote {target}")
