"""Flax NNX: layers and modules, what ties variables in them, and copies."""

import ast
from typing import TYPE_CHECKING, Any

from canireuse.emit import Code, Effects, Lack, Unsupported, attribute, expr, literal, name
from canireuse.program import Object, Slot
from canireuse.spec.vocabulary import Call, Copy, Layer, Module, Tie, Wrap

if TYPE_CHECKING:
    from canireuse_adapters.nnx import NNX

ONCE = "In Flax a layer is made once, before the function that calls it; a function that made one would make another at each call."
PURE = "A loss that is differentiated is a pure function of its parameters; it cannot {}."
FROZEN = "An `nnx.Param` has no flag: what is frozen is left out of the filter of the optimizers made later."
#: kind of layer -> the code that makes one
MADE = {
    "dense": "nnx.Linear($inputs, $units, kernel_init=$kernel, $**bias, rngs=$rngs)",
    "embedding": "nnx.Embed($inputs, $units, embedding_init=$kernel, rngs=$rngs)",
    "norm": "nnx.BatchNorm($inputs, momentum=0.9, epsilon=0.001, scale_init=$kernel, $**bias, use_running_average=True, rngs=$rngs)",
    "cell": "nnx.SimpleCell($inputs, $units, kernel_init=$kernel, recurrent_kernel_init=$recurrent, $**bias, rngs=$rngs)",
}
COPIED = {
    "clone": "nnx.clone($source)", "clone-tree-mode": "nnx.clone($source, graph=False)", "deepcopy": "deepcopy($source)",
    "split-merge": "nnx.merge(*nnx.split($source))", "tree-map": "jax.tree.map(jnp.copy, $source)",
    "shallow": "shallow_copy($source)",
}  # fmt: skip
GIVEN = {
    "clone": "$to = nnx.clone($owner)\nnnx.update($to, $values)",
    "merge": """\
graphdef, state = nnx.split($owner)
$to = nnx.merge(graphdef, nnx.merge_state(state, nnx.State($values)))""",
}
WRAPS = {
    "rnn": ("cell", "`nnx.RNN` runs a cell over time; this layer is none."),
    "bidirectional": ("rnn", "`nnx.Bidirectional` takes two `nnx.RNN`; this layer is none."),
}


def inside_function(nnx: "NNX", _: object) -> bool:
    """Return whether a function is being written that is not there to make and return what it makes."""
    return bool(nnx.frames) and nnx.frames[-1].kind != "maker"


def at(nnx: "NNX", place: str, *kinds: str) -> Object:
    """Return what stands at a place: a layer or module, or of some kinds."""
    found, wanted = nnx.symbols.at(place), kinds or ("layer", "module")
    if found is None or found.kind not in wanted:
        raise Unsupported(
            f"What stands here is no {' or '.join(wanted)} that the script made, as far as it can be told."
        )
    return found


def kind_of(found: Object) -> str:
    """Return of which kind a layer is: dense, embedding, norm, cell, or that of what wraps one."""
    made = found.made
    return made.layer if isinstance(made, Layer) else made.inside if isinstance(made, Wrap) else ""


def layer(nnx: "NNX", step: Layer) -> None:
    """Construct a layer."""
    # numbers that are drawn come from one stream, so that no two layers draw the same, unless each has a key given
    drawn = any(isinstance(one, str) for one in (step.kernel, step.recurrent, step.bias))
    rngs = expr("rngs" if drawn and nnx.way.get("layer") != "one-key" else "nnx.Rngs(0)")
    bare, cell = {"use_bias": expr("False")}, step.layer == "cell"
    bias = {"bias_init": nnx.initializer(step.bias)} if step.bias is not None else {} if cell else bare
    fills = {"to": step.as_, "inputs": step.inputs, "units": step.units, "kernel": nnx.initializer(step.kernel)}
    nnx.emit(f"$to = {MADE[step.layer]}", recurrent=nnx.initializer(step.recurrent), bias=bias, rngs=rngs, **fills)
    if cell and step.bias is None:
        nnx.idiom("`nnx.SimpleCell` has a bias always: its input layer is replaced by one without.")
        nnx.emit(f"$to.dense_i = {MADE['dense']}", bias=bare, rngs=expr("nnx.Rngs(0)"), **fills)
    if not step.trainable:
        nnx.idiom(FROZEN)


def made(nnx: "NNX", step: Layer) -> None:
    """Note that the variables of a layer are parameters, trained or not."""
    nnx.symbols.happen(step)
    for part, found in nnx.symbols.names[step.as_].parts.items():
        found.trainable, found.frozen = part in {"kernel", "recurrent", "bias"}, not step.trainable


def wrap(nnx: "NNX", step: Wrap) -> None:
    """Put a cell into an RNN, or an RNN and a copy of it into a bidirectional one."""
    kind, code = kind_of(at(nnx, step.wrap)), nnx.place(step.wrap)
    if step.inside not in WRAPS:
        raise Unsupported(
            "NNX has no wrapper for time steps: a layer works on the last axis, whatever stands before it."
        )
    wanted, reason = WRAPS[step.inside]
    if kind != wanted:
        first = "`nnx.Bidirectional` takes two `nnx.RNN`: put the cell into one first."
        raise Unsupported(first if kind == "cell" else reason)
    if step.inside == "rnn":
        nnx.emit("$to = nnx.RNN($cell)", to=step.as_, cell=code)
    else:
        nnx.idiom("`nnx.Bidirectional` is given its backward part by the user: here a clone, as Keras makes one.")
        nnx.emit("$to = nnx.Bidirectional($rnn, nnx.clone($rnn))", to=step.as_, rnn=code)


def wrapped(nnx: "NNX", step: Wrap) -> None:
    """Note where a wrapper keeps its parts."""
    nnx.symbols.happen(step)
    found = nnx.symbols.names[step.as_]
    cell = found.parts.get("cell")
    inside = {part: Slot(f"cell.{cell.slot(part).attribute}") for part in cell.parts} if cell else {}
    found.slots = inside or {part: Slot(f"{part}_rnn") for part in found.parts}


# -- calls


def call(nnx: "NNX", step: Call) -> None:
    """Call a layer, or the layers of a module in turn; with given values, on a copy that holds them."""
    owner = at(nnx, step.call)
    if not owner.only_layers():
        raise Unsupported(
            "An `nnx.Module` that holds variables of its own has no `__call__` until somebody writes one."
        )
    copied = given(nnx, step, owner) if step.given else None
    code = nnx.expression(step.on)
    for route, one in owner.layers():
        if kind_of(one) == "cell":
            raise Unsupported("A cell is called with the state before: put it into an `nnx.RNN`, which does.")
        training = {"use_running_average": expr("False")} if step.training and kind_of(one) == "norm" else {}
        called = attribute(copied, owner.spelled(route)) if copied else nnx.place(".".join((step.call, *route)))
        code = expr("$called($x, $**training)", called=called, x=code, training=training)
    nnx.bind(step.as_, code)


def given(nnx: "NNX", step: Call, owner: Object) -> ast.expr:
    """Write a module that holds other values; return it."""
    tree: dict[str, Any] = {}
    for path, value in step.given.items():
        *around, leaf = owner.spelled(path.split("."))
        inner = tree
        for part in around:
            inner = inner.setdefault(part, {})
        inner[leaf] = nnx.new_value(value)
    if nnx.way["call"] == "clone":
        nnx.idiom("The values are written into a clone, which is called in the module's place.")
    made = nnx.own("given")
    nnx.emit(GIVEN[nnx.way["call"]], to=made, owner=nnx.place(step.call), values=literal(tree))
    return name(made)


# -- modules


def module(nnx: "NNX", step: Module) -> None:
    """Make a module and set its attributes."""
    nnx.emit("$to = nnx.Module()", to=step.module)
    for member, place in step.members.items():
        nnx.emit("$to.$member = $place", to=step.module, member=member, place=nnx.place(place))


def tie(nnx: "NNX", step: Tie) -> None:
    """Set an attribute to the variable that another attribute holds."""
    stands, by = nnx.symbols.at(step.tie), nnx.symbols.at(step.to)
    put(nnx, step.tie, step.to, whole=bool((by and by.is_owner) or ("." in step.tie and stands and stands.is_owner)))


def put(nnx: "NNX", place: str, by: str, *, whole: bool) -> None:
    """Set an attribute or a name; what is `whole` is a member of a module."""
    owner, _ = nnx.symbols.above(place)
    found = nnx.symbols.at(by)
    if whole and (owner is None or not owner.is_owner):
        raise Unsupported("A Python name is no place: NNX replaces an attribute of a module.")
    if whole and owner and owner.kind != "module" and not (found and found.kind == "tensor"):
        raise Unsupported("What stands in a layer of NNX is a variable: another one is tied to its place.")
    nnx.emit("$place = $by", place=nnx.place(place), by=nnx.place(by))


def copy(nnx: "NNX", step: Copy) -> None:
    """Copy a module with all it holds, or the outermost object alone."""
    at(nnx, step.copy_)
    way = "shallow" if step.shallow else nnx.way["copy"]
    nnx.bind(step.as_, expr(COPIED[way], source=nnx.place(step.copy_)))


LACKS = (*(Lack(verb, inside_function, ONCE) for verb in ("layer", "wrap")),)
EFFECTS: Effects = {"layer": made, "wrap": wrapped}
CODE: Code = {
    "layer": layer, "wrap": wrap, "call": call, "module": module, "tie": tie, "copy": copy,
    "replace": lambda nnx, step: put(nnx, step.replace, step.by, whole=True),
}  # fmt: skip
