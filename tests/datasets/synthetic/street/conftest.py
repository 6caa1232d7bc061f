"""Shared by the tests of streets."""

import pytest
import torch


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Workers have one thread each, and sums of floats depend on it."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
