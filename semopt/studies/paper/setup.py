"""What the paper compares, and the cells that each comparison is made of.

All methods decide on the same queues and channels: 100 test episodes of ten slots. Policies are
trained once for each scenario and training seed, whatever tables and figures show them.
"""

from __future__ import annotations

import tomllib
from dataclasses import asdict, dataclass, field
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from ...learn.train import describe
from ...learn.validation import SLOTS as VALIDATED
from ...learn.validation import VALIDATION, stream_seed
from ...scenario import Scenario
from ..method_cell import MethodCell
from ..questions import command_of
from ..training_cell import TrainingCell

SLOTS = 10  # of an episode
EPISODES = 100  # of the test
SEEDS = (10, 2)  # trainings of each policy; the second of them quick
DRAW = 0  # seed of the test episodes
CERTIFIED = "global"
WEIGHTS = ("weight_latency", "weight_energy", "weight_accuracy")
# Lengths of trainings, and the slots of `relaxation`, which takes 0.4 s for each.
QUICK: dict[str, dict[str, Any]] = {
    "mappo": {"updates": 400, "validate_every": 10},
    "dqn": {"updates": 400, "validate_every": 20},
    "distill": {"slots": 16384, "updates": 10},
    "relaxation": {"slots": 50},
}
WHOLE: dict[str, dict[str, Any]] = {
    "mappo": {"validate_every": 20},
    "dqn": {},
    "distill": {},
    "relaxation": {"slots": 200},
}
# The paper's own settings, with every episode on the learning curve; Fig. 7 shows 350 of DQN.
OF_THE_PAPER: dict[str, dict[str, Any]] = {
    "mappo": {"validate_every": 1},
    "dqn": {"validate_every": 1, "updates": 500},
}


PRESET = "paper"  # what is studied unless another scenario is asked for


@dataclass(frozen=True)
class Method:
    """What is compared.

    Attributes
    ----------
    label : in tables
    published : its key in the paper's tables; "" where they lack it
    solver : a method of `solve`; "" of a policy
    algorithm, semantic : how a policy is trained; "" of a method of `solve`
    optimum : the method of `solve` that has the best of the same decisions; "" of one itself
    """

    label: str
    published: str = ""
    solver: str = ""
    algorithm: str = ""
    semantic: bool = True
    optimum: str = ""


SERIES = {
    "local": Method("local", "local", solver="reference"),
    "dqn": Method("DQN", "dqn", algorithm="dqn", optimum="exact"),
    "semantic-unaware-mappo": Method(
        "semantic-unaware MAPPO",
        "semantic_unaware_mappo",
        algorithm="mappo",
        semantic=False,
        optimum="semantic-unaware",
    ),
    "mappo": Method("MAPPO", "mappo", algorithm="mappo", optimum="exact"),
    "exhaustive": Method("exhaustive search", "exhaustive", "exhaustive", optimum="exact"),
    "semantic-unaware": Method("semantic-unaware optimum", solver="semantic-unaware"),
    "distilled": Method("distilled", algorithm="distill", optimum="exact"),
    "exact": Method("exact", solver="exact"),
    CERTIFIED: Method("certified optimum", solver=CERTIFIED),
    "relaxation": Method("relaxation (a bound)", solver="relaxation"),
}


@cache
def published() -> dict[str, Any]:
    """Return every number that the paper publishes."""
    return tomllib.loads(files(__package__).joinpath("published.toml").read_text())


def weighted(scenario: Scenario, latency: float, energy: float, accuracy: float) -> Scenario:
    """Return a scenario with other weights of the QoE."""
    weights = latency, energy, accuracy
    name = f"{scenario.name}, weights {' '.join(f'{weight:g}' for weight in weights)}"
    keys = (f"qoe.{key}" for key in WEIGHTS)
    return scenario.replace(dict(zip(keys, weights, strict=True)), name=name)


@dataclass(frozen=True)
class Setup:
    """Scenario, numbers of trainings and episodes, and lengths of the trainings.

    Attributes
    ----------
    scenario : without preference
    seeds : trainings of each policy, seeds 0 to seeds - 1
    episodes : of the test, ten slots each
    lengths : settings of each algorithm that differ from those of its name; "slots" of relaxation
    named : changed settings of the paper's own, by algorithm
    source : the scenario's preset or file, as the command names it
    """

    scenario: Scenario
    seeds: int
    episodes: int
    lengths: dict[str, dict[str, Any]] = field(default_factory=lambda: WHOLE)
    named: dict[str, dict[str, Any]] = field(default_factory=lambda: OF_THE_PAPER)
    source: str = PRESET

    def weighted(self, latency: float, energy: float, accuracy: float) -> Scenario:
        """Return the scenario with other weights of the QoE."""
        return weighted(self.scenario, latency, energy, accuracy)

    def alone(self, task: str) -> Scenario:
        """Return the scenario with queues of one kind of task."""
        shares = {f"tasks.{name}.share": int(name == task) for name in self.scenario.tasks}
        return self.scenario.replace(shares, name=f"{self.scenario.name}, {task}")

    def cells(
        self, name: str, scenario: Scenario | None = None, trained: Scenario | None = None
    ) -> list[MethodCell]:
        """Return a method's cells: one, or one a training of a policy.

        Parameters
        ----------
        name : of `SERIES`
        scenario : on whose slots it decides; without preference unless given
        trained : for which a policy is trained; the same unless given
        """
        scenario = scenario or self.scenario
        method, document, slots = SERIES[name], scenario.to_dict(), self.episodes * SLOTS
        if not method.algorithm:
            slots = min(slots, self.lengths.get(name, {}).get("slots", slots))
            return [MethodCell(document, method.solver, DRAW, slots)]
        trainings = self.trainings(method.algorithm, trained or scenario, semantic=method.semantic)
        return [
            MethodCell(document, name, DRAW, slots, training=training.fields())
            for training in trainings
        ]

    def trainings(
        self,
        algorithm: str,
        scenario: Scenario,
        settings: str = "fast",
        semantic: bool = True,
    ) -> list[TrainingCell]:
        """Return the trainings of an algorithm, one a seed."""
        changed = (self.named if settings == "paper" else self.lengths).get(algorithm, {})
        return [
            TrainingCell(
                **asdict(
                    describe(
                        *(algorithm, scenario, settings),
                        semantic=semantic,
                        seed=seed,
                        **changed,
                    )
                )
            )
            for seed in range(self.seeds)
        ]

    def command(self, part: str, folder: Path) -> str:
        """Return the command that makes a part anew."""
        quick = self.lengths == QUICK
        options = {
            "--scenario": (PRESET, self.source),
            "--seeds": (SEEDS[quick], self.seeds),
            "--episodes": (EPISODES, self.episodes),
        }
        words: list[object] = ["--quick"] if quick else []
        for option, (usual, value) in options.items():
            words += [option, value] if value != usual else []
        return command_of(part, words, folder)

    def validated(self) -> MethodCell:
        """Return the certified optimum on the slots that learning curves are measured on."""
        document = self.scenario.to_dict()
        return MethodCell(document, CERTIFIED, stream_seed(0, VALIDATION), VALIDATED)
