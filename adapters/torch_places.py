"""What a PyTorch script knows of its own places: scopes as submodules, and what each name stands for."""

import ast
from dataclasses import dataclass, field
from typing import Any

from conformance.step import Initial, Reuse
from conformance.translation import Adapter, Unsupported
from conformance.vocabulary import Compute, Reenter, Scope

NO_MODE = "PyTorch has no reuse mode: `register_parameter` makes, `get_parameter` looks up, and the caller says which."


@dataclass
class Thing:
    """What is known of a thing when the script is written: its parts, its name in PyTorch, its first value."""

    kind: str
    parts: "dict[str, Thing]" = field(default_factory=dict)
    native: str | None = None
    initial: Initial | None = None
    transposed: bool = False


@dataclass
class Place:
    """An open scope: the words for its module, its path from the root, and how `get` is worded in it."""

    words: str
    path: str
    mode: str = "make"


def within(value: str) -> str:
    """Return the words of a value so that an attribute can follow them."""
    tree = ast.parse(value, mode="eval").body
    return value if isinstance(tree, ast.Name | ast.Attribute | ast.Call | ast.Subscript) else f"({value})"


class TorchPlaces(Adapter):
    """Words scopes, and the reading of parameters; it keeps what is known when the script is written."""

    functions = {
        "tanh": "torch.tanh({})", "relu": "torch.relu({})", "sigmoid": "torch.sigmoid({})", "exp": "torch.exp({})",
        "log": "torch.log({})", "square": "torch.square({})", "sum": "torch.sum({})", "mean": "torch.mean({})",
        "transpose": "torch.t({})", "softmax": "torch.softmax({}, dim=-1)",
    }  # fmt: skip

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.open = [Place("root", "root")]
        self.bound: dict[str, Place] = {}
        #: paths of scopes that are there for certain, and those that a function may have made
        self.there: set[str] = set()
        self.perhaps: set[str] = set()
        self.guarded = 0
        self.things: dict[str, Thing] = {}

    # -- scopes

    def mode(self, reuse: Reuse | None, around: str) -> str:
        """Return how `get` is worded in a scope: `make`, `look up`, or `inherited`, which has no words."""
        if reuse is True:
            return "look up"
        if reuse == "auto":
            return "auto"
        if reuse not in (None, False):
            raise Unsupported(NO_MODE)
        return "make" if around == "make" else "inherited"

    def scope(self, step: Scope) -> None:
        """Add a submodule, unless it is there or is to be looked up, and work in it."""
        around = self.open[-1]
        here = Place(f"{around.words}.{step.scope}", f"{around.path}.{step.scope}", self.mode(step.reuse, around.mode))
        if here.path not in self.there and here.mode != "look up":
            self.add_submodule(around.words, step.scope, here.path)
        self.enter(step, here)

    def add_submodule(self, around: str, name: str, path: str) -> None:
        """Add a submodule; where the line may run twice, ask first, as users do."""
        make = f"{around}.add_module({name!r}, nn.Module())"
        if not self.guarded and path not in self.perhaps:
            self.write(make)
        else:
            self.idiom(
                "A scope that may be there already is asked for with `hasattr`, since `add_module` replaces in silence."
            )
            with self.block(f"if not hasattr({around}, {name!r}):"):
                self.write(make)
        self.there.add(path)

    def reenter(self, step: Reenter) -> None:
        """Work in a submodule that a name stands for."""
        known = self.bound[step.reenter]
        self.enter(step, Place(step.reenter, known.path, self.mode(step.reuse, known.mode)))

    def enter(self, step: Scope | Reenter, here: Place) -> None:
        """Write the steps inside a scope."""
        if step.as_:
            self.write(f"{step.as_} = {here.words}")
            self.bound[step.as_] = here
        self.open.append(here)
        self.inside(step)
        self.open.pop()

    # -- values

    def compute(self, step: Compute) -> None:
        """Bind a tensor that an expression makes."""
        super().compute(step)
        self.note_tensor(step.binding)

    def note_tensor(self, name: str | None) -> None:
        """Note that a name stands for a tensor that an operation made."""
        if name:
            self.things[name] = Thing("tensor")

    def find(self, place: str) -> Thing | None:
        """Return what is known of the thing at a place."""
        first, *rest = place.split(".")
        thing = self.things.get(first)
        for part in rest:
            thing = thing.parts.get(part) if thing else None
        return thing

    def is_transposed(self, place: str) -> bool:
        """Return whether a place holds the weight of an `nn.Linear`."""
        thing = self.find(place)
        return thing is not None and thing.transposed

    def place(self, place: str) -> str:
        """Return the parameter itself; a layer's kernel is called `weight`."""
        first, *rest = place.split(".")
        words, thing = [first], self.things.get(first)
        for part in rest:
            known, thing = thing is not None, thing.parts.get(part) if thing else None
            words.append(thing.native or part if thing else "weight" if part == "kernel" and not known else part)
        return ".".join(words)

    def value(self, place: str) -> str:
        """Return the parameter as it stands in arithmetic, laid out as [inputs, units]."""
        return self.place(place) + (".T" if self.is_transposed(place) else "")

    def array(self, values: str) -> str:
        """Return a tensor."""
        return f"torch.tensor({values})"

    def data(self, value: str) -> str:
        """Turn a tensor into lists."""
        return f"{within(value)}.tolist()"
