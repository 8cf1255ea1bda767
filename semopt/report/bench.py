"""The table of what `bench` measured, beside an earlier run."""

from __future__ import annotations

from itertools import groupby
from typing import Any

from ..console import Console, slim_table


def print_bench(document: dict[str, Any], earlier: dict[tuple[str, ...], float]) -> None:
    """Print the table, in at most 80 columns."""
    about = document["machine"]
    table = slim_table(f"{about['cpu']}, {about['threads']} threads, {about['instruction_set']}")
    table.add_column("", overflow="fold")
    for heading in ("value", "of\nceiling", "of\nmemory", "times"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("reference", overflow="fold")
    if earlier:
        table.add_column("change", justify="right", no_wrap=True)
    for name, entries in groupby(document["results"], lambda entry: str(entry["suite"])):
        table.add_row(name, style="bold")
        for entry in entries:
            shares = entry["ceiling_fraction"], entry["memory_fraction"]
            cells = [
                f"  {entry['name']}",
                f"{scaled(entry['value'])}{entry['unit'].replace('joint actions', 'actions')}",
                *("" if share is None else f"{share:.0%}" for share in shares),
                "" if entry["ratio"] is None else digits(entry["ratio"]),
                entry["reference"] or "",
            ]
            if earlier:
                past = earlier.get(key(entry))
                cells.append("new" if past is None else f"{entry['value'] / past - 1:+.1%}")
            table.add_row(*cells)
    Console().print(table)


def digits(ratio: float) -> str:
    """Return three digits of a ratio, and more of a large one."""
    return f"{ratio:,.0f}" if ratio >= 100 else f"{ratio:.3g}"


def scaled(value: float) -> str:
    """Return three digits and a prefix of the SI."""
    for size, prefix in ((1e9, "G"), (1e6, "M"), (1e3, "k"), (1, ""), (1e-3, "m"), (1e-6, "µ")):
        if abs(value) >= size:
            return f"{value / size:.3g} {prefix}"
    return f"{value:.3g} "


def key(entry: dict[str, Any]) -> tuple[str, ...]:
    """Return what a result is of."""
    return str(entry["suite"]), str(entry["name"]), str(entry["reference"])
