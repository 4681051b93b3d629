"""Scopes and variables in Keras: a scope is a layer that holds variables, a name in it an attribute."""

import ast
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from canireuse.emit import Code, Fill, Lack, Unsupported, attribute, expr, literal, text
from canireuse.program import Mode
from canireuse.spec.step import OddFlag, Step
from canireuse.spec.vocabulary import Assign, Block, CurrentScope, Get, Measure, Reenter, Scope, Variable, walk
from canireuse_adapters.keras.classes import initializer
from canireuse_adapters.keras.layers import attribute_of
from canireuse_adapters.tensorflow import number

if TYPE_CHECKING:
    from canireuse_adapters.keras import Keras

NO_FLAG = "Keras takes no reuse flag anywhere: an attribute is read or assigned."
NO_COLLECTIONS = "Keras has no collections: the layers that hold variables are the lists of them."
#: path of a scope from the root
Path = tuple[str, ...]


# -- scopes


def made_below(steps: list[Step], path: Path, bound: dict[str, Path]) -> Iterator[tuple[Path, Scope]]:
    """Yield the path of each scope that something is made in, and the step that opens it."""
    for step in steps:
        below = path
        if isinstance(step, CurrentScope):
            bound[step.current_scope] = path
        elif isinstance(step, Scope):
            below = (*path, step.scope)
            if step.reuse is not True and any(isinstance(one, Get | Variable) for one in walk(step.steps)):
                yield below, step
        elif isinstance(step, Reenter):
            below = bound.get(step.reenter, path)
        elif isinstance(step, Measure) and step.fresh:
            continue  # its layers are made in it
        if isinstance(step, Scope | Reenter) and step.as_:
            bound[step.as_] = below
        if isinstance(step, Block):
            yield from made_below(step.steps, below, bound)


def make_layers(keras: "Keras", steps: list[Step], bound: dict[str, Path]) -> None:
    """Write a layer for each scope that something is made in."""
    known: set[Path] = set()
    for path, step in made_below(steps, (), bound):
        if path not in known:
            known.add(path)
            options: dict[str, Fill] = {"dtype": text(step.dtype)} if step.dtype else {}
            keras.emit(
                "$here = keras.Layer(name='$name', $**options)", here=layer_at(path), name=step.scope, options=options
            )
    keras.standing |= known


def layer_at(path: Path) -> ast.expr:
    """Return the code for the layer of a scope."""
    return attribute(expr("root"), map(attribute_of, path))


def enter(keras: "Keras", step: Scope | Reenter | CurrentScope) -> None:
    """Write what stands in a scope, whose layer has its place."""
    keras.steps([] if isinstance(step, CurrentScope) else step.steps)


def hands_down(_: "Keras", step: Scope | Reenter) -> bool:
    """Return whether a scope says a dtype for what is made in scopes inside, or in a layer that is there."""
    return step.dtype is not None and (
        isinstance(step, Reenter) or any(isinstance(one, Scope) for one in walk(step.steps))
    )


# -- variables


def get(keras: "Keras", step: Get) -> None:
    """Add a weight to the layer, or read the attribute where the scope says reuse; or one after the other."""
    scope, makes = keras.symbols.scope.path, keras.symbols.scope.mode is Mode.MAKE
    here, called = layer_at(scope), called_by(step)
    fills: dict[str, Fill] = {"here": here, "name": called, "times": step.numbered}
    if makes and keras.loop:
        last = step.get if step.numbered is None else f"{step.get}_{step.numbered - 1}"
        keras.loop.moved = [
            expr("$x.value", x=attribute(here, [attribute_of(last)]))
        ]  # JAX does what it is told in order
    if step.numbered is None and (*scope, step.get) in keras.standing:
        raise Unsupported("A name in a Keras layer is one attribute: it holds a variable or a layer, and not both.")
    place = attribute(here, [attribute_of(step.get)])
    if makes and step.numbered is None:
        keras.emit("$place = $made", place=place, made=weight(keras, step))
    elif makes:
        code = "for number in range($times):\n    setattr($here, $name, $made)"
        keras.emit(code, **fills, made=weight(keras, step))
    if step.as_ or not makes:  # a look-up that nothing binds shows whether there is something: it binds the name itself
        read = expr("[getattr($here, $name) for number in range($times)]", **fills)
        keras.bind(step.as_ or keras.own(step.get), place if step.numbered is None else read)


def called_by(step: Get | Variable) -> ast.expr:
    """Return a variable's name, with a number to be put in if there are several."""
    if isinstance(step, Variable):
        return text(step.variable)
    if step.numbered is None:
        return text(step.get)
    return ast.JoinedStr([text(f"{step.get}_"), ast.FormattedValue(ast.Name("number", ast.Load()), -1)])


def weight(keras: "Keras", step: Get) -> ast.expr:
    """Return the call that adds a weight to a layer; the root has no name to put before it."""
    scope = keras.symbols.scope.path
    if not scope and step.init is not None and step.penalty is None:
        return variable_call(keras, step)
    shape = step.shape if step.shape is not None or not isinstance(step.init, list) else shape_of(step.init)
    options: dict[str, Fill] = {} if shape is None else {"shape": literal(shape)}
    if step.init is not None:
        options["initializer"] = initializer(step.init)
    options |= details(keras, step)
    if step.penalty is not None:
        options["regularizer"] = expr("keras.regularizers.L2($x)", x=step.penalty)
    return expr("$here.add_weight($**options)", here=layer_at(scope), options={**options, "name": called_by(step)})


def variable(keras: "Keras", step: Variable) -> None:
    """Construct a variable that nothing but its Python name holds."""
    keras.bind(step.as_, variable_call(keras, step))


def variable_call(keras: "Keras", step: Get | Variable) -> ast.expr:
    """Return the call that constructs a variable."""
    shape: dict[str, Fill] = {}
    if isinstance(step, Variable) and step.start is not None:
        value = keras.expression(step.start)
    elif isinstance(step.init, list):
        value = literal(step.init)
    elif step.shape or step.init == "random":
        value, shape = initializer(step.init), {"shape": literal(step.shape or [])}
    else:
        assert isinstance(step.init, int | float)  # `add_weight` makes what has no value of its own
        value = number(step.init, step.dtype)
    options = {**shape, **details(keras, step), "name": called_by(step)}
    return expr("keras.Variable($value, $**options)", value=value, options=options)


def details(keras: "Keras", step: Get | Variable) -> dict[str, Fill]:
    """Return the code for dtype and trainable; PyTorch gives gradients to floats alone."""
    trainable = step.trainable
    if keras.engine == "torch" and step.dtype and not step.dtype.startswith("float"):
        trainable = False
    options: dict[str, Fill] = {"dtype": text(step.dtype)} if step.dtype else {}
    return options if trainable is None else {**options, "trainable": trainable}


def shape_of(values: Any) -> list[int]:
    """Return the shape of a nested list of numbers."""
    return [len(values), *shape_of(values[0])] if isinstance(values, list) else []


# -- state


def assign(keras: "Keras", step: Assign) -> None:
    """Assign at once."""
    value = keras.expression(step.to) if isinstance(step.to, str) else literal(step.to)
    keras.emit("$assign.assign($value)", assign=keras.place(step.assign), value=value)


CODE: Code = {
    "scope": enter, "reenter": enter, "current_scope": enter,
    "name_scope": "with keras.name_scope('$name_scope'):\n    $*body", "get": get, "variable": variable,
    "assign": assign, "read": "$read_data",
}  # fmt: skip
NOTES = {
    **dict.fromkeys(
        ("scope", "reenter", "current_scope"),
        "A scope is a layer that holds variables, a name in it an attribute: to assign it makes or replaces, to read it looks up.",
    ),
}
LACKS = (
    Lack(("scope", "reenter"), lambda _, step: isinstance(step.reuse, OddFlag), NO_FLAG),
    Lack(
        ("scope", "reenter"), hands_down,
        "Keras layers hand no dtype down to what is made inside: each `add_weight` says its own.",
    ),
    Lack("get", lambda _, step: step.reuse is not None, NO_FLAG),
    Lack(
        "get", lambda keras, _: keras.symbols.scope.mode is Mode.AUTO,
        "A Keras layer has no get-or-create: keep the object and call it again.",
    ),
    Lack(
        "get", lambda keras, _: keras.symbols.scope.mode is Mode.INHERITED,
        "Layers hand no reuse mode down: each place says for itself whether it makes or looks up.",
    ),
    Lack("variable", lambda _, step: step.open_shape, "A Keras variable has one shape from the start."),
    Lack(("get", "variable"), lambda keras, step: step.collection and keras.symbols.scope.mode is Mode.MAKE, NO_COLLECTIONS),
)  # fmt: skip
