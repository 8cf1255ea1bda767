"""What encoders, decoders and heads compute: in closed form, and counted on the module itself.

Convention: a multiply-add is 2 FLOPs. Counted are matrix products: linear layers, the patches'
convolution, and attention's two products (scores and weighted values). Everything else (look-up
of embeddings, softmax, normalisation, activations, biases, sums) counts 0; it is a few per cent.
Padding is counted: that is what the hardware computes.

The closed form of a layer of width H and feed-forward I on S tokens:

    2 S (4 H^2 + 2 H I)    queries, keys, values, output; both layers of the feed-forward
    + 4 S^2 H              attention, whatever the number of heads

torch's counter takes fused attention on a CPU for nothing (it has no formula for that kernel), so
`count` brings one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

if TYPE_CHECKING:
    from .codec import Codec, Layers


def linear(rows: int, inputs: int, outputs: int) -> int:
    """Return the FLOPs of a linear layer on so many rows."""
    return 2 * rows * inputs * outputs


def transformer(layers: int, tokens: int, width: int, inner: int) -> int:
    """Return the FLOPs of encoder layers on one sample of so many tokens."""
    products = linear(tokens, width, 4 * width + 2 * inner)
    return layers * (products + 4 * tokens**2 * width)


def patches(pixels: int, patch: int, colours: int, width: int) -> int:
    """Return the FLOPs of the patches' embedding of a square image."""
    return linear((pixels // patch) ** 2, colours * patch**2, width)


def text_encoder(model: Layers, length: int, layers: int | None = None) -> int:
    """Return the FLOPs of a `BertModel` on one text of `length` tokens, of its first layers."""
    config = model.config
    ran = config.num_hidden_layers if layers is None else layers
    pooler = 0 if model.pooler is None else linear(1, config.hidden_size, config.hidden_size)
    inner = int(config.intermediate_size)
    return transformer(ran, length, int(config.hidden_size), inner) + pooler


def image_encoder(model: Layers, pixels: int | None = None, layers: int | None = None) -> int:
    """Return the FLOPs of a `ViTModel` or `Dinov2Model` on one square image.

    Parameters
    ----------
    model : with a patch size that divides the image
    pixels : a side; the model's own if none
    layers : of its first layers; all if none
    """
    config = model.config
    side = int(config.image_size if pixels is None else pixels)
    patch, width = int(config.patch_size), int(config.hidden_size)
    inner = getattr(config, "intermediate_size", None) or width * config.mlp_ratio
    ran = config.num_hidden_layers if layers is None else layers
    tokens = (side // patch) ** 2 + 1
    pooler = 0 if getattr(model, "pooler", None) is None else linear(1, width, width)
    cut = patches(side, patch, int(config.num_channels), width)
    return cut + transformer(ran, tokens, width, int(inner)) + pooler


def user_flop(network: Codec, length: int, extraction: float = 1.0) -> int:
    """Return l^SE: the FLOPs of the user's part at an extraction, or l^U without features.

    Parameters
    ----------
    network : a codec, or a model of one place
    length : tokens a text; 0 without texts
    extraction : share of the features that is sent
    """
    from .codec import Frozen, stages_at

    encoder = network.encoder
    stages = stages_at(extraction, network.stages) if network.features else network.stages
    layers, total = encoder.exits[stages - 1], 0
    if isinstance(encoder, Frozen):
        text, image = encoder.models
        pixels, run = encoder.pixels, encoder.text_layers if image is not None else layers
    else:
        text, image, pixels, run = encoder.text, encoder.image, None, layers
    if image is not None:
        total += image_encoder(image, pixels, min(layers, depth(image)))
    if text is not None:
        total += text_encoder(text, length, min(run, depth(text)))
    if network.features:
        total += linear(encoder.tokens, encoder.width, network.sent(extraction))
    return total


def server_flop(network: Codec, extraction: float = 1.0) -> int:
    """Return l^S: the FLOPs of the server's part on what a user sent at an extraction."""
    tokens, width, total = network.encoder.tokens, int(network.head.in_features), 0
    if network.receive is not None:
        received = network.sent(extraction) if network.features else network.encoder.width
        total += linear(tokens, received, width)
    return (
        total + text_encoder(network.decoder, tokens) + linear(1, width, network.head.out_features)
    )


def depth(model: Layers) -> int:
    """Return the number of layers of a model."""
    return int(model.config.num_hidden_layers)


def count(function: Callable[..., Any], *inputs: Any) -> int:
    """Return the FLOPs that a call performs, counted operator by operator.

    Parameters
    ----------
    function : a module or any function on tensors
    inputs : of one sample, for FLOPs a sample
    """
    fused = getattr(torch.ops.aten, "_scaled_dot_product_flash_attention_for_cpu", None)
    formulas: Any = {} if fused is None else {fused: attention}
    with torch.no_grad(), FlopCounterMode(display=False, custom_mapping=formulas) as counter:
        function(*inputs)
    return int(counter.get_total_flops())


def attention(
    query: Sequence[int], key: Sequence[int], value: Sequence[int], *_: Any, **__: Any
) -> int:
    """Return the FLOPs of fused attention by the shapes (B, heads, S, width) of its inputs."""
    batch, heads, rows, width = query
    return 2 * batch * heads * rows * key[2] * (width + value[3])


class PowerFit(NamedTuple):
    """A power law fitted to what was counted.

    Attributes
    ----------
    exponent : k >= 0
    error : largest relative deviation of the law from a count
    scale : value at an extraction of 1
    clamped : whether the fit was below 0, and 0 is taken
    """

    exponent: float
    error: float
    scale: float
    clamped: bool


def fit_exponent(
    extraction: Sequence[float], value: Sequence[float], *, rising: bool = False
) -> PowerFit:
    """Fit value = scale / extraction^k, or scale x extraction^k if rising.

    By least squares of logarithms. The first is the model's extraction cost (equation (4)), the
    second its payload (equation (3)). Where the best k is below 0, which the model does not allow,
    k is 0 and the scale the geometric mean.

    Raises
    ------
    ValueError
        Where there are not two different extractions in (0, 1], or a value is not positive.
    """
    mu, y = np.asarray(extraction, np.float64), np.asarray(value, np.float64)
    if mu.shape != y.shape or len(set(mu.tolist())) < 2:
        raise ValueError("extraction: two different ones at least, and a value for each")
    if not ((mu > 0) & (mu <= 1)).all() or not (np.isfinite(y) & (y > 0)).all():
        raise ValueError("extraction in (0, 1] and values above 0 are allowed")
    x, logs = (1 if rising else -1) * np.log(mu), np.log(y)
    away = x - x.mean()
    slope = float(away @ logs / (away @ away))
    exponent = max(0.0, slope)
    scale = math.exp(logs.mean() - exponent * x.mean())
    error = float(np.abs(scale * np.exp(exponent * x) / y - 1).max())
    return PowerFit(exponent, error, scale, slope < 0)
