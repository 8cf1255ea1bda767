"""Channels against the laws that they are named after; seeds are fixed, so nothing can flake."""

import subprocess
import sys
from dataclasses import replace
from math import inf

import numpy as np
import pytest
from scipy import special, stats

from semopt.channel import Channel, compiled, fading, laws, samplers, streams
from semopt.channel.gains import Gains, draw_gains
from semopt.channel.queues import Heads, draw_tasks
from semopt.channel.walks import LIGHT_SPEED, Walks
from semopt.scenario import Scenario
from tolerances import ROUNDING, SIGNIFICANCE, SUMS, ULPS

PAPER = Channel("rayleigh", mean_gain=0.5, gain_range=(0.1, 1.0))
JAKES = Channel("jakes", doppler_hz=20.0, slot=5e-4)
WALK = Channel("mobility", speed=(1.0, 3.0), slot=0.1, distance=(2.0, 80.0), path_loss_exponent=3.0)
WALKING = {"model": "mobility", "slot": 1.0, "speed": 1.0, "distance": 1.0}
WALKING["path_loss_exponent"] = 0.0
MODELS = {
    "rayleigh": Channel("rayleigh", path_loss_exponent=2.0, distance=(1.0, 2.0, 4.0)),
    "conditioned": PAPER,
    "uniform": Channel("uniform", gain_range=(0.2, 0.7)),
    "rician": Channel("rician", rician_k=4.0, mean_gain=2.0),
    "rician within": Channel("rician", rician_k=4.0, gain_range=(0.5, 2.0)),
    "shadowed": Channel("shadowed", shadowing_db=6.0),
    "shadowed within": Channel("shadowed", shadowing_db=6.0, gain_range=(0.1, inf)),
    "jakes": JAKES,
    "mobility": WALK,
}


def test_every_law_is_tested():
    drawn = laws.LAWS.keys() - {"trace"}  # a trace is as its file: test_traces.py
    assert {channel.model for channel in MODELS.values()} == drawn
    # The two in time have tests of their own below: of their correlation too.
    assert {MODELS[name].model for name in DISTRIBUTIONS} | {"jakes", "mobility"} == drawn


def lanes(channel, seed, slot, count, users, channels, first=0):
    out = np.empty((count, users, channels))
    Gains(channel, seed, users, channels).lanes(out, slot, first)
    return out


# ---------------------------------------------------------------------------------- streams


@pytest.mark.parametrize(
    ("key", "counter", "words"),
    [  # known answers that its authors publish with Philox4x32-10
        ("00000000 00000000", "00000000 " * 4, "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
        ("ffffffff ffffffff", "ffffffff " * 4, "408f276d 41c83b0e a20bc7c6 6d5451fd"),
        (
            "a4093822 299f31d0",
            "243f6a88 85a308d3 13198a2e 03707344",
            "d16cfe09 94fdcceb 5001e420 24126ea1",
        ),
    ],
)
def test_philox_gives_the_known_answers(key, counter, words):
    def parse(text):
        return [np.uint64(int(word, 16)) for word in text.split()]

    assert list(streams.philox(tuple(parse(key)), *parse(counter))) == parse(words)


def test_uniforms_lie_in_the_open_interval():
    ends = np.array([0, 0xFFFFFFFF], dtype=np.uint64)
    low, high = streams.unit(ends, ends)
    assert low == 2.0**-53
    assert high == 1.0 - 2.0**-53


def test_elementary_functions_agree_with_extended_precision():
    rng = np.random.default_rng(1)
    spread = np.exp(rng.uniform(-600, 600, 100_000))
    near_one = 1 + rng.uniform(-1e-3, 1e-3, 100_000)
    for x in (spread, near_one, rng.random(100_000)):
        exact = np.log(x.astype(np.longdouble))
        assert (
            np.max(np.abs(streams.log(x) - exact) / np.spacing(np.abs(exact.astype(float)))) < ULPS
        )
    x = rng.uniform(-690, 690, 100_000)
    exact = np.exp(x.astype(np.longdouble))
    assert np.max(np.abs(streams.exp(x) / exact - 1)) < ULPS * 2.0**-52
    turns = rng.uniform(-1000, 1000, 100_000)
    angle = 2 * np.arccos(np.longdouble(-1)) * (turns - np.round(turns)).astype(np.longdouble)
    cosine, sine = streams.circle(turns)
    assert np.max(np.abs(cosine - np.cos(angle))) < ULPS * 2.0**-53
    assert np.max(np.abs(sine - np.sin(angle))) < ULPS * 2.0**-53


# ----------------------------------------------------------------------------- laws of one slot


def truncated(law, low, high):
    below, above = law.cdf(low), law.cdf(high)
    return lambda x: (law.cdf(x) - below) / (above - below)


def suzuki(x, low=0.0, high=inf):
    """P(gain < x) for a log-normal local mean of 6 dB: Gauss-Hermite over the shadow."""
    shadow, weight = np.polynomial.hermite_e.hermegauss(150)
    mean = 10 ** (0.6 * shadow)
    part = np.expm1(-(x[:, None] - low) / mean) / np.expm1(-(high - low) / mean)
    return part @ weight / np.sqrt(2 * np.pi)


DISTRIBUTIONS = {
    "conditioned": truncated(stats.expon(scale=0.5), 0.1, 1.0),
    "uniform": stats.uniform(0.2, 0.5).cdf,
    "rician": stats.ncx2(2, 2 * 4.0, scale=2.0 / (2 * 5.0)).cdf,
    "rician within": truncated(stats.ncx2(2, 2 * 4.0, scale=1.0 / (2 * 5.0)), 0.5, 2.0),
    "shadowed": suzuki,
    "shadowed within": lambda x: suzuki(x, 0.1, inf),
}


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_gains_follow_their_law(name):
    gain = draw_gains(MODELS[name], 7, 0, 20_000, 1, 1).ravel()
    assert stats.kstest(gain, DISTRIBUTIONS[name]).pvalue > SIGNIFICANCE


def test_rayleigh_mean_falls_with_distance_and_exponent():
    gain = draw_gains(MODELS["rayleigh"], 3, 0, 20_000, 3, 2)
    for n, mean in enumerate([1.0, 1 / 4, 1 / 16]):
        law = stats.expon(scale=mean).cdf
        assert stats.kstest(gain[:, n].ravel(), law).pvalue > SIGNIFICANCE


def test_mean_gain_may_differ_between_users():
    gain = draw_gains(Channel(mean_gain=(0.5, 3.0)), 3, 0, 20_000, 2, 1)
    np.testing.assert_allclose(gain.mean(axis=(0, 2)), [0.5, 3.0], rtol=0.03)


def test_conditioned_gains_stay_in_their_range_whatever_the_mean():
    for mean in (1e-9, 1e-3, 0.5, 1e6):
        gain = draw_gains(Channel(mean_gain=mean, gain_range=(0.1, 1.0)), 0, 0, 5000, 2, 2)
        assert gain.min() >= 0.1
        assert gain.max() <= 1.0
    assert (draw_gains(Channel(gain_range=(0.3, 0.3)), 0, 0, 5, 1, 1) == 0.3).all()


def test_a_shadow_covers_all_channels_of_a_user():
    gain = 10 * np.log10(draw_gains(MODELS["shadowed"], 1, 0, 20_000, 2, 2))
    fading_db = 10 / np.log(10) * np.pi / np.sqrt(6)  # standard deviation of exponential power
    expected = 36 / (36 + fading_db**2)
    across = np.corrcoef(gain[:, 0, 0], gain[:, 0, 1])[0, 1]
    between = np.corrcoef(gain[:, 0, 0], gain[:, 1, 0])[0, 1]
    assert across == pytest.approx(expected, abs=0.02)
    assert between == pytest.approx(0.0, abs=0.03)


@pytest.mark.parametrize("name", ["rayleigh", "uniform", "rician", "jakes"])
def test_users_channels_slots_and_seeds_are_independent(name):
    channel = MODELS[name]
    gain = lanes(channel, 11, 5, 20_000, 3, 2)
    other = lanes(channel, 12, 5, 20_000, 3, 2)
    columns = np.concatenate([gain.reshape(-1, 6), other.reshape(-1, 6)], axis=1)
    # Ranks: uniform margins, so that a correlation has standard deviation 1/sqrt(rows).
    ranks = stats.rankdata(columns, axis=0)
    matrix = np.corrcoef(ranks, rowvar=False)
    off = matrix[~np.eye(12, dtype=bool)]
    assert np.abs(off).max() < 4.5 / np.sqrt(20_000)
    lagged = np.corrcoef(ranks[:-1, 0], ranks[1:, 0])[0, 1]
    assert abs(lagged) < 4.5 / np.sqrt(20_000)


# ------------------------------------------------------------------------------ laws in time


def field(seed, users, channels, slots, doppler):
    """The complex field whose power jakes reports, from the waves themselves: (slots, N, K)."""
    key, lane = streams.stream_key(seed, streams.PATHS), np.uint64(0)
    user = np.arange(users, dtype=np.uint64)[None, :, None]
    entry = np.arange(channels, dtype=np.uint64)[None, None, :]
    way = doppler * np.arange(slots)[:, None, None]
    total = np.zeros((slots, users, channels), dtype=complex)
    turn = fading.rotation(key, lane, user, entry)
    assert way.max() < fading.STRETCH
    for index in map(np.uint64, range(fading.SINUSOIDS)):
        cosine, phase = fading.wave(key, index, turn, lane, user, entry)
        for stretch, weight in ((0, np.cos), (1, np.sin)):
            drawn = fading.amplitudes(key, index, np.uint64(stretch), lane, user, entry)
            p, q, r, s = np.sqrt(3) * np.array(drawn)  # of variance 1
            # A wave from each side: (A e^jx + B e^-jx) / 2 with independent A and B.
            one, other = p + s + 1j * (r - q), p - s + 1j * (r + q)
            turns = np.exp(2j * np.pi * (cosine * way + phase))
            window = weight(np.pi / 2 * way / fading.STRETCH)
            total += window * (one * turns + other / turns) / 2
    return total / np.sqrt(2 * fading.SINUSOIDS)


def test_jakes_autocorrelation_is_the_bessel_function():
    doppler, slots = JAKES.doppler_hz * JAKES.slot, 200
    h = field(5, 100, 40, slots, doppler)
    gain = draw_gains(JAKES, 5, 0, slots, 100, 40)
    np.testing.assert_allclose(gain, np.abs(h) ** 2, rtol=SUMS, atol=ROUNDING)
    correlation = (h * h[0].conj()).mean(axis=(1, 2))
    expected = special.j0(2 * np.pi * doppler * np.arange(slots))
    assert np.abs(correlation - expected).max() < 4.5 / np.sqrt(4000)


def rayleigh_amplitudes(rho):
    """Correlation of two Rayleigh amplitudes whose fields have correlation rho (Rice, 1945)."""
    mean = np.pi / 4
    return mean * (special.hyp2f1(-0.5, -0.5, 1.0, rho**2) - 1.0) / (1.0 - mean)


def test_gains_of_jakes_have_the_law_and_the_correlation_of_rayleigh_fading():
    turns, many = 0.3827, 250_000  # wave lengths a slot: J0 has its first zero there
    channel = Channel("jakes", doppler_hz=turns, slot=1.0)
    first = lanes(channel, 3, 160, many, 2, 2).ravel()  # a stretch ends in slot 167
    noise = 1.0 / np.sqrt(first.size)
    assert first.mean() == pytest.approx(1.0, abs=4.5 * noise)
    assert first.var() == pytest.approx(1.0, abs=4.5 * np.sqrt(8) * noise)  # E x^4 - 1 - ... = 8
    assert stats.kstest(first, "expon").pvalue > SIGNIFICANCE
    assert (
        stats.kstest(np.sqrt(first), stats.rayleigh(scale=np.sqrt(0.5)).cdf).pvalue > SIGNIFICANCE
    )
    for lag in (1, 2, 3, 8, 23):
        later = lanes(channel, 3, 160 + lag, many, 2, 2).ravel()
        rho = special.j0(2 * np.pi * turns * lag)
        found = np.corrcoef(first, later)[0, 1], np.corrcoef(np.sqrt(first), np.sqrt(later))[0, 1]
        expected = rho**2, rayleigh_amplitudes(rho)
        np.testing.assert_allclose(found, expected, rtol=0, atol=4.5 * noise)


def test_one_long_run_of_jakes_has_the_same_law():
    slots = 1_000_000
    gain = draw_gains(Channel("jakes", doppler_hz=0.3827, slot=1.0), 4, 0, slots, 1, 1).ravel()
    # Amplitudes last for 167 slots, so that means of power vary more than those of white noise.
    spread = np.sqrt(1.0 / slots + 167 / slots / 64)
    assert gain.mean() == pytest.approx(1.0, abs=4.5 * spread)
    assert stats.kstest(gain, "expon").statistic < 1.63 / np.sqrt(slots) + 4.5 * spread / np.e
    for lag in (1, 4, 20):
        rho = special.j0(2 * np.pi * 0.3827 * lag)
        found = np.corrcoef(gain[:-lag], gain[lag:])[0, 1]
        assert found == pytest.approx(rho**2, abs=4.5 * spread)


def test_far_apart_gains_of_jakes_are_independent():
    channel = Channel("jakes", doppler_hz=130.0, slot=1.0)  # two stretches and more in a slot
    gain = draw_gains(channel, 5, 0, 300_000, 1, 1).ravel()
    for lag in (1, 2):
        assert abs(np.corrcoef(gain[:-lag], gain[lag:])[0, 1]) < 4.5 / np.sqrt(300_000)
    assert stats.kstest(gain, "expon").pvalue > SIGNIFICANCE


def test_amplitudes_have_the_moments_of_a_normal_variable():
    words = np.arange(0, 2**32, 2**12, dtype=np.uint64)
    found = np.sqrt(3) * fading.three(words)
    moments = [(found**power).mean() for power in range(1, 6)]
    np.testing.assert_allclose(moments, [0, 1, 0, 3, 0], atol=1e-4)
    assert fading.three(np.uint64(0)) == -1
    assert fading.three(np.uint64(2**32 - 1)) == 1
    assert fading.three(np.uint64(2**31)) == 0


@pytest.mark.parametrize("level", [0.1, 0.5, 1.0])
def test_jakes_crosses_levels_at_the_rate_of_rice(level):
    slots = 4000
    amplitude = np.sqrt(draw_gains(JAKES, 9, 0, slots, 20, 10))
    up = (amplitude[:-1] < level) & (amplitude[1:] >= level)
    rate = up.sum() / (200 * (slots - 1) * JAKES.slot)
    expected = np.sqrt(2 * np.pi) * JAKES.doppler_hz * level * np.exp(-(level**2))
    assert rate == pytest.approx(expected, rel=0.06)


def walks(seed, count, slowest, fastest):
    key = streams.stream_key(seed, streams.WAYPOINTS)
    return Walks(key, np.arange(count, dtype=np.uint64)[:, None], 1, slowest, fastest)


def at(slot):
    return np.array([[slot]], dtype=np.uint64)


@pytest.mark.parametrize("slowest", [0.005, 0.02])
@pytest.mark.parametrize("slot", [0, 300])
def test_walkers_keep_the_stationary_law_of_random_waypoints(slot, slowest):
    def cdf(r):  # Bettstetter, Resta and Santi (2003), within 0.1% of the exact law
        return 12 / 73 * (13.5 * r**2 - 8.75 * r**4 + 4 / 3 * r**6)

    radii, _ = walks(4, 20_000, slowest, 0.02).at(at(slot))
    assert stats.kstest(radii.ravel(), cdf).pvalue > SIGNIFICANCE


def test_walkers_are_found_on_legs_in_proportion_to_their_length():
    legs = np.array(walks(4, 20_000, 0.02, 0.02)._legs)[:, :2]
    length = np.hypot(*(legs[1] - legs[0]))
    # The distance of two points of a disc has the mean 128 / 45 pi and the mean square 1.
    assert length.mean() == pytest.approx(
        45 * np.pi / 128, abs=4.5 * length.std() / np.sqrt(20_000)
    )
    assert length.max() > 1.9


@pytest.mark.parametrize("slot", [0, 300])
def test_speeds_of_walkers_keep_their_stationary_law(slot):
    many = walks(4, 20_000, 0.001, 0.01)
    before = many.at(at(slot))[1]
    step = (many.at(at(slot + 1))[1] - before).ravel()
    # Slow legs last longer: the density is 1 / speed, but where a corner falls into the step.
    assert stats.kstest(step, stats.loguniform(0.001, 0.01).cdf).statistic < 0.02


def test_walkers_go_their_way():
    slots = np.arange(400, dtype=np.uint64)[:, None]
    radii, way = walks(5, 1, 0.02, 0.02).at(slots)
    np.testing.assert_allclose(way.ravel(), 0.02 * slots.ravel(), rtol=SUMS, atol=ROUNDING)
    steps = np.abs(np.diff(radii.ravel()))
    # Nobody comes closer by more than a stride, and whoever walks radially comes exactly so close.
    assert steps.max() <= 0.02 * (1 + 1e-9)
    assert steps.max() > 0.99 * 0.02
    standing, nowhere = walks(5, 1, 0.0, 0.0).at(slots)
    np.testing.assert_allclose(standing, np.full((400, 1), radii[0, 0]), rtol=1e-8)
    np.testing.assert_allclose(nowhere, 0.0, atol=1e-8)


def test_mobility_has_the_mean_of_its_distance():
    channel = Channel(
        "mobility", speed=0.0, slot=0.1, distance=(7.0, 80.0), path_loss_exponent=2.5, mean_gain=5.0
    )
    gain = lanes(channel, 6, 12, 200, 1, 500)
    away = 80.0 * walks(6, 200, 0.0, 0.0).at(at(12))[0]
    assert away.min() < 7.0
    np.testing.assert_allclose(gain.mean(axis=2), 5.0 * np.maximum(away, 7.0) ** -2.5, rtol=0.25)
    nearby = lanes(replace(channel, distance=0.5), 6, 12, 50, 1, 500)
    np.testing.assert_allclose(nearby.mean(axis=2), 5.0 * 0.5**-2.5, rtol=0.25)


def test_mobility_fades_along_the_way():
    shift = 3.0 * 2e9 / LIGHT_SPEED
    walk = Channel(**WALKING | {"speed": 3.0, "slot": 0.01, "distance": 9.0, "carrier": 2e9})
    jakes = Channel("jakes", doppler_hz=shift, slot=0.01)
    np.testing.assert_allclose(
        draw_gains(walk, 1, 0, 50, 2, 2), draw_gains(jakes, 1, 0, 50, 2, 2), rtol=1e-6
    )


# ------------------------------------------------------------- draws do not depend on the splitting


@pytest.fixture(params=["numpy", "compiled"])
def loops(request, monkeypatch):
    monkeypatch.setattr(samplers, "worth_compiling", lambda _: request.param == "compiled")
    return request.param


@pytest.mark.parametrize("name", MODELS)
def test_any_split_gives_the_same_gains(name, loops):
    whole = draw_gains(MODELS[name], 3, 0, 300, 3, 2)
    gains = Gains(MODELS[name], 3, 3, 2)
    for first, count in ((7, 90), (0, 1), (299, 1), (97, 203)):  # and in any order
        part = np.empty((count, 3, 2))
        gains.slots(part, first)
        np.testing.assert_array_equal(part, whole[first : first + count])
    for slot in (0, 9, 150, 40):
        many = np.empty((70, 3, 2))
        gains.lanes(many, slot)
        np.testing.assert_array_equal(many[0], whole[slot])
        np.testing.assert_array_equal(many[65:], lanes(MODELS[name], 3, slot, 5, 3, 2, first=65))
        own = np.empty((200, 3, 2))
        gains.slots(own, 0, lane=69)
        np.testing.assert_array_equal(own[slot], many[69])


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("threads", [1, 2])
def test_compiled_loops_give_the_bits_of_numpy(name, threads, monkeypatch):
    def both(draw):
        monkeypatch.setattr(samplers, "worth_compiling", lambda _: False)
        plain = draw()
        monkeypatch.setattr(samplers, "worth_compiling", lambda _: True)
        return plain, draw()

    before = compiled.numba.get_num_threads()
    compiled.numba.set_num_threads(min(threads, before))
    try:
        np.testing.assert_array_equal(*both(lambda: draw_gains(MODELS[name], 8, 50, 1000, 3, 2)))
        np.testing.assert_array_equal(*both(lambda: lanes(MODELS[name], 8, 50, 1000, 3, 2)))
        np.testing.assert_array_equal(*both(lambda: draw_tasks([1, 2, 3], 8, 50, 1000, 3)))
    finally:
        compiled.numba.set_num_threads(before)


def test_more_users_or_channels_leave_the_others_as_they_are():
    small, large = draw_gains(PAPER, 1, 0, 20, 2, 2), draw_gains(PAPER, 1, 0, 20, 5, 7)
    np.testing.assert_array_equal(small, large[:, :2, :2])


def test_small_draws_load_no_compiler():
    code = (
        "import sys; from semopt.channel import *; draw_gains(Channel(), 0, 0, 10, 2, 2);"
        "draw_tasks([1, 1], 0, 0, 10, 2);"
        "sys.exit('numba' in sys.modules or 'scipy' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-P", "-c", code], check=False).returncode == 0


def test_large_draws_are_compiled_and_the_same(monkeypatch):
    filler, compiled_sizes = compiled.filler, []

    def noted(transform):
        loop = filler(transform)

        def run(out, *arrays, **threads):
            compiled_sizes.append(out.size)
            return loop(out, *arrays, **threads)

        return run

    monkeypatch.setattr(compiled, "filler", noted)
    whole = draw_gains(PAPER, 0, 0, 100, 2, 2)
    assert compiled_sizes == [400]
    monkeypatch.setattr(samplers, "worth_compiling", lambda entries: False)
    np.testing.assert_array_equal(whole, draw_gains(PAPER, 0, 0, 100, 2, 2))
    assert compiled_sizes == [400]


def test_a_draw_is_large_by_all_its_parts_together():
    code = (
        "import sys; from semopt.channel import *; from semopt.channel import gains, samplers;"
        "samplers.COMPILE_ABOVE, gains.AT_ONCE = 100, 40;"
        "draw_gains(Channel(), 0, 0, 25, 2, 2); assert 'numba' not in sys.modules;"
        "draw_gains(Channel(), 0, 0, 26, 2, 2); assert 'numba' in sys.modules"
    )
    assert subprocess.run([sys.executable, "-P", "-c", code], check=False).returncode == 0


# ------------------------------------------------------------------------------------- tasks


def test_tasks_have_their_shares():
    task = draw_tasks([0.5, 0.0, 0.2, 0.3], 4, 0, 20_000, 2)
    count = np.bincount(task.ravel(), minlength=4)
    assert count[1] == 0
    expected = 40_000 * np.array([0.5, 0.2, 0.3])
    assert stats.chisquare(count[[0, 2, 3]], expected).pvalue > SIGNIFICANCE


@pytest.mark.parametrize("name", MODELS)
def test_many_slots_are_drawn_in_parts_between_which_ctrl_c_is_heard(name, monkeypatch):
    whole = draw_gains(MODELS[name], 3, 5, 50, 3, 2)
    parts = []
    write = Gains.slots
    monkeypatch.setattr("semopt.channel.gains.AT_ONCE", 50)
    monkeypatch.setattr(
        Gains, "slots", lambda self, out, *at: parts.append(len(out)) or write(self, out, *at)
    )
    np.testing.assert_array_equal(draw_gains(MODELS[name], 3, 5, 50, 3, 2), whole)
    assert parts == [8, 8, 8, 8, 8, 8, 2]


def test_tasks_do_not_depend_on_the_split():
    whole = draw_tasks([1, 1, 1], 4, 0, 50, 3)
    np.testing.assert_array_equal(draw_tasks([1, 1, 1], 4, 20, 30, 3), whole[20:])
    out = np.empty((4, 3), dtype=np.int64)
    Heads([1, 1, 1], 4).lanes(out, 7)
    np.testing.assert_array_equal(out[0], whole[7])


@pytest.mark.parametrize("share", [[], [-1.0, 2.0], [0.0, 0.0], [float("nan")], [[1.0]]])
def test_bad_shares_are_refused(share):
    with pytest.raises(ValueError, match="share"):
        draw_tasks(share, 0, 0, 1, 1)


# ------------------------------------------------------------------------------------ traces


@pytest.fixture
def measured():
    return np.random.default_rng(0).uniform(0.1, 1.0, (4, 2, 3))


def write_csv(file, gain, order=("gain", "slot", "user", "channel")):
    rows = [
        {"slot": s, "user": n, "channel": k, "gain": gain[s, n, k].item()}
        for s, n, k in np.ndindex(gain.shape)
    ]
    np.random.default_rng(0).shuffle(rows)
    lines = [",".join(repr(row[name]) for name in order) for row in rows]
    file.write_text("\n".join([",".join(order), *lines]), encoding="utf-8")


def write_parquet(file, gain):
    parquet = pytest.importorskip("pyarrow.parquet")
    import pyarrow

    index = np.indices(gain.shape).reshape(3, -1)
    columns = dict(zip(("slot", "user", "channel"), index, strict=True))
    parquet.write_table(pyarrow.table({**columns, "gain": gain.ravel()}), file)


@pytest.mark.parametrize(
    ("name", "write"), [("g.npy", np.save), ("g.csv", write_csv), ("g.parquet", write_parquet)]
)
def test_a_trace_is_replayed_in_its_order_and_again(tmp_path, measured, name, write):
    file = tmp_path / name
    write(file, measured)
    channel = Channel("trace", file=file)
    np.testing.assert_array_equal(draw_gains(channel, 1, 2, 5, 2, 3), measured[[2, 3, 0, 1, 2]])
    starts = lanes(channel, 1, 0, 200, 2, 3)
    following = lanes(channel, 1, 1, 200, 2, 3)
    rows = [int(np.flatnonzero((measured == start).all(axis=(1, 2)))[0]) for start in starts]
    assert set(rows) == {0, 1, 2, 3}
    np.testing.assert_array_equal(following, measured[(np.array(rows) + 1) % 4])
    for lane, known in ((0, {0}), (1, {0, 1, 2, 3})):  # whatever the seed, and one of all
        begun = [lanes(channel, seed, 0, 1, 2, 3, first=lane)[0] for seed in range(40)]
        rows = {int(np.flatnonzero((measured == b).all(axis=(1, 2)))[0]) for b in begun}
        assert rows == known


def test_a_trace_that_changed_is_read_again(tmp_path, measured):
    file = tmp_path / "g.npy"
    np.save(file, measured)
    draw_gains(Channel("trace", file=file), 0, 0, 1, 2, 3)
    np.save(file, np.concatenate([measured + 1, measured]))
    gain = draw_gains(Channel("trace", file=file), 0, 0, 1, 2, 3)
    np.testing.assert_array_equal(gain[0], measured[0] + 1)


def csv(text):
    return lambda file: file.write_text(text, encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "write", "words"),
    [
        ("none.npy", lambda file: None, "No such file"),
        ("g.txt", csv("1"), ".npy, .npz, .mat, .csv, .parquet"),
        ("g.npy", csv("not an array"), "g.npy"),
        ("g.npy", lambda file: np.save(file, np.ones((2, 2))), "(slots, users, sub-channels)"),
        ("g.npy", lambda file: np.save(file, np.zeros((1, 2, 3))), "slot 0, user 0, channel 0"),
        ("g.npy", lambda file: np.save(file, np.ones((1, 3, 2))), "2 users on 3 channels"),
        ("g.npy", lambda file: np.save(file, np.array([{}]), allow_pickle=True), "Python objects"),
        ("g.csv", csv("slot,user,gain\n0,0,1"), "missing: channel"),
        ("g.csv", csv("slot,user,channel,gain\n"), "at least one row"),
        ("g.csv", csv("slot,user,channel,gain\n0,0,x,1"), "g.csv"),
        ("g.csv", csv("slot,user,channel,gain\n0,0,0,1\n0,1,1,1"), "one row for each of 1 slots"),
        ("g.csv", csv("slot,user,channel,gain\n0,0,0,1\n0,0,0,1"), "one row for each"),
        ("g.csv", csv("slot,user,channel,gain\n0,-1,0,1"), "count from 0"),
        ("g.csv", csv("slot,user,channel,gain\n0,0.5,0,1"), "whole numbers"),
        ("g.csv", csv("slot,user,channel,gain\n0,0,0,nan"), "finite gains above 0"),
        ("g.parquet", csv("not parquet"), "g.parquet"),
    ],
)
@pytest.mark.filterwarnings("ignore:loadtxt")
def test_faults_of_a_trace_are_named(tmp_path, name, write, words):
    file = tmp_path / name
    write(file)
    with pytest.raises(ValueError, match=r"channel\.file") as error:
        draw_gains(Channel("trace", file=file), 0, 0, 1, 2, 3)
    assert words in str(error.value)
    assert name in str(error.value)


# -------------------------------------------------------------------------------- parameters


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"model": "raleigh"}, "'raleigh': one of rayleigh, uniform"),
        ({"mean_gain": 0.0}, "channel.mean_gain = 0.0"),
        ({"mean_gain": float("nan")}, "channel.mean_gain = nan"),
        ({"mean_gain": (1.0, -1.0)}, "channel.mean_gain = (1.0, -1.0)"),
        ({"distance": (1.0, -2.0)}, "channel.distance = (1.0, -2.0)"),
        ({"gain_range": (1.0, 0.1)}, "channel.gain_range = (1.0, 0.1): 0 <= low <= high"),
        ({"gain_range": (-1.0, 0.1)}, "channel.gain_range"),
        ({"path_loss_exponent": -2.0}, "channel.path_loss_exponent = -2.0"),
        ({"doppler_hz": 1.0}, "channel.doppler_hz = 1.0: not for model rayleigh"),
        ({"model": "uniform"}, "channel.gain_range: missing"),
        # In a disc of 1 m the mean leg has 0.905 m.
        ({**WALKING, "speed": 1e3}, "speed, slot and distance: users pass 1.1e+03 waypoints in a"),
        ({**WALKING, "speed": (1.0, 9.1)}, "users pass 10.1 waypoints in a slot, at most 10"),
        ({**WALKING, "speed": 9.1}, "users pass 10.1 waypoints in a slot, at most 10"),
        ({**WALKING, "speed": 90.0, "distance": (1.0, 9.0)}, "users pass 11 waypoints in a slot"),
        (
            {**WALKING, "speed": 1e5, "distance": 1e5},
            "channel.speed and slot: users go 1.17e+06 wave lengths in a slot, at most 100000",
        ),
        (
            {"model": "jakes", "doppler_hz": 1.1e8, "slot": 1e-3},
            "channel.doppler_hz and slot: users go 1.1e+05 wave lengths in a slot, at most 100000",
        ),
        ({"mean_gain": 9e-24}, "channel.mean_gain: gains from 1e-40 to 1e-21 could be drawn"),
        ({"mean_gain": (1.0, 1e39)}, "channel.mean_gain: gains from 1e-17 to 1e41 could be drawn"),
        (
            {"distance": 1e3, "path_loss_exponent": 8.0},
            "channel.distance and path_loss_exponent: gains from 1e-41 to 1e-22 could be drawn",
        ),
        (
            {"model": "shadowed", "shadowing_db": 30.0},
            "channel.shadowing_db: gains from 1e-43 to 1e28 could be drawn",
        ),
        ({"gain_range": (1e-41, 1.0)}, "channel.gain_range = (1e-41, 1.0): 1e-40 to 1e+40"),
        ({"gain_range": (1.0, 1e41)}, "channel.gain_range = (1.0, 1e+41): 1e-40 to 1e+40"),
        ({"model": "uniform", "gain_range": (0.0, inf)}, "channel.gain_range"),
        ({"model": "rician", "rician_k": -1.0}, "channel.rician_k = -1.0"),
        ({"model": "rician"}, "channel.rician_k: missing"),
        ({"model": "shadowed", "shadowing_db": inf}, "channel.shadowing_db = inf"),
        ({"model": "jakes", "doppler_hz": 1.0}, "channel.slot: missing"),
        ({"model": "trace"}, "channel.file: missing"),
        ({"model": "mobility", "slot": 1.0, "distance": 1.0}, "channel.speed: missing"),
        ({"slot": 1.0}, "channel.slot = 1.0: not for model rayleigh"),
        ({**WALKING, "speed": (2.0, 1.0)}, "channel.speed = (2.0, 1.0): one number or (low, high)"),
        ({**WALKING, "speed": (0.0, 1.0)}, "stationary"),
        ({**WALKING, "distance": (1.0,)}, "channel.distance"),
        ({**WALKING, "distance": (9.0, 1.0)}, "channel.distance"),
    ],
)
def test_bad_parameters_are_named(fields, words):
    with pytest.raises(ValueError, match="channel") as error:
        Channel(**fields)
    assert words in str(error.value)


@pytest.mark.parametrize(
    "fields",
    [
        {"model": "jakes", "doppler_hz": 1.0, "slot": 1.0},
        WALKING,
        {"model": "trace", "file": "g.npy"},
    ],
)
def test_a_range_is_refused_where_it_would_break_the_correlation(fields):
    Channel(**fields)
    with pytest.raises(ValueError, match=r"channel.gain_range = .* correlation"):
        Channel(**fields, gain_range=(0.1, 1.0))


def test_all_faults_come_together():
    with pytest.raises(ValueError, match=r"speed.*mean_gain.*gain_range"):
        Channel(mean_gain=-1.0, gain_range=(2.0, 1.0), speed=3.0)


def test_shapes_that_disagree_are_named():
    with pytest.raises(ValueError, match=r"channel.distance = \(1.0, 2.0\): .* each of 3 users"):
        Gains(Channel(distance=(1.0, 2.0), path_loss_exponent=1.0), 0, 3, 2)
    gains = Gains(PAPER, 0, 3, 2)
    for out in (np.empty((5, 2, 3)), np.empty((5, 3, 2), dtype=np.float32)):
        with pytest.raises(ValueError, match="out: a contiguous float64 array"):
            gains.slots(out, 0)
    for slot, lane in ((-1, 0), (0, -1), (2**32, 0), (2**32 - 1, 0)):
        with pytest.raises(ValueError, match="slots and lanes from 0"):
            gains.slots(np.empty((2, 3, 2)), slot, lane)


def test_a_range_that_rician_gains_cannot_reach_is_refused():
    channel = Channel("rician", rician_k=100.0, gain_range=(50.0, 60.0))
    with pytest.raises(ValueError, match=r"channel\.gain_range = .* probability"):
        draw_gains(channel, 0, 0, 1, 1, 1)


@pytest.mark.parametrize(
    ("keys", "law"),
    [
        (
            {"model": "rician", "mean_gain": 2.0, "rician_k_db": 10.0},
            Channel("rician", mean_gain=2.0, rician_k=10.0),
        ),
        (
            {"model": "jakes", "mean_gain": [1.0, 2.0], "doppler_hz": 5.0, "slot_ms": 2.0},
            Channel("jakes", mean_gain=(1.0, 2.0), doppler_hz=5.0, slot=2e-3),
        ),
        (
            {
                "model": "mobility",
                "speed_mps": [1.0, 2.0],
                "distance_m": [2.0, 90.0],
                "carrier_ghz": 2.0,
                "path_loss_exponent": 3.0,
                "slot_ms": 10.0,
            },
            Channel(
                "mobility",
                speed=(1.0, 2.0),
                distance=(2.0, 90.0),
                carrier=2e9,
                path_loss_exponent=3.0,
                slot=0.01,
            ),
        ),
    ],
)
def test_scenarios_give_the_law_in_si_units(keys, law):
    document = Scenario.load("tiny").to_dict() | {"channel": keys, "assumed": {}}
    scenario = Scenario.from_dict(document)
    assert scenario.channel_law() == law
    assert scenario.draw(3, 1)[0].shape == (3, 2, 2)


@pytest.mark.parametrize(
    "fields",
    [
        {"mean_gain": 1.1e-23},
        {"mean_gain": 9e37},
        {"model": "rician", "rician_k": 1e6, "mean_gain": 1e-20},
        {"model": "shadowed", "shadowing_db": 25.0},
        {"model": "jakes", "doppler_hz": 9.9e4, "slot": 1.0},
        {**WALKING, "speed": 9.0},
        {**WALKING, "speed": 8e3, "distance": 1e3, "path_loss_exponent": 6.0},
        {"model": "uniform", "gain_range": (0.0, 1.0)},
        {"model": "uniform", "gain_range": (1e-40, 1e40)},
    ],
)
def test_no_law_leaves_the_range_of_gains(fields):
    channel = Channel(**fields)
    last = 0 if channel.model == "mobility" else 2**32 - 2000  # walks go from the first slot
    gain = draw_gains(channel, 7, last, 500, 4, 8)
    assert 1e-40 <= gain.min() < gain.max() <= 1e40
