"""JSON Schemas of specs, claims and results, and the page on the vocabulary, all generated from the models.

`python -m canireuse.schemas` writes them anew; a test fails if they are out of date.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from canireuse.results.records import LINE
from canireuse.spec import bounds, expression
from canireuse.spec.claims import Document
from canireuse.spec.model import Spec
from canireuse.spec.scenarios import Scenarios
from canireuse.spec.step import Step
from canireuse.spec.vocabulary import Expect, verbs

FOLDER = Path(__file__).parent
PAGE = FOLDER.parent.parent.parent / "docs" / "vocabulary.md"


def schemas() -> Mapping[str, dict[str, Any]]:
    """Return each schema by its file name."""
    return {
        "spec.schema.json": titled(Spec.model_json_schema(), "A spec of canireuse"),
        "claims.schema.json": titled(Document.model_json_schema(), "Claims of a document"),
        "scenarios.schema.json": titled(Scenarios.model_json_schema(), "What users report"),
        "results.schema.json": titled(LINE.json_schema(), "A line of a results file"),
    }


def titled(schema: dict[str, Any], title: str) -> dict[str, Any]:
    """Return the schema with its dialect and a title of its own."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": title}


def first_sentence(model: type[Step]) -> str:
    """Return what a verb means."""
    return (model.__doc__ or "").strip()


def key_line(name: str, field: Any) -> str:
    """Return one key of a step as a line of a list."""
    required = " (required)" if field.is_required() else ""
    return f"- `{field.alias or name}`{required}" + (f": {field.description}" if field.description else "")


def vocabulary_page() -> str:
    """Return the page that explains every verb, kind of observation and function."""
    lines = [
        "# The vocabulary of specs",
        "",
        "Generated from `conformance/canireuse/spec/vocabulary/` by `python -m canireuse.schemas`; do not edit.",
        "",
        "A step is a mapping whose first key is its verb. On any step but `expect`, `raises: KIND` with",
        "`expect: LABEL` says that the step is to be answered with that kind of error, or with `nothing`.",
        "",
        "A script observes either answer in `try`, with `nothing` too, so that a refusal has its label and what comes after is still observed.",
        "It would be shorter to write such a step plainly where no backend refuses it, but then a script would depend on which backends there",
        "are, and a refusal by another one would end the script at a line that most often (56 of 79 such labels) could belong to another step.",
        "",
        "## Verbs",
    ]
    for verb, model in verbs().items():
        lines += ["", f"### `{verb}`", "", first_sentence(model), ""]
        lines += [
            key_line(name, field)
            for name, field in model.model_fields.items()
            if name != "raises" and (name != "expect" or model is Expect)
        ]
    lines += [
        "",
        "## Expressions",
        "",
        "Names, numbers, lists of numbers, `+ - * / @ **`, an integer index (`x[0]`) and these functions:",
        "",
    ]
    lines += [f"- `{name}(x)`: {meaning}" for name, meaning in expression.FUNCTIONS.items()]
    lines += [
        "",
        "## Bounds",
        "",
        "Far above what any spec needs. What is larger is refused at its place, before anything runs.",
        "",
    ]
    return "\n".join(lines) + f"\n{bounds.TOLD}"


def files() -> dict[Path, str]:
    """Return every generated file with what it must hold."""
    generated = {FOLDER / name: json.dumps(schema, indent=2) + "\n" for name, schema in schemas().items()}
    return {**generated, PAGE: vocabulary_page()}
