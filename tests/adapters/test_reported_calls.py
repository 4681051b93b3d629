"""What users report is what runs: scripts of a scenario's specs make the calls that its reports are about."""

import ast
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

import canireuse_adapters
from canireuse.judge.verdict import declared_answers
from canireuse.program.loader import load_all
from canireuse.spec.model import Spec
from canireuse.spec.reading import SCENARIOS
from canireuse.spec.scenarios import Scenario, load_scenarios
from tests.adapters.lock import ROOT
from tests.adapters.translations import pinned, translation

SPECS = {located.id: located.spec for located in load_all([ROOT / "specs"])}
LISTED = load_scenarios(ROOT / "specs" / SCENARIOS)[0].scenarios


def dotted(node: ast.expr) -> str:
    """Return the dotted name that an expression ends in: `children` of `nets[0].children`."""
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}".lstrip(".")
    return node.id if isinstance(node, ast.Name) else ""


def ends_in(name: str, wanted: str) -> bool:
    """Return whether a dotted name is, or ends in, the one that is wanted."""
    return name == wanted or name.endswith(f".{wanted}")


def lines_that_call(tree: ast.AST, wanted: str) -> Iterator[int]:
    """Yield the lines at which a call or a decorator stands, or for `NAME =` an assignment to an attribute of that name."""
    for node in ast.walk(tree):
        for decorator in getattr(node, "decorator_list", ()):
            if ends_in(dotted(decorator), wanted):
                yield decorator.lineno
        if isinstance(node, ast.Call) and ends_in(dotted(node.func), wanted):
            yield node.lineno
        elif isinstance(node, ast.Assign):
            targets = (target for target in node.targets if isinstance(target, ast.Attribute))
            yield from (node.lineno for target in targets if f"{target.attr} =" == wanted)


def lines_of_observations(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield the last line of each observation, with its label."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and dotted(node.func) == "observe" and isinstance(node.args[0], ast.Constant):
            yield node.end_lineno or node.lineno, str(node.args[0].value)


def calls(text: str, wanted: str, departing: Mapping[str, Any]) -> bool:
    """Return whether a script makes a call before what it observes of it.

    That is the first observation of which the backend is known to depart, and the last one where it departs of none.
    """
    tree = ast.parse(text)
    observed = sorted(lines_of_observations(tree))
    if not observed:
        return False
    decides = next((line for line, label in observed if label in departing), observed[-1][0])
    return any(line <= decides for line in lines_that_call(tree, wanted))


def uncalled(scenario: Scenario, specs: Mapping[str, Spec]) -> Iterator[str]:
    """Yield each backend's call that no script of the scenario makes."""
    versions = pinned(ROOT)
    for backend, wanted in scenario.calls.items():
        adapter = canireuse_adapters.adapter(backend)
        scripts = []
        for name in scenario.specs:
            for way in adapter.ways_of(specs[name]):
                case = {"spec": name, "backend": backend, "way": way, "device": "cpu"}
                if text := translation(adapter, case, versions, specs[name]).get("script"):
                    scripts.append((text, declared_answers(specs[name], backend, way, versions)))
        for call in wanted:
            if not any(calls(text, call, departing) for text, departing in scripts):
                yield f"{scenario.id}: no script of {backend} calls `{call}` before what it observes of it"


@pytest.mark.parametrize("scenario", LISTED, ids=lambda scenario: scenario.id)
def test_the_scripts_of_a_scenario_make_the_calls_that_its_reports_are_about(scenario):
    assert [*uncalled(scenario, SPECS)] == []


SCRIPT = """
import torch

@torch.no_grad
def forward():
    return torch.utils.checkpoint(model)
@nn.remat
class Block(nn.Module):
    pass
kept = deepcopy(model)
observe('copied', kept)
head.weight.data = model.weight
observe(
    'tied', optimizer.step(),
)
late()
"""


@pytest.mark.parametrize(
    ("wanted", "departing", "holds"),
    [
        ("deepcopy", (), True),
        ("checkpoint", ("copied",), True),
        ("torch.utils.checkpoint", (), True),
        ("no_grad", ("copied",), True),
        ("nn.remat", ("copied",), True),
        ("nn.Module", (), False),
        ("utils.check", (), False),
        ("point", (), False),
        ("data =", (), True),
        ("data =", ("copied",), False),
        ("weight =", (), False),
        ("step", ("tied",), True),
        ("step", ("copied", "tied"), False),
        ("late", (), False),
        ("copied", (), False),
    ],
)
def test_a_call_counts_where_it_comes_before_what_is_observed_of_it(wanted, departing, holds):
    assert calls(SCRIPT, wanted, dict.fromkeys(departing)) is holds


def test_a_text_or_a_script_that_observes_nothing_makes_no_call():
    assert not calls("observe('children', 'children()')", "children", {})
    assert not calls("children()", "children", {})


def test_a_scenario_without_the_call_is_told():
    scenario = Scenario(
        id="C02",
        scenario="One layer object called twice",
        expects="one variable",
        specs=["calls/one-layer-on-two-inputs"],
        calls={"torch": ["nn.Linear", "children"], "nnx": ["nnx.scan"]},
    )
    assert [*uncalled(scenario, SPECS)] == [
        "C02: no script of torch calls `children` before what it observes of it",
        "C02: no script of nnx calls `nnx.scan` before what it observes of it",
    ]
