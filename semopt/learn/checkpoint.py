"""What a run's checkpoint says: what it was asked for, where it stands, and its tensors."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from ..checkpoints import DOCUMENT, flat, read_folder, write_folder
from ..env import Environment, Observed
from ..scenario import Scenario

SCHEMA = 1
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

    def world(self) -> Scenario:
        """Return the scenario that the policy was trained for."""
        return Scenario.from_dict(self.scenario)

    def environment(self, slots: int, seed: int = 0) -> Environment:
        """Return the environment that the policy was trained in."""
        return Environment(
            self.world(), slots, seed=seed, observation=self.observation, semantic=self.semantic
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
    own, name = description.world(), given_document.get("name")
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
