"""What the scenario `grounded` adds: frozen encoders, their features, devices and radio."""

import json
from math import log10

import numpy as np
import pytest
import torch
from transformers import BertConfig, BertModel, Dinov2Config, Dinov2Model

from semantic_data import need
from semopt import Scenario, solve_batch
from semopt.scenario import PRESETS
from semopt.semantic.data import splits
from semopt.semantic.data.sources import data_folder
from semopt.semantic.measure import devices, export
from semopt.semantic.measure.plans import GROUNDED
from semopt.semantic.networks import features, flops
from semopt.semantic.networks.codec import Batch, Sizes, Source, build
from semopt.semantic.networks.pretrained import DINOV2, MINILM, dinov2, minilm, normalised


def frozen(kind, **sizes):
    source = {
        "text": Source(2, length=27, frozen=True),
        "image": Source(10, pixels=56, colours=3, frozen=True),
        "vqa": Source(13, length=9, pixels=56, colours=3, frozen=True),
    }[kind]
    return build(Sizes(decoder=1, **sizes), source).eval(), source


@pytest.mark.parametrize("layers", [1, 3])
def test_a_frozen_encoder_costs_what_its_first_layers_are_counted_at(layers):
    image = Dinov2Model(Dinov2Config(**DINOV2 | {"num_hidden_layers": layers})).eval()
    text = BertModel(BertConfig(**MINILM | {"num_hidden_layers": layers}), add_pooling_layer=False)
    seen = flops.count(image, torch.zeros(1, 3, 56, 56))
    read = flops.count(text.eval(), torch.zeros(1, 27, dtype=torch.long))
    network, _ = frozen("image", exits=(layers,))
    assert flops.user_flop(network, 0) == seen
    network, source = frozen("text", exits=(layers,))
    assert flops.user_flop(network, source.length) == read
    asked = flops.count(text.eval(), torch.zeros(1, 9, dtype=torch.long))
    network, source = frozen("vqa", exits=(layers,), text_layers=layers)
    assert flops.user_flop(network, source.length) == seen + asked


def test_a_token_holds_the_exits_so_far():
    network, _ = frozen("vqa", exits=(3, 6, 9), features=8)
    batch = Batch(
        torch.full((2, 1, 1, 384), 5.0),
        torch.arange(3.0)[:, None, None].expand(3, 2, 384).repeat(2, 1, 1, 1) + 1,
    )
    tokens = network.encoder(batch, 2)
    assert tokens.shape == (2, 3, 3 * 384)
    assert tokens[0, :, ::384].tolist() == [[1, 2, 0], [1, 2, 0], [5, 0, 0]]
    sent = network.at_user(batch, 0.5)
    assert sent.shape == (2, 3, 4)
    assert flops.count(network.at_server, sent[:1]) == flops.server_flop(network, 0.5)
    assert not any("models" in name for name in network.state_dict())


def test_a_model_of_one_place_maps_features_to_its_width():
    network, source = frozen("text", exits=(1, 2))
    batch = Batch(torch.randn(1, 2, 1, 384))
    own = flops.text_encoder(network.encoder.models[0], source.length, 2)
    assert flops.user_flop(network, source.length) == own
    assert flops.count(network, batch) == flops.server_flop(network)


@pytest.mark.parametrize("plan", GROUNDED.values(), ids=lambda p: f"{p.data}-{p.role}")
def test_plans_exit_at_layers_that_have_features(plan):
    modality = splits.SOURCES[plan.data].modality
    known = features.LAYERS["text" if modality == "text" else "image"]
    assert set(plan.sizes.exits) <= set(known)


def test_features_are_those_of_the_models(tmp_path):
    own = need("minilm", "dinov2-small", "easy-vqa")
    data = tmp_path / "data"
    data.mkdir()
    for name in ("minilm", "dinov2-small", "easy-vqa"):
        (data / name).symlink_to(own / name)
    dataset = splits.load("easy-vqa", data, share=0.0005)
    sizes = Sizes(exits=(3, 12), text_layers=2)
    parts, source = features.tensors(dataset, sizes, 16, data)
    assert (source.frozen, source.classes, source.pixels) == (True, 13, 56)
    assert 5 <= source.length <= 12
    every = features.features(dataset.test, 16, data, lambda share: None)
    rows = torch.arange(len(dataset.test))[:2]
    model, tokens = minilm(data)
    number, mask = tokens.encode(dataset.test.text[:1], 16)
    with torch.no_grad():
        told = model(torch.from_numpy(number), torch.from_numpy(mask), output_hidden_states=True)
        words = told.hidden_states[2][0][mask[0] > 0].mean(0)
        image = dataset.test.image[dataset.test.image_index[:1]]
        seen = dinov2(data)(torch.from_numpy(normalised(image, 56)))
    text = every.text[every.text_index[0], 1, 0].float()
    torch.testing.assert_close(text, words, atol=2e-3, rtol=2e-3)
    kept = every.image[every.index[0], -1, 0].float()
    away = (kept - seen.last_hidden_state[0, 0]).square().mean().sqrt()
    assert away < 0.03 * kept.square().mean().sqrt()  # bfloat16
    given = parts.test.batch(rows)
    assert (given.text.shape, given.image.shape) == ((2, 1, 1, 384), (2, 2, 2, 384))
    flat = parts.train.image.float()
    assert flat.mean(0).abs().max() < 0.2
    files = sorted(path.name for path in (data / "features").iterdir())
    features.tensors(dataset, sizes, 16, data)
    assert sorted(path.name for path in (data / "features").iterdir()) == files
    with pytest.raises(ValueError, match=r"exits \[4\]: features of images are of"):
        features.tensors(dataset, Sizes(exits=(3, 4), text_layers=2), 16, data_folder())


def test_devices_are_those_of_the_data_sheets():
    peak = 1 / devices.SHARE / 1e3  # TFLOP/s of GHz x FLOP a cycle
    server = devices.SERVER_GHZ * devices.SERVER_FLOP_PER_CYCLE * peak / devices.SLICE
    user = devices.USER_GHZ[1] * devices.USER_FLOP_PER_CYCLE * peak
    assert (server, user) == pytest.approx((30.3, 1.28), rel=0.01)
    assert devices.cubic(72, 2.04) * 2.04e9**3 == pytest.approx(72)


def test_radio_is_that_of_the_standards():
    # 1.08 MHz: -174 + 60.33 + 5 = -108.67 dBm; 23 dBm are 200 mW.
    assert 10 * log10(devices.noise_mw()) == pytest.approx(-108.67, abs=0.01)
    assert devices.CHOSEN["user.power_mw"][0] == pytest.approx([10, 200], rel=0.01)
    # TR 38.901, UMi: 35.3 log10 d + 22.4 + 21.3 log10 f - 0.3 (h - 1.5): 104.6 dB at 100 m.
    channel = devices.CHOSEN["channel"][0]
    gain = channel["mean_gain"] * 100.0 ** -channel["path_loss_exponent"]
    assert -10 * np.log10(gain) == pytest.approx(104.59, abs=0.02)


def test_the_shipped_scenario_is_its_record_and_its_devices(tmp_path):
    record = json.loads((PRESETS / "grounded.json").read_text())
    for file in export.export("grounded", record["modalities"], tmp_path):
        assert file.read_text() == (PRESETS / file.name).read_text()


def test_the_shipped_record_reaches_what_it_claims():
    found = json.loads((PRESETS / "grounded.json").read_text())["modalities"]
    for modality, least in {"text": 0.80, "image": 0.88, "vqa": 0.90}.items():
        accuracy, floors = found[modality]["accuracy"], found[modality]["floors"]
        server, surface = accuracy["server"]["accuracy"], accuracy["semantic"]
        assert server >= least
        at_17 = np.interp(17, surface["snr_db"], surface["table"][0])
        assert surface["extraction"][0] == 0.3
        assert server - at_17 <= 0.06
        assert server > max(floor["accuracy"] for floor in floors.values())
    assert found["vqa"]["floors"]["question only"]["accuracy"] == pytest.approx(0.67, abs=0.005)


def test_all_three_modes_are_chosen():
    scenario = Scenario.load("grounded")
    chosen = solve_batch(scenario, *scenario.draw(slots=200, seed=1)).actions
    local = chosen.channel < 0
    raw = ~local & (chosen.extraction == 1)
    for share in (local.mean(), raw.mean(), (~local & ~raw).mean()):
        assert share > 0.1
