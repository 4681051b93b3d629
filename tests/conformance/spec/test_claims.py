"""Claims files: what they hold, and what is refused with its place."""

import pytest

from canireuse.spec.claims import Document, check_claims, documents_beside, load_claims
from canireuse.spec.problems import InputError

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
remarks:
  - remark: Something is so in the whole document.
    shown_by:
      - {spec: facet/spec, expect: shared, asserts: 1.0, otherwise: "@torch"}
claims:
  - id: doc-one
    where: Introduction
    line: 3
    claim: Something is shared, the document says.
    decided_by:
      - spec: facet/spec
        expect: shared
        asserts: 1.0
        otherwise: tests/claims/doc.yaml#not-shared
    printed:
      - {block: 1, line: 9, prints: "1.0"}
    instead:
      write: Keep the object and use it again.
      spec: facet/spec
      expect: shared
      asserts: 1.0
  - id: doc-two
    where: Introduction
    line: 4
    claim: Nobody can know this, the document says.
    not_checkable: It is about what the designers thought.
claims_nothing:
  - line: 5
    says: Read the documentation.
"""


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
        ("- spec: facet/spec", "- spec: facet/spce", "there is no spec 'facet/spce'"),
        ("        expect: shared", "        expect: shard", "no label 'shard'"),
        ("stands: tf1", "stands: tf9", "stands"),
        ("    where: Introduction\n", "", "where"),
        ("    line: 3", "    line: 3\n    verdict: confirmed", "verdict"),
        ("    printed:", "    not_checkable: but it is checked\n    printed:", "either"),
        ("    not_checkable: It", "    printed: [{block: 1, ends: completed}]\n    not_checkable: It", "no `printed`"),
        ("        otherwise: tests/claims/doc.yaml#not-shared\n", "", "otherwise"),
        ("tests/claims/doc.yaml#not-shared", "some other run", "otherwise"),
        (
            "{spec: facet/spec, expect: shared, asserts",
            "{spec: facet/spce, expect: shared, asserts",
            "no spec 'facet/spce'",
        ),
        ("use it again.\n      spec: facet/spec", "use it again.\n      spec: facet/spce", "no spec 'facet/spce'"),
        ("line: 9, prints", "prints", "line"),
        ('line: 9, prints: "1.0"', "line: 9", "line"),
        ('prints: "1.0"', 'prints: "1.0", raises: ValueError', "ends"),
    ],
)
def test_bad_claims_are_refused(tmp_path, load_spec, old, new, words):
    assert old in CLAIMS
    with pytest.raises(InputError, match=words):
        check_claims(load_claims(write(tmp_path, CLAIMS.replace(old, new))), [load_spec(STEPS)])


def test_an_id_that_stands_twice_is_refused(tmp_path, load_spec):
    twice = CLAIMS.replace("id: doc-two", "id: doc-one")
    with pytest.raises(InputError, match="doc-one"):
        check_claims(load_claims(write(tmp_path, twice)), [load_spec(STEPS)])


def test_a_claim_has_no_place_for_a_verdict():
    assert "verdict" not in Document.model_json_schema()["$defs"]["Claim"]["properties"]


def test_claims_whose_specs_are_not_there_are_left_out_and_the_rest_stays(load_spec):
    located = load_spec(STEPS)
    claims = write(located.path.parent.parent, CLAIMS.replace("- spec: facet/spec", "- spec: facet/other"))
    assert claims.is_dir()
    (document,) = documents_beside([located])
    assert [claim.id for claim in document.claims] == ["doc-two"]
    assert document.claims_nothing
    assert document.remarks
