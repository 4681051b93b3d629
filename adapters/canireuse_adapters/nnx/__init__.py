"""Flax NNX: variables are objects, kept as attributes of modules; transformations take the module as an argument."""

import ast
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from canireuse.emit import Body, Fate, Fill, Names, Slot, attribute, expr, name, statements
from canireuse.program import Object, through
from canireuse.spec.model import Spec
from canireuse.spec.step import Step
from canireuse.spec.vocabulary import Call, Copy, Expect, Wrap, walk
from canireuse_adapters.jax import DELETED, ERRORS, KEYS, MISSING, OPEN_SHAPES, SINCE_OF_OPTAX, SINCE_OF_PATHS, Jax
from canireuse_adapters.nnx import checkpoints, functions, layers, learning, measuring, scopes
from canireuse_adapters.nnx.functions import Defined
from canireuse_adapters.nnx.learning import Trained

NO_DEFAULTS = "An NNX module hands nothing on to the variables set on it: {} is given where a variable is made."
#: kinds of what a function takes as an argument, not as a constant
STATE = frozenset({"variable", "layer", "module", "optimizer"})


@dataclass
class Frame:
    """An open function: what it is, what names stood for around it, the path of the scope that it is given as `root`, its argument."""

    #: plain, traced, maker, loss (differentiated by variables), tensor (by a tensor), or scan
    kind: str
    around: dict[str, Object]
    base: tuple[str, ...] = ()
    argument: str = ""
    held: Object | None = None


class NNX(Jax):
    """Words a spec in NNX: a tree of `nnx.Module` for scopes, `nnx.Param` for variables, attributes for names.

    To create a variable by name is to set an attribute, which replaces whatever was there without a
    word; to look one up is to read the attribute, which refuses a missing name and compares no shape.
    What is not to be trained is an `nnx.Variable` that is no `nnx.Param`. `nnx.grad`, `nnx.jit` and
    the optimizer take what owns the variables as an argument; what a function captures is a constant to it.
    """

    name = "nnx"
    title = "Flax NNX"
    about = "Flax's modules with reference semantics: a variable is an object, and an attribute of every module that uses it."
    modules = ("flax.nnx",)
    imports = "import flax\nimport jax\nimport jax.numpy as jnp\nimport optax\nfrom flax import nnx"
    also = "import orbax.checkpoint as ocp\nfrom copy import copy as shallow_copy"
    packages = ("flax", "jax", "jaxlib", "optax", "orbax-checkpoint")
    install = "pip install flax optax orbax-checkpoint"
    requires = ("flax>=0.10",)
    distributions = {"orbax": "orbax-checkpoint"}
    since = {
        "nnx.Optimizer(_, _).update(_, _)": "flax>=0.11.0", "_[...] = _": "flax>=0.10.7", "nnx.grad(_)(_)._[...]": "flax>=0.11.0",
        "nnx.grad(_)(_)[...]": "flax>=0.11.0",
        **dict.fromkeys(("nnx.to_pure_dict", "nnx.to_flat_state", "nnx.merge_state"), "flax>=0.10.4"),
        # modules are trees since then: before, one was a leaf
        "jax.tree.map(jnp.copy, _)": "flax>=0.11.0", "_ = jax.tree.map(lambda _: _, _)": "flax>=0.11.0",
        "jax.tree.leaves_with_path(_, is_leaf=_)": "flax>=0.11.0",
        "_.set_metadata": "flax>=0.12.0", "nnx.clone(graph=_)": "flax>=0.12.5",
        **SINCE_OF_PATHS, **SINCE_OF_OPTAX,
    }  # fmt: skip
    library = "nnx"
    ways = {
        **Jax.ways,
        "call": ("merge", "clone"),
        "layer": KEYS,
        "copy": ("clone", "clone-tree-mode", "deepcopy", "split-merge", "tree-map"),
        "save": ("msgpack", "pickle", "orbax"),
    }  # fmt: skip
    # `nnx.tabulate` leaves on each class that it met what that inherits, which `nnx.capture` then wraps (0.12.8)
    reset = """\
from flax import nnx
kinds = [nnx.Module]
for kind in kinds:
    kinds.extend(kind.__subclasses__())
    inherited = [name for name, value in vars(kind).items() if getattr(kind.__base__, name, None) is value]
    for name in inherited:
        delattr(kind, name)
"""
    options = frozenset({
        "layer.norm", "layer.cell", "layer.unnamed", "layer.shared_initializer", "call.given", "call.training", "copy.shallow", "save.only", "save.in_memory",
        "restore.partial", "gradient.remat", "invoke.abstract", "get.numbered", "measure.fresh", "train_by.donate", "optimizer.rates", "optimizer.undecayed", "optimizer.named",
    })  # fmt: skip
    errors = {
        "sharing_refused": (
            ("ValueError", r"does not support (shared references|Variable aliasing)|^Inconsistent aliasing detected|^only one reference to a mutable array"),
            ("JaxRuntimeError", "donate the same buffer twice"),
        ),
        "uninitialized": (
            *DELETED,
            *((kind, r"ShapeDtypeStruct") for kind in ("TypeError", "AttributeError", "ValueError")),
        ),
        "not_trainable": (
            ("AttributeError", r"No attribute .* in State"), ("TypeError", r"grad requires real- or complex-valued"),
        ),
        "not_found": (
            ("AttributeError", r"^'(Module|Linear|Embed|BatchNorm|SimpleCell|RNN)' object has no attribute"),
            (
                "ValueError",
                r"^Incorrect number of leaves|^Expected a subgraph for|assigned to static attribute|tree structures do not match|^Dict key mismatch",
            ),
        ),
        **ERRORS,
        "shape_mismatch": (
            ("ValueError", r"Requested shape: .* is not compatible with the stored shape|which disagrees with leading axis sizes"),
            *ERRORS["shape_mismatch"],
        ),
        "bad_argument": (
            *ERRORS["bad_argument"], ("ValueError", r"^pytree structure error|same reference and pytree structure"),
            ("TraceContextError", r"^Cannot (mutate|extract)"), ("TypeError", r"^copy requires ndarray"), ("RecursionError", ""), ("SystemError", r"returned a result with an exception set"), ("AttributeError", r"^'NodeRef' object has no attribute"),
        ),
    }  # fmt: skip
    missing = {
        **MISSING,
        "default_scope": "NNX makes no name unique: a module that is set as an attribute again replaces the one before.",
        "layer.lazy": "A layer of NNX makes its variables where it is made, and has to be told the size of its input.",
        "intercept": "NNX has no getter that could be changed: a variable is read as an attribute of a module.",
        "scope.init": NO_DEFAULTS.format("a start value"),
        "scope.dtype": NO_DEFAULTS.format("a dtype"),
        "scope.penalty": MISSING["get.penalty"],
        "scope.auxiliary_name_scope": "An NNX module opens no name scope that could be left out.",
        "reenter.init": NO_DEFAULTS.format("a start value"),
        "reenter.dtype": NO_DEFAULTS.format("a dtype"),
        "reenter.penalty": MISSING["get.penalty"],
        "reenter.auxiliary_name_scope": "An NNX module opens no name scope that could be left out.",
        "function.template": "NNX has no templates: a module is made once, and a function that is given it finds what is there.",
    }
    lacks = (OPEN_SHAPES, *scopes.LACKS, *layers.LACKS, *functions.LACKS, *learning.LACKS, *checkpoints.LACKS)
    effects = {**scopes.EFFECTS, **layers.EFFECTS, **functions.EFFECTS, **learning.EFFECTS, **checkpoints.EFFECTS}
    code = {
        **Jax.code, **scopes.CODE, **layers.CODE, **functions.CODE, **learning.CODE, **checkpoints.CODE,
    }  # fmt: skip
    layers = {
        "dense": {}, "norm": {"kernel": Slot("scale")}, "embedding": {"kernel": Slot("embedding")},
        "cell": {"kernel": Slot("dense_i.kernel"), "recurrent": Slot("dense_h.kernel"), "bias": Slot("dense_i.bias")},
    }  # fmt: skip
    fates = {"copy/tree-map": Fate.UNTIED, "copy/split-merge": Fate.KEPT}
    reads = measuring.READS
    preamble = {"rngs": "rngs = nnx.Rngs(0)", "initializer": "initializer = nnx.initializers.normal()"}

    nesting = ("frames",)

    def __init__(
        self, device: str = "cpu", way: Mapping[str, str] | None = None, versions: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(device, way, versions)
        self.symbols.names["root"] = Object("module")
        self.frames: list[Frame] = []
        self.defined: dict[str, Defined] = {}
        self.optimizers: dict[str, Trained] = {}
        #: optimizers that are made before the traced function that trains, by the training step
        self.hoisted: dict[int, Trained] = {}
        #: owners that the script makes for what it differentiates
        self.models: dict[str, Object] = {}

    # -- the whole script

    @classmethod
    def verbs_with_ways(cls, spec: Spec) -> list[str]:
        """Leave out calls and copies where their ways are all alike."""
        given = any(isinstance(step, Call) and step.given for step in walk(spec.steps))
        deep = any(isinstance(step, Copy) and not step.shallow for step in walk(spec.steps))
        apart = {"call": given, "copy": deep}
        return [verb for verb in super().verbs_with_ways(spec) if apart.get(verb, True)]

    def above(self, body: Body) -> Body:
        """Define the types of variables that stand for collections, and make the root module where it is read before it is bound."""
        first = next((found for one in body if {"root"} & {*(found := Names([one])).read, *found.bound}), None)
        if first is not None and "root" not in first.bound:
            body = [*statements("root = nnx.Module()"), *body]
        return super().above([*scopes.collections(self), *body])

    @property
    def rooted(self) -> bool:
        """Whether something is asked of all that there is, so that a root module holds it."""
        asked = {one.kind for one in self.facts.steps if isinstance(one, Expect) and not one.inside}
        return self.facts.lists_all or not asked.isdisjoint({"collection", "paths"})

    @property
    def keyed(self) -> bool:
        """Whether modules hold random keys beside their variables, as an RNN does."""
        return any(isinstance(step, Wrap) for step in self.facts.steps)

    # -- places and values

    @contextmanager
    def frame(self, kind: str, argument: str = "", held: Object | None = None) -> Iterator[None]:
        """Write the body of a function; an owner that the script makes in it is gone at its end."""
        base, models = (
            self.symbols.scope.path if kind in {"plain", "traced", "jax", "maker"} else self.base,
            dict(self.models),
        )
        self.frames.append(Frame(kind, dict(self.symbols.names), base, argument, held))
        yield
        self.frames.pop()
        self.models = models

    @property
    def base(self) -> tuple[str, ...]:
        """The path of the scope whose module is called `root` here."""
        return self.frames[-1].base if self.frames else ()

    def inside(self, *kinds: str) -> bool:
        """Return whether a function of one of some kinds is being written."""
        return any(frame.kind in kinds for frame in self.frames)

    def scope_code(self, path: tuple[str, ...]) -> ast.expr:
        """Return the module that stands for a scope."""
        return attribute(self.place("root"), path[len(self.base) :])

    def place(self, place: str) -> ast.expr:
        """Return a variable or module: from the argument of the function around, if that holds it."""
        first = place.partition(".")[0]
        found = self.symbols.names.get(first)
        if found is not None and found.kind == "scope":
            return self.scope_code(found.path)
        for frame in reversed(self.frames):
            if frame.around.get(first) is not found:
                break
            if frame.held is None or first == frame.argument:
                continue
            if (route := through(self.symbols, frame.held, place)) is not None:
                return attribute(name(frame.argument), frame.held.spelled(route))
        return self.spelled(place)

    def is_variable(self, place: str) -> bool:
        """Return whether a place holds a variable, not a tensor."""
        found = self.symbols.at(place)
        return found.kind == "variable" if found else "." in place

    def value(self, place: str) -> ast.expr:
        """Return the array that a variable holds."""
        code = self.place(place)
        return expr("$at[...]", at=code) if self.is_variable(place) else code

    def increment(self, place: str) -> None:
        """Add to the array."""
        self.emit("$at[...] += 1", at=self.place(place))

    def is_state(self, one: str) -> bool:
        """Return whether a name stands for what a function takes as an argument."""
        found = self.symbols.names.get(one)
        return (found is not None and found.kind in STATE) or one in self.models or one == "optimizer"

    def state(self, code: Fill, *filters: ast.expr) -> ast.expr:
        """Return the code for the state of a module, without random keys."""
        chosen = filters or ((expr("nnx.Not(nnx.RngState)"),) if self.keyed else ())
        return expr("nnx.state($code, $*chosen)", code=code, chosen=list(chosen))

    # -- steps

    def step(self, step: Step) -> None:
        """Emit one step; where all variables are listed, the root holds what it made."""
        super().step(step)
        found = self.symbols.names.get(step.binding or "")
        if found and found.is_owner and self.rooted and not self.frames and self.symbols.scope.path == ():
            self.emit("root.$to = $to", to=step.binding)
            self.symbols.names["root"].parts[step.binding or ""] = found

    def threaded(self, function: str) -> list[ast.expr]:
        """Return a function and the state it takes; in a thread it is the same objects."""
        return [name(function), *functions.state_given(self, function)]

    awaited = measuring.awaited
    start_afresh = measuring.start_afresh
