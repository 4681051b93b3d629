"""Reparametrizing: a place that gives a function of the variable it holds."""

from typing import TYPE_CHECKING

from pydantic import Field

from canireuse.emit import Lack, Slot, Tables, Unsupported, expr
from canireuse.spec.features import Feature
from canireuse.spec.step import VARIABLES, Number, Place, Step
from canireuse_adapters.haiku.modules import redo
from canireuse_adapters.linen.layers import inner_entry, is_layer
from canireuse_adapters.nnx.layers import PURE

if TYPE_CHECKING:
    from canireuse_adapters.haiku import Haiku
    from canireuse_adapters.linen import Linen
    from canireuse_adapters.nnx import NNX
    from canireuse_adapters.torch import Torch


class Reparametrize(Step):
    """Have a place of a layer or module give a function of the variable it holds."""

    verb = "reparametrize"
    changes = True
    probes = True
    uses = {"reparametrize": VARIABLES}
    reparametrize: Place = Field(description="A variable of a layer or module, such as `layer.kernel`.")
    times: Number = Field(description="What is read there is the variable times this number.")


# -- PyTorch


def in_torch(torch: "Torch", step: Reparametrize) -> None:
    """Register a parametrization: the parameter moves away, and its place gives what the module returns."""
    owner, part = torch.symbols.above(step.reparametrize)
    if not owner or part not in owner.parts:
        raise Unsupported("A parametrization is registered on a module, by the name that a parameter has there.")
    if owner.slot(part).reads:
        raise Unsupported("A second parametrization is applied to what the first one gives, not to the parameter.")
    all_steps = [one for one in torch.facts.steps if isinstance(one, Reparametrize)]
    number = next(number for number, one in enumerate(all_steps, 1) if one is step)
    torch.idiom("A parametrization is an `nn.Module` that the user writes.")
    torch.emit(
        "class $made(nn.Module):\n"
        "    def forward(self, parameter):\n"
        "        return $times * parameter\n"
        "nn.utils.parametrize.register_parametrization($owner, '$name', $made())",
        made=torch.own(f"Times{number}"), times=step.times, owner=torch.place(step.reparametrize.rpartition(".")[0]),
        name=owner.slot(part).attribute,
    )  # fmt: skip


def moved(torch: "Torch", step: Reparametrize) -> None:
    """Have the parameter stand elsewhere, and its value where it was."""
    owner, part = torch.symbols.above(step.reparametrize)
    if owner:
        slot = owner.slot(part)
        owner.slots[part] = slot._replace(attribute=f"parametrizations.{slot.attribute}.original", reads=slot.attribute)


# -- Flax NNX


def hooked(nnx: "NNX", step: Reparametrize) -> None:
    """Have the place be read through a function: what stands there itself, and its gradient, is asked for otherwise."""
    owner, part = nnx.symbols.above(step.reparametrize)
    if owner:
        slot = owner.slot(part)
        owner.slots[part] = slot._replace(reads=slot.attribute)


# -- Haiku


def in_haiku(haiku: "Haiku", step: Reparametrize) -> None:
    """Have a getter around the layer's calls hand out a multiple of its parameter."""
    owner, _ = haiku.symbols.above(step.reparametrize)
    known, scaled = haiku.spot(step.reparametrize), haiku.function_name("scaled")
    if owner is None or not haiku.nets[owner].make:
        raise Unsupported("A getter stands around the calls of a layer; this is a parameter by itself.")
    haiku.emit(
        "def $scaled(next_getter, value, context):\n"
        "    return next_getter($times * value if context.full_name == '$path' else value)",
        scaled=scaled, times=step.times, path="/".join(known.path[1:]),
    )  # fmt: skip
    net = haiku.nets[owner]
    net.around = (*net.around, expr("hk.custom_getter($scaled)", scaled=scaled))
    redo(haiku, owner)


# -- Flax Linen


def in_linen(linen: "Linen", step: Reparametrize) -> None:
    """Have a layer compute with a function of its parameter, by `nn.map_variables` around its class."""
    owner, part = linen.symbols.above(step.reparametrize)
    tree = linen.found(owner)
    if owner is None or tree is None or not is_layer(owner) or tree.plan.is_opened(owner):
        raise Unsupported(
            "`nn.map_variables` changes what a class of layers computes with: it is said where the layer is defined."
        )
    collection, keys = inner_entry(owner, part)
    if len(keys) > 1 or collection != "params":
        raise Unsupported("`nn.map_variables` over a part of a cell would have to be said inside the cell's class.")
    linen.idiom("`nn.map_variables` hands the layer a function of its parameters; in the tree they stay what they are.")
    linen.emit(
        "def $scaled(variables):\n    params = variables['params']\n    return {'params': {**params, '$key': $times * params['$key']}}",
        scaled=linen.own("scaled"), key=keys[0], times=step.times,
    )  # fmt: skip


def scaled_there(linen: "Linen", step: Reparametrize) -> None:
    """Have the layer be one that computes with the function of its parameter."""
    owner, part = linen.symbols.above(step.reparametrize)
    assert owner is not None
    owner.slots[part] = Slot(part, reads=linen.own("scaled"))


FEATURE = Feature(
    verbs=(Reparametrize,),
    tables={
        "reference": Tables(
            missing={
                "reparametrize": "The contract does not cover places that give a function of the variable they hold.",
            },
        ),
        "torch": Tables(code={"reparametrize": in_torch}, effects={"reparametrize": moved}),
        "nnx": Tables(
            code={"reparametrize": "$reparametrize.set_metadata(on_get_value=lambda _, value: $times * value)"},
            effects={"reparametrize": hooked},
            lacks=(
                Lack("reparametrize", lambda nnx, _: nnx.inside("loss", "tensor"), PURE.format("change how a variable is read")),
            ),
        ),
        "haiku": Tables(code={"reparametrize": in_haiku}),
        "linen": Tables(code={"reparametrize": in_linen}, effects={"reparametrize": scaled_there}),
        "equinox": Tables(
            missing={
                "reparametrize": "What is read in a field is what the field holds: to compute it from something else is code of the layer, as in `eqx.nn.WeightNorm`.",
            },
        ),
        "tensorflow1": Tables(
            missing={
                "reparametrize": "TF1 has no word that changes how a variable is read once a layer has it; a custom getter does so when it is got (`intercept`).",
            },
        ),
        "tf2": Tables(missing={"reparametrize": "A place of a Keras layer or of a `tf.Module` holds a variable or a property, and TensorFlow 2 has no call that puts a function of the variable there."}),
        "keras": Tables(missing={"reparametrize": "Keras has no reparametrization of a layer that is there: a subclass computes with a function of its kernel, or a `kernel_constraint` rewrites it after each step."}),
    },
)  # fmt: skip
