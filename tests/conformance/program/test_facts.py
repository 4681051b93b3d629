"""Facts: what holds of a whole spec before a line of its script is written."""

import pytest

from canireuse.program import Facts
from canireuse.spec.model import Spec
from canireuse.spec.vocabulary import verbs


def step(verb, value=None, /, **fields):
    return verbs()[verb].model_validate({verb: value, **fields}, by_alias=True)


def facts(*steps):
    return Facts(Spec.model_construct(title="", about="", sources=[], contract="sharing", steps=list(steps)))


DENSE = step("layer", "dense", inputs=1, units=1, **{"as": "dense"})


def test_names_and_words_that_a_spec_binds_are_taken():
    found = facts(
        DENSE, step("function", "f", takes=["x"], steps=[step("compute", "h = x")]), step("save", "dense", to="kept")
    )
    assert found.bound == {"dense", "f", "x", "h", "kept"}
    assert [one.verb for one in found.steps] == ["layer", "function", "compute", "save"]


CALL = step("call", "net", on=[[1.0]])


@pytest.mark.parametrize(
    ("steps", "called"),
    [
        ([step("copy", "dense", **{"as": "net"})], {"net", "dense"}),
        ([step("cast", "dense", to="float64", **{"as": "wide"}), step("move", "wide", **{"as": "net"})], {"net", "wide", "dense"}),
        ([step("function", "f", returns="inner.net2", steps=[]), step("invoke", "f", **{"as": "net"})], {"net", "f", "inner", "net2"}),
        ([step("thread", "f", **{"as": "net"})], {"net", "f"}),
        ([step("module", "net", members={"a": "dense", "b": "other.part"})], {"net", "dense", "other.part"}),
        ([step("module", "around", members={"net": "dense"})], {"net", "dense"}),
        ([step("replace", "net", by="dense")], {"net", "dense"}),
        ([step("replace", "net.a", by="dense")], {"net", "dense"}),
        ([step("replace", "other.net", by="dense")], {"net"}),
        ([step("repeat", 2, steps=[step("copy", "dense", **{"as": "net"})])], {"net", "dense"}),
        ([step("copy", "dense", **{"as": "twin"})], {"net"}),
    ],
)  # fmt: skip
def test_what_is_called_is_known_under_every_name(steps, called):
    assert facts(DENSE, *steps, CALL).called == called


def test_a_member_is_called_by_its_own_place():
    assert facts(step("call", "net.head", on=[[1.0]])).called == {"net", "head"}
    assert facts(DENSE).called == frozenset()


def test_what_is_watched_and_counted():
    found = facts(step("expect", "gone", alive="v", **{"is": False}), step("expect", "once", traces="f", **{"is": 1}))
    assert (found.watched, found.counted) == ({"v"}, {"f"})


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"variables": 1}, True), ({"trainable": 1}, True), ({"names": ["v"]}, True), ({"name": "v", "is": "v"}, True),
        ({"variables": 1, "inside": "net"}, False), ({"value": "v", "is": 1.0}, False),
    ],
)  # fmt: skip
def test_lists_of_all_are_asked_of_no_owner(asked, told):
    assert facts(step("expect", "label", **asked)).lists_all is told


@pytest.mark.parametrize(
    "told",
    [
        step("move", "net", **{"as": "far"}),
        step("shard", "net.w"),
        step("parallel", "net", split={"x": [1.0]}, minimize="x"),
    ],
)
def test_several_devices_are_known_wherever_they_are_needed(told):
    assert not facts(DENSE, CALL).on_devices
    assert facts(DENSE, step("repeat", 2, steps=[told])).on_devices


def test_what_is_measured_is_known_wherever_it_stands():
    assert facts(step("scope", "s", steps=[step("measure", "m", steps=[])])).timed
    assert not facts(DENSE).timed


def test_updates_of_an_optimizer_are_found():
    one, other = step("update", "o", minimize="v"), step("update", "p", minimize="v")
    assert facts(one, step("repeat", 2, steps=[other, one])).updates("o") == [one, one]
