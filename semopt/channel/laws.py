"""The laws of the gains: one row a law, one field a key; all that lists laws or keys reads them.

From the rows of `LAWS` and the fields of `keys.Parameters` come the keys of [channel] in scenario
files, their units, sentences and faults (`scenario`), the checks below, and what draws (`gains`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import inf, pi
from typing import Any

import numpy as np

from ..gains import HIGH, LOW
from . import samplers
from .keys import KEYS, Parameters, keys
from .walks import CARRIER, LIGHT_SPEED, NEAREST

MOST_WAYPOINTS = 10  # a slot: a walk is followed from corner to corner
MOST_TURNS = 1e5  # wave lengths a slot: angles of 2^32 slots keep their digits
FADES, PEAKS = 17.0, 2.0  # decades: how far below and above its mean a gain is ever drawn
DEVIATIONS = 8.6  # of a shadow from its median that are ever drawn


@dataclass(frozen=True)
class Law:
    """One law of the gains.

    Attributes
    ----------
    sampler : what draws, in NumPy and compiled
    follows : the distribution, in a line, for readers
    source : where it is described
    needs, optional : fields of `Channel` that it must have, and those that it may have
    mean : whether it has a mean too: a file gives `mean_gain`, or `distance_m` and
        `path_loss_exponent`, or all three; in Python `mean_gain` is 1 unless given
    correlated : whether gains depend on earlier ones, so that a range would break their law
    pairs : fields that are (low, high) here, and one number a user elsewhere
    """

    sampler: type[samplers.Sampler]
    follows: str
    source: str = ""
    needs: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    mean: bool = False
    correlated: bool = False
    pairs: tuple[str, ...] = ()

    @property
    def takes(self) -> set[str]:
        """All fields besides `model`."""
        return {*self.needs, *self.optional, *(MEANS if self.mean else ())}

    def __str__(self) -> str:
        """Say which keys of a file the law uses."""
        needs, (mean_gain, *loss) = keys(self.needs), keys(MEANS)
        mean = (f"a mean ({mean_gain}, or {' and '.join(loss)}, or all three)",)
        extra = tuple(f"optionally {key}" for key in keys(self.optional))
        return ", ".join(needs + mean * self.mean + extra)


MEANS = ("mean_gain", "distance", "path_loss_exponent")
LAWS = {
    "rayleigh": Law(
        samplers.Rayleigh,
        "exponential power: h ~ CN(0, 1)",
        "Rayleigh, 1880",
        optional=("gain_range",),
        mean=True,
    ),
    "uniform": Law(
        samplers.Uniform, "uniform in the range, whatever the distance", needs=("gain_range",)
    ),
    "rician": Law(
        samplers.Rician,
        "a line of sight of rician_k times the power of the scattered part, CN",
        "Rice, 1948",
        needs=("rician_k",),
        optional=("gain_range",),
        mean=True,
    ),
    # Obstacles are wider than a sub-channel: one shadow a user and slot. A range conditions the
    # fading, given the shadow.
    "shadowed": Law(
        samplers.Shadowed,
        "Rayleigh with L log-normal of shadowing_db about a median of 1",
        "Suzuki, 1977",
        needs=("shadowing_db",),
        optional=("gain_range",),
        mean=True,
    ),
    # Waves from 64 directions, equally spaced and turned at random, with random phases and random
    # amplitudes that pass into new ones every 64 wave lengths of way. The gain is exponential, its
    # covariance J0^2 mean_gain^2. What remains: over the first 9 wave lengths the autocorrelations
    # of the field and of the gain differ from J0 and J0^2 by at most 0.0025 and 0.0005; farther
    # apart, where J0^2 is below 0.012, that of the gain is up to 0.05 too high (between 9 and 12
    # wave lengths, then 0.035, on average 0.003), and beyond 128 it is 0.
    "jakes": Law(
        samplers.Jakes,
        "Rayleigh in time, E[h(t) h*(t + tau)] = J0(2 pi doppler_hz tau)",
        "Clarke, 1968",
        needs=("doppler_hz", "slot"),
        mean=True,
        correlated=True,
    ),
    # Of the distance from the access point in a disc of radius `distance`, and over the way.
    "mobility": Law(
        samplers.Mobility,
        "path loss and the waves of jakes along random-waypoint walks",
        "Navidi and Camp, 2004",
        needs=("distance", "path_loss_exponent", "slot", "speed"),
        optional=("mean_gain", "carrier"),
        correlated=True,
        pairs=("distance",),
    ),
    "trace": Law(
        samplers.Replay,
        "rows of a file in its order, again from its start after its end; or of one part of it",
        needs=("file",),
        optional=("unit", "variable", "split", "sha256", "shape", "part"),
        correlated=True,
    ),
}


@dataclass(frozen=True)
class Channel(Parameters):
    """A law of the gains with its parameters.

    Raises
    ------
    ValueError
        Naming every field that is missing, out of range or foreign to the model.
    """

    def __post_init__(self) -> None:
        faults = list(self._faults())
        if faults:
            raise ValueError("; ".join(f"channel.{fault}" for fault in faults))

    @classmethod
    def from_keys(cls, keys: dict[str, Any]) -> Channel:
        """Return the law of the keys of [channel]."""
        names = {row.key: row for row in KEYS.values() if row.key}
        return cls(
            **{
                names[key].name if key in names else key: names[key].si(v) if key in names else v
                for key, v in keys.items()
            }
        )

    def _extremes(self, figures: dict[str, Any]) -> Iterator[str]:
        """Yield faults of figures that are sound alone but lead too far together."""

        def ends(name: str, instead: float = 1.0) -> tuple[float, float]:
            values = np.atleast_1d(np.asarray(figures.get(name, instead), dtype=float))
            sound = values.size and not KEYS[name].interval.refuses(values).any()
            return (float(values.min()), float(values.max())) if sound else (instead, instead)

        law, far, slot = LAWS[self.model], ends("distance"), ends("slot")[1]
        if "speed" in law.needs:
            # The mean distance of two points of a disc is 128 / (45 pi) radii.
            passed = ends("speed", 0.0)[1] * slot / (far[1] * 128.0 / (45.0 * pi))
            if passed > MOST_WAYPOINTS:
                yield (
                    f"speed, slot and distance: users pass {passed:.3g} waypoints in a slot, at "
                    f"most {MOST_WAYPOINTS} are expected: slower users, shorter slots, a wider disc"
                )
            far = min(far[0] if far[0] < far[1] else NEAREST, far[1]), far[1]
        shift = ends("speed", 0.0)[1] * ends("carrier", CARRIER)[1] / LIGHT_SPEED
        turns = max(ends("doppler_hz", 0.0)[1], shift) * slot
        if turns > MOST_TURNS:
            motion = "doppler_hz" if "doppler_hz" in figures else "speed"
            yield (
                f"{motion} and slot: users go {turns:.3g} wave lengths in a slot, at most "
                f"{MOST_TURNS:g} are expected; gains that forget each other are those of rayleigh"
            )
        with np.errstate(divide="ignore"):
            decades = [np.log10(ends("mean_gain")[i]) for i in (0, 1)]
            loss = [ends("path_loss_exponent", 0.0)[1] * np.log10(far[i]) for i in (1, 0)]
        shadow = DEVIATIONS * ends("shadowing_db", 0.0)[1] / 10.0
        least = decades[0] - loss[0] - shadow - FADES
        most = decades[1] - loss[1] + shadow + PEAKS
        if "mean_gain" in law.takes and not (least >= np.log10(LOW) and most <= np.log10(HIGH)):
            names = [name for name in (*MEANS, "shadowing_db") if name in figures]
            yield (
                f"{' and '.join(names)}: gains from 1e{least:.0f} to 1e{most:.0f} could be drawn, "
                f"within {LOW:g} to {HIGH:g} is expected"
            )

    def _faults(self) -> Iterator[str]:
        if self.model not in LAWS:
            yield f"model = {self.model!r}: one of {', '.join(LAWS)} is expected"
            return
        law = LAWS[self.model]
        values = {name: value for name, value in vars(self).items() if value is not None}
        for name in sorted(values.keys() - law.takes - {"model"}):
            why = "it has no such parameter"
            if name == "gain_range" and law.correlated:
                why = "a range would break its correlation in time"
            yield f"{name} = {values[name]}: not for model {self.model}, {why}"
        for name in law.needs:
            if name not in values:
                yield f"{name}: missing, model {self.model} needs it"
        for name, row in KEYS.items():
            if name in values:
                yield from row.faults(values[name], name in law.pairs)
        if self.gain_range is not None:
            low, high = self.gain_range
            sound = 0.0 <= low <= high and high > 0.0 and low < inf
            if not sound or (high == inf and "gain_range" in law.needs):
                yield f"gain_range = {self.gain_range}: 0 <= low <= high is expected"
            elif 0.0 < low < LOW or HIGH < high < inf:
                yield f"gain_range = {self.gain_range}: {LOW:g} to {HIGH:g} is expected"
        yield from self._extremes(values)
