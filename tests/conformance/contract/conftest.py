"""What the tests of the reference model share: a fresh world."""

import pytest

from canireuse.contract import Model


@pytest.fixture
def model():
    return Model()
