"""One thread for torch: on a shared machine, threads that wait for each other take most of the time."""

import importlib.util

import pytest
from aac_sounds import need_av


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    if importlib.util.find_spec("torch") is not None:
        import torch

        torch.set_num_threads(1)


@pytest.fixture
def aac() -> None:
    """The test needs PyAV."""
    need_av()
