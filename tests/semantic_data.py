"""What tests of the semantic room share: where the data is, and how to say that it is not."""

import pytest

from semopt.semantic.data.sources import MODELS, SOURCES, data_folder, missing


def need(*names):
    """Return the data folder, or skip the test with the reason in words."""
    for name in names:
        if fault := missing((SOURCES | MODELS)[name], data_folder()):
            pytest.skip(f"{name} is not in the data folder: {fault}")
    return data_folder()
