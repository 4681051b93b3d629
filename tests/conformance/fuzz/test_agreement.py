"""Agreement: what is compared, what disagrees, and which departures are declared."""

import pytest

from canireuse.fuzz import agreement
from canireuse.fuzz.agreement import Fight, Known, Like, Untold, answered, located
from canireuse.program.loader import load_all
from canireuse.results.cases import Plan
from canireuse.run.hosts import Host
from canireuse.spec.vocabulary import Expect, walk
from tests.conformance.fuzz.ring import Ring
from tests.zoo.animals import ANIMALS
from tests.zoo.matrix import ROOT

PROGRAM = {
    "title": "A program of two layers that are tied",
    "about": "Written by a test, which has its answers filled in by the reference model.",
    "sources": ["convention: made up by a test of this project"],
    "contract": "sharing",
    "steps": [
        {"layer": "dense", "inputs": 1, "units": 1, "kernel": 0.5, "as": "one"},
        {"layer": "dense", "inputs": 1, "units": 1, "kernel": 0.25, "as": "other"},
        {"module": "net", "members": {"first": "one", "second": "other"}},
        {"tie": "one.kernel", "to": "other.kernel"},
        {"copy": "net", "as": "twin"},
        {"expect": "worth", "value": "one.kernel", "is": 0},
        {"expect": "count", "variables": 0, "inside": "net"},
        {"expect": "tied", "same": ["one.kernel", "other.kernel"]},
    ],
}


def fought(animal):
    ring = Ring(ANIMALS[animal])
    program = ring.answered(PROGRAM)
    (case,) = ring.cases(program)
    assert case.verdict == "fails"
    return ring, program, case


def test_answers_are_those_of_the_reference_model():
    program = Ring().answered(PROGRAM)
    assert program.spec.expectations == {"worth": [[0.25]], "count": 1, "tied": True}


@pytest.mark.parametrize("value", [1e5, [[0.0, float("nan")]], {"float": "inf"}])
def test_what_says_more_of_rounding_than_of_sharing_is_not_compared(value):
    with pytest.raises(Untold):
        answered(PROGRAM, {"worth": value})


def test_a_write_that_shows_nothing_is_not_compared():
    with pytest.raises(Untold):
        answered(PROGRAM, {"tied": {"before": 1.0, "after": 1.0, "written": 1.0}})


KNOWN = Known(backends=["zoo"], verb="tie", kinds=["variables", "value", "same"], spec="ties/some")


@pytest.mark.parametrize(
    ("change", "covers"),
    [
        ({}, True),
        ({"verb": "copy"}, True),
        ({"verb": "copy", "given": {"shallow": True}}, False),
        ({"verb": "restore"}, False),
        ({"kinds": ["value"]}, False),
        ({"kinds": None}, True),
        ({"ways": ["by hand"]}, False),
        ({"verb": "copy", "after": [Like(verb="tie")]}, True),
        ({"verb": "copy", "after": [Like(verb="module"), Like(verb="tie")]}, True),
        ({"verb": "copy", "after": [Like(verb="tie"), Like(verb="module")]}, False),
        ({"verb": "copy", "after": [Like(verb="tie", given={"to": "one.kernel"})]}, False),
        ({"after": [Like(verb="copy")]}, False),
        ({"adds": True}, False),
    ],
)
def test_a_departure_covers_what_comes_after_a_step_of_its_verb(change, covers):
    _, program, case = fought("zoo-unties-at-tie")
    assert KNOWN.model_copy(update=change).covers(program, case, "count") is covers


def test_a_write_that_shows_nothing_is_a_matter_of_values():
    _, program, case = fought("zoo-unties-at-tie")
    met = [one.model_copy(update={"observed": "inconclusive"}) for one in case.expectations]
    for kinds, covers in ([["value"], True], [["same"], False]):
        known = KNOWN.model_copy(update={"kinds": kinds})
        assert known.covers(program, case.model_copy(update={"expectations": met}), "tied") is covers
        assert known.covers(program, case, "tied") is not covers


def test_a_step_after_the_observation_covers_nothing():
    _, program, case = fought("zoo-unties-at-tie")
    steps = [step for step in PROGRAM["steps"] if next(iter(step)) != "copy"] + [{"copy": "net", "as": "twin"}]
    known = KNOWN.model_copy(update={"verb": "copy"})
    assert known.covers(program, case, "count")
    assert not known.covers(located({**PROGRAM, "steps": steps}), case, "count")


@pytest.mark.parametrize(
    ("observed", "inside", "covers"),
    [
        (["a", "a/Adam", "b"], None, True),
        (["a", "b"], None, False),
        (["a", "a/Adam"], None, False),
        (["a", "a", "b"], "net", False),
        ("unobserved", None, False),
    ],
)
def test_of_what_adds_to_all_that_there_is_all_else_is_compared(observed, inside, covers):
    _, _, case = fought("zoo-unties-at-tie")
    seen = {"expect": "all-names", "names": ["a", "b"]} | ({"inside": inside} if inside else {})
    program = located({**PROGRAM, "steps": [*PROGRAM["steps"], seen]})
    one = case.expectations[0].model_copy(
        update={"label": "all-names", "contract": ["a", "b"], "observed": observed, "holds": False}
    )
    known = KNOWN.model_copy(update={"kinds": ["names"], "adds": True})
    assert known.covers(program, case.model_copy(update={"expectations": [one]}), "all-names") is covers


def test_a_refusal_that_does_not_come_is_declared_of_the_step_itself():
    _, _, case = fought("zoo-unties-at-tie")
    one = case.expectations[0].model_copy(update={"label": "refused", "observed": "nothing"})
    case = case.model_copy(update={"expectations": [one]})
    refused = {"restore": "other", "from": "kept", "raises": "not_found", "expect": "refused"}
    steps = [*PROGRAM["steps"][:2], {"save": "other", "to": "kept"}, refused]
    known = Known(backends=["zoo"], verb="restore", kinds=["restore"], spec="checkpoints/some")
    assert known.covers(located({**PROGRAM, "steps": steps}), case, "refused")
    assert not known.model_copy(update={"verb": "copy"}).covers(located({**PROGRAM, "steps": steps}), case, "refused")


def test_an_exception_is_declared_of_what_it_kept_from_being_observed():
    _, program, case = fought("zoo-unties-at-tie")
    known = KNOWN.model_copy(update={"kinds": None, "error": "FailedPreconditionError: no", "says": ["to"]})
    assert not known.covers(program, case, "count")
    unseen = [one.model_copy(update={"observed": "unobserved"}) for one in case.expectations if one.label != "worth"]
    error = {"type": "FailedPreconditionError", "message": "no value"}
    ended = case.model_copy(
        update={"verdict": "error", "error": error, "expectations": [case.expectations[0], *unseen]}
    )
    assert known.covers(program, ended, "count")
    assert not known.covers(program, ended, "worth")
    assert not known.covers(program, ended.model_copy(update={"error": {**error, "message": "another"}}), "count")
    assert not known.model_copy(update={"verb": "copy", "says": ["shallow"]}).covers(program, ended, "count")


def test_the_reference_model_runs_a_program_once(monkeypatch):
    ran, run = [], Host.run
    monkeypatch.setattr(Host, "run", lambda *given: ran.append(given) or run(*given))
    fight = Fight("reference")
    try:
        (case,) = fight.cases(fight.answered(PROGRAM))
    finally:
        fight.stop()
    assert (case.verdict, len(ran)) == ("conforms", 1)


def test_of_a_backend_with_several_ways_one_can_be_asked_alone(monkeypatch):
    ways = [{"copy": "deepcopy", "save": "pickle"}, {"copy": "clone"}]
    monkeypatch.setattr(Fight, "script", lambda self, case: case.way)
    monkeypatch.setattr(Fight, "host", lambda *given: None)
    monkeypatch.setattr(agreement, "plan", lambda specs, _: [Plan(*specs, "some", None, way) for way in ways])
    monkeypatch.setattr(agreement, "run_case", lambda case, *given: case.way)
    assert [*Fight("some").cases(located(PROGRAM))] == ways
    assert [*Fight("some").cases(located(PROGRAM), {"copy": "clone", "edition": "1.15"})] == ways[1:]


def test_what_no_spec_declares_is_a_disagreement_and_begins_with_the_first_that_is_not():
    ring, program, case = fought("zoo-unties-at-tie")
    assert ring.compared(program, case).first.label == "count"
    ring.known = [KNOWN.model_copy(update={"kinds": ["variables"]})]
    assert ring.compared(program, case).first.label == "tied"
    assert ring.compared(program, case).signature == ("", "same", "bool")
    ring.known = [KNOWN]
    assert ring.compared(program, case) == "ties/some"
    assert ring.compared(program, case.model_copy(update={"verdict": "conforms"})) is None


def test_an_error_is_one_kind_whatever_numbers_are_in_it():
    ring, program, case = fought("zoo-unties-at-tie")
    kinds = set()
    for number in (3, 44):
        error = {"type": "ValueError", "message": f"a shape of [{number}, 2]"}
        expectations = [one.model_copy(update={"observed": "unobserved"}) for one in case.expectations]
        one = case.model_copy(update={"verdict": "error", "error": error, "expectations": expectations})
        kinds.add(ring.compared(program, one).signature)
    assert kinds == {("", "ValueError", "a shape of ")}


def test_disagreements_of_engines_are_of_one_kind():
    ring, program, case = fought("zoo-unties-at-tie")
    ways = [{"engine": "jax", "copy": "clone"}, {"engine": "torch", "copy": "clone"}, {"copy": "deepcopy"}]
    assert len({ring.compared(program, case.model_copy(update={"way": way})).signature for way in ways}) == 2


@pytest.fixture(scope="module")
def specs():
    return {one.id: one.spec for one in load_all([ROOT / "specs"])}


@pytest.mark.parametrize("one", agreement.known(), ids=lambda one: f"{one.spec}:{'+'.join(one.backends)}")
def test_each_declared_departure_is_that_of_a_spec(one, specs):
    spec = specs[one.spec]
    steps = [*walk(spec.steps)]
    assert any(map(one.is_said_by, steps))
    for backend in one.backends:
        declared = [each for each in spec.divergences if backend in each.backends and (one.ways is None or each.ways is None or {*one.ways} & {*each.ways})]  # fmt: skip
        labels = {label for each in declared for label in each.answers}
        kinds = {step.kind if isinstance(step, Expect) else step.verb for step in steps if step.expect in labels}
        assert kinds if one.kinds is None else kinds & {*one.kinds}, f"{one.spec} declares nothing like it of {backend}"


def test_a_process_runs_so_many_scripts_and_then_another_one_does(monkeypatch):
    monkeypatch.setattr(agreement, "MOST_SCRIPTS", 2)
    fight, processes = Fight("reference"), []
    for _ in range(4):
        program = fight.answered(PROGRAM)
        processes += [host.process.pid for host in fight.hosts.values()]
        assert [case.verdict for case in fight.cases(program)] == ["conforms"]
    fight.stop()
    first, second, third, fourth = processes
    assert first == second != third == fourth


@pytest.mark.parametrize(
    ("steps", "covers"),
    [
        ([{"save": "net", "to": "file"}], False),
        ([{"save": "twin", "to": "file"}], True),
        ([{"save": "same", "to": "file"}], False),
        ([{"save": "twin", "to": "file", "in_memory": True}], False),
        ([{"save": "net", "to": "file"}, {"replace": "net.first", "by": "twin.first"}], True),
    ],
)
def test_a_file_is_compared_that_is_restored_where_the_same_variables_stand(steps, covers):
    _, _, case = fought("zoo-unties-at-tie")
    same = {"module": "same", "members": {"first": "one", "second": "other"}}
    steps = [*PROGRAM["steps"][:5], same, *steps, {"restore": "net", "from": "file"}, *PROGRAM["steps"][5:]]
    known = KNOWN.model_copy(update={"verb": "restore", "where": "moved"})
    assert known.covers(located({**PROGRAM, "steps": steps}), case, "count") is covers


@pytest.mark.parametrize(
    ("steps", "covers"),
    [
        ([{"optimizer": "opt", "over": "net"}, {"update": "opt", "minimize": "sum(one.kernel)"}], True),
        ([{"optimizer": "opt", "over": "twin.first"}, {"update": "opt", "minimize": "sum(twin.first.kernel)"}], False),
        ([{"optimizer": "opt", "over": ["one.kernel"]}, {"update": "opt", "minimize": "sum(one.kernel)"}], False),
        (
            [
                {"optimizer": "opt", "over": "net"},
                {"update": "opt", "minimize": "sum(y)", "steps": [{"call": "net", "on": [[1.0]], "as": "y"}]},
            ],
            False,
        ),
    ],
)
def test_a_loss_that_reads_all_that_is_trained_is_compared(steps, covers):
    _, _, case = fought("zoo-unties-at-tie")
    first = [step for step in PROGRAM["steps"][:5] if "tie" not in step]
    known = KNOWN.model_copy(update={"verb": "update", "where": "unused"})
    assert known.covers(located({**PROGRAM, "steps": [*first, *steps, *PROGRAM["steps"][5:]]}), case, "count") is covers
