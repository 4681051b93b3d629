"""Passes over a tree by name in Flax Linen: what is gathered becomes a module, which is initialized or applied."""

import ast
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from canireuse.emit import Body, expr, literal, name, statements
from canireuse.emit.fragments import alike
from canireuse.program import Object
from canireuse_adapters.linen.classes import FURTHER, outermost
from canireuse_adapters.linen.layers import together
from canireuse_adapters.linen.modules import Route, camel
from canireuse_adapters.linen.parts import Part
from canireuse_adapters.linen.trees import Tree

if TYPE_CHECKING:
    from canireuse_adapters.linen import Linen

TRIED = "try:\n    $*body\nexcept Exception as error:\n    $*refused\nelse:\n    $*accepted"


@dataclass(eq=False)
class Pass:
    """A pass over the tree: the module that is applied, or a call of a function, and what it binds."""

    names: list[str]
    module: ast.expr | None = None
    again: Callable[[], None] | None = None
    #: where what it binds is what the tree holds now
    fresh_in: Body | None = None


@dataclass(eq=False)
class Place:
    """Where steps stand: the part, its path, what a pass over it does, and the outermost part of that pass."""

    part: Part
    path: Route
    mode: str
    root: Part


class Register:
    """What is got by name in a script."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self.root = Part("model")
        self.here = Place(self.root, (), "make", self.root)
        #: whether something has been made since the last pass, whether there is a tree, and the labels of what is asked of the next
        self.pending = self.begun = False
        self.labels: list[str] = []
        #: path -> variable or layer; name -> the pass that binds it; function -> what it returned
        self.found: dict[Route, Object] = {}
        self.passes: dict[str, Pass] = {}
        self.returned: dict[int, Object] = {}
        #: path of a scope -> where it was opened last
        self.opened: dict[Route, Place] = {(): self.here}
        #: what a class says -> its name; the code that made the model last
        self.classes: dict[tuple[str, str], str] = {}
        self.model: ast.expr | None = None
        #: the places that are open
        self.open: list[Place] = [self.here]


def begin(linen: "Linen", found: Register) -> None:
    """Begin with an empty tree, where nothing has been made."""
    if not found.begun:
        (linen.outermost if linen.writing else linen.body).extend(statements("$tree = {}", tree=found.tree.name))
        found.begun = True


def settle(linen: "Linen") -> None:
    """Write the pass that makes what is new."""
    found = linen.register
    if found is None or not found.pending:
        return
    found.pending, tree, labels, found.labels = False, found.tree, found.labels, []
    with linen.apart() as body:
        module, found.model = name(linen.own("model")), outermost(linen, found.root, "Model", ("Larger", *FURTHER))
        linen.emit("$module = $made", module=module, made=found.model)
        if found.begun:
            linen.emit("_, updated = $code", code=mutable(tree, module))
            merged(linen, tree)
        else:
            made = expr("$module.init(jax.random.key(0))", module=module)
            linen.emit(
                "$tree = $made", tree=tree.name, made=made if tree.is_whole else expr("$made['params']", made=made)
            )
    if labels:
        observe(linen, body, labels)
    else:
        linen.body += body
    found.begun = True
    tree.written()
    made_by = Pass(found.root.bound(), module)
    kept = {item.name for item in found.root.uses()} | {word for part in found.root.parts() for word in part.results}
    for word in made_by.names:
        if word in kept and (
            word not in found.passes
            or (found.passes[word].module is not None and alike(found.passes[word].module or module, module))
        ):
            found.passes[word] = made_by


def mutable(tree: Tree, module: ast.expr) -> ast.expr:
    """Return the code of a pass that finds or makes."""
    return expr(
        "$module.apply($all, mutable=$mutable, rngs={'params': jax.random.key(0)})",
        module=module, all=tree.all(), mutable=literal(tree.collections),
    )  # fmt: skip


def merged(linen: "Linen", tree: Tree) -> None:
    """Take over what a pass has made."""
    linen.emit("$tree = {**$tree, **updated}" if tree.is_whole else "$tree = updated['params']", tree=tree.name)
    tree.written()


def write_pass(linen: "Linen", found: Register, here: Place) -> None:
    """Write the pass over what has been gathered to be found, and begin the next one."""
    uses = list(here.root.uses())
    if here.mode == "make" or not uses:
        return
    if not linen.writing:
        settle(linen)
    begin(linen, found)
    done = here.root.copied({})
    pending: list[Part] = [here.root]
    for part in pending:
        part.items = [item for item in part.items if isinstance(item, Part)]
        pending += part.items  # type: ignore[arg-type]  # parts alone are left
    word = next((item.name for item in uses if item.name), uses[0].entry[1][-1])
    module = outermost(linen, done, camel(word))
    made = Pass(done.bound(), module)
    module = as_named(linen, module)
    if here.mode == "auto":
        targets = together([together(made.names) or "_", "updated"])
        linen.emit("$targets = $code", targets=targets, code=mutable(found.tree, module))
        merged(linen, found.tree)
    else:
        run(linen, made, found.tree, made.names)
    found.passes |= {item.name: made for item in uses if item.name and item.variable in found.tree.entries}
    made.fresh_in = linen.body
    found.tree.passes.append(made)


def as_named(linen: "Linen", module: ast.expr) -> ast.expr:
    """Return the code for a module: its name, where it is the one that made the tree."""
    assert linen.register is not None
    made = linen.register.model
    return name(linen.own("model")) if made and alike(made, module) else module


def run(linen: "Linen", made: Pass, tree: Tree, wanted: Sequence[str]) -> None:
    """Apply the module of a pass to the tree."""
    assert made.module is not None
    code = expr("$module.apply($all)", module=as_named(linen, made.module), all=tree.all())
    targets = together([one if one in wanted else "_" for one in made.names])
    linen.emit("$targets = $code" if targets else "$code", targets=targets, code=code)


def value(linen: "Linen", place: str) -> ast.expr | None:
    """Return the code for what a name holds that a pass binds: it is run again where the tree is another since."""
    found = linen.register
    made = found.passes.get(place) if found else None
    if found is None or made is None or linen.symbols.names.get(place) not in found.tree.entries:
        return None
    if made.fresh_in is not linen.body:
        if made.again:
            made.again()
        else:
            run(linen, made, found.tree, [word for word in made.names if found.passes.get(word) is made])
        made.fresh_in = linen.body
        found.tree.passes.append(made)
    return name(place)


def is_one_call(linen: "Linen", places: Sequence[str]) -> bool:
    """Return whether some names are bound to the same of what the same call returns."""
    found = linen.register
    if found is None or not all(place in found.passes for place in places):
        return False
    passes = [found.passes[place] for place in places]
    asked = [
        (one.names.index(place), as_named(linen, one.module))
        for one, place in zip(passes, places, strict=True)
        if one.module
    ]
    return len(asked) == len(places) and all(one[0] == asked[0][0] and alike(one[1], asked[0][1]) for one in asked)


def observe(linen: "Linen", body: Body, labels: Sequence[str | None]) -> None:
    """Observe whether statements are refused."""
    outcomes = [
        [line for label in labels for line in statements(f"observe('$label', {what})", label=label)]
        for what in ("error", "None")
    ]
    linen.emit(TRIED, body=body, refused=outcomes[0], accepted=outcomes[1])
