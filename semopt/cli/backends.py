"""`semopt backends`: which backends there are, and why the others are not."""

from __future__ import annotations

from ..report.lines import print_names
from .options import JsonOption, to_stdout


def backends(json: JsonOption = None) -> None:
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
