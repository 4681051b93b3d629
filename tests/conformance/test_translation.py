"""The base class of adapters: what it says by itself, and what it refuses to say for an adapter that did not claim it."""

import pytest

from canireuse.translation import OPTIONS, TextAdapter, Unsupported, options_of
from canireuse.vocabulary import VERBS, Drop, Get, Layer, Measure, Thread


class Plain(TextAdapter):
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


def test_ways_are_taken_one_at_a_time_and_each_on_every_engine(load_spec):
    class Many(Plain):
        ways = {"variable": ("a", "b", "c"), "read": ("x", "y")}
        engines = {"one": {}, "two": {}}

    steps = "steps:\n  - {variable: v, init: [1.0], as: v}\n  - {read: v}\n  - {expect: one, variables: 1}\n"
    ways = [tuple(way.values()) for way in Many.ways_of(load_spec(steps).spec)]
    assert ways == [
        (engine, *way) for engine in ("one", "two") for way in (("a", "x"), ("b", "x"), ("c", "x"), ("a", "y"))
    ]


TRACED = """
    steps:
      - repeat: 2
        steps:
          - {function: f, traced: usual, steps: [{function: g, traced: usual, steps: []}]}
      - {function: h, traced: true, steps: []}
      - {function: i, steps: []}
      - {variable: v, init: 1.0, as: v}
      - {expect: there, variables: 1}
"""


@pytest.mark.parametrize("usually", [True, False])
def test_what_is_traced_as_usual_is_what_users_of_the_framework_trace(load_spec, usually):
    class Tracing(Plain):
        def traces_usually(self):
            return usually

        def function(self, step):
            self.write(f"{step.function} {step.traced}")
            self.steps(step.steps)

        def variable(self, step):
            pass

        expect = variable

    located = load_spec(TRACED)
    before = located.spec.model_copy(deep=True)
    text = Tracing().translate(located.spec).text
    assert text.split("\n")[1:-1] == [
        "for _ in range(2):", f"    f {usually}", f"    g {usually}", "h True", "i False",
    ]  # fmt: skip
    assert located.spec == before


class Timing(Plain):
    """An adapter that times."""

    options = frozenset({"measure.fresh"})
    fences = {"gpu": "wait"}

    def start_afresh(self):
        """Begin with nothing."""
        self.write("afresh")


def measure(label, **more):
    return Measure.model_validate({"measure": label, "steps": [{"get": "v"}], **more})


def test_measured_loops_that_follow_each_other_take_turns():
    timing = Timing()
    timing.steps([measure("a"), measure("b", size=10, fresh=True), Get(get="v"), measure("c")])
    assert timing.lines == [
        "for _ in rounds():", "    for _ in measure('a'):", "        got",
        "    for _ in measure('b', size=10):", "        afresh", "        got",
        "got",
        "for _ in rounds():", "    for _ in measure('c'):", "        got",
    ]  # fmt: skip


def test_a_fence_is_named_where_the_device_has_one():
    timing = Timing("gpu")
    timing.steps([measure("a", size=2)])
    assert timing.lines[1] == "    for _ in measure('a', size=2, fence=wait):"


def test_a_fence_may_name_what_the_loop_binds():
    class Naming(Timing):
        def fence(self, body):
            return f"lambda: wait({body[0]})"

    naming = Naming()
    naming.steps([measure("a")])
    assert naming.lines[1] == "    for _ in measure('a', fence=lambda: wait(got)):"


def test_an_adapter_that_cannot_begin_afresh_says_so():
    with pytest.raises(Unsupported, match=r"measure\.fresh"):
        Plain().steps([measure("a", fresh=True)])
