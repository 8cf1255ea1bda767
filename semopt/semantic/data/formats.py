"""Readers of the data sets' own files: classes, training part and test part of each.

A reader returns None as the test part where the set comes without one. Pickle is never loaded.
"""

from __future__ import annotations

import gzip
import io
import json
import zipfile
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...rows import plain
from .composites import composites
from .dataset import Split

Reader = Callable[[Path], tuple[tuple[str, ...], Split, Split | None]]

SENTIMENTS = ("negative", "positive")
GARMENTS = (
    *("t-shirt", "trouser", "pullover", "dress", "coat"),
    *("sandal", "shirt", "sneaker", "bag", "boot"),
)
CIFAR = (
    *("airplane", "automobile", "bird", "cat", "deer"),
    *("dog", "frog", "horse", "ship", "truck"),
)
RATING_MIN = 0.5  # snippets rated nearer to 0 than this are neither positive nor negative
ANSWERS = 1000  # VQAv2: the most frequent training answers are the classes
VQA_PIXELS = 112  # VQAv2: images are resized to this square


def movie_snippets(folder: Path) -> tuple[tuple[str, ...], Split, None]:
    """Read VADER's movie review snippets: id, mean rating in [-4, 4], text."""
    file = folder / "movieReviewSnippets_GroundTruth.txt"
    rows = tab_rows(file, 3)
    ratings = np.array([number(row[1], file, i) for i, row in enumerate(rows, 1)])
    if not (np.abs(ratings) <= 4).all():
        raise ValueError(f"{file}: a rating is outside -4 to 4")
    clear = np.flatnonzero(np.abs(ratings) >= RATING_MIN)
    label = (ratings[clear] > 0).astype(np.int64)
    return SENTIMENTS, Split(label, [rows[i][2].strip() for i in clear]), None


def sst2(folder: Path) -> tuple[tuple[str, ...], Split, Split]:
    """Read GLUE's SST-2; its test.tsv has no labels, so dev.tsv is the test part."""
    parts = []
    for part in ("train", "dev"):
        file = only(folder, f"{part}.tsv", "GLUE's SST-2")
        header, *rows = tab_rows(file, 2)
        if header != ["sentence", "label"]:
            raise ValueError(f"{file}: the first line is {header}; 'sentence', 'label' is expected")
        values = [number(row[1], file, i) for i, row in enumerate(rows, 2)]
        parts.append(Split(labels(values, 2, file), [row[0].strip() for row in rows]))
    return SENTIMENTS, parts[0], parts[1]


def fashion_mnist(folder: Path) -> tuple[tuple[str, ...], Split, Split]:
    """Read the four IDX files."""
    parts = []
    for part in ("train", "t10k"):
        image = idx(folder / f"{part}-images-idx3-ubyte.gz", 3)
        file = folder / f"{part}-labels-idx1-ubyte.gz"
        label = labels(idx(file, 1), len(GARMENTS), file)
        if len(image) != len(label):
            raise ValueError(f"{file}: {len(label)} labels for {len(image)} images")
        parts.append(Split(label, image=image[..., None]))
    return GARMENTS, parts[0], parts[1]


def composite_vqa(folder: Path) -> tuple[tuple[str, ...], Split, Split]:
    """Generate questions on composites of training and of test images of Fashion-MNIST."""
    classes, train, test = fashion_mnist(folder)
    answers, first = composites(train, classes, scenes=20_000, seed=0)
    return answers, first, composites(test, classes, scenes=4_000, seed=1)[1]


def cifar10(folder: Path) -> tuple[tuple[str, ...], Split, Split]:
    """Read the binary version: records of a label and 3 x 32 x 32 bytes."""
    names = [f"data_batch_{i}.bin" for i in range(1, 6)]
    if list(folder.rglob("data_batch_1")):
        raise ValueError(
            f"{folder}: this is CIFAR-10's python version, which is pickled and never loaded; "
            "download the binary version, cifar-10-binary.tar.gz, and unpack it there"
        )
    parts = []
    for files in (names, ["test_batch.bin"]):
        read = [cifar_records(only(folder, name, "CIFAR-10, binary version")) for name in files]
        image, label = (np.concatenate(column) for column in zip(*read, strict=True))
        parts.append(Split(label, image=image))
    return CIFAR, parts[0], parts[1]


def cifar_records(file: Path) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return (S, 32, 32, 3) images and (S,) labels of one batch."""
    content = np.frombuffer(file.read_bytes(), np.uint8)
    if not len(content) or len(content) % 3073:
        raise ValueError(f"{file}: {len(content)} bytes; records of 3073 bytes are expected")
    records = content.reshape(-1, 3073)
    image = records[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    return np.ascontiguousarray(image), labels(records[:, 0], 10, file)


def easy_vqa(folder: Path) -> tuple[tuple[str, ...], Split, Split]:
    """Read questions and 64 x 64 images out of the package."""
    file = folder / "easy_vqa-1.0-py3-none-any.whl"
    with zipfile.ZipFile(file) as packed:
        answers = tuple(packed.read("easy_vqa/data/answers.txt").decode().split())
        parts = []
        for part in ("train", "test"):
            root = f"easy_vqa/data/{part}"
            rows = json.loads(packed.read(f"{root}/questions.json"))
            questions, answer_texts, about = zip(*rows, strict=True)
            numbers, index = np.unique(np.array(about), return_inverse=True)
            image = [pixels(packed.read(f"{root}/images/{i}.png")) for i in numbers]
            label = labels([code(answer, answers) for answer in answer_texts], len(answers), file)
            parts.append(Split(label, list(questions), np.stack(image), index.astype(np.int64)))
    return answers, parts[0], parts[1]


def vqav2(folder: Path) -> tuple[tuple[str, ...], Split, Split]:
    """Read questions, annotations and images of 2014; the validation part is the test part.

    The classes are the most frequent answers of the training part. Questions with another answer
    are left out, so an accuracy is over the rest.
    """
    tables = [vqav2_rows(folder, part) for part in ("train2014", "val2014")]
    often = Counter(answer for *_, answer in tables[0])
    answers = tuple(sorted(often, key=lambda answer: (-often[answer], answer))[:ANSWERS])
    code_of = {answer: i for i, answer in enumerate(answers)}
    parts = []
    for part, rows in zip(("train2014", "val2014"), tables, strict=True):
        rows = [row for row in rows if row[2] in code_of]
        numbers, index = np.unique([row[0] for row in rows], return_inverse=True)
        image = np.empty((len(numbers), VQA_PIXELS, VQA_PIXELS, 3), np.uint8)
        for i, number_ in enumerate(numbers):
            file = folder / part / f"COCO_{part}_{number_:012d}.jpg"
            if not file.is_file():
                raise ValueError(f"{file} is missing; the images of {part} are expected")
            try:
                image[i] = pixels(file.read_bytes(), VQA_PIXELS)
            except OSError as error:
                raise ValueError(f"{file} is no image that can be read: {error}") from None
        label = np.array([code_of[row[2]] for row in rows], np.int64)
        parts.append(Split(label, [row[1] for row in rows], image, index.astype(np.int64)))
    return answers, parts[0], parts[1]


def vqav2_rows(folder: Path, part: str) -> list[tuple[int, str, str]]:
    """Return (image, question, most frequent answer) of each question."""
    questions = document(
        only(folder, f"v2_OpenEnded_mscoco_{part}_questions.json", "VQAv2"), "questions"
    )
    file = only(folder, f"v2_mscoco_{part}_annotations.json", "VQAv2")
    notes = document(file, "annotations")
    try:
        answer = {int(n["question_id"]): str(n["multiple_choice_answer"]) for n in notes}
        return [
            (int(q["image_id"]), str(q["question"]), answer[int(q["question_id"])])
            for q in questions
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{file}: no answer or no field {error} for a question") from None


def document(file: Path, key: str) -> list[dict[str, Any]]:
    """Return the list that a JSON file holds under a key."""
    try:
        rows = json.loads(file.read_bytes())[key]
    except (ValueError, KeyError, TypeError):
        rows = None
    if not isinstance(rows, list) or not rows:
        raise ValueError(f"{file}: not a JSON document with a list {key!r}")
    return rows


def tab_rows(file: Path, columns: int) -> list[list[str]]:
    """Return the rows of a table of columns parted by tabs."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise ValueError(f"{file}: not UTF-8 text: {error}") from None
    rows = [line.split("\t") for line in lines if line]
    for i, row in enumerate(rows, 1):
        if len(row) != columns:
            raise ValueError(f"{file}, line {i}: {len(row)} columns; {columns} are expected")
    if len(rows) < 2:
        raise ValueError(f"{file}: {len(rows)} rows; a table is expected")
    return rows


def idx(file: Path, axes: int) -> NDArray[np.uint8]:
    """Return the array of bytes in a gzipped IDX file."""
    try:
        content = gzip.decompress(file.read_bytes())
    except (OSError, EOFError) as error:
        raise ValueError(f"{file}: not a gzip file, or truncated: {error}") from None
    head = 4 + 4 * axes
    if content[:4] != bytes([0, 0, 8, axes]) or len(content) < head:
        raise ValueError(f"{file}: not an IDX file of bytes with {axes} axes")
    shape = tuple(int(n) for n in np.frombuffer(content[4:head], ">u4"))
    if len(content) - head != np.prod(shape):
        raise ValueError(f"{file}: {len(content) - head} bytes for the shape {shape}; truncated?")
    return np.frombuffer(content, np.uint8, offset=head).reshape(shape)


def pixels(content: bytes, square: int = 0) -> NDArray[np.uint8]:
    """Return an encoded image as (H, W, 3) uint8, resized to a square where asked."""
    from PIL import Image

    with Image.open(io.BytesIO(content)) as image:
        colour = image.convert("RGB")
        if square:
            colour = colour.resize((square, square), Image.Resampling.BICUBIC)
        return np.asarray(colour)


def labels(values: Sequence[float] | NDArray[Any], classes: int, file: Path) -> NDArray[np.int64]:
    """Return labels as integers, each a class."""
    numbers = np.asarray(values)
    wrong = np.flatnonzero((numbers < 0) | (numbers >= classes) | (numbers != np.round(numbers)))
    if len(wrong):
        first = f"label {numbers[wrong[0]]:g} of sample {wrong[0]}"
        raise ValueError(f"{file}: {first}; 0 to {classes - 1} is expected")
    return numbers.astype(np.int64)


def code(answer: str, answers: Sequence[str]) -> int:
    """Return an answer's class, -1 if it is none."""
    return answers.index(answer) if answer in answers else -1


def number(text: str, file: Path, line: int) -> float:
    """Return a number of a table."""
    try:
        return float(plain(text))
    except ValueError:
        raise ValueError(f"{file}, line {line}: {text!r}; a number is expected") from None


def only(folder: Path, name: str, title: str) -> Path:
    """Return a file in a folder, or in one folder below it as archives unpack to."""
    for path in (folder / name, *sorted(folder.glob(f"*/{name}"))):
        if path.is_file():
            return path
    raise ValueError(f"{folder}: no {name} there; the files of {title} are expected")


READERS: dict[str, Reader] = {
    "movie-snippets": movie_snippets,
    "fashion-mnist": fashion_mnist,
    "easy-vqa": easy_vqa,
    "composite-vqa": composite_vqa,
    "sst2": sst2,
    "cifar10": cifar10,
    "vqav2": vqav2,
}
