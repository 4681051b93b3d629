"""The documents on the page: what is wrong comes first, and every sentence is what the record behind it says."""

import re
from html.parser import HTMLParser

import pytest

from canireuse.spec.claims import AsPrinted
from canireuse_reports import build
from canireuse_reports.documents import documents


class Sentences(HTMLParser):
    """Collects the sentences of the documents' section with the case and the label that each names, and the words before it."""

    def __init__(self):
        super().__init__()
        self.sentences, self.heading, self.open, self.text, self.inside = [], "", None, "", False

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.inside |= given.get("id") == "documents"
        if tag == "h4":
            self.heading, self.open = "", "h4"
        if tag == "li" and "data-case" in given:
            self.open, self.text = (given["data-case"], given["data-label"]), ""

    def handle_endtag(self, tag):
        if tag == "li" and isinstance(self.open, tuple):
            self.sentences.append((self.heading, *self.open, self.text))
        if tag in {"li", "h4"}:
            self.open = None
        self.inside &= tag != "section"

    def handle_data(self, data):
        if self.open == "h4":
            self.heading += data
        elif self.open:
            self.text += data


def sentences(page):
    parser = Sentences()
    parser.feed(page)
    return parser.sentences


@pytest.fixture(scope="module")
def text(page):
    return page.read_text(encoding="utf-8")


def test_every_sentence_is_what_its_record_says(results, text):
    told = sentences(text)
    assert {heading for heading, *_ in told} >= {
        "What was observed instead",
        "Write instead",
        "In TensorFlow 2's eager mode",
    }
    for heading, case, label, words in told:
        observed = next(one.observed for one in results.cases[case].expectations if one.label == label)
        assert words.startswith("w and v are one variable" if observed else "w and v are two variables")
        assert ("@tf1-eager" in case) == (heading == "In TensorFlow 2's eager mode")


def test_no_sentence_is_a_label_with_yes_or_no(text):
    section = text.partition('<section id="documents"')[2].partition("</section>")[0]
    assert section
    assert not re.search(r"(observed|claimed):? (yes|no)\b", section)


def test_a_document_says_how_much_is_wrong_where_and_in_which_examples(results):
    (document,) = documents(results)
    assert (len(document.wrong), document.decided, document.wrong_lines) == (2, 4, [3, 5])
    assert [(one.number, [claim.claim.id for claim in one.wrong]) for one in document.examples] == [
        (2, ["doc-refuted"])
    ]
    assert list(document.by_verdict) == ["refuted", "depends", "confirmed", "undecided", "not checkable"]
    assert document.why(document.wrong[0])[0].startswith("Why it matters")


@pytest.mark.parametrize(
    ("claim", "said"),
    [
        ("doc-refuted", "Example 2 does not do what is said of it"),
        ("doc-confirmed", "Example 2 does what is said of it."),
        ("doc-undecided", "Example 2 was not seen to do all that is said of it."),
    ],
)
def test_an_example_does_what_is_said_of_it_only_where_all_of_it_was_seen(results, tmp_path, claim, said):
    claims = {name: one.model_copy(update={"printed": []}) for name, one in results.claims.items()}
    claims[claim] = claims[claim].model_copy(update={"printed": [AsPrinted(block=2, ends="completed")]})
    page = build(results.model_copy(update={"claims": claims}), tmp_path / "index.html").read_text(encoding="utf-8")
    assert said in page


def test_what_depends_shows_where_it_holds_and_where_it_does_not(results, text):
    (depends,) = documents(results)[0].by_verdict["depends"]
    statement = text.partition('id="claim-doc-depends"')[2].partition("<h4>Why")[0]
    assert len(depends.against) < statement.count("data-case=") == len(depends.evidence)
    assert "when the name is new" in statement
    assert "when the name is taken" in statement


def test_a_document_whose_mode_was_not_run_is_left_out(results, text, tmp_path):
    assert "A document of which nothing was run" not in text
    torch = {name: one for name, one in results.cases.items() if one.backend == "torch"}
    page = build(results.model_copy(update={"cases": torch}), tmp_path / "index.html").read_text(encoding="utf-8")
    assert 'href="#document' not in page
    assert 'id="documents"' not in page


def test_what_to_write_instead_is_not_said_to_be_shown_where_it_was_not_run(text):
    statement = text.partition('id="claim-doc-refuted-too"')[2].partition("How it was decided")[0]
    assert "No run in these results shows it." in statement


def test_what_claims_nothing_is_folded_and_not_counted(results, text):
    assert '<details class="others"><summary>1 sentence claims nothing of TensorFlow' in text
    assert "2 of 4 statements are wrong" in text
    assert len(results.claims) == 7
