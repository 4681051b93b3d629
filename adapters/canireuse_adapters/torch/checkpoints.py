"""Copies and checkpoints in PyTorch: by deep copy, pickle, state dict and safetensors."""

import ast
from typing import TYPE_CHECKING

from canireuse.emit import Code, Effects, Fill, Lack, expr, text
from canireuse.spec.vocabulary import Copy, Restore, Save
from canireuse_adapters.kinds import in_memory

if TYPE_CHECKING:
    from canireuse_adapters.torch import Torch

#: way -> the statements that save, and those that load
SAVED = {
    "safetensors-model": "$to = f'{tempfile.mkdtemp()}/model.safetensors'\nsafetensors.torch.save_model($save, $to)",
    "safetensors-file": "$to = f'{tempfile.mkdtemp()}/model.safetensors'\nsafetensors.torch.save_file($state, $to)",
    "unpickle": "$to = BytesIO()\ntorch.save($save, $to)",
}
LOADED = {
    "safetensors-model": "safetensors.torch.load_model($restore, $from, $**options)",
    "safetensors-file": "$restore.load_state_dict(safetensors.torch.load_file($from), $**options)",
    "unpickle": "$from.seek(0)\n$restore = torch.load($from, weights_only=False)",
}


def copy(torch: "Torch", step: Copy) -> None:
    """Copy as Python does."""
    torch.fill("$as = copy($copy)" if step.shallow else "$as = deepcopy($copy)", step)


def copied(torch: "Torch", step: Copy) -> None:
    """Have a copy; a shallow one has the very dictionary of parameters that the original has."""
    torch.symbols.happen(step)
    found = torch.symbols.at(step.copy_)
    if step.shallow and found:
        torch.symbols.names[step.as_].parts = found.parts


def is_parametrized(torch: "Torch", place: str) -> bool:
    """Return whether something inside has a parametrization."""
    found = torch.symbols.at(place)
    return found is not None and any(slot.reads for one in found.walk() for slot in one.slots.values())


def save(torch: "Torch", step: Save) -> None:
    """Save the state dict, or the whole module where it is to be unpickled."""
    code = SAVED.get(torch.way.get("restore", ""), "$to = BytesIO()\ntorch.save($state, $to)")
    code = "$to = $state" if step.in_memory else code
    state = part_of_state(torch, step) if step.only else expr("$save.state_dict()", save=step.save)
    torch.fill(code, step, state=state)


def part_of_state(torch: "Torch", step: Save) -> ast.expr:
    """Return the code for a state dict of some paths alone."""
    torch.idiom("A part of a module is saved by picking entries of its state dict.")
    keys: list[ast.expr | None] = []
    values: list[ast.expr] = []
    for path in step.only:
        key, place = torch.key(step.save, path), torch.place(f"{step.save}.{path}")
        found = torch.symbols.at(f"{step.save}.{path}")
        if found and found.is_owner:
            keys.append(None)
            values.append(expr("$place.state_dict(prefix='$prefix')", place=place, prefix=f"{key}."))
        else:
            keys.append(text(key))
            values.append(place)
    return ast.Dict(keys, values)


def restore(torch: "Torch", step: Restore) -> None:
    """Load a state dict into the module, or bind the name to an unpickled module."""
    way = torch.way.get("restore", "")
    options: dict[str, Fill] = {"assign": True} if way == "load_state_dict-assign" else {}
    if step.partial:
        options["strict"] = False
    code = LOADED.get(way, "$from.seek(0)\n$restore.load_state_dict(torch.load($from), $**options)")
    if in_memory(torch, step):
        code = "$restore.load_state_dict($from, $**options)"
    torch.fill(code, step, options=options)


def restored(torch: "Torch", step: Restore) -> None:
    """Have another module under the name, where one is unpickled."""
    saved = torch.symbols.names.get(step.given_by)
    if torch.way.get("restore") == "unpickle" and saved and saved.returns:
        torch.symbols.names[step.restore] = saved.returns.copied()


CODE: Code = {
    "copy": copy,
    "copy/pickle": "file = BytesIO()\ntorch.save($copy, file)\nfile.seek(0)\n$as = torch.load(file, weights_only=False)",
    "save": save,
    "restore": restore,
}
EFFECTS: Effects = {"copy": copied, "restore": restored}
NOT_PICKLED = "PyTorch does not pickle a module with a parametrization: save its state dict."
LACKS = (
    Lack(
        "copy/pickle", lambda _, step: step.shallow,
        "A pickle holds all that is inside: nothing of a copy made from one is shallow.",
    ),
    Lack("copy/pickle", lambda torch, step: is_parametrized(torch, step.copy_), NOT_PICKLED),
    Lack(
        "save", lambda torch, step: step.only and torch.way.get("restore") in {"unpickle", "safetensors-model"},
        "This way saves the whole module: a part of it is a part of its state dict.",
    ),
    Lack(
        "save", lambda torch, step: torch.way.get("restore") == "unpickle" and is_parametrized(torch, step.save), NOT_PICKLED,
    ),
    Lack(
        "restore/unpickle", lambda _, step: step.partial,
        "What is unpickled is the saved module itself: no variable of it can be missing.",
    ),
)  # fmt: skip
