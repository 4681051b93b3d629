"""Materializing: memory for a module that was made without any."""

from typing import TYPE_CHECKING

from pydantic import Field

from canireuse.emit import Fate, Lack, Tables, Unsupported, expr, name, text
from canireuse.program import Object, Symbols
from canireuse.spec.features import Feature
from canireuse.spec.step import OWNERS, Name, Step
from canireuse_adapters.equinox import checkpoints as equinox_checkpoints
from canireuse_adapters.haiku import checkpoints as haiku_checkpoints
from canireuse_adapters.linen import structure
from canireuse_adapters.nnx.checkpoints import WAYS, recast
from canireuse_adapters.nnx.layers import ONCE, at, inside_function
from canireuse_adapters.tf1 import NO_ABSTRACT

if TYPE_CHECKING:
    from canireuse_adapters.equinox import Equinox
    from canireuse_adapters.haiku import Haiku
    from canireuse_adapters.linen import Linen
    from canireuse_adapters.nnx import NNX
    from canireuse_adapters.tf1 import TF1
    from canireuse_adapters.torch import Torch


class Materialize(Step):
    """Give a module that was made without memory its memory; what the values are then is not said."""

    verb = "materialize"
    changes = True
    renames = "materialize"
    binds = "copy"
    uses = {"materialize": OWNERS}
    materialize: Name
    as_: Name = Field(
        alias="as", description="Bind what has memory; where the framework works in place, the same object."
    )

    @property
    def named(self) -> str:
        """The statement that binds the name, where the framework works in place and it is another."""
        return "\n$as = $materialize" if self.as_ != self.materialize else ""


class Dematerialize(Step):
    """Take the memory of a module away, and keep its shapes and dtypes."""

    verb = "dematerialize"
    changes = True
    renames = "dematerialize"
    binds = "copy"
    uses = {"dematerialize": OWNERS}
    dematerialize: Name
    as_: Name = Field(
        alias="as", description="Bind what has no memory; where the framework works in place, the same object."
    )


def made(symbols: Symbols, step: Materialize) -> Object:
    """Return what has memory, where there were shapes and dtypes alone."""
    found = symbols.copied(step)
    for one in found.walk():
        one.abstract = False
    return found


def in_torch(torch: "Torch", step: Materialize) -> None:
    """Give a module on the meta device memory, or load a state or a file that has some in place of its parameters."""
    way, where = torch.way.get("materialize"), text("cuda" if torch.device == "gpu" else "cpu")
    state = "{key: torch.empty_like(tensor, device='$where') for key, tensor in $materialize.state_dict().items()}"
    if way == "load-assign":
        torch.idiom(
            "A state dict of the module's own keys stands for a checkpoint, which is loaded with `assign=True`."
        )
        code = f"$materialize.load_state_dict({state}, assign=True){step.named}"
    elif way == "load_checkpoint_and_dispatch":
        torch.idiom("A file of the module's own keys stands for a checkpoint.")
        code = (
            f"$path = f'{{tempfile.mkdtemp()}}/pytorch_model.bin'\ntorch.save({state}, $path)\n"
            "$as = load_checkpoint_and_dispatch($materialize, $path, device_map={'': '$where'})"
        )
    else:
        swap = "torch.__future__.set_swap_module_params_on_conversion(True)\n" if way == "to_empty-swap" else ""
        code = f"{swap}$as = $materialize.to_empty(device='$where')"
    torch.fill(code, step, where=where, path=torch.fresh("path"))


def in_graph(tf1: "TF1", step: Materialize) -> None:
    """Run the initializers."""
    tf1.fill(f"session.run(tf1.variables_initializer($held)){step.named}", step)


# -- JAX


def in_nnx(nnx: "NNX", step: Materialize) -> None:
    """Make zeros in place of shapes."""
    recast(nnx, step, "jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), $x)")


def in_linen(linen: "Linen", step: Materialize) -> None:
    """Give every leaf its memory."""
    structure.copied(linen, step, "jax.tree.map(lambda leaf: jnp.empty(leaf.shape, leaf.dtype), $tree)")


def in_haiku(haiku: "Haiku", step: Materialize) -> None:
    """Give shapes their memory: by `init`, or by arrays of zeros."""
    known = haiku.nets[haiku.owner(step.materialize)].builder
    if known is None:
        raise Unsupported("Only what `jax.eval_shape` gave is without memory in JAX; these parameters have theirs.")
    code = known.init
    if haiku.way.get("materialize") == "zeros":
        trees = haiku_checkpoints.trees_for(haiku, step.materialize, stateful=known.stateful)[: 1 + known.stateful]
        like = "jax.tree.map(lambda like: jnp.zeros(like.shape, like.dtype), $trees)"
        code = expr(like, trees=haiku_checkpoints.tupled([name(one) for one in trees]))
    haiku_checkpoints.made(haiku, step.as_, known, code)


def in_equinox(eqx: "Equinox", step: Materialize) -> None:
    """Make zeros in place of shapes."""
    zeros = "jnp.zeros(leaf.shape, leaf.dtype) if isinstance(leaf, jax.ShapeDtypeStruct) else leaf"
    equinox_checkpoints.derive(eqx, step, f"jax.tree.map(lambda leaf: {zeros}, $tree)")


NO_META = "A variable that was made has its memory as long as it is there: there is no device without any that it could be moved to."
FEATURE = Feature(
    verbs=(Materialize, Dematerialize),
    makes={"materialize": made},
    tables={
        "reference": Tables(code={"materialize": "$as = $materialize", "dematerialize": "$as = $dematerialize"}),
        "torch": Tables(
            code={"materialize": in_torch, "dematerialize": "$as = $dematerialize.to('meta')"},
            ways={"materialize": ("to_empty", "to_empty-swap", "load-assign", "load_checkpoint_and_dispatch")},
            fates={"materialize": Fate.SAME, "dematerialize": Fate.SAME},
        ),
        "jax": Tables(missing={"dematerialize": "`jax.eval_shape` gives the shapes of a tree as another tree: nothing is moved, and what has memory keeps it."}),
        "tensorflow1": Tables(missing={"dematerialize": NO_META}),
        "tf1": Tables(code={"materialize": in_graph}, fates={"materialize": Fate.SAME}),
        "tf1-eager": Tables(missing={"materialize": NO_ABSTRACT}),
        "tf2": Tables(missing=dict.fromkeys(("materialize", "dematerialize"), NO_META)),
        "keras": Tables(
            code={"materialize": "$as = $materialize.to_empty(device='cpu')"},
            fates={"materialize": Fate.SAME},
            lacks=(
                Lack(
                    "materialize", lambda keras, _: keras.engine != "torch",
                    "Keras has a device without memory on PyTorch alone: what has variables elsewhere has their memory too.",
                ),
            ),
            missing={"dematerialize": "Keras moves no variable that was made; on PyTorch `Module.to('meta')` moves the parameters, and the variables of Keras keep what they have."},
        ),
        "nnx": Tables(
            code={"materialize": in_nnx},
            ways={"materialize": WAYS},
            fates={"materialize/update": Fate.SAME, "materialize/module": Fate.UNTIED},
            lacks=(
                Lack("materialize", inside_function, ONCE),
                Lack(
                    "materialize", lambda nnx, step: not at(nnx, step.materialize).abstract,
                    "This module has its memory already: `nnx.eval_shape` makes one that has none.",
                ),
            ),
        ),
        "linen": Tables(
            code={"materialize": in_linen},
            notes={
                "materialize": "What has shapes alone gets memory by mapping over the tree; `init` would make all values.",
            },
        ),
        "haiku": Tables(code={"materialize": in_haiku}, ways={"materialize": ("init", "zeros")}),
        "equinox": Tables(code={"materialize": in_equinox}),
    },
)  # fmt: skip
