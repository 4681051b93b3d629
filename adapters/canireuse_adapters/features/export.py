"""Exports: a model as a program of its own, that runs without the class it was written in."""

from typing import TYPE_CHECKING

from pydantic import Field

from canireuse.emit import Emitter, Lack, Tables, Unsupported
from canireuse.program import Object, places_of
from canireuse.spec.features import Feature
from canireuse.spec.step import OWNERS, Name, Step, Value
from canireuse.spec.vocabulary import Optimizer, Train

if TYPE_CHECKING:
    from canireuse_adapters.keras import Keras
    from canireuse_adapters.torch import Torch


class Export(Step):
    """Export a layer or module as a program, and load that where it is written to a file."""

    verb = "export"
    renames = "export"
    binds = "copy"
    uses = {"export": OWNERS}
    expressions = ("on",)
    export: Name
    on: Value = Field(description="An input: shapes and dtypes are taken from it.")
    as_: Name = Field(alias="as", description="Bind the program, which is called as the model was.")


class WeighExport(Step):
    """Export a layer or module as a program, and bind how many bytes its files take."""

    verb = "weigh_export"
    calls = "weigh_export"
    binds = "tensor"
    uses = {"weigh_export": OWNERS}
    expressions = ("on",)
    weigh_export: Name
    on: Value = Field(description="An input: shapes and dtypes are taken from it.")
    as_: Name = Field(alias="as")


#: way -> the statements
IN_TORCH = {
    "program": "$as = torch.export.export($export, ($on,)).module()",
    "program-file": "file = BytesIO()\ntorch.export.save(torch.export.export($export, ($on,)), file)\nfile.seek(0)\n$as = torch.export.load(file).module()",
    "unflatten": "$as = torch.export.unflatten(torch.export.export($export, ($on,)))",
    "trace": "$as = torch.jit.trace($export, $on)",
    "script-file": "file = BytesIO()\ntorch.jit.save(torch.jit.script($export), file)\nfile.seek(0)\n$as = torch.jit.load(file)",
    "freeze": "$as = torch.jit.freeze(torch.jit.script($export.eval()))",
}
#: way -> what writes an ONNX file: by `torch.export`, or by a trace of TorchScript
ONNX = {
    "onnx": "torch.onnx.export($export, ($on,), $to, dynamo=True)",
    "onnx-trace": "torch.onnx.export($export, ($on,), $to, dynamo=False)",
}
IN_KERAS = "$to = tempfile.mkdtemp() + '/model'\n$export.export($to, verbose=False)\n$as = keras.layers.TFSMLayer($to, call_endpoint='serve')"


WEIGHED_IN_TORCH = "file = BytesIO()\ntorch.export.save(torch.export.export($weigh_export, ($on,)), file)\n$as = torch.tensor(float(file.getbuffer().nbytes))"
#: an exporter may put the weights into a file of their own
WEIGHED_IN_ONNX = "$as = torch.tensor(float(sum(file.stat().st_size for file in pathlib.Path($to).parent.iterdir())))"
WEIGHED_IN_KERAS = """\
$to = tempfile.mkdtemp() + '/model'
$weigh_export.export($to, verbose=False)
$as = keras.ops.array(float(sum(file.stat().st_size for file in pathlib.Path($to).rglob('*') if file.is_file())))
"""


def names_inside(emitter: Emitter, step: Export) -> bool:
    """Return whether something names a variable of the program."""
    return any(place.startswith(f"{step.as_}.") for one in emitter.facts.steps for place in places_of(one))


def is_trained(emitter: Emitter, step: Export) -> bool:
    """Return whether variables of the program are named, or trained."""
    over = {
        vars(one).get("over") or vars(one).get("wrt")
        for one in emitter.facts.steps
        if isinstance(one, Optimizer | Train)
    }
    return names_inside(emitter, step) or step.as_ in over


def to_onnx(torch: "Torch", step: Export) -> None:
    """Write an ONNX file, and run it by the evaluator that ONNX brings along."""
    torch.idiom(
        "A session of ONNX takes and gives arrays of NumPy by name: a function around it takes and gives tensors."
    )
    path, graph = torch.fresh("path"), torch.fresh("graph")
    torch.fill(
        f"$to = f'{{tempfile.mkdtemp()}}/model.onnx'\n{ONNX[torch.way['export']]}\n$graph = ReferenceEvaluator($to)\n"
        "def $as(inputs):\n"
        "    return torch.from_numpy($graph.run(None, {$graph.input_names[0]: inputs.cpu().numpy()})[0])",
        step, to=path, graph=graph,
    )  # fmt: skip


def weighed_as_onnx(torch: "Torch", step: WeighExport) -> None:
    """Write an ONNX file, and add up what it takes with the file of its weights."""
    code = ONNX[torch.way["weigh_export"]].replace("$export,", "$weigh_export,")
    torch.fill(
        f"$to = f'{{tempfile.mkdtemp()}}/model.onnx'\n{code}\n{WEIGHED_IN_ONNX}", step, to=torch.fresh("path"),
    )  # fmt: skip


def is_listed(emitter: Emitter, step: Export) -> bool:
    """Return whether variables of the program are named, listed or trained."""
    return is_trained(emitter, step) or any(vars(one).get("inside") == step.as_ for one in emitter.facts.steps)


def in_keras(keras: "Keras", step: Export) -> None:
    """Write a SavedModel, and load it as a layer."""
    if names_inside(keras, step):
        raise Unsupported(NAMELESS)
    if keras.engine != "tensorflow":
        raise Unsupported("A SavedModel is loaded by a layer that runs on TensorFlow alone.")
    if keras.style(keras.at(step.export)) != "functional":
        raise Unsupported(UNKNOWN_INPUTS)
    keras.fill(IN_KERAS, step, to=keras.fresh("path"))


def weighed_in_keras(keras: "Keras", step: WeighExport) -> None:
    """Write a SavedModel, and add the sizes of its files up."""
    if keras.style(keras.at(step.weigh_export)) != "functional":
        raise Unsupported(UNKNOWN_INPUTS)
    keras.fill(WEIGHED_IN_KERAS, step, to=keras.fresh("path"))


def opaque(keras: "Keras", step: Export) -> None:
    """Have a layer that can be called and counted, whose variables have no names."""
    keras.symbols.names[step.as_] = Object("layer", made=step)


UNKNOWN_INPUTS = "A model is exported once Keras knows its inputs: here one that is put together from a `keras.Input`."
NAMELESS = "What a SavedModel is loaded as lists its variables, under no names of its layers."
NO_PROGRAM = (
    "`jax.export` exports a function, which is given the parameters at each call: there are none in the program."
)
FEATURE = Feature(
    verbs=(Export, WeighExport),
    tables={
        "reference": Tables(code={"export": "$as = model.copy($export)"}, missing={"weigh_export": "The contract does not cover how many bytes a file takes."}),
        "torch": Tables(
            code={
                **{f"export/{way}": code for way, code in IN_TORCH.items()}, "export": IN_TORCH["program"], **{f"export/{way}": to_onnx for way in ONNX},
                "weigh_export": WEIGHED_IN_TORCH, **{f"weigh_export/{way}": weighed_as_onnx for way in ONNX},
            },
            ways={"export": (*IN_TORCH, *ONNX), "weigh_export": ("program-file", *ONNX)},
            lacks=(
                Lack("export/freeze", is_trained, "`torch.jit.freeze` makes constants of the parameters: none is left that could be named or trained."),
                *(Lack(f"export/{way}", is_listed, "An ONNX graph is no module: its initializers are constants, and are listed among no parameters.") for way in ONNX),
            ),
            since={"torch.onnx.export(dynamo=_)": "torch>=2.5"},
            also="from onnx.reference import ReferenceEvaluator",
        ),
        "keras": Tables(code={"export": in_keras, "weigh_export": weighed_in_keras}, effects={"export": opaque}),
        "jax": Tables(missing=dict.fromkeys(("export", "weigh_export"), NO_PROGRAM)),
        "tf2": Tables(missing=dict.fromkeys(("export", "weigh_export"), "Saving a SavedModel and loading it is one of the ways in which this backend restores: see `restore`.")),
        "tensorflow1": Tables(missing=dict.fromkeys(("export", "weigh_export"), "The graph of TF1 is a program already: an export writes the one that is there, see `save`.")),
    },
)  # fmt: skip
