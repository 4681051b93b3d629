"""Places: which a step uses, which names it binds and keeps to itself."""

import pytest

from canireuse.program import free_names, is_place, names_bound, places_of, texts_of
from canireuse.program.places import places_in, words_saved
from canireuse.spec.vocabulary import verbs


def step(verb, value=None, /, **fields):
    return verbs()[verb].model_validate({verb: value, **fields}, by_alias=True)


@pytest.mark.parametrize(
    ("made", "texts", "places"),
    [
        (step("compute", "h = v + net.head.kernel * v"), [" v + net.head.kernel * v"], ["v", "net.head.kernel", "v"]),
        (step("assign", "net.w", to="v * 2.0"), ["v * 2.0"], ["v", "net.w"]),
        (step("assign", "net.w", to=[1.0]), [], ["net.w"]),
        (step("module", "m", members={"a": "v", "b": "net.w"}), [], ["v", "net.w"]),
        (step("invoke", "f", given=["v + w", 2.0, "x.y"]), ["v + w", "x.y"], ["v", "w", "x.y", "f"]),
        (step("call", "net", on="x", given={"kernel": "k + 1.0", "bias": 2.0}), ["x", "k + 1.0"], ["x", "k", "net"]),
        (step("update", "o", minimize=["sum(v)", "sum(w)"]), ["sum(v)", "sum(w)"], ["v", "w", "o"]),
        (step("train", "sgd", minimize="sum(v)", wrt=["v", "net"]), ["sum(v)"], ["v", "v", "net"]),
        (step("gradient", "g", of="sum(h)", wrt="net.w", steps=[step("compute", "h = v")]), ["sum(h)"], ["h", "net.w"]),
        (step("function", "f", returns="v", steps=[]), ["v"], ["v"]),
        (step("intercept", "raw", returns="raw * c", steps=[]), ["raw * c"], ["raw", "c"]),
        (step("scope", "s", reuse={"tensor": "flag"}, steps=[]), [], ["flag"]),
        (step("scope", "s", reuse={"text": "yes"}, steps=[]), [], []),
        (step("expect", "label", same=["v", "net.w"]), [], ["v", "net.w"]),
        (step("tie", "a.w", to="b.w"), [], ["a.w", "b.w"]),
        (step("restore", "net", **{"from": "kept"}), [], ["net"]),
    ],
)  # fmt: skip
def test_a_step_uses_places(made, texts, places):
    assert list(texts_of(made)) == texts
    assert sorted(places_of(made)) == sorted(places)


def test_places_of_an_expression_stand_in_order():
    assert places_in("w @ net.a + sum(v) * w") == ["w", "net.a", "v", "w"]


@pytest.mark.parametrize(
    ("text", "told"),
    [("v", True), ("net.head.w", True), ("v + 1.0", False), ("f", True), ("v[0]", False), ("2.0", False)],
)
def test_a_place_is_a_place_and_nothing_more(text, told):
    assert is_place(text) is told


BLOCK = {"steps": [step("variable", "inside", **{"as": "inside"})]}


@pytest.mark.parametrize(
    ("made", "own"),
    [
        (step("function", "f", takes=["x", "y"], **BLOCK), ["x", "y"]),
        (step("parallel", "net", split={"x": [1.0, 2.0]}, minimize="x", **BLOCK), ["x"]),
        (step("vectorize", "v", over="x", each="one", returns="one"), ["one"]),
        (step("intercept", "raw", returns="raw", **BLOCK), ["raw"]),
        (step("gradient", "g", of="x", wrt="x", **BLOCK), []),
        (step("measure", "m", **BLOCK), []),
        (step("scope", "s", **BLOCK), None),
        (step("repeat", 2, **BLOCK), None),
        (step("read", "v"), None),
    ],
)
def test_what_a_step_keeps_to_itself(made, own):
    assert made.own_names == own


def test_all_that_is_bound_anywhere_is_known():
    steps = [
        step("scope", "s", **{"as": "opened"}, steps=[step("get", "w", **{"as": "w"}), step("get", "u")]),
        step("function", "f", takes=["x"], steps=[step("compute", "h = x")]),
        step("save", "net", to="kept"),
    ]
    assert names_bound(steps) == {"opened", "w", "f", "x", "h"}
    assert words_saved(steps) == {"kept"}


@pytest.mark.parametrize(
    ("steps", "bound", "free"),
    [
        ([step("compute", "h = v")], (), []),
        ([step("compute", "h = h + v")], (), ["h"]),
        ([step("compute", "h = h + v")], ("h",), []),
        ([step("compute", "a = v"), step("compute", "b = a"), step("compute", "c = d"), step("compute", "d = c")], (), ["d"]),
        ([step("repeat", 2, steps=[step("compute", "h = h"), step("compute", "k = k + h")])], (), ["h", "k"]),
    ],
)  # fmt: skip
def test_a_function_takes_what_it_reads_before_it_binds_it(steps, bound, free):
    assert free_names(steps, bound) == free
