"""The words of a scenario file: every key with its unit, its allowed values and a sentence on it.

These models hold what concerns one key alone; `consistency.py` has what concerns several.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationError,
    WithJsonSchema,
    WrapValidator,
    create_model,
)
from pydantic_core import PydanticCustomError

from .. import allowed
from ..allowed import Interval
from ..channel.keys import KEYS, SPLIT_WORDS, Key, sound_split
from ..channel.laws import LAWS
from ..figures import SECTIONS
from ..problem import LENGTH
from . import toml


def _number(interval: Interval, kind: type = float) -> Any:
    """Return the type of a number; the one sentence on what is allowed answers every fault."""

    def check(value: Any, inner: Callable[[Any], Any]) -> Any:
        try:
            return inner(value)
        except ValidationError:
            raise PydanticCustomError("allowed", interval.sentence) from None

    return Annotated[kind, Field(ge=interval.low, le=interval.high), WrapValidator(check)]


def _in_file(interval: Interval) -> Any:
    """Return the type of a figure in a file, by what is allowed of it in SI."""
    return _number(interval.in_files or interval)


def _ordered(ends: list[float]) -> list[float]:
    if len(ends) != 2 or ends[0] > ends[1]:
        raise PydanticCustomError("allowed", "[low, high] with low <= high")
    return ends


def _up_to_one(ends: list[float]) -> list[float]:
    if len(ends) != 2 or ends[1] != 1.0:
        raise PydanticCustomError("allowed", "[low, 1.0]: the upper end is always 1 (raw mode)")
    return ends


def _split(shares: list[float]) -> list[float]:
    if not sound_split(shares):
        raise PydanticCustomError("allowed", SPLIT_WORDS)
    return shares


def _listed(value: Any) -> Any:
    return value if isinstance(value, list) else [value]


def _unlisted(values: list[float]) -> float | list[float]:
    return values[0] if len(values) == 1 else values


Fraction: Any = _number(allowed.FRACTION)
Decibel: Any = _number(allowed.DECIBEL)
Gain: Any = _number(allowed.POSITIVE)
Levels: Any = _number(allowed.LEVELS, int)
Count: Any = _number(allowed.COUNT, int)
_OneOrMany = WithJsonSchema(
    {"anyOf": [{"type": "number"}, {"type": "array", "items": {"type": "number"}}]}
)
Axis = Annotated[list[Fraction], Field(min_length=2)]


class Section(BaseModel):
    """A table of the file: unknown keys, coercion, NaN and infinities are refused."""

    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, allow_inf_nan=False, defer_build=True
    )


def _of_figures(section: str, base: type[Section], *, all_optional: bool = False) -> type[Section]:
    """Return a model of the keys of a section's figures, below those of another model."""
    keys: dict[str, Any] = {}
    for figure in SECTIONS[section]:
        if figure.end == 1:
            continue  # its key is that of the lower end
        kind = _in_file(figure.allowed)
        if figure.end == 0:
            ordered = figure.key in {row.key for row in SECTIONS[section] if row.end == 1}
            kind = Annotated[list[kind], AfterValidator(_ordered if ordered else _up_to_one)]  # type: ignore[valid-type]
        unit = figure.unit[0]
        words = f"{figure.sentence}, {unit}" if unit else figure.sentence
        may_be_absent = all_optional or figure.optional
        field = Field(None if may_be_absent else ..., description=words)
        keys[figure.key] = (kind | None if may_be_absent else kind, field)
    return create_model(f"{section.title()}Figures", __base__=base, __module__=__name__, **keys)


class _Sizes(Section):
    users: Count | None = Field(None, description="number of users, required without [slot]")
    channels: Count | None = Field(
        None, description="number of sub-channels, required without [slot]"
    )


_SystemFigures: Any = _of_figures("system", _Sizes)
_QoeFigures: Any = _of_figures("qoe", Section)
_UserFigures: Any = _of_figures("user", Section)
_OverrideFigures: Any = _of_figures("users", Section, all_optional=True)


class System(_SystemFigures):
    """What all users share: radio, edge server and limits."""


class Qoe(_QoeFigures):
    """The quality of experience (11): weights sum to 1; slopes of the three sigmoids."""

    objective: Literal["sum", "min"] = Field(
        "sum", description='"sum" of the users\' QoE, or the "min" of them'
    )


class User(_UserFigures):
    """A user's device."""


class Override(_OverrideFigures):
    """What differs for one user: any key of [user] and the weights of [qoe]."""


class Accuracy(Section):
    """Accuracy of an offloaded task: bilinear between points of extraction and SNR, else clamped.

    In a file, `accuracy = {file = "surface.csv"}` stands for the table read from there.
    """

    extraction: Axis = Field(description="extraction factors of the rows, increasing")
    snr_db: Annotated[list[Decibel], Field(min_length=2)] = Field(
        description="SNR of the columns, dB, increasing"
    )
    table: list[list[Fraction]] = Field(
        description="accuracy, a row for each extraction; it may not fall along a row or column"
    )
    raw: list[Fraction] | None = Field(
        None, description="accuracy of raw mode by SNR, where it differs from the last row"
    )


class _Share(Section):
    share: Fraction | None = Field(
        None, description="probability at the head of a queue; equal unless given"
    )


_TaskFigures: Any = _of_figures("task", _Share)


class Task(_TaskFigures):
    """One kind of task."""

    accuracy: Accuracy = Field(description="accuracy of offloaded execution")


class Grid(Section):
    """Number of equally spaced values of each variable, both ends included; 1 is the upper end."""

    power: Levels = Field(description="values of transmit power")
    frequency: Levels = Field(description="values of GPU clock")
    extraction: Levels = Field(description="values of the extraction factor")


class Slot(Section):
    """One pinned decision slot."""

    tasks: Annotated[list[str], Field(min_length=1)] = Field(
        description="task at the head of each user's queue"
    )
    gain: Annotated[list[list[Gain]], Field(min_length=1)] = Field(
        description="gain[user][channel], linear power gain"
    )


class Queue(Section):
    """A queue of tasks for each user, one a slot, that shares the energy of a battery."""

    length: Count | None = Field(
        None, description=f"slots; {LENGTH} unless given, or as many as the file has"
    )
    battery_pays: Literal["task", "device"] = Field(
        "task",
        description='what a battery pays for: a "task" (9), or the user\'s "device" alone (7)',
    )
    slots: Annotated[list[Slot], Field(min_length=1)] | None = Field(
        None, description="the slots of a pinned queue, in their order"
    )
    tasks: Annotated[list[list[str]], Field(min_length=1)] | None = Field(
        None,
        description="tasks[slot][user], in place of draws by their shares; "
        'file = "tasks.csv" reads them',
    )


def _of_channel() -> type[Section]:
    """Return a model of the keys of [channel]."""
    names: Any = Literal[tuple(LAWS)]
    fields_of_channel: dict[str, Any] = {"model": (names, Field(description="the channel model"))}
    for row in KEYS.values():
        if row.key:
            words = f"{row.sentence}, {row.unit[0]}" if row.unit[0] else row.sentence
            fields_of_channel[row.key] = (_kind(row) | None, Field(None, description=words))
    return create_model("ChannelKeys", __base__=Section, __module__=__name__, **fields_of_channel)


def _kind(row: Key) -> Any:
    """Return the type of a key of [channel]."""
    number: Any = row.allowed and _in_file(row.allowed)
    match row.form:
        case "text" if isinstance(row.words, str):
            return Annotated[str, Field(pattern=row.words)]
        case "text" | "file":
            return Literal[row.words] if row.words else str
        case "shares":
            return Annotated[list[Fraction], AfterValidator(_split)]
        case "counts":
            return Annotated[list[Count], Field(min_length=3, max_length=3)]
        case "range":
            return Annotated[list[number], AfterValidator(_ordered)]
        case "number":
            return number
    several = BeforeValidator(_listed), PlainSerializer(_unlisted), _OneOrMany
    return Annotated[list[number], *several]


_ChannelKeys: Any = _of_channel()


class Channel(_ChannelKeys):
    """The law from which gains are drawn."""


class Document(Section):
    """A whole scenario file."""

    name: str = Field("", description="name of the scenario")
    description: str = Field("", description="what it is, in a sentence")
    system: System = Field(description="what all users share: radio, edge server and limits")
    qoe: Qoe = Field(description="quality of experience: weights sum to 1")
    user: User = Field(description="a user's device")
    overrides: list[Override] | None = Field(
        None, alias="users", description="one entry a user: keys of [user] and weights that differ"
    )
    tasks: Annotated[dict[str, Task], Field(min_length=1)] = Field(description="the kinds of task")
    grid: Grid = Field(description="number of equally spaced values of each variable")
    slot: Slot | None = Field(None, description="one pinned decision slot")
    queue: Queue | None = Field(None, description="a queue of tasks that shares a battery")
    channel: Channel | None = Field(None, description="the law from which gains are drawn")
    assumed: dict[str, str] = Field(
        {}, description="values that no source gives: path of a key or table, and the reason"
    )


def section_at(path: tuple[str | int, ...]) -> type[Section] | None:
    """Return the model of the table at a path of the file, None where there is none."""
    match path:
        case ():
            return Document
        case ("users", int()):
            return Override
        case ("tasks", _):
            return Task
        case ("tasks", _, "accuracy"):
            return Accuracy
        case ("queue", "slots", int()):
            return Slot
        case (str(name),):
            return _SECTIONS.get(name)
    return None


def keys_of(section: type[Section]) -> dict[str, str]:
    """Return the keys of a table as the file spells them, with the sentence about each."""
    return {
        field.alias or name: field.description or "" for name, field in section.model_fields.items()
    }


def sentences(document: dict[str, Any], optional: bool) -> dict[str, str]:
    """Return the sentence about each table and key of a document, once for tables of one kind."""
    words = keys_of(Document)
    del words["name"], words["description"]
    first = next(iter(document["tasks"]))
    paths: list[tuple[str, ...]] = [(name,) for name in document if section_at((name,))]
    words[toml.join("tasks", first)] = words["tasks"]
    for path in [*paths, ("tasks", first), ("tasks", first, "accuracy")]:
        section = section_at(path)
        known = keys_of(section) if section else {}
        table, header = document, ""
        for part in path:
            table, header = table[part], toml.join(header, part)
        words |= {toml.join(header, key): sentence for key, sentence in known.items()}
        absent = [f"may also hold {key}: {known[key]}" for key in known if key not in table]
        if path == ("channel",):
            absent += [f"model {name} uses {law}" for name, law in LAWS.items()]
        if optional:
            words[header] = "\n".join([words[header], *absent])
    return words


def absent_tables(document: dict[str, Any]) -> Iterator[str]:
    """Yield lines about the tables that a document leaves out, and their keys."""
    for name, sentence in keys_of(Document).items():
        section = section_at((name,))
        if section and name not in document:
            yield f"[{name}] may follow: {sentence}"
            yield from (f"    {key}: {words}" for key, words in keys_of(section).items())


_SECTIONS: dict[str, type[Section]] = {
    "system": System,
    "qoe": Qoe,
    "user": User,
    "grid": Grid,
    "slot": Slot,
    "queue": Queue,
    "channel": Channel,
}
