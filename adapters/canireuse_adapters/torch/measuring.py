"""What is observed in PyTorch, counted and timed."""

import ast
from typing import TYPE_CHECKING

from canireuse.emit import Lack, Reads, Unsupported, expr, name, text
from canireuse.spec.vocabulary import Expect, Layer
from canireuse_adapters.torch_compile import graphs_of

if TYPE_CHECKING:
    from canireuse_adapters.torch import Torch


def listed(torch: "Torch", place: str) -> str:
    """Return the call that lists what stands at a place with its path."""
    found = torch.symbols.at(place)
    return "named_buffers" if found and found.kind == "buffer" else "named_parameters"


def name_of(torch: "Torch", step: Expect) -> ast.expr:
    """Look the object up among the named parameters."""
    place = step.name or ""
    found = torch.symbols.at(place)
    if found and found.kind == "tensor":
        raise Unsupported("PyTorch tensors carry no name, and only parameters and buffers have a path.")
    if found and isinstance(found.made, Layer) and torch.is_loose(found.made):
        raise Unsupported("A layer carries no name: a parameter's path is that of the modules that hold it.")
    torch.idiom("A parameter carries no name: its path is found by looking for the object among the named parameters.")
    code = "next((path.replace('.', '/') for path, each in root.$listed() if each is $place), None)"
    return expr(code, listed=listed(torch, place), place=torch.place(place))


def paths_of(torch: "Torch", step: Expect) -> ast.expr:
    """Return every path of a parameter: duplicates are listed on request, and Accelerate finds which names are one."""
    place, inside = step.paths or "", step.inside or ""
    if torch.is_packed(place):
        raise Unsupported("A quantized weight is packed, and is listed among no parameters.")
    if torch.way.get("expect") != "find_tied_parameters":
        code = (
            "sorted(path.replace('.', '/') for path, each in $inside.$listed(remove_duplicate=False) if each is $place)"
        )
        return expr(code, inside=torch.place(inside), listed=listed(torch, place), place=torch.place(place))
    if listed(torch, place) != "named_parameters":
        raise Unsupported("`find_tied_parameters` looks for parameters, and no buffers.")
    if not place.startswith(f"{inside}."):
        raise Unsupported("`find_tied_parameters` is asked for a name inside the module.")
    key = torch.key(inside, place.removeprefix(f"{inside}."))
    code = (
        "sorted(path.replace('.', '/') for names in find_tied_parameters($inside) if $key in names for path in names)"
    )
    return expr(code, inside=torch.place(inside), key=text(key))


def checkpoint_bytes(torch: "Torch", step: Expect) -> ast.expr:
    """Return the size of the file, or of what stands for one."""
    in_file = torch.way.get("restore", "").startswith("safetensors")
    code = "os.path.getsize($file)" if in_file else "$file.getbuffer().nbytes"
    return expr(code, file=step.checkpoint_bytes)


def lists_what_is_loose(torch: "Torch", step: Expect) -> bool:
    """Return whether all parameters are asked for, and not all hang on the root."""
    lists = step.kind in {"variables", "trainable", "names"} and step.inside is None
    return lists and any(isinstance(one, Layer) and torch.is_loose(one) for one in torch.facts.steps)


READS: Reads = {
    "value": "$value",
    "name": name_of,
    "shape": "list($shape_value.shape)",
    "dtype": "str($dtype.dtype).removeprefix('torch.')",
    "variables": "len(list($holder.parameters()))",
    "trainable": "len([parameter for parameter in $holder.parameters() if parameter.requires_grad])",
    "frozen": "len([parameter for parameter in $holder.parameters() if not parameter.requires_grad])",
    "names": "sorted(path.replace('.', '/') for path, _ in $holder.named_parameters())",
    "paths": paths_of,
    "slots": "len($slots.state)",
    "elements": "sum(parameter.numel() for parameter in $elements.parameters())",
    "parameter_bytes": "sum(parameter.nbytes for parameter in $parameter_bytes.parameters())",
    "slot_bytes": "sum(value.nbytes for slots in $slot_bytes.state.values() for value in slots.values())",
    "checkpoint_bytes": checkpoint_bytes,
    "traces": lambda torch, step: expr("len($graphs)", graphs=name(graphs_of(torch, step.traces))),
    "alive": "$watch() is not None",
}
UNLISTED = Lack(
    "expect", lists_what_is_loose,
    "PyTorch keeps no list of all parameters: only the modules that hold them can be asked.",
)  # fmt: skip
