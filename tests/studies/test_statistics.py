"""Intervals of slots that resemble their neighbours in time, on processes whose mean is known."""

import json

import numpy as np
import pytest
from scipy.special import j0

from semopt import Scenario
from semopt.learn.evaluate import evaluate
from semopt.report.charts_learning import scores
from semopt.statistics import (
    InTime,
    autocorrelation_time,
    blocks,
    interval,
    interval_of_slots,
    without_interval,
)


def remembered(rng, share, slots):
    """Return a stationary process of mean 1, whose autocorrelation is `share` to the lag."""
    steps, values = rng.standard_normal(slots + 500) * (1 - share**2) ** 0.5, np.zeros(slots + 500)
    for slot in range(1, slots + 500):
        values[slot] = share * values[slot - 1] + steps[slot]
    return 1.0 + values[500:]


def covered(draw, trials, **options):
    """Return how often an interval holds the mean 1, where there is one, and how often there is."""
    ends = [interval_of_slots(draw(), **options) for _ in range(trials)]
    given = [(low, high) for low, high in ends if low == low]
    return sum(low <= 1.0 <= high for low, high in given) / max(len(given), 1), len(given) / trials


def test_an_interval_of_blocks_covers_where_that_of_slots_does_not():
    rng = np.random.default_rng(0)
    share, given = covered(lambda: [remembered(rng, 0.8, 1000)], 200, in_time=InTime(True))
    assert given > 0.95
    assert 0.89 <= share <= 0.99
    share, _ = covered(lambda: [remembered(rng, 0.8, 1000)], 50)
    assert share < 0.7  # slots resampled as if they were independent


def test_independent_slots_of_a_law_in_time_lose_little():
    rng = np.random.default_rng(1)
    slots = [rng.standard_normal((1, 1000)) for _ in range(40)]
    widths = [np.ptp(interval_of_slots([*each], in_time=InTime(True))) for each in slots]
    plain = [np.ptp(interval(each[0])) for each in slots]
    assert 0.9 < np.mean(widths) / np.mean(plain) < 1.3


def test_too_few_slots_for_what_they_remember_carry_no_interval():
    rng = np.random.default_rng(2)
    _, given = covered(lambda: [remembered(rng, 0.98, 80)], 50, in_time=InTime(True))
    assert given < 0.1


def test_seeds_that_draw_their_own_gains_are_units_and_replayed_ones_are_one():
    rng = np.random.default_rng(3)
    share, given = covered(
        lambda: [remembered(rng, 0.98, 60) for _ in range(8)], 100, in_time=InTime(True)
    )
    assert given == 1.0
    assert 0.88 <= share <= 1.0
    trace = remembered(rng, 0.5, 200)
    once = interval_of_slots([trace], in_time=InTime(True))
    assert interval_of_slots([trace] * 8, in_time=InTime(True, True)) == pytest.approx(once)
    gaps = np.where(np.arange(200) % 7, trace, np.nan)  # infeasible slots of one seed
    assert len(blocks([trace, gaps], InTime(True, True))) == len(blocks([trace], InTime(True)))


def test_the_autocorrelation_time_is_that_of_the_process():
    rng = np.random.default_rng(4)
    for share in (0.0, 0.5, 0.9):
        runs = [remembered(rng, share, 20_000) for _ in range(3)]
        assert autocorrelation_time(runs) == pytest.approx((1 + share) / (1 - share), rel=0.25)
    assert autocorrelation_time([np.full(9, 0.3)]) == 1.0


def test_laws_say_whether_their_slots_follow_each_other(tmp_path):
    contended = Scenario.load("contended")
    assert contended.in_time == (False, False, 1.0)
    fading = {"model": "jakes", "mean_gain": 0.3, "doppler_hz": 5.0, "slot_ms": 5.0}
    depend, replayed, memory = contended.replace(channel=fading).in_time
    lags = 2 * np.pi * 5.0 * 5e-3 * np.arange(1, 200)  # J0 ** 2: Clarke, 1968
    time = 1 + 2 * (j0(lags[:100]) ** 2).sum()
    assert (depend, replayed) == (True, False)
    assert memory == pytest.approx(time, rel=0.3)
    gain = np.random.default_rng(5).exponential(0.3, (40, 2, 2))
    np.save(tmp_path / "gains.npy", gain)
    trace = {"model": "trace", "file": str(tmp_path / "gains.npy")}
    replayed = contended.replace(channel=trace)
    assert replayed.in_time[:2] == (True, True)
    assert 1.0 <= replayed.in_time.memory < 3.0
    document = replayed.to_dict()
    document["channel"]["file"] = str(tmp_path / "elsewhere.npy")  # a study read on another machine
    assert Scenario.from_dict(document).in_time == (True, True, np.inf)


def test_what_is_slower_than_all_slots_is_not_taken_for_certain():
    """Tasks change from slot to slot, gains hardly at all: slots alone look independent."""
    values, gains = np.random.default_rng(6).standard_normal(80), 50.0
    low, high = interval_of_slots([values], InTime(True))
    assert low < high
    assert np.isnan(interval_of_slots([values], InTime(True, memory=gains))).all()


def test_evaluate_says_that_slots_follow_each_other(tmp_path, capsys):
    gain = np.cumsum(np.random.default_rng(7).exponential(0.01, (60, 2, 2)), axis=0)
    np.save(tmp_path / "gains.npy", gain)
    trace = {"model": "trace", "file": str(tmp_path / "gains.npy"), "split": [0.0, 0.0, 1.0]}
    scored = evaluate("local", Scenario.load("contended").replace(channel=trace), reference="exact")
    assert np.isnan(scored.interval("local")).all()
    assert scored.to_json()["methods"]["local"]["gap_interval"] == [None, None]
    scored.show()
    said = " ".join(capsys.readouterr().out.split())
    assert "Slots resemble their neighbours in time" in said
    why = scored.without_interval["local"]
    assert f"No interval of local: {why}." in said
    assert "60 are there; --slots takes more" in why
    chart = scores(scored).to_dict()
    assert "area" not in json.dumps(chart["concat"])
    drawn_why = " ".join(chart["title"]["subtitle"])
    assert drawn_why.endswith(f"no bands and bars: {why}")
    assert "95%" not in drawn_why


@pytest.mark.parametrize("seeds", [1, 2])
def test_as_many_slots_as_are_said_to_be_needed_give_an_interval(seeds):
    """Of a process whose memory is known: 5 blocks, or 3 a seed, of ten autocorrelation times."""
    rng, in_time = np.random.default_rng(8), InTime(True, memory=20.0)
    few = [rng.standard_normal(300) for _ in range(seeds)]
    why = without_interval(few, in_time)
    needed = {1: 1000, 2: 600}[seeds]
    assert f"about {needed:,d}" in why
    assert "300 are there; --slots draws more" in why
    enough = [rng.standard_normal(needed) for _ in range(seeds)]
    assert without_interval(enough, in_time) == ""
    assert not np.isnan(interval_of_slots(enough, in_time)).any()
    one_less = [values[:-1] for values in enough]
    assert without_interval(one_less, in_time) != ""
    assert "cannot be told" in without_interval(few, InTime(True, memory=np.inf))


def test_a_band_is_drawn_where_there_is_an_interval_alone():
    pytest.importorskip("torch", reason="the extra learn is not installed")
    few = evaluate(["local", "exact"], "contended", slots=4, reference="exact")
    chart = scores(few).to_dict()
    assert "area" not in json.dumps(chart["concat"])
    assert "fewer than 5 slots have no interval" in " ".join(chart["title"]["subtitle"])
