"""`semopt manual`."""

from __future__ import annotations

from typing import Annotated

import typer


def manual(
    topic: Annotated[
        str | None,
        typer.Argument(metavar="[TOPIC]", help="The page to show; a list of all unless given."),
    ] = None,
) -> None:
    """Show a page of the manual, or list all."""
    from ..report.manual import read
    from ..report.manual_terminal import print_topics, show

    if topic is None:
        print_topics()
    else:
        show(read(topic))
