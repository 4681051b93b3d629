"""The wording of observations: every kind has words, and what a framework does not tell is refused."""

import pytest

from canireuse.observing import READINGS, Observing
from canireuse.script import Unsupported
from canireuse.vocabulary import Expect


class Plain(Observing):
    """A framework that tells nothing by itself."""

    title = "Plain"
    functions = {"ones": "array.ones([{}])", "sum": "array.sum({})"}
    missing = {"traces": "There is nothing that is traced here."}

    def array(self, values):
        return f"array({values})"

    def increment(self, place):
        self.write(f"{place} += 1")


def expect(**what):
    return Expect.model_validate({"expect": "label", **what})


def test_every_kind_of_observation_has_words():
    assert set(READINGS) == set(Expect.kinds) - {"same", "distinct"}


@pytest.mark.parametrize(
    ("step", "lines"),
    [
        ({"value": "2.0 * v", "is": 2.0}, ["observe('label', 2.0 * v.tolist())"]),
        ({"value": "sum([1.0, 2.0])", "is": 3.0}, ["observe('label', array.sum(array([1.0, 2.0])).tolist())"]),
        ({"value": "ones(2, 3)", "is": 1.0}, ["observe('label', array.ones([2, 3]).tolist())"]),
        ({"identical": ["v", "w"], "is": True}, ["observe('label', v is w)"]),
        ({"shape": "v", "is": [2]}, ["observe('label', list(v.shape))"]),
        ({"alive": "v", "is": False}, ["observe('label', v_watch() is not None)"]),
        (
            {"same": ["v", "w"]},
            [
                "before = v.tolist()", "w += 1",
                "observe('label', {'before': before, 'after': v.tolist(), 'written': w.tolist()})",
            ],
        ),
    ],
)  # fmt: skip
def test_what_every_framework_says_alike(step, lines):
    plain = Plain()
    plain.expect(expect(**step))
    assert plain.lines == lines


@pytest.mark.parametrize(
    ("step", "reason"),
    [
        ({"name": "v", "is": "v"}, "carry no name"),
        ({"variables": 1}, "no list of variables"),
        ({"names": ["v"]}, "no list of names"),
        ({"traces": "f", "is": 1}, "nothing that is traced here"),
        ({"elements": "layer", "is": 1}, "how large the parameters"),
        ({"parameter_bytes": "layer", "is": 1}, "how large the parameters"),
        ({"slots": "o", "is": 1}, "what its optimizers keep"),
        ({"slot_bytes": "o", "is": 1}, "what its optimizers keep"),
        ({"checkpoint_bytes": "file", "is": 1}, "how large a checkpoint is"),
        ({"collection": "c", "is": 1}, "no collections"),
        ({"penalty": 1.0}, "no list of regularization terms"),
    ],
)
def test_what_a_framework_does_not_tell_is_refused_with_the_reason(step, reason):
    with pytest.raises(Unsupported, match=reason):
        Plain().expect(expect(**step))
