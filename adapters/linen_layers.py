"""The layers of Flax Linen: how each is defined, what it is initialised with, and where its variables stand."""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from adapters.linen_state import Entry, Path
from conformance.step import Initial
from conformance.translation import Unsupported
from conformance.vocabulary import Layer

#: how a layer's part is worded -> its collection, and its path inside the layer
Slots = dict[str, tuple[str, Path]]


@dataclass(eq=False)
class Owner:
    """A layer or module: the words for its definition, and where its variables are in the trees.

    Linen tells submodules apart by the identity of their definition, here `ident`: one that is passed
    twice has one set of variables, under the name of the first attribute that it is passed as.
    """

    words: str
    kind: str
    path: Path | None = None
    slots: Slots = field(default_factory=dict)
    leaves: dict[str, Entry] = field(default_factory=dict)
    members: "dict[str, Owner]" = field(default_factory=dict)
    #: members whose attribute in Linen has another name
    fields: dict[str, str] = field(default_factory=dict)
    #: the words for its class and for the arguments of the class
    made: tuple[str, str] = ("", "")
    inputs: int = 0
    units: int = 0
    ident: object = field(default_factory=object)

    @property
    def trains(self) -> bool:
        """Whether it acts otherwise in training."""
        return self.kind == "norm" or any(member.trains for member in self.members.values())

    def every(self) -> "Iterator[Owner]":
        """Yield it and all that is inside."""
        yield self
        for member in self.members.values():
            yield from member.every()

    def listed(
        self, *, applied: bool, around: Path = (), seen: set[int] | None = None
    ) -> list[tuple[Path, str, Entry]]:
        """Return path, collection and entry of every variable; of owners that are met again, none.

        `applied`: as Linen meets them in a call, where a definition that is passed twice is one owner.
        """
        seen = set() if seen is None else seen
        mark = id(self.ident) if applied else id(self)
        if mark in seen:
            return []
        seen.add(mark)
        found = [
            ((*around, *inside), collection, self.leaves[part]) for part, (collection, inside) in self.slots.items()
        ]
        for name, member in self.members.items():
            found += member.listed(applied=applied, around=(*around, self.fields.get(name, name)), seen=seen)
        return found


@dataclass
class Made:
    """The words for a layer: its class, the arguments of the class, the inputs of `init`, and its variables."""

    kind: str
    arguments: str
    inputs: str
    slots: Slots


def words_of(step: Layer, initializer: Callable[[Initial], str]) -> Made:
    """Return how a layer is made."""
    kernel = initializer(step.kernel)
    match step.layer:
        case "embedding":
            return Made(
                "nn.Embed",
                f"{step.inputs}, {step.units}, embedding_init={kernel}",
                "jnp.zeros([1], int)",
                {"kernel": ("params", ("embedding",))},
            )
        case "norm":
            return norm(step, kernel, initializer)
        case "cell":
            return cell(step, kernel, initializer)
    bias = f"bias_init={initializer(step.bias)}" if step.bias is not None else "use_bias=False"
    slots: Slots = {"kernel": ("params", ("kernel",))}
    if step.bias is not None:
        slots["bias"] = ("params", ("bias",))
    return Made("nn.Dense", f"{step.units}, kernel_init={kernel}, {bias}", f"jnp.zeros([1, {step.inputs}])", slots)


def norm(step: Layer, kernel: str, initializer: Callable[[Initial], str]) -> Made:
    """Return how batch normalization is made."""
    bias = f"bias_init={initializer(step.bias)}" if step.bias is not None else "use_bias=False"
    slots: Slots = {"kernel": ("params", ("scale",))}
    if step.bias is not None:
        slots["bias"] = ("params", ("bias",))
    slots |= {"mean": ("batch_stats", ("mean",)), "var": ("batch_stats", ("var",))}
    arguments = f"momentum=0.9, epsilon=0.001, scale_init={kernel}, {bias}"
    return Made("nn.BatchNorm", arguments, f"jnp.zeros([1, {step.inputs}]), use_running_average=True", slots)


def cell(step: Layer, kernel: str, initializer: Callable[[Initial], str]) -> Made:
    """Return how a recurrent cell is made."""
    if step.bias is None:
        raise Unsupported(
            "`nn.SimpleCell` always has a bias; it takes an initializer for it, and no flag to leave it out."
        )
    arguments = f"{step.units}, kernel_init={kernel}, recurrent_kernel_init={initializer(step.recurrent)}, bias_init={initializer(step.bias)}"
    return Made(
        "nn.SimpleCell",
        arguments,
        f"jnp.zeros([1, {step.units}]), jnp.zeros([1, {step.inputs}])",
        {
            "kernel": ("params", ("i", "kernel")),
            "recurrent": ("params", ("h", "kernel")),
            "bias": ("params", ("i", "bias")),
        },
    )


def sample(owner: Owner) -> str:
    """Return the words for an input that a layer or module can be initialised with."""
    inside = list(owner.members.values())
    match owner.kind:
        case "dense" | "norm":
            return f"jnp.zeros([1, {owner.inputs}])" + (", use_running_average=True" if owner.kind == "norm" else "")
        case "embedding":
            return "jnp.zeros([1], int)"
        case "cell":
            return f"jnp.zeros([1, {owner.units}]), jnp.zeros([1, {owner.inputs}])"
        case "wrapper":
            return f"jnp.zeros([1, 1, {owner.inputs}])"
        case "module" if inside:
            fits = all(
                one.units == other.inputs and other.kind != "embedding" for one, other in itertools.pairwise(inside)
            )
            if fits:
                return sample(inside[0]).partition(", use_running")[0]
    raise Unsupported(
        "Linen makes a module's variables by one call of it; layers that cannot follow one another have no such call."
    )
