"""What the test of deciding observations must find: a claim that nothing could refute, and one whose advice nothing shows."""

import pytest

from canireuse.judge.verdict import Judged
from canireuse.judge.wording import Observed
from canireuse.results.deciding import judge_claims
from canireuse.results.records import Case, ClaimLine, DocumentLine, Results, SpecLine
from canireuse.spec.claims import Claim, Decision, Document, Instead
from tests.claims.test_otherwise import both_ways, by_offers_alone, corrections, unshown_code


def case(name, observed, verdict="conforms"):
    judged = Judged(label="shared", contract=True, observed=observed, holds=observed is True)
    return Case(
        id=name, spec="a/b", backend=name.partition("@")[2].partition("+")[0], device="cpu", environment="e", verdict=verdict,
        spec_digest="d", expectations=[judged], script="with tf1.variable_scope('a', reuse=True):\n    w = tf1.get_variable('w')\n",
    )  # fmt: skip


def world(*cases, asserts=True, otherwise="@torch", kind="same", instead=None):
    decided = [Decision(spec="a/b", expect="shared", asserts=asserts, otherwise=otherwise)]
    claim = Claim(id="one", where="here", line=1, claim="It is shared, it says.", decided_by=decided, instead=instead)
    document = Document(document="doc", title="Doc", stands="tf1", claims=[claim])
    spec = SpecLine(
        id="a/b", title="t", about="a", sources=["s"], contract="by-name", text="", digest="d", lines={},
        observes={"shared": Observed(kind=kind, of="`w`")},
    )  # fmt: skip
    results = Results(
        documents={"doc": DocumentLine(id="doc", title="Doc", stands="tf1")}, specs={"a/b": spec},
        claims={"one": ClaimLine(document="doc", **dict(claim))}, cases={one.id: one for one in cases},
    )  # fmt: skip
    return document, results, judge_claims(results)


COUNTER = "tests/claims/doc.yaml#other"


@pytest.mark.parametrize(
    ("cases", "otherwise", "found"),
    [
        ([case("a/b@tf1", True), case("a/b@torch", False)], "@torch", 0),
        ([case("a/b@tf1", True), case("a/b@torch", True)], "@torch", 1),
        ([case("a/b@tf1", True)], "@torch", 1),
        ([case("a/b@torch", False)], "@torch", 1),
        ([case("a/b@tf1", True), case("a/b@torch", False, "timeout")], "@torch", 1),
        ([case("a/b@tf1", True), case("a/b@torch+pickle", False)], "@torch", 0),
        ([case("a/b@tf1", True), case("a/b@torch+pickle", False)], "@torch+deepcopy", 1),
        ([case("a/b@tf1", True), case("a/other@tf1", False)], COUNTER, 0),
        ([case("a/b@tf1", True), case("a/other@tf1", False, "error")], COUNTER, 0),
        ([case("a/b@tf1", True), case("a/other@tf1", "unobserved", "error")], COUNTER, 1),
    ],
)
def test_an_observation_that_did_not_come_out_both_ways_is_found(cases, otherwise, found):
    document, results, _ = world(*cases, otherwise=otherwise)
    assert len(both_ways(document, results)) == found


def instead(write="Write `variable_scope('a', reuse=True)`.", *, asserts=True):
    return Instead(write=write, spec="a/b", expect="shared", asserts=asserts)


@pytest.mark.parametrize(
    ("asserts", "advice", "words"),
    [
        (False, instead(), None),
        (False, None, "does not say what to write instead"),
        (False, instead(asserts=False), "is not shown by its run"),
        (True, instead(), "is confirmed and says what to write instead"),
        (True, None, None),
    ],
)
def test_advice_that_is_missing_needless_or_not_shown_is_found(asserts, advice, words):
    _, _, verdicts = world(case("a/b@tf1", True), asserts=asserts, instead=advice)
    found = corrections(verdicts)
    assert [words in one for one in found] == ([True] if words else [])


@pytest.mark.parametrize(
    ("write", "found"),
    [
        ('Write `with tf.compat.v1.variable_scope("a", reuse=True):` and `get_variable(...)`.', 0),
        ("Write `tf.variable_scope('b')`.", 1),
        ("Give the flag to the scope.", 0),
    ],
)
def test_code_that_the_script_does_not_have_is_found(write, found):
    _, results, verdicts = world(case("a/b@tf1", True), asserts=False, instead=instead(write))
    assert len(unshown_code(results, verdicts)) == found


@pytest.mark.parametrize(("kind", "asserts", "found"), [("offers", False, 1), ("same", False, 0), ("offers", True, 0)])
def test_a_refutation_by_the_names_of_a_package_alone_is_found(kind, asserts, found):
    _, results, verdicts = world(case("a/b@tf1", True), asserts=asserts, kind=kind)
    assert len(by_offers_alone(results, verdicts)) == found
