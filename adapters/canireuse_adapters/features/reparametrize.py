"""Reparametrizing: a place that gives a function of the variable it holds."""

import ast
from typing import TYPE_CHECKING

from pydantic import Field, model_validator

from canireuse.emit import Emitter, Lack, Slot, Tables, Unsupported, expr, name, statements
from canireuse.program import places_in
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
    expressions = ("by",)
    reparametrize: Place = Field(description="A variable of a layer or module, such as `layer.kernel`.")
    times: Number | None = Field(None, description="What is read there is the variable times this number.")
    by: str | None = Field(None, description="What is read there: an expression of `raw`, the variable, and of others.")

    @property
    def own_names(self) -> list[str]:
        """The variable, in the expression."""
        return ["raw"]

    @model_validator(mode="after")
    def check_one(self) -> "Reparametrize":
        """Refuse a function that is said twice, or not at all."""
        if (self.times is None) == (self.by is None):
            raise ValueError("a reparametrization says either `times` or `by`")
        return self

    @property
    def expression(self) -> str:
        """What is read, as an expression."""
        return self.by or f"{self.times} * raw"

    @property
    def others(self) -> list[str]:
        """The places in the expression beside the variable itself."""
        return [place for place in places_in(self.expression) if place != "raw"]


def alone(step: Reparametrize) -> None:
    """Raise Unsupported if the function is one of other variables too."""
    if step.others:
        raise Unsupported(
            "The function is given the layer's own parameters here: what else it is computed from would be a parameter of the layer."
        )


def of(emitter: Emitter, step: Reparametrize, words: dict[str, ast.expr]) -> ast.expr:
    """Return the code of the function, with what some names in it are called here."""

    class Called(ast.NodeTransformer):
        """Puts the words in the place of the names."""

        def visit_Name(self, node: ast.Name) -> ast.expr:  # what `ast` calls it
            """Return what the name is called here."""
            return words.get(node.id, node)

    made: ast.expr = Called().visit(emitter.expression(step.expression))
    return made


# -- PyTorch

INIT = """\
    def __init__(self, $*takes):
        super().__init__()
        $*held
"""


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
    if step.others and torch.transposed(step.reparametrize):
        raise Unsupported(
            "`nn.Linear` keeps its weight as [units, inputs], and what is added to it would be laid out as [inputs, units]."
        )
    if any("." in place for place in step.others):
        raise Unsupported("A parametrization is handed parameters by name, which become its own.")
    given = [name(place) for place in step.others]
    held = [line for one in step.others for line in statements("self.$one = $value", one=one, value=name(one))]
    code = of(torch, step, {"raw": expr("parameter"), **{one: expr("self.$one", one=one) for one in step.others}})
    torch.emit(
        ("class $made(nn.Module):\n" + INIT * bool(given)) + "    def forward(self, parameter):\n        return $code\n"
        "nn.utils.parametrize.register_parametrization($owner, '$name', $made($*given))",
        made=torch.own(f"Times{number}" if step.by is None else f"Function{number}"), code=code, given=given, takes=step.others, held=held,
        owner=torch.place(step.reparametrize.rpartition(".")[0]), name=owner.slot(part).attribute,
    )  # fmt: skip


def moved(torch: "Torch", step: Reparametrize) -> None:
    """Have the parameter stand elsewhere, and its value where it was."""
    owner, part = torch.symbols.above(step.reparametrize)
    if owner:
        slot = owner.slot(part)
        owner.slots[part] = slot._replace(attribute=f"parametrizations.{slot.attribute}.original", reads=slot.attribute)


# -- Flax NNX


def in_nnx(nnx: "NNX", step: Reparametrize) -> None:
    """Hang the function on the variable: it is called at each reading."""
    nnx.fill(
        "$reparametrize.set_metadata(on_get_value=lambda _, value: $code)",
        step,
        code=of(nnx, step, {"raw": expr("value")}),
    )


def hooked(nnx: "NNX", step: Reparametrize) -> None:
    """Have the place be read through a function: what stands there itself, and its gradient, is asked for otherwise."""
    owner, part = nnx.symbols.above(step.reparametrize)
    if owner:
        slot = owner.slot(part)
        owner.slots[part] = slot._replace(reads=slot.attribute)


# -- Haiku


def in_haiku(haiku: "Haiku", step: Reparametrize) -> None:
    """Have a getter around the layer's calls hand out a multiple of its parameter."""
    alone(step)
    owner, _ = haiku.symbols.above(step.reparametrize)
    known, scaled = haiku.spot(step.reparametrize), haiku.function_name("scaled")
    if owner is None or not haiku.nets[owner].make:
        raise Unsupported("A getter stands around the calls of a layer; this is a parameter by itself.")
    haiku.emit(
        "def $scaled(next_getter, value, context):\n"
        "    return next_getter($code if context.full_name == '$path' else value)",
        scaled=scaled, code=of(haiku, step, {"raw": expr("value")}), path="/".join(known.path[1:]),
    )  # fmt: skip
    net = haiku.nets[owner]
    net.around = (*net.around, expr("hk.custom_getter($scaled)", scaled=scaled))
    redo(haiku, owner)


# -- Flax Linen


def in_linen(linen: "Linen", step: Reparametrize) -> None:
    """Have a layer compute with a function of its parameter, by `nn.map_variables` around its class."""
    alone(step)
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
        "def $scaled(variables):\n    params = variables['params']\n    return {'params': {**params, '$key': $code}}",
        scaled=linen.own("scaled"), key=keys[0], code=of(linen, step, {"raw": expr("params['$key']", key=keys[0])}),
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
            code={"reparametrize": in_nnx},
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
