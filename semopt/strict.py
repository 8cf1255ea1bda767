"""JSON documents that anybody may have written: read without forgiveness, faults named by path."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from .files import read_bytes

DIGITS = 100  # of a whole number
SHOWN = 60  # characters of a value that a message quotes


class Strict(BaseModel):
    """A table of a document: no key but its own, no type taken for another, no NaN."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]  # SHA-256
Table = TypeVar("Table", bound=BaseModel)


def read_json(path: Path) -> Any:
    """Return the values of a JSON file, or raise ValueError saying why it is none.

    Anything but a regular file is refused before it is read: a device or a pipe may never end.
    """
    try:
        return parse_json(read_bytes(path).decode("utf-8"))
    except OSError as error:
        raise ValueError(f"cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise ValueError("is not UTF-8 text") from None


def parse_json(text: str) -> Any:
    """Return the values of a JSON text; a key that comes twice, NaN or infinity is refused."""
    try:
        return json.loads(
            text, object_pairs_hook=_table, parse_constant=_constant, parse_int=_integer
        )
    except json.JSONDecodeError as error:
        raise ValueError(f"is not JSON: {error}") from None
    except RecursionError:
        raise ValueError("is nested too deeply") from None


def _table(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"has the key {twice!r} twice in one table")
    return table


def _integer(digits: str) -> int:
    if len(digits) > DIGITS:
        raise ValueError(f"holds a whole number of {len(digits)} digits")
    return int(digits)


def _constant(word: str) -> None:
    raise ValueError(f"holds {word}, which is no number of JSON")


def sealed(values: dict[str, Any]) -> str:
    """Return the digest of a document but of its own entry "digest".

    It has no secret: it tells an edit or a mix-up, not a forger who makes it anew.
    """
    content = {key: value for key, value in values.items() if key != "digest"}
    return sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def checked(model: type[Table], values: Any, *place: str | int) -> Table:
    """Return values as a table; raise ValueError naming the first that does not fit it.

    `place` is the path of the values in the document.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise ValueError(sentence(error, *place)) from None


def sentence(error: ValidationError, *place: str | int) -> str:
    """Return the first fault in one line: the key's path, the value, what is expected."""
    first = error.errors(include_url=False)[0]
    path = ".".join(str(part) for part in (*place, *first["loc"])) or "the document"
    match first["type"]:
        case "missing":
            return f"{path} is missing"
        case "extra_forbidden":
            return f"{path} is an unknown key"
    value = shortened(repr(first["input"]))
    reason = first["msg"].removeprefix("Value error, ")
    return f"{path} = {value}: {reason[:1].lower()}{reason[1:]}"


def shortened(text: str, most: int = SHOWN) -> str:
    """Return the beginning of a text that is longer than a message should quote."""
    return text if len(text) <= most else f"{text[:most]}..."
