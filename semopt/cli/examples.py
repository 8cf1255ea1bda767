"""`semopt examples`."""

from __future__ import annotations

import ast
import json
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from .. import examples as package
from ..files import write_atomically
from ..report.lines import print_line, print_names, print_note, print_written

NOTEBOOK = ".ipynb"


def examples(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="Examples to copy.")
    ] = None,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where to; made if need be.")] = Path(),
) -> None:
    """List the example programs and notebooks, or copy some to start from."""
    folder = Path(package.__path__[0])
    programs = {p.stem: p for p in sorted(folder.glob("[!_]*.py"))}
    programs |= {p.stem: p for p in sorted(folder.glob(f"*{NOTEBOOK}"))}
    if not names:
        print_names({name: first_sentence(path) for name, path in programs.items()})
        print_line("`semopt examples NAME` copies one.")
        return
    for name in names:
        if name not in programs:
            raise ValueError(f"example {name!r} is not one of {', '.join(programs)}")
    for name in names:
        target = out / programs[name].name
        if target.exists():
            raise ValueError(f"{target} is there already: it is not written over")
        out.mkdir(parents=True, exist_ok=True)
        write_atomically(target, programs[name].read_text(encoding="utf-8"))
        print_written(target)
        if target.suffix == NOTEBOOK and find_spec("ipykernel") is None:
            print_note(f"no kernel is here that runs {target}: pip install jupyterlab")


def first_sentence(path: Path) -> str:
    """Return the first line of a program's docstring, or of a notebook."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == NOTEBOOK:
        title = json.loads(text)["cells"][0]["source"][0]
        return f"{title.removeprefix('# ').strip()} (notebook)."
    return (ast.get_docstring(ast.parse(text)) or "").partition("\n")[0]
