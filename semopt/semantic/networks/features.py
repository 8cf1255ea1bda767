"""Features of the pretrained encoders: computed once, kept in the data folder, fed to codecs.

The encoders are frozen, so what their layers say of a text or an image never changes. A text
becomes one token (the mean of its words), an image two (class token and mean of its patches), at
every layer of `LAYERS`, in half precision; images are encoded in bfloat16, twice as fast. A codec
takes them at the layers of its exits, each number standardised by its mean and deviation over the
training part: an affine map that a linear layer swallows, and costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from ..data.sources import MODELS
from ..data.splits import Dataset, Split
from ..data.tokens import WordPieces
from . import codec
from .codec import Batch, Sizes
from .pretrained import dinov2, minilm, normalised, ready
from .samples import Parts, Samples

LAYERS = {"text": (1, 2, 3, 4, 5, 6), "image": (3, 6, 9, 12)}
PIXELS = 56  # images are resized to 4 x 4 patches of 14 pixels
ENCODED = 100  # samples of a batch
CLIP = 8.0  # standard deviations


@dataclass(frozen=True)
class Features(Samples):
    """A part of a data set as features.

    Attributes
    ----------
    text : (S'', E, 1, width), None without
    image : (S', E, 2, width), None without
    text_index : (S,) int64, the text of each sample
    """

    text_index: Tensor | None = None

    def batch(self, rows: Tensor) -> Batch:
        """Return some samples as single-precision features."""
        text = image = None
        if self.text is not None and self.text_index is not None:
            text = self.text[self.text_index[rows]].float()
        if self.image is not None:
            image = self.image[rows if self.index is None else self.index[rows]].float()
        return Batch(text, image)


def tensors(
    dataset: Dataset,
    sizes: Sizes,
    length: int,
    data: Path,
    tick: Callable[[float], None] = lambda _: None,
) -> tuple[Parts, codec.Source]:
    """Return a data set as features at a codec's exits, and what it feeds into a network.

    Parameters
    ----------
    dataset : as `tasks.load` gives it
    sizes : whose exits are layers of the image encoder, or of the text encoder if there is no
        image; `text_layers` are those of a question beside an image
    length : word pieces a text is cut to
    data : folder of data, pretrained models and features
    tick : told the share that is done

    Raises
    ------
    ValueError
        Where an exit is no layer of `LAYERS`, or the model is not there.
    """
    if dataset.train.image is None:
        exits = {"text": sizes.exits}
    else:
        exits = {"image": sizes.exits, "text": (sizes.text_layers,)}
    for kind, layers in exits.items():
        if unknown := set(layers) - set(LAYERS[kind]):
            raise ValueError(f"exits {sorted(unknown)}: features of {kind}s are of {LAYERS[kind]}")
    splits = (dataset.train, dataset.validation, dataset.test)
    parts = []
    for i, split in enumerate(splits):
        parts.append(features(split, length, data, lambda share, i=i: tick((i + share) / 3)))  # type: ignore[misc]
    scaled = {kind: scaling([getattr(part, kind) for part in parts]) for kind in ("text", "image")}
    parts = [
        replace(
            part,
            text=chosen(part.text, "text", exits, scaled),
            image=chosen(part.image, "image", exits, scaled),
        )
        for part in parts
    ]
    pieces = 0
    if dataset.train.text is not None:  # what a text costs is counted at the mean length
        mask = WordPieces(ready("minilm", data)).encode(dataset.train.text, length)[1]
        pieces = round(float(mask.sum(1).mean()))
    source = codec.Source(
        classes=len(dataset.classes),
        length=pieces,
        pixels=0 if dataset.train.image is None else PIXELS,
        colours=0 if dataset.train.image is None else 3,
        frozen=True,
    )
    return Parts(*parts), source


def features(split: Split, length: int, data: Path, tick: Callable[[float], None]) -> Features:
    """Return the features of a part at all of `LAYERS`, from the data folder if they are there."""
    text = image = index = text_index = None
    if split.text is not None:
        texts, place = np.unique(np.array(split.text), return_inverse=True)
        text = cached("text", texts.tolist(), length, data, tick)
        text_index = torch.from_numpy(place.astype(np.int64))
    if split.image is not None:
        image = cached("image", split.image, PIXELS, data, tick)
        index = None if split.image_index is None else torch.from_numpy(split.image_index)
    return Features(torch.from_numpy(split.label), text, image, index, text_index)


def cached(kind: str, content: Any, size: int, data: Path, tick: Callable[[float], None]) -> Tensor:
    """Return features of texts or images, computed where the data folder has none of them."""
    model = MODELS["minilm" if kind == "text" else "dinov2-small"]
    identity = (
        model.files[0].sha256,
        LAYERS[kind],
        size,
        "bfloat16" if kind == "image" else "float32",
    )
    digest = blake2b(repr(identity).encode(), digest_size=12)
    digest.update("\n".join(content).encode() if kind == "text" else content.tobytes())
    file = data / "features" / f"{kind}-{digest.hexdigest()}.safetensors"
    if not file.is_file():
        encode = text_features if kind == "text" else image_features
        values = encode(content, size, data, tick)
        file.parent.mkdir(parents=True, exist_ok=True)
        part = file.with_suffix(".part")
        save_file({"features": values}, part)
        part.replace(file)
    return load_file(file)["features"]


@torch.no_grad()
def text_features(
    texts: Sequence[str], length: int, data: Path, tick: Callable[[float], None]
) -> Tensor:
    """Return the mean of the words after each layer of MiniLM: (S, 6, 1, 384) float16."""
    model, tokens = minilm(data)
    values = torch.empty(len(texts), len(LAYERS["text"]), 1, 384, dtype=torch.float16)
    done = 0
    order = np.argsort([len(text) for text in texts], kind="stable")  # alike lengths, less padding
    for rows in np.array_split(order, -(-len(texts) // ENCODED)):
        number, mask = tokens.encode([texts[i] for i in rows], length)
        longest = int(mask.sum(1).max())
        number, mask = number[:, :longest], mask[:, :longest]
        layers = model(
            torch.from_numpy(number), torch.from_numpy(mask), output_hidden_states=True
        ).hidden_states
        weight = torch.from_numpy(mask)[:, :, None].float()
        for e, layer in enumerate(LAYERS["text"]):
            mean = (layers[layer] * weight).sum(1) / weight.sum(1)
            values[torch.from_numpy(rows), e, 0] = mean.half()
        done += len(rows)
        tick(done / len(texts))
    return values


@torch.no_grad()
def image_features(image: Any, side: int, data: Path, tick: Callable[[float], None]) -> Tensor:
    """Return class token and mean patch after layers of DINOv2: (S, 4, 2, 384) float16."""
    model: Any = dinov2(data)
    model = model.to(torch.bfloat16)
    values = torch.empty(len(image), len(LAYERS["image"]), 2, 384, dtype=torch.float16)
    for first in range(0, len(image), ENCODED):
        rows = slice(first, first + ENCODED)
        pixels = torch.from_numpy(normalised(image[rows], side)).to(torch.bfloat16)
        layers = model(pixels, output_hidden_states=True).hidden_states
        for e, layer in enumerate(LAYERS["image"]):
            hidden = model.layernorm(layers[layer]).float()
            values[rows, e, 0] = hidden[:, 0].half()
            values[rows, e, 1] = hidden[:, 1:].mean(1).half()
        tick(min(1.0, (first + ENCODED) / len(image)))
    return values


def scaling(parts: Sequence[Tensor | None]) -> tuple[Tensor, Tensor] | None:
    """Return mean and deviation of the features of the first part, the training part."""
    if parts[0] is None:
        return None
    values = parts[0].float()
    return values.mean(0), values.std(0, correction=0) + 1e-4


def chosen(
    values: Tensor | None,
    kind: str,
    exits: dict[str, tuple[int, ...]],
    scaled: dict[str, tuple[Tensor, Tensor] | None],
) -> Tensor | None:
    """Return the standardised features at the exits."""
    scale = scaled[kind]
    if values is None or scale is None:
        return None
    exits_of_kind = [LAYERS[kind].index(layer) for layer in exits[kind]]
    mean, deviation = (figure[exits_of_kind] for figure in scale)
    parts = torch.split(values[:, exits_of_kind], 4096)
    return torch.cat([((p.float() - mean) / deviation).clamp(-CLIP, CLIP).half() for p in parts])
