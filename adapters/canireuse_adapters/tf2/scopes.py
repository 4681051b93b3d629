"""Scopes and variables in TensorFlow 2: a scope is a `tf.Module`, and a name in it an attribute."""

import ast
from typing import TYPE_CHECKING

from canireuse.emit import Code, Fill, Lack, attribute, expr, literal, statements, text
from canireuse.program import Mode
from canireuse.spec.step import OddFlag
from canireuse.spec.vocabulary import Assign, CurrentScope, Get, Reenter, Scope, Variable, walk
from canireuse_adapters.tensorflow import number

if TYPE_CHECKING:
    from canireuse_adapters.tf2 import TF2

NO_FLAG = "TensorFlow 2 takes no reuse flag anywhere: an attribute is read or assigned."
NO_COLLECTIONS = "TensorFlow 2 has no collections: the objects that hold variables are the lists of them."


def scope(tf: "TF2", step: Scope) -> None:
    """Stand in the module of that name, which is made above all steps where nothing stands in its place before."""
    path = tf.symbols.scope.path
    kinds = (Get, CurrentScope, Variable) if any(isinstance(one, Get) for one in tf.facts.steps) else CurrentScope
    is_made_in = step.reuse is not True and any(isinstance(one, kinds) for one in walk(step.steps))
    if is_made_in and path not in tf.standing:
        tf.standing.add(path)
        made = statements("$here = tf.Module(name='$name')", here=tf.here(), name=step.scope)
        (tf.body if tf.begun_afresh or path in tf.symbols.found else tf.scopes).extend(made)
    enter(tf, step)


def enter(tf: "TF2", step: Scope | Reenter | CurrentScope) -> None:
    """Write what stands in a scope, whose module has its place."""
    tf.idiom(
        "A scope is a `tf.Module`, a name in it an attribute: to assign it makes or replaces, to read it looks up."
    )
    tf.steps([] if isinstance(step, CurrentScope) else step.steps)


def get(tf: "TF2", step: Get) -> None:
    """Assign an attribute of the module, or read it where the scope says reuse; or one after the other."""
    called: ast.expr = text(step.get)
    fills: dict[str, Fill] = {"here": tf.here(), "name": step.get}
    code, read = "$here.$name = $made", attribute(tf.here(), [step.get])
    if step.numbered is not None:
        called = ast.JoinedStr([text(f"{step.get}_"), ast.FormattedValue(ast.Name("number", ast.Load()), -1)])
        fills |= {"name": called, "times": step.numbered}
        code = "for number in range($times):\n    setattr($here, $name, $made)"
        read = expr("[getattr($here, $name) for number in range($times)]", **fills)
    makes = tf.symbols.scope.mode is Mode.MAKE
    if makes:
        tf.emit(code, **fills, made=new(tf, step, called))
    if step.as_ or not makes:  # a look-up that nothing binds shows whether there is something: it binds the name itself
        tf.bind(step.as_ or tf.own(step.get), read)


def new(tf: "TF2", step: Get | Variable, called: ast.expr) -> ast.expr:
    """Return the call that makes a variable."""
    options: dict[str, Fill] = {"name": called}
    if isinstance(step.init, list) and step.dtype:
        options["dtype"] = expr("tf.$dtype", dtype=step.dtype)
    if step.trainable is not None:
        options["trainable"] = step.trainable
    if isinstance(step, Variable) and step.open_shape:
        options["shape"] = expr("tf.TensorShape(None)")
    return expr("tf.Variable($*initial, $**options)", initial=initial(tf, step), options=options)


def initial(tf: "TF2", step: Get | Variable) -> list[Fill]:
    """Return the code for an initial value; none where the spec gives neither value nor shape."""
    shape = step.shape or []
    as_tuple = isinstance(step, Get) and step.shape_as == "tuple"
    fills: dict[str, Fill] = {"shape": literal(tuple(shape) if as_tuple else shape), "dtype": {}}
    if step.dtype:
        fills["dtype"] = {"dtype": expr("tf.$dtype", dtype=step.dtype)}
    match step.init:
        case _ if isinstance(step, Variable) and step.start is not None:
            return [tf.expression(step.start)]
        case None:
            bounds = step.uniform if isinstance(step, Get) else None
            return [expr("tf.random.uniform($shape, $*bounds, $**dtype)", bounds=bounds, **fills)] if bounds else []
        case "random":
            return [expr("tf.random.normal($shape, $**dtype)", **fills)]
        case list() as values:
            return [literal(values)]
        case init:
            value = number(init, step.dtype)
            if step.shape:
                return [expr("tf.constant($value, shape=$shape, $**dtype)", value=value, **fills)]
            return [expr("tf.constant($value, $**dtype)", value=value, **fills) if step.dtype else value]


def assign(tf: "TF2", step: Assign) -> None:
    """Assign at once."""
    value = tf.expression(step.to) if isinstance(step.to, str) else literal(step.to)
    tf.emit("$assign.assign($value)", assign=tf.place(step.assign), value=value)


CODE: Code = {
    "scope": scope, "reenter": enter, "current_scope": enter,
    "name_scope": "with tf.name_scope('$name_scope'):\n    $*body", "get": get,
    "variable": lambda tf, step: tf.bind(step.as_, new(tf, step, text(step.variable))), "assign": assign,
    "read": "$read_data",
}  # fmt: skip
LACKS = (
    Lack(("scope", "reenter"), lambda _, step: isinstance(step.reuse, OddFlag), NO_FLAG),
    Lack("get", lambda _, step: step.reuse is not None, NO_FLAG),
    Lack(
        "get", lambda tf, _: tf.symbols.scope.mode is Mode.AUTO,
        "`tf.Module` has no get-or-create: keep the object and reuse it.",
    ),
    Lack(
        "get", lambda tf, _: tf.symbols.scope.mode is Mode.INHERITED,
        "Modules hand no reuse mode down: each place says for itself whether it makes or looks up.",
    ),
    Lack(("get", "variable"), lambda tf, step: step.collection and tf.symbols.scope.mode is Mode.MAKE, NO_COLLECTIONS),
    Lack(
        "get",
        lambda tf, step: tf.symbols.scope.mode is Mode.MAKE and step.init is step.uniform is None and step.shape is not None,
        "A `tf.Variable` is made from its initial value: TensorFlow 2 has none that would be taken when none is given.",
    ),
)  # fmt: skip
