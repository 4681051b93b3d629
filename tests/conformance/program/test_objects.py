"""Objects: their parts, the ways to them, and what becomes of ties when they are copied."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canireuse.program import Fate, Object, Slot
from canireuse.program.objects import unknown


def variable():
    return Object("variable")


def dense():
    return Object("layer", {"kernel": variable(), "bias": variable()}, {"kernel": Slot("weight", transposed=True)})


@pytest.fixture
def tied():
    """Return a module of a layer that stands in it twice, and one whose kernel is tied to it."""
    one, other = dense(), dense()
    other.parts["kernel"] = one.parts["kernel"]
    return Object("module", {"a": one, "b": other, "again": one})


def test_what_stands_at_a_path_is_found(tied):
    assert tied.at("") is tied
    assert tied.at("a.kernel") is tied.at("b.kernel") is tied.at("again.kernel")
    assert tied.at("a.bias") is not tied.at("b.bias")
    assert tied.at("a.gain") is tied.at("c.kernel") is tied.at("a.kernel.more") is None


def test_every_way_to_an_object_is_told(tied):
    assert list(tied.routes(tied.at("a.kernel"))) == [("a", "kernel"), ("b", "kernel"), ("again", "kernel")]
    assert list(tied.routes(tied.at("b.bias"))) == [("b", "bias")]
    assert list(tied.routes(tied)) == [()]
    assert list(tied.routes(variable())) == []


def test_what_stands_twice_is_walked_twice_and_is_one_variable(tied):
    assert len(list(tied.walk())) == 1 + 3 * 3
    assert list(tied.variables()) == [tied.at("a.kernel"), tied.at("a.bias"), tied.at("b.bias")]


def test_layers_come_in_the_order_of_calling(tied):
    outer = Object("module", {"first": tied, "last": dense(), "w": variable()})
    assert [way for way, _ in outer.layers()] == [("first", "a"), ("first", "b"), ("first", "again"), ("last",)]
    assert list(tied.at("a").layers()) == [((), tied.at("a"))]


def test_what_holds_layers_alone_can_be_called(tied):
    assert tied.only_layers()
    assert tied.at("a").only_layers()
    assert not Object("module", {"a": dense(), "w": variable()}).only_layers()
    assert not Object("module").only_layers()
    assert not variable().only_layers()


def test_a_part_is_spelled_as_its_owner_calls_it(tied):
    assert tied.spelled(("a", "kernel")) == ("a", "weight")
    assert tied.spelled(("a", "bias")) == ("a", "bias")
    assert tied.spelled(("gone", "kernel")) == ("gone", "kernel")
    tied.slots["a"] = Slot("layers.first")
    assert tied.spelled(("a", "kernel")) == ("layers", "first", "weight")
    assert tied.slot("a").attribute == "layers.first"
    assert tied.slot("b") == Slot("b")


def groups(owner):
    """Return the ties of an owner: the sets of its places that are one variable."""
    return {frozenset(owner.routes(one)) for one in owner.variables()}


@pytest.mark.parametrize(
    ("fate", "shallow", "ties_stay", "variables_stay", "layers_stay"),
    [
        (Fate.ANEW, False, True, False, False), (Fate.UNTIED, False, False, False, False), (Fate.KEPT, False, True, True, False),
        (Fate.SAME, False, True, True, True), *((fate, True, True, True, True) for fate in Fate),
    ],
)  # fmt: skip
def test_a_copy_under_every_fate(tied, fate, shallow, ties_stay, variables_stay, layers_stay):
    before = groups(tied)
    twin = tied.copied(fate, shallow=shallow)
    assert (twin is tied) is (fate is Fate.SAME and not shallow)
    assert groups(twin) == (before if ties_stay else {frozenset([way]) for ties in before for way in ties})
    assert (twin.at("a.kernel") is tied.at("a.kernel")) is variables_stay
    assert (twin.at("a") is tied.at("a")) is layers_stay
    assert groups(tied) == before
    assert twin.spelled(("b", "kernel")) == ("b", "weight")
    twin.parts["b"] = variable()
    assert (tied.at("b.kernel") is None) is (twin is tied)


@st.composite
def owners(draw):
    """Draw an owner of owners of variables, some of which stand in it more than once."""
    known = [variable() for _ in range(draw(st.integers(1, 3)))]
    for _ in range(draw(st.integers(1, 4))):
        parts = draw(st.dictionaries(st.sampled_from("abcd"), st.sampled_from(known), min_size=1, max_size=3))
        known.append(Object("module", parts))
    return known[-1]


@given(owners())
def test_a_copy_has_the_places_of_what_it_copies(owner):
    for fate in Fate:
        twin = owner.copied(fate)
        assert [one.kind for one in twin.walk()] == [one.kind for one in owner.walk()]
        if fate is not Fate.UNTIED:
            assert groups(twin) == groups(owner)
            assert len(set(twin.walk())) == len(set(owner.walk()))


@given(owners())
def test_a_route_leads_where_it_says(owner):
    for one in set(owner.walk()):
        assert all(owner.at(".".join(way)) is one for way in owner.routes(one))
    assert sum(len(list(owner.routes(one))) for one in set(owner.walk())) == len(list(owner.walk()))


def test_of_what_is_unknown_nothing_is_known():
    assert (unknown().kind, unknown().parts, unknown().is_owner) == ("unknown", {}, False)
