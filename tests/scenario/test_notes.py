"""Notes on sound scenarios: on what is allowed and seldom meant, and on nothing else."""

import numpy as np
import pytest

from semopt import Scenario
from semopt.scenario import presets
from semopt.scenario.notes import notes

CONTENDED = Scenario.load("contended")  # 10 to 100 mW over 2 mW of noise; tables from -3 to 17 dB
POINTS = """extraction,snr_db,accuracy
0.5,0,0.6
0.5,15,0.7
0.75,0,0.8
0.75,15,0.9
"""


def trace(folder, *gains):
    """Return the scenario with measured gains, some of each user, on two sub-channels."""
    gain = np.array(gains).T[:, :, None].repeat(2, axis=2)
    np.save(folder / "gains.npy", gain)
    channel = {"model": "trace", "file": str(folder / "gains.npy")}
    return CONTENDED.replace(channel=channel, users=len(gains))


@pytest.mark.parametrize("name", presets())
def test_presets_are_meant_as_they_are(name):
    assert not list(notes(Scenario.load(name)))


@pytest.mark.parametrize(
    ("gains", "words"),
    [
        # 100 mW x 10^-11.8 / 2 mW is -101 dB, 10^-6.8 is -51 dB: path loss, noise in another unit
        (
            ([10**-11.8, 10**-8], [10**-10, 10**-6.8]),
            "SNR of all users at full power is from -101 to -51 dB, accuracy tables begin at -3 dB",
        ),
        (([0.5, 0.5], [1e-5, 2e-5]), "SNR of user 1 at full power is from -33 to -30 dB,"),
        (([1e-5], [0.5], [1e-5]), "SNR of users 0, 2 at full power is from -33 to -33 dB,"),
        # 10 mW x 200 / 2 mW is 30 dB
        (([200.0, 500.0], [0.5, 0.5]), "SNR of user 0 is at least 30 dB at the lowest power, accu"),
        (([2e3], [1e3]), "SNR of all users is at least 37 dB at the lowest power, accuracy tables"),
    ],
)
def test_gains_in_another_unit_are_noted(gains, words, tmp_path):
    (note,) = notes(trace(tmp_path, *gains))
    assert note.startswith(words)
    assert note.endswith("check the unit of gains and system.noise_mw")


def test_a_gain_within_reach_is_not_noted(tmp_path):
    # 100 mW x 0.0011 / 2 mW is -12.6 dB, and 10 mW x 99 / 2 mW is 26.9 dB: 10 dB are not far
    assert not list(notes(trace(tmp_path, [1e-9, 0.0011], [99.0, 1e9])))


def test_laws_and_pinned_slots_are_looked_at_alike():
    law = CONTENDED.replace(channel={"model": "rayleigh", "mean_gain": [0.5, 1e-9]})
    pinned = Scenario.load("tiny").replace(channel=None)
    weak = pinned.replace({"slot.gain": [[1e-9, 1e-9], [0.5, 0.5]]})
    for scenario, user in ((law, 1), (weak, 0)):
        (note,) = notes(scenario)
        assert note.startswith(f"SNR of user {user} at full power")


def test_a_queue_that_lists_few_tasks_is_looked_at():
    queue = {"tasks": [["text", "image"], ["text", "text"]]}
    assert not list(notes(CONTENDED.replace(queue=queue)))


def test_many_users_are_counted():
    far = CONTENDED.replace(
        {"channel": {"model": "rayleigh", "mean_gain": [0.5] + [1e-9] * 11}, "users": 12}
    )
    (note,) = notes(far)
    assert note.startswith("SNR of users 1, 2, 3, 4, 5, 6, 7, 8 and 3 more at full power")


def test_a_table_that_ends_before_raw_mode_is_noted(tmp_path):
    (tmp_path / "points.csv").write_text(POINTS)
    table = {"file": str(tmp_path / "points.csv")}
    short = CONTENDED.replace({"tasks.text.accuracy": table, "user.extraction": [0.5, 1.0]})
    (note,) = notes(short)
    assert note.startswith("tasks.text.accuracy ends at extraction 0.75, without a row of raw mode")
    with_raw = short.replace(
        {"tasks.text.accuracy.raw": [0.85, 0.95], "tasks.text.extraction_max": 0.7}
    )
    assert not list(notes(with_raw))
    (note,) = notes(with_raw.replace({"users[1].extraction": [0.3, 1.0]}))
    assert note == (
        "tasks.text.accuracy begins at extraction 0.5, and users extract down to 0.3: what is "
        "below takes the accuracy of 0.5"
    )
