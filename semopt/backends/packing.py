"""Packs a `Problem` into the records of the compiled extension."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import numpy as np

from .. import _core
from ..figures import OF_QUEUE, RECORDS, check_names, unknown_limits
from ..limits import is_set, refuse
from ..model import SCORE
from ..problem import Problem

_PLACE = "csrc/model/model.h"
_INSTEAD = "use method 'exact' with backend 'numpy'"
UNKNOWN = unknown_limits(_core.LIMITS, _PLACE)  # to the compiled extension

for _owner, _names in {
    "system": _core.SYSTEM_FIELDS,
    "user": _core.USER_FIELDS,
    "task": _core.TASK_FIELDS,
}.items():
    _lacking = [limit.bound for limit in UNKNOWN if limit.owner == _owner]
    _of_queue = OF_QUEUE.intersection(row.name for row in RECORDS[_owner])
    check_names(_owner, [*_names, *_lacking, *_of_queue], _PLACE)


_WARM = 16  # scenarios whose packed form is kept
_packed: OrderedDict[tuple[int, ...], tuple[Any, _core.Scenario]] = OrderedDict()


def scenario(problem: Problem) -> _core.Scenario:
    """Return the packed form of all of a problem but its slot; slots of one scenario share it."""
    parts = problem.system, problem.users, problem.tasks, problem.grid
    key = tuple(map(id, parts))  # valid as long as the entry holds the parts
    entry = _packed.get(key)
    if entry is None:  # a thread that makes it too, or ends another's entry, takes nothing from us
        entry = parts, _pack(problem)
        _packed[key] = entry
        if len(_packed) > _WARM:
            _packed.popitem(last=False)
    return entry[1]


def knows(problem: Problem) -> bool:
    """Tell whether the kernels know the score and all limits of a problem."""
    return SCORE == _core.SCORE and not any(is_set(problem, limit) for limit in UNKNOWN)


def on_the_grid(problem: Problem) -> str:
    """Return how a problem is solved that a method without a grid refuses, to end its sentence."""
    return "use method 'exact'" if knows(problem) else _INSTEAD


def refuse_unpackable(problem: Problem) -> None:
    """Raise ValueError for a score that no kernel knows, or a problem with such a limit."""
    if SCORE != _core.SCORE:
        raise ValueError(
            f"score {SCORE!r}: {_PLACE} has {_core.SCORE!r}: {_INSTEAD}, or change it there"
        )
    why = f"is a limit that {_PLACE} does not know: {_INSTEAD}, add it there, or leave it out"
    refuse(problem, UNKNOWN, why)


def _pack(problem: Problem) -> _core.Scenario:
    refuse_unpackable(problem)
    users, tasks = range(len(problem.users.power_min)), range(len(problem.tasks.names))
    grids = [[problem.grid_levels(n, t) for t in tasks] for n in users]
    return _core.Scenario(
        system=np.array([[getattr(problem.system, name) for name in _core.SYSTEM_FIELDS]]),
        users=np.stack([getattr(problem.users, name) for name in _core.USER_FIELDS], axis=1),
        tasks=np.stack([getattr(problem.tasks, name) for name in _core.TASK_FIELDS], axis=1),
        tables=[
            (table.extraction, table.snr_db, table.table.ravel(), table.raw)
            for table in problem.tasks.accuracy
        ],
        power=[grid[0][0] for grid in grids],
        frequency=[grid[0][1] for grid in grids],
        extraction=[[grid[t][2] for t in tasks] for grid in grids],
    )
