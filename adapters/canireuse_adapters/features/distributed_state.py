"""Distributed state dicts: a model and its optimizer are saved where several processes train, and go on in others there."""

from typing import TYPE_CHECKING

from pydantic import Field

from canireuse.emit import Tables, expr
from canireuse.spec.features import Feature
from canireuse.spec.step import Name, Step
from canireuse_adapters.features.parallel.torch import without_processes

if TYPE_CHECKING:
    from canireuse_adapters.torch import Torch


class ResumeDistributed(Step):
    """Train on two devices by two steps of momentum, save model and optimizer together, and take one step more with others that load both.

    The loss is the sum of the outputs, of 1 on the first device and of 3 on the second; the rate is 0.05.
    """

    verb = "resume_distributed"
    probes = True
    on_devices = True
    uses = {"resume_distributed": frozenset({"module"}), "into": frozenset({"module"})}
    resume_distributed: Name
    into: Name = Field(description="A model of the same form, which loads what was saved.")


#: way -> what replicates or shards a module
WRAPPED = {"ddp": "nn.parallel.DistributedDataParallel($module)", "fsdp": "fully_shard($module)"}
IN_TORCH = """\
folder = tempfile.mkdtemp()
def train(model, optimizer, inputs):
    optimizer.zero_grad()
    torch.sum(model(inputs)).backward()
    optimizer.step()
def work(rank):
    torch.distributed.init_process_group('gloo', init_method=f'file://{folder}/meeting', rank=rank, world_size=2)
    inputs = [torch.tensor([[1.0]]), torch.tensor([[3.0]])][rank]
    replica = $replica
    optimizer = torch.optim.SGD(replica.parameters(), lr=0.05, momentum=0.9)
    train(replica, optimizer, inputs)
    train(replica, optimizer, inputs)
    model_state, optimizer_state = get_state_dict(replica, optimizer)
    torch.distributed.checkpoint.save({'model': model_state, 'optimizer': optimizer_state}, checkpoint_id=f'{folder}/kept')
    replica = $resumed
    optimizer = torch.optim.SGD(replica.parameters(), lr=0.05, momentum=0.9)
    model_state, optimizer_state = get_state_dict(replica, optimizer)
    torch.distributed.checkpoint.load({'model': model_state, 'optimizer': optimizer_state}, checkpoint_id=f'{folder}/kept')
    set_state_dict(replica, optimizer, model_state_dict=model_state, optim_state_dict=optimizer_state)
    train(replica, optimizer, inputs)
    resumed = get_model_state_dict(replica, options=StateDictOptions(full_state_dict=True))
    if rank == 0:
        torch.save(resumed, f'{folder}/state')
torch.multiprocessing.start_processes(work, nprocs=2, start_method='fork')
$into.load_state_dict(torch.load(f'{folder}/state'))
"""


def in_torch(torch: "Torch", step: ResumeDistributed) -> None:
    """Fork a process for each device; what they came to is loaded into the model that went on."""
    torch.idiom("Processes share no parameters: the first saves what it has, and the script loads it.")
    wrapped = WRAPPED[torch.way["resume_distributed"]]
    replica, resumed = (expr(wrapped, module=torch.place(one)) for one in (step.resume_distributed, step.into))
    torch.fill(IN_TORCH, step, replica=replica, resumed=resumed)


def missing(reason: str) -> Tables:
    """Return what a framework says that has no state dicts of this kind."""
    return Tables(missing={"resume_distributed": reason})


OBJECTS = "State dicts that go by names on several processes are PyTorch's: a `tf.train.Checkpoint` holds model and optimizer as objects, one variable each, whatever the strategy."
FEATURE = Feature(
    verbs=(ResumeDistributed,),
    tables={
        "reference": missing("The contract does not cover what several processes save."),
        "torch": Tables(
            code={"resume_distributed": in_torch},
            ways={"resume_distributed": ("ddp", "fsdp")},
            since={"torch.distributed.fsdp.fully_shard": "torch>=2.6"},
            also="from torch.distributed.checkpoint.state_dict import get_state_dict, set_state_dict",
            lacks=without_processes("resume_distributed"),
        ),
        "keras": missing(OBJECTS),
        "tf2": missing(OBJECTS),
        "tensorflow1": missing("A `Saver` saves the variables of a graph by their names, those of an optimizer among them, on however many devices they lie."),
        "jax": missing("One process has arrays over all devices here: model and optimizer are saved as trees, as without devices."),
    },
)  # fmt: skip
