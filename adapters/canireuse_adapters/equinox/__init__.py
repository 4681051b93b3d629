"""Equinox: models are trees of arrays; a model with other arrays is another model, bound to the same name."""

from canireuse.spec import Spec
from canireuse.translation import Unsupported
from canireuse.vocabulary import Module, Tie, walk
from canireuse_adapters.equinox.measuring import EquinoxMeasuring
from canireuse_adapters.equinox.places import Path
from canireuse_adapters.jax_text import (
    ERRORS,
    MISSING,
    SINCE_OF_OPTAX,
    SINCE_OF_PATHS,
    SINCE_ON_DEVICES,
    asks_what_survives,
)

BY_NAME = "Equinox has no scopes and no lookup by name: a variable is a field of a module, and is reached as an attribute of it."
NO_LIST = "Equinox keeps no list of all variables: what is listed are the leaves of a tree that one has."


class Equinox(EquinoxMeasuring):
    """Words a spec in Equinox."""

    name = "equinox"
    title = "Equinox"
    about = "Models as trees of arrays, for JAX: an array in two places is two variables, unless `eqx.nn.Shared` keeps one leaf for both."
    packages = ("equinox", "jax", "jaxlib", "optax")
    install = "pip install equinox optax"
    since = {**SINCE_ON_DEVICES, **SINCE_OF_PATHS, **SINCE_OF_OPTAX}
    modules = ("equinox",)
    imports = "import equinox as eqx\nimport jax\nimport jax.numpy as jnp\nimport optax"
    ways = {"copy": ("tree-map", "deepcopy")}
    options = frozenset({
        "call.given", "copy.shallow", "save.only", "restore.partial", "gradient.remat", "invoke.abstract", "layer.unnamed", "layer.norm", "call.training",
    })  # fmt: skip
    errors = {
        "uninitialized": (("AttributeError", r"^'ShapeDtypeStruct' object"), ("TypeError", r"ShapeDtypeStruct")),
        "bad_argument": (("ValueError", r"^pytree structure error|[Cc]ustom node"), *ERRORS["bad_argument"]),
        "dtype_mismatch": (("RuntimeError", r"^Deserialised leaf .* has changed dtype"),),
        "not_found": (
            ("AttributeError", r"^'\w+' object has no attribute"),
            ("TreePathError", ""),
        ),
        "shape_mismatch": (
            ("ValueError", r"^Every node being shared together must have the same"),
            ("RuntimeError", r"^Deserialised leaf .* has changed shape"),
            *ERRORS["shape_mismatch"],
        ),
    }
    missing = {
        **MISSING,
        "collection": "Equinox has no collections of variables: what belongs together is a tree of its own.",
        **dict.fromkeys(("scope", "default_scope", "reenter", "current_scope", "get"), BY_NAME),
        "reuse_variables": "Equinox has no reuse mode: what has a module uses its variables again, and what has none makes its own.",
        "intercept": "Equinox has no getter that something could be put before: an attribute of a module is what the field holds.",
        "reparametrize": "What is read in a field is what the field holds: to compute it from something else is code of the layer, as in `eqx.nn.WeightNorm`.",
        "wrap": "Equinox has no layers that call another over time: users write `jax.lax.scan` over a cell, or `jax.vmap` over steps.",
        "layer.cell": "Equinox has `GRUCell` and `LSTMCell`, and no plain recurrent cell.",
        "function.template": "Equinox has no templates: what a function made is kept by who called it, and handed to the next call.",
        "reinitialize": "An array keeps no initializer; a tree is made anew, or an earlier one is kept.",
    }

    @classmethod
    def ways_of(cls, spec: Spec) -> list[dict[str, str]]:
        """Return the ways, and for a spec that shares both ways to do so."""
        combinations = super().ways_of(spec)
        steps = list(walk(spec.steps))
        ties = any(isinstance(step, Tie) for step in steps)
        handed = [place for step in steps if isinstance(step, Module) for place in step.members.values()]
        survives = asks_what_survives(spec)
        if ties:
            return [{**made, "tie": way} for made in combinations for way in ("same-array", "shared")[survives:]]
        if len(set(handed)) < len(handed):
            return [{**made, "module": way} for made in combinations for way in ("same-array", "shared")[survives:]]
        return combinations

    # -- observations

    def name_of(self, place: str) -> str:
        """Find a variable's path in the tree it is in."""
        if not self.is_variable(place):
            raise Unsupported("A JAX array has no name: operations are named only in what a transformation traces.")
        tree, path = self.locate(place)
        if not path:
            raise Unsupported("A JAX array has no name, and this one is in no tree in which it would have a path.")
        self.idiom("An array has no name: its path is found by looking for the object among the leaves of the tree.")
        return (
            f"next(jax.tree_util.keystr(path, simple=True, separator='/') for path, leaf in jax.tree.leaves_with_path({tree}) "
            f"if leaf is {self.place(place)})"
        )

    def shape_of(self, place: str) -> str:
        """Return the shape."""
        node = self.node(place)
        return f"list({self.looked_at(place)}.shape{'[::-1]' if node and node.transposed else ''})"

    def dtype_of(self, place: str) -> str:
        """Return the name of the dtype."""
        return f"str({self.looked_at(place)}.dtype)"

    def looked_at(self, place: str) -> str:
        """Return the words for an array that may be a shape and a dtype alone, which nothing can be computed of."""
        tree, words = self.locate(place)[0], self.place(place)
        if tree in self.trees and self.trees[tree].abstract and "()" in words:
            return f"eqx.filter_eval_shape(lambda {tree}: {words}, {tree})"
        return words

    def listing(self, inside: str | None, *, only_trainable: bool) -> str:
        """Return the arrays of a tree."""
        if inside is None:
            raise Unsupported(NO_LIST)
        tree, node = self.whole(inside), self.node(inside)
        if node and node.abstract:
            return f"jax.tree.leaves(eqx.filter({tree}, lambda leaf: isinstance(leaf, jax.ShapeDtypeStruct)))"
        if only_trainable and self.some_frozen(inside):
            return f"jax.tree.leaves(eqx.filter({tree}, {self.filter_inside(inside, tree)}))"
        return f"jax.tree.leaves(eqx.filter({tree}, eqx.is_{'inexact_' if only_trainable else ''}array))"

    def some_frozen(self, inside: str) -> bool:
        """Return whether the filter leaves out something inside."""
        return any(self.leaf(tree, path)[1].frozen for tree, path in self.listed_arrays(inside))  # type: ignore[union-attr]  # listed as known

    def listed_arrays(self, inside: str) -> list[tuple[str, Path]]:
        """Return the place of each array inside, also of those that are another's leaf."""
        tree, path = self.locate(inside)
        node = self.trees[tree].at(path)
        return [(tree, path + one) for one in self.inside(node)] if node else []

    def filter_inside(self, inside: str, tree: str) -> str:
        """Write the tree of booleans that says what inside is trained; return its name."""
        at, path = self.locate(inside)
        node = self.trees[at].at(path)
        spec = self.free("filter_spec")
        places = []
        for where, one in self.listed_arrays(inside):
            leaf = self.leaf(where, one)[1]
            if leaf is not None and not leaf.frozen and leaf.floating:
                places.append(f"tree{self.leaf_of(node, one[len(path) :])[0]}")
        self.write(f"{spec} = jax.tree.map(lambda _: False, {tree})")
        if places:
            places = list(dict.fromkeys(places))
            self.write(f"{spec} = eqx.tree_at(lambda tree: [{', '.join(places)}], {spec}, [True] * {len(places)})")
        return spec

    def names(self, inside: str | None) -> str:
        """Return the paths of the arrays of a tree."""
        if inside is None:
            raise Unsupported(NO_LIST)
        leaves = f"jax.tree.leaves_with_path(eqx.filter({self.whole(inside)}, eqx.is_array))"
        return f"sorted(jax.tree_util.keystr(path, simple=True, separator='/') for path, _ in {leaves})"

    def paths_of(self, place: str, inside: str) -> str:
        """Return every path under which an array is a leaf."""
        leaves = f"jax.tree.leaves_with_path({self.whole(inside)})"
        return f"sorted(jax.tree_util.keystr(path, simple=True, separator='/') for path, leaf in {leaves} if leaf is {self.place(place)})"

    def offered(self, name: str) -> str:
        """Ask the top-level package."""
        return super().offered(name).replace("flax", "eqx")
