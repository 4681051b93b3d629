"""Deciding: a verdict is computed from the mode in which a document stands, and every sentence from what was observed."""

import pytest

from canireuse.judge.verdict import Judged
from canireuse.judge.wording import Observed
from canireuse.results.deciding import judge_claims, remarks_on
from canireuse.results.records import Case, ClaimLine, DocumentLine, Environment, Results, SpecLine
from canireuse.spec.claims import AsPrinted, Decision, Instead, Remark
from canireuse.spec.model import UNOBSERVED

ERROR = {"type": "ValueError", "message": "Variable a/v already exists, disallowed.\n\nOriginally defined at:"}


def decision(**more) -> Decision:
    return Decision(**{"spec": "a/b", "expect": "shared", "asserts": True, "otherwise": "@torch"} | more)


def claim(**more) -> ClaimLine:
    given = {"decided_by": [decision()]} | more
    return ClaimLine(id="doc-one", document="doc", where="here", line=1, claim="It is shared, it says.", **given)


def case(backend, observed, verdict="conforms", label="shared", **more):
    judged = Judged(label=label, contract=True, observed=observed, holds=observed is True, raw=more.pop("raw", None))
    return Case(
        id=f"a/b@{backend}",
        spec="a/b",
        backend=backend,
        device="cpu",
        environment="e",
        verdict=verdict,
        spec_digest="d",
        expectations=[judged],
        **more,
    )


def results(line, *cases, environments=(), remarks=(), stands="tf1"):
    observes = {"shared": Observed(kind="same", of="`w` and `v`"), "refused": Observed(kind="refusal", of="`get v`")}
    spec = SpecLine(
        id="a/b", title="t", about="It matters.", sources=["s"], contract="by-name", text="", digest="d", lines={}, observes=observes
    )  # fmt: skip
    document = DocumentLine(id="doc", title="Doc", stands=stands, remarks=list(remarks))
    return Results(
        specs={"a/b": spec}, documents={"doc": document}, claims={line.id: line}, cases={one.id: one for one in cases},
        environments={one.id: one for one in environments},
    )  # fmt: skip


def verdict(line, *cases, **more):
    (judged,) = judge_claims(results(line, *cases, **more))
    return judged


@pytest.mark.parametrize(
    ("stands", "eager", "wanted"),
    [
        (True, True, "confirmed"),
        (True, False, "confirmed"),
        (False, True, "refuted"),
        (False, False, "refuted"),
        (1, 1, "refuted"),
    ],
)
def test_the_verdict_is_of_where_the_document_stands(stands, eager, wanted):
    judged = verdict(claim(), case("tf1", stands), case("tf1-eager", eager))
    assert judged.verdict == wanted
    assert [piece.case_id for piece in judged.evidence] == ["a/b@tf1"]
    assert [piece.case_id for piece in judged.eager] == ["a/b@tf1-eager"]


def test_each_sentence_is_of_the_mode_that_gave_the_answer():
    judged = verdict(claim(), case("tf1", False, "differs"), case("tf1-eager", True))
    assert judged.why == "`w` and `v` are two variables"
    assert [piece.found for piece in judged.eager] == ["`w` and `v` are one variable"]
    assert judged.evidence[0].claimed == "`w` and `v` are one variable"


def test_a_refutation_tells_the_frameworks_own_message():
    line = claim(decided_by=[decision(expect="refused", asserts="nothing")])
    judged = verdict(line, case("tf1", "already_exists", label="refused", raw={"error": ERROR}))
    assert judged.why == "`get v` is refused: ValueError: Variable a/v already exists, disallowed."


def test_eager_mode_says_nothing_where_it_observed_nothing():
    assert verdict(claim(), case("tf1", True), case("tf1-eager", None, verdict="unsupported")).eager == []
    assert verdict(claim(), case("tf1", True), case("tf1-eager", UNOBSERVED, verdict="differs")).eager == []


def test_what_is_printed_is_not_told_of_other_calls_in_eager_mode():
    printed = claim(printed=[AsPrinted(block=1, ends="completed")])
    assert verdict(printed, case("tf1", True), case("tf1-eager", True)).eager == []


@pytest.mark.parametrize(
    ("asserts", "observed", "holds", "wanted"),
    [(1.0, 1.02, True, "confirmed"), (1.0, 1.4, False, "refuted"), (1.1, 1.02, True, "refuted")],
)
def test_the_contracts_own_answer_is_held_to_the_expectations_tolerance(asserts, observed, holds, wanted):
    measured = Judged(label="shared", contract=1.0, observed=observed, holds=holds)
    line = claim(decided_by=[decision(asserts=asserts)])
    assert verdict(line, case("tf1", True).model_copy(update={"expectations": [measured]})).verdict == wanted


def test_every_decision_has_to_hold():
    two = [decision(), decision(asserts=False)]
    assert verdict(claim(decided_by=two), case("tf1", True)).verdict == "refuted"


def test_a_claim_may_depend_on_a_condition_that_is_named():
    two = [decision(when="the name is new"), decision(asserts=False, when="the name is taken")]
    judged = verdict(claim(decided_by=two), case("tf1", True))
    assert (judged.verdict, judged.why) == ("depends", "it holds when the name is new, and not when the name is taken")


@pytest.mark.parametrize("ending", ["error", "crash", "timeout", "unsupported", "skipped"])
def test_without_an_observation_a_claim_is_undecided(ending):
    assert verdict(claim(), case("tf1", True, verdict=ending)).verdict == "undecided"
    assert verdict(claim()).verdict == "undecided"


@pytest.mark.parametrize("asserts", [True, False])
def test_a_claim_of_which_a_part_was_not_observed_does_not_hold(asserts):
    two = claim(decided_by=[decision(asserts=asserts), decision(spec="a/other")])
    judged = verdict(two, case("tf1", True))
    assert judged.verdict == ("undecided" if asserts else "refuted")
    assert asserts is (judged.why == "not observed where the document stands: a/other (shared)")


def test_a_condition_that_was_not_observed_leaves_a_claim_undecided():
    two = [decision(asserts=False, when="the name is new"), decision(spec="a/other", when="the name is taken")]
    assert verdict(claim(decided_by=two), case("tf1", True)).verdict == "undecided"


def test_that_a_script_stopped_is_an_answer_only_where_the_spec_says_so():
    assert verdict(claim(), case("tf1", UNOBSERVED, verdict="fails")).verdict == "undecided"
    declared = Judged(
        label="shared", contract=True, declared=UNOBSERVED, is_declared=True, observed=UNOBSERVED, holds=True
    )
    stopped = case("tf1", None, verdict="differs").model_copy(update={"expectations": [declared]})
    assert verdict(claim(), stopped).verdict == "refuted"


def test_a_version_in_which_a_part_was_not_observed_is_no_condition():
    two = claim(decided_by=[decision(), decision(expect="refused", asserts="nothing")])
    way = {"edition": "TensorFlow 1.15.5"}
    old = case("tf1", True).model_copy(update={"id": "a/b@tf1+TensorFlow-1.15.5", "way": way, "environment": "old"})
    new = case("tf1", True)
    new.expectations.append(Judged(label="refused", contract="nothing", observed="not_found", holds=False))
    judged = verdict(two, old, new, environments=versions(old="1.15.5", e="2.21.0"))
    assert (judged.verdict, judged.why) == ("refuted", "`get v` is refused: there is no such variable")


def test_the_other_mode_alone_decides_nothing():
    assert verdict(claim(), case("tf1-eager", True)).verdict == "undecided"


def test_what_cannot_be_checked_says_why():
    judged = verdict(claim(decided_by=[], not_checkable="it is an opinion"))
    assert (judged.verdict, judged.why) == ("not checkable", "it is an opinion")


def test_another_backend_may_decide():
    other = claim(decided_by=[decision(backend="torch")])
    assert verdict(other, case("torch", True), case("tf1", False)).verdict == "confirmed"


def versions(**found):
    given = {"backend": "tf1", "title": "t", "about": "a", "asked_device": "cpu", "device": "cpu"}
    return [Environment(id=name, packages={"tensorflow": version}, **given) for name, version in found.items()]


def test_a_claim_may_depend_on_the_version():
    old = case("tf1", True).model_copy(
        update={"id": "a/b@tf1+TensorFlow-1.15.5", "way": {"edition": "TensorFlow 1.15.5"}, "environment": "old"}
    )
    judged = verdict(claim(), old, case("tf1", False), environments=versions(old="1.15.5", e="2.21.0"))
    assert judged.verdict == "depends"
    assert judged.why == "it holds with tensorflow 1.15.5, and not with tensorflow 2.21.0"


def test_versions_that_do_not_part_are_no_condition():
    old = case("tf1", True).model_copy(
        update={"id": "a/b@tf1+TensorFlow-1.15.5", "way": {"edition": "TensorFlow 1.15.5"}, "environment": "old"}
    )
    two = [decision(when="the name is new"), decision(asserts=False, when="the name is taken")]
    judged = verdict(claim(decided_by=two), old, case("tf1", True), environments=versions(old="1.15.5", e="2.21.0"))
    assert judged.why == "it holds when the name is new, and not when the name is taken"


def test_evidence_can_be_repeated():
    assert verdict(claim(), case("tf1", True)).evidence[0].command == "canireuse run a/b --backend tf1"


def test_the_run_that_came_out_otherwise_is_named_with_what_it_observed():
    (piece,) = verdict(claim(), case("tf1", True), case("torch", False)).evidence
    assert (piece.otherwise, piece.found_otherwise) == ("a/b@torch", "`w` and `v` are two variables")
    counter = claim(decided_by=[decision(otherwise="tests/claims/doc.yaml#other")])
    (piece,) = verdict(counter, case("tf1", True)).evidence
    assert (piece.otherwise, piece.found_otherwise) == ("tests/claims/doc.yaml#other", "")


@pytest.mark.parametrize(
    ("cases", "holds"), [([], False), ([case("tf1", False)], False), ([case("tf1", True)], True)], ids=str
)
def test_what_to_write_instead_is_shown_by_a_run_or_not_shown(cases, holds):
    instead = Instead(write="Write this.", spec="a/b", expect="shared", asserts=True)
    assert verdict(claim(instead=instead), *cases).instead.holds is holds


@pytest.mark.parametrize(("observed", "told"), [(True, ["It is so everywhere."]), (False, []), (None, [])])
def test_a_remark_is_told_only_where_it_was_seen(observed, told):
    remark = Remark(remark="It is so everywhere.", shown_by=[decision(backend="tf2")])
    cases = [] if observed is None else [case("tf2", observed)]
    given = results(claim(), *cases, remarks=[remark])
    assert [one.remark for one in remarks_on(given.documents["doc"], given)] == told
