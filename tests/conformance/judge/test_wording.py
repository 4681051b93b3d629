"""Wording: every answer becomes a sentence that is true on its own, and that the other answer would not give."""

import pytest

from canireuse.judge.wording import COUNTED, OTHERS, YES_OR_NO, Observed, observed_in, sentence
from canireuse.spec.model import UNOBSERVED
from canireuse.spec.vocabulary import Expect

STEPS = """
    steps:
      - scope: net
        reuse: true
        steps:
          - get: kernel
            shape: [2]
            as: first
            raises: not_found
            expect: refused
      - scope: net
        steps:
          - {get: kernel, as: second}
        raises: nothing
        expect: made
      - {current_scope: root_scope}
      - scope: other
        steps:
          - {reenter: root_scope, reuse: {text: "yes"}, steps: [{get: odd}], raises: bad_argument, expect: entered}
      - {expect: one, same: [second, second]}
      - {expect: two, distinct: [second, second]}
      - {expect: read, value: "second * 2", is: [2.0, 2.0]}
      - {expect: counted, variables: 1}
"""


def test_what_each_expectation_looks_at_is_in_the_words_of_the_spec(load_spec):
    observes = observed_in(load_spec(STEPS).spec)
    assert observes["refused"] == Observed(kind="refusal", of="`get kernel shape [2]` in `net` (reuse: true)")
    assert observes["made"] == Observed(kind="refusal", of="`get kernel` in `net`")
    assert observes["entered"] == Observed(kind="refusal", of="`get odd` in `root_scope` (reuse: the text yes)")
    assert observes["one"] == Observed(kind="same", of="`second` and `second`")
    assert sentence(observes["read"], [2.0, 2.0]) == "`second * 2` is [2.0, 2.0]"
    assert sentence(observes["counted"], 1) == "1 variable is listed"


@pytest.mark.parametrize("kind", Expect.kinds)
def test_every_kind_of_observation_has_words_of_its_own(kind):
    assert (kind in YES_OR_NO) + (kind in COUNTED) + (kind in OTHERS) == 1
    observed = Observed(kind=kind, of="`x`")
    answers = [True, False] if kind in YES_OR_NO else [1, 2]
    one, other = (sentence(observed, answer) for answer in answers)
    assert one != other
    for text in (one, other):
        assert not text.endswith((" yes", " no"))
        assert "not " not in text


@pytest.mark.parametrize("kind", ["same", "distinct"])
def test_a_tie_is_one_variable_and_its_absence_two_however_the_spec_asks(kind):
    observed = Observed(kind=kind, of="`a` and `b`")
    assert sentence(observed, answer=True) == "`a` and `b` are one variable"
    assert sentence(observed, answer=False) == "`a` and `b` are two variables"
    assert sentence(observed, "inconclusive") == "a write does not show whether `a` and `b` are one variable or two"


@pytest.mark.parametrize(
    ("answer", "raw", "wanted"),
    [
        ("nothing", None, "`get v` is accepted"),
        ("not_found", {"error": {"type": "KeyError", "message": "'v'\nmore"}}, "`get v` is refused: KeyError: 'v'"),
        ("not_found", None, "`get v` is refused: there is no such variable"),
        ("unknown_error", None, "`get v` is refused: an error of a kind that is not known"),
        (UNOBSERVED, None, "`get v` was not reached"),
    ],
)
def test_a_refusal_tells_the_frameworks_message(answer, raw, wanted):
    assert sentence(Observed(kind="refusal", of="`get v`"), answer, raw) == wanted


@pytest.mark.parametrize(
    ("kind", "of", "subject"),
    [
        ("same", "`a` and `b`", "reading `a` and `b`"),
        ("variables", "", "reading what is listed"),
        ("names", " inside `net`", "reading what is listed inside `net`"),
    ],
)
def test_what_was_refused_or_not_reached_is_named(kind, of, subject):
    observed = Observed(kind=kind, of=of)
    assert sentence(observed, UNOBSERVED) == f"{subject} was not reached"
    assert sentence(observed, "uninitialized") == f"{subject} is refused: the variable has no value yet"


@pytest.mark.parametrize("answer", [True, False, 1, "nothing", "not_found", UNOBSERVED])
def test_a_label_alone_is_no_sentence(answer):
    told = sentence(Observed(kind="", of="`is-shared`"), answer)
    assert told == "these results have no words for what `is-shared` looks at"


NESTED = """
    steps:
      - scope: net
        reuse: true
        steps:
          - scope: inner
            as: place
            steps:
              - {get: made, raises: not_found, expect: within}
              - {reuse_variables: place}
              - {reuse_variables: place}
              - {get: found, raises: not_found, expect: later}
"""


def test_a_get_is_told_with_each_scope_around_it_and_its_flag(load_spec):
    observes = observed_in(load_spec(NESTED).spec)
    assert observes["within"].of == "`get made` in `net` (reuse: true), in it `inner`"
    assert observes["later"].of == "`get found` in `net` (reuse: true), in it `inner` after `reuse_variables`"


BLOCK = """
    steps:
      - {variable: w, init: [1.0], as: w}
      - repeat: 1
        raises: bad_argument
        expect: block-is-refused
        steps:
          - {assign: w, to: [2.0]}
          - {expect: value-of-it, value: w, is: unobserved}
"""


def test_a_refused_block_is_told_by_its_last_step_that_acts(load_spec):
    assert observed_in(load_spec(BLOCK).spec)["block-is-refused"].of == "`assign w to [2.0]`"
