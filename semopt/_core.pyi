from collections.abc import Callable, Sequence
from typing import Any

from .model import Actions, Outcome
from .problem import Floats, Integers

SYSTEM_FIELDS: list[str]
USER_FIELDS: list[str]
TASK_FIELDS: list[str]
LIMITS: dict[str, int]
SCORE: str

class Scenario:
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
    def device_image(self, single: bool, base: int) -> tuple[bytes, int, int, int]: ...

def in_usual_rounding(call: Callable[[], Any]) -> Any: ...

class Borrowed:
    def __init__(self, argument: str, capsule: object) -> None: ...
    @property
    def address(self) -> int: ...
    @property
    def shape(self) -> list[int]: ...
    @property
    def strides(self) -> list[int]: ...
    @property
    def type(self) -> tuple[int, int, int]: ...
    @property
    def device(self) -> tuple[int, int]: ...
    @property
    def read_only(self) -> bool: ...

def lend(
    owner: object,
    address: int,
    shape: Sequence[int],
    type: tuple[int, int],
    device: tuple[int, int],
    versioned: bool,
    read_only: bool,
) -> object: ...

class ExactBatch:
    def __init__(self, scenario: Scenario, fairest: bool, threads: int) -> None: ...
    def solve(
        self,
        gain: Floats,
        task: Integers,
        channel: Integers,
        power: Floats,
        frequency: Floats,
        extraction: Floats,
        value: Floats,
        upper: Floats,
        seconds: float,
    ) -> dict[str, Any]: ...

def best_of_cells(
    scenario: Scenario,
    gain: Floats,
    latency: Floats,
    energy: Floats,
    accuracy: Floats,
    qoe: Floats,
) -> None: ...
def cell_optimum(
    scenario: Scenario, user: int, task: int, gain: float, offloaders: int, tolerance: float
) -> dict[str, Any]: ...
def box_bound(
    scenario: Scenario,
    user: int,
    task: int,
    gain: float,
    offloaders: int,
    mode: int,
    sides: Sequence[tuple[float, float]],
    numbers: Sequence[float],
) -> tuple[float, list[float]]: ...
def feasible_channels(
    scenario: Scenario,
    gain: Floats,
    task: Integers,
    users: Sequence[int],
    offloaders: Sequence[int],
    modes: int,
    continuous: bool,
    seconds: float,
) -> tuple[list[list[int]], str]: ...
def forced(
    scenario: Scenario, gain: Floats, task: Integers, user: int, modes: int, seconds: float
) -> dict[str, Any]: ...
def solve_globals(
    scenario: Scenario,
    gain: Floats,
    task: Integers,
    gap: float,
    seconds: float,
    threads: int,
    channel: Integers,
    power: Floats,
    frequency: Floats,
    extraction: Floats,
    lower: Floats,
    upper: Floats,
    boxes: Integers,
    toll: Floats,
    least: Floats,
    most: Floats,
    device: bool,
) -> str: ...
def solve_cells(
    scenario: Scenario,
    user: Integers,
    task: Integers,
    gain: Floats,
    offloaders: Integers,
    price: Floats,
    most: Floats,
    device: bool,
    tolerance: float,
    splits: int,
    power: Floats,
    frequency: Floats,
    extraction: Floats,
) -> None: ...
def solve_global(
    scenario: Scenario,
    gain: Floats,
    task: Integers,
    gap: float,
    seconds: float,
    prove: bool,
    toll: Floats,
    least: Floats,
    most: Floats,
    device: bool,
) -> dict[str, Any]: ...
def assign(weight: Floats, local: Floats, offloaders: int) -> tuple[float, list[int]]: ...
def instruction_sets() -> list[str]: ...
def instruction_set() -> str: ...
def use_instruction_set(name: str) -> None: ...
def threads_available() -> int: ...
def ceiling(name: str, threads: int = 0) -> float: ...
def elementary(name: str, x: Floats, y: Floats, out: Floats) -> None: ...
def evaluate(
    scenario: Scenario,
    actions: Actions,
    gain: Floats,
    task: Integers,
    out: Outcome,
    threads: int = 0,
) -> bool: ...
def tabulate(
    scenario: Scenario,
    gain: Floats,
    task: Integers,
    value: Sequence[Floats],
    server_energy: Sequence[Floats],
    threads: int = 0,
) -> None: ...

class Space:
    def __init__(self, local: Sequence[int], offload: Sequence[int], channels: int) -> None: ...
    @property
    def size(self) -> int: ...
    def pattern_at(self, index: int) -> tuple[list[int], int]: ...
    def search(
        self,
        value: Sequence[Floats],
        server_energy: Sequence[Floats],
        server_energy_max: float,
        fairest: bool,
        start: int,
        stop: int,
        keep: int,
        above: float | None,
        bins: int,
        low: float,
        high: float,
        slack: float,
        energy_slack: float,
        threads: int = 0,
    ) -> tuple[Floats, Integers, int, Integers]: ...

class Queue:
    def __init__(
        self,
        scenario: Scenario,
        gain: Floats,
        task: Integers,
        device: bool,
        threads: int,
        seconds: float = ...,
    ) -> None: ...
    def best(self, price: Floats) -> tuple[Floats, Floats, Floats, Integers, Integers]: ...
    def best_within(
        self,
        slot: Integers,
        left: Floats,
        most: Floats,
        price: Floats,
        battery: Floats,
        value: Floats,
    ) -> tuple[Floats, Floats, Floats, Integers, Integers]: ...
    def worth_by_energy(
        self,
        slot: Integers,
        left: Floats,
        most: Floats,
        price: Floats,
        battery: Floats,
        value: Floats,
    ) -> Floats: ...
    def front(
        self, slot: int, user: int, channel: int, offloaders: int
    ) -> tuple[Floats, Floats, Integers]: ...
    def cases(
        self,
        battery: Floats,
        price: Floats,
        value: float,
        gap: float,
        most: int,
        seconds: float,
    ) -> tuple[
        float,
        tuple[Floats, Floats, Floats, Integers, Integers] | None,
        float,
        dict[str, Any],
        str,
    ]: ...
