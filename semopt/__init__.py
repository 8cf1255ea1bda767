"""semopt: exact, certified and learned task offloading for semantic-aware edge computing."""

from importlib import import_module
from pkgutil import extend_path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .model import Actions, Outcome, evaluate
    from .problem import Problem
    from .result import Result, Status
    from .scenario import Scenario, ScenarioError
    from .solvers import solve
    from .solvers.batch import solve_batch
    from .solvers.solver import Solver

# In a checkout this folder is the source alone: the compiled extension is in the installed copy.
__path__ = extend_path(__path__, __name__)

# Names are resolved on first use, so that importing semopt costs nothing that is not needed.
_HOMES = {
    "Actions": "model",
    "Outcome": "model",
    "Problem": "problem",
    "Result": "result",
    "Scenario": "scenario",
    "ScenarioError": "scenario",
    "Solver": "solvers.solver",
    "Status": "result",
    "evaluate": "model",
    "solve": "solvers",
    "solve_batch": "solvers.batch",
}
__all__ = [
    "Actions",
    "Outcome",
    "Problem",
    "Result",
    "Scenario",
    "ScenarioError",
    "Solver",
    "Status",
    "evaluate",
    "solve",
    "solve_batch",
]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'semopt' has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)
