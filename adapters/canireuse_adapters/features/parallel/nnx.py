"""Several devices in Flax NNX: a jitted step, mapped over the parts of the data by `nnx.vmap` or `nnx.shard_map`."""

import ast
from typing import TYPE_CHECKING

from canireuse.emit import Lack, Tables, Unsupported, expr, literal, name, statements
from canireuse.spec.vocabulary import walk
from canireuse_adapters.features.shard import MESH, SINCE, cut
from canireuse_adapters.nnx.layers import ONCE, at, inside_function, kind_of
from canireuse_adapters.nnx.learning import grads, loss, make, written

if TYPE_CHECKING:
    from canireuse_adapters.features.parallel import Parallel
    from canireuse_adapters.nnx import NNX

FORWARD = "A loss that is mapped over devices is pure: each would write values of its own into one variable."
JITTED = """\
@nnx.jit
def parallel_step($*own):
    $*loss
    def mean_loss($*takes):
        return jnp.mean(nnx.vmap(loss, in_axes=$axes)($*takes, $*parts))
    optimizer.update($owner, $grads)
"""
MAPPED = """\
@nnx.jit
@nnx.shard_map(mesh=mesh, in_specs=$specs, out_specs=jax.P())
def parallel_step($*own):
    $*loss
    def mean_loss($*takes):
        return jax.lax.pmean(loss($*takes, $*sliced), 'parts')
    optimizer.update($owner, $grads)
"""


def parallel(nnx: "NNX", step: "Parallel") -> None:
    """Take one step on the mean loss over data that are cut over two devices."""
    if written(nnx, step.steps) or any(one.verb in {"get", "variable", "scope"} for one in walk(step.steps)):
        raise Unsupported(FORWARD)
    mapped, parts = nnx.way["parallel"] == "shard-map", list(step.split)
    if any(one.verb == "move" for one in nnx.facts.steps):
        put = "nnx.update($owner, jax.device_put(nnx.state($owner), jax.NamedSharding(mesh, jax.P())))"
        nnx.emit(put, owner=nnx.place(step.parallel))
    optax = expr("optax.sgd($rate)", rate=step.rate)
    trained = make(nnx, "optimizer", step.parallel, "sgd", optax, step.steps, [step.minimize])
    with nnx.apart() as body:
        takes = loss(nnx, step.steps, step.minimize, trained.holder, trained.owner, parts=parts)
    state, laid_out = [*takes, "optimizer"], [cut(nnx.array(literal(values))) for values in step.split.values()]
    specs = [*[expr("jax.P()")] * len(state), *[expr("jax.P('parts')")] * len(parts)]
    nnx.emit(
        MAPPED if mapped else JITTED, own=[*state, *parts], takes=takes, parts=parts, owner=trained.holder, loss=body,
        sliced=[expr("$part[0]", part=part) for part in parts], axes=literal((*[None] * len(takes), *[0] * len(parts))),
        grads=grads(trained, "mean_loss", [name(one) for one in takes]), specs=ast.Tuple(specs, ast.Load()),
    )  # fmt: skip
    given = [*(nnx.place(one) for one in takes), expr("optimizer"), *laid_out]
    nnx.turns(step.times, statements("parallel_step($*given)", given=given))


def maps_a_loop(nnx: "NNX", step: "Parallel") -> bool:
    """Return whether a loop over time is mapped, as the layer `nnx.RNN` is one."""
    return nnx.way["parallel"] == "shard-map" and any(kind_of(one) == "rnn" for one in at(nnx, step.parallel).walk())


TABLES = Tables(
    code={"parallel": parallel},
    setup={"parallel": MESH},
    ways={"parallel": ("jit", "shard-map")},
    since={"nnx.shard_map": "flax>=0.10.4", **SINCE},
    lacks=(
        Lack("parallel", inside_function, ONCE),
        Lack(
            "parallel", maps_a_loop,
            "An `nnx.RNN` starts from a state that is alike on all devices, and `jax.shard_map` refuses the loop that makes it differ.",
        ),
    ),
)  # fmt: skip
