"""semopt: exact, certified and learned task offloading for semantic-aware edge computing.

A `Scenario` says who can offload what; `solve` decides one slot of it, `solve_batch` many and a
`Solver` slot after slot. `verify` re-checks an answer without the solvers, `explain` says what its
alternatives cost, `evaluate` scores policies against the certified optimum.

>>> import semopt
>>> scenario = semopt.Scenario.load("contended").replace(users=4, channels=3)
>>> gain, task = scenario.draw(slots=100, seed=0)  # (S, N, K) linear power gains, (S, N) indices
>>> batch = semopt.solve_batch(scenario, gain, task)
>>> batch.objective.shape
(100,)

Units are SI but in a scenario, whose keys carry theirs. All names are loaded when first used.
"""

from importlib import import_module
from pkgutil import extend_path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .certificate.claims import FalseClaim as FalseClaim
    from .certificate.verify import verify as verify
    from .env.environment import Environment as Environment
    from .learn.evaluate import evaluate as evaluate
    from .learn.scores import Evaluation as Evaluation
    from .model import Actions as Actions
    from .model import Outcome as Outcome
    from .problem import AccuracyTable as AccuracyTable
    from .problem import Grid as Grid
    from .problem import Problem as Problem
    from .queue import QueueResult as QueueResult
    from .result import Result as Result
    from .result import Status as Status
    from .scenario import Scenario as Scenario
    from .scenario import ScenarioError as ScenarioError
    from .scenario import presets as presets
    from .solvers import bound as bound
    from .solvers import ladder as ladder
    from .solvers import solve as solve
    from .solvers.batch import solve_batch as solve_batch
    from .solvers.explanation import explain as explain
    from .solvers.queue import bound_queue as bound_queue
    from .solvers.queue import solve_queue as solve_queue
    from .solvers.slots import Batch as Batch
    from .solvers.solver import Solver as Solver

# In a checkout this folder is the source alone: the compiled extension is in the installed copy.
__path__ = extend_path(__path__, __name__)

# Names are resolved on first use, so that importing semopt costs nothing that is not needed.
_HOMES = {
    "AccuracyTable": "problem",
    "Actions": "model",
    "Batch": "solvers.slots",
    "Environment": "env.environment",
    "Evaluation": "learn.scores",
    "FalseClaim": "certificate.claims",
    "Grid": "problem",
    "Outcome": "model",
    "Problem": "problem",
    "QueueResult": "queue",
    "Result": "result",
    "Scenario": "scenario",
    "ScenarioError": "scenario",
    "Solver": "solvers.solver",
    "Status": "result",
    "bound": "solvers",
    "bound_queue": "solvers.queue",
    "evaluate": "learn.evaluate",
    "explain": "solvers.explanation",
    "ladder": "solvers",
    "presets": "scenario",
    "solve": "solvers",
    "solve_batch": "solvers.batch",
    "solve_queue": "solvers.queue",
    "verify": "certificate.verify",
}
_ROOMS = ("adapters", "backends", "channel", "env", "learn", "model", "semantic", "studies")
__all__ = [*_HOMES]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        return import_module(f".{name}", __name__)
    if name not in _HOMES:
        raise AttributeError(f"module 'semopt' has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)


def __dir__() -> list[str]:
    return [*__all__, *_ROOMS, "__version__"]
