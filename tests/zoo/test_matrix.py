"""Which spec notices which animal: an animal that nothing notices, or that only breaks, is none."""

import re
from pathlib import Path

import pytest
import yaml

from canireuse.contract import Model, tape
from tests.zoo import matrix
from tests.zoo.animals import ANIMALS, Animal

#: specs that notice who unties, and not who leaves two parameters over one memory -> why
HALVES = yaml.safe_load((Path(__file__).parent / "halves.yaml").read_text(encoding="utf-8"))
SHARES = """
steps:
  - {variable: w, init: 1.0, as: w}
  - {module: net, members: {one: w, other: w}}
  - {expect: shared, same: [net.one, net.other]}
"""


@pytest.fixture(scope="module")
def noticed():
    return matrix.matrix()


def test_every_animal_is_noticed_by_a_spec(noticed):
    assert {animal for animals in noticed.values() for animal in animals} == {*ANIMALS}


def test_every_spec_notices_an_animal_or_says_why_it_is_a_control(noticed):
    silent = {spec for spec, animals in noticed.items() if not animals}
    assert silent == {*matrix.CONTROLS}
    assert len(silent) < 0.05 * len(noticed)
    assert all(len(why) > 30 for why in matrix.CONTROLS.values())


def test_over_a_third_of_the_specs_notice_a_copier_and_a_sharer(noticed):
    both = [spec for spec, animals in noticed.items() if matrix.both_ways(animals)]
    assert 3 * len(both) > len(noticed)


def test_a_spec_that_notices_a_lost_tie_notices_two_parameters_over_one_memory_or_says_why_not(noticed):
    blind = {spec for spec, animals in noticed.items() if "zoo-unties" in animals and "zoo-halves-later" not in animals}
    assert blind == {*HALVES}
    assert all(len(why) > 30 for why in HALVES.values())


def lines(page):
    """Return the lines of a page without their numbers, each with its numbers."""
    return {re.sub(r"\b\d+\b", "N", line): [*map(int, re.findall(r"\b\d+\b", line))] for line in page.splitlines()}


def is_held(written, made):
    """Return whether all that a page says is so, with counts that are three or a tenth behind and three lines to come at most."""
    then, now = lines(written), lines(made)
    return (
        then.keys() <= now.keys()
        and len(now) - len(then) <= 3
        and all(
            0 <= new - old <= max(3, new / 10) for line in then for old, new in zip(then[line], now[line], strict=True)
        )
    )


def test_the_page_of_the_zoo_is_up_to_date(noticed):
    written = matrix.DOCUMENT.read_text(encoding="utf-8")
    assert is_held(written, matrix.page(noticed)), "run `python -m tests.zoo.matrix`"


@pytest.mark.parametrize(
    ("written", "made", "holds"),
    [
        ("at 10", "at 10", True),
        ("at 10", "at 13", True),
        ("at 10", "at 14", False),
        ("at 11", "at 10", False),
        ("at 10", "in 10", False),
        ("one", "one\ntwo\nthree\nfour", True),
        ("one", "one\ntwo\nthree\nfour\nfive", False),
        ("one\ntwo", "one", False),
    ],
)
def test_a_page_is_held_by_what_it_says_and_may_fall_behind_a_little(written, made, holds):
    assert is_held(written, made) is holds


def test_an_animal_whose_script_raises_errors_of_python_is_refused(load_spec):
    class Broken(Model):
        def module(self, members):
            return super().module(**members)

    located = load_spec(SHARES)
    animal = Animal("tests.zoo.test_matrix:Broken", "else")
    object.__setattr__(animal, "load", lambda: Broken)
    with pytest.raises(AssertionError, match="the animal breaks"):
        matrix.notices(located, code_of(located), animal)


def test_a_spec_notices_who_unties_and_not_who_does_something_else(load_spec):
    located = load_spec(SHARES)
    code = code_of(located)
    assert matrix.outcome_of(code, Model, tape).error is None
    assert not matrix.notices(located, code, None)
    assert matrix.notices(located, code, ANIMALS["zoo-unties-at-module"])
    assert not matrix.notices(located, code, ANIMALS["zoo-never-numbers"])


def code_of(located):
    return matrix.code_of(matrix.Reference("cpu", {}, {}).translate(located.spec).text)
