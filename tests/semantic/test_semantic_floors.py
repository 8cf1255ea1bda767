"""Floors, on sets whose best simple answers are known."""

import numpy as np
import pytest
from sklearn.datasets import load_digits

from semantic_data import need
from semopt.semantic.data.splits import SOURCES, Dataset, Split, load
from semopt.semantic.measure.floors import floors


def dataset(name, classes, train, test):
    return Dataset(SOURCES[name], classes, train, test, test)


def test_digits_are_nearly_linear():
    image, label = load_digits(return_X_y=True)
    image, label = (image * 15).astype(np.uint8).reshape(-1, 8, 8, 1), label.astype(np.int64)
    parts = (Split(label[s], image=image[s]) for s in (slice(0, 1300), slice(1300, None)))
    majority, linear = floors(dataset("fashion-mnist", tuple("0123456789"), *parts))
    assert majority.right == (label[1300:] == np.bincount(label[:1300]).argmax()).sum()
    # scikit-learn's own documentation has linear classifiers at 0.91 to 0.95 on a later part.
    assert 0.88 <= linear.accuracy <= 0.97
    assert linear.flop == 2 * 64 * 10


def test_words_tell_and_their_absence_does_not():
    label = np.arange(200) % 2
    text = [f"{('dull', 'fine')[y]} film {i % 7}" for i, y in enumerate(label)]
    unknown = Split(np.array([0, 0, 1]), ["so dull", "a dull one", "what"])
    found = floors(dataset("movie-snippets", ("-", "+"), Split(label, text), unknown))
    assert [f.name for f in found][-1] in ("bag of words", "majority")
    words = next(f for f in found if f.name == "bag of words")
    assert words.right >= 2


def test_only_words_that_are_there_are_summed():
    label = np.arange(200) % 2
    text = [f"{('dull', 'fine')[y]} film {i % 7}" for i, y in enumerate(label)]
    test = Split(np.array([0, 1]), ["dull film", "so fine"])
    known = dataset("movie-snippets", ("-", "+"), Split(label, text), test)
    found = {f.name: f for f in floors(known)}
    # Two words and their pair, and one word: 2 a text, each multiplied and added.
    assert found["bag of words"].flop == 4
    assert found["bag of words"].right == 2
    assert found["majority"].flop == 0


def test_the_best_floor_is_the_last():
    image = np.zeros((1, 2, 2, 1), np.uint8)
    train = Split(np.array([0, 0, 1, 1, 1]), list("aabbb"), image, np.zeros(5, np.int64))
    test = Split(np.array([1, 1, 0]), list("aab"), image, np.zeros(3, np.int64))
    found = floors(dataset("easy-vqa", ("no", "yes"), train, test))
    assert [(f.name, f.right) for f in found] == [("question only", 0), ("majority", 2)]


def test_of_answers_given_as_often_the_first_class_is_taken():
    image = np.zeros((1, 2, 2, 1), np.uint8)
    train = Split(np.array([2, 1, 1, 2, 2]), list("aaaab"), image, np.zeros(5, np.int64))
    test = Split(np.array([1, 2]), list("ab"), image, np.zeros(2, np.int64))
    found = {f.name: f.right for f in floors(dataset("easy-vqa", ("x", "y", "z"), train, test))}
    assert found == {"majority": 1, "question only": 2}


def test_a_question_alone_gets_its_most_frequent_answer():
    image = np.zeros((1, 2, 2, 1), np.uint8)
    train = Split(np.array([0, 0, 0, 1, 1]), list("aabbb"), image, np.zeros(5, np.int64))
    test = Split(np.array([0, 1, 0, 1]), list("abbz"), image, np.zeros(4, np.int64))
    majority, question = floors(dataset("easy-vqa", ("no", "yes"), train, test))
    assert (majority.right, majority.samples) == (2, 4)
    assert (question.name, question.right) == ("question only", 2)  # "z" is unknown: the majority


@pytest.mark.parametrize(
    ("name", "kind", "accuracy"),
    [("movie-snippets", "bag of words", 0.79), ("easy-vqa", "question only", 0.670)],
)
def test_floors_of_the_sets(name, kind, accuracy):
    found = {f.name: f.accuracy for f in floors(load(name, need(name)))}
    assert found[kind] == pytest.approx(accuracy, abs=0.01)
    assert found["majority"] < found[kind]
