"""Several devices in PyTorch: one process a device, with `DistributedDataParallel` or `fully_shard`."""

import ast
from typing import TYPE_CHECKING

from canireuse.emit import Fill, Lack, Tables, expr, literal, name
from canireuse.program import free_names, places_of
from canireuse.spec.step import Step
from canireuse.spec.vocabulary import Call, Compute, walk

if TYPE_CHECKING:
    from canireuse_adapters.features.parallel import Parallel
    from canireuse_adapters.torch import Torch

#: way -> what replicates or shards a module
WRAPPED = {
    "ddp": "nn.parallel.DistributedDataParallel($module)", "ddp-find-unused": "nn.parallel.DistributedDataParallel($module, find_unused_parameters=True)",
    "fsdp": "fully_shard($module)", "fsdp-each-layer": "fully_shard($module)",
}  # fmt: skip
GATHERED = "get_model_state_dict($module, options=StateDictOptions(full_state_dict=True))"
LOSS = """\
class $made(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = $module
    def forward(self, $*given):
        $*body
"""
TRAINED = """\
loss = $loss
loss.backward()
optimizer.step()
trained = $state
if rank == 0:
    torch.save(trained, f'{folder}/state')
"""


def parallel(torch: "Torch", step: "Parallel") -> None:
    """Fork a process for each part of the data; the first one's state comes back as a checkpoint."""
    torch.idiom("Processes share no parameters: the first saves what it has, and the script loads it.")
    carried = free_names(step.steps, list(step.split))
    torch.emit("folder = tempfile.mkdtemp()")
    whole, given = calls_the_whole(torch, step), [*step.split, *carried]
    module = name(step.parallel) if whole else loss_module(torch, step, given)
    count = max(map(len, step.split.values()))
    with torch.apart() as body:
        work(torch, step, module, given, count, whole=whole)
    args: dict[str, Fill] = {"args": tuple(map(name, carried))} if carried else {}
    torch.fill(
        "def work(rank, $*carried):\n    $*steps\n"
        "torch.multiprocessing.start_processes(work, $**args, nprocs=$count, start_method='fork')\n"
        "$parallel.load_state_dict(torch.load(f'{folder}/state'))",
        step, carried=carried, steps=body, args=args, count=count,
    )  # fmt: skip


def calls_the_whole(torch: "Torch", step: "Parallel") -> bool:
    """Return whether nothing but calls of the module itself uses its parameters."""
    calls = [one for one in step.steps if isinstance(one, Call) and one.call == step.parallel and not one.given]
    others = [one for one in step.steps if one not in calls and not isinstance(one, Compute)]
    inner = {one.binding for one in walk(step.steps)} | {*step.split, step.parallel}
    read = {place for one in used(step) for place in places_of(one)} - inner
    tensors = {place for place in read if (found := torch.symbols.at(place)) and found.kind == "tensor"}
    return bool(calls) and not others and read == tensors


def used(step: "Parallel") -> list[Step]:
    """Return the step and all inside it."""
    return [step, *walk(step.steps)]


def loss_module(torch: "Torch", step: "Parallel", given: list[str]) -> ast.expr:
    """Write and return a module whose `forward` computes the loss, so that all parameters are used inside a call."""
    torch.idiom("What is replicated is a module whose `forward` is the loss: parameters are used inside its call.")
    with torch.apart() as body:
        torch.steps(step.steps)
        torch.emit("return $loss", loss=torch.expression(step.minimize))
    made = torch.fresh("Loss")
    torch.emit(LOSS, made=made, module=step.parallel, given=given, body=body)
    return expr("$made()", made=made)


def work(torch: "Torch", step: "Parallel", module: ast.expr, given: list[str], count: int, *, whole: bool) -> None:
    """Write what each process does."""
    torch.emit(
        "torch.distributed.init_process_group('gloo', init_method=f'file://{folder}/meeting', rank=rank, world_size=$count)",
        count=count,
    )
    for part, values in step.split.items():
        made = [torch.array(literal(value)) for value in values]
        torch.emit("$part = [$*made][rank]", part=part, made=made)
    replica = torch.own("replica")
    code = "$replica = $wrapped\noptimizer = torch.optim.SGD($replica.parameters(), lr=$rate)"
    torch.emit(code, replica=replica, wrapped=wrapped(torch, step, module), rate=step.rate)
    if whole:
        torch.symbols.names[replica] = torch.symbols.names[step.parallel]
        torch.steps([one.model_copy(update={"call": replica}) if isinstance(one, Call) else one for one in step.steps])
        loss = torch.expression(step.minimize)
    else:
        loss = expr("$replica($*given)", replica=replica, given=given)
    is_sharded = torch.way.get("parallel") in {"fsdp", "fsdp-each-layer"}
    state = expr(GATHERED if is_sharded else "$module.state_dict()", module=step.parallel)
    torch.emit(TRAINED, loss=loss, state=state)


def wrapped(torch: "Torch", step: "Parallel", module: ast.expr) -> ast.expr:
    """Return the code that replicates or shards a module; each layer may be a group of its own."""
    way = torch.way.get("parallel", "ddp")
    if way == "fsdp-each-layer":
        torch.emit("for layer in $whole.children():\n    fully_shard(layer)", whole=step.parallel)
    return expr(WRAPPED[way], module=module)


# -- what cannot be sharded


def reads_a_name(torch: "Torch", step: "Parallel") -> bool:
    """Return whether a parameter is read by a name of its own."""
    names = [place for one in used(step) for place in places_of(one) if "." not in place]
    return any(one.kind == "variable" for one in map(torch.symbols.at, names) if one)


def has_no_layers(torch: "Torch", step: "Parallel") -> bool:
    """Return whether there are no layers to be sharded each."""
    found = torch.symbols.at(step.parallel)
    return not found or not any(part.is_owner for part in found.parts.values())


def reads_in_a_layer(torch: "Torch", step: "Parallel") -> bool:
    """Return whether a parameter is read outside the call of its layer."""
    read = {place for one in used(step) for place in places_of(one)}
    found = [(torch.symbols.above(place)[0], torch.symbols.at(place)) for place in read]
    return any(owner and owner.kind == "layer" and one and not one.is_owner for owner, one in found)


EACH = "parallel/fsdp-each-layer"
TABLES = Tables(
    code={"parallel": parallel},
    ways={"parallel": ("ddp", "ddp-find-unused", "fsdp", "fsdp-each-layer")},
    since={"torch.distributed.fsdp.fully_shard": "torch>=2.6"},
    also=(
        "from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict\n"
        "from torch.distributed.fsdp import fully_shard"
    ),
    lacks=(
        Lack(
            "parallel", lambda torch, _: torch.device == "gpu",
            "Processes on one GPU are no several devices, and a run on the GPU counts on one.",
        ),
        Lack(
            "parallel", lambda torch, _: torch.is_compiled(),
            "`torch.compile` traces one process; what starts others stands outside.",
        ),
        Lack(
            ("parallel/fsdp", EACH), reads_a_name,
            "`fully_shard` replaces the parameters of a module: a name from before keeps the old one, which is not trained.",
        ),
        Lack(EACH, has_no_layers, "A layer alone is sharded as a whole, as is a module without layers."),
        Lack(
            EACH, reads_in_a_layer,
            "`fully_shard` gathers a layer's parameters only while that layer is called: nothing else can read them.",
        ),
    ),
)  # fmt: skip
