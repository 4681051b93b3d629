"""Running: loops, functions and what frameworks make of them, threads, and devices."""

from typing import Literal

from pydantic import Field, model_validator

from canireuse.spec.bounds import MOST_TURNS
from canireuse.spec.step import VALUES, AnyStep, Block, Label, Name, Size, Step, Value


class Repeat(Block):
    """Run the steps N times in a Python loop; what they bind is bound anew each time."""

    verb = "repeat"
    repeat: int = Field(ge=1, le=MOST_TURNS)


class Function(Block):
    """Define a function of no or some arguments; `traced` has the framework trace or compile it."""

    verb = "function"
    binds = "function"
    bound_by = "function"
    function: Name
    traced: bool | Literal["usual", "plain", "relaxed"] = Field(
        False,  # noqa: FBT003
        description="Whether the framework traces or compiles it; `usual`: as its users do with what runs often; "
        "`plain`: by the transformation of arrays below the library of modules, where that has one of its own; "
        "`relaxed`: told that the shapes of what it is given differ from call to call.",
    )
    template: bool = Field(False, description="Later calls find by name what the first one made.")  # noqa: FBT003
    takes: list[Name] = []
    returns: str | None = Field(None, description="What it returns: a reference or an expression.")

    @model_validator(mode="after")
    def check_takes(self) -> "Function":
        """Refuse two arguments of one name."""
        if len(set(self.takes)) < len(self.takes):
            raise ValueError("a function takes each name once")
        return self

    @property
    def own_names(self) -> list[str]:
        """What it takes."""
        return self.takes


class Invoke(Step):
    """Call a function defined earlier; bind what it returns."""

    verb = "invoke"
    changes = True
    renames = "invoke"
    binds = "result"
    uses = {"invoke": frozenset({"function"})}
    invoke: Name
    given: list[Value] = []
    abstract: bool = Field(
        False,  # noqa: FBT003
        description="Call it without memory for what it makes: shapes and dtypes alone, until `materialize`.",
    )
    as_: Name | None = Field(None, alias="as")


class Thread(Step):
    """Call a function in threads of its own, one after the other; an error in one is raised here."""

    verb = "thread"
    changes = True
    renames = "thread"
    binds = "result"
    uses = {"thread": frozenset({"function"})}
    thread: Name = Field(description="A function without arguments, defined before.")
    times: int = Field(1, ge=1, le=MOST_TURNS, description="How many threads.")
    outside: bool = Field(False, description="The threads do not enter the graph that is open where they are started.")  # noqa: FBT003
    as_: Name | None = Field(None, alias="as", description="Bind what the last of them returned.")


class Scan(Block):
    """Run the steps in a loop of the framework's own; a name is carried from turn to turn."""

    verb = "scan"
    transforms = True
    binds = "tensor"
    bound_by = "scan"
    uses = {"scan": VALUES}
    expressions = ("to",)
    scan: Name = Field(description="A tensor bound before; it is bound to what the last turn made of it.")
    to: str = Field(description="What a turn makes of it; its shape and dtype stay the same.")
    times: int = Field(ge=1, le=MOST_TURNS)
    steps: list[AnyStep] = []

    @property
    def own_names(self) -> list[str]:
        """Nothing, and what is bound inside stays there."""
        return []


class Measure(Block):
    """Run the steps again and again and time them; without measuring they run once. What they bind stays inside."""

    verb = "measure"
    measure: Label = Field(description="What is timed; a label that comes again has another size.")
    size: Size | None = Field(None, description="The size at which it is timed, of several: a point of a curve.")
    against: Label | None = Field(
        None, description="What it is compared with: an earlier label, at the same size. The ratio is what is reported."
    )
    fresh: bool = Field(
        False,  # noqa: FBT003
        description="Each time begins with no variables, and the steps after find those of the last time.",
    )

    @model_validator(mode="after")
    def check_untold(self) -> "Measure":
        """Refuse to observe while the clock runs."""
        if self.raises is not None:
            raise ValueError("what is measured is not refused: leave out `raises` and `expect`")
        return self

    @property
    def own_names(self) -> list[str]:
        """Nothing, and what is bound inside stays there."""
        return []
