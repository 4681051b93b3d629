"""Observations: what is expected, and the kinds of things that can be observed."""

from typing import ClassVar

from pydantic import Field, model_validator

from canireuse.spec.step import OWNERS, VALUES, VARIABLES, Answer, Label, Name, Number, Path, Place, Step


class Expect(Step):
    """Observe one thing; the contract's answer stands beside it."""

    verb = "expect"
    uses = {
        "same": VARIABLES,
        "distinct": VARIABLES,
        "identical": VALUES,
        "name": VARIABLES,
        "shape": VARIABLES,
        "dtype": VARIABLES,
        "inside": OWNERS | {"scope"},
        "traces": frozenset({"function"}),
        "alive": frozenset({"dropped"}),
        "paths": VARIABLES,
        "slots": frozenset({"optimizer"}),
        "elements": OWNERS,
        "parameter_bytes": OWNERS,
        "slot_bytes": frozenset({"optimizer"}),
    }
    expressions = ("value",)
    kinds: ClassVar[tuple[str, ...]] = (
        "value", "same", "distinct", "identical", "name", "shape", "dtype", "variables", "trainable", "frozen",
        "names", "by_path", "collection", "traces", "offers", "alive", "paths", "slots", "penalties", "penalty",
        "elements", "parameter_bytes", "slot_bytes", "checkpoint_bytes",
    )  # fmt: skip
    #: kinds whose own key states the answer
    stated: ClassVar[frozenset[str]] = frozenset({
        "same", "distinct", "variables", "trainable", "frozen", "names", "by_path", "penalties", "penalty",
    })  # fmt: skip

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
    frozen: int | None = Field(None, description="How many variables are listed as not trained, `inside` something.")
    names: list[str] | None = Field(None, description="The paths of all variables, sorted.")
    by_path: int | None = Field(
        None, description="How many entries a dictionary of the variables by their paths has, `inside` something."
    )
    collection: Name | None = Field(None, description="A collection; `is` has how many variables are in it.")
    traces: Name | None = Field(None, description="A traced function; `is` has how often it was traced.")
    offers: Path | None = Field(
        None,
        description="A name; `is` says whether the framework's top-level package has it.",
    )
    alive: Name | None = Field(None, description="A dropped name; `is` says whether what it stood for is still there.")
    paths: Place | None = Field(
        None, description="A variable; `is` has every path under which it is listed `inside` a module, sorted."
    )
    slots: Name | None = Field(None, description="An optimizer; `is` has for how many variables it keeps state.")
    penalties: int | None = Field(
        None, description="How many terms regularizers add to the loss, `inside` an owner or in all."
    )
    penalty: Number | None = Field(None, description="What these terms add up to.")
    elements: Place | None = Field(
        None, description="A layer or module; `is` has how many numbers its parameters hold."
    )
    parameter_bytes: Place | None = Field(
        None, description="A layer or module; `is` has how many bytes its parameters take."
    )
    slot_bytes: Name | None = Field(None, description="An optimizer; `is` has how many bytes it keeps.")
    checkpoint_bytes: Name | None = Field(None, description="A checkpoint; `is` has how many bytes it takes.")
    against: Label | None = Field(
        None, description="The expectation of a cost that this one is compared with; the ratio is reported."
    )
    inside: Place | None = Field(
        None,
        description="A module, layer or scope that `variables`, `trainable`, `frozen`, `names`, `by_path` and `penalties` look in.",
    )
    under: Name | None = Field(
        None, description="Count `variables` or `trainable` as a list does that is handed this text as a scope's name."
    )
    is_: Answer = Field(None, alias="is", description="The contract's answer.")
    close: float = Field(1e-5, ge=0, lt=1, description="How far numbers may be apart, absolute and relative.")

    @model_validator(mode="after")
    def check_kind(self) -> "Expect":
        """Refuse an expectation of no kind or of several, and one without an answer."""
        given = [kind for kind in self.kinds if getattr(self, kind) is not None]
        if len(given) != 1:
            raise ValueError(f"an expectation has exactly one of {', '.join(self.kinds)}; this one has {len(given)}")
        if self.kind in {"by_path", "frozen"} and self.inside is None:
            raise ValueError(f"`{self.kind}` looks `inside` something: add it")
        if self.kind in self.stated:
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
