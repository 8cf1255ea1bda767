"""The shape of every document that `verify` reads: exact keys, exact types, no number beyond 1e100.

A document of another shape is no claim, but a file that is malformed: `ValueError`. So is one whose
problem or scenario no slot can have: claims are about a slot, and there is none. Claims are checked
by `checker` and `results`, and what they find is all that `verify` says. No claims, neither
re-checked nor repeated, are

- of a scenario its name, description and `assumed`, and `[channel]` where no seed is claimed
- `backend`, `seconds` and `details` of a result, but for `details.gap`: what `global` was asked for
- which limits the users of `infeasible` break, and the sentences of `refused`

"optimal" says that the gap is at most `gap` of a certificate, `details.gap` of a result of `global`
(1e-6 without one) and 0 of other methods, within 1e-9. That no decision off the grid is better is
proven by certificates alone: a result's bound on the continuous problem is compared with what the
grid and a search off it reach, where they take seconds.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from math import inf
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, create_model

from .. import figures, problem
from ..methods import METHODS, OLD_METHODS
from ..model import MODES
from ..strict import Strict, checked
from .claims import LARGEST_FIGURE, Progress

Number = Annotated[float, Field(ge=-LARGEST_FIGURE, le=LARGEST_FIGURE)]
Seconds = Annotated[float, Field(ge=0.0, le=LARGEST_FIGURE)]
One = Annotated[int, Field(ge=1, le=1)]  # where Literal[1] would take True and 1.0 as well
Whole = Annotated[int, Field(ge=-1, le=2**53)]
Status = Literal["optimal", "feasible", "infeasible", "bound_only", "limit_reached"]


def one_of(*words: str) -> Any:
    """Return what refuses every other word."""

    def check(word: str) -> str:
        if word not in words:
            raise ValueError(f"must be one of {', '.join(words)}")
        return word

    return AfterValidator(check)


LIMITS = [limit.name for limit in figures.LIMITS]
RANGES = "power", "frequency", "extraction", "sub-channel"
Mode = Annotated[str, one_of(*MODES)]
Axis = Annotated[str, one_of("power", "extraction", "latency", "energy", "loss")]
Broken = Annotated[str, one_of(*LIMITS, *RANGES)]
Method = Annotated[str, one_of(*METHODS, *OLD_METHODS)]


def record(owner: type, entry: Any, **other: Any) -> Any:
    """Return the shape of a dataclass of the problem: `entry` for each field without another.

    A limit's number may be null, where there is none; a limit that a scenario may leave out, this
    may too: it may be younger than the file.
    """
    names = [f.name for f in fields(owner) if f.name not in figures.OF_QUEUE]
    shapes: Any = {name: (other.get(name, entry), ...) for name in names}
    optional = list[Number | None] if entry is Column else Number | None
    endless = {limit.bound for limit in figures.LIMITS if limit.row.allowed.high == inf}
    shapes |= dict.fromkeys(endless & set(shapes), (optional, ...))
    for limit in figures.LIMITS:
        if limit.bound in shapes and limit.row.optional:
            shape, _ = shapes[limit.bound]
            shapes[limit.bound] = shape, None if entry is Column else limit.none
    return create_model(owner.__name__, __base__=Strict, **shapes)


Column = list[Number]
System = record(problem.System, Number)
Users = record(problem.Users, Column)
Table = record(problem.AccuracyTable, Column, table=list[Column])
Tasks = record(problem.Tasks, Column, names=list[str], accuracy=list[Table])  # type: ignore[valid-type]
Grid = record(problem.Grid, Whole)


class Slot(Strict):
    """A decision slot in SI units: `problem_to_json`."""

    system: System  # type: ignore[valid-type]
    users: Users  # type: ignore[valid-type]
    tasks: Tasks  # type: ignore[valid-type]
    grid: Grid  # type: ignore[valid-type]
    gain: list[Column]
    task: list[Whole]
    objective: Literal["sum", "min"]


class Decision(Strict):
    """A joint action."""

    channel: list[Whole]
    power: Column
    frequency: Column
    extraction: Column


Trees = dict[Mode, list[list[Number | Axis]]]
Cover = Annotated[tuple[Whole, Whole, Number | None, Trees], Field(strict=False)]


class Priced(Strict):
    """What proves a bound of one number of offloaders."""

    channel: Column
    offloader: Number
    covers: list[Cover]


class Size(Priced):
    """The same, and the bound."""

    bound: Number


class Certificate(Strict):
    """A certificate, as the docstring of the package has it."""

    format: Literal["semopt-certificate"]
    version: One
    problem: Slot
    scenario: dict[str, Any] | None
    status: Literal["optimal", "limit_reached", "infeasible"]
    objective: Number | None
    upper_bound: Number | None
    gap: Seconds
    decision: Decision | None
    local: list[Cover]
    sizes: list[Size]
    digest: str


class QueueOfSlots(Slot):
    """A queue in SI units: `queue_to_json`."""

    gain: list[list[Column]]  # type: ignore[assignment]
    task: list[list[Whole]]  # type: ignore[assignment]
    battery: list[Number | None]


class QueueDecision(Strict):
    """A joint action of every slot."""

    skipped: list[list[bool]]
    channel: list[list[Whole]]
    power: list[Column]
    frequency: list[Column]
    extraction: list[Column]


class SlotProof(Strict):
    """What bounds a slot at prices, in ranges of energy."""

    slot: Whole
    price: Whole
    least: Column
    most: list[Number | None]
    local: list[Cover]
    sizes: list[Priced]


Split = Annotated[tuple[Whole, Whole, Number], Field(strict=False)]


class Case(Strict):
    """A case of a queue's decisions on the grid, and its prices."""

    price: Column
    duals: list[list[Column]]
    split: Split | None


class RangeCase(Strict):
    """A case of a queue's decisions off the grid."""

    split: Split | None
    proofs: list[Whole] | None


class QueueCertificate(Strict):
    """A certificate of a queue, as the docstring of `queue_format` has it."""

    version: One
    problem: QueueOfSlots
    battery_pays: Literal["task", "device"]
    scenario: dict[str, Any] | None
    status: Literal["optimal", "limit_reached"]
    objective: Number
    upper_bound: Number
    gap: Seconds
    decision: QueueDecision
    digest: str


class GridQueueCertificate(QueueCertificate):
    """What bounds decisions on the grid."""

    format: Literal["semopt-queue-certificate"]
    cases: list[Case]


class ContinuousQueueCertificate(QueueCertificate):
    """What bounds all decisions."""

    format: Literal["semopt-continuous-queue-certificate"]
    prices: list[Column]
    proofs: list[SlotProof]
    cases: list[RangeCase]


class User(Strict):
    """What one user does, and what it gives."""

    task: str
    offload: bool
    channel: Whole | None
    power_mw: Number
    frequency_ghz: Number
    extraction: Number
    latency_ms: Number
    energy_mj: Number
    accuracy: Number
    qoe: Number
    feasible: bool


class Lone(Strict):
    """Why a user has no action."""

    user: Whole
    limits: list[Broken]
    modes: dict[Mode, list[Broken]]


class Joint(Strict):
    """Users that cannot be served together."""

    joint: list[Whole]
    limit: Annotated[str, one_of("", *(limit.bound for limit in figures.SHARED_LIMITS))] = ""
    unfinished: str = ""


class PinnedSlot(Strict):
    """A slot in the words of a scenario."""

    tasks: list[str]
    gain: list[Column]


class Answer(Strict):
    """What a method says of one slot."""

    status: Status
    objective: Number | None
    upper_bound: Number | None
    gap: Number | None
    joint_actions: int | str
    users: list[User]
    infeasible: list[Lone] | Joint | None = None


class OneSlot(Answer):
    """A result file of one slot."""

    schema_: One = Field(alias="schema")
    method: Method
    backend: str
    seconds: Seconds | None
    readings: dict[str, str]
    problem: dict[str, Any]
    continuous_bound: Number | None = None
    details: dict[str, Any] = Field(default_factory=dict)


class OneOfMany(Answer):
    """A slot of many."""

    slot: PinnedSlot


class Mean(Strict):
    """Means over users and decided slots."""

    qoe: Number | None
    latency_ms: Number | None
    energy_mj: Number | None
    accuracy: Number | None
    offload_share: Number | None
    infeasible_share: Number
    undecided_share: Number


class ManySlots(Strict):
    """A result file of many slots; `shaped` looks into each slot."""

    schema_: One = Field(alias="schema")
    method: Method
    backend: str
    seconds: Seconds
    seed: Annotated[int, Field(ge=0)] | None
    readings: dict[str, str]
    problem: dict[str, Any]
    mean: Mean
    slots: Annotated[list[Any], Field(min_length=1)]
    details: dict[str, Any] = Field(default_factory=dict)


class Ladder(Strict):
    """A result file of one slot by the methods of the ladder."""

    schema_: One = Field(alias="schema")
    methods: Annotated[dict[Method, OneSlot], Field(min_length=1)]
    refused: dict[Method, str]


class QueueUser(User):
    """What one user does in a slot of a queue; a skipped task has no clock, latency, accuracy."""

    frequency_ghz: Number | None  # type: ignore[assignment]
    latency_ms: Number | None  # type: ignore[assignment]
    accuracy: Number | None  # type: ignore[assignment]
    skip: bool


class QueueSlot(Strict):
    """A slot of a queue."""

    users: list[QueueUser]


class WholeQueue(Strict):
    """A result file of a queue."""

    schema_: One = Field(alias="schema")
    method: Annotated[str, one_of("exact", "global")]
    status: Literal["optimal", "limit_reached"]
    objective: Number
    upper_bound: Number
    gap: Number
    prices_per_mj: list[Annotated[float, Field(ge=0.0, le=LARGEST_FIGURE)]]
    energy_left_mj: list[Number | None]
    seconds: Seconds
    readings: dict[str, str]
    problem: dict[str, Any]
    slots: Annotated[list[QueueSlot], Field(min_length=1)]
    details: dict[str, Any] = Field(default_factory=dict)


def shaped(body: Any, progress: Progress = lambda share: None) -> dict[str, Any]:
    """Return a document with every number a float where one is meant; keys left out are None.

    The slots of a result of many are looked at one by one, so that Ctrl-C comes between two.

    Raises
    ------
    ValueError
        For a document of another shape, naming its first fault
    """
    if not isinstance(body, dict):
        raise ValueError("it is neither a certificate nor a result of semopt")
    shape: type[Strict]
    if "format" in body and "cases" in body:
        shape = ContinuousQueueCertificate if "proofs" in body else GridQueueCertificate
        name = "certificate of a queue"
    elif "format" in body:
        shape, name = Certificate, "certificate"
    elif "methods" in body:
        shape, name = Ladder, "result of many methods"
    elif "prices_per_mj" in body:
        shape, name = WholeQueue, "result of a queue"
    elif "slots" in body:
        shape, name = ManySlots, "result of many slots"
    elif "schema" in body:
        shape, name = OneSlot, "result"
    else:
        raise ValueError("it is neither a certificate nor a result of semopt")
    try:
        apart = {"slots"} if shape is ManySlots else set[str]()
        document = checked(shape, body).model_dump(by_alias=True, exclude=apart)
        if shape is ManySlots:
            document["slots"] = list(slots_shaped(body["slots"], progress))
        return document
    except ValueError as error:
        raise ValueError(f"it is no {name} of semopt: {error}") from None


def slots_shaped(slots: list[Any], progress: Progress) -> Iterator[dict[str, Any]]:
    """Yield the slots of a result of many, as `shaped` returns documents."""
    for place, slot in enumerate(slots):
        yield checked(OneOfMany, slot, "slots", place).model_dump()
        progress((place + 1) / len(slots))
