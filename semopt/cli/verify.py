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
    from ..certificate.verify import verify as check
    from ..report.lines import print_line
    from ..report.progress import progress

    try:
        with progress("verify", 1.0) as show:
            proven = check(file, show)
        print_line(f"verified: {proven}")
    except FalseClaim as claim:
        print_line(f"false: {claim}")
        raise typer.Exit(1) from None
