"""Answers: when two of them are the same."""

import pytest

from canireuse.spec.answers import agrees


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (1, 1.0, True), (1.0, 1.000001, True), (1.0, 1.001, False), (True, 1, False), (1, True, False), (True, True, True),
        (False, None, False), ("a", "a", True), ("1", 1, False), ([1], [1.0], True), ([1], 1, False), ([], [], True), ([], [1], False),
        (None, None, True), (None, "nothing", False), ([[1, 2]], [[1, 2]], True), ([[1, 2]], [[2, 1]], False), ([[True]], [[1]], False), (float("nan"), float("nan"), False),
    ],
)  # fmt: skip
def test_agreement_is_strict(one, other, same):
    assert agrees(one, other, 1e-5) is same
