"""The classes that owners become in Flax Linen: one class an owner, and one outermost module a tree.

What stands in one place is made in the `setup` of its owner. What stands in several is made in the lowest owner of all its places,
and handed down as a field: a layer as `nn.Module`, a variable as `jax.Array`. A tie is then one entry of the tree with several uses.
"""

import ast
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING

from canireuse.emit import Body, Fill, Unsupported, attribute, expr, name, statements
from canireuse.program import Object
from canireuse.spec.vocabulary import Function, Layer, Module, Tie, Variable, Wrap
from canireuse_adapters.features.container import Container, literal
from canireuse_adapters.linen.layers import (
    WRAPPED,
    Entry,
    arguments,
    follows,
    inner_entry,
    inputs_of,
    is_layer,
    kind_of,
    made,
    mode_code,
    opened_call,
    parts_of,
    shape_of,
    together,
    trains,
)

if TYPE_CHECKING:
    from canireuse_adapters.linen import Linen

Route = tuple[str, ...]


#: what stands where, and the function that its reading goes through
Shape = frozenset[tuple[Route, int, str | None]]


def read_by(layer: Object) -> str | None:
    """Return the function of its parameters that a layer computes with, if it does not compute with the parameters themselves."""
    return next((slot.reads for slot in layer.slots.values() if slot.reads), None)


def camel(word: str) -> str:
    """Return the name of a class."""
    return "".join(part[:1].upper() + part[1:] for part in word.split("_"))


STATISTICS = frozenset({"mean", "var"})
OWN_STATISTICS = "An `nn.BatchNorm` makes its running statistics itself, and takes none of another's."
CIRCLE = (
    "A table that is made inside of a module and used by what this module is handed has to be made around both; "
    "this project has no words yet that do so."
)
OVER_TIME = """\
def __call__(self, series):
    each = nn.vmap(lambda layer, step: layer(step), in_axes=1, out_axes=1, variable_axes={'params': None}, split_rngs={'params': False})
    return each(self.layer, series)
"""


class Plan:
    """Who makes what in a tree, and which entry each variable has: asked of the objects below the outermost module."""

    def __init__(
        self, root: Object, called: Callable[[Object], str | None], outside: frozenset[Object] = frozenset()
    ) -> None:
        self.root = root
        #: the layers that the root is handed by the script
        self.outside = [one for one in dict.fromkeys(root.parts.values()) if one in outside]
        #: the name that the spec has for an object
        self.called = called

    @cached_property
    def places(self) -> dict[Object, list[Route]]:
        """Every object below the root with all ways to it, in the order of places."""
        found: dict[Object, list[Route]] = {}

        def walk(one: Object, route: Route) -> None:
            found.setdefault(one, []).append(route)
            for part, inner in parts_of(one).items():
                walk(inner, (*route, part))

        walk(self.root, ())
        return found

    @cached_property
    def shape(self) -> Shape:
        """What stands where: another shape is another definition."""
        return frozenset((route, id(one), read_by(one)) for one, routes in self.places.items() for route in routes)

    def owners_on(self, route: Route) -> list[Object]:
        """Return the owners on a way, the outermost first."""
        found, owners = self.root, [self.root]
        for part in route[:-1]:
            found = parts_of(found)[part]
            owners.append(found)
        return owners

    def maker(self, one: Object) -> Object:
        """Return the lowest owner of all places of an object: the one that makes it, or a layer that makes its own part; itself if the script does."""
        if one in self.outside:
            return one
        chains = [self.owners_on(route) for route in self.places[one]]
        common = [owner for owner in chains[0] if all(owner in chain for chain in chains)]
        if one.part and self.is_table(one):
            return next(chain[-1] for chain in chains if chain[-1].made is one.made)
        return common[-1]

    def is_table(self, variable: Object) -> bool:
        """Return whether a variable is the table of an `nn.Embed` that still holds it, which others can be handed."""
        step = variable.made
        return (
            isinstance(step, Layer)
            and step.layer == "embedding"
            and any(self.owners_on(route)[-1].made is step for route in self.places[variable])
        )

    def is_shared(self, one: Object) -> bool:
        """Return whether an object, or an owner around it, stands in several places."""
        return len(self.places.get(one, ())) > 1

    def is_opened(self, layer: Object) -> bool:
        """Return whether a layer is a class written out, since a part of it comes from outside or is a variable of the spec."""
        parts = layer.parts.values() if is_layer(layer) else ()
        return any(isinstance(part.made, Variable) or self.maker(part) is not layer for part in parts)

    # -- names and entries

    @cached_property
    def words(self) -> dict[Object, str]:
        """What each object that stands in several places is called where its owner has no name for it; the second kernel after its layer."""
        found: dict[str, Object] = {}
        for one in self.places:
            if self.is_shared(one):
                word = one.part or self.called(one) or "shared"
                if word in found and isinstance(one.made, Layer):
                    word = f"{one.made.as_}_{word}"
                while word in found:  # of a copy, whose layer was made by the same step
                    word += "_"
                found[word] = one
        return {one: word for word, one in found.items()}

    def attribute_of(self, one: Object, owner: Object) -> str:
        """Return what an owner that makes an object, or is handed it, calls it."""
        for part, inner in parts_of(owner).items():
            if inner is one:
                return part
        word = self.words.get(one) or one.part or "shared"
        while word in owner.parts:
            word += "_"
        return word

    def path(self, one: Object) -> Route:
        """Return the keys that lead to an owner or a variable in the tree."""
        if one is self.root:
            return ()
        around = self.root if one in self.outside else self.maker(one)
        if around in self.places and is_layer(around) and not self.is_opened(around):
            return (*self.path(around), *inner_entry(around, self.attribute_of(one, around))[1])
        word = self.attribute_of(one, around)
        if one.is_owner and isinstance(around.made, Container):
            word = f"parts_{around.made.key_of(word)}"
        if numbers := numbered(around):
            word = dict(zip(parts_of(around).values(), numbers, strict=True)).get(one, word)
        return (*self.path(around), WRAPPED.get(word, word) if isinstance(around.made, Wrap) else word)

    def entry(self, variable: Object) -> Entry:
        """Return the collection of a variable and its path there."""
        if isinstance(variable.made, Layer):
            collection = inner_entry(Object("layer", made=variable.made), variable.part)[0]
        else:
            collection = "params" if variable.trainable and variable.kind == "variable" else "constants"
        return collection, self.path(variable)

    def variables(self, of: Object | None = None) -> dict[Object, Entry]:
        """Return the variables of an owner, of all where none is given, each with its entry."""
        inside = {one: None for one in (of or self.root).walk() if one.kind in {"variable", "buffer"}}
        return {one: self.entry(one) for one in inside if one in self.places}

    @cached_property
    def collections(self) -> list[str]:
        """The collections of the tree, parameters first."""
        found = dict.fromkeys(collection for collection, _ in self.variables().values())
        return sorted(found, key=lambda one: one != "params") or ["params"]

    # -- classes

    def needs(self, owner: Object) -> list[Object]:
        """Return what an owner is handed: what stands in it and is made around it, or in what it makes for several places."""
        found: dict[Object, None] = {}
        made = [one for one in self.places if one is not owner and self.maker(one) is owner]
        for one in dict.fromkeys([*parts_of(owner).values(), *made]):
            if self.maker(one) is not owner:
                found[one] = None
            elif one.is_owner and (not is_layer(one) or self.is_opened(one)):
                found |= {inner: None for inner in self.needs(one) if not self.reaches(owner, inner)}
        return list(found)

    def reaches(self, owner: Object, one: Object) -> bool:
        """Return whether an owner makes an object, itself or inside of what it makes."""
        if one in self.outside:
            return False
        around = self.maker(one)
        return around is owner or (around is not self.root and self.reaches(owner, around))

    def classes(self) -> "list[Object]":
        """Return the owners that become classes, inner ones first."""
        found: dict[Object, None] = {}

        def visit(one: Object) -> None:
            for inner in parts_of(one).values():
                if inner.is_owner:
                    visit(inner)
            if kind_of(one) == "module" or self.is_opened(one) or is_time_distributed(one):
                found[one] = None

        visit(self.root)
        return list(found)


def as_it_stands(layer: Object, step: Layer) -> Layer:
    """Return the step that makes a layer, with the starts of the variables that were another layer's and now stand in it alone."""
    others = {
        part: getattr(one.made, one.part)
        for part, one in layer.parts.items()
        if isinstance(one.made, Layer) and one.made is not step
    }
    if STATISTICS & others.keys():
        raise Unsupported(OWN_STATISTICS)
    return step.model_copy(update=others)


def is_time_distributed(owner: Object) -> bool:
    """Return whether it is a layer that is called at each step of a series."""
    return isinstance(owner.made, Wrap) and owner.made.inside == "time_distributed"


def names_clash(owner: Object) -> bool:
    """Return whether a spec gives two layers of a module one name."""
    code = [step.name for step in {id(step): step for step in layers_of(owner)}.values() if step.name]
    return len(set(code)) < len(code)


def spelled(around: ast.expr, owner: Object, part: str) -> ast.expr:
    """Return the code for a part of an owner: a container has all in one attribute."""
    return attribute(around, owner.made.attribute_of(part).split(".") if isinstance(owner.made, Container) else [part])


def layers_of(owner: Object) -> list[Layer]:
    """Return the steps of the layers that a module consists of, and calls one after the other; none if it is no such module, or has them in a container."""
    if isinstance(owner.made, Container):
        return []
    made = {one: one.made for one in owner.parts.values() if isinstance(one.made, Layer) and one.kind == "layer"}
    return list(made.values()) if len(made) == len(owner.parts) and follows(owner) else []


def numbered(owner: Object) -> list[str]:
    """Return the names that Linen gives the layers of a module to which a spec gives none, in their order; none for other modules."""
    steps = layers_of(owner) if owner.made is not None else []
    if any(step.name or step.layer not in {"dense", "embedding"} for step in steps):
        return []
    kinds = ["Embed" if step.layer == "embedding" else "Dense" for step in steps]
    return [f"{kind}_{kinds[:place].count(kind)}" for place, kind in enumerate(kinds)]


def returns_definition(step: Function) -> bool:
    """Return whether a function makes layers and modules and returns one."""
    return (
        bool(step.returns)
        and any(isinstance(one, Layer) for one in step.steps)
        and all(isinstance(one, Layer | Module | Tie | Wrap) for one in step.steps)
    )


def function_of(linen: "Linen", one: Object) -> Function | None:
    """Return the function of the spec that makes an object and returns it."""
    for step in linen.facts.steps:
        if (
            isinstance(step, Function)
            and returns_definition(step)
            and any(inner is one.made for inner in step.steps)
            and one.made
            and one.made.binding == step.returns
        ):
            return step
    return None


class Writer:
    """Writes the classes of a plan."""

    def __init__(self, linen: "Linen", plan: Plan) -> None:
        self.linen, self.plan = linen, plan
        #: the names of the classes
        self.names: dict[Object, str] = {}

    def ways_to(self, owner: Object, one: Object) -> ast.expr:
        """Return the words in the `setup` of an owner for an object that it makes, reaches, or is handed."""
        around = self.plan.maker(one)
        if one in self.plan.outside:
            return name(self.linen.name_of(one) or one.part)
        if around is not owner and self.plan.reaches(owner, one):
            part = "embedding" if is_layer(around) else self.plan.attribute_of(one, around)
            return attribute(self.ways_to(owner, around), [part])
        return spelled(name("self"), owner, self.plan.attribute_of(one, owner))

    def constructed(self, owner: Object, one: Object, *, inside: Function | None = None) -> ast.expr:
        """Return the code with which an owner makes a part, or with which the function of the spec does that it is inside of."""
        plan, step = self.plan, one.made
        if isinstance(step, Variable):
            return self.linen.new_variable(plan.attribute_of(one, owner), step)
        if isinstance(step, Layer) and not one.is_owner:  # a part of a layer that is written out
            if one.part in STATISTICS:
                raise Unsupported(OWN_STATISTICS)
            word, init = plan.attribute_of(one, owner), self.linen.initializer(getattr(step, one.part))
            return expr("self.param('$word', $init, $shape)", word=word, init=init, shape=shape_of(one))
        function = function_of(self.linen, one)
        if function is not None and function is not inside:
            return expr("$function()", function=function.function)
        if isinstance(step, Layer) and not plan.is_opened(one):
            layer = made(as_it_stands(one, step), self.linen.initializer)
            if (reading := read_by(one)) is not None:
                layer.func = expr("nn.map_variables($kind, 'params', $reading)", kind=layer.func, reading=reading)
            return layer
        if isinstance(step, Wrap) and not is_time_distributed(one):
            parts = [
                self.ways_to(owner, part) if plan.maker(part) is not one else self.constructed(one, part)
                for part in parts_of(one).values()
            ]
            return expr("$kind($*parts)", kind="nn.RNN" if step.inside == "rnn" else "nn.Bidirectional", parts=parts)
        given: dict[str, Fill] = {plan.attribute_of(part, one): self.ways_to(owner, part) for part in plan.needs(one)}
        alone = list(given.values()) if len(given) == 1 else []
        return expr("$name($*alone, $**given)", name=self.names[one], alone=alone, given={} if alone else given)

    def definition(self, owner: Object) -> ast.ClassDef:
        """Return the class of an owner."""
        if names_clash(owner) or numbered(owner):
            body = self.in_one_pass(owner)
        else:
            body = [*self.fields(owner), *self.setup(owner), *self.call(owner)]
        (found,) = statements("class $name(nn.Module):\n    $*body", name=self.names[owner], body=body)
        assert isinstance(found, ast.ClassDef)
        return found

    def fields(self, owner: Object) -> Body:
        """Return the fields in which an owner is handed what is made around it."""
        found: Body = []
        for one in self.plan.needs(owner):
            kind = name("nn.Module" if one.is_owner else "jax.Array")
            found += statements("$field: $kind", field=self.plan.attribute_of(one, owner), kind=kind)
        return found

    def setup(self, owner: Object) -> Body:
        """Return the `setup` of an owner: what it makes, in an order in which each part has what it is handed."""
        plan, body, done, begun = self.plan, Body(), set[Object](), set[Object]()

        def ensure(one: Object) -> None:
            around = plan.maker(one)
            if one in begun - done:
                raise Unsupported(CIRCLE)
            if one in done or not plan.reaches(owner, one):
                return
            begun.add(one)
            written = one.is_owner and (not is_layer(one) or plan.is_opened(one))
            for inner in plan.needs(one) if around is owner and written else []:
                ensure(inner)
            if around is owner:
                to = name(("" if isinstance(owner.made, Container) else "self.") + plan.attribute_of(one, owner))
                body.extend(statements("$to = $value", to=to, value=self.constructed(owner, one)))
            else:
                ensure(around)
            done.add(one)

        for one in plan.places:
            if one is not plan.root and plan.maker(one) is owner:
                ensure(one)
        body.extend(self.parts(owner))
        return statements("def setup(self):\n    $*body", body=body) if body else []

    def parts(self, owner: Object) -> Body:
        """Return the lines of `setup` in which an owner has its parts: under their names, or in a value of Python's own."""
        plan = self.plan
        if isinstance(owner.made, Container):
            held = {
                part: name(("" if plan.maker(one) is owner else "self.") + plan.attribute_of(one, owner))
                for part, one in owner.parts.items()
            }
            return statements("self.parts = $parts", parts=literal(self.linen, owner.made, held))
        body = Body()
        for part, one in parts_of(owner).items():
            if part != plan.attribute_of(one, owner):
                value = name(f"self.{plan.attribute_of(one, owner)}")
                body.extend(statements("$to = $value", to=f"self.{part}", value=value))
        return body

    def in_one_pass(self, owner: Object, kind: str = "$kind") -> Body:
        """Return the `__call__` of a class that makes its layers where it calls them, under the names that the spec gives them, each of a class or of what is made of one."""
        around = inputs_of(owner)
        on, body = around[0].argument, Body()
        for member in owner.parts.values():
            assert isinstance(member.made, Layer)
            layer = made(as_it_stands(member, member.made), self.linen.initializer)
            layer.func = expr(kind, kind=layer.func)
            layer.keywords += [ast.keyword("name", ast.Constant(member.made.name))] if member.made.name else []
            body += statements("$on = $layer($on)", layer=layer, on=on)
        taken = ["self", *(one.argument for one in around)]
        return statements(
            "@nn.compact\ndef __call__($*taken):\n    $*body\n    return $on", taken=taken, body=body, on=on
        )

    def call(self, owner: Object) -> Body:
        """Return the `__call__` of a class: its members one after the other where they follow, else each by itself."""
        if is_layer(owner):
            return opened_call(owner)
        if is_time_distributed(owner):
            return statements(OVER_TIME)
        around, given = inputs_of(owner), ast.Constant(value=False)
        taken: list[Fill] = [
            "self",
            *(one.argument for one in around),
            *([("training", given)] if trains(owner) else []),
        ]
        members = {part: mode_code(one, training="training") for part, one in owner.parts.items()}
        if follows(owner):
            code: ast.expr = name(around[0].argument)
            for part, mode in members.items():
                code = expr("$part($on, $**mode)", part=spelled(name("self"), owner, part), on=code, mode=mode)
        else:
            each = [
                expr("$part($*given, $**mode)", part=spelled(name("self"), owner, part), given=arguments(one, around), mode=members[part])
                if one.is_owner else spelled(name("self"), owner, part)
                for part, one in owner.parts.items()
            ]  # fmt: skip
            code = together(each) or ast.Constant(None)
        return statements("def __call__($*taken):\n    return $code", taken=taken, code=code)
