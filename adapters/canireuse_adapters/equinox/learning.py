"""Learning in Equinox: gradients are trees like the model, and what is not trained is partitioned away."""

import ast
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from canireuse.emit import Body, Code, Fill, Names, Unsupported, expr, literal, name, statements
from canireuse.program import Object
from canireuse.spec.step import Step
from canireuse.spec.vocabulary import Freeze, Gradient, Layer, Module, Optimizer, Train, Unfreeze, Update
from canireuse_adapters.equinox.places import (
    TREES,
    Path,
    Spot,
    given_up,
    is_floating,
    path,
    spelled,
    together,
)
from canireuse_adapters.jax import MASKED
from canireuse_adapters.training import TOO_LATE, handed_instead

if TYPE_CHECKING:
    from canireuse_adapters.equinox import Equinox


@dataclass
class Trained:
    """What is trained: trees, and the leaves in them, each with the tree that it is in."""

    trees: list[str]
    leaves: list[tuple[str, Path]]
    #: the leaves of floats that are not trained
    rest: list[tuple[str, Path]]
    #: the places that gave their leaf up where somebody froze through them: what is said of them goes nowhere
    nowhere: tuple[tuple[str, Path], ...] = ()
    #: what is left out of what an optimizer, or a list, was asked for
    frozen: tuple[Object, ...] = ()
    #: whether the trees are arrays by themselves
    bare: bool = False
    #: the name of the tree of booleans that says what is trained, if some is not
    spec: str | None = None
    #: of each module and layer in the trees, the class and the fields that are no arrays
    forms: tuple[tuple[object, ...], ...] = ()


@dataclass
class Optimized:
    """An optimizer of the script, and the name of its state."""

    kind: str
    over: str | list[str]
    name: str
    state: str
    trained: Trained
    decays: bool


# -- what is trained


def mark(eqx: "Equinox", step: Freeze | Unfreeze) -> None:  # noqa: ARG001  # every verb takes its step
    """Write nothing: what the filter leaves out, and takes in again, is said where it is made."""
    if any(isinstance(key, int) for key in eqx.optimizers):
        raise Unsupported(TOO_LATE)
    eqx.idiom("An array has no flag: what is frozen is False in the tree that `eqx.partition` filters by.")
    if eqx.frames:
        raise Unsupported(
            "What is trained is said where the loss is differentiated, by a filter; a function that is called changes none."
        )


def froze(eqx: "Equinox", step: Freeze) -> None:
    """Freeze what has its leaf at a place or inside it; at a place that gave its leaf up, the filter finds none."""
    spot = eqx.locate(step.freeze)
    if "." not in step.freeze:  # a name of its own stands for the array, wherever else that is found
        spot = spot.leaf
    before = {one: one.frozen for one in (spot.found.variables() if spot.found else ())}
    eqx.symbols.happen(step)
    for one, frozen in before.items():
        spots = [spot._replace(route=(*spot.route, *route)) for route in spot.found.routes(one)] if spot.found else []
        if all(given_up(spot.tree, there.route) for there in spots):
            one.frozen = frozen
            eqx.nowhere.update((there.owner, there.route[-1]) for there in spots if there.owner)


def unfroze(eqx: "Equinox", step: Unfreeze) -> None:
    """Take into the filter again what is at a place or inside it, at whichever place it was frozen."""
    found = eqx.locate(step.unfreeze).found
    eqx.symbols.happen(step)
    variables = found.variables() if found else {}
    eqx.nowhere = {(owner, part) for owner, part in eqx.nowhere if owner.parts.get(part) not in variables}


def leaves_in(spot: Spot) -> dict[tuple[str, Path], Object]:
    """Return the leaves at a place or inside it, each with the tree that it is in, and the variables."""
    variables = spot.found.variables() if spot.found else {}
    routes = {one: next(spot.tree.routes(one)) for one in variables}
    return {(spot.name, spot._replace(route=route).leaf.path): one for one, route in routes.items()}


def trained_at(eqx: "Equinox", over: str | Sequence[str]) -> Trained:
    """Return what is trained: the arrays at the places that are not frozen."""
    spots = [eqx.locate(place) for place in ([over] if isinstance(over, str) else over)]
    trained = trained_in(spots, eqx.nowhere)
    inside = [one for top in trained.trees for one in eqx.symbols.names[top].walk()]
    forms = (form(eqx, one) for one in inside if isinstance(one.made, Layer | Module) and one.is_owner)
    return replace(trained, forms=tuple(forms))


def form(eqx: "Equinox", one: Object) -> tuple[object, ...]:
    """Return what JAX compares of a module or layer when two trees are to be alike: its class, and the fields that are no arrays."""
    if isinstance(one.made, Layer):
        return one.made.layer, one.made.inputs, one.made.units, "bias" in one.parts
    return (eqx.classes[id(one.made)].name,)


def trained_in(spots: Sequence[Spot], nowhere: Collection[tuple[Object, str]] = ()) -> Trained:
    """Return what is trained at places or inside them; somebody froze through those that are nowhere."""
    found = {leaf: one for spot in spots for leaf, one in leaves_in(spot).items()}
    if not found:
        raise Unsupported("What is trained is an array in a tree; this place holds none.")
    trees = {spot.name: spot.tree for spot in spots if leaves_in(spot)}
    inside = [
        leaf for top, tree in trees.items() for leaf, one in leaves_in(Spot(top, tree)).items() if is_floating(one)
    ]
    leaves = [leaf for leaf, one in found.items() if is_floating(one) and not one.frozen]
    rest = [leaf for leaf in inside if leaf not in leaves]
    frozen = tuple(one for one in found.values() if one.frozen)
    lost = tuple(
        (top, path(tree, (*route, part)))
        for top, tree in trees.items() for owner, part in nowhere for route in tree.routes(owner)
        if not given_up(tree, route)
    )  # fmt: skip
    return Trained(list(trees), leaves, rest, lost, frozen, all(tree.kind == "variable" for tree in trees.values()))


def filtered(eqx: "Equinox", trained: Trained, word: str = "filter_spec", tree: Fill = None) -> Trained:
    """Write the tree of booleans that says what is trained, unless all is."""
    trees, most = trained.trees, len(trained.leaves) > len(trained.rest)
    if not trained.rest and not trained.nowhere:
        return trained
    eqx.masked(trained.frozen)
    if trained.nowhere:
        eqx.idiom(MASKED)
    argument, starts = trees[0], {trees[0]: name(trees[0])}
    if len(trees) > 1:
        argument, starts = "trees", {one: expr("trees[$at]", at=at) for at, one in enumerate(trees)}
    where = [
        spelled(starts[top], leaf, leaf=True)
        for top, leaf in ([*trained.rest, *trained.nowhere] if most else trained.leaves)
    ]
    code = [
        "$spec = jax.tree.map(eqx.is_inexact_array, $tree)" if most else "$spec = jax.tree.map(lambda _: False, $tree)"
    ]
    code += ["$spec = eqx.tree_at(lambda $argument: $where, $spec, $value)"] if where else []
    value = not most if len(where) == 1 else expr("[$value] * $times", value=not most, times=len(where))
    fills = {"argument": argument, "where": where[0] if len(where) == 1 else literal(where), "value": value}
    eqx.emit("\n".join(code), spec=eqx.own(word), tree=tree or together(trees), **fills)
    return replace(trained, spec=eqx.own(word))


def parted(eqx: "Equinox", trained: Trained) -> ast.expr:
    """Part what is trained from what is not; return the code for what is trained."""
    if not trained.spec:
        return together(trained.trees)
    code = "$chosen, $rest = eqx.partition($trees, $spec)"
    fills: dict[str, Fill] = {"chosen": eqx.own("trained"), "rest": eqx.own("static")}
    eqx.emit(code, trees=together(trained.trees), spec=trained.spec, **fills)
    return name(eqx.own("trained"))


def combined(eqx: "Equinox", trained: Trained) -> Body:
    """Return what puts together again what is trained and what is not."""
    code = expr("eqx.combine($chosen, $rest)", chosen=eqx.own("trained"), rest=eqx.own("static"))
    return assigned(trained.trees, code) if trained.spec else []


def assigned(names: Sequence[str], value: Fill) -> Body:
    """Return what binds one name, or several to the parts of a tuple."""
    return statements("$*to = $value" if len(names) == 1 else "($*to,) = $value", to=names, value=value)


# -- losses


def loss(
    eqx: "Equinox", trained: Trained, steps: Sequence[Step], scalar: str, *, word: str = "loss", remat: bool = False,
    takes: Sequence[str] = (),
) -> list[str]:  # fmt: skip
    """Write a loss as a function of what is trained; return the states that it changes, which it takes and returns too."""
    trees, first = trained.trees, combined(eqx, trained)
    argument = trees[0] if len(trees) == 1 else eqx.own("variables")
    if trained.spec:
        argument = eqx.own("trained")
    elif len(trees) > 1:
        first = assigned(trees, argument)
    with eqx.framed("loss", takes) as body:
        eqx.steps(steps)
        if eqx.rebound(steps):
            raise Unsupported(
                "A function that binds a name anew does not see what the name stood for outside: users choose another name for it."
            )
        found = eqx.symbols.names
        states = [one for one in Names(body).bound if one in found and found[one].kind == "state"]
        eqx.emit("return $value", value=together([eqx.expression(scalar), *states]))
    eqx.emit(
        "@$*remat\ndef $loss($*taken):\n    $*first\n    $*body",
        remat=["eqx.filter_checkpoint"] if remat else [], loss=word, taken=[argument, *takes, *states], first=first, body=body,
    )  # fmt: skip
    return states


def grads_of(eqx: "Equinox", word: str, chosen: ast.expr, states: list[str], grads: str) -> ast.expr:
    """Return the code for the gradients of a loss; one that changes a state gives it back beside them."""
    if not states:
        return expr("eqx.filter_grad($loss)($chosen)", loss=word, chosen=chosen)
    eqx.writing()
    code = "$grads, $state = eqx.filter_grad($loss, has_aux=True)($chosen, $state)"
    eqx.emit(code, grads=grads, state=states[0], loss=word, chosen=chosen)
    return name(grads)


def gradient(eqx: "Equinox", step: Gradient) -> None:
    """Differentiate by a tree, and take the place out of the gradients."""
    spot = eqx.locate(step.wrt)
    is_tree = spot.tree.kind in TREES
    states = loss(eqx, Trained([spot.name if is_tree else step.wrt], [], []), step.steps, step.of, remat=step.remat)
    if is_tree:
        grads = grads_of(eqx, "loss", name(spot.name), states, eqx.own("grads"))
        eqx.bind(step.gradient, eqx.turned(spelled(grads, spot.leaf.path, leaf=True), spot.transposed))
    else:
        eqx.bind(step.gradient, expr("jax.grad(loss)($wrt)", wrt=step.wrt))


# -- optimizers


def train(eqx: "Equinox", step: Train) -> None:
    """Update trees with an optimizer of their own."""
    eqx.pure_only("train")
    take_steps(eqx, eqx.optimizers.get(id(step)) or optimized(eqx, step), step.steps, [step.minimize], step.times)


def optimizer(eqx: "Equinox", step: Optimizer) -> None:
    """Make an optimizer, and its state for what is trained now."""
    eqx.optimizers[step.optimizer] = optimized(eqx, step)


def optimized(eqx: "Equinox", step: Train | Optimizer) -> Optimized:
    """Write an optimizer and its state."""
    kind: str
    if isinstance(step, Train):
        kind, over, to, state, spec, decays = step.train, step.wrt, "optimizer", "state", "filter_spec", False
    else:
        kind, over, to, decays = step.kind, step.over, step.optimizer, step.decay is not None or step.kind == "adamw"
        state, spec = eqx.own(f"{to}_state"), f"{to}_spec"
    trained = filtered(eqx, trained_at(eqx, over), spec)
    arrays = together(trained.trees)
    if trained.spec or not trained.bare:
        arrays = expr("eqx.filter($trees, $chosen)", trees=arrays, chosen=trained.spec or "eqx.is_inexact_array")
    eqx.bind(to, eqx.optax(step))
    eqx.emit("$state = $optimizer.init($arrays)", state=state, optimizer=to, arrays=arrays)
    eqx.symbols.names[state] = Object("state")
    return Optimized(kind, over, to, state, trained, decays)


def update(eqx: "Equinox", step: Update) -> None:
    """Take steps with an optimizer made before."""
    if step.update not in eqx.optimizers:
        raise Unsupported(eqx.lost)
    made = eqx.optimizers[step.update]
    now, before = trained_at(eqx, handed_instead(eqx.symbols, step) or made.over), made.trained
    if (now.trees, now.leaves, now.forms) != (before.trees, before.leaves, before.forms):
        if made.kind != "sgd" and step.raises is None:
            raise Unsupported(
                "The state of an Optax optimizer has the form of the tree that it was made for; after what is trained, or the tree around it, has changed or become part of another tree, users make a new one."
            )
        made.trained = filtered(eqx, now, f"{made.name}_spec")
    scalars = step.losses
    take_steps(eqx, made, step.steps, scalars, step.times)


def take_steps(eqx: "Equinox", made: Optimized, steps: Sequence[Step], scalars: Sequence[str], times: int) -> None:
    """Write the loss, and the steps down it."""
    trained, grads, losses, parts = made.trained, eqx.own("grads"), [eqx.own("loss")], [eqx.own("grads")]
    if len(scalars) > 1:
        losses, parts = ([eqx.own(f"{word}_{at}") for at, _ in enumerate(scalars, 1)] for word in ("loss", "grads"))
    chosen = parted(eqx, trained)
    states = [loss(eqx, trained, steps, scalar, word=word) for scalar, word in zip(scalars, losses, strict=True)]
    eqx.writing()
    with eqx.apart() as body:
        each = [grads_of(eqx, *one) for one in zip(losses, [chosen] * len(losses), states, parts, strict=True)]
        if len(each) > 1:
            eqx.bind(grads, expr("jax.tree.map(lambda *each: sum(each), $*each)", each=each))
        elif not states[0]:
            eqx.bind(grads, each[0])
        params = []
        if made.decays:
            bare = trained.spec or trained.bare
            params = [chosen if bare else expr("eqx.filter($x, eqx.is_inexact_array)", x=chosen)]
        code = "updates, $state = $optimizer.update($grads, $state, $*params)"
        eqx.emit(code, state=made.state, optimizer=made.name, grads=grads, params=params)
        updated = expr("eqx.apply_updates($chosen, updates)", chosen=chosen)
        eqx.body += assigned([eqx.own("trained")] if trained.spec else trained.trees, updated)
    eqx.turns(times, body)
    eqx.body += combined(eqx, trained)


CODE: Code = {
    "freeze": mark, "unfreeze": mark, "gradient": gradient, "train": train, "optimizer": optimizer, "update": update,
}  # fmt: skip
EFFECTS: dict[str, Callable[[Any, Any], None]] = {"freeze": froze, "unfreeze": unfroze}


def is_frozen_nowhere(eqx: "Equinox", tree: Object) -> bool:
    """Return whether somebody froze through a place in a tree that gave its leaf up."""
    return any([*tree.routes(owner)] for owner, _ in eqx.nowhere)
