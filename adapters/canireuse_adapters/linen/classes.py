"""The classes of passes by name in Flax Linen: a scope is a class, and its `__call__` asks for what stands in it."""

import ast
from copy import deepcopy
from typing import TYPE_CHECKING

from canireuse.emit import Body, Fill, Unsupported, expr, name, statements
from canireuse.spec.vocabulary import Function, Get, Layer, NameScope, Repeat, Variable
from canireuse_adapters.linen import parts
from canireuse_adapters.linen.layers import inputs_of, made, together
from canireuse_adapters.linen.modules import camel

if TYPE_CHECKING:
    from canireuse_adapters.linen import Linen
    from canireuse_adapters.linen.parts import Part, Use

ONE_CLASS = "A submodule without a name is called after its class: two of one default name that hold different things would need one class for both."
#: what stands before the name of a further class for the same scope or variable
FURTHER = ("Other", "Another", "Further")


def outermost(linen: "Linen", part: "Part", word: str, prefixes: tuple[str, ...] = FURTHER) -> ast.expr:
    """Return the code that makes the outermost module of a pass; further classes inside of it have its name in front, too."""
    within = (word, *FURTHER) if prefixes is FURTHER else prefixes
    written = class_of(linen, part, word, prefixes, within)
    return expr("$name($*given)", name=written, given=given_to(linen, part))


def class_of(linen: "Linen", part: "Part", word: str, prefixes: tuple[str, ...], within: tuple[str, ...]) -> str:
    """Write the class of a part above all steps, if there is none that says the same; return its name."""
    assert linen.register is not None
    field, classes = field_of(linen, part), linen.register.classes
    fields = statements("$field: $kind", field=field[0], kind=type(field[1]).__name__) if field else []
    body = body_of(linen, part, "self", within, field=field and field[0])
    (written,) = statements(
        "class $name(nn.Module):\n    $*fields\n    @nn.compact\n    def __call__(self):\n        $*body", name=word, fields=fields, body=body,
    )  # fmt: skip
    assert isinstance(written, ast.ClassDef)
    key = ("" if part.word in {"model", "pass"} else part.word, alike_but_for_names(written.body, part.bound()))
    if key not in classes:
        free = (one for one in (word, *(f"{prefix}{word}" for prefix in prefixes)) if one not in linen.taken)
        classes[key] = written.name = linen.fresh(next(free, f"{prefixes[-1]}{word}"))
        linen.outermost.append(written)
    return classes[key]


def alike_but_for_names(body: Body, names: list[str]) -> str:
    """Return what statements say, whatever they call the variables that they bind."""
    numbers = {one: str(number) for number, one in enumerate(names)}
    found = deepcopy(body)
    for at in (inner for line in found for inner in ast.walk(line) if isinstance(inner, ast.Name)):
        at.id = numbers.get(at.id, at.id)
    return "\n".join(map(ast.dump, found))


def field_of(linen: "Linen", part: "Part") -> tuple[str, float | int] | None:
    """Return the number that a class takes as a field, and hands down: what its one variable starts from, or how many it has.

    It is a field where the spec says others for variables of that name.
    """
    if part.around or len(part.shown()) != 1:
        return None
    (one,) = part.shown()
    if isinstance(one, parts.Part):
        return field_of(linen, one)
    step = one.step
    if isinstance(step, Layer):
        return None
    alike = [
        other for other in linen.facts.steps if isinstance(other, Get | Variable) and word_of(other) == word_of(step)
    ]
    if isinstance(step, Get) and step.numbered is not None:
        several = len({other.numbered for other in alike if isinstance(other, Get)}) > 1
        return ("count", step.numbered) if several else None
    fits = one.entry[0] == "params" and step.dtype in {None, "float32"} and step.shape is not None
    several = len({str(other.init) for other in alike if other.init is not None}) > 1
    return ("start", float(step.init)) if isinstance(step.init, int | float) and fits and several else None


def word_of(step: Get | Variable) -> str:
    """Return the name of a variable."""
    return step.get if isinstance(step, Get) else step.variable


def given_to(linen: "Linen", part: "Part", field: str | None = None) -> list[Fill]:
    """Return what a class is made with: the field of the class around it, or the number."""
    own = field_of(linen, part)
    return [] if own is None else [name(f"self.{field}") if field else own[1]]


def body_of(
    linen: "Linen",
    part: "Part",
    module: str,
    within: tuple[str, ...],
    field: str | None = None,
    *,
    returns: bool = True,
) -> Body:
    """Return what the `__call__` of a part says; `module` is what its variables are asked of."""
    body: Body = []
    for one in part.shown():
        code = (
            part_code(linen, one, module, within, field)
            if isinstance(one, parts.Part)
            else use_code(linen, one, module, field)
        )
        if isinstance(code, list):
            body += code
            continue
        bound = one.bound() if isinstance(one, parts.Part) else [one.name] if one.name else []
        if len(part.shown()) == 1 and returns:
            return statements("return $code", code=code)
        if not bound and isinstance(code, ast.Attribute):  # a variable is made, and its value is not asked for
            code = code.value
        body += statements("$to = $code" if bound else "$code", to=together(bound), code=code)
    if returns and part.bound():
        body += statements("return $names", names=together(part.bound()))
    return body or [ast.Pass()]


def part_code(linen: "Linen", part: "Part", module: str, within: tuple[str, ...], field: str | None) -> ast.expr | Body:
    """Return the code that makes a submodule and calls it, or the statements around what stands in a loop."""
    match part.around:
        case Function():
            return function_code(linen, part, part.around, module, within)
        case Repeat():
            body = body_of(linen, part, module, within, returns=False)
            return statements("for _ in range($times):\n    $*body", times=part.around.repeat, body=body)
        case NameScope():
            body = body_of(linen, part, module, within, returns=False)
            return statements("with jax.named_scope('$name'):\n    $*body", name=part.around.name_scope, body=body)
    return expr("$made()", made=instance(linen, part, within, field))


def function_code(
    linen: "Linen", part: "Part", function: Function, module: str, within: tuple[str, ...]
) -> ast.expr | Body:
    """Return the code that calls a function of the spec, or the instance that a template is."""
    if function.template:
        inner = type(part)(part.word, None, part.items)
        if len(part.results) == 1:
            return expr("$made()", made=instance(linen, inner, within))
        code = statements("$word = $made", word=function.function, made=instance(linen, inner, within))
        for result in part.results:
            code += statements("$to = $word()" if result else "$word()", to=result, word=function.function)
        return code
    if not any(isinstance(one, ast.FunctionDef) and one.name == function.function for one in linen.outermost):
        inner = type(part)("function", None, part.items)
        body = body_of(linen, inner, "module", within, returns=bool(function.returns))
        linen.outermost += statements("def $function(module):\n    $*body", function=function.function, body=body)
    return expr(f"$function({module})", function=function.function)


def instance(linen: "Linen", part: "Part", within: tuple[str, ...], field: str | None = None) -> ast.expr:
    """Return the code that makes a submodule."""
    written = class_of(linen, part, camel(part.word), within, within)
    if not part.named and written != camel(part.word):
        raise Unsupported(ONE_CLASS)
    named: dict[str, Fill] = {"name": ast.Constant(part.named)} if part.named else {}
    return expr("$name($*given, $**named)", name=written, given=given_to(linen, part, field), named=named)


def use_code(linen: "Linen", use: "Use", module: str, field: str | None) -> ast.expr:
    """Return the code that makes or finds a variable, or a layer; of variables with numbers, the list of them."""
    step, (collection, path) = use.step, use.entry
    word: ast.expr = ast.Constant(path[-1])
    if isinstance(step, Layer):
        layer = made(step, linen.initializer)
        layer.keywords.append(ast.keyword("name", word))
        return expr("$layer($*given)", layer=layer, given=[one.sample for one in inputs_of(linen.symbols.layer(step))])
    times = step.numbered if isinstance(step, Get) else None
    if times is not None:
        word = ast.JoinedStr([ast.Constant(f"{path[-1]}_"), ast.FormattedValue(ast.Name("number", ast.Load()), -1)])
    fills: dict[str, Fill] = {"word": word, "collection": collection, "shape": step.shape}
    if field == "start":
        code = expr(f"{module}.param($word, nn.initializers.constant({module}.start), $shape)", **fills)
    elif step.init is None and (use.makes or step.shape is None or collection != "params"):
        code = expr(f"{module}.variable('$collection', $word).value", **fills)
    elif not use.makes and step.shape is None:
        value = linen.expression(step.init or 0.0)
        code = expr(f"{module}.variable('$collection', $word, lambda: $value).value", **fills, value=value)
    else:
        code = linen.new_variable(word, step, collection, module)
    if times is None:
        return code
    count: Fill = name(f"{module}.count") if field == "count" else times
    return expr("[$code for number in range($times)]", code=code, times=count)
