"""Flax Linen: modules that define, trees that hold what is defined, `init` once and `apply` or `bind` for each look."""

import ast
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from canireuse.emit import Body, Lack, Script, Unsupported, attribute, expr, name, text
from canireuse.program import Object
from canireuse.spec.model import Spec
from canireuse.spec.step import Step
from canireuse.spec.vocabulary import Copy, Expect, Get, Layer, Module, Variable, Wrap
from canireuse_adapters.jax import DELETED, ERRORS, KEYS, MISSING, OPEN_SHAPES, SINCE_OF_OPTAX, TWICE, Jax
from canireuse_adapters.linen import (
    apart,
    calls,
    checkpoints,
    definitions,
    functions,
    layers,
    learning,
    listing,
    passes,
    scopes,
    structure,
)
from canireuse_adapters.linen.layers import Entry, inner_entry
from canireuse_adapters.linen.modules import Plan, Route, numbered, spelled
from canireuse_adapters.linen.trees import Tree, keyed, replaced


class Linen(Jax):
    """Words a spec in Linen: its owners become classes, and their variables one tree a component.

    What steps make is defined before the first step that runs: one class an owner, one outermost module for all that hang
    together, one `init`. A place is read where its entry stands in the tree; one that several places share is read through the
    module that holds it, bound to the tree, so that each use answers for itself. A write makes another tree.
    """

    name = "linen"
    title = "Flax Linen"
    about = "Flax's functional modules: definitions of `flax.linen`, and their variables in a tree of their own."
    modules = ("flax",)
    imports = (
        "import flax\nimport jax\nimport jax.numpy as jnp\nimport optax\nimport orbax.checkpoint as ocp\n"
        "from flax import linen as nn"
    )
    also = "from flax import serialization\nfrom flax.traverse_util import flatten_dict\nfrom flax.traverse_util import unflatten_dict"
    packages = ("flax", "jax", "jaxlib", "optax", "orbax-checkpoint")
    install = "pip install flax optax orbax-checkpoint"
    requires = ("flax>=0.10",)
    distributions = {"orbax": "orbax-checkpoint"}
    since = SINCE_OF_OPTAX
    ways = {**Jax.ways, "save": ("msgpack", "orbax"), "layer": KEYS, "initialize": ("default", "separator")}
    options = frozenset({
        "call.given", "call.training", "copy.shallow", "save.only", "save.in_memory", "restore.partial", "gradient.remat",
        "function.template", "invoke.abstract", "layer.norm", "layer.cell", "layer.lazy", "layer.unnamed", "layer.shared_initializer", "get.numbered", "measure.fresh", "get.local", "get.asks", "train_by.donate", "optimizer.rates", "optimizer.undecayed", "optimizer.named",
    })  # fmt: skip
    errors = {
        "already_exists": (("NameInUseError", ""),),
        "sharing_refused": (("JaxRuntimeError", "donate the same buffer twice"),),
        "uninitialized": (
            ("UnexpectedTracerError", ""),
            *DELETED,
        ),  # where a value was to be kept, it is a tracer of a trace that ended
        "not_found": (
            ("ScopeParamNotFoundError", ""),
            ("ScopeVariableNotFoundError", ""),
            ("ScopeCollectionNotFound", ""),
            (
                "ValueError",
                r"not present in state dict|of the state dict and the named tuple do not match|tree structures do not match|^Dict key mismatch",
            ),
        ),
        "not_trainable": (("ModifyScopeVariableError", ""), ("TypeError", r"grad requires real- or complex-valued")),
        **ERRORS,
        "bad_argument": (
            *ERRORS["bad_argument"],
            ("ValueError", r"^pytree structure error"),
            ("CallCompactUnboundModuleError", ""),
            ("IncorrectPostInitOverrideError", ""),
        ),
        "shape_mismatch": (
            ("ScopeParamShapeError", ""),
            ("ValueError", r"Requested shape: .* is not compatible with the stored shape"),
            *ERRORS["shape_mismatch"],
        ),
    }
    missing = {
        **{verb: reason for verb, reason in MISSING.items() if verb != "get.local"},
        **scopes.MISSING,
    }
    lacks = (
        TWICE,
        OPEN_SHAPES,
        Lack("layer", lambda _, step: step.layer == "cell" and step.bias is None, layers.ALWAYS_A_BIAS),
        Lack(("save", "restore"), lambda linen, _: linen.writing, checkpoints.OUTSIDE),
        Lack("optimizer", lambda linen, _: linen.writing, learning.OUTLIVES),
        Lack("replace", lambda linen, _: linen.writing, structure.OTHER_MEMBER),
    )
    code = {
        **Jax.code, **structure.CODE, **calls.CODE, **learning.CODE, **checkpoints.CODE, **functions.CODE, **scopes.CODE,
    }  # fmt: skip
    notes = {
        "initialize/separator": "The flag is for a whole program, which sets it when it starts (`FLAX_FIX_RNG_SEPARATOR=1`)."
    }
    preamble = {"initializer": "initializer = nn.initializers.normal(1.0)"}
    reads = {
        **listing.READS, "value": "$value", "shape": "list($shape_value.shape)", "dtype": "str($dtype_value.dtype)", "name": scopes.path_of,
        **learning.READS, "checkpoint_bytes": checkpoints.checkpoint_bytes,
        "traces": "$traces._cache_size()",
    }  # fmt: skip

    nesting = ("writing",)

    def __init__(
        self, device: str = "cpu", way: Mapping[str, str] | None = None, versions: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(device, way, versions)
        #: the trees that the script holds, the latest last
        self.trees: list[Tree] = []
        #: step -> what its variable starts from, computed when the step comes: flax asks an initializer for a shape at each look
        self.starts: dict[int, ast.expr] = {}
        #: function -> what it is given and returns beside what the spec says
        self.signatures: dict[str, functions.Signature] = {}
        #: checkpoint -> the keys of what is in it, each with the places that it stands for
        self.keys_kept: dict[str, dict[Route, set[Route]]] = {}
        #: optimizer -> what it was made for
        self.optimizers: dict[str, learning.Kept] = {}
        #: how many functions are being written, one in the other
        self.writing = 0
        #: what is got by name
        self.register: passes.Register | None = None
        #: the statements of the whole script: classes stand above the function that is being written
        self.outermost = self.body

    @classmethod
    def ways_of(cls, spec: Spec) -> list[dict[str, str]]:
        """Return the ways, and for models that are handed one layer both that of one tree and that of a tree for each."""
        ways = super().ways_of(spec)
        return [{**way, "module": one} for way in ways for one in apart.WAYS] if apart.handed(spec) else ways

    @classmethod
    def verbs_with_ways(cls, spec: Spec) -> list[str]:
        """Vary how paths are joined where what is drawn depends on it, and keys elsewhere: one tree has one."""
        left_out = "layer" if structure.draws_by_paths(spec) else "initialize"
        return [verb for verb in super().verbs_with_ways(spec) if verb != left_out]

    # -- the whole script

    def translate(self, spec: Spec) -> Script:
        """Return the script; what is made without running anything is made first."""
        return super().translate(spec.model_copy(update={"steps": structure.ordered(spec.steps)}))

    def step(self, step: Step) -> None:
        """Define what has been made before the first step that runs."""
        if scopes.is_named(self, step):
            scopes.named(self, step)
            return
        if self.writing or not structure.runs(step, self):
            super().step(step)
            return
        self.refuse(step)
        self.settle()
        super().step(step)

    def steps(self, steps: Sequence[Step]) -> None:
        """Word steps; what has been made by name at their end is made."""
        super().steps(steps)
        if not self.writing:
            passes.settle(self)

    @contextmanager
    def function(self) -> Iterator[Body]:
        """Collect the body of a function."""
        self.writing += 1
        with self.apart() as body:
            yield body
        body[:] = [one for one in body if not isinstance(one, ast.Pass)]
        self.writing -= 1

    def emit_verb(self, step: Step) -> None:
        """Define what a step makes, where it is asked whether that is accepted."""
        super().emit_verb(step)
        if structure.is_tried(step):
            self.symbols.happen(step)
            self.settle()

    def settle(self) -> None:
        """Define what has been made or changed since the last time."""
        passes.settle(self)
        definitions.settle(self)

    def name_of(self, one: Object) -> str | None:
        """Return the name that the spec has for an object."""
        return next((word for word, found in self.symbols.names.items() if found is one), None)

    def is_got(self, one: Object) -> bool:
        """Return whether a variable is made by name."""
        step = one.made
        if self.register is not None and one in self.register.tree.entries:
            return True
        return isinstance(step, Get) or (isinstance(step, Variable) and step.start is None and scopes.is_by_name(self))

    def new_variable(
        self, word: str | ast.expr, step: Variable | Get, collection: str | None = None, module: str = "self"
    ) -> ast.expr:
        """Return the code with which a module makes a variable of the spec, in a collection."""
        word = text(word) if isinstance(word, str) else word
        collection = collection or ("constants" if step.trainable is False else "params")
        if isinstance(step, Variable) and step.start is not None:
            code = "self.param($word, lambda _: $start)"
            if collection != "params":
                code = "self.variable('$collection', $word, lambda: $start).value"
            return expr(code, collection=collection, word=word, start=self.starts[id(step)])
        init, shape = step.init, shape_of_values(step.init) if step.shape is None else step.shape
        if isinstance(init, list) and shape and (start := the_one(init)) is not None:
            init = start
        dtype = [attribute(name("jnp"), [step.dtype if step.dtype != "bool" else "bool_"])] if step.dtype else []
        code = f"{module}.param($word, $init, $shape, $*dtype)"
        if collection != "params":
            code = f"{module}.variable('$collection', $word, jnp.full, $shape, $value, $*dtype).value"
        init = 0.0 if init is None else init
        made = self.expression(init) if collection != "params" else self.initializer(init)
        return expr(code, collection=collection, word=word, shape=shape, dtype=dtype, init=made, value=made)

    def initializer(self, init: Any) -> ast.expr:
        """Return the initializer of a variable."""
        if init in (0, 1) and not isinstance(init, list | str):
            return expr("nn.initializers.ones" if init else "nn.initializers.zeros")
        return expr("nn.initializers.normal(1.0)") if init == "random" else super().initializer(init)

    # -- effects

    def effect(self, step: Step) -> None:
        """Have the effect of a step; a copy is another tree, of the whole that it stands in."""
        if structure.is_tried(step) or functions.returned(self, step):
            return
        if step.binds != "copy" or (isinstance(step, Copy) and step.shallow):
            super().effect(step)
            return
        source, to = self.symbols.at(vars(step)[step.renames]), step.binding or ""
        tree = self.found(source)
        if source is None or tree is None:
            raise Unsupported(structure.NO_ENTRY.format(to))
        known: dict[Object, Object] = {}
        root = tree.plan.root.twin(known)
        self.symbols.names[to] = known[source]
        plan = Plan(root, self.name_of)
        entries = {known[one]: entry for one, entry in tree.entries.items()}
        paths = {known[one]: path for one, path in tree.paths.items()}
        word, named = self.own(f"bound_{to}"), structure.copy_name(self, step, tree)
        self.trees.append(Tree(tree.module, named, tree.collections, plan, plan.shape, entries, paths, word))

    # -- places

    def found(self, one: Object | None, place: str = "") -> Tree | None:
        """Return the tree that an object stands in; of several, that of the model in which a place is."""
        holding = [tree for tree in self.trees[::-1] if one in {**tree.plan.places, **tree.entries, **tree.paths}]
        model = self.symbols.names.get(place.partition(".")[0])
        return next((tree for tree in holding if tree.plan.root is model), next(iter(holding), None))

    def tree_at(self, place: str) -> Tree:
        """Return the tree that a place stands in."""
        found = self.symbols.at(place)
        tree = self.found(found, place)
        if tree is None and self.register is not None and found is not None and any(map(self.is_got, found.walk())):
            return self.register.tree
        if tree is None:
            raise Unsupported(structure.NO_ENTRY.format(place))
        return tree

    def route(self, tree: Tree, place: str) -> Route:
        """Return the way from the outermost module to a place, along the place's own path."""
        first, *rest = place.split(".")
        return (*tree.plan.places[self.symbols.names[first]][0], *rest)

    def bound(self, tree: Tree) -> ast.expr:
        """Return the module bound to what its tree holds now; a loss is lent it by `apply`."""
        if tree.lent is not None:
            tree.lent = True
            return name(tree.bound)
        if tree.bound_in is not self.body:
            self.emit("$bound = $module.bind($all)", bound=tree.bound, module=tree.module, all=tree.all())
            tree.bound_in = self.body
        return name(tree.bound)

    def held(self, tree: Tree, place: str) -> ast.expr:
        """Return the code for an owner inside of its module, along the place's own path."""
        route = self.route(tree, place)
        code, found = self.bound(tree), tree.plan.root
        for part in route:
            if numbered(found):
                raise Unsupported("A layer that `__call__` makes under `nn.compact` is no attribute of its module.")
            code = spelled(code, found, layers.WRAPPED.get(part, part) if isinstance(found.made, Wrap) else part)
            found = found.parts[part]
        return code

    def value(self, place: str) -> ast.expr:
        """Return the code for a value: the entry, or where several places share it, what the use at this place holds."""
        if (got := passes.value(self, self.member(place))) is not None:
            return got
        found, (around, part) = self.symbols.at(place), self.symbols.above(place)
        tree = self.found(found, place)
        if found is None or tree is None:
            return self.spelled(place)
        if not found.is_owner and not tree.plan.is_shared(found):
            return tree.entry(tree.entries[found])
        if found.is_owner or around is None or not isinstance(around.made, Layer | Wrap) or tree.plan.is_opened(around):
            return self.held(tree, place)
        owner = place.removesuffix(f".{part}")
        if isinstance(around.made, Wrap):
            return self.value(f"{owner}.{next(iter(layers.parts_of(around)))}.{part}")
        collection, keys = inner_entry(around, part)
        return keyed(expr("$layer.variables", layer=self.held(tree, owner)), (collection, *keys))

    def member(self, place: str) -> str:
        """Return the name of what stands in a module that only names what was got."""
        first, _, part = place.partition(".")
        owner = self.symbols.names.get(first)
        if owner is None or not isinstance(owner.made, Module) or not any(self.is_got(one) for one in owner.walk()):
            return place
        return owner.made.members.get(part, place)

    place = value  # an array is what it holds

    def write_entry(self, tree: Tree, entry: Entry, value: ast.expr) -> None:
        """Write another tree with one entry replaced."""
        code = replaced(name(tree.name), tree.keys(entry), value, tree.every())
        self.emit("$tree = $code", tree=tree.name, code=code)
        tree.written()

    def write(self, place: str, value: ast.expr) -> None:
        """Write a value at a place: into the entry of all the places that share it."""
        tree = self.tree_at(place)
        found = self.symbols.at(place)
        assert found is not None
        self.write_entry(tree, tree.entries[found], value)

    def increment(self, place: str) -> None:
        """Write one on top of what an entry holds."""
        found = self.symbols.at(self.member(place))
        tree = self.found(found, place)
        if found is None or tree is None:  # a name that nothing was bound to, after a refusal
            self.emit("$place = $place + 1", place=self.value(place))
            return
        entry = tree.entries[found]
        self.write_entry(tree, entry, expr("$entry + 1", entry=tree.entry(entry)))

    # -- observations

    def is_asked_once(self, step: Expect) -> bool:
        """Return whether two names are bound to what one call returns."""
        places = [self.member(place) for place in step.same or step.distinct or []]
        return len({place.partition(".")[0] for place in places}) > 1 and passes.is_one_call(self, places)

    def is_read_back(self, step: Expect) -> bool:
        """Return whether an entry is read that was just written; what has a pass or a bound module between is read through that."""
        found = self.symbols.at(step.value or "")
        tree = self.found(found, step.value or "")
        is_entry = tree is not None and found in tree.entries and not tree.plan.is_shared(found)
        return is_entry and super().is_read_back(step)

    # -- measuring

    def start_afresh(self) -> None:
        """Begin with a tree in which nothing is."""
        if self.register is not None:
            if len(self.register.open) > 1:
                raise Unsupported("A Linen module belongs to its tree: none is open where a new tree is begun.")
            classes = self.register.classes
            self.trees.remove(self.register.tree)
            self.register = None
            scopes.register(self).classes = classes

    def awaited(self, body: Body) -> list[str]:
        """Return the names of arrays and trees: a definition holds nothing."""
        return [one for one in super().awaited(body) if one not in {"model", "_", "updated"}]


def the_one(values: Any) -> float | None:
    """Return the number that all elements of nested lists are; None if there are others."""
    found = {the_one(one) for one in values} if isinstance(values, list) else {values}
    return found.pop() if len(found) == 1 else None


def shape_of_values(values: Any) -> list[int]:
    """Return the shape of nested lists."""
    return [len(values), *shape_of_values(values[0])] if isinstance(values, list) and values else []
