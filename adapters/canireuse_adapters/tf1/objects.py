"""What owns variables in TensorFlow 1: templates, which share by name, and `tf.Module`, which holds objects."""

from dataclasses import dataclass
from typing import Any, ClassVar

from canireuse.spec import Spec
from canireuse.step import Step
from canireuse.translation import Script, Unsupported
from canireuse.vocabulary import (
    Block,
    Call,
    Copy,
    Function,
    Get,
    Initialize,
    Invoke,
    Layer,
    Materialize,
    Module,
    Replace,
    Thread,
    Tie,
    Variable,
    Wrap,
    walk,
)
from canireuse_adapters.tf1.classes import WRAPPERS, layer_class
from canireuse_adapters.tf1.scopes import TF1Scopes, initializer, reads, regularizer

#: verbs that are about objects: where a spec has one, layers are classes over `tf.Module`, else templates
OBJECT_VERBS = frozenset({
    "module", "tie", "replace", "copy", "wrap", "average", "freeze", "unfreeze", "parallel", "materialize",
})  # fmt: skip
TAKEN = frozenset({
    "name", "name_scope", "non_trainable_variables", "submodules", "trainable_variables", "variables", "with_name_scope",
})  # fmt: skip


@dataclass
class Net:
    """A module as it was put together: what stands in each member's place."""

    members: dict[str, Any]


def needs_objects(steps: list[Step]) -> bool:
    """Return whether a layer is asked for its variables before its first call, when a template has none yet."""
    waiting: set[str] = set()
    for step in walk(steps):
        if isinstance(step, Call):
            waiting.discard(step.call)
        if waiting and (isinstance(step, Initialize) or any(f"{name}." in reads(step) for name in waiting)):
            return True
        if isinstance(step, Layer):
            waiting.add(step.as_)
    return False


class TF1Objects(TF1Scopes):
    """Layers, modules, and what is done with them."""

    #: where the lines of the preamble end, which classes are put behind
    preamble: int

    #: where a template's variables stand in its list: in the order in which it made them
    parts: ClassVar[dict[str, str]] = {"kernel": ".variables[0]", "bias": ".variables[1]"}

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        #: layers that are templates, by the name they are bound to
        self.templates: dict[str, Layer] = {}
        #: layers that have been called
        self.called: set[str] = set()
        #: what stands behind a name: the step that made it, or a Net
        self.made: dict[str, Any] = {}
        #: whether layers are classes over `tf.Module`, and which of the classes are written
        self.objects = False
        self.classes: set[str] = set()
        #: averages -> what is averaged
        self.averages: dict[str, str] = {}
        #: functions -> what they return, as it was made
        self.returned: dict[str, Any] = {}

    def translate(self, spec: Spec) -> Script:
        """Return the script for a spec."""
        steps = list(walk(spec.steps))
        self.objects = (
            any(step.verb in OBJECT_VERBS for step in steps)
            or any(isinstance(step, Layer) and step.layer in {"norm", "cell"} for step in steps)
            or any(isinstance(step, Invoke) and step.abstract for step in steps)
            or needs_objects(spec.steps)
        )
        return super().translate(spec)

    # -- places

    def thing(self, place: str) -> Any:
        """Return what stands at a place: the step that made it, a Net, or None if that is not known."""
        if place in self.made:
            return self.made[place]
        owner, dot, member = place.rpartition(".")
        holder = self.thing(owner) if dot else None
        return holder.members.get(member) if isinstance(holder, Net) else None

    def owns(self, place: str) -> bool:
        """Return whether a place is an owner of variables, not a variable."""
        made = self.thing(place)
        return isinstance(made, Layer | Net | Wrap | Function)

    def place(self, place: str) -> str:
        """Return a variable; those of a template are found by where they stand in its list."""
        first, dot, rest = place.partition(".")
        if first in self.averages:
            if not dot:
                raise Unsupported("An ExponentialMovingAverage is no module: it is asked variable by variable.")
            return f"{first}.average({self.place(f'{self.averages[first]}.{rest}')})"
        index = {"": "", **self.parts}
        return first + index[rest] if first in self.templates and rest in index else place

    def value(self, place: str) -> str:
        """Return the value at a place; a variable in parts is put together."""
        return f"{self.place(place)}.as_tensor()" if place in self.partitioned else self.place(place)

    def get(self, step: Get) -> None:
        """Get a variable by name."""
        super().get(step)
        self.made[step.as_ or ""] = step

    def variable(self, step: Variable) -> None:
        """Construct a variable."""
        super().variable(step)
        self.made[step.as_ or ""] = step

    # -- layers

    def layer(self, step: Layer) -> None:
        """Make a layer: a template, or an object of a class where objects are asked for."""
        self.made[step.as_] = step
        if self.objects:
            self.instance(step)
        else:
            self.template(step)

    def template(self, step: Layer) -> None:
        """Make a template: a function whose variables are made at its first call and reused after."""
        self.idiom(
            "A layer is worded as `tf1.make_template`: `tf.layers` needs Keras 2, which TensorFlow 2.16 and later do not bring."
        )
        common: dict[str, Any] = {"trainable": None if step.trainable else False}
        kernel = self.get_words(
            Get(get="kernel", shape=[step.inputs, step.units], init=step.kernel, penalty=step.penalty, **common)
        )
        bias = self.get_words(Get(get="bias", shape=[step.units], init=step.bias, **common))
        added = f" + {bias}" if step.bias is not None else ""
        body = f"inputs @ {kernel}{added}" if step.layer == "dense" else f"tf.gather({kernel}, inputs)"
        self.templates[step.as_] = step
        self.write(f"{step.as_} = tf1.make_template({step.name or step.layer!r}, lambda inputs: {body})")

    def write_class(self, kind: str) -> str:
        """Write the class for a kind of layer, once; return its name."""
        alike = [step for step in self.spec if isinstance(step, Layer) and step.layer == kind]
        text = WRAPPERS.get(kind) or layer_class(kind, alike)
        if kind not in self.classes:
            self.classes.add(kind)
            self.idiom(
                "Where a layer is to be an object, users write a class over `tf.Module`: the layers of TF1 need Keras 2, which TensorFlow 2.16 and later do not bring."
            )
            lines = [*text.splitlines(), ""]
            self.lines[self.preamble : self.preamble] = lines
            self.preamble += len(lines)
        return text.partition("class ")[2].partition("(")[0]

    def instance(self, step: Layer) -> None:
        """Make an object of the layer's class; its variables are made with it."""
        kind = self.write_class(step.layer)
        words = [repr(step.name or step.layer), str(step.inputs)]
        words += [] if step.layer == "norm" else [str(step.units)]
        words.append(initializer(step.kernel))
        words += [initializer(step.recurrent)] if step.layer == "cell" else []
        words += [f"bias={initializer(step.bias)}"] if step.bias is not None and step.layer != "embedding" else []
        words += [f"regularizer={regularizer(step.penalty)}"] if step.penalty is not None else []
        words += [] if step.trainable else ["trainable=False"]
        self.write(f"{step.as_} = {kind}({', '.join(words)})")

    def wrap(self, step: Wrap) -> None:
        """Hand a cell to what runs it over time."""
        if step.inside == "time_distributed":
            raise Unsupported(
                "TF1 has no layer that calls another at each step: `inputs @ kernel` takes a time axis as it is, and other layers are given a reshaped input."
            )
        made = self.thing(step.wrap)
        if not isinstance(made, Layer) or made.layer != "cell":
            raise Unsupported(
                "`tf1.nn.dynamic_rnn` and `bidirectional_dynamic_rnn` take cells; a layer that keeps no state, or a loop over a cell, is none."
            )
        self.write(f"{step.as_} = {self.write_class(step.inside)}({self.place(step.wrap)})")
        self.made[step.as_] = step

    # -- calls

    def call(self, step: Call) -> None:
        """Call a layer, or the members of a module in turn."""
        if step.call in self.averages:
            raise Unsupported(
                "An ExponentialMovingAverage keeps values and computes nothing: users assign them to a network of their own, or restore them."
            )
        made = self.thing(step.call)
        if isinstance(made, Layer) and made.layer == "cell":
            raise Unsupported("A cell of TF1 is called with its state too, by what runs it over time.")
        self.called.add(step.call)
        words, norms = self.composed(self.place(step.call), made, self.expression(step.on), training=step.training)
        self.bind(step.as_, words)
        if step.training and norms:
            self.run_updates(norms)

    def composed(self, words: str, made: Any, given: str, *, training: bool) -> tuple[str, int]:
        """Return the call of a layer or of a module's members in turn, and how many norms it trains."""
        if not isinstance(made, Net):
            norm = isinstance(made, Layer) and made.layer == "norm"
            return f"{words}({given}{', training=True' if norm and training else ''})", int(norm)
        count = 0
        for name, member in made.members.items():
            if not isinstance(member, Layer | Net | Wrap):
                raise Unsupported("A `tf.Module` of bare variables has no call of its own.")
            given, more = self.composed(f"{words}.{name}", member, given, training=training)
            count += more
        self.idiom("A `tf.Module` has no call of its own; its members are called in turn.")
        return given, count

    def run_updates(self, norms: int) -> None:
        """Run the updates that calls in training have left in their collection."""

    # -- modules

    def module(self, step: Module) -> None:
        """Put members together in a `tf.Module`."""
        self.write(f"{step.module} = tf.Module(name={step.module!r})")
        for name, place in step.members.items():
            if name in TAKEN:
                raise Unsupported(f"A `tf.Module` has a property `{name}`; a member needs another name.")
            self.write(f"{step.module}.{name} = {self.place(place)}")
        self.made[step.module] = Net({name: self.thing(place) for name, place in step.members.items()})

    def put(self, place: str, other: str, why: str) -> None:
        """Assign an attribute of a module or layer."""
        owner, dot, member = place.rpartition(".")
        if not dot or owner.partition(".")[0] in self.averages:
            raise Unsupported(why)
        self.write(f"{self.place(place)} = {self.place(other)}")
        holder = self.thing(owner)
        if isinstance(holder, Net):
            holder.members[member] = self.thing(other)

    def tie(self, step: Tie) -> None:
        """Assign the attribute that holds the variable."""
        self.put(step.tie, step.to, "A variable itself is no place; the attribute of a `tf.Module` is.")

    def replace(self, step: Replace) -> None:
        """Assign the attribute that holds the member."""
        self.put(step.replace, step.by, "A name of the script is no place: a member of a module is replaced.")

    def copy(self, step: Copy) -> None:
        """Copy an object with Python's own module; what is inside too only in eager mode."""
        self.import_first(f"from copy import {'copy' if step.shallow else 'deepcopy'}")
        self.write(f"{step.as_} = {'copy' if step.shallow else 'deepcopy'}({self.place(step.copy_)})")
        made = self.thing(step.copy_)
        self.made[step.as_] = Net(dict(made.members)) if isinstance(made, Net) else made

    def materialize(self, step: Materialize) -> None:
        """Run the initializers: before that a variable of a graph has no memory."""
        self.write(f"session.run(tf1.variables_initializer({self.listing(step.materialize, only_trainable=False)}))")
        if step.as_ != step.materialize:
            self.write(f"{step.as_} = {step.materialize}")
        self.made[step.as_] = self.thing(step.materialize)

    def function(self, step: Function) -> None:
        """Define a function and note what it returns, if that is an owner of variables."""
        self.made[step.function] = step if step.template else None
        super().function(step)
        self.returned[step.function] = self.made.get(step.returns or "")

    def invoke(self, step: Invoke) -> None:
        """Call a function."""
        self.bind(step.as_, self.call_words(step.invoke, ", ".join(map(self.expression, step.given))))
        self.result(step.as_, step.invoke)

    def thread(self, step: Thread) -> None:
        """Call a function in a thread."""
        super().thread(step)
        self.result(step.as_, step.thread)

    def result(self, name: str | None, function: str) -> None:
        """Note what a name is bound to that a function returned."""
        made = self.returned.get(function)
        self.made[name or ""] = Net(dict(made.members)) if isinstance(made, Net) else made
        if name and isinstance(made, Layer) and not self.objects:
            self.templates[name] = made

    def call_words(self, function: str, given: str) -> str:
        """Return the call of a function."""
        return f"{function}({given})"

    def inner(self, step: Block) -> bool:
        """Return whether anything inside a block writes."""
        writes = {"assign", "train", "update", "initialize", "reinitialize", "restore", "track"}
        return any(one.verb in writes for one in walk(step.steps))

    # -- lists

    def listing(self, inside: str | None, *, only_trainable: bool) -> str:
        """Return the collection of variables, or what an owner holds."""
        kind = "trainable" if only_trainable else "global"
        if inside is None:
            return f"tf1.{kind}_variables()"
        if inside in self.scopes:
            return f"{inside}.{kind}_variables()"
        if inside in self.averages:
            raise Unsupported("An ExponentialMovingAverage is asked variable by variable, and lists none.")
        if isinstance(self.thing(inside), Get | Variable) or (self.thing(inside) is None and "." in inside):
            return f"[{self.parts_of(inside)}]"
        return f"{self.place(inside)}.{'trainable_' if only_trainable else ''}variables"

    def parts_of(self, place: str) -> str:
        """Return a variable as it stands in a list: one in parts is all of them."""
        return f"*{self.place(place)}" if place in self.partitioned else self.place(place)

    def owned(self, wrt: str | list[str]) -> str:
        """Return the list of variables that are trained: those named, or an owner's own."""
        if isinstance(wrt, list):
            return f"[{', '.join(map(self.parts_of, wrt))}]"
        return self.listing(wrt, only_trainable=True) if self.owns(wrt) else f"[{self.parts_of(wrt)}]"

    def held(self, place: str) -> str:
        """Return the list of all variables at a place."""
        return self.listing(place, only_trainable=False) if self.owns(place) else f"[{self.parts_of(place)}]"
