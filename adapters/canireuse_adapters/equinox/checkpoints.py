"""What happens to whole trees in Equinox: copies, files, dtypes, devices, and trees without memory."""

from typing import TYPE_CHECKING

from canireuse.emit import Fill, Words, expr
from canireuse.program import Object
from canireuse.script import Unsupported
from canireuse.step import Step
from canireuse.vocabulary import Average, Copy, Move, Restore, Save
from canireuse_adapters.equinox.places import buffers, spelled, together, value_of

if TYPE_CHECKING:
    from canireuse_adapters.equinox import Equinox

ON_DEVICES = "jax.tree.map(lambda leaf: jax.device_put(leaf, $where) if eqx.is_array(leaf) else leaf, $tree)"
#: steps that make another tree of a tree; arrays never change, so that a model as it is now is a copy of it already
DERIVED = {
    "copy/tree-map": "jax.tree.map(lambda leaf: leaf, $tree)",
    "copy/deepcopy": "deepcopy($tree)",
    "average": "$tree",
    "cast": "jax.tree.map(lambda leaf: leaf.astype('$to') if eqx.is_array(leaf) else leaf, $tree)",
    "move": "eqx.filter_shard($tree, $where)",
    "materialize": "jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype) "
    "if isinstance(leaf, jax.ShapeDtypeStruct) else leaf, $tree)",
}


def derive(eqx: "Equinox", step: Step) -> None:
    """Bind a name to a tree that is made of another, and one to a state that is made of its state."""
    source, words, more = (
        vars(step)[step.renames],
        DERIVED.get(f"{step.verb}/{eqx.way.get(step.verb)}", DERIVED.get(step.verb, "")),
        dict[str, Fill](),
    )
    found, spread = eqx.tree(source), eqx.locate(source).name in eqx.spread
    if found is None:
        raise Unsupported("This name stands for no tree.")
    match step:
        case Copy(shallow=True):
            words = "copy($tree)"
        case Average():
            eqx.idiom("Arrays never change, so the model as it is now is a copy of it already.")
        case Move():
            words, more = on_devices(eqx, source), {"where": eqx.device_words(step.device)}
        case _ if step.verb == "cast" and found.kind == "variable":
            words = "$tree.astype('$to')"
    if step.binding in eqx.symbols.names:
        eqx.writing()
    eqx.spread |= {step.binding or ""} if spread or isinstance(step, Move) else set()
    state = eqx.state_of(found)
    eqx.fill(f"$to_tree = {words}", step, to_tree=step.binding, tree=eqx.whole(source), **more)
    if state:
        eqx.fill(f"$to_state = {words}", step, to_state=eqx.own(f"{step.binding}_state"), tree=state, **more)
    eqx.symbols.happen(step)
    made = eqx.symbols.names[step.binding or ""] = value_of(eqx.symbols.names[step.binding or ""], {})
    if state:  # an average follows the tree alone
        kept = {} if isinstance(step, Average) else {str(at): one for at, one in enumerate(buffers(made))}
        eqx.symbols.names[eqx.own(f"{step.binding}_state")] = Object("state", kept)


def on_devices(eqx: "Equinox", place: str) -> str:
    """Return the words for a tree on other devices; `eqx.filter_shard` takes no array that was put on some before."""
    return ON_DEVICES if eqx.locate(place).name in eqx.spread else DERIVED["move"]


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
    eqx.fill("$to = BytesIO()\neqx.tree_serialise_leaves($to, $tree)", step, tree=tree)


def restore(eqx: "Equinox", step: Restore) -> None:
    """Read the leaves of a tree, in the order in which they were written."""
    outside_traces(eqx)
    eqx.emit("$kept.seek(0)", kept=step.given_by)
    saved = eqx.symbols.names[step.given_by].made
    only = saved.only if isinstance(saved, Save) else []
    spot, words = eqx.locate(step.restore), "eqx.tree_deserialise_leaves($kept, $like)"
    found, state = spot.found, eqx.state_of(spot.found)
    if step.partial and not only:
        raise Unsupported(
            "`eqx.tree_serialise_leaves` writes leaves one after another without names, so a checkpoint that lacks some cannot be read around them."
        )
    if step.partial:
        inner = [eqx.locate(f"{step.restore}.{one}") for one in only]
        where = [spelled(spot.name, one.leaf.path, leaf=True) for one in inner]
        like = together([one.words for one in inner])
        eqx.writing()
        words = f"$tree = eqx.tree_at(lambda $tree: $where, $tree, {words})"
        eqx.emit(words, tree=spot.name, where=together(where), kept=step.given_by, like=like)
        return
    if found and any(len([*spot.tree.routes(one)]) > len([*found.routes(one)]) for one in found.variables()):
        raise Unsupported("A part of a tree that `eqx.nn.Shared` ties to another part is restored with the whole tree.")
    if state and spot.route:
        raise Unsupported("A part of a model that holds norms is restored with the model, whose state it has.")
    like = expr("($tree, $state)", tree=spot.name, state=state) if state else eqx.whole(step.restore)
    read = expr(words, kept=step.given_by, like=like)
    if state:
        eqx.writing()
        eqx.emit("$tree, $state = $read", tree=spot.name, state=state, read=read)
    else:
        eqx.put(spot, read)


def outside_traces(eqx: "Equinox") -> None:
    """Refuse files in what is compiled."""
    if eqx.frames and eqx.frames[-1].kind != "plain":
        raise Unsupported(
            "A function that is compiled or differentiated writes and reads no files: its arrays have no values while it is traced."
        )


WORDS: Words = {
    **dict.fromkeys(("copy", "average", "cast", "move", "materialize"), derive),
    "save": save, "restore": restore,
}  # fmt: skip
