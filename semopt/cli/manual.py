"""`semopt manual`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def manual(
    topic: Annotated[
        str | None,
        typer.Argument(metavar="[TOPIC]", help="The page to show; a list of all unless given."),
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Write all pages as a site into a new folder; needs semopt\\[manual].",
        ),
    ] = None,
) -> None:
    """Show a page of the manual, or write all as a site that needs no network."""
    from ..report.lines import print_written
    from ..report.manual import read
    from ..report.manual_terminal import print_topics, show
    from ..report.progress import progress

    if html is not None:
        if topic is not None:
            raise ValueError("TOPIC and --html: one of the two is expected, a site has all pages")
        from ..report.manual_site import check_folder, check_packages, write

        check_packages()
        check_folder(html)
        with progress("manual", None):
            first = write(html)
        print_written(first)
    elif topic is None:
        print_topics()
    else:
        show(read(topic))
