"""Turns: what runs again is worded for what stands there then, and refused where the words would be others; nothing stays of that."""

import re
from collections import deque
from itertools import count
from pathlib import Path
from typing import ClassVar

import pytest

from canireuse.emit import Emitter, Slot, Unsupported, expr
from canireuse.program import Object
from tests.conformance.emit.test_emitter import Plain, V, script, spec_of, step

W = step("variable", "w", init=[3.0, 4.0], **{"as": "w"})
DENSE = step("layer", "dense", name="d", inputs=1, units=1, **{"as": "d"})
NET = step("module", "net", members={"a": "v", "b": "w"})
READ = step("function", "read", steps=[step("compute", "y = net.b")], returns="y")
CALL = step("invoke", "read", **{"as": "it"})
TIE = step("tie", "net.b", to="net.a")


class Once(Plain):
    """A framework in whose words a tied place is read through the place that comes first, as of one entry of a tree."""

    code: ClassVar = {
        **Plain.code, "module": "$module = object()", "layer": "$as = []", "freeze": "$freeze.stop()",
        "tie": lambda once, step: once.emit("$place = $by", place=step.tie, by=step.to),
        "replace": lambda once, step: once.emit("$place = $by", place=step.replace, by=step.by),
        "train": lambda once, step: once.emit("train($x)", x=once.trained(step)),
    }  # fmt: skip

    def place(self, place: str):
        owner, _ = self.symbols.above(place)
        found = self.symbols.at(place)
        first = next((part for part, one in owner.parts.items() if one is found), "") if owner else ""
        return super().place(f"{place.rpartition('.')[0]}.{first}" if first else place)

    value = place

    def trained(self, step):
        found = self.symbols.at(step.wrt) or Object("unknown")
        return [self.place(step.wrt)] if not found.frozen else []


class Objects(Plain):
    """A framework that keeps objects at places: a tie changes no word."""

    code: ClassVar = {**Once.code, "train": "train($minimize)"}


@pytest.mark.parametrize("between", [TIE, step("repeat", 2, steps=[TIE]), step("invoke", "tied")])
def test_a_function_is_refused_whose_words_are_others_where_it_is_called(between):
    tied = step("function", "tied", steps=[TIE])
    steps = [V, W, NET, tied, READ, CALL, between, CALL]
    with pytest.raises(Unsupported, match=r"^The function `read` is written once, and Plain .* at `net\.b` when"):
        script(*steps, adapter=Once)
    assert "y = net.b\n" in script(*steps, adapter=Objects).text
    assert "y = net.b\n" in script(*steps[:-1], adapter=Once).text


def test_what_a_function_takes_is_not_what_has_changed():
    read = step("function", "read", takes=["x"], steps=[step("compute", "y = x + net.b")], returns="y")
    call = step("invoke", "read", given=["v"], **{"as": "it"})
    with pytest.raises(Unsupported, match=r"what stands at `net\.b` when"):
        script(V, W, NET, read, call, TIE, call, adapter=Once)


@pytest.mark.parametrize(
    "thing", [count(), Path(), b"", range(3), re.compile(""), re, deque()], ids=lambda one: type(one).__name__
)
def test_an_adapter_may_keep_anything(thing):
    class Keeping(Objects):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            self.thing = thing

    script(V, W, NET, READ, CALL, TIE, CALL, adapter=Keeping)


def test_a_function_that_is_written_after_that_is_worded_for_it():
    assert "    y = net.a\n" in script(V, W, NET, TIE, READ, CALL, CALL, adapter=Once).text


@pytest.mark.parametrize(
    "change", [TIE, step("invoke", "tied"), step("replace", "net.b", by="v"), step("repeat", 1, steps=[TIE])]
)
def test_a_loop_is_refused_whose_later_turns_are_worded_otherwise(change):
    tied = step("function", "tied", steps=[TIE])
    read = step("compute", "y = net.b")
    with pytest.raises(Unsupported, match=r"^The turns of a loop are written once, and Plain .* at `net\.b` then"):
        script(V, W, NET, tied, step("repeat", 2, steps=[read, change]), adapter=Once)
    for right in (
        [step("repeat", 1, steps=[read, change])],
        [change, step("repeat", 3, steps=[read, change])],
        [step("repeat", 2, steps=[change, read])],
    ):
        script(V, W, NET, tied, *right, adapter=Once)


def test_what_is_frozen_in_a_loop_is_not_trained_in_its_next_turn():
    train = step("train", "sgd", minimize="v", wrt="v", steps=[])
    with pytest.raises(Unsupported, match="a later one otherwise for what stands at `v` then"):
        script(V, step("repeat", 2, steps=[train, step("freeze", "v")]), adapter=Once)
    script(V, step("repeat", 2, steps=[train, step("freeze", "v")]), adapter=Objects)


def test_another_object_of_the_same_layout_is_no_reason():
    function = step("function", "read", steps=[step("compute", "y = net.b.kernel")], returns="y")
    other = step("layer", "dense", name="e", inputs=1, units=1, **{"as": "e"})
    net = step("module", "net", members={"b": "d"})
    steps = [DENSE, other, net, function, CALL, step("replace", "net.b", by="e"), CALL]
    assert "y = net.b.weight.T\n" in script(*steps, adapter=Objects).text
    flat = step("variable", "w", init=[1.0], **{"as": "w"})
    bare = step("module", "bare", members={"kernel": "w"})
    with pytest.raises(Unsupported, match=r"at `net\.b\.kernel` when it is called"):
        script(*steps[:5], flat, bare, step("replace", "net.b", by="bare"), CALL, adapter=Objects)


def test_what_a_function_takes_from_outside_is_what_that_was_when_it_was_written():
    class Taking(Plain):
        code: ClassVar = {
            **Plain.code,
            "function": lambda plain, step: plain.emit("def $f($*x):\n    pass", f=step.function, x=[("y", expr("y"))]),
        }

    anew, call = step("compute", "y = v"), step("invoke", "f")
    function = step("function", "f", steps=[step("compute", "y = y + v")])
    with pytest.raises(Unsupported, match=r"^The function `f` binds `y` anew, .* choose another name inside\.$"):
        script(V, anew, function, call, anew, call, adapter=Taking)
    script(V, anew, anew, function, call, call, adapter=Taking)


def test_nothing_stays_of_words_that_are_compared():
    class Marking(Objects):
        notes: ClassVar = {"compute": "computed"}
        nesting = ("around",)

        def __init__(self, *arguments):
            super().__init__(*arguments)
            self.around, self.seen = [], []

        def compute(self, step):
            self.seen.append(self.fresh("loop"))
            self.around.append(step)
            super().compute(step)
            self.around.pop()
            self.emit("'$seen'", seen=self.seen[-1])

    marking = Marking()
    made = marking.translate(spec_of(V, W, NET, READ, CALL, TIE, CALL, step("compute", "z = v")))
    assert marking.seen == ["loop", "loop_"]
    assert made.text.count("'loop'") == made.text.count("'loop_'") == made.idioms.count("computed") == 1
    assert marking.symbols.at("net.b") is marking.symbols.at("net.a")


def test_a_body_is_worded_once_for_states_that_are_alike():
    class Counting(Emitter):
        code: ClassVar = {**Objects.code, "copy": "$as = copy($copy)"}
        name = title = "Counting"
        layers: ClassVar = {"dense": {"kernel": Slot("weight")}}
        functions: ClassVar = {}
        said_so: ClassVar[list[str]] = []

        def emit_verb(self, step):
            self.said_so.append(step.verb)
            super().emit_verb(step)

    loop = step("repeat", 10_000, steps=[step("copy", "net", **{"as": "c"}), step("replace", "net.b", by="c.b"), TIE])
    Counting().translate(spec_of(V, W, NET, loop))
    assert Counting.said_so.count("copy") <= 4
