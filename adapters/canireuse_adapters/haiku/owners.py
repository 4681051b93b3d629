"""Haiku's layers and modules: objects that live while a transformed function runs, noted until it is written."""

from canireuse.step import Step
from canireuse.translation import Unsupported
from canireuse.vocabulary import Initialize, Layer, Module, Wrap
from canireuse_adapters.haiku.layers import CELL, LEAVES, Owner
from canireuse_adapters.haiku.names import Bound
from canireuse_adapters.haiku.places import HaikuPlaces


class HaikuOwners(HaikuPlaces):
    """Words layers, wrappers and modules, and puts those that stand together into one function."""

    # -- runs of layers

    def step(self, step: Step) -> None:
        """Write a step; layers and modules are put together until something else follows."""
        joined = isinstance(step, Layer | Module | Wrap | Initialize) and step.raises is None
        if self.pending and (not joined or (isinstance(step, Layer) and self.way.get("layer") == "transforms-apart")):
            self.declare()
        super().step(step)
        if self.pending and step.raises is not None:
            self.declare()

    def say(self, step: Step) -> None:
        """Write a step; what it noted is made at once if that may be refused."""
        super().say(step)
        if self.pending and step.raises is not None:
            self.declare()

    def steps(self, steps: list[Step]) -> None:
        """Write steps, and the layers that they end with."""
        super().steps(steps)
        if self.pending:
            self.declare()

    def make(self, steps: list[Step]) -> None:
        """Write a transformed function after the one for the layers noted so far."""
        if self.pending:
            self.declare()
        super().make(steps)

    def layer(self, step: Layer) -> None:
        """Note a layer for the function that is to make it."""
        self.outside_functions()
        trees = self.trees_for(step.as_)
        owner = Owner(step.as_, step.layer, given=step.name or "", path=self.opened[-1].path, trees=trees)
        owner.make, owner.sample, shapes = self.layer_words(step)
        for part, (tree, below, name) in LEAVES[step.layer].items():
            if part in shapes:
                words = f"hk.get_parameter({name!r}, {shapes[part]})"
                owner.leaves[part] = Bound(trees[tree == "state"], below, name, words, row=step.layer == "norm")
        self.owners[step.as_] = owner
        self.pending.append(owner)
        if not step.trainable or self.way.get("layer") == "transforms-apart":
            self.declare()
        if not step.trainable:
            self.frozen += [known.entry for known in owner.leaves.values() if known.tree == trees[0]]

    def trees_for(self, layer: str) -> tuple[str, str]:  # models that are timed have a tree each
        """Return the trees that the parameters and the state of a layer are in."""
        return "params", "state"

    def outside_functions(self) -> None:
        """Refuse layers in a function that is applied."""
        if self.frames or self.section or self.loops:
            raise Unsupported(
                "A Haiku layer is made anew inside each run of a transformed function and finds its parameters by name; "
                "`init` makes them once, before the function that applies it."
            )

    def layer_words(self, step: Layer) -> tuple[str, str, dict[str, list[int]]]:
        """Return the constructor of a layer, an input of the right shape, and the shapes of its variables."""
        kernel = self.initializer(step.kernel)
        flat = f"jnp.zeros([1, {step.inputs}])"
        start = "" if step.bias is None else self.initializer(step.bias)
        shapes = {"kernel": [step.inputs, step.units], **({} if step.bias is None else {"bias": [step.units]})}
        if step.layer == "dense":
            bias = f", b_init={start}" if start else ", with_bias=False"
            return f"hk.Linear({step.units}{bias}, w_init={kernel}", flat, shapes
        if step.layer == "embedding":
            return (
                f"hk.Embed({step.inputs}, {step.units}, w_init={kernel}",
                "jnp.zeros([1], int)",
                {"kernel": shapes["kernel"]},
            )
        if step.layer == "norm":
            words = [f"scale_init={kernel}", *([f"offset_init={start}"] if start else [])]
            made = f"hk.BatchNorm(create_scale=True, create_offset=True, decay_rate=0.9, eps=1e-3, {', '.join(words)}"
            return made, flat, {part: [1, step.inputs] for part in LEAVES["norm"]}
        self.cell_class()
        words = [str(step.units), kernel, self.initializer(step.recurrent), *([start] if start else [])]
        return f"Cell({', '.join(words)}", flat, {**shapes, "recurrent": [step.units, step.units]}

    def cell_class(self) -> None:
        """Define a core of the user's own, once."""
        self.idiom("`hk.VanillaRNN` applies relu, so a core with tanh is a subclass of `hk.RNNCore`.")
        if "class Cell(hk.RNNCore):" not in self.lines:
            for line in [*CELL.splitlines(), ""]:
                self.write(line)

    def wrap(self, step: Wrap) -> None:
        """Note a way to call a layer that is there."""
        if step.inside == "bidirectional":
            raise Unsupported(
                "Haiku has no bidirectional wrapper: users unroll two cores and turn the time of one around."
            )
        inner = self.owners[step.wrap]
        if (inner.kind == "cell") != (step.inside == "rnn"):
            raise Unsupported("`hk.dynamic_unroll` runs a core over time, and no other layer.")
        owner = Owner(
            step.as_, step.inside, members={"cell" if step.inside == "rnn" else "layer": inner}, trees=inner.trees
        )
        self.owners[step.as_] = owner
        self.pending.append(owner)

    def module(self, step: Module) -> None:
        """Note a module: a function of the layers that it holds."""
        members = {name: self.held_at(place) for name, place in step.members.items()}
        trees = {one.trees for one in members.values() if isinstance(one, Owner)} or {("params", "state")}
        bound = {one.tree for one in members.values() if isinstance(one, Bound)}
        if len(trees) > 1 or not bound <= set(next(iter(trees))):
            raise Unsupported(
                "A Haiku function is applied to one tree of parameters; these members have theirs in two."
            )
        owner = Owner(step.module, "module", members=members, trees=trees.pop())
        self.owners[step.module] = owner
        self.pending.append(owner)

    def held_at(self, place: str) -> Owner | Bound:
        """Return what a place holds as the member of a module."""
        if place in self.variables:
            return self.variables[place]
        owner, rest = self.owner(place)
        return self.spot(place) if rest else owner
