"""Certificates of continuous optima: what a file holds that proves a bound, and nothing of solvers.

A certificate is one JSON document (compressed where the file's name ends in `.gz`):

    format, version   "semopt-certificate", 1
    problem           the slot in SI units: `system`, `users`, `tasks` with their accuracy tables,
                      `gain` (N, K), `task` (N), `objective`; null stands for "no limit"
    scenario          the scenario with its slot, as a file has them, of which `problem` is the
                      reading in SI; null where the slot was not made from one. Its tables stand in
                      it: no file that it names is opened. What it is called is not proven
    status            "optimal", "limit_reached" or "infeasible"
    objective         sum of QoE of the decision; null without one
    upper_bound       no feasible joint action is worth more; null: there is none
    gap               what upper_bound - objective was to be at most; "optimal" says that it is
    decision          `channel` (-1 local), `power`, `frequency`, `extraction`, arrays (N,)
    local             covers of the local tasks, one a user
    sizes             for each number m of offloaders from 0 to min(N, K): `bound`, the prices
                      `channel` (K,) >= 0 and `offloader`, and `covers` of cells
    digest            SHA-256 of the rest, so that no accident goes unnoticed; it is no signature

A cover [user, channel, upper, trees] claims that no action of that user on that sub-channel (-1:
local) beside m offloaders is worth more than `upper`, or, where `upper` is null, that none is
feasible. It holds for the user's weaker sub-channels too: for the same action a larger gain means
less time and energy and no less accuracy. `trees` has one tree for each mode that the user has:
"local", or "raw" and "semantic".

A tree splits the box of all actions of its mode in preorder: [axis, value] is followed by the part
at most `value` and the part at least `value`; axes are `power` (W), `extraction`, and the costs
`latency` (s), `energy` (J) and `loss`, which is -accuracy. Leaves are seven numbers

    [W_latency, W_energy, W_loss, P_power, P_extraction, power, extraction]

that prove a bound of the leaf's box (see `checker`), or [] where some cost's range is empty.

With L[n] the `upper` of user n's local task, and U[n, k] the least of the covers that reach cell
(n, k), or the sum of the user's weights where none does,

    sum_n max(L[n], max_k (U[n, k] - channel[k] - offloader)) + sum_k channel[k] + m offloader

bounds every joint action with m offloaders (linear programming duality of the assignment), so it
may not exceed `bound`, and `upper_bound` is the largest `bound`. QoE is positive: a negative bound
says that no joint action with m offloaders is feasible.

All numbers are JSON numbers of at most 1e100 in size, and there are no other keys (`schema`). A
decision may miss its limits and ranges by 1e-9 of them, and its objective by 1e-9.
"""

from __future__ import annotations

import gzip
import json
from dataclasses import asdict, fields
from hashlib import sha256
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..figures import OF_QUEUE
from ..files import write_atomically
from ..problem import AccuracyTable, Grid, Problem, System, Tasks, Users
from ..result import Result, number

if TYPE_CHECKING:
    from ..scenario import Scenario

FORMAT, VERSION = "semopt-certificate", 1


def document(
    result: Result, gap: float, local: list[Any], sizes: list[dict[str, Any]]
) -> dict[str, Any]:
    """Return the certificate of a result of method `global`.

    Parameters
    ----------
    result : status, decision and bound
    gap : what was asked for
    local, sizes : covers and prices as `_core.solve_global` gives them
    """
    actions = result.actions
    names = ("channel", "power", "frequency", "extraction")
    body = {
        "format": FORMAT,
        "version": VERSION,
        "problem": problem_to_json(result.problem),
        "scenario": scenario_of(result.problem),
        "status": result.status.word,
        "objective": number(result.objective),
        "upper_bound": number(result.upper_bound),
        "gap": gap,
        "decision": actions and {name: getattr(actions, name).tolist() for name in names},
        "local": local,
        "sizes": sizes,
    }
    return body | {"digest": digest(body)}


def digest(body: dict[str, Any]) -> str:
    """Return the SHA-256 of a certificate without its own entry `digest`."""
    rest = {key: value for key, value in body.items() if key != "digest"}
    return sha256(encode(rest)).hexdigest()


def encode(body: dict[str, Any]) -> bytes:
    """Return the one spelling of a JSON document that is digested and written."""
    return json.dumps(body, allow_nan=False, sort_keys=True, separators=(",", ":")).encode()


def write(target: str | Path, body: dict[str, Any]) -> None:
    """Write a certificate, compressed where the name ends in `.gz`."""
    path, data = Path(target), encode(body)
    write_atomically(path, gzip.compress(data, mtime=0) if path.suffix == ".gz" else data)


def problem_to_json(problem: Problem) -> dict[str, Any]:
    """Return the numbers of a slot in SI units; null stands for an infinite limit."""

    def plain(value: Any) -> Any:
        if isinstance(value, np.ndarray):
            return [plain(item) for item in value.tolist()]
        if isinstance(value, float):
            return number(value)
        return [plain(item) for item in value] if isinstance(value, list | tuple) else value

    def record(owner: Any) -> dict[str, Any]:
        names = [field.name for field in fields(owner) if field.name not in OF_QUEUE]
        return {name: plain(getattr(owner, name)) for name in names}

    tasks = record(problem.tasks) | {"accuracy": [record(t) for t in problem.tasks.accuracy]}
    return {
        "system": record(problem.system),
        "users": record(problem.users),
        "tasks": tasks,
        "grid": asdict(problem.grid),
        "gain": problem.gain.tolist(),
        "task": problem.task.tolist(),
        "objective": problem.objective,
    }


def scenario_of(problem: Problem) -> dict[str, Any] | None:
    """Return the scenario whose slot this is; None where none says just its numbers."""
    try:
        return problem.to_json() if reads_as(problem.to_json(), problem_to_json(problem)) else None
    except ValueError:
        return None


def reads_as(scenario: dict[str, Any], problem: dict[str, Any]) -> bool:
    """Tell whether the slot of a scenario is this one, as `problem_to_json` has it.

    Kinds of task are numbered as in the slot: a file of JSON does not keep their order.

    Raises
    ------
    ValueError
        For what is no scenario
    """
    tasks, names = scenario.get("tasks", {}), problem["tasks"]["names"]
    if not isinstance(tasks, dict) or set(names) != set(tasks):
        closed(scenario).problem()  # which says what is wrong where it is none
        return False
    ordered = scenario | {"tasks": {name: tasks[name] for name in names}}
    return problem_to_json(closed(ordered).problem()) == problem


def closed(scenario: dict[str, Any]) -> Scenario:
    """Return the scenario of a document, for which no file is opened that the document names.

    Raises
    ------
    ValueError
        For what is no scenario, or has a table in another file
    """
    from ..scenario import Scenario

    return Scenario.from_dict(scenario, folder=None)


def problem_from_json(data: dict[str, Any]) -> Problem:
    """Return the slot that `problem_to_json` wrote.

    Raises
    ------
    ValueError
        Naming the field that is missing, of another shape, or outside what is allowed
    """

    def limit(value: Any) -> Any:
        if isinstance(value, list):
            return [limit(item) for item in value]
        return inf if value is None else value

    def arrays(owner: dict[str, Any], skipped: tuple[str, ...] = ()) -> dict[str, Any]:
        return {
            name: np.array(limit(value), dtype=float)
            for name, value in owner.items()
            if name not in skipped and value is not None
        }

    try:
        tasks, names = data["tasks"], ("names", "accuracy")
        tables = [AccuracyTable.from_arrays(**arrays(table)) for table in tasks["accuracy"]]
        system = {name: float(limit(value)) for name, value in data["system"].items()}
        users, kinds = arrays(data["users"]), arrays(tasks, names)
        figures = system | users | kinds | {"accuracy": tables, "names": tasks["names"]}
        # The checked copy has its weights normalised again: its numbers are not those proven.
        checked = Problem.from_arrays(
            gain=data["gain"],
            task=data["task"],
            grid=Grid(**data["grid"]),
            objective=data["objective"],
            **figures,
        )
        return Problem(
            System(**system),
            Users(**users),
            Tasks(names=tuple(tasks["names"]), accuracy=tuple(tables), **kinds),
            checked.grid,
            checked.gain,
            checked.task,
            checked.objective,
        )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(f"problem: {error}") from None
