"""What a tree lists in Flax Linen: leaves and paths, of all of it or below an owner."""

import ast
from typing import TYPE_CHECKING, Any

from canireuse.emit import Unsupported, expr, name
from canireuse.spec.vocabulary import Expect, Freeze, Layer
from canireuse_adapters.linen.layers import Entry
from canireuse_adapters.linen.structure import FLAGLESS, LOCAL
from canireuse_adapters.linen.trees import Tree

if TYPE_CHECKING:
    from canireuse_adapters.linen import Linen


def entries(linen: "Linen", step: Expect) -> list[tuple[Tree, list[Entry]]]:
    """Return the trees that are looked into, with what is looked at there."""
    place = step.inside or (getattr(step, step.kind) if step.kind in {"elements", "parameter_bytes"} else None)
    if place is None:
        return [(tree, [(kind, ()) for kind in tree.collections if kind != LOCAL]) for tree in linen.trees]
    owner = linen.symbols.at(place)
    if owner is not None and owner.kind == "scope" and linen.register is not None:
        tree = linen.register.tree
        below = dict.fromkeys(kind for kind, path in tree.entries.values() if path[: len(owner.path)] == owner.path)
        return [(tree, [(kind, owner.path) for kind in below])]
    tree = linen.tree_at(place)
    assert owner is not None
    return [(tree, tree.part(owner))]


def leaves(linen: "Linen", step: Expect, *, only: str | None = None) -> ast.expr:
    """Return the code for the leaves of what is looked into, in one collection or in all."""
    found: list[ast.expr] = []
    for tree, listed in entries(linen, step):
        wanted = [one for one in listed if only in {None, one[0]}]
        if only is None and [one[1] for one in listed] == [()] * len(tree.collections):
            found.append(name(tree.name))
        else:
            found += [
                tree.entry(one)
                if any(entry[0] == one[0] for entry in tree.entries.values())
                else expr("$all.get('$key', {})", all=tree.name, key=one[0])
                for one in wanted
            ]
    return expr("jax.tree.leaves($trees)", trees=found[0] if len(found) == 1 else ast.List(found, ast.Load()))


def trainable(linen: "Linen", step: Expect) -> ast.expr:
    """Count parameters: they are what is trained, where nothing is frozen."""
    owner = linen.symbols.at(step.inside) if step.inside else None
    inside = owner.variables() if owner else linen.symbols.objects()
    untrained = any(isinstance(one.made, Layer) and one.kind == "variable" and not one.made.trainable for one in inside)
    if untrained or any(isinstance(one, Freeze) for one in linen.facts.steps):
        raise Unsupported(FLAGLESS)
    return expr("len($leaves)", leaves=leaves(linen, step, only="params"))


def listed(linen: "Linen", step: Expect) -> list[ast.expr]:
    """Return the code for the dicts that are looked into; what stands alone in one is under its key there."""
    return [
        ast.Dict([ast.Constant(one[1][-1])], [tree.entry(one)]) if one in tree.entries.values() else tree.entry(one)
        for tree, found in entries(linen, step)
        for one in found
    ]


def names(linen: "Linen", step: Expect) -> ast.expr:
    """List the paths of the leaves."""
    whole = linen.register.tree if linen.register is not None and not step.inside else None
    if whole is not None and whole.is_whole and LOCAL not in whole.collections:
        return expr("sorted(path for tree in $all.values() for path in flatten_dict(tree, sep='/'))", all=whole.name)
    found = listed(linen, step)
    if len(found) == 1:
        return expr("sorted(flatten_dict($tree, sep='/'))", tree=found[0])
    return expr(
        "sorted(path for tree in $trees for path in flatten_dict(tree, sep='/'))", trees=ast.List(found, ast.Load())
    )


def paths(linen: "Linen", step: Expect) -> ast.expr:
    """List the paths of the leaves that are what a place holds."""
    first, *more = listed(linen, step)
    code = "sorted(path for path, leaf in flatten_dict($tree, sep='/').items() if leaf is $value)"
    if more:
        code = "sorted(path for tree in $trees for path, leaf in flatten_dict(tree, sep='/').items() if leaf is $value)"
    return expr(code, tree=first, trees=ast.List([first, *more], ast.Load()), value=linen.value(step.paths or ""))


def collection(linen: "Linen", step: Expect) -> ast.expr:
    """Count the leaves of a collection."""
    if linen.register is None or not linen.register.tree.is_whole:
        raise Unsupported(
            "A collection of Linen is a part of the tree that a variable is made in: nothing is in one by its name."
        )
    return expr("len(jax.tree.leaves($all.get('$key', {})))", all=linen.register.tree.name, key=step.collection)


READS: dict[str, Any] = {
    "trainable": trainable, "names": names, "paths": paths, "collection": collection,
    "variables": lambda linen, step: expr("len($leaves)", leaves=leaves(linen, step)),
    "elements": lambda linen, step: expr("sum(leaf.size for leaf in $leaves)", leaves=leaves(linen, step, only="params")),
    "parameter_bytes": lambda linen, step: expr("sum(leaf.nbytes for leaf in $leaves)", leaves=leaves(linen, step, only="params")),
}  # fmt: skip
