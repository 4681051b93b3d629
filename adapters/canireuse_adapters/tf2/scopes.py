"""Scopes and variables in TensorFlow 2: a scope is a `tf.Module`, and a name in it an attribute."""

from itertools import takewhile
from typing import Any

from canireuse.step import OddFlag, Reuse, Step
from canireuse.translation import Unsupported
from canireuse.vocabulary import (
    Block,
    CurrentScope,
    Get,
    Measure,
    NameScope,
    Reenter,
    Reinitialize,
    Scope,
    Variable,
    walk,
)
from canireuse_adapters.tf2.running import RunningWords
from canireuse_adapters.tf2.things import Part
from canireuse_adapters.tf_text import WritesAtOnce, number

NO_FLAG = "TensorFlow 2 takes no reuse flag anywhere: an attribute is read or assigned."
AS_MODULE = "A scope is a `tf.Module`, a name in it an attribute: to assign it makes or replaces, to read it looks up."


def makes(step: Scope) -> bool:
    """Return whether anything is made in a scope or below it."""
    return step.reuse is not True and any(isinstance(one, Get | CurrentScope) for one in walk(step.steps))


def begins_afresh(step: Step) -> bool:
    """Return whether a step is a measured loop that puts a new root module in the place of the old one."""
    return isinstance(step, Measure) and step.fresh


class ScopeWords(WritesAtOnce, RunningWords):
    """What TensorFlow 2 says for named places, and about the variables in them."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        #: scopes bound by `as`
        self.bound_scopes: dict[str, tuple[str, Reuse | str | None]] = {}
        #: paths of variables, and the lines for modules that are to stand where a variable stands before
        self.registered: set[str] = set()
        self.late: dict[str, str] = {}
        #: paths of the modules below a root that a measured loop made anew, None before there is one
        self.standing: set[str] | None = None

    def submodules(self, steps: list[Step], path: str, bound: dict[str, str]) -> None:
        """Write a module for each scope below the path that something is made in; `bound` has scopes and their paths.

        Scopes below a root that is made anew wait until it is.
        """
        for step in takewhile(lambda step: not begins_afresh(step), steps):
            below = path
            if isinstance(step, Scope):
                below = f"{path}.{step.scope}"
                if makes(step) and below not in bound:
                    self.begin(below, f"{below} = tf.Module(name={step.scope!r})")
                    bound[below] = below
            elif isinstance(step, Get):
                self.registered.add(f"{path}.{step.get}")
            elif isinstance(step, Reenter):
                below = bound.get(step.reenter, path)
            elif isinstance(step, CurrentScope):
                bound[step.current_scope] = path
            if isinstance(step, Scope | Reenter) and step.as_:
                bound[step.as_] = below
            if isinstance(step, Block):
                self.submodules(step.steps, below, bound)

    def begin(self, path: str, line: str) -> None:
        """Write the line for a module, or keep it for later if a variable stands there before."""
        if path in self.registered:
            self.late[path] = line
        else:
            self.write(line)

    def current_scope(self, step: CurrentScope) -> None:
        """Take the module that the steps stand in."""
        self.idiom(AS_MODULE)
        self.bound_scopes[step.current_scope] = self.open[-1]

    # -- scopes and variables

    def open_scope(self, step: Scope | Reenter, path: str, before: Reuse | str | None) -> None:
        """Write what stands in a scope; a mode that is not this scope's own counts as inherited."""
        self.idiom(AS_MODULE)
        if isinstance(step.reuse, OddFlag):
            raise Unsupported(NO_FLAG)
        own = step.reuse if step.reuse is not None and step.reuse is not False else ("inherited" if before else None)
        if step.as_:
            self.bound_scopes[step.as_] = (path, own)
        self.open.append((path, own))
        self.steps(step.steps)
        self.open.pop()

    def scope(self, step: Scope) -> None:
        """Stand in the module of that name."""
        path, mode = self.open[-1]
        below = f"{path}.{step.scope}"
        if below in self.late:
            self.write(self.late.pop(below))
        if self.standing is not None and makes(step) and below not in self.standing:
            self.write(f"{below} = tf.Module(name={step.scope!r})")
            self.standing.add(below)
        self.open_scope(step, below, mode)

    def reenter(self, step: Reenter) -> None:
        """Stand in a module that was bound before."""
        self.open_scope(step, *self.bound_scopes[step.reenter])

    def name_scope(self, step: NameScope) -> None:
        """Open a name scope, which prefixes the names of variables too."""
        with self.block(f"with tf.name_scope({step.name_scope!r}):"):
            self.steps(step.steps)

    def get(self, step: Get) -> None:
        """Assign an attribute of the module, or read it where the scope says reuse."""
        path, found = f"{self.open[-1][0]}.{step.get}", self.looks_up(step)
        if not found:
            self.write(f"{path} = {self.new(repr(step.get), step)}")
            self.made[path] = step
        if step.as_:
            self.made[step.as_] = self.made.get(path)
        if step.as_ or found:
            self.bind(step.as_, path)

    def looks_up(self, step: Get) -> bool:
        """Return whether the open scope looks up, or else makes; raise Unsupported if it says neither."""
        mode = self.open[-1][1]
        if step.reuse is not None:
            raise Unsupported(NO_FLAG)
        if mode == "auto":
            raise Unsupported("`tf.Module` has no get-or-create: keep the object and reuse it.")
        if mode == "inherited":
            raise Unsupported(
                "Modules hand no reuse mode down: each place says for itself whether it makes or looks up."
            )
        return mode is True

    def variable(self, step: Variable) -> None:
        """Construct a variable that nothing but its Python name holds."""
        self.loose = True
        self.bind(step.as_, self.new(repr(step.variable), step))
        if step.as_:
            self.made[step.as_] = step

    def new(self, name: str, step: Get | Variable) -> str:
        """Return the call that makes a variable; `name` is the words for its name."""
        if step.collection:
            raise Unsupported("TensorFlow 2 has no collections: the objects that hold variables are the lists of them.")
        initial = self.initial(step)
        words = [] if initial is None else [initial]
        words.append(f"name={name}")
        if isinstance(step.init, list) and step.dtype:
            words.append(f"dtype=tf.{step.dtype}")
        if step.trainable is not None:
            words.append(f"trainable={step.trainable}")
        return f"tf.Variable({', '.join(words)})"

    def initial(self, step: Get | Variable) -> str | None:
        """Return the words for an initial value; None where the spec gives neither value nor shape."""
        dtype = f", dtype=tf.{step.dtype}" if step.dtype else ""
        if isinstance(step, Variable) and step.start is not None:
            return self.expression(step.start)
        if step.init is None:
            if step.shape is None:
                return None
            raise Unsupported(
                "A `tf.Variable` is made from its initial value: TensorFlow 2 has none that would be taken when nothing is said."
            )
        if step.init == "random":
            return f"tf.random.normal({step.shape or []}{dtype})"
        if isinstance(step.init, list):
            return repr(step.init)
        value = number(step.init, step.dtype)
        if step.shape:
            return f"tf.constant({value}, shape={step.shape}{dtype})"
        return f"tf.constant({value}{dtype})" if dtype else value

    # -- state and learning

    def increment(self, place: str) -> None:
        """Add one at once."""
        self.write(f"{self.place(place)}.assign_add(tf.ones_like({self.place(place)}))")

    def reinitialize(self, step: Reinitialize) -> None:
        """Assign the initial value once more."""
        words, made = self.place(step.reinitialize), self.thing(step.reinitialize)
        self.idiom("No call puts a variable back; users assign the initial value again.")
        if self.is_keras(step.reinitialize):
            owner, _, last = words.rpartition(".")
            last = {"recurrent_kernel": "recurrent"}.get(last, last)
            self.write(f"{words}.assign({owner}.{last}_initializer({words}.shape))")
            return
        if isinstance(made, Part) and made.unit.step and getattr(made.unit.step, made.name) != "random":
            self.write(f"{words}.assign({self.own_initial(made.unit.step, made.name)})")
            return
        if not isinstance(made, Get | Variable) or made.init is None or made.init == "random":
            raise Unsupported("A `tf.Variable` keeps no initializer: a random initial value is gone.")
        self.write(f"{words}.assign({self.initial(made)})")
