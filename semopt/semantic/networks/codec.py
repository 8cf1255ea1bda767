"""Semantic codecs: encoders at the user, a noisy channel, a decoder at the edge server.

One network of real `BertModel`, `ViTModel` or `Dinov2Model` layers serves every extraction mu:

    source -> stages of layers -> tokens -> d ordered features a token -> the first share mu of them
           -> 8 bits each, unit power -> channel at an SNR -> layers of the server -> classes

Stronger extraction (smaller mu) runs more stages before it leaves through the one shared
projection, `stages_at`. A text becomes one token (the mean of its words), an image one a patch and
one class token, a question on an image both.

What is counted as sent:

semantic mode
    `FEATURE_BITS` = 8 bits a feature, for that is what the encoder emits: it rounds every feature
    to one of 256 levels. Each level is one real symbol of unit power (two make a complex symbol)
    and meets the channel's noise uncoded; the server uses the noisy value.
raw mode
    The bits of the source: 8 a colour value of every pixel, 8 a byte of the text in UTF-8. They are
    channel-coded: at the rate of Shannon's formula, by which the model times them, they arrive
    without error, so accuracy in raw mode does not depend on the SNR.

Local execution and the server's full model are the same class without features and channel.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch import Tensor, nn
from transformers import BertConfig, BertModel, Dinov2Config, Dinov2Model, ViTConfig, ViTModel

FEATURE_BITS = 8
CLIP = 4.0  # standard deviations of a feature within which its 256 levels lie
EAGER: dict[str, Any] = {"attn_implementation": "eager"}  # others hide FLOPs from the counter
PAD = 0  # token that fills a text up
Fading = Literal["awgn", "rayleigh"]
Layers = Any  # a BertModel, ViTModel or Dinov2Model; the types of their parts say little


@dataclass(frozen=True)
class Sizes:
    """The sizes of one network.

    Attributes
    ----------
    width, inner, heads : of every layer: hidden size, size of the feed-forward, attention heads
    exits : layers that have run after each stage, increasing
    text_layers : layers of the encoder of a question beside an image; texts alone follow `exits`
    decoder : layers at the server
    features : d, numbers that a token may send; 0 for a model without a channel
    patch : pixels of a patch's side
    dropout : share of values that training drops, in texts and at the server
    """

    width: int = 64
    inner: int = 128
    heads: int = 4
    exits: tuple[int, ...] = (1, 2, 3)
    text_layers: int = 1
    decoder: int = 0
    features: int = 0
    patch: int = 7
    dropout: float = 0.0


@dataclass(frozen=True)
class Source:
    """What a data set feeds into a network.

    Attributes
    ----------
    classes : number of answers
    words, length : size of the vocabulary and tokens a text; 0 without text
    pixels, colours : side of an image and values a pixel; 0 without images
    frozen : whether features of the pretrained encoders come in place of texts and images
    """

    classes: int
    words: int = 0
    length: int = 0
    pixels: int = 0
    colours: int = 0
    frozen: bool = False


@dataclass(frozen=True)
class Batch:
    """Some samples.

    Attributes
    ----------
    text : (B, L) int64, tokens, 0 behind the last
    image : (B, C, H, W) float32, standardised

    For a `Frozen` encoder both are (B, E, T, width) float32, its features at each exit.
    """

    text: Tensor | None = None
    image: Tensor | None = None


class Encoder(nn.Module):
    """The user's part up to the features: a text encoder, an image encoder, or both.

    Parameters
    ----------
    text, image : pretrained or new; None where there is none
    exits : layers that have run after each stage; a shorter encoder ends earlier
    """

    def __init__(self, text: Layers | None, image: Layers | None, exits: tuple[int, ...]) -> None:
        super().__init__()
        if text is None and image is None:
            raise ValueError("an encoder of neither text nor images encodes nothing")
        self.text: Layers | None = text
        self.image: Layers | None = image
        self.exits = exits
        layers: Layers = image if text is None else text
        self.width = int(layers.config.hidden_size)
        self.tokens = int(text is not None)
        if image is not None:
            self.tokens += int(image.embeddings.position_embeddings.shape[1])

    def forward(self, batch: Batch, stages: int) -> Tensor:
        """Return the tokens (B, T, width): those of the image, then one of the text."""
        parts, layers = [], self.exits[stages - 1]
        if self.image is not None:
            hidden = self.image.embeddings(batch.image)
            for layer in layers_of(self.image)[:layers]:
                hidden = layer(hidden)
            parts.append(self.image.layernorm(hidden))
        if self.text is not None:
            assert batch.text is not None
            words = batch.text != PAD
            weight = words.to(torch.float32)[:, :, None]
            hidden = self.text.embeddings(input_ids=batch.text)
            shut = (1.0 - weight[:, None, None, :, 0]) * torch.finfo(torch.float32).min
            for layer in layers_of(self.text)[:layers]:
                hidden = layer(hidden, shut)
            parts.append((hidden * weight).sum(1, keepdim=True) / weight.sum(1, keepdim=True))
        return torch.cat(parts, dim=1)


class Frozen(nn.Module):
    """The pretrained encoders, which are not run: features at their exits are given.

    A token holds the features at all exits so far side by side, and zeros for those to come.

    Parameters
    ----------
    text, image : the pretrained classes with their sizes, without weights: for FLOPs
    exits : layers of the image encoder that have run after each stage, else of the text encoder
    text_layers : layers that a question beside an image takes
    pixels : side of the images
    """

    def __init__(
        self,
        text: Layers | None,
        image: Layers | None,
        exits: tuple[int, ...],
        text_layers: int,
        pixels: int,
    ) -> None:
        super().__init__()
        self.models: tuple[Layers | None, Layers | None] = (text, image)  # no parameters of this
        self.exits, self.text_layers, self.pixels = exits, text_layers, pixels
        layers: Layers = image if text is None else text
        self.width = int(layers.config.hidden_size) * len(exits)
        self.tokens = (text is not None) + 2 * (image is not None)

    def forward(self, batch: Batch, stages: int) -> Tensor:
        """Return the tokens (B, T, width): class and mean patch of the image, mean of the text."""
        parts = []
        if batch.image is not None:
            parts.append(batch.image[:, :stages])
        if batch.text is not None:
            parts.append(batch.text[:, :stages])
        tokens = [part.transpose(1, 2).flatten(2) for part in parts]
        return torch.cat(
            [nn.functional.pad(part, (0, self.width - part.shape[-1])) for part in tokens], dim=1
        )


def layers_of(model: Layers) -> nn.ModuleList:
    """Return the layers of a model, wherever its class keeps them."""
    layers: nn.ModuleList = model.encoder.layer if hasattr(model, "encoder") else model.layers
    return layers


class Codec(nn.Module):
    """Encoder, features over a channel, decoder, head; without features, a model of one place.

    Parameters
    ----------
    encoder : the user's layers
    sizes : of decoder and features
    classes : number of answers
    """

    def __init__(self, encoder: Encoder | Frozen, sizes: Sizes, classes: int) -> None:
        super().__init__()
        self.encoder: Encoder | Frozen = encoder
        self.features = sizes.features
        width = sizes.width
        if sizes.features:
            self.project = nn.Linear(encoder.width, sizes.features)
        received = sizes.features or encoder.width
        mapped = bool(sizes.features) or received != width
        self.receive = nn.Linear(received, width) if mapped else None
        decoder: Layers = bert(replace(sizes, exits=(sizes.decoder,)), 1, encoder.tokens)
        decoder.embeddings.word_embeddings = None  # it is given features, not words
        self.decoder: Layers = decoder
        self.head = nn.Linear(width, classes)

    @property
    def stages(self) -> int:
        """Number of stages of the encoder."""
        return len(self.encoder.exits)

    def sent(self, extraction: float) -> int:
        """Return the features a token sends: the share `extraction` of all, at least one."""
        return max(1, round(extraction * self.features))

    def payload_bits(self, extraction: float) -> int:
        """Return the bits of semantic mode."""
        return FEATURE_BITS * self.encoder.tokens * self.sent(extraction)

    def at_user(self, batch: Batch, extraction: float = 1.0) -> Tensor:
        """Return what the user sends: (B, T, n), of unit power; without features, its tokens."""
        if not self.features:
            whole: Tensor = self.encoder(batch, self.stages)
            return whole
        tokens = self.encoder(batch, stages_at(extraction, self.stages))
        weight, bias = self.project.weight, self.project.bias
        n = self.sent(extraction)
        features = unit_power(nn.functional.linear(tokens, weight[:n], bias[:n]))
        return unit_power(rounded(features))  # rounding moves the power of few features by 3%

    def at_server(self, received: Tensor) -> Tensor:
        """Return the logits (B, classes) of what the server received."""
        if self.receive is not None:
            weight = self.receive.weight[:, : received.shape[-1]]
            received = nn.functional.linear(received, weight, self.receive.bias)
        decoded: Tensor = self.decoder(inputs_embeds=received).last_hidden_state
        logits: Tensor = self.head(decoded.mean(1))
        return logits

    def forward(
        self,
        batch: Batch,
        extraction: float = 1.0,
        snr_db: Tensor | float = 20.0,
        fading: Fading = "awgn",
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Return the logits (B, classes) of samples sent at an extraction and an SNR.

        Parameters
        ----------
        batch : B samples
        extraction : share of the features that is sent
        snr_db : of each sample (B,), or of all
        fading : law of the channel
        generator : of the noise
        """
        sent = self.at_user(batch, extraction)
        if self.features:
            sent = channel(sent, snr_db, fading, generator)
        return self.at_server(sent)


def stages_at(extraction: float, stages: int) -> int:
    """Return how many stages run: as 1 / extraction grows, rounded, up to all of them."""
    return min(stages, max(1, round(1.0 / extraction)))


def unit_power(features: Tensor) -> Tensor:
    """Scale the features of each sample (B, T, n) to a mean square of 1."""
    power = features.square().mean((1, 2), keepdim=True)
    scaled: Tensor = features * torch.rsqrt(power + 1e-12)
    return scaled


def rounded(features: Tensor) -> Tensor:
    """Round to 2^FEATURE_BITS equally spaced levels; gradients pass as if nothing were rounded."""
    step = 2.0 * CLIP / (2**FEATURE_BITS - 1)
    level = torch.round((features.clamp(-CLIP, CLIP) + CLIP) / step) * step - CLIP
    passed: Tensor = features + (level - features).detach()
    return passed


def channel(
    sent: Tensor,
    snr_db: Tensor | float,
    fading: Fading = "awgn",
    generator: torch.Generator | None = None,
) -> Tensor:
    """Send real symbols of unit power; return the receiver's linear least-squares estimate.

    y = h x + n, with noise of variance 1 / snr on each real symbol and, for Rayleigh fading, one
    |h| a sample, h ~ CN(0, 1), which the receiver knows. The estimate is h y / (h^2 + 1 / snr).

    Parameters
    ----------
    sent : (B, ...)
    snr_db : (B,) or a number, mean SNR in dB
    """
    shape = (len(sent),) + (1,) * (sent.dim() - 1)
    level = torch.as_tensor(snr_db, dtype=sent.dtype, device=sent.device)
    noise = (10.0 ** (-level / 10.0)).expand(len(sent)).reshape(shape)
    like: dict[str, Any] = {"dtype": sent.dtype, "device": sent.device, "generator": generator}
    gain = torch.ones(shape, dtype=sent.dtype, device=sent.device)
    if fading == "rayleigh":
        gain = (torch.randn((2, *shape), **like).square().sum(0) / 2.0).sqrt()
    received = gain * sent + noise.sqrt() * torch.randn(sent.shape, **like)
    estimate: Tensor = gain * received / (gain.square() + noise)
    return estimate


def in_common(sizes: Sizes) -> dict[str, Any]:
    """Return what the configurations of all new encoders have in common."""
    return {
        "hidden_size": sizes.width,
        "num_hidden_layers": sizes.exits[-1],
        "num_attention_heads": sizes.heads,
        "intermediate_size": sizes.inner,
        **EAGER,
    }


def bert(sizes: Sizes, words: int, length: int) -> BertModel:
    """Return a new BERT of so many words and positions."""
    config = BertConfig(
        **in_common(sizes),
        vocab_size=words,
        max_position_embeddings=length,
        hidden_dropout_prob=sizes.dropout,
        attention_probs_dropout_prob=0.0,
    )
    return BertModel(config, add_pooling_layer=False)


def vit(sizes: Sizes, pixels: int, colours: int) -> ViTModel:
    """Return a new ViT for square images."""
    config = ViTConfig(
        **in_common(sizes), image_size=pixels, patch_size=sizes.patch, num_channels=colours
    )
    return ViTModel(config, add_pooling_layer=False)


def build(sizes: Sizes, source: Source) -> Codec:
    """Return a new network for a source of texts, images or questions on images."""
    if source.frozen:
        return Codec(frozen(sizes, source), sizes, source.classes)
    text = image = None
    if source.pixels:
        image = vit(sizes, source.pixels, source.colours)
    if source.length:
        text_sizes = replace(sizes, exits=(sizes.text_layers,)) if image is not None else sizes
        text = bert(text_sizes, source.words, source.length)
    return Codec(Encoder(text, image, sizes.exits), sizes, source.classes)


def frozen(sizes: Sizes, source: Source) -> Frozen:
    """Return the pretrained encoders of a source, without weights."""
    from .pretrained import DINOV2, MINILM

    text = image = None
    with torch.device("meta"):
        if source.length:
            text = BertModel(BertConfig(**MINILM, **EAGER), add_pooling_layer=False)
        if source.pixels:
            image = Dinov2Model(Dinov2Config(**DINOV2, **EAGER))
    return Frozen(text, image, sizes.exits, sizes.text_layers, source.pixels)
