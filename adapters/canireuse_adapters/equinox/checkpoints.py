"""What happens to whole trees in Equinox: copies, files, and arrays that are put on devices."""

from typing import TYPE_CHECKING

from canireuse.emit import Code, Fill, Unsupported, expr, name
from canireuse.program import Object
from canireuse.spec.step import Step
from canireuse.spec.vocabulary import Copy, Restore, Save
from canireuse_adapters.equinox.places import Spot, buffers, spelled, together, value_of
from canireuse_adapters.kinds import in_memory

if TYPE_CHECKING:
    from canireuse_adapters.equinox import Equinox

ON_DEVICES = "jax.tree.map(lambda leaf: jax.device_put(leaf, $where) if eqx.is_array(leaf) else leaf, $tree)"
#: a tree is made of a tree; arrays never change, so that a model as it is now is a copy of it already
COPIES = {"tree-map": "jax.tree.map(lambda leaf: leaf, $tree)", "deepcopy": "deepcopy($tree)"}


def copy(eqx: "Equinox", step: Copy) -> None:
    """Copy a tree; a shallow copy is another module around the same members."""
    derive(eqx, step, "copy($tree)" if step.shallow else COPIES[eqx.way["copy"]])


def derive(eqx: "Equinox", step: Step, code: str, *, stateful: bool = True, **more: Fill) -> None:
    """Bind a name to a tree that is made of another, and one to a state that is made of its state."""
    source, to = vars(step)[step.renames], step.binding or ""
    found, spread = eqx.tree(source), eqx.locate(source).name in eqx.spread
    if found is None:
        raise Unsupported("This name stands for no tree.")
    if to in eqx.symbols.names:
        eqx.writing()
    eqx.spread |= {to} if spread else set()
    state, own_state = eqx.state_of(found) if stateful else None, eqx.own(f"{to}_state")
    eqx.fill(f"$to_tree = {code}", step, to_tree=to, tree=eqx.whole(source), **more)
    if state:
        eqx.fill(f"$to_state = {code}", step, to_state=own_state, tree=state, **more)
    eqx.symbols.happen(step)
    made = eqx.symbols.names[to] = value_of(eqx.symbols.names[to], {})
    if state:
        eqx.symbols.names[own_state] = Object("state", {str(at): one for at, one in enumerate(buffers(made))})


def on_devices(eqx: "Equinox", place: str) -> str:
    """Return the code for a tree on other devices; `eqx.filter_shard` takes no array that was put on some before."""
    return ON_DEVICES if eqx.locate(place).name in eqx.spread else "eqx.filter_shard($tree, $where)"


# -- files


def save(eqx: "Equinox", step: Save) -> None:
    """Write the leaves of a tree, one after another."""
    outside_traces(eqx)
    tree, state = eqx.whole(step.save), eqx.state_of(eqx.tree(step.save))
    if step.only:
        eqx.idiom(
            "Leaves are written one after another without names; what is saved alone is restored to its places by `eqx.tree_at`."
        )
        tree = together([eqx.place(f"{step.save}.{one}") for one in step.only])
    elif state:
        tree = expr("($tree, $state)", tree=tree, state=state)
    eqx.fill(
        "$to = $tree" if step.in_memory else "$to = BytesIO()\neqx.tree_serialise_leaves($to, $tree)", step, tree=tree
    )


def restored(eqx: "Equinox", step: Restore) -> None:
    """Have arrays where shapes alone were."""
    found = eqx.symbols.at(step.restore)
    for one in found.walk() if found else ():
        one.abstract = False


def restore(eqx: "Equinox", step: Restore) -> None:
    """Read the leaves of a tree, in the order in which they were written."""
    outside_traces(eqx)
    spot, code = eqx.locate(step.restore), "eqx.tree_deserialise_leaves($kept, $like)"
    state = eqx.state_of(spot.found)
    if in_memory(eqx, step):
        if step.partial or state:
            raise Unsupported("A tree that was kept in memory takes the place of the whole, without a state beside it.")
        alone(spot)
        eqx.put(spot, name(step.given_by))
        return
    eqx.emit("$kept.seek(0)", kept=step.given_by)
    saved = eqx.symbols.names[step.given_by].made
    only = saved.only if isinstance(saved, Save) else []
    if step.partial and not only:
        raise Unsupported(
            "`eqx.tree_serialise_leaves` writes leaves one after another without names, so a checkpoint that lacks some cannot be read around them."
        )
    if step.partial:
        inner = [eqx.locate(f"{step.restore}.{one}") for one in only]
        where = [spelled(spot.name, one.leaf.path, leaf=True) for one in inner]
        like = together([one.code for one in inner])
        eqx.writing()
        code = f"$tree = eqx.tree_at(lambda $tree: $where, $tree, {code})"
        eqx.emit(code, tree=spot.name, where=together(where), kept=step.given_by, like=like)
        return
    alone(spot)
    if state and spot.route:
        raise Unsupported("A part of a model that holds norms is restored with the model, whose state it has.")
    like = expr("($tree, $state)", tree=spot.name, state=state) if state else eqx.whole(step.restore)
    read = expr(code, kept=step.given_by, like=like)
    if state:
        eqx.writing()
        eqx.emit("$tree, $state = $read", tree=spot.name, state=state, read=read)
    else:
        eqx.put(spot, read)


def alone(spot: Spot) -> None:
    """Refuse a part of a tree that is tied to another part: what is put into a place that gave its leaf up is read by nothing."""
    found = spot.found
    if found and any(len([*spot.tree.routes(one)]) > len([*found.routes(one)]) for one in found.variables()):
        raise Unsupported("A part of a tree that `eqx.nn.Shared` ties to another part is restored with the whole tree.")


def outside_traces(eqx: "Equinox") -> None:
    """Refuse files in what is compiled."""
    if eqx.frames and eqx.frames[-1].kind != "plain":
        raise Unsupported(
            "A function that is compiled or differentiated writes and reads no files: its arrays have no values while it is traced."
        )


CODE: Code = {
    "copy": copy,
    "save": save, "restore": restore,
}  # fmt: skip
