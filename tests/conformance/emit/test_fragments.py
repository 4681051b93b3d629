"""Fragments: how holes are filled, which names nodes read and bind, and which of them give way."""

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canireuse.emit.fragments import (
    Given,
    Names,
    alike,
    expr,
    give_way,
    imports_of,
    literal,
    name,
    node,
    statements,
    text,
)

IDENTIFIERS = st.sampled_from(["a", "b", "model", "x_", "sum"])
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text() | st.integers(), inner, max_size=3),
    max_leaves=8,
)


def code(made):
    """Return the text of statements or of an expression."""
    return "\n".join(map(ast.unparse, made)) if isinstance(made, list) else ast.unparse(made)


@pytest.mark.parametrize(
    ("template", "fills", "made"),
    [
        # what fills `$x`: a name, a place, a node, plain data
        ("$to = f($x)", {"to": "y", "x": "net.head"}, "y = f(net.head)"),
        ("f($x, $y, $z)", {"x": None, "y": True, "z": [1, -2.5, "net"]}, "f(None, True, [1, -2.5, 'net'])"),
        ("$x * 2", {"x": expr("a + b")}, "(a + b) * 2"),
        ("$x ** 2", {"x": -1}, "(-1) ** 2"),
        ("f($x)", {"x": -0.0}, "f(-0.0)"),
        ("f($x)", {"x": (1, (2,))}, "f((1, (2,)))"),
        # `'$x'` is a literal, whatever fills it
        ("f('$x')", {"x": "net.head"}, "f('net.head')"),
        ("f('$x')", {"x": None}, "f(None)"),
        ("f('$x')", {"x": -3}, "f(-3)"),
        ("f('$x')", {"x": ["a", 1]}, "f(['a', 1])"),
        ("f('$x')", {"x": "$y"}, "f('$y')"),
        ("f('it costs $5')", {}, "f('it costs $5')"),
        ("f'{$x}/{$y!r:>3}'", {"x": "a", "y": -1}, "f'{a}/{-1!r:>3}'"),
        # names of functions, attributes, keywords, parameters
        ("def $f($x, $y=$z):\n    return $x", {"f": "g", "x": "a", "y": "b", "z": 1}, "def g(a, b=1):\n    return a"),
        ("$owner.$part.value", {"owner": "net", "part": "head"}, "net.head.value"),
        ("f($key=$x)", {"key": "rate", "x": 0.1}, "f(rate=0.1)"),
        ("class $c(Base):\n    pass", {"c": "Net"}, "class Net(Base):\n    pass"),
        ("def f():\n    global $x, $*more", {"x": "a", "more": ["b", "c"]}, "def f():\n    global a, b, c"),
        # several
        ("f(1, $*x, 2)", {"x": ["a", 3, expr("b()")]}, "f(1, a, 3, b(), 2)"),
        ("f($*x)", {"x": []}, "f()"),
        ("[$*x]", {"x": [text("a"), "a"]}, "['a', a]"),
        ("lambda $*x: 0", {"x": ["a", "b"]}, "lambda a, b: 0"),
        ("def f($*x, last=2):\n    pass", {"x": ["a", ("b", name("c")), ("d", 0)]}, "def f(a, b=c, d=0, last=2):\n    pass"),
        ("for $x in y:\n    $*body", {"x": "v", "body": statements("f()\ng()")}, "for v in y:\n    f()\n    g()"),
        ("$*body", {"body": ["a", expr("f()"), *statements("b = 1")]}, "a\nf()\nb = 1"),
        ("@$*by\ndef f():\n    pass", {"by": ["jit", expr("g(1)")]}, "@jit\n@g(1)\ndef f():\n    pass"),
        # keywords, and entries of a dictionary
        ("f(a, $**x)", {"x": {"init": 1.0, "name": text("w")}}, "f(a, init=1.0, name='w')"),
        ("f($**x)", {"x": {}}, "f()"),
        ("{'a': 1, $**x, **rest}", {"x": {"b": "b", "c": [2]}}, "{'a': 1, 'b': b, 'c': [2], **rest}"),
        # what is bound
        ("$x = f()", {"x": None}, "f()"),
        ("$x = f()", {"x": "net.head"}, "net.head = f()"),
        ("$x = f()", {"x": expr("a, b.c")}, "a, b.c = f()"),
        ("with f() as $x:\n    pass", {"x": "scope"}, "with f() as scope:\n    pass"),
        ("del $x", {"x": "v"}, "del v"),
    ],
)  # fmt: skip
def test_a_hole_is_filled(template, fills, made):
    assert code(statements(template, **fills)) == made


@given(PLAIN)
def test_plain_data_is_written_as_python_reads_it(value):
    assert repr(ast.literal_eval(code(expr("f('$x')", x=value).args[0]))) == repr(value)
    assert code(literal(value)) == code(expr("'$x'", x=value))


@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers())
def test_a_number_in_arithmetic_keeps_its_sign(number):
    whole = code(expr("$x - -$x ** 1", x=number))
    assert eval(whole) == number - -(number**1)  # arithmetic of two numbers


def test_a_template_is_not_changed_by_what_fills_it():
    template = "def $f($x):\n    global $x\n    $x = [$*many]"
    once = code(statements(template, f="f", x="a", many=[1]))
    statements(template, f="g", x="b", many=[2, 3])
    assert code(statements(template, f="f", x="a", many=[1])) == once


@pytest.mark.parametrize("template", ["1 + $*x", "x = $*x", "x[$*x]", "f(y=$*x)", "def f($**x):\n    pass"])
def test_several_stand_where_several_fit(template):
    with pytest.raises(ValueError, match=r"hole for several|keywords are given in a call"):
        statements(template, x=["a", "b"])


def test_what_is_bound_by_a_tuple_is_bound():
    assert Names(statements("$x = f()", x=expr("(a, [b, *c])"))).bound == dict.fromkeys("abc")


def test_two_expressions_are_alike_if_they_are_the_same_code():
    assert alike(expr("$x.value", x="net.head"), expr("net.head.value"))
    assert not alike(expr("net.head"), expr("net['head']"))


@pytest.mark.parametrize(
    ("code", "read", "bound"),
    [
        ("x = y.z[i](k=v)", "y i v", "x"),
        ("x += 1", "x", "x"),
        ("x.y += 1", "x", ""),
        ("x[i] = 1", "x i", ""),
        ("del x", "", "x"),
        ("a, (b, *c) = d", "d", "a b c"),
        ("for i, x in y:\n    z", "y z", "i x"),
        ("with f(a) as b, g() as (c, d):\n    pass", "f a g", "b c d"),
        ("try:\n    x\nexcept Error as error:\n    y", "x Error y", "error"),
        ("import a.b, c as d\nfrom e import f, g as h", "", "a d f h"),
        ("x: T = y", "T y", "x"),
        # functions
        ("def f(a, b=c, *d, e=g, **h):\n    return a + b + d + e + h + i", "c g i", "f"),
        ("@d\ndef f(a: T) -> U:\n    x = a\n    return x", "d T U", "f"),
        ("def f():\n    x = y\n    return g(x)", "y g", "f"),
        ("def f():\n    x += 1", "", "f"),
        ("def f():\n    def g():\n        return x + y\n    x = 1\n    return g", "y", "f"),
        ("lambda a, b=c: a + b + d", "c d", ""),
        ("[lambda: i for i in n]", "n", ""),
        ("def f():\n    return f()", "f", "f"),
        # what is of a scope around
        ("def f():\n    global h\n    h = h + 1", "h", "f h"),
        ("def f():\n    global h\n    h += 1", "h", "f h"),
        ("def f():\n    x = 0\n    def g():\n        nonlocal x\n        x = x + 1", "", "f"),
        # comprehensions
        ("[x for x in y if x and z]", "y z", ""),
        ("[x for x in x]", "x", ""),
        ("[a + b for a in c for b in a]", "c", ""),
        ("{k: v for k, v in d}", "d", ""),
        ("{x for x in y}", "y", ""),
        ("sum(x for x in y)", "sum y", ""),
        # classes: methods do not see what the class binds
        ("class C(B, k=m):\n    a = b\n    def f(self):\n        return a + self.a", "B m b a", "C"),
        ("@d\nclass C:\n    a: T = 1\n    b = a", "d T", "C"),
        ("class C:\n    def f(self):\n        return C", "C", "C"),
    ],
)
def test_names_are_read_and_bound_as_python_resolves_them(code, read, bound):
    names = Names(ast.parse(code).body)
    assert set(names.read) == set(read.split()), "read"
    assert set(names.bound) == set(bound.split()), "bound"
    assert set(names.free) == set(read.split()) - set(bound.split())


def test_names_stand_in_the_order_of_reading():
    assert list(Names(ast.parse("c = a\nd = b(a)\nb = 1").body).free) == ["a"]
    assert list(Names(ast.parse("f(z, y)\nx").body).read) == ["f", "z", "y", "x"]


def gave_way(template, taken, **fills):
    """Return the text of statements whose own names have given way, and what was renamed."""
    made = statements(template, **fills)
    (made,), renamed = give_way([made], taken)
    return code(made), renamed


def test_the_scripts_own_names_give_way_and_the_specs_stay():
    made, renamed = gave_way("model = f($x)\nmodel.fit(model=$x)", {"model"}, x="model")
    assert made == "model_ = f(model)\nmodel_.fit(model=model)"
    assert renamed == {"model": "model_"}


def test_a_name_that_is_free_is_found():
    assert gave_way("loss = $x + loss_", {"loss", "loss__"}, x="loss")[0] == "loss___ = loss + loss_"


@pytest.mark.parametrize(
    ("template", "made"),
    [
        ("lambda x: x + $x", "lambda x_: x_ + x"),
        ("def f(x=1, *, y=x):\n    return x", "def f(x_=1, *, y=x_):\n    return x_"),
        ("def f():\n    def g():\n        return x\n    x = $x", "def f():\n\n    def g():\n        return x_\n    x_ = x"),
        ("def x():\n    return x()", "def x_():\n    return x_()"),
        ("def f():\n    global x\n    x = $x", "def f():\n    global x_\n    x_ = x"),
        ("def f():\n    global $x\n    x = $x", "def f():\n    global x\n    x_ = x"),
        ("try:\n    pass\nexcept E as x:\n    f(x)", "try:\n    pass\nexcept E as x_:\n    f(x_)"),
        ("[x for x in $x]", "[x_ for x_ in x]"),
        ("with f() as x:\n    x.x = $x.x", "with f() as x_:\n    x_.x = x.x"),
        ("for x in f(x=x):\n    x += $x", "for x_ in f(x=x_):\n    x_ += x"),
        ("del x, $x", "del x_, x"),
        # what a class binds is an attribute of it, and is asked for by that name
        ("class A:\n    x: int = x\n    def x(self):\n        return x + self.x",
         "class A:\n    x: int = x_\n\n    def x(self):\n        return x_ + self.x"),
        ("class x:\n    x, y = $x\n    class x:\n        pass", "class x_:\n    x, y = x\n\n    class x:\n        pass"),
    ],
)  # fmt: skip
def test_a_name_gives_way_in_every_scope(template, made):
    assert gave_way(template, {"x"}, x="x")[0] == made


@given(st.lists(IDENTIFIERS, min_size=1, max_size=3), st.sets(IDENTIFIERS))
def test_what_gave_way_means_what_it_meant(bound, taken):
    """A script of own names computes with names of the spec around it what it computes alone."""
    own = "".join(f"{one} = {number} + len(out)\nout.append({one})\n" for number, one in enumerate(bound))
    spec = statements(
        "".join(f"${hole} = None\n" for hole in "abcde"[: len(taken)]), **dict(zip("abcde", taken, strict=False))
    )
    whole = [*statements(own), *spec, *statements("".join(f"out.append({one})\n" for one in bound))]
    (whole,), _ = give_way([whole], taken)
    alone, around = {"out": []}, {"out": []}
    exec(own + "".join(f"out.append({one})\n" for one in bound), alone)
    exec(code(whole), around)
    assert around["out"] == alone["out"]
    assert all(around[one] is None for one in taken)


def test_scripts_share_the_nodes_of_a_template_and_change_copies():
    text = "model = f($x)\nmodel.fit(model)"
    first, second = statements(text, x="model"), statements(text, x="model")
    assert first[1] is second[1]
    (renamed,), _ = give_way([first], {"model"})
    assert code(renamed) == "model_ = f(model)\nmodel_.fit(model_)"
    assert code(first) == code(second) == "model = f(model)\nmodel.fit(model)"


def test_a_given_name_is_the_same_text():
    assert type(name("net.head").value.id) is Given
    assert node("net.head").attr == "head"
    assert {Given("a"): 1} == {"a": 1}


@pytest.mark.parametrize(
    ("line", "renamed", "made"),
    [
        ("import torch", "torch", "import torch as torch_"),
        ("import torch", "", "import torch"),
        ("import jax.numpy as jnp", "jnp", "import jax.numpy as jnp_"),
        ("import orbax.checkpoint", "orbax", "import orbax.checkpoint\nimport orbax as orbax_"),
        ("from torch import nn", "nn", "from torch import nn as nn_"),
        ("from flax import linen as nn, nnx", "nn", "from flax import nnx\nfrom flax import linen as nn_"),
        ("from flax import linen as nn, nnx", "nnx", "from flax import linen as nn\nfrom flax import nnx as nnx_"),
        ("from flax import linen as nn, nnx", "", "from flax import linen as nn, nnx"),
        ("import os", "sum", "from builtins import sum as sum_\nimport os"),
    ],
)  # fmt: skip
def test_an_import_binds_another_name(line, renamed, made):
    taken = {renamed: f"{renamed}_"} if renamed else {}
    bound = set(Names(ast.parse(line).body).bound) | set(taken)
    reads = [expr(f"{taken.get(one, one)}.x") for one in sorted(bound)]
    assert code(imports_of(Names([ast.Expr(one) for one in reads]), (line,), taken)) == made


def test_what_nothing_reads_is_not_imported():
    tables = ("import a.b\nimport c as d\nfrom e import f, g as h\nprint()", "import z")
    assert code(imports_of(Names(statements("h(d)\nz = f = 1")), tables, {"d": "d_", "f": "f_"})) == (
        "import c as d\nfrom e import g as h"
    )


def test_builtins_give_way_like_any_name():
    made, renamed = gave_way("f(sum($x))", {"sum"}, x="sum")
    assert (made, renamed) == ("f(sum_(sum))", {"sum": "sum_"})
