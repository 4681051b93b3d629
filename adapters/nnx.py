"""Flax NNX: variables are objects, kept as attributes of modules; transformations take the module as an argument."""

from adapters.jax import ERRORS, MISSING
from adapters.nnx_variables import NNXVariables, Owner
from adapters.training import training_of
from conformance.translation import Unsupported, turns
from conformance.vocabulary import Call, Copy, Freeze, Function, Gradient, Layer, Module, Restore, Save, Tie, Train


class NNX(NNXVariables):
    """Words a spec in NNX: a tree of `nnx.Module` for scopes, `nnx.Param` for variables, attributes for names.

    To create a variable by name is to set an attribute, which replaces whatever was there without a
    word; to look one up is to read the attribute, which refuses a missing name and compares no shape.
    What is not to be trained is an `nnx.Variable` that is no `nnx.Param`. `nnx.grad`, `nnx.jit` and
    the optimizer take the root module as an argument; what a function captures is a constant to it.
    """

    name = "nnx"
    title = "Flax NNX"
    about = "Flax's modules with reference semantics: a variable is an object, and an attribute of every module that uses it."
    imports = "import flax\nimport jax\nimport jax.numpy as jnp\nimport optax\nfrom flax import nnx"
    layers = "nnx"
    ways = {"copy": ("clone", "deepcopy"), "save": ("msgpack", "pickle")}
    errors = {
        "not_trainable": (
            ("AttributeError", r"No attribute .* in State"), ("TypeError", r"grad requires real- or complex-valued"),
        ),
        "not_found": (("AttributeError", r"^'(Module|Linear|Embed)' object has no attribute"),),
        **ERRORS,
    }  # fmt: skip
    missing = {
        **MISSING,
        "reinitialize": "An NNX variable keeps its value alone, and no initializer to run again.",
    }

    # -- layers and modules

    def layer(self, step: Layer) -> None:
        """Construct a layer as an attribute of the root."""
        self.outside_functions()
        bias = f"bias_init={self.initializer(step.bias)}" if step.bias is not None else "use_bias=False"
        if step.layer == "dense":
            made = f"nnx.Linear({step.inputs}, {step.units}, kernel_init={self.initializer(step.kernel)}, {bias}, rngs=nnx.Rngs(0))"
        else:
            made = f"nnx.Embed({step.inputs}, {step.units}, embedding_init={self.initializer(step.kernel)}, rngs=nnx.Rngs(0))"
        leaves = {"kernel": "kernel" if step.layer == "dense" else "embedding"} | (
            {"bias": "bias"} if step.bias is not None else {}
        )
        self.write(f"{step.as_} = root.{step.as_} = {made}")
        self.owners[step.as_] = Owner(step.as_, leaves)
        self.trainable += [f"{step.as_}.{leaf}" for leaf in leaves]
        if not step.trainable:
            self.freeze(Freeze(freeze=step.as_))

    def call(self, step: Call) -> None:
        """Call a layer, or the layers of a module in turn."""
        owner, _ = self.owner(step.call)
        words = self.expression(step.on)
        for layer in self.in_turn(self.place(step.call), owner):
            words = f"{layer}({words})"
        self.bind(step.as_, words)

    def in_turn(self, words: str, owner: Owner) -> list[str]:
        """Return the words for each layer of a module in the order of its members."""
        if not owner.members:
            return [words]
        return [layer for name, member in owner.members.items() for layer in self.in_turn(f"{words}.{name}", member)]

    def module(self, step: Module) -> None:
        """Make a module and set its attributes."""
        self.write(f"{step.module} = root.{step.module} = nnx.Module()")
        owner = Owner(step.module)
        for name, member in step.members.items():
            self.write(f"{step.module}.{name} = {self.place(member)}")
            if member in self.owners:
                owner.members[name] = self.owners[member]
            else:
                owner.leaves[name] = name
                self.ties[f"{step.module}.{name}"] = self.made_as(member)
        self.owners[step.module] = owner
        self.ties_variables = True

    def tie(self, step: Tie) -> None:
        """Set an attribute to the variable that another attribute holds."""
        self.write(f"{self.place(step.tie)} = {self.place(step.to)}")
        given_up, kept = self.made_as(step.tie), self.made_as(step.to)
        self.trainable = [place for place in self.trainable if place != given_up]
        self.ties[given_up] = kept
        self.ties_variables = True

    def made_as(self, place: str) -> str:
        """Return which of the variables made stands at a place."""
        if place.partition(".")[0] in self.owners:
            owner, rest = self.owner(place)
            place = ".".join([owner.words, *rest])
        else:
            place = self.paths.get(place, place)
        while place in self.ties:
            place = self.ties[place]
        return place

    def copy(self, step: Copy) -> None:
        """Copy a module with all it holds."""
        if self.way["copy"] == "deepcopy":
            self.import_first("from copy import deepcopy")
        call = {"clone": "nnx.clone", "deepcopy": "deepcopy"}[self.way["copy"]]
        self.write(f"{step.as_} = root.{step.as_} = {call}({step.copy_})")
        self.replicate(step.copy_, step.as_)

    def replicate(self, original: str, name: str) -> None:
        """Note that a name is bound to new variables that are tied among themselves as the original's are."""
        first: dict[str, str] = {}
        for made, place in [(self.made_as(f"{original}.{place}"), place) for place in self.owners[original].inner()]:
            new = f"{name}.{place}"
            self.ties.pop(new, None)
            if first.setdefault(made, new) != new:
                self.ties[new] = first[made]
            elif made not in self.fixed:
                self.trainable.append(new)
            if made in self.frozen:
                self.frozen.append(new)
        self.owners[name] = self.owners[original].renamed(name)
        self.ties_variables = True

    def save(self, step: Save) -> None:
        """Serialize the state of a module, or pickle the module."""
        if self.way["save"] == "pickle":
            self.import_first("import pickle")
            self.write(f"{step.to} = pickle.dumps({self.place(step.save)})")
        else:
            self.write(
                f"{step.to} = flax.serialization.msgpack_serialize(nnx.to_pure_dict(nnx.state({self.place(step.save)})))"
            )

    def restore(self, step: Restore) -> None:
        """Restore the state of a module, or unpickle the module."""
        if self.way.get("save") == "pickle":
            self.write(f"{step.restore} = root.{step.restore} = pickle.loads({step.given_by})")
            self.replicate(step.restore, step.restore)
        else:
            self.idiom(
                "What is read back are read-only NumPy arrays; they are made JAX arrays, so that variables can be written again."
            )
            values = f"jax.tree.map(jnp.asarray, flax.serialization.msgpack_restore({step.given_by}))"
            self.write(f"nnx.update({self.place(step.restore)}, {values})")

    # -- learning

    def freeze(self, step: Freeze) -> None:
        """Note what the optimizer is to leave alone: an `nnx.Param` has no flag."""
        self.idiom("An `nnx.Param` has no flag: what is frozen is left out of the optimizer's filter.")
        self.frozen += self.variables_at(step.freeze)

    def variables_at(self, place: str) -> list[str]:
        """Return the variables at a place as they were made: one, or all that a layer or module holds."""
        if place.partition(".")[0] in self.owners:
            owner, rest = self.owner(place)
            if not rest:
                return list(dict.fromkeys(self.made_as(f"{place}.{inner}") for inner in owner.inner()))
        return [self.made_as(place)]

    def gradient(self, step: Gradient) -> None:
        """Differentiate a function of the root module."""
        if not self.is_variable(step.wrt):
            self.loss(step.steps, step.of, step.wrt)
            self.write(f"{step.gradient} = jax.grad(loss)({step.wrt})")
            return
        path = self.path_of(step.wrt)
        self.loss(step.steps, step.of, "root")
        if self.ties_variables and self.made_as(step.wrt) not in self.fixed:
            self.idiom(
                "`nnx.grad` lists a shared variable under one of its paths; merging puts the gradient under all of them."
            )
            graph, rest = self.free("graph"), self.free("rest")
            self.write(f"{graph}, _, {rest} = nnx.split(root, nnx.Param, ...)")
            self.write(
                f"{step.gradient} = nnx.merge({graph}, nnx.grad(loss)(root), {rest}){path.removeprefix('root')}[...]"
            )
        else:
            self.write(f"{step.gradient} = nnx.grad(loss)(root){path.removeprefix('root')}[...]")

    def function(self, step: Function) -> None:
        """Define a function; one that trains is given an optimizer that was made before it."""
        train = training_of(step)
        if train and step.traced and not self.frames:
            self.make_optimizer(train)
        super().function(step)

    def state_of(self, kind: str, body: str) -> tuple[list[str], list[str]]:
        """Return which state a function takes: an optimizer too, unless it makes its own."""
        used, first = super().state_of(kind, body)
        return [name for name in used if name != "optimizer" or "optimizer = " not in body], first

    def train(self, step: Train) -> None:
        """Update the root module by `nnx.Optimizer`."""
        self.loss(step.steps, step.minimize, "root")
        if id(step) not in self.optimized:
            self.make_optimizer(step)
        with turns(self, step.times):
            self.write(f"optimizer.update(root, nnx.grad(loss{self.optimized[id(step)]})(root))")

    def make_optimizer(self, step: Train) -> None:
        """Make the optimizer for the variables that are trained."""
        wrt = [step.wrt] if isinstance(step.wrt, str) else step.wrt
        trained = [made for place in wrt for made in self.variables_at(place) if made not in self.frozen]
        chosen, argnums = "nnx.Param", ""
        if set(trained) != set(self.trainable):
            self.idiom("The optimizer's filter is made of the paths under which NNX lists the variables to train.")
            chosen = self.free("trained")
            words = ", ".join(self.made_words(made) for made in dict.fromkeys(trained))
            self.write(
                f"{chosen} = nnx.filterlib.PathIn(*[path for path, node in nnx.iter_graph(root) if any(node is one for one in [{words}])])"
            )
            argnums = f", argnums=nnx.DiffState(0, {chosen})"
        self.write(f"optimizer = nnx.Optimizer(root, {self.optimizer(step)}, wrt={chosen})")
        self.optimized[id(step)] = argnums

    def made_words(self, made: str) -> str:
        """Return the words for a variable as it was made."""
        return made if made.startswith("root.") else self.place(made)

    # -- observations

    def name_of(self, place: str) -> str:
        """Find a variable's path in the root."""
        if not self.is_variable(place):
            raise Unsupported("A JAX array has no name: operations are named only in what a transformation traces.")
        self.idiom("An NNX variable has no name; its path is found by walking the root module.")
        return f"next('/'.join(path) for path, node in nnx.iter_graph(root) if node is {self.place(place)})"

    def listing(self, inside: str | None, *, only_trainable: bool) -> str:
        """Return the arrays in the state of a module."""
        if only_trainable and self.frozen:
            raise Unsupported("An `nnx.Param` has no flag: what is frozen, only the optimizer's filter knows.")
        return f"jax.tree.leaves(nnx.state({self.place(inside) if inside else 'root'}{', nnx.Param' if only_trainable else ''}))"

    def names(self, inside: str | None) -> str:
        """Return the paths in the state of the root."""
        return "sorted('/'.join(path) for path, _ in nnx.to_flat_state(nnx.state(root)))"

    def collected(self, collection: str) -> str:
        """Return the state of one type of variable."""
        return f"jax.tree.leaves(nnx.state(root, {self.kind_of_collection(collection)}))"
