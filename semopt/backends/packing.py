"""Packs a `Problem` into the records of the compiled extension."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

import numpy as np

from .. import _core
from ..figures import must_be_all
from ..model import RAW, SEMANTIC, Actions
from ..problem import Floats, Problem

for _owner, _names in {
    "system": _core.SYSTEM_FIELDS,
    "user": _core.USER_FIELDS,
    "task": _core.TASK_FIELDS,
}.items():
    must_be_all(_owner, _names, "csrc/model/model.h")


def setting(problem: Problem) -> _core.Setting:
    """Return the compiled extension's copy of everything in `problem` but its slot."""
    users, tasks = range(len(problem.users.power_min)), range(len(problem.tasks.names))
    grids = [[problem.grid_levels(n, t) for t in tasks] for n in users]
    return _core.Setting(
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


def best_cells(
    problem: Problem, offloaders: int, modes: Sequence[int] = (RAW, SEMANTIC)
) -> tuple[Floats, Actions]:
    """Return the best offload of every cell beside `offloaders` in all: QoE and actions, (N, K).

    The QoE is -inf where no action of these modes is feasible, everywhere without offloaders.
    """
    value, *levels = (np.full(problem.gain.shape, -inf) for _ in range(4))
    if offloaders:
        gain = np.ascontiguousarray(problem.gain)
        _core.best_cells(
            setting(problem), gain, problem.task, offloaders, sum(modes), value, *levels
        )
    return value, Actions(np.indices(value.shape)[1], *levels)
