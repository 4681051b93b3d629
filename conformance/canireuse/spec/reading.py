"""Reading specs: from YAML files to the model, with every error at its place."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from canireuse.spec import yaml
from canireuse.spec.answers import agrees
from canireuse.spec.bounds import MOST_PROBLEMS
from canireuse.spec.model import TOLERANCE, Divergence, Spec
from canireuse.spec.problems import InputError, Problem, listed, no_more, suggestion
from canireuse.spec.step import OddFlag
from canireuse.spec.vocabulary import verbs

#: words that other versions of YAML take for booleans
BOOLEANS = {"no": "false", "off": "false", "n": "false", "yes": "true", "on": "true", "y": "true"}
ADVICE = "change the value; `docs/vocabulary.md` says what each key takes"
SUFFIX = ".yaml"
CLAIMS = "claims"
#: the list of what users report, beside the specs
SCENARIOS = Path("reported", "scenarios.yaml")


def spec_files(paths: Iterable[Path]) -> dict[str, Path]:
    """Return the spec files below the paths, by id, in order of id.

    The id of a spec is `facet/slug`: the folder and the stem of its file. Raises InputError for a
    path that is no spec and for two files of one id.
    """
    found: dict[str, Path] = {}
    problems = []
    for path in paths:
        files = sorted(path.rglob(f"*{SUFFIX}")) if path.is_dir() else [path]
        for file in files:
            if file.parent.name in {CLAIMS, SCENARIOS.parent.name}:
                continue
            spec_id = f"{file.resolve().parent.name}/{file.stem}"
            if file.suffix != SUFFIX or not file.is_file():
                expected, advice = f"a folder, or a file that ends in {SUFFIX}", "`canireuse list` names all specs"
                problems.append(Problem(file, 0, 0, "this is no spec file", expected, f"check the path: {advice}"))
            elif not spec_id.isprintable():
                shown = ascii(str(file))
                expected, advice = "a name of characters that can be printed", "rename the folder or the file"
                problems.append(Problem(Path(shown), 0, 0, "this name cannot be an id", expected, advice))
            elif spec_id in found and found[spec_id].resolve() != file.resolve():
                happened = f"the id {spec_id!r} is taken by {found[spec_id]}"
                problems.append(Problem(file, 1, 1, happened, "one file an id", "rename one of the two files"))
            else:
                found[spec_id] = file
    if problems:
        raise InputError(problems)
    return dict(sorted(found.items()))


def validate(path: Path, data: Any, places: yaml.Places) -> Spec:
    """Return the spec that the data states; raise InputError with a problem for each place that is wrong."""
    try:
        return Spec.model_validate(data)
    except ValidationError as invalid:
        problems: dict[tuple[int, int], Problem] = {}
        for error in invalid.errors(include_url=False):
            loc, owner = resolve(data, error["loc"])
            problem = explain(path, error, loc, owner, places)
            place = (problem.line, problem.column)
            if place in problems and problem.expected not in problems[place].expected:  # another member of a union
                before = problems[place]
                advice = before.advice if problem.advice == ADVICE else problem.advice
                problem = replace(problem, expected=f"{before.expected}; or: {problem.expected}", advice=advice)
            problems[place] = problem
            if len(problems) == MOST_PROBLEMS:
                raise InputError([*problems.values(), no_more(problem)]) from None
        raise InputError(problems.values()) from None


def misfits(path: Path, data: Any, places: yaml.Places, invalid: ValidationError, fitting: str) -> list[Problem]:
    """Return a problem for each place of a file beside the specs that does not fit its model; `fitting` says what would."""
    problems = []
    for found in invalid.errors(include_url=False):
        loc, _ = resolve(data, found["loc"])
        happened = f"{'.'.join(map(str, found['loc']))}: {found['msg']}"
        problems.append(Problem(path, *places[loc], happened, fitting, "correct it"))
    return problems


def resolve(data: Any, loc: tuple[int | str, ...]) -> tuple[yaml.Loc, Any]:
    """Return the part of a pydantic location that is in the data, and the innermost mapping on the way.

    Pydantic puts the verb behind the index of a step, and the member of a union behind a field; those
    are no places of the file.
    """
    found: list[int | str] = []
    value, owner, after_step = data, data, False
    for part in loc:
        if after_step:
            after_step = False
            continue
        here = value if isinstance(value, dict) else dict(enumerate(value)) if isinstance(value, list) else {}
        if part in here:
            value = here[part]
            after_step = isinstance(part, int) and bool(found) and found[-1] == "steps"
            found.append(part)
            owner = value if isinstance(value, dict) else owner
    return tuple(found), owner


def model_at(loc: yaml.Loc, verb: str | None) -> tuple[type[BaseModel], str]:
    """Return the model of the mapping in which a key stands, and what a spec calls it."""
    if len(loc) > 1 and loc[-2] == "reuse":
        return OddFlag, "a reuse flag"
    if verb:
        return verbs()[verb], f"a `{verb}` step"
    return (Divergence, "a divergence") if loc[:1] == ("divergences",) else (Spec, "a spec")


def no_step(path: Path, step: Any, place: tuple[int, int]) -> Problem:
    """Return the problem of what stands in a list of steps and is none."""
    expected = f"a mapping whose first key is one of {', '.join(verbs())}"
    if isinstance(step, str) and step in verbs():
        return Problem(path, *place, f"{step!r} stands here without a colon", expected, f"write `- {step}:`")
    if not isinstance(step, dict):
        return Problem(path, *place, f"{step!r} is no step", expected, "write a verb, a colon and what it takes")
    word = str(next(iter(step), ""))
    advice = suggestion(word, verbs(), "write the verb first; `docs/vocabulary.md` explains each")
    return Problem(path, *place, f"{word!r} is no verb", expected, advice)


def explain(path: Path, error: Any, loc: yaml.Loc, owner: Any, places: yaml.Places) -> Problem:
    """Return the problem that a pydantic error is, in words of the spec."""
    line, column = places.get((*loc, "key"), places[loc])
    key = str(error["loc"][-1]) if error["loc"] else ""
    verb = (
        next((word for word in owner if word in verbs()), None)
        if isinstance(owner, dict) and loc and "steps" in loc
        else None
    )
    match error["type"]:
        case "extra_forbidden":
            model, where = model_at(loc, verb)
            known = field_names(model)
            happened, expected = f"{where} has no key {key!r}", f"one of {', '.join(known)}"
            return Problem(path, line, column, happened, expected, suggestion(key, known, "remove the key"))
        case "union_tag_invalid" | "union_tag_not_found":
            return no_step(path, error["input"], places[loc])
        case "missing":
            return Problem(path, line, column, f"the key {key!r} is missing", f"`{key}:` with its value", "add it")
    of_key = error["loc"][-1:] == ("[key]",)
    line, column = places[(*loc, "key")] if of_key else places[loc]
    if not loc:
        expected = "a mapping that begins with `title:`"
        return Problem(path, line, column, "this is no spec", expected, "see `specs/` for how specs begin")
    message = error["msg"].removeprefix("Value error, ")
    given = error.get("input")
    shown = f"`{loc[-1]}` " + ("does not fit" if isinstance(given, dict | list) else f"is {given!r}")
    shown = f"the key {given!r} does not fit" if of_key else shown
    meant = BOOLEANS.get(str(given).lower()) if error["type"] == "bool_type" else None
    advice = f"write `{meant}`: {given!r} is a text here" if meant else ADVICE
    return Problem(path, line, column, shown, message, advice)


def field_names(model: type[BaseModel]) -> list[str]:
    """Return the keys of a model as a spec spells them."""
    return [field.alias or name for name, field in model.model_fields.items()]


def check_divergences(path: Path, spec: Spec, places: yaml.Places) -> list[Problem]:
    """Return a problem for each answer of a divergence that has no label, is no other, or is another's too."""
    problems = []
    known, tolerances = spec.expectations, spec.tolerances
    answered: dict[tuple[str, str], list[Divergence]] = {}
    for index, divergence in enumerate(spec.divergences):
        for label, answer in divergence.answers.items():
            before = [other for name in divergence.backends for other in answered.get((name, label), ())]
            clash = any(not are_parted(other, divergence) for other in before)
            for name in set(divergence.backends):
                answered.setdefault((name, label), []).append(divergence)
            if label not in known:
                happened, expected = f"no step has the label {label!r}", f"one of {listed(known)}"
                advice = suggestion(label, known, "correct the label")
            elif agrees(known[label], answer, tolerances.get(label, TOLERANCE)):
                happened, expected = f"the answer of {label!r} is the contract's own", "an answer that differs"
                advice = "remove it: a divergence says only what differs"
            elif clash:
                happened, expected = f"{label!r} has an answer for one of these backends already", "one answer each"
                advice = "remove one of the two, or part them by `ways` or `versions`"
            else:
                continue
            line, column = places["divergences", index, "answers", label, "key"]
            problems.append(Problem(path, line, column, happened, expected, advice))
            if len(problems) == MOST_PROBLEMS:
                return [*problems, no_more(problems[-1])]
    return problems


def are_parted(one: Divergence, other: Divergence) -> bool:
    """Return whether two divergences are about other ways or other versions."""
    parted_by_ways = one.ways is not None and other.ways is not None and not set(one.ways) & set(other.ways)
    return parted_by_ways or (
        one.versions is not None and other.versions is not None and one.versions != other.versions
    )
