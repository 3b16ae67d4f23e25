"""Fixtures that let the model's tests run on any device: ``pytest tests/core --device cuda``."""

import pytest
import torch


@pytest.fixture(scope="session")
def device(request: pytest.FixtureRequest) -> torch.device:
    """The device of ``--device``; seeded draws are made on the CPU and moved.

    CUDA is kept from rounding to TensorFloat-32 and from adding in any order, so one tolerance fits all.
    """
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.deterministic = True
    return torch.device(request.config.getoption("--device"))


@pytest.fixture(scope="session")
def dtype(request: pytest.FixtureRequest) -> torch.dtype:
    """The precision of ``--dtype``."""
    chosen = getattr(torch, request.config.getoption("--dtype"))
    assert isinstance(chosen, torch.dtype)
    return chosen
