"""Definitions in Flax Linen: which objects have a tree together, and the classes, the module and the tree that are written for them."""

import ast
from itertools import chain, combinations
from typing import TYPE_CHECKING

from canireuse.emit import Unsupported, expr, name, statements
from canireuse.program import Object, places_of
from canireuse.spec.vocabulary import Invoke, Optimizer, Train
from canireuse_adapters.linen import structure
from canireuse_adapters.linen.apart import made_outside
from canireuse_adapters.linen.functions import Signature
from canireuse_adapters.linen.layers import inputs_of, is_layer, kind_of, together
from canireuse_adapters.linen.modules import Plan, Writer, camel, function_of
from canireuse_adapters.linen.trees import Tree, keyed, nested
from canireuse_adapters.training import TIED_IN_CODE

if TYPE_CHECKING:
    from canireuse_adapters.linen import Linen

Names = dict[str, Object]


def settle(linen: "Linen") -> None:
    """Define what has been made or changed since the last time: classes, the module, and its tree."""
    new: list[tuple[Plan, Tree | None, list[Tree]]] = []
    for tops in components(linen):
        inside = {inner for one in tops.values() for inner in structure.kept_in(one)}
        known = [one for one in linen.trees if belongs(one, inside)]
        tree = next((one for one in linen.trees if set(tops.values()) <= {*structure.kept_in(one.plan.root)}), None)
        root = tree.plan.root if tree else root_of(tops)
        if tree is None:  # another outermost module for what hangs together, or the same one as it is now
            tree = next((one for one in known if is_same(one.plan.root, root)), None)
        plan = Plan(root, linen.name_of, made_outside(linen))
        if tree is None or tree.shape != plan.shape:
            new.append((plan, tree, [one for one in known if one is not tree]))
    if new:
        values = {one: tree.entry(entry) for tree in linen.trees for one, entry in tree.entries.items()}
        over = [one for _, _, trees in new for one in trees]
        linen.trees = [one for one in linen.trees if one not in over]
        made = [define(linen, plan, tree, over, values) for plan, tree, _ in new]
        rebind(linen, [one for one in made if one])


def belongs(tree: Tree, inside: set[Object]) -> bool:
    """Return whether some objects take the place of a tree: its outermost module is one of them, or was made for some."""
    root = tree.plan.root
    return root in inside or (structure.is_made(root) and not inside.isdisjoint(tree.plan.places))


def is_same(root: Object, other: Object) -> bool:
    """Return whether two outermost modules are one, as it was and as it is, or each is made for several objects."""
    return root is other or (structure.is_made(root) and structure.is_made(other))


def rebind(linen: "Linen", carried: list[tuple[Tree, ast.expr]]) -> None:
    """Write the trees that hold what others held before, at once: each may have something of another."""
    if carried:
        to, code = (together(parts) for parts in zip(*((tree.name, code) for tree, code in carried), strict=True))
        linen.emit("$to = $code", to=to, code=code)


def tops_of(linen: "Linen") -> Names:
    """Return what has a name of its own and stands in trees; not a former part of a module that no step names."""
    found: dict[Object, str] = {}
    for word, one in linen.symbols.names.items():
        if one.kind in structure.KEPT and not any(linen.is_got(inner) for inner in structure.kept_in(one)):
            found.setdefault(one, word)
    named = {
        place.partition(".")[0] for step in linen.facts.steps if not structure.makes(step) for place in places_of(step)
    }
    inside = {inner for one in found for inner in structure.kept_in(one) if inner is not one}
    parts = linen.facts.read - named if not linen.facts.lists_all else frozenset()
    return {word: one for one, word in found.items() if word not in parts or one in inside}


def components(linen: "Linen") -> list[Names]:
    """Return the names that hang together, since objects share or are trained together: each group has one tree."""
    outside = {inner for one in made_outside(linen) for inner in structure.kept_in(one)}
    tops = {word: one for word, one in tops_of(linen).items() if one not in outside}
    kept = {word: {*structure.kept_in(one)} for word, one in tops.items()}
    trained = [step for step in linen.facts.steps if isinstance(step, Train | Optimizer)]
    over = [step.wrt if isinstance(step, Train) else step.over for step in trained]
    linked = [{place.partition(".")[0] for place in one} & {*tops} for one in over if isinstance(one, list)]
    linked += [{one, other} for one, other in combinations(tops, 2) if kept[one] & kept[other] - outside]
    made = [tree.plan.places for tree in linen.trees if structure.is_made(tree.plan.root)]
    old = [{word for word in tops if not kept[word].isdisjoint(places)} for places in made]
    held = {inner for word, one in tops.items() for inner in kept[word] - {one}}
    bare = {word for word, one in tops.items() if not one.is_owner and one not in held} - {*chain(*old)}
    groups = [{word} for word in tops]
    for joint in [*linked, bare, *old]:
        joined = [group for group in groups if group & joint]
        groups = [group for group in groups if not group & joint] + ([{*chain(*joined)}] if joined else [])
    groups.sort(key=lambda group: min(map([*tops].index, group)))
    return [{word: one for word, one in tops.items() if word in group} for group in groups]


def root_of(tops: Names) -> Object:
    """Return the outermost module of some names: the one that holds all others, or one that is made for them."""
    inside = {inner for one in tops.values() for inner in structure.kept_in(one) if inner is not one}
    outer = {word: one for word, one in tops.items() if one not in inside}
    first = next(iter(outer.values()))
    return first if len(outer) == 1 and first.is_owner else Object("module", outer)


def define(
    linen: "Linen", plan: Plan, old: Tree | None, over: list[Tree], values: dict[Object, ast.expr]
) -> tuple[Tree, ast.expr] | None:
    """Write the classes of a plan and the module; return its tree with what others held, or write one that is made anew."""
    ended = {one.name for one in (*over, *([old] if old else []))}
    if any(one.traced and not ended.isdisjoint(one.given) for one in linen.signatures.values()):
        raise Unsupported(TIED_IN_CODE)
    root, word = plan.root, word_of(linen, plan, old)
    writer = Writer(linen, plan)
    for owner in plan.classes():
        writer.names[owner] = linen.fresh(class_name(linen, plan, owner, word if owner is root else None))
        write_class(linen, owner, writer)
    write_makers(linen, plan, writer)
    for one in plan.outside:
        if not any(one in tree.plan.outside for tree in linen.trees):
            linen.bind(linen.name_of(one), writer.constructed(root, one))
    tree = old or new_tree(linen, plan, word)
    tree.plan, tree.shape, tree.entries, tree.collections = plan, plan.shape, plan.variables(), plan.collections
    tree.paths = {one: plan.path(one) for one in plan.places if one.is_owner}
    tree.written()
    linen.trees = [*(one for one in linen.trees if one is not tree), tree]
    made = writer.constructed(root, root)
    tree.made = made if isinstance(made, ast.Call) else None
    linen.bind(tree.module, made)
    held = {one: values[one] for one in tree.entries if one in values}
    if len(held) < len(tree.entries):
        to = linen.fresh(f"initial_{tree.name}") if old else tree.name
        separated = linen.way.get("initialize") == "separator"
        linen.emit(SEPARATED if separated else "$to = $made", to=to, made=initialized(linen, tree))
        if not old:
            for one, value in held.items():
                linen.write_entry(tree, tree.entries[one], value)
            return None
        held = {one: held.get(one, keyed(name(to), tree.keys(entry))) for one, entry in tree.entries.items()}
    return (tree, nested({tree.keys(entry): held[one] for one, entry in tree.entries.items()})) if held else None


def word_of(linen: "Linen", plan: Plan, old: Tree | None) -> str:
    """Return the word for a module: the spec's name, or one for what was made for several."""
    taken = {tree.module for tree in linen.trees}
    word = linen.name_of(plan.root)
    if word is None:
        word = "models" if any(one.is_owner for one in plan.root.parts.values()) else "model"
        if old is None:
            word = linen.own(next(iter(plan.root.parts))) if word in taken else linen.own(linen.fresh(word))
    if old is not None and any(one is not old and one.module == old.module for one in linen.trees):
        old.module = linen.fresh(f"{word}_changed") if word in taken else word
    return word


def new_tree(linen: "Linen", plan: Plan, word: str) -> Tree:
    """Return a new tree: its names say whose it is, where there are others."""
    several = bool(linen.trees) or len(components(linen)) > 1
    kind = "params" if plan.collections == ["params"] else "variables"
    named = linen.own(f"{word}_{kind}" if several else kind)
    return Tree(word, named, plan.collections, plan, bound=linen.own(f"bound_{word}" if several else "bound"))


def class_name(linen: "Linen", plan: Plan, owner: Object, word: str | None) -> str:
    """Return the name of a class: that of its owner, or of what a layer computes where it is written out."""
    if is_layer(owner):
        given = "Table" if kind_of(owner) == "embedding" else "Affine" if "bias" in owner.parts else "Linear"
    else:
        given = camel(word or linen.name_of(owner) or plan.attribute_of(owner, plan.maker(owner)))
    return given if given not in linen.taken else f"Changed{given}"


def write_class(linen: "Linen", owner: Object, writer: Writer) -> None:
    """Write the class of an owner, if there is none that says the same."""
    made = writer.definition(owner)
    for one in linen.body:
        if (
            isinstance(one, ast.ClassDef)
            and [*map(ast.dump, one.body)] == [*map(ast.dump, made.body)]
            and (is_layer(owner) or made.name.endswith(one.name))
        ):
            linen.taken.discard(writer.names[owner])
            writer.names[owner] = one.name
            return
    linen.body.append(made)


def write_makers(linen: "Linen", plan: Plan, writer: Writer) -> None:
    """Write the functions that return a definition."""
    for one in plan.places:
        function = function_of(linen, one)
        if function is not None and function.function not in linen.signatures:
            linen.signatures[function.function] = Signature([], [], returns=True)
            made = writer.constructed(plan.maker(one), one, inside=function)
            linen.body += statements("def $function():\n    return $made", function=function.function, made=made)


#: variables made by keys in which the names of a path stand apart
SEPARATED = """\
flax.config.update('flax_fix_rng_separator', True)
try:
    $to = $made
finally:
    flax.config.update('flax_fix_rng_separator', False)
"""


def initialized(linen: "Linen", tree: Tree) -> ast.expr:
    """Return the code that makes all variables of a module, or their shapes alone."""
    root, word = tree.plan.root, linen.name_of(tree.plan.root)
    fields = ("init", "kernel", "recurrent")
    draws = any(isinstance(getattr(one.made, field, None), str) for one in tree.plan.places for field in fields)
    given = [
        expr(
            "jax.random.key($number)",
            number=linen.trees.index(tree) if draws and linen.way.get("layer") != "one-key" else 0,
        )
    ]
    given += [one.sample for one in inputs_of(root)]
    code = "$module.init($*given, use_running_average=True)" if kind_of(root) == "norm" else "$module.init($*given)"
    if any(isinstance(step, Invoke) and step.abstract and step.as_ == word for step in linen.facts.steps):
        code = "jax.eval_shape($module.init, $*given)"
    made = expr(code, module=tree.module, given=given)
    return made if tree.is_whole else expr("$made['params']", made=made)
