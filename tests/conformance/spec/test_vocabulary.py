"""The vocabulary: each model stands by itself, whichever is used first."""

import subprocess
import sys

import pytest
from pydantic import ValidationError

from canireuse.spec.vocabulary import Optimizer, verbs

USED_FIRST = """
from canireuse.spec.vocabulary import Repeat
assert Repeat(repeat=2, steps=[{"get": "k"}]).steps[0].get == "k"
"""


@pytest.mark.parametrize("verb", verbs())
def test_every_model_has_a_schema_of_its_own(verb):
    name, schema = verbs()[verb].__name__, verbs()[verb].model_json_schema()
    assert schema.get("$defs", {}).get(name, schema)["title"] == name


def test_a_step_that_holds_steps_can_be_made_before_any_spec_was_read():
    subprocess.run([sys.executable, "-c", USED_FIRST], check=True)


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"over": "net", "rates": [0.1]}, "name as many places in a list"),
        ({"over": ["v", "w"], "rates": [0.1]}, "name as many places in a list"),
        ({"over": "net", "undecayed": ["head"]}, "say both, and name one owner"),
        ({"over": ["v"], "decay": 0.5, "undecayed": ["head"]}, "say both, and name one owner"),
    ],
)
def test_groups_of_an_optimizer_say_what_they_are_of(given, problem):
    with pytest.raises(ValidationError, match=problem):
        Optimizer(optimizer="opt", **given)
