"""Flax NNX: saving, and other arrays for a module, on its state or on the module as a tree."""

import ast
from typing import TYPE_CHECKING

from canireuse.emit import Code, Effects, Fill, Lack, expr, literal
from canireuse.spec.step import Step
from canireuse.spec.vocabulary import Restore, Save
from canireuse_adapters.kinds import in_memory
from canireuse_adapters.nnx.layers import ONCE, at, inside_function, kind_of

if TYPE_CHECKING:
    from canireuse_adapters.nnx import NNX

SAVED = {
    "pickle": "$to = pickle.dumps($owner)",
    "msgpack": "$to = flax.serialization.msgpack_serialize(nnx.to_pure_dict($state))",
    "orbax": """\
$to = tempfile.mkdtemp() + '/checkpoint'
checkpointer = ocp.StandardCheckpointer()
checkpointer.save($to, $state)
checkpointer.wait_until_finished()""",
}
RESTORED = {
    "pickle": "$owner = pickle.loads($kept)",
    "msgpack": "nnx.update($owner, jax.tree.map(jnp.asarray, flax.serialization.msgpack_restore($kept)))",
    "orbax": "nnx.update($owner, checkpointer.restore($kept, $state))",
}
#: ways of putting other arrays into a module
WAYS = ("update", "split-merge", "module")
SPLIT = """\
graphdef, state, $*keys = nnx.split($owner, $*chosen)
$to = nnx.merge(graphdef, $made, $*keys)"""


def save(nnx: "NNX", step: Save) -> None:
    """Serialize the state of a module, or pickle the module."""
    at(nnx, step.save)
    code = nnx.place(step.save)
    state = nnx.state(code, *([picked(nnx, step)] if step.only else []))
    nnx.emit("$to = $state" if step.in_memory else SAVED[nnx.way["save"]], to=step.to, owner=code, state=state)


def picked(nnx: "NNX", step: Save) -> ast.expr:
    """Return the filter for what is saved: all paths below some."""
    owner = at(nnx, step.save)
    paths = [owner.spelled(path.split(".")) for path in step.only]
    there = [owner.spelled(route) for one in owner.variables() for route in owner.routes(one)]
    if all(len(path) == 1 and all(path[0] not in one[1:] for one in there) for path in paths):
        found = [expr("nnx.PathContains('$part')", part=path[0]) for path in paths]
        return found[0] if len(found) == 1 else expr("nnx.Any($*found)", found=found)
    tests: list[ast.expr] = [expr("path[:$end] == $path", end=len(path), path=literal(path)) for path in paths]
    return expr("lambda path, _: $test", test=tests[0] if len(tests) == 1 else ast.BoolOp(ast.Or(), tests))


def restore(nnx: "NNX", step: Restore) -> None:
    """Restore the state of a module, or unpickle the module."""
    if in_memory(nnx, step):
        nnx.emit("nnx.update($owner, $kept)", owner=nnx.place(step.restore), kept=step.given_by)
        return
    if nnx.way.get("save") == "msgpack":
        nnx.idiom(
            "What is read back are read-only NumPy arrays; they are made JAX arrays, so that variables can be written again."
        )
    code = nnx.place(step.restore)
    nnx.emit(RESTORED[nnx.way["save"]], owner=code, kept=step.given_by, state=nnx.state(code))


def restored(nnx: "NNX", step: Restore) -> None:
    """Note that what is unpickled is another object."""
    saved = nnx.symbols.names[step.given_by].returns
    if nnx.way.get("save") == "pickle" and saved is not None:
        nnx.symbols.names[step.restore] = saved.copied()


# -- other arrays


def recast(nnx: "NNX", step: Step, code: str, **fills: Fill) -> None:
    """Put other arrays into a module in place, into one merged from its state, or map over it as a tree."""
    owner, way, to = vars(step)[step.renames], nnx.way[step.verb], step.binding
    at(nnx, owner)
    found = nnx.place(owner)
    if way == "module":
        nnx.bind(to, expr(code, x=found, **fills))
    elif way == "update":
        nnx.emit("nnx.update($owner, $made)", owner=found, made=expr(code, x=nnx.state(found), **fills))
        if to != owner:
            nnx.bind(to, found)
    else:
        keys, chosen = (["keys"], [expr("nnx.Not(nnx.RngState)"), expr("...")]) if nnx.keyed else ([], [])
        nnx.emit(SPLIT, to=to, owner=found, keys=keys, chosen=chosen, made=expr(code, x=expr("state"), **fills))


LACKS = (
    Lack("shard", inside_function, ONCE),
    *(Lack(verb, lambda nnx, _: nnx.inside("traced", "jax", "loss", "tensor"),
        "A function that is traced has no values that could be saved: it saves nothing itself.") for verb in ("save", "restore")),
    Lack("save", lambda nnx, step: step.only and nnx.way.get("save") == "pickle",
        "A pickle holds the whole module; a part of it is saved through its state."),
    Lack("save", lambda nnx, step: nnx.way.get("save") == "pickle" and any(kind_of(one) == "cell" for one in at(nnx, step.save).walk()),
        "An `nnx.SimpleCell` cannot be pickled: it holds a function that JAX has wrapped."),
    Lack("save", lambda nnx, _: nnx.way.get("save") == "pickle" and any(one.verb == "reparametrize" for one in nnx.facts.steps),
        "Pickle finds the function of a hook by the module that it is imported from; a script's own has none."),
    Lack("restore", lambda nnx, step: step.partial and nnx.way.get("save") == "orbax",
        "Orbax refuses a checkpoint that lacks variables of the tree it restores into: take one of what was saved."),
)  # fmt: skip
EFFECTS: Effects = {"restore": restored}
CODE: Code = {
    "save": save, "restore": restore,
}  # fmt: skip
