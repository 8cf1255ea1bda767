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
from torch import Tensor

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
        content = save({name: tensor.contiguous() for name, tensor in self.tensors.items()})
        name = f"tensors-{self.progress['updates']:08d}.safetensors"
        write_atomically(folder / name, content)
        document = {
            "schema": SCHEMA,
            **asdict(self.description),
            "progress": self.progress,
            "tensors": {"file": name, "sha256": hashlib.sha256(content).hexdigest()},
            "versions": versions(),
        }
        kept = {name}
        if (folder / DOCUMENT).exists():
            before = (folder / DOCUMENT).read_text(encoding="utf-8")
            if json.loads(before)["progress"]["updates"] != self.progress["updates"]:
                write_atomically(folder / PREVIOUS, before)
        write_atomically(folder / DOCUMENT, json.dumps(document, indent=1, allow_nan=False) + "\n")
        if (folder / PREVIOUS).exists():
            kept.add(json.loads((folder / PREVIOUS).read_text())["tensors"]["file"])
        for old in folder.glob("tensors-*.safetensors"):
            if old.name not in kept:
                old.unlink()

    @classmethod
    def read(cls, folder: Path) -> Checkpoint:
        """Read a folder's checkpoint.

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
        if document["schema"] != SCHEMA:
            raise ValueError(
                f"{path}: schema {document['schema']!r}; this version reads schema {SCHEMA}"
            )
        fields = Description.__dataclass_fields__
        try:
            description = Description(**{name: document[name] for name in fields})
            progress = document["progress"]
            name, digest = document["tensors"]["file"], document["tensors"]["sha256"]
        except (KeyError, TypeError) as error:
            raise ValueError(f"{path} is not a checkpoint of semopt: {error} is missing") from None
        return cls(description, progress, read_tensors(folder / Path(name).name, digest))


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
