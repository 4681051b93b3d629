"""Flax Linen: variables in a tree, reached through scopes; layers that are `init`ed once and `apply`ed often."""

from adapters.jax import ERRORS, MISSING
from adapters.linen_scopes import LinenScopes, Owner, Path
from adapters.training import training_of
from conformance.translation import Unsupported, turns
from conformance.vocabulary import Call, Copy, Freeze, Function, Gradient, Invoke, Layer, Module, Restore, Save, Train

#: from gradients to updates, and on to the optimizer's next state
UPDATE = "updates, state = optimizer.update(jax.grad(loss)(params), state, params)"


class Linen(LinenScopes):
    """Words a spec in Linen: `flax.core.Scope` for variables by name, `nn.Dense` and `nn.Embed` for layers.

    Scopes mean what Linen means by them. `push(name)` opens a scope once and refuses to open it again;
    `push(name, reuse=True)` re-enters it. `variable(collection, name, init)` creates a variable that is
    not there, or returns the one that is, unless this very scope object has handed the name out
    already. `variable(collection, name)` without an initializer is the lookup: it refuses a missing name,
    and compares no shape. `param(name, init, shape)` creates or finds a parameter and refuses another
    shape, but returns an array and no reference; so whoever asks again with a shape says both. A loss
    or compiled function sees an immutable scope over the parameters it is given, as `apply` does: there
    nothing is created and nothing is written.
    """

    name = "linen"
    title = "Flax Linen"
    about = "Flax's functional modules: variables in a tree of their own, `flax.core.Scope` and `flax.linen` layers over it."
    imports = "import flax\nimport jax\nimport jax.numpy as jnp\nimport optax\nfrom flax import linen as nn\nfrom flax.core import Scope"
    errors = {
        "already_exists": (("ValueError", r"Duplicate use of scope name"), ("NameInUseError", "")),
        "not_found": (
            ("ScopeParamNotFoundError", ""),
            ("ScopeVariableNotFoundError", ""),
            ("ScopeCollectionNotFound", ""),
            ("ValueError", r"not present in state dict"),
        ),
        "not_trainable": (
            ("ModifyScopeVariableError", ""),
            ("TypeError", r"grad requires real- or complex-valued"),
        ),
        **ERRORS,
        "shape_mismatch": (("ScopeParamShapeError", ""), *ERRORS["shape_mismatch"]),
    }
    missing = {
        **MISSING,
        "tie": "Linen's parameters are immutable arrays in a tree: one array written under two paths is two parameters "
        "from the next update on. Linen shares by calling one submodule twice.",
        "reinitialize": "A Linen variable keeps no initializer; `init` makes a whole new tree.",
    }

    # -- layers and modules

    def layer(self, step: Layer) -> None:
        """Define a layer, and make its variables by `init`, which needs an input of the right shape."""
        self.outside_functions()
        around = self.here()
        path = (*(around.path or ()), step.name)
        if any(owner.path == path for owner in self.owners.values()):
            path = (*path[:-1], step.as_)
        bias = f"bias_init={self.initializer(step.bias)}" if step.bias is not None else "use_bias=False"
        if step.layer == "dense":
            words, inputs = (
                f"nn.Dense({step.units}, kernel_init={self.initializer(step.kernel)}, {bias})",
                f"jnp.zeros([1, {step.inputs}])",
            )
        else:
            words, inputs = (
                f"nn.Embed({step.inputs}, {step.units}, embedding_init={self.initializer(step.kernel)})",
                "jnp.zeros([1], int)",
            )
        self.write(f"{step.as_} = {words}")
        made = f"{step.as_}.init(jax.random.key(0), {inputs})['params']"
        if len(path) > 1:
            self.uses_scopes = True
            self.write(f"{around.words}.put_variable('params', {path[-1]!r}, {made})")
        else:
            self.write(f"{self.tree(path)} = {made}")
        leaves = {"kernel": "kernel" if step.layer == "dense" else "embedding"}
        self.owners[step.as_] = Owner(step.as_, path, leaves | ({"bias": "bias"} if step.bias is not None else {}))
        self.collections |= dict.fromkeys(self.owners[step.as_].paths(), "params")
        if not step.trainable:
            self.freeze(Freeze(freeze=step.as_))

    def call(self, step: Call) -> None:
        """Apply a layer or module to the parameters it has in the tree."""
        owner, _ = self.owner(step.call)
        on = self.expression(step.on)
        self.bind(step.as_, f"{owner.words}.apply({{'params': {self.tree(owner.path)}}}, {on})")

    def module(self, step: Module) -> None:
        """Define a module of submodules, and move their entries below its own."""
        if any(member not in self.owners for member in step.members.values()):
            raise Unsupported(
                "A Linen module makes its own variables when it is initialised; one made elsewhere cannot be handed to it."
            )
        owners = {name: self.owners[member] for name, member in step.members.items()}
        distinct = {owner.words: (name, owner) for name, owner in reversed(owners.items())}
        if any(len(owner.path) > 1 for owner in owners.values()):
            raise Unsupported(
                "Each top-level Linen module has parameters of its own; a layer cannot be owned by two of them."
            )
        self.idiom("The module's parameters are put together from those that its members had already.")
        kind = self.free(step.module.title().replace("_", ""))
        with self.block(f"class {kind}(nn.Module):"):
            for name in step.members:
                self.write(f"{name}: nn.Module")
            self.write()
            with self.block("def __call__(self, inputs):"):
                words = "inputs"
                for name in step.members:
                    words = f"self.{name}({words})"
                self.write(f"return {words}")
        self.write(f"{step.module} = {kind}({', '.join(step.members.values())})")
        entries = [
            f"{name!r}: params.pop({owner.path[0]!r})"
            for name, owner in sorted(distinct.values(), key=lambda one: list(owners).index(one[0]))
        ]
        self.write(f"params[{step.module!r}] = {{{', '.join(entries)}}}")
        for name, owner in distinct.values():
            self.transplant(owner, (step.module, name))
        self.owners[step.module] = Owner(step.module, (step.module,), {}, owners)

    def transplant(self, owner: Owner, path: Path) -> None:
        """Note that what a layer or module owns has moved in the tree."""
        before = owner.paths()
        for old in before:
            self.collections.pop(old, None)
        for member in {id(member): member for member in owner.members.values()}.values():
            self.transplant(member, (*path, *member.path[len(owner.path) :]))
        owner.path = path
        moved = {str(old): str(new) for old, new in zip(before, owner.paths(), strict=True)}
        self.frozen = [moved.get(frozen, frozen) for frozen in self.frozen]
        self.collections |= dict.fromkeys(owner.paths(), "params")

    def copy(self, step: Copy) -> None:
        """Copy the entry in the tree; a Linen module itself holds no values."""
        self.idiom("A Linen module holds no values, so what is copied is its entry in the tree of parameters.")
        owner, _ = self.owner(step.copy_)
        self.write(f"{step.as_} = {owner.words}.clone()")
        self.write(f"params[{step.as_!r}] = jax.tree.map(jnp.copy, {self.tree(owner.path)})")
        self.owners[step.as_] = self.replica(owner, step.as_, (step.as_,))
        self.collections |= dict.fromkeys(self.owners[step.as_].paths(), "params")

    def replica(self, owner: Owner, words: str, path: Path) -> Owner:
        """Return an owner of the same make at another path."""
        members = {
            name: self.replica(member, member.words, (*path, *member.path[len(owner.path) :]))
            for name, member in owner.members.items()
        }
        return Owner(words, path, dict(owner.leaves), members)

    def save(self, step: Save) -> None:
        """Serialize the parameters of a module."""
        self.write(f"{step.to} = flax.serialization.to_bytes({self.tree(self.owner(step.save)[0].path)})")

    def restore(self, step: Restore) -> None:
        """Restore the parameters of a module."""
        entry = self.tree(self.owner(step.restore)[0].path)
        self.write(f"{entry} = flax.serialization.from_bytes({entry}, {step.given_by})")

    # -- learning

    def freeze(self, step: Freeze) -> None:
        """Note what the optimizer is to leave alone: Linen has no flag on a parameter."""
        self.idiom("Linen has no flag on a parameter: what is frozen is labelled so for the optimizer.")
        self.frozen += [str(path) for path in self.paths_of(step.freeze)]

    def paths_of(self, place: str) -> list[Path]:
        """Return the paths of the variables at a place: one, or all that a layer or module owns."""
        if place.partition(".")[0] in self.owners:
            owner, rest = self.owner(place)
            return [self.path_of(place)] if rest else owner.paths()
        return [self.path_of(place)]

    def gradient(self, step: Gradient) -> None:
        """Differentiate a function of the tree of parameters and pick an entry."""
        known = step.wrt.partition(".")[0] in self.owners or step.wrt in self.variables
        argument = "params" if known else step.wrt
        picked = self.tree(self.path_of(step.wrt)).removeprefix("params") if known else ""
        self.loss(step.steps, step.of, argument)
        self.write(f"{step.gradient} = jax.grad(loss)({argument}){picked}")

    def train(self, step: Train) -> None:
        """Update the tree of parameters by an Optax optimizer."""
        if self.frames:
            raise Unsupported(
                "A training step of Linen returns new parameters; inside a function that does more they would be lost."
            )
        self.loss(step.steps, step.minimize, "params")
        self.make_optimizer(step)
        with turns(self, step.times):
            self.write(UPDATE)
            self.take_over("optax.apply_updates(params, updates)")

    def take_over(self, tree: str) -> None:
        """Make a new tree of parameters the current one, in the scope over it too."""
        if not self.uses_scopes:
            if tree != "params":
                self.write(f"params = {tree}")
            return
        name, value = self.free("name"), self.free("value")
        with self.block(f"for {name}, {value} in {tree}.items():"):
            self.write(f"root.put_variable('params', {name}, {value})")

    def make_optimizer(self, step: Train) -> None:
        """Make the optimizer for the parameters that are trained, and its state."""
        optimizer = self.optimizer(step)
        wrt = [step.wrt] if isinstance(step.wrt, str) else step.wrt
        paths = [path for place in wrt for path in self.paths_of(place) if str(path) not in self.frozen]
        if set(paths) != {path for path, collection in self.collections.items() if collection == "params"}:
            self.write(
                f"labels = flax.traverse_util.path_aware_map(lambda path, _: 'trained' if path in {paths} else 'frozen', params)"
            )
            optimizer = f"optax.partition({{'trained': {optimizer}, 'frozen': optax.set_to_zero()}}, labels)"
        self.write(f"optimizer = {optimizer}")
        self.write("state = optimizer.init(params)")

    def function(self, step: Function) -> None:
        """Define a function; one that only trains takes and returns the parameters and the optimizer's state."""
        train = training_of(step)
        if train is None or step.steps != [train] or step.returns or self.frames:
            super().function(step)
            return
        self.make_optimizer(train)
        self.steppers.add(step.function)
        if step.traced:
            self.write(self.compiled)
        with self.frame("traced" if step.traced else "plain", step.function, ["state", *step.takes]):
            self.loss(train.steps, train.minimize, "params")
            with turns(self, train.times):
                self.write(UPDATE)
                self.write("params = optax.apply_updates(params, updates)")
            self.write("return params, state")

    def invoke(self, step: Invoke) -> None:
        """Call a function; what a training step returns takes the place of what it was given."""
        if step.invoke not in self.steppers:
            super().invoke(step)
            return
        if self.frames:
            raise Unsupported(
                "A training step of Linen returns new parameters; inside another function they would be lost."
            )
        updated = self.free("updated") if self.uses_scopes else "params"
        given = ["params", "state", *(self.new_value(value) for value in step.given)]
        self.write(f"{updated}, state = {step.invoke}({', '.join(given)})")
        self.take_over(updated)

    # -- observations

    def name_of(self, place: str) -> str:
        """Return the path of a reference."""
        if place not in self.variables:
            raise Unsupported(
                "Linen keeps plain arrays in a tree, and an array knows no name; only a reference into a scope does."
            )
        return f"'/'.join([*{place}.scope.path, {place}.name])"

    def shape_of(self, place: str) -> str:
        """Return the shape of the value."""
        return f"list({self.value(place)}.shape)"

    def dtype_of(self, place: str) -> str:
        """Return the dtype of the value."""
        return f"str({self.value(place)}.dtype)"

    def listing(self, inside: str | None, *, only_trainable: bool) -> str:
        """Return the leaves of the tree; the parameters are what is trained."""
        if only_trainable and self.frozen:
            raise Unsupported("Linen has no flag on a parameter: what is frozen, only the optimizer knows.")
        if inside:
            return f"jax.tree.leaves({self.tree(self.owner(inside)[0].path)})"
        return (
            "jax.tree.leaves(root.variables())"
            if self.uses_scopes and not only_trainable
            else "jax.tree.leaves(params)"
        )

    def names(self, inside: str | None) -> str:
        """Return the paths of the leaves."""
        if self.uses_scopes:
            return "sorted(path for tree in root.variables().values() for path in flax.traverse_util.flatten_dict(tree, sep='/'))"
        return "sorted(flax.traverse_util.flatten_dict(params, sep='/'))"

    def collected(self, collection: str) -> str:
        """Return the leaves of a collection."""
        return f"jax.tree.leaves(root.variables().get({collection!r}, {{}}))"
