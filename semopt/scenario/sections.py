"""The words of a scenario file: every key with its unit, its allowed values and a sentence on it.

These models hold what concerns one key alone. What concerns several keys stands in `faults.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
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
)
from pydantic_core import PydanticCustomError

from .. import allowed
from ..allowed import Interval


def _worded(interval: Interval) -> WrapValidator:
    """Answer every fault of a number with the one sentence that says what is allowed."""

    def check(value: Any, inner: Callable[[Any], Any]) -> Any:
        try:
            return inner(value)
        except ValidationError:
            raise PydanticCustomError("allowed", interval.sentence) from None

    return WrapValidator(check)


def _within(interval: Interval) -> Any:
    return Field(ge=interval.low, le=interval.high)


def _ordered(ends: list[float]) -> list[float]:
    if len(ends) != 2 or ends[0] > ends[1]:
        raise PydanticCustomError("allowed", "[low, high] with low <= high")
    return ends


def _up_to_one(ends: list[float]) -> list[float]:
    if len(ends) != 2 or ends[1] != 1.0:
        raise PydanticCustomError("allowed", "[low, 1.0]: the upper end is always 1 (raw mode)")
    return ends


def _split(shares: list[float]) -> list[float]:
    if len(shares) != 3 or not allowed.sums_to_one(sum(shares)):
        raise PydanticCustomError(
            "allowed", "[training, validation, evaluation], three shares that sum to 1"
        )
    return shares


def _listed(value: Any) -> Any:
    return value if isinstance(value, list) else [value]


def _unlisted(values: list[float]) -> float | list[float]:
    return values[0] if len(values) == 1 else values


Positive = Annotated[float, _within(allowed.FILE_POSITIVE), _worded(allowed.FILE_POSITIVE)]
NonNegative = Annotated[
    float, _within(allowed.FILE_NON_NEGATIVE), _worded(allowed.FILE_NON_NEGATIVE)
]
Fraction = Annotated[float, _within(allowed.FRACTION), _worded(allowed.FRACTION)]
Exponent = Annotated[float, _within(allowed.EXPONENT), _worded(allowed.EXPONENT)]
Extraction = Annotated[float, _within(allowed.EXTRACTION), _worded(allowed.EXTRACTION)]
Decibel = Annotated[float, _within(allowed.DECIBEL), _worded(allowed.DECIBEL)]
Gain = Annotated[float, _within(allowed.POSITIVE), _worded(allowed.POSITIVE)]
Levels = Annotated[int, _within(allowed.LEVELS), _worded(allowed.LEVELS)]
Count = Annotated[int, _within(allowed.COUNT), _worded(allowed.COUNT)]
Range = Annotated[list[Positive], AfterValidator(_ordered)]
_OneOrMany = WithJsonSchema(
    {"anyOf": [{"type": "number"}, {"type": "array", "items": {"type": "number"}}]}
)
Positives = Annotated[
    list[Positive], BeforeValidator(_listed), PlainSerializer(_unlisted), _OneOrMany
]
NonNegatives = Annotated[
    list[NonNegative], BeforeValidator(_listed), PlainSerializer(_unlisted), _OneOrMany
]
Split = Annotated[list[Fraction], AfterValidator(_split)]
Axis = Annotated[list[Fraction], Field(min_length=2)]


class Section(BaseModel):
    """A table of the file: unknown keys, coercion, NaN and infinities are refused."""

    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, allow_inf_nan=False, defer_build=True
    )


class System(Section):
    """What all users share: radio, edge server and limits."""

    users: Count | None = Field(None, description="number of users, required without [slot]")
    channels: Count | None = Field(
        None, description="number of sub-channels, required without [slot]"
    )
    bandwidth_mhz: Positive = Field(description="bandwidth of a sub-channel, MHz")
    noise_mw: Positive = Field(description="noise power of a sub-channel, mW")
    server_frequency_ghz: Positive = Field(description="clock of the edge server's GPU, GHz")
    server_flop_per_cycle: Positive = Field(description="FLOP of the edge server in a cycle")
    server_energy_coefficient: NonNegative = Field(
        description="J s^2: coefficient x frequency^3 is the server's power in W"
    )
    compress_exponent: Exponent = Field(
        description="bits sent fall as extraction^compress_exponent"
    )
    extract_exponent: Exponent = Field(
        description="FLOP of extraction grow as 1 / extraction^extract_exponent"
    )
    latency_max_ms: Positive = Field(description="limit of a task's latency, ms")
    server_energy_max_mj: Positive | None = Field(
        None, description="limit of the edge server's energy in a slot, mJ"
    )


class Qoe(Section):
    """The quality of experience (11): weights sum to 1; slopes of the three sigmoids."""

    weight_latency: Fraction = Field(description="weight of latency")
    weight_energy: Fraction = Field(description="weight of energy")
    weight_accuracy: Fraction = Field(description="weight of accuracy")
    slope_latency_per_ms: NonNegative = Field(description="slope of the latency score, 1/ms")
    slope_energy_per_mj: NonNegative = Field(description="slope of the energy score, 1/mJ")
    slope_accuracy: NonNegative = Field(description="slope of the accuracy score")
    objective: Literal["sum", "min"] = Field(
        "sum", description='"sum" of the users\' QoE, or the "min" of them'
    )


class User(Section):
    """A user's device."""

    flop_per_cycle: Positive = Field(description="FLOP of the user's GPU in a cycle")
    energy_coefficient: NonNegative = Field(
        description="J s^2: coefficient x frequency^3 is the GPU's power in W"
    )
    frequency_ghz: Range = Field(description="[lowest, highest] GPU clock, GHz")
    reference_frequency_ghz: Positive = Field(
        description="GPU clock of the local execution that scores a QoE of 0.5, GHz"
    )
    power_mw: Range = Field(description="[lowest, highest] transmit power, mW")
    extraction: Annotated[list[Extraction], AfterValidator(_up_to_one)] = Field(
        description="[smallest, 1.0] extraction factor; 1 is raw mode"
    )
    energy_max_mj: Positive | None = Field(None, description="limit of a task's energy, mJ")


class Override(Section):
    """What differs for one user: any key of [user] and the weights of [qoe]."""

    flop_per_cycle: Positive | None = None
    energy_coefficient: NonNegative | None = None
    frequency_ghz: Range | None = None
    reference_frequency_ghz: Positive | None = None
    power_mw: Range | None = None
    extraction: Annotated[list[Extraction], AfterValidator(_up_to_one)] | None = None
    energy_max_mj: Positive | None = None
    weight_latency: Fraction | None = None
    weight_energy: Fraction | None = None
    weight_accuracy: Fraction | None = None


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


class Task(Section):
    """One kind of task."""

    share: Fraction | None = Field(
        None, description="probability at the head of a queue; equal unless given"
    )
    data_kbit: Positive = Field(description="data of the task, kbit")
    semantic_kbit: Positive | None = Field(
        None,
        description="bits of semantic mode at extraction 1, kbit, where they differ from data_kbit",
    )
    local_mflop: Positive = Field(description="local execution, MFLOP")
    extract_mflop: NonNegative = Field(description="semantic extraction at extraction 1, MFLOP")
    server_mflop: NonNegative = Field(description="execution on the edge server, MFLOP")
    server_raw_mflop: NonNegative | None = Field(
        None, description="the same in raw mode, MFLOP, where it differs"
    )
    local_accuracy: Fraction = Field(description="accuracy of local execution")
    accuracy_min: Fraction | None = Field(None, description="limit of accuracy")
    extraction_max: Extraction | None = Field(
        None, description="upper end of semantic mode, below 1; needed where its figures differ"
    )
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


class Channel(Section):
    """The law from which gains are drawn."""

    model: Literal["rayleigh", "uniform", "rician", "shadowed", "jakes", "mobility", "trace"] = (
        Field(description="the channel model")
    )
    mean_gain: Positives | None = Field(
        None, description="mean power gain of all users or of each, at 1 m where there is path loss"
    )
    gain_range: Range | None = Field(
        None, description="[low, high], to which every gain is conditioned"
    )
    rician_k_db: Decibel | None = Field(None, description="line of sight over scattered power, dB")
    shadowing_db: NonNegative | None = Field(
        None, description="standard deviation of log-normal shadowing, dB"
    )
    doppler_hz: NonNegative | None = Field(None, description="largest Doppler shift, Hz")
    slot_ms: Positive | None = Field(None, description="time from slot to slot, ms")
    path_loss_exponent: Exponent | None = Field(
        None, description="the mean gain falls as distance_m^-path_loss_exponent"
    )
    distance_m: Positives | None = Field(
        None,
        description="distance of all users or of each, m; mobility: radius or [nearest, radius]",
    )
    speed_mps: NonNegatives | None = Field(None, description="speed or [slowest, fastest], m/s")
    carrier_ghz: Positive | None = Field(
        None, description="carrier that turns ways into wave lengths, GHz; 3.5 unless given"
    )
    file: str | None = Field(
        None, description="measured gains, relative to this file: .npy, .npz, .mat, .csv, .parquet"
    )
    unit: Literal["linear", "db", "amplitude", "complex"] | None = Field(
        None, description="of the measured gains; linear, power gains, unless given"
    )
    variable: str | None = Field(
        None, description="name of the array in .npz and .mat, of the column of gains in a table"
    )
    split: Split | None = Field(
        None,
        description="shares of the measured slots for training, validation and evaluation, in the "
        "order of time; [0.6, 0.2, 0.2] unless given",
    )
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None = Field(
        None, description="SHA-256 of the file of measured gains, which it is checked for"
    )
    shape: Annotated[list[Count], Field(min_length=3, max_length=3)] | None = Field(
        None, description="slots, users and sub-channels of the measured gains, as recorded"
    )


@dataclass(frozen=True)
class Law:
    """The keys of [channel] that a model uses besides `model`; `channel.py` gives them meaning."""

    needs: tuple[str, ...] = ()
    may: tuple[str, ...] = ()
    mean: bool = False  # needs `mean_gain`, or `distance_m` and `path_loss_exponent`, or all three
    bound_in_time: bool = False  # imposing a range would break its law

    def __str__(self) -> str:
        """Say which keys the model uses."""
        mean = (f"a mean (mean_gain, or {' and '.join(PATH_LOSS)}, or all three)",)
        optional = tuple(f"optionally {key}" for key in self.may)
        return ", ".join(self.needs + mean * self.mean + optional)


PATH_LOSS = ("distance_m", "path_loss_exponent")
LAWS = {
    "rayleigh": Law(may=("gain_range",), mean=True),
    "uniform": Law(needs=("gain_range",)),
    "rician": Law(needs=("rician_k_db",), may=("gain_range",), mean=True),
    "shadowed": Law(needs=("shadowing_db",), may=("gain_range",), mean=True),
    "jakes": Law(needs=("doppler_hz", "slot_ms"), mean=True, bound_in_time=True),
    "mobility": Law(
        needs=("distance_m", "path_loss_exponent", "slot_ms", "speed_mps"),
        may=("mean_gain", "carrier_ghz"),
        bound_in_time=True,
    ),
    "trace": Law(
        needs=("file",), may=("unit", "variable", "split", "sha256", "shape"), bound_in_time=True
    ),
}


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
        case (str(name),):
            return _SECTIONS.get(name)
    return None


def keys_of(section: type[Section]) -> dict[str, str]:
    """Return the keys of a table as the file spells them, with the sentence about each."""
    return {
        field.alias or name: field.description or "" for name, field in section.model_fields.items()
    }


_SECTIONS: dict[str, type[Section]] = {
    "system": System,
    "qoe": Qoe,
    "user": User,
    "grid": Grid,
    "slot": Slot,
    "channel": Channel,
}
