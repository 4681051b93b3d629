"""What the tests of the reference model share: a fresh world."""

import pytest

from conformance.contract import Model


@pytest.fixture
def model():
    return Model()
