"""Functions of TensorFlow 1: they build anew whenever they are called, are templates, or are traced."""

import ast
from collections.abc import Sequence
from itertools import takewhile
from typing import TYPE_CHECKING, Any

from canireuse.emit import Emitter, Lack, expr
from canireuse.program import Mode
from canireuse.spec.vocabulary import Call, Function, Get, Invoke, Scan, Thread, walk
from canireuse_adapters.tensorflow import traced
from canireuse_adapters.tf1 import learning, measuring, scopes

if TYPE_CHECKING:
    from canireuse_adapters.tf1 import TF1, TensorFlow1, TF1Eager

IN_THREAD = """
def $function():
    with session.graph.as_default():
        $*resources
        return $call
"""
MADE = """
$op = $function($*given)
session.run(tf1.variables_initializer([
    variable for variable in tf1.global_variables() if not session.run(tf1.is_variable_initialized(variable))
]))
"""
TEMPLATE = "$function = tf1.make_template('$function', $function)"
NEW = "In a graph a variable that a traced function makes is initialized between building the call and running it; make it before, and call a template once before."
LACKS = (
    Lack("function", lambda _, step: step.traced and step.template,
         "A template and a traced function each keep the variables of the first call: to put one into the other is no common wording."),
)  # fmt: skip
IN_GRAPH_LACKS = (
    *(Lack(verb, lambda tf1, _: tf1.traced, f"A traced function builds operations: `{verb}` is for the session outside.")
      for verb in ("expect", "function", "initialize", "read", "reinitialize", "restore", "save", "thread")),
    Lack("invoke", lambda tf1, step: step.abstract and is_run(tf1, step),
         "A graph knows the shape of what it builds and computes nothing for it; this function has a session run the updates of a norm."),
    Lack("invoke", lambda tf1, step: step.abstract and makes_in_thread(tf1, step),
         "In a graph no variable has memory before its initializer runs: there is no context that would say so, and that a thread is outside of."),
    Lack("layer", lambda tf1, _: tf1.traced, NEW),
    Lack("get", lambda tf1, step: tf1.traced and step.local, NEW),
    Lack("call", lambda tf1, step: tf1.traced and is_first(tf1, step), NEW),
    Lack("function", lambda tf1, step: measuring.builds_step(tf1, step) and measuring.more_than_a_step(step.steps, returns=bool(step.returns)),
         measuring.ONE_STEP),
)  # fmt: skip


def looks_up(tf1: "TF1") -> bool:
    """Return whether reuse is said of the scope that is open, or of one around."""
    return next(one.mode for one in reversed(tf1.symbols.opened) if one.mode is not Mode.INHERITED) is Mode.LOOK_UP


def is_run(tf1: "TF1", step: Invoke) -> bool:
    """Return whether a function has a session run something."""
    made = tf1.made(step.invoke)
    return isinstance(made, Function) and any(getattr(one, "training", False) for one in walk(made.steps))


def makes_in_thread(tf1: "TF1", step: Invoke) -> bool:
    """Return whether a function has threads make something."""
    made = tf1.made(step.invoke)
    return isinstance(made, Function) and any(isinstance(one, Thread) for one in walk(made.steps))


def is_first(tf1: "TF1", step: Call) -> bool:
    """Return whether a call is the first of a template, which makes its variables."""
    before = takewhile(lambda one: one is not step, tf1.facts.steps)
    return tf1.is_template(step.call) and all(getattr(one, "call", None) != step.call for one in before)


def scan(tf1: "TensorFlow1", step: Scan) -> None:
    """Write a loop of TensorFlow: in eager mode one of Python, in a graph an operation."""
    turn = tf1.own(f"{step.scan}_turn")
    with tf1.defining(turn, step, [step.scan]):
        tf1.fill("return $to", step)
    code = "$carried = tf1.while_loop(lambda $carried: True, $turn, [$carried], maximum_iterations=$times)"
    tf1.emit(code, carried=step.scan, turn=turn, times=step.times)


# -- in a graph


def function(tf1: "TF1", step: Function) -> None:
    """Define a function; what runs in a traced one is built, and run where it is called."""
    with tf1.defining(step.function, step, step.takes, traced(step)):
        if step.returns:
            tf1.fill("return $returns", step)
        elif writes(step):
            tf1.idiom("A session runs what a function returns, so one that only writes returns something too.")
            tf1.emit("return tf.constant(True)")
        measuring.end(tf1, step)
    if step.template:
        tf1.fill(TEMPLATE, step)


def writes(step: Any) -> bool:
    """Return whether a step defines a traced function that writes, which a session has to run."""
    traced = isinstance(step, Function) and step.traced
    return bool(traced) and any(map(measuring.is_writing, walk(step.steps)))


def call(tf1: "TF1", function: str, given: Sequence[ast.expr] = (), *, bound: bool = True) -> ast.expr:
    """Return the call of a function; a session runs a traced one that writes."""
    code = "tf.constant(session.run($x))" if bound else "session.run($x)"
    made = expr("$function($*given)", function=function, given=given)
    return expr(code, x=made) if writes(tf1.made(function)) and not tf1.inside else made


def invoke(tf1: "TF1", step: Invoke) -> None:
    """Call a function; a training step that it builds is run, and can be run again."""
    if step.abstract:
        tf1.idiom("A variable of a graph has no memory until its initializer runs.")
    given = [tf1.expression(one) for one in step.given]
    if step.invoke in tf1.makers and not tf1.inside:
        make_in_function(tf1, step, given)
        return
    built, made = step.as_, expr("$function($*given)", function=step.invoke, given=given)
    if update := measuring.builds_step(tf1, tf1.made(step.invoke)):
        built = tf1.own(f"{step.invoke}_op")
        tf1.emit("$op = $made", op=built, made=made)
        learning.initialize_slots(tf1, update)
        tf1.emit("session.run($op)", op=built)
    else:
        tf1.bind(step.as_, call(tf1, step.invoke, given, bound=step.as_ is not None))
    if built and not tf1.again and not tf1.inside and not writes(tf1.made(step.invoke)):
        tf1.built.append((made, built))


def get(tf1: "TF1", step: Get) -> None:
    """Get a variable; a traced function that does may make it, when its call is built."""
    scopes.get(tf1, step)
    if tf1.traced and not looks_up(tf1):
        tf1.makers.update(one.function for one in tf1.around if isinstance(one, Function) and one.traced)


def make_in_function(tf1: "TF1", step: Invoke, given: Sequence[ast.expr]) -> None:
    """Build the first call of a function that makes variables, initialize those, and run it where it writes."""
    tf1.makers.discard(step.invoke)
    tf1.idiom("What a traced function makes is there once its call is built, and is initialized before that is run.")
    op = tf1.own(f"{step.invoke}_op") if step.as_ is None or writes(tf1.made(step.invoke)) else step.as_
    tf1.emit(MADE, op=op, function=step.invoke, given=given)
    if writes(tf1.made(step.invoke)):
        tf1.bind(step.as_, expr("tf.constant(session.run($op))" if step.as_ else "session.run($op)", op=op))


def thread(tf1: "TF1", step: Thread) -> None:
    """Call a function in a thread, which is handed the graph unless it stands outside."""
    if not step.outside:
        enter_in_thread(tf1, step.thread)
    Emitter.thread(tf1, step)


def enter_in_thread(tf1: "TF1", function: str) -> None:
    """Define what calls a function in a thread, and has to enter the graph itself: the default graph is each thread's own."""
    tf1.emit(IN_THREAD, function=tf1.own(f"{function}_in_thread"), resources=tf1.resources(), call=call(tf1, function))


# -- in eager mode


def eager_function(tf1: "TF1Eager", step: Function) -> None:
    """Define a function; a traced one has its optimizer made before it."""
    if train := learning.hoisted(step):
        tf1.fill(learning.OPTIMIZERS[train.train], train, to="optimizer")
    with tf1.defining(step.function, step, step.takes, traced(step)):
        if step.returns:
            tf1.fill("return $returns", step)
    if step.template:
        tf1.fill(TEMPLATE, step)


def eager_invoke(tf1: "TF1Eager", step: Invoke) -> None:
    """Call a function."""
    tf1.fill("$as = $invoke($*arguments)", step, arguments=[tf1.expression(one) for one in step.given])


CODE: dict[str, Any] = {"scan": scan}
IN_GRAPH: dict[str, Any] = {"get": get, "function": function, "invoke": invoke, "thread": thread}
EAGER: dict[str, Any] = {"function": eager_function, "invoke": eager_invoke}
