"""Ensembles: models of one structure called as one, by batching over their parameters."""

import ast
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from canireuse.emit import Emitter, Tables, Unsupported, expr
from canireuse.spec.features import Feature
from canireuse.spec.step import OWNERS, Name, Step, Value

if TYPE_CHECKING:
    from canireuse_adapters.equinox import Equinox
    from canireuse_adapters.linen import Linen


class Ensemble(Step):
    """Call models of one structure as one, batched over their parameters, and bind whether each gives its own output.

    What comes out where a parameter was lost is what stood in memory, so what is bound is 0 or 1.
    """

    verb = "ensemble"
    binds = "tensor"
    uses = {"ensemble": OWNERS}
    expressions = ("on",)
    ensemble: Annotated[list[Name], Field(min_length=2, max_length=20)]
    on: Value = Field(description="The input that each of them is given: an expression, or its values.")
    as_: Name = Field(
        alias="as", description="Bind 0 where each output is that of the model by itself, and 1 where one is not."
    )


IN_TORCH = """\
params, buffers = torch.func.stack_module_state([$*models])
base = deepcopy($first).to('meta')
def call_one(params, buffers, inputs):
    return torch.func.functional_call(base, (params, buffers), (inputs,))
together = torch.vmap(call_one, in_dims=(0, 0, None))(params, buffers, $on)
apart = torch.stack([model($on) for model in [$*models]])
$as = torch.tensor(float(not torch.allclose(together, apart)))
"""
IN_NNX = """\
def $one(model, inputs):
    return $outputs
states = [nnx.state(model) for model in [$*models]]
stacked = nnx.merge(nnx.graphdef($first), jax.tree.map(lambda *leaves: jnp.stack(leaves), *states))
together = nnx.vmap($one, in_axes=(0, None))(stacked, $on)
apart = jnp.stack([$one(model, $on) for model in [$*models]])
$as = jnp.array(float(not jnp.allclose(together, apart)))
"""
IN_EQUINOX = """\
def $one(model, inputs):
    return jax.vmap(lambda inputs: $outputs)(inputs)
stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), $*models)
together = eqx.filter_vmap($one, in_axes=(eqx.if_array(0), None))(stacked, $on)
apart = jnp.stack([$one(model, $on) for model in [$*models]])
$as = jnp.array(float(not jnp.allclose(together, apart)))
"""
IN_LINEN = """\
stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), $*trees)
together = jax.vmap($first.apply, in_axes=(0, None))(stacked, $on)
apart = jnp.stack([$*apart])
$as = jnp.array(float(not jnp.allclose(together, apart)))
"""


def said(emitter: Emitter, step: Ensemble, code: str) -> None:
    """Write the code of a library in which models are objects."""
    emitter.emit(
        code, models=[emitter.place(one) for one in step.ensemble], first=emitter.place(step.ensemble[0]),
        one=emitter.own("call_one"), outputs=outputs(emitter, step), on=emitter.expression(step.on), **{"as": step.as_},
    )  # fmt: skip


def outputs(emitter: Emitter, step: Ensemble) -> ast.expr:
    """Return the code that calls a model: a module of libraries that give it no call of its own is called member by member."""
    found, code = emitter.symbols.at(step.ensemble[0]), expr("inputs")
    if found is None or found.kind != "module":
        return expr("model(inputs)")
    for part in found.parts:
        code = expr("model.$part($code)", part=part, code=code)
    return code


def in_equinox(eqx: "Equinox", step: Ensemble) -> None:
    """Map over the trees of all."""
    if any((found := eqx.symbols.at(one)) and found.kind == "module" for one in step.ensemble):
        raise Unsupported("Trees stack that are of one class, and each module of a script is of a class of its own.")
    said(eqx, step, IN_EQUINOX)


def in_linen(linen: "Linen", step: Ensemble) -> None:
    """Map the `apply` of the first definition over the trees of all."""
    trees = [linen.tree_at(one) for one in step.ensemble]
    if any(linen.route(tree, one) for tree, one in zip(trees, step.ensemble, strict=True)):
        raise Unsupported("Trees are stacked here of models that have one of their own each.")
    on = linen.expression(step.on)
    apart = [expr("$module.apply($all, $on)", module=one.module, all=one.all(), on=on) for one in trees]
    linen.emit(
        IN_LINEN, trees=[one.all() for one in trees], first=trees[0].module, apart=apart, on=on, **{"as": step.as_},
    )  # fmt: skip


NO_BATCH = "{} has no call that stacks the parameters of several models and calls them as one."
FEATURE = Feature(
    verbs=(Ensemble,),
    tables={
        "reference": Tables(missing={"ensemble": "The contract does not cover several models that are called as one."}),
        "torch": Tables(code={"ensemble": lambda torch, step: said(torch, step, IN_TORCH)}),
        "nnx": Tables(code={"ensemble": lambda nnx, step: said(nnx, step, IN_NNX)}),
        "equinox": Tables(code={"ensemble": in_equinox}),
        "linen": Tables(code={"ensemble": in_linen}),
        "haiku": Tables(
            missing={"ensemble": "An ensemble in Haiku is several trees of one transformed function: two models of a script have modules of two names, and trees that do not stack."}
        ),
        "keras": Tables(missing={"ensemble": NO_BATCH.format("Keras")}),
        "tf2": Tables(missing={"ensemble": NO_BATCH.format("TensorFlow 2")}),
        "tensorflow1": Tables(missing={"ensemble": NO_BATCH.format("TensorFlow 1")}),
    },
)  # fmt: skip
