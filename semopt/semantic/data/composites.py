"""Composite VQA (generated): questions with known answers on 2 x 2 scenes of labelled images."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .dataset import Split

PLACES = ("top left", "top right", "bottom left", "bottom right")
SIDES = {"top": (0, 1), "bottom": (2, 3), "left": (0, 2), "right": (1, 3)}
COUNTS = ("0", "1", "2", "3", "4")
FOOTWEAR = ("sandal", "sneaker", "boot")
TEMPLATES = (
    "is there a {item}?",
    "are the two on the {side} the same?",
    "is the {place} item footwear?",
    "what is in the {place}?",
    "how many items are a {item}?",
)
YES_NO = 3  # so many of them are answered by yes or no
QUESTIONS = 3  # on each scene


def composites(
    items: Split, names: tuple[str, ...], *, scenes: int, seed: int
) -> tuple[tuple[str, ...], Split]:
    """Generate scenes of four items and questions on them.

    Half of the scenes hold an item twice at least, so that comparisons and numbers vary. Where
    more questions of a template have the one answer of yes and no than the other, the excess is
    left out: the question alone does not tell.

    Parameters
    ----------
    items : Split
        Images, (S, H, W, C) uint8, with their labels, some of each class.
    names : tuple of str
        The names of the classes.
    scenes : int
        How many composites, (2H, 2W, C) each.
    seed : int
        Draws all of it.

    Returns
    -------
    tuple of str, Split
        The possible answers, and the questions.
    """
    assert items.image is not None
    rng = np.random.default_rng(seed)
    kinds = rng.integers(len(names), size=(scenes, 4))
    kinds[: scenes // 2, 1] = kinds[: scenes // 2, 0]
    kinds = rng.permuted(rng.permutation(kinds), axis=1)
    tiles = items.image[one_of_each(items.label, kinds, rng)]
    image = np.concatenate(
        [np.concatenate([tiles[:, row], tiles[:, row + 1]], axis=2) for row in (0, 2)], axis=1
    )
    about = np.repeat(np.arange(scenes), QUESTIONS)
    template = rng.integers(len(TEMPLATES), size=len(about))
    text, answer = questions(kinds[about], template, names, rng)
    chosen = balanced(template, answer, rng)
    answers = ("no", "yes", *names, *COUNTS)
    split = Split(answer, text, image, about)
    return answers, split.take(chosen)


def one_of_each(
    label: NDArray[np.int64], kinds: NDArray[np.int64], rng: np.random.Generator
) -> NDArray[np.int64]:
    """Return a random sample of each class asked for."""
    order, size = np.argsort(label, kind="stable"), np.bincount(label)
    first = np.cumsum(size) - size
    samples: NDArray[np.int64] = order[
        first[kinds] + (rng.random(kinds.shape) * size[kinds]).astype(np.int64)
    ]
    return samples


def questions(
    kinds: NDArray[np.int64],
    template: NDArray[np.int64],
    names: tuple[str, ...],
    rng: np.random.Generator,
) -> tuple[list[str], NDArray[np.int64]]:
    """Return a question by the template on each scene (4 classes), and its answer's number."""
    number = (kinds[:, :, None] == np.arange(len(names))).sum(1)  # of each class in each scene
    pairs = np.stack([kinds[:, a] == kinds[:, b] for a, b in SIDES.values()], 1)
    footwear = np.isin(np.array(names), FOOTWEAR)[kinds]
    yes = rng.random(len(kinds)) < 0.5  # wanted, if the scene allows it

    def drawn(fits: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return a column, one that has the wanted answer if there is one, and its answer."""
        column = (rng.random(fits.shape) + (fits == yes[:, None])).argmax(1)
        return column, np.take_along_axis(fits, column[:, None], 1)[:, 0].astype(np.int64)

    item, present = drawn(number > 0)
    side, equal = drawn(pairs)
    footwear_place, is_footwear = drawn(footwear)
    place = np.where(template == 2, footwear_place, rng.integers(4, size=len(kinds)))
    rows = np.arange(len(kinds))
    answer = np.choose(
        template,
        [
            *(present, equal, is_footwear),
            2 + kinds[rows, place],
            2 + len(names) + number[rows, item],
        ],
    )
    sides = tuple(SIDES)
    text = [
        TEMPLATES[t].format(item=names[i], side=sides[s], place=PLACES[p])
        for t, i, s, p in zip(template, item, side, place, strict=True)
    ]
    return text, answer


def balanced(
    template: NDArray[np.int64], answer: NDArray[np.int64], rng: np.random.Generator
) -> NDArray[np.int64]:
    """Return the questions to keep, for yes and no to be as frequent in each template."""
    chosen = [np.flatnonzero(template >= YES_NO)]
    for t in range(YES_NO):
        rows = [np.flatnonzero((template == t) & (answer == a)) for a in (0, 1)]
        fewest = min(map(len, rows))
        chosen += [rng.permutation(part)[:fewest] for part in rows]
    return np.sort(np.concatenate(chosen))
