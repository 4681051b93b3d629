"""The layers of Flax Linen: how each is defined, what it is initialised with, and where its variables stand."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise

from canireuse.step import Initial
from canireuse.translation import Unsupported
from canireuse.vocabulary import Layer
from canireuse_adapters.linen.state import Entry, Path

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

    def name_members(self) -> None:
        """Reach what is inside through the attributes of the definition: no other name leads there."""
        for name, member in self.members.items():
            member.words = f"{self.words}.{self.fields.get(name, name)}"
            member.name_members()

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
    match owner.kind:
        case "embedding":
            return "jnp.zeros([1], int)"
        case "cell":
            return f"jnp.zeros([1, {owner.units}]), jnp.zeros([1, {owner.inputs}])"
        case "wrapper":
            return f"jnp.zeros([1, 1, {owner.inputs}])"
        case "module":
            return sample(next(iter(owner.members.values())))
    return f"jnp.zeros([1, {owner.inputs}])"


def follows(owner: Owner) -> bool:
    """Return whether the members of a module can follow one another, so that one call initialises it."""
    members = list(owner.members.values())
    fits = all(one.units == other.inputs and other.kind != "embedding" for one, other in pairwise(members))
    return owner.kind != "module" or (fits and members[0].kind != "cell" and all(follows(one) for one in members))


def initialised(words: str, owner: Owner, *, abstract: bool) -> str:
    """Return the words that initialise a layer or module, or give its shapes alone."""
    given = f"jax.random.key(0), {sample(owner)}"
    if owner.kind == "norm":
        made = f"{words}.init({given}, use_running_average=True)"
        return f"jax.eval_shape(lambda: {made})" if abstract else made
    return f"jax.eval_shape({words}.init, {given})" if abstract else f"{words}.init({given})"


def one_by_one(words: str, owner: Owner, seen: set[int], *, abstract: bool) -> str:
    """Return the words for the parameters of a module whose members are initialised each by itself."""
    if owner.kind == "norm":
        raise Unsupported(
            "Linen makes a module's variables by one call of it; layers that cannot follow one another have no such call."
        )
    if owner.kind != "module":
        return f"{initialised(words, owner, abstract=abstract)}['params']"
    parts = []
    for name, member in owner.members.items():
        if id(member.ident) not in seen:
            seen.add(id(member.ident))
            field = owner.fields.get(name, name)
            parts.append(f"{field!r}: {one_by_one(f'{words}.{field}', member, seen, abstract=abstract)}")
    return f"{{{', '.join(parts)}}}"
