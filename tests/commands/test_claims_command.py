"""What the terminal says of a claim: what was observed, in which mode, and whether what to write instead was seen."""

from canireuse.commands.claims import told
from canireuse.spec.claims import AsPrinted, Instead
from tests.conformance.results.test_deciding import case, claim, decision, verdict

CONDITIONS = [decision(when="the name is new"), decision(asserts=False, when="the name is taken")]


def test_what_refutes_a_claim_is_told_as_observed():
    assert "observed: `w` and `v` are two variables" in list(told(verdict(claim(), case("tf1", False))))


def test_what_was_not_seen_is_not_told_as_shown():
    for observed, more in ((True, "(a/b@tf1)"), (False, "(not shown: a/b@tf1)")):
        instead = Instead(write="Write this.", spec="a/b", expect="shared", asserts=True)
        judged = verdict(claim(decided_by=CONDITIONS, instead=instead), case("tf1", observed))
        assert judged.verdict == "depends"
        assert f"instead: Write this. {more}" in list(told(judged))


def test_the_other_mode_of_an_example_is_that_in_which_it_runs_as_printed():
    eager = verdict(claim(), case("tf1", True), case("tf1-eager", False))
    assert list(told(eager))[-1] == "in eager mode: `w` and `v` are two variables"
    printed = eager.claim.model_copy(update={"printed": [AsPrinted(block=1, ends="completed")]})
    (line,) = list(told(eager.model_copy(update={"claim": printed})))[-1:]
    assert line == "as it is printed, in TensorFlow 2: `w` and `v` are two variables"
