"""What `torch.compile` makes of a function, in PyTorch and in Keras on PyTorch."""

import ast

from canireuse.emit import Emitter, expr


def compiled(emitter: Emitter, function: str) -> ast.expr:
    """Return the decorator that compiles; where traces are counted, with a backend that keeps the graphs."""
    if function in emitter.facts.counted:
        emitter.idiom("Traces are counted as the graphs that `torch.compile` hands to a backend of the user's own.")
        graphs = graphs_of(emitter, function)
        keep = emitter.own(f"keep_{graphs}")
        emitter.emit(
            "$graphs = []\ndef $keep(graph, inputs):\n    $graphs.append(graph)\n    return graph.forward",
            graphs=graphs, keep=keep,
        )  # fmt: skip
        return expr("torch.compile(backend=$keep)", keep=keep)
    if emitter.facts.timed:
        return expr("torch.compile")
    emitter.idiom(
        "`backend='eager'` runs what was traced as it is: the tracing and its guards are tested, no generated code."
    )
    return expr("torch.compile(backend='eager')")


def graphs_of(emitter: Emitter, function: str) -> str:
    """Return what the list of the graphs of a function is called."""
    return emitter.own(f"graphs_of_{function}")
