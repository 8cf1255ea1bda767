"""What tests of the semantic room share: where the data is, and how to say that it is not."""

import numpy as np
import pytest

from semopt.semantic.data.sources import MODELS, SOURCES, data_folder, missing


def need(*names):
    """Return the data folder, or skip the test with the reason in words."""
    for name in names:
        if fault := missing((SOURCES | MODELS)[name], data_folder()):
            pytest.skip(f"{name} is not in the data folder: {fault}")
    return data_folder()


def write_cifar(folder, label=lambda i: i % 10):
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (6, 40, 3, 32, 32), dtype=np.uint8)
    names = [f"data_batch_{i}.bin" for i in range(1, 6)] + ["test_batch.bin"]
    for name, batch in zip(names, image, strict=True):
        records = [bytes([label(i)]) + one.tobytes() for i, one in enumerate(batch)]
        (folder / name).write_bytes(b"".join(records))
    return image
