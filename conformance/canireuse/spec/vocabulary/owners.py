"""Owners of variables: layers and modules, what ties them, and what a tie must survive."""

from typing import Annotated, Literal

from pydantic import Field, StrictBool, model_validator

from canireuse.spec.step import (
    OWNERS,
    VALUES,
    Drawn,
    Initial,
    Member,
    Name,
    Number,
    Path,
    Place,
    Size,
    Step,
    Value,
    check_elements,
)


class Layer(Step):
    """Construct a layer of the framework.

    `dense` is x @ kernel + bias; `embedding` looks rows of its kernel up; `norm` is batch normalization
    with `kernel` as its scale, and `mean` and `var`, its running statistics, with momentum 0.9; `cell` is
    a plain recurrent cell, tanh(x @ kernel + h @ recurrent + bias).
    """

    verb = "layer"
    binds = "layer"
    layer: Literal["dense", "embedding", "norm", "cell"]
    name: Name | None = Field(
        None, description="The layer's name where the framework takes one; else its default name."
    )
    inputs: Size = Field(
        description="Size of the input; of an embedding, the number of rows; of a norm, of its features."
    )
    units: Size = Field(description="Size of the output.")
    kernel: Drawn = Field(
        1.0,
        description="What the kernel (or the table of an embedding) starts from; with `shared-initializer`, random numbers of one "
        "initializer object for all who say so.",
    )
    recurrent: Initial = Field(1.0, description="What the recurrent kernel of a cell starts from.")
    bias: Initial | None = Field(None, description="What the bias starts from; without it there is no bias.")
    penalty: Number | None = Field(
        None, description="A regularizer of the kernel: this number times the sum of its squares."
    )
    activity: Number | None = Field(
        None, description="A regularizer of the output: this number times the sum of its squares, over the batch size."
    )
    trainable: bool = True
    padding: StrictBool = Field(
        default=False, description="Of an embedding: the first row is for padding, and looking it up gives no gradient."
    )
    lazy: StrictBool = Field(
        default=False, description="It is made without the size of its input, which its first call tells."
    )
    keras: StrictBool = Field(False, description="One of Keras, where the framework has other layers beside it.")  # noqa: FBT003
    as_: Name = Field(alias="as", description="Bind the layer; its variables are `layer.kernel`, `layer.bias`.")

    @model_validator(mode="after")
    def check_size(self) -> "Layer":
        """Refuse a layer whose kernels are too large."""
        check_elements([max(self.inputs, self.units) if self.layer == "cell" else self.inputs, self.units])
        return self


class Call(Step):
    """Call a layer, or a sequence of them (a module), on an input."""

    verb = "call"
    binds = "tensor"
    calls = "call"
    uses = {"call": OWNERS}
    expressions = ("on",)
    call: Place
    on: Value = Field(description="The input: an expression, or its values.")
    given: dict[Path, Value] = Field(
        {},
        description="Values to compute with in place of variables, by their path in what is called: a stateless call.",
    )
    training: bool = Field(False, description="Call as in training: a norm then updates its running statistics.")  # noqa: FBT003
    as_: Name | None = Field(None, alias="as")


class Wrap(Step):
    """Put a layer that is there into a layer of the framework that calls it.

    What it wraps is its `cell` (rnn), its `layer` (time_distributed), or `forward` with a `backward` of its own
    (bidirectional); of the first two, what is inside that may be named without it: `loop.kernel`.
    """

    verb = "wrap"
    binds = "layer"
    uses = {"wrap": frozenset({"layer"})}
    wrap: Name = Field(description="A layer, which stays usable by itself.")
    inside: Literal["rnn", "bidirectional", "time_distributed"] = Field(
        alias="in",
        description="rnn: runs a cell over time; bidirectional: an rnn both ways; time_distributed: at each step.",
    )
    as_: Name = Field(alias="as")


class Module(Step):
    """Put variables, layers and modules together in one module that owns them under the given names."""

    verb = "module"
    binds = "module"
    bound_by = "module"
    uses = {"members": VALUES}
    module: Name
    members: Annotated[dict[Member, Place], Field(min_length=1)]


class Tie(Step):
    """Make a place hold the variable that another place holds."""

    verb = "tie"
    changes = True
    uses = {"tie": frozenset({"variable"}), "to": frozenset({"variable"})}
    tie: Place = Field(description="The place that gives up its own variable: `layer.kernel`, `module.member`.")
    to: Place = Field(description="The variable it holds afterwards.")


class Replace(Step):
    """Put another variable, layer or module in a member's place, as by assigning the attribute."""

    verb = "replace"
    changes = True
    uses = {"replace": VALUES, "by": VALUES}
    replace: Place = Field(description="A member of a module, `module.member`.")
    by: Place = Field(description="What stands there afterwards.")


class Copy(Step):
    """Copy a module or layer: what is inside too, or with `shallow` the outermost object alone."""

    verb = "copy"
    renames = "copy_"
    binds = "copy"
    uses = {"copy_": OWNERS}
    copy_: Name = Field(alias="copy")
    shallow: bool = Field(False, description="Copy the outermost object alone.")  # noqa: FBT003
    as_: Name = Field(alias="as")


class Save(Step):
    """Save the values of a module (or, without one, of all variables) under a word."""

    verb = "save"
    uses = {"save": OWNERS}
    save: Name
    only: list[Path] = Field([], description="Paths inside the module that are saved; all of them if left out.")
    to: Name = Field(description="A word for the checkpoint.")
    in_memory: bool = Field(False, description="Keep it in memory, for a later step; else in a file.")  # noqa: FBT003


class Restore(Step):
    """Restore a module from a checkpoint."""

    verb = "restore"
    changes = True
    probes = True
    uses = {"restore": OWNERS}
    restore: Name
    given_by: Name = Field(alias="from", description="The word it was saved under.")
    partial: bool = Field(False, description="Accept a checkpoint that lacks variables of the module.")  # noqa: FBT003
