"""What Haiku users do with the tree of parameters as a whole: copy it, save it, make it anew."""

import ast
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from canireuse.emit import Code, Fill, Unsupported, expr, name
from canireuse.program import Fate, Object
from canireuse.program.symbols import Path
from canireuse.spec.step import Step
from canireuse.spec.vocabulary import Copy, Restore, Save
from canireuse_adapters.haiku import layers
from canireuse_adapters.haiku.frames import Known
from canireuse_adapters.kinds import in_memory

if TYPE_CHECKING:
    from canireuse_adapters.haiku import Haiku


# -- copies: each is a new tree that the same functions are applied to


def copy(haiku: "Haiku", step: Copy) -> None:
    """Bind a copy of a tree."""
    haiku.idiom(
        "Haiku's functions hold no values, so what is copied is the tree of parameters that they are applied to."
    )
    derive(haiku, step, "dict($tree)" if step.shallow else "jax.tree.map(jnp.copy, $tree)")


def derive(haiku: "Haiku", step: Step, code: str, **fills: Fill) -> None:
    """Bind a tree made of another; in its own place what was made replaces it."""
    source, to = vars(step)[step.renames], step.binding or ""
    owner = haiku.owner(source)
    if haiku.in_function or haiku.frame.is_body or haiku.frame.loops:
        raise Unsupported(
            "A copy of Haiku's tree inside a function is a value of its own, which the user has to return."
        )
    held, trees = (
        haiku.trees_of(owner),
        trees_for(haiku, to, stateful="state" in {kind(one) for one in haiku.entries_of(owner)}),
    )
    for tree, new in zip(haiku.nets[owner].trees, trees, strict=True):
        if tree in held:
            part = haiku.part(haiku.entries_of(owner), tree)
            made = expr(code, tree=part, **fills)
            if vars(step).get("shallow") and not isinstance(part, ast.Name):  # `filter` would copy the inner dicts
                made = expr("{$**inner}", inner=inner_dicts(haiku, owner, tree))
            inside = (
                "hk.data_structures.merge($tree, $made)" if source == to and not isinstance(part, ast.Name) else "$made"
            )
            haiku.bind(tree if source == to else new, expr(inside, tree=tree, made=made))
    if owner.only_layers() and haiku.nets[owner].function is None:
        layers.write(haiku, [owner], layers.layers_of(haiku, owner))
    if source != to:
        adopt(haiku, to, owner, trees)


def inner_dicts(haiku: "Haiku", owner: Object, tree: str) -> dict[str, ast.expr]:
    """Return the dicts of the modules that an owner's variables are in, as a tree has them."""
    inside = {one.path for one in haiku.entries_of(owner) if one.path[0] == tree}
    modules = dict.fromkeys(one[1] for one in inside)
    if any(one[0] == tree and one[1] in modules and one not in inside for one in haiku.entries()):
        raise Unsupported(
            "A shallow copy is a dict of the same inner dicts, and one of these has a parameter that is not in the module."
        )
    return {module: expr("$tree['$module']", tree=tree, module=module) for module in modules}


def kind(variable: Object) -> str:
    """Return `state` for a piece of state, `params` for a parameter."""
    return "state" if variable.kind == "buffer" else "params"


def trees_for(haiku: "Haiku", to: str, *, stateful: bool) -> tuple[str, str]:
    """Return the trees of a copy or a model of its own."""
    return to, haiku.own(f"{to}_state") if stateful else "state"


def adopt(haiku: "Haiku", to: str, owner: Object, trees: tuple[str, str], builder: Known | None = None) -> None:
    """Bind an owner of the same functions, whose variables are in other trees."""
    made, old_trees = owner.copied(Fate.ANEW), haiku.nets[owner].trees
    for old, new in zip(owner.walk(), made.walk(), strict=True):
        if old in haiku.nets and new not in haiku.nets:
            net = haiku.nets[old]
            haiku.nets[new] = replace(net, trees=trees, handed=dict(net.handed), builder=builder)
        for part in old.parts:
            if (old, part) in haiku.readers:
                haiku.readers[new, part] = haiku.readers[old, part]
        if haiku.has_entry(old):
            new.path = (trees[old_trees.index(old.path[0])], *old.path[1:])
    haiku.symbols.names[to] = made


# -- checkpoints


def save(haiku: "Haiku", step: Save) -> None:
    """Pickle a layer's entry, or the part of the tree that a module's variables are in."""
    owner = haiku.owner(step.save)
    inside = [owner.at(path) for path in step.only] if step.only else [owner]
    found = list({one.path: one for top in inside if top for one in haiku.entries_of(top)}.values())
    trees = [tree for tree in haiku.nets[owner].trees if any(one.path[0] == tree for one in found)]
    parts = [haiku.part(found, tree) for tree in trees]
    code = "$to = $saved" if step.in_memory else "$to = pickle.dumps($saved)"
    haiku.emit(code, to=step.to, saved=entry_of(haiku, owner, step) or tupled(parts))


def entry_of(haiku: "Haiku", layer: Object, step: Save | None = None) -> ast.expr | None:
    """Return the code for a layer's entry in the tree, if all that is saved is in that: a layer without others inside."""
    net = haiku.nets[layer]
    if not net.make or any(one.path[1] != net.path for one in layer.parts.values()) or (step and step.only):
        return None
    return expr("$tree['$path']", tree=net.trees[0], path=net.path)


def paths(owner: Object) -> dict[str, Path]:
    """Return the entries inside an owner by the members that lead to them."""
    found = dict.fromkeys(one for one in owner.walk() if one.path and not one.is_owner)
    return {".".join(route): one.path for one in found for route in owner.routes(one)}


def moved(source: dict[str, Path], own: dict[str, Path]) -> bool:
    """Return whether a name of the file stands for other places of what is restored, and for none that it was saved of."""
    return any(
        {place for place, one in source.items() if one[1:] == under}.isdisjoint(
            place for place, one in own.items() if one[1:] == under
        )
        for under in {one[1:] for one in source.values()} & {one[1:] for one in own.values()}
    )


def restore(haiku: "Haiku", step: Restore) -> None:
    """Put what was saved in place of the modules' entries, or merge it over what is there."""
    owner, saved = haiku.owner(step.restore), haiku.symbols.names[step.given_by]
    assert isinstance(saved.made, Save)
    assert saved.returns is not None
    only = tuple(f"{place}." for place in saved.made.only)
    source = {path: one for path, one in paths(saved.returns).items() if not only or f"{path}.".startswith(only)}
    own, entry = paths(owner), entry_of(haiku, owner)
    loaded = expr("$kept" if in_memory(haiku, step) else "pickle.loads($kept)", kept=step.given_by)
    merged = haiku.way.get("restore") == "merge"
    named, wanted = {one[1:] for one in source.values()}, {one[1:] for one in own.values()}
    same = wanted <= named  # what the file holds besides is put into the tree too, where no function asks for it
    if step.partial and not merged and not same:
        raise Unsupported(
            "Entries that are replaced lack what the checkpoint lacks; Haiku users merge it over what is there."
        )
    single = saved.part == "entry"
    if single and entry:
        haiku.emit("$entry |= $loaded" if merged else "$entry = $loaded", entry=entry, loaded=loaded)
    elif single or (entry and not step.partial):
        raise Unsupported("Haiku saves parameters by name: a layer's entry by itself is not the tree of a module.")
    elif own.keys() <= source.keys() and (not (same or named <= wanted) or moved(source, own)):
        raise Unsupported(
            "Haiku knows parameters by name alone, and these have other names in the file: which of them goes where is written by hand."
        )
    else:
        trees, inside = haiku.trees_of(owner), set(own.values())
        beside = [path for path in haiku.entries() if path[0] in trees and path not in inside]
        merged = merged or bool({one[:2] for one in beside} & {one[:2] for one in inside})
        names: list[Fill] = [loaded]
        if only:  # a file of parameters alone has no state
            trees = [tree for tree in trees if tree in {own[path][0] for path in source.keys() & own.keys()}]
        if len(trees) > 1:
            names = [name(haiku.own(f"saved_{tree}")) for tree in trees]
            haiku.emit("$names = $loaded", names=tupled(names), loaded=loaded)
        code = "$tree |= $saved" if beside else "$tree = $saved"
        code = "$tree = hk.data_structures.merge($tree, $saved)" if merged else code
        for tree, one in zip(trees, names, strict=True):
            haiku.emit(code, tree=tree, saved=one)


def tupled(code: Sequence[ast.expr]) -> ast.expr:
    """Return the code for one value, or for a tuple of several."""
    return code[0] if len(code) == 1 else ast.Tuple(list(code), ast.Load())


def made(haiku: "Haiku", to: str, known: Known, code: ast.expr | None) -> None:
    """Make a model: a tree of its own, and the state beside it if there is any."""
    trees = trees_for(haiku, to, stateful=known.stateful)
    haiku.emit("$trees = $code", trees=tupled([name(one) for one in trees[: 1 + known.stateful]]), code=code)
    assert known.model is not None
    adopt(haiku, to, known.model, trees, known)


CODE: Code = {
    "copy": copy, "save": save, "restore": restore,
}  # fmt: skip
