"""How Haiku users learn: gradients of pure functions of the tree of parameters, and Optax over a part of that tree."""

import ast
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from canireuse.emit import Code, Fill, Lack, Unsupported, expr, literal, name, statements
from canireuse.program import free_names
from canireuse.program.symbols import Path
from canireuse.spec.step import Step
from canireuse.spec.vocabulary import Expect, Freeze, Gradient, Optimizer, Train, Unfreeze, Update
from canireuse_adapters.training import TOO_LATE, handed_instead

if TYPE_CHECKING:
    from canireuse_adapters.haiku import Haiku

RETURNED = "A training step returns new parameters, which a function that does more has to return as well; this project has no words for that yet."


@dataclass
class Moved:
    """What an optimizer moves: of a tree all, or what a function picks."""

    kind: str
    tree: str
    trained: list[Path]
    #: the function that picks what is moved, empty for all of the tree
    picker: str = ""
    #: whether something was frozen or unfrozen since it was made
    stale: bool = False
    #: the name of its state
    moments: str = ""

    def part(self, value: Fill) -> ast.expr:
        """Return the part of a tree that is moved."""
        code = "hk.data_structures.filter($picker, $value)" if self.picker else "$value"
        return expr(code, picker=self.picker, value=value)


# -- what is trained


def freeze(haiku: "Haiku", step: Freeze | Unfreeze) -> None:
    """Note what later optimizers are to leave alone: Haiku has no flag on a parameter."""
    for moved in haiku.optimizers.values():
        moved.stale = True
    if isinstance(step, Freeze):
        haiku.idiom("Haiku has no flag on a parameter: `hk.data_structures.filter` picks what the optimizer is given.")
    for one in haiku.spots(step.freeze if isinstance(step, Freeze) else step.unfreeze):
        one.frozen = isinstance(step, Freeze)


def chosen(haiku: "Haiku", places: str | list[str], kind: str) -> Moved:
    """Return the tree that places are in, and the parameters there that are trained."""
    known = [one for place in ([places] if isinstance(places, str) else places) for one in haiku.spots(place)]
    parameters = [one for one in known if one.kind == "variable"]
    trees = {one.path[0] for one in parameters}
    if not parameters:
        raise Unsupported("What is in Haiku's state is not trained: `jax.grad` is given the parameters.")
    if len(trees) != 1:
        raise Unsupported("An optimizer of Optax is given one tree of parameters; these are in several.")
    trained = dict.fromkeys(one.path for one in parameters if one.trainable and not one.frozen)
    return Moved(kind, trees.pop(), list(trained))


def pick(haiku: "Haiku", moved: Moved) -> None:
    """Write the function that picks what is trained, unless all of the tree is."""
    if {path for path in haiku.entries() if path[0] == moved.tree} != set(moved.trained):
        haiku.masked(one for path, one in haiku.entries().items() if path not in moved.trained)
        moved.picker = haiku.function_name("trained")
        paths = literal(["/".join(one[1:]) for one in moved.trained])
        code = "def $picker(module, name, value):\n    return f'{module}/{name}' in $paths"
        haiku.emit(code, picker=moved.picker, paths=paths)


# -- gradients


def gradient(haiku: "Haiku", step: Gradient) -> None:
    """Differentiate a function of a tree and pick an entry."""
    found = haiku.symbols.at(step.wrt)
    entry = found.path if haiku.has_entry(found) else ()
    argument = entry[0] if entry else step.wrt
    loss(haiku, step.steps, step.of, [argument])
    slope = expr("jax.grad(jax.checkpoint(loss))($tree)" if step.remat else "jax.grad(loss)($tree)", tree=argument)
    if entry:
        slope = expr("$slope['$module']['$word']", slope=slope, module=entry[1], word=entry[2])
    haiku.bind(step.gradient, haiku.row(step.wrt, slope, "$value[0]"))


def loss(haiku: "Haiku", steps: Sequence[Step], scalar: str, takes: list[str], word: str = "loss") -> None:
    """Write the function that leads up to a scalar."""
    given = [(one, name(one)) for one in free_names(steps) if one not in takes]
    with haiku.function_frame("loss") as frame:
        haiku.steps(steps)
        haiku.emit("return $scalar", scalar=haiku.expression(scalar))
    haiku.emit("def $word($*taken):\n    $*body", word=word, taken=[*takes, *given], body=frame.body)


def train(haiku: "Haiku", step: Train) -> None:
    """Take steps with an optimizer that is made for them."""
    moved = chosen(haiku, step.wrt, step.train)
    loss(haiku, step.steps, step.minimize, [moved.tree])
    make(haiku, "optimizer", step, moved, haiku.own("moments"))
    move(haiku, "optimizer", moved, ["loss"], step.times)


def move(haiku: "Haiku", optimizer: str, moved: Moved, losses: Sequence[str], times: int) -> None:
    """Write updates of a tree by the gradients of losses."""
    slopes = [expr("jax.grad($loss)($tree)", loss=one, tree=moved.tree) for one in losses]
    slope = slopes[0]
    for one in slopes[1:]:
        slope = expr("jax.tree.map(jnp.add, $slope, $one)", slope=slope, one=one)
    code = "updates, $moments = $optimizer.update($slope, $moments, $tree)\n$tree = optax.apply_updates($tree, updates)"
    if moved.picker:
        code = (
            "part = $part\nupdates, $moments = $optimizer.update($slope, $moments, part)\n"
            "$tree = hk.data_structures.merge($tree, optax.apply_updates(part, updates))"
        )
    body = statements(
        code, optimizer=optimizer, moments=moved.moments, tree=moved.tree, part=moved.part(moved.tree), slope=moved.part(slope),
    )  # fmt: skip
    haiku.turns(times, body)


def optimizer(haiku: "Haiku", step: Optimizer) -> None:
    """Make an optimizer, and its state for what it is to move."""
    make(haiku, step.optimizer, step, chosen(haiku, step.over, step.kind), haiku.own(f"{step.optimizer}_moments"))


def make(haiku: "Haiku", word: str, step: Optimizer | Train, moved: Moved, moments: str) -> None:
    """Write an optimizer and its state."""
    pick(haiku, moved)
    moved.moments = moments
    made, part = haiku.optax(step), moved.part(moved.tree)
    haiku.emit("$word = $made\n$moments = $word.init($part)", word=word, made=made, moments=moments, part=part)
    haiku.optimizers[word] = moved


def update(haiku: "Haiku", step: Update) -> None:
    """Write the losses and the updates of a tree, with an optimizer that was made before."""
    moved = haiku.optimizers[step.update]
    if moved.stale:
        raise Unsupported(TOO_LATE)
    if not moved.picker and not haiku.in_function:
        pick(haiku, moved)
    scalars = step.losses
    if not moved.picker and (other := handed_instead(haiku.symbols, step)):
        moved = replace(moved, tree=haiku.spots(other)[0].path[0])
    code = ["loss"] if len(scalars) == 1 else [haiku.own(f"loss_{number}") for number in range(len(scalars))]
    for word, scalar in zip(code, scalars, strict=True):
        loss(haiku, step.steps, scalar, [moved.tree], word)
    move(haiku, step.update, moved, code, step.times)


def slots(haiku: "Haiku", step: Expect) -> ast.expr:
    """Return how many variables an optimizer's state holds moments for."""
    moved = haiku.optimizers[step.slots or ""]
    return haiku.slot_count(moved.kind, moved.moments)


LACKS = (
    Lack(("freeze", "unfreeze"),
        lambda haiku, _: any(isinstance(inner, Train) for one in haiku.defined.values() if one.step for inner in one.step.steps),
        TOO_LATE),
    Lack("gradient", lambda haiku, _: haiku.frame.is_body,
        "Inside a transformed function parameters are arrays already; Haiku users differentiate its `apply`."),
    Lack(("train", "update"), lambda haiku, _: haiku.in_function or haiku.frame.is_body, RETURNED),
)  # fmt: skip
CODE: Code = {
    "freeze": freeze, "unfreeze": freeze, "gradient": gradient, "train": train, "optimizer": optimizer, "update": update,
}  # fmt: skip
