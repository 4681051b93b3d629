"""Learning in PyTorch: autograd, optimizers, hooks, and averages of a module."""

import copy
from typing import Any

from canireuse.translation import Unsupported, turns
from canireuse.vocabulary import Average, Freeze, Gradient, Hook, Optimizer, Track, Train, Unfreeze, Update
from canireuse_adapters.torch.blocks import carried_into
from canireuse_adapters.torch.owners import OWNERS
from canireuse_adapters.torch.places import TorchPlaces

KINDS = {"sgd": "SGD", "momentum": "SGD", "adam": "Adam", "adamw": "AdamW"}


class TorchLearning(TorchPlaces):
    """Words gradients, training and averages."""

    #: the training step whose optimizer was made before the function around it
    hoisted: Train | None = None

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        #: optimizers -> the words for what they update, and the norm that its gradients are clipped to
        self.clips: dict[str, tuple[str, float | None]] = {}
        #: averages -> the modules they are of
        self.averaged: dict[str, str] = {}

    # -- gradients

    def gradient(self, step: Gradient) -> None:
        """Ask autograd for one gradient."""
        turned = ".T" if self.is_transposed(step.wrt) else ""
        self.check_written(step.wrt)
        if step.remat:
            scalar = self.checkpointed(step)
        else:
            self.steps(step.steps)
            scalar = self.expression(step.of)
        self.write(f"{step.gradient} = torch.autograd.grad({scalar}, {self.place(step.wrt)})[0]{turned}")
        self.note_tensor(step.gradient)

    def checkpointed(self, step: Gradient) -> str:
        """Write the steps as a function, and return the words that compute it without keeping what it makes."""
        name, carried = self.free(f"{step.gradient}_loss"), carried_into(step.steps)
        with self.block(f"def {name}({', '.join(carried)}):"):
            self.steps(step.steps)
            self.write(f"return {self.expression(step.of)}")
        given = ", ".join([name, *carried])
        return f"torch.utils.checkpoint.checkpoint({given}, use_reentrant=False)"

    def hook(self, step: Hook) -> None:
        """Register a hook on the parameter."""
        self.check_written(step.hook)
        self.write(f"{self.place(step.hook)}.register_hook(lambda grad: {step.times} * grad)")

    # -- optimizers

    def train(self, step: Train) -> None:
        """Write the training loop."""
        if step is not self.hoisted:
            self.make_optimizer(step)
        with turns(self, step.times):
            self.steps(step.steps)
            self.write(f"loss = {self.expression(step.minimize)}")
            self.write("optimizer.zero_grad()")
            self.write("loss.backward()")
            self.write("optimizer.step()")

    def make_optimizer(self, step: Train) -> None:
        """Make the optimizer of a training loop."""
        self.write(f"optimizer = torch.optim.{KINDS[step.train]}({self.owned(step.wrt)}, lr={step.rate})")

    def optimizer(self, step: Optimizer) -> None:
        """Make an optimizer."""
        options = f", lr={step.rate}"
        options += ", momentum=0.9" if step.kind == "momentum" else ""
        if step.decay is not None or step.kind == "adamw":  # AdamW decays by 0.01 where nothing is said
            options += f", weight_decay={step.decay or 0.0}"
        self.write(f"{step.optimizer} = torch.optim.{KINDS[step.kind]}({self.owned(step.over)}{options})")
        self.clips[step.optimizer] = (self.owned(step.over), step.clip)

    def update(self, step: Update) -> None:
        """Write steps with an optimizer that is there; gradients of several losses are accumulated."""
        losses = step.minimize if isinstance(step.minimize, list) else [step.minimize]
        with turns(self, step.times):
            self.steps(step.steps)
            self.write(f"{step.update}.zero_grad()")
            for number, loss in enumerate(losses, 1):
                # what the losses have in common is needed until the last of them
                keep = "retain_graph=True" if step.steps and number < len(losses) else ""
                self.write(f"loss = {self.expression(loss)}")
                self.write(f"loss.backward({keep})")
            owned, clip = self.clips.get(step.update, ("", None))
            if clip is not None:
                self.write(f"nn.utils.clip_grad_norm_({owned}, {clip})")
            self.write(f"{step.update}.step()")

    def owned(self, wrt: str | list[str]) -> str:
        """Return what an optimizer is given: a module's own parameters, or a list of them."""
        if isinstance(wrt, str):
            return self.parameters(wrt) if self.owns(wrt) else f"[{self.parameters(wrt)}]"
        return f"[{', '.join(f'*{self.parameters(one)}' if self.owns(one) else self.parameters(one) for one in wrt)}]"

    def owns(self, place: str) -> bool:
        """Return whether a place is a layer or module."""
        thing = self.find(place)
        return thing is not None and thing.kind in OWNERS

    def parameters(self, place: str) -> str:
        """Return the words for the parameters of an owner, or for the one parameter."""
        self.check_written(place)
        return f"{self.place(place)}.parameters()" if self.owns(place) else self.place(place)

    def slot_count(self, optimizer: str) -> str:
        """Count the parameters that an optimizer keeps state of."""
        return f"len({optimizer}.state)"

    # -- what learns

    def freeze(self, step: Freeze) -> None:
        """Switch gradients off, for a parameter or all parameters of a module."""
        self.check_written(step.freeze)
        self.write(f"{self.place(step.freeze)}.requires_grad_(False)")

    def unfreeze(self, step: Unfreeze) -> None:
        """Switch gradients on again."""
        self.check_written(step.unfreeze)
        self.write(f"{self.place(step.unfreeze)}.requires_grad_(True)")

    # -- averages

    def average(self, step: Average) -> None:
        """Make an averaged model, which is a module around a deep copy."""
        swa = "torch.optim.swa_utils"
        self.write(
            f"{step.as_} = {swa}.AveragedModel({step.average}, multi_avg_fn={swa}.get_ema_multi_avg_fn({step.decay}))"
        )
        self.averaged[step.as_] = step.average
        thing = self.find(step.average)
        if thing is None:
            raise Unsupported("An `AveragedModel` is made of a module; what a function returned here may be anything.")
        self.things[step.as_] = copy.deepcopy(thing)
        self.things[step.as_].inner = "module"

    def track(self, step: Track) -> None:
        """Update the averaged model; the first update copies."""
        if step.track not in self.averaged:
            raise Unsupported("An `AveragedModel` is updated from the module it is of, which has no name here.")
        self.write(f"{step.track}.update_parameters({self.averaged[step.track]})")
