"""Where scenarios come from: presets, files and standard input, read as TOML and no further."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

from ..files import named, read_bytes
from .faults import ScenarioError, nearest

PRESETS = Path(__file__).parents[1] / "scenarios"


def document_of(source: str | Path) -> tuple[dict[str, Any], Path, str]:
    """Return what a scenario file holds before any check, its folder, and what faults call it.

    Raises
    ------
    ScenarioError
        There is no such file or preset, or it is not TOML
    """
    text, folder, name = text_of(source)
    return parsed(text, name), folder, name


def text_of(source: str | Path) -> tuple[str, Path, str]:
    """Return the text of a preset or file, its folder, and what faults call it."""
    name = named(source)
    path = PRESETS / f"{name}.toml" if name in preset_names() else Path(source)
    try:
        content = read_bytes(path if str(source) else "")
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise ScenarioError(name, [("", f"line {line}: is not UTF-8 text")]) from None
    except FileNotFoundError:
        raise ScenarioError(name, [("", _no_such_file(path))]) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ScenarioError(name, [("", f"cannot be read: {reason}")]) from None
    return text, path.parent, name


def preset_names() -> list[str]:
    """Return the names of the shipped scenarios."""
    return sorted(path.stem for path in PRESETS.glob("*.toml"))


def presets() -> dict[str, str]:
    """Return the shipped scenarios: name to one-line description."""
    files = {name: PRESETS / f"{name}.toml" for name in preset_names()}
    return {
        name: tomllib.loads(file.read_text(encoding="utf-8")).get("description", "")
        for name, file in files.items()
    }


def _no_such_file(path: Path) -> str:
    names = preset_names()
    there = {file.name: str(file) for file in path.parent.glob("*.toml")}
    whole = f"{path.name}.toml"
    suggestion = whole if whole in there else nearest(path.stem, names) or nearest(path.name, there)
    hint = f"; did you mean {there.get(suggestion, suggestion)}?" if suggestion else ""
    return f"there is no such file, and no such preset{hint} (presets: {', '.join(names)})"


def parsed(text: str, source: str) -> dict[str, Any]:
    """Return a document, or raise a `ScenarioError` with the line that is not TOML."""
    try:
        return tomllib.loads(text)
    except ValueError as error:
        words, _, place = str(error).partition(" (at ")
    if place:
        lines = text.splitlines() or [""]
        place_of_line = re.match(r"line (\d+)", place)  # else "end of document"
        number = min(int(place_of_line[1]), len(lines)) if place_of_line else len(lines)
        words = f"line {number}: {words}: {lines[number - 1].strip()[:60]!r}"
    raise ScenarioError(source, [("", f"is not TOML: {words}")])
