"""From texts to token numbers: words of the training part, or the pretrained model's own pieces."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

PAD, UNKNOWN, START = "[PAD]", "[UNK]", "[CLS]"
WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*|[^\w\s]")


class Tokens(Protocol):
    """What the encoders need of a tokenizer."""

    def __len__(self) -> int: ...

    def encode(
        self, texts: Sequence[str], length: int
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return numbers and mask, (S, length) int64; the mask is 1 at tokens, 0 at padding."""
        ...


class Vocabulary:
    """The most frequent words of the training part; a text starts with [CLS].

    Parameters
    ----------
    words : sequence of str
        The words in the order of their numbers, [PAD], [UNK] and [CLS] first.
    """

    def __init__(self, words: Sequence[str]):
        if tuple(words[:3]) != (PAD, UNKNOWN, START) or len(set(words)) != len(words):
            raise ValueError(f"a vocabulary starts with {PAD}, {UNKNOWN}, {START}, each word once")
        self.words = tuple(words)
        self._number = {word: i for i, word in enumerate(words)}

    @classmethod
    def of(cls, texts: Iterable[str], size: int = 8192) -> Vocabulary:
        """Return the vocabulary of texts: at most `size` words, the most frequent first."""
        frequency = Counter(word for text in texts for word in split(text))
        order = sorted(frequency, key=lambda word: (-frequency[word], word))
        return cls((PAD, UNKNOWN, START, *order[: size - 3]))

    def __len__(self) -> int:
        return len(self.words)

    def encode(
        self, texts: Sequence[str], length: int
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return numbers and mask, (S, length) int64; words past the length are cut."""
        number = np.zeros((len(texts), length), np.int64)
        mask = np.zeros((len(texts), length), np.int64)
        for row, text in enumerate(texts):
            numbers = [2, *(self._number.get(word, 1) for word in split(text))][:length]
            number[row, : len(numbers)] = numbers
            mask[row, : len(numbers)] = 1
        return number, mask


class WordPieces:
    """The pretrained text model's own tokenizer.

    Parameters
    ----------
    folder : Path
        Where its tokenizer.json lies.
    """

    def __init__(self, folder: Path):
        from tokenizers import Tokenizer

        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))

    def __len__(self) -> int:
        return int(self._tokenizer.get_vocab_size())

    def encode(
        self, texts: Sequence[str], length: int
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return numbers and mask, (S, length) int64; pieces past the length are cut."""
        self._tokenizer.enable_truncation(length)
        self._tokenizer.enable_padding(length=length)
        texts_in_pieces = self._tokenizer.encode_batch(list(texts))
        number = np.array([text.ids for text in texts_in_pieces], np.int64)
        mask = np.array([text.attention_mask for text in texts_in_pieces], np.int64)
        return number.reshape(-1, length), mask.reshape(-1, length)


def split(text: str) -> list[str]:
    """Return the words and punctuation marks of a text, in small letters."""
    return WORD.findall(text.casefold())
