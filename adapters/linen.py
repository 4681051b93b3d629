"""Flax Linen: variables in a tree, reached through scopes; layers that are `init`ed once and `apply`ed often."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from adapters.jax import ERRORS, MISSING, Jax
from conformance.spec import Spec
from conformance.translation import Unsupported
from conformance.vocabulary import (
    Assign, Call, Copy, Freeze, Get, Gradient, Layer, Module, OddFlag, Reenter, Repeat,
    Restore, Reuse, Save, Scope, Train, Variable,
)  # fmt: skip

Path = tuple[str, ...]


@dataclass
class Opened:
    """A scope as the script knows it: its words, its path, its reuse flag, and the function it was opened in."""

    words: str
    path: Path | None
    mode: Reuse | None = None
    frame: int = 0
    loop: int = 0
    asked: set[str] = field(default_factory=set)


@dataclass
class Owner:
    """A layer or module: the words for its definition, and where its variables are in the tree."""

    words: str
    path: Path
    leaves: dict[str, str] = field(default_factory=dict)
    members: "dict[str, Owner]" = field(default_factory=dict)

    def paths(self) -> list[Path]:
        """Return the path of every variable in it, each once."""
        inner = [path for member in self.members.values() for path in member.paths()]
        return list(dict.fromkeys([*((*self.path, leaf) for leaf in self.leaves.values()), *inner]))


class Linen(Jax):
    """Words a spec in Linen: `flax.core.Scope` for variables by name, `nn.Dense` and `nn.Embed` for layers.

    Scopes mean what Linen means by them. `push(name)` opens a scope once and refuses to open it again;
    `push(name, reuse=True)` re-enters it. `variable(collection, name, init)` creates a variable that is
    not there, or returns the one that is, unless this very scope object has handed the name out
    already. `variable(collection, name)` without an initializer is the lookup: it refuses a missing name.
    It takes no shape, so a lookup compares none; only `param`, which hands out a plain array and no
    reference, does. A loss or compiled function sees an immutable scope over the parameters it is
    given, as `apply` does: there nothing is created and nothing is written.
    """

    name = "linen"
    title = "Flax Linen"
    about = "Flax's functional modules: variables in a tree of their own, `flax.core.Scope` and `flax.linen` layers over it."
    imports = "import flax\nimport jax\nimport jax.numpy as jnp\nimport optax\nfrom flax import linen as nn\nfrom flax.core import Scope"
    state = ("params", "root")
    errors = {
        "already_exists": (("ValueError", r"Duplicate use of scope name"), ("NameInUseError", "")),
        "not_found": (("ScopeParamNotFoundError", ""), ("ScopeVariableNotFoundError", ""), ("ScopeCollectionNotFound", "")),
        "not_trainable": (("ModifyScopeVariableError", ""), ("KeyError", ""), ("TypeError", r"grad requires real- or complex-valued")),
        **ERRORS,
        "shape_mismatch": (("ScopeParamShapeError", ""), *ERRORS["shape_mismatch"]),
    }
    missing = {
        **MISSING,
        "tie": "Linen's parameters are immutable arrays in a tree: one array written under two paths is two parameters "
        "from the next update on. Linen shares by calling one submodule twice.",
        "reinitialize": "A Linen variable keeps no initializer; `init` makes a whole new tree.",
    }

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.opened = [Opened("root", ())]
        self.bound_scopes: dict[str, Opened] = {}
        #: name of a variable -> its collection and its path, None if that depends on the caller
        self.variables: dict[str, tuple[str, Path | None]] = {}
        self.collections: dict[Path, str] = {}
        self.owners: dict[str, Owner] = {}
        self.uses_scopes = False
        self.loops = 0

    def opening(self, spec: Spec, text: str) -> list[str]:
        """Make the tree of parameters, and the scope over it if variables are made by name."""
        lines = []
        used = self.used(text)
        if used:
            lines.append("params = {}")
        if "root" in used:
            rngs = "rngs={'params': jax.random.key(0)}, " if "make_rng" in text else ""
            lines.append(f"root = Scope({{'params': params}}, {rngs}mutable=True)")
        return lines

    # -- scopes

    def scope(self, step: Scope) -> None:
        """Push a scope."""
        around = self.here()
        path = None if around.path is None else (*around.path, step.scope)
        mode = self.scope_mode(step.reuse, around.mode)
        flag = "" if step.reuse is None else f", reuse={self.flag(step.reuse)}"
        self.open(step, f"{around.words}.push({step.scope!r}{flag})", path, mode)

    def reenter(self, step: Reenter) -> None:
        """Use a scope object again, rewound if its variables are to be reused."""
        known = self.bound_scopes[step.reenter]
        words = self.reached(known).words
        mode = self.scope_mode(step.reuse, None)
        self.open(step, f"{words}.rewound()" if mode else words, known.path, mode)

    def open(self, step: Scope | Reenter, words: str, path: Path | None, mode: Reuse | None) -> None:
        """Bind a scope and write what is inside."""
        name = step.as_ or self.free("_".join(path or ("inner",)))
        self.write(f"{name} = {words}")
        scope = Opened(name, path, mode, len(self.frames), self.loops)
        self.bound_scopes[name] = scope
        self.opened.append(scope)
        self.steps(step.steps)
        self.opened.pop()

    def here(self) -> Opened:
        """Return the current scope, reached from the state of the function being written."""
        return self.reached(self.opened[-1])

    def reached(self, scope: Opened) -> Opened:
        """Return a scope as it is reached here: one opened outside a function is pushed again from its root."""
        if scope.frame == len(self.frames) or scope.words == "root":
            return scope
        if scope.path is None:
            raise Unsupported("A Linen scope belongs to the function that it is given to; another function is given its own.")
        words = "".join(["root", *(f".push({part!r}, reuse=True)" for part in scope.path)])
        return Opened(words, scope.path, scope.mode, len(self.frames))

    def flag(self, reuse: Reuse) -> str:
        """Return the words for a reuse flag; Linen's is a truth value that means look up or create."""
        if isinstance(reuse, OddFlag):
            return repr(reuse.text if reuse.text is not None else reuse.number) if reuse.tensor is None else reuse.tensor
        return repr(bool(reuse))

    @contextmanager
    def function_scope(self) -> Iterator[None]:
        """Take the scope that a function is given for its root."""
        self.opened.append(Opened("root", None if self.called_in_scopes else (), None, len(self.frames)))
        yield
        self.opened.pop()

    def given_state(self, function: str) -> list[str]:
        """Give a function the current scope for its root."""
        return [self.here().words if name == "root" and function in self.makes else name for name in self.takes.get(function, [])]

    def state_of(self, kind: str, body: str) -> tuple[list[str], list[str]]:
        """Let a function under a transformation take the parameters and make its own scope over them."""
        used = self.used(body)
        if kind == "plain" or "root" not in used:
            return used, []
        return ["params"], ["root = Scope({'params': params})"]

    # -- variables

    def get(self, step: Get) -> None:
        """Get a variable by name from the current scope."""
        mode = step.reuse if step.reuse is not None else self.here().mode
        if mode == "inherited":
            raise Unsupported("Linen's `reuse` is an argument of each `push`; a scope does not inherit it from the scope around it.")
        around = self.here()
        again = mode and (step.get in around.asked or self.loops > around.loop)
        words = around.words + (".rewound()" if step.reuse or again else "")
        around.asked.add(step.get)
        self.make(step, step.get, words, lookup=mode not in {None, False, "auto"})

    def repeat(self, step: Repeat) -> None:
        """Write a Python loop; a scope from outside of it is asked for the same names again."""
        self.loops += 1
        super().repeat(step)
        self.loops -= 1

    def variable(self, step: Variable) -> None:
        """Make a variable; Linen knows none without a name in a scope."""
        self.make(step, step.variable, self.here().words, lookup=False)

    def make(self, step: Get | Variable, name: str, words: str, *, lookup: bool) -> None:
        """Bind a reference to a variable of the current scope."""
        around = self.here().path
        path = None if around is None else (*around, name)
        collection = step.collection or ("constants" if step.trainable is False else "params")
        if path in self.collections:
            collection = self.collections[path]
        elif path is not None and not lookup:
            self.collections[path] = collection
        if lookup:
            call = f"{words}.variable({collection!r}, {name!r})"
        elif step.init == "random":
            kind = f", {step.dtype!r}" if step.dtype else ""
            call = f"{words}.variable({collection!r}, {name!r}, jax.random.normal, {words}.make_rng('params'), {step.shape or []}{kind})"
        else:
            call = f"{words}.variable({collection!r}, {name!r}, {', '.join(self.filling(step.init, step.shape, step.dtype))})"
        self.uses_scopes = True
        self.bind(step.as_, call)
        if step.as_:
            self.bound_at[step.as_] = len(self.frames)
            self.variables[step.as_] = (collection, path)

    def alias(self, name: str, variable: str) -> None:
        """Note that a function returned a variable of its own."""
        super().alias(name, variable)
        self.variables[name] = self.variables[variable]

    def tree(self, path: Path) -> str:
        """Return the words for an entry of the tree of parameters."""
        return "params" + "".join(f"[{part!r}]" for part in path)

    def owner(self, place: str) -> tuple[Owner, list[str]]:
        """Return the layer or module that a place begins with, and what is left of the place."""
        first, *rest = place.split(".")
        owner = self.owners[first]
        while rest and rest[0] in owner.members:
            owner = owner.members[rest.pop(0)]
        return owner, rest

    def path_of(self, place: str) -> Path:
        """Return the path of a variable among the parameters."""
        if place.split(".")[0] in self.owners:
            owner, rest = self.owner(place)
            return (*owner.path, *(owner.leaves.get(part, part) for part in rest))
        collection, path = self.variables[place]
        if path is None:
            raise Unsupported("Which entry of the tree this variable is depends on the scope its function was given.")
        return path

    def place(self, place: str) -> str:
        """Return a reference, a layer, or an entry of the tree."""
        first = place.split(".")[0]
        if first in self.owners:
            owner, rest = self.owner(place)
            return self.tree(self.path_of(place)) if rest else owner.words
        return place

    def value(self, place: str) -> str:
        """Return the value behind a reference; of one bound outside a function, the entry that it was given."""
        if place not in self.variables:
            return self.place(place)
        if not self.outer(place):
            return f"{place}.value"
        if self.variables[place][0] == "params":
            return self.tree(self.path_of(place))
        if "traced" in self.frames:
            raise Unsupported("`jax.jit` takes what it captures for a constant; a collection other than the parameters is an argument of its own.")
        return f"{place}.value"

    def assign(self, step: Assign) -> None:
        """Write through a reference, or replace an entry of the tree."""
        self.pure_only("write variables")
        if "traced" in self.frames:
            raise Unsupported("A function under `jax.jit` is pure: state goes in as arguments and comes out as results, it is not written.")
        self.write(f"{self.target(step.assign)} = {self.new_value(step.to)}")

    def target(self, place: str) -> str:
        """Return the words for what a write goes to."""
        return f"{place}.value" if place in self.variables else self.place(place)

    def increment(self, place: str) -> None:
        """Add to the value."""
        self.write(f"{self.target(place)} = {self.target(place)} + 1")

    # -- layers and modules

    def layer(self, step: Layer) -> None:
        """Define a layer, and make its variables by `init`, which needs an input of the right shape."""
        self.outside_functions()
        around = self.here()
        path = (*(around.path or ()), step.name)
        if any(owner.path == path for owner in self.owners.values()) or around.mode:
            raise Unsupported("A Linen layer's name is its key in the tree, so a second layer cannot have it; one layer is called again instead.")
        bias = f"bias_init={self.initializer(step.bias)}" if step.bias is not None else "use_bias=False"
        if step.layer == "dense":
            words, inputs = f"nn.Dense({step.units}, kernel_init={self.initializer(step.kernel)}, {bias})", f"jnp.zeros([1, {step.inputs}])"
        else:
            words, inputs = f"nn.Embed({step.inputs}, {step.units}, embedding_init={self.initializer(step.kernel)})", "jnp.zeros([1], int)"
        self.write(f"{step.as_} = {words}")
        made = f"{step.as_}.init(jax.random.key(0), {inputs})['params']"
        if len(path) > 1:
            self.uses_scopes = True
            self.write(f"{around.words}.put_variable('params', {step.name!r}, {made})")
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
            raise Unsupported("A Linen module makes its own variables when it is initialised; one made elsewhere cannot be handed to it.")
        owners = {name: self.owners[member] for name, member in step.members.items()}
        distinct = {owner.words: (name, owner) for name, owner in reversed(owners.items())}
        if any(len(owner.path) > 1 for owner in owners.values()):
            raise Unsupported("Each top-level Linen module has parameters of its own; a layer cannot be owned by two of them.")
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
        entries = [f"{name!r}: params.pop({owner.path[0]!r})" for name, owner in sorted(distinct.values(), key=lambda one: list(owners).index(one[0]))]
        self.write(f"params[{step.module!r}] = {{{', '.join(entries)}}}")
        for name, owner in distinct.values():
            self.transplant(owner, (step.module, name))
        self.owners[step.module] = Owner(step.module, (step.module,), {}, owners)

    def transplant(self, owner: Owner, path: Path) -> None:
        """Note that what a layer or module owns has moved in the tree."""
        for old in owner.paths():
            self.collections.pop(old, None)
        for member in {id(member): member for member in owner.members.values()}.values():
            self.transplant(member, (*path, *member.path[len(owner.path) :]))
        owner.path = path
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
            name: self.replica(member, member.words, (*path, *member.path[len(owner.path) :])) for name, member in owner.members.items()
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
        if place.split(".")[0] in self.owners:
            owner, rest = self.owner(place)
            return [self.path_of(place)] if rest else owner.paths()
        return [self.path_of(place)]

    def gradient(self, step: Gradient) -> None:
        """Differentiate a function of the tree of parameters and pick an entry."""
        known = step.wrt.split(".")[0] in self.owners or step.wrt in self.variables
        argument = "params" if known else step.wrt
        picked = self.tree(self.path_of(step.wrt)).removeprefix("params") if known else ""
        self.loss(step.steps, step.of, argument)
        self.write(f"{step.gradient} = jax.grad(loss)({argument}){picked}")

    def train(self, step: Train) -> None:
        """Update the tree of parameters by an Optax optimizer."""
        if self.frames:
            raise Unsupported("A training step of Linen returns new parameters; inside another function they would be lost.")
        self.loss(step.steps, step.minimize, "params")
        optimizer, state, updates = self.optimizer(step), self.free("state"), self.free("updates")
        wrt = [step.wrt] if isinstance(step.wrt, str) else step.wrt
        paths = [path for place in wrt for path in self.paths_of(place) if str(path) not in self.frozen]
        if set(paths) != {path for path, collection in self.collections.items() if collection == "params"}:
            labels = self.free("labels")
            self.write(f"{labels} = flax.traverse_util.path_aware_map(lambda path, _: 'trained' if path in {paths} else 'frozen', params)")
            optimizer = f"optax.partition({{'trained': {optimizer}, 'frozen': optax.set_to_zero()}}, {labels})"
        self.write(f"optimizer = {optimizer}")
        self.write(f"{state} = optimizer.init(params)")
        with self.block(f"for _ in range({step.times}):"):
            self.write(f"{updates}, {state} = optimizer.update(jax.grad(loss)(params), {state}, params)")
            if not self.uses_scopes:
                self.write(f"params = optax.apply_updates(params, {updates})")
                return
            name, value = self.free("name"), self.free("value")
            with self.block(f"for {name}, {value} in optax.apply_updates(params, {updates}).items():"):
                self.write(f"root.put_variable('params', {name}, {value})")

    # -- observations

    def name_of(self, place: str) -> str:
        """Return the path of a reference."""
        if place not in self.variables:
            raise Unsupported("A parameter of a Linen layer is an entry of a tree; the array there does not know its path.")
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
        return "jax.tree.leaves(root.variables())" if self.uses_scopes and not only_trainable else "jax.tree.leaves(params)"

    def names(self) -> str:
        """Return the paths of the leaves."""
        if self.uses_scopes:
            return "sorted(path for tree in root.variables().values() for path in flax.traverse_util.flatten_dict(tree, sep='/'))"
        return "sorted(flax.traverse_util.flatten_dict(params, sep='/'))"

    def collected(self, collection: str) -> str:
        """Return the leaves of a collection."""
        return f"jax.tree.leaves(root.variables().get({collection!r}, {{}}))"
