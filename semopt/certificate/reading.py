"""Files under verification are strangers: they are read within bounds, and as JSON without twins.

What is no regular file, nests without end or grows without end is refused before it costs memory or
time.
"""

from __future__ import annotations

import gzip
import io
import zlib
from pathlib import Path
from typing import Any

from ..files import named, read_bytes
from ..strict import parse_json

LARGEST_FILE = 1 << 29  # bytes; 40,000 slots take 190 MB
USUAL = 1 << 24  # bytes that a compressed file may always have
DENSEST = 200  # a compressed file may grow by that factor beyond; proofs do by 4 to 20


def read(source: str | Path) -> Any:
    """Return the JSON document of a file, compressed or not; "-" is standard input.

    Raises
    ------
    ValueError
        For a file that cannot be read or is not JSON
    """
    name = named(source)
    try:
        data = unpacked(read_bytes(source, LARGEST_FILE))
        if data[:4] == b"PAR1":
            cure = "write a .json file, or call semopt.verify(semopt.Batch.from_parquet(FILE))"
            raise ValueError(f"it is a table in Parquet; {cure}")
        if b"{" not in data[:4096]:
            raise ValueError("it holds no object")
        text = data.decode("utf-8-sig")
    except zlib.error as error:  # a ValueError would not name the file
        raise ValueError(f"{name} is not a JSON file: {error}") from None
    except UnicodeDecodeError:
        raise ValueError(f"{name} is not a JSON file: it is not UTF-8 text") from None
    except OSError as error:
        raise ValueError(f"cannot read {name}: {error.strerror or error}") from None
    except (EOFError, ValueError) as error:
        raise ValueError(f"{name} is not a JSON file: {error}") from None
    try:
        return parse_json(text)
    except ValueError as error:
        raise ValueError(f"{name} {error}") from None


def unpacked(data: bytes) -> bytes:
    """Return what a file holds; a compressed one may grow to `USUAL` or by `DENSEST`."""
    if data[:2] != b"\x1f\x8b":
        return data
    most = min(LARGEST_FILE, max(USUAL, DENSEST * len(data)))
    with gzip.GzipFile(fileobj=io.BytesIO(data)) as packed:
        text = packed.read(most + 1)
    if len(text) > most:
        raise ValueError(f"it unpacks to over {most >> 20} MiB")
    return text
