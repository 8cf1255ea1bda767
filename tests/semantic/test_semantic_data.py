"""Loaders, splits and hashes: on tiny files in the sets' own formats, and on the sets if there."""

import dataclasses
import gzip
import io
import json
import re
import struct
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from semantic_data import need, write_cifar
from semopt.cli import app
from semopt.semantic.data import formats, packages, sources, splits
from semopt.semantic.data.composites import composites
from semopt.semantic.data.sources import Archive, File, Source, digest
from semopt.semantic.data.splits import Split, load
from semopt.semantic.data.tokens import Vocabulary

# Tiny sets in the formats of the paper's own -------------------------------------------------


def write_sst2(folder, train=200):
    folder.mkdir(parents=True)
    rows = [f"sentence number {i}\t{i % 2}" for i in range(train)]
    (folder / "train.tsv").write_text("sentence\tlabel\n" + "\n".join(rows) + "\n")
    dev = ["sentence\tlabel", "a fine film\t1", "a dull film\t0", "Sentence  number 7\t1"]
    (folder / "dev.tsv").write_text("\n".join(dev) + "\n")
    return folder


def write_vqav2(folder):
    rng = np.random.default_rng(0)
    for part, first in (("train2014", 0), ("val2014", 100)):
        (folder / part).mkdir(parents=True)
        questions, notes = [], []
        for image in range(first, first + 20):
            file = folder / part / f"COCO_{part}_{image:012d}.jpg"
            Image.fromarray(rng.integers(0, 256, (24, 32, 3), dtype=np.uint8)).save(file)
            for ask in range(3):
                number = 10 * image + ask
                asked = {"question_id": number, "image_id": image, "question": f"what {ask}?"}
                questions.append(asked)
                answer = ("yes", "no", "rare" if image == 100 else "yes")[ask]
                notes.append({"question_id": number, "multiple_choice_answer": answer})
        asked, given = (f"v2_OpenEnded_mscoco_{part}_questions", f"v2_mscoco_{part}_annotations")
        (folder / f"{asked}.json").write_text(json.dumps({"questions": questions}))
        (folder / f"{given}.json").write_text(json.dumps({"annotations": notes}))
    return folder


def test_sst2_is_read_and_parts_share_no_sentence(tmp_path):
    write_sst2(tmp_path / "sst2")
    found = load("sst2", tmp_path)
    assert found.source.title == "SST-2"
    assert found.classes == ("negative", "positive")
    assert found.test.text == ["a fine film", "a dull film", "Sentence  number 7"]
    assert found.test.label.tolist() == [1, 0, 1]
    assert len(found.train) + len(found.validation) == 199  # number 7 is tested on
    assert "sentence number 7" not in found.train.text + found.validation.text
    for split in (found.train, found.validation):
        assert all(
            int(t.split()[-1]) % 2 == y for t, y in zip(split.text, split.label, strict=True)
        )


def test_cifar_is_read_with_channels_last(tmp_path):
    image = write_cifar(tmp_path / "cifar10/cifar-10-batches-bin")
    found = load("cifar10", tmp_path)
    assert found.test.image.shape == (40, 32, 32, 3)
    assert found.test.image[3, 5, 7].tolist() == image[5, 3, :, 5, 7].tolist()
    assert found.test.label.tolist() == [i % 10 for i in range(40)]
    assert (len(found.train), len(found.validation)) == (180, 20)


def test_vqav2_is_read_and_images_are_shared_within_a_part_only(tmp_path):
    write_vqav2(tmp_path / "vqav2")
    found = load("vqav2", tmp_path)
    assert found.classes == ("yes", "no")
    assert found.test.image.shape == (20, formats.VQA_PIXELS, formats.VQA_PIXELS, 3)
    assert len(found.test) == 59  # the answer "rare" is not among the training answers
    assert found.test.text[:3] == ["what 0?", "what 1?", "what 0?"]
    assert found.test.image_index[:4].tolist() == [0, 0, 1, 1]
    assert (len(found.train.image), len(found.validation.image)) == (18, 2)
    assert (len(found.train), len(found.validation)) == (54, 6)
    source = Image.open(tmp_path / "vqav2/val2014/COCO_val2014_000000000104.jpg")
    average = np.asarray(source, float).mean((0, 1))
    assert found.test.image[4].mean((0, 1)) == pytest.approx(average, abs=2)


def test_splits_do_not_depend_on_the_seed_of_the_share(tmp_path):
    write_sst2(tmp_path / "sst2", train=400)
    everything, test = (set(x) for x in parts(load("sst2", tmp_path)))
    for seed in range(3):
        train, tested = parts(load("sst2", tmp_path, share=0.1, seed=seed))
        assert set(train) <= everything
        assert set(tested) <= test
    thin = load("sst2", tmp_path, share=0.1, seed=1).train
    assert np.bincount(thin.label).tolist() == [18, 18]
    assert parts(load("sst2", tmp_path, 0.1, 1)) != parts(load("sst2", tmp_path, 0.1, 2))


def parts(dataset):
    return dataset.train.text, dataset.test.text


def test_a_split_keeps_the_images_that_it_needs():
    image = np.arange(4, dtype=np.uint8).reshape(4, 1, 1, 1)
    split = Split(np.arange(5), list("abcde"), image, np.array([0, 0, 2, 3, 3]))
    part = split.take(np.array([4, 2]))
    assert part.text == ["e", "c"]
    assert part.image.ravel().tolist() == [2, 3]
    assert part.image[part.image_index].ravel().tolist() == [3, 2]
    assert len(part) == 2


# Faults -----------------------------------------------------------------------------------------


def faults(tmp_path):
    """Return a tiny set with one fault each, and what the message must say."""
    sst2 = tmp_path / "sst2"
    return {
        "sst2": [
            ("dev.tsv", lambda f: f.unlink(), f"{sst2}: no dev.tsv there"),
            (
                "dev.tsv",
                lambda f: f.write_text("sentence\tlabel\nfine\t2\n"),
                "label 2 of sample 0",
            ),
            ("dev.tsv", lambda f: f.write_text("sentence\tlabel\nfine\tx\n"), "line 2: 'x'; a num"),
            ("dev.tsv", lambda f: f.write_text("index\tsentence\n0\tfine\n"), "the first line is"),
            ("dev.tsv", lambda f: f.write_text("sentence\tlabel\nfine\n"), "line 2: 1 columns"),
            ("dev.tsv", lambda f: f.write_bytes(b"sentence\tlabel\n\xff\t1\n"), "not UTF-8"),
            ("train.tsv", one_class, "class 1 (positive) has no training sample"),
        ],
        "cifar10": [
            ("data_batch_3.bin", lambda f: f.write_bytes(f.read_bytes()[:-1]), "records of 3073"),
            ("test_batch.bin", lambda f: f.unlink(), "no test_batch.bin there"),
            ("data_batch_1", lambda f: f.write_bytes(b"\x80\x04"), "cifar-10-binary.tar.gz"),
            ("test_batch.bin", lambda f: f.write_bytes(b"\x0b" * 3073), "label 11 of sample 0"),
        ],
        "vqav2": [
            ("v2_mscoco_val2014_annotations.json", lambda f: f.write_text("{"), "not a JSON"),
            (
                "v2_mscoco_val2014_annotations.json",
                lambda f: f.write_text('{"annotations": [{"question_id": 1}]}'),
                "'multiple_choice_answer'",
            ),
            ("val2014/COCO_val2014_000000000107.jpg", lambda f: f.unlink(), "107.jpg is missing"),
        ],
    }


def one_class(file):
    file.write_text(file.read_text().replace("\t1", "\t0"))


@pytest.mark.parametrize(
    ("name", "which"), [("sst2", range(7)), ("cifar10", range(4)), ("vqav2", range(3))]
)
def test_a_fault_of_a_set_is_named(tmp_path, name, which):
    write = {"sst2": write_sst2, "cifar10": write_cifar, "vqav2": write_vqav2}[name]
    for i in which:
        folder = tmp_path / str(i)
        file, spoil, message = faults(folder)[name][i]
        write(folder / name)
        load(name, folder)
        spoil(folder / name / file)
        with pytest.raises(ValueError, match=r".") as fault:
            load(name, folder)
        assert message in str(fault.value)
        assert str(folder) in str(fault.value)


def test_bad_arguments_are_named(tmp_path):
    with pytest.raises(ValueError, match=r"'sst' is not one of movie-snippets, fashion"):
        load("sst", tmp_path)
    with pytest.raises(ValueError, match=r"share is 0; above 0"):
        load("sst2", tmp_path, share=0)
    with pytest.raises(ValueError, match=r"sst2 is missing; put GLUE's"):
        load("sst2", tmp_path)
    with pytest.raises(ValueError, match=r"is missing; `semopt semantic data fashion-mnist`"):
        load("composite-vqa", tmp_path)


def test_no_reader_loads_a_pickle():
    for file in Path(formats.__file__).parent.glob("*.py"):
        assert "pickle" not in set(
            re.findall(r"(?:import|from|allow_)\s*(pickle)", file.read_text())
        )


# Idx and snippets, without their hashes ----------------------------------------------------------


def write_idx(file, array):
    head = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    file.write_bytes(gzip.compress(head + array.tobytes()))


def test_idx_files_are_read_and_their_faults_named(tmp_path):
    image = np.random.default_rng(0).integers(0, 256, (20, 28, 28), dtype=np.uint8)
    label = np.arange(20, dtype=np.uint8) % 10
    for part in ("train", "t10k"):
        write_idx(tmp_path / f"{part}-images-idx3-ubyte.gz", image)
        write_idx(tmp_path / f"{part}-labels-idx1-ubyte.gz", label)
    classes, train, _ = formats.fashion_mnist(tmp_path)
    assert (train.image[..., 0] == image).all()
    assert classes[train.label[9]] == "boot"
    file = tmp_path / "t10k-labels-idx1-ubyte.gz"
    for content, message in (
        (label + 1, "label 10 of sample 9"),
        (label[:-1], "19 labels for 20 images"),
        (image, "not an IDX file of bytes with 1 axes"),
    ):
        write_idx(file, content)
        with pytest.raises(ValueError, match=message):
            formats.fashion_mnist(tmp_path)
    whole = gzip.decompress((tmp_path / "train-labels-idx1-ubyte.gz").read_bytes())
    for raw, message in (
        (gzip.compress(whole[:-1]), "19 bytes for the shape"),
        (gzip.compress(whole)[:-9], "truncated"),
        (whole, "not a gzip file"),
    ):
        file.write_bytes(raw)
        with pytest.raises(ValueError, match=message):
            formats.fashion_mnist(tmp_path)


def test_snippets_near_zero_are_left_out(tmp_path):
    rows = ["1\t3.5\tgreat ", "2\t-0.5\tpoor", "3\t0.4\tso so", "4\t0\tnothing"]
    file = tmp_path / "movieReviewSnippets_GroundTruth.txt"
    file.write_bytes("\r\n".join(rows).encode())
    classes, split, test = formats.movie_snippets(tmp_path)
    assert (split.text, split.label.tolist(), test) == (["great", "poor"], [1, 0], None)
    assert classes == ("negative", "positive")
    file.write_text("1\t5\tgreat\n2\t1\tgood\n")
    with pytest.raises(ValueError, match="outside -4 to 4"):
        formats.movie_snippets(tmp_path)


# Generated questions -------------------------------------------------------------------------


def told(question, scene, names):
    """Answer a question from the scene's four classes: written apart from the generator."""
    words = question.rstrip("?").split()
    seen = [names[k] for k in scene]
    where = {"top left": 0, "top right": 1, "bottom left": 2, "bottom right": 3}
    if question.startswith("is there a"):
        return "yes" if words[-1] in seen else "no"
    if question.startswith("are the two"):
        pair = [seen[i] for place, i in where.items() if words[5] in place.split()]
        return "yes" if pair[0] == pair[1] else "no"
    if question.startswith("what is in"):
        return seen[where[" ".join(words[4:])]]
    if question.startswith("how many"):
        return str(seen.count(words[-1]))
    assert words[-1] == "footwear"
    shod = seen[where[" ".join(words[2:4])]] in ("sandal", "sneaker", "boot")
    return "yes" if shod else "no"


def test_generated_answers_are_true_and_balanced():
    names = formats.GARMENTS
    label = np.arange(50) % 10
    image = np.tile(label.astype(np.uint8)[:, None, None, None], (1, 2, 2, 1))  # a class's colour
    answers, split = composites(Split(label, image=image), names, scenes=2000, seed=3)
    assert split.image.shape[1:] == (4, 4, 1)
    scenes = split.image[:, ::2, ::2, 0].reshape(-1, 4)[split.image_index]
    kinds = {}
    for question, scene, code in zip(split.text, scenes, split.label, strict=True):
        assert answers[code] == told(question, scene, names), question
        kinds.setdefault(question.split()[0] + question.split()[-1][:4], []).append(answers[code])
    yes_no = {kind: said for kind, said in kinds.items() if set(said) <= {"yes", "no"}}
    by_template = {}
    for kind, said in yes_no.items():
        template = kind if kind in ("aresame", "isfoot") else "presence"
        by_template.setdefault(template, []).extend(said)
    assert by_template.keys() == {"aresame", "isfoot", "presence"}
    for said in by_template.values():
        assert said.count("yes") == said.count("no") > 100
    _, again = composites(Split(label, image=image), names, scenes=2000, seed=3)
    assert again.text == split.text


# Words ---------------------------------------------------------------------------------------


def test_a_vocabulary_numbers_the_most_frequent_words():
    words = Vocabulary.of(["The film, the plot.", "the end"], size=6)
    assert words.words == ("[PAD]", "[UNK]", "[CLS]", "the", ",", ".")
    number, mask = words.encode(["The end.", "", "the " * 9], 5)
    assert number.tolist() == [[2, 3, 1, 5, 0], [2, 0, 0, 0, 0], [2, 3, 3, 3, 3]]
    assert mask.tolist() == [[1, 1, 1, 1, 0], [1, 0, 0, 0, 0], [1, 1, 1, 1, 1]]
    assert Vocabulary(words.words).words == words.words
    with pytest.raises(ValueError, match="each word once"):
        Vocabulary(["[PAD]", "[UNK]", "[CLS]", "a", "a"])


# Packages ------------------------------------------------------------------------------------


def tar_of(name, content):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:xz") as tar:
        entry = tarfile.TarInfo(name)
        entry.size = len(content)
        tar.addfile(entry, io.BytesIO(content))
    return file.getvalue()


def zip_of(name, content):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as packed:
        packed.writestr(name, content)
    return file.getvalue()


def ar_of(members):
    parts = [b"!<arch>\n"]
    for name, content in members.items():
        head = f"{name:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(content):<10}`\n".encode()
        parts += [head, content, b"\n" * (len(content) % 2)]
    return b"".join(parts)


@pytest.fixture
def package(tmp_path):
    """Give a source in a .deb that holds one file, and the .deb."""
    content = b"some data"
    deb = ar_of({"debian-binary": b"2.0\n.", "data.tar.xz": tar_of("./a/file.txt", content)})
    file = File("file.txt", digest(content), ("data.tar.xz", "./a/file.txt"))
    archive = Archive("apt", "some-data", "some-data_*.deb", digest(deb))
    path = tmp_path / "some-data_1.deb"
    path.write_bytes(deb)
    return Source("some", "text", "Some", "MIT", "", archive, (file,)), path


def test_a_package_is_unpacked_once(package, tmp_path):
    source, path = package
    assert packages.install(source, tmp_path, path)
    assert (tmp_path / "some/file.txt").read_bytes() == b"some data"
    assert [p.name for p in (tmp_path / "some").iterdir()] == ["file.txt"]
    path.unlink()
    assert not packages.install(source, tmp_path, path)
    assert sources.missing(source, tmp_path) == ""


def test_altered_files_are_named(package, tmp_path):
    source, path = package
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    with pytest.raises(ValueError, match=r"some-data_1.deb: truncated, altered or another"):
        packages.install(source, tmp_path, path)
    unpinned = dataclasses.replace(source, archive=dataclasses.replace(source.archive, sha256=""))
    path.write_bytes(whole[:150])
    with pytest.raises(ValueError, match=r"some-data_1.deb: no \S+ can be read"):
        packages.install(unpinned, tmp_path, path)
    path.write_bytes(whole[:56] + b"-60       " + whole[66:])  # once an endless loop
    with pytest.raises(ValueError, match=r"some-data_1.deb"):
        packages.install(unpinned, tmp_path, path)
    path.write_bytes(ar_of({"data.tar.xz": tar_of("./a/file.txt", b"other data")}))
    with pytest.raises(ValueError, match=r"some-data_1.deb: file.txt has sha256 \w+, expected"):
        packages.install(unpinned, tmp_path, path)
    path.write_bytes(whole)
    packages.install(source, tmp_path, path)
    (tmp_path / "some/file.txt").write_bytes(b"some dat")
    assert "truncated or altered" in sources.missing(source, tmp_path)
    assert packages.install(source, tmp_path, path)


def test_archives_in_archives_are_read():
    inner = zip_of("x/y.txt", b"deep")
    assert packages.member_of(tar_of("in.zip", inner), ("in.zip", "x/y.txt"), "a") == b"deep"
    for content, members in (
        (b"no archive", ("a",)),
        (inner, ("x/z.txt",)),
        (inner[:-3], ("x/y.txt",)),
        (ar_of({"a": b"1"}), ("b",)),
        (tar_of("in.zip", b""), ("other",)),
    ):
        with pytest.raises(ValueError, match=r"^outer: no \S+ can be read"):
            packages.member_of(content, members, "outer")


def test_the_command_says_what_it_cannot_do(tmp_path, monkeypatch):
    def run(*arguments):
        return CliRunner().invoke(app, ["semantic", "data", "--out", str(tmp_path), *arguments])

    for arguments, message in {
        ("cifar10",): "put data_batch_1.bin to 5",
        ("mnist",): "'mnist' is not one of movie-snippets",
        ("--from", str(tmp_path / "some.zip")): "not the file of a package; known: vaderSent",
        ("--from", str(tmp_path / "vaderSentiment-3.3.1.tar.gz")): "No such file",
    }.items():
        result = run(*arguments)
        assert isinstance(result.exception, ValueError | OSError), arguments
        assert message in str(result.exception)
    monkeypatch.setenv("PATH", "")
    result = run("composite-vqa")
    assert "fashion-mnist" in result.output
    assert "not there" in result.output
    assert "dataset-fashion-mnist: there is no apt-get here; get dataset" in str(result.exception)


# The sets themselves --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "train", "test", "classes"),
    [
        ("movie-snippets", 8057, 2015, 2),
        ("fashion-mnist", 60000, 10000, 10),
        ("easy-vqa", 38575, 9673, 13),
    ],
)
def test_the_sets_have_their_published_sizes(name, train, test, classes):
    found = load(name, need(name))
    assert len(found.train) + len(found.validation) == train
    assert (len(found.test), len(found.classes)) == (test, classes)
    parts = (found.train, found.validation, found.test)
    content = [set(splits.contents(s).tolist()) for s in parts]
    assert not content[0] & content[1]
    assert not content[0] & content[2]
    assert not content[1] & content[2]


def test_composites_come_from_training_and_test_images():
    folder = need("fashion-mnist")
    items = load("fashion-mnist", folder).test.image[..., 0]
    found = load("composite-vqa", folder, share=0.01)
    tiles = found.test.image[:, :28, :28, 0]
    known = {item.tobytes() for item in items}
    assert all(tile.tobytes() in known for tile in tiles)
    assert not any(tile.tobytes() in known for tile in found.train.image[:, :28, :28, 0])
