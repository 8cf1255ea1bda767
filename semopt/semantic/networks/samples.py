"""Data sets as tensors: texts become tokens, images stay bytes until they are used."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from ..data.sources import MODELS, missing
from ..data.splits import Dataset, Split
from ..data.tokens import Tokens, Vocabulary, WordPieces
from . import codec
from .codec import Batch, Codec

SCALE = 0.05  # standard deviation of word vectors that come from elsewhere


@dataclass(frozen=True)
class Samples:
    """A part of a data set as tensors.

    Attributes
    ----------
    label : (S,) int64
    text : (S, L) int64, None without
    image : (S', C, H, W) uint8, None without
    index : (S,) int64, the image of each sample, None where it is its own
    """

    label: Tensor
    text: Tensor | None = None
    image: Tensor | None = None
    index: Tensor | None = None

    def __len__(self) -> int:
        return len(self.label)

    def batch(self, rows: Tensor) -> Batch:
        """Return some samples, their colours standardised."""
        text = None if self.text is None else self.text[rows]
        image = None
        if self.image is not None:
            image = self.image[rows if self.index is None else self.index[rows]]
            image = (image.to(torch.float32) / 255.0 - 0.5) / 0.25
        return Batch(text, image)

    def batches(self, size: int) -> list[Tensor]:
        """Return the rows of consecutive batches."""
        return list(torch.split(torch.arange(len(self)), size))


@dataclass(frozen=True)
class Parts:
    """The three parts of a data set."""

    train: Samples
    validation: Samples
    test: Samples


def tensors(dataset: Dataset, words: str, length: int, data: Path) -> tuple[Parts, codec.Source]:
    """Return a data set as tensors, and what it feeds into a network.

    Parameters
    ----------
    dataset : as `tasks.load` gives it
    words : "own" for a vocabulary of the training part's words, "minilm" for MiniLM's
    length : tokens a text is cut to; shorter where no text has so many
    data : folder of data and pretrained models

    Raises
    ------
    ValueError
        Where the vocabulary is unknown, or its model is not there.
    """
    parts = (dataset.train, dataset.validation, dataset.test)
    tokens = None
    if dataset.train.text is not None:
        tokens = tokenizer(dataset.train.text, words, data)
        longest = int(tokens.encode(dataset.train.text, length)[1].sum(1).max())
        length = min(length, longest)
    samples = Parts(*(sample(part, tokens, length) for part in parts))
    image, text = samples.train.image, samples.train.text
    source = codec.Source(
        classes=len(dataset.classes),
        words=0 if tokens is None else len(tokens),
        length=0 if text is None else text.shape[1],
        pixels=0 if image is None else image.shape[2],
        colours=0 if image is None else image.shape[1],
    )
    return samples, source


def sample(split: Split, tokens: Tokens | None, length: int) -> Samples:
    """Return a part with its texts as tokens."""
    text = image = index = None
    if split.text is not None and tokens is not None:
        text = torch.from_numpy(tokens.encode(split.text, length)[0])
    if split.image is not None:
        image = torch.from_numpy(np.array(split.image.transpose(0, 3, 1, 2), order="C"))
    if split.image_index is not None:
        index = torch.from_numpy(split.image_index)
    return Samples(torch.from_numpy(split.label), text, image, index)


def source_bits(split: Split) -> float:
    """Return the mean bits of a sample as it comes: 8 a colour value, 8 a byte of UTF-8."""
    bits = 0.0
    if split.text is not None:
        bits += 8.0 * sum(len(text.encode()) for text in split.text) / len(split)
    if split.image is not None:
        bits += 8.0 * split.image[0].size
    return bits


def tokenizer(texts: list[str], words: str, data: Path) -> Tokens:
    """Return what turns texts into tokens: the words of these texts, or MiniLM's pieces."""
    if words == "own":
        return Vocabulary.of(texts)
    if words == "minilm":
        return WordPieces(minilm(data))
    raise ValueError(f"words = {words!r}: own or minilm is expected")


def minilm(data: Path) -> Path:
    """Return the folder of MiniLM, or say how to get it."""
    source = MODELS["minilm"]
    if fault := missing(source, data):
        raise ValueError(f"word vectors of {source.title}: {fault}")
    return source.folder(data)


def first_vectors(network: Codec, samples: Samples, data: Path) -> None:
    """Give a text encoder MiniLM's word vectors, turned and cut to its width.

    The axes are the principal components of the vectors of the tokens in `samples`.
    """
    vectors = load_file(minilm(data) / "model.safetensors")["embeddings.word_embeddings.weight"]
    vectors = vectors.to(torch.float32)
    vectors = vectors - vectors.mean(0)
    _, _, axes = torch.linalg.svd(vectors[torch.unique(samples.text)], full_matrices=False)
    turned = vectors @ axes[: network.encoder.width].T
    encoder: codec.Layers = network.encoder.text
    weight = encoder.embeddings.word_embeddings.weight
    with torch.no_grad():
        weight.copy_(turned * (SCALE / turned.std()))
