"""Variables of PyTorch: parameters and buffers, how they are made, looked up and written."""

import ast
from typing import TYPE_CHECKING, Any

from canireuse.emit import Code, Fill, Lack, Unsupported, expr, literal, text
from canireuse.program import Mode, Object
from canireuse.spec.step import Array, Initial, Step
from canireuse.spec.vocabulary import Assign, Get, Layer, Variable
from canireuse_adapters.torch.scopes import NO_MODE

if TYPE_CHECKING:
    from canireuse_adapters.torch import Torch

FLOATS = {None, "float16", "float32", "float64"}
NO_COLLECTIONS = (
    "PyTorch modules register parameters and buffers; there are no further collections that a variable can be put in."
)
PACKED = "A quantized layer keeps its weight packed: it is made anew, and never written in place."
#: what the statistics of a norm start from
STATISTICS = {"mean": 0.0, "var": 1.0}


def get(torch: "Torch", step: Get) -> None:
    """Register a parameter, or a buffer that is neither trained nor saved; or look one up where reuse is asked for."""
    here, mode = torch.here(), torch.symbols.scope.mode
    if step.numbered is not None:
        several(torch, step)
    elif mode is Mode.LOOK_UP:
        word = "get_buffer" if step.local else "get_parameter"
        torch.bind(step.as_, expr(f"$here.{word}('$name')", here=here, name=step.get))
    else:
        code = "register_buffer('$get', $made, persistent=False)" if step.local else "register_parameter('$get', $made)"
        made = initial(torch, step) if step.local else parameter(torch, step)
        torch.fill(f"$here.{code}" + ("\n$as = $here.$get" if step.as_ else ""), step, here=here, made=made)


def several(torch: "Torch", step: Get) -> None:
    """Register or look up one parameter after the other."""
    numbered = ast.JoinedStr([text(f"{step.get}_"), ast.FormattedValue(ast.Name("number", ast.Load()), -1)])
    fills: dict[str, Fill] = {"here": torch.here(), "name": numbered, "times": step.numbered}
    makes = torch.symbols.scope.mode is Mode.MAKE
    if makes:
        code = "for number in range($times):\n    $here.register_parameter($name, $made)"
        torch.emit(code, **fills, made=parameter(torch, step))
    if step.as_ or not makes:
        torch.bind(step.as_, expr("[$here.get_parameter($name) for number in range($times)]", **fills))


def variable(torch: "Torch", step: Variable) -> None:
    """Make a parameter and assign it to an attribute of the module."""
    held = "" if torch.is_loose(step) else "$here.$variable = "
    torch.fill(("$as = " if step.as_ else "") + held + "$made", step, here=torch.here(), made=parameter(torch, step))


def parameter(torch: "Torch", step: Get | Variable) -> ast.expr:
    """Return the code that makes a parameter; only floats can have gradients, so that another dtype has to say so."""
    if step.collection:
        raise Unsupported(NO_COLLECTIONS)
    plain = step.trainable is False or (step.trainable is None and step.dtype not in FLOATS)
    options = {"requires_grad": False} if plain else {}
    return expr("nn.Parameter($value, $**options)", value=initial(torch, step), options=options)


def said(step: Get | Variable) -> dict[str, Fill]:
    """Return the argument that says a dtype, where one is said."""
    return {"dtype": expr("torch.$dtype", dtype=step.dtype)} if step.dtype else {}


def initial(torch: "Torch", step: Get | Variable) -> ast.expr:
    """Return the code for the tensor a parameter starts from."""
    if isinstance(step, Variable) and step.start is not None:
        return torch.expression(step.start)
    init: Any = floats(step.init) if step.dtype in FLOATS else step.init
    options = said(step)
    if init == "random":
        return expr("torch.randn($shape, $**options)", shape=step.shape or [], options=options)
    scalar = step.shape == [] or (step.shape is None and isinstance(step, Variable))
    if isinstance(init, list) or (scalar and init is not None):
        return expr("torch.tensor($init, $**options)", init=init, options=options)
    if step.shape is None:
        raise Unsupported(
            "A parameter is made from a tensor, which has a shape; an `UninitializedParameter` has none, but cannot be used before it gets one."
        )
    if init is None:
        raise Unsupported(
            "A parameter is made from a tensor: PyTorch has no value that it would start from when none is given."
        )
    return expr("torch.full($shape, $init, $**options)", shape=step.shape, init=init, options=options)


def floats(init: Any) -> Any:
    """Return initial numbers as floats, since Python integers would make an integer tensor."""
    if isinstance(init, list):
        return [floats(item) for item in init]
    return float(init) if isinstance(init, int) else init


def assign(torch: "Torch", step: Assign) -> None:
    """Write into the parameter in place."""
    write(torch, torch.place(step.assign), step.to, transposed=torch.transposed(step.assign))


def write(torch: "Torch", place: ast.expr, to: str | Array, *, transposed: bool) -> None:
    """Write a value into a tensor in place, out of autograd's sight."""
    value = torch.expression(to)
    if isinstance(to, int | float) or isinstance(value, ast.Constant):
        code = "$place.fill_($value)"
    else:
        code, value = "$place.copy_($value)", turned(torch, to, None) if transposed else value
    torch.emit(f"with torch.no_grad():\n    {code}", place=place, value=value)


def laid_out(torch: "Torch", value: str | Array, place: str) -> ast.expr:
    """Return the code for a value laid out as a place keeps it."""
    found = torch.symbols.at(place)
    return turned(torch, value, found) if torch.transposed(place) else given(torch, value, found)


def turned(torch: "Torch", value: str | Array, found: Object | None) -> ast.expr:
    """Return the code for a value transposed: a literal matrix stands as it is kept."""
    if isinstance(value, list) and all(isinstance(row, list) and not isinstance(row[0], list) for row in value):
        return given(torch, list(map(list, zip(*value, strict=True))), found)
    return expr("$value.T", value=given(torch, value, found))


def given(torch: "Torch", value: str | Array, found: Object | None) -> ast.expr:
    """Return the code for an input; what is literal has the dtype that the module was cast to."""
    if isinstance(value, list) and found and found.dtype and not integers(value):
        return expr("torch.tensor($value, dtype=torch.$dtype)", value=literal(value), dtype=found.dtype)
    return torch.expression(value)


def integers(values: Array) -> bool:
    """Return whether an input is made of integers, which look rows up."""
    return all(map(integers, values)) if isinstance(values, list) else isinstance(values, int)


def start_of(found: Object) -> Initial | None:
    """Return what a variable started from, None if that is not known."""
    match found.made:
        case Get() as made:
            return made.init
        case Variable() as made:
            return made.init if made.start is None else None
        case Layer() as made if found.part:
            value: Initial = STATISTICS[found.part] if found.part in STATISTICS else getattr(made, found.part)
            return value
    return None


def start(torch: "Torch", place: ast.expr, init: Initial, *, transposed: bool) -> None:
    """Write the initial value of a parameter that is there already."""
    if isinstance(init, list):
        write(torch, place, floats(init), transposed=transposed)
    elif isinstance(init, str):  # one function for all, as PyTorch has no initializer objects
        torch.emit("nn.init.normal_($place)", place=place)
    else:
        torch.emit("nn.init.constant_($place, $init)", place=place, init=floats(init))


def writes_packed(torch: "Torch", step: Step) -> bool:
    """Return whether a step writes to a quantized weight."""
    places = getattr(step, WRITTEN[step.verb])
    return any(map(torch.is_packed, [places] if isinstance(places, str) else places))


CODE: Code = {"get": get, "variable": variable, "assign": assign, "read": "$read_data"}
#: verb -> the field that says what is written
WRITTEN = {
    "assign": "assign", "hook": "hook", "freeze": "freeze", "unfreeze": "unfreeze", "gradient": "wrt", "train": "wrt",
    "optimizer": "over",
}  # fmt: skip
LACKS = (
    Lack(
        "get", lambda _, step: step.reuse is not None,
        "`register_parameter` and `get_parameter` take no reuse flag: the one that is called says what is meant.",
    ),
    Lack("get", lambda torch, _: torch.symbols.scope.mode is Mode.AUTO, NO_MODE),
    Lack(
        "get", lambda torch, _: torch.symbols.scope.mode is Mode.INHERITED,
        "PyTorch modules pass no reuse mode on to the modules inside: each lookup is written as one.",
    ),
    *(Lack(verb, writes_packed, PACKED) for verb in WRITTEN),
)  # fmt: skip
