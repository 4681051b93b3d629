"""The page as text: what ran is in it byte for byte, and nothing in the results can break out."""

import hashlib
from html.parser import HTMLParser

import pytest

from conformance.records import Results
from reports import build
from reports.highlight import highlight
from reports.view import MARKS, MEANINGS, view
from tests.reports.conftest import HOSTILE, SCRIPT


class Page(HTMLParser):
    """Collects the text of script elements on the page, all ids, links and tags."""

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.scripts, self.ids, self.links, self.tags, self.inside, self.attributes = [], [], [], [], None, []

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.tags.append(tag)
        self.attributes += given
        if "id" in given:
            self.ids.append(given["id"])
        if tag == "a":
            self.links.append(given["href"])
        if tag == "code" and given.get("class") == "script":
            self.inside = (given["data-digest"], [])

    def handle_data(self, data):
        if self.inside:
            self.inside[1].append(data)

    def handle_endtag(self, tag):
        if tag == "code" and self.inside:
            self.scripts.append((self.inside[0], "".join(self.inside[1])))
            self.inside = None


@pytest.fixture(scope="module")
def parsed(page):
    parser = Page()
    parser.feed(page.read_text(encoding="utf-8"))
    return parser


def test_every_script_is_what_ran_byte_for_byte(parsed, results):
    ran = [case for case in results.cases.values() if case.script]
    assert len(parsed.scripts) == len(ran)
    for digest, text in parsed.scripts:
        assert text == SCRIPT
        assert hashlib.sha256(text.encode()).hexdigest() == digest


def test_hostile_text_stays_text(parsed, page):
    assert "onmouseover" not in parsed.attributes
    assert parsed.tags.count("script") == 1
    assert HOSTILE not in page.read_text(encoding="utf-8")


def test_ids_are_unique_and_links_lead_somewhere(parsed):
    assert len(parsed.ids) == len(set(parsed.ids))
    dangling = {link for link in parsed.links if link.startswith("#") and link[1:] not in parsed.ids}
    assert dangling == set()


def test_nothing_is_asked_of_the_network(parsed):
    assert not {"img", "link", "iframe", "object"} & set(parsed.tags)
    assert "src" not in parsed.attributes


def test_every_verdict_is_a_mark_and_a_word(page):
    text = page.read_text(encoding="utf-8")
    for verdict in ("conforms", "differs", "fails", "error", "crash", "timeout", "unsupported", "skipped"):
        assert f'<span aria-hidden="true">{MARKS[verdict]}</span> {verdict}' in text
    assert set(MARKS) == set(MEANINGS)


def test_the_view_knows_where_they_disagree(results):
    disagree = {spec.line.id: spec.disagree for spec in view(results).specs}
    assert disagree == {"ties/kept-on-save": True, "scopes/reuse-finds": True, "scopes/all-agree": False}


def test_the_view_leads_with_what_is_silent(results):
    seen = view(results)
    assert [spec.line.id for spec in seen.silent_of("torch")] == ["ties/kept-on-save"]
    assert seen.silent_of("reference") == []
    assert "tie it again" in seen.because(seen.silent_of("torch")[0], "torch")


def test_what_was_not_tested_says_why(results):
    untested = view(results).untested
    assert list(untested) == ["tf1", "tf1-eager"]
    assert [spec.line.id for spec in untested["tf1-eager"]["not here"]] == ["ties/kept-on-save"]


def test_a_page_of_nothing_is_a_page(tmp_path):
    assert "No backend was run" in build(Results(), tmp_path / "index.html").read_text(encoding="utf-8")


def test_a_cut_off_run_is_told(results, tmp_path):
    cut = results.model_copy(update={"footers": []})
    assert "did not end" in build(cut, tmp_path / "index.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "text", ["", "\n", "\n\nx = 1", "x = 1", "x\n\n\n", "'unfinished", "\tx = '<&>'", "a: [1, 'b'] # c\n"]
)
@pytest.mark.parametrize("language", ["python", "yaml"])
def test_highlighting_loses_nothing(text, language):
    parser = HTMLParser(convert_charrefs=True)
    seen = []
    parser.handle_data = seen.append
    parser.feed(str(highlight(text, language)))
    parser.close()
    assert "".join(seen) == text
