"""Shared fixtures."""

import pytest

from semopt import _core, backends


@pytest.fixture(params=_core.instruction_sets())
def instruction_set(request):
    """Each instruction set that the machine runs, in use."""
    before = _core.instruction_set()
    _core.use_instruction_set(request.param)
    yield request.param
    _core.use_instruction_set(before)


@pytest.fixture(params=backends.available())
def backend(request):
    """Each backend that can be used here, by name."""
    return request.param
