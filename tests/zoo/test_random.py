"""Random programs notice the animals: what is wrong with a model shows within five hundred of them."""

import pytest

from canireuse.fuzz import programs
from tests.conformance.fuzz.ring import each
from tests.zoo import matrix
from tests.zoo.animals import ANIMALS

#: animals that random programs cannot meet -> the verb or the value that would show them, and that is none of theirs
OUTSIDE = {
    "zoo-drifts": "parallel",
    "zoo-sums-replicas": "parallel",
    "zoo-initializes-all": "reinitialize",
    "zoo-starts-equal": "random",  # no two runs of it can be compared
    "zoo-loses-shards": "shard",
    "zoo-shares-its-sessions": "session",
}
#: what programs are made of
TABLES = (programs.MAKING, programs.BY_NAME, programs.ACTING, programs.SHARED, programs.AGAIN)


@pytest.fixture(scope="module")
def found():
    left = {name: animal for name, animal in ANIMALS.items() if name not in OUTSIDE}
    met = []

    @each(500, "sharing", "by-name")
    def meet(program):
        if left:
            code = matrix.code_of(matrix.Reference("cpu", {}, {}).translate(program.spec).text)
            noticed = [name for name, animal in left.items() if notices(program, code, animal)]
            met.extend((name, program) for name in noticed)
            for name in noticed:
                del left[name]

    meet()
    return dict(met)


def notices(program, code, animal):
    """Return whether a program notices an animal; one that only breaks is not noticed."""
    try:
        return matrix.notices(program, code, animal)
    except AssertionError:
        return False


def test_each_animal_is_noticed_within_five_hundred_programs(found):
    assert {*ANIMALS} - {*found} == {*OUTSIDE}


def test_what_would_show_the_others_is_in_no_program(found):
    words = {word for table in TABLES for word in table}
    assert not words & {*OUTSIDE.values()}
    assert all("random" not in program.text.partition("steps:")[2] for program in found.values())
