"""Checkpoints in Flax Linen: a part of the tree goes into bytes or a folder, and another comes back."""

import ast
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from canireuse.emit import Unsupported, expr, name
from canireuse.program import Object
from canireuse.spec.vocabulary import Expect, Restore, Save
from canireuse_adapters.kinds import in_memory
from canireuse_adapters.linen.layers import Entry
from canireuse_adapters.linen.modules import Route
from canireuse_adapters.linen.trees import Tree, keyed, nested

if TYPE_CHECKING:
    from canireuse_adapters.linen import Linen

OPEN = "with ocp.StandardCheckpointer() as checkpointer:\n    "
OUTSIDE = "What is saved has values, and what a function under `jax.jit` works with has none: users save outside."

OTHER_KEYS = (
    "A dict that was kept has the keys of its time, and the tree has others now: which goes where is written by hand."
)
OTHER_PLACES = "What was saved has the keys of the tree, under which other places of this module stand: which goes where is written by hand."


def part(tree: Tree, owner: Object, chosen: Sequence[Object] = ()) -> dict[Route, Entry]:
    """Return what is saved of an owner, or of some things in it: where it stands in the file, and in the tree."""
    if owner not in tree.paths:  # names for what was got by name
        return {next(owner.routes(one)): tree.entries[one] for one in owner.variables()}
    found = [entry for one in chosen or [owner] for entry in tree.part(one)]
    around = tree.paths[owner]
    if any(path[: len(around)] != around for _, path in found):
        around = ()
    return {(*([kind] if tree.is_whole else []), *path[len(around) :]): (kind, path) for kind, path in found}


def leaves(tree: Tree, wanted: dict[Route, Entry], owner: Object) -> dict[Route, set[Route]]:
    """Return the keys of all variables that are saved, as they stand in the file, each with the places of the owner that it stands for."""
    return {
        (*keys, *path[len(around) :]): set(owner.routes(one))
        for keys, (kind, around) in wanted.items()
        for one, (collection, path) in tree.entries.items()
        if collection == kind and path[: len(around)] == around
    }


def saved(tree: Tree, wanted: dict[Route, Entry]) -> ast.expr:
    """Return the code for a part of a tree: the tree itself where that is all of it."""
    as_it_is = all(keys == tree.keys(entry) for keys, entry in wanted.items())
    if as_it_is and all(any(keys[: len(one)] == one for one in wanted) for keys in tree.every()):
        return name(tree.name)
    return nested({keys: tree.entry(entry) for keys, entry in wanted.items()})


def save(linen: "Linen", step: Save) -> None:
    """Write the variables of a module."""
    owner = linen.symbols.at(step.save)
    tree = linen.tree_at(step.save)
    assert owner is not None
    chosen = [one for place in step.only if (one := linen.symbols.at(f"{step.save}.{place}"))]
    wanted = part(tree, owner, chosen)
    linen.keys_kept[step.to] = leaves(tree, wanted, owner)
    code = saved(tree, wanted)
    if step.in_memory:
        linen.bind(step.to, code)
    elif linen.way.get("save") == "orbax":
        folder = "$to = pathlib.Path(tempfile.mkdtemp()) / 'kept'\n"
        linen.emit(f"{folder}{OPEN}checkpointer.save($to, $code)", to=step.to, code=code)
    else:
        linen.emit("$to = serialization.to_bytes($code)", to=step.to, code=code)


def restore(linen: "Linen", step: Restore) -> None:
    """Put what was saved where the variables of a module stand."""
    owner = linen.symbols.at(step.restore)
    tree = linen.tree_at(step.restore)
    assert owner is not None
    wanted = part(tree, owner)
    kept, here = linen.keys_kept.get(step.given_by, {}), leaves(tree, wanted, owner)
    if in_memory(linen, step) and step.raises is None and here.keys() != kept.keys():
        raise Unsupported(OTHER_KEYS)
    if any(kept[one] and here[one] and not kept[one] & here[one] for one in kept.keys() & here.keys()):
        raise Unsupported(OTHER_PLACES)
    now = saved(tree, wanted)
    code = partly(linen, step, now) if step.partial else whole(linen, step, now)
    parted = not isinstance(now, ast.Name) and list(wanted) != [()]
    with linen.apart() as body:
        if isinstance(now, ast.Name) or parted:
            linen.bind("restored" if parted else tree.name, code)
        else:
            linen.write_entry(tree, wanted[()], code)
    linen.emit(f"{OPEN}$*body" if linen.way.get("save") == "orbax" else "$*body", body=body)
    for keys, entry in wanted.items() if parted else ():
        linen.write_entry(tree, entry, keyed(expr("restored"), keys))
    tree.written()


def whole(linen: "Linen", step: Restore, now: ast.expr) -> ast.expr:
    """Return the code for a whole checkpoint, in the form of the tree that is there."""
    if in_memory(linen, step):
        return name(step.given_by)
    if linen.way.get("save") == "orbax":
        return expr("checkpointer.restore($kept, $now)", kept=step.given_by, now=now)
    return expr("serialization.from_bytes($now, $kept)", now=now, kept=step.given_by)


def partly(linen: "Linen", step: Restore, now: ast.expr) -> ast.expr:
    """Return the code for the tree that is there with what a checkpoint has of it."""
    linen.idiom("What a checkpoint lacks is taken from the tree that is there, path by path.")
    by = "checkpointer.restore" if linen.way.get("save") == "orbax" else "serialization.msgpack_restore"
    read = expr(f"{by}($kept)", kept=step.given_by)
    return expr("unflatten_dict({**flatten_dict($now), **flatten_dict($read)})", now=now, read=read)


def checkpoint_bytes(linen: "Linen", step: Expect) -> ast.expr:
    """Return the size of the bytes, or of the files in the folder."""
    if linen.way.get("save") != "orbax":
        return expr("len($kept)", kept=step.checkpoint_bytes)
    return expr("sum(file.stat().st_size for file in $kept.rglob('*') if file.is_file())", kept=step.checkpoint_bytes)


CODE: dict[str, Any] = {"save": save, "restore": restore}
