"""What a run's checkpoint says: what it was asked for, where it stands, and its tensors."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from math import inf
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field
from torch import Tensor

from ..checkpoints import DOCUMENT, Envelope, flat, read_folder, write_folder
from ..env.environment import Environment, Observed
from ..scenario import Scenario
from ..strict import Strict, checked
from .algorithms import OLD_SETTINGS, settings_of

SCHEMA = 2
# Keys of a scenario that do not change what a policy sees or what its decisions do.
IRRELEVANT = {"name", "description", "slot", "grid", "assumed"}
# Where a trace lies, and what its SHA-256 says already.
PLACE = {"scenario.channel.file", "scenario.channel.shape", "channel.file", "channel.shape"}


@dataclass(frozen=True)
class Description:
    """What a training run was asked for; everything else about it follows.

    Attributes
    ----------
    algorithm : a name of `methods.ALGORITHMS`
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
        return Scenario.from_dict(self.scenario, source="its scenario")

    def elsewhere(self, document: dict[str, Any]) -> Description:
        """Return the description with the trace at the place that another document says."""
        if "channel" not in self.scenario or "file" not in document.get("channel", {}):
            return self
        channel = self.scenario["channel"] | {"file": document["channel"]["file"]}
        return replace(self, scenario=self.scenario | {"channel": channel})

    def environment(self, slots: int, seed: int = 0) -> Environment:
        """Return the environment that the policy was trained in, of a trace the training part."""
        return Environment(
            self.world(),
            slots,
            seed=seed,
            observation=self.observation,
            semantic=self.semantic,
            part="training",
        )


Count = Annotated[int, Field(ge=0, lt=2**63)]
Figure = Annotated[float, Field(ge=0.0)]


class Progress(Strict):
    """How far a run has come.

    Attributes
    ----------
    updates, agent_steps : so far
    seconds : of training, in all calls
    best : least regret of a validation, QoE a task; None before the first
    stale : validations since regret last fell by 1%
    threads : of torch
    slot : of the environment
    """

    updates: Count = 0
    agent_steps: Count = 0
    seconds: Figure = 0.0
    best: float | None = None
    stale: Count = 0
    threads: Annotated[int, Field(ge=1, le=1 << 16)]
    slot: Annotated[int, Field(ge=0, lt=2**32)] = 0

    @property
    def least(self) -> float:
        """Return the least regret, infinite before the first validation."""
        return inf if self.best is None else self.best

    def after(self, learner: Any, seconds: float, regret: float) -> Progress:
        """Return the progress after a validation."""
        better = self.best is None or regret < 0.99 * self.best
        return Progress(
            updates=learner.updates,
            agent_steps=learner.agent_steps,
            seconds=seconds,
            best=min(self.least, regret),
            stale=0 if better else self.stale + 1,
            threads=self.threads,
            slot=learner.env.slot,
        )


class Document(Envelope):
    """What `checkpoint.json` of a policy holds; the scenario is checked as scenario files are."""

    model_config = ConfigDict(extra="forbid")

    schema_: Annotated[Literal[2], Field(alias="schema")]
    algorithm: str
    settings: dict[str, Any]
    scenario: dict[str, Any]
    observation: Observed
    semantic: bool
    seed: Count
    progress: Progress


@dataclass(frozen=True)
class Checkpoint:
    """A run at the end of an update.

    Attributes
    ----------
    description : of the run
    progress : how far it has come
    tensors : "best.*" of the best policy so far, all else of the run's state
    """

    description: Description
    progress: Progress
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
        progress = self.progress.model_dump()
        document = {"schema": SCHEMA, **asdict(self.description), "progress": progress}
        write_folder(folder, document, self.tensors, self.progress.updates)

    @classmethod
    def read(cls, folder: Path) -> Checkpoint:
        """Read a folder's checkpoint.

        Raises
        ------
        ValueError
            Naming what is missing, foreign, of another schema, edited, not allowed, or not what was
            written.
        """
        values, tensors = read_folder(folder, SCHEMA)
        if "algorithm" not in values:
            kind = values.get("kind", "something else")
            raise ValueError(f"{folder / DOCUMENT} is a checkpoint of a {kind}, not of a policy")
        try:
            document = checked(Document, values)
            entries = {name: getattr(document, name) for name in Description.__dataclass_fields__}
            entries["settings"] = {OLD_SETTINGS.get(k, k): v for k, v in document.settings.items()}
            settings_of(document.algorithm, entries["settings"])
            description = Description(**entries)
            description.world()
        except ValueError as error:
            raise ValueError(f"{folder / DOCUMENT} is no checkpoint of a policy: {error}") from None
        return cls(description, document.progress, tensors)


def same_scenario(
    description: Description, document: dict[str, Any], shape: tuple[int, ...], policy: str
) -> None:
    """Raise ValueError where a policy was trained for another scenario, naming the first key.

    Parameters
    ----------
    description : of the policy's run
    document : the scenario it is asked about, as `Scenario.to_dict` gives it
    shape : users and sub-channels of the slots
    policy : the policy, for the message
    """
    world, name = description.world(), document.get("name")
    trained, current = flat(description.scenario), flat(document)
    # Users and sub-channels may be counted from a pinned slot.
    trained |= {"system.users": world.users, "system.channels": world.channels}
    current |= dict(zip(("system.users", "system.channels"), shape, strict=True))
    for key in sorted(
        trained.keys() | current.keys(), key=lambda k: (k.split(".")[0] != "system", k)
    ):
        if key.split(".")[0] in IRRELEVANT or key in PLACE:
            continue
        if trained.get(key) != current.get(key):
            raise ValueError(
                f"{policy} was trained for scenario {world.name}, where {key} is "
                f"{trained.get(key)}; in {name} it is {current.get(key)}"
            )
