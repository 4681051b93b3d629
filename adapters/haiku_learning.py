"""How Haiku users learn: gradients of pure functions of the tree of parameters, and Optax over a part of that tree."""

from typing import Any

from adapters.haiku_owners import HaikuOwners
from adapters.haiku_sections import Bound
from conformance.translation import Unsupported, turns
from conformance.vocabulary import Freeze, Gradient, Optimizer, Train, Unfreeze, Update


class HaikuLearning(HaikuOwners):
    """Words gradients, optimizers and averages."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        #: average -> what it follows, and how much of it is kept
        self.averages: dict[str, tuple[str, float]] = {}
        #: optimizer -> its kind, the tree it is over, and the function that picks what it moves, empty for all
        self.optimizers: dict[str, tuple[str, str, str]] = {}

    # -- what is trained

    def freeze(self, step: Freeze) -> None:
        """Note what later optimizers are to leave alone: Haiku has no flag on a parameter."""
        self.idiom("Haiku has no flag on a parameter: `hk.data_structures.filter` picks what the optimizer is given.")
        self.frozen += [known.entry for known in self.spots(step.freeze)]

    def unfreeze(self, step: Unfreeze) -> None:
        """Note what later optimizers move again."""
        again = {known.entry for known in self.spots(step.unfreeze)}
        self.frozen = [entry for entry in self.frozen if entry not in again]

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
        known = [*self.variables.values(), *(spot for owner in self.owners.values() for spot in owner.spots()), *self.unnamed]
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
            argument, picked = spot.tree, spot.entry.removeprefix(spot.tree)
        else:
            argument, picked = step.wrt, ""
        if self.section:
            raise Unsupported("Inside a transformed function parameters are arrays already; Haiku users differentiate its `apply`.")
        self.loss(step.steps, step.of, argument)
        function = "jax.checkpoint(loss)" if step.remat else "loss"
        self.write(f"{step.gradient} = jax.grad({function})({argument}){picked}")

    def train(self, step: Train) -> None:
        """Take steps with an optimizer that is made for them."""
        if self.frames or self.section:
            raise Unsupported("A training step returns new parameters; inside a function that does more they would be lost.")
        tree, trained = self.chosen(step.wrt)
        self.loss(step.steps, step.minimize, tree)
        picker = self.picker(tree, trained)
        optimizer, moments = "optimizer", self.free("moments")
        self.write(f"{optimizer} = {self.optax_words(step)}")
        self.write(f"{moments} = {optimizer}.init({self.picked(tree, picker)})")
        with turns(self, step.times):
            self.move_once(optimizer, moments, tree, picker, f"jax.grad(loss)({tree})")

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

    def update(self, step: Update) -> None:
        """Take steps with an optimizer that was made before."""
        if self.frames or self.section:
            raise Unsupported("A training step returns new parameters; inside a function that does more they would be lost.")
        self.take_steps(step)

    def take_steps(self, step: Update) -> None:
        """Write the loss and the updates of a tree."""
        _, tree, picker = self.optimizers[step.update]
        scalars = [step.minimize] if isinstance(step.minimize, str) else step.minimize
        gradients = []
        for number, scalar in enumerate(scalars):
            self.loss(step.steps, scalar, tree)
            if len(scalars) > 1:
                name = self.free(f"gradients_{number}")
                self.write(f"{name} = jax.grad(loss)({tree})")
                gradients.append(name)
        if len(gradients) > 1 and step.times > 1:
            raise Unsupported("Steps that accumulate gradients are written one by one.")
        words = f"jax.grad(loss)({tree})"
        for number, name in enumerate(gradients):
            words = name if not number else f"jax.tree.map(jnp.add, {words}, {name})"
        with turns(self, step.times):
            self.move_once(step.update, f"{step.update}_moments", tree, picker, words)

    def slot_count(self, optimizer: str) -> str:
        """Return how many variables an optimizer's state holds moments for."""
        return self.slot_words(self.optimizers[optimizer][0], f"{optimizer}_moments")
