"""Variable scopes of TensorFlow 1, and the variables that are got and constructed in them."""

import ast
from typing import TYPE_CHECKING, Any

from canireuse.emit import Body, Names, expr, literal, name, node, text
from canireuse.spec.step import Drawn, OddFlag, Step
from canireuse.spec.vocabulary import Assign, Block, Get, Graph, Intercept, Variable, walk
from canireuse_adapters.tensorflow import number

if TYPE_CHECKING:
    from canireuse_adapters.tf1 import TF1, TensorFlow1

SCOPE = ("reuse", "init", "dtype", "penalty", "auxiliary_name_scope", "use_resource")
KEYWORDS = {
    **dict.fromkeys(("scope", "default_scope", "reenter"), SCOPE),
    "get": ("shape", "dtype", "init", "uniform", "penalty", "partitions", "reuse", "trainable", "collection"),
    "variable": ("dtype", "trainable", "open_shape", "collection"),
}
#: field of a step -> what TensorFlow calls the argument
CALLED = {
    "init": "initializer", "uniform": "initializer", "penalty": "regularizer", "partitions": "partitioner",
    "collection": "collections", "bias": "bias_initializer",
    "open_shape": "shape",
}  # fmt: skip
#: field of a step -> what is given, if that is not the plain value
GIVEN = {
    "dtype": "tf.$x",
    "open_shape": "tf.TensorShape(None)",
    "penalty": "lambda values: $x * tf.reduce_sum(tf.square(values))",
    "uniform": "tf1.random_uniform_initializer($*x)",
    "partitions": "tf1.fixed_size_partitioner($x)",
    "collection": "[tf1.GraphKeys.$kept, '$x']",
}

INTERCEPT = """
def $getter(getter, *arguments, **options):
    $intercept = getter(*arguments, **options)
    return $returns
with tf1.variable_scope(tf1.get_variable_scope(), custom_getter=$getter, auxiliary_name_scope=False):
    $*body
"""


def initializer(value: Drawn, dtype: str | None = None) -> ast.expr:
    """Return the code for an initializer object."""
    if value == "shared-initializer":
        return expr("initializer")
    if value == "random":
        return expr("tf1.random_normal_initializer()")
    return expr("tf1.constant_initializer($x)", x=value if isinstance(value, list) else number(value, dtype))


def argument(tf1: "TensorFlow1", step: Any, field: str, value: Any) -> ast.expr:
    """Return the code for what a scope or a variable is given."""
    if isinstance(value, OddFlag):
        return name(value.tensor) if value.tensor else literal(value.number if value.text is None else value.text)
    if field == "init" and isinstance(step, Get) and isinstance(value, list):
        return constant(value, step.dtype)
    if field in {"init", "bias"}:
        seeded = value == "shared-initializer" and tf1.way.get("scope") == "seeded"
        return expr("seeded_initializer") if seeded else initializer(value, getattr(step, "dtype", None))
    if field in GIVEN:
        kept = "LOCAL_VARIABLES" if getattr(step, "local", False) else "GLOBAL_VARIABLES"
        return expr(GIVEN[field], x=value, kept=kept)
    if field == "shape" and step.shape_as == "tuple":
        return literal(tuple(value))
    return expr("tf1.AUTO_REUSE") if value == "auto" else literal(value)


def constant(value: Any, dtype: str | None, code: str = "tf.constant", **given: Any) -> ast.expr:
    """Return a tensor of numbers, with its dtype if one is said."""
    given |= {"dtype": expr("tf.$x", x=dtype)} if dtype else {}
    return expr(f"{code}($value, $**given)", value=literal(value), given=given)


def intercept(tf1: "TensorFlow1", step: Intercept) -> None:
    """Open the current scope once more with a custom getter."""
    tf1.idiom("A getter holds for a scope, so the current scope is opened once more with it.")
    tf1.fill(INTERCEPT, step, getter=tf1.own(f"{step.intercept}_getter"))


def get(tf1: "TensorFlow1", step: Get) -> None:
    """Get a variable by name, or one after the other."""
    called: ast.expr = text(step.get)
    code = "$as = $call"
    if step.numbered is not None:
        called = ast.JoinedStr([text(f"{step.get}_"), ast.FormattedValue(expr("number"), -1)])
        loop = "for number in range($numbered)"
        code = f"$as = [$call {loop}]" if step.as_ else f"{loop}:\n    $call"
    call = f"tf1.get_{'local_' if step.local else ''}variable($called, $**given)"
    tf1.fill(code, step, call=expr(call, called=called, given=tf1.given(step)))


def variable(tf1: "TensorFlow1", step: Variable) -> None:
    """Construct a variable."""
    if step.start is not None:
        value = tf1.expression(step.start)
    elif step.init == "random":
        value = constant(step.shape or [], step.dtype, "tf1.random_normal")
    elif isinstance(step.init, list):
        value = literal(step.init)
    else:
        value = number(step.init, step.dtype)
        value = constant(value, step.dtype, shape=step.shape) if step.shape else value
    tf1.fill("$as = tf1.Variable($value, name='$variable', $**given)", step, value=value)


def assign(tf1: "TensorFlow1", step: Assign) -> None:
    """Assign numbers, or what an expression is worth; a variable in parts is written as a tensor that is cut."""
    plain = isinstance(step.to, list) and not tf1.in_parts(step.assign)
    tf1.write(step.assign, "assign", literal(step.to) if plain else tf1.expression(step.to))


def graph(tf1: "TF1", step: Graph) -> None:
    """Open another graph with a session of its own; the first session's name is taken meanwhile."""
    with tf1.apart() as body:
        tf1.steps(step.steps)
    kept(tf1, step, tf1.in_graph(body))


def kept(tf1: "TF1", step: Block, inner: Body) -> None:
    """Write what may open another session, and have the name stand for the first one again where something follows."""
    last = any(one is tf1.facts.steps[-1] for one in walk(step.steps))
    again = not last and "session" in Names(inner).bound
    tf1.emit("outer = session\n$*inner\nsession = outer" if again else "$*inner", inner=inner)


def initialize(tf1: "TensorFlow1", _: Step) -> None:
    """Run the initializers of all variables made so far; in eager mode, where TF1 code says it too, it has nothing to do."""
    kinds = ["global", "local"] if any(getattr(one, "local", False) for one in tf1.facts.steps) else ["global"]
    calls = [expr(f"tf1.{kind}_variables_initializer()") for kind in kinds]
    for call in calls if tf1.eager or len(calls) == 1 else [node(calls)]:
        tf1.act("$x", x=call)


CODE: dict[str, Any] = {
    "scope": "with tf1.variable_scope('$scope', $**given) as $as:\n    $*body",
    "reenter": "with tf1.variable_scope($reenter, $**given) as $as:\n    $*body",
    "default_scope": "with tf1.variable_scope(None, default_name='$default_scope', $**given) as $as:\n    $*body",
    "name_scope": "with tf1.name_scope('$name_scope'):\n    $*body",
    "reuse_variables": "$reuse_variables.reuse_variables()",
    "current_scope": "$current_scope = tf1.get_variable_scope()",
    "intercept": intercept, "get": get, "variable": variable, "assign": assign, "initialize": initialize,
}  # fmt: skip
IN_GRAPH: dict[str, Any] = {
    "graph": graph,
    "placeholder": "$placeholder = tf1.placeholder(tf.$dtype, $shape)",
    "read": "session.run($read_value)",
}
EAGER: dict[str, Any] = {
    "read": lambda tf1, step: tf1.fill("session.run($read_value)" if tf1.in_session else "$read_value.numpy()", step),
}
