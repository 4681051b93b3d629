"""What `torch.compile` makes of a function, in PyTorch and in Keras on PyTorch."""

import ast

from canireuse.emit import Emitter, expr
from canireuse.spec.vocabulary import Function


def compiled(emitter: Emitter, step: Function) -> ast.expr:
    """Return the decorator that compiles; where traces are counted, with a backend that keeps the graphs."""
    function, options = step.function, {"dynamic": True} if step.traced == "relaxed" else {}
    if function in emitter.facts.counted:
        emitter.idiom("Traces are counted as the graphs that `torch.compile` hands to a backend of the user's own.")
        graphs = graphs_of(emitter, function)
        keep = emitter.own(f"keep_{graphs}")
        emitter.emit(
            "$graphs = []\ndef $keep(graph, inputs):\n    $graphs.append(graph)\n    return graph.forward",
            graphs=graphs, keep=keep,
        )  # fmt: skip
        return expr("torch.compile(backend=$keep, $**options)", keep=keep, options=options)
    if emitter.facts.timed:
        return expr("torch.compile(dynamic=True)" if options else "torch.compile")
    emitter.idiom(
        "`backend='eager'` runs what was traced as it is: the tracing and its guards are tested, no generated code."
    )
    return expr("torch.compile(backend='eager', $**options)", options=options)


def graphs_of(emitter: Emitter, function: str) -> str:
    """Return what the list of the graphs of a function is called."""
    return emitter.own(f"graphs_of_{function}")
