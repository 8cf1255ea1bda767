"""`semopt verify`."""

from __future__ import annotations

from typing import Annotated

import typer


def verify(
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE|-", help="A certificate or a result in JSON; - reads standard input."
        ),
    ],
) -> None:
    """Re-check a certificate or a result without the solvers that made it.

    Prints what was proven, or the first false claim and exits with code 1. What is neither, or
    malformed, is bad input: exit code 2.
    """
    from ..certificate.claims import FalseClaim
    from ..certificate.verify import check
    from ..console import visible
    from .progress import progress

    try:
        with progress("verify", 1.0) as show:
            proven = check(file, show)
        print(f"verified: {visible(proven)}")
    except FalseClaim as claim:
        print(f"false: {visible(str(claim))}")
        raise typer.Exit(1) from None
