"""What a model must beat: floors that take no encoder, or do not look at the image at all.

The floor of the same codec with random features is the codec's own affair (`training`).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data.splits import Dataset, Split

# Of the logistic regression on pixels.
STEPS, BATCH, RATE, DECAY = 2000, 200, 2e-3, 1e-2


@dataclass(frozen=True)
class Floor:
    """A floor's accuracy on the test part.

    Attributes
    ----------
    name : what it is, in words
    right, samples : right answers, of how many
    flop : of one answer, a multiply-add counting 2; 0 where it computes nothing
    """

    name: str
    right: int
    samples: int
    flop: int = 0

    @property
    def accuracy(self) -> float:
        """Share of right answers."""
        return self.right / self.samples


def floors(dataset: Dataset, seed: int = 0) -> list[Floor]:
    """Return the floors of a data set, best last.

    Majority for all; beside it a bag of words for texts, linear on pixels for images, and for
    questions on images the question alone.
    """
    floors_of_set = [majority(dataset)]
    if dataset.source.modality == "text":
        floors_of_set.append(bag_of_words(dataset, seed))
    elif dataset.source.modality == "image":
        floors_of_set.append(linear_on_pixels(dataset, seed))
    else:
        floors_of_set.append(question_only(dataset))
    return sorted(floors_of_set, key=lambda floor: floor.right)


def majority(dataset: Dataset) -> Floor:
    """Answer the most frequent class of the training part, always."""
    answer = int(np.bincount(dataset.train.label).argmax())
    return scored("majority", np.full(len(dataset.test), answer), dataset.test)


def question_only(dataset: Dataset) -> Floor:
    """Answer a question by its most frequent answer in the training part, image unseen."""
    answers: dict[str, Counter[int]] = {}
    for text, label in zip(dataset.train.text or [], dataset.train.label.tolist(), strict=True):
        answers.setdefault(text, Counter())[label] += 1
    common = int(np.bincount(dataset.train.label).argmax())
    best = {text: min(n, key=lambda label: (-n[label], label)) for text, n in answers.items()}
    answers_given = np.array([best.get(text, common) for text in dataset.test.text or []])
    return scored("question only", answers_given, dataset.test)


def bag_of_words(dataset: Dataset, seed: int) -> Floor:
    """Logistic regression on TF-IDF of words and pairs of words."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    words: Any = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    train = words.fit_transform(dataset.train.text)
    test = words.transform(dataset.test.text)
    model = LogisticRegression(C=4.0, max_iter=1000, random_state=seed)
    model.fit(train, dataset.train.label)
    used = test.nnz / test.shape[0] * len(model.coef_)  # only words that are there are summed
    return scored("bag of words", model.predict(test), dataset.test, round(2 * used))


def linear_on_pixels(dataset: Dataset, seed: int) -> Floor:
    """Logistic regression on the colour values of all pixels, standardised."""
    import torch

    train, test = (pixels(split) for split in (dataset.train, dataset.test))
    mean, spread = train.mean(0), train.std(0) + 1e-2
    label = torch.from_numpy(dataset.train.label)
    rng = torch.Generator().manual_seed(seed)
    weight = torch.zeros(train.shape[1] + 1, len(dataset.classes), requires_grad=True)
    optimizer = torch.optim.AdamW([weight], lr=RATE, weight_decay=DECAY)
    falling = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, STEPS)
    rows = torch.from_numpy((train - mean) / spread)
    for _ in range(STEPS):
        batch = torch.randint(len(rows), (BATCH,), generator=rng)
        logits = rows[batch] @ weight[:-1] + weight[-1]
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(logits, label[batch])
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        falling.step()
    weights = weight.detach().numpy()
    answers = (((test - mean) / spread) @ weights[:-1] + weights[-1]).argmax(1)
    return scored("linear on pixels", answers, dataset.test, 2 * weights[:-1].size)


def pixels(split: Split) -> NDArray[np.float32]:
    """Return (S, pixels x colours) float32 in [0, 1]."""
    assert split.image is not None
    return np.asarray(split.image.reshape(len(split), -1) / 255, np.float32)


def scored(name: str, answers: NDArray[Any], test: Split, flop: int = 0) -> Floor:
    """Return a floor by its answers on the test part."""
    return Floor(name, int((answers == test.label).sum()), len(test), flop)
