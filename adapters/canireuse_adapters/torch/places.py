"""Scopes and variables of PyTorch: submodules and their parameters, and what each name of a script stands for."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from canireuse import expression
from canireuse.step import Array, Initial, Reuse
from canireuse.translation import TextAdapter, Unsupported
from canireuse.vocabulary import (
    Assign,
    Compute,
    CurrentScope,
    Get,
    Read,
    Reenter,
    Reinitialize,
    Scope,
    Variable,
)

NO_MODE = "PyTorch has no reuse mode: `register_parameter` makes, `get_parameter` looks up, and the caller says which."

NO_COLLECTIONS = (
    "PyTorch modules register parameters and buffers; there are no further collections that a variable can be put in."
)
FLOATS = {None, "float16", "float32", "float64"}


@dataclass
class Thing:
    """What is known of a thing when the script is written.

    `kind` is variable, buffer, tensor, layer, sequence, module, or packed: the quantized weight of a layer.
    """

    kind: str
    parts: "dict[str, Thing]" = field(default_factory=dict)
    #: its attribute in PyTorch, and the one that gives its value where that is another
    native: str | None = None
    reads: str | None = None
    #: the attribute under which its parts stand
    inner: str | None = None
    initial: Initial | None = None
    dtype: str | None = None
    transposed: bool = False
    #: whether it acts otherwise in training, and whether no module holds it but its Python name
    moody: bool = False
    loose: bool = False

    def walk(self) -> "Iterator[Thing]":
        """Yield the thing and all that is inside."""
        yield self
        for part in self.parts.values():
            yield from part.walk()


@dataclass
class Place:
    """An open scope: its module, its path from the root, how `get` is worded in it, and the default dtype."""

    words: str
    path: str
    mode: str = "make"
    dtype: str = "float32"


def within(value: str) -> str:
    """Return the words of a value so that an attribute can follow them."""
    tree = ast.parse(value, mode="eval").body
    return value if isinstance(tree, ast.Name | ast.Attribute | ast.Call | ast.Subscript) else f"({value})"


class TorchPlaces(TextAdapter):
    """Words scopes, and the reading of parameters; it keeps what is known when the script is written."""

    functions = {
        "tanh": "torch.tanh({})", "relu": "torch.relu({})", "sigmoid": "torch.sigmoid({})", "exp": "torch.exp({})",
        "log": "torch.log({})", "square": "torch.square({})", "sum": "torch.sum({})", "mean": "torch.mean({})",
        "transpose": "torch.t({})", "softmax": "torch.softmax({}, dim=-1)",
        "stop_gradient": "({}).detach()", "ones": "torch.ones([{}])",
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
        #: names that the spec drops, and whether it looks at the root module
        self.dropped: frozenset[str] = frozenset()
        self.rooted = False
        #: whether something is held by its Python name alone
        self.loose = False
        #: import lines that stand below the framework's own
        self.further: set[str] = set()

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
        here = Place(
            f"{around.words}.{step.scope}",
            f"{around.path}.{step.scope}",
            self.mode(step.reuse, around.mode),
            step.dtype or around.dtype,
        )
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
        self.enter(
            step, Place(step.reenter, known.path, self.mode(step.reuse, known.mode), step.dtype or self.open[-1].dtype)
        )

    def current_scope(self, step: CurrentScope) -> None:
        """Bind the module that is worked in."""
        here = self.open[-1]
        self.write(f"{step.current_scope} = {here.words}")
        self.bound[step.current_scope] = replace(here, words=step.current_scope)

    def enter(self, step: Scope | Reenter, here: Place) -> None:
        """Write the steps inside a scope."""
        if step.as_:
            self.write(f"{step.as_} = {here.words}")
            self.bound[step.as_] = here
        around = self.open[-1].dtype
        self.open.append(here)
        if step.dtype is None:
            self.steps(step.steps)
        else:
            self.with_default_dtype(step, around)
        self.open.pop()

    def with_default_dtype(self, step: Scope | Reenter, around: str) -> None:
        """Write the steps with another default dtype, which is global: it is put back afterwards."""
        if step.dtype not in FLOATS:
            raise Unsupported(
                "`torch.set_default_dtype` takes floating-point types alone; another is said at each tensor."
            )
        self.idiom("PyTorch's default dtype is global: it is set before, and put back afterwards.")
        self.write(f"torch.set_default_dtype(torch.{step.dtype})")
        if step.raises is None:
            self.steps(step.steps)
            self.write(f"torch.set_default_dtype(torch.{around})")
            return
        with self.block("try:"):
            self.steps(step.steps)
        with self.block("finally:"):
            self.write(f"torch.set_default_dtype(torch.{around})")

    # -- variables

    def get(self, step: Get) -> None:
        """Register a parameter, or look one up where reuse is asked for here and now."""
        here, mode = self.open[-1], self.mode_of(step)
        thing = self.things.get(f"{here.path}.{step.get}", Thing("variable"))
        if mode == "look up":
            kind = "buffer" if step.local or thing.kind == "buffer" else "parameter"
            self.bind(step.as_, f"{here.words}.get_{kind}({step.get!r})")
        else:
            thing = self.things[f"{here.path}.{step.get}"] = Thing(
                "buffer" if step.local else "variable", initial=step.init
            )
            self.write(f"{here.words}.{self.registered(step)}")
            if step.as_:
                self.write(f"{step.as_} = {here.words}.{step.get}")
        if step.as_:
            self.things[step.as_] = thing

    def mode_of(self, step: Get) -> str:
        """Return whether a parameter is to be made or looked up; refuse what only the callee would know."""
        if step.reuse is not None:
            raise Unsupported(
                "`register_parameter` and `get_parameter` take no reuse flag: the one that is called says what is meant."
            )
        if self.open[-1].mode == "auto":
            raise Unsupported(NO_MODE)
        if self.open[-1].mode == "inherited":
            raise Unsupported(
                "PyTorch modules pass no reuse mode on to the modules inside: each lookup is written as one."
            )
        return self.open[-1].mode

    def registered(self, step: Get) -> str:
        """Return the words that register a parameter, or a buffer that is neither trained nor saved."""
        if not step.local:
            return f"register_parameter({step.get!r}, {self.parameter(step)})"
        value = self.initial_value(step, f", dtype=torch.{step.dtype}" if step.dtype else "")
        return f"register_buffer({step.get!r}, {value}, persistent=False)"

    def variable(self, step: Variable) -> None:
        """Make a parameter and assign it to an attribute of the module."""
        here = self.open[-1]
        loose = step.as_ in self.dropped and not self.rooted
        thing = self.things[f"{here.path}.{step.variable}"] = Thing(
            "variable", initial=step.init if step.start is None else None, loose=loose
        )
        if step.as_:
            self.things[step.as_] = thing
        self.bind(step.as_, f"{'' if loose else f'{here.words}.{step.variable} = '}{self.parameter(step)}")

    def parameter(self, step: Get | Variable) -> str:
        """Return the words that make a parameter."""
        if step.collection:
            raise Unsupported(NO_COLLECTIONS)
        dtype = f", dtype=torch.{step.dtype}" if step.dtype else ""
        value = self.initial_value(step, dtype)
        # Only floats can have gradients; a user who wants another dtype has to say so.
        plain = step.trainable is False or (step.trainable is None and step.dtype not in FLOATS)
        return f"nn.Parameter({value}{', requires_grad=False' if plain else ''})"

    def initial_value(self, step: Get | Variable, dtype: str) -> str:
        """Return the words for the tensor a parameter starts from."""
        if isinstance(step, Variable) and step.start is not None:
            return self.expression(step.start)
        init = self.numbers(step.init, step.dtype)
        if isinstance(init, list):
            return f"torch.tensor({init}{dtype})"
        if init == "random":
            return f"torch.randn({step.shape or []}{dtype})"
        if step.shape == [] and init is not None:
            return f"torch.tensor({init}{dtype})"
        if step.shape is not None:
            if init is None:
                raise Unsupported(
                    "A parameter is made from a tensor: PyTorch has no value that it would start from when nothing is said."
                )
            return f"torch.full({step.shape}, {init}{dtype})"
        if isinstance(step, Variable):
            return f"torch.tensor({init}{dtype})"
        raise Unsupported(
            "A parameter is made from a tensor, which has a shape; an `UninitializedParameter` has none, but cannot be used before it gets one."
        )

    def numbers(self, init: Any, dtype: str | None) -> Any:
        """Return initial numbers as floats where the variable is one, since Python integers would make an integer tensor."""
        if isinstance(init, list):
            return [self.numbers(item, dtype) for item in init]
        return float(init) if isinstance(init, int) and dtype in FLOATS else init

    def assign(self, step: Assign) -> None:
        """Write into the parameter in place, out of autograd's sight."""
        self.check_written(step.assign)
        with self.block("with torch.no_grad():"):
            self.fill(self.place(step.assign), step.to, transposed=self.is_transposed(step.assign))

    def fill(self, place: str, value: str | Array, *, transposed: bool) -> None:
        """Write a value into a tensor in place."""
        words = self.expression(value)
        if isinstance(value, int | float) or isinstance(expression.parse(str(value)), ast.Constant):
            self.write(f"{place}.fill_({words})")
        else:
            self.write(f"{place}.copy_({f'{within(words)}.T' if transposed else words})")

    def increment(self, place: str) -> None:
        """Add in place."""
        self.check_written(place)
        with self.block("with torch.no_grad():"):
            self.write(f"{self.place(place)}.add_(1)")

    def check_written(self, place: str) -> None:
        """Refuse a write to what is no tensor of its own."""
        thing = self.find(place)
        if thing and thing.kind == "packed":
            raise Unsupported("A quantized layer keeps its weight packed: it is made anew, and never written in place.")

    def read(self, step: Read) -> None:
        """Read a tensor."""
        self.write(self.data(self.value(step.read)))

    def reinitialize(self, step: Reinitialize) -> None:
        """Write the initial value again."""
        thing = self.find(step.reinitialize)
        if thing is None or thing.initial is None:
            raise Unsupported("A parameter does not remember how it was made, and here its initial value is not known.")
        self.idiom("A parameter does not remember its initializer: its initial value is written out again.")
        self.set_initial(self.place(step.reinitialize), thing)

    def set_initial(self, place: str, thing: Thing) -> None:
        """Write the initial value of a parameter that is there already."""
        if isinstance(thing.initial, list):
            with self.block("with torch.no_grad():"):
                self.fill(place, self.numbers(thing.initial, None), transposed=thing.transposed)
        else:
            random = thing.initial == "random"
            self.write(
                f"nn.init.normal_({place})"
                if random
                else f"nn.init.constant_({place}, {self.numbers(thing.initial, None)})"
            )

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

    def words(self, place: str, *, reading: bool = False) -> str:
        """Return the attributes that lead to a place; a layer's kernel is called `weight`."""
        first, *rest = place.split(".")
        words, thing = [first], self.things.get(first)
        for part in rest:
            words += [thing.inner] if thing and thing.inner else []
            known, thing = thing is not None, thing.parts.get(part) if thing else None
            if thing:
                words.append((thing.reads if reading else None) or thing.native or part)
            else:
                words.append("weight" if part == "kernel" and not known else part)
        return ".".join(words)

    def place(self, place: str) -> str:
        """Return the parameter itself."""
        return self.words(place)

    def value(self, place: str) -> str:
        """Return the parameter as it stands in arithmetic, laid out as [inputs, units]."""
        return self.words(place, reading=True) + (".T" if self.is_transposed(place) else "")

    def array(self, values: str) -> str:
        """Return a tensor."""
        return f"torch.tensor({values})"

    def data(self, value: str) -> str:
        """Turn a tensor into lists."""
        return f"{within(value)}.tolist()"
