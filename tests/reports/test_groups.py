"""Cases with many ways: what they have in common is shown once, and every case can still be led to."""

import hashlib
from html.parser import HTMLParser

import pytest

from canireuse_reports import build
from canireuse_reports.groups import FEW, articles, badges, count_of, rows, ways_of
from canireuse_reports.view import view
from tests.reports.conftest import SCRIPT, way


class Varied(HTMLParser):
    """Collects the scripts of articles, as they are and as their variations have them, and all ids."""

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.ids, self.scripts, self.whole, self.lines, self.into, self.text = [], {}, [], [], None, ""

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.ids += [given["id"]] if "id" in given else []
        if given.get("class") in {"script", "digest"} or "data-line" in given:
            self.into, self.text = given.get("class") or int(given["data-line"]), ""
        elif given.get("class") in {"variation", "again"}:
            self.lines = list(self.whole)

    def handle_data(self, data):
        self.text += data

    def handle_endtag(self, tag):
        if tag == "code" and self.into == "script":
            self.lines = self.whole = self.text.split("\n")
        elif tag == "code" and self.into == "digest":
            self.scripts[self.text] = "\n".join(self.lines)
        elif tag == "code" and self.into:
            self.lines[self.into - 1] = self.text
        self.into = None if tag == "code" else self.into


@pytest.fixture
def spec(many_ways):
    return next(spec for spec in view(many_ways).specs if spec.line.id == "ties/kept-on-save")


@pytest.fixture
def cases(spec):
    return spec.by_backend["torch"]


def test_a_cell_has_one_badge_a_verdict(spec):
    assert [(badge.verdict, badge.ways) for badge in spec.badges("torch")] == [
        ("differs", "jax; file"),
        ("conforms", "pt, weights; tf, weights"),
    ]
    assert [(badge.verdict, badge.ways) for badge in spec.badges("reference")] == [("conforms", "")]
    assert spec.badges("no-such") == []


def test_where_all_ways_agree_they_are_counted(cases):
    assert count_of(cases) == "2 ways"
    assert [badge.ways for badge in badges([case for case in cases if case.case.verdict == "differs"])] == ["2 ways"]
    assert count_of(cases[:1]) == ""


def test_engines_that_do_not_matter_are_left_out(cases):
    file = [case for case in cases if case.case.way["restore"] == "file"]
    assert ways_of(file, cases) == "file"
    assert ways_of([case for case in cases if case.case.way["engine"] == "jax"], cases) == "jax"
    assert ways_of(file[:1], cases) == f"{file[0].case.way['engine']}, file"
    assert ways_of(cases, cases) == ""


def test_many_ways_are_told_by_the_few_that_are_not_meant(cases):
    base = cases[0]
    own = [
        type(base)(**{**vars(base), "case": way(base.case, restore=restore)}) for restore in ("a", "b", "c", "d", "e")
    ]
    assert ways_of(own[:2], own) == "a; b"
    assert ways_of(own[1:], own) == "all but a"
    assert ways_of(own[2:], own) == "all but a; b"


def test_answers_that_are_alike_are_one_row(spec):
    assert [(one.cases[0].case.backend, one.ways) for one in rows(spec.cases)] == [
        ("reference", ""),
        ("torch", "jax; file"),
        ("torch", "pt, weights; tf, weights"),
    ]


def test_scripts_that_are_alike_are_one_article(spec):
    found = [one for one in spec.articles if one.first.case.backend == "torch"]
    assert [len(one.cases) for one in found] == [4, 2]
    assert [(one.ways, one.lines) for one in found[0].variations] == [
        ("pt", [(1, "import pt")]),
        ("tf", [(1, "import tf")]),
    ]


def test_scripts_that_differ_much_stand_for_themselves(cases):
    base = cases[0].case
    far = way(base, "\n".join(f"x = {number}" for number in range(20)), engine="a")
    near = way(base, "\n".join(f"x = {number or 9}" for number in range(20)), engine="b")
    other = way(base, "\n".join(f"x = {max(number, FEW + 2)}" for number in range(20)), engine="c")
    for one in (far, near, other):
        cases[0].case = one
    views = [type(cases[0])(**{**vars(cases[0]), "case": one}) for one in (far, near, other)]
    assert [len(one.cases) for one in articles(views)] == [2, 1]


def test_every_case_can_be_led_to_and_every_script_made_again(many_ways, tmp_path):
    parser = Varied()
    parser.feed(build(many_ways, tmp_path / "index.html").read_text(encoding="utf-8"))
    assert set(many_ways.cases) <= set(parser.ids)
    assert len(parser.ids) == len(set(parser.ids))
    made = parser.scripts
    assert {one.script_digest for one in many_ways.cases.values() if one.script} == set(made)
    assert all(hashlib.sha256(text.encode()).hexdigest() == name for name, text in made.items())
    assert SCRIPT in made.values()
