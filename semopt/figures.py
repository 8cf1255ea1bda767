"""The figures of a problem and its limits: one row each, from which all that lists them is made.

A row says what a figure of the system, of a user or of a task is called, how a scenario file spells
it, which values are allowed, what it is, and what stands in for it. From the rows come the keys of
scenario files with their sentences and their conversion to SI (`scenario`), the arguments of
`Problem.from_arrays`, their checks and their words (`problem`), and the packed records
(`backends`): a figure that the compiled extension does not name, or names alone, is refused there.

A limit is a figure too, the bound, and a row of `LIMITS` that says what it judges. From those rows
come the violations of an outcome and the sentences on them (`model`, `result`), the rewards of an
environment (`env`), the reasons of infeasibility (`solvers`), tables (`report`) and the shapes of
files (`certificate`). Who does not know a limit refuses the problem that sets it (`limits`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from math import inf
from typing import Any

from .allowed import EXPONENT, EXTRACTION, FRACTION, LIMIT, NON_NEGATIVE, POSITIVE, Interval

UNITS = {  # how a key ends: the unit of a file, that of SI, and the powers of ten between them
    "_per_ms": ("1/ms", "1/s", 3),
    "_per_mj": ("1/mJ", "1/J", 3),
    "_mhz": ("MHz", "Hz", 6),
    "_ghz": ("GHz", "Hz", 9),
    "_mw": ("mW", "W", -3),
    "_ms": ("ms", "s", -3),
    "_mj": ("mJ", "J", -3),
    "_kbit": ("kbit", "bit", 3),
    "_mflop": ("MFLOP", "FLOP", 6),
    "_mps": ("m/s", "m/s", 0),
    "_hz": ("Hz", "Hz", 0),
    "_db": ("dB", "dB", 0),
    "_m": ("m", "m", 0),
}


@dataclass(frozen=True)
class Figure:
    """One figure.

    Attributes
    ----------
    name : field of `System`, `Users` or `Tasks`, argument of `Problem.from_arrays`
    key : of a scenario file, with the file's unit
    allowed : values
    sentence : what it is
    default : what stands in for it in `Problem.from_arrays`: a number, or the name of another
        figure of the same owner; None where it must be given
    optional : whether a file may leave it out too
    end : 0 or 1 where the file holds [low, high], of which this is one
    of_queue : whether it is of a whole queue of tasks: no kernel of a slot reads it
    """

    name: str
    key: str
    allowed: Interval
    sentence: str
    default: float | str | None = None
    optional: bool = False
    end: int | None = None
    of_queue: bool = False

    @cached_property
    def unit(self) -> tuple[str, str, int]:
        """The unit of a file, that of SI, and the powers of ten between them."""
        return next(
            (unit for ending, unit in UNITS.items() if self.key.endswith(ending)), ("", "", 0)
        )

    def si(self, value: Any) -> Any:
        """Return a value of a file in SI."""
        value = value if self.end is None else value[self.end]
        # A power of ten above 1 is exact, one below is not: dividing by the former rounds once.
        decades = self.unit[2]
        return value * 10.0**decades if decades >= 0 else value / 10.0**-decades

    def in_file(self, value: float) -> float:
        """Return a value in SI in the file's unit."""
        return value / float(f"1e{self.unit[2]}")


# Sentences are those of the file's key; the first of two ends speaks for both.
SYSTEM = (
    Figure("bandwidth", "bandwidth_mhz", POSITIVE, "bandwidth of a sub-channel", 2e6),
    Figure("noise", "noise_mw", POSITIVE, "noise power of a sub-channel", 2e-3),
    Figure(
        "server_frequency", "server_frequency_ghz", POSITIVE, "clock of the edge server's GPU", 3e9
    ),
    Figure(
        "server_flop_per_cycle",
        "server_flop_per_cycle",
        POSITIVE,
        "FLOP of the edge server in a cycle",
        4.0,
    ),
    Figure(
        "server_energy_coefficient",
        "server_energy_coefficient",
        NON_NEGATIVE,
        "J s^2: coefficient x frequency^3 is the server's power in W",
        5e-27,
    ),
    Figure(
        "compress_exponent",
        "compress_exponent",
        EXPONENT,
        "bits sent fall as extraction^compress_exponent",
        1.0,
    ),
    Figure(
        "extract_exponent",
        "extract_exponent",
        EXPONENT,
        "FLOP of extraction grow as 1 / extraction^extract_exponent",
        1.0,
    ),
    Figure("latency_max", "latency_max_ms", POSITIVE, "limit of a task's latency"),
    Figure(
        "server_energy_max",
        "server_energy_max_mj",
        LIMIT,
        "limit of the edge server's energy in a slot",
        inf,
        optional=True,
    ),
)
SLOPES = (
    Figure("slope_latency", "slope_latency_per_ms", NON_NEGATIVE, "slope of the latency score"),
    Figure("slope_energy", "slope_energy_per_mj", NON_NEGATIVE, "slope of the energy score"),
    Figure("slope_accuracy", "slope_accuracy", NON_NEGATIVE, "slope of the accuracy score"),
)
USER = (
    Figure("flop_per_cycle", "flop_per_cycle", POSITIVE, "FLOP of the user's GPU in a cycle", 2.0),
    Figure(
        "energy_coefficient",
        "energy_coefficient",
        NON_NEGATIVE,
        "J s^2: coefficient x frequency^3 is the GPU's power in W",
        1e-26,
    ),
    Figure(
        "frequency_min", "frequency_ghz", POSITIVE, "[lowest, highest] GPU clock", 0.55e9, end=0
    ),
    Figure("frequency_max", "frequency_ghz", POSITIVE, "highest GPU clock", 1.0e9, end=1),
    Figure(
        "reference_frequency",
        "reference_frequency_ghz",
        POSITIVE,
        "GPU clock of the local execution that scores a QoE of 0.5",
        "frequency_max",
    ),
    Figure("power_min", "power_mw", POSITIVE, "[lowest, highest] transmit power", 0.01, end=0),
    Figure("power_max", "power_mw", POSITIVE, "highest transmit power", 0.1, end=1),
    Figure(
        "extraction_min",
        "extraction",
        EXTRACTION,
        "[smallest, 1.0] extraction factor; 1 is raw mode",
        0.3,
        end=0,
    ),
    Figure("energy_max", "energy_max_mj", LIMIT, "limit of a task's energy", inf, optional=True),
    Figure(
        "battery",
        "battery_mj",
        LIMIT,
        "energy of a whole queue of tasks",
        inf,
        optional=True,
        of_queue=True,
    ),
)
WEIGHTS = (
    Figure("weight_latency", "weight_latency", FRACTION, "weight of latency", 1 / 3),
    Figure("weight_energy", "weight_energy", FRACTION, "weight of energy", 1 / 3),
    Figure("weight_accuracy", "weight_accuracy", FRACTION, "weight of accuracy", 1 / 3),
)
TASK = (
    Figure("bits", "data_kbit", POSITIVE, "data of the task"),
    Figure(
        "semantic_bits",
        "semantic_kbit",
        POSITIVE,
        "bits of semantic mode at extraction 1, where they differ from data_kbit",
        "bits",
        optional=True,
    ),
    Figure("local_flop", "local_mflop", POSITIVE, "local execution"),
    Figure("extract_flop", "extract_mflop", NON_NEGATIVE, "semantic extraction at extraction 1"),
    Figure("server_flop", "server_mflop", NON_NEGATIVE, "execution on the edge server"),
    Figure(
        "server_raw_flop",
        "server_raw_mflop",
        NON_NEGATIVE,
        "the same in raw mode, where it differs",
        "server_flop",
        optional=True,
    ),
    Figure("local_accuracy", "local_accuracy", FRACTION, "accuracy of local execution"),
    Figure("accuracy_min", "accuracy_min", FRACTION, "limit of accuracy", 0.0, optional=True),
    Figure(
        "extraction_max",
        "extraction_max",
        EXTRACTION,
        "upper end of semantic mode, below 1; needed where its figures differ",
        1.0,
        optional=True,
    ),
)
# By the record that holds them, and by the section of a file that does.
RECORDS = {"system": SYSTEM + SLOPES, "user": USER + WEIGHTS, "task": TASK}
OF_QUEUE = {row.name for rows in RECORDS.values() for row in rows if row.of_queue}
SECTIONS = {
    "system": SYSTEM,
    "qoe": WEIGHTS + SLOPES,
    "user": USER,
    "users": USER + WEIGHTS,  # of one entry of [[users]]
    "task": TASK,
}


@dataclass(frozen=True)
class Limit:
    """One limit on what a decision gives.

    Attributes
    ----------
    name : in files and sentences
    bit : of `Outcome.violations`; 0 where the limit is on all users together
    figure : of `Outcome`, that is judged; on all users together, of `model.USER_SHARES`, their sum
    bound : the name of the figure in a table above that holds it
    worse : 1 where more is worse, -1 where less is
    """

    name: str
    bit: int
    figure: str
    bound: str
    worse: int = 1

    @cached_property
    def owner(self) -> str:
        """Whose the bound is: a key of `RECORDS`."""
        return next(o for o, rows in RECORDS.items() if self.bound in {row.name for row in rows})

    @cached_property
    def row(self) -> Figure:
        """The figure that holds the bound."""
        return next(row for row in RECORDS[self.owner] if row.name == self.bound)

    @cached_property
    def none(self) -> float:
        """The bound that every outcome keeps."""
        return inf if self.worse > 0 else self.row.allowed.low

    @property
    def sign(self) -> str:
        """How the figure stands to its bound."""
        return "≤" if self.worse > 0 else "≥"

    def sides(self, value: Any, bound: Any) -> tuple[Any, Any]:
        """Return what must not be above what."""
        return (value, bound) if self.worse > 0 else (bound, value)


LIMITS = (
    Limit("latency", 1, "latency", "latency_max"),  # (12i)
    Limit("energy", 2, "energy", "energy_max"),  # (12j)
    Limit("accuracy", 4, "accuracy", "accuracy_min", worse=-1),  # (12k)
    Limit("server energy", 0, "server_energy", "server_energy_max"),
)
USER_LIMITS = tuple(limit for limit in LIMITS if limit.bit)
SHARED_LIMITS = tuple(limit for limit in LIMITS if not limit.bit)


def check_names(owner: str, names: Iterable[str], place: str) -> None:
    """Raise ImportError unless these are the names of an owner's figures, whatever their order."""
    rows, names_of_place = {figure.name for figure in RECORDS[owner]}, set(names)
    for name in sorted(rows ^ names_of_place):
        lacking, holder = ("semopt/figures.py", place)[:: -1 if name in rows else 1]
        raise ImportError(f"figure {name!r} of a {owner} stands in {holder}, and not in {lacking}")


def unknown_limits(bits: Mapping[str, int], place: str) -> tuple[Limit, ...]:
    """Return the limits that somebody does not know who knows those of these names and bits.

    Raises
    ------
    ImportError
        For a limit that stands there alone, or with another bit
    """
    bit_of = {limit.name: limit.bit for limit in LIMITS}
    for name, bit in bits.items():
        if bit_of.get(name) != bit:
            stands = f"with bit {bit_of[name]}" if name in bit_of else "not"
            raise ImportError(
                f"limit {name!r} stands in {place} with bit {bit}, "
                f"and {stands} in semopt/figures.py"
            )
    return tuple(limit for limit in LIMITS if limit.name not in bits)


def in_si(figures: tuple[Figure, ...], keys: dict[str, Any]) -> dict[str, Any]:
    """Return figures in SI from the keys of a file.

    Parameters
    ----------
    figures : of one owner
    keys : values by key, in the file's units; None where the file leaves one out

    Returns
    -------
    values by name; a figure that was left out takes its default
    """
    values: dict[str, Any] = {}
    for figure in figures:
        value = keys.get(figure.key)
        values[figure.name] = figure.default if value is None else figure.si(value)
    return {
        name: values[value] if isinstance(value, str) else value for name, value in values.items()
    }
