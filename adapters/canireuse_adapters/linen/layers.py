"""The layers of Flax Linen: how each is made, where its variables stand in the tree, and what it is called with."""

import ast
import itertools
from collections.abc import Callable, Sequence
from typing import NamedTuple

from canireuse.emit import Body, Fill, Unsupported, expr, name, node, statements
from canireuse.program import Object
from canireuse.spec.step import Drawn
from canireuse.spec.vocabulary import Layer, Wrap

#: the collection of a variable, and the keys that lead to it
Entry = tuple[str, tuple[str, ...]]
#: kind of layer -> part -> where Linen keeps it inside the layer
KEPT: dict[str, dict[str, Entry]] = {
    "dense": {"kernel": ("params", ("kernel",)), "bias": ("params", ("bias",))},
    "embedding": {"kernel": ("params", ("embedding",))},
    "norm": {
        "kernel": ("params", ("scale",)), "bias": ("params", ("bias",)), "mean": ("batch_stats", ("mean",)),
        "var": ("batch_stats", ("var",)),
    },
    "cell": {"kernel": ("params", ("i", "kernel")), "recurrent": ("params", ("h", "kernel")), "bias": ("params", ("i", "bias"))},
}  # fmt: skip
#: the parts of a wrapper that are layers; what else may be named in it is inside of them
WRAPPED = {"cell": "cell", "layer": "layer", "forward": "forward_rnn", "backward": "backward_rnn"}
#: kind of layer -> what its argument is called, and a value of the right shape, where that is no batch of inputs
SAMPLES = {"embedding": ("ids", "jnp.array([0])"), "wrapper": ("series", "jnp.ones([1, 1, $inputs])")}
ALWAYS_A_BIAS = "`nn.SimpleCell` always has a bias; it takes an initializer for it, and no flag to leave it out."


class Input(NamedTuple):
    """An argument of a call, and a value of the right shape for `init`."""

    argument: str
    sample: ast.expr


def together(parts: Sequence[str | ast.expr]) -> ast.expr | None:
    """Return one expression as it is, several as a tuple; None for none."""
    nodes = [node(one) for one in parts]
    return ast.Tuple(nodes, ast.Load()) if len(nodes) > 1 else nodes[0] if nodes else None


def parts_of(owner: Object) -> dict[str, Object]:
    """Return the parts of an owner, those of a wrapper without what is named through it."""
    if isinstance(owner.made, Wrap):
        return {part: inner for part, inner in owner.parts.items() if part in WRAPPED}
    return owner.parts


def is_layer(owner: Object) -> bool:
    """Return whether it is one layer of the library, not a wrapper or a module."""
    return isinstance(owner.made, Layer) and owner.kind == "layer"


def inner_entry(layer: Object, part: str) -> Entry:
    """Return where a part of a layer stands inside of it."""
    assert isinstance(layer.made, Layer)
    return KEPT[layer.made.layer][part]


def trains(owner: Object) -> bool:
    """Return whether it acts otherwise in training: it is or holds a normalization."""
    return any(isinstance(one.made, Layer) and one.made.layer == "norm" and one.kind == "layer" for one in owner.walk())


def made(step: Layer, initializer: Callable[[Drawn], ast.expr]) -> ast.Call:
    """Return the code that makes a layer: its class with its arguments."""
    given: dict[str, Fill] = {"use_bias": False} if step.bias is None else {"bias_init": initializer(step.bias)}
    fills: dict[str, Fill] = {"units": step.units, "kernel": initializer(step.kernel), "given": given}
    match step.layer:
        case "embedding":
            code = expr("nn.Embed($rows, $units, embedding_init=$kernel)", rows=step.inputs, **fills)
        case "norm":
            code = expr("nn.BatchNorm(momentum=0.9, epsilon=0.001, scale_init=$kernel, $**given)", **fills)
        case "cell":
            cell = "nn.SimpleCell($units, kernel_init=$kernel, recurrent_kernel_init=$recurrent, $**given)"
            code = expr(cell, recurrent=initializer(step.recurrent), **fills)
        case _:
            code = expr("nn.Dense($units, kernel_init=$kernel, $**given)", **fills)
    assert isinstance(code, ast.Call)
    return code


def shape_of(variable: Object) -> list[int]:
    """Return the shape of a variable of a layer."""
    step = variable.made
    assert isinstance(step, Layer)
    return [step.units] if variable.part == "bias" else [step.inputs, step.units]


def size(owner: Object) -> tuple[int, int]:
    """Return what a layer or module takes, and what it returns."""
    if is_layer(owner):
        assert isinstance(owner.made, Layer)
        return owner.made.inputs, owner.made.inputs if owner.made.layer == "norm" else owner.made.units
    inside = [one for one in parts_of(owner).values() if one.is_owner]
    return (size(inside[0])[0], size(inside[-1])[1]) if inside else (0, 0)


def kind_of(owner: Object) -> str:
    """Return the kind of a layer, or `wrapper`, or `module`."""
    if isinstance(owner.made, Wrap):
        return "wrapper"
    return owner.made.layer if is_layer(owner) and isinstance(owner.made, Layer) else "module"


def follows(owner: Object) -> bool:
    """Return whether the members of a module can be called one after the other."""
    members = list(owner.parts.values())
    return (
        owner.only_layers()
        and all(kind_of(one) != "module" or follows(one) for one in members)
        and not (
            any(
                size(one)[1] != size(other)[0] or kind_of(first_layer(other)) in {"embedding", "cell"}
                for one, other in itertools.pairwise(members)
            )
            or any(kind_of(one) == "cell" for one in members)
            or len({kind_of(first_layer(one)) == "wrapper" for one in members}) > 1
        )
    )


def first_layer(owner: Object) -> Object:
    """Return the layer that is called first."""
    return first_layer(next(iter(owner.parts.values()))) if kind_of(owner) == "module" else owner


def inputs_of(owner: Object) -> list[Input]:
    """Return what a layer or module is called with."""
    kind, (taken, given) = kind_of(owner), size(owner) if owner.is_owner else (0, 0)
    if kind == "module":
        members = list(owner.parts.values())
        return distinct([one for member in members[: 1 if follows(owner) else None] for one in inputs_of(member)])
    if kind == "cell":
        found = [Input("carry", expr("jnp.zeros([1, $units])", units=given))]
        return [*found, Input("inputs", expr("jnp.ones([1, $inputs])", inputs=taken))]
    word, sample = SAMPLES.get(kind, ("inputs", "jnp.ones([1, $inputs])"))
    return [Input(word, expr(sample, inputs=taken))]


def distinct(inputs: list[Input]) -> list[Input]:
    """Return inputs that are the same once; other ones of the same name get a number."""
    found: dict[str, Input] = {}
    used: dict[str, int] = {}
    for one in inputs:
        key = ast.dump(one.sample)
        if key not in found:
            used[one.argument] = number = used.get(one.argument, 0) + 1
            found[key] = Input(one.argument if number == 1 else f"{one.argument}_{number}", one.sample)
    return list(found.values())


def arguments(owner: Object, around: list[Input]) -> list[ast.expr]:
    """Return the code with which an owner is called, where the inputs around it have names."""
    named = {ast.dump(one.sample): one.argument for one in around}
    return [name(named[ast.dump(one.sample)]) for one in inputs_of(owner)]


def mode_code(owner: Object, *, training: Fill) -> dict[str, Fill]:
    """Return the argument that says whether it is called as in training; `training` is a name or a boolean."""
    if not trains(owner):
        return {}
    if kind_of(owner) == "norm":
        average = expr("not $training", training=training) if isinstance(training, str) else not training
        return {"use_running_average": average}
    return {"training": training}


def opened_call(layer: Object) -> Body:
    """Return the call of a layer that is written out, since a part of it comes from outside."""
    match kind_of(layer):
        case "embedding":
            return statements("def __call__(self, ids):\n    return self.kernel[ids]")
        case "dense":
            code = "inputs @ self.kernel + self.bias" if "bias" in layer.parts else "inputs @ self.kernel"
            return statements(f"def __call__(self, inputs):\n    return {code}")
    raise Unsupported(
        "A part of `nn.BatchNorm` or of a cell cannot be handed to it: its class would have to be written out by the user."
    )
