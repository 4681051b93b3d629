"""One place: which observations compare a place with itself, and which cases have nothing else that tells of sharing."""

import ast

import pytest

from canireuse.emit import Unsupported, statements
from canireuse.emit.one_place import OnePlace, bound_to, expect_more, telling_nothing
from tests.conformance.emit.test_emitter import Plain, V, script, spec_of, step

W = step("variable", "w", init=[3.0, 4.0], **{"as": "w"})
COUNTED = step("expect", "counted", variables=2)


class Attributes(Plain):
    """A framework whose scopes are objects: what is got again is an attribute that is read again."""

    code = {
        **Plain.code, "scope": "$*body", "get": "$as = root.$get", "assign": "$assign[:] = $to", "function": "def $function():\n    $*body",
        "copy": "$as = root.copy()", "freeze": "root.w = $freeze",
    }  # fmt: skip
    reads = {"variables": "len(root)"}


def get(to):
    return step("scope", "s", steps=[step("get", "w", **{"as": to})])


def same(*places, label="one", kind="same"):
    return step("expect", label, **{kind: list(places)})


def one_place(*steps):
    return script(*steps, COUNTED, adapter=Attributes).one_place


@pytest.mark.parametrize(
    ("between", "listed"),
    [
        ([], ("one",)), ([step("initialize")], ("one",)), ([V], ("one",)),
        ([step("assign", "first", to=[5.0, 6.0])], ("one",)), ([step("freeze", "v")], ()), ([get("first"), V], ("one",)),
    ],
)  # fmt: skip
def test_what_is_read_twice_from_one_attribute_is_one_place(between, listed):
    before = [V] if any(one.verb == "freeze" for one in between) else []
    assert one_place(*before, get("first"), *between, get("second"), same("first", "second")) == listed


def test_what_is_left_out_is_written_all_the_same_and_not_observed():
    text = script(get("first"), get("second"), same("first", "second"), COUNTED, adapter=Attributes).text
    assert text.splitlines()[-4:] == [
        "first = root.w", "second = root.w", "second[:] = [one + 1 for one in second]", "observe('counted', len(root))",
    ]  # fmt: skip


def test_two_objects_are_two_places():
    assert one_place(V, W, same("v", "w"), same("v", "w", label="two", kind="distinct")) == ()


def test_a_place_that_a_name_was_bound_to_before_it_was_bound_anew_is_another():
    aliases = OnePlace()
    aliases.happen(step("get", "w", **{"as": "first"}), statements("first = root.w"))
    assert aliases.is_one(ast.parse("first.x", mode="eval").body, ast.parse("root.w.x", mode="eval").body)
    for line in (
        "root.w = v",
        "root = v",
        "first = v()",
        "del root.w",
        "root.set(v)",
        "set(root, v)",
        "with v as root:\n    pass",
    ):
        known = OnePlace()
        known.places = dict(aliases.places)
        known.happen(step("get", "v", **{"as": "other"}), statements(line))
        assert "first" not in known.places, line


def test_a_line_binds_a_name_to_a_path_or_to_none():
    assert [bound_to(*statements(line))[0] for line in ("a = b", "a = b.c['d'][0]", "a = b()", "a = b[c]", "a.b = c", "f(a)")] == [
        "a", "a", "", "", "", "",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("steps", "listed"),
    [
        ([step("assign", "second", to=[5.0, 6.0])], ("seen",)),
        ([step("assign", "first", to=[5.0, 6.0])], ()),
        ([step("assign", "second", to=[5.0, 6.0]), step("freeze", "first")], ()),
    ],
)
def test_what_was_just_written_under_another_name_of_the_place_is_not_observed(steps, listed):
    shown = step("expect", "seen", value="first", **{"is": [5.0, 6.0]})

    class OneObject(Attributes):
        """A framework that finds a variable by its name."""

        def effect(self, step):
            super().effect(step)
            if step.verb == "get" and "first" in self.symbols.names:
                self.symbols.names["second"] = self.symbols.names["first"]

    made = script(get("first"), get("second"), *steps, shown, COUNTED, adapter=OneObject)
    assert made.one_place == listed


READ = step("expect", "read", value="v", **{"is": [5.0, 6.0]})
MOVED = step("assign", "w", to=[0.0, 0.0])


@pytest.mark.parametrize(
    ("steps", "labels"),
    [
        ([V, READ], ["read"]), ([step("assign", "v", to=[5.0, 6.0]), READ], ["read"]), ([V, MOVED, READ], []),
        ([V, same("v", "w"), READ], []), ([V, step("freeze", "v"), READ], []), ([V, step("assign", "v", to="v + 1"), READ], []),
        ([step("expect", "kind", dtype="v", **{"is": "float32"}), step("expect", "form", shape="v", **{"is": [2]})], ["kind", "form"]),
        ([step("freeze", "v", raises="nothing", expect="taken")], ["taken"]), ([step("freeze", "v", raises="not_found", expect="refused")], []),
        ([V, step("scope", "s", steps=[READ])], ["read"]), ([V, step("repeat", 2, steps=[READ])], []), ([COUNTED], []),
    ],
)  # fmt: skip
def test_what_is_answered_alike_whether_anything_is_shared_or_not(steps, labels):
    assert list(telling_nothing(steps, set())) == labels


def test_a_case_of_which_nothing_else_remains_is_unsupported():
    spec = spec_of(V, same("v", "w"), step("freeze", "v", raises="nothing", expect="taken"))
    expect_more("Plain", spec, ())
    with pytest.raises(
        Unsupported, match=r"^one place: what is compared is one place in the words of Plain, and what else"
    ):
        expect_more("Plain", spec, ("one",))
    expect_more("Plain", spec_of(*spec.steps, COUNTED), ("one",))
