"""What changes all variables of a Keras model at once: dtypes, devices, memory, quantization, and several devices."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from canireuse.translation import Unsupported
from canireuse.vocabulary import Call, Cast, Expect, Materialize, Move, Parallel, Quantize, Shard, walk
from canireuse_adapters.keras.learning import KerasLearning
from canireuse_adapters.keras.owners import copied
from canireuse_adapters.keras.places import Thing, mentions
from canireuse_adapters.keras.saving import NO_CONFIG, KerasSaving, class_of
from canireuse_adapters.kinds import OtherKind

#: collectives between virtual CPUs are not needed where one of them can add up
STRATEGY = "tf.distribute.MirroredStrategy(['cpu:0', 'cpu:1'], cross_device_ops=tf.distribute.ReductionToOneDevice())"
TWO_DEVICES = (
    "tf.config.set_logical_device_configuration("
    "tf.config.list_physical_devices('CPU')[0], [tf.config.LogicalDeviceConfiguration()] * 2)"
)


class KerasDevices(KerasSaving, KerasLearning):
    """What Keras says about dtypes and devices of what is there already."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        #: what is called under another name for now, as in a replica
        self.stand_ins: dict[str, str] = {}

    @contextmanager
    def devices(self) -> Iterator[None]:
        """Write what has to be said of several devices before anything is made on them."""
        several = any(isinstance(step, Move | Parallel) for step in self.spec)
        parallel = any(isinstance(step, Parallel) for step in self.spec)
        if several and self.engine == "tensorflow":
            self.write(TWO_DEVICES)
        if parallel and self.engine == "jax":
            self.write("keras.distribution.set_distribution(keras.distribution.DataParallel())")
        if not parallel or self.engine != "tensorflow":
            yield
            return
        self.write(f"strategy = {STRATEGY}")
        with self.block("with strategy.scope():"):
            yield

    # -- dtype, device, memory

    def made_anew(self, name: str, new: str, config: str = "") -> None:
        """Write a second object made from the config of the first, to which the values are handed."""
        thing, words = self.thing(name), self.place(name)
        if thing is None or self.lacks_config(thing):
            raise Unsupported(NO_CONFIG)
        if thing.unbuilt():
            self.build(words, thing)
        other = copied(thing)
        if thing.kind == "layer":
            changed = config.format(words) if config else f"{words}.get_config()"
            self.write(f"{new} = {class_of(thing)}.from_config({changed})")
            other.built = thing.own
            self.build(new, other)
        elif thing.style == "functional":
            self.write(f"{new} = keras.models.clone_model({words}{self.clone_function(config, thing)})")
        elif config:
            raise Unsupported(
                "A dtype is handed to each layer: Keras makes single layers and functional models anew with another."
            )
        else:
            self.import_first("from copy import deepcopy")
            self.write(f"{new} = deepcopy({words})")
            self.things[new] = other
            return
        self.write(f"{new}.set_weights({words}.get_weights())")
        self.things[new] = other

    def clone_function(self, config: str, thing: Thing) -> str:
        """Return the arguments that have each layer of a model made from a changed config."""
        if not config:
            return ""
        nested = any(member.kind == "module" for member in thing.members.values())
        layer = f"lambda layer: layer.__class__.from_config({config.format('layer')})"
        return f", clone_function={layer}{', recursive=True' if nested else ''}"

    def cast(self, step: Cast) -> None:
        """Make the object anew with another dtype, and hand over the values; or use PyTorch's own cast."""
        if self.way.get("cast") == "module":
            if self.engine != "torch":
                raise OtherKind("Keras objects are modules of PyTorch on that engine alone.")
            thing = self.thing(step.cast)
            if thing and thing.unbuilt():
                self.build(self.place(step.cast), thing)
            self.idiom("On PyTorch a Keras object is an `nn.Module`, whose own cast knows nothing of Keras.")
            self.write(f"{self.place(step.cast)}.to(torch.{step.to})")
            self.alias(step.as_, step.cast)
            return
        self.idiom("Keras fixes the dtype of a variable when it is made: users make the layers anew from their config.")
        self.made_anew(step.cast, step.as_, f"{{{{**{{}}.get_config(), 'dtype': {step.to!r}}}}}")

    def move(self, step: Move) -> None:
        """Make the object anew on another device, and hand over the values."""
        self.idiom("Keras places a variable when it is made: users make the layers anew on the other device.")
        with self.block(f"with keras.device('{'gpu' if self.device == 'gpu' else 'cpu'}:{step.device}'):"):
            self.made_anew(step.move, step.as_)

    def materialize(self, step: Materialize) -> None:
        """Build what waits for its variables."""
        thing = self.thing(step.materialize)
        if thing is None or not thing.unbuilt():
            raise Unsupported(
                "A Keras layer that has variables has their memory too: only one that was not built waits for it."
            )
        thing.hold(abstract=False)
        self.build(self.place(step.materialize), thing)
        self.alias(step.as_, step.materialize)

    def alias(self, name: str, place: str) -> None:
        """Bind a second name to what was changed in place."""
        if name != place:
            self.write(f"{name} = {self.place(place)}")
            if (thing := self.thing(place)) is not None:
                self.things[name] = thing

    def quantize(self, step: Quantize) -> None:
        """Quantize in place."""
        thing, words = self.thing(step.quantize), self.place(step.quantize)
        if thing and thing.unbuilt():
            self.build(words, thing)
        self.write(f"{words}.quantize('int8')")
        self.alias(step.as_, step.quantize)

    def reading(self, step: Expect) -> str:
        """Refuse to compare a place with itself: a model lists a layer that is used twice once, under its name."""
        if step.identical and len(set(map(self.place, step.identical))) == 1:
            raise Unsupported(
                "A Keras model keeps a layer that is used in several places once, under its name: there are no two places to compare."
            )
        return super().reading(step)

    # -- several devices

    def parallel(self, step: Parallel) -> None:
        """Take one data-parallel step, in the words of the engine."""
        thing = self.thing(step.parallel)
        if thing is None or not thing.is_keras_layer:
            raise Unsupported("Keras replicates layers and models.")
        if self.device == "gpu":
            raise Unsupported("Two replicas are worded for the CPU, which counts as two devices.")
        if self.changed_in(step):
            raise Unsupported("How running statistics of replicas are put together is left to each engine.")
        if thing.unbuilt():
            self.build(self.place(step.parallel), thing)
        self.build_for(step, calls_build=False)
        params = self.free("params")
        self.write(f"{params} = {self.place(step.parallel)}.trainable_variables")
        self.write(f"optimizer = keras.optimizers.SGD({step.rate})")
        {"tensorflow": self.mirrored, "jax": self.batch_sharded, "torch": self.replicated}[self.engine](step, thing)

    def mirrored(self, step: Parallel, _: Thing) -> None:
        """Run the step in each replica of a `MirroredStrategy`; the optimizer adds the gradients up."""
        params = self.free("params")
        self.write(f"optimizer.build({params})")
        parts = self.free("parts")
        with self.block(f"def replica_step({', '.join(step.split)}):"):
            with self.block("with tf.GradientTape() as tape:"):
                self.steps(step.steps)
                self.write(f"loss = ({self.expression(step.minimize)}) / strategy.num_replicas_in_sync")
            self.write(f"optimizer.apply(tape.gradient(loss, {params}), {params})")
        for name, values in step.split.items():
            self.write(f"{parts} = [{', '.join(map(self.expression, values))}]")
            self.write(
                f"{name} = strategy.experimental_distribute_values_from_function(lambda context: {parts}[context.replica_id_in_sync_group])"
            )
        self.write(f"strategy.run(replica_step, args=({', '.join(step.split)},))")

    def batch_sharded(self, step: Parallel, _: Thing) -> None:
        """Lay the parts out over the devices, and take the mean of their losses."""
        params = self.free("params")
        for name, values in step.split.items():
            self.write(f"{name} = {self.expression(values)}")
            self.write(
                f"{name} = keras.distribution.distribute_tensor({name}, keras.distribution.distribution().get_data_layout({name}.shape))"
            )
        with self.block("def loss(values):"), self.stateless_block(f"zip({params}, values)", params):
            with self.block(f"def part({', '.join(step.split)}):"):
                self.steps(step.steps)
                self.write(f"return {self.expression(step.minimize)}")
            self.write(f"return keras.ops.mean(jax.vmap(part)({', '.join(step.split)}))")
        self.write(f"optimizer.apply(jax.grad(loss)([param.value for param in {params}]), {params})")

    def replicated(self, step: Parallel, _: Thing) -> None:
        """Take the step in two processes, in which PyTorch averages the gradients; the first one's weights come back."""
        self.idiom("Two processes are forked from one script, where users start one each with `torchrun`.")
        self.import_first("import tempfile")
        params, work, queue = map(self.free, ("params", "replica_step", "queue"))
        self.write(f"optimizer.build({params})")
        self.write("meeting = f'file://{tempfile.mkdtemp()}/meeting'")
        with self.block(f"def {work}(rank, {queue}):"):
            self.write("torch.distributed.init_process_group('gloo', init_method=meeting, rank=rank, world_size=2)")
            for name, values in step.split.items():
                self.write(f"{name} = [{', '.join(map(self.expression, values))}][rank]")
            self.replica_loss(step)
            with self.block("with torch.no_grad():"):
                self.write(f"optimizer.apply([param.value.grad for param in {params}], {params})")
            with self.block("if rank == 0:"):
                self.write(f"{queue}.put({self.place(step.parallel)}.get_weights())")
        self.write(f"{queue} = torch.multiprocessing.get_context('fork').SimpleQueue()")
        self.write(f"torch.multiprocessing.start_processes({work}, args=({queue},), nprocs=2, start_method='fork')")
        self.write(f"{self.place(step.parallel)}.set_weights({queue}.get())")

    def replica_loss(self, step: Parallel) -> None:
        """Write the backward pass of one process, with gradients that are averaged over both."""
        if self.calls_the_whole(step):
            replica = self.free("replica")
            self.write(f"{replica} = torch.nn.parallel.DistributedDataParallel({self.place(step.parallel)})")
            self.stand_ins[step.parallel] = replica
            self.steps(step.steps)
            del self.stand_ins[step.parallel]
            self.write(f"loss = {self.expression(step.minimize)}")
            self.write("loss.backward()")
            return
        self.idiom(
            "`DistributedDataParallel` wraps one call of a model; for any other loss gradients are averaged by hand."
        )
        params = self.free("params")
        with self.block(f"for param in {params}:"):
            self.write("param.value.grad = None")
        self.steps(step.steps)
        self.write(f"loss = {self.expression(step.minimize)}")
        self.write("loss.backward()")
        with self.block(f"for param in {params}:"), self.block("if param.value.grad is not None:"):
            self.write("torch.distributed.all_reduce(param.value.grad)")
            self.write("param.value.grad /= 2")

    def calls_the_whole(self, step: Parallel) -> bool:
        """Return whether one call of the model is all that uses its variables."""
        calls = [one for one in walk(step.steps) if isinstance(one, Call)]
        if len(calls) != 1 or calls[0].call != step.parallel or calls[0].given:
            return False
        rest = [step.minimize, calls[0].on, *(one for one in walk(step.steps) if one is not calls[0])]
        held = [name for name, thing in self.things.items() if thing.is_keras_layer or thing.kind == "variable"]
        return not any(mentions(repr(one), name) for one in rest for name in held)

    def shard(self, step: Shard) -> None:
        """Lay a variable's value out over a mesh of two devices."""
        if self.engine != "jax":
            raise Unsupported("`keras.distribution` lays variables out over devices on JAX alone.")
        words = self.place(step.shard)
        mesh = self.free("mesh")
        self.write(f"{mesh} = keras.distribution.DeviceMesh([2], ['parts'], keras.distribution.list_devices())")
        self.write(f"layout = keras.distribution.TensorLayout(['parts', *[None] * (len({words}.shape) - 1)], {mesh})")
        self.write(f"{words}.assign(keras.distribution.distribute_tensor({words}.value, layout))")
