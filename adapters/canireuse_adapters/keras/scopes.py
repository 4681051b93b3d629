"""Scopes and variables in Keras: a scope is a layer that holds variables, a name in it an attribute."""

from typing import Any

from canireuse.spec import Spec
from canireuse.step import Initial, OddFlag, Reuse, Step
from canireuse.translation import Unsupported
from canireuse.vocabulary import (
    Block,
    Compute,
    CurrentScope,
    Expect,
    Get,
    Measure,
    NameScope,
    Reenter,
    Reinitialize,
    Scope,
    Variable,
    walk,
)
from canireuse_adapters.keras.places import TENSOR, KerasPlaces, Thing, attribute
from canireuse_adapters.tf_text import WritesAtOnce, number

NO_FLAG = "Keras takes no reuse flag anywhere: an attribute is read or assigned."
ONE_ATTRIBUTE = "A name in a Keras layer is one attribute: it holds a variable or a layer, and not both."
SCOPE = "A scope is a layer that holds variables, a name in it an attribute: to assign it makes or replaces, to read it looks up."
DEFAULTS = "Keras layers hand no {} down to what is made inside: each `add_weight` says its own."


class KerasScopes(WritesAtOnce, KerasPlaces):
    """What Keras says about named places, and about variables by themselves."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        #: path of the open scope and its reuse mode (`inherited` from an outer scope), innermost last
        self.open: list[tuple[str, Reuse | str | None]] = [("root", None)]
        #: paths of the layers that stand for scopes
        self.layers: set[str] = set()
        #: scopes bound by `as`
        self.bound_scopes: dict[str, tuple[str, Reuse | str | None]] = {}

    # -- scopes

    def opening(self, spec: Spec) -> None:
        """Write the root layer if variables hang on it, with a layer for each scope that holds some."""
        asks = {"variables", "trainable", "names", "penalties", "penalty"}
        counts = any(isinstance(step, Expect) and step.kind in asks and not step.inside for step in self.spec)
        if counts or any(isinstance(step, Get) for step in self.spec):
            self.write("root = keras.Layer(name='root')")
            self.sublayers(spec.steps, "root", set(), {})

    def sublayers(self, steps: list[Step], path: str, known: set[str], bound: dict[str, str]) -> None:
        """Write a layer for each scope below the path that something is made in."""
        for step in steps:
            below = path
            if isinstance(step, CurrentScope):
                bound[step.current_scope] = path
            elif isinstance(step, Scope):
                below = f"{path}.{attribute(step.scope)}"
                makes = step.reuse is not True and any(isinstance(one, Get) for one in walk(step.steps))
                if makes and below not in known:
                    known.add(below)
                    self.layers.add(below)
                    dtype = f", dtype={step.dtype!r}" if step.dtype else ""
                    self.write(f"{below} = keras.Layer(name={step.scope!r}{dtype})")
            elif isinstance(step, Reenter):
                below = bound[step.reenter]
            elif isinstance(step, Measure) and step.fresh:
                continue  # its layers are made in it
            if isinstance(step, Scope | Reenter) and step.as_:
                bound[step.as_] = below
            if isinstance(step, Block):
                self.sublayers(step.steps, below, known, bound)

    def open_scope(self, step: Scope | Reenter, path: str, before: Reuse | str | None) -> None:
        """Write what stands in a scope; a mode that is not this scope's own counts as inherited."""
        self.idiom(SCOPE)
        if isinstance(step.reuse, OddFlag):
            raise Unsupported(NO_FLAG)
        if step.dtype and (isinstance(step, Reenter) or any(isinstance(one, Scope) for one in walk(step.steps))):
            raise Unsupported(DEFAULTS.format("dtype"))
        own = step.reuse if step.reuse is not None and step.reuse is not False else ("inherited" if before else None)
        if step.as_:
            self.bound_scopes[step.as_] = (path, own)
        self.open.append((path, own))
        self.steps(step.steps)
        self.open.pop()

    def scope(self, step: Scope) -> None:
        """Stand in the layer of that name."""
        path, mode = self.open[-1]
        self.open_scope(step, f"{path}.{attribute(step.scope)}", mode)

    def reenter(self, step: Reenter) -> None:
        """Stand in a layer that was bound before."""
        self.open_scope(step, *self.bound_scopes[step.reenter])

    def holder_of(self, name: str) -> str:
        """Return the words for what is looked into: a scope's layer, or an object."""
        return self.bound_scopes[name][0] if name in self.bound_scopes else self.place(name)

    def current_scope(self, step: CurrentScope) -> None:
        """Keep where the step stands: the layer is there to be used again."""
        self.idiom(SCOPE)
        self.bound_scopes[step.current_scope] = self.open[-1]

    def name_scope(self, step: NameScope) -> None:
        """Open a name scope, which prefixes the paths of variables too."""
        with self.block(f"with keras.name_scope({step.name_scope!r}):"):
            self.steps(step.steps)

    # -- variables

    def get(self, step: Get) -> None:
        """Add a weight to the layer, or read the attribute where the scope says reuse."""
        scope, looks_up = self.open[-1][0], self.looks_up(step)
        path = f"{scope}.{attribute(step.get)}"
        if path in self.layers:
            raise Unsupported(ONE_ATTRIBUTE)
        if not looks_up:
            self.write(f"{path} = {self.weight(step, scope)}")
            self.things[path] = Thing("variable", step)
        if step.as_ and path in self.things:
            self.things[step.as_] = self.things[path]
        if step.as_ or looks_up:
            self.bind(step.as_, path)

    def looks_up(self, step: Get) -> bool:
        """Return whether the open scope has a name looked up, not made."""
        mode = self.open[-1][1]
        if step.reuse is not None:
            raise Unsupported(NO_FLAG)
        if mode == "auto":
            raise Unsupported("A Keras layer has no get-or-create: keep the object and call it again.")
        if mode == "inherited":
            raise Unsupported(
                "Layers hand no reuse mode down: each place says for itself whether it makes or looks up."
            )
        return mode is True

    def weight(self, step: Get, scope: str) -> str:
        """Return the call that adds a weight to a layer; the root has no name to put before it."""
        if step.collection:
            raise Unsupported(self.missing["collection"])
        if scope == "root" and step.init is not None and step.penalty is None:
            return self.variable_call(step.get, step)
        shape = step.shape if step.shape is not None or not isinstance(step.init, list) else shape_of(step.init)
        words = [] if shape is None else [f"shape={shape}"]
        if step.init is not None:
            words.append(f"initializer={self.initializer(step.init)}")
        words += self.details(step.dtype, step.trainable)
        if step.penalty is not None:
            words.append(f"regularizer=keras.regularizers.L2({step.penalty})")
        return f"{scope}.add_weight({', '.join([*words, f'name={self.quoted(step.get, step)}'])})"

    def variable(self, step: Variable) -> None:
        """Construct a variable that nothing but its Python name holds."""
        if step.collection:
            raise Unsupported(self.missing["collection"])
        self.loose = True
        self.bind(step.as_, self.variable_call(step.variable, step))
        if step.as_:
            self.things[step.as_] = Thing("variable", step)

    def variable_call(self, name: str, step: Get | Variable) -> str:
        """Return the call that constructs a variable."""
        if isinstance(step, Variable) and step.start is not None:
            words = [self.expression(step.start)]
        elif isinstance(step.init, list):
            words = [repr(step.init)]
        elif step.shape or step.init == "random":
            words = [self.initializer(step.init), f"shape={step.shape or []}"]
        else:
            assert isinstance(step.init, int | float)  # `add_weight` makes what has no value of its own
            words = [number(step.init, step.dtype)]
        words += self.details(step.dtype, step.trainable)
        return f"keras.Variable({', '.join([*words, f'name={self.quoted(name, step)}'])})"

    def quoted(self, name: str, step: Get | Variable) -> str:
        """Return a variable's name as a string of Python, with a number to be put in if there are several."""
        return f"f'{name}_{{number}}'" if isinstance(step, Get) and step.numbered else repr(name)

    def details(self, dtype: str | None, trainable: bool | None) -> list[str]:
        """Return the words for dtype and trainable; PyTorch gives gradients to floats alone."""
        if self.engine == "torch" and dtype and not dtype.startswith("float"):
            trainable = False
        words = [f"dtype={dtype!r}"] if dtype else []
        return words if trainable is None else [*words, f"trainable={trainable}"]

    def initializer(self, value: Initial | None) -> str:
        """Return the words for an initializer."""
        if value == "random":
            return "keras.initializers.RandomNormal(stddev=1.0)"
        if value in (0, 1) and not isinstance(value, list):
            return "'ones'" if value else "'zeros'"
        return f"keras.initializers.Constant({value})"

    # -- state

    def increment(self, place: str) -> None:
        """Add one at once."""
        self.write(f"{self.place(place)}.assign({self.place(place)} + 1)")

    def reinitialize(self, step: Reinitialize) -> None:
        """Assign the initial value once more."""
        words, made = self.place(step.reinitialize), self.made_by(step.reinitialize)
        self.idiom("No call puts a variable back; users assign the initial value again.")
        if self.of_layer(step.reinitialize):
            owner, _, last = words.rpartition(".")
            self.write(f"{words}.assign({owner}.{last}_initializer({words}.shape))")
            return
        if made is None or made.init is None or made.init == "random" or (isinstance(made, Variable) and made.start):
            raise Unsupported("A Keras variable keeps no initializer: a random initial value is gone.")
        if isinstance(made.init, list):
            self.write(f"{words}.assign({made.init})")
        elif made.shape:
            self.write(f"{words}.assign(keras.ops.full({words}.shape, {made.init}))")
        else:
            self.write(f"{words}.assign({made.init})")

    def compute(self, step: Compute) -> None:
        """Bind the value of an expression."""
        super().compute(step)
        self.tensors.add(step.binding or "")
        self.things.pop(step.binding or "", None)
        self.things[step.binding or ""] = Thing(TENSOR)


def shape_of(values: Any) -> list[int]:
    """Return the shape of a nested list of numbers."""
    return [len(values), *shape_of(values[0])] if isinstance(values, list) else []
