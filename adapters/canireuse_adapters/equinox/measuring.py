"""What is observed in Equinox, and what parameters, optimizers and checkpoints take.

What is timed are functions under `eqx.filter_jit`, as the guide of Equinox has them: they take and return the models and the
optimizer's state themselves. Its page of tricks has a loop that hands over flat lists of leaves, for models so small that
flattening them takes most of the time. Each call under `eqx.filter_jit` waits for its result.
"""

import ast
from typing import TYPE_CHECKING

from canireuse.emit import Fill, Lack, Unsupported, expr, name
from canireuse.spec.vocabulary import Expect
from canireuse_adapters.equinox.learning import filtered, is_frozen_nowhere, trained_in
from canireuse_adapters.equinox.places import TREES, Spot, has_shared
from canireuse_adapters.jax import MOMENTS

if TYPE_CHECKING:
    from canireuse_adapters.equinox import Equinox

NO_LIST = "Equinox keeps no list of all variables: what is listed are the leaves of a tree that one has."
#: the paths of leaves, as JAX writes them
KEY = "jax.tree_util.keystr(path, simple=True, separator='/')"
PATHS = f"{KEY} for path, leaf in jax.tree.leaves_with_path($tree) if leaf is"
READS = {
    "shape": "list($shape)",
    "dtype": "str($at.dtype)",
    "name": f"next({PATHS} $name)",
    "paths": f"sorted({PATHS} $paths)",
    "names": f"sorted({KEY} for path, _ in jax.tree.leaves_with_path(eqx.filter($tree, eqx.is_array)))",
    **dict.fromkeys(("variables", "trainable"), "len($leaves)"),
    "elements": "sum(leaf.size for leaf in $leaves)",
    "parameter_bytes": "sum(leaf.nbytes for leaf in $leaves)",
    "checkpoint_bytes": "$checkpoint_bytes.getbuffer().nbytes",
    "slots": "len(jax.tree.leaves(optax.tree.get($state, '$moment')))",
    "slot_bytes": "sum(leaf.nbytes for leaf in jax.tree.leaves($state))",
    "traces": "len($counter)",
}


def holes(eqx: "Equinox", step: Expect) -> dict[str, Fill]:
    """Return what fills the holes of a reading."""
    place, inside = str(getattr(step, step.kind)), step.inside or ""
    more: dict[str, Fill] = {"counter": f"traces_of_{place}"}
    match step.kind:
        case "variables" | "trainable" | "names" if not inside:
            raise Unsupported(NO_LIST)
        case "variables" | "trainable":
            more["leaves"] = leaves(eqx, inside, trained=step.kind == "trainable")
        case "elements" | "parameter_bytes":
            more["leaves"] = leaves(eqx, place)
        case "names" | "paths":
            more["tree"] = eqx.whole(inside)
        case "name":
            spot = eqx.locate(place)
            if spot.tree.kind not in TREES:
                raise Unsupported("A JAX array has no name: operations are named only in what a transformation traces.")
            if not spot.route:
                raise Unsupported("A JAX array has no name, and this one is in no tree in which it would have a path.")
            eqx.idiom("An array has no name: its path is found by looking for the object among the leaves of the tree.")
            more["tree"] = spot.name
        case "slots" | "slot_bytes":
            made = eqx.optimizers[place]
            more |= {"state": made.state, "moment": MOMENTS[made.kind]}
        case "shape" | "dtype":
            more["at"] = looked_at(eqx, place)
            turned = eqx.locate(place).slot.transposed  # the spec has [inputs, units]
            more["shape"] = expr("$at.shape[::-1]" if turned else "$at.shape", at=more["at"])
    return more


def asks_for_a_path_of_state(eqx: "Equinox", step: Expect) -> bool:
    """Return whether a path is asked for of a running statistic."""
    found = eqx.symbols.at(step.paths) if step.paths else None
    return found is not None and found.kind == "buffer"


NO_PATH = Lack(
    "expect", asks_for_a_path_of_state,
    "Running statistics are in a state beside the tree, by an index: the tree has no path to them.",
)  # fmt: skip


def looked_at(eqx: "Equinox", place: str) -> ast.expr:
    """Return the code for an array that may be a shape and a dtype alone, which nothing can be computed of."""
    spot, code = eqx.locate(place), eqx.place(place)
    if spot.tree.abstract and any(map(has_shared, spot.tree.walk())):
        return expr("eqx.filter_eval_shape(lambda $tree: $code, $tree)", tree=spot.name, code=code)
    return code


def leaves(eqx: "Equinox", inside: str, *, trained: bool = False) -> ast.expr:
    """Return the arrays of a tree; `eqx.nn.Shared` keeps one leaf for what is tied."""
    tree, found = eqx.whole(inside), eqx.tree(inside)
    chosen = expr("eqx.is_inexact_array" if trained else "eqx.is_array")
    if found and found.abstract:
        chosen = expr("lambda leaf: isinstance(leaf, jax.ShapeDtypeStruct)")
    elif found and trained and (any(one.frozen for one in found.variables()) or is_frozen_nowhere(eqx, found)):
        spot = eqx.locate(inside)
        spec = filtered(eqx, trained_in([Spot("tree", found) if spot.route else spot], eqx.nowhere), tree=tree).spec
        chosen = name(spec) if spec else chosen
    return expr("jax.tree.leaves(eqx.filter($tree, $chosen))", tree=tree, chosen=chosen)
