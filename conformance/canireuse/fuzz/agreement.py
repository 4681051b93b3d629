"""Agreement: what the reference model observes of a program, and what a backend observes otherwise."""

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, field_validator

import canireuse_adapters
from canireuse.emit import Adapter, Script, Unsupported, asking
from canireuse.emit.asking import AdapterFault
from canireuse.fuzz.writing import Said
from canireuse.judge.verdict import INCONCLUSIVE, Judged, answer_of, judge
from canireuse.program import Object, Symbols, places_in, places_of
from canireuse.program.references import check_references
from canireuse.results.cases import Plan, group, plan, run_case
from canireuse.results.records import Case
from canireuse.run.hosts import Host
from canireuse.run.outcome import Outcome
from canireuse.spec.model import UNOBSERVED, Located
from canireuse.spec.problems import InputError, UsageError
from canireuse.spec.reading import validate
from canireuse.spec.step import Step
from canireuse.spec.vocabulary import Call, Expect, Optimizer, Restore, Save, Update, walk

#: where a program stands that is in no file
NOWHERE = Path("fuzz/program.yaml")
#: departures that specs declare
KNOWN = Path(__file__).with_name("known.yaml")
#: what tells errors of one kind apart: numbers, and what stands in brackets
NUMBERS = re.compile(r"[\d\[\](),.' ]+|(0x)?\b[0-9a-f]{6,}\b")
#: of how many programs the ways are kept: those that are left of one
MOST_PLANS = 64
#: how many scripts a process runs: what a framework keeps of each adds up, of TensorFlow's graphs some GB in 20,000 programs
MOST_SCRIPTS = 5000
#: larger numbers say more of rounding than of sharing
LARGE = 1e4


class Plain(yaml.CSafeDumper if yaml.__with_libyaml__ else yaml.SafeDumper):  # type: ignore[misc]  # one of the two
    """Writes YAML without anchors, which specs have none of."""

    def ignore_aliases(self, data: Any) -> bool:
        """Return that what comes again is written again."""
        return True


class Untold(Exception):
    """The reference model says nothing that could be compared: a number is too large, or is none."""


def located(program: Said) -> Located:
    """Return a program as a spec that was loaded; raise InputError for what the loader would refuse."""
    text = written(program)
    spec = validate(NOWHERE, program, {})
    lines, problems = check_references(NOWHERE, spec, {})
    if problems:
        raise InputError(problems)
    return Located(id="fuzz/program", path=NOWHERE, spec=spec, text=text, lines=lines)


def written(program: Said) -> str:
    """Return a program as a file."""
    return yaml.dump(program, Dumper=Plain, sort_keys=False, default_flow_style=None, width=110)


def answered(program: Said, observations: Mapping[str, Any]) -> Said:
    """Return the program with the answers that were observed; raise Untold where one cannot be compared."""
    return {**program, "steps": [answered_step(step, observations) for step in program["steps"]]}


def answered_step(step: Said, observations: Mapping[str, Any]) -> Said:
    """Return a step with the answer that was observed; one that was not observed is left for the judge."""
    if "steps" in step:
        return {**step, "steps": [answered_step(inner, observations) for inner in step["steps"]]}
    label = step.get("expect", "")
    if next(iter(step)) != "expect" or label not in observations:
        return step
    answer = answer_of(observations[label], canireuse_adapters.adapter("reference"), refusal=False)
    if answer == INCONCLUSIVE or not is_tame(observations[label]):
        raise Untold(label)
    if {"same", "distinct"} & step.keys():
        return step
    stated = next((kind for kind in Expect.stated if kind in step), "is")
    return {**step, stated: answer}


def is_tame(answer: Any) -> bool:
    """Return whether an answer has no number that is large or none."""
    if isinstance(answer, dict):
        return "float" not in answer and all(map(is_tame, answer.values()))
    if isinstance(answer, list):
        return all(map(is_tame, answer))
    return not isinstance(answer, float) or (math.isfinite(answer) and abs(answer) < LARGE)


@dataclass(frozen=True)
class Disagreement:
    """A program on which a backend observed, in one way, what the reference model did not, and what no spec declares."""

    located: Located
    case: Case
    #: the first expectation that does not hold; None if it was none that failed
    first: Judged | None

    @property
    def signature(self) -> tuple[str, ...]:
        """What disagreements of one kind have in common."""
        # what a framework runs on is no other kind: each would be shrunk by itself
        way = "+".join(word for verb, word in self.case.way.items() if verb != "engine")
        error = self.case.error
        if self.first is None or (error and self.first.observed == UNOBSERVED):
            return (
                way,
                (error or {}).get("type", self.case.verdict),
                NUMBERS.sub(" ", (error or {}).get("message", ""))[:60],
            )
        observed = self.first.observed
        return (
            way,
            kind_of(self.located, self.first.label),
            observed if isinstance(observed, str) else type(observed).__name__,
        )


def kind_of(located: Located, label: str) -> str:
    """Return what the expectation of a label looks at: a kind of observation, or the verb that is to be refused."""
    step = next(step for step in walk(located.spec.steps) if step.expect == label)
    return step.kind if isinstance(step, Expect) else step.verb


def broken(case: Case) -> list[Judged]:
    """Return what does not hold; where values are others than the reference model's, a write may show nothing."""
    found = [one for one in case.expectations if not one.holds]
    return [one for one in found if one.observed != INCONCLUSIVE] or found


class Fight:
    """The reference model and a backend, each with its hosts."""

    def __init__(self, backend: str) -> None:
        self.backend = backend
        self.hosts: dict[str, Host] = {}
        #: host -> how many scripts it ran
        self.ran: Counter[str] = Counter()
        #: text of a program -> the ways in which the backend says it, which a backend may have to translate to know
        self.plans: dict[str, list[Plan]] = {}
        #: what the reference model did with the program that it was given last
        self.told: tuple[Script, Outcome] | tuple[None, None] = None, None
        #: the departures that end a script first: what it did not come to may be of a kind that comes out otherwise, too
        self.known = sorted((one for one in known() if backend in one.backends), key=lambda one: one.error is None)

    def host(self, backend: str, adapter: type[Adapter], engine: str | None) -> Host:
        """Return the host of a backend on one of its engines; raise UsageError if it cannot be used."""
        name = group(backend, engine)
        if name not in self.hosts:
            self.hosts[name] = Host(adapter, device="cpu", engine=engine)
            if absent := self.hosts[name].ready():
                raise UsageError(
                    f"{name} cannot be used: {absent}\n    expected: a backend that is installed\n    to do: `canireuse doctor` shows what is"
                )
        return self.hosts[name]

    def script(self, case: Plan) -> Script | Unsupported | AdapterFault:
        """Return the script of a case, not laid out, or why there is none."""
        host = self.host(case.backend, case.adapter, case.engine)
        try:
            return asking.script_of(
                case.adapter, host.device, case.way, host.environment["packages"], case.located.spec, str
            )
        except (Unsupported, AdapterFault) as why_not:
            return why_not

    def reference(self, program: Located) -> Outcome:
        """Return what the reference model does with a program; raise Untold where it cannot say it."""
        case = next(plan([program], ["reference"]))
        script = self.script(case)
        if not isinstance(script, Script):
            raise Untold(str(script))
        outcome = self.host("reference", case.adapter, None).run(script, "<fuzz>")
        self.told = script, outcome
        return outcome

    def answered(self, program: Said) -> Located:
        """Return a program with what the reference model observes; raise Untold where that cannot be compared.

        What is the same, and what is refused, the program has said: where the reference model says otherwise, that is
        for the campaign on it to show, and no backend is asked.
        """
        outcome = self.reference(located(program))
        told = located(answered(program, outcome.observations))
        if self.backend != "reference":
            adapter = canireuse_adapters.adapter("reference")
            judgement = judge(told.spec, "reference", adapter, {}, outcome, {})
            if judgement.verdict != "conforms":
                raise Untold(judgement.reason or "")
        return told

    def planned(self, program: Located, way: Mapping[str, str] | None = None) -> Iterator[Plan]:
        """Yield each way in which a backend says a program, or those that are the one that is given."""
        if program.text not in self.plans:
            if len(self.plans) == MOST_PLANS:
                self.plans.clear()
            self.plans[program.text] = [*plan([program], [self.backend])]
        return (case for case in self.plans[program.text] if way is None or case.way.items() <= way.items())

    def cases(self, program: Located, way: Mapping[str, str] | None = None) -> Iterator[Case]:
        """Yield what a backend does with the program that was answered last, in each of its ways or in one; the reference model has done it."""
        for case in self.planned(program, way):
            script, outcome = self.told if self.backend == "reference" else (self.script(case), None)
            host, name = self.host(case.backend, case.adapter, case.engine), group(case.backend, case.engine)
            self.ran[name] += 1
            if self.ran[name] % MOST_SCRIPTS == 0:
                host.stop()  # the script has it start again
            yield run_case(case, host, outcome, script)

    def compared(self, program: Located, case: Case) -> Disagreement | str | None:
        """Return the disagreement that a case is, the spec that declares it, or None if there is none."""
        if case.verdict not in DISAGREES:
            return None
        met = broken(case)
        by = [next((one.spec for one in self.known if one.covers(program, case, each.label)), None) for each in met]
        if by and None not in by:
            return by[0]
        return Disagreement(
            program, case, next((each for each, spec in zip(met, by, strict=True) if spec is None), None)
        )

    def stop(self) -> None:
        """End the hosts."""
        for host in self.hosts.values():
            host.stop()


DISAGREES = frozenset({"fails", "error", "crash", "timeout"})


class Like(BaseModel):
    """What steps are like that are meant."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    verb: str = Field(description="A program departs that has a step of this verb before the observation.")
    given: dict[str, Any] = Field({}, description="What the step says, where only some such steps are meant.")
    says: list[str] = Field([], description="What the step says, whatever it is, where only some such steps are meant.")

    def is_said_by(self, step: Step) -> bool:
        """Return whether a step is one of those that are meant."""
        if step.verb != self.verb or not step.model_fields_set.issuperset(self.says):
            return False
        return all(getattr(step, key) == value for key, value in self.given.items())


class Known(Like):
    """A departure of backends that a spec declares, and by which steps of a program one like it is recognized."""

    backends: list[str]
    ways: list[str] | None = Field(None, description="Only these ways; all of them if left out.")
    after: list[Like] = Field(
        [], description="Steps like these come before that one, in this order, where only then it departs."
    )
    error: str | None = Field(
        None, description="The script ends in an exception that begins like this, and observes nothing from there on."
    )
    kinds: list[str] | None = Field(
        None,
        description="The kinds of observation that come out otherwise; all that come after, where the step leaves other objects behind.",
    )
    adds: bool = Field(
        default=False, description="Only where all that is expected is there, and more, `inside` nothing."
    )
    where: Literal["moved", "unused"] | None = Field(
        None,
        description="Only where it is a file that is restored to other variables than it was saved of, or a loss that does not read all that is trained.",
    )
    spec: str = Field(description="The spec that declares it.")

    @field_validator("after", mode="before")
    @classmethod
    def spell_out(cls, after: Any) -> Any:
        """Return steps of which only the verb is said, or the one step, as a list of all that they say."""
        return [
            {"verb": one} if isinstance(one, str) else one for one in (after if isinstance(after, list) else [after])
        ]

    def covers(self, program: Located, case: Case, label: str) -> bool:
        """Return whether an expectation does not hold for this: a step of its verb comes before, or is what is to be refused."""
        if self.ways is not None and not {*self.ways} & {*case.way.values()}:
            return False
        one = next(one for one in case.expectations if one.label == label)
        # a write shows nothing where the other variable holds the same numbers already, which is a matter of values
        kind = "value" if one.observed == INCONCLUSIVE else kind_of(program, label)
        if self.kinds is not None and (kind not in self.kinds or (self.error is None and one.observed == UNOBSERVED)):
            return False  # what an exception kept from being observed is declared with the exception
        if self.error is not None and not self.ends(case, label):
            return False
        steps = [*walk(program.spec.steps)]
        last = next(at for at, step in enumerate(steps) if step.expect == label)
        if self.adds and (getattr(steps[last], "inside", None) is not None or not adds(one)):
            return False
        # each is looked for behind where the one before it was found
        before = iter(steps[: last + 1])
        return all(any(map(one.is_said_by, before)) for one in self.after) and any(
            self.departs_by(one, program) for one in before
        )

    def departs_by(self, step: Step, program: Located) -> bool:
        """Return whether a step of a program is one by which it departs."""
        if not self.is_said_by(step) or self.where is None:
            return self.is_said_by(step)
        steps = moved(program.spec.steps) if self.where == "moved" else unused(program.spec.steps)
        return any(step is one for one in steps)

    def ends(self, case: Case, label: str) -> bool:
        """Return whether an expectation was not come to, since the script ended in the exception before."""
        unseen = {one.label for one in case.expectations if one.observed == UNOBSERVED}
        ended = "{type}: {message}".format_map(case.error) if case.error else ""
        return label in unseen and ended.startswith(self.error or "")


def moved(steps: Sequence[Step]) -> Iterator[Step]:
    """Yield the steps that restore a file into places at which other variables stand than when it was saved."""
    symbols, files = Symbols(), dict[str, list[Object]]()
    for step in steps:
        if isinstance(step, Save) and not step.in_memory:
            files[step.to] = standing(symbols, step.save)
        if isinstance(step, Restore) and files.get(step.given_by, now := standing(symbols, step.restore)) != now:
            yield step
        symbols.run([step])


def unused(steps: Sequence[Step]) -> Iterator[Step]:
    """Yield the steps of optimizers whose losses do not read all the variables that the optimizer was made over."""
    symbols, given = Symbols(), dict[str, set[Object]]()
    for step in steps:
        if isinstance(step, Optimizer):
            given[step.optimizer] = {one for place in places_of(step) for one in standing(symbols, place)}
        if isinstance(step, Update):
            read = [place for loss in step.losses for place in places_in(loss)]
            read += [inner.call for inner in step.steps if isinstance(inner, Call)]
            if given.get(step.update, set()) - {one for place in read for one in standing(symbols, place)}:
                yield step
        symbols.run([step])


def standing(symbols: Symbols, place: str) -> list[Object]:
    """Return the variables that stand at a place or inside, one for each of its places."""
    found = symbols.at(place)
    return [one for one in found.walk() if one.kind == "variable"] if found else []


def adds(one: Judged) -> bool:
    """Return whether all that is expected was observed, and more: of a list, or of a count."""
    if isinstance(one.contract, list) and isinstance(one.observed, list):
        return Counter(one.contract) < Counter(one.observed)
    return isinstance(one.contract, int) and isinstance(one.observed, int) and one.contract < one.observed


@cache
def known() -> list[Known]:
    """Return the departures that are declared."""
    return TypeAdapter(list[Known]).validate_python(yaml.safe_load(KNOWN.read_text(encoding="utf-8")) or [])
