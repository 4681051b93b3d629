"""Random numbers: a source of them that several uses share, and that moves on with each."""

from pydantic import Field

from canireuse.emit import Tables
from canireuse.spec.features import Feature
from canireuse.spec.step import Name, Shape, Step


class Source(Step):
    """Make a source of random numbers, from a seed."""

    verb = "source"
    binds = "source"
    bound_by = "source"
    source: Name
    seed: int = Field(0, ge=0, le=1000)


class Draw(Step):
    """Draw numbers between 0 and 1 from a source, which moves on."""

    verb = "draw"
    binds = "tensor"
    changes = True
    uses = {"of": frozenset({"source"})}
    bound_by = "draw"
    draw: Name
    of: Name
    shape: Shape


VALUE = "A key of JAX is a value that nothing moves on: two uses of one key draw the same, and users split it for each."
FEATURE = Feature(
    verbs=(Source, Draw),
    tables={
        "reference": Tables(missing=dict.fromkeys(("source", "draw"), "The contract does not cover random numbers.")),
        "torch": Tables(
            code={
                "source": "$source = torch.Generator().manual_seed($seed)",
                "draw": "$draw = torch.rand($shape, generator=$of)",
            }
        ),
        "tf2": Tables(
            code={"source": "$source = tf.random.Generator.from_seed($seed)", "draw": "$draw = $of.uniform($shape)"}
        ),
        "keras": Tables(
            code={
                "source": "$source = keras.random.SeedGenerator($seed)",
                "draw": "$draw = keras.random.uniform($shape, seed=$of)",
            }
        ),
        "nnx": Tables(
            code={"source": "$source = nnx.Rngs($seed)", "draw": "$draw = jax.random.uniform($of(), $shape)"}
        ),
        "haiku": Tables(
            code={"source": "$source = hk.PRNGSequence($seed)", "draw": "$draw = jax.random.uniform(next($of), $shape)"}
        ),
        "jax": Tables(missing=dict.fromkeys(("source", "draw"), VALUE)),
        "tensorflow1": Tables(
            missing=dict.fromkeys(
                ("source", "draw"),
                "An operation of TF1 draws anew each time a graph runs, from a state of its own: there is no source that two share.",
            )
        ),
    },
)
