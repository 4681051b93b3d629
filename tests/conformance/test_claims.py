"""Claims: verdicts are computed, and a claim that decides nothing is refused."""

import pytest

from canireuse.claims import Document, check_claims, judge_claims, load_claims
from canireuse.judge import Judged
from canireuse.problems import InputError
from canireuse.records import Case, ClaimLine, Decision, Environment, Results

STEPS = """
    steps:
      - get: kernel
        init: 1.0
        as: first
      - expect: shared
        value: first
        is: 1.0
"""
CLAIMS = """\
document: a-document
title: A document
stands: tf1
claims:
  - id: doc-one
    where: Introduction
    line: 3
    claim: Something is shared, the document says.
    decided_by:
      - spec: facet/spec
        expect: shared
        asserts: 1.0
"""


def claim(**more) -> ClaimLine:
    given = {"decided_by": [Decision(spec="a/b", expect="shared", asserts=True)]} | more
    return ClaimLine(
        id="doc-one", document="doc", title="Doc", stands="tf1", where="here", line=1, claim="It is shared.", **given
    )


def case(backend, observed, verdict="conforms"):
    judged = Judged(label="shared", contract=True, observed=observed, holds=observed is True)
    return Case(
        id=f"a/b@{backend}",
        spec="a/b",
        backend=backend,
        device="cpu",
        environment="e",
        verdict=verdict,
        spec_digest="d",
        expectations=[judged],
    )


def verdict(line, *cases):
    (judged,) = judge_claims(Results(claims={line.id: line}, cases={one.id: one for one in cases}))
    return judged


@pytest.mark.parametrize(
    ("stands", "eager", "wanted"),
    [
        (True, True, "confirmed"),
        (True, False, "depends"),
        (False, True, "depends"),
        (False, False, "refuted"),
        (1, 1, "refuted"),
    ],
)
def test_the_verdict_comes_from_both_modes(stands, eager, wanted):
    judged = verdict(claim(), case("tf1", stands), case("tf1-eager", eager))
    assert judged.verdict == wanted
    assert judged.why
    assert [piece.mode for piece in judged.evidence] == ["stands", "eager"]


@pytest.mark.parametrize(
    ("asserts", "observed", "holds", "wanted"),
    [(1.0, 1.02, True, "confirmed"), (1.0, 1.4, False, "refuted"), (1.1, 1.02, True, "refuted")],
)
def test_the_contracts_own_answer_is_held_to_the_expectations_tolerance(asserts, observed, holds, wanted):
    measured = Judged(label="shared", contract=1.0, observed=observed, holds=holds)
    line = claim(decided_by=[Decision(spec="a/b", expect="shared", asserts=asserts)])
    assert verdict(line, case("tf1", True).model_copy(update={"expectations": [measured]})).verdict == wanted


def test_every_decision_has_to_hold():
    two = [Decision(spec="a/b", expect="shared", asserts=True), Decision(spec="a/b", expect="shared", asserts=False)]
    assert verdict(claim(decided_by=two), case("tf1", True)).verdict == "refuted"


def test_a_mode_that_cannot_say_the_spec_does_not_speak():
    assert verdict(claim(), case("tf1", True), case("tf1-eager", None, verdict="unsupported")).verdict == "confirmed"


@pytest.mark.parametrize("ending", ["error", "crash", "timeout", "unsupported", "skipped"])
def test_without_an_observation_a_claim_is_undecided(ending):
    assert verdict(claim(), case("tf1", True, verdict=ending)).verdict == "undecided"
    assert verdict(claim()).verdict == "undecided"


def test_the_other_mode_alone_decides_nothing():
    assert verdict(claim(), case("tf1-eager", True)).verdict == "undecided"


def test_what_cannot_be_checked_says_why():
    judged = verdict(claim(decided_by=[], not_checkable="it is an opinion"))
    assert (judged.verdict, judged.why) == ("not checkable", "it is an opinion")


def test_another_backend_may_decide():
    other = claim(decided_by=[Decision(spec="a/b", expect="shared", asserts=True, backend="torch")])
    assert verdict(other, case("torch", True), case("tf1", False)).verdict == "confirmed"


def test_a_claim_may_depend_on_the_version():
    old = case("tf1", True).model_copy(
        update={"id": "a/b@tf1+TensorFlow-1.15.5", "way": {"edition": "TensorFlow 1.15.5"}, "environment": "old"}
    )
    cases = {one.id: one for one in (old, case("tf1", False))}
    given = {"backend": "tf1", "title": "t", "about": "a", "asked_device": "cpu", "device": "cpu"}
    environments = {
        name: Environment(id=name, packages={"tensorflow": version}, **given)
        for name, version in {"old": "1.15.5", "e": "2.21.0"}.items()
    }
    (judged,) = judge_claims(Results(claims={"doc-one": claim()}, cases=cases, environments=environments))
    assert judged.verdict == "depends"
    assert judged.why == (
        "it holds where the document stands with tensorflow 1.15.5, "
        "and not where the document stands with tensorflow 2.21.0"
    )


def test_evidence_can_be_repeated():
    judged = verdict(claim(), case("tf1", True))
    assert judged.evidence[0].command == "canireuse run specs/a/b.yaml --backend tf1"


def write(tmp_path, text):
    folder = tmp_path / "claims"
    folder.mkdir(exist_ok=True)
    (folder / "a-document.yaml").write_text(text)
    return folder


def test_good_claims_are_accepted(tmp_path, load_spec):
    check_claims(load_claims(write(tmp_path, CLAIMS)), [load_spec(STEPS)])


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("facet/spec", "facet/spce", "there is no spec 'facet/spce'"),
        ("expect: shared", "expect: shard", "no label 'shard'"),
        ("stands: tf1", "stands: tf9", "stands"),
        ("    where: Introduction\n", "", "where"),
        ("    line: 3", "    line: 3\n    verdict: confirmed", "verdict"),
        ("asserts: 1.0", "asserts: 1.0\n    not_checkable: but it is checked", "either"),
    ],
)
def test_bad_claims_are_refused(tmp_path, load_spec, old, new, words):
    assert old in CLAIMS
    with pytest.raises(InputError, match=words):
        check_claims(load_claims(write(tmp_path, CLAIMS.replace(old, new))), [load_spec(STEPS)])


def test_an_id_that_stands_twice_is_refused(tmp_path, load_spec):
    twice = CLAIMS + CLAIMS.partition("claims:\n")[2]
    with pytest.raises(InputError, match="doc-one"):
        check_claims(load_claims(write(tmp_path, twice)), [load_spec(STEPS)])


def test_a_claim_has_no_place_for_a_verdict():
    assert "verdict" not in Document.model_json_schema()["$defs"]["Claim"]["properties"]
