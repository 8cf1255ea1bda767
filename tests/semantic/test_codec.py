"""Semantic codecs: shapes, the features' order and power, the channel against theory, FLOPs."""

from dataclasses import replace
from math import erfc, exp, sqrt

import numpy as np
import pytest

from tolerances import SINGLE, SINGLE_SUM

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from scipy.special import exp1  # noqa: E402

from semopt.semantic.networks import codec  # noqa: E402
from semopt.semantic.networks.codec import Batch, Sizes, Source  # noqa: E402

SIZES = Sizes(width=16, inner=24, heads=2, exits=(1, 2, 3), features=8, decoder=1, patch=7)
SOURCES = {
    "text": Source(2, words=30, length=6),
    "image": Source(4, pixels=14, colours=3),
    "vqa": Source(5, words=30, length=6, pixels=14, colours=3),
}
TOKENS = {"text": 1, "image": 5, "vqa": 6}


def network(modality, **changed):
    torch.manual_seed(0)
    return codec.build(replace(SIZES, **changed), SOURCES[modality]).eval()


def batch(modality, samples=3):
    source = SOURCES[modality]
    rng = torch.Generator().manual_seed(1)
    text = image = None
    if source.length:
        text = torch.randint(1, source.words, (samples, source.length), generator=rng)
        text[0, 4:] = codec.PAD
    if source.pixels:
        shape = (samples, source.colours, source.pixels, source.pixels)
        image = torch.randn(shape, generator=rng)
    return Batch(text, image)


@pytest.mark.parametrize("modality", SOURCES)
def test_shapes_and_bits(modality):
    net, given = network(modality), batch(modality)
    for extraction, features in ((1.0, 8), (0.5, 4), (0.3, 2), (0.01, 1)):
        assert net.at_user(given, extraction).shape == (3, TOKENS[modality], features)
        assert net.payload_bits(extraction) == 8 * TOKENS[modality] * features
        assert net(given, extraction, 5.0).shape == (3, SOURCES[modality].classes)


@pytest.mark.parametrize("modality", SOURCES)
def test_without_features_nothing_is_noisy(modality):
    net, given = network(modality, features=0), batch(modality)
    np.testing.assert_array_equal(net(given, 1.0, -30.0).detach(), net(given, 1.0, 30.0).detach())


@pytest.mark.parametrize("modality", SOURCES)
@pytest.mark.parametrize("extraction", [1.0, 0.4, 0.1])
def test_power_is_one_whatever_the_source(modality, extraction):
    given = batch(modality)
    for scale in (0.01, 1.0, 30.0):
        net = network(modality)
        with torch.no_grad():
            net.project.weight *= scale
        power = net.at_user(given, extraction).square().mean((1, 2)).detach()
        np.testing.assert_allclose(power, 1.0, rtol=SINGLE_SUM)


def test_levels_are_those_of_eight_bits():
    found = codec.rounded(torch.linspace(-6, 6, 100_001))
    assert len(torch.unique(found)) == 256
    inside = torch.linspace(-3.9, 3.9, 1001)
    assert (codec.rounded(inside) - inside).abs().max() <= 8.0 / 255 / 2 + 1e-6


def test_rounding_lets_gradients_pass():
    x = torch.linspace(-2, 2, 11, requires_grad=True)
    codec.rounded(x).sum().backward()
    np.testing.assert_array_equal(x.grad, np.ones(11))


def test_less_sent_is_a_prefix_of_more_sent():
    """At the same number of stages, a smaller share is the beginning of a larger one, rescaled."""
    net, given = network("image", exits=(2,)), batch("image")
    more = net.at_user(given, 1.0).detach()
    less = net.at_user(given, 0.5).detach()
    ratio = less / more[..., :4]
    np.testing.assert_allclose(ratio, ratio[:, :1, :1].expand_as(ratio), rtol=0.3)
    cosine = torch.nn.functional.cosine_similarity(less.flatten(1), more[..., :4].flatten(1))
    np.testing.assert_allclose(cosine, 1.0, atol=1e-3)


def test_stronger_extraction_runs_more_stages():
    assert [codec.stages_at(mu, 3) for mu in (1.0, 0.67, 0.6, 0.41, 0.39, 0.3, 0.01)] == [
        *(1, 1, 2, 2),
        *(3, 3, 3),
    ]


def test_padding_does_not_matter():
    net = network("text")
    given = batch("text").text
    longer = torch.nn.functional.pad(given[:1, :4], (0, 2))
    alone = given[:1, :4]
    np.testing.assert_allclose(
        net.encoder(Batch(longer), 3).detach(), net.encoder(Batch(alone), 3).detach(), atol=SINGLE
    )


@pytest.mark.parametrize("snr_db", [-3.0, 5.0, 17.0])
@pytest.mark.parametrize("fading", ["awgn", "rayleigh"])
def test_error_of_the_estimate_is_that_of_theory(fading, snr_db):
    """Unit power, least squares: 1/(1 + snr), and its mean over an exponential gain."""
    snr = 10 ** (snr_db / 10)
    sent = torch.randn(400_000, 1, generator=torch.Generator().manual_seed(2))
    noise = torch.Generator().manual_seed(3)
    error = (codec.channel(sent, snr_db, fading, noise) - sent).square().double()
    wanted = 1 / (1 + snr) if fading == "awgn" else exp(1 / snr) * exp1(1 / snr) / snr
    spread = 5 * float(error.std()) / sqrt(len(sent))
    assert float(error.mean()) == pytest.approx(wanted, abs=spread)


@pytest.mark.parametrize("snr_db", [0.0, 4.0])
@pytest.mark.parametrize("fading", ["awgn", "rayleigh"])
def test_symbol_errors_are_those_of_theory(fading, snr_db):
    """Antipodal symbols: Q(sqrt(snr)), and its mean over an exponential gain."""
    snr = 10 ** (snr_db / 10)
    sent = torch.ones(400_000, 1)
    sent[::2] = -1
    noise = torch.Generator().manual_seed(4)
    wrong = torch.sign(codec.channel(sent, snr_db, fading, noise)) != sent
    wanted = 0.5 * erfc(sqrt(snr / 2)) if fading == "awgn" else 0.5 * (1 - sqrt(snr / (2 + snr)))
    spread = 5 * sqrt(wanted * (1 - wanted) / len(sent))
    assert float(wrong.double().mean()) == pytest.approx(wanted, abs=spread)


def test_each_sample_has_its_own_snr():
    sent = torch.randn(2, 50_000, generator=torch.Generator().manual_seed(5))
    found = codec.channel(sent, torch.tensor([-10.0, 10.0]), "awgn", torch.Generator())
    error = (found - sent).square().mean(1)
    np.testing.assert_allclose(error, [10 / 11, 1 / 11], rtol=0.05)
