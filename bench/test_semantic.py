"""Suite `semantic`: samples a second through the user's part of the tiny codecs, on one thread.

python -m pytest bench/test_semantic.py --benchmark-only -s
"""

from __future__ import annotations

import resource
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from figures import report, seconds_of

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from semopt.semantic.measure.plans import MODALITIES, plan_of  # noqa: E402
from semopt.semantic.networks import codec, flops  # noqa: E402
from semopt.semantic.networks.codec import Batch, Source  # noqa: E402

SAMPLES = 50  # the batch that is trained with
SOURCES = {
    "text": Source(2, words=30522, length=48),
    "image": Source(10, pixels=28, colours=1),
    "vqa": Source(13, words=30, length=10, pixels=64, colours=3),
}


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def batch(source: Source) -> Batch:
    text = image = None
    if source.length:
        text = torch.randint(1, source.words, (SAMPLES, source.length))
    if source.pixels:
        image = torch.randn(SAMPLES, source.colours, source.pixels, source.pixels)
    return Batch(text, image)


def one(given: Batch, row: int) -> Batch:
    cut = slice(row, row + 1)
    return Batch(
        None if given.text is None else given.text[cut],
        None if given.image is None else given.image[cut],
    )


@pytest.mark.parametrize("extraction", [1.0, 0.3])
@pytest.mark.parametrize("modality", SOURCES)
def test_encoding(benchmark: Any, modality: str, extraction: float) -> None:
    source = SOURCES[modality]
    torch.manual_seed(0)
    network = codec.build(plan_of(MODALITIES[modality], "semantic").sizes, source).eval()
    given = batch(source)

    def encode() -> Any:
        with torch.no_grad():
            return network.at_user(given, extraction)

    def one_by_one() -> Any:
        with torch.no_grad():
            parts = [network.at_user(one(given, row), extraction) for row in range(SAMPLES)]
        return torch.cat(parts)

    step = 2 * codec.CLIP / 255  # a rounding may fall to either of two neighbouring levels
    np.testing.assert_allclose(encode(), one_by_one(), atol=1.01 * step)
    report(
        benchmark,
        "semantic",
        f"{modality}, extraction {extraction:g}",
        encode,
        SAMPLES,
        "samples/s",
        "a sample at a time",
        SAMPLES / seconds_of(one_by_one),
        kind="fma_single",
        operations=flops.user_flop(network, source.length, extraction),
        read=0,
    )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    benchmark.extra_info["peak_memory_mb"] = peak / 1024
