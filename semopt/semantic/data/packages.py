"""From packages into the data folder: through pip or apt, every file checked by its hash."""

from __future__ import annotations

import io
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Sequence
from fnmatch import fnmatch
from pathlib import Path

from ...files import write_atomically
from .sources import MODELS, SOURCES, Archive, Source, digest, missing

AR, GZIP, XZ, ZIP = b"!<arch>\n", b"\x1f\x8b", b"\xfd7zXZ\x00", b"PK\x03\x04"
PACKAGED = {name: source for name, source in (SOURCES | MODELS).items() if source.archive}


def packaged(name: str) -> Source:
    """Return the data set or model of a name that a package carries.

    Raises
    ------
    ValueError
        Where the name is unknown, or a user has to bring the set.
    """
    source = (SOURCES | MODELS).get(name)
    if source is None:
        raise ValueError(f"NAME: {name!r} is not one of {', '.join(SOURCES | MODELS)}")
    if source.files_of:
        return SOURCES[source.files_of]
    if source.archive is None:
        raise ValueError(
            f"{name}: no package carries {source.title}; make the folder {name} in "
            f"the data folder: {source.note}"
        )
    return source


def owner(archive: Path) -> Source:
    """Return the source that a package's file belongs to, by its name.

    Raises
    ------
    ValueError
        Where it is none of them.
    """
    names = []
    for source in PACKAGED.values():
        if source.archive and fnmatch(archive.name, source.archive.name):
            return source
        names += [source.archive.name] if source.archive else []
    raise ValueError(f"--from {archive}: not the file of a package; known: {', '.join(names)}")


def install(source: Source, data: Path, archive: Path | None = None) -> bool:
    """Put a source's files into the data folder, each checked and written in one piece.

    Parameters
    ----------
    source : Source
        One of `PACKAGED`.
    data : Path
        The data folder.
    archive : Path, optional
        The package's file, if it is there already; else its client fetches it.

    Returns
    -------
    bool
        False where everything was there.

    Raises
    ------
    ValueError
        Where the package cannot be had, or it or a file in it has another hash.
    """
    assert source.archive is not None
    if not missing(source, data):
        return False
    with tempfile.TemporaryDirectory(prefix="semopt-") as scratch:
        path = archive or download(source.archive, Path(scratch))
        content = path.read_bytes()
        if source.archive.sha256 not in ("", sha256 := digest(content)):
            raise ValueError(
                f"{path}: truncated, altered or another version: sha256 {sha256}; "
                f"{source.archive.name} with {source.archive.sha256} is expected"
            )
    source.folder(data).mkdir(parents=True, exist_ok=True)
    for file in source.files:
        member = member_of(content, file.inside, path.name)
        member = file.convert(member) if file.convert else member
        if (sha256 := digest(member)) != file.sha256:
            raise ValueError(f"{path}: {file.name} has sha256 {sha256}, expected {file.sha256}")
        write_atomically(source.folder(data) / file.name, member)
    return True


def member_of(content: bytes, inside: Sequence[str], name: str) -> bytes:
    """Return the member of a zip, tar or ar archive, through archives in archives."""
    for member in inside:
        try:
            if content.startswith(ZIP):
                with zipfile.ZipFile(io.BytesIO(content)) as packed:
                    content = packed.read(member)
            elif content.startswith((GZIP, XZ)):
                with tarfile.open(fileobj=io.BytesIO(content)) as tar:
                    stream = tar.extractfile(member)
                    content = stream.read() if stream else b""
            elif content.startswith(AR):
                content = ar_member(content, member)
            else:
                raise ValueError("neither zip, tar nor ar")
        except (ValueError, KeyError, EOFError, OSError, tarfile.TarError, zipfile.BadZipFile) as e:
            reason = str(e).splitlines()[0].rstrip(":")
            raise ValueError(f"{name}: no {member} can be read: {reason}") from None
    return content


def ar_member(content: bytes, member: str) -> bytes:
    """Return a member of an ar archive: headers of 60 bytes, members padded to even sizes."""
    offset = len(AR)
    while offset + 60 <= len(content):
        head = content[offset : offset + 60].decode("latin-1")
        name, size = head[:16].strip().rstrip("/"), head[48:58].strip()
        if not size.isdecimal():
            raise ValueError(f"no Debian package: a member's size is {size!r}")
        end = offset + 60 + int(size)
        if name == member:
            return content[offset + 60 : end]
        offset = end + int(size) % 2
    raise KeyError(member)


def download(archive: Archive, scratch: Path) -> Path:
    """Fetch a package by its client; pip checks the hash before it touches the package."""
    if archive.client == "pip":
        requirements = scratch / "requirements.txt"
        requirements.write_text(f"{archive.requirement} --hash=sha256:{archive.sha256}\n")
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--quiet"]
        command += ["--disable-pip-version-check", "-r", str(requirements), "-d", str(scratch)]
        if not archive.name.endswith(".whl"):
            command += ["--no-binary", archive.requirement.split("==")[0]]
    else:
        command = ["apt-get", "download", archive.requirement]
    advice = f"get {archive.name} elsewhere and pass it with --from"
    try:
        process = subprocess.run(command, cwd=scratch, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise ValueError(
            f"{archive.requirement}: there is no {command[0]} here; {advice}"
        ) from None
    if process.returncode:
        last = (process.stderr.strip() or process.stdout.strip()).splitlines()[-1:]
        raise ValueError(f"{archive.requirement}: {' '.join(command[:4])} failed: {last}; {advice}")
    files = [path for path in scratch.iterdir() if path.suffix in (".whl", ".gz", ".deb")]
    if len(files) != 1:
        raise ValueError(f"{archive.requirement}: the client fetched {len(files)} files; {advice}")
    return files[0]
