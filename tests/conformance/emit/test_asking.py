"""What is taken from an adapter: what it says of itself is checked before it is asked for anything."""

import re

import pytest

import canireuse_adapters
from canireuse.emit import Script, Unsupported, asking
from canireuse.emit.asking import AdapterFault
from canireuse_adapters.reference import Reference


def test_the_adapters_of_this_project_have_no_flaw():
    assert [asking.flaw_of(canireuse_adapters.adapter(name)) for name in canireuse_adapters.names()] == [None] * 10


@pytest.mark.parametrize(
    ("attribute", "value", "said"),
    [
        ("title", None, "its `title` is None"),
        ("packages", "torch", "its `packages` is 'torch'"),
        ("environ", {"THREADS": 1}, "its `environ` is {'THREADS': 1}"),
        ("errors", {"not_found": "KeyError"}, "its `errors` is {'not_found': 'KeyError'}"),
        ("errors", {"not_found": (("KeyError", "("),)}, "its `errors` have the pattern '(': "),
        ("ways", {"save": None}, "its `ways` is {'save': None}"),
        ("options", ["get.local"], "its `options` is ['get.local']"),
    ],
)
def test_what_an_adapter_says_of_itself_is_checked(attribute, value, said):
    assert asking.flaw_of(type("Odd", (Reference,), {attribute: value})).startswith(said)


def test_a_name_that_it_lacks_is_told():
    assert asking.flaw_of(asking.Adapter) == "it has no `name`"


def test_what_it_raises_is_its_fault_and_what_it_refuses_is_not(load_spec):
    def says(code):
        return type("Odd", (Reference,), {"translate": lambda _self, _spec: code()})

    def refuse():
        raise Unsupported("no words")

    spec = load_spec("steps:\n  - {variable: v, init: 1.0, as: v}\n  - {expect: there, variables: 1}\n").spec
    with pytest.raises(Unsupported, match="no words"):
        asking.script_of(says(refuse), "cpu", {}, {}, spec)
    with pytest.raises(
        AdapterFault, match=re.escape("the adapter's `translate` raised ZeroDivisionError: division by zero")
    ):
        asking.script_of(says(lambda: 1 / 0), "cpu", {}, {}, spec)
    with pytest.raises(AdapterFault, match="the adapter's `translate` answered None where a Script was expected"):
        asking.script_of(says(lambda: None), "cpu", {}, {}, spec)
    assert asking.script_of(says(lambda: Script("x = 1\n")), "cpu", {}, {}, spec).text == "x = 1\n"


def test_a_call_that_came_later_is_refused_with_its_version(load_spec):
    late = type("Late", (Reference,), {"since": {"Cells(_)": "framework>=2", "Scope": "framework>=3"}})
    spec = load_spec("steps:\n  - {variable: v, init: 1.0, as: v}\n  - {expect: there, variables: 1}\n").spec
    usual = asking.script_of(late, "cpu", {}, {}, spec)
    name = re.search(r"import (\w+)", usual.text).group(1)
    late = type("Late", (Reference,), {"since": {name: "framework>=2"}})
    with pytest.raises(Unsupported, match=re.escape(f"since framework 2 (here is 1.5): `{name}`")):
        asking.script_of(late, "cpu", {}, {"framework": "1.5"}, spec)
    assert asking.script_of(late, "cpu", {}, {"framework": "2.0"}, spec) == usual


ONE = """
steps:
  - {variable: v, init: 1.0, as: v}
  - {expect: value, value: v, is: 1.0}
  - {expect: one, identical: [v, v], is: true}
  - {expect: count, variables: 1}
"""


def listing(*labels):
    code = Script("x = 1\n", one_place=labels)
    return type("Odd", (Reference,), {"title": "Odd", "translate": lambda _self, _spec: code}), code


@pytest.mark.parametrize("labels", [(), ("one",), ("one", "value")])
def test_what_compares_a_place_with_itself_may_be_left_out(load_spec, labels):
    odd, code = listing(*labels)
    assert asking.script_of(odd, "cpu", {}, {}, load_spec(ONE).spec) == code


@pytest.mark.parametrize("labels", [("count",), ("one", "count"), ("elsewhere",)])
def test_nothing_else_may_be_left_out(load_spec, labels):
    with pytest.raises(AdapterFault, match="a `one_place` of labels of distinct, identical, same, value"):
        asking.script_of(listing(*labels)[0], "cpu", {}, {}, load_spec(ONE).spec)


def test_a_script_in_which_nothing_else_tells_of_sharing_is_unsupported(load_spec):
    spec = load_spec(ONE[: ONE.index("  - {expect: count")]).spec
    with pytest.raises(Unsupported, match=r"^one place: what is compared is one place in the words of Odd"):
        asking.script_of(listing("one")[0], "cpu", {}, {}, spec)
