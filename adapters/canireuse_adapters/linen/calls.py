"""Calls in Flax Linen: a module is applied to its tree, and a part of it is called where it is bound."""

import ast
from typing import TYPE_CHECKING, Any

from canireuse.emit import Fill, Unsupported, attribute, expr, name
from canireuse.program import Object
from canireuse.spec.vocabulary import Call, Layer
from canireuse_adapters.linen.layers import inner_entry, is_layer, kind_of, made, mode_code, trains
from canireuse_adapters.linen.trees import Tree, replaced

if TYPE_CHECKING:
    from canireuse_adapters.linen import Linen


def call(linen: "Linen", step: Call) -> None:
    """Apply a module to its tree, or call a part of it that is bound."""
    owner = linen.symbols.at(step.call)
    if owner is None or not owner.is_owner:
        raise Unsupported("An array of Linen's tree is no layer: it cannot be called.")
    if not owner.only_layers():
        raise Unsupported(
            "A module that holds bare parameters has no call that a spec could name: its class would say what it computes."
        )
    tree, on = linen.tree_at(step.call), linen.expression(step.on)
    if step.training and trains(owner):
        train(linen, step, tree, owner, on)
        return
    mode = mode_code(owner, training=False) if kind_of(owner) == "norm" else {}
    if linen.is_got(next(iter(owner.parts.values()))):
        assert isinstance(owner.made, Layer)
        (entry,) = tree.part(owner)
        layer, params = made(owner.made, linen.initializer), tree.entry(entry)
        linen.bind(step.as_, expr("$layer.apply({'params': $params}, $on)", layer=layer, params=params, on=on))
        return
    route = linen.route(tree, step.call)
    whole = given(linen, step, tree) if step.given else tree.all()
    carry: list[Fill] = []
    if kind_of(owner) == "cell":
        cell = linen.held(tree, step.call) if route else tree.module
        carry = [expr("$cell.initialize_carry(jax.random.key(0), $on.shape)", cell=cell, on=on)]
    if not route:
        apply = "$module.apply($whole, $*carry, $on, $**mode)"
        code = expr(apply, module=tree.module, whole=whole, carry=carry, on=on, mode=mode)
    elif step.given:
        linen.emit("given = $module.bind($whole)", module=tree.module, whole=whole)
        code = expr("$layer($on)", layer=attribute(expr("given"), route), on=on)
    else:
        code = expr("$layer($*carry, $on, $**mode)", layer=linen.held(tree, step.call), carry=carry, on=on, mode=mode)
    linen.bind(step.as_, expr("$code[1]", code=code) if carry else code)


def train(linen: "Linen", step: Call, tree: Tree, owner: Object, on: ast.expr) -> None:
    """Call as in training: the statistics come back beside the output."""
    mode = mode_code(owner, training=True)
    code: dict[str, Fill] = {"module": tree.module, "all": tree.all(), "on": on, "mode": mode}
    route = linen.route(tree, step.call)
    made = expr("$module.apply($all, $on, $**mode, mutable=['batch_stats'])", **code)
    if route:
        part, module = attribute(name(linen.own("module")), route), linen.own("module")
        method = expr("lambda $module, inputs: $part(inputs, $**mode)", module=module, part=part, mode=mode)
        made = expr("$module.apply($all, $on, method=$method, mutable=['batch_stats'])", method=method, **code)
    linen.emit("$to, updated = $made", to=step.as_ or "_", made=made)
    linen.emit("$tree = {**$tree, **updated}", tree=tree.name)
    tree.written()


def given(linen: "Linen", step: Call, tree: Tree) -> ast.expr:
    """Return the code for the tree with other values at some places, for one call alone."""
    code, known = name(tree.name), tree.every()
    for place, value in step.given.items():
        found = linen.symbols.at(f"{step.call}.{place}")
        there = tree.entries.get(found) if found else None
        # of two values for one entry, the second stands where the other name would have its own
        if there is None or tree.keys(there) in known[len(tree.entries) :]:
            owner, part = linen.symbols.above(f"{step.call}.{place}")
            inner = inner_entry(owner, part)[1] if owner and is_layer(owner) and found else (part,)
            there = ("params", (*linen.route(tree, step.call), *place.split(".")[:-1], *inner))
        keys = tree.keys(there)
        known = [*known, keys]
        code = replaced(code, keys, linen.new_value(value), known)
    return code if tree.is_whole else expr("{'params': $code}", code=code)


CODE: dict[str, Any] = {"call": call}
