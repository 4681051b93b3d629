"""The classes of passes by name in Flax Linen: a scope is a class, and its `__call__` asks for what stands in it."""

import ast
from typing import TYPE_CHECKING

from canireuse.emit import Body, Fill, expr, name, statements
from canireuse.script import Unsupported
from canireuse.vocabulary import Function, Get, Layer, NameScope, Repeat
from canireuse_adapters.linen import parts
from canireuse_adapters.linen.layers import inputs_of, made
from canireuse_adapters.linen.modules import camel

if TYPE_CHECKING:
    from canireuse_adapters.linen import Linen
    from canireuse_adapters.linen.parts import Part, Use

ONE_CLASS = "A submodule without a name is called after its class: two of one default name that hold different things would need one class for both."


def class_of(linen: "Linen", part: "Part", word: str, within: str = "") -> str:
    """Write the class of a part above all steps, if there is none that says the same; return its name."""
    start = start_of(part)
    fields = statements("$start: float", start="start") if start is not None else []
    body = body_of(linen, part, "self", within or word, start)
    (written,) = statements(
        "class $name(nn.Module):\n    $*fields\n    @nn.compact\n    def __call__(self):\n        $*body", name=word, fields=fields, body=body,
    )  # fmt: skip
    assert isinstance(written, ast.ClassDef)
    for one in linen.outermost:
        if (
            isinstance(one, ast.ClassDef)
            and one.name in {word, within + word}
            and [*map(ast.dump, one.body)] == [*map(ast.dump, written.body)]
        ):
            return one.name
    written.name = linen.fresh(word if word not in linen.taken else f"{within or 'Larger'}{word}")
    linen.outermost.append(written)
    return written.name


def start_of(part: "Part") -> float | None:
    """Return the number that the one variable of a scope starts from, which its class takes as a field."""
    uses = list(part.uses())
    if (
        part.around
        or part.word in {"model", "pass"}
        or len(part.items) != 1
        or part.items != uses
        or getattr(uses[0].step, "numbered", None)
        or isinstance(uses[0].step, Layer)
    ):
        return None
    step = uses[0].step
    init = step.init if uses[0].makes or step.init is not None else 0.0  # what is found has its value
    fits = uses[0].entry[0] == "params" and step.dtype in {None, "float32"} and step.shape is not None
    return float(init) if isinstance(init, int | float) and fits else None


def body_of(
    linen: "Linen", part: "Part", module: str, within: str, start: float | None = None, *, returns: bool = True
) -> Body:
    """Return what the `__call__` of a part says; `module` is what its variables are asked of."""
    body: Body = []
    for one in part.items:
        if isinstance(one, parts.Part) and one.named and not list(one.uses()):
            continue
        words = (
            part_words(linen, one, module, within)
            if isinstance(one, parts.Part)
            else use_words(linen, one, module, start)
        )
        if isinstance(words, list):
            body += words
            continue
        bound = one.bound() if isinstance(one, parts.Part) else [one.name] if one.name else []
        if len(part.items) == 1 and returns and (bound or not isinstance(one, parts.Part)):
            return statements("return $words", words=words)
        if not bound and isinstance(words, ast.Attribute):  # a variable is made, and its value is not asked for
            words = words.value
        body += statements("$to = $words" if bound else "$words", to=together(bound), words=words)
    if returns and part.bound():
        body += statements("return $names", names=together(part.bound()))
    return body or [ast.Pass()]


def together(words: list[str]) -> ast.expr | None:
    """Return names, as a tuple where there are several."""
    names = [name(word) for word in words]
    return None if not names else names[0] if len(names) == 1 else ast.Tuple(names, ast.Load())


def part_words(linen: "Linen", part: "Part", module: str, within: str) -> ast.expr | Body:
    """Return the words that make a submodule and call it, or the statements around what stands in a loop."""
    match part.around:
        case Function():
            return function_words(linen, part, part.around, module, within)
        case Repeat():
            body = body_of(linen, part, module, within, returns=False)
            return statements("for _ in range($times):\n    $*body", times=part.around.repeat, body=body)
        case NameScope():
            body = body_of(linen, part, module, within, returns=False)
            return statements("with jax.named_scope('$name'):\n    $*body", name=part.around.name_scope, body=body)
    return expr("$made()", made=instance(linen, part, within))


def function_words(linen: "Linen", part: "Part", function: Function, module: str, within: str) -> ast.expr | Body:
    """Return the words that call a function of the spec, or the instance that a template is."""
    if function.template:
        inner = type(part)(part.word, None, part.items)
        if len(part.results) == 1:
            return expr("$made()", made=instance(linen, inner, within))
        words = statements("$word = $made", word=function.function, made=instance(linen, inner, within))
        for result in part.results:
            words += statements("$to = $word()" if result else "$word()", to=result, word=function.function)
        return words
    if not any(isinstance(one, ast.FunctionDef) and one.name == function.function for one in linen.outermost):
        inner = type(part)("function", None, part.items)
        body = body_of(linen, inner, "module", within, returns=bool(function.returns))
        linen.outermost += statements("def $function(module):\n    $*body", function=function.function, body=body)
    return expr(f"$function({module})", function=function.function)


def instance(linen: "Linen", part: "Part", within: str) -> ast.expr:
    """Return the words that make a submodule."""
    start, written = start_of(part), class_of(linen, part, camel(part.word), within)
    if not part.named and written != camel(part.word):
        raise Unsupported(ONE_CLASS)
    given: list[Fill] = [start] if start is not None else []
    named: dict[str, Fill] = {"name": ast.Constant(part.named)} if part.named else {}
    return expr("$name($*given, $**named)", name=written, given=given, named=named)


def use_words(linen: "Linen", use: "Use", module: str, start: float | None) -> ast.expr:
    """Return the words that make or find a variable, or a layer; of variables with numbers, the list of them."""
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
    if start is not None:
        words = expr(f"{module}.param($word, nn.initializers.constant({module}.start), $shape)", **fills)
    elif step.init is None and (use.makes or step.shape is None or collection != "params"):
        words = expr(f"{module}.variable('$collection', $word).value", **fills)
    elif not use.makes and step.shape is None:
        value = linen.expression(step.init or 0.0)
        words = expr(f"{module}.variable('$collection', $word, lambda: $value).value", **fills, value=value)
    else:
        words = linen.new_variable(word, step, collection, module)
    return words if times is None else expr("[$words for number in range($times)]", words=words, times=times)
