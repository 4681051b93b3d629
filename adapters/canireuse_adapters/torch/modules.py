"""What is done to a PyTorch module as a whole: another dtype, device or memory, a parametrization, quantization, an average."""

from typing import TYPE_CHECKING

from canireuse.emit import Effects, Lack, Slot, Words, expr, text
from canireuse.script import Unsupported
from canireuse.vocabulary import Average, Materialize, Track

if TYPE_CHECKING:
    from canireuse_adapters.torch import Torch

SWAP = "torch.__future__.set_swap_module_params_on_conversion(True)\n"
OVERWRITE = "torch.__future__.set_overwrite_module_params_on_conversion(True)\n"
CAST = "$as = $cast.to(torch.$to)"
EMPTY = "$as = $materialize.to_empty(device='$where')"
ASSIGNED = (
    "$materialize.load_state_dict({key: torch.empty_like(tensor, device='$where') "
    "for key, tensor in $materialize.state_dict().items()}, assign=True)"
)
SWA = "torch.optim.swa_utils"


def materialize(torch: "Torch", step: Materialize) -> None:
    """Give a module on the meta device memory, or load a state that has some in place of its parameters."""
    way, where = torch.way.get("materialize"), text("cuda" if torch.device == "gpu" else "cpu")
    if way != "load-assign":
        torch.fill(SWAP + EMPTY if way == "to_empty-swap" else EMPTY, step, where=where)
        return
    torch.idiom("A state dict of the module's own keys stands for a checkpoint, which is loaded with `assign=True`.")
    torch.fill(ASSIGNED + ("\n$as = $materialize" if step.as_ != step.materialize else ""), step, where=where)


# -- averages


def averaged(torch: "Torch", step: Average) -> None:
    """Have an average, which holds the copy that it is made of under the name `module`."""
    torch.symbols.happen(step)
    found = torch.symbols.names[step.as_]
    found.slots = {part: inside(found.slot(part)) for part in found.parts}


def inside(slot: Slot) -> Slot:
    """Return where a part is kept in what holds its owner as `module`."""
    return slot._replace(attribute=f"module.{slot.attribute}", reads=slot.reads and f"module.{slot.reads}")


def track(torch: "Torch", step: Track) -> None:
    """Update the averaged model; the first update copies."""
    of = [one.average for one in torch.facts.steps if isinstance(one, Average) and one.as_ == step.track]
    if not of:
        raise Unsupported("An `AveragedModel` is updated from the module it is of, which has no name here.")
    torch.emit("$track.update_parameters($of)", track=step.track, of=expr("$of", of=of[-1]))


WORDS: Words = {
    "cast": CAST, "cast/to-swap": SWAP + CAST, "cast/to-overwrite": OVERWRITE + CAST,
    "move": "$as = $move.to('cuda:0')",
    "materialize": materialize,
    "average": f"$as = {SWA}.AveragedModel($average, multi_avg_fn={SWA}.get_ema_multi_avg_fn($decay))",
    "track": track,
}  # fmt: skip
EFFECTS: Effects = {"average": averaged}
LACKS = (
    Lack(
        "move", lambda torch, _: torch.device == "cpu",
        "PyTorch takes all CPUs for one device, and the `meta` device holds no values: modules move between GPUs.",
    ),
    Lack(
        "move", lambda _, step: step.device,
        "A run on the GPU counts on one, and PyTorch makes no virtual ones of it.",
    ),
    Lack(
        "average", lambda torch, step: not (found := torch.symbols.at(step.average)) or not found.is_owner,
        "An `AveragedModel` is made of a module; what a function returned here may be anything.",
    ),
)  # fmt: skip
