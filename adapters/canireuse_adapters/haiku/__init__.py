"""Haiku: parameters by name in a tree that `init` makes, and functions that find them there when they are applied."""

from canireuse.spec import Spec
from canireuse.translation import Unsupported
from canireuse.vocabulary import Layer, walk
from canireuse_adapters.haiku.measuring import HaikuMeasuring
from canireuse_adapters.haiku.names import TOP
from canireuse_adapters.haiku.trees import tupled
from canireuse_adapters.jax_text import ERRORS, MISSING, SINCE_OF_OPTAX, SINCE_ON_DEVICES

PENALTY = "Haiku collects no regularization terms: a loss adds them up from the tree of parameters itself."
NAMES = "`hk.name_scope` names parameters, and operations with them: it opens no second scope that could be left out."


class Haiku(HaikuMeasuring):
    """Words a spec in Haiku.

    What stands together and makes variables is one transformed function. A scope is `hk.name_scope`, whose name
    Haiku makes unique, and with `reuse: auto`, or when it is entered again, one of a forced name. `init` makes
    what is missing and finds what is there; `apply` finds or refuses. So what a spec asks for under `reuse: true`
    is a function that is only applied. Outside, a variable is an entry of the tree: it is written there, and
    read by applying the function that gets it.
    """

    name = "haiku"
    title = "Haiku"
    about = "DeepMind's module library for JAX: functions that get parameters by name, transformed into a pure `init` and `apply`."
    packages = ("dm-haiku", "jax", "jaxlib", "optax")
    install = "pip install dm-haiku optax"
    distributions = {"haiku": "dm-haiku"}
    since = {**SINCE_ON_DEVICES, **SINCE_OF_OPTAX}
    modules = ("haiku",)
    imports = "import haiku as hk\nimport jax\nimport jax.numpy as jnp\nimport optax"
    errors = {
        "not_found": (
            ("ValueError", r"^Unable to retrieve parameter|^No value for "),
            ("ValueError", r"^Initializer must be specified"),
            ("KeyError", r"^'[\w~/]+'$"),
        ),
        "already_exists": (("ValueError", r"^Module name .* is not unique"),),
        "bad_argument": (("ValueError", r"must be used as part of an `hk.transform`"), *ERRORS["bad_argument"]),
        "uninitialized": (("AttributeError", r"'ShapeDtypeStruct' object"), ("TypeError", r"ShapeDtypeStruct")),
        "not_trainable": (("TypeError", r"grad requires real- or complex-valued"),),
        "shape_mismatch": (("ValueError", r"with retrieved shape .* does not match"), *ERRORS["shape_mismatch"]),
    }
    ways = {"restore": ("replace", "merge"), "materialize": ("init", "zeros")}
    options = frozenset({
        *(f"{verb}.{option}" for verb in ("scope", "default_scope", "reenter") for option in ("init", "dtype")),
        "call.given", "call.training", "copy.shallow", "save.only", "restore.partial", "gradient.remat", "function.template", "invoke.abstract",
        "layer.norm", "layer.cell", "layer.unnamed", "get.numbered", "measure.fresh",
    })  # fmt: skip
    missing = {
        **MISSING,
        "reuse_variables": "Haiku has no reuse mode that an open scope could be switched to: a whole function is run by `init` or by `apply`.",
        "drop": "No Python object stands for a Haiku parameter: it is in the tree until its entry is deleted.",
        "alive": "No Python object stands for a Haiku parameter: it is in the tree until its entry is deleted.",
        **dict.fromkeys(("scope.penalty", "default_scope.penalty", "reenter.penalty"), PENALTY),
        **dict.fromkeys((f"{verb}.auxiliary_name_scope" for verb in ("scope", "default_scope", "reenter")), NAMES),
        "collection": "Haiku has no collections but two: the parameters, and the state, which is not trained.",
    }

    @classmethod
    def ways_of(cls, spec: Spec) -> list[dict[str, str]]:
        """Return the ways of a spec: default names depend on which layers stand in one function."""
        ways = super().ways_of(spec)
        if sum(isinstance(step, Layer) and step.name is None for step in walk(spec.steps)) > 1:
            ways = [{**way, "layer": one} for way in ways for one in ("one-transform", "transforms-apart")]
        return ways

    # -- observations

    def name_of(self, place: str) -> str:
        """Return the path under which the tree has the array."""
        spot = self.spot(place)
        self.idiom("An array knows no name: its path is found by going through the tree.")
        found = f"for module, name, value in hk.data_structures.traverse({spot.tree}) if value is {self.place(place)}"
        return f"next(f'{{module}}/{{name}}' {found})"

    def shape_of(self, place: str) -> str:
        """Return the shape of the array."""
        return f"list({self.value(place)}.shape)"

    def dtype_of(self, place: str) -> str:
        """Return the dtype of the array."""
        return f"str({self.value(place)}.dtype)"

    def listing(self, inside: str | None, *, only_trainable: bool) -> str:
        """Return the leaves of the tree; the parameters are what is trained."""
        if only_trainable and self.frozen:
            raise Unsupported("Haiku has no flag on a parameter: what is frozen, only the user's own filter knows.")
        if inside and inside not in self.bound_scopes:
            owner, rest = self.owner(inside)
            if rest:
                raise Unsupported("A parameter of Haiku is an array; nothing is listed inside.")
            trees = self.trees_of(owner)
            parts = [self.part(owner, tree) for tree in (trees[:1] if only_trainable else trees)]
        else:
            parts = ["params", *(["state"] if self.has["state"] and not only_trainable else [])]
            parts = [self.below(inside, tree) for tree in parts]
        return f"jax.tree.leaves({tupled(parts)})"

    def below(self, scope: str | None, tree: str) -> str:
        """Return the part of a tree that a scope holds; all of it for the root or none."""
        path = self.bound_scopes[scope] if scope else ""
        if not path or path == TOP:
            return tree
        self.idiom("A scope keeps no list: what it holds is filtered out of the tree by its path.")
        chosen = f"lambda module, *_: f'{{module}}/'.startswith('{path}/')"
        return f"hk.data_structures.filter({chosen}, {tree})"

    def names(self, inside: str | None) -> str:
        """Return the paths in the tree."""
        owner = self.owner(inside)[0] if inside and inside not in self.bound_scopes else None
        trees = self.trees_of(owner) if owner else ["params"]
        trees += ["state"] if owner is None and self.has["state"] else []
        parts = [self.part(owner, tree) if owner else self.below(inside, tree) for tree in trees]
        words = parts[0] if len(parts) == 1 else f"hk.data_structures.merge({', '.join(parts)})"
        return f"sorted(f'{{module}}/{{name}}' for module, name, _ in hk.data_structures.traverse({words}))"

    def paths_of(self, place: str, inside: str) -> str:
        """Refuse: a tree has one path for each parameter."""
        raise Unsupported(
            "A Haiku parameter has one path in the tree; which names of a function stand for it, nothing lists."
        )

    def offered(self, name: str) -> str:
        """Ask the top-level package, one attribute after another."""
        return super().offered(name).replace("flax", "hk")
