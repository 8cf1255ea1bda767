"""What of a sound scenario deserves a second look: it is allowed, and seldom meant."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..channel import draw_gains
from ..channel.samplers import rows_of
from ..model import decibel, snr
from ..problem import Floats
from .scenario import Scenario

FAR = 10.0  # dB, beyond the ends of accuracy tables
LISTED = 8  # users that a sentence names
TINY = 1e-40  # W, that stands for no power
SLOTS, ENTRIES = 200, 2_000_000  # at most, that are drawn of a law to see which SNRs it leads to


def notes(scenario: Scenario) -> Iterator[str]:
    """Yield a sentence on each thing that is allowed, and seldom meant."""
    yield from far_from_tables(scenario)
    yield from _clamped(scenario)


def far_from_tables(scenario: Scenario) -> Iterator[str]:
    """Yield which users' SNRs never come near the accuracy tables, as of gains in another unit."""
    template, gain = scenario.template(), _gains(scenario)
    users, noise = template.users, template.system.noise
    best = decibel(snr(gain.max(axis=(0, 2)), users.power_max, noise))
    worst = decibel(snr(gain.min(axis=(0, 2)), np.maximum(users.power_min, TINY), noise))
    tables = [task.accuracy for task in scenario.tasks.values()]
    first = min(table.snr_db[0] for table in tables)
    last = max(table.snr_db[-1] for table in tables)
    if (low := np.flatnonzero(best < first - FAR)).size:
        least = decibel(snr(gain.min(axis=(0, 2)), users.power_max, noise))
        yield (
            f"SNR of {_users(low, scenario.users)} at full power is from {least[low].min():.0f} to "
            f"{best[low].max():.0f} dB, accuracy tables begin at {first:g} dB: offloading hardly "
            "pays there; check the unit of gains and system.noise_mw"
        )
    if (high := np.flatnonzero(worst > last + FAR)).size:
        yield (
            f"SNR of {_users(high, scenario.users)} is at least {worst[high].min():.0f} dB at the "
            f"lowest power, accuracy tables end at {last:g} dB: power and sub-channel no longer "
            "change accuracy there; check the unit of gains and system.noise_mw"
        )


def _gains(scenario: Scenario) -> Floats:
    """Return gains (S, N, K) of a scenario: all that it lists, and some of a law without an end."""
    listed = [np.array([slot.gain], dtype=float) for slot in scenario.pinned()]
    if scenario.channel is not None:
        law, sizes = scenario.channel_law(), (scenario.users, scenario.channels)
        slots = max(min(SLOTS, ENTRIES // (sizes[0] * sizes[1])), 1)
        listed.append(rows_of(law) if law.file else draw_gains(law, 0, 0, slots, *sizes))
    return np.concatenate(listed)


def _users(which: np.ndarray, count: int) -> str:
    """Return users in words."""
    if len(which) == count:
        return "all users"
    names = ", ".join(map(str, which[:LISTED].tolist()))
    more = f" and {len(which) - LISTED} more" if len(which) > LISTED else ""
    return f"user{'s' * (len(which) > 1)} {names}{more}"


def _clamped(scenario: Scenario) -> Iterator[str]:
    """Yield where accuracy is taken from the end of a table, as extraction goes beyond it."""
    smallest = scenario.template().users.extraction_min.min()
    for name, task in scenario.tasks.items():
        table = task.accuracy
        first, last = table.extraction[0], table.extraction[-1]
        if last < 1.0 and table.raw is None:
            yield (
                f"tasks.{name}.accuracy ends at extraction {last:g}, without a row of raw mode: "
                f"raw mode takes the accuracy of {last:g}"
            )
        if smallest < first:
            yield (
                f"tasks.{name}.accuracy begins at extraction {first:g}, and users extract down to "
                f"{smallest:g}: what is below takes the accuracy of {first:g}"
            )
