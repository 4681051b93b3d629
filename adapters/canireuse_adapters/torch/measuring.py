"""Measured loops in PyTorch, variables by the hundred, and what parameters, optimizers and checkpoints take."""

from canireuse.vocabulary import Get, Measure
from canireuse_adapters.torch.checkpoints import TorchCheckpoints
from canireuse_adapters.torch.running import TorchRunning


class TorchMeasuring(TorchRunning, TorchCheckpoints):
    """Words what is timed and counted."""

    fences = {"gpu": "torch.cuda.synchronize"}

    def traces_usually(self) -> bool:
        """Return false: a training loop in PyTorch runs eagerly unless somebody compiles it."""
        return False

    def measure(self, step: Measure) -> None:
        """Write the loop; a scope in it may be there from the turn before."""
        self.guarded += not step.fresh
        super().measure(step)
        self.guarded -= not step.fresh

    def start_afresh(self) -> None:
        """Make a new root module."""
        self.write("root = nn.Module()")
        self.there.clear()
        self.perhaps.clear()

    def get(self, step: Get) -> None:
        """Register or look up one parameter, or one after the other."""
        if step.numbered is None:
            super().get(step)
            return
        here, name = self.open[-1], f"f'{step.get}_{{number}}'"
        if self.mode_of(step) == "make":
            with self.block(f"for number in range({step.numbered}):"):
                self.write(f"{here.words}.register_parameter({name}, {self.parameter(step)})")
            if step.as_ is None:
                return
        self.bind(step.as_, f"[{here.words}.get_parameter({name}) for number in range({step.numbered})]")

    # -- what things take

    def elements_of(self, owner: str) -> str:
        """Add up the parameters' elements; a shared parameter is listed once."""
        return f"sum(parameter.numel() for parameter in {self.place(owner)}.parameters())"

    def bytes_of(self, owner: str) -> str:
        """Add up the parameters' bytes."""
        return f"sum(parameter.nbytes for parameter in {self.place(owner)}.parameters())"

    def slot_bytes(self, optimizer: str) -> str:
        """Add up the tensors that the optimizer keeps for each parameter, the count of its steps included."""
        return f"sum(value.nbytes for slots in {optimizer}.state.values() for value in slots.values())"

    def checkpoint_bytes(self, checkpoint: str) -> str:
        """Return the size of the file, or of what stands for one."""
        if self.way.get("restore", "").startswith("safetensors"):
            self.import_first("import os")
            return f"os.path.getsize({checkpoint})"
        return f"{checkpoint}.getbuffer().nbytes"
