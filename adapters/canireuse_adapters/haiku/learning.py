"""How Haiku users learn: gradients of pure functions of the tree of parameters, and Optax over a part of that tree."""

from typing import Any

from canireuse.step import Step
from canireuse.translation import Unsupported, turns
from canireuse.vocabulary import Freeze, Gradient, Optimizer, Train, Unfreeze, Update
from canireuse_adapters.haiku.names import Bound, carried_in
from canireuse_adapters.haiku.owners import HaikuOwners
from canireuse_adapters.training import TOO_LATE


class HaikuLearning(HaikuOwners):
    """Words gradients, optimizers and averages."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        #: average -> what it follows, and how much of it is kept
        #: the state that the loss being written changes, empty if none
        self.changed = ""
        self.averages: dict[str, tuple[str, float]] = {}
        #: optimizer -> its kind, the tree it is over, and the function that picks what it moves, empty for all
        self.optimizers: dict[str, tuple[str, str, str]] = {}
        #: whether a function that is a training step has an optimizer of its own
        self.lasting = False
        #: optimizers that were made before something was frozen or unfrozen
        self.stale: set[str] = set()
        #: optimizer that is over a whole tree -> what was in it then
        self.whole: dict[str, list[Bound]] = {}

    # -- what is trained

    def freeze(self, step: Freeze) -> None:
        """Note what later optimizers are to leave alone: Haiku has no flag on a parameter."""
        self.refuse_late()
        self.idiom("Haiku has no flag on a parameter: `hk.data_structures.filter` picks what the optimizer is given.")
        self.frozen += [known.entry for known in self.spots(step.freeze)]

    def unfreeze(self, step: Unfreeze) -> None:
        """Note what later optimizers move again."""
        self.refuse_late()
        again = {known.entry for known in self.spots(step.unfreeze)}
        self.frozen = [entry for entry in self.frozen if entry not in again]

    def refuse_late(self) -> None:
        """Refuse to freeze or unfreeze for a compiled step; note which optimizers were made before it."""
        if self.lasting:
            raise Unsupported(TOO_LATE)
        self.stale |= set(self.optimizers)

    def tree_of(self, spots: list[Bound]) -> str:
        """Return the one tree that variables are in."""
        trees = {known.tree for known in spots}
        if len(trees) != 1:
            raise Unsupported("An optimizer of Optax is given one tree of parameters; these are in several.")
        return trees.pop()

    def chosen(self, places: str | list[str]) -> tuple[str, list[Bound]]:
        """Return the tree that places are in, and the parameters there that are trained."""
        known = [one for place in ([places] if isinstance(places, str) else places) for one in self.spots(place)]
        parameters = [one for one in known if not one.tree.startswith("state")]
        if not parameters:
            raise Unsupported("What is in Haiku's state is not trained: `jax.grad` is given the parameters.")
        trained = {one.entry: one for one in parameters if one.entry not in self.frozen}
        return self.tree_of(parameters), list(trained.values())

    def picker(self, tree: str, trained: list[Bound]) -> str:
        """Write the function that picks what is trained; return its name, or nothing if all of the tree is."""
        if {one.entry for one in self.all_of(tree)} == {one.entry for one in trained}:
            return ""
        name = self.function_name("trained")
        paths = ", ".join(repr(f"{one.module}/{one.name}") for one in trained)
        with self.block(f"def {name}(module, name, value):"):
            self.write(f"return f'{{module}}/{{name}}' in [{paths}]")
        self.write()
        return name

    def all_of(self, tree: str) -> list[Bound]:
        """Return every variable that is known to be in a tree."""
        known = [
            *self.variables.values(),
            *(spot for owner in self.owners.values() for spot in owner.spots()),
            *self.unnamed,
        ]
        return list({one.entry: one for one in known if one.tree == tree}.values())

    def picked(self, words: str, picker: str) -> str:
        """Return the part of a tree that a function picks."""
        return f"hk.data_structures.filter({picker}, {words})" if picker else words

    # -- gradients

    def gradient(self, step: Gradient) -> None:
        """Differentiate a function of a tree and pick an entry."""
        known = step.wrt in self.variables or self.owned(step.wrt)
        if known:
            spot = self.spot(step.wrt)
            argument, picked = spot.tree, spot.entry.removeprefix(spot.tree) + ("[0]" if spot.row else "")
        else:
            argument, picked = step.wrt, ""
        if self.section:
            raise Unsupported(
                "Inside a transformed function parameters are arrays already; Haiku users differentiate its `apply`."
            )
        self.loss(step.steps, step.of, argument)
        slope = self.slope(argument, "jax.checkpoint(loss)" if step.remat else "loss")
        self.write(f"{step.gradient} = {slope}{picked}")

    def loss(self, steps: list[Step], scalar: str, argument: str, name: str = "loss") -> None:
        """Write the function that leads up to a scalar; state that it changes is an argument and a result."""
        self.changed = ""
        given = [f"{one}={one}" for one in carried_in(steps) if one not in argument.split(", ")]
        super().loss(steps, scalar, argument, name)
        given = [*([self.changed] if self.changed else []), *given]
        at = next(at for at in reversed(range(len(self.lines))) if self.lines[at].lstrip().startswith(f"def {name}("))
        self.lines[at] = self.lines[at].replace("):", "".join(f", {one}" for one in given) + "):")
        self.lines[-1] += f", {self.changed}" if self.changed else ""

    def slope(self, tree: str, function: str = "loss") -> str:
        """Return the words for the gradient of a loss; one with state is written as a line that takes the state over."""
        if not self.changed:
            return f"jax.grad({function})({tree})"
        gradients = self.free("gradients")
        self.write(f"{gradients}, {self.changed} = jax.grad({function}, has_aux=True)({tree}, {self.changed})")
        return gradients

    def train(self, step: Train) -> None:
        """Take steps with an optimizer that is made for them."""
        if self.frames or self.section:
            raise Unsupported(
                "A training step returns new parameters; inside a function that does more they would be lost."
            )
        tree, trained = self.chosen(step.wrt)
        self.loss(step.steps, step.minimize, tree)
        picker = self.picker(tree, trained)
        moments = self.free("moments")
        self.write(f"optimizer = {self.optax_words(step)}")
        self.write(f"{moments} = optimizer.init({self.picked(tree, picker)})")
        with turns(self, step.times):
            self.move_once("optimizer", moments, tree, picker, self.slope(tree))

    def move_once(self, optimizer: str, moments: str, tree: str, picker: str, gradients: str) -> None:
        """Write one update of a tree."""
        if picker:
            part = self.free("part")
            self.write(f"{part} = {self.picked(tree, picker)}")
            self.write(f"updates, {moments} = {optimizer}.update({self.picked(gradients, picker)}, {moments}, {part})")
            self.write(f"{tree} = hk.data_structures.merge({tree}, optax.apply_updates({part}, updates))")
        else:
            self.write(f"updates, {moments} = {optimizer}.update({gradients}, {moments}, {tree})")
            self.write(f"{tree} = optax.apply_updates({tree}, updates)")

    def optimizer(self, step: Any) -> None:
        """Make an optimizer, and its state for what it is to move."""
        assert isinstance(step, Optimizer)
        tree, trained = self.chosen(step.over)
        picker = self.picker(tree, trained)
        self.write(f"{step.optimizer} = {self.optax_words(step)}")
        self.write(f"{step.optimizer}_moments = {step.optimizer}.init({self.picked(tree, picker)})")
        self.optimizers[step.optimizer] = (step.kind, tree, picker)
        self.whole |= {} if picker else {step.optimizer: trained}

    def update(self, step: Update) -> None:
        """Take steps with an optimizer that was made before."""
        if self.frames or self.section:
            raise Unsupported(
                "A training step returns new parameters; inside a function that does more they would be lost."
            )
        self.take_steps(step)

    def take_steps(self, step: Update) -> None:
        """Write the loss and the updates of a tree."""
        if step.update in self.stale:
            raise Unsupported(TOO_LATE)
        kind, tree, picker = self.optimizers[step.update]
        if step.update in self.whole and not self.frames:
            picker = self.picker(tree, self.whole[step.update])
            self.optimizers[step.update] = (kind, tree, picker)
        scalars = [step.minimize] if isinstance(step.minimize, str) else step.minimize
        names = ["loss"] if len(scalars) == 1 else [self.free(f"loss_{number}") for number in range(len(scalars))]
        for name, scalar in zip(names, scalars, strict=True):
            self.loss(step.steps, scalar, tree, name)
        if len(names) > 1 and self.changed:
            raise Unsupported("Each of several losses would take the state from before and return another.")
        with turns(self, step.times):
            words = self.slope(tree, names[0])
            for name in names[1:]:
                words = f"jax.tree.map(jnp.add, {words}, {self.slope(tree, name)})"
            self.move_once(step.update, f"{step.update}_moments", tree, picker, words)

    def slot_count(self, optimizer: str) -> str:
        """Return how many variables an optimizer's state holds moments for."""
        return self.slot_words(self.optimizers[optimizer][0], f"{optimizer}_moments")
