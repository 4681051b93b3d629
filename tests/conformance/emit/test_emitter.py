"""The base class of adapters: what it says by itself, what it refuses to say, and how a script comes together."""

import ast
import re
from typing import ClassVar

import pytest

from canireuse.emit import Emitter, Fate, Lack, Slot, Unsupported, expr, name
from canireuse.emit.emitter import ALIKE, UNREAD, has
from canireuse.run.stopwatch import Untimed
from canireuse.spec.model import Spec
from canireuse.spec.step import RESERVED
from canireuse.spec.vocabulary import Expect, verbs


def step(verb, value=None, /, **fields):
    return verbs()[verb].model_validate({verb: value, **fields}, by_alias=True)


def spec_of(*steps):
    return Spec.model_construct(title="", about="", sources=[], contract="sharing", steps=list(steps))


class Plain(Emitter):
    """A framework of lists: a variable is a list of numbers, and lists are added with `sum`."""

    name = title = "Plain"
    imports = "import xml.sax\nfrom itertools import chain, count as counted"
    also = "from math import hypot as sized"
    preamble: ClassVar = {"root": "root = []", "names": "names = [root]"}
    functions = {"sum": "sum($x)", "ones": "ones($*x)", "square": "[one ** 2 for one in $x]", "exp": "sized($x, 0)"}
    missing = {"get.local": "There are no local variables here.", "traces": "There is nothing that is traced here."}
    lacks = (Lack("variable", lambda _, step: step.init == "random", "There is no chance here."),)
    code = {
        "variable": "$as = list($init)",
        "get": "$as = names[0]",
        "freeze": "print(list(chain([next(counted())], xml.sax.__name__)))",
        "function": "def $function($*takes):\n    $*body\n    return $returns",
        "invoke": "$as = $invoke($*given)",
        "update/one": "one($update)",
        "update": "another($update)",
        "save": lambda plain, step: plain.emit("$to = [*$x]", to=step.to, x=plain.place(step.save)),
    }  # fmt: skip
    layers = {"dense": {"kernel": Slot("weight", transposed=True, reads="weight.T"), "bias": Slot("bias")}}
    fates: ClassVar = {"copy": Fate.ANEW, "restore/in place": Fate.SAME, "restore": Fate.KEPT}
    data_code = "list($x)"
    everything = "root"

    def increment(self, place):
        self.emit("$x[:] = [one + 1 for one in $x]", x=self.place(place))


def script(*steps, adapter=Plain, device="cpu", **way):
    return adapter(device, way).translate(spec_of(*steps))


def ran(*steps, adapter=Plain):
    """Return what the script of steps observes when it is run."""
    seen, loops = {}, Untimed()
    text = script(*steps, adapter=adapter).text
    exec(text, {"observe": seen.__setitem__, "measure": loops.measure, "rounds": loops.rounds})
    return seen


V = step("variable", "v", init=[1.0, 2.0], **{"as": "v"})


def shown(**what):
    return step("expect", "shown", **what)


# -- the whole script


def test_a_script_runs_what_it_says():
    assert ran(
        V, shown(value="sum(v) * 2.0", **{"is": 6.0}), adapter=type("Number", (Plain,), {"data_code": "$x"})
    ) == {"shown": 6.0}


@pytest.mark.parametrize(
    ("steps", "top"),
    [
        ([V], ""),
        ([step("freeze", "v")], "import xml.sax\nfrom itertools import chain, count as counted\n"),
        ([V, step("drop", "v")], "import gc\n"),
        ([step("compute", "h = exp(2.0)")], "from math import hypot as sized\n"),
        ([step("get", "w", **{"as": "w"})], "root = []\nnames = [root]\n"),
    ],
)  # fmt: skip
def test_above_all_steps_stands_what_they_read(steps, top):
    text = script(*steps).text
    assert re.match(rf"{re.escape(top)}(?!import|from|root|names)", text), text


#: what a spec binds -> the line under which the script's own stands then
RENAMED = {
    "xml": "import xml.sax\nimport xml as xml_\n", "chain": "from itertools import chain as chain_\n", "counted": "from itertools import count as counted_\n",
    "sized": "from math import hypot as sized_\n", "sum": "from builtins import sum as sum_\n", "list": "from builtins import list as list_\n",
    "root": "root_ = []\nnames = [root_]\n", "names": "root = []\nnames_ = [root]\n", "one": "for one_ in",
}  # fmt: skip


@pytest.mark.parametrize("taken", RENAMED)
def test_what_a_spec_binds_is_given_way_to(taken):
    steps = [
        step("compute", f"{taken} = [1.0, 2.0]").model_construct(compute=f"{taken} = [1.0, 2.0]", raises=None, expect=None),
        V, step("freeze", "v"), step("get", "w", **{"as": "w"}), step("compute", "h = exp(3.0) + sum(square(v))"),
        shown(value="v", **{"is": 0.0}),
        Expect.model_construct(expect="kept", value=taken, answer=0.0, raises=None, **dict.fromkeys(set(Expect.kinds) - {"value"})),
    ]  # fmt: skip
    text = script(*steps).text
    assert RENAMED[taken] in text
    seen = ran(*steps)
    assert seen == {"shown": [1.0, 2.0], "kept": [1.0, 2.0]}


def test_what_the_host_gives_to_a_script_is_no_name_of_a_spec():
    assert {"observe", "measure", "rounds"} <= RESERVED


def test_an_own_name_gives_way_in_functions_too():
    class Learning(Plain):
        def gradient(self, step):
            with self.apart() as body:
                self.steps(step.steps)
                self.emit("loss = $of\nreturn loss", of=self.expression(step.of))
            self.emit("def $slope():\n    $*body\n$to = $slope()", slope=self.own("slope"), body=body, to=step.gradient)

    inner = step("compute", "loss = sum(v)").model_construct(compute="loss = sum(v)", raises=None, expect=None)
    steps = [
        V,
        step("variable", "slope", init=[5.0], **{"as": "slope"}),
        step("gradient", "g", of="loss * 2.0", wrt="v", steps=[]),
    ]
    steps[2] = steps[2].model_copy(update={"steps": [inner]})
    text = script(*steps, adapter=Learning).text
    assert "def slope_():\n    loss = sum(v)\n    loss_ = loss * 2.0\n    return loss_\ng = slope_()" in text
    seen = {}
    exec(text, seen)
    assert (seen["g"], seen["slope"]) == (6.0, [5.0])


def test_names_that_are_asked_for_are_free():
    plain = Plain()
    plain.translate(spec_of(V, step("compute", "loop_ = v"), step("compute", "loop = v")))
    assert [plain.own("loop"), plain.own("loop"), plain.own("turn")] == ["loop__", "loop__", "turn"]
    assert [plain.fresh("loop"), plain.fresh("loop"), plain.fresh("turn")] == ["loop__", "loop___", "turn"]


def test_lines_of_the_head_stand_above_by_device():
    class Placed(Plain):
        head: ClassVar = {"gpu": "sized.device = 0"}

    assert script(V, adapter=Placed, device="gpu").text.startswith(
        "from math import hypot as sized\nsized.device = 0\n"
    )
    assert script(V, adapter=Placed).text == script(V).text


def test_what_verbs_set_up_stands_around_all_steps_once():
    class Set(Plain):
        code: ClassVar = {**Plain.code, "move": "$as = $move", "freeze": "pass", "track": "pass"}
        setup: ClassVar = {
            "move": "two = '$device'\n$*body", "move/at once": "", "freeze": "two = '$device'\n$*body",
            "track": lambda plain: f"for {plain.way.get('track', 'one')} in [1]:\n    $*body",
        }  # fmt: skip

    moved = step("move", "v", **{"as": "w"})
    assert script(V, adapter=Set).text == script(V).text
    assert script(V, moved, step("freeze", "v"), adapter=Set).text == "two = 'cpu'\nv = list([1.0, 2.0])\nw = v\npass\n"
    assert script(V, moved, adapter=Set, move="at once").text == "v = list([1.0, 2.0])\nw = v\n"
    text = script(V, step("repeat", 1, steps=[step("track", "v")]), adapter=Set, track="each").text
    assert "for each in [1]:\n    v = list([1.0, 2.0])\n    for _ in range(1):" in text


def test_idioms_are_told_once():
    class Marking(Plain):
        def assign(self, step):
            self.idiom("by hand")

    assert script(V, step("assign", "v", to=1.0), step("assign", "v", to=2.0), adapter=Marking).idioms == ("by hand",)


# -- steps


def test_what_is_not_claimed_is_not_passed_over():
    for steps, reason in (
        ([step("get", "v", penalty=0.1)], r"Plain has no equivalent of `get\.penalty`"),
        ([step("get", "v", local=True)], "no local variables here"),
        ([step("reuse_variables", "v")], "Plain has no equivalent of `reuse_variables`"),
        ([step("variable", "v", init="random")], "no chance here"),
        ([V, step("repeat", 2, steps=[step("get", "v", local=True)])], "no local variables here"),
    ):
        with pytest.raises(Unsupported, match=reason):
            script(*steps)


def test_a_way_has_words_of_its_own():
    update = step("update", "tuner", minimize="sum(v)")
    assert script(V, update, update="one").text.endswith("one(tuner)\n")
    assert script(V, update, update="two").text.endswith("another(tuner)\n")


def test_a_step_that_may_be_refused_is_observed_in_both_outcomes():
    refused = step("get", "v", raises="already_exists", expect="it-is-refused", **{"as": "v"})

    class Refusing(Plain):
        code = {**Plain.code, "get": "$as = [][0]"}

    assert ran(V, refused) == {"it-is-refused": None}
    seen = ran(V, refused, shown(value="v", **{"is": 0.0}), adapter=Refusing)
    assert isinstance(seen["it-is-refused"], IndexError)
    assert seen["shown"] == [1.0, 2.0]


def test_what_is_refused_has_no_effect_and_what_may_not_be_has():
    plain = Plain()
    plain.translate(spec_of(step("variable", "v", raises="not_found", expect="no", init=[1.0], **{"as": "v"}),
                            step("variable", "w", raises="nothing", expect="yes", init=[1.0], **{"as": "w"})))  # fmt: skip
    assert list(plain.symbols.names) == ["w"]


def test_a_step_is_worded_while_the_symbols_are_as_before_it():
    class Watching(Plain):
        def assign(self, step):
            self.emit("'$kind'", kind=self.symbols.names["v"].kind)

        def replace(self, step):
            self.emit("'$kind'", kind=self.symbols.names["v"].kind)

    steps = [
        V,
        step("layer", "dense", name="l", inputs=1, units=1, **{"as": "l"}),
        step("replace", "v", by="l"),
        step("assign", "v", to=1.0),
    ]
    watching = type("Watching", (Watching,), {"code": {**Plain.code, "layer": "$as = []"}})
    assert script(*steps, adapter=watching).text.endswith("'variable'\n'layer'\n")


def test_an_effect_of_ones_own_comes_again_at_each_call_and_turn():
    seen = []

    class Counting(Plain):
        def effect(self, step):
            seen.append(step.verb)
            super().effect(step)

        def assign(self, step):
            pass

    body = [step("assign", "v", to=1.0)]
    steps = [
        V,
        step("function", "f", steps=body, returns="v"),
        step("invoke", "f"),
        step("repeat", 3, steps=[step("invoke", "f")]),
    ]
    script(*steps, adapter=Counting)
    assert seen.count("assign") == 1 + 1 + 3


def test_loops_and_blocks_without_steps_are_python():
    compile(script(V, step("repeat", 2, steps=[]), step("function", "f", steps=[], returns="v")).text, "", "exec")


def test_a_dropped_name_is_watched_where_that_is_asked():
    assert script(V, step("drop", "v")).text == "import gc\nv = list([1.0, 2.0])\ndel v\ngc.collect()\n"
    text = script(V, step("drop", "v"), shown(alive="v", **{"is": False})).text
    assert text.startswith("import gc\nimport weakref\n")
    assert text.endswith("v_watch = weakref.ref(v)\ndel v\ngc.collect()\nobserve('shown', v_watch() is not None)\n")


def test_each_thread_ends_before_the_next_begins():
    function = step("function", "work", steps=[], returns="v")
    thread = step("thread", "work", times=2, **{"as": "found"})
    text = script(V, function, thread).text
    assert text.endswith(
        "for _ in range(2):\n    with futures.ThreadPoolExecutor(1) as pool:\n        found = pool.submit(work).result()\n"
    )
    assert ran(V, function, thread, shown(value="found", **{"is": 0.0})) == {"shown": [1.0, 2.0]}


@pytest.mark.parametrize("usually", [True, False])
def test_what_is_traced_as_usual_is_what_users_of_the_framework_trace(usually):
    class Tracing(Plain):
        code = {**Plain.code, "function": "if '$traced':\n    $*body"}

        def traces_usually(self):
            return usually

    inner = step("function", "g", traced="usual", steps=[])
    spec = spec_of(step("repeat", 2, steps=[step("function", "f", traced="usual", steps=[inner])]))
    before = spec.model_copy(deep=True)
    text = Tracing().translate(spec).text
    assert text == f"for _ in range(2):\n    if {usually}:\n        if {usually}:\n            pass\n"
    assert spec == before


# -- measured loops


class Timing(Plain):
    """An adapter that times."""

    options = frozenset({"measure.fresh"})
    fences = {"gpu": "wait"}

    def start_afresh(self):
        self.emit("afresh()")


def measure(label, **more):
    return step("measure", label, steps=[V], **more)


def test_measured_loops_that_follow_each_other_take_turns():
    text = script(measure("a"), measure("b", size=10, fresh=True), V, measure("c"), adapter=Timing).text
    made = "v = list([1.0, 2.0])\n"
    assert text == (
        f"for _ in rounds():\n    for _ in measure('a'):\n        {made}"
        f"    for _ in measure('b', size=10):\n        afresh()\n        {made}"
        f"{made}for _ in rounds():\n    for _ in measure('c'):\n        {made}"
    )


def test_a_fence_is_named_where_the_device_has_one():
    assert "measure('a', size=2, fence=wait):" in script(measure("a", size=2), adapter=Timing, device="gpu").text


def test_a_fence_may_name_what_the_loop_binds():
    class Naming(Timing):
        def fence(self, body):
            return expr("lambda: wait($x)", x=body[0].targets[0].id)

    assert "fence=lambda: wait(v)" in script(measure("a"), adapter=Naming).text


def test_an_adapter_that_cannot_begin_afresh_says_so():
    with pytest.raises(Unsupported, match=r"measure\.fresh"):
        script(measure("a", fresh=True))


# -- places and values


def test_a_place_is_spelled_along_its_own_path():
    class Layers(Plain):
        code = {
            **Plain.code, "layer": "$as = dense('$name')", "module": "$module = module($*members)", "tie": "$tie = $to", "assign": "$assign[:] = $to",
            "compute": "$x = $x_value", "read": "$read_value; $read_data",
        }  # fmt: skip
        code = {key: value for key, value in code.items() if key != "compute"}

        def module(self, step):
            self.emit(
                "$module = module($**members)",
                module=step.module,
                members={one: self.place(at) for one, at in step.members.items()},
            )

    del Layers.code["module"]
    dense = {"inputs": 1, "units": 1, "bias": 0.0}
    steps = [
        step("layer", "dense", name="a", **dense, **{"as": "a"}), step("layer", "dense", name="b", **dense, **{"as": "b"}),
        step("module", "net", members={"one": "a", "kernel": "b"}), step("tie", "net.one.kernel", to="b.kernel"),
        step("assign", "net.kernel.kernel", to="a.kernel + net.one.bias"), step("read", "net.one.kernel"),
        shown(same=["a.kernel", "net.kernel.kernel"]), step("expect", "one", identical=["a.kernel", "a.kernel"], **{"is": True}),
    ]  # fmt: skip
    made = script(*steps, adapter=Layers)
    assert made.text.splitlines()[2:] == [
        "net = module(one=a, kernel=b)", "net.one.weight = b.weight",
        "net.kernel.weight[:] = a.weight.T + net.one.bias", "net.one.weight.T", "list(net.one.weight.T)",
        "before = list(a.weight.T)", "net.kernel.weight[:] = [one + 1 for one in net.kernel.weight]",
        "observe('shown', {'before': before, 'after': list(a.weight.T), 'written': list(net.kernel.weight.T)})",
    ]  # fmt: skip
    assert made.one_place == ("one",)


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("2.0 * v", "2.0 * v"), ("-v", "-v"), ("sum([1.0, -2.0])", "sum([1.0, -2.0])"), ("ones(2, 3)", "ones(2, 3)"), ("v[0]", "v[0]"),
        ("(v + v) * v - v / v", "(v + v) * v - v / v"), ("square(v + 1)", "[one ** 2 for one in v + 1]"), ("v @ v", "v @ v"),
    ],
)  # fmt: skip
def test_an_expression_is_rendered(text, made):
    assert script(V, step("compute", f"h = {text}")).text.splitlines()[-1] == f"h = {made}"


@pytest.mark.parametrize(("value", "made"), [(1.0, "1.0"), (-0.0, "-0.0"), ([1, [2]], "[1, [2]]"), ("v", "v")])
def test_a_literal_value_is_an_expression_too(value, made):
    assert ast.unparse(Plain().expression(value)) == made


# -- observations


def test_every_kind_of_observation_has_words_or_a_reason():
    assert set(ALIKE) | set(UNREAD) >= set(Expect.kinds) - {"same", "distinct", "identical", "by_path"}
    assert not set(ALIKE) & set(UNREAD)


@pytest.mark.parametrize(
    ("what", "line"),
    [
        ({"value": "2.0 * v", "is": 2.0}, "observe('shown', list(2.0 * v))"),
        ({"identical": ["v", "w"], "is": True}, "observe('shown', v is w)"),
        ({"shape": "v", "is": [2]}, "observe('shown', list(v.shape))"),
        ({"dtype": "v", "is": "float32"}, "observe('shown', str(v.dtype))"),
    ],
)
def test_what_most_frameworks_say_alike(what, line):
    assert script(V, shown(**what)).text.splitlines()[-1] == line


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        ({"name": "v", "is": "v"}, "Plain variables carry no name"), ({"variables": 1}, "Plain keeps no list of variables"),
        ({"names": ["v"]}, "no list of names"), ({"traces": "f", "is": 1}, "nothing that is traced here"),
        ({"elements": "v", "is": 1}, "how large the parameters"), ({"parameter_bytes": "v", "is": 1}, "how large the parameters"),
        ({"slots": "o", "is": 1}, "what its optimizers keep"), ({"slot_bytes": "o", "is": 1}, "what its optimizers keep"),
        ({"checkpoint_bytes": "file", "is": 1}, "how large a checkpoint is"), ({"collection": "c", "is": 1}, "no collections"),
        ({"penalty": 1.0}, "no list of regularization terms"), ({"offers": "x", "is": True}, "names are those of another package"),
    ],
)  # fmt: skip
def test_what_a_framework_does_not_tell_is_refused_with_the_reason(what, reason):
    with pytest.raises(Unsupported, match=reason):
        script(V, shown(**what))


def test_what_is_looked_into_is_an_owner_or_everything():
    class Listing(Plain):
        reads: ClassVar = {
            "variables": "len($holder)",
            "trainable": "count($*within)",
            "names": lambda plain, step: name("names"),
        }

    made = script(V, *(shown(**{kind: 1}, **inside) for kind in ("variables", "trainable") for inside in ({}, {"inside": "v"})),
                  shown(names=["v"]), adapter=Listing).text.splitlines()  # fmt: skip
    assert made[-5:] == [
        f"observe('shown', {code})" for code in ("len(root)", "len(v)", "count()", "count(v)", "names")
    ]


def test_a_package_is_asked_part_by_part():
    assert ast.unparse(has("p", "a")) == "hasattr(p, 'a')"
    assert ast.unparse(has("p", "a.b.c")) == "hasattr(p, 'a') and hasattr(p.a, 'b') and hasattr(p.a.b, 'c')"


# -- ties and ways


@pytest.mark.parametrize(("way", "fate"), [({}, Fate.KEPT), ({"restore": "in place"}, Fate.SAME)])
def test_what_becomes_of_variables_is_said_by_the_way(way, fate):
    assert Plain("cpu", way).symbols.fates == {"copy": Fate.ANEW, "restore": fate}


def test_an_adapter_has_few_attributes():
    assert len(vars(Plain())) <= 12
