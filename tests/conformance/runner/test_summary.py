"""The summary of a run: what failed in the same way is told once, with its count."""

import io
from types import SimpleNamespace

from rich.console import Console

from canireuse.runner.progress import Display
from canireuse.runner.summary import explain, holes, printable, some
from tests.conformance.results.test_records import case


def failed(number, reason="TypeError at line {} of the script: no such keyword", **more):
    told = reason.format(number)
    return case(f"facet/spec-{number}", **more).model_copy(
        update={"verdict": "error", "blame": "backend", "reason": told}
    )


def test_equal_failures_are_told_once_with_their_count():
    display = Display(as_json=False)
    display.console = Console(file=io.StringIO(), width=200, soft_wrap=True)
    cases = [*(failed(number) for number in range(40)), failed(40, "ValueError: another"), failed(41, backend="nnx")]
    for one in cases:
        display.pytest_runtest_logreport(SimpleNamespace(canireuse_case=one))
    plugins = SimpleNamespace(get_plugin=lambda name: None)
    display.pytest_sessionfinish(SimpleNamespace(config=SimpleNamespace(pluginmanager=plugins)), 1)
    text = display.console.file.getvalue()
    assert text.count("no such keyword") == 2  # once of each backend
    assert text.count("ValueError: another") == 1
    assert "as facet/spec-0@torch: 39 more cases (facet/spec-1@torch, facet/spec-2@torch" in text
    assert "and 29 more)" in text


def test_what_an_environment_lacks_is_told_once_with_its_count():
    lacks = "safetensors is not installed (ModuleNotFoundError); install it with: pip install safetensors"
    since = "since torch 2.12 (here is 2.4.1): `nn.BatchNorm1d(bias=_)`"
    cases = [case(f"facet/{n}", script="x").model_copy(update={"verdict": "skipped", "reason": lacks}) for n in "abc"]
    cases.append(case("facet/d").model_copy(update={"verdict": "unsupported", "reason": since}))
    more = f"{since}; torch 2.5 (here is 2.4.1): `torch.while_loop`"
    cases.append(case("facet/g").model_copy(update={"verdict": "unsupported", "reason": more}))
    cases.append(case("facet/e").model_copy(update={"verdict": "unsupported", "reason": "torch has no words for it"}))
    cases.append(case("facet/f").model_copy(update={"verdict": "skipped", "reason": "no torch here"}))
    assert list(holes(cases)) == [f"skipped: 3 cases of torch: {lacks}", f"unsupported: 2 cases of torch: {since}"]


def test_a_terminal_is_not_told_what_to_do():
    assert printable("a\x1b[2Jb\u202ec\td\n\x00é漢") == "a\\x1b[2Jb\\u202ec\td\n\\x00é漢"


def test_names_are_counted_and_the_first_are_told():
    assert some(["a"], "case") == "1 case (a)"
    assert some(list("abcdefghijkl"), "case") == "12 cases (a, b, c, d, e, f, g, h, i, j and 2 more)"


def test_what_is_one_place_is_explained():
    told = explain(failed(1).model_copy(update={"one_place": ["one"]}))
    assert "\n    one: not observed: one place, there are no two to compare\n" in told
    assert "one place" not in explain(failed(1))
