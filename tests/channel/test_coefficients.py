"""Complex coefficients become gains: sums by hand, an independent einsum, and who writes them."""

import re
import sys
from itertools import permutations

import numpy as np
import pytest

from semopt import Scenario
from semopt.channel import from_coefficients, from_deepmimo, from_mat, from_sionna
from semopt.channel.coefficients import AXES, ONE
from semopt.model import decibel, snr
from tolerances import FEW_ROUNDINGS, ROUNDING, SINGLE_SUM

RNG = np.random.default_rng(0)


def normal(*shape):
    return RNG.standard_normal(shape) + 1j * RNG.standard_normal(shape)


# ------------------------------------------------------------------------------------- the rules


@pytest.mark.parametrize(
    ("h", "axes", "rules", "gain"),
    [
        ([3 + 4j, 0.5j], "user", {}, [[[25.0], [0.25]]]),
        ([[3 + 4j, 1j], [0.5, 0.5j]], "user rx", {}, [[[26.0], [0.5]]]),
        # two antennas at each end: |1|^2 + |2j|^2 + |3|^2 = 14, the user's power in halves
        ([[[1, 2j], [3, 0j]]], "user rx tx", {}, [[[7.0]]]),
        ([[[1, 2j], [3, 0j]]], "user rx tx", {"antennas": "power"}, [[[3.5]]]),
        # sub-channels of two sub-carriers each: (1 + 9) / 2 and (4 + 16) / 2
        ([[1, 3j, 2, -4j]], "user subcarrier", {"channels": 2}, [[[5.0, 10.0]]]),
        ([[1, 3j, 2, -4j]], "user, subcarrier", {"channels": 2}, [[[5.0, 10.0]]]),
        ([[1, 3j, 2, -4j]], ["user", "Subcarrier"], {"channels": 1}, [[[7.5]]]),
        ([[1, 3j, 2, -4j]], "user subcarrier", {}, [[[1.0, 9.0, 4.0, 16.0]]]),
        ([[1, 3j, 2, -4j]], "user path", {}, [[[30.0]]]),
        ([[1, 3j, 2, -4j]], "user time", {}, [[[1.0]], [[9.0]], [[4.0]], [[16.0]]]),
        ([[[1, 3j]], [[2, -4j]]], "batch user time", {}, [[[1.0]], [[9.0]], [[4.0]], [[16.0]]]),
        ([[1, 3j, 2, -4j]], "one user", {"mean": 0.75}, [[[0.1], [0.9], [0.4], [1.6]]]),
    ],
)
def test_gains_by_hand(h, axes, rules, gain):
    np.testing.assert_allclose(from_coefficients(h, axes, **rules), gain, rtol=FEW_ROUNDINGS)


def test_the_documentation_names_every_axis():
    words = from_coefficients.__doc__.partition("axes :")[2].partition("channels :")[0]
    assert all(f'"{word}"' in words for word in (*AXES, ONE))


@pytest.mark.parametrize("antennas", ["mrc", "power"])
def test_an_independent_sum_gives_the_same_whatever_the_order_of_axes(antennas):
    users, rx, tx, time, subcarriers, channels = 3, 4, 2, 5, 12, 3
    h = normal(users, rx, tx, time, subcarriers)
    of_each = np.einsum("nrtsf,nrtsf->snf", h, h.conj()).real
    of_each /= tx if antennas == "mrc" else rx * tx
    right = np.stack([of_each[..., 4 * k : 4 * k + 4].sum(-1) / 4 for k in range(channels)], -1)
    words = ["user", "rx", "tx", "time", "subcarrier"]
    for order in permutations(range(5)):
        axes = " ".join(words[i] for i in order)
        gain = from_coefficients(h.transpose(order), axes, channels=channels, antennas=antennas)
        np.testing.assert_allclose(gain, right, rtol=ROUNDING)


def test_gains_are_a_trace_that_a_scenario_reads(tmp_path):
    gain = from_coefficients(normal(2, 4, 60, 8), "user rx time subcarrier", channels=2, mean=0.5)
    np.save(tmp_path / "gains.npy", gain)
    document = Scenario.load("paper").to_dict()
    document["channel"] = {"model": "trace", "file": "gains.npy"}
    scenario = Scenario.from_dict(document, folder=tmp_path)
    np.testing.assert_array_equal(scenario.draw(60, seed=0)[0], gain)
    assert gain.mean() == pytest.approx(0.5)


# ---------------------------------------------------------------------------------- who writes them


def test_sionnas_frequency_responses():
    h = normal(2, 1, 4, 3, 2, 5, 6)  # two realisations, an access point, three users in the uplink
    right = (np.abs(h[:, 0]) ** 2).sum(axis=1).mean(axis=2)  # (batch, user, time, sub-carrier)
    right = right.transpose(0, 2, 1, 3).reshape(10, 3, 3, 2).mean(axis=3)
    np.testing.assert_allclose(from_sionna(h, channels=3), right)
    down = h.transpose(0, 3, 4, 1, 2, 5, 6)  # the same channel, where users receive
    np.testing.assert_allclose(from_sionna(down, users="rx", channels=3), right)
    np.testing.assert_allclose(from_sionna(h[0], channels=3), right[:5])  # Sionna RT: no batch
    torch = pytest.importorskip("torch")
    np.testing.assert_allclose(from_sionna(torch.from_numpy(h).conj(), channels=3), right)


def test_sionnas_paths_and_delays():
    a = np.zeros((1, 1, 1, 1, 1, 2, 1), complex)
    a[..., 0, 0], a[..., 1, 0] = 2.0, 1.0
    tau = np.array([[[[0.0, 1e-6]]]])
    assert from_sionna(a, tau).tolist() == [[[5.0]]]  # powers of paths add
    # Two paths 1 us apart beat over 1 MHz: |2 + e^(-j 2 pi f tau)|^2 = 5 + 4 cos(2 pi f tau), of
    # which a sub-channel from f0 to f1 has the mean 5 + 4 (sin 2 pi f1 tau - sin 2 pi f0 tau) /
    # (2 pi (f1 - f0) tau): 5 + 8 / pi in the middle half, 5 - 8 / pi beside it.
    gain = from_sionna(a, tau, channels=4, bandwidth=1e6)
    right = [5 - 8 / np.pi, 5 + 8 / np.pi, 5 + 8 / np.pi, 5 - 8 / np.pi]
    np.testing.assert_allclose(gain[0, 0], right, rtol=2e-3)
    whole = np.broadcast_to(tau[:, :, None, :, None], (1, 1, 1, 1, 1, 2))
    np.testing.assert_allclose(from_sionna(a, whole, channels=4, bandwidth=1e6), gain)
    np.testing.assert_allclose(from_sionna(a[0], tau[0], channels=4, bandwidth=1e6), gain)


@pytest.mark.long
def test_sionna_itself_writes_what_is_read():
    phy = pytest.importorskip("sionna.phy.channel", reason="pip install sionna-no-rt")
    model = phy.RayleighBlockFading(num_rx=1, num_rx_ant=4, num_tx=3, num_tx_ant=2)
    a, tau = model(500, 2, 1e3)
    frequencies = phy.subcarrier_frequencies(12, 15e3)
    h = phy.cir_to_ofdm_channel(frequencies, a, tau)
    gain = from_sionna(h, channels=4)
    assert gain.shape == (1000, 3, 4)
    assert gain.mean() == pytest.approx(4.0, rel=0.05)  # four branches of mean power 1
    np.testing.assert_allclose(
        from_sionna(a, tau, channels=4, bandwidth=180e3), gain, rtol=SINGLE_SUM
    )
    a, tau = phy.tr38901.TDL("A", 300e-9, 3.5e9, min_speed=3, max_speed=3)(8, 14, 1e3)
    fine = phy.cir_to_ofdm_channel((phy.subcarrier_frequencies(64, 1e7 / 64) + 1e7 / 128), a, tau)
    right = from_sionna(fine, channels=4)
    np.testing.assert_allclose(from_sionna(a, tau, channels=4, bandwidth=1e7), right, rtol=1e-3)


def test_deepmimos_power_is_that_of_the_paths():
    # As it computes a channel: sqrt(P / N) for each of N sub-carriers, here of one path a user.
    power, subcarriers = np.array([4e-9, 1e-9]), 64
    delay = np.arange(subcarriers) * 0.3
    h = np.sqrt(power[:, None, None, None] / subcarriers) * np.exp(-1j * delay)
    h = np.broadcast_to(h, (2, 1, 8, subcarriers)).astype(np.complex64)  # 8 antennas
    gain = from_deepmimo(h, channels=4)
    assert gain.shape == (1, 2, 4)
    np.testing.assert_allclose(gain[0], np.repeat(8 * power[:, None], 4, axis=1), rtol=SINGLE_SUM)
    part = from_deepmimo(h[..., :16], subcarriers=64, channels=4)
    np.testing.assert_allclose(part, gain, rtol=SINGLE_SUM)
    times = np.stack([h, 2 * h], axis=-1)
    np.testing.assert_allclose(from_deepmimo(times, channels=4)[1], 4 * gain[0], rtol=SINGLE_SUM)
    paths = np.broadcast_to(np.sqrt(power)[:, None, None, None], (2, 1, 8, 1)).astype(complex)
    np.testing.assert_allclose(from_deepmimo(paths, paths=True)[0, :, 0], 8 * power)


def save_73(file, **arrays):
    """Write HDF5 as MATLAB 7.3 does: a block of text before it, axes in reverse, pairs of reals."""
    h5py = pytest.importorskip("h5py")
    with h5py.File(file, "w", userblock_size=512) as archive:
        for name, value in arrays.items():
            if isinstance(value, str):
                stored = np.array([[ord(letter)] for letter in value], np.uint16)
            elif np.iscomplexobj(value):
                stored = np.empty(value.T.shape, [("real", float), ("imag", float)])
                stored["real"], stored["imag"] = value.T.real, value.T.imag
            else:
                stored = value.T
            kind = b"char" if isinstance(value, str) else b"double"
            archive.create_dataset(name, data=stored).attrs["MATLAB_class"] = np.bytes_(kind)
    head = b"MATLAB 7.3 MAT-file, Platform: GLNXA64, HDF5 schema 1.00 .".ljust(124) + b"\x00\x02IM"
    with file.open("r+b") as stream:
        stream.write(head.ljust(512, b"\0"))


def save_7(file, **arrays):
    from scipy.io import savemat

    savemat(file, arrays)


@pytest.mark.parametrize("save", [save_7, save_73])
def test_matlab_files_of_both_kinds(tmp_path, save):
    h = normal(
        12, 14, 2
    )  # sub-carriers, symbols, antennas, as nrPerfectChannelEstimate of one user
    save(tmp_path / "h.mat", h=h, other=np.ones((2, 3)))
    right = (np.abs(h) ** 2).sum(axis=2).T.reshape(14, 1, 3, 4).mean(axis=3)
    gain = from_mat(tmp_path / "h.mat", variable="h", channels=3)
    np.testing.assert_allclose(gain, right, rtol=FEW_ROUNDINGS)
    both = from_mat(tmp_path / "h.mat", "subcarrier time user", "h", channels=3)
    np.testing.assert_allclose(both.sum(axis=1), right[:, 0], rtol=FEW_ROUNDINGS)
    with pytest.raises(ValueError, match=r"h\.mat: the file holds h, other: say which"):
        from_mat(tmp_path / "h.mat")
    with pytest.raises(ValueError, match="power gains are a trace as they are"):
        from_mat(tmp_path / "h.mat", "user time", "other")
    save(tmp_path / "words.mat", words="metres")
    with pytest.raises(ValueError, match=r"text|<U"):
        from_mat(tmp_path / "words.mat")
    with pytest.raises(ValueError, match=r"none\.mat: No such file"):
        from_mat(tmp_path / "none.mat")


def test_a_trace_may_be_a_matlab_file_of_version_7_3(tmp_path):
    h = normal(20, 2, 2)
    save_73(tmp_path / "gains.mat", h=h)
    document = Scenario.load("paper").to_dict()
    document["channel"] = {"model": "trace", "file": "gains.mat", "unit": "complex"}
    scenario = Scenario.from_dict(document, folder=tmp_path)
    np.testing.assert_allclose(scenario.draw(20, seed=0)[0], np.abs(h) ** 2, rtol=FEW_ROUNDINGS)


def test_a_matlab_file_of_version_7_3_names_what_reads_it(tmp_path, monkeypatch):
    save_73(tmp_path / "h.mat", h=normal(3, 2))
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(ValueError, match=r"HDF5\), which h5py reads \(pip install h5py\); save\("):
        from_mat(tmp_path / "h.mat")


def test_the_mean_gain_of_the_manual_makes_its_signal_to_noise_ratio():
    gain = from_coefficients(normal(2, 4, 60), "user rx time", mean=1.26)
    in_the_mean = decibel(snr(gain, 0.05, 0.002).mean())  # 50 mW over 2 mW
    assert in_the_mean == pytest.approx(15.0, abs=0.02)


# ---------------------------------------------------------------------------------------- bad input

SOUND = normal(2, 3, 4)


@pytest.mark.parametrize(
    ("h", "axes", "rules", "words"),
    [
        (SOUND, "user antenna time", {}, "'antenna' is not one of batch, time, user, rx, tx, path"),
        (SOUND, "user time time", {}, "time is named twice"),
        (SOUND, "rx tx time", {}, "user is missing; of one user, h[None] has it"),
        (SOUND, "user time", {}, "a word for each axis is expected, these are 2 and h has shape"),
        (SOUND, "user one time", {}, "an axis called one has length 3"),
        (SOUND[..., :0], "user rx time", {}, "time is empty, at least 1 is expected"),
        (SOUND * [1, 1, np.nan, 1], "user rx time", {}, "user 0, rx 0, time 2 is"),
        (SOUND.real, "user rx time", {}, "power gains are a trace as they are"),
        ([[1j], [1j, 2]], "user time", {}, "complex coefficients are expected"),
        ("h.npy", "user", {}, "h: an array is expected, not a file's name: numpy.load('h.npy')"),
        (["a"], "user", {}, "complex coefficients are expected, got an array of <U1"),
        (np.zeros(3, [("h", complex)]), "user", {}, "take the field that holds them"),
        (SOUND * [[[1]], [[0]]], "user rx time", {}, "user 1 has no power in any slot"),
        (SOUND, "user rx time", {"antennas": "best"}, "antennas = 'best': "),
        (SOUND, "user rx time", {"channels": 2}, "take its frequency response"),
        (
            SOUND,
            "user rx subcarrier",
            {"channels": 3},
            "channels = 3: 4 sub-carriers are not a multiple",
        ),
        (
            SOUND,
            "user rx subcarrier",
            {"channels": 3},
            ": 2 or 4 would do, or cut 1 at the edges off the array",
        ),
        (SOUND, "user rx subcarrier", {"channels": 5}, "multiple of it: 4 would do"),
        (
            SOUND,
            "user rx subcarrier",
            {"channels": 0},
            "channels = 0: must be a whole number",
        ),
        (SOUND, "user rx time", {"mean": -1.0}, "mean = -1.0: must be a number above 0"),
        (SOUND, "user rx time", {"mean": "half"}, "mean"),
        (SOUND, 3, {}, "axes = 3: words are expected, such as 'user rx time subcarrier'"),
        (SOUND * 1e-155, "user rx time", {}, "gain[0][0][0] ="),
    ],
)
def test_what_does_not_fit_is_named(h, axes, rules, words):
    with pytest.raises(ValueError, match=re.escape(words)) as refused:
        from_coefficients(h, axes, **rules)
    assert "\n" not in str(refused.value)


def test_arrays_that_others_do_not_write_are_named():
    h = normal(1, 1, 2, 3, 1, 4, 6)
    for call, words in (
        (lambda: from_sionna(h[0, 0]), "Sionna writes (batch, receivers, their antennas"),
        (lambda: from_sionna(h, users="up"), "users = 'up': "),
        (lambda: from_sionna(h, station=1), "station = 1: must be a whole number from 0 to 0"),
        (
            lambda: from_sionna(h, np.zeros((1, 1, 3, 4)), channels=2),
            "bandwidth: paths need one",
        ),
        (lambda: from_sionna(h, np.zeros((1, 2)), channels=2, bandwidth=1.0), "tau has shape"),
        (lambda: from_deepmimo(h), "DeepMIMO writes (users, their antennas, antennas of the"),
        (lambda: from_deepmimo(h[0, 0], subcarriers=3), "subcarriers = 3: must be a whole"),
        (lambda: from_deepmimo(h[0, 0], paths=True, subcarriers=64), "paths share no power"),
    ):
        with pytest.raises(ValueError, match=re.escape(words)):
            call()
