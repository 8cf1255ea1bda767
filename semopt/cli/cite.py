"""`semopt cite`."""

from __future__ import annotations

from typing import Annotated, Literal

import typer


def cite(
    form: Annotated[
        Literal["bibtex", "apa", "cff"],
        typer.Option("--format", help="For LaTeX, as text, or as a file CITATION.cff."),
    ] = "bibtex",
) -> None:
    """Print how to cite semopt, and the paper whose problem it solves."""
    from ..files import write_text
    from ..report.citation import FORMATS

    write_text("-", [FORMATS[form]()])
