"""A fight in this process: the reference model, and an animal of the zoo for a backend."""

from contextlib import suppress

from hypothesis import HealthCheck, Phase, given, settings

from canireuse.contract import Model, tape
from canireuse.emit.asking import script_of
from canireuse.fuzz.agreement import Fight, Untold
from canireuse.fuzz.programs import programs
from canireuse.judge.verdict import judge
from canireuse.results.records import Case
from canireuse_adapters.reference import Reference
from tests.zoo import matrix


class Ring(Fight):
    """The reference model fights a model, in this process."""

    def __init__(self, animal=None):
        super().__init__("zoo" if animal else "reference")
        self.animal = animal

    def outcome(self, spec, animal=None):
        """Return what a model observes of a spec."""
        code = matrix.code_of(script_of(Reference, "cpu", {}, {}, spec, str).text)
        model, with_tape = (animal.load(), matrix.import_module(animal.tape)) if animal else (Model, tape)
        return matrix.outcome_of(code, model, with_tape)

    def reference(self, program):
        return self.outcome(program.spec)

    def cases(self, program, way=None):
        outcome = self.outcome(program.spec, self.animal)
        judgement = judge(program.spec, "reference", Reference, {}, outcome, {})
        yield Case(
            id="fuzz/program@reference@cpu", spec="fuzz/program", backend="reference", way={}, device="cpu", environment="reference@cpu",
            spec_digest="", error=outcome.error, **dict(judgement),
        )  # fmt: skip


def fixed(examples):
    """Return the settings of so many examples, the same ones each time."""
    return settings(
        max_examples=examples, derandomize=True, database=None, phases=[Phase.generate], suppress_health_check=[*HealthCheck]
    )  # fmt: skip


def each(examples, *contracts):
    """Return a decorator that calls a function with so many programs, and their answers."""

    def decorate(function):
        ring = Ring()

        @fixed(examples)
        @given(programs(*contracts))
        def one(program):
            with suppress(Untold):
                function(ring.answered(program))

        return one

    return decorate
