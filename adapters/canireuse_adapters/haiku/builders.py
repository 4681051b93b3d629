"""Functions that make a whole model: in Haiku a transformed function, of which each `init` makes another tree."""

from typing import Any

from canireuse.translation import Unsupported
from canireuse.vocabulary import Function, Get, Invoke, Layer, Materialize, Module, Tie, Variable, Wrap
from canireuse_adapters.haiku.layers import Owner
from canireuse_adapters.haiku.names import TOP, Bound
from canireuse_adapters.haiku.running import HaikuRunning
from canireuse_adapters.haiku.trees import tupled

OF_ONE_KIND = "A Haiku function that makes a model is worded for layers and the modules that hold them, or for variables and modules."


class HaikuBuilders(HaikuRunning):
    """Words functions that make models, with memory and without."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        #: function -> the words for its `init`, whether it keeps state, and what it returns
        self.builders: dict[str, tuple[str, bool, Owner]] = {}
        #: tree -> the words for the `init` that makes it
        self.inits: dict[str, tuple[str, bool]] = {}
        #: the words for the `init` of the functions being declared, in place of calling it
        self.building: list[tuple[str, bool]] | None = None

    def function(self, step: Function) -> None:
        """Define a function; one that makes a model is the transformed function itself."""
        if not any(isinstance(one, Layer | Module) for one in step.steps):
            super().function(step)
            return
        allowed = Layer | Module | Wrap | Tie | Variable | Get
        if step.traced or step.takes or not all(isinstance(one, allowed) for one in step.steps):
            raise Unsupported(
                "A Haiku function that makes a model only says what there is: layers, variables, and modules of them."
            )
        if any(isinstance(one, Layer) for one in step.steps) and any(
            isinstance(one, Get | Variable) for one in step.steps
        ):
            raise Unsupported(OF_ONE_KIND)
        before = dict(self.owners), dict(self.variables)
        self.building = []
        for inner in step.steps:
            self.build(inner)
        self.declare()
        made, self.building = self.building, None
        returned = self.owners.get(step.returns or "")
        self.owners, self.variables = before
        if returned is None or not made:
            raise Unsupported(
                "A Haiku function that makes a model returns nothing but what it computes; its parameters are what `init` returns."
            )
        self.builders[step.function] = (*made[0], returned)

    def build(self, step: Any) -> None:
        """Note a step of a function that makes a model."""
        if isinstance(step, Get | Variable):
            name = step.get if isinstance(step, Get) else step.variable
            words = f"hk.get_parameter({', '.join([repr(name), *self.asked(step)])})"
            self.variables[step.as_ or name] = Bound("params", TOP, name, words)
        elif isinstance(step, Tie):
            self.tie_noted(step)
        else:
            self.say(step)

    def tie_noted(self, step: Tie) -> None:
        """Have one object stand in the place of another before the function is written."""
        owner, rest = self.owner(step.tie)
        other, part = self.owner(step.to) if self.owned(step.to) else (None, [])
        if rest and rest[0] in owner.members:
            owner.members[rest[0]] = self.spot(step.to)
        elif other is not None and rest == part and owner.kind == other.kind and len(owner.leaves) == 1:
            for holder in {id(one): one for top in self.owners.values() for one in top.within()}.values():
                holder.members = {name: other if one is owner else one for name, one in holder.members.items()}
            self.pending = [one for one in self.pending if one is not owner]
            self.owners = {name: other if one is owner else one for name, one in self.owners.items()}
        else:
            raise Unsupported(
                "Haiku shares a whole layer by calling one object twice; a part of one is handed over by a getter."
            )

    def initialise(self, made: str, *, stateful: bool = False) -> None:
        """Take over what an `init` made, or only note how it is called."""
        if self.building is None:
            super().initialise(made, stateful=stateful)
        else:
            self.building.append((made, stateful))

    def hold(self, owner: Owner) -> None:
        """Write the function that gets the variables among a module's members."""
        super().hold(owner)
        if self.building is not None:
            self.building[:] = [(owner.holder.partition(".apply(")[0] + f".init({self.key()})", False)]

    def invoke(self, step: Invoke) -> None:
        """Make a model: a tree of its own."""
        if step.invoke not in self.builders:
            super().invoke(step)
            return
        if not step.as_ or self.frames or self.section:
            raise Unsupported("What makes a Haiku model is an `init`, whose tree of parameters is kept under a name.")
        made, stateful, owner = self.builders[step.invoke]
        if step.abstract:
            function, _, arguments = made.partition(".init(")
            made = f"jax.eval_shape({function}.init, {arguments}"
        self.inits[step.as_] = self.builders[step.invoke][:2]
        self.make_trees(step.as_, made, owner, stateful=stateful)

    def make_trees(self, name: str, made: str, owner: Owner, *, stateful: bool) -> None:
        """Bind a tree of parameters, and the state beside it if there is any."""
        trees = (name, f"{name}_state" if stateful else "state")
        self.write(f"{', '.join(trees[: 1 + stateful])} = {made}")
        self.state = tuple(dict.fromkeys([*self.state, *trees]))
        self.owners[name] = self.replica(owner, trees, {})

    def materialize(self, step: Materialize) -> None:
        """Give shapes their memory: by `init`, or by arrays of zeros."""
        if step.materialize not in self.inits:
            raise Unsupported("Only what `jax.eval_shape` gave is without memory in JAX; these parameters have theirs.")
        made, stateful = self.inits[step.materialize]
        if self.way.get("materialize") == "zeros":
            trees = tupled([step.materialize, f"{step.materialize}_state"][: 1 + stateful])
            made = f"jax.tree.map(lambda like: jnp.zeros(like.shape, like.dtype), {trees})"
        self.inits[step.as_] = self.inits[step.materialize]
        self.make_trees(step.as_, made, self.owners[step.materialize], stateful=stateful)
