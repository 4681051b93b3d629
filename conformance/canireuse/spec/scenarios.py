"""Scenarios: what users report, and the specs that put it to runs, or why none does.

The list keeps the project honest about its reach: a scenario without a spec says why it has none.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from canireuse.spec import yaml
from canireuse.spec.model import Located, aliases
from canireuse.spec.problems import InputError, Problem, suggestion
from canireuse.spec.reading import misfits

#: a function by the end of its dotted name (`nn.remat`), or an attribute that is assigned to (`data =`)
Called = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*( =)?$")]


class Scenario(BaseModel):
    """Something that users report, in our words."""

    model_config = ConfigDict(extra="forbid")
    id: str = Field(pattern=r"^[A-Z][0-9]{2}$")
    scenario: str = Field(min_length=10, description="What is done.")
    expects: str = Field(min_length=2, description="What users expect of it.")
    sources: list[str] = Field([], description="The threads in which it is reported, as owner/repo#n.")
    specs: list[str] = Field([], description="The specs that put it to runs.")
    calls: dict[str, list[Called]] = Field(
        {},
        description="For each backend, the calls that the reports are about: a script of these specs makes each of them.",
    )
    not_tested: str | None = Field(None, min_length=15, description="Why no run, or not every part of it, is there.")

    @model_validator(mode="after")
    def check_reach(self) -> "Scenario":
        """Refuse a scenario that has neither a spec nor a reason."""
        if not self.specs and not self.not_tested:
            raise ValueError("a scenario has `specs`, or `not_tested` with the reason")
        if self.calls and not self.specs:
            raise ValueError("the `calls` of a scenario are made by scripts of its `specs`, and it has none")
        return self


class Scenarios(BaseModel):
    """The file `specs/reported/scenarios.yaml`."""

    model_config = ConfigDict(extra="forbid")
    scenarios: list[Scenario] = Field(min_length=1)


def load_scenarios(path: Path) -> tuple[Scenarios, yaml.Places]:
    """Load the scenarios file; raise InputError with its problems."""
    data, places, _ = yaml.read(path)
    try:
        return Scenarios.model_validate(data), places
    except ValidationError as invalid:
        fitting = "a scenario that fits `conformance/canireuse/schemas/scenarios.schema.json`"
        raise InputError(misfits(path, data, places, invalid, fitting)) from None


def check_scenarios(path: Path, specs: Iterable[Located]) -> None:
    """Raise InputError for an id that stands twice and a spec that there is not."""
    listed, places = load_scenarios(path)
    specs = list(specs)
    known, merged = {located.id for located in specs}, aliases(specs)
    seen: set[str] = set()
    problems = []
    for index, scenario in enumerate(listed.scenarios):
        if scenario.id in seen:
            at = places["scenarios", index, "id"]
            happened = f"the id {scenario.id!r} stands here a second time"
            problems.append(Problem(path, *at, happened, "each id once", "choose another id"))
        seen.add(scenario.id)
        for number, spec in enumerate(scenario.specs):
            if spec not in known:
                at = places["scenarios", index, "specs", number]
                advice = merged.get(spec) or suggestion(spec, known, "write the spec first")
                problems.append(Problem(path, *at, f"there is no spec {spec!r}", "the id of a spec", advice))
    if problems:
        raise InputError(problems)
