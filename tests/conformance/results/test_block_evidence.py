"""Evidence of blocks: what a document says of an example is held against its block, and against no other text's."""

import pytest

from canireuse.results.deciding import judge_claims
from canireuse.results.records import Block, ClaimLine, DocumentLine, Printed, Promise, Results
from canireuse.spec.claims import AsPrinted, Decision

ERROR = {"type": "ValueError", "message": "Variable a/v already exists, disallowed.", "bases": ["ValueError"]}


def block(mode="tf1", ended="completed", digest="d", **more):
    given = {"document": "doc", "file": "doc.md", "title": "Doc", "number": 1, "line": 10, "last_line": 20} | more
    return Block(
        id=f"doc#1@{mode}{'+together' if more.get('together') else ''}", digest=digest, mode=mode, ended=ended, device="cpu",
        environment=f"{mode}@cpu", script="print(1)", **given,
    )  # fmt: skip


STOPPED = {"ended": "raised", "at_line": 12, "error": ERROR}


def verdict(printed, *blocks):
    decided = [Decision(spec="a/b", expect="shared", asserts=True, otherwise="@torch")]
    claim = ClaimLine(
        id="one", document="doc", where="here", line=11, claim="It runs, it says.", decided_by=decided, printed=[printed]
    )  # fmt: skip
    document = DocumentLine(id="doc", title="Doc", stands="tf1", digest="d")
    results = Results(documents={"doc": document}, claims={"one": claim}, blocks={one.id: one for one in blocks})
    (judged,) = judge_claims(results)
    return judged


RUNS = AsPrinted(block=1, ends="completed")
PRINTS = AsPrinted(block=1, line=14, prints="[1. 2.]")
RAISES = AsPrinted(block=1, line=12, raises="ValueError: Variable a/v already exists")


@pytest.mark.parametrize(
    ("printed", "ran", "wanted", "why"),
    [
        (RUNS, block(), "confirmed", "observed as claimed"),
        (RUNS, block(**STOPPED), "refuted", "block 1 (line 10) stops at line 12: ValueError: Variable a/v already exists, disallowed."),
        (AsPrinted(block=1, ends="raised"), block(**STOPPED), "confirmed", "observed as claimed"),
        (PRINTS, block(output=[Printed(line=14, text="[1.\n 2.]\n")]), "confirmed", "observed as claimed"),
        (PRINTS, block(output=[Printed(line=14, text="[3. 4.]\n")]), "refuted", "line 14 prints `[3. 4.]`"),
        (PRINTS, block(output=[Printed(line=15, text="[1. 2.]\n")]), "refuted", "block 1 (line 10) runs to its end"),
        (PRINTS, block(**STOPPED), "refuted", "block 1 (line 10) stops at line 12: ValueError: Variable a/v already exists, disallowed."),
        (AsPrinted(block=1, line=14, prints="Caught: ..."), block(output=[Printed(line=14, text="Caught: it\n")]), "confirmed", "observed as claimed"),
        (RAISES, block(**STOPPED), "confirmed", "observed as claimed"),
        (RAISES, block(**STOPPED | {"at_line": 13}), "refuted", "block 1 (line 10) stops at line 13: ValueError: Variable a/v already exists, disallowed."),
        (RAISES, block(**STOPPED | {"error": {**ERROR, "type": "TypeError"}}), "refuted", "line 12 raises TypeError: Variable a/v already exists, disallowed."),
        (RAISES, block(promises=[Promise(line=12, kind="raises", promised="x", came="nothing was raised")]), "refuted", "line 12 raises nothing"),
    ],
)  # fmt: skip
def test_what_is_said_of_an_example_is_decided_by_its_block(printed, ran, wanted, why):
    judged = verdict(printed, ran)
    assert (judged.verdict, judged.why, judged.by_blocks) == (wanted, why, True)


@pytest.mark.parametrize(
    "other",
    [
        block(digest="another text"),
        block(mode="torch"),
        block(number=2),
        block(document="other"),
        block(together=True),
        block(ended="skipped", reason="TensorFlow is not here"),
        block(ended="timeout", at_line=12),
        block(ended="crash", at_line=12),
    ],
    ids=["text", "mode", "block", "document", "together", "skipped", "timeout", "crash"],
)
def test_another_record_decides_nothing(other):
    judged = verdict(RUNS, other)
    assert (judged.verdict, judged.by_blocks) == ("undecided", False)


def test_what_came_before_a_block_was_ended_decides():
    printed = [Printed(line=14, text="[1. 2.]\n")]
    assert verdict(PRINTS, block(ended="timeout", at_line=15, output=printed)).verdict == "confirmed"


def test_what_the_example_does_in_tensorflow_2_stands_beside_it_and_is_the_run_that_came_out_otherwise():
    judged = verdict(RUNS, block(), block(mode="tf2", **STOPPED))
    assert judged.verdict == "confirmed"
    stopped = "block 1 (line 10) stops at line 12: ValueError: Variable a/v already exists, disallowed."
    assert [piece.found for piece in judged.eager] == [stopped]
    assert (judged.evidence[0].otherwise, judged.evidence[0].found_otherwise) == ("doc#1@tf2", stopped)
