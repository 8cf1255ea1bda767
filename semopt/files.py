"""Reading only what can be read, and writing so that no file is ever left half written."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import re
import shutil
import stat
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex
from typing import Any, BinaryIO

LARGEST_TEXT = (
    100_000_000  # bytes of a file that people write: a scenario, a table, a search's state
)
_DESCRIPTOR = re.compile(r"/dev/fd/(\d+)|/proc/self/fd/(\d+)")
_STANDARD = {"-": 1, "/dev/stdin": 0, "/dev/stdout": 1, "/dev/stderr": 2}
_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (lambda mode: stat.S_ISCHR(mode) or stat.S_ISBLK(mode), "a device"),
)


def named(source: str | Path) -> str:
    """Return what messages call a file that is read."""
    name = str(source)
    return "standard input" if name == "-" else name or "''"


def read_bytes(source: str | Path, largest: int = LARGEST_TEXT) -> bytes:
    """Return what a regular file holds; "-" is standard input.

    Parameters
    ----------
    largest : bytes; nothing of a longer file is read

    Raises
    ------
    OSError
        Where it cannot be read, with the reason as its `strerror`: among others, that it is a
        folder, a pipe or a device, or that it is too long.
    """
    if str(source) == "-":
        if sys.stdin is None:
            raise OSError(errno.EBADF, "standard input is closed", "-")
        content = sys.stdin.buffer.read(largest + 1)
    else:
        if not str(source):  # a path of no name would be the working folder
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), "")
        about = Path(source).stat()
        if not stat.S_ISREG(about.st_mode):
            hint = ": only files are read, and standard input by the name -"
            raise OSError(errno.EINVAL, f"it is {kind(about.st_mode)}{hint}", str(source))
        if about.st_size > largest:
            raise OSError(errno.EFBIG, too_long(about.st_size, largest), str(source))
        with Path(source).open("rb") as file:  # of files in /proc the size is not known before
            content = file.read(largest + 1)
    if len(content) > largest:
        raise OSError(errno.EFBIG, too_long(len(content), largest), str(source))
    return content


def kind(mode: int) -> str:
    """Return what a file that is not regular is, in words."""
    return next((words for matches, words in _KINDS if matches(mode)), "no regular file")


def too_long(size: int, largest: int) -> str:
    """Return the sentence that a file is too long."""
    return f"it has {size:,} bytes or more, at most {largest:,} are read"


def descriptor(target: str | Path) -> int | None:
    """Return the open file descriptor that a name such as /dev/stdout, /dev/fd/3 or "-" means."""
    name = str(target)
    if name in _STANDARD:
        return _STANDARD[name]
    match = _DESCRIPTOR.fullmatch(name)
    return int(match[1] or match[2]) if match else None


def check_writable(target: str | Path) -> None:
    """Raise ValueError where a file could not be written, before work is done for it."""
    number = descriptor(target)
    if number is not None:
        try:
            if fcntl.fcntl(number, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
                raise ValueError(f"cannot write {target}: it is open for reading only")
        except (OSError, OverflowError):
            raise ValueError(f"cannot write {target}: it is not open") from None
        return
    if str(target) in ("", "."):
        raise ValueError(f"cannot write {str(target)!r}: a file name is expected")
    path = Path(os.path.realpath(target))
    if path.is_dir():
        raise ValueError(f"cannot write {target}: it is a folder")
    if not path.parent.is_dir():
        raise ValueError(f"cannot write {target}: there is no folder {path.parent}")
    # A file is replaced, which its folder must allow too; a device is written into.
    places = [path] if path.exists() else []
    places += [path.parent] if not path.exists() or path.is_file() else []
    if not all(os.access(place, os.W_OK) for place in places):
        raise ValueError(f"cannot write {target}: permission denied")
    if path.exists() and not path.is_file():
        return
    part = _beside(path)
    try:  # there are folders that allow all and take no file: /proc
        part.open("xb").close()
        part.unlink()
    except OSError as error:
        reason = f"{path.parent} takes no file ({error.strerror or error})"
        raise ValueError(f"cannot write {target}: {reason}") from None


def _beside(path: Path) -> Path:
    """Return the name of a new file in the folder of another."""
    return path.with_name(f".semopt-{token_hex(8)}.part")


def check_apart(outputs: Mapping[str, str | Path | None], inputs: Iterable[str | Path]) -> None:
    """Raise ValueError where outputs cannot be written, or would overwrite each other or an input.

    Links are followed: what counts is the file, not its name.

    Parameters
    ----------
    outputs : what the user calls each (an option), and the file; None where it is not asked for
    inputs : files that are read; names of no file are passed over
    """
    read = {file: name for name in inputs if (file := identity(name)) is not None}
    owners: dict[Any, str] = {}
    for option, target in outputs.items():
        if target is None:
            continue
        try:
            check_writable(target)
        except ValueError as error:
            raise ValueError(f"{option}: {error}") from None
        file = identity(target)
        if file is None:
            continue
        if file in read:
            raise ValueError(
                f"{option} {target}: would overwrite what is read, {read[file]}: name another file"
            )
        if file in owners:
            raise ValueError(
                f"{owners[file]} and {option} both write {target}: name a file for each"
            )
        owners[file] = option


def identity(name: str | Path) -> Any:
    """Return what tells a file from others, whatever its name; None for a device."""
    number = descriptor(name)
    try:
        about = Path(name).stat() if number is None else os.fstat(number)
    except (OSError, ValueError):
        return os.path.realpath(name)
    if number is None and stat.S_ISCHR(about.st_mode):
        return None  # /dev/null, a terminal
    return about.st_dev, about.st_ino


@contextmanager
def writing(target: str | Path) -> Iterator[BinaryIO]:
    """Open a file that appears when all is written: a temporary one beside it, then renamed.

    Links are followed, a mode is kept. What is no regular file (a device, a pipe, an open file
    descriptor such as /dev/stdout) is written into.

    Raises
    ------
    ValueError
        Where the file cannot be written, with the reason.
    """
    check_writable(target)
    try:
        number = descriptor(target)
        if number is not None:
            for stream in (sys.stdout, sys.stderr):
                if stream is not None:
                    stream.flush()
            with os.fdopen(os.dup(number), "wb") as file:
                yield file
            return
        path = Path(os.path.realpath(target))
        if path.exists() and not path.is_file():
            with open_special(path) as file:
                yield file
            return
        part = _beside(path)
        try:
            with part.open("xb") as file:
                yield file
            if path.exists():
                shutil.copymode(path, part)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise ValueError(f"cannot write {target}: {error.strerror or error}") from None


def open_special(path: Path) -> BinaryIO:
    """Open a device, or a pipe that somebody reads from: else it would wait for ever."""
    try:
        number = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
    except OSError as error:
        if error.errno == errno.ENXIO:
            raise OSError(errno.ENXIO, "nobody reads from this pipe", str(path)) from None
        raise
    os.set_blocking(number, True)
    return os.fdopen(number, "wb")


def write_atomically(target: str | Path, content: str | bytes) -> None:
    """Write a file at once; see `writing`."""
    with writing(target) as file:
        file.write(content.encode() if isinstance(content, str) else content)


def write_json(target: str, document: Any) -> None:
    """Write a JSON document to a file, or to standard output where `target` is "-"."""
    write_text(target, [json.dumps(document, indent=2, allow_nan=False), "\n"])


def write_text(target: str, parts: Iterable[str]) -> None:
    """Write parts of a text one after another to a file, or to standard output, "-"."""
    if descriptor(target) == 1:
        for part in parts:
            print(part, end="")
        return
    with writing(target) as file:
        for part in parts:
            file.write(part.encode())
