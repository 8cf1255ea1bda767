"""Folders of checkpoints: one JSON document and the tensors that it names.

The document is written last and says the SHA-256 of its tensors, so that a kill or a full disk at
any moment leaves a whole checkpoint; the one before it is kept beside it. No pickle anywhere.
"""

from __future__ import annotations

import hashlib
import json
import platform
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import torch
from safetensors.torch import load, save
from torch import Tensor, nn

from . import __version__
from .files import write_atomically

DOCUMENT, PREVIOUS = "checkpoint.json", "previous.json"


def write_folder(
    folder: Path, document: dict[str, Any], tensors: dict[str, Tensor], updates: int
) -> None:
    """Write a checkpoint beside the one before it; older ones go.

    Parameters
    ----------
    folder : that holds the checkpoint
    document : JSON values; what the tensors' file is, and the versions, are added
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
    kept = {name}
    if (folder / DOCUMENT).exists():
        before = (folder / DOCUMENT).read_text(encoding="utf-8")
        if json.loads(before)["tensors"]["file"] != name:
            write_atomically(folder / PREVIOUS, before)
    write_atomically(folder / DOCUMENT, json.dumps(document, indent=1, allow_nan=False) + "\n")
    if (folder / PREVIOUS).exists():
        kept.add(json.loads((folder / PREVIOUS).read_text())["tensors"]["file"])
    for old in folder.glob("tensors-*.safetensors"):
        if old.name not in kept:
            old.unlink()


def read_folder(folder: Path, schema: int) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Return the document and the tensors that `write_folder` wrote.

    Raises
    ------
    ValueError
        Naming what is missing, foreign, of another schema, or not what was written.
    """
    path = folder / DOCUMENT
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ValueError(f"{folder} holds no checkpoint: there is no {DOCUMENT}") from None
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ValueError(f"{path} is not a checkpoint of semopt: {error}") from None
    if not isinstance(document, dict) or "schema" not in document:
        raise ValueError(f"{path} is not a checkpoint of semopt: it has no schema")
    if document["schema"] != schema:
        raise ValueError(
            f"{path}: schema {document['schema']!r}; this version reads schema {schema}"
        )
    try:
        name, digest = document["tensors"]["file"], document["tensors"]["sha256"]
    except (KeyError, TypeError) as error:
        raise ValueError(f"{path} is not a checkpoint of semopt: {error} is missing") from None
    return document, read_tensors(folder / Path(name).name, digest)


def read_tensors(path: Path, digest: str) -> dict[str, Tensor]:
    """Read tensors, or raise ValueError saying how the file is not the one that was written."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ValueError(f"{path}: cannot be read: {error.strerror or error}") from None
    if hashlib.sha256(content).hexdigest() != digest:
        raise ValueError(
            f"{path}: {len(content)} bytes that are not what was written: the file is truncated or "
            f"foreign; the checkpoint before it is named in {PREVIOUS}"
        )
    try:
        tensors: dict[str, Tensor] = load(content)
    except safetensors.SafetensorError as error:
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
    kept = {f"networks.{name}": tensor for name, tensor in networks.state_dict().items()}
    for i, memory in optimizer.state_dict()["state"].items():
        kept |= {f"optimizer.{i}.{name}": torch.as_tensor(value) for name, value in memory.items()}
    return {name: tensor.detach().cpu().clone() for name, tensor in kept.items()}


def take_state(
    networks: nn.Module, optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]
) -> None:
    """Take up the state that `state_of` gave."""
    weights: dict[str, Tensor] = {}
    memory: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        first, _, rest = name.partition(".")
        if first == "networks":
            weights[rest] = tensor
        elif first == "optimizer":
            i, _, what = rest.partition(".")
            memory.setdefault(int(i), {})[what] = tensor
    networks.load_state_dict(weights)
    optimizer.load_state_dict({**optimizer.state_dict(), "state": memory})
