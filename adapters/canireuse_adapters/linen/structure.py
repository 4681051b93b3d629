"""Owners in Flax Linen: what is made before anything runs, ties and members, copies, calls, and what a tree lists."""

import ast
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from canireuse.emit import Fill, Unsupported, expr, name
from canireuse.program import Object, places_of
from canireuse.spec.model import Spec
from canireuse.spec.step import Step
from canireuse.spec.vocabulary import (
    Copy,
    Freeze,
    Function,
    Initialize,
    Invoke,
    Layer,
    Module,
    Replace,
    Tie,
    Unfreeze,
    Variable,
    Wrap,
    walk,
)
from canireuse_adapters.features.container import Container
from canireuse_adapters.jax import draws_twice
from canireuse_adapters.linen.layers import parts_of, trains
from canireuse_adapters.linen.modules import returns_definition
from canireuse_adapters.linen.trees import Tree

if TYPE_CHECKING:
    from canireuse_adapters.linen import Linen

FLAGLESS = "No parameter of Linen says whether it is trained: what is frozen is a label that an optimizer is given, and no list tells of it."
NO_ENTRY = "`{}` is no entry of a tree here: Linen knows a variable once it is made, outside of what trains it."
OTHER_MEMBER = (
    "A function under `jax.jit` takes arrays and returns arrays: a definition with another member ends with it."
)
#: the collection of local variables, which are not listed among the others
LOCAL = "local_variables"
#: kinds of objects that stand in trees
KEPT = frozenset({"variable", "buffer", "layer", "module"})
NO_OBJECT = "What holds variables alone is an entry of Linen's tree: no Python object stands for it."


# -- what is made before anything runs


def draws_by_paths(spec: Spec) -> bool:
    """Return whether layers draw what they start from in modules inside another, and it is asked what that is."""
    modules = [step for step in walk(spec.steps) if isinstance(step, Module)]
    inside = {place for step in modules for place in step.members.values()}
    return draws_twice(spec) and any(step.module in inside for step in modules)


def makes(step: Step) -> bool:
    """Return whether a step only makes what stands in trees."""
    return isinstance(step, Layer | Module | Container | Wrap) or (isinstance(step, Variable) and step.start is None)


def is_tried(step: Step) -> bool:
    """Return whether it is asked of a step that makes or ties something whether it is accepted: it is defined at once."""
    return step.raises is not None and (makes(step) or isinstance(step, Tie | Replace))


def ordered(steps: Sequence[Step]) -> list[Step]:
    """Return the steps of a spec with those first that make something and need nothing that runs before them."""
    first: list[Step] = []
    then: list[Step] = []
    made: set[str] = set()
    running = False
    for step in steps:
        needed = {place.partition(".")[0] for place in places_of(step)}
        free = step.raises is None and needed <= made
        if free and makes(step) and step.binding not in made:
            first.append(step)
            made.add(step.binding or "")
        elif free and isinstance(step, Tie | Replace) and not running:
            first.append(step)
        else:
            then.append(step)
            running = running or not isinstance(step, Initialize | Freeze | Unfreeze)
    return [*first, *then]


def runs(step: Step, linen: "Linen") -> bool:
    """Return whether a step needs what was made before it to be defined."""
    if makes(step) or isinstance(step, Tie | Replace | Initialize | Freeze | Unfreeze) or step.verb == "drop":
        return False
    made = linen.symbols.names[step.invoke].made if isinstance(step, Invoke) else step
    return not (isinstance(made, Function) and returns_definition(made))


def kept_in(one: Object) -> Iterator[Object]:
    """Yield an object and all that is inside of it."""
    yield one
    for inner in parts_of(one).values():
        yield from kept_in(inner)


def is_made(root: Object) -> bool:
    """Return whether an outermost module was made for several objects of the spec."""
    return root.made is None


def nothing(_linen: "Linen", _step: Step) -> None:
    """Write nothing: the definition says it."""


def variable(linen: "Linen", step: Variable) -> None:
    """Compute what a variable starts from; that it is there the definition says."""
    if step.start is None:
        return
    code = linen.expression(step.start)
    if not isinstance(code, ast.Name):
        start = linen.fresh(linen.own(f"{step.binding or step.variable}_start"))
        linen.bind(start, code)
        code = name(start)
    linen.starts[id(step)] = code


# -- other trees of one definition


def copied(linen: "Linen", step: Step, code: str, **fills: Fill) -> None:
    """Write another tree, made from that which something stands in."""
    tree = linen.tree_at(vars(step)[step.renames])
    made = expr(code, tree=tree.name, **fills)
    linen.emit("$to = $made", to=copy_name(linen, step, tree), made=made)


def copy_name(linen: "Linen", step: Step, tree: Tree) -> str:
    """Return what the tree of a copy is called."""
    return linen.own(f"{step.binding}_{'variables' if tree.is_whole else 'params'}")


def copy(linen: "Linen", step: Copy) -> None:
    """Copy the values; a definition holds none, and serves both."""
    if step.shallow:
        linen.idiom("A definition holds no values: a copy of it alone is another module over the same variables.")
    else:
        linen.idiom(COPY_OF_TREE)
        copied(linen, step, "jax.tree.map(jnp.copy, $tree)")


COPY_OF_TREE = "A Linen module holds no values, so what is copied is its tree of parameters."


# -- ties and members


def tie(linen: "Linen", step: Tie) -> None:
    """Write nothing yet: a tie is in the definition, which is written before the next step that runs."""
    found, kept = linen.symbols.at(step.tie), linen.symbols.at(step.to)
    if found is not None and found.is_owner and not ("." in step.tie and kept and kept.is_owner):
        raise Unsupported("A Linen definition is tied where it is a member of a module, to another definition.")


def replace(linen: "Linen", step: Replace) -> None:
    """Write nothing yet: another member is another definition."""
    found, other = linen.symbols.at(step.replace), linen.symbols.at(step.by)
    if linen.found(found) is not None and (other is None or other.kind not in KEPT):
        raise Unsupported(NO_ENTRY.format(step.by))
    if found is not None and other is not None and found.is_owner != other.is_owner:
        raise Unsupported("A Linen module's member is a definition or an array; one cannot stand for the other.")


def wrap(linen: "Linen", step: Wrap) -> None:
    """Write nothing yet: a wrapper is in the definition."""
    inner = linen.symbols.at(step.wrap)
    if inner is not None and trains(inner):
        raise Unsupported(
            "Running statistics are no state that Linen's loops carry by themselves; the user names the collection in `nn.scan`."
        )
    if step.inside == "time_distributed":
        linen.idiom("`nn.vmap` maps a layer over the time axis, with one set of parameters.")


CODE: dict[str, Any] = {
    "variable": variable, "layer": nothing, "module": nothing, "wrap": wrap, "tie": tie, "replace": replace,
    "copy": copy,
}  # fmt: skip
