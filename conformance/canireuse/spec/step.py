"""What a step of a spec is: its base model, and the types that the keys of steps take."""

import keyword
import math
import re
import sys
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Union

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    GetCoreSchemaHandler,
    StrictBool,
    Tag,
    ValidationError,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import CoreSchema, InitErrorDetails, PydanticCustomError

from canireuse.spec.bounds import (
    LARGEST,
    LONGEST_NAME,
    MOST_AXES,
    MOST_ELEMENTS,
    MOST_PLACES,
    MOST_PROBLEMS,
    MOST_VALUES,
)

#: kinds of what holds variables, of what has a value and holds none, and of both
OWNERS = frozenset({"layer", "module"})
VARIABLES = frozenset({"variable", "tensor"})
VALUES = OWNERS | VARIABLES
#: Names that the host gives to every script, and those with which adapters fill holes that would have to give way to a spec's.
RESERVED = frozenset({
    "measure", "observe", "rounds",
    "eqx", "loss", "minimize", "nn", "nnx", "optimizer", "params", "root", "self", "state", "tf", "tf1", "updates",
})  # fmt: skip


def check_identifier(name: str) -> str:
    """Return `name` if a script can bind it; raise ValueError if it cannot."""
    if not name.isascii() or not name.isidentifier() or keyword.iskeyword(name) or name.startswith("__"):
        raise ValueError(f"{name!r} is not a name: use letters, digits and underscores, and no Python keyword")
    if name in RESERVED:
        raise ValueError(f"the name {name!r} is one that scripts use for themselves: choose another")
    return name


def check_path(path: str) -> str:
    """Return `path` if it consists of names with dots between, none of them private."""
    for part in path.split("."):
        if not part.isascii() or not part.isidentifier() or keyword.iskeyword(part) or part.startswith("_"):
            raise ValueError(f"{path!r} is no path: write names with dots between, as in `layer.kernel`")
        if len(part) > LONGEST_NAME:
            raise ValueError(f"{part[:20]!r}... is longer than {LONGEST_NAME} characters")
    return path


def check_member(name: str) -> str:
    """Return `name` if a module can have a member of that name: frameworks keep what is theirs behind an underscore."""
    if name.startswith("_"):
        raise ValueError(f"{name!r} begins with an underscore: choose another name for a member")
    return name


def check_place(place: str) -> str:
    """Return `place` if it is a reference or a dotted path that begins with one."""
    first, dot, rest = place.partition(".")
    check_identifier(first)
    if dot:
        check_path(rest)
    return place


def check_label(label: str) -> str:
    """Return `label` if it is a slug."""
    if not re.fullmatch(r"[a-z0-9-]+", label):
        raise ValueError(f"{label!r} is not a label: use lower-case letters, digits and hyphens")
    return label


def fault(reason: str, loc: tuple[int, ...], value: object) -> InitErrorDetails:
    """Return what is wrong at a place inside a value."""
    return InitErrorDetails(type=PydanticCustomError("array", "{reason}", {"reason": reason}), loc=loc, input=value)


def faults(values: list[Any], loc: tuple[int, ...] = ()) -> tuple[list[InitErrorDetails], tuple[int, ...]]:
    """Return what keeps a list from being an array of numbers, each at its place, and the array's shape."""
    if not values or len(loc) == MOST_AXES:
        return [fault(f"1 to {MOST_VALUES} numbers on at most {MOST_AXES} axes", loc, values)], ()
    found: list[InitErrorDetails] = []
    shapes: list[tuple[int, ...]] = []
    for index, value in enumerate(values):
        inside, shape = faults(value, (*loc, index)) if isinstance(value, list) else ([], ())
        number = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= LARGEST
        if not number and not isinstance(value, list):
            inside = [fault("a finite number that float32 can hold", (*loc, index), value)]
        elif not inside and shapes and shape != shapes[0]:
            inside = [fault("as many numbers as in the rows before", (*loc, index), value)]
        found += inside
        shapes.append(shape)
        if len(found) >= MOST_PROBLEMS:
            break
    return found, (len(values), *shapes[0])


def check_array(value: Any) -> Any:
    """Return what is no list, or a list that is an array of numbers; raise ValidationError at the place of what is none."""
    if isinstance(value, list):
        found, shape = faults(value)
        if not found and math.prod(shape) > MOST_VALUES:
            found = [fault(f"at most {MOST_VALUES} numbers", (), value)]
        if found:
            raise ValidationError.from_exception_data("array", found)
    return value


def check_answer(answer: Any) -> Any:
    """Return an answer; raise ValueError if a mapping is in it."""
    if holds_mapping(answer):
        raise ValueError("an answer consists of texts, numbers, booleans and lists")
    return answer


def holds_mapping(answer: Any) -> bool:
    """Return whether a mapping is in an answer."""
    return isinstance(answer, dict) or (isinstance(answer, list) and any(map(holds_mapping, answer)))


def check_elements(shape: list[int]) -> list[int]:
    """Return a shape if what has it is not too large."""
    if math.prod(shape) > MOST_ELEMENTS:
        raise ValueError(f"a shape of {math.prod(shape)} elements is too large: at most {MOST_ELEMENTS}")
    return shape


Name = Annotated[
    str, Field(max_length=LONGEST_NAME), AfterValidator(check_identifier), Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
]
Member = Annotated[Name, AfterValidator(check_member)]
Place = Annotated[str, AfterValidator(check_place), Field(pattern=r"^[A-Za-z_][A-Za-z0-9_.]*$")]
Path = Annotated[str, AfterValidator(check_path), Field(pattern=r"^[A-Za-z_][A-Za-z0-9_.]*$")]
Label = Annotated[str, AfterValidator(check_label), Field(pattern=r"^[a-z0-9-]+$", max_length=70)]
Size = Annotated[int, Field(ge=1, le=MOST_ELEMENTS)]
Shape = Annotated[list[Size], Field(max_length=MOST_AXES), AfterValidator(check_elements)]
Real = Annotated[float, Field(ge=-LARGEST, le=LARGEST)]
Number = Annotated[int, Field(ge=-LARGEST, le=LARGEST)] | Real
Values = Annotated[list[Any], WithJsonSchema({"type": "array", "minItems": 1, "items": {"type": ["number", "array"]}})]
Places = Annotated[list[Place], Field(min_length=1, max_length=MOST_PLACES)]
Array = Annotated[Number | Values, BeforeValidator(check_array)]
#: values, or an expression
Value = Annotated[str | Number | Values, BeforeValidator(check_array)]
Initial = Annotated[Number | Values | Literal["random"], BeforeValidator(check_array)]
#: `shared-initializer`: random numbers, drawn by one initializer object that all are handed who say so
Drawn = Annotated[Number | Values | Literal["random", "shared-initializer"], BeforeValidator(check_array)]
Dtype = Literal["float16", "float32", "float64", "int32", "int64", "bool"]
RaiseKind = Literal[
    "already_exists", "not_found", "shape_mismatch", "dtype_mismatch", "bad_argument", "uninitialized",
    "not_trainable", "created_again", "sharing_refused", "nothing",
]  # fmt: skip
Answer = Annotated[StrictBool | int | float | str | list[Any] | None, BeforeValidator(check_answer)]


#: calls inside one another that building the models of all verbs may take
DEEPEST = 10_000


class OddFlag(BaseModel):
    """A reuse flag that is no boolean: a text, a number, or a tensor bound by `placeholder`."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    text: Annotated[str, Field(max_length=LONGEST_NAME)] | None = None
    number: Number | None = None
    tensor: Name | None = None

    @model_validator(mode="after")
    def check_one(self) -> "OddFlag":
        """Refuse a flag that names more or less than one kind."""
        if len(self.model_fields_set) != 1:
            raise ValueError("a reuse flag that is no boolean has exactly one of text, number, tensor")
        return self


def check_flag(flag: Any) -> Any:
    """Return a reuse flag; raise ValidationError at the place of what is wrong in an odd one."""
    return OddFlag.model_validate(flag) if isinstance(flag, dict) else flag


Reuse = Annotated[StrictBool | Literal["auto"] | OddFlag, BeforeValidator(check_flag)]


class Step(BaseModel):
    """A step of a spec; `raises` and `expect` together say that the step is to be refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, strict=True, defer_build=True)
    verb: ClassVar[str]
    #: field that holds places which must be bound already -> the kinds of object that may stand there
    uses: ClassVar[Mapping[str, frozenset[str]]] = {}
    #: which fields hold expressions
    expressions: ClassVar[tuple[str, ...]] = ()
    #: what kind of thing the step binds, and under which field
    binds: ClassVar[str] = "variable"
    bound_by: ClassVar[str] = "as_"
    #: the field of which the object, or a copy of it, has what the step binds as a further name; empty if there is none
    renames: ClassVar[str] = ""
    #: the field of the layer or module that it calls; empty if it calls none
    calls: ClassVar[str] = ""
    #: whether it is about several devices, so that a CPU has to count as two
    on_devices: ClassVar[bool] = False
    #: whether another object may stand at a place after it, or the same one be kept otherwise
    changes: ClassVar[bool] = False
    #: whether what is read after it shows which variables are one, as after a write
    probes: ClassVar[bool] = False

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
        return vars(self).get(self.bound_by)  # asking a model for what it lacks is slow

    @property
    def own_names(self) -> list[str] | None:
        """The names that only the step's inside sees; None if what is bound inside is bound outside too."""
        return None


def first_key(step: Any) -> str | None:
    """Return the verb of a step: its first key."""
    if isinstance(step, Step):
        return step.verb
    return next(iter(step), None) if isinstance(step, dict) else None


class ByVerb:
    """Reads a step by the model of its verb; which verbs there are is asked when the first spec is read."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        from canireuse.spec.vocabulary import verbs  # the models of verbs are made of this module's

        models = tuple(Annotated[model, Tag(verb)] for verb, model in verbs().items())
        # the model of a block is built inside that of another, some sixty calls deeper for each verb that has steps inside
        before = sys.getrecursionlimit()
        sys.setrecursionlimit(max(before, DEEPEST))
        try:
            return handler.generate_schema(Annotated[Union[models], Discriminator(first_key)])  # noqa: UP007  # not spelled out
        finally:
            sys.setrecursionlimit(before)


AnyStep = Annotated[Step, ByVerb()]


class Block(Step):
    """A step that holds further steps."""

    #: whether frameworks differentiate, trace or loop over what is inside
    transforms: ClassVar[bool] = False
    steps: list[AnyStep] = Field(description="The steps inside.")
