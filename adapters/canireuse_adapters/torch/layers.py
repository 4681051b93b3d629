"""Layers and modules of PyTorch, what is called, and what ties their parameters."""

from typing import TYPE_CHECKING

from canireuse.emit import Code, Fill, Slot, Unsupported, attribute, expr, name
from canireuse.program import Object
from canireuse.spec.vocabulary import Call, Layer, Module, Replace, Tie
from canireuse_adapters.torch.variables import STATISTICS, given, laid_out, start, start_of

if TYPE_CHECKING:
    from canireuse_adapters.torch import Torch

#: kind of layer -> part -> where it is kept
LAYERS = {
    "dense": {"kernel": Slot("weight", transposed=True)},
    "embedding": {"kernel": Slot("weight")},
    "norm": {
        "kernel": Slot("weight"), "mean": Slot("running_mean", kind="buffer"), "var": Slot("running_var", kind="buffer"),
    },
    "cell": {
        "kernel": Slot("weight_ih", transposed=True), "recurrent": Slot("weight_hh", transposed=True), "bias": Slot("bias_ih"),
    },
}  # fmt: skip
#: kind of layer -> its constructor; momentum is what is taken of the new
MADE = {
    "dense": "nn.Linear($inputs, $units, $**options)", "embedding": "nn.Embedding($inputs, $units, $**options)",
    "norm": "nn.BatchNorm1d($inputs, eps=0.001, momentum=0.1, $**options)",
    "cell": "nn.RNNCell($inputs, $units, $**options)",
}  # fmt: skip
#: the same without the size of the input
LAZY = {"dense": "nn.LazyLinear($units, $**options)", "norm": "nn.LazyBatchNorm1d(eps=0.001, momentum=0.1, $**options)"}
NO_START = "A lazy layer has no values before its first call that could be written: it starts from random ones."
TURNED = {
    "dense": "`nn.Linear` keeps its weight as [units, inputs]: `kernel` is read and written through its transpose.",
    "cell": "`nn.RNNCell` keeps its weights as [units, inputs]: they are read and written transposed.",
}


def layer(torch: "Torch", step: Layer) -> None:
    """Make a layer as an attribute of the module, and set what it starts from."""
    if step.layer == "embedding" and step.bias is not None:
        raise Unsupported("`nn.Embedding` looks rows up and adds no bias.")
    if step.layer in TURNED:
        torch.idiom(TURNED[step.layer])
    bare: dict[str, Fill] = {"bias": False} if step.bias is None and step.layer != "embedding" else {}
    bare |= {"padding_idx": 0} if step.padding else {}
    code = "$as = " if torch.is_loose(step) else "$as = $here.$name = "
    made = LAZY if step.lazy else MADE
    if step.layer not in made:
        raise Unsupported("PyTorch has no lazy layer of this kind: its embeddings and cells are told their sizes.")
    torch.fill(code + made[step.layer], step, here=torch.here(), options=bare)
    if step.layer == "cell" and step.bias is not None:
        torch.idiom("`nn.RNNCell` adds two biases: the second is taken away.")
        torch.emit("$to.bias_hh = None", to=step.as_)
    found = torch.symbols.layer(step)
    # a lazy norm starts as any norm does, unless it is told otherwise
    parts = {} if step.lazy and step.layer == "norm" else found.parts
    for part, one in parts.items():
        init, slot = start_of(one), found.slot(part)
        if init is None or init == "random" or part in STATISTICS:
            continue
        if step.lazy:
            raise Unsupported(NO_START)
        start(torch, attribute(name(step.as_), [slot.attribute]), init, transposed=slot.transposed)
    if not step.trainable:
        torch.emit("$to.requires_grad_(False)", to=step.as_)


def module(torch: "Torch", step: Module) -> None:
    """Make a module and assign its members: a sequence where it is called, and all of them can be."""
    members = [torch.symbols.at(place) for place in step.members.values()]
    is_sequence = step.module in torch.facts.called and all(one and one.only_layers() for one in members)
    torch.emit(f"$module = nn.{'Sequential' if is_sequence else 'Module'}()", module=step.module)
    for member, place in step.members.items():
        torch.emit("$module.$member = $place", module=step.module, member=member, place=torch.place(place))


def call(torch: "Torch", step: Call) -> None:
    """Call a module, in the mode that its norms need."""
    found = torch.symbols.at(step.call)
    if found and found.kind == "module" and not found.only_layers():
        raise Unsupported("An `nn.Module` that holds parameters of its own has no `forward` until somebody writes one.")
    known = found if found and found.is_owner else None
    callee = torch.place(step.call)
    if any(map(is_norm, known.walk() if known else torch.symbols.objects())):
        torch.emit("$callee.train()" if step.training else "$callee.eval()", callee=callee)
    on: Fill = given(torch, step.on, known)
    code = "torch.func.functional_call($callee, {$**values}, ($on,))" if step.given else "$callee($on)"
    values = {
        torch.key(step.call, path): laid_out(torch, value, f"{step.call}.{path}") for path, value in step.given.items()
    }
    torch.bind(step.as_, expr(code, callee=callee, on=on, values=values))


def is_norm(found: Object) -> bool:
    """Return whether an object acts otherwise in training."""
    return found.kind == "layer" and isinstance(found.made, Layer) and found.made.layer == "norm"


def put(torch: "Torch", place: str, by: str) -> None:
    """Assign what one place holds to another; a place of a layer is read as the layer reads it, whatever it holds."""
    if "." not in place:
        raise Unsupported(
            "PyTorch ties by assigning to an attribute of a module; a Python name on its own is no place."
        )
    new = torch.symbols.at(by)
    if torch.symbols.at(place) and new and torch.transposed(place) and not torch.transposed(by):
        if new.kind == "variable" and not new.part:
            raise Unsupported(
                "`nn.Linear` keeps its weight as [units, inputs], so it cannot hold a variable laid out as [inputs, units]."
            )
        torch.idiom("`nn.Linear` multiplies by its weight transposed, so an embedding's table fits as it is.")
    torch.emit("$place = $by", place=torch.place(place), by=torch.place(by))


def tie(torch: "Torch", step: Tie) -> None:
    """Assign one parameter object to another place."""
    put(torch, step.tie, step.to)


def replace(torch: "Torch", step: Replace) -> None:
    """Assign to an attribute."""
    put(torch, step.replace, step.by)


CODE: Code = {"layer": layer, "module": module, "call": call, "tie": tie, "replace": replace}
