"""Leaving out: a word that a backend refuses goes, and what is left is a program of its own."""

from canireuse.emit import Unsupported
from canireuse.fuzz.agreement import Disagreement, Fight, Known, Untold, located
from canireuse.fuzz.leaving import tried
from canireuse.fuzz.programs import Drawn
from canireuse.results.cases import Plan
from canireuse.results.records import Case
from canireuse.spec.vocabulary import walk

#: two layers; a tie of them, a copy, a save, and a write
DRAWN = Drawn(
    "sharing",
    [("layer", b""), ("layer", b"")],
    [("tie again", b""), ("copy", b""), ("save", b""), ("assign", b"")],
)


def verbs(program):
    return [step.verb for step in walk(program.spec.steps)]


def case_of(plan, verdict, **more):
    given = {
        "id": f"fuzz/program@zoo+{plan.way.get('copy', '')}",
        "spec": "fuzz/program",
        "backend": "zoo",
        "device": "cpu",
    }
    return Case(**given, way=plan.way, environment="zoo@cpu", spec_digest="", verdict=verdict, **more)


class Refusing(Fight):
    """A backend of two ways that has no words for some verbs, ends in an error at others, and has other values after others."""

    def __init__(self, lacks=(), ends=(), departs=()):
        super().__init__("reference")
        self.lacks, self.ends, self.departs, self.ran = lacks, ends, departs, 0
        self.known = [Known(backends=["zoo"], verb=verb, error="ValueError: no", spec=f"ties/{verb}") for verb in ends]
        self.known += [Known(backends=["zoo"], verb=verb, kinds=["value"], spec=f"ties/{verb}") for verb in departs]

    def answered(self, program):
        return located(program)

    def planned(self, program, way=None):
        ways = [{"copy": "deepcopy"}, {"copy": "clone"}] if "copy" in verbs(program) else [{}]
        return (Plan(program, "zoo", None, one) for one in ways if way is None or one.items() <= way.items())

    def script(self, case):
        lacking = [verb for verb in verbs(case.located) if verb in self.lacks]
        return Unsupported(f"no words for {lacking[0]}") if lacking else None

    def cases(self, program, way=None):
        for plan in self.planned(program, way):
            self.ran += 1
            if why := self.script(plan):
                yield case_of(plan, "unsupported", reason=str(why))
                continue
            steps = [*walk(program.spec.steps)]
            end = next((at for at, step in enumerate(steps) if step.verb in self.ends), None)
            first = next((at for at, step in enumerate(steps) if step.verb in self.departs), None)
            if end is None and first is not None:
                label = next(one.expect for one in steps[first:] if getattr(one, "value", None))
                seen = [{"label": label, "contract": 0, "observed": 1, "holds": False}]
                yield case_of(plan, "fails", expectations=seen)
                continue
            if end is None:
                yield case_of(plan, "conforms")
                continue
            unseen = [step.expect for step in steps[end:] if step.expect]
            seen = [{"label": label, "contract": 0, "observed": "unobserved", "holds": False} for label in unseen]
            yield case_of(plan, "error", error={"type": "ValueError", "message": "no such thing"}, expectations=seen)


def test_a_word_that_cannot_be_said_is_left_out_and_the_rest_is_compared():
    each = [*tried(Refusing(lacks=("tie",)), DRAWN)]
    assert [one.case.verdict for one in each] == ["unsupported", "conforms"] * 2
    assert [one.refused for one in each] == [2, None] * 2
    assert "tie" in verbs(each[0].program)
    assert {"copy", "save", "assign"} <= {*verbs(each[1].program)}
    assert "tie" not in verbs(each[1].program)
    # the layers are two variables now, and the program says so
    assert not [step for step in walk(each[1].program.spec.steps) if getattr(step, "same", None)]


def test_several_words_are_left_out_one_after_the_other():
    each = [*tried(Refusing(lacks=("tie", "save")), DRAWN)]
    assert [one.refused for one in each[:3]] == [2, 4, None]
    assert not {"tie", "save"} & {*verbs(each[2].program)}


def test_a_step_in_which_a_script_ends_as_declared_is_left_out_in_every_way():
    fight = Refusing(ends=("tie",))
    each = [*tried(fight, DRAWN)]
    assert [(one.case.verdict, one.found, one.refused) for one in each] == [
        ("error", "ties/tie", 2),
        ("conforms", None, None),
        ("conforms", None, None),
    ]
    assert [one.case.way for one in each] == [{"copy": "deepcopy"}, {"copy": "deepcopy"}, {"copy": "clone"}]
    assert fight.ran == 3


def test_a_step_in_which_a_script_ends_in_one_way_is_left_out_in_that_way():
    fight = Refusing(ends=("tie",))
    fight.known = [one.model_copy(update={"ways": ["deepcopy"]}) for one in fight.known]
    each = [*tried(fight, DRAWN)]
    assert [(one.found if isinstance(one.found, str) else type(one.found), one.refused) for one in each] == [
        ("ties/tie", 2),
        (type(None), None),
        (Disagreement, None),
    ]


def test_a_step_after_which_something_differs_as_declared_is_left_out_and_the_rest_is_compared():
    each = [*tried(Refusing(departs=("tie", "copy")), DRAWN)]
    assert [(one.case.verdict, one.found, one.refused) for one in each[:3]] == [
        ("fails", "ties/tie", 3),
        ("fails", "ties/tie", 2),
        ("conforms", None, None),
    ]
    assert "save" in verbs(each[2].program)


def test_what_is_left_is_run_once_though_it_was_left_in_several_ways():
    fight = Refusing(departs=("copy",))
    each = [*tried(fight, DRAWN)]
    assert [one.case.verdict for one in each] == ["fails", "conforms", "fails"]
    assert fight.ran == len(each)


def test_an_error_that_no_spec_declares_leaves_nothing_out():
    fight = Refusing(ends=("tie",))
    fight.known = []
    each = [*tried(fight, DRAWN)]
    assert [(one.case.verdict, one.refused) for one in each] == [("error", None)] * 2


def test_what_is_in_every_program_is_not_left_out():
    each = [*tried(Refusing(lacks=("initialize",)), DRAWN)]
    assert [(one.case.verdict, one.refused) for one in each] == [("unsupported", None)] * 2


def test_what_is_left_is_not_compared_where_the_reference_model_tells_nothing(monkeypatch):
    fight = Refusing(lacks=("tie",))

    def answered(program):
        if not any("tie" in step for step in program["steps"]):
            raise Untold
        return located(program)

    monkeypatch.setattr(fight, "answered", answered)
    assert [one.case.verdict for one in tried(fight, DRAWN)] == ["unsupported"] * 2


def test_each_step_is_that_of_its_word():
    program = located(DRAWN.said())
    found = [
        (step.verb, DRAWN.word_of(at)) for at, step in enumerate(walk(program.spec.steps)) if step.verb != "expect"
    ]
    assert found[:6] == [("layer", 0), ("layer", 1), ("initialize", None), ("tie", 2), ("copy", 3), ("save", 4)]
    assert DRAWN.word_of(len([*walk(program.spec.steps)]) - 1) is None
