"""The house style of specs, as rules that explain themselves."""

import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import canireuse_adapters
from canireuse.emit import Adapter
from canireuse.program import places_of
from canireuse.spec import yaml
from canireuse.spec.model import Located, package_of
from canireuse.spec.problems import Problem
from canireuse.spec.step import Block, Step
from canireuse.spec.vocabulary import (
    Call,
    DefaultScope,
    Expect,
    Function,
    Graph,
    Invoke,
    Measure,
    Reenter,
    Scope,
    Thread,
    walk,
)

MODELINE = "# yaml-language-server: $schema="
SCHEMA = Path(__file__).parent.parent / "schemas" / "spec.schema.json"
LONGEST = 80
SOURCE = re.compile(
    r"^(documents/[a-z0-9-]+|[\w.-]+/[\w.-]+#\d+|[\w.-]+/[\w.-]+, [\w.-]+: .{4,}|https://\S+|convention: .{20,}|[A-Z].{8,})$"
)
Found = Iterator[tuple[int, str, str, str]]


@dataclass(frozen=True)
class Rule:
    """One rule: what it finds (line, what happened, what was expected, what to do), and why it is there."""

    explanation: str
    find: Callable[[Located], Found]


def line_of(located: Located, key: str) -> int:
    """Return the line at which a top-level key of the spec stands."""
    lines = located.text.splitlines()
    return next((number for number, line in enumerate(lines, 1) if line.startswith(f"{key}:")), 1)


def modeline_of(path: Path) -> str:
    """Return the first line of a spec at a path: editors find the schema from it, and complete and check what is typed."""
    return MODELINE + os.path.relpath(SCHEMA, path.resolve().parent)


def modeline(located: Located) -> Found:
    """Find a spec that does not begin with the editor modeline."""
    named = located.text.partition("\n")[0].removeprefix(MODELINE)
    if Path(named).name != SCHEMA.name:
        yield 1, "the first line is no modeline", modeline_of(located.path), "make it the first line"


def title(located: Located) -> Found:
    """Find titles that promise or test instead of stating."""
    found = re.search(
        r"\b(should|must be tested|test that|tests|verify|check that)\b", located.spec.title, re.IGNORECASE
    )
    if found:
        yield (
            line_of(located, "title"),
            f"the title says {found[0]!r}",
            "a statement in the present tense",
            "say what happens, as if it were a fact",
        )
    if located.spec.title.endswith("."):
        yield line_of(located, "title"), "the title ends with a full stop", "a title without one", "remove it"


def slug(located: Located) -> Found:
    """Find file names that are no slugs."""
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", located.path.stem):
        yield 1, f"the file is called {located.path.name!r}", "lower-case words with hyphens between", "rename the file"


def size(located: Located) -> Found:
    """Find specs that have grown beyond one behaviour; divergences do not count."""
    lines = located.text.partition("\ndivergences:")[0].count("\n")
    if lines > LONGEST:
        yield (
            LONGEST,
            f"the spec has {lines} lines before its divergences",
            f"at most {LONGEST}",
            "state one behaviour a spec: make two of it",
        )


def source(located: Located) -> Found:
    """Find sources that nobody could look up."""
    for text in located.spec.sources:
        if not SOURCE.match(text):
            yield (
                line_of(located, "sources"),
                f"the source {text!r} cannot be looked up",
                "documents/NAME, owner/repo#n, `owner/repo, test_file.py: test`, an address, the name of a documentation page, or `convention: ` and why",
                "say where it stands",
            )


def judged(located: Located) -> Found:
    """Find specs without any expectation."""
    if not located.lines:
        yield line_of(located, "steps"), "nothing is expected", "at least one expectation", "add an `expect` step"


def probing(located: Located) -> Found:
    """Find expectations of equal values where nothing was written: equal values prove nothing."""
    steps = list(walk(located.spec.steps))
    wrote = any(step.probes or (isinstance(step, Call) and step.given) for step in steps)
    kinds = {step.kind for step in steps if isinstance(step, Expect)}
    reads = [step for step in steps if isinstance(step, Expect) and step.kind == "value"]
    if located.spec.contract == "sharing" and len(reads) > 1 and not wrote and kinds == {"value"}:
        yield (
            line_of(located, "steps"),
            "sharing is judged by equal values alone",
            "a write, a gradient, a count or a training step",
            "write through one name and read through the other: `same: [a, b]`",
        )


#: steps inside of which a layer that a call builds is another one, or built otherwise, than outside
PLACES = (Scope, DefaultScope, Reenter, Graph, Function)


def unread(located: Located) -> Found:
    """Find results that no step reads, and calls of which nothing comes but the building of a layer."""
    places = yaml.parse(located.path, located.text)[1]
    for loc, step, around in steps_with_places(located.spec.steps, ("steps",)):
        if step.raises or any(isinstance(one, Measure) for one in around) or is_about(located, step, around):
            continue
        gives = isinstance(step, Call) or (step.binding and step.binds in {"tensor", "result"})
        if gives and not is_read(located, step):
            advice = "leave out `as:`" if isinstance(step, Invoke | Thread) else "leave out the step"
            yield places[loc][0], f"no step reads what `{step.verb}` gives here", "a later step that does", advice


def steps_with_places(
    steps: Sequence[Step], loc: yaml.Loc, around: tuple[Step, ...] = ()
) -> Iterator[tuple[yaml.Loc, Step, tuple[Step, ...]]]:
    """Yield every step with its place in the file and the steps that it stands in."""
    for number, step in enumerate(steps):
        yield (*loc, number), step, around
        if isinstance(step, Block):
            yield from steps_with_places(step.steps, (*loc, number, "steps"), (*around, step))


def is_read(located: Located, step: Step) -> bool:
    """Return whether a step reads what another binds, before it is bound anew; inside a step that holds others, any of them does."""
    steps = located.spec.steps
    at = next(number for number, one in enumerate(steps) if any(inner is step for inner in walk([one])))
    functions = [one for one in steps[:at] if isinstance(one, Function)]  # they read what is bound when they are called
    for one in [*functions, *steps[at if steps[at] is not step else at + 1 :]]:
        if any(place.partition(".")[0] == step.binding for inner in walk([one]) for place in places_of(inner)):
            return True
        if one.binding == step.binding:
            return False
    return False


def is_about(located: Located, step: Step, around: tuple[Step, ...]) -> bool:
    """Return whether a spec is about the call itself: where it stands, what it changes, or what was there before it."""
    if not isinstance(step, Call):
        return False
    steps = list(walk(located.spec.steps))
    at, called = next(number for number, one in enumerate(steps) if one is step), step.call.partition(".")[0]
    before = any(isinstance(one, Expect) and (one.inside or "").partition(".")[0] == called for one in steps[:at])
    refused = any(isinstance(one, Call) and one.raises and one.call == step.call for one in steps)
    return step.training or before or refused or any(isinstance(one, PLACES) for one in around)


#: words with which a text says from when on something is so
SINCE = re.compile(r"\b(since|until|before|no longer|older|earlier|up to)\b[^.]*\d", re.IGNORECASE)


def cleared(located: Located) -> Found:
    """Find a symptom of which no backend is known, where nothing says since when, nor asks."""
    spec = located.spec
    asks = spec.title.endswith("?") or (spec.symptom or "").endswith("?")
    if spec.symptom and not spec.divergences and not asks and not SINCE.search(spec.about):
        yield (
            line_of(located, "symptom"),
            "no divergence is declared, though users report this",
            "steps that run what they did; then a title that asks, or in `about` the version since which it holds",
            "run what the symptom says by hand, with the calls of those who reported it",
        )


@cache
def known_adapters() -> dict[str, type[Adapter]]:
    """Return the adapter of every backend that can be loaded; to find them is slow, and hundreds of specs ask."""
    return canireuse_adapters.loadable()[0]


def backends(located: Located) -> Found:
    """Find divergences of backends, ways and packages that there are not: they would never apply."""
    known, line = known_adapters(), line_of(located, "divergences")
    for divergence in located.spec.divergences:
        named = [known[name] for name in divergence.backends if name in known]
        ways = {way for one in named for combination in one.ways_of(located.spec) for way in combination.values()}
        package = divergence.versions and package_of(divergence.versions)
        unknown = [name for name in divergence.backends if name not in known]
        unknown += sorted({part for one in divergence.ways or [] for part in one.split("+")} - ways)
        unknown += [package] if package and not any(package in one.packages for one in named) else []
        for word in unknown:
            expected = f"backends ({', '.join(known)}), and ways and packages of theirs"
            yield line, f"a divergence names {word!r}", expected, "correct the name"


RULES: dict[str, Rule] = {
    "modeline": Rule("With the modeline, editors complete and check the spec while it is written.", modeline),
    "title": Rule(
        "A title is a statement that is true or false of a backend, or a question where none departs: it heads a row of the report.",
        title,
    ),
    "slug": Rule("The file name is the spec's id for ever, in permalinks and in results.", slug),
    "size": Rule("One behaviour a spec: a reader takes it in at a glance, and a failure has one meaning.", size),
    "source": Rule("Every row cites its ground, so that a reader can check it.", source),
    "backends": Rule("A divergence of what there is not never applies, and nobody would notice.", backends),
    "cleared": Rule(
        "A row that clears every framework of what users report most likely ran something easier.", cleared
    ),
    "unread": Rule(
        "It is a dead line in every script: where a framework builds layers when they are first called, its adapter words that.",
        unread,
    ),
    "judged": Rule("A spec without expectation cannot fail.", judged),
    "probing": Rule("Equal values prove nothing: two variables can start alike.", probing),
}


def lint_specs(specs: Iterable[Located]) -> list[Problem]:
    """Return what breaks the house style, each with the rule's reason."""
    return sorted(
        Problem(located.path, line, 1, f"{happened} [{name}]", expected, f"{advice}. {rule.explanation}")
        for located in specs
        for name, rule in RULES.items()
        for line, happened, expected, advice in rule.find(located)
    )
