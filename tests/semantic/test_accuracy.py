"""Accuracy surfaces: counted answers, intervals against known values."""

import numpy as np
import pytest

from tolerances import LAST_DIGIT, SINGLE_SUM

pytest.importorskip("torch")
pytest.importorskip("transformers")

import torch

from semopt.semantic.measure import accuracy
from semopt.semantic.networks import codec
from semopt.semantic.networks.codec import Sizes, Source
from semopt.semantic.networks.samples import Samples


@pytest.mark.parametrize(
    ("right", "samples", "low", "high"),
    [
        # Newcombe, Statistics in Medicine 17 (1998), Table I, method 3
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_is_newcombes(right, samples, low, high):
    assert accuracy.wilson(right, samples) == pytest.approx((low, high), abs=5e-5)


def test_wilson_is_symmetric():
    low, high = accuracy.wilson(7, 31)
    other = accuracy.wilson(24, 31)
    assert (1 - other[1], 1 - other[0]) == pytest.approx((low, high), abs=LAST_DIGIT)


@pytest.mark.parametrize(("right", "samples"), [(-1, 5), (6, 5), (0, 0)])
def test_wilson_refuses_what_is_no_proportion(right, samples):
    with pytest.raises(ValueError, match=f"{right} right answers of {samples}"):
        accuracy.wilson(right, samples)


def known():
    """A codec without noise to speak of, and samples that it labels itself but for some."""
    torch.manual_seed(0)
    sizes = Sizes(width=16, inner=16, heads=2, exits=(1, 2), features=4, decoder=1)
    net = codec.build(sizes, Source(3, pixels=14, colours=1)).eval()
    image = torch.randint(0, 256, (60, 1, 14, 14), dtype=torch.uint8)
    samples = Samples(torch.zeros(60, dtype=torch.int64), image=image)
    with torch.no_grad():
        label = net(samples.batch(torch.arange(60)), 1.0, 300.0).argmax(1)
    label[:15] = (label[:15] + 1) % 3
    return net, Samples(label, image=image)


def test_measured_counts_are_those_of_the_labels():
    net, samples = known()
    surface = accuracy.measure(net, samples, extraction=(0.5, 1.0), snr_db=(0.0, 300.0))
    assert surface.right[1, 1] == 45
    assert surface.accuracy[1, 1] == 0.75
    again = accuracy.measure(net, samples, extraction=(0.5, 1.0), snr_db=(0.0, 300.0))
    np.testing.assert_array_equal(again.right, surface.right)


def test_record_of_a_surface():
    surface = accuracy.Surface((0.5, 1.0), (0.0, 10.0), np.array([[50, 70], [60, 65]]), 100)
    found = surface.to_json()
    assert found["table"] == [[0.5, 0.675], [0.6, 0.675]]
    assert found["moved_most"] == 0.025
    assert found["low"][0][0] < 0.5 < found["high"][0][0]


def test_each_batch_has_its_own_noise_the_same_at_every_snr_but_for_its_size(monkeypatch):
    """Nothing is sent, so that what arrives over what least squares leave of it is the noise."""
    monkeypatch.setattr(accuracy, "EVALUATED", 4)
    arrived = []

    class Silent:
        def eval(self):
            return self

        def at_user(self, batch, extraction):
            return torch.zeros(4, 8)

        def at_server(self, received):
            arrived.append(received)
            return torch.zeros(4, 2)

    samples = Samples(torch.zeros(12, dtype=torch.int64), image=torch.zeros(12, 1, 2, 2))
    accuracy.measure(Silent(), samples, extraction=(1.0,), snr_db=(0.0, 20.0))
    drawn = [
        received * (1.0 + noise) / noise**0.5
        for received, noise in zip(arrived, (1.0, 0.01) * 3, strict=True)
    ]
    for weak, strong in zip(drawn[::2], drawn[1::2], strict=True):
        np.testing.assert_allclose(weak, strong, rtol=SINGLE_SUM)
    first, second, third = drawn[::2]
    assert not (first == second).any()
    assert not (second == third).any()
    assert not (first == third).any()
