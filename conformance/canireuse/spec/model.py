"""The model of a spec: what one YAML file below `specs/` holds."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from canireuse.spec.bounds import MOST_DIVERGENCES, MOST_NAMED
from canireuse.spec.step import Answer, AnyStep, Label
from canireuse.spec.vocabulary import Expect, walk

#: The answer of an expectation that a backend never gets to, because its script stopped before.
UNOBSERVED = "unobserved"
#: How far numbers may be apart where the expectation does not say.
TOLERANCE = 1e-5


def package_of(versions: str) -> str:
    """Return the package that a range of versions, as in `tensorflow<2`, is about."""
    return versions.rstrip("0123456789.,<>=!~ *")


def check_versions(text: str) -> str:
    """Return `text` if it names a package and a range of versions of it."""
    package = package_of(text)
    try:
        SpecifierSet(text.removeprefix(package))
    except InvalidSpecifier:
        package = ""
    if not package or package == text:
        raise ValueError(f"{text!r} is not a version range: write a package and a range, as in `tensorflow<2`")
    return text


class Divergence(BaseModel):
    """Where backends are known to answer otherwise than the contract, and the answers they give."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    backends: list[str] = Field(min_length=1, max_length=MOST_NAMED, description="The backends that diverge.")
    ways: list[str] | None = Field(
        None,
        max_length=MOST_NAMED,
        description="Only these ways of the backend, `one+other` for two together; all of them if left out.",
    )
    versions: Annotated[str, AfterValidator(check_versions)] | None = Field(
        None, description="Only these versions of a package of the backend, as in `tensorflow<2`."
    )
    answers: dict[Label, Answer] = Field(min_length=1, description="What is observed instead, by label.")
    warns: str | None = Field(
        None, min_length=10, max_length=100, description="Words of the warning about this departure, if one is given."
    )
    because: str = Field(min_length=20, description="What happens instead, why, and what to do about it.")
    source: str = Field(min_length=3, description="A document, a documentation section, or owner/repo#n.")


SpecId = Annotated[str, Field(pattern=r"^[a-z0-9-]+/[a-z0-9-]+$", max_length=120)]


class Spec(BaseModel):
    """One scenario: steps, and what the contract says is observed."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, defer_build=True)
    title: str = Field(min_length=10, max_length=100, description="A statement in the present tense; unique.")
    about: str = Field(min_length=40, description="Why it matters to users; one short paragraph.")
    symptom: str | None = Field(
        None, min_length=15, max_length=120, description="What somebody says whom this hit, in their own words."
    )
    sources: list[str] = Field(
        min_length=1, max_length=MOST_NAMED, description="Documents, documentation sections, owner/repo#n."
    )
    aliases: list[SpecId] = Field(
        [],
        max_length=MOST_NAMED,
        description="Ids of specs that were merged into this one: who names one of them means this.",
    )
    contract: Literal["by-name", "sharing", "none"] = Field(
        description="by-name: TensorFlow 1's variable scopes; sharing: one variable with many uses; none: "
        "the row records a framework's own feature, which the contract does not cover."
    )
    steps: list[AnyStep] = Field(min_length=1)
    divergences: list[Divergence] = Field([], max_length=MOST_DIVERGENCES)

    @property
    def expectations(self) -> dict[str, Answer]:
        """The contract's answer for each label, in the order of the steps."""
        return {
            step.expect: step.answer if isinstance(step, Expect) else step.raises
            for step in walk(self.steps)
            if step.expect is not None
        }

    @property
    def tolerances(self) -> dict[str, float]:
        """How far numbers may be apart, by the labels of `expect` steps."""
        return {step.expect: step.close for step in walk(self.steps) if isinstance(step, Expect)}


class Located(BaseModel):
    """A spec together with its id and where it was read from."""

    model_config = ConfigDict(frozen=True, defer_build=True)
    id: str
    path: Path
    spec: Spec
    text: str
    #: label -> line of the expectation in the file
    lines: dict[str, int]

    @property
    def facet(self) -> str:
        """The folder the spec lies in."""
        return self.id.rpartition("/")[0]


def aliases(specs: Iterable[Located]) -> dict[str, str]:
    """Return what to write in place of the id of a spec that was merged into another."""
    return {alias: f"write {one.id!r}, which it was merged into" for one in specs for alias in one.spec.aliases}
