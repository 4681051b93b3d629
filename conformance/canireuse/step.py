"""What a step of a spec is: its base model, and the types that the keys of steps take."""

import keyword
import re
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictBool, model_validator

#: Names that scripts use for themselves; a spec that bound one would change what a script means.
RESERVED = frozenset({
    "before", "error", "jax", "jnp", "labels", "loss", "measure", "minimize", "model", "nn", "nnx", "np", "observe", "optax", "optimizer",
    "outer", "params", "rngs", "root", "rounds", "session", "state", "tape", "tf", "tf1", "torch", "updates", "BytesIO", "Model", "deepcopy",
    "flax", "pickle", "tempfile", "keras", "hk", "haiku", "eqx", "equinox", "gc", "weakref", "threading", "futures", "copy", "scale", "Exception", "any", "hasattr", "int", "len", "list", "next", "range", "sorted", "str", "super", "zip",
})  # fmt: skip


def check_identifier(name: str) -> str:
    """Return `name` if a script can bind it; raise ValueError if it cannot."""
    if not name.isascii() or not name.isidentifier() or keyword.iskeyword(name) or name.startswith("__"):
        raise ValueError(f"{name!r} is not a name: use letters, digits and underscores, and no Python keyword")
    if name in RESERVED:
        raise ValueError(f"the name {name!r} is one that scripts use for themselves: choose another")
    return name


def check_place(place: str) -> str:
    """Return `place` if it is a reference or a dotted path that begins with one."""
    first, *rest = place.split(".")
    check_identifier(first)
    for part in rest:
        if not part.isidentifier() or keyword.iskeyword(part) or part.startswith("_"):
            raise ValueError(f"{place!r} is not a place: write a reference, or `layer.kernel`")
    return place


def check_label(label: str) -> str:
    """Return `label` if it is a slug."""
    if not re.fullmatch(r"[a-z0-9-]+", label):
        raise ValueError(f"{label!r} is not a label: use lower-case letters, digits and hyphens")
    return label


Name = Annotated[str, AfterValidator(check_identifier), Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
Place = Annotated[str, AfterValidator(check_place), Field(pattern=r"^[A-Za-z_][A-Za-z0-9_.]*$")]
Label = Annotated[str, AfterValidator(check_label), Field(pattern=r"^[a-z0-9-]+$", max_length=70)]
Number = int | float
Array = Number | list[Any]
Dtype = Literal["float16", "float32", "float64", "int32", "int64", "bool"]
Initial = Number | list[Any] | Literal["random"]
RaiseKind = Literal[
    "already_exists", "not_found", "shape_mismatch", "dtype_mismatch", "bad_argument", "uninitialized",
    "not_trainable", "created_again", "sharing_refused", "nothing",
]  # fmt: skip
Answer = StrictBool | int | float | str | None | list[Any]


class OddFlag(BaseModel):
    """A reuse flag that is no boolean: a text, a number, or a tensor bound by `placeholder`."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    text: str | None = None
    number: Number | None = None
    tensor: Name | None = None

    @model_validator(mode="after")
    def check_one(self) -> "OddFlag":
        """Refuse a flag that names more or less than one kind."""
        if len(self.model_fields_set) != 1:
            raise ValueError("a reuse flag that is no boolean has exactly one of text, number, tensor")
        return self


Reuse = StrictBool | Literal["auto"] | OddFlag


class Step(BaseModel):
    """A step of a spec; `raises` and `expect` together say that the step is to be refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, strict=True, defer_build=True)
    verb: ClassVar[str]
    #: which fields hold places that must be bound already, and which expressions
    uses: ClassVar[tuple[str, ...]] = ()
    expressions: ClassVar[tuple[str, ...]] = ()
    #: what kind of thing the step binds, and under which field
    binds: ClassVar[str] = "variable"
    bound_by: ClassVar[str] = "as_"

    raises: RaiseKind | None = Field(None, description="The kind of error the step is answered with, or `nothing`.")
    expect: Label | None = Field(None, description="The label of the expectation that `raises` states.")

    @model_validator(mode="after")
    def check_refusal(self) -> "Step":
        """Refuse `raises` without `expect` and the other way round."""
        if self.verb == "expect" and self.raises is not None:
            raise ValueError("`expect` cannot be refused itself: use `read:` with `raises:` and `expect:`")
        if self.verb != "expect" and (self.raises is None) != (self.expect is None):
            raise ValueError("`raises` and `expect` go together: the kind of error, and the label that is judged")
        return self

    @property
    def binding(self) -> str | None:
        """The name that the step binds, if any."""
        return getattr(self, self.bound_by, None)


if TYPE_CHECKING:
    AnyStep = Step


class Block(Step):
    """A step that holds further steps."""

    steps: "list[AnyStep]" = Field(description="The steps inside.")
