"""Flax NNX: variables are objects, kept as attributes of modules; transformations take the module as an argument."""

from dataclasses import dataclass, field
from typing import Any

from adapters.jax import ERRORS, MISSING, Jax
from conformance.spec import Spec
from conformance.translation import Unsupported
from conformance.vocabulary import (
    Assign, Call, Copy, Freeze, Function, Get, Gradient, Invoke, Layer, Module, Reenter, Restore, Reuse, Save, Scope, Tie,
    Train, Variable,
)  # fmt: skip


@dataclass
class Owner:
    """A layer or module: its words, the names of its own variables, and its members."""

    words: str
    leaves: dict[str, str] = field(default_factory=dict)
    members: "dict[str, Owner]" = field(default_factory=dict)

    def places(self) -> list[str]:
        """Return the place of every variable in it, as specs name places."""
        inner = [place for member in dict.fromkeys(map(id, self.members.values())) for place in self.member(member).places()]
        return [*(f"{self.words}.{leaf}" for leaf in self.leaves), *inner]

    def member(self, identity: int) -> "Owner":
        """Return a member by its identity."""
        return next(member for member in self.members.values() if id(member) == identity)


class NNX(Jax):
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
    state = ("root",)
    compiled = "@nnx.jit"
    ways = {"copy": ("clone", "deepcopy"), "save": ("msgpack", "pickle")}
    errors = {
        "not_trainable": (
            ("AttributeError", r"No attribute .* in State"), ("KeyError", ""), ("TypeError", r"grad requires real- or complex-valued"),
        ),
        "not_found": (("AttributeError", r"has no attribute"),),
        **ERRORS,
    }  # fmt: skip
    missing = {
        **MISSING,
        "reinitialize": "An NNX variable keeps its value alone, and no initializer to run again.",
    }

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        #: words and reuse flag of each open scope
        self.opened: list[tuple[str, Reuse | None]] = [("root", None)]
        self.bound_scopes: dict[str, str] = {}
        self.made: set[str] = set()
        #: name of a variable -> its path from the root
        self.paths: dict[str, str] = {}
        #: path or place of a variable -> the one it was made as
        self.ties: dict[str, str] = {}
        self.trainable: list[str] = []
        self.fixed: set[str] = set()
        self.owners: dict[str, Owner] = {}
        self.collections: dict[str, str] = {}
        self.ties_variables = False

    def opening(self, spec: Spec, text: str) -> list[str]:
        """Define the types of variables that stand for collections, and make the root module."""
        lines = [line for kind, base in self.collections.items() for line in (f"class {kind}({base}):", "    pass", "")]
        return lines + (["root = nnx.Module()"] if "root" in self.used(text) else [])

    def kind_of_collection(self, collection: str, base: str = "nnx.Param") -> str:
        """Return the type of variable that stands for a collection."""
        kind = "".join(part.title() for part in collection.split("_"))
        self.collections.setdefault(kind, base)
        return kind

    # -- scopes and variables

    def scope(self, step: Scope) -> None:
        """Make a submodule, or go back to the one made before."""
        around, outer = self.opened[-1]
        path = f"{around}.{step.scope}"
        mode = self.scope_mode(step.reuse, outer)
        if path not in self.made and mode in {None, "auto"}:
            self.write(f"{path} = nnx.Module()")
            self.made.add(path)
        self.enter(step, path, mode)

    def reenter(self, step: Reenter) -> None:
        """Go back to a submodule."""
        self.enter(step, self.bound_scopes[step.reenter], self.scope_mode(step.reuse, None))

    def enter(self, step: Scope | Reenter, path: str, mode: Reuse | None) -> None:
        """Write the steps inside a submodule."""
        if step.as_:
            self.bound_scopes[step.as_] = path
        self.opened.append((path, mode))
        self.steps(step.steps)
        self.opened.pop()

    def get(self, step: Get) -> None:
        """Set an attribute to a new variable, or read the one that is there."""
        around, outer = self.opened[-1]
        mode = step.reuse if step.reuse is not None else outer
        path = f"{around}.{step.get}"
        if mode == "inherited":
            raise Unsupported("NNX has no reuse mode that a module would inherit: reading and setting an attribute are two statements.")
        if mode == "auto":
            raise Unsupported("NNX has no get-or-create: whether an attribute is there is for the user to ask.")
        if not mode:
            self.create(step, path)
        elif step.as_ is None:
            self.write(path)
        else:
            self.write(f"{step.as_} = {path}")
            self.known_as(step.as_, path)

    def variable(self, step: Variable) -> None:
        """Make a variable, and an attribute for it: NNX variables have no names of their own."""
        path = f"{self.opened[-1][0]}.{step.variable}"
        if path in self.made:
            path = f"{self.opened[-1][0]}.{step.as_ or self.free(step.variable)}"
        self.create(step, path)

    def create(self, step: Get | Variable, path: str) -> None:
        """Write the constructor of a variable."""
        base = "nnx.Variable" if step.trainable is False else "nnx.Param"
        kind = self.kind_of_collection(step.collection, base) if step.collection else base
        if step.init == "random":
            value = f"jax.random.normal(jax.random.key(0), {step.shape or []}{f', {step.dtype!r}' if step.dtype else ''})"
        else:
            function, given = self.filling(step.init, step.shape, step.dtype)
            value = f"{function}({given})"
        # a name bound to what the attribute held before has no path from the root any more
        self.paths = {name: at for name, at in self.paths.items() if at != path}
        self.trainable = [at for at in self.trainable if at != path]
        self.made.add(path)
        self.fixed.discard(path)
        self.write(f"{f'{step.as_} = ' if step.as_ else ''}{path} = {kind}({value})")
        if step.trainable is False:
            self.fixed.add(path)
        else:
            self.trainable.append(path)
        if step.as_:
            self.known_as(step.as_, path)

    def known_as(self, name: str, path: str) -> None:
        """Note which variable a name is bound to."""
        self.paths[name] = path
        self.bound_at[name] = len(self.frames)

    def alias(self, name: str, variable: str) -> None:
        """Note that a function returned a variable."""
        super().alias(name, variable)
        if variable in self.paths:
            self.paths[name] = self.paths[variable]

    def owner(self, place: str) -> tuple[Owner, list[str]]:
        """Return the layer or module that a place begins with or ends in, and what is left of the place."""
        first, *rest = place.split(".")
        owner = self.owners[first]
        while rest and rest[0] in owner.members:
            owner = owner.members[rest.pop(0)]
        return owner, rest

    def path_of(self, place: str) -> str:
        """Return the words for a place from the root module on."""
        first, *rest = place.split(".")
        if first in self.owners:
            owner, left = self.owner(place)
            inner = rest[: len(rest) - len(left)]
            return ".".join(["root", first, *inner, *(owner.leaves.get(part, part) for part in left)])
        if place not in self.paths:
            raise Unsupported("Nothing in the root module holds this variable any more, so a function that takes the module does not reach it.")
        return self.paths[place]

    def place(self, place: str) -> str:
        """Return a variable or module; inside a function, by its path from the root that it is given."""
        first = place.split(".")[0]
        if self.frames and (first in self.owners or self.outer(place)):
            return self.path_of(place)
        return self.path_of(place).removeprefix("root.") if first in self.owners else place

    def is_variable(self, place: str) -> bool:
        """Return whether a place holds a variable, not a tensor."""
        return place in self.bound_at or place.split(".")[0] in self.owners

    def value(self, place: str) -> str:
        """Return the array that a variable holds."""
        return f"{self.place(place)}[...]" if self.is_variable(place) else place

    def assign(self, step: Assign) -> None:
        """Write an array into a variable."""
        self.pure_only("write variables")
        self.write(f"{self.place(step.assign)}[...] = {self.new_value(step.to)}")

    def increment(self, place: str) -> None:
        """Add to the array."""
        self.write(f"{self.place(place)}[...] += 1")

    # -- functions

    def invoke(self, step: Invoke) -> None:
        """Call a function; one that sets attributes is given the module of the current scope."""
        if self.opened[-1][1] is not None and step.invoke in self.makes:
            raise Unsupported("NNX has no reuse mode that a called function would inherit: it sets attributes, or it reads them.")
        super().invoke(step)

    def given_state(self, function: str) -> list[str]:
        """Give a function the current module for its root if it makes variables there."""
        return [self.opened[-1][0] if function in self.makes else name for name in self.takes.get(function, [])]

    def function(self, step: Function) -> None:
        """Define a function whose own root is the module it is given."""
        self.opened.append(("root", None))
        made, self.made = self.made, set(self.made) if not self.called_in_scopes else set()
        super().function(step)
        self.made |= made
        self.opened.pop()

    # -- layers and modules

    def layer(self, step: Layer) -> None:
        """Construct a layer as an attribute of the root."""
        self.outside_functions()
        bias = f"bias_init={self.initializer(step.bias)}" if step.bias is not None else "use_bias=False"
        if step.layer == "dense":
            made = f"nnx.Linear({step.inputs}, {step.units}, kernel_init={self.initializer(step.kernel)}, {bias}, rngs=nnx.Rngs(0))"
        else:
            made = f"nnx.Embed({step.inputs}, {step.units}, embedding_init={self.initializer(step.kernel)}, rngs=nnx.Rngs(0))"
        leaves = {"kernel": "kernel" if step.layer == "dense" else "embedding"} | ({"bias": "bias"} if step.bias is not None else {})
        self.write(f"{step.as_} = root.{step.as_} = {made}")
        self.owners[step.as_] = Owner(step.as_, leaves)
        self.trainable += self.owners[step.as_].places()
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
        if place.split(".")[0] in self.owners:
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
            self.write("from copy import deepcopy")
        call = {"clone": "nnx.clone", "deepcopy": "deepcopy"}[self.way["copy"]]
        self.write(f"{step.as_} = root.{step.as_} = {call}({step.copy_})")
        owner = self.owners[step.copy_]
        self.owners[step.as_] = self.replica(owner, step.as_)
        self.trainable += self.owners[step.as_].places()
        self.ties_variables = True

    def replica(self, owner: Owner, words: str) -> Owner:
        """Return an owner of the same make under other words."""
        return Owner(words, dict(owner.leaves), {name: self.replica(member, f"{words}.{name}") for name, member in owner.members.items()})

    def save(self, step: Save) -> None:
        """Serialize the state of a module, or pickle the module."""
        if self.way["save"] == "pickle":
            self.write("import pickle")
            self.write(f"{step.to} = pickle.dumps({self.place(step.save)})")
        else:
            self.write(f"{step.to} = flax.serialization.msgpack_serialize(nnx.to_pure_dict(nnx.state({self.place(step.save)})))")

    def restore(self, step: Restore) -> None:
        """Restore the state of a module, or unpickle the module."""
        if self.way.get("save") == "pickle":
            self.write(f"{step.restore} = root.{step.restore} = pickle.loads({step.given_by})")
        else:
            self.write(f"nnx.update({self.place(step.restore)}, flax.serialization.msgpack_restore({step.given_by}))")

    # -- learning

    def freeze(self, step: Freeze) -> None:
        """Note what the optimizer is to leave alone: an `nnx.Param` has no flag."""
        self.idiom("An `nnx.Param` has no flag: what is frozen is left out of the optimizer's filter.")
        self.frozen += self.variables_at(step.freeze)

    def variables_at(self, place: str) -> list[str]:
        """Return the variables at a place as they were made: one, or all that a layer or module holds."""
        if place.split(".")[0] in self.owners:
            owner, rest = self.owner(place)
            if not rest:
                return list(dict.fromkeys(self.made_as(inner) for inner in owner.places()))
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
            self.idiom("`nnx.grad` lists a shared variable under one of its paths; merging puts the gradient under all of them.")
            graph, rest = self.free("graph"), self.free("rest")
            self.write(f"{graph}, _, {rest} = nnx.split(root, nnx.Param, ...)")
            self.write(f"{step.gradient} = nnx.merge({graph}, nnx.grad(loss)(root), {rest}){path.removeprefix('root')}[...]")
        else:
            self.write(f"{step.gradient} = nnx.grad(loss)(root){path.removeprefix('root')}[...]")

    def train(self, step: Train) -> None:
        """Update the root module by `nnx.Optimizer`."""
        wrt = [step.wrt] if isinstance(step.wrt, str) else step.wrt
        trained = [made for place in wrt for made in self.variables_at(place) if made not in self.frozen]
        self.loss(step.steps, step.minimize, "root")
        chosen, argnums = "nnx.Param", ""
        if set(trained) != set(self.trainable):
            chosen = self.free("trained")
            words = ", ".join(self.made_words(made) for made in dict.fromkeys(trained))
            self.write(f"{chosen} = nnx.PathIn(*[path for path, node in nnx.iter_graph(root) if any(node is one for one in [{words}])])")
            argnums = f", argnums=nnx.DiffState(0, {chosen})"
        self.write(f"optimizer = nnx.Optimizer(root, {self.optimizer(step)}, wrt={chosen})")
        with self.block(f"for _ in range({step.times}):"):
            self.write(f"optimizer.update(root, nnx.grad(loss{argnums})(root))")

    def made_words(self, made: str) -> str:
        """Return the words for a variable as it was made."""
        return made if made.startswith("root.") else self.place(made)

    # -- observations

    def name_of(self, place: str) -> str:
        """Find a variable's path in the root."""
        self.idiom("An NNX variable has no name; its path is found by walking the root module.")
        return f"next('/'.join(path) for path, node in nnx.iter_graph(root) if node is {self.place(place)})"

    def listing(self, inside: str | None, *, only_trainable: bool) -> str:
        """Return the arrays in the state of a module."""
        if only_trainable and self.frozen:
            raise Unsupported("An `nnx.Param` has no flag: what is frozen, only the optimizer's filter knows.")
        return f"jax.tree.leaves(nnx.state({self.place(inside) if inside else 'root'}{', nnx.Param' if only_trainable else ''}))"

    def names(self) -> str:
        """Return the paths in the state of the root."""
        return "sorted('/'.join(path) for path, _ in nnx.to_flat_state(nnx.state(root)))"

    def collected(self, collection: str) -> str:
        """Return the state of one type of variable."""
        return f"jax.tree.leaves(nnx.state(root, {self.kind_of_collection(collection)}))"


