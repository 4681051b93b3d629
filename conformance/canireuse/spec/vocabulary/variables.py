"""Variables: how they are made, found, written and read."""

from typing import Literal

from pydantic import Field, StrictBool, model_validator

from canireuse.spec.bounds import MOST_PARTS, MOST_VARIABLES
from canireuse.spec.step import (
    VARIABLES,
    Dtype,
    Initial,
    Name,
    Number,
    Place,
    Reuse,
    Shape,
    Step,
    Value,
    check_elements,
)


class Get(Step):
    """Get a variable by name in the current scope, creating it as the scope's reuse mode says."""

    verb = "get"
    get: Name = Field(description="The variable's name in the current scope.")
    shape: Shape | None = None
    shape_as: Literal["list", "tuple"] = Field("list", description="Which type of Python the shape is handed over as.")
    dtype: Dtype | None = None
    init: Initial | None = Field(None, description="A number to fill with, the values themselves, or `random`.")
    uniform: list[Number] | None = Field(
        None,
        min_length=2,
        max_length=2,
        description="Start from random numbers drawn evenly between these two, in place of `init`.",
    )
    trainable: bool | None = None
    collection: Name | None = Field(None, description="A further collection that the variable is added to.")
    reuse: Reuse | None = Field(None, description="A reuse flag handed to the call itself, not to a scope.")
    penalty: Number | None = Field(
        None, description="A regularizer of this variable: this number times the sum of its squares."
    )
    local: StrictBool = Field(False, description="A local variable: neither trained nor saved, in a collection apart.")  # noqa: FBT003
    numbered: int | None = Field(
        None,
        ge=1,
        le=MOST_VARIABLES,
        description="Get so many variables, `NAME_0` and on; what is bound is their list.",
    )
    partitions: int | None = Field(
        None, ge=1, le=MOST_PARTS, description="Keep it in so many parts, cut along the first axis."
    )
    asks: Literal["init", "trainable", "collection"] | None = Field(
        None, description="The argument that the step is about: a look-up that takes a name alone has none to be asked."
    )
    as_: Name | None = Field(None, alias="as", description="Bind the variable.")

    @model_validator(mode="after")
    def check_asked(self) -> "Get":
        """Refuse to ask about an argument that is not given."""
        if self.asks and getattr(self, self.asks) is None:
            raise ValueError(f"the step asks about `{self.asks}` and does not give it")
        return self

    @model_validator(mode="after")
    def check_numbered(self) -> "Get":
        """Refuse numbered variables that are too large together."""
        check_elements([self.numbered or 1, *(self.shape or [])])
        return self

    @model_validator(mode="after")
    def check_uniform(self) -> "Get":
        """Refuse two words for the start value."""
        if self.uniform is not None and self.init is not None:
            raise ValueError("give `init` or `uniform`")
        return self


class Variable(Step):
    """Construct a variable; it is never looked up by name."""

    verb = "variable"
    expressions = ("start",)
    variable: Name = Field(description="The name given to the constructor.")
    shape: Shape | None = None
    dtype: Dtype | None = None
    init: Initial = Field(0.0, description="A number to fill with, the values themselves, or `random`.")
    start: str | None = Field(None, description="An expression whose value it starts from, in place of `init`.")
    trainable: bool | None = None
    open_shape: StrictBool = Field(
        False,  # noqa: FBT003
        description="Leave its shape open, where a framework would fix it, so that the variable may grow.",
    )
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
    shape: Shape = []


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
    probes = True
    uses = {"assign": VARIABLES}
    expressions = ("to",)
    assign: Place
    to: Value = Field(description="The new values, or an expression.")


class Initialize(Step):
    """Give every variable made so far its initial value, where the framework has not done so already."""

    verb = "initialize"
    initialize: None = None


class Read(Step):
    """Read a variable's value; of use where the reading itself may be refused."""

    verb = "read"
    uses = {"read": VARIABLES}
    read: Place
