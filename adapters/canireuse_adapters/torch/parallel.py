"""Several devices in PyTorch: one process a device, with `DistributedDataParallel` or `fully_shard`."""

from canireuse.translation import Unsupported
from canireuse.vocabulary import Call, Compute, Parallel, walk
from canireuse_adapters.torch.blocks import carried_into, places_of, read_in, texts
from canireuse_adapters.torch.owners import OWNERS
from canireuse_adapters.torch.running import TorchRunning


class TorchParallel(TorchRunning):
    """Words one data-parallel step over two processes."""

    def parallel(self, step: Parallel) -> None:
        """Fork a process for each part of the data; the first one's state comes back as a checkpoint."""
        if self.device == "gpu":
            raise Unsupported("Processes on one GPU are no several devices, and a run on the GPU counts on one.")
        if self.compiling:
            raise Unsupported("`torch.compile` traces one process; what starts others stands outside.")
        self.import_first("import tempfile")
        self.idiom("Processes share no parameters: the first saves what it has, and the script loads it.")
        folder, work = self.free("folder"), self.free("work")
        carried = carried_into(step.steps, list(step.split))
        self.write(f"{folder} = tempfile.mkdtemp()")
        whole = self.calls_the_whole(step)
        if not whole:
            self.loss_module(step, carried)
        with self.block(f"def {work}({', '.join(['rank', *carried])}):"):
            self.work(step, folder, whole=whole, carried=carried)
        given = f"args=({', '.join(carried)},), " if carried else ""
        count = max(map(len, step.split.values()))
        self.write(f"torch.multiprocessing.start_processes({work}, {given}nprocs={count}, start_method='fork')")
        self.write(f"{step.parallel}.load_state_dict(torch.load(f'{{{folder}}}/state'))")

    def calls_the_whole(self, step: Parallel) -> bool:
        """Return whether nothing but calls of the module itself uses its parameters."""
        calls = [one for one in step.steps if isinstance(one, Call)]
        if not calls or any(one.call != step.parallel or one.given for one in calls):
            return False
        return all(isinstance(one, Call | Compute) for one in step.steps) and not self.reads_variables(step)

    def reads_variables(self, step: Parallel) -> bool:
        """Return whether an expression in the step reads a variable by itself."""
        inner = {one.binding for one in walk(step.steps)} | set(step.split)
        places = [place for one in [step, *walk(step.steps)] for text in texts(one) for place in read_in(text)]
        return any(not self.is_tensor(place) for place in places if place not in inner)

    def is_tensor(self, place: str) -> bool:
        """Return whether a place is known to hold no variable."""
        thing = self.find(place)
        return thing is not None and thing.kind == "tensor"

    def loss_module(self, step: Parallel, carried: list[str]) -> None:
        """Write a module whose `forward` computes the loss, so that all parameters are used inside a call."""
        self.idiom("What is replicated is a module whose `forward` is the loss: parameters are used inside its call.")
        with self.block(f"class {self.free('Loss')}(nn.Module):"):
            with self.block("def __init__(self):"):
                self.write("super().__init__()")
                self.write(f"self.inner = {step.parallel}")
            with self.block(f"def forward({', '.join(['self', *step.split, *carried])}):"):
                self.steps(step.steps)
                self.write(f"return {self.expression(step.minimize)}")

    def work(self, step: Parallel, folder: str, *, whole: bool, carried: list[str]) -> None:
        """Write what each process does."""
        meeting = f"init_method=f'file://{{{folder}}}/meeting'"
        count = max(map(len, step.split.values()))
        self.write(f"torch.distributed.init_process_group('gloo', {meeting}, rank=rank, world_size={count})")
        for name, values in step.split.items():
            self.write(f"{name} = [{', '.join(self.array(repr(value)) for value in values)}][rank]")
        replica = self.free("replica")
        self.write(f"{replica} = {self.wrapped(step, whole=whole)}")
        self.write(f"optimizer = torch.optim.SGD({replica}.parameters(), lr={step.rate})")
        if whole:
            self.replicas = {step.parallel: replica}
            self.steps(step.steps)
            self.replicas = {}
            self.write(f"loss = {self.expression(step.minimize)}")
        else:
            self.write(f"loss = {replica}({', '.join([*step.split, *carried])})")
        self.write("loss.backward()")
        self.write("optimizer.step()")
        self.write(f"{self.free('trained')} = {self.state_of(step.parallel)}")
        with self.block("if rank == 0:"):
            self.write(f"torch.save({self.free('trained')}, f'{{{folder}}}/state')")

    def wrapped(self, step: Parallel, *, whole: bool) -> str:
        """Return the words that replicate or shard a module; each layer may be a group of its own."""
        way, module = self.way.get("parallel", "ddp"), step.parallel if whole else f"{self.free('Loss')}()"
        if way.startswith("ddp"):
            unused = ", find_unused_parameters=True" if way == "ddp-find-unused" else ""
            return f"nn.parallel.DistributedDataParallel({module}{unused})"
        self.check_names(step)
        self.further.add("from torch.distributed.fsdp import fully_shard")
        if way == "fsdp-each-layer":
            self.check_layers(step)
            with self.block(f"for layer in {step.parallel}.children():"):
                self.write("fully_shard(layer)")
        return f"fully_shard({module})"

    def check_names(self, step: Parallel) -> None:
        """Refuse to shard what is read by a name of its own: sharding replaces the parameters of a module."""
        places = [place for one in [step, *walk(step.steps)] for place in places_of(one) if "." not in place]
        if any(thing.kind == "variable" for thing in map(self.find, places) if thing):
            raise Unsupported(
                "`fully_shard` replaces the parameters of a module: a name from before keeps the old one, which is not trained."
            )

    def check_layers(self, step: Parallel) -> None:
        """Refuse to shard each layer by itself where there are none, or where a parameter is read outside its layer."""
        thing = self.find(step.parallel)
        parts = thing.parts.values() if thing else []
        if not any(part.kind in OWNERS for part in parts):
            raise Unsupported("A layer alone is sharded as a whole, as is a module without layers.")
        if any(self.is_part_of_a_layer(place) for one in [step, *walk(step.steps)] for place in places_of(one)):
            raise Unsupported(
                "`fully_shard` gathers a layer's parameters only while that layer is called: nothing else can read them."
            )

    def is_part_of_a_layer(self, place: str) -> bool:
        """Return whether a place is a variable of a layer."""
        owner, thing = self.find(place.rpartition(".")[0]), self.find(place)
        return owner is not None and owner.kind == "layer" and thing is not None and thing.kind not in OWNERS

    def state_of(self, module: str) -> str:
        """Return the words for the state of a module, gathered from the processes where it is sharded."""
        if self.way.get("parallel", "ddp").startswith("ddp"):
            return f"{module}.state_dict()"
        names = "StateDictOptions, get_model_state_dict"
        self.further.add(f"from torch.distributed.checkpoint.state_dict import {names}")
        return f"get_model_state_dict({module}, options=StateDictOptions(full_state_dict=True))"
