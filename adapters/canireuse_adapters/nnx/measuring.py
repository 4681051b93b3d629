"""Flax NNX: observations, and what measured loops wait for."""

import ast
from typing import TYPE_CHECKING

from canireuse.emit import Body, Names, Reads, Unsupported, expr
from canireuse.spec.vocabulary import Expect
from canireuse_adapters.nnx.scopes import kind_of

if TYPE_CHECKING:
    from canireuse_adapters.nnx import NNX

LEAVES = "len(jax.tree.leaves($state))"
FILES = "sum(path.stat().st_size for path in pathlib.Path($kept).rglob('*') if path.is_file())"
#: walked as a tree, a module lists a shared variable under each of its paths
PATHS = (
    "sorted(jax.tree_util.keystr(path, simple=True, separator='/') for path, node in "
    "jax.tree.leaves_with_path($owner, is_leaf=lambda node: isinstance(node, nnx.Variable)) if node is $at)"
)


def state(nnx: "NNX", step: Expect, *filters: ast.expr) -> ast.expr:
    """Return the state of what is looked into: an owner, the module of a scope, or the root."""
    return nnx.state(nnx.place(step.inside or "root"), *filters)


def trainable(nnx: "NNX", step: Expect) -> ast.expr:
    """Count the arrays of parameters in the state of a module."""
    if any(one.frozen for one in nnx.symbols.objects()):
        raise Unsupported("An `nnx.Param` has no flag: what is frozen, only the optimizer's filter knows.")
    return expr(LEAVES, state=state(nnx, step, expr("nnx.Param")))


def name(nnx: "NNX", step: Expect) -> ast.expr:
    """Find a variable's path in the root."""
    if not nnx.is_variable(step.name or ""):
        raise Unsupported("A JAX array has no name: operations are named only in what a transformation traces.")
    nnx.idiom("An NNX variable has no name; its path is found by walking the root module.")
    code = "next(('/'.join(path) for path, node in nnx.iter_graph($root) if node is $at), None)"
    return expr(code, root=nnx.place("root"), at=nnx.place(step.name or ""))


def paths(nnx: "NNX", step: Expect) -> ast.expr:
    """Walk a module as a tree, which goes along every path."""
    nnx.idiom("A module is also a JAX tree; walked as one, it lists a shared variable under each of its paths.")
    return expr(PATHS, owner=nnx.place(step.inside or "root"), at=nnx.place(step.paths or ""))


def slots(nnx: "NNX", step: Expect) -> ast.expr:
    """Count the moments in Optax's state."""
    optimizer = step.slots or ""
    return nnx.slot_count(nnx.optimizers[optimizer].kind, expr("$optimizer.opt_state", optimizer=optimizer))


READS: Reads = {
    "variables": lambda nnx, step: expr(LEAVES, state=state(nnx, step)),
    "trainable": trainable, "name": name, "paths": paths, "slots": slots,
    "names": lambda nnx, step: expr("sorted('/'.join(path) for path, _ in nnx.to_flat_state($state))", state=state(nnx, step)),
    "collection": lambda nnx, step: expr(LEAVES, state=state(nnx, step, expr("$kind", kind=kind_of(step.collection)))),
    "traces": lambda _, step: expr("len($counter)", counter=f"traces_of_{step.traces}"),
    # the state of a module lists a shared variable once
    "elements": "sum(array.size for array in jax.tree.leaves(nnx.state($elements, nnx.Param)))",
    "parameter_bytes": "sum(array.nbytes for array in jax.tree.leaves(nnx.state($parameter_bytes, nnx.Param)))",
    "slot_bytes": "sum(array.nbytes for array in jax.tree.leaves(nnx.state($slot_bytes)))",
    "checkpoint_bytes": lambda nnx, step: expr(FILES if nnx.way.get("save") == "orbax" else "len($kept)", kept=step.checkpoint_bytes),
}  # fmt: skip


# -- loops


def start_afresh(nnx: "NNX") -> None:
    """Make a new root module."""
    if nnx.frames or nnx.symbols.scope.path:
        raise Unsupported(
            "A new root module has no other in it: a loop that begins with no variables stands where no scope is open."
        )
    nnx.emit("root = nnx.Module()")
    nnx.symbols.names["root"].parts.clear()
    nnx.symbols.found.clear()
    nnx.symbols.there.clear()


def awaited(nnx: "NNX", body: Body) -> list[str]:
    """Return what the statements of a loop write: names, and the owners and optimizers that they change; to look up starts no work."""
    found: list[str] = []
    for statement in body:
        read = [one for one in Names([statement]).read if nnx.is_state(one)]
        match statement:
            case ast.Expr():
                found += read
            case ast.Assign(value=value, targets=targets) if not looks_up(value):
                called = (
                    nnx.defined.get(value.func.id)
                    if isinstance(value, ast.Call) and isinstance(value.func, ast.Name)
                    else None
                )
                changed = read if called and called.writes else Names(targets).read
                found += [*Names(targets).bound, *(one for one in changed if nnx.is_state(one))]
    return list(dict.fromkeys(found))


def looks_up(value: ast.expr) -> bool:
    """Return whether an expression reads attributes and does nothing else."""
    match value:
        case ast.Attribute():
            return looks_up(value.value)
        case ast.ListComp(elt=ast.Call(func=ast.Name(id="getattr"))) | ast.Name():
            return True
    return False
