"""Functions and loops in TensorFlow 2: `tf.function`, `tf.while_loop`, `tf.vectorized_map`."""

from typing import TYPE_CHECKING

from canireuse.emit import Code, Effects, Lack, expr
from canireuse.spec.vocabulary import Function, Get, Invoke, Layer, Module, Scan, Thread, Variable, walk
from canireuse_adapters.tensorflow import traced
from canireuse_adapters.tf2.learning import make_optimizer
from canireuse_adapters.training import training_of

if TYPE_CHECKING:
    from canireuse_adapters.tf2 import TF2


def function(tf: "TF2", step: Function) -> None:
    """Define a function; TensorFlow traces it if asked."""
    if step.traced and (train := training_of(step)):
        make_optimizer(tf, train)
    with tf.apart() as body:
        tf.steps(step.steps)
        if step.returns:
            tf.emit("return $value", value=tf.expression(step.returns))
    tf.emit(f"{traced(step)}def $function($*takes):\n    $*body", function=step.function, takes=step.takes, body=body)


def defined(tf: "TF2", step: Function) -> None:
    """Have a function, which finds its variables where it was written."""
    tf.symbols.happen(step)
    tf.at(step.function).path = tf.symbols.scope.path


def invoke(tf: "TF2", step: Invoke) -> None:
    """Call a function, or have TensorFlow trace it for the shape of what it returns."""
    given = [tf.expression(one) for one in step.given]
    if step.abstract:
        specs = [expr("tf.TensorSpec.from_tensor($x)", x=one) for one in given]
        made = tf.at(step.invoke).made
        traced = "$function" if isinstance(made, Function) and made.traced else "tf.function($function)"
        code = expr(f"{traced}.get_concrete_function($*specs)", function=step.invoke, specs=specs)
        tf.bind(step.as_, expr("$code.structured_outputs", code=code))
        return
    tf.bind(step.as_, expr("$function($*given)", function=step.invoke, given=given))


def stands_elsewhere(tf: "TF2", step: Invoke | Thread) -> bool:
    """Return whether a function that gets variables is called in another scope than its own."""
    found = tf.at(getattr(step, step.verb))
    gets = isinstance(found.made, Function) and any(isinstance(one, Get) for one in walk(found.made.steps))
    return gets and found.path != tf.symbols.scope.path


def makes_owner(tf: "TF2", step: Invoke | Thread) -> bool:
    """Return whether a function makes and returns what holds variables, itself or in a thread, and not what a layer computes."""
    function = tf.at(getattr(step, step.verb)).made
    inside = walk(function.steps) if isinstance(function, Function) else ()
    return any(
        makes_owner(tf, one) if isinstance(one, Thread) else isinstance(one, Get | Variable | Layer | Module)
        for one in inside
    )


def scan(tf: "TF2", step: Scan) -> None:
    """Carry a tensor through a loop of TensorFlow's own, which counts its turns."""
    with tf.apart() as body:
        tf.steps(step.steps)
        tf.emit("return [$to]", to=tf.expression(step.to))
    tf.emit(
        "def turn($scan):\n    $*body\n"
        "($scan,) = tf.while_loop(lambda $scan: True, turn, [$scan], maximum_iterations=$times)",
        scan=step.scan, times=step.times, body=body,
    )  # fmt: skip


CODE: Code = {
    "function": function, "invoke": invoke, "scan": scan,
}  # fmt: skip
EFFECTS: Effects = {"function": defined}
LACKS = (
    Lack(
        ("invoke", "thread"), stands_elsewhere,
        "A module is no ambient scope: a function finds its variables on the object it was written for, wherever it is called.",
    ),
    Lack(
        "invoke", lambda tf, step: step.abstract and makes_owner(tf, step),
        "A `tf.Variable` has its memory from the start, and a Keras layer that is not built has no variables.",
    ),
)  # fmt: skip
