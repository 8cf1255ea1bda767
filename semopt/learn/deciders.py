"""What a name on the command line decides by: a method, `constant`, a checkpoint, a user's code."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..limits import has_battery
from ..methods import OLD_METHODS, QUEUE_POLICIES
from ..model import Actions
from ..problem import Floats, Integers
from ..scenario import Scenario
from ..solvers import METHODS, constant, find
from ..solvers.batch import solve_batch
from ..solvers.solver import Solver
from .plugged import file_of, function_name, is_plug, plugged, policy
from .refine import Decider

if TYPE_CHECKING:
    from ..online.policy import Policy as QueuePolicy
    from .checkpoint import Checkpoint

Policy = str | Callable[..., Any]  # a name of the command line, or a user's own function
Tick = Callable[[float], None]  # told the share that is done
FITTED = 1000  # slots on which `constant` is fitted, drawn from another seed than the evaluation's
CONSTANT = "constant"
PARTS = (".json", ".safetensors")  # of a checkpoint
SOLVERS = (*METHODS, *OLD_METHODS)
KNOWN = (*SOLVERS, CONSTANT, *QUEUE_POLICIES)  # each comes before a folder of its name


def home(names: list[str]) -> Scenario:
    """Return the scenario of the first checkpoint among `names`; the preset `paper` if none is."""
    for name in names:
        if is_folder(name):
            from .checkpoint import Checkpoint

            return Checkpoint.read(Path(name)).description.world()
    return Scenario.load("paper")


def is_folder(name: str) -> bool:
    """Say whether a name means a folder: a method of that name comes first."""
    return name not in ("", *KNOWN) and Path(name).is_dir()


def taken_as(names: list[str]) -> list[str]:
    """Return a sentence for each name of a method that a folder has too."""
    return [
        f"{name} is taken as the method; the folder of that name is ./{name}"
        for name in dict.fromkeys(names)
        if name in KNOWN and Path(name).is_dir()
    ]


def of_method(name: str, scenario: Scenario, seed: int) -> Decider:
    """Return a method of `solve` that makes decisions by itself."""
    if "checkpoint" in find(name)[1]:
        raise ValueError(f"{name}: name the folder of its checkpoint instead")
    if name == "relaxation":
        raise ValueError(
            "relaxation: it proves a bound and makes no decisions, so there is nothing to "
            "evaluate; semopt solve --method relaxation has the bound"
        )
    return Method(scenario, name)


def of_queues(name: str, scenario: Scenario, seed: int) -> Decider:
    """Refuse a policy for queues with batteries where there are none, or slots alone are asked."""
    refuse_queues(name, scenario)
    raise ValueError(
        f"{name}: no user of scenario {scenario.name} has a battery: set user.battery_mj, or take "
        "a scenario that does, such as battery"
    )


def refuse_queues(name: str, scenario: Scenario) -> None:
    """Raise ValueError where a policy of queues with batteries is to decide slots one by one."""
    if has_battery(scenario.template()):
        raise ValueError(
            f"{name}: decides whole queues with batteries, and here slots are decided one by one: "
            f"semopt evaluate {name} plays the queues of scenario {scenario.name}"
        )


@dataclass(frozen=True)
class Kind:
    """A kind of what decides: the words for it, which names mean it, and how it is made.

    `make` gets the name, the scenario and the seed; `files` are those that it is read from.
    """

    words: str
    means: Callable[[str], bool]
    make: Callable[[str, Scenario, int], Decider]
    files: Callable[[str], list[Path]] = lambda name: []


KINDS = (  # the first that a name means wins
    Kind(
        "checkpoint folder",
        is_folder,
        lambda name, of, _: trained(Path(name), of),
        lambda name: sorted(file for file in Path(name).iterdir() if file.suffix in PARTS),
    ),
    Kind(f"method ({', '.join(METHODS)})", lambda name: name in SOLVERS, of_method),
    Kind("policy for queues", lambda name: name in QUEUE_POLICIES, of_queues),
    Kind("constant", lambda name: name == CONSTANT, lambda _, *of: Fixed(*of)),
    Kind(
        "module:function or file.py:function",
        is_plug,
        lambda name, of, _: plugged(name, of),
        lambda name: [file for file in (file_of(name),) if file],
    ),
)


def files_of(name: str) -> list[Path]:
    """Return the files that a name's decisions are read from: none of a method or `constant`.

    Of a user's own code it is the one that holds the function, not what that one imports.
    """
    return next((kind.files(name) for kind in KINDS if kind.means(name)), [])


def named(policies: Policy | Sequence[Policy]) -> dict[str, Policy]:
    """Return policies by name: a function has its own, and a number where several have it.

    Raises
    ------
    ValueError
        For what is neither a name nor a function
    """
    by_name: dict[str, Policy] = {}
    for entry in policies if isinstance(policies, list | tuple) else [policies]:
        if not (isinstance(entry, str) or callable(entry)):
            kind = type(entry).__name__
            raise ValueError(f"policies: names and functions are expected, not {kind}")
        if isinstance(entry, str):
            by_name[entry] = entry
            continue
        name = function_name(entry)
        same = sum(known.split(" #")[0] == name for known in by_name)
        by_name[f"{name} #{same + 1}" if same else name] = entry
    if not by_name:
        raise ValueError("policies: at least one is expected")
    return by_name


def decider(name: Policy, scenario: Scenario, seed: int = 0) -> Decider:
    """Return what a name on the command line stands for, or a function, as a function of slots.

    Nothing is computed yet: `constant` is fitted when it first decides, or is asked to.
    """
    if not isinstance(name, str):
        return policy(name, scenario)
    for kind in KINDS:
        if kind.means(name):
            return kind.make(name, scenario, seed)
    raise ValueError(f"{name!r} is no {', no '.join(kind.words for kind in KINDS)}")


class Method:
    """A method of `solve`; where it finds no decision, all run locally at the reference frequency.

    One slot at a time, `exact` is timed warm. `options` are the method's own.
    """

    def __init__(self, scenario: Scenario, method: str, **options: Any) -> None:
        self.scenario, self.method, self.options = scenario, method, options
        self._warm = Solver(scenario) if method == "exact" and not options else None
        self._clock = scenario.template().users.reference_frequency

    def __call__(self, gain: Floats, task: Integers, tick: Tick = lambda _: None) -> Actions:
        """Return the decisions (S, N) in slots gain (S, N, K), task (S, N)."""
        if self._warm and len(task) == 1:
            decision = self._warm.decide(gain[0], task[0])
            objective, a = np.array([decision.objective]), decision.actions.take(None)
        else:
            batch = solve_batch(
                *(self.scenario, gain, task, self.method),
                progress=lambda done: tick(done / len(task)),
                **self.options,
            )
            objective, a = batch.objective, batch.actions
        none = ~(objective > -np.inf)[:, None]  # NaN, or -inf, without a decision
        return Actions(
            a.channel,
            np.where(none, 0.0, a.power),
            np.where(none, self._clock, a.frequency),
            np.where(none, 1.0, a.extraction),
        )


class Fixed:
    """The best fixed action for each kind of task, fitted on slots that nothing is judged by.

    Of a trace, on its part for training.
    """

    def __init__(self, scenario: Scenario, seed: int) -> None:
        self.problem, self.seed, self.scenario = scenario.template(), seed, scenario
        self.policy: constant.Constant | None = None

    def fit(self, tick: Tick = lambda _: None) -> constant.Constant:
        """Fit the actions, once."""
        if self.policy is None:
            other = int(np.random.SeedSequence(self.seed, spawn_key=(3,)).generate_state(1)[0])
            slots = min(FITTED, self.scenario.length("training") or FITTED)
            drawn = self.scenario.draw(slots, other, part="training")
            self.policy = constant.fit(self.problem, *drawn, tick)
        return self.policy

    def __call__(self, gain: Floats, task: Integers) -> Actions:
        """Return the decisions (S, N) in slots gain (S, N, K), task (S, N)."""
        return self.fit().decide(self.problem, gain, task)


def trained(folder: Path, scenario: Scenario) -> Decider:
    """Return the policy of a checkpoint, which must be of this scenario."""
    from .train import decide

    refuse_queues(str(folder), scenario)
    learner = learner_of(folder, scenario)
    return lambda gain, task: decide(learner.env, learner.policy, gain, task)


def trained_for_queues(folder: Path, scenario: Scenario) -> QueuePolicy:
    """Return the same as a policy for queues with batteries."""
    from .queue_validation import policy_of

    learner = learner_of(folder, scenario)
    return policy_of(learner.env, learner.policy)


def learner_of(folder: Path, scenario: Scenario) -> Any:
    """Return a learner with the policy of a checkpoint, which must be of this scenario."""
    from .checkpoint import Checkpoint, same_scenario

    checkpoint, document = Checkpoint.read(folder), scenario.to_dict()
    shape = scenario.users, scenario.channels
    same_scenario(checkpoint.description, document, shape, str(folder))
    return network(checkpoint, folder, document)


def network(checkpoint: Checkpoint, folder: Path, scenario: dict[str, Any]) -> Any:
    """Return a learner whose policy has the best weights of a checkpoint, with one slot.

    `scenario` is the same one, and says where its trace lies now.
    """
    import torch

    from ..checkpoints import unfit
    from .train import make

    learner, _ = make(checkpoint.description.elsewhere(scenario), torch.device("cpu"), slots=1)
    best = checkpoint.part("best")
    try:
        learner.policy.load_state_dict(best)
    except RuntimeError as error:
        raise ValueError(
            f"{folder}: its tensors are not those of its settings: {unfit(error)}"
        ) from None
    if not all(weight.isfinite().all() for weight in best.values()):
        raise ValueError(f"{folder}: its weights are no finite numbers")
    return learner
