"""Claims: what the documents say, statement by statement, and the observations that decide it.

The words of a claim are the document's meaning, whole; a verdict has no place here, it is computed (`deciding`).
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from canireuse.spec import yaml
from canireuse.spec.model import Located, aliases
from canireuse.spec.problems import InputError, Problem, suggestion
from canireuse.spec.reading import CLAIMS, SUFFIX, misfits
from canireuse.spec.step import Answer, Label

Stands = Literal["tf1", "tf2"]
Line = Annotated[int, Field(ge=1)]
#: a text on one line, however it is folded in the file
Words = Annotated[str, Field(min_length=10)]
#: the run in which an observation came out otherwise: the same spec on `@BACKEND`, or a counter-spec
OTHERWISE = r"^(@[a-z0-9-]+(\+[A-Za-z0-9.-]+)*|tests/claims/[a-z0-9-]+\.yaml#[a-z0-9-]+)$"


class Part(BaseModel):
    """A part of a claims file."""

    model_config = ConfigDict(extra="forbid")


class Shown(Part):
    """An observation of a spec, and the answer that is asserted of it."""

    spec: str
    expect: Label
    asserts: Answer
    backend: str | None = Field(
        None, description="The backend that shows it, if it is not the one of the mode in which the document stands."
    )


class Decision(Shown):
    """An observation that decides a claim, and a run in which it came out otherwise."""

    when: str | None = Field(
        None, min_length=5, description="The condition under which the spec observes, if the claim depends on it."
    )
    otherwise: str = Field(
        pattern=OTHERWISE,
        description="The run in which the same observation came out otherwise: `@BACKEND` or `@BACKEND+WAY` for the "
        "same spec there (`@zoo-NAME` is an animal of the zoo), or `tests/claims/FILE.yaml#ID` for a counter-spec.",
    )


class AsPrinted(Part):
    """What a block of the document does when it is run as printed: how it ends, or what one line prints or raises."""

    block: Line = Field(description="The number of the block in the document, from 1.")
    ends: Literal["completed", "raised"] | None = Field(None, description="How the block ends.")
    line: Line | None = Field(None, description="The line of the document that prints or raises.")
    prints: str | None = Field(None, description="What that line prints; `...` stands for anything.")
    raises: str | None = Field(
        None, description="What that line raises: a class, and after a colon words of its message."
    )

    @model_validator(mode="after")
    def check_one(self) -> "AsPrinted":
        """Refuse one that asserts nothing, or several things."""
        said = [word for word in (self.ends, self.prints, self.raises) if word is not None]
        if len(said) != 1 or (self.ends is None) != (self.line is not None):
            raise ValueError("give `ends`, or a `line` with what it `prints` or `raises`")
        return self


class Instead(Shown):
    """What to write instead of what a refuted claim says, and the observation that shows that it does so."""

    write: Words = Field(description="What to write, with the code that does it.")


class Claim(Part):
    """One statement of a document, in our words, and the observations that decide it."""

    id: str = Field(pattern=r"^[a-z0-9-]+$")
    where: str = Field(min_length=3, description="Section, paragraph or example of the document.")
    line: Line = Field(description="The line of the document.")
    claim: str = Field(min_length=15, description="The statement, in our own words: its meaning, whole.")
    decided_by: list[Decision] = []
    printed: list[AsPrinted] = Field([], description="What decides it where the document's blocks were run as printed.")
    not_checkable: Words | None = Field(None, description="Why no run could decide it.")
    instead: Instead | None = Field(None, description="What to write instead; for a claim that is refuted.")

    @model_validator(mode="after")
    def check_one(self) -> "Claim":
        """Refuse a claim that is both decided and not checkable, or neither."""
        if bool(self.decided_by) == bool(self.not_checkable):
            raise ValueError("a claim has either `decided_by` or `not_checkable`")
        if self.not_checkable and (self.printed or self.instead):
            raise ValueError("what is not checkable has no `printed` and no `instead`")
        return self


class Remark(Part):
    """What is to be known of a whole document, told once; it is told only where all its observations are as it says."""

    remark: Words
    shown_by: list[Decision] = Field(min_length=1)


class Unclaimed(Part):
    """A sentence of a document that claims nothing: advice on what to read, an opinion, how often something happens."""

    line: Line
    says: Words


class Document(Part):
    """A file below `specs/claims/`: the claims of one document."""

    document: str = Field(description="The document's id.")
    title: str
    stands: Stands = Field(description="The mode in which the document stands.")
    digest: str | None = Field(None, pattern="^[0-9a-f]{64}$", description="The SHA-256 of the text that was read.")
    remarks: list[Remark] = []
    claims: list[Claim] = Field(min_length=1)
    claims_nothing: list[Unclaimed] = []


LoadedDocument = tuple[Path, Document, yaml.Places]


def load_claims(folder: Path) -> list[LoadedDocument]:
    """Load every claims file of a folder; raise InputError with the problems of all."""
    loaded, problems = [], []
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        try:
            data, places, _ = yaml.read(path)
            loaded.append((path, Document.model_validate(data), places))
        except InputError as error:
            problems += error.problems
        except ValidationError as invalid:
            fitting = "a claim that fits `conformance/canireuse/schemas/claims.schema.json`"
            problems += misfits(path, data, places, invalid, fitting)
    if problems:
        raise InputError(problems)
    return loaded


def observations(document: Document) -> Iterator[tuple[tuple[Any, ...], Shown]]:
    """Yield every observation that a claims file names, with its place in the file."""
    for index, remark in enumerate(document.remarks):
        for number, decision in enumerate(remark.shown_by):
            yield ("remarks", index, "shown_by", number), decision
    for index, claim in enumerate(document.claims):
        for number, decision in enumerate(claim.decided_by):
            yield ("claims", index, "decided_by", number), decision
        if claim.instead:
            yield ("claims", index, "instead"), claim.instead


def check_claims(documents: Sequence[LoadedDocument], specs: Iterable[Located]) -> None:
    """Raise InputError for an id that stands twice and an observation of an unknown spec or label."""
    specs = list(specs)
    known, merged = {located.id: located.spec.expectations for located in specs}, aliases(specs)
    seen: dict[str, Path] = {}
    problems = []
    for path, document, places in documents:
        for index, claim in enumerate(document.claims):
            if claim.id in seen:
                at = places["claims", index, "id"]
                happened = f"the id {claim.id!r} stands in {seen[claim.id]} too"
                problems.append(Problem(path, *at, happened, "each id once", "choose another id"))
            seen[claim.id] = path
        for place, shown in observations(document):
            labels = known.get(shown.spec)
            if labels is None:
                happened, expected = f"there is no spec {shown.spec!r}", "the id of a spec"
                advice = merged.get(shown.spec) or suggestion(shown.spec, known, "write the spec first")
                problems.append(Problem(path, *places[place], happened, expected, advice))
            elif shown.expect not in labels:
                happened, expected = f"{shown.spec} has no label {shown.expect!r}", f"one of {', '.join(labels)}"
                advice = suggestion(shown.expect, labels, "correct it")
                problems.append(Problem(path, *places[place], happened, expected, advice))
    if problems:
        raise InputError(problems)


def documents_beside(specs: Iterable[Located]) -> list[Document]:
    """Return the documents beside the given specs, each with the claims that these decide and those that no run could."""
    specs = list(specs)
    here = {located.id for located in specs}
    folders = sorted({located.path.resolve().parent.parent / CLAIMS for located in specs})
    return [
        document.model_copy(
            update={"claims": [one for one in document.claims if all(shown.spec in here for shown in one.decided_by)]}
        )
        for folder in folders
        for _, document, _ in load_claims(folder)
    ]
