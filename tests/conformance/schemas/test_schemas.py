"""Generated files are up to date, and the schemas accept and refuse what the models do."""

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator, ValidationError
from jsonschema.validators import extend

from canireuse.schemas import FOLDER, files
from canireuse.spec import yaml
from canireuse.spec.reading import spec_files

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("path", list(files()), ids=lambda path: path.name)
def test_generated_files_are_up_to_date(path):
    assert path.read_text() == files()[path], "run `python -m canireuse.schemas`"


def any_of(validator, alternatives, instance, _schema):
    """Stop looking through an alternative at its first error: steps within steps take seconds otherwise."""
    if not any(validator.evolve(schema=one).is_valid(instance) for one in alternatives):
        yield ValidationError(f"{instance!r} is none of the alternatives")


@pytest.fixture(scope="module")
def validator():
    schema = json.loads((FOLDER / "spec.schema.json").read_text())
    Draft202012Validator.check_schema(schema)
    return extend(Draft202012Validator, {"anyOf": any_of})(schema)


@pytest.mark.parametrize("spec_id", list(spec_files([ROOT / "specs"])))
def test_every_spec_fits_the_schema(validator, spec_id):
    data, _, _ = yaml.read(ROOT / "specs" / f"{spec_id}.yaml")
    assert [error.message for error in validator.iter_errors(data)] == []


@pytest.mark.parametrize(
    "change",
    [
        {"titel": "x"},
        {"contract": "else"},
        {"steps": [{"gett": "x"}]},
        {"steps": [{"get": "x", "shap": [1]}]},
        {"steps": []},
        {"sources": []},
        {"title": 3},
    ],
)
def test_the_schema_refuses_what_the_model_refuses(validator, change):
    data, _, _ = yaml.read(ROOT / "specs" / "scopes" / "reuse-true-finds-existing.yaml")
    assert not list(validator.iter_errors(data))
    assert list(validator.iter_errors({**data, **change}))


@pytest.mark.parametrize("name", ["claims.schema.json", "results.schema.json"])
def test_the_other_schemas_are_schemas(name):
    Draft202012Validator.check_schema(json.loads((FOLDER / name).read_text()))


def test_a_results_file_fits_its_schema(tmp_path):
    from tests.conformance.results.test_records import case, footer, header, write

    schema = json.loads((FOLDER / "results.schema.json").read_text())
    for line in write(tmp_path / "r.jsonl", header(), case(), footer()).read_text().splitlines():
        Draft202012Validator(schema).validate(json.loads(line))
    assert list(Draft202012Validator(schema).iter_errors({"kind": "nothing"}))
