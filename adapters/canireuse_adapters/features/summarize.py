"""Summaries: the table of a model that users print, and the total of parameters below it."""

from typing import TYPE_CHECKING

from pydantic import Field

from canireuse.emit import Emitter, Lack, Tables, Unsupported, expr
from canireuse.spec.features import Feature
from canireuse.spec.step import OWNERS, Name, Step, Value

if TYPE_CHECKING:
    from canireuse_adapters.keras import Keras
    from canireuse_adapters.linen import Linen
    from canireuse_adapters.nnx import NNX
    from canireuse_adapters.tf2 import TF2
    from canireuse_adapters.torch import Torch


class Summarize(Step):
    """Print the table of a layer or module, and bind the total of parameters that it ends in."""

    verb = "summarize"
    calls = "summarize"
    binds = "tensor"
    uses = {"summarize": OWNERS}
    expressions = ("on",)
    summarize: Name
    on: Value = Field(description="An input: the table is of a call with it, where it is of one.")
    as_: Name = Field(alias="as", description="Bind how many parameters there are, by the table.")


PRINTED = "with contextlib.redirect_stdout(StringIO()) as $table:\n    "
#: a number as tables have it, between words of the table
TOTAL = "float(re.search('$words: ([0-9,]+)', $table)[1].replace(',', ''))"


def total(emitter: Emitter, step: Summarize, words: str, table: str) -> None:
    """Bind the number that stands in a table behind some words."""
    emitter.bind(step.as_, emitter.array(expr(TOTAL.replace("$words", words), table=expr(table))))


def printed(emitter: Emitter, step: Summarize, code: str) -> None:
    """Have a table printed, and read the total in it."""
    table = emitter.fresh("table")
    emitter.fill(PRINTED + code, step, table=table)
    total(emitter, step, "Total params", f"{table}.getvalue()")


def in_torch(torch: "Torch", step: Summarize) -> None:
    """Ask torchinfo or torchsummary, of which the second makes an input of the size itself, and returns nothing."""
    if torch.way["summarize"] == "torchinfo":
        code = "float(torchinfo.summary($summarize, input_data=$on, verbose=0).total_params)"
        torch.bind(
            step.as_, torch.array(expr(code, summarize=torch.place(step.summarize), on=torch.expression(step.on)))
        )
        return
    where = "cuda" if torch.device == "gpu" else "cpu"
    printed(torch, step, f"torchsummary.summary($summarize, tuple($on.shape[1:]), device='{where}')")


def in_keras(keras: "Keras | TF2", step: Summarize) -> None:
    """Have a model print its table."""
    printed(keras, step, "$summarize.summary()")


def in_linen(linen: "Linen", step: Summarize) -> None:
    """Have a module print a table of the parameters that it would make."""
    tree = linen.tree_at(step.summarize)
    if linen.route(tree, step.summarize):
        raise Unsupported("A module inside another has no parameters until that is bound, and makes no table alone.")
    table = linen.fresh("table")
    linen.emit(
        "$table = $module.tabulate(jax.random.key(0), $on)",
        table=table, module=tree.module, on=linen.expression(step.on),
    )  # fmt: skip
    total(linen, step, "Total Parameters", table)


def in_nnx(nnx: "NNX", step: Summarize) -> None:
    """Put the layers into a sequence, which can be called, and print its table."""
    nnx.idiom("`nnx.tabulate` calls what it is given: the layers of the module stand in an `nnx.Sequential`.")
    owner = nnx.symbols.at(step.summarize)
    assert owner is not None
    layers = [nnx.place(".".join((step.summarize, *route))) for route, _ in owner.layers()]
    table = nnx.fresh("table")
    nnx.emit(
        "$table = nnx.tabulate(nnx.Sequential($*layers), $on)",
        table=table, layers=layers, on=nnx.expression(step.on),
    )  # fmt: skip
    total(nnx, step, "Total Parameters", table)


def is_no_model(emitter: "Keras | TF2", step: Summarize) -> bool:
    """Return whether a module is none that Keras knows the inputs of."""
    found = emitter.symbols.at(step.summarize)
    return found is None or emitter.style(found) != "functional"


BUILT = Lack("summarize", is_no_model, "Only a `keras.Model` prints a table, once its inputs are known.")
FEATURE = Feature(
    verbs=(Summarize,),
    tables={
        "reference": Tables(missing={"summarize": "The contract counts parameters (`elements`), and prints no table of them."}),
        "torch": Tables(code={"summarize": in_torch}, ways={"summarize": ("torchinfo", "torchsummary")}, also="import torchinfo\nimport torchsummary"),
        "keras": Tables(code={"summarize": in_keras}, lacks=(BUILT,)),
        "tf2": Tables(code={"summarize": in_keras}, lacks=(BUILT,)),
        "tensorflow1": Tables(missing={"summarize": "The variables of a graph are in a list, and no table of them is printed."}),
        "linen": Tables(code={"summarize": in_linen}),
        "nnx": Tables(code={"summarize": in_nnx}),
        "haiku": Tables(missing={"summarize": "`hk.experimental.tabulate` has a row for each call, and no total."}),
        "equinox": Tables(missing={"summarize": "Equinox prints a tree (`eqx.tree_pformat`) with the shapes of its arrays, and adds nothing up."}),
    },
)  # fmt: skip
