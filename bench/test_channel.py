"""Suite `channel`: gains drawn a second, against NumPy's generator and a sum of sinusoids in NumPy.

python -m pytest bench/test_channel.py --benchmark-only -s

The compiled loops are loaded beforehand, as they are in training; alone, a draw of this size would
be made without them, since loading them takes longer.
"""

from __future__ import annotations

from statistics import median
from typing import Any

import numpy as np
import pytest

import semopt.channel.compiled  # noqa: F401 - see above
from figures import seconds_of
from semopt.channel import Channel
from semopt.channel.fading import SINUSOIDS
from semopt.channel.gains import Gains

ROUNDS = 15
USERS = CHANNELS = 2
WAVES = 2 * SINUSOIDS  # each frequency has two, of opposite shift
SLOTS = 250_000  # a million gains, 8 MB: read by nothing, written once


def report(benchmark: Any, name: str, gains: int, reference: str, reference_rate: float) -> None:
    rate = gains / benchmark.stats.stats.median
    benchmark.extra_info |= {
        "suite": "channel",
        "value": rate,
        "unit": "gains/s",
        "reference": reference,
        "ratio": rate / reference_rate,
        "bytes": 8 * gains,
    }
    print(
        f"\n{name}: {rate / 1e6:.1f} M gains/s, {reference} {reference_rate / 1e6:.1f} M, "
        f"{rate / reference_rate:.1f} times",
        end="",
    )


def numpy_rayleigh(rng: np.random.Generator, shape: tuple[int, ...]) -> Any:
    return rng.standard_exponential(shape)


def numpy_conditioned(rng: np.random.Generator, shape: tuple[int, ...]) -> Any:
    span = -np.expm1((0.1 - 1.0) / 0.5)
    return 0.1 - 0.5 * np.log1p(-rng.random(shape) * span)


def numpy_rician(rng: np.random.Generator, shape: tuple[int, ...]) -> Any:
    parts = rng.standard_normal((2, *shape)) * np.sqrt(0.5 / 5.0)
    return (np.sqrt(4.0 / 5.0) + parts[0]) ** 2 + parts[1] ** 2


def numpy_shadowed(rng: np.random.Generator, shape: tuple[int, ...]) -> Any:
    shadow = 10 ** (0.6 * rng.standard_normal(shape[:2]))
    return shadow[..., None] * rng.standard_exponential(shape)


CASES = {
    "rayleigh": (Channel(), numpy_rayleigh),
    "rayleigh in a range": (Channel(mean_gain=0.5, gain_range=(0.1, 1.0)), numpy_conditioned),
    "rician": (Channel("rician", rician_k=4.0), numpy_rician),
    "shadowed": (Channel("shadowed", shadowing_db=6.0), numpy_shadowed),
}


@pytest.mark.parametrize("name", CASES)
def test_independent_gains(benchmark, name):
    channel, peer = CASES[name]
    gains, out = Gains(channel, 0, USERS, CHANNELS), np.empty((SLOTS, USERS, CHANNELS))
    rng = np.random.default_rng(0)
    gains.slots(out, 0)
    sample = peer(rng, out.shape)
    assert np.quantile(out, [0.25, 0.5, 0.75]) == pytest.approx(
        np.quantile(sample, [0.25, 0.5, 0.75]), rel=0.02
    )
    seconds = seconds_of(lambda: peer(rng, out.shape), 5, median)
    benchmark.pedantic(gains.slots, (out, 0), rounds=ROUNDS, warmup_rounds=2)
    report(benchmark, name, out.size, "NumPy", out.size / seconds)


def sinusoids(slots: int, waves: int, turns: float, rng: np.random.Generator) -> Any:
    """Sum of sinusoids as link simulators vectorise it: (slots, N, K, waves) at once."""
    angle = (np.arange(waves) + rng.random((USERS, CHANNELS, waves))) / waves
    phase = rng.random((USERS, CHANNELS, waves))
    cosine = np.cos(2 * np.pi * angle)
    time = turns * np.arange(slots)[:, None, None, None]
    h = np.exp(2j * np.pi * (time * cosine + phase)).sum(axis=-1)
    return np.abs(h) ** 2 / waves


def test_gains_correlated_in_time(benchmark):
    slots = 20_000
    gains = Gains(Channel("jakes", doppler_hz=10.0, slot=1e-3), 0, USERS, CHANNELS)
    out = np.empty((slots, USERS, CHANNELS))
    gains.slots(out, 0)
    rng = np.random.default_rng(0)
    sample = sinusoids(slots, WAVES, 0.01, rng)
    assert out.mean() == pytest.approx(sample.mean(), rel=0.2)
    assert abs(np.diff(out, axis=0)).mean() == pytest.approx(
        abs(np.diff(sample, axis=0)).mean(), rel=0.2
    )
    seconds = seconds_of(lambda: sinusoids(slots, WAVES, 0.01, rng), of=median)
    benchmark.pedantic(gains.slots, (out, 0), rounds=ROUNDS, warmup_rounds=2)
    report(
        benchmark, f"jakes, {WAVES} waves", out.size, "NumPy sum of sinusoids", out.size / seconds
    )
