"""Flax NNX: gradients and optimizers, over the root module that a loss is given."""

from typing import Any

from canireuse.spec import Spec
from canireuse.step import Step
from canireuse.translation import Unsupported, turns
from canireuse.vocabulary import (
    Assign,
    Freeze,
    Function,
    Get,
    Gradient,
    Optimizer,
    Parallel,
    Scan,
    Scope,
    Train,
    Unfreeze,
    Update,
    Variable,
    walk,
)
from canireuse_adapters.nnx.states import NNXStates
from canireuse_adapters.training import TOO_LATE, training_of

#: Kinds of things that hold variables: whoever makes one later widens what `nnx.Param` means.
MAKERS = frozenset({"layer", "module", "copy", "result"})


class NNXTraining(NNXStates):
    """Words whatever differentiates."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        #: training steps whose optimizer has been made -> what `nnx.grad` is told to differentiate by
        self.optimized: dict[int, str] = {}
        #: optimizer -> its kind, and what `nnx.grad` is told to differentiate by
        self.optimizers: dict[str, tuple[str, str]] = {}
        #: optimizer -> the variables it trains, and the paths under which the root listed them
        self.listed_at: dict[str, dict[str, tuple[str, ...] | None]] = {}
        #: whether a traced function has an optimizer
        self.lasting = False
        #: optimizers that were made before something was frozen or unfrozen
        self.stale: set[str] = set()
        #: the steps that are still to come
        self.ahead: list[Step] = []

    def step(self, step: Step) -> None:
        """Write one step, and leave what is not ahead any more behind."""
        self.ahead = [one for one in self.ahead if one is not step]
        super().step(step)

    def steps_of(self, spec: Spec) -> None:
        """Note which steps are ahead."""
        self.ahead = list(walk(spec.steps))

    def freeze(self, step: Freeze) -> None:
        """Note what the optimizers made from here on are to leave alone: an `nnx.Param` has no flag."""
        self.refuse_late()
        self.idiom("An `nnx.Param` has no flag: what is frozen is left out of the filter of the optimizers made later.")
        self.frozen += self.variables_at(step.freeze)

    def unfreeze(self, step: Unfreeze) -> None:
        """Note that optimizers made from here on are to train something again."""
        self.refuse_late()
        again = self.variables_at(step.unfreeze)
        self.frozen = [made for made in self.frozen if made not in again]

    def refuse_late(self) -> None:
        """Refuse to freeze or unfreeze for a traced step; note which optimizers were made before it."""
        if self.lasting:
            raise Unsupported(TOO_LATE)
        self.stale |= set(self.optimizers)

    def gradient(self, step: Gradient) -> None:
        """Differentiate a function of the root module."""
        loss = "nnx.remat(loss)" if step.remat else "loss"
        if not self.is_variable(step.wrt):
            self.differentiates_a_tensor = True
            self.loss(step.steps, step.of, step.wrt)
            self.differentiates_a_tensor = False
            self.write(f"{step.gradient} = jax.grad({loss.replace('nnx.remat', 'jax.checkpoint')})({step.wrt})")
            return
        path = self.path_of(step.wrt)
        self.loss(step.steps, step.of, self.root)
        if self.ties_variables and self.made_as(step.wrt) not in self.fixed:
            self.idiom(
                "`nnx.grad` lists a shared variable under one of its paths; merging puts the gradient under all of them."
            )
            graph, rest = "graph", self.free("rest")
            self.write(f"{graph}, _, {rest} = nnx.split({self.root}, nnx.Param, ...)")
            self.write(
                f"{step.gradient} = nnx.merge({graph}, nnx.grad({loss})({self.root}), {rest}){path.removeprefix(self.root)}[...]"
            )
        else:
            self.write(f"{step.gradient} = nnx.grad({loss})({self.root}){path.removeprefix(self.root)}[...]")

    # -- optimizers

    def function(self, step: Function) -> None:
        """Define a function; one that trains is given an optimizer that was made before it."""
        train = training_of(step)
        if train and step.traced and not self.frames:
            self.make_optimizer(train)
            self.lasting = True
        super().function(step)

    def train(self, step: Train) -> None:
        """Update the root module by `nnx.Optimizer`."""
        self.loss(step.steps, step.minimize, "root")
        if id(step) not in self.optimized:
            self.make_optimizer(step)
        with turns(self, step.times):
            self.write(f"optimizer.update(root, nnx.grad(loss{self.optimized[id(step)]})(root))")

    def make_optimizer(self, step: Train) -> None:
        """Make the optimizer for the variables that are trained."""
        chosen, argnums = self.chosen([step.wrt] if isinstance(step.wrt, str) else step.wrt, "trained")
        self.write(f"optimizer = nnx.Optimizer(root, {self.optax_words(step)}, wrt={chosen})")
        self.optimized[id(step)] = argnums

    def chosen(self, places: list[str], name: str, *, lasting: bool = False) -> tuple[str, str]:
        """Return the filter for the variables at some places, and what `nnx.grad` is told of it."""
        trained = [made for place in places for made in self.variables_at(place) if made not in self.frozen]
        # in an optimizer that lasts, `nnx.Param` would take in what is made later
        grows = lasting and any(
            isinstance(one, Get | Variable) or one.binds in MAKERS for one in self.ahead if one.binding
        )
        if set(trained) == set(self.trainable) and not grows:
            return "nnx.Param", ""
        if not trained:
            return "nnx.Nothing()", ", argnums=nnx.DiffState(0, nnx.Nothing())"
        self.idiom("The optimizer's filter is made of the paths under which NNX lists the variables to train.")
        chosen = self.free(name)
        listed = ", ".join(dict.fromkeys(self.listed(places)))
        self.write(
            f"{chosen} = nnx.filterlib.PathIn(*[path for path, node in nnx.iter_graph(root) if any(node is one for one in [{listed}])])"
        )
        return chosen, f", argnums=nnx.DiffState(0, {chosen})"

    def listed(self, places: list[str]) -> list[str]:
        """Return the words for each variable to train: a place that was named itself, and what owners hold."""
        words = []
        for place in places:
            named = place.partition(".")[0] in self.owners and not self.is_owner(place)
            made = [one for one in self.variables_at(place) if one not in self.frozen]
            words += [self.place(place) for _ in made] if named else [self.made_words(one) for one in made]
        return words

    def made_words(self, made: str) -> str:
        """Return the words for a variable where it stands now."""
        place = self.live_place(made)
        return place if place.startswith("root.") else self.place(place)

    def optimizer(self, step: Optimizer) -> None:
        """Make an optimizer that lasts."""
        self.pure_only("make an optimizer")
        places = [step.over] if isinstance(step.over, str) else step.over
        chosen, argnums = self.chosen(places, f"trained_by_{step.optimizer}", lasting=True)
        self.write(f"{step.optimizer} = nnx.Optimizer({self.root}, {self.optax_words(step)}, wrt={chosen})")
        self.optimizers[step.optimizer] = (step.kind, argnums)
        trained = [made for place in places for made in self.variables_at(place)]
        self.listed_at[step.optimizer] = {made: self.listed_path(made) for made in trained}
        self.holders = [*(one for one in self.holders if one != step.optimizer), step.optimizer]

    def update(self, step: Update) -> None:
        """Take steps with an optimizer, on the sum of the gradients of several losses if there are."""
        self.pure_only("take a step of an optimizer")
        if step.update in self.stale:
            raise Unsupported(TOO_LATE)
        self.check_paths(step.update)
        _, argnums = self.optimizers[step.update]
        scalars = [step.minimize] if isinstance(step.minimize, str) else step.minimize
        losses = ["loss", *(self.free(f"loss_{turn}") for turn in range(2, len(scalars) + 1))]
        for loss, scalar in zip(losses, scalars, strict=False):
            self.loss(step.steps, scalar, self.root, loss)
        gradients = [f"nnx.grad({loss}{argnums})({self.root})" for loss, _ in zip(losses, scalars, strict=False)]
        with turns(self, step.times):
            summed = gradients[0]
            if gradients[1:]:
                self.idiom("Gradients are accumulated by adding them up: `nnx.grad` returns them.")
                summed = self.free("gradients")
                self.write(f"{summed} = {gradients[0]}")
                for gradient in gradients[1:]:
                    self.write(f"{summed} = jax.tree.map(jnp.add, {summed}, {gradient})")
            self.write(f"{step.update}.update({self.root}, {summed})")

    def relist(self) -> None:
        """Note the paths anew: what a tie does to an optimizer is for the script to show."""
        self.listed_at = {name: {made: self.listed_path(made) for made in at} for name, at in self.listed_at.items()}

    def check_paths(self, optimizer: str) -> None:
        """Refuse where a module made since shifts a variable to another path: the state of an optimizer goes by paths."""
        for made, path in self.listed_at[optimizer].items():
            now = self.listed_path(made)
            if now is not None and path is not None and now < path:
                raise Unsupported(
                    "A module that was put together after the optimizer lists this variable under a path that comes first, "
                    "and `nnx.Optimizer` keeps its state by paths: make the optimizer last."
                )

    def slot_count(self, optimizer: str) -> str:
        """Count the moments in Optax's state."""
        return self.slot_words(self.optimizers[optimizer][0], f"{optimizer}.opt_state")

    # -- several devices, and loops

    def parallel(self, step: Parallel) -> None:
        """Take one step on the mean loss over data that are cut over two devices."""
        self.outside_functions()
        inside = list(walk(step.steps))
        if any(isinstance(one, Assign | Get | Variable | Scope) or getattr(one, "training", False) for one in inside):
            raise Unsupported(
                "A loss that is mapped over devices is pure: each would write values of its own into one variable."
            )
        if self.way["parallel"] == "shard-map" and "rnn" in self.owner(step.parallel)[0].kinds():
            raise Unsupported(
                "An `nnx.RNN` starts from a state that is alike on all devices, and `jax.shard_map` refuses the loop that makes it differ."
            )
        parts = list(step.split)
        if self.moved:
            self.write(f"nnx.update(root, jax.device_put(nnx.state(root), jax.NamedSharding({self.mesh()}, jax.P())))")
        chosen, argnums = self.chosen([step.parallel], "trained")
        self.write(f"optimizer = nnx.Optimizer(root, optax.sgd({step.rate}), wrt={chosen})")
        self.loss(step.steps, step.minimize, ", ".join(["root", *parts]))
        taken = ", ".join(["root", "optimizer", *parts])
        function = self.free("parallel_step")
        self.write("@nnx.jit")
        if self.way["parallel"] == "shard-map":
            specs = ", ".join(["jax.P()", "jax.P()", *["jax.P('parts')"] * len(parts)])
            self.write(f"@nnx.shard_map(mesh={self.mesh()}, in_specs=({specs}), out_specs=jax.P())")
        with self.block(f"def {function}({taken}):"):
            with self.block("def mean_loss(root):"):
                if self.way["parallel"] == "shard-map":
                    self.write(
                        f"return jax.lax.pmean(loss({', '.join(['root', *(f'{part}[0]' for part in parts)])}), 'parts')"
                    )
                else:
                    axes = ", ".join(["None", *["0"] * len(parts)])
                    self.write(f"return jnp.mean(nnx.vmap(loss, in_axes=({axes}))({', '.join(['root', *parts])}))")
            self.write(f"optimizer.update(root, nnx.grad(mean_loss{argnums})(root))")
        given = [self.cut(self.array(repr(values))) for values in step.split.values()]
        self.write(f"{function}({', '.join(['root', 'optimizer', *given])})")

    def scan(self, step: Scan) -> None:
        """Run a loop that carries the modules along with the tensor, so that variables can be read and written in it."""
        if any(isinstance(one, Get | Variable | Scope) for one in walk(step.steps)):
            raise Unsupported(
                "A loop of JAX is traced once and keeps the structure of its carry: no variable can be made in it."
            )
        turn = self.free("turn")
        start = len(self.lines)
        with self.frame("scan", turn, []):
            self.steps(step.steps)
            self.write(f"return {self.expression(step.to)}")
        body = self.lines[start + 1 :]
        state = self.takes.pop(turn)
        del self.lines[start:]
        if not state:
            self.write(f"def {turn}(_, {step.scan}):")
            self.lines += body
            self.write(f"{step.scan} = jax.lax.fori_loop(0, {step.times}, {turn}, {step.scan})")
            return
        carried = ", ".join([*state, step.scan])
        with self.block(f"def {turn}(_, {self.free('carried')}):"):
            self.write(f"{carried} = {self.free('carried')}")
            self.lines += body
            self.lines[-1] = self.lines[-1].replace("return ", f"return {', '.join(state)}, ", 1)
        self.write(f"*_, {step.scan} = nnx.fori_loop(0, {step.times}, {turn}, ({carried}))")
