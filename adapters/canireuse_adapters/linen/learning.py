"""Learning in Flax Linen: gradients of functions of a tree, and Optax, which is told what it trains by labels."""

import ast
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from canireuse.emit import Fill, Names, Unsupported, expr, literal, statements
from canireuse.program import Object
from canireuse.spec.step import Step
from canireuse.spec.vocabulary import (
    Assign,
    Freeze,
    Function,
    Gradient,
    Invoke,
    Optimizer,
    Train,
    Unfreeze,
    Update,
    walk,
)
from canireuse_adapters.linen.layers import Entry
from canireuse_adapters.linen.modules import Route
from canireuse_adapters.linen.trees import Tree, keyed
from canireuse_adapters.training import TOO_LATE, handed_instead

if TYPE_CHECKING:
    from canireuse_adapters.linen import Linen

FROZEN = "Linen has no flag on a parameter: what is frozen is a label that the optimizer is given."
PURE = "A loss that is differentiated is a pure function of its parameters; it cannot write variables."
OUTLIVES = "An optimizer's state outlives the function that takes its steps; it is made outside of all functions."
OTHER_SHAPE = "An optimizer's state in Optax has the shape of the tree that it was made for; after a tie or a move another is made."
NO_PARAMETER = (
    "What is not to be trained stands in another collection than the parameters, and an optimizer is not asked for it."
)


@dataclass
class Kept:
    """An optimizer that lasts: its step, what its state is called, the tree it was made for, and what stood there."""

    step: Optimizer
    state: str
    tree: Tree
    labelled: bool
    trained: dict[Object, bool]
    entries: dict[Object, Entry]


# -- gradients


def objective(
    linen: "Linen", steps: Sequence[Step], scalar: str, argument: str, word: str = "loss"
) -> tuple[str, bool]:
    """Write the function that leads up to a scalar; return its name, and whether it returns its tree too."""
    loss = linen.own(word)
    with linen.function() as body:
        value = lent(linen, steps, scalar, argument)
    further = argument in Names(body).bound and argument in {tree.name for tree in linen.trees}
    if any(tree.name in Names(body).bound and (tree.name != argument or not tree.is_whole) for tree in linen.trees):
        raise Unsupported(PURE)
    value = expr("jax.lax.pmean($value, 'parts')", value=value) if word == "mean_loss" else value
    returned = expr("$value, $tree", value=value, tree=argument) if further else value
    made = statements(
        "def $loss($argument):\n    $*body\n    return $returned", loss=loss, argument=argument, body=body, returned=returned,
    )  # fmt: skip
    before = [one for one in linen.body if isinstance(one, ast.FunctionDef) and one.name == loss]
    if not before or ast.dump(before[-1]) != ast.dump(made[0]):
        linen.body += made
    return loss, further


def lent(linen: "Linen", steps: Sequence[Step], scalar: str, argument: str) -> ast.expr:
    """Write steps that lead up to a scalar, and return it; `apply` lends them the module, if they write nothing and ask for it.

    To bind a module is for a session at a prompt: what JAX transforms is a pure function, in which a module is applied.
    """
    tree = next((one for one in linen.trees if one.name == argument and one.lent is None), None)
    writing = any(isinstance(one, Assign | Invoke) or getattr(one, "training", False) for one in walk(steps))
    if tree is None or writing:
        linen.steps(steps)
        return linen.expression(scalar)
    tree.lent = False
    with linen.apart() as body:
        linen.steps(steps)
        value = linen.expression(scalar)
    asked, tree.lent = tree.lent, None
    body = [one for one in body if not isinstance(one, ast.Pass)]
    if not asked:
        linen.body += body
        return value
    method = linen.own("forward") if body else expr("lambda $bound: $value", bound=tree.bound, value=value)
    if body:
        linen.emit(
            "def $forward($bound):\n    $*body\n    return $value",
            forward=method,
            bound=tree.bound,
            body=body,
            value=value,
        )
    return expr("$module.apply($all, method=$method)", module=tree.module, all=tree.all(), method=method)


def slopes(linen: "Linen", loss: str, tree: Tree, *, further: bool) -> ast.expr:
    """Return the code for the gradient of a loss by the parameters of a tree; what else the loss returns is taken over."""
    if further:
        linen.emit("slopes, $tree = jax.grad($loss, has_aux=True)($tree)", loss=loss, tree=tree.name)
        tree.written()
        return expr("slopes['params']")
    options: dict[str, Fill] = {"allow_int": True} if "constants" in tree.collections else {}
    whole = expr("jax.grad($loss, $**options)($tree)", loss=loss, options=options, tree=tree.name)
    return keyed(whole, ["params"]) if tree.is_whole else whole


def gradient(linen: "Linen", step: Gradient) -> None:
    """Differentiate a function of a tree and pick an entry."""
    found = linen.symbols.at(step.wrt)
    tree = linen.found(found)
    argument = tree.name if tree else step.wrt
    loss, further = objective(linen, step.steps, step.of, argument)
    if further:
        raise Unsupported(PURE)
    function: Fill = expr("jax.checkpoint($loss)", loss=loss) if step.remat else loss
    code = expr("jax.grad($function)($argument)", function=function, argument=argument)
    if tree is None or found is None:
        linen.bind(step.gradient, code)
        return
    parts = [tree.entries[found]] if found in tree.entries else tree.part(found)
    if len(parts) > 1:
        raise Unsupported(
            "`jax.grad` gives the gradient of a tree; of what has entries in several places, one entry is asked for."
        )
    linen.bind(step.gradient, keyed(code, tree.keys(parts[0])))


# -- what is trained


def freeze(linen: "Linen", _step: Freeze | Unfreeze) -> None:
    """Write nothing: what is frozen is a label of the optimizers that are made afterwards."""
    functions = [one for one in linen.facts.steps if isinstance(one, Function) and one.function in linen.signatures]
    if linen.writing or any(isinstance(inner, Train) for one in functions for inner in walk(one.steps)):
        raise Unsupported(TOO_LATE)
    linen.idiom(FROZEN)


def is_trained(tree: Tree, one: Object) -> bool:
    """Return whether a variable is a parameter that is not frozen."""
    return tree.entries[one][0] == "params" and one.trainable and not one.frozen


def trained(linen: "Linen", over: str | list[str]) -> tuple[Tree, list[Object]]:
    """Return the tree of what is to be trained, and the parameters."""
    places = [over] if isinstance(over, str) else over
    trees = list(dict.fromkeys(linen.tree_at(place) for place in places))
    if len(trees) > 1:
        raise Unsupported("An optimizer is told of one tree: what it trains together is defined together.")
    objects = [one for place in places if (one := linen.symbols.at(place))]
    found = {one: None for top in objects for one in top.walk() if one in trees[0].entries}
    if not isinstance(over, str) and any(trees[0].entries[one][0] != "params" for one in found):
        raise Unsupported(NO_PARAMETER)
    return trees[0], [one for one in found if is_trained(trees[0], one)]


def labels(tree: Tree, wanted: list[Object]) -> ast.expr | str:
    """Return the labels of all parameters; one for all where they are equal."""
    known: dict[Route, str] = {
        entry[1]: "train" if one in wanted else "keep" for one, entry in tree.entries.items() if entry[0] == "params"
    }

    def below(around: Route) -> ast.expr | str:
        inside = {path: label for path, label in known.items() if path[: len(around)] == around}
        if len(set(inside.values())) == 1:
            return next(iter(inside.values()))
        keys = dict.fromkeys(path[len(around)] for path in inside)
        made = {key: below((*around, key)) for key in keys}
        return literal({key: ast.Constant(one) if isinstance(one, str) else one for key, one in made.items()})

    return below(()) if known else "keep"


def transformation(linen: "Linen", step: Train | Optimizer, tree: Tree, wanted: list[Object]) -> ast.expr:
    """Return the optimizer: with labels where not all of the tree is trained."""
    label = labels(tree, wanted)
    if label == "train":
        return linen.optax(step)
    linen.idiom(FROZEN)
    linen.masked(one for one in tree.entries if one not in wanted)
    if label == "keep":
        return expr("optax.set_to_zero()")
    code = "optax.multi_transform({'train': $made, 'keep': optax.set_to_zero()}, $labels)"
    return expr(code, made=linen.optax(step), labels=label)


# -- steps


def moved(linen: "Linen", tree: Tree, made: ast.expr, *, optimizer: str, state: str) -> None:
    """Take a step: the parameters and the optimizer's state are replaced."""
    params = tree.collection("params")
    linen.emit(
        "grads = $made\nupdates, $state = $optimizer.update(grads, $state, $params)",
        made=made, state=state, optimizer=optimizer, params=params,
    )  # fmt: skip
    code = "{**$tree, 'params': $value}" if tree.is_whole else "$value"
    value = expr(code, tree=tree.name, value=expr("optax.apply_updates($params, updates)", params=params))
    linen.emit("$tree = $value", tree=tree.name, value=value)
    tree.written()


def train(linen: "Linen", step: Train) -> None:
    """Update the parameters by an optimizer that is made for it."""
    tree, wanted = trained(linen, step.wrt)
    state = linen.own("opt_state")
    if not linen.writing:
        make(linen, step, tree, wanted)
    loss, further = objective(linen, step.steps, step.minimize, tree.name)
    with linen.apart() as body:
        moved(linen, tree, slopes(linen, loss, tree, further=further), optimizer=linen.own("optimizer"), state=state)
    linen.turns(step.times, body)


def make(
    linen: "Linen",
    step: Train | Optimizer,
    tree: Tree,
    wanted: list[Object],
    to: str = "optimizer",
    state: str = "opt_state",
) -> None:
    """Make an optimizer, that of one training step if it has no name, and its state."""
    to, state, params = linen.own(to) if isinstance(step, Train) else to, linen.own(state), tree.collection("params")
    linen.bind(to, transformation(linen, step, tree, wanted))
    linen.emit("$state = $optimizer.init($params)", state=state, optimizer=to, params=params)


def optimizer(linen: "Linen", step: Optimizer) -> None:
    """Make an optimizer that lasts, and its state."""
    tree, wanted = trained(linen, step.over)
    state = linen.own(f"{step.optimizer}_state")
    flags = {one: is_trained(tree, one) for one in tree.entries}
    labelled = labels(tree, wanted) != "train"
    linen.optimizers[step.optimizer] = Kept(step, state, tree, labelled, flags, dict(tree.entries))
    make(linen, step, tree, wanted, step.optimizer, state)


def update(linen: "Linen", step: Update) -> None:
    """Take steps with an optimizer that lasts."""
    kept, other = linen.optimizers[step.update], handed_instead(linen.symbols, step)
    tree = linen.tree_at(other) if other and not kept.labelled else kept.tree
    if any(is_trained(tree, one) != flag for one, flag in kept.trained.items() if one in tree.entries):
        raise Unsupported(TOO_LATE)
    plain = not kept.labelled and kept.step.kind == "sgd" and kept.step.decay is None
    if tree not in linen.trees or (tree.entries != kept.entries and not plain and step.raises is None):
        raise Unsupported(OTHER_SHAPE)
    scalars = step.losses
    losses = [
        objective(linen, step.steps, scalar, tree.name, "loss" if len(scalars) == 1 else f"loss_{number}")
        for number, scalar in enumerate(scalars, 1)
    ]
    with linen.apart() as body:
        made = [slopes(linen, loss, tree, further=further) for loss, further in losses]
        total = made[0] if len(made) == 1 else expr("jax.tree.map(lambda *parts: sum(parts), $*made)", made=made)
        moved(linen, tree, total, optimizer=step.update, state=kept.state)
    linen.turns(step.times, body)


CODE: dict[str, Any] = {
    "gradient": gradient, "freeze": freeze, "unfreeze": freeze, "train": train, "optimizer": optimizer, "update": update,
}  # fmt: skip
READS: dict[str, Any] = {
    "slots": lambda linen, step: linen.slot_count((kept := linen.optimizers[step.slots]).step.kind, kept.state),
    "slot_bytes": lambda linen, step: expr(
        "sum(leaf.nbytes for leaf in jax.tree.leaves($state))", state=linen.optimizers[step.slot_bytes].state
    ),
}
