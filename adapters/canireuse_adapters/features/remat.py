"""Recomputing: a call whose inner values are computed again in the backward pass, to save memory."""

import ast
from typing import TYPE_CHECKING

from pydantic import Field

from canireuse.emit import Body, Emitter, Fill, Tables, Unsupported, expr, name, statements
from canireuse.spec.features import Feature
from canireuse.spec.step import OWNERS, Name, Place, Step, Value
from canireuse.spec.vocabulary import Call
from canireuse_adapters.haiku.layers import calls, constructor, layers_of, stateful
from canireuse_adapters.linen.layers import trains
from canireuse_adapters.linen.modules import Writer, numbered

if TYPE_CHECKING:
    from canireuse_adapters.haiku import Haiku
    from canireuse_adapters.linen import Linen
    from canireuse_adapters.nnx import NNX
    from canireuse_adapters.tf1 import TF1


class Remat(Step):
    """Call a layer or module with the framework's own recomputation: inner values are computed again in the backward pass."""

    verb = "remat"
    binds = "tensor"
    uses = {"remat": OWNERS}
    expressions = ("on",)
    remat: Place
    on: Value = Field(description="The input: an expression, or its values.")
    as_: Name = Field(alias="as")


#: a lifted function, which is given the part that it calls
LIFTED = "{}.remat(lambda layer, inputs: layer(inputs))($function, $*given)"


def called(adapter: Emitter, step: Remat, template: str, **fill: Fill) -> None:
    """Write the call as ever, with the function that is called, `$function`, put into what recomputes."""
    with adapter.apart() as body:
        adapter.emit_verb(Call(call=step.remat, on=step.on, as_=step.as_))
    *before, last = body
    assert isinstance(last, ast.Assign)
    assert isinstance(last.value, ast.Call)
    adapter.body += before
    code = expr(template, function=last.value.func, given=last.value.args, **fill)
    adapter.emit("$to = $code", to=step.as_, code=code)


def in_function(adapter: "NNX | TF1", step: Remat, decorator: str, takes: list[str]) -> None:
    """Write a function of the calls, since the members of a module are called in turn."""
    function, inputs = adapter.own("forward"), adapter.own("inputs")
    with adapter.apart() as body:
        adapter.emit_verb(Call(call=step.remat, on=inputs, as_=step.as_))
        adapter.emit("return $to", to=step.as_)
    adapter.emit(
        f"@{decorator}\ndef $function($*takes):\n    $*body\n$to = $function($*given)",
        function=function, takes=[*takes, inputs], body=body, to=step.as_, given=[*map(name, takes), adapter.expression(step.on)],
    )  # fmt: skip


def in_nnx(nnx: "NNX", step: Remat) -> None:
    """Write a function that is given the module."""
    top = step.remat.partition(".")[0]
    if nnx.frames:
        called(nnx, step, LIFTED.format("nnx"))
        return
    in_function(nnx, step, "nnx.remat", [top])


def in_haiku(haiku: "Haiku", step: Remat) -> None:
    """Write a transformed function that makes the layers and calls them under `hk.remat`."""
    if haiku.in_function:
        called(haiku, step, "jax.checkpoint($function)($*given)")
        return
    owner = haiku.symbols.at(step.remat)
    if owner is None or owner not in haiku.nets or not owner.only_layers() or stateful(owner):
        raise Unsupported(
            "`hk.remat` is put around the calls of layers without state, in the function that makes them."
        )
    body: Body = []
    made: dict[str, str] = {}
    for net, layer in ((haiku.nets[one], one) for one in layers_of(haiku, owner)):  # two of one name are one object
        body += statements("$word = $made", word=net.word, made=made.get(net.path) or constructor(haiku, layer, ()))
        made.setdefault(net.path, net.word)
    body += statements(
        "def forward(inputs):\n    $*calls\n    return inputs\nreturn hk.remat(forward)(inputs)",
        calls=calls(haiku, owner),
    )
    word = haiku.function_name("recomputed")
    haiku.body += haiku.transformed(word, body, own="inputs", stateful=False)
    params = name(haiku.nets[owner].trees[0])
    haiku.bind_here(
        step.as_, expr("$word.apply($params, None, $on)", word=word, params=params, on=haiku.expression(step.on))
    )


def in_linen(linen: "Linen", step: Remat) -> None:
    """Apply a module whose layers are of recomputing classes, or that is of one itself, to the tree that is there."""
    owner, tree = linen.symbols.at(step.remat), linen.tree_at(step.remat)
    if linen.route(tree, step.remat):
        called(linen, step, LIFTED.format("nn"))
        return
    if owner is None or tree.made is None or trains(owner):
        raise Unsupported(
            "`nn.remat` makes another class of one: it is said where a module without statistics is defined."
        )
    made: ast.expr
    if numbered(owner):
        word = linen.fresh(f"Recomputing{ast.unparse(tree.made.func)}")
        linen.outermost += statements(
            "class $word(nn.Module):\n    $*body",
            word=word,
            body=Writer(linen, tree.plan).in_one_pass(owner, "nn.remat($kind)"),
        )
        made = expr("$word()", word=word)
    else:
        made = expr("nn.remat($kind)($*given)", kind=tree.made.func, given=tree.made.args)
        assert isinstance(made, ast.Call)
        made.keywords = tree.made.keywords
    linen.bind(step.as_, expr("$made.apply($all, $on)", made=made, all=tree.all(), on=linen.expression(step.on)))


IN_TORCH = "torch.utils.checkpoint.checkpoint($function, $*given, use_reentrant=$reentrant)"


def in_tf1(tf1: "TF1", step: Remat) -> None:
    """Write a function of the calls; what a run computes again while it writes the variables is not the same from run to run."""
    if not tf1.eager and any(one.verb == "parallel" for one in tf1.around):
        raise Unsupported(
            "What is computed again reads variables that the same run updates, in an order that nothing fixes: the step is another from run to run. Fetch the gradients first, and apply them in a second run."
        )
    in_function(tf1, step, "tf.recompute_grad", [])


IN_TENSORFLOW = "tf.recompute_grad($function)($*given)"
FEATURE = Feature(
    verbs=(Remat,),
    tables={
        "reference": Tables(code={"remat": lambda model, step: called(model, step, "$function($*given)")}),
        "torch": Tables(
            code={
                "remat": lambda torch, step: called(torch, step, IN_TORCH, reentrant="True"),
                "remat/not-reentrant": lambda torch, step: called(torch, step, IN_TORCH, reentrant="False"),
            },
            ways={"remat": ("reentrant", "not-reentrant")},
        ),
        "keras": Tables(code={"remat": lambda keras, step: called(keras, step, "keras.remat($function)($*given)")}),
        "tf2": Tables(code={"remat": lambda tf, step: called(tf, step, IN_TENSORFLOW)}),
        "tensorflow1": Tables(code={"remat": in_tf1}),
        "linen": Tables(code={"remat": in_linen}),
        "nnx": Tables(code={"remat": in_nnx}),
        "haiku": Tables(code={"remat": in_haiku}),
        "equinox": Tables(code={"remat": lambda eqx, step: called(eqx, step, "eqx.filter_checkpoint($function)($*given)")}),
    },
)  # fmt: skip
