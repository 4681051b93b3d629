"""Vectorizing: an expression of one element, mapped over the first axis by the framework's own batching."""

from pydantic import Field

from canireuse.emit import Tables
from canireuse.spec.features import Feature
from canireuse.spec.step import Name, Step


class Vectorize(Step):
    """Map an expression of one element over the first axis of a tensor, with the framework's own batching."""

    verb = "vectorize"
    binds = "tensor"
    bound_by = "vectorize"
    expressions = ("over",)
    vectorize: Name = Field(description="Bind the results, stacked.")
    over: str = Field(description="The tensor that is mapped over.")
    each: Name = Field(description="The name of one element in `returns`.")
    returns: str = Field(description="The expression of one element.")

    @property
    def own_names(self) -> list[str]:
        """One element."""
        return [self.each]


IN_TENSORFLOW = Tables(code={"vectorize": "$vectorize = tf.vectorized_map(lambda $each: $returns, $over)"})

FEATURE = Feature(
    verbs=(Vectorize,),
    tables={
        "reference": Tables(code={"vectorize": "$vectorize = model.vectorize($over, lambda $each: $returns)"}),
        "torch": Tables(code={"vectorize": "$vectorize = torch.vmap(lambda $each: $returns)($over)"}),
        "tensorflow1": IN_TENSORFLOW,
        "tf2": IN_TENSORFLOW,
        "keras": Tables(code={"vectorize": "$vectorize = keras.ops.vectorized_map(lambda $each: $returns, $over)"}),
        "jax": Tables(code={"vectorize": "$vectorize = jax.vmap(lambda $each: $returns)($over)"}),
    },
)
