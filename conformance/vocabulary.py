"""The vocabulary of specs: one model for each verb that a step can begin with.

A step is a mapping whose first key is its verb. The models here are the only definition of what a
step may hold: the loader validates with them, and the JSON Schema for editors is generated from
them. How a verb is meant is said in its docstring; how each framework says it is in `adapters/`.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Union

from pydantic import Discriminator, Field, Tag, model_validator

from conformance.step import Answer, Array, Dtype, Initial, Label, Name, Place, Reuse, Step


class Block(Step):
    """A step that holds further steps."""

    steps: "list[AnyStep]" = Field(description="The steps inside.")


class Scope(Block):
    """Open a named place that variables live in, below the current one."""

    verb = "scope"
    binds = "scope"
    scope: Name = Field(description="The scope's name.")
    reuse: Reuse | None = Field(None, description="true: look variables up; auto: look up or create.")
    as_: Name | None = Field(None, alias="as", description="Bind the scope, to re-enter it later.")


class Reenter(Block):
    """Re-enter a scope by reference, from wherever the step stands."""

    verb = "reenter"
    binds = "scope"
    uses = ("reenter",)
    reenter: Name = Field(description="A scope bound by `as`.")
    reuse: Reuse | None = None
    as_: Name | None = Field(None, alias="as")


class NameScope(Block):
    """Open a scope for the names of operations, which is no place for variables."""

    verb = "name_scope"
    name_scope: Name = Field(description="The name scope's name.")


class ReuseVariables(Step):
    """Switch an open scope to reuse from here on."""

    verb = "reuse_variables"
    uses = ("reuse_variables",)
    reuse_variables: Name = Field(description="A scope bound by `as`, still open.")


class Get(Step):
    """Get a variable by name in the current scope, creating it as the scope's reuse mode says."""

    verb = "get"
    get: Name = Field(description="The variable's name in the current scope.")
    shape: list[int] | None = None
    dtype: Dtype | None = None
    init: Initial | None = Field(None, description="A number to fill with, the values themselves, or `random`.")
    trainable: bool | None = None
    collection: Name | None = Field(None, description="A further collection that the variable is added to.")
    reuse: Reuse | None = Field(None, description="A reuse flag handed to the call itself, not to a scope.")
    as_: Name | None = Field(None, alias="as", description="Bind the variable.")


class Variable(Step):
    """Construct a variable; it is never looked up by name."""

    verb = "variable"
    expressions = ("start",)
    variable: Name = Field(description="The name given to the constructor.")
    shape: list[int] | None = None
    dtype: Dtype | None = None
    init: Initial = Field(0.0, description="A number to fill with, the values themselves, or `random`.")
    start: str | None = Field(None, description="An expression whose value it starts from, in place of `init`.")
    trainable: bool | None = None
    collection: Name | None = None
    as_: Name | None = Field(None, alias="as", description="Bind the variable.")

    @model_validator(mode="after")
    def check_start(self) -> "Variable":
        """Refuse a second word for the start value beside an expression that has shape and dtype already."""
        if self.start is not None and self.model_fields_set & {"init", "shape", "dtype"}:
            raise ValueError("`start` gives the value, its shape and its dtype: leave out `init`, `shape`, `dtype`")
        return self


class Placeholder(Step):
    """Make a tensor whose value is given only when the graph runs."""

    verb = "placeholder"
    binds = "tensor"
    bound_by = "placeholder"
    placeholder: Name
    dtype: Dtype = "float32"
    shape: list[int] = []


class Layer(Step):
    """Construct a layer of the framework; `dense` is x @ kernel + bias, `embedding` looks rows up."""

    verb = "layer"
    binds = "layer"
    layer: Literal["dense", "embedding"]
    name: Name = Field(description="The layer's name where the framework takes one.")
    inputs: int = Field(description="Size of the input; of an embedding, the number of rows.")
    units: int = Field(description="Size of the output.")
    kernel: Initial = Field(1.0, description="What the kernel (or the table of an embedding) starts from.")
    bias: Initial | None = Field(None, description="What the bias starts from; without it there is no bias.")
    trainable: bool = True
    as_: Name = Field(alias="as", description="Bind the layer; its variables are `layer.kernel`, `layer.bias`.")


class Call(Step):
    """Call a layer, or a sequence of them (a module), on an input."""

    verb = "call"
    binds = "tensor"
    uses = ("call",)
    expressions = ("on",)
    call: Place
    on: str | list[Any] = Field(description="The input: an expression, or its values.")
    as_: Name | None = Field(None, alias="as")


class Module(Step):
    """Put variables, layers and modules together in one module that owns them under the given names."""

    verb = "module"
    binds = "module"
    bound_by = "module"
    module: Name
    members: dict[Name, Place]


class Tie(Step):
    """Make a place hold the variable that another place holds."""

    verb = "tie"
    uses = ("tie", "to")
    tie: Place = Field(description="The place that gives up its own variable: `layer.kernel`, `module.member`.")
    to: Place = Field(description="The variable it holds afterwards.")


class Compute(Step):
    """Bind the value of an expression: `h = tanh(x @ w)`."""

    verb = "compute"
    binds = "tensor"
    compute: str

    @property
    def binding(self) -> str | None:
        """The name on the left of the equals sign."""
        return self.compute.partition("=")[0].strip()


class Assign(Step):
    """Write a value into a variable."""

    verb = "assign"
    uses = ("assign",)
    expressions = ("to",)
    assign: Place
    to: str | Array = Field(description="The new values, or an expression.")


class Initialize(Step):
    """Give every variable made so far its initial value, where the framework has not done so already."""

    verb = "initialize"
    initialize: None = None


class Reinitialize(Step):
    """Set one variable back to what it was made with."""

    verb = "reinitialize"
    uses = ("reinitialize",)
    reinitialize: Place


class Freeze(Step):
    """Exclude a variable, a layer or a module from training from here on."""

    verb = "freeze"
    uses = ("freeze",)
    freeze: Place


class Gradient(Block):
    """Bind the gradient of a scalar with respect to a variable; `steps` lead up to the scalar."""

    verb = "gradient"
    binds = "tensor"
    bound_by = "gradient"
    uses = ("wrt",)
    expressions = ("of",)
    gradient: Name
    of: str = Field(description="The scalar expression that is differentiated.")
    wrt: Place
    steps: "list[AnyStep]" = []


class Train(Block):
    """Take steps of plain gradient descent (or Adam) on a scalar."""

    verb = "train"
    uses = ("wrt",)
    expressions = ("minimize",)
    train: Literal["sgd", "adam"] = Field(description="The optimizer.")
    minimize: str = Field(description="The scalar expression that is minimized.")
    wrt: Place | list[Place] = Field(description="Variables; or a layer or module: all that is trainable in it.")
    rate: float = 0.1
    times: int = Field(1, ge=1)
    steps: "list[AnyStep]" = []


class Repeat(Block):
    """Run the steps N times in a Python loop; what they bind is bound anew each time."""

    verb = "repeat"
    repeat: int = Field(ge=1)


class Function(Block):
    """Define a function of no or some arguments; `traced` has the framework trace or compile it."""

    verb = "function"
    binds = "function"
    bound_by = "function"
    function: Name
    traced: bool = False
    takes: list[Name] = []
    returns: str | None = Field(None, description="What it returns: a reference or an expression.")


class Invoke(Step):
    """Call a function defined earlier; bind what it returns."""

    verb = "invoke"
    binds = "result"
    uses = ("invoke",)
    invoke: Name
    given: list[str | Array] = []
    as_: Name | None = Field(None, alias="as")


class Graph(Block):
    """Build in another graph, with a session of its own; variables of the first are not in it."""

    verb = "graph"
    graph: Name = Field(description="A word for the graph; it names nothing in the script.")


class Session(Block):
    """Run in another session over the same graph; values are not carried over."""

    verb = "session"
    session: Name = Field(description="A word for the session; it names nothing in the script.")


class Copy(Step):
    """Make a deep copy of a module or layer."""

    verb = "copy"
    binds = "copy"
    uses = ("copy_",)
    copy_: Name = Field(alias="copy")
    as_: Name = Field(alias="as")


class Save(Step):
    """Save the values of a module (or, without one, of all variables) under a word."""

    verb = "save"
    uses = ("save",)
    save: Name
    to: Name = Field(description="A word for the checkpoint.")


class Restore(Step):
    """Restore a module from a checkpoint."""

    verb = "restore"
    uses = ("restore",)
    restore: Name
    given_by: Name = Field(alias="from", description="The word it was saved under.")


class Read(Step):
    """Read a variable's value; of use where the reading itself may be refused."""

    verb = "read"
    uses = ("read",)
    read: Place


class Expect(Step):
    """Observe one thing; the contract's answer stands beside it."""

    verb = "expect"
    uses = ("same", "distinct", "identical", "name", "shape", "dtype", "inside", "traces")
    expressions = ("value",)
    kinds: ClassVar[tuple[str, ...]] = (
        "value", "same", "distinct", "identical", "name", "shape", "dtype", "variables", "trainable",
        "names", "collection", "traces", "offers",
    )  # fmt: skip

    expect: Label  # here the label is the verb's own value, so it is required
    value: str | None = Field(None, description="An expression; `is` has its value.")
    same: list[Place] | None = Field(
        None, min_length=2, max_length=2, description="A write to the second is read through the first."
    )
    distinct: list[Place] | None = Field(
        None, min_length=2, max_length=2, description="A write to the second is not read through the first."
    )
    identical: list[Place] | None = Field(
        None, min_length=2, max_length=2, description="One object of the host language; `is: true` or `false`."
    )
    name: Place | None = Field(None, description="A variable; `is` has its full path, parts parted by `/`.")
    shape: Place | None = Field(None, description="A variable; `is` has its shape.")
    dtype: Place | None = Field(None, description="A variable; `is` has its dtype.")
    variables: int | None = Field(None, description="How many variables there are, in all or `inside` something.")
    trainable: int | None = Field(
        None, description="How many trainable variables there are, in all or `inside` something."
    )
    names: list[str] | None = Field(None, description="The paths of all variables, sorted.")
    collection: Name | None = Field(None, description="A collection; `is` has how many variables are in it.")
    traces: Name | None = Field(None, description="A traced function; `is` has how often it was traced.")
    offers: str | None = Field(
        None,
        pattern=r"^[A-Za-z_][A-Za-z0-9_.]*$",
        description="A name; `is` says whether the framework's top-level package has it.",
    )
    inside: Place | None = Field(None, description="A module or layer that `variables`, `trainable` count in.")
    is_: Answer = Field(None, alias="is", description="The contract's answer.")
    close: float = Field(1e-5, ge=0, lt=1, description="How far numbers may be apart, absolute and relative.")

    @model_validator(mode="after")
    def check_kind(self) -> "Expect":
        """Refuse an expectation of no kind or of several, and one without an answer."""
        given = [kind for kind in self.kinds if getattr(self, kind) is not None]
        if len(given) != 1:
            raise ValueError(f"an expectation has exactly one of {', '.join(self.kinds)}; this one has {len(given)}")
        if self.kind in {"same", "distinct", "variables", "trainable", "names"}:
            if "is_" in self.model_fields_set:
                raise ValueError(f"`{self.kind}` states its answer itself: leave out `is`")
        elif "is_" not in self.model_fields_set:
            raise ValueError(f"`{self.kind}` needs an answer: add `is`")
        return self

    @property
    def kind(self) -> str:
        """Which kind of observation this is."""
        return next(kind for kind in self.kinds if getattr(self, kind) is not None)

    @property
    def answer(self) -> Answer:
        """The contract's answer."""
        if self.kind in {"same", "distinct"}:
            return self.kind == "same"
        return getattr(self, self.kind) if "is_" not in self.model_fields_set else self.is_


VERBS: dict[str, type[Step]] = {
    model.verb: model
    for model in (
        Scope, Reenter, NameScope, ReuseVariables, Get, Variable, Placeholder, Layer, Call, Module, Tie,
        Compute, Assign, Initialize, Reinitialize, Freeze, Gradient, Train, Repeat, Function, Invoke,
        Graph, Session, Copy, Save, Restore, Read, Expect,
    )
}  # fmt: skip


def first_key(step: Any) -> str | None:
    """Return the verb of a step: its first key."""
    if isinstance(step, Step):
        return step.verb
    return next(iter(step), None) if isinstance(step, dict) else None


if TYPE_CHECKING:
    AnyStep = Step
else:
    _tagged = tuple(Annotated[model, Tag(verb)] for verb, model in VERBS.items())
    AnyStep = Annotated[Union[_tagged], Discriminator(first_key)]  # noqa: UP007  # built from VERBS, not spelled out

for _model in VERBS.values():
    _model.model_rebuild()


def walk(steps: Sequence[Step]) -> Iterator[Step]:
    """Yield every step, the ones inside blocks after the block itself."""
    for step in steps:
        yield step
        if isinstance(step, Block):
            yield from walk(step.steps)
