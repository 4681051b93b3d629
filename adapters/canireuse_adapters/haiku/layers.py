"""Haiku's layers and modules as scripts know them: how a function makes one, and where its variables are."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from canireuse_adapters.haiku.names import Bound

#: kind of layer -> the default name that Haiku derives from the class
DEFAULT_NAMES = {"dense": "linear", "embedding": "embed", "norm": "batch_norm", "cell": "cell"}
#: kind of layer -> part -> tree, module below the layer's own, name there
LEAVES = {
    "dense": {"kernel": ("params", "", "w"), "bias": ("params", "", "b")},
    "embedding": {"kernel": ("params", "", "embeddings")},
    "norm": {
        "kernel": ("params", "", "scale"),
        "bias": ("params", "", "offset"),
        "mean": ("state", "/~/mean_ema", "average"),
        "var": ("state", "/~/var_ema", "average"),
    },
    "cell": {
        "kernel": ("params", "/input_to_hidden", "w"),
        "bias": ("params", "/input_to_hidden", "b"),
        "recurrent": ("params", "/hidden_to_hidden", "w"),
    },
}
CELL = """\
class Cell(hk.RNNCore):
    def __init__(self, units, kernel, recurrent, bias=None, name=None):
        super().__init__(name)
        self.units, self.kernel, self.recurrent, self.bias = units, kernel, recurrent, bias

    def __call__(self, inputs, hidden):
        moved = hk.Linear(self.units, self.bias is not None, self.kernel, self.bias, name='input_to_hidden')(inputs)
        kept = hk.Linear(self.units, False, self.recurrent, name='hidden_to_hidden')(hidden)
        hidden = jnp.tanh(moved + kept)
        return hidden, hidden

    def initial_state(self, batch_size):
        return jnp.zeros([batch_size, self.units])
"""


@dataclass
class Owner:
    """A layer or module: how a function makes it, where its variables are, and the words that apply it."""

    word: str
    kind: str
    #: the constructor up to its name, and the name that it is given, empty for the default one
    make: str = ""
    given: str = ""
    #: the scope that it is made in, and then its path
    path: str = ""
    scope: str = ""
    #: an input of the right shape
    sample: str = ""
    leaves: dict[str, Bound] = field(default_factory=dict)
    members: "dict[str, Owner | Bound]" = field(default_factory=dict)
    #: the contexts around its calls
    around: tuple[str, ...] = ()
    #: part -> the layer's own variable, and the contexts that hand out another in its place
    handed: dict[str, tuple[Bound, tuple[str, ...]]] = field(default_factory=dict)
    #: the words for its pure function, and for the one that returns the variables among its members
    function: str = ""
    holder: str = ""
    #: whether that function keeps state, its own or that of others beside it
    keeps: bool = False
    trees: tuple[str, str] = ("params", "state")

    def within(self) -> "Iterator[Owner]":
        """Yield itself and all owners inside, as often as they are there."""
        yield self
        for member in self.members.values():
            if isinstance(member, Owner):
                yield from member.within()

    def layers(self) -> "list[Owner]":
        """Return the layers inside, each once."""
        return list({id(one): one for one in self.within() if one.make}.values())

    def held(self) -> list[Bound]:
        """Return the variables among the members, each once."""
        found = [one for owner in self.within() for one in owner.members.values() if isinstance(one, Bound)]
        return list({id(one): one for one in found}.values())

    def paths(self, above: str = "") -> dict[str, Bound]:
        """Return the variables inside by the names of members that lead to them."""
        found = {above + part: leaf for part, leaf in self.leaves.items()}
        for name, member in self.members.items():
            if isinstance(member, Owner):
                found |= member.paths(f"{above}{name}.")
            else:
                found[above + name] = member
        return found

    def spots(self) -> list[Bound]:
        """Return all variables inside, each once."""
        found = [*self.held(), *(leaf for layer in self.layers() for leaf in layer.leaves.values())]
        return list({one.entry: one for one in found}.values())

    @property
    def stateful(self) -> bool:
        """Return whether a call reads and writes state."""
        return any(one.kind == "norm" for one in self.within())
