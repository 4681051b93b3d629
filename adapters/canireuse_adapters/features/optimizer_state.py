"""The state of an optimizer: kept in a file or in memory, and given to an optimizer again."""

from collections.abc import Callable
from itertools import takewhile
from typing import TYPE_CHECKING, Any

from pydantic import Field

from canireuse.emit import Code, Emitter, Fill, Lack, Tables, Unsupported
from canireuse.spec.features import Feature
from canireuse.spec.step import Name, Step
from canireuse.spec.vocabulary import Optimizer, Update

if TYPE_CHECKING:
    from canireuse_adapters.equinox import Equinox
    from canireuse_adapters.haiku import Haiku
    from canireuse_adapters.linen import Linen
    from canireuse_adapters.tf1 import TF1

OPTIMIZERS = frozenset({"optimizer"})


class SaveOptimizer(Step):
    """Keep what an optimizer remembers of its steps: its momentum, its means, its count."""

    verb = "save_optimizer"
    binds = "optimizer-state"
    bound_by = "to"
    uses = {"save_optimizer": OPTIMIZERS}
    save_optimizer: Name
    to: Name = Field(description="A name for what is kept.")
    in_memory: bool = Field(default=False, description="Keep it in memory, for a later step; else in a file.")


class RestoreOptimizer(Step):
    """Give an optimizer what was kept of one, in place of what it remembers."""

    verb = "restore_optimizer"
    uses = {"restore_optimizer": OPTIMIZERS, "given_by": frozenset({"optimizer-state"})}
    restore_optimizer: Name
    given_by: Name = Field(alias="from", description="The name under which it was kept.")


def was_in_memory(emitter: Emitter, step: RestoreOptimizer) -> bool:
    """Return whether what is given back was kept in memory and not in a file."""
    made = emitter.symbols.names[step.given_by].made
    return isinstance(made, SaveOptimizer) and made.in_memory


def said(memory: tuple[str, str], file: tuple[str, str]) -> Code:
    """Return the code of a framework in which an optimizer is an object, for what is kept in memory and in a file."""

    def save(emitter: Emitter, step: SaveOptimizer) -> None:
        emitter.emit((memory if step.in_memory else file)[0], optimizer=step.save_optimizer, to=step.to)

    def restore(emitter: Emitter, step: RestoreOptimizer) -> None:
        code = (memory if was_in_memory(emitter, step) else file)[1]
        emitter.emit(code, optimizer=step.restore_optimizer, kept=step.given_by)

    return {"save_optimizer": save, "restore_optimizer": restore}


# -- JAX, where the state of an optimizer is a tree beside it


def state_in_linen(linen: "Linen", optimizer: str) -> str:
    """Return what the state of an optimizer is called."""
    return linen.optimizers[optimizer].state


def state_in_haiku(haiku: "Haiku", optimizer: str) -> str:
    """Return what the state of an optimizer is called."""
    return haiku.optimizers[optimizer].moments


def state_in_equinox(eqx: "Equinox", optimizer: str) -> str:
    """Return what the state of an optimizer is called."""
    if optimizer not in eqx.optimizers:
        raise Unsupported(eqx.lost)
    return eqx.optimizers[optimizer].state


def said_of_trees(state_of: Callable[[Any, str], str], saved: str, restored: str) -> Code:
    """Return the code of a library in which the state of an optimizer is a tree that has a name."""

    def save(emitter: Emitter, step: SaveOptimizer) -> None:
        fills: dict[str, Fill] = {"state": state_of(emitter, step.save_optimizer), "to": step.to}
        emitter.emit("$to = $state" if step.in_memory else saved, **fills)

    def restore(emitter: Emitter, step: RestoreOptimizer) -> None:
        fills: dict[str, Fill] = {"state": state_of(emitter, step.restore_optimizer), "kept": step.given_by}
        emitter.emit("$state = $kept" if was_in_memory(emitter, step) else restored, **fills)

    return {"save_optimizer": save, "restore_optimizer": restore}


# -- TensorFlow 1


def variables(tf1: "TF1", optimizer: str, step: Step) -> str:
    """Return the code for the variables that an optimizer has, once it took a step."""
    if tf1.made(optimizer).kind == "sgd":
        raise Unsupported("An optimizer of `tf1.train` that keeps nothing has no variables that could be saved.")
    before = takewhile(lambda one: one is not step, tf1.facts.steps)
    if not any(isinstance(one, Update) and one.update == optimizer for one in before):
        raise Unsupported(
            "An optimizer of `tf1.train` has its variables from its first step on, and loads none before."
        )
    return "$optimizer.variables()"


def save_in_tf1(tf1: "TF1", step: SaveOptimizer) -> None:
    """Save the variables of the optimizer by their names."""
    found, session = variables(tf1, step.save_optimizer, step), "None" if tf1.eager else "session"
    values = f"[variable.numpy() for variable in {found}]" if tf1.eager else f"session.run({found})"
    saver = f"tf1.train.Saver({found}).save({session}, tempfile.mkdtemp() + '/model')"
    tf1.emit(f"$to = {values if step.in_memory else saver}", optimizer=step.save_optimizer, to=step.to)


def restore_in_tf1(tf1: "TF1", step: RestoreOptimizer) -> None:
    """Restore by name, or put back the values in the order of the variables."""
    found, session = variables(tf1, step.restore_optimizer, step), "None" if tf1.eager else "session"
    load = "variable.assign(value)" if tf1.eager else "variable.load(value, session)"
    values = f"for variable, value in zip({found}, $kept):\n    {load}"
    code = values if was_in_memory(tf1, step) else f"tf1.train.Saver({found}).restore({session}, $kept)"
    tf1.emit(code, optimizer=step.restore_optimizer, kept=step.given_by)


IN_TF2 = said(
    (
        "$to = [variable.numpy() for variable in $optimizer.variables]",
        "for variable, value in zip($optimizer.variables, $kept):\n    variable.assign(value)",
    ),
    (
        "$to = tf.train.Checkpoint(optimizer=$optimizer).save(tempfile.mkdtemp() + '/model')",
        "tf.train.Checkpoint(optimizer=$optimizer).restore($kept)",
    ),
)
IN_TORCH = said(
    ("$to = $optimizer.state_dict()", "$optimizer.load_state_dict($kept)"),
    (
        "$to = BytesIO()\ntorch.save($optimizer.state_dict(), $to)",
        "$kept.seek(0)\n$optimizer.load_state_dict(torch.load($kept))",
    ),
)
BY_NAME = """\
def $by_name(optimizer, kept):
    (group,), names = kept['param_groups'], optimizer.param_groups[0]['param_names']
    numbers = dict(zip(group['param_names'], group['params']))
    state = {at: kept['state'][numbers[name]] for at, name in enumerate(names) if numbers[name] in kept['state']}
    return {'state': state, 'param_groups': [{**group, 'params': [*range(len(names))], 'param_names': names}]}
$optimizer.register_load_state_dict_pre_hook($by_name)
"""


def restore_in_torch(torch: Emitter, step: RestoreOptimizer) -> None:
    """Load the state; where names were handed over, by a hook that numbers it anew by them."""
    made = torch.symbols.names[step.restore_optimizer].made
    if isinstance(made, Optimizer) and made.named:
        torch.idiom(
            "Loading goes by position: users map the state by `param_names` in a hook, as PyTorch's documentation has it."
        )
        torch.emit(BY_NAME, optimizer=step.restore_optimizer, by_name=torch.fresh("by_name"))
    load = IN_TORCH["restore_optimizer"]
    assert not isinstance(load, str)
    load(torch, step)


IN_KERAS = said(
    ("$to = {}\n$optimizer.save_own_variables($to)", "$optimizer.load_own_variables($kept)"),
    (
        "store = {}\n$optimizer.save_own_variables(store)\n$to = tempfile.mkdtemp() + '/optimizer.npz'\nnp.savez($to, **store)",
        "$optimizer.load_own_variables(np.load($kept))",
    ),
)
IN_NNX = said(
    ("$to = nnx.state($optimizer)", "nnx.update($optimizer, $kept)"),
    (
        "$to = flax.serialization.msgpack_serialize(nnx.to_pure_dict(nnx.state($optimizer)))",
        "nnx.update($optimizer, jax.tree.map(jnp.asarray, flax.serialization.msgpack_restore($kept)))",
    ),
)
INSIDE = "A function that is traced has no values that could be saved: the state of an optimizer is saved outside."
VERBS = ("save_optimizer", "restore_optimizer")

FEATURE = Feature(
    verbs=(SaveOptimizer, RestoreOptimizer),
    tables={
        "reference": Tables(
            code={
                "save_optimizer": "$to = $save_optimizer.saved()",
                "restore_optimizer": "$restore_optimizer.load($from)",
            }
        ),
        "torch": Tables(code={**IN_TORCH, "restore_optimizer": restore_in_torch}),
        "keras": Tables(code=IN_KERAS, also="import numpy as np"),
        "tf2": Tables(code=IN_TF2),
        "tensorflow1": Tables(code={"save_optimizer": save_in_tf1, "restore_optimizer": restore_in_tf1}),
        "nnx": Tables(
            code=IN_NNX,
            lacks=tuple(
                Lack(verb, lambda nnx, _: nnx.inside("traced", "jax", "loss", "tensor"), INSIDE) for verb in VERBS
            ),
        ),
        "linen": Tables(
            code=said_of_trees(
                state_in_linen,
                "$to = serialization.to_bytes($state)",
                "$state = serialization.from_bytes($state, $kept)",
            )
        ),
        "haiku": Tables(
            code=said_of_trees(state_in_haiku, "$to = pickle.dumps($state)", "$state = pickle.loads($kept)"),
        ),
        "equinox": Tables(
            code=said_of_trees(
                state_in_equinox,
                "$to = BytesIO()\neqx.tree_serialise_leaves($to, $state)",
                "$kept.seek(0)\n$state = eqx.tree_deserialise_leaves($kept, $state)",
            )
        ),
    },
)
