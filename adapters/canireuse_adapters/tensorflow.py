"""What the adapters of TensorFlow and Keras say alike."""

from collections.abc import Sequence

from canireuse.emit import Fill, literal
from canireuse.spec.step import Step
from canireuse.spec.vocabulary import Function, Restore, Save

FUNCTIONS = {
    "tanh": "tf.tanh($x)", "relu": "tf.nn.relu($x)", "sigmoid": "tf.sigmoid($x)", "exp": "tf.exp($x)",
    "log": "tf.math.log($x)", "square": "tf.square($x)", "sum": "tf.reduce_sum($x)", "mean": "tf.reduce_mean($x)",
    "transpose": "tf.transpose($x)", "softmax": "tf.nn.softmax($x)", "stop_gradient": "tf.stop_gradient($x)", "ones": "tf.ones([$*x])",
    "gather_nd": "tf.gather_nd($x, $pairs)",
}  # fmt: skip
#: must be said before TensorFlow runs anything; said again, it changes nothing
TWO_DEVICES = (
    "tf.config.set_logical_device_configuration("
    "tf.config.list_physical_devices('CPU')[0], [tf.config.LogicalDeviceConfiguration()] * 2)"
)


def tracer(step: Function) -> str:
    """Return what TensorFlow traces a function with."""
    return "tf.function(reduce_retracing=True)" if step.traced == "relaxed" else "tf.function"


def traced(step: Function) -> str:
    """Return the decorator of a function that TensorFlow traces, with its end of line; empty for one that it does not."""
    return f"@{tracer(step)}\n" if step.traced else ""


def number(value: float, dtype: str | None) -> Fill:
    """Return a number as the dtype writes it; a variable is made of floats if none is given."""
    kind = {"int": int, "boo": bool}.get((dtype or "float")[:3], float)
    return literal(kind(value))


def asks_what_matched(steps: Sequence[Step]) -> bool:
    """Return whether a checkpoint may lack something here, so that users differ who ask and who do not."""
    named = {step.to: step.save for step in steps if isinstance(step, Save)}
    return any(isinstance(step, Save) and step.only for step in steps) or any(
        isinstance(step, Restore) and (step.raises is not None or named.get(step.given_by) != step.restore)
        for step in steps
    )
