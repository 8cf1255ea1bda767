"""Closed forms against the counter, as integers, on real modules; fits against known laws."""

import pytest
import torch
from transformers import BertConfig, BertModel, Dinov2Config, Dinov2Model, ViTConfig, ViTModel

from semopt.semantic.networks import flops
from semopt.semantic.networks.codec import Batch, Sizes, Source, build
from tolerances import ROUNDING

EAGER, FUSED = "eager", "sdpa"


def bert(kind, pooler=True):
    config = BertConfig(
        vocab_size=50,
        hidden_size=128,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=512,
        max_position_embeddings=64,
        attn_implementation=kind,
    )
    return BertModel(config, add_pooling_layer=pooler).eval()


def vit(kind, pooler=True):
    config = ViTConfig(
        hidden_size=128,
        num_hidden_layers=4,
        num_attention_heads=4,
        intermediate_size=512,
        image_size=32,
        patch_size=4,
        attn_implementation=kind,
    )
    return ViTModel(config, add_pooling_layer=pooler).eval()


def dinov2(kind):
    config = Dinov2Config(
        hidden_size=48,
        num_hidden_layers=3,
        num_attention_heads=6,
        mlp_ratio=4,
        image_size=56,
        patch_size=14,
        attn_implementation=kind,
    )
    return Dinov2Model(config).eval()


@pytest.mark.parametrize("kind", [EAGER, FUSED])
def test_the_closed_form_is_the_count(kind):
    tokens = torch.zeros(1, 32, dtype=torch.long)
    # Known from elsewhere: BERT 2 x 128 on 32 tokens takes 26,247,168.
    assert flops.count(bert(kind), tokens) == 26_247_168
    assert flops.text_encoder(bert(kind), 32) == 26_247_168
    for length in (1, 7, 64):
        model, tokens = bert(kind, pooler=False), torch.zeros(1, length, dtype=torch.long)
        assert flops.count(model, tokens) == flops.text_encoder(model, length)
    for pooler in (True, False):
        model = vit(kind, pooler)
        assert flops.count(model, torch.zeros(1, 3, 32, 32)) == flops.image_encoder(model)
    for side in (56, 28, 112):
        image = torch.zeros(1, 3, side, side)
        assert flops.count(dinov2(kind), image) == flops.image_encoder(dinov2(kind), side)


def test_more_samples_cost_in_proportion():
    model = bert(FUSED)
    one, five = (flops.count(model, torch.zeros(n, 16, dtype=torch.long)) for n in (1, 5))
    assert five == 5 * one


SOURCES = {
    "text": Source(classes=2, words=50, length=12),
    "image": Source(classes=10, pixels=28, colours=1),
    "vqa": Source(classes=13, words=30, length=9, pixels=56, colours=3),
}


@pytest.mark.parametrize("modality", SOURCES)
def test_a_codec_costs_what_is_counted_at_both_ends(modality):
    source = SOURCES[modality]
    text = torch.ones(1, source.length, dtype=torch.long) if source.length else None
    image = torch.zeros(1, source.colours, *[source.pixels] * 2) if source.pixels else None
    batch = Batch(text, image)
    network = build(Sizes(decoder=2, features=20), source).eval()
    seen = set()
    for extraction in (0.05, 0.3, 0.34, 0.5, 0.8, 1.0):
        own = flops.user_flop(network, source.length, extraction)
        assert flops.count(network.at_user, batch, extraction) == own
        sent = network.at_user(batch, extraction)
        assert flops.count(network.at_server, sent) == flops.server_flop(network, extraction)
        seen.add(own)
    assert len(seen) == 6
    alone = build(Sizes(), source).eval()
    whole = flops.user_flop(alone, source.length) + flops.server_flop(alone)
    assert flops.count(alone, batch) == whole


def test_exponents_are_recovered():
    mu = [0.3, 0.4, 0.6, 1.0]
    fit = flops.fit_exponent(mu, [7e6 / m**1.25 for m in mu])
    assert (fit.exponent, fit.scale) == pytest.approx((1.25, 7e6))
    assert fit.error == pytest.approx(0, abs=ROUNDING)
    assert not fit.clamped
    fit = flops.fit_exponent(mu, [50 * m**0.5 for m in mu], rising=True)
    assert (fit.exponent, fit.scale) == pytest.approx((0.5, 50))


def test_a_cost_that_falls_with_compression_gets_the_exponent_0_and_says_so():
    fit = flops.fit_exponent([0.5, 1.0], [100, 400])
    assert (fit.exponent, fit.scale, fit.clamped) == pytest.approx((0, 200, True))
    assert fit.error == pytest.approx(1)  # 200 for 100


def test_the_error_is_the_largest_relative_deviation():
    fit = flops.fit_exponent([0.25, 0.5, 1.0], [2, 1, 2])
    assert fit.exponent == pytest.approx(0)
    assert fit.error == pytest.approx(2 ** (2 / 3) - 1)


@pytest.mark.parametrize(
    ("mu", "value"),
    [
        ([0.5], [1]),
        ([0.5, 0.5], [1, 2]),
        ([0, 1], [1, 2]),
        ([0.5, 1], [0, 1]),
        ([0.5, 1.1], [1, 1]),
    ],
)
def test_bad_points_are_refused(mu, value):
    with pytest.raises(ValueError, match="extraction"):
        flops.fit_exponent(mu, value)
