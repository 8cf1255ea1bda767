"""`semopt backends`: which backends there are, and why the others are not."""

from __future__ import annotations

from typing import Annotated

import typer

from ..report.lines import print_names
from .options import to_stdout


def backends(
    json: Annotated[
        str | None, typer.Option(metavar="FILE|-", help="Write the list as JSON; - prints it.")
    ] = None,
) -> None:
    """Say which backends can be used here, and why the others cannot."""
    from ..backends import NAMES, available, describe, why_not

    reasons = {name: why_not(name) for name in NAMES if name != "auto"}
    if json:
        from ..files import write_json

        rows = [
            {"name": name, "available": reason is None, "about": reason or describe(name)}
            for name, reason in reasons.items()
        ]
        write_json(json, {"schema": 1, "auto": available()[-1], "backends": rows})
    if not to_stdout(json):
        sentences = {
            name: f"{'no,' if reason else 'yes,'} {reason or describe(name)}"
            for name, reason in reasons.items()
        }
        print_names(sentences | {"auto": available()[-1]})
