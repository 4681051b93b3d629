"""Several devices in PyTorch: one process a device, with `DistributedDataParallel` or `fully_shard`."""

import ast
from typing import TYPE_CHECKING

from canireuse.emit import Fill, Lack, Tables, expr, literal, name, text
from canireuse.program import free_names, places_of
from canireuse.spec.step import Step
from canireuse.spec.vocabulary import Call, Compute, Save, walk

if TYPE_CHECKING:
    from canireuse_adapters.features.parallel import Parallel
    from canireuse_adapters.torch import Torch

#: way -> what replicates or shards a module
WRAPPED = {
    "ddp": "nn.parallel.DistributedDataParallel($module)", "ddp-find-unused": "nn.parallel.DistributedDataParallel($module, find_unused_parameters=True)",
    "ddp-static-graph": "nn.parallel.DistributedDataParallel($module, static_graph=True)",
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
BRANCH = "if which == '$which':\n    return $value"
STEP = "loss = $loss\nloss.backward()\noptimizer.step()"
TRAINED = """\
trained = $state
if rank == 0:
    torch.save(trained, f'{folder}/state')
    $*kept
"""
#: what the wrapper has, saved by the first process; its parts, saved by all, and brought together afterwards
SAVED = "torch.save($replica.state_dict(), folder + $file)"
SHARDS = "torch.distributed.checkpoint.save(get_model_state_dict($replica), checkpoint_id=folder + $file)"
CONVERTED = "dcp_to_torch_save(folder + $file, folder + $file + '.pt')\n$to = open(folder + $file + '.pt', 'rb')"
OPENED = "$to = open(folder + $file, 'rb')"


def parallel(torch: "Torch", step: "Parallel") -> None:
    """Fork a process for each part of the data; the first one's state comes back as a checkpoint."""
    torch.idiom("Processes share no parameters: the first saves what it has, and the script loads it.")
    saves = [one for one in step.steps if isinstance(one, Save)]
    step = step.model_copy(update={"steps": [one for one in step.steps if one not in saves]}) if saves else step
    carried = free_names(step.steps, list(step.split))
    torch.emit("folder = tempfile.mkdtemp()")
    whole, given = calls_the_whole(torch, step), [*step.split, *carried]
    module = name(step.parallel) if whole else loss_module(torch, step, given)
    count = max(map(len, step.split.values()))
    with torch.apart() as body:
        work(torch, step, module, given, count, saves, whole=whole)
    args: dict[str, Fill] = {"args": tuple(map(name, carried))} if carried else {}
    torch.fill(
        "def work(rank, $*carried):\n    $*steps\n"
        "torch.multiprocessing.start_processes(work, $**args, nprocs=$count, start_method='fork')\n"
        "$parallel.load_state_dict(torch.load(f'{folder}/state'))",
        step, carried=carried, steps=body, args=args, count=count,
    )  # fmt: skip
    for one in saves:
        torch.emit(CONVERTED if is_sharded(torch) else OPENED, to=one.to, file=text(f"/{one.to}"))
        torch.effect(one)


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
    with torch.apart() as body:
        if step.passes:
            for one in passes(step):
                value = one.compute.partition("=")[2]
                torch.emit(BRANCH, which=one.binding, value=torch.expression(value))
            given = ["which", *given]
        else:
            torch.idiom(
                "What is replicated is a module whose `forward` is the loss: parameters are used inside its call."
            )
            torch.steps(step.steps)
            torch.emit("return $loss", loss=torch.expression(step.minimize))
    made = torch.fresh("Model" if step.passes else "Loss")
    torch.emit(LOSS, made=made, module=step.parallel, given=given, body=body)
    return expr("$made()", made=made)


def work(
    torch: "Torch", step: "Parallel", module: ast.expr, given: list[str], count: int, saves: list[Save], *, whole: bool
) -> None:
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
    with torch.apart() as body:
        if step.times > 1:
            torch.emit("optimizer.zero_grad()")
        if whole:
            torch.symbols.names[replica] = torch.symbols.names[step.parallel]
            steps = step.steps
            torch.steps([one.model_copy(update={"call": replica}) if isinstance(one, Call) else one for one in steps])
            loss = torch.expression(step.minimize)
        elif step.passes:
            for one in passes(step):
                which = expr("$replica('$which', $*given)", replica=replica, which=one.binding, given=given)
                torch.bind(one.binding, which)
            loss = torch.expression(step.minimize)
        else:
            loss = expr("$replica($*given)", replica=replica, given=given)
        torch.emit(STEP, loss=loss)
    torch.turns(step.times, body)
    state = expr(GATHERED if is_sharded(torch) else "$module.state_dict()", module=step.parallel)
    with torch.apart() as kept:
        for save in saves:
            torch.emit(SHARDS if is_sharded(torch) else SAVED, replica=replica, file=text(f"/{save.to}"))
    torch.body += kept if is_sharded(torch) else []
    torch.emit(TRAINED, state=state, kept=[] if is_sharded(torch) else kept)


def is_sharded(torch: "Torch") -> bool:
    """Return whether each process has a part of every parameter."""
    return torch.way.get("parallel") in {"fsdp", "fsdp-each-layer"}


def passes(step: "Parallel") -> list[Compute]:
    """Return the forward passes, each of which is a call of the wrapper."""
    return [one for one in step.steps if isinstance(one, Compute)]


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


def without_processes(verb: str) -> tuple[Lack, Lack]:
    """Return where a verb that starts a process for each device has none."""
    return (
        Lack(
            verb, lambda torch, _: torch.device == "gpu",
            "Processes on one GPU are no several devices, and a run on the GPU counts on one.",
        ),
        Lack(
            verb, lambda torch, _: torch.is_compiled(),
            "`torch.compile` traces one process; what starts others stands outside.",
        ),
    )  # fmt: skip


EACH = "parallel/fsdp-each-layer"
OTHER_FILES = {"safetensors-model", "safetensors-file", "unpickle"}
TABLES = Tables(
    code={"parallel": parallel},
    ways={"parallel": ("ddp", "ddp-find-unused", "ddp-static-graph", "fsdp", "fsdp-each-layer")},
    since={"torch.distributed.fsdp.fully_shard": "torch>=2.6"},
    also=(
        "from torch.distributed.checkpoint.format_utils import dcp_to_torch_save\n"
        "from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict\n"
        "from torch.distributed.fsdp import fully_shard"
    ),
    lacks=(
        *without_processes("parallel"),
        Lack(
            ("parallel/fsdp", EACH), reads_a_name,
            "`fully_shard` replaces the parameters of a module: a name from before keeps the old one, which is not trained.",
        ),
        Lack(
            "parallel", lambda torch, step: any(isinstance(one, Save) for one in step.steps) and torch.way.get("restore") in OTHER_FILES,
            "What a wrapper has is saved by its state dict.",
        ),
        Lack(EACH, has_no_layers, "A layer alone is sharded as a whole, as is a module without layers."),
        Lack(
            EACH, reads_in_a_layer,
            "`fully_shard` gathers a layer's parameters only while that layer is called: nothing else can read them.",
        ),
    ),
)  # fmt: skip
