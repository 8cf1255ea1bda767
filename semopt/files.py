"""Writing files so that none is ever left half written."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any


def check_writable(target: str | Path) -> None:
    """Raise ValueError where a file could not be written, before work is done for it."""
    path = Path(os.path.realpath(target))
    if str(target) in ("", "."):
        raise ValueError(f"cannot write {str(target)!r}: a file name is expected")
    if path.is_dir():
        raise ValueError(f"cannot write {target}: it is a folder")
    if not path.parent.is_dir():
        raise ValueError(f"cannot write {target}: there is no folder {path.parent}")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise ValueError(f"cannot write {target}: permission denied")


def write_atomically(target: str | Path, content: str | bytes) -> None:
    """Write a temporary file beside the target, then rename it.

    Links are followed, a mode is kept, and what is no regular file (a device) is written into.

    Raises
    ------
    ValueError
        Where the file cannot be written, with the reason.
    """
    check_writable(target)
    path = Path(os.path.realpath(target))
    data = content.encode() if isinstance(content, str) else content
    try:
        if path.exists() and not path.is_file():
            path.write_bytes(data)
            return
        part = path.with_name(f".{path.name}.{os.getpid()}.part")
        try:
            part.write_bytes(data)
            if path.exists():
                shutil.copymode(path, part)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise ValueError(f"cannot write {target}: {error.strerror or error}") from None


def write_json(target: str, document: Any) -> None:
    """Write a JSON document to a file, or to standard output where `target` is "-"."""
    text = json.dumps(document, indent=2, allow_nan=False)
    if target == "-":
        print(text)
    else:
        write_atomically(target, text + "\n")
