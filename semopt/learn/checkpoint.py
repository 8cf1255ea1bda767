"""Checkpoints: a folder with one JSON document and the tensors that it names.

The document is written last and says the SHA-256 of its tensors, so that a kill or a full disk at
any moment leaves a whole checkpoint; the one before it is kept beside it. No pickle anywhere.
"""

from __future__ import annotations

import hashlib
import json
import platform
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import torch
from safetensors.torch import load, save
from torch import Tensor, nn

from .. import __version__
from ..env import Environment, Observed
from ..files import write_atomically
from ..scenario import Scenario

SCHEMA = 1
DOCUMENT, PREVIOUS = "checkpoint.json", "previous.json"
# Keys of a scenario that do not change what a policy sees or what its decisions do.
ASIDE = {"name", "description", "slot", "grid", "assumed"}


@dataclass(frozen=True)
class Description:
    """What a training run was asked for; everything else about it follows.

    Attributes
    ----------
    algorithm : "mappo", "dqn" or "distill"
    settings : of the algorithm, all of them
    scenario : as `Scenario.to_dict` gives it
    observation : "own" or "shared"
    semantic : False for the semantic-unaware variant
    seed : of everything random
    """

    algorithm: str
    settings: dict[str, Any]
    scenario: dict[str, Any]
    observation: Observed
    semantic: bool
    seed: int

    def environment(self, slots: int, seed: int = 0) -> Environment:
        """Return the environment that the policy was trained in."""
        scenario = Scenario.from_dict(self.scenario)
        return Environment(
            scenario, slots, seed=seed, observation=self.observation, semantic=self.semantic
        )


@dataclass(frozen=True)
class Checkpoint:
    """A run at the end of an update.

    Attributes
    ----------
    description : of the run
    progress : updates, agent steps, seconds and validations so far
    tensors : "best.*" of the best policy so far, all else of the run's state
    """

    description: Description
    progress: dict[str, Any]
    tensors: dict[str, Tensor]

    def part(self, prefix: str) -> dict[str, Tensor]:
        """Return the tensors whose names begin with `prefix` and a dot, without it."""
        start = f"{prefix}."
        return {k[len(start) :]: v for k, v in self.tensors.items() if k.startswith(start)}

    def write(self, folder: Path) -> None:
        """Write the checkpoint beside the one before it; older ones go.

        Raises
        ------
        ValueError
            Where it cannot be written; what stood in the folder stays valid.
        """
        document = {"schema": SCHEMA, **asdict(self.description), "progress": self.progress}
        write_folder(folder, document, self.tensors, self.progress["updates"])

    @classmethod
    def read(cls, folder: Path) -> Checkpoint:
        """Read a folder's checkpoint.

        Raises
        ------
        ValueError
            Naming what is missing, foreign, of another schema, or not what was written.
        """
        document, tensors = read_folder(folder, SCHEMA)
        fields = Description.__dataclass_fields__
        try:
            description = Description(**{name: document[name] for name in fields})
            progress = document["progress"]
        except KeyError as error:
            path = folder / DOCUMENT
            raise ValueError(
                f"{path} is not a checkpoint of a policy: {error} is missing"
            ) from None
        return cls(description, progress, tensors)


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


def same_scenario(
    description: Description, given_document: dict[str, Any], shape: tuple[int, ...], what: str
) -> None:
    """Raise ValueError where a policy was trained for another scenario, naming the first key.

    Parameters
    ----------
    description : of the policy's run
    given_document : the scenario it is asked about, as `Scenario.to_dict` gives it
    shape : users and sub-channels of the slots
    what : the policy, for the message
    """
    own, name = Scenario.from_dict(description.scenario), given_document.get("name")
    trained, given = flat(description.scenario), flat(given_document)
    # Users and sub-channels may be counted from a pinned slot.
    trained |= {"system.users": own.users, "system.channels": own.channels}
    given |= dict(zip(("system.users", "system.channels"), shape, strict=True))
    for key in sorted(
        trained.keys() | given.keys(), key=lambda k: (k.split(".")[0] != "system", k)
    ):
        if key.split(".")[0] not in ASIDE and trained.get(key) != given.get(key):
            raise ValueError(
                f"{what} was trained for scenario {own.name}, where {key} is {trained.get(key)}; "
                f"in {name} it is {given.get(key)}"
            )


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
