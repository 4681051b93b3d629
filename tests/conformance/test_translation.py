"""The base class of adapters: what it says by itself, and what it refuses to say for an adapter that did not claim it."""

import pytest

from adapters.reference import Reference
from conformance.translation import OPTIONS, Adapter, Script, Unsupported, options_of
from conformance.vocabulary import VERBS, Drop, Expect, Get, Layer, Thread


class Plain(Adapter):
    """An adapter that claims no options."""

    name = title = "Plain"
    missing = {"get.local": "There are no local variables here."}

    def get(self, step):
        """Say that a variable is got."""
        self.write("got")

    layer = get


def test_an_option_that_is_not_claimed_is_not_passed_over():
    plain = Plain()
    with pytest.raises(Unsupported, match=r"no words for `get\.penalty`"):
        plain.say(Get(get="v", penalty=0.1))
    with pytest.raises(Unsupported, match="no local variables here"):
        plain.say(Get(get="v", local=True))
    plain.say(Get(get="v"))
    assert plain.lines == ["got"]


def test_kinds_of_layers_are_options_too():
    norm = Layer.model_validate({"layer": "norm", "inputs": 2, "units": 2, "as": "n"})
    assert options_of(norm) == ["layer.norm", "layer.unnamed"]
    dense = Layer.model_validate({"layer": "dense", "name": "d", "inputs": 2, "units": 2, "as": "d"})
    assert options_of(dense) == []


def test_every_option_is_a_key_of_its_verb():
    assert all(fields <= VERBS[verb].model_fields.keys() for verb, fields in OPTIONS.items())


@pytest.mark.parametrize(
    ("line", "labels"),
    [
        ("observe('tied', {'before': before, 'after': w.tolist(), 'written': w.tolist()})", ("tied",)),
        ("observe('tied', {'before': before, 'after': a.w.tolist(), 'written': b.w.tolist()})", ()),
        ("    observe('one', net['a'] is net['a'])", ("one",)),
        ("observe('one', first is second)", ()),
        ("observe('value', w.tolist())", ()),
    ],
)
def test_what_is_compared_with_itself_is_told(line, labels):
    assert Script(f"x = 1\n{line}\ny = 2\n").by_construction == labels


def test_a_dropped_name_is_watched_where_that_is_asked():
    plain = Plain()
    plain.say(Drop(drop="v"))
    assert plain.lines == ["del v", "gc.collect()"]
    plain = Plain()
    plain.watched = frozenset("v")
    plain.say(Drop(drop="v"))
    assert plain.lines == ["v_watch = weakref.ref(v)", "del v", "gc.collect()"]
    assert plain.standard == {"import gc", "import weakref"}
    assert "v_watch() is not None" in plain.lives("v")


def test_each_thread_ends_before_the_next_begins():
    plain = Plain()
    plain.say(Thread.model_validate({"thread": "work", "times": 2, "as": "found"}))
    assert plain.lines == [
        "for _ in range(2):",
        "    with futures.ThreadPoolExecutor(1) as pool:",
        "        found = pool.submit(work).result()",
    ]


def test_every_kind_of_observation_has_words(load_spec):
    located = load_spec("steps:\n  - {variable: v, init: [1.0], as: v}\n  - {expect: one, variables: 1}\n")
    assert "observe('one'" in Reference().translate(located.spec).text
    from conformance.translation import READINGS

    assert set(READINGS) == set(Expect.kinds) - {"same", "distinct"}


def test_ways_are_taken_one_at_a_time_and_each_on_every_engine(load_spec):
    class Many(Plain):
        ways = {"variable": ("a", "b", "c"), "read": ("x", "y")}
        engines = {"one": {}, "two": {}}

    steps = "steps:\n  - {variable: v, init: [1.0], as: v}\n  - {read: v}\n  - {expect: one, variables: 1}\n"
    ways = [tuple(way.values()) for way in Many.ways_of(load_spec(steps).spec)]
    assert ways == [
        (engine, *way) for engine in ("one", "two") for way in (("a", "x"), ("b", "x"), ("c", "x"), ("a", "y"))
    ]
