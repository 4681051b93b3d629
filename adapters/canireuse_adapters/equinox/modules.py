"""Modules of Equinox and what is shared among them: by value, which ties nothing, or by `eqx.nn.Shared`."""

import ast
from typing import TYPE_CHECKING

from canireuse.emit import Body, Code, Slot, Unsupported, expr, name, statements
from canireuse.program import Object, places_of
from canireuse.spec.vocabulary import Layer, Module, Replace, Tie
from canireuse_adapters.equinox.places import (
    INSIDE,
    SHARED_NODE,
    TREES,
    Path,
    Spot,
    around,
    fits,
    given_up,
    nodes_shared,
    path,
    shape_at,
    spelled,
    value_of,
)

if TYPE_CHECKING:
    from canireuse_adapters.equinox import Equinox
    from canireuse_adapters.features.container import Container

TYPES = {"dense": "eqx.nn.Linear", "embedding": "eqx.nn.Embedding", "norm": "eqx.nn.BatchNorm"}
#: a `State` belongs to the model that `make_with_state` made it with
ONE_STATE = (
    "`eqx.nn.make_with_state` makes a model and the one state of all its norms; norms made one by one have states of "
    "their own, whose keys are the same, so that they cannot be put together."
)


# -- modules


def module(eqx: "Equinox", step: Module) -> None:
    """Define a module, and make one of what is there.

    What is handed to a module is a value there. Where the spec goes on to use the name that it had, the script goes on
    through the module, as users do; where the spec uses both names, they are two places in the script too. By
    `eqx.nn.Shared` what is handed to several is one leaf.
    """
    spots = {member: eqx.locate(place) for member, place in step.members.items()}
    if len({state for spot in spots.values() if (state := eqx.state_of(spot.found))}) > 1:
        raise Unsupported(ONE_STATE)
    made, given = Object("module", made=step), dict[str, ast.expr]()
    pairs, seen, ties = whole_pairs(spots), dict[Object, str](), dict[str, str]()
    for member, spot in spots.items():
        found = spot.found
        if found and spot.name in pairs:  # the module holds what `eqx.nn.Shared` is put around
            made.parts[member] = found
            made.slots[member] = Slot(".".join((spot.name, *spot.path)))
            given[spot.name] = name(spot.name)
            continue
        given[member] = spot.code
        if found is None or found.kind not in TREES:
            made.parts[member] = Object("variable")
        elif eqx.sharing:
            made.parts[member] = found
            ties |= tied(step, member, spot, seen)
        else:
            moves = not spot.route and found not in made.parts.values() and not both_used(eqx, step, member)
            made.parts[member] = found if moves else value_of(found)
    eqx.emit("$to = $kind($**given)", to=step.module, kind=define(eqx, step, made, list(given)), given=given)
    gone = {one for top in pairs for one in eqx.symbols.names[top].walk() if one.kind == "tuple"}
    eqx.symbols.names |= {top: Object("dropped") for top, one in eqx.symbols.names.items() if one in gone}
    eqx.symbols.names[step.module] = made
    for own, other in ties.items():
        share(eqx, own, other)


def both_used(eqx: "Equinox", step: "Module | Container", member: str) -> bool:
    """Return whether later steps use a member by its place in the module, and by the name that it had."""
    at = next(at for at, one in enumerate(eqx.facts.steps) if one is step)
    used = [tuple(place.split(".")) for one in eqx.facts.steps[at + 1 :] for place in places_of(one)]
    names = [(step.binding, member), tuple(step.members[member].split("."))]
    return all(any(one[: len(parts)] == parts for one in used) for parts in names)


def tied(step: Module, member: str, spot: Spot, seen: dict[Object, str]) -> dict[str, str]:
    """Return the places in a member that are another's leaf, each with that; note where each thing is `seen` first."""
    place, ties = f"{step.module}.{member}", dict[str, str]()
    if spot.route and spot.found not in seen and spot.name not in step.members.values():
        return {place: ".".join((spot.name, *spot.route))}
    waiting = [(place, spot.found)]
    while waiting:
        place, one = waiting.pop(0)
        if one in seen:
            ties[place] = seen[one]
        elif one:
            seen[one] = place
            waiting += [(f"{place}.{part}", inner) for part, inner in one.parts.items() if not spot.route]
    return ties


def whole_pairs(spots: dict[str, Spot]) -> set[str]:
    """Return the tied trees of which every part is a member, each once: the module holds the `Shared` itself."""
    pairs = {spot.name: spot.tree for spot in spots.values() if spot.tree.kind == "tuple" and around(spot.tree)}
    handed = [(spot.name, spot.route) for spot in spots.values()]
    return {
        one for one, tree in pairs.items() if parts_of_pair(tree) == sorted(way for top, way in handed if top == one)
    }


def parts_of_pair(tree: Object) -> list[Path]:
    """Return the way to each tree that was put into a pair, in nested ones too."""
    inner = {part: parts_of_pair(one) if one.kind == "tuple" else [()] for part, one in tree.parts.items()}
    return sorted((part, *way) for part, ways in inner.items() for way in ways)


def define(eqx: "Equinox", step: Module, made: Object, fields: list[str]) -> str:
    """Define the class of a module at the top of the script; return its name."""
    if id(step) in eqx.classes:
        return eqx.classes[id(step)].name
    types = {field: annotation(eqx, made.parts.get(field)) for field in fields}
    body = [line for field, kind in types.items() for line in statements("$field: $kind", field=field, kind=kind)]
    if eqx.facts.called & {step.module, *made.parts} and made.only_layers():
        body += calling(eqx, made)
    word = eqx.own(step.module.title().replace("_", "") or "Model")
    (kind,) = statements("class $kind(eqx.Module):\n    $*body", kind=word, body=body)
    assert isinstance(kind, ast.ClassDef)
    others = {ast.dump(one): one for one in eqx.classes.values()}
    while ast.dump(kind) not in others and kind.name in {one.name for one in others.values()}:
        kind.name += "_"
    eqx.classes[id(step)] = others.get(ast.dump(kind), kind)
    return kind.name


def annotation(eqx: "Equinox", one: Object | None) -> str:
    """Return the type of a field."""
    if one is None or around(one):
        return "eqx.nn.Shared"
    if isinstance(one.made, Layer) and one.kind == "layer":
        return TYPES[one.made.layer]
    return eqx.classes[id(one.made)].name if one.kind == "module" else "jax.Array"


def calling(eqx: "Equinox", made: Object) -> Body:
    """Return the `__call__` of a module: a state goes from norm to norm."""
    code = {part: spelled("self", (*path(made, [part]), *around(one))) for part, one in made.parts.items()}
    if not eqx.state_of(made):
        value = name("x")
        for one in code.values():
            value = expr("$one($value)", one=one, value=value)
        return statements("def __call__($self, $x):\n    return $value", self="self", x="x", value=value)
    body: Body = []
    for part, one in code.items():
        line = "$x, state = $one($x, state)" if eqx.state_of(made.parts[part]) else "$x = $one($x)"
        body += statements(line, x="x", one=one)
    return statements(
        "def __call__($self, $x, state):\n    $*body\n    return $x, state", self="self", x="x", body=body
    )


# -- ties


def tie(eqx: "Equinox", step: Tie) -> None:
    """Put one array in two places, or have one place only."""
    if eqx.tree(step.tie) is None or eqx.tree(step.to) is None:
        raise Unsupported("An Equinox tie is between two places of trees; a tensor by itself is in none.")
    if eqx.sharing:
        share(eqx, step.tie, step.to)
        return
    own, other = eqx.locate(step.tie), eqx.locate(step.to)
    stand(eqx, own, other, eqx.turned(other.code, is_turned(eqx, own, other)))


def replace(eqx: "Equinox", step: Replace) -> None:
    """Put another thing in a member's place."""
    expand(eqx, eqx.locate(step.replace))
    stand(eqx, eqx.locate(step.replace), eqx.locate(step.by), eqx.whole(step.by))


def stand(eqx: "Equinox", own: Spot, other: Spot, code: ast.expr) -> None:
    """Put the value of one place in another, which is trained as before and has the layout that its owner gives it."""
    eqx.put(own, code)
    before, found = own.found, other.found
    if found is None or found.kind not in TREES:
        return
    made = value_of(found)
    if before and made.kind == "variable":
        made.frozen = before.frozen
        if isinstance(before.made, Layer):
            made.made, made.part = before.made, before.part
    if own.route:
        follow(own, made)
        fill(own, made)
    else:
        eqx.symbols.names[own.name] = made


def follow(spot: Spot, made: Object) -> None:
    """Have the places that are given a leaf inside of a place hold what is there in the thing that takes it."""
    for one in spot.found.variables() if spot.found else ():
        ways = [*spot.tree.routes(one)]
        inside = [way[len(spot.route) :] for way in ways if way[: len(spot.route)] == spot.route]
        given = [way for way in ways if way[: len(spot.route)] != spot.route and given_up(spot.tree, way)]
        now = made.at(".".join(inside[0]))
        if given and now is None:
            raise Unsupported(
                "What takes the place of a tied layer has no leaf there for the places that `eqx.nn.Shared` gives it to."
            )
        for way in given:
            if (owner := spot._replace(route=way).owner) and now:
                owner.parts[way[-1]] = now


def fill(spot: Spot, made: Object) -> None:
    """Have something else stand at a place, and at those that are given its leaf."""
    for route in list(spot.tree.routes(spot.found)) if spot.found else [spot.route]:
        owner = spot._replace(route=route).owner
        if owner:
            owner.parts[route[-1]] = made


def is_turned(eqx: "Equinox", own: Spot, other: Spot) -> bool:
    """Return whether an array is transposed on its way to a place."""
    if fits(own, other):
        eqx.idiom("`eqx.nn.Linear` multiplies by its weight transposed, so an embedding's table fits as it is.")
        return False
    return own.slot.transposed != other.slot.transposed


def share(eqx: "Equinox", tie: str, to: str) -> None:
    """Put a tree, or a pair of trees, into `eqx.nn.Shared`: one place gives its leaf up for another's."""
    own, other = eqx.locate(tie), eqx.locate(to)
    if eqx.outer(own.name) or eqx.outer(other.name):
        raise Unsupported(
            "`eqx.nn.Shared` gives a tree another structure, which a function cannot do to the trees that were made outside of it."
        )
    if own.name == other.name and own.leaf == other.leaf:
        return
    if own.found is None or other.found is None:
        raise Unsupported("What is tied here went into a tree whose name was bound anew, where it cannot be reached.")
    turned = is_turned(eqx, own, other)
    if differ(own, other, turned=turned):
        eqx.bind(None, shared(*paired(own, other), turned=turned))
        return
    expand(eqx, own)
    own, other = eqx.locate(tie), eqx.locate(to)
    top = own.name
    if own.name != other.name:  # the same name when this is done again, since the names are the same then
        top = eqx.own("pair")
        while top in eqx.symbols.names:
            top = eqx.own(f"{top}_")
    code, own, other = paired(own, other)
    eqx.bind(top, shared(code, own, other, turned=turned))
    eqx.symbols.names[top] = own.tree
    assert own.owner is not None
    assert other.found is not None
    fill(own, other.found)
    own.owner.slots[own.route[-1]] = own.slot._replace(kind=SHARED_NODE, reads=f"{len(nodes_shared(own.tree))}")
    own.tree.slots[""] = Slot(".".join((*around(own.tree), INSIDE)))


def paired(own: Spot, other: Spot) -> tuple[ast.expr, Spot, Spot]:
    """Return the code for the tree that has both places, and the places in it: two trees are put into a pair."""
    if own.name == other.name:
        return name(own.name), own, other
    kept, given = other.name, own.name
    tree = Object("tuple", {kept: other.tree, given: own.tree}, {kept: Slot("0"), given: Slot("1")})
    code = expr("($kept, $given)", kept=kept, given=given)
    return code, Spot("pair", tree, (given, *own.route)), Spot("pair", tree, (kept, *other.route))


def shared(tree: ast.expr, own: Spot, other: Spot, *, turned: bool) -> ast.expr:
    """Return the code that ties two places of a tree."""
    argument = "pair" if own.tree.kind == "tuple" else own.name
    where, get = spelled(argument, own.path, leaf=True), spelled(argument, other.path)
    code = "eqx.nn.Shared($tree, where=lambda $argument: $where, get=lambda $argument: $get)"
    get = expr("jnp.transpose($x)", x=get) if turned else get
    return expr(code, tree=tree, argument=argument, where=where, get=get)


def differ(own: Spot, other: Spot, *, turned: bool) -> bool:
    """Return whether two things are known to differ in shape, so that `eqx.nn.Shared` refuses them."""
    one, two = own.found, other.found
    if one is None or two is None or one.kind != two.kind or one.parts.keys() != two.parts.keys():
        return one is not None and two is not None
    if one.parts:
        both = (
            (own._replace(route=(*own.route, part)), other._replace(route=(*other.route, part))) for part in one.parts
        )
        return any(differ(*each, turned=False) for each in both)
    mine, others = shape_at(own), shape_at(other)
    return mine is not None and others is not None and mine != (others[::-1] if turned else others)


def expand(eqx: "Equinox", spot: Spot) -> None:
    """Put back what a place has given up, so that it can hold something else; what else is tied stays so."""
    route, given = spot.route, nodes_shared(spot.tree)
    if not any(one[: len(route)] == route or route[: len(one)] == one for one in given):
        return
    if not around(spot.tree) or any(one[: len(route)] != route for one in given):
        raise Unsupported(
            "`eqx.nn.Shared` has emptied this place; to put something else there, users expand the tree and share the rest anew."
        )
    eqx.writing()
    eqx.bind(spot.name, spelled(spot.name, around(spot.tree)))
    del spot.tree.slots[""]
    for owner, part in [(spot._replace(route=one).owner, one[-1]) for one in given]:
        if owner:
            owner.parts[part] = value_of(owner.parts[part])
            owner.slots[part] = owner.slot(part)._replace(kind="variable")


CODE: Code = {"module": module, "tie": tie, "replace": replace}
