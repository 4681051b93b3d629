"""Flax NNX: variables are objects, kept as attributes of modules; transformations take the module as an argument."""

from canireuse.spec import Spec
from canireuse.translation import Unsupported
from canireuse.vocabulary import Call, Copy, walk
from canireuse_adapters.jax_text import ERRORS, MISSING, SINCE_OF_OPTAX, SINCE_OF_PATHS, SINCE_ON_DEVICES
from canireuse_adapters.nnx.measuring import NNXMeasuring

NO_DEFAULTS = "An NNX module hands nothing on to the variables set on it: {} is given where a variable is made."


class NNX(NNXMeasuring):
    """Words a spec in NNX: a tree of `nnx.Module` for scopes, `nnx.Param` for variables, attributes for names.

    To create a variable by name is to set an attribute, which replaces whatever was there without a
    word; to look one up is to read the attribute, which refuses a missing name and compares no shape.
    What is not to be trained is an `nnx.Variable` that is no `nnx.Param`. `nnx.grad`, `nnx.jit` and
    the optimizer take the root module as an argument; what a function captures is a constant to it.
    """

    name = "nnx"
    title = "Flax NNX"
    about = "Flax's modules with reference semantics: a variable is an object, and an attribute of every module that uses it."
    modules = ("flax.nnx",)
    imports = "import flax\nimport jax\nimport jax.numpy as jnp\nimport optax\nfrom flax import nnx"
    packages = ("flax", "jax", "jaxlib", "optax", "orbax-checkpoint")
    install = "pip install flax optax orbax-checkpoint"
    requires = ("flax>=0.10",)
    distributions = {"orbax": "orbax-checkpoint"}
    since = {
        "nnx.Optimizer(_, _).update(_, _)": "flax>=0.11.0",
        "_[...] = _": "flax>=0.10.7",
        "nnx.grad(_)(_)._[...]": "flax>=0.11.0",
        "nnx.to_pure_dict": "flax>=0.10.4",
        "nnx.to_flat_state": "flax>=0.10.4",
        "nnx.merge_state": "flax>=0.10.4",
        "nnx.shard_map": "flax>=0.10.4",
        # modules are trees since then: before, one was a leaf
        "jax.tree.map(jnp.copy, _)": "flax>=0.11.0",
        "_ = jax.tree.map(lambda _: _, _)": "flax>=0.11.0",
        "jax.tree.leaves_with_path(_, is_leaf=_)": "flax>=0.11.0",
        "_.set_metadata": "flax>=0.12.0",
        "nnx.clone(graph=_)": "flax>=0.12.5",
        "nnx.EMA": "flax>=0.12.8",
        **SINCE_ON_DEVICES, **SINCE_OF_PATHS, **SINCE_OF_OPTAX,
    }  # fmt: skip
    layers = "nnx"
    ways = {
        "average": ("ema", "incremental-update"),
        "call": ("merge", "clone"),
        "cast": ("update", "split-merge", "module"),
        "copy": ("clone", "clone-tree-mode", "deepcopy", "split-merge", "tree-map"),
        "materialize": ("update", "split-merge", "module"),
        "move": ("update", "split-merge", "module"),
        "parallel": ("jit", "shard-map"),
        "save": ("msgpack", "pickle", "orbax"),
    }
    options = frozenset({
        "layer.norm", "layer.cell", "layer.unnamed", "call.given", "call.training", "copy.shallow", "save.only",
        "restore.partial", "gradient.remat", "invoke.abstract", "get.numbered", "measure.fresh",
    })  # fmt: skip
    errors = {
        "sharing_refused": (
            ("ValueError", r"does not support (shared references|Variable aliasing)|^Inconsistent aliasing detected"),
        ),
        "uninitialized": (
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
            ("ValueError", r"Requested shape: .* is not compatible with the stored shape"), *ERRORS["shape_mismatch"],
        ),
        "bad_argument": (
            *ERRORS["bad_argument"], ("ValueError", r"^pytree structure error|same reference and pytree structure"),
            ("TraceContextError", r"^Cannot (mutate|extract)"), ("AttributeError", r"^'NodeRef' object has no attribute"),
        ),
    }  # fmt: skip
    missing = {
        **MISSING,
        "reinitialize": "An NNX variable keeps its value alone, and no initializer to run again.",
        "default_scope": "NNX makes no name unique: a module that is set as an attribute again replaces the one before.",
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

    @classmethod
    def verbs_with_ways(cls, spec: Spec) -> list[str]:
        """Leave out calls and copies where their ways are all alike."""
        steps = list(walk(spec.steps))
        alike = set()
        if not any(isinstance(step, Call) and step.given for step in steps):
            alike.add("call")
        if all(step.shallow for step in steps if isinstance(step, Copy)):
            alike.add("copy")
        return [verb for verb in super().verbs_with_ways(spec) if verb not in alike]

    # -- observations

    def name_of(self, place: str) -> str:
        """Find a variable's path in the root."""
        if not self.is_variable(place):
            raise Unsupported("A JAX array has no name: operations are named only in what a transformation traces.")
        self.idiom("An NNX variable has no name; its path is found by walking the root module.")
        return f"next(('/'.join(path) for path, node in nnx.iter_graph(root) if node is {self.place(place)}), None)"

    def paths_of(self, place: str, inside: str) -> str:
        """Walk a module as a tree, which goes along every path."""
        self.idiom("A module is also a JAX tree; walked as one, it lists a shared variable under each of its paths.")
        owner = self.place(inside) if inside else "root"
        leaves = f"jax.tree.leaves_with_path({owner}, is_leaf=lambda node: isinstance(node, nnx.Variable))"
        path = "jax.tree_util.keystr(path, simple=True, separator='/')"
        return f"sorted({path} for path, node in {leaves} if node is {self.place(place)})"

    def holder(self, inside: str | None) -> str:
        """Return what is looked into: a module, that of a scope, or the root."""
        return self.bound_scopes.get(inside) or self.place(inside) if inside else "root"

    def listing(self, inside: str | None, *, only_trainable: bool) -> str:
        """Return the arrays in the state of a module."""
        if only_trainable and self.frozen:
            raise Unsupported("An `nnx.Param` has no flag: what is frozen, only the optimizer's filter knows.")
        return (
            f"jax.tree.leaves({self.state_of_owner(self.holder(inside), *(['nnx.Param'] if only_trainable else []))})"
        )

    def names(self, inside: str | None) -> str:
        """Return the paths in the state of a module or the root."""
        state = self.state_of_owner(self.holder(inside))
        return f"sorted('/'.join(path) for path, _ in nnx.to_flat_state({state}))"

    def collected(self, collection: str) -> str:
        """Return the state of one type of variable."""
        return f"jax.tree.leaves(nnx.state(root, {self.kind_of_collection(collection)}))"
