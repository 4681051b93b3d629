"""Variable scopes of TensorFlow 1 and what is made in them: variables, getters, templates, threads."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from canireuse.spec import Spec
from canireuse.step import Initial, Reuse, Step
from canireuse.translation import Script, Unsupported
from canireuse.vocabulary import (
    Block,
    Compute,
    CurrentScope,
    DefaultScope,
    Function,
    Get,
    Intercept,
    Invoke,
    ScopeOptions,
    Variable,
    walk,
)
from canireuse_adapters.tf_text import number
from canireuse_adapters.variable_scopes import VariableScopes


def initializer(value: Initial, dtype: str | None = None) -> str:
    """Return the words for an initializer object."""
    if value == "random":
        return "tf1.random_normal_initializer()"
    return f"tf1.constant_initializer({value if isinstance(value, list | str) else number(value, dtype)})"


def regularizer(penalty: float) -> str:
    """Return the words for a regularizer: a number times the sum of squares."""
    return f"lambda values: {penalty} * tf.reduce_sum(tf.square(values))"


def reads(step: Step) -> str:
    """Return what a step reads, as text: places and expressions."""
    texts = [getattr(step, field) for field in (*step.uses, *step.expressions)]
    texts += [step.compute.partition("=")[2]] if isinstance(step, Compute) else []
    texts += [step.given] if isinstance(step, Invoke) else []
    return str(texts)


def mentions(step: Step, name: str) -> bool:
    """Return whether a step reads what is bound to a name."""
    return re.search(rf"\b{name}\b", reads(step)) is not None


class TF1Scopes(VariableScopes):
    """Opens scopes, gets and constructs variables in them."""

    scope_call, name_scope_call, auto_flag = "tf1.variable_scope", "tf1.name_scope", "tf1.AUTO_REUSE"

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        #: every step of the spec, and the verbs in it
        self.spec: list[Step] = []
        self.verbs: frozenset[str] = frozenset()
        #: names under which variables in parts are got (a scalar has no axis to cut), and the names of the script bound to such
        self.cut: frozenset[str] = frozenset()
        self.partitioned: set[str] = set()
        #: names bound so far
        self.bound: set[str] = set()
        #: names bound to scopes
        self.scopes: set[str] = set()
        #: reuse modes of the open scopes
        self.modes: list[Reuse | None] = [None]

    def translate(self, spec: Spec) -> Script:
        """Return the script for a spec."""
        self.spec = list(walk(spec.steps))
        self.verbs = frozenset(step.verb for step in self.spec)
        self.cut = frozenset(
            step.get for step in self.spec if isinstance(step, Get) and step.partitions and step.shape != []
        )
        return super().translate(spec)

    def say(self, step: Step) -> None:
        """Write one step and remember what it binds."""
        super().say(step)
        if step.binding:
            self.bound.add(step.binding)

    def header(self, name: str, takes: list[str], step: Block) -> str:
        """Return the line that defines a function; a name that is read inside before it is bound anew is handed in."""
        handed, own = [], set(takes)
        for inner in walk(step.steps):
            handed += [word for word in sorted(self.bound - own) if mentions(inner, word)]
            own |= {inner.binding or ""}
        rebound = [word for word in dict.fromkeys(handed) if word in own]
        return f"def {name}({', '.join([*takes, *(f'{word}={word}' for word in rebound)])}):"

    # -- scopes

    def open_scope(self, step: ScopeOptions, where: str) -> None:
        """Open a scope, with what holds for the variables made in it."""
        words = [where]
        if step.reuse is not None:
            words.append(f"reuse={self.flag(step.reuse)}")
        if step.init is not None:
            words.append(f"initializer={initializer(step.init, step.dtype)}")
        if step.dtype is not None:
            words.append(f"dtype=tf.{step.dtype}")
        if step.penalty is not None:
            words.append(f"regularizer={regularizer(step.penalty)}")
        if step.auxiliary_name_scope is not None:
            words.append(f"auxiliary_name_scope={step.auxiliary_name_scope}")
        self.modes.append(step.reuse or self.modes[-1])
        with self.block(f"with {self.scope_call}({', '.join(words)}){f' as {step.as_}' if step.as_ else ''}:"):
            if step.as_:
                self.bound.add(step.as_)
                self.scopes.add(step.as_)
            self.steps(step.steps)
        self.modes.pop()

    def default_scope(self, step: DefaultScope) -> None:
        """Open a scope whose name TensorFlow makes unique."""
        self.open_scope(step, f"None, default_name={step.default_scope!r}")

    def current_scope(self, step: CurrentScope) -> None:
        """Ask for the scope that is open."""
        self.write(f"{step.current_scope} = tf1.get_variable_scope()")
        self.scopes.add(step.current_scope)

    def intercept(self, step: Intercept) -> None:
        """Open the current scope once more with a custom getter."""
        getter = f"{step.intercept}_getter"
        with self.block(f"def {getter}(getter, *arguments, **options):"):
            self.write(f"{step.intercept} = getter(*arguments, **options)")
            self.write(f"return {self.expression(step.returns)}")
        self.idiom("A getter holds for a scope, so the current scope is opened once more with it.")
        where = f"tf1.get_variable_scope(), custom_getter={getter}, auxiliary_name_scope=False"
        with self.block(f"with tf1.variable_scope({where}):"):
            self.steps(step.steps)

    # -- variables

    def get(self, step: Get) -> None:
        """Get a variable by name, or one after the other."""
        words = self.get_words(step)
        if step.numbered is None:
            self.bind(step.as_, words)
        elif step.as_:
            self.write(f"{step.as_} = [{words} for number in range({step.numbered})]")
        else:
            with self.block(f"for number in range({step.numbered}):"):
                self.write(words)
        if step.as_ and self.is_cut(step):
            self.partitioned.add(step.as_)

    def is_cut(self, step: Get) -> bool:
        """Return whether what a get gives is a variable in parts."""
        return step.get in self.cut and step.numbered is None

    def get_words(self, step: Get) -> str:
        """Return the call that gets a variable."""
        words = [repr(step.get) if step.numbered is None else f"f'{step.get}_{{number}}'"]
        if step.shape is not None and not isinstance(step.init, list):
            words.append(f"shape={tuple(step.shape) if step.shape_as == 'tuple' else step.shape}")
        if step.dtype:
            words.append(f"dtype=tf.{step.dtype}")
        if isinstance(step.init, list):
            words.append(f"initializer=tf.constant({step.init}{f', dtype=tf.{step.dtype}' if step.dtype else ''})")
        elif step.init is not None:
            words.append(f"initializer={initializer(step.init, step.dtype)}")
        elif step.uniform:
            words.append(f"initializer=tf1.random_uniform_initializer({step.uniform[0]}, {step.uniform[1]})")
        if step.penalty is not None:
            words.append(f"regularizer={regularizer(step.penalty)}")
        if step.partitions:
            words.append(f"partitioner=tf1.fixed_size_partitioner({step.partitions})")
        if step.reuse is not None:
            words.append(f"reuse={self.flag(step.reuse)}")
        call = "tf1.get_local_variable" if step.local else "tf1.get_variable"
        return f"{call}({', '.join(words + self.registration(step))})"

    def registration(self, step: Get | Variable) -> list[str]:
        """Return the words for trainable and collections."""
        words = [] if step.trainable is None else [f"trainable={step.trainable}"]
        if step.collection:
            kept = "LOCAL_VARIABLES" if isinstance(step, Get) and step.local else "GLOBAL_VARIABLES"
            words.append(f"collections=[tf1.GraphKeys.{kept}, {step.collection!r}]")
        return words

    def variable(self, step: Variable) -> None:
        """Construct a variable."""
        dtype = [f"dtype=tf.{step.dtype}"] if step.dtype else []
        if step.start is not None:
            value = self.expression(step.start)
        elif isinstance(step.init, list):
            value = repr(step.init)
        elif step.init == "random":
            value = f"tf1.random_normal({', '.join([str(step.shape or []), *dtype])})"
        elif step.shape:
            value = f"tf.constant({', '.join([number(step.init, step.dtype), f'shape={step.shape}', *dtype])})"
        else:
            value = number(step.init, step.dtype)
        words = [value, f"name={step.variable!r}", *dtype, *self.registration(step)]
        self.bind(step.as_, f"tf1.Variable({', '.join(words)})")

    # -- functions

    def function(self, step: Function) -> None:
        """Define a Python function; in a graph it builds anew whenever it is called."""
        if step.traced and step.template:
            raise Unsupported(
                "A template and a traced function each keep the variables of the first call: to put one into the other is no common wording."
            )
        if step.traced:
            self.traced(step)
        with self.body(step), self.block(self.header(step.function, step.takes, step)):
            self.steps(step.steps)
            self.end(step)
        if step.template:
            self.write(f"{step.function} = tf1.make_template({step.function!r}, {step.function})")

    @contextmanager
    def body(self, step: Block) -> Iterator[None]:
        """Stand inside a function: what it binds is its own."""
        outer, self.bound = self.bound, set(self.bound)
        yield
        self.bound = outer

    def end(self, step: Function) -> None:
        """Write what a function returns."""
        if step.returns:
            self.write(f"return {self.expression(step.returns)}")

    def traced(self, step: Function) -> None:
        """Mark a function as traced."""
        raise NotImplementedError
