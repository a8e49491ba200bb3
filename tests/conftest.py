"""Fixtures that every test may ask for."""

import pytest
import torch


@pytest.fixture(autouse=True)
def _seeded() -> None:
    """The same start for every test; tests that need another seed pass their own generator."""
    torch.manual_seed(0)
