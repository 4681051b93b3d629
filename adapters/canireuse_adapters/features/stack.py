"""Stacking: one layer called again and again in a loop over layers of the framework's own."""

import ast
from typing import TYPE_CHECKING

from pydantic import Field

from canireuse.emit import Emitter, Fill, Tables, Unsupported, expr, name, statements
from canireuse.spec.bounds import MOST_TURNS
from canireuse.spec.features import Feature
from canireuse.spec.step import OWNERS, Name, Place, Step, Value
from canireuse.spec.vocabulary import Call, Compute, Scan
from canireuse_adapters.haiku.layers import constructor, layers_of, plainly
from canireuse_adapters.linen.layers import is_layer
from canireuse_adapters.nnx.layers import at

if TYPE_CHECKING:
    from canireuse_adapters.haiku import Haiku
    from canireuse_adapters.linen import Linen
    from canireuse_adapters.nnx import NNX


class Stack(Step):
    """Call a layer again and again, each time on what it returned, in the framework's own loop over layers."""

    verb = "stack"
    binds = "tensor"
    uses = {"stack": OWNERS}
    expressions = ("on",)
    stack: Place
    on: Value = Field(description="The input of the first call: an expression, or its values.")
    times: int = Field(ge=1, le=MOST_TURNS)
    as_: Name = Field(alias="as")


def in_a_loop(adapter: Emitter, step: Stack) -> None:
    """Loop over calls of the layer, where there is no loop over layers."""
    given = step.on if isinstance(step.on, str) else str(step.on)
    adapter.steps([Compute(compute=f"{step.as_} = {given}")])
    output = adapter.own("output")
    called = Call(call=step.stack, on=step.as_, as_=output)
    adapter.steps([Scan(scan=step.as_, to=output, times=step.times, steps=[called])])


IN_LINEN = """\
class $word(nn.Module):
    block: nn.Module
    @nn.compact
    def __call__(self, inputs):
        again = nn.scan(lambda block, carried, _: (block(carried), None), length=$times, $**variables)
        outputs, _ = again(self.block, inputs, None)
        return outputs
"""
IN_A_WHILE = """\
class $word(nn.Module):
    block: nn.Module
    @nn.compact
    def __call__(self, inputs):
        body = lambda block, carried: (block(carried[0]), carried[1] + 1)
        outputs, _ = nn.while_loop(lambda _, carried: carried[1] < $times, body, self.block, (inputs, 0))
        return outputs
"""
VARIABLES: dict[str, dict[str, object]] = {
    "broadcast": {"variable_broadcast": "params", "split_rngs": {"params": False}},
    "axes": {"variable_axes": {"params": 0}, "split_rngs": {"params": True}},
}


def in_linen(linen: "Linen", step: Stack) -> None:
    """Write a module that scans over the layer, with one set of parameters or with one for each turn."""
    owner, tree = linen.symbols.at(step.stack), linen.tree_at(step.stack)
    if owner is None or linen.route(tree, step.stack) or not is_layer(owner) or tree.is_whole:
        raise Unsupported(
            "`nn.scan` over layers is said here of one layer without statistics, which a module is handed."
        )
    word = linen.fresh("Stacked")
    way = linen.way["stack"]
    variables = {key: expr(repr(one)) for key, one in VARIABLES.get(way, {}).items()}
    linen.outermost += statements(
        IN_A_WHILE if way == "while" else IN_LINEN, word=word, times=step.times, variables=variables
    )
    linen.bind(
        step.as_,
        expr("$word($block).apply({'params': {'block': $params}}, $on)", word=word, block=tree.module, params=tree.name, on=linen.expression(step.on)),
    )  # fmt: skip


def in_nnx(nnx: "NNX", step: Stack) -> None:
    """Write a function that is given the layer as it is, or cut along an axis, and what is carried."""
    at(nnx, step.stack, "layer")
    nnx.emit(
        "@nnx.scan(in_axes=($axis, nnx.Carry), out_axes=nnx.Carry, length=$times)\n"
        "def $again(block, carried):\n    return block(carried)\n$to = $again($block, $on)",
        axis=0 if nnx.way["stack"] == "axes" else None, times=step.times, again=nnx.own("again"), to=step.as_, block=nnx.place(step.stack), on=nnx.expression(step.on),
    )  # fmt: skip


def in_haiku(haiku: "Haiku", step: Stack) -> None:
    """Write a transformed function that makes the layer and stacks it, by `layer_stack` or by `hk.scan`."""
    code = {
        "layer_stack": "return hk.experimental.layer_stack($times)($layer)(inputs)",
        "scan": "outputs, _ = hk.scan(lambda carried, _: ($layer(carried), None), inputs, None, length=$times)\nreturn outputs",
    }[haiku.way["stack"]]
    result = transformed(
        haiku, step.stack, step.on, "stacked", code, "`layer_stack` and `hk.scan` are", times=step.times
    )
    haiku.bind_here(step.as_, result)


def transformed(haiku: "Haiku", place: Place, on: Value, word: str, code: str, calls: str, **fills: Fill) -> ast.expr:
    """Write a transformed function that makes a layer without state and calls what is made of it; return its call on an input."""
    owner = haiku.symbols.at(place)
    if owner is None or owner not in haiku.nets or not plainly(haiku, owner):
        raise Unsupported(f"{calls} said here of one layer without state.")
    (layer,) = layers_of(haiku, owner)
    net = haiku.nets[layer]
    body = statements("$layer = $made", layer=net.word, made=constructor(haiku, layer, ()))
    body += statements(code, layer=net.word, **fills)
    word = haiku.function_name(word)
    haiku.body += haiku.transformed(word, body, own="inputs", stateful=False)
    return expr("$word.apply($params, None, $on)", word=word, params=name(net.trees[0]), on=haiku.expression(on))


FEATURE = Feature(
    verbs=(Stack,),
    tables={
        "python": Tables(code={"stack": in_a_loop}),
        "linen": Tables(code={"stack": in_linen}, ways={"stack": ("broadcast", "axes", "while")}),
        "nnx": Tables(code={"stack": in_nnx}, ways={"stack": ("broadcast", "axes")}),
        "haiku": Tables(code={"stack": in_haiku}, ways={"stack": ("layer_stack", "scan")}),
    },
)  # fmt: skip
