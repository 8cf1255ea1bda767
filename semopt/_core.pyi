from collections.abc import Sequence

from .problem import Floats, Integers

SYSTEM_FIELDS: list[str]
USER_FIELDS: list[str]
TASK_FIELDS: list[str]

class Setting:
    def __init__(
        self,
        system: Floats,
        users: Floats,
        tasks: Floats,
        tables: Sequence[tuple[Floats, Floats, Floats, Floats]],
        power: Sequence[Floats],
        frequency: Sequence[Floats],
        extraction: Sequence[Sequence[Floats]],
    ) -> None: ...

class ExactBatch:
    def __init__(self, setting: Setting, fairest: bool, threads: int) -> None: ...
    def solve(
        self,
        gain: Floats,
        task: Integers,
        channel: Integers,
        power: Floats,
        frequency: Floats,
        extraction: Floats,
        value: Floats,
    ) -> dict[str, int]: ...

def best_cells(
    setting: Setting,
    gain: Floats,
    task: Integers,
    offloaders: int,
    modes: int,
    value: Floats,
    power: Floats,
    frequency: Floats,
    extraction: Floats,
) -> None: ...
def assign(weight: Floats, local: Floats, offloaders: int) -> tuple[float, list[int]]: ...
