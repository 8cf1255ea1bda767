"""Folders of checkpoints: one JSON document and the tensors that it names.

The document is written last and says the SHA-256 of its tensors and of itself, so that a kill or a
full disk at any moment leaves a whole checkpoint, and an edit is noticed; the one before it is kept
beside it. No pickle anywhere. A document is read as if anybody had written it: no digest of ours is
a secret, so what a forger may claim must be sound, but need not be true.
"""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import safetensors
import torch
from filelock import FileLock, Timeout
from pydantic import ConfigDict, Field
from safetensors.torch import load, save
from torch import Tensor, nn

from . import __version__
from .files import read_bytes, write_atomically
from .strict import Digest, Strict, checked, read_json, sealed

DOCUMENT, PREVIOUS, LOCK = "checkpoint.json", "previous.json", ".lock"


class TensorFile(Strict):
    """The tensors of a checkpoint."""

    file: Annotated[str, Field(pattern=r"^tensors-[0-9]{8,12}\.safetensors$")]
    sha256: Digest


class Envelope(Strict):
    """What every document of a checkpoint has; its kinds say what else."""

    model_config = ConfigDict(extra="allow")

    tensors: TensorFile
    versions: dict[str, str]
    digest: Digest


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a folder, made if it is not there, against other trainings until this one ends.

    The lock is the operating system's, on a file: it goes with the process, however that ends.

    Raises
    ------
    ValueError
        Where the folder cannot be made, or another training holds it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / LOCK, timeout=0)
        lock.acquire()
    except Timeout:
        raise ValueError(
            f"{folder} is in use: another training writes its checkpoints there; wait for its end, "
            "or name another folder"
        ) from None
    except (OSError, NotImplementedError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ValueError(f"cannot write in the folder {folder}: {reason}") from None
    try:
        yield
    finally:
        lock.release()


def write_folder(
    folder: Path, document: dict[str, Any], tensors: dict[str, Tensor], updates: int
) -> None:
    """Write a checkpoint beside the one before it; older ones go.

    Parameters
    ----------
    folder : that holds the checkpoint
    document : JSON values; what the tensors' file is, the versions and the digest are added
    tensors : by name
    updates : that were done, which names the file of the tensors

    Raises
    ------
    ValueError
        Where it cannot be written; what stood in the folder stays valid.
    """
    content = save({name: tensor.contiguous() for name, tensor in tensors.items()})
    name = f"tensors-{updates:08d}.safetensors"
    write_atomically(folder / name, content)
    document = document | {
        "tensors": {"file": name, "sha256": hashlib.sha256(content).hexdigest()},
        "versions": versions(),
    }
    current, before = {name}, tensors_named_in(folder / DOCUMENT)
    if before and before != name:
        write_atomically(folder / PREVIOUS, (folder / DOCUMENT).read_bytes())
    document |= {"digest": sealed(document)}
    write_atomically(folder / DOCUMENT, json.dumps(document, indent=1, allow_nan=False) + "\n")
    current.add(tensors_named_in(folder / PREVIOUS))
    for old in folder.glob("tensors-*.safetensors"):
        if old.name not in current:
            old.unlink()


def tensors_named_in(path: Path) -> str:
    """Return the file of tensors that a document names; "" where it is none."""
    try:
        return checked(Envelope, read_json(path)).tensors.file
    except ValueError:
        return ""


def read_folder(folder: Path, schema: int) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Return the document and the tensors that `write_folder` wrote.

    Of the document the envelope is checked, the digest too; the rest is the caller's to check.

    Raises
    ------
    ValueError
        Naming what is missing, foreign, of another schema, edited, or not what was written.
    """
    path = folder / DOCUMENT
    if not path.exists():
        raise ValueError(f"{folder} holds no checkpoint: there is no {DOCUMENT}")
    try:
        document = read_json(path)
        if not isinstance(document, dict) or "schema" not in document:
            raise ValueError("it has no schema")
        version = document["schema"]
        if type(version) is not int or version != schema:
            raise ValueError(f"it has schema {version!r}; this version reads schema {schema}")
        envelope = checked(Envelope, document)
        if envelope.digest != sealed(document):
            raise ValueError("it was edited: its content is not that of its digest")
    except ValueError as error:
        raise ValueError(f"{path} is not a checkpoint of semopt: {error}") from None
    tensors = read_tensors(folder / envelope.tensors.file, envelope.tensors.sha256)
    return document, tensors


def read_tensors(path: Path, digest: str) -> dict[str, Tensor]:
    """Read tensors, or raise ValueError saying how the file is not the one that was written."""
    try:
        content = read_bytes(path, path.stat().st_size)
    except OSError as error:
        raise ValueError(f"{path}: cannot be read: {error.strerror or error}") from None
    if hashlib.sha256(content).hexdigest() != digest:
        raise ValueError(
            f"{path}: {len(content)} bytes that are not what was written: the file is truncated or "
            f"foreign; the checkpoint before it is named in {PREVIOUS}"
        )
    try:
        tensors: dict[str, Tensor] = load(content)
    except (safetensors.SafetensorError, ValueError, KeyError) as error:
        raise ValueError(f"{path}: not a file of safetensors: {error}") from None
    return tensors


def versions() -> dict[str, str]:
    """Return the versions of what computes."""
    return {
        "semopt": __version__,
        "torch": torch.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
    }


def flat(document: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return a document's leaves by their dotted paths."""
    leaves: dict[str, Any] = {}
    for key, value in document.items():
        if isinstance(value, dict):
            leaves |= flat(value, f"{prefix}{key}.")
        else:
            leaves[prefix + key] = value
    return leaves


def state_of(networks: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Return weights and the optimiser's memory, as flat names."""
    tensors = {f"networks.{name}": tensor for name, tensor in networks.state_dict().items()}
    for i, memory in optimizer.state_dict()["state"].items():
        tensors |= {
            f"optimizer.{i}.{name}": torch.as_tensor(value) for name, value in memory.items()
        }
    return {name: tensor.detach().cpu().clone() for name, tensor in tensors.items()}


def unfit(error: Exception) -> str:
    """Return in one line why tensors do not fit: the last of what torch says."""
    return (str(error).strip() or type(error).__name__).splitlines()[-1].strip()


def take_state(
    networks: nn.Module, optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]
) -> None:
    """Take up the state that `state_of` gave."""
    weights: dict[str, Tensor] = {}
    memory: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        first, _, parameter = name.partition(".")
        if first == "networks":
            weights[parameter] = tensor
        elif first == "optimizer":
            i, _, field = parameter.partition(".")
            memory.setdefault(int(i), {})[field] = tensor
    networks.load_state_dict(weights)
    optimizer.load_state_dict({**optimizer.state_dict(), "state": memory})
