"""Data sets as tensors: texts become tokens, images stay bytes until they are used."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.normalizers import Lowercase
from tokenizers.pre_tokenizers import Whitespace
from torch import Tensor

from . import codec
from .codec import PAD, Batch, Codec
from .sources import MODELS, missing
from .tasks import Dataset, Split

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
        return list(torch.arange(len(self)).split(size))


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
    texts, size = [None, None, None], 0
    if dataset.train.text is not None:
        encode, size = vocabulary(dataset.train.text, words, length, data)
        texts = [encode(part.text) for part in parts]
        longest = max(int((text != PAD).sum(1).max()) for text in texts)
        texts = [text[:, :longest].contiguous() for text in texts]
    samples = Parts(*(sample(part, text) for part, text in zip(parts, texts, strict=True)))
    image, text = samples.train.image, samples.train.text
    source = codec.Source(
        classes=len(dataset.classes),
        words=size,
        length=0 if text is None else text.shape[1],
        pixels=0 if image is None else image.shape[2],
        colours=0 if image is None else image.shape[1],
    )
    return samples, source


def sample(split: Split, text: Tensor | None) -> Samples:
    """Return a part with its texts as tokens."""
    image = index = None
    if split.image is not None:
        image = torch.from_numpy(split.image).permute(0, 3, 1, 2).contiguous()
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


def vocabulary(
    texts: list[str], words: str, length: int, data: Path
) -> tuple[Callable[[list[str]], Tensor], int]:
    """Return what turns texts into tokens (S, length), and the number of tokens there are."""
    if words == "own":
        parts = [re.findall(r"\w+|[^\w\s]", text.casefold()) for text in texts]
        known = sorted({word for part in parts for word in part})
        tokenizer = Tokenizer(
            WordLevel({word: i for i, word in enumerate(["", "?unknown?", *known])}, "?unknown?")
        )
        tokenizer.normalizer, tokenizer.pre_tokenizer = Lowercase(), Whitespace()
    elif words == "minilm":
        tokenizer = Tokenizer.from_file(str(minilm(data) / "tokenizer.json"))
    else:
        raise ValueError(f"words = {words!r}: own or minilm is expected")
    tokenizer.enable_truncation(length)
    tokenizer.enable_padding(length=length, pad_id=PAD)

    def encode(given: list[str]) -> Tensor:
        return torch.tensor([found.ids for found in tokenizer.encode_batch(given)])

    return encode, tokenizer.get_vocab_size()


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
    own = network.encoder.text.embeddings.word_embeddings.weight
    with torch.no_grad():
        own.copy_(turned * (SCALE / turned.std()))
