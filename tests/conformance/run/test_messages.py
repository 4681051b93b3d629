"""Messages of a host: what is exactly an answer to what was asked is taken, and nothing else."""

import json

import pytest

from canireuse.run.messages import UnexpectedAnswer, message

FINISHED = {"error": None, "warnings": [], "seconds": 0.1, "environment": None}


def line(**content):
    return json.dumps(content).encode()


def test_an_answer_to_what_was_asked_is_taken():
    assert message(line(id=7, began=True), 7).began
    assert message(line(id=7, observed={"label": "a", "value": [1.0, None, {"x": "y"}]}), 7).observed.label == "a"
    assert message(line(id=7, waiting={"loops": []}), 7).waiting == {"loops": []}
    assert message(line(id=7, finished=FINISHED), 7).finished.seconds == 0.1


@pytest.mark.parametrize(
    "answer",
    [
        b"", b"rubbish", b"\xff\xfe", b"7", b"null", b"[]", b"{}", b'{"id": 7}', b'{"id": 7, "observed": {"label": "a", "value": NaN}}',
        b"[" * 100_000, b'{"id": 7, "observed": {"label": "a", "value": ' + b"1" * 5000 + b"}}",
        line(id="7", began=True), line(id=7.5, began=True), line(began=True), line(id=7, began=True, more=1), line(id=7, other=1),
        line(id=7, began=True, waiting={}), line(id=7, observed={"label": "a"}), line(id=7, observed={"label": ["a"], "value": 1}),
        line(id=7, observed=None, finished=FINISHED), line(id=7, finished={}), line(id=7, finished={**FINISHED, "error": "oh"}),
        line(id=7, finished={**FINISHED, "warnings": ["w"]}), line(id=7, finished={**FINISHED, "seconds": "1"}), line(id=7, began=None),
    ],
)  # fmt: skip
def test_what_is_no_message_is_unexpected(answer):
    with pytest.raises(UnexpectedAnswer, match="it answered with what is no message"):
        message(answer, 7)


@pytest.mark.parametrize("number", [6, 8, 0, -1])
def test_an_answer_to_another_request_is_unexpected(number):
    with pytest.raises(UnexpectedAnswer, match=f"it answered request {number} when it was asked request 7"):
        message(line(id=number, began=True), 7)


def test_a_long_answer_is_not_shown_whole():
    with pytest.raises(UnexpectedAnswer) as raised:
        message(b"x" * 1_000_000, 7)
    assert len(str(raised.value)) < 200
