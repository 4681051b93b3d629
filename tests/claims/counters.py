"""Counter-specs: each changes one line of a spec that decides a claim, after which the observation comes out otherwise.

They stand in the YAML files of this folder, one file for the claims of each document.
"""

import re
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, model_validator

FOLDER = Path(__file__).parent


class Counter(BaseModel):
    """One line of a spec, and what stands in its place."""

    model_config = ConfigDict(extra="forbid")
    id: str
    spec: str
    #: the line, without what it is indented by; a line that stands there several times is counted by `nth`, from 1
    line: str
    nth: int = 1
    #: what stands in its place, indented as it was; nothing if the line is left out
    becomes: str | None = None
    #: what is put behind it, indented as it is
    then: str | None = None

    @model_validator(mode="after")
    def check_one(self) -> "Counter":
        """Refuse a counter-spec that changes nothing, or more than one line."""
        if not {"becomes", "then"} & self.model_fields_set or (self.becomes is not None and self.then is not None):
            raise ValueError("give `becomes` or `then`")
        if "\n" in f"{self.becomes}{self.then}":
            raise ValueError("one line is changed")
        return self

    def apply(self, text: str) -> str:
        """Return the text of the spec with the line changed, under a title of its own; raise ValueError if it is not there."""
        head, steps, body = text.partition("\nsteps:\n")
        lines = body.splitlines()
        found = [index for index, line in enumerate(lines) if line.strip() == self.line.strip()]
        if len(found) < self.nth or (len(found) > 1 and "nth" not in self.model_fields_set):
            raise ValueError(f"{self.spec} has this line {len(found)} times: {self.line}")
        at = found[self.nth - 1]
        indent = lines[at][: len(lines[at]) - len(lines[at].lstrip())]
        if self.then is not None:
            lines.insert(at + 1, indent + self.then)
        else:
            lines[at : at + 1] = [indent + self.becomes] if self.becomes is not None else []
        head = re.sub(r"(?m)^aliases: .*\n", "", head)  # an old id leads to one spec
        head = re.sub(r"(?m)^title: .*$", f"title: Counter-spec {self.id}", head)
        return head + steps + "\n".join(lines) + "\n"


def counters(folder: Path = FOLDER) -> dict[str, Counter]:
    """Return every counter-spec by the name that claims have for it."""
    return {
        f"tests/claims/{path.name}#{entry['id']}": Counter.model_validate(entry)
        for path in sorted(folder.glob("*.yaml"))
        for entry in yaml.safe_load(path.read_text(encoding="utf-8")) or []
    }
