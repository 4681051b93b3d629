"""Symbols: what names, places and scopes stand for, and what steps do to that."""

import time

import pytest

from canireuse.program import Fate, Mode, Slot, Symbols
from canireuse.spec.bounds import MOST_RUNS
from canireuse.spec.model import Spec
from canireuse.spec.vocabulary import verbs
from canireuse_adapters.reference import Reference


def step(verb, value=None, /, **fields):
    return verbs()[verb].model_validate({verb: value, **fields}, by_alias=True)


def variable(name):
    return step("variable", name, **{"as": name})


def dense(name, **fields):
    return step("layer", "dense", name=name, inputs=1, units=1, **{"as": name, **fields})


def read(symbols, steps):
    """Have steps worded in turn, as an adapter does: each effect comes behind the words."""
    for one in steps:
        with symbols.inside(one):
            read(symbols, getattr(one, "steps", []))
        if one.raises in {None, "nothing"}:
            symbols.effect(one)


def after(*steps, **more):
    symbols = Symbols(**more)
    read(symbols, steps)
    return symbols


def one(symbols, first, second):
    """Return whether two places are one object, both of which are there."""
    assert symbols.at(first)
    assert symbols.at(second)
    return symbols.at(first) is symbols.at(second)


NET = [variable("w"), variable("v"), step("module", "net", members={"a": "w", "b": "v"})]
TIE = step("tie", "net.b", to="net.a")


# -- names and places


def test_a_place_leads_to_an_object_or_to_none():
    symbols = after(*NET, dense("fc", bias=0.0))
    assert symbols.at("net.a") is symbols.names["w"]
    assert symbols.at("fc.bias").kind == "variable"
    assert symbols.at("net.c") is symbols.at("nothing") is symbols.at("fc.kernel.more") is None
    assert symbols.above("net.a") == (symbols.names["net"], "a")
    assert symbols.above("w") == (None, "w")


def test_a_part_stands_where_the_framework_keeps_it():
    slots = {"dense": {"kernel": Slot("weight", transposed=True)}, "norm": {"mean": Slot("running", kind="buffer")}}
    symbols = after(
        dense("fc", bias=0.0), step("layer", "norm", inputs=1, units=1, **{"as": "norm"}), *NET, slots=slots
    )
    assert symbols.slot("fc.kernel") == Slot("weight", transposed=True)
    assert (symbols.slot("fc.bias"), symbols.slot("net.a"), symbols.slot("w")) == (Slot("bias"), Slot("a"), Slot("w"))
    assert [symbols.at(f"norm.{part}").kind for part in ("kernel", "mean", "var")] == ["variable", "buffer", "variable"]
    assert [symbols.at(f"norm.{part}").trainable for part in ("kernel", "mean", "var")] == [True, False, False]


def test_all_objects_are_known_each_once():
    symbols = after(*NET, step("scope", "s", steps=[step("get", "hidden")]))
    assert list(symbols.objects()) == [
        *(symbols.names[name] for name in ("w", "v", "net")),
        symbols.found["s", "hidden"],
    ]


def test_what_steps_touch_is_what_stands_at_their_places_now():
    symbols = after(*NET)
    steps = [step("repeat", 2, steps=[step("compute", "h = net.a + gone")]), step("assign", "v", to=1.0)]
    assert list(symbols.touched(steps)) == [symbols.names["w"], symbols.names["v"]]


# -- ties


def test_a_tie_has_one_object_at_two_places():
    symbols = after(*NET, TIE)
    assert one(symbols, "net.b", "w")
    assert list(symbols.names["net"].routes(symbols.names["w"])) == [("a",), ("b",)]
    assert not one(symbols, "v", "w")


def test_a_tie_in_a_function_is_made_when_it_is_called():
    function = step("function", "f", steps=[TIE])
    assert not one(after(*NET, function), "net.b", "net.a")
    assert one(after(*NET, function, step("invoke", "f")), "net.b", "net.a")
    assert one(after(*NET, function, step("thread", "f")), "net.b", "net.a")
    assert not one(
        after(*NET, function, step("invoke", "f", raises="bad_argument", expect="refused")), "net.b", "net.a"
    )


def test_a_function_acts_on_what_is_there_when_it_is_called():
    steps = [
        *NET,
        step("function", "f", steps=[TIE]),
        variable("other"),
        step("replace", "net.a", by="other"),
        step("invoke", "f"),
    ]
    symbols = after(*steps)
    assert one(symbols, "net.b", "other")


def test_a_swap_in_a_loop_is_made_at_each_turn():
    steps = [
        *NET,
        variable("x"),
        step("repeat", 2, steps=[step("replace", "net.a", by="net.b"), step("replace", "net.b", by="x")]),
    ]
    symbols = after(*steps)
    assert one(symbols, "net.a", "x")
    assert one(symbols, "net.b", "x")


def test_a_loop_that_carries_an_owner_has_all_its_turns():
    loop = [step("module", "next_net", members={"inner": "net"}), step("copy", "next_net", **{"as": "net"})]
    assert after(*NET, step("repeat", 3, steps=loop)).at("net.inner.inner.inner.a").kind == "variable"


def test_calls_and_turns_multiply():
    roll = [
        step("module", "kept", members={"a": "net.a"}),
        step("replace", "net.a", by="net.b"),
        step("replace", "net.b", by="net.c"),
        step("replace", "net.c", by="kept.a"),
    ]
    net = [variable("w"), variable("v"), variable("x"), step("module", "net", members={"a": "w", "b": "v", "c": "x"})]
    for calls, first in ((2, "x"), (3, "w"), (4, "v")):
        steps = [*net, step("function", "f", steps=roll), step("repeat", calls, steps=[step("invoke", "f")])]
        assert one(after(*steps), "net.a", first)
    assert one(after(*net, step("function", "f", steps=roll), step("thread", "f", times=4)), "net.a", "v")
    nested = step("repeat", 2, steps=[step("repeat", 2, steps=roll)])
    assert one(after(*net, nested), "net.a", "v")


@pytest.mark.parametrize(
    "body",
    [
        [TIE], [step("replace", "net.a", by="v")], [step("freeze", "net")], [variable("w")], [step("drop", "w")],
        [step("module", "around", members={"inner": "net"}), step("tie", "around.inner.b", to="w")],
        [step("repeat", 2, steps=[step("invoke", "g")])], [step("scope", "s", steps=[step("get", "u", **{"as": "u"})])],
        [step("cast", "net", to="float64", **{"as": "wide"})], [step("reuse_variables", "opened")],
        [step("function", "h", steps=[TIE]), step("invoke", "h")],
    ],
)  # fmt: skip
def test_a_function_that_is_never_called_changes_nothing(body):
    opened = step("scope", "opened", **{"as": "opened"}, steps=[step("get", "z", **{"as": "z"})])
    symbols = after(*NET, opened, step("function", "g", steps=[TIE]), fates={"cast": Fate.SAME})
    before = (
        dict(symbols.names),
        {at: symbols.at(at) for at in ("net.a", "net.b")},
        dict(symbols.found),
        set(symbols.there),
    )
    state = [(one, one.frozen, one.dtype) for one in symbols.objects()]
    read(symbols, [step("function", "f", steps=body)])
    del symbols.names["f"]
    assert (symbols.names, {at: symbols.at(at) for at in ("net.a", "net.b")}, symbols.found, symbols.there) == before
    assert [(one, one.frozen, one.dtype) for one in symbols.objects()] == state
    assert symbols.scope_named("opened").mode is Mode.MAKE


def test_a_function_has_its_effects_while_it_is_written():
    symbols = after(*NET)
    function = step("function", "f", takes=["x"], steps=[TIE])
    with symbols.inside(function):
        symbols.effect(TIE)
        assert one(symbols, "net.a", "net.b")
        assert symbols.names["x"].kind == "tensor"
    assert "x" not in symbols.names
    assert not one(symbols, "net.a", "net.b")


def test_what_a_call_returns_is_what_stands_at_the_place():
    make = step(
        "function",
        "make",
        returns="pair",
        steps=[step("copy", "net", **{"as": "twin"}), step("module", "pair", members={"one": "twin", "two": "twin"})],
    )
    symbols = after(
        *NET, make, step("invoke", "make", **{"as": "first"}), step("thread", "make", times=2, **{"as": "second"})
    )
    assert one(symbols, "first.one.a", "first.two.a")
    assert not one(symbols, "first.one.a", "second.one.a")
    assert "pair" not in symbols.names
    assert symbols.names["make"].returns.at("one.a").kind == "variable"
    give = step("function", "give", returns="net", steps=[])
    assert one(after(*NET, give, step("invoke", "give", **{"as": "it"})), "it.a", "w")
    count = step("function", "count", takes=["x"], returns="x * 2.0", steps=[])
    assert after(count, step("invoke", "count", given=[1.0], **{"as": "it"})).names["it"].kind == "tensor"


def test_what_is_no_function_any_more_or_calls_itself_returns_what_is_not_known():
    f = step("function", "f", steps=[])
    again = step("function", "f", steps=[step("invoke", "f", **{"as": "inner"})], returns="inner")
    assert after(f, again, step("invoke", "f", **{"as": "it"})).names["it"].kind == "unknown"
    g = step("function", "g", steps=[step("invoke", "f")])
    assert after(f, g, variable("f"), step("invoke", "g", **{"as": "it"})).names["it"].kind == "tensor"


def test_no_more_steps_run_than_a_spec_may_have():
    counted = []
    symbols = Symbols(effect=lambda one: (counted.append(one), symbols.happen(one)))
    loop = [TIE, step("replace", "net.a", by="v")]
    for _ in range(4):
        loop = [step("repeat", 1000, steps=loop)]
    started = time.process_time()
    read(symbols, [*NET, *loop])
    assert symbols.ran > MOST_RUNS >= len(counted) - 10
    assert time.process_time() - started < 10


# -- freezing, copies, modules


def test_what_is_frozen_is_the_variables_whoever_holds_them():
    symbols = after(
        dense("enc"),
        dense("dec"),
        step("module", "net", members={"one": "enc", "two": "dec"}),
        step("copy", "net", **{"as": "twin"}),
        step("freeze", "twin.one"),
    )
    assert [symbols.at(at).frozen for at in ("net.one.kernel", "twin.one.kernel", "twin.two.kernel")] == [
        False,
        True,
        False,
    ]
    read(symbols, [step("freeze", "net"), step("unfreeze", "enc.kernel")])
    assert [symbols.at(at).frozen for at in ("enc.kernel", "dec.kernel", "twin.one.kernel")] == [False, True, True]


@pytest.mark.parametrize("verb", ["copy", "move", "materialize", "average", "quantize", "cast"])
@pytest.mark.parametrize(
    ("fate", "tied", "kept", "same"),
    [(Fate.ANEW, True, False, False), (Fate.UNTIED, False, False, False), (Fate.KEPT, True, True, False), (Fate.SAME, True, True, True)],
)  # fmt: skip
def test_a_copy_of_any_kind_ends_as_its_way_says(verb, fate, tied, kept, same):
    more = {"cast": {"to": "float64"}, "move": {"device": 1}}.get(verb, {})
    symbols = after(*NET, TIE, step(verb, "net", **more, **{"as": "twin"}), fates={verb: fate})
    assert one(symbols, "twin.a", "twin.b") is tied
    assert one(symbols, "twin.a", "net.a") is kept
    assert one(symbols, "twin", "net") is same
    if verb == "cast":
        assert symbols.at("twin.a").dtype == "float64"


def test_a_shallow_copy_is_another_owner_of_what_is_inside():
    symbols = after(*NET, step("copy", "net", shallow=True, **{"as": "c"}), step("replace", "c.a", by="v"))
    assert one(symbols, "c.b", "net.b")
    assert one(symbols, "net.a", "w")


def test_what_was_saved_is_as_it_was():
    symbols = after(*NET, TIE, step("save", "net", to="kept"), variable("x"), step("tie", "net.b", to="x"))
    saved = symbols.names["kept"]
    assert saved.kind == "checkpoint"
    assert saved.returns.at("a") is saved.returns.at("b")
    assert saved.returns.at("a") is not symbols.at("net.a")


def test_a_module_may_have_one_object_twice():
    symbols = after(dense("l"), step("module", "m", members={"x": "l", "y": "l"}), step("copy", "m", **{"as": "twin"}))
    assert one(symbols, "twin.x", "twin.y")
    assert list(symbols.names["twin"].routes(symbols.at("twin.x.kernel"))) == [("x", "kernel"), ("y", "kernel")]


def test_a_wrapper_names_what_it_wraps_and_what_is_inside_that():
    cell = step("layer", "cell", inputs=1, units=1, **{"as": "cell"})
    symbols = after(cell, step("wrap", "cell", **{"in": "rnn", "as": "loop"}), step("wrap", "loop", **{"in": "bidirectional", "as": "ways"}),
                    step("wrap", "cell", **{"in": "time_distributed", "as": "each"}))  # fmt: skip
    assert one(symbols, "loop.cell", "cell")
    assert one(symbols, "loop.kernel", "cell.kernel")
    assert one(symbols, "each.layer.kernel", "cell.kernel")
    assert one(symbols, "ways.forward", "loop")
    assert not one(symbols, "ways.backward.kernel", "ways.forward.kernel")


def test_a_dropped_name_stands_for_nothing():
    symbols = after(*NET, step("drop", "w"))
    assert symbols.names["w"].kind == "dropped"
    assert symbols.at("net.a").kind == "variable"


# -- what stays inside


@pytest.mark.parametrize(
    ("verb", "value", "more", "stays"),
    [
        ("gradient", "g", {"of": "h", "wrt": "w"}, True), ("train", "sgd", {"minimize": "h", "wrt": "w"}, True),
        ("update", "o", {"minimize": "h"}, True), ("measure", "m", {}, True), ("scan", "c", {"to": "h", "times": 2}, True),
        ("parallel", "net", {"split": {"x": [1.0]}, "minimize": "h"}, True), ("function", "f", {}, True),
        ("repeat", 2, {}, False), ("name_scope", "n", {}, False), ("scope", "s", {}, False), ("session", "s", {}, False),
        ("intercept", "raw", {"returns": "raw"}, False),
    ],
)  # fmt: skip
def test_what_is_bound_inside_stays_there_or_not(verb, value, more, stays):
    symbols = after(*NET, step(verb, value, steps=[step("compute", "h = w")], **more))
    assert ("h" in symbols.names) is not stays
    assert not {"x", "raw"} & symbols.names.keys()


def test_an_own_name_hides_another_inside_alone():
    symbols = after(variable("raw"))
    intercept = step("intercept", "raw", returns="raw", steps=[])
    with symbols.inside(intercept):
        assert symbols.names["raw"].kind == "tensor"
    assert symbols.names["raw"].kind == "variable"


# -- scopes


def scope(name, *steps, **fields):
    return step("scope", name, steps=list(steps), **fields)


def get(name, **fields):
    return step("get", name, **{"as": name, **fields})


def test_a_variable_is_found_by_its_path():
    symbols = after(scope("a", scope("b", get("w"))), scope("a", scope("b", get("w", **{"as": "again"})), reuse=True))
    assert one(symbols, "w", "again")
    assert list(symbols.found) == [("a", "b", "w")]
    assert symbols.there == {("a",), ("a", "b")}


@pytest.mark.parametrize(
    ("reuse", "mode", "inner", "same"),
    [
        (None, Mode.MAKE, Mode.MAKE, False), (False, Mode.MAKE, Mode.MAKE, False), (True, Mode.LOOK_UP, Mode.INHERITED, True),
        ("auto", Mode.AUTO, Mode.INHERITED, True), ({"text": "yes"}, Mode.ODD, Mode.INHERITED, True),
    ],
)  # fmt: skip
def test_a_scope_says_how_get_works(reuse, mode, inner, same):
    symbols = after(scope("a", get("w"), scope("b", get("v"))))
    again = scope("a", get("w", **{"as": "second"}), reuse=reuse)
    with symbols.inside(again):
        assert symbols.scope.mode is mode
        read(symbols, again.steps)
        with symbols.inside(scope("b")):
            assert symbols.scope.mode is inner
            assert symbols.scope.path == ("a", "b")
    assert one(symbols, "w", "second") is same
    assert symbols.scope.path == ()


def test_auto_makes_what_is_not_there():
    symbols = after(scope("a", get("w"), get("w", **{"as": "again"}), reuse="auto"))
    assert one(symbols, "w", "again")


def test_a_scope_that_is_entered_again_is_as_it_was_opened():
    symbols = after(scope("a", get("w"), reuse="auto", init=2.0, dtype="float64", **{"as": "opened"}))
    with symbols.inside(scope("b", init=1.0)), symbols.inside(step("reenter", "opened", steps=[])):
        found = symbols.scope
        assert (found.path, found.mode, found.init, found.dtype) == (("a",), Mode.INHERITED, 2.0, "float64")
    with symbols.inside(step("reenter", "opened", reuse=True, init=3.0, penalty=0.5, steps=[], **{"as": "again"})):
        assert (symbols.scope.mode, symbols.scope.init, symbols.scope.penalty) == (Mode.LOOK_UP, 3.0, 0.5)
    assert symbols.scope_named("again").penalty == 0.5
    assert symbols.scope_named("opened").penalty is None


def test_what_holds_for_variables_is_handed_down():
    symbols = Symbols()
    with symbols.inside(scope("a", init=1.0, dtype="float64")), symbols.inside(scope("b", init=0)):
        assert (symbols.scope.init, symbols.scope.dtype) == (0, "float64")


def test_a_scope_is_switched_to_looking_up():
    symbols = after(
        scope("a", get("w"), step("reuse_variables", "opened"), get("w", **{"as": "again"}), **{"as": "opened"})
    )
    assert one(symbols, "w", "again")
    assert symbols.scope_named("opened").mode is Mode.LOOK_UP


def test_the_open_scope_has_a_name():
    symbols = after(scope("a", step("current_scope", "here")), step("current_scope", "top"))
    assert (symbols.names["here"].path, symbols.names["top"].path) == (("a",), ())
    assert symbols.scope_named("top") is symbols.scope


def default(name, *steps, **fields):
    return step("default_scope", name, steps=list(steps), **fields)


@pytest.mark.parametrize(
    ("steps", "paths"),
    [
        ([default("d", get("w")), default("d", get("w"))], ["d/w", "d_1/w"]),
        ([scope("d", get("w")), default("d", get("w"))], ["d/w", "d_1/w"]),
        ([scope("a", default("d", get("w"))), scope("b", default("d", get("w")))], ["a/d/w", "b/d/w"]),
        # below a scope that was closed numbers begin anew, and one that is entered again leaves them as they were
        ([scope("a", default("d", get("w"))), scope("a", default("d", get("v")))], ["a/d/w", "a/d/v"]),
        ([scope("a", default("d", get("w")), step("reenter", "a", steps=[default("d", get("v"))]), default("d", get("u")), **{"as": "a"})],
         ["a/d/w", "a/d_1/v", "a/d_1/u"]),
    ],
)  # fmt: skip
def test_a_default_name_is_made_unique_as_the_contract_has_it(steps, paths):
    assert ["/".join(path) for path in after(*steps).found] == paths
    model = {}
    text = (
        Reference()
        .translate(Spec.model_construct(title="", about="", sources=[], contract="by-name", steps=shaped(steps)))
        .text
    )
    exec(text, model)
    assert [cell.name for cell in model["model"].variables()] == paths


def shaped(steps):
    """Return steps whose variables have a shape."""
    return [
        one.model_copy(update={"steps": shaped(one.steps)}) if hasattr(one, "steps")
        else one.model_copy(update={"shape": [1]}) if one.verb == "get" else one
        for one in steps
    ]  # fmt: skip


def test_scopes_of_a_function_are_perhaps_there_until_it_is_called():
    function = step("function", "f", steps=[scope("a", get("w"))])
    symbols = after(function)
    assert (symbols.there, symbols.perhaps) == (set(), {("a",)})
    read(symbols, [scope("outside", step("invoke", "f"))])
    assert symbols.there == {("outside",), ("outside", "a")}
    assert list(symbols.found) == [("outside", "a", "w")]


def test_another_graph_has_no_variables_of_the_first():
    again = scope("a", get("w", **{"as": "second"}), reuse="auto")
    symbols = after(
        scope("a", get("w"), step("graph", "other", steps=[again])), scope("a", get("w", **{"as": "third"}), reuse=True)
    )
    assert not one(symbols, "w", "second")
    assert one(symbols, "w", "third")
    assert symbols.there == {("a",)}


def test_a_fresh_measured_loop_begins_with_no_variables():
    loop = step("measure", "m", fresh=True, steps=[scope("a", get("w", **{"as": "inside"}))])
    symbols = after(scope("a", get("w")), scope("b"), loop, scope("a", get("w", **{"as": "second"}), reuse=True))
    assert not one(symbols, "w", "second")
    assert symbols.there == {("a",)}


def test_local_and_numbered_variables():
    symbols = after(get("w", local=True), get("k", numbered=3, **{"as": "many"}), get("u", trainable=False))
    assert [symbols.names[name].kind for name in ("w", "many", "u")] == ["buffer", "list", "variable"]
    assert [symbols.names[name].trainable for name in ("w", "u")] == [False, False]


def test_a_thread_begins_outside_of_all_scopes():
    get = step("get", "w", **{"as": "w"})
    work = step("function", "work", steps=[get], returns="w")
    inside = [step("invoke", "work", **{"as": "called"}), step("thread", "work", **{"as": "threaded"})]
    symbols = after(work, step("scope", "net", steps=inside))
    assert symbols.found == {("net", "w"): symbols.names["called"], ("w",): symbols.names["threaded"]}


def test_a_body_is_about_to_run_again_at_each_call_and_each_turn_but_the_first():
    told = []
    symbols = Symbols()
    symbols.again = lambda one: told.append(one.verb)
    function = step("function", "f", steps=[TIE])
    train = step("train", "sgd", minimize="w", wrt="w", times=3, steps=[step("invoke", "f")])
    read(symbols, [*NET, function, step("invoke", "f"), step("repeat", 3, steps=[TIE]), step("thread", "f", times=2)])
    assert told == ["function", "repeat", "repeat", "function", "function"]
    told.clear()
    read(symbols, [train, step("measure", "timed", steps=[TIE]), step("repeat", 3, steps=[step("compute", "y = w")])])
    assert told == ["function", "train", "function", "train", "function", "measure"]


def test_two_states_that_differ_in_which_objects_there_are_look_alike():
    body = step("function", "f", steps=[step("compute", "y = net.a + net.b")])
    first, second = after(*NET), after(*NET)
    assert first.picture(body) == second.picture(body)
    read(first, [step("variable", "other", **{"as": "other"}), step("compute", "z = w")])
    assert first.picture(body) == second.picture(body)
    for change in (
        TIE,
        step("freeze", "net.a"),
        step("module", "around", members={"net": "net"}),
        step("replace", "net", by="w"),
    ):
        changed = after(*NET, change)
        assert changed.picture(body) != second.picture(body), change
        assert changed.picture(body) == after(*NET, change).picture(body)
