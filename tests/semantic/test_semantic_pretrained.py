"""The pretrained encoders give the features that others get from the same weights."""

import numpy as np
import pytest
import torch

from semantic_data import need
from semopt.semantic.data import conversion
from semopt.semantic.networks import features, flops, pretrained
from tolerances import NETWORK


def test_minilm_gives_the_published_sentence_vector():
    model, tokens = pretrained.minilm(need("minilm"))
    number, mask = tokens.encode(["This is an example sentence"], 12)
    with torch.no_grad():
        hidden = model(torch.from_numpy(number), torch.from_numpy(mask)).last_hidden_state[0]
    vector = hidden[torch.from_numpy(mask[0] > 0)].mean(0)
    # As the model's documentation prints it.
    known = [6.7657e-02, 6.3496e-02, 4.8713e-02, 7.9305e-02, 3.7448e-02, 2.6528e-03]
    assert (vector / vector.norm())[:6].numpy() == pytest.approx(known, abs=2e-6)
    assert sum(p.numel() for p in model.parameters()) == 22_713_216


def test_the_image_encoder_gives_what_onnxruntime_gives():
    model = pretrained.dinov2(need("dinov2-small"))
    i = np.arange(224)
    red, green, blue = (i[:, None] + i) // 2, i[:, None] + 0 * i, 223 - 0 * i[:, None] - i
    image = np.stack([red, green, blue], -1).astype(np.uint8)[None]
    with torch.no_grad():
        pixels = torch.from_numpy(pretrained.normalised(image, 224))
        hidden = model(pixels).last_hidden_state[0].numpy()
    # onnxruntime 1.x on the package's ONNX file, output of its backbone.
    assert hidden.shape == (257, 384)
    assert hidden[0, :4] == pytest.approx([0.214714, 0.56087, 2.430235, -4.593392], abs=NETWORK)
    assert hidden[100, :4] == pytest.approx([0.940556, 1.205242, 0.847133, -4.695539], abs=NETWORK)
    assert hidden.mean() == pytest.approx(0.013552, abs=NETWORK)
    # The FLOPs that the grounded scenario charges for.
    assert flops.count(model, torch.zeros(1, 3, 56, 56)) == flops.image_encoder(model, 56)
    assert flops.image_encoder(model, 56) == pytest.approx(0.734e9, rel=1e-3)


def test_features_are_standardised_by_the_training_part_and_cut():
    """Layer 6 has the mean 2 and the deviation 1 there; layer 12 is all zeros."""
    train = torch.zeros(2, 4, 1, 1)
    train[:, 1, 0, 0] = torch.tensor([1.0, 3.0])
    other = torch.full((3, 4, 1, 1), 4.0)
    other[1:] *= torch.tensor([[[[100.0]]], [[[-100.0]]]])
    scaled = {"text": None, "image": features.scaling([train, other, other])}
    found = features.chosen(other, "image", {"image": (6, 12)}, scaled)
    assert found.shape == (3, 2, 1, 1)
    assert found[:, 0, 0, 0].tolist() == pytest.approx([2.0, 8.0, -8.0], rel=1e-3)
    assert found[:, 1, 0, 0].tolist() == [8.0, 8.0, -8.0]
    assert features.scaling([None, other]) is None
    assert features.chosen(None, "text", {"text": (1,)}, scaled) is None


def test_missing_weights_name_the_command(tmp_path):
    with pytest.raises(ValueError, match=r"minilm: .* is missing; `semopt semantic data minilm`"):
        pretrained.minilm(tmp_path)


@pytest.mark.parametrize("content", [b"", b"\x80", b"\x3a\xff\xff\x01", b"PK\x03\x04" * 9])
def test_what_is_not_the_onnx_file_is_refused(content):
    with pytest.raises(ValueError, match=r"not an ONNX file|unnamed tensors"):
        conversion.dinov2_safetensors(content)
