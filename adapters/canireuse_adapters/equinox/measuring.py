"""What parameters, optimizers and checkpoints take in Equinox; what is timed are functions under `eqx.filter_jit`, as its guide has them."""

from canireuse_adapters.equinox.learning import EquinoxLearning


class EquinoxMeasuring(EquinoxLearning):
    """Words what is counted.

    A function that is timed takes and returns the models and the optimizer's state themselves. Equinox's guide shows
    that loop; its page of tricks has one that hands over flat lists of leaves, for models so small that flattening
    them takes most of the time. Each call under `eqx.filter_jit` waits for its result.
    """

    def elements_of(self, owner: str) -> str:
        """Add up the sizes of the arrays in the tree; `eqx.nn.Shared` keeps one leaf for what is tied."""
        return f"sum(leaf.size for leaf in {self.listing(owner, only_trainable=False)})"

    def bytes_of(self, owner: str) -> str:
        """Add up the bytes of the arrays in the tree."""
        return f"sum(leaf.nbytes for leaf in {self.listing(owner, only_trainable=False)})"

    def slot_bytes(self, optimizer: str) -> str:
        """Add up the bytes of the optimizer's state, the count of its steps included."""
        return f"sum(leaf.nbytes for leaf in jax.tree.leaves({self.optimizers[optimizer].state}))"

    def checkpoint_bytes(self, checkpoint: str) -> str:
        """Return the size of what was written in place of a file."""
        return f"{checkpoint}.getbuffer().nbytes"
