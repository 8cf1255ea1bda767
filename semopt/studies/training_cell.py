"""Cells of trainings: one run of an algorithm. A row is a validation, a point of its curve.

The policy stays in `DIR/trainings`, in a folder that `semopt evaluate` takes as it is: whoever
needs the policy of a training reads it there, so that none is trained twice. A training that was
killed is taken up at its last validation; its rows are those of an undisturbed one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from shutil import rmtree
from time import perf_counter
from typing import TYPE_CHECKING, Any, ClassVar

import pyarrow as pa

from .cells import AGAIN, Cell, Store, name_of
from .work import need

if TYPE_CHECKING:
    from ..learn.checkpoint import Checkpoint
    from ..learn.refine import Decider

FOLDER = "trainings"


@dataclass(frozen=True)
class TrainingCell(Cell):
    """One run of an algorithm: what `learn.checkpoint.Description` says of it."""

    algorithm: str
    settings: dict[str, Any]
    scenario: dict[str, Any]
    observation: str
    semantic: bool
    seed: int

    kind: ClassVar[str] = "training"
    schema: ClassVar[pa.Schema] = pa.schema(
        {
            "updates": pa.int64(),
            "agent_steps": pa.int64(),
            "reward": pa.float64(),  # mean of a user in the last update, while it explores
            "qoe": pa.float64(),  # mean a task of the greedy policy on the validation slots
            "regret": pa.float64(),  # what it lacks there of the exact optimum
            "offloading": pa.float64(),
        }
    )

    @property
    def label(self) -> str:
        """What people read of it."""
        unaware = "" if self.semantic else ", semantic-unaware"
        return f"{self.scenario['name']}, training of {self.algorithm}{unaware}, seed {self.seed}"

    def fields(self) -> dict[str, Any]:
        """Return what makes it, for a cell that needs it."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def compute(self, folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
        """Train, or go on with what stands in the training's folder; return its learning curve."""
        from ..learn.checkpoint import Description
        from ..learn.logs import LOG
        from ..learn.threads import one_thread
        from ..learn.train import train

        start, place = perf_counter(), self.place(folder)
        begun = self.checkpoint(folder) is not None
        if not begun and place.exists():
            rmtree(place)  # what is there cannot be taken up
        description = Description(**asdict(self))
        with one_thread():
            train(description, place, device="cpu", resume=begun, out_of_turn=False)
        rows = [json.loads(line) for line in (place / LOG).read_text().splitlines()]
        times = {"seconds": perf_counter() - start}
        return {name: [row[name] for row in rows] for name in self.schema.names}, times

    def place(self, folder: Path) -> Path:
        """Return the folder of its checkpoint, in a study's folder."""
        return folder / FOLDER / self.name()

    def checkpoint(self, folder: Path) -> Checkpoint | None:
        """Return its checkpoint; None where there is none that can be read."""
        from ..learn.checkpoint import Checkpoint

        try:
            checkpoint = Checkpoint.read(self.place(folder))
        except (ValueError, OSError):
            return None
        return checkpoint if asdict(checkpoint.description) == asdict(self) else None

    def decider(self, folder: Path) -> Decider:
        """Return its policy, which is trained first where it is not there.

        Raises
        ------
        Elsewhere
            Where somebody else trains it.
        ValueError
            Where its training failed.
        """
        from ..learn.deciders import network
        from ..learn.train import decide

        if self.checkpoint(folder) is None:  # its rows may be there, its policy was removed
            Store(folder).file(self).unlink(missing_ok=True)
        need(folder, self)
        checkpoint = self.checkpoint(folder)
        assert checkpoint is not None
        learner = network(checkpoint, self.place(folder), self.scenario)
        return lambda gain, task: decide(learner.env, learner.policy, gain, task)

    @staticmethod
    def audited(
        about: Mapping[str, Any], row: Mapping[str, Any], place: int, folder: Path
    ) -> tuple[str, bool]:
        """Solve the validation slots again, and ask the policy that was kept what it reaches."""
        from ..learn.checkpoint import Checkpoint
        from ..learn.deciders import network
        from ..learn.validation import Validation

        trained = folder / FOLDER / name_of(about)
        try:
            learner = network(Checkpoint.read(trained), trained, about["scenario"])
        except ValueError as fault:
            return f"its policy cannot be asked: {fault}", False
        validation = Validation.draw(learner.env)
        score = validation.score(learner.env, learner.policy)
        optimum = score["qoe"] + score["regret"]
        if abs(row["qoe"] + row["regret"] - optimum) > AGAIN:
            return f"QoE and regret add up to {row['qoe'] + row['regret']}, not {optimum}", False
        if row["regret"] < score["regret"] - AGAIN:
            return f"its regret {row['regret']} is below {score['regret']} of its policy", False
        return "its regret is that of the optimum solved again, and its policy reaches it", True
