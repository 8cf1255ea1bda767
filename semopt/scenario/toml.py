"""Writes TOML: the standard library only reads it."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

BARE = re.compile(r"[A-Za-z0-9_-]+")
ESCAPES = {
    '"': '\\"',
    "\\": "\\\\",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\b": "\\b",
    "\f": "\\f",
}
WIDTH = 100  # arrays of arrays that are longer take a line a row


def text(value: str) -> str:
    """Return a basic string, quoted."""
    escaped = "".join(ESCAPES.get(c, c) for c in value)
    return '"' + re.sub(r"[\x00-\x1f\x7f]", lambda c: f"\\u{ord(c[0]):04x}", escaped) + '"'


def key(name: str) -> str:
    """Return a key, quoted where it needs to be."""
    return name if BARE.fullmatch(name) else text(name)


def value(text: str) -> Any:
    """Return the value that a text is in TOML; what is none is the text itself.

    Raises
    ------
    ValueError
        It begins as an array, a table or a quoted text of TOML and is none
    """
    try:
        document = tomllib.loads(f"value = {text}")
        if len(document) == 1:
            return document["value"]
    except ValueError as error:
        if text.lstrip()[:1] in ("[", "{", '"', "'"):
            words = str(error).partition(" (at ")[0]
            raise ValueError(
                f"is not TOML ({words}): such as [1, 2] or [{{}}, {{power_mw = [10, 30]}}]"
            ) from None
    return text


def inline(value: Any) -> str:
    """Return a value on one line, as TOML writes it."""
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return text(value)
        case list() | tuple():
            return "[" + ", ".join(inline(item) for item in value) + "]"
        case Mapping():
            return "{" + ", ".join(f"{key(str(k))} = {inline(v)}" for k, v in value.items()) + "}"
        case _:
            return str(value)


def dumps(document: Mapping[str, Any], comments: Mapping[str, str] | None = None) -> str:
    """Return a document as TOML.

    Parameters
    ----------
    document : nested tables of TOML values
    comments : dotted path of a key or table to what stands in a comment behind or above it; the
        path "" is the head of the file
    """
    lines = [*_comment((comments or {}).get("", "")), *_table(document, "", comments or {})]
    return "\n".join(lines).strip() + "\n"


def _table(table: Mapping[str, Any], path: str, comments: Mapping[str, str]) -> Iterator[str]:
    below = {name: value for name, value in table.items() if _is_table(value)}
    for name, value in table.items():
        if name not in below:
            yield from _commented(
                f"{key(name)} = {_wrapped(value)}", comments.get(join(path, name), "")
            )
    for name, value in below.items():
        full = join(path, name)
        for n, entry in enumerate(value if isinstance(value, list) else [value]):
            if isinstance(value, list) or not all(map(_is_table, value.values())):
                yield ""
                yield from _comment(comments.get(full, "") if n == 0 else "")
                yield f"[[{full}]]" if isinstance(value, list) else f"[{full}]"
            yield from _table(entry, full, comments)


def join(path: str, name: str) -> str:
    """Return the dotted path of a key in the table at `path`."""
    return f"{path}.{key(name)}" if path else key(name)


def _commented(line: str, words: str) -> Iterator[str]:
    """Put a comment behind a line, or above it where that would be too long."""
    if words and ("\n" in line or len(line) + len(words) + 4 > WIDTH):
        yield from _comment(words)
        yield line
    else:
        yield f"{line}  # {words}" if words else line


def _is_table(value: Any) -> bool:
    return isinstance(value, Mapping) or (
        isinstance(value, list) and bool(value) and all(isinstance(v, Mapping) for v in value)
    )


def _comment(words: str) -> list[str]:
    return [f"# {line}".rstrip() for line in words.splitlines()]


def _wrapped(value: Any) -> str:
    line = inline(value)
    if len(line) <= WIDTH or not isinstance(value, list) or not isinstance(value[0], list):
        return line
    return "[\n" + "".join(f"    {inline(row)},\n" for row in value) + "]"


def flattened(table: Mapping[str, Any], path: str = "") -> dict[str, Any]:
    """Return nested tables as one, its keys their paths: both are ways to write [assumed]."""
    flat: dict[str, Any] = {}
    for name, value in table.items():
        full = f"{path}.{key(name)}" if path else name
        flat.update(flattened(value, full) if isinstance(value, dict) else {full: value})
    return flat
