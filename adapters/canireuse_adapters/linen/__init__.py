"""Flax Linen: variables in a tree, reached through scopes; layers that are `init`ed once and `apply`ed often."""

from canireuse.spec import Spec
from canireuse.translation import Unsupported
from canireuse.vocabulary import Module, Tie, walk
from canireuse_adapters.jax_text import ERRORS, MISSING, SINCE_OF_OPTAX, SINCE_ON_DEVICES, asks_what_survives
from canireuse_adapters.linen.measuring import LinenMeasuring

SHARING = ("one-entry", "same-array")


class Linen(LinenMeasuring):
    """Words a spec in Linen: `flax.core.Scope` for variables by name, `nn.Dense` and `nn.Embed` for layers.

    Scopes mean what Linen means by them. `push(name)` opens a scope once and refuses to open it again;
    `push(name, reuse=True)` re-enters it. `variable(collection, name, init)` creates a variable that is
    not there, or returns the one that is, unless this very scope object has handed the name out
    already. `variable(collection, name)` without an initializer is the lookup: it refuses a missing name,
    and compares no shape. `param(name, init, shape)` creates or finds a parameter and refuses another
    shape, but returns an array and no reference; so whoever asks again with a shape says both. A loss
    sees an immutable scope over the parameters it is given, as `apply` does: there nothing is created and
    nothing is written. A compiled function returns the trees that it changes, as `apply(mutable=...)` does.
    """

    name = "linen"
    title = "Flax Linen"
    about = "Flax's functional modules: variables in a tree of their own, `flax.core.Scope` and `flax.linen` layers over it."
    modules = ("flax",)
    imports = (
        "import flax\nimport jax\nimport jax.numpy as jnp\nimport optax\nimport orbax.checkpoint as ocp\n"
        "from flax import linen as nn\nfrom flax.core import Scope"
    )
    packages = ("flax", "jax", "jaxlib", "optax", "orbax-checkpoint")
    install = "pip install flax optax orbax-checkpoint"
    requires = ("flax>=0.10",)
    distributions = {"orbax": "orbax-checkpoint"}
    since = {
        "optax.partition": "optax>=0.2.5", "jax.shard_map": "jax>=0.6.1", **SINCE_ON_DEVICES, **SINCE_OF_OPTAX,
    }  # fmt: skip
    #: a tie is one entry that both uses are given, or the same array under two paths
    ways = {
        "tie": SHARING,
        "module": SHARING,
        "copy": ("clone", "deepcopy"),
        "save": ("msgpack", "orbax"),
        "parallel": ("pmap", "shard_map"),
    }
    options = frozenset({
        "call.given", "call.training", "copy.shallow", "save.only", "restore.partial", "gradient.remat",
        "function.template", "invoke.abstract", "layer.norm", "layer.cell", "layer.unnamed", "get.numbered", "measure.fresh",
    })  # fmt: skip
    errors = {
        "already_exists": (("ValueError", r"Duplicate use of scope name"), ("NameInUseError", "")),
        "not_found": (
            ("ScopeParamNotFoundError", ""),
            ("ScopeVariableNotFoundError", ""),
            ("ScopeCollectionNotFound", ""),
            ("ValueError", r"not present in state dict|tree structures do not match|^Dict key mismatch"),
        ),
        "not_trainable": (
            ("ModifyScopeVariableError", ""),
            ("TypeError", r"grad requires real- or complex-valued"),
        ),
        **ERRORS,
        "shape_mismatch": (
            ("ScopeParamShapeError", ""),
            ("ValueError", r"Requested shape: .* is not compatible with the stored shape"),
            *ERRORS["shape_mismatch"],
        ),
    }
    missing = {
        **MISSING,
        "reinitialize": "A Linen variable keeps no initializer; `init` makes a whole new tree.",
        "intercept": "Linen has no getters: `map_variables` transforms what a function of a scope reads, and what is made inside is stored as the transform gave it.",
        **dict.fromkeys(
            ("scope.init", "default_scope.init", "reenter.init", "scope.dtype", "default_scope.dtype", "reenter.dtype"),
            "A Linen scope has no defaults: initializer and dtype are said where a variable is made.",
        ),
        **dict.fromkeys(
            ("scope.penalty", "default_scope.penalty", "reenter.penalty"),
            "Linen has no regularizers: a loss adds its terms up itself, from the tree.",
        ),
        **dict.fromkeys(
            ("scope.auxiliary_name_scope", "default_scope.auxiliary_name_scope", "reenter.auxiliary_name_scope"),
            "Pushing a Linen scope opens no name scope for operations, so there is none to leave out.",
        ),
    }

    @classmethod
    def ways_of(cls, spec: Spec) -> list[dict[str, str]]:
        """Return the ways of a spec: how variables are shared is a question where some are, and the answer is in few ways the same."""
        steps = list(walk(spec.steps))
        ties = any(isinstance(step, Tie) for step in steps)
        layers = {step.binding for step in steps if step.verb in {"layer", "wrap", "module", "copy", "cast", "move"}}
        held = [place for step in steps if isinstance(step, Module) for place in step.members.values()]
        shared = any(held.count(place) > 1 for place in held if place not in layers)
        found = super().ways_of(spec)
        if ties or not shared:
            found = [{verb: way for verb, way in one.items() if verb != "module"} for one in found]
        if asks_what_survives(spec):
            found = [one for one in found if "same-array" not in one.values()]
        return [dict(one) for one in dict.fromkeys(tuple(one.items()) for one in found)]

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
        """Return the leaves of the trees; the parameters are what is trained."""
        trees = self.looked_into(inside)
        if not only_trainable or (self.apart and not inside):
            return f"jax.tree.leaves({trees[0] if len(trees) == 1 else '[' + ', '.join(trees) + ']'})"
        if inside in self.bound_scopes:
            tree = f"{inside}.variables().get('params', {{}})"
        else:
            tree = self.held(self.owner(inside)[0]) if inside else "params"
        if not self.froze:
            return f"jax.tree.leaves({tree})"
        self.idiom("What is trained is what the optimizer is given: the paths that are not among the frozen ones.")
        frozen = list(self.frozen_below(inside))
        return f"[path for path in flax.traverse_util.flatten_dict({tree}) if path not in {frozen}]"

    def looked_into(self, inside: str | None) -> list[str]:
        """Return the words for the trees that an owner, a scope or the whole script has variables in."""
        if inside in self.bound_scopes:
            return [f"{inside}.variables()"]
        if inside:
            owner = self.owner(inside)[0]
            return [self.held(owner, collection) for collection in self.collections_of(owner) or ["params"]]
        return ["root.variables()"] if self.uses_scopes else list(self.trees().values())

    def frozen_below(self, inside: str | None) -> list[tuple[str, ...]]:
        """Return the frozen paths as they stand inside an owner or a scope."""
        if inside is None:
            return self.froze
        if inside in self.bound_scopes:
            around = self.bound_scopes[inside].path or ()
            return [path[len(around) :] for path in self.froze if path[: len(around)] == around]
        rows = self.rows(self.owner(inside)[0])
        return [path for (collection, entry), path in rows.items() if collection == "params" and entry in self.froze]

    def names(self, inside: str | None) -> str:
        """Return the paths of the leaves."""
        flat = "flax.traverse_util.flatten_dict"
        if inside in self.bound_scopes:
            return f"sorted('/'.join(({inside}.path) + path) for tree in {inside}.variables().values() for path in {flat}(tree))"
        if self.uses_scopes and not inside:
            return f"sorted(path for tree in root.variables().values() for path in {flat}(tree, sep='/'))"
        trees = self.looked_into(inside)
        if len(trees) == 1:
            return f"sorted({flat}({trees[0]}, sep='/'))"
        return f"sorted(path for tree in [{', '.join(trees)}] for path in {flat}(tree, sep='/'))"

    def paths_of(self, place: str, inside: str) -> str:
        """Return the paths of the leaves that are the array at a place."""
        if not inside or inside in self.bound_scopes:
            tree = "params" if not inside else f"{inside}.variables()['params']"
        else:
            tree = self.held(self.owner(inside)[0], self.entry_at(place)[0])
        leaves = f"flax.traverse_util.flatten_dict({tree}, sep='/').items()"
        return f"sorted(path for path, leaf in {leaves} if leaf is {self.value(place)})"

    def collected(self, collection: str) -> str:
        """Return the leaves of a collection."""
        return f"jax.tree.leaves(root.variables().get({collection!r}, {{}}))"
