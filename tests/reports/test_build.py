"""The page as text: what ran is in it byte for byte, and nothing in the results can break out."""

import hashlib
from html.parser import HTMLParser

import pytest

from canireuse.judge.verdict import Judged
from canireuse.results.records import Results
from canireuse_reports import build
from canireuse_reports.text import prose, verbatim
from canireuse_reports.view import MARKS, MEANINGS, view
from tests.reports.conftest import HOSTILE, SCRIPT


class Page(HTMLParser):
    """Collects the text of script elements on the page, all ids, links and tags."""

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.scripts, self.ids, self.links, self.tags, self.inside, self.attributes = [], [], [], [], None, []
        self.shown_digests, self.in_digest = [], False

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.tags.append(tag)
        self.attributes += given
        if "id" in given:
            self.ids.append(given["id"])
        if tag == "a":
            self.links.append(given["href"])
        self.in_digest = given.get("class") == "digest"
        if tag == "code" and given.get("class") == "script":
            self.inside = []

    def handle_data(self, data):
        if self.in_digest:
            self.shown_digests.append(data)
            self.in_digest = False
        if self.inside is not None:
            self.inside.append(data)

    def handle_endtag(self, tag):
        if tag == "code" and self.inside is not None:
            self.scripts.append("".join(self.inside))
            self.inside = None


@pytest.fixture(scope="module")
def parsed(page):
    parser = Page()
    parser.feed(page.read_text(encoding="utf-8"))
    return parser


def test_every_script_is_what_ran_byte_for_byte(parsed, results):
    ran = [case for case in results.cases.values() if case.script]
    assert len(parsed.scripts) == len(ran) + len(results.blocks)
    assert set(parsed.scripts) == {SCRIPT}
    assert parsed.shown_digests == [hashlib.sha256(SCRIPT.encode()).hexdigest()] * len(ran)


def test_hostile_text_stays_text(parsed, page):
    assert "onmouseover" not in parsed.attributes
    assert parsed.tags.count("script") == 1
    assert HOSTILE not in page.read_text(encoding="utf-8")


def test_ids_are_unique_and_links_lead_somewhere(parsed):
    assert len(parsed.ids) == len(set(parsed.ids))
    filters = {link for link in parsed.links if link.startswith("#?")}
    dangling = {link for link in parsed.links if link.startswith("#") and link[1:] not in parsed.ids} - filters
    assert dangling == set()
    assert "#?backend=torch&verdict=silent" in filters


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
    (silent,) = seen.silent_of("torch")[0].silent["torch"]
    assert silent.way == "assign"
    assert "tie it again" in silent.because
    assert seen.silent_of("tf1-eager")[0].silent["tf1-eager"][0].because == HOSTILE
    assert {title: [spec.line.id for spec in specs] for title, specs in seen.lead.items()} == {
        "One variable, many uses": ["scopes/reuse-finds", "ties/kept-on-save"]
    }


def test_a_row_outside_the_contract_is_never_silent(results):
    outside = {name: line.model_copy(update={"contract": "none"}) for name, line in results.specs.items()}
    seen = view(results.model_copy(update={"specs": outside}))
    assert seen.lead == {}
    assert seen.silent_of("torch") == []


def test_a_divergence_of_another_way_explains_nothing(results):
    line = results.specs["ties/kept-on-save"]
    other = {**line.divergences[0], "ways": ["load_state_dict"], "because": "Only the other way is meant here."}
    changed = line.model_copy(update={"divergences": [other, *line.divergences]})
    seen = view(results.model_copy(update={"specs": {**results.specs, line.id: changed}}))
    assert "other way" not in seen.silent_of("torch")[0].silent["torch"][0].because


def test_digits_within_the_tolerance_are_no_disagreement(results):
    def near(one, observed):
        answers = [Judged(label="shared", contract=0.9, observed=observed, holds=True)]
        return one.model_copy(update={"expectations": answers, "verdict": "conforms", "loudness": None})

    of_spec = [one for one in results.cases.values() if one.spec == "scopes/all-agree"]
    cases = {one.id: near(one, 0.9 + 1e-6 * place) for place, one in enumerate(of_spec)}
    (spec,) = view(results.model_copy(update={"cases": cases})).specs
    assert len({case.answers["shared"].text for case in spec.cases}) > 1
    assert not spec.disagree


def test_a_backend_on_two_devices_is_told_apart(results, tmp_path):
    place = results.environments["torch@cpu"].model_copy(
        update={"id": "torch@gpu", "device": "gpu", "device_name": "Some GPU", "packages": {"framework": "9.9"}}
    )
    case = results.cases["scopes/reuse-finds@torch"]
    on_gpu = case.model_copy(update={"id": f"{case.id}@gpu", "device": "gpu", "environment": place.id})
    both = results.model_copy(
        update={
            "environments": {**results.environments, place.id: place},
            "cases": {**results.cases, on_gpu.id: on_gpu},
        }
    )
    shown = {one.case.id: one.environment.device_name for spec in view(both).specs for one in spec.cases}
    assert (shown[case.id], shown[on_gpu.id]) == ("cpu:0", "Some GPU")
    text = build(both, tmp_path / "index.html").read_text(encoding="utf-8")
    assert "<small>2 devices</small>" in text
    assert f'<a href="#{on_gpu.id}">PyTorch, GPU</a>' in text
    assert "framework 1.2, Python 3.11.7, cpu<br>framework 9.9, Python 3.11.7, gpu" in text


def test_no_case_is_dropped_without_a_word(results, tmp_path):
    specs = {name: line for name, line in results.specs.items() if name != "ties/kept-on-save"}
    cut = results.model_copy(update={"environments": {}, "specs": specs})
    seen = view(cut)
    assert (seen.cases, seen.orphans) == (8, 5)
    assert "5 cases of specs that these results do not hold" in build(cut, tmp_path / "index.html").read_text()


def test_what_was_not_tested_says_why(results):
    untested = view(results).untested
    assert list(untested) == ["tf1", "tf1-eager"]
    assert [spec.line.id for spec in untested["tf1-eager"]["not here"]] == ["ties/kept-on-save"]


def test_what_users_report_leads_to_specs_or_says_why_not(page, results):
    text = page.read_text(encoding="utf-8")
    assert "4 situations that people opened issues about" in text
    rows = dict(part.split('">', 1) for part in text.split('<tr id="reported-')[1:])
    assert '<a href="#ties/kept-on-save">ties/kept-on-save</a>' in rows["C01"]
    assert "<code>state_dict</code>, <code>data =</code>" in rows["C01"]
    assert "save</code>" not in rows["C01"]
    assert "Not tested in full: The rest needs a cluster" in rows["C02"]
    assert "Not tested: It needs a device" in rows["C03"]
    assert "not run here" in rows["C04"].split("</tr>")[0]
    assert [one.id for one in view(results).out_of_reach] == ["C02", "C03"]
    assert "2 situations that no run" in text


def test_facets_say_what_was_not_said(page):
    text = page.read_text(encoding="utf-8")
    assert "<td>none ran, 1 not said</td>" in text
    assert "<td>1 of 2</td>" in text


def test_a_page_of_nothing_is_a_page(tmp_path):
    assert "No backend was run" in build(Results(), tmp_path / "index.html").read_text(encoding="utf-8")


def test_a_cut_off_run_is_told(results, tmp_path):
    cut = results.model_copy(update={"footers": []})
    assert "did not end" in build(cut, tmp_path / "index.html").read_text(encoding="utf-8")


def test_planned_cases_without_a_record_are_named(results, tmp_path):
    lost = results.footers[0].model_copy(update={"missing": ["ties/a@torch", "ties/<b>@torch"]})
    text = build(results.model_copy(update={"footers": [lost]}), tmp_path / "index.html").read_text(encoding="utf-8")
    assert "2 planned cases of the run behind this page left no record." in text
    assert "ties/a@torch, ties/&lt;b&gt;@torch" in text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        "\n\nx = 1",
        "x = 1",
        "x\n\n\n",
        "'unfinished",
        "\tx = '<&>'",
        "a: [1, 'b'] # c\n",
        "x\r\ny\r",
        "\ufeffx",
    ],
)
def test_no_byte_of_a_script_is_lost(text):
    parser = HTMLParser(convert_charrefs=True)
    seen = []
    parser.handle_data = seen.append
    parser.feed(str(verbatim(text)))
    parser.close()
    assert "".join(seen) == text


def test_backticks_are_code_and_the_rest_is_text():
    assert prose("Call `a<b` & ` go") == "Call <code>a&lt;b</code> &amp; ` go"


def test_what_is_one_place_is_told_and_departs_from_nothing(results, tmp_path):
    changed = results.model_copy(deep=True)
    one = next(case for case in changed.cases.values() if case.verdict == "conforms" and case.backend == "torch")
    one.one_place = [one.expectations.pop().label]
    page = build(changed, tmp_path / "after.html").read_text()
    assert page.count('<td class="agrees">one place: there are no two to compare</td>') == 1
    assert "one place: there are no two to compare" not in build(results, tmp_path / "before.html").read_text()


def test_what_ran_before_the_run_is_marked_with_its_time(results, tmp_path):
    one, *others = [case for case in results.cases.values() if case.script]
    cases = {**results.cases, one.id: one.model_copy(update={"reused": "2026-01-02T03:04:05+00:00"})}
    told = view(results.model_copy(update={"cases": cases}))
    assert told.reused.keys() == {one.environment}
    scripts = 1 + sum(other.environment == one.environment for other in others)
    assert told.reused[one.environment].startswith(f"1 of its {scripts} scripts had run before")
    text = build(results.model_copy(update={"cases": cases}), tmp_path / "page.html").read_text(encoding="utf-8")
    assert text.count("it ran before this run, at 2026-01-02 03:04:05 UTC") == 1
    assert told.reused[one.environment] in text
