"""The porting guide: what it says of two backends, and its page."""

import pytest

from canireuse.spec.problems import UsageError
from canireuse_reports import build, build_all
from canireuse_reports.port import guide, pairs_of
from canireuse_reports.view import view
from tests.reports.conftest import HOSTILE, SCRIPT, case, spec


@pytest.fixture(scope="module")
def ported(results):
    """Results in which tf1 ran much, and torch answers it in every way there is."""
    because = [
        ("ties/kept-on-save", "A tie survives being saved", "assign copies; load_state_dict ties again.\n", "silent"),
        ("ties/also-lost", "A tie survives being copied", "assign copies; load_state_dict ties again.", "silent"),
        ("ties/other", "A tie survives being moved", "Moving it unties it; tie it again afterwards.", "silent"),
        ("scopes/late", "A name is found at once", "The name is looked up later; look at the error.", "late"),
    ]
    specs, cases = [], []
    for name, title, text, loudness in because:
        line = spec(name, title, symptom="It came loose in my hands." if name == "ties/other" else None)
        specs.append(line.model_copy(update={"divergences": [{**line.divergences[0], "because": text}]}))
        cases += [
            case(name, "tf1", "conforms"),
            case(name, "torch", "differs", observed=False, way="assign", loudness=loudness),
        ]
    cases.append(case("ties/other", "torch", "differs", observed=False, way="unpickle", loudness="silent"))
    cases.append(case("ties/kept-on-save", "torch", "conforms", way="load_state_dict"))
    for name in ("scopes/long", "scopes/short", "scopes/same"):
        specs.append(spec(name, f"It is spelled: {name}"))
        words = {"scopes/long": "x = 1\n" * 9, "scopes/short": "x = 1\n", "scopes/same": SCRIPT}[name]
        cases += [
            case(name, "tf1", "conforms"),
            case(name, "torch", "conforms").model_copy(update={"script": words}),
        ]
    for name, reason in (("state/one", "no words"), ("state/two", "no graph"), ("state/three", "no graph")):
        specs.append(spec(name, f"It has no words in {name}"))
        cases += [case(name, "tf1", "conforms"), case(name, "torch", "unsupported", reason=reason)]
    specs += [spec("state/failed", "It fails in one of the two"), spec("state/new", "It is new there")]
    cases += [
        case("state/failed", "tf1", "conforms"),
        case("state/failed", "torch", "fails", observed=False, reason="!"),
    ]
    cases += [case("state/new", "tf1", "unsupported", reason="no words"), case("state/new", "torch", "conforms")]
    specs.append(spec("state/crashed", "It crashes in one of the two"))
    cases += [case("state/crashed", "tf1", "conforms"), case("state/crashed", "torch", "crash", reason="!")]
    return results.model_copy(
        update={
            "specs": {one.id: one for one in specs},
            "cases": {one.id: one for one in cases},
            "claims": {},
            "documents": {},
            "scenarios": {},
        }
    )


@pytest.fixture(scope="module")
def made(ported):
    return guide(view(ported), "tf1", "torch")


def ids(pairs):
    return [pair.spec.line.id for pair in pairs]


def test_scenarios_with_one_explanation_stand_below_it(made):
    told = {told: [(lesson.because, ids(lesson.pairs)) for lesson in lessons] for told, lessons in made.differs.items()}
    assert list(told) == ["silent", "late", None]
    assert told["silent"][:2] == [
        ("Moving it unties it; tie it again afterwards.", ["ties/other"]),
        ("assign copies; load_state_dict ties again.", ["ties/also-lost", "ties/kept-on-save"]),
    ]
    assert [lesson.because[:6] for lesson in made.bites] == ["Moving", "assign"]


def test_a_failure_is_explained_by_nobody(made):
    (lesson,) = [one for lessons in made.differs.values() for one in lessons if not one.because]
    assert ids(lesson.pairs) == ["state/failed"]


def test_the_ways_that_part_and_those_that_do_not_are_named(made):
    pair = next(pair for pair in made.pairs() if pair.spec.line.id == "ties/kept-on-save")
    assert (pair.by, pair.safe) == ("assign", "load_state_dict")
    other = next(pair for pair in made.pairs() if pair.spec.line.id == "ties/other")
    assert (other.by, other.safe) == ("", "")


def test_what_carries_over_comes_shortest_first(made):
    assert ids(made.spelled["scopes"]) == ["scopes/short", "scopes/long"]
    assert ids(made.same) == ["scopes/same"]


def test_what_has_no_equivalent_is_grouped_by_reason(made):
    assert {reason: [spec.line.id for spec in specs] for reason, specs in made.missing.items()} == {
        "no graph": ["state/three", "state/two"],
        "no words": ["state/one"],
    }
    assert [spec.line.id for spec in made.new] == ["state/new"]
    assert [spec.line.id for spec in made.unknown] == ["state/crashed"]


def test_the_lead_counts_it_all(made):
    assert made.lead == (
        "Of 11 scenarios that TensorFlow 1 graph mode ran, PyTorch has 1 the same word for word, 2 the same in other "
        "words, 5 with another behaviour and 3 not at all. Of those with another behaviour 3 say nothing of it: "
        "no error, no warning, another result. It has words for 1 more. 1 could not be compared."
    )


def test_what_the_source_does_otherwise_is_told_of_the_source(ported):
    back = guide(view(ported), "torch", "tf1")
    (first, *_) = back.differs["silent"]
    assert first.of == "PyTorch"
    assert back.lead.startswith("Of 9 ")


def test_what_is_one_place_in_one_of_the_two_is_not_compared(ported):
    changed = ported.model_copy(deep=True)
    one = next(case for case in changed.cases.values() if case.spec == "scopes/late" and case.backend == "torch")
    one.one_place = [one.expectations.pop().label]
    differing = [
        pair.spec.line.id
        for told in (ported, changed)
        for pair in guide(view(told), "tf1", "torch").pairs()
        if pair.answers
    ]
    assert differing.count("scopes/late") == 1


def test_pairs_are_asked_for_by_words(results):
    seen = view(results)
    names = ["tf1", "tf1-eager", "torch"]
    every = [(one, other) for one in names for other in names if one != other]
    assert pairs_of(seen) == pairs_of(seen, ["tf1"]) == [("tf1", "tf1-eager"), ("tf1", "torch")]
    assert pairs_of(seen, ["all"]) == every
    assert pairs_of(seen, ["none"]) == []
    assert pairs_of(seen, ["torch:tf1", "reference:tf1", "torch:tf1"]) == [("torch", "tf1"), ("reference", "tf1")]
    with pytest.raises(UsageError, match="no porting guide 'nnx'"):
        pairs_of(seen, ["nnx"])


@pytest.mark.parametrize(("pair", "words"), [(("tf1", "nnx"), "no run of 'nnx'"), (("tf1", "tf1"), "ported to itself")])
def test_a_pair_that_is_none_is_told(results, pair, words):
    with pytest.raises(UsageError, match=words):
        guide(view(results), *pair)


def test_pages_stand_beside_the_index_and_lead_to_it_and_to_each_other(results, tmp_path):
    pages = build_all(results, tmp_path / "index.html", ["all"])
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(path.name for path in pages)
    assert len(pages) == 7
    index, first = (path.read_text(encoding="utf-8") for path in pages[:2])
    for path in pages[1:]:
        assert f'href="{path.name}"' in index
        assert (f'href="{path.name}"' in first) == (path != pages[1])
    assert 'href="index.html#' in first
    assert 'id="porting"' not in build(results, tmp_path / "none" / "index.html", ["none"]).read_text(encoding="utf-8")


def test_a_backend_with_a_strange_name_gets_a_file_here(results, tmp_path):
    cases = {
        name: one.model_copy(update={"backend": "../up", "environment": "up"}) if one.backend == "torch" else one
        for name, one in results.cases.items()
    }
    _, page = build_all(results.model_copy(update={"cases": cases}), tmp_path / "index.html", ["tf1:../up"])
    assert page.name == "port-tf1-___up.html"
    assert page.parent == tmp_path


@pytest.fixture(scope="module")
def port_page(ported, tmp_path_factory):
    return build_all(ported, tmp_path_factory.mktemp("port") / "index.html")[1:]


def test_hostile_text_stays_text_in_a_guide(port_page):
    for page in port_page:
        text = page.read_text(encoding="utf-8")
        assert HOSTILE not in text
        assert text.count("<script") == 1


@pytest.mark.parametrize("width", [380, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_in_a_guide(visit, port_page, axe, scheme, width):
    tab = visit(width=width, color_scheme=scheme, page=port_page[-1])
    tab.evaluate("document.querySelectorAll('details').forEach(details => { details.open = true; })")
    assert axe(tab) == []
    assert tab.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


def test_a_guide_shows_scripts_side_by_side(visit, port_page):
    tab = visit(page=port_page[-1])
    assert tab.locator("h1").inner_text() == "From TensorFlow 1 graph mode to PyTorch"
    assert tab.locator("#bites li").count() == 2
    opened = tab.locator("#spelled details[open]")
    assert "scopes/short" in opened.locator("summary").inner_text()
    codes = opened.locator("code.script")
    assert codes.evaluate_all("codes => codes.map(code => code.textContent)") == [SCRIPT, "x = 1\n"]
    assert codes.nth(0).locator("i.k").count() == 3
    tab.click("#differs summary >> nth=0")
    assert tab.locator("#differs td.departs:visible").all_inner_texts() == ["no"]


def test_a_guide_is_read_without_javascript(visit, port_page):
    tab = visit(page=port_page[-1], java_script_enabled=False)
    tab.click("#missing summary >> nth=1")
    tab.click("#differs summary >> nth=0")
    assert tab.locator("#differs code.script:visible").count() == 2
