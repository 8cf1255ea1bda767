"""The shape of every data set: three parts of labelled texts, images, or questions on images."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ...records import Record
from .sources import Source


@dataclass(frozen=True)
class Split(Record):
    """Samples of one part of a set.

    Attributes
    ----------
    label : (S,) int64, the class of each sample
    text : S strings, the sentence or question; None for images alone
    image : (S', H, W, C) uint8; S' = S but for questions, None for texts alone
    image_index : (S,) int64, the image that question s asks about; None but for questions
    """

    label: NDArray[np.int64]
    text: list[str] | None = None
    image: NDArray[np.uint8] | None = None
    image_index: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.label)

    def take(self, index: NDArray[np.integer]) -> Split:
        """Return some samples, and of the images those that they need."""
        part = replace(self, label=self.label[index])
        if self.text is not None:
            part = replace(part, text=[self.text[i] for i in index])
        if self.image is not None and self.image_index is not None:
            images, place = np.unique(self.image_index[index], return_inverse=True)
            return replace(part, image=self.image[images], image_index=place.astype(np.int64))
        return part if self.image is None else replace(part, image=self.image[index])


@dataclass(frozen=True)
class Dataset:
    """A set in three parts; no text or image lies in two of them."""

    source: Source
    classes: tuple[str, ...]
    train: Split
    validation: Split
    test: Split
