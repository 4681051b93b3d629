"""Variables and layers of Equinox: how they are made and called, and the values they start from.

The running statistics of a norm are in an `eqx.nn.State` beside the model, which calls take and return.
"""

import ast
from typing import TYPE_CHECKING

from canireuse.emit import Code, Fill, Unsupported, expr, name, text
from canireuse.program import Object
from canireuse.spec.step import Drawn
from canireuse.spec.vocabulary import Call, Layer, Variable
from canireuse_adapters.equinox.places import Spot, around, numbers, shape_of, spelled, together

if TYPE_CHECKING:
    from canireuse_adapters.equinox import Equinox


def variable(eqx: "Equinox", step: Variable) -> None:
    """Bind an array to a Python name."""
    if step.collection:
        raise Unsupported(eqx.missing["collection"])
    floating = step.dtype in {None, "float16", "float32", "float64"}
    if step.start is not None:
        made = eqx.expression(step.start)
    elif step.init == "random":
        kind = [text(step.dtype)] if step.dtype else []
        made = expr("jax.random.normal(next(keys), $shape, $*kind)", shape=step.shape or [], kind=kind)
    else:
        made = array(eqx, numbers(step.init, floating=floating), step.shape, step.dtype)
    eqx.bind(step.as_ or eqx.own(step.variable), made)


def array(eqx: "Equinox", init: Fill, shape: list[int] | None, dtype: str | None = None) -> ast.expr:
    """Return a new array; one of a dtype of its own, since weak types are another type to Equinox."""
    if isinstance(init, int | float) and dtype is None and not isinstance(init, bool):
        if shape and init in {0, 1}:
            return expr("jnp.ones($shape)" if init else "jnp.zeros($shape)", shape=shape)
        dtype = "float32"
    return eqx.initial(init, shape, dtype)


# -- layers


def layer(eqx: "Equinox", step: Layer) -> None:
    """Make a layer, and put its first parameters in their places."""
    starts: dict[str, Drawn] = {"weight": step.kernel} | ({} if step.bias is None else {"bias": step.bias})
    match step.layer:
        case "dense":
            options: dict[str, Fill] = {} if step.bias is not None else {"use_bias": False}
            drawn = any(
                isinstance(one, str) for one in (step.kernel, step.bias)
            )  # where all is replaced, any key will do
            options["key"] = next_key(eqx) if drawn else expr("jax.random.key(0)")
            eqx.fill("$as = eqx.nn.Linear($inputs, $units, $**options)", step, options=options)
        case "norm":
            starts = {part: init for part, init in starts.items() if init != (1.0 if part == "weight" else 0.0)}
            eqx.fill(
                "$as, $state = eqx.nn.make_with_state(eqx.nn.BatchNorm)"
                "($inputs, axis_name='batch', eps=0.001, momentum=0.9, mode='batch')",
                step, state=eqx.own(f"{step.as_}_state"),
            )  # fmt: skip
        case _ if isinstance(step.kernel, str):
            eqx.fill("$as = eqx.nn.Embedding($inputs, $units, key=next(keys))", step)
        case _:
            starts, table = {}, array(eqx, numbers(step.kernel), [step.inputs, step.units])
            eqx.fill("$as = eqx.nn.Embedding(weight=$table)", step, table=table)
    replace_parameters(eqx, step.as_, {part: init for part, init in starts.items() if init != "random"})
    if step.layer == "dense":
        eqx.idiom(
            "`eqx.nn.Linear` keeps its weight as [units, inputs]: `kernel` is read and written through its transpose."
        )


def next_key(eqx: "Equinox") -> ast.expr:
    """Return the key that a layer draws with: one of its own, or the one that the others have."""
    return expr("jax.random.key(0)" if eqx.way.get("layer") == "one-key" else "next(keys)")


def replace_parameters(eqx: "Equinox", layer: str, starts: dict[str, Drawn]) -> None:
    """Put the values that parameters start from in their places; a matrix of a dense layer is kept transposed."""
    values: dict[str, ast.expr] = {}
    for part, init in starts.items():
        place = f"{layer}.{part}"
        if init == "shared-initializer":
            values[place] = expr("initializer($key, $place.shape)", key=next_key(eqx), place=place)
            continue
        if isinstance(init, list):
            values[place] = eqx.turned(expr("jnp.array($x)", x=numbers(init)), len(shape_of(init)) > 1)
        else:
            values[place] = expr("jnp.full_like($place, $x)", place=place, x=numbers(init))
    if values:
        eqx.idiom("The layers of Equinox take no initializers: users put other start values in by `eqx.tree_at`.")
        eqx.bind(layer, tree_at(layer, layer, list(map(name, values)), list(values.values())))


def tree_at(tree: Fill, argument: str, where: list[ast.expr], values: list[ast.expr]) -> ast.expr:
    """Return the code for a tree with other arrays in some places."""
    code = "eqx.tree_at(lambda $argument: $where, $tree, $values)"
    return expr(code, tree=tree, argument=argument, where=together(where), values=together(values))


# -- calls


def call(eqx: "Equinox", step: Call) -> None:
    """Call a layer or module on each example; one with norms takes a state and returns the next."""
    found, axes = eqx.tree(step.call), eqx.axes(step.on)
    state = eqx.state_of(found)
    if not found or not found.only_layers():
        raise Unsupported("An `eqx.Module` that holds arrays of its own has no `__call__` until somebody writes one.")
    if state and step.given:
        raise Unsupported("A call with other values in place of running statistics is one with another state.")
    code = with_given(eqx, step, found) if step.given else eqx.place(step.call)
    on = numbers(step.on, floating=first_layer(found) != "embedding")
    given = eqx.expression(on) if isinstance(on, str) else expr("jnp.array($x)", x=on)
    if not state:
        for _ in range(depth(eqx, step)):
            code = expr("jax.vmap($x)", x=code)
        eqx.bind(step.as_, expr("$code($given)", code=code, given=given))
        return
    if axes not in {None, 2}:
        raise Unsupported(
            "`eqx.nn.BatchNorm` takes the features of one example first; a batch of them has two axes here."
        )
    if not step.training:
        code = expr("eqx.nn.inference_mode($x)", x=code)
    elif eqx.frames and eqx.frames[-1].kind != "loss":
        eqx.writing()
    called = expr(
        "jax.vmap($code, in_axes=(0, None), out_axes=(0, None), axis_name='batch')($given, $state)",
        code=code, given=given, state=state,
    )  # fmt: skip
    after = state if step.training else "_"
    eqx.emit("$to, $after = $called", to=step.as_ or "_", after=after, called=called)


def depth(eqx: "Equinox", step: Call) -> int:
    """Return over how many axes a call is mapped: a layer takes one example, an embedding one index."""
    found, axes = eqx.tree(step.call), eqx.axes(step.on)
    return 1 if axes is None else max(0, axes - (found is None or first_layer(found) != "embedding"))


def first_layer(one: Object) -> str:
    """Return the kind of the layer that a module gives its input to."""
    made = next((layer.made for _, layer in one.layers()), None)
    return made.layer if isinstance(made, Layer) else ""


def with_given(eqx: "Equinox", step: Call, found: Object) -> ast.expr:
    """Return the code for a layer or module with other arrays in some places; leaves that are tied change together."""
    given: dict[tuple[str, ...], ast.expr] = {}
    for inner, value in step.given.items():
        spot = Spot("tree", found, tuple(inner.split(".")))
        code = eqx.expression(value) if isinstance(value, str) else expr("jnp.array($x)", x=numbers(value))
        if spot.leaf.path in given:
            raise Unsupported("A leaf that `eqx.nn.Shared` gives to several places can be given one value only.")
        given[spot.leaf.path] = eqx.turned(code, spot.transposed)
    where = [spelled("tree", one, leaf=True) for one in given]
    return spelled(tree_at(eqx.whole(step.call), "tree", where, list(given.values())), around(found))


CODE: Code = {"variable": variable, "layer": layer, "call": call}
