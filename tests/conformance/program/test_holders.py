"""Which owner a loss takes, so that two places of a spec stay two places in it."""

import pytest

from canireuse.program import Object, Symbols, holder, holds, through, touching

#: name -> its parts, by the names of what stands there; a name without parts is a variable
PAIR = {
    "w": {},
    "v": {},
    "inner": {"a": "w"},
    "net": {"first": "w", "second": "w", "inner": "inner"},
    "other": {"b": "v"},
}


@pytest.fixture
def symbols() -> Symbols:
    made = Symbols()
    for name, parts in PAIR.items():
        kind = "module" if parts else "variable"
        made.names[name] = Object(kind, {part: made.names[one] for part, one in parts.items()})
    return made


@pytest.mark.parametrize(
    ("owner", "place", "route"),
    [
        ("net", "inner.a", ("inner", "a")),
        ("net", "w", ("first",)),
        ("inner", "net.inner.a", None),
        ("net", "v", None),
        ("net", "nothing", None),
    ],
)
def test_a_place_is_reached_where_its_first_name_stands(symbols, owner, place, route):
    assert through(symbols, symbols.names[owner], place) == route


def test_of_several_ways_the_one_that_ends_in_the_name_itself_is_taken(symbols):
    both = Object("module", {"v": symbols.names["w"], "w": symbols.names["w"]})
    assert through(symbols, both, "w") == ("w",)


def test_places_are_touched_where_a_wanted_variable_stands(symbols):
    wanted = {symbols.names["w"]: None}
    assert touching(symbols, ["net.first", "v", "w", "net.first", "missing"], wanted) == ["net.first", "w"]


def test_what_is_called_is_touched_layer_by_layer(symbols):
    kernel = Object("variable")
    layer = Object("layer", {"kernel": kernel})
    symbols.names["stack"] = Object("module", {"one": layer, "two": layer, "three": Object("layer", {})})
    assert touching(symbols, ["stack"], {kernel: None}) == ["stack.one", "stack.two"]


@pytest.mark.parametrize(
    ("wanted", "touched", "first", "found"),
    [
        ("w", ["net.first", "net.second"], [], "net"),
        ("w", ["inner.a"], [], "inner"),
        ("w", ["inner.a"], ["net"], "net"),
        ("w", ["net.first", "inner.a"], [], "net"),
        # `w` and `net.first` would be one place in `net`
        ("w", ["net.first", "w"], [], None),
        ("wv", ["net.first", "other.b"], [], None),
    ],
)
def test_the_smallest_owner_that_holds_all_places_apart_is_taken(symbols, wanted, touched, first, found):
    variables = {symbols.names[one]: None for one in wanted}
    assert holder(symbols, symbols.names, variables, touched, first) == found


def test_a_bare_variable_holds_itself_where_that_is_allowed(symbols):
    wanted = {symbols.names["v"]: None}
    assert holder(symbols, symbols.names, wanted, ["v"], bare=True) == "v"
    assert holder(symbols, symbols.names, wanted, ["v"]) == "other"


def test_two_places_that_would_be_one_are_not_held(symbols):
    net = symbols.names["net"]
    assert holds(symbols, "net", net, ["net.first", "net.second"])
    assert not holds(symbols, "net", net, ["net.first", "w"])
    assert not holds(symbols, "net", net, ["other.b"])
