"""Tests of the divergences that a backend's own package declares."""

import pytest

from canireuse.emit.divergences import declared, with_declared
from canireuse.spec.problems import InputError
from canireuse_adapters.reference import Reference

STEPS = """
    steps:
      - {variable: v, init: 1.0, as: v}
      - {expect: one, variables: 1}
"""
FITS = """
{id}:
  - answers: {{one: 0}}
    because: My framework keeps no list of its variables.
    source: my-framework, documentation
"""


@pytest.fixture
def own(tmp_path):
    def write(text):
        path = tmp_path / "divergences.yaml"
        path.write_text(text)
        return path

    return write


def test_they_stand_beside_those_of_the_spec(load_spec, own):
    located = load_spec(STEPS)
    mine = type("Mine", (Reference,), {"name": "mine", "divergences": own(FITS.format(id=located.id))})
    (joined,) = with_declared([located], [Reference, mine])
    assert [(one.backends, one.answers) for one in joined.spec.divergences] == [(["mine"], {"one": 0})]
    assert joined.text == located.text
    assert with_declared([located], [Reference]) == [located]


def test_those_of_specs_that_are_not_run_are_left(load_spec, own):
    assert declared(own(FITS.format(id="other/spec")), "mine", [load_spec(STEPS)]) == {}


@pytest.mark.parametrize(
    ("change", "happened", "line"),
    [
        (("one: 0", "on: 0"), "no step has the label 'on'", 3),
        (("one: 0", "one: 1"), "the answer of 'one' is the contract's own", 3),
        (("source: my-framework, documentation", "backends: [torch]"), "backends", 5),
        (("because", "becuase"), "becuase", 4),
    ],
)
def test_what_does_not_fit_is_told_at_its_place(load_spec, own, change, happened, line):
    located = load_spec(STEPS)
    path = own(FITS.format(id=located.id).replace(*change))
    with pytest.raises(InputError) as refused:
        declared(path, "mine", [located])
    assert any(happened in one.happened and one.line == line for one in refused.value.problems)
