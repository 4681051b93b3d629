"""Flax NNX: gradients and optimizers, over the owner that a loss takes."""

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from canireuse.emit import Body, Code, Effects, Lack, Names, Unsupported, attribute, expr, name
from canireuse.program import Object, free_names, holder, holds, places_in, places_of, through, touching
from canireuse.spec.step import Step
from canireuse.spec.vocabulary import Freeze, Gradient, Optimizer, Train, Unfreeze, Update, walk
from canireuse_adapters.nnx import scopes
from canireuse_adapters.nnx.layers import FROZEN, PURE, at
from canireuse_adapters.training import MADE_BEFORE, TOO_LATE, handed_instead

if TYPE_CHECKING:
    from canireuse_adapters.nnx import NNX

Variables = dict[Object, None]
#: verb -> the fields with places that it writes, or puts something else in
WRITING = {"assign": ("assign",), "tie": ("tie", "to"), "replace": ("replace", "by")}
NOT_COPIED = (
    "`nnx.merge` of what `nnx.split` gave holds the variables of the first: one of the two is not frozen by itself."
)
OTHERS = (
    "What was put into the owner that an `nnx.Optimizer` was made of would be trained too, and here it was made of more than "
    "it is to train: make the optimizer last."
)


@dataclass
class Trained:
    """An optimizer: the name of the owner that it was made of, what that holds, and the filter, if it is not the type alone."""

    holder: str
    owner: Object
    variables: Variables
    filter: ast.expr | None
    kind: str
    #: whether something was frozen or unfrozen since it was made
    stale: bool = False


# -- what a loss takes


def places_inside(nnx: "NNX", steps: Sequence[Step], texts: Sequence[str]) -> list[str]:
    """Return the places that steps and expressions use, look up by name, and hand to functions that they call."""
    places = [place for text in texts for place in places_in(text)]
    places += scopes.looked_up(nnx, steps, nnx.symbols.scope.path)
    for step in walk(steps):
        called = nnx.defined.get(getattr(step, "invoke", ""))
        places += [*places_of(step), *(called.takes if called else ())]
    return places


def held(
    nnx: "NNX", wanted: Variables, first: Sequence[str], steps: Sequence[Step], texts: Sequence[str], *, bare: bool = False
) -> tuple[str, Object]:  # fmt: skip
    """Return the name of what a function takes that is to see some variables as one; make it if nothing holds them all."""
    owners = {**nnx.symbols.names, **nnx.models}
    touched = touching(nnx.symbols, places_inside(nnx, steps, texts), wanted)
    found = holder(nnx.symbols, owners, wanted, touched, first, bare=bare)
    if found is None:
        parts = {top: owners[top] for top in (place.partition(".")[0] for place in touched)}
        for top in (place.partition(".")[0] for place in first):
            if not wanted.keys() <= Object("module", parts).variables().keys():
                parts[top] = owners[top]
        found = nnx.fresh("model")
        nnx.emit("$to = nnx.Dict($**members)", to=found, members={one: nnx.place(one) for one in parts})
        owners[found] = nnx.models[found] = Object("module", parts)
    return found, owners[found]


def written(nnx: "NNX", steps: Sequence[Step]) -> list[str]:
    """Return the places that steps write, or put something else in."""
    places: list[str] = []
    for step in walk(steps):
        places += [getattr(step, field) for field in WRITING.get(step.verb, ())]
        called = nnx.defined.get(getattr(step, "invoke", ""))
        places += called.takes if called and called.writes else ()
        places += [getattr(step, step.verb)] if getattr(step, "training", False) else []
    return places


def rebound(body: Body, steps: Sequence[Step], own: Sequence[str]) -> list[str]:
    """Return the names of the script that a function reads before it binds them anew: it has to be handed them."""
    bound = Names(body).bound
    return [one for one in free_names(steps, own) if one in bound and one not in own]


def loss(
    nnx: "NNX", steps: Sequence[Step], scalar: str, argument: str, owner: Object, word: str = "loss", parts: Sequence[str] = (), kind: str = "loss"
) -> list[str]:  # fmt: skip
    """Write the function that leads up to a scalar; return what it takes: its owner, and what else it writes."""
    before = set(nnx.symbols.names)
    with nnx.apart() as body, nnx.frame(kind, argument, owner):
        nnx.steps(steps)
        nnx.emit("return $x", x=nnx.expression(scalar))
    free = Names(body).free
    tops = dict.fromkeys(place.partition(".")[0] for place in written(nnx, steps))
    takes = [argument, *(one for one in tops if one != argument and one in free)]
    more = [(one, name(one)) for one in rebound(body, steps, [*takes, *parts]) if one in before]
    nnx.emit("def $loss($*takes):\n    $*body", loss=word, takes=[*takes, *parts, *more], body=body)
    return takes


def gradient(nnx: "NNX", step: Gradient) -> None:
    """Differentiate a function of what holds the variable."""
    found = at(nnx, step.wrt, "tensor", "variable")
    if found.kind == "tensor":
        loss(nnx, step.steps, step.of, step.wrt, found, kind="tensor")
        code = expr("jax.checkpoint(loss)" if step.remat else "loss")
        nnx.emit("$to = jax.grad($loss)($at)", to=step.gradient, loss=code, at=step.wrt)
        return
    argument, owner = held(nnx, {found: None}, [step.wrt], step.steps, [step.of, step.wrt], bare=found.trainable)
    takes = [nnx.place(one) for one in loss(nnx, step.steps, step.of, argument, owner)]
    library = "jax" if nnx.inside("jax") else "nnx"
    remat = f"{'jax.checkpoint' if library == 'jax' else 'nnx.remat'}(loss)"
    grads = expr(f"{library}.grad($loss)($*takes)", loss=expr(remat if step.remat else "loss"), takes=takes)
    first, *rest = step.wrt.split(".")
    route = tuple(rest) if first == argument else through(nnx.symbols, owner, step.wrt) or ()
    if is_tied(owner, found) and library == "nnx":
        nnx.idiom(
            "`nnx.grad` lists a shared variable under one of its paths; merging puts the gradient under all of them."
        )
        nnx.emit("graph, _, rest = nnx.split($owner, nnx.Param, ...)", owner=takes[0])
        grads = expr("nnx.merge(graph, $grads, rest)", grads=grads)
    around, part = nnx.symbols.above(step.wrt)
    # a gradient has the metadata of its variable, so that a hook on reading would be run on it too
    hooked = around is not None and around.slot(part).reads
    read = "$to = $at.get_raw_value()" if hooked else "$to = $at[...]"
    nnx.emit(read, to=step.gradient, at=attribute(grads, owner.spelled(route)))


def is_tied(owner: Object, found: Object) -> bool:
    """Return whether a parameter stands in an owner more than once, so that its gradient is listed under one of its paths."""
    return len({owner.spelled(one) for one in owner.routes(found)}) > 1 and found.trainable


# -- optimizers


def freeze(nnx: "NNX", step: Freeze | Unfreeze) -> None:
    """Note which optimizers were made before it: an `nnx.Param` has no flag."""
    if nnx.hoisted:
        raise Unsupported(TOO_LATE)
    if isinstance(step, Freeze):
        nnx.idiom(FROZEN)
    for one in nnx.optimizers.values():
        one.stale = True


def listed(over: str | list[str]) -> list[str]:
    """Return what is one or several as a list."""
    return [over] if isinstance(over, str) else over


def filter_of(nnx: "NNX", argument: str, owner: Object, places: Mapping[str, Object]) -> ast.expr | None:
    """Return the filter for the variables at some places of an owner; None if these are all its parameters."""
    parameters, wanted = [one for one in owner.variables() if one.trainable], set(places.values())
    if not wanted or set(parameters) == wanted:
        return None if wanted else expr("nnx.Nothing()")
    routes = {one: list(owner.routes(one)) for one in parameters}
    if wanted <= set(parameters) and all(len(found) == 1 for found in routes.values()):
        paths = {one: owner.spelled(found[0]) for one, found in routes.items()}
        for part in dict.fromkeys(part for path in paths.values() for part in path):
            inside = {one for one, path in paths.items() if part in path}
            if inside == wanted:
                return expr("nnx.All(nnx.Param, nnx.PathContains('$part'))", part=part)
            if inside == set(parameters) - wanted:
                return expr("nnx.All(nnx.Param, nnx.Not(nnx.PathContains('$part')))", part=part)
    # a shared variable is listed under one of its paths: which, the script finds out
    nnx.idiom("The optimizer's filter is made of the paths under which NNX lists the variables to train.")
    code = [nnx.place(place) for place in places]
    found = "node is $one" if len(code) == 1 else "any(node is one for one in [$*code])"
    test = expr(found, one=code[0], code=code)
    filtered = "nnx.filterlib.PathIn(*[path for path, node in nnx.iter_graph($owner) if $test])"
    return expr(filtered, owner=nnx.place(argument), test=test)


def trained_by(nnx: "NNX", over: str | list[str]) -> dict[str, Object]:
    """Return what an optimizer trains, by places: a place that was named itself, and what is trainable in owners."""
    wanted: dict[str, Object] = {}
    for place in listed(over):
        stands = at(nnx, place, "variable", "layer", "module")
        found = (one for one in stands.variables() if not one.frozen and (one.trainable or one is stands))
        wanted |= {".".join((place, *route)): one for one in found for route in stands.routes(one)}
    return wanted


def make(
    nnx: "NNX", to: str, over: str | list[str], kind: str, optax: ast.expr, steps: Sequence[Step], texts: Sequence[str]
) -> Trained:
    """Make an optimizer of what holds all that it trains, and all places where its losses touch that."""
    wanted = trained_by(nnx, over)
    trained = dict.fromkeys(wanted.values())
    argument, owner = held(nnx, trained, listed(over), steps, texts)
    code = nnx.place(argument)
    chosen = filter_of(nnx, argument, owner, wanted)
    if chosen is not None:
        nnx.masked(one for one in owner.variables() if one not in trained)
        filtered = nnx.fresh("trained" if to == "optimizer" else f"trained_by_{to}")
        nnx.bind(filtered, chosen)
        chosen = name(filtered)
    wrt = chosen or expr("nnx.Param")
    nnx.emit("$to = nnx.Optimizer($owner, $optax, wrt=$wrt)", to=to, owner=code, optax=optax, wrt=wrt)
    return Trained(argument, owner, trained, chosen, kind)


def grads(trained: Trained, word: str, takes: Sequence[ast.expr]) -> ast.expr:
    """Return the code for the gradients that an optimizer takes."""
    only = {} if trained.filter is None else {"argnums": expr("nnx.DiffState(0, $filter)", filter=trained.filter)}
    return expr("nnx.grad($loss, $**only)($*takes)", loss=word, only=only, takes=list(takes))


def made_for(nnx: "NNX", step: Train) -> Trained:
    """Make the optimizer of a training step."""
    return make(nnx, "optimizer", step.wrt, step.train, nnx.optax(step), step.steps, [step.minimize])


def train(nnx: "NNX", step: Train) -> None:
    """Make an optimizer, unless that was done before the function around, and take its steps."""
    trained = nnx.hoisted.get(id(step)) or made_for(nnx, step)
    takes = [nnx.place(one) for one in loss(nnx, step.steps, step.minimize, trained.holder, trained.owner)]
    with nnx.apart() as body:
        nnx.emit("optimizer.update($owner, $grads)", owner=takes[0], grads=grads(trained, "loss", takes))
    nnx.turns(step.times, body)


def trained(nnx: "NNX", step: Train) -> None:
    """Refuse a step whose optimizer, which was made before the traced function, would not train what it says now."""
    nnx.symbols.happen(step)
    known = nnx.hoisted.get(id(step))
    if known is not None and known.variables.keys() != set(trained_by(nnx, step.wrt).values()):
        raise Unsupported(MADE_BEFORE)


def optimizer(nnx: "NNX", step: Optimizer) -> None:
    """Make an optimizer that lasts, of what the losses to come are functions of."""
    later = nnx.facts.updates(step.optimizer)
    texts = [text for one in later for text in listed(one.minimize)]
    inner = [inside for one in later for inside in one.steps]
    to = step.optimizer
    nnx.optimizers[to] = make(nnx, to, step.over, step.kind, nnx.optax(step), inner, texts)


def updated(nnx: "NNX", step: Update) -> None:
    """Refuse a step of an optimizer whose losses, as they are written, would not see as one what it trains now."""
    trained, scalars = nnx.optimizers[step.update], listed(step.minimize)
    if trained.stale:
        raise Unsupported(TOO_LATE)
    if trained.filter is None and handed_instead(nnx.symbols, step, around=nnx.way.get("copy") == "split-merge"):
        return
    variables = dict(trained.variables)
    if trained.filter is None:
        variables |= {one: None for one in trained.owner.variables() if one.trainable}
        made = nnx.symbols.names[step.update].made
        own = isinstance(made, Optimizer) and listed(made.over) == [trained.holder]
        if not own and variables != trained.variables:
            raise Unsupported(OTHERS)
    touched = touching(nnx.symbols, places_inside(nnx, step.steps, scalars), variables)
    if not holds(nnx.symbols, trained.holder, trained.owner, touched):
        raise Unsupported(
            "A module that was put together after the optimizer holds a variable that it trains, and `nnx.Optimizer` steps "
            "on the owner that it was made of: make the optimizer last."
        )


def update(nnx: "NNX", step: Update) -> None:
    """Take steps with an optimizer, on the sum of the gradients of several losses if there are."""
    updated(nnx, step)
    trained, scalars = nnx.optimizers[step.update], listed(step.minimize)
    if trained.filter is None and (
        other := handed_instead(nnx.symbols, step, around=nnx.way.get("copy") == "split-merge")
    ):
        trained = replace(trained, holder=other, owner=nnx.symbols.names[other])
    found: list[ast.expr] = []
    for number, scalar in enumerate(scalars, 1):
        word = "loss" if number == 1 else nnx.own(f"loss_{number}")
        takes = [nnx.place(one) for one in loss(nnx, step.steps, scalar, trained.holder, trained.owner, word)]
        found.append(grads(trained, word, takes))
    with nnx.apart() as body:
        if found[1:]:
            nnx.idiom("Gradients are accumulated by adding them up: `nnx.grad` returns them.")
            nnx.emit("gradients = $first", first=found[0])
            for one in found[1:]:
                nnx.emit("gradients = jax.tree.map(jnp.add, gradients, $one)", one=one)
        summed = expr("gradients") if found[1:] else found[0]
        code = "$optimizer.update($owner, $grads)"
        nnx.emit(code, optimizer=step.update, owner=nnx.place(trained.holder), grads=summed)
    nnx.turns(step.times, body)


LACKS = (
    Lack("freeze", lambda nnx, _: nnx.way.get("copy") == "split-merge", NOT_COPIED),
    Lack("optimizer", lambda nnx, _: nnx.inside("loss", "tensor"), PURE.format("make an optimizer")),
    Lack("update", lambda nnx, _: nnx.inside("loss", "tensor"), PURE.format("take a step of an optimizer")),
)  # fmt: skip
EFFECTS: Effects = {"train": trained, "update": updated}
CODE: Code = {
    "gradient": gradient, "train": train, "optimizer": optimizer, "update": update, "freeze": freeze, "unfreeze": freeze,
}  # fmt: skip
