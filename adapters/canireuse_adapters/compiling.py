"""What `torch.compile` makes of a function, in PyTorch and in Keras on PyTorch."""

from canireuse.translation import TextAdapter


class TorchCompiling(TextAdapter):
    """Words the decorator that compiles."""

    #: whether the script is timed: then what is compiled is compiled for real
    timed = False

    def torch_compile(self, function: str, *, counted: bool) -> None:
        """Write the decorator; where traces are counted, with a backend that keeps the graphs."""
        if counted:
            self.idiom("Traces are counted as the graphs that `torch.compile` hands to a backend of the user's own.")
            graphs = f"graphs_of_{function}"
            self.write(f"{graphs} = []")
            with self.block(f"def keep_{graphs}(graph, inputs):"):
                self.write(f"{graphs}.append(graph)")
                self.write("return graph.forward")
            self.write(f"@torch.compile(backend=keep_{graphs})")
        elif self.timed:
            self.write("@torch.compile")
        else:
            self.idiom(
                "`backend='eager'` runs what was traced as it is: the tracing and its guards are tested, no generated code."
            )
            self.write("@torch.compile(backend='eager')")
