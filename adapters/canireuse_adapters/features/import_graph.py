"""Imported graphs: a graph is written as data, and built from that in a graph of its own."""

from typing import TYPE_CHECKING

from pydantic import Field, StrictBool

from canireuse.emit import Tables, statements
from canireuse.spec.features import Feature
from canireuse.spec.step import Block, Name, Step
from canireuse_adapters.tf1.scopes import kept

if TYPE_CHECKING:
    from canireuse_adapters.tf1 import TF1


class ImportGraph(Block):
    """Write the graph that is there as data, build it again from that in another graph, and run the steps there, in a session of its own."""

    verb = "import_graph"
    import_graph: StrictBool


class SaveAll(Step):
    """Save every variable of the graph in a file, and count the names that the file has."""

    verb = "save_all"
    binds = "tensor"
    save_all: Name = Field(description="Bind how many names there are.")
    bound_by = "save_all"


SAVED = """\
$to = tf1.train.Saver().save(session, tempfile.mkdtemp() + '/model')
$save_all = tf.constant(float(len(tf1.train.list_variables($to))))
"""


def in_tf1(tf1: "TF1", step: ImportGraph) -> None:
    """Export the graph with its collections, and import it into another."""
    written = tf1.fresh("written")
    tf1.emit("$written = tf1.train.export_meta_graph()", written=written)
    with tf1.apart() as body:
        tf1.steps(step.steps)
    imported = statements(
        "with tf.Graph().as_default(), $session as session:\n    tf1.train.import_meta_graph($written)\n    $*body",
        session=tf1.new_session,
        written=written,
        body=body,
    )
    kept(tf1, step, imported)


def missing(reason: str) -> Tables:
    """Return what a framework says that has no graph."""
    return Tables(missing=dict.fromkeys(("import_graph", "save_all"), reason))


NO_GRAPH = "{} builds no graph that could be written: a model is made again by its code, and given its values."
FEATURE = Feature(
    verbs=(ImportGraph, SaveAll),
    tables={
        "reference": missing("The contract has graphs that are built by their steps, and none that is written."),
        "tf1": Tables(code={"import_graph": in_tf1, "save_all": lambda tf1, step: tf1.fill(SAVED, step, to=tf1.fresh("path"))}),
        "tf1-eager": missing("In eager mode there is no graph to be written."),
        "tf2": missing("The graphs of TensorFlow 2 are in its functions, and are written with them: see `export`."),
        "keras": missing(NO_GRAPH.format("Keras")),
        "torch": missing(NO_GRAPH.format("PyTorch")),
        "jax": missing(NO_GRAPH.format("JAX")),
    },
)  # fmt: skip
