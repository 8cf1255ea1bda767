"""What measuring semantic transmission prints: the data there are, training, and records."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..console import Console, slim_table
from .lines import print_line

if TYPE_CHECKING:
    from ..semantic.data.sources import Source
    from ..semantic.networks.training import Progress


def print_sources(sources: Iterable[Source], folder: Path, faults: Collection[str]) -> None:
    """Print what there is in the data folder, in at most 80 columns."""
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


def print_progress(progress: Progress) -> None:
    """Print one line of progress."""
    print_line(
        f"epoch {progress.epoch:2}/{progress.epochs}  loss {progress.loss:.4f}  "
        f"validation accuracy {progress.accuracy:.4f}  "
        f"{progress.seconds:.0f} s, {progress.left:.0f} s left"
    )


def print_record(record: dict[str, Any]) -> None:
    """Print what one modality's models reach, beside their floors."""
    accuracy, source = record["accuracy"], record["data"]
    samples = source["samples"]["test"]
    table = slim_table(f"{source['title']}: {samples} test samples")
    table.add_column("model")
    table.add_column("accuracy, % (95% interval)", justify="right")
    rows = dict(record["floors"])
    rows |= {role: accuracy[role] for role in ("local", "server")}
    for name, result in rows.items():
        floor = "" if name in ("local", "server") else "floor: "
        low, high = (100 * result[end] for end in ("low", "high"))
        table.add_row(f"{floor}{name}", f"{100 * result['accuracy']:.1f} ({low:.1f}-{high:.1f})")
    surface = accuracy["semantic"]
    for row in (0, -1):
        for column in (0, -1):
            values = (surface[key][row][column] for key in ("table", "low", "high"))
            share, low, high = (100 * value for value in values)
            where = f"extraction {surface['extraction'][row]:g}, {surface['snr_db'][column]:g} dB"
            table.add_row(f"semantic, {where}", f"{share:.1f} ({low:.1f}-{high:.1f})")
    Console().print(table)
