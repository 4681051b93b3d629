"""Several devices in Equinox: the examples laid out over both and the model on each; XLA parts the work."""

from typing import TYPE_CHECKING

from canireuse.emit import Fill, Tables, Unsupported, expr, literal, statements
from canireuse_adapters.equinox.checkpoints import on_devices
from canireuse_adapters.equinox.learning import combined, filtered, loss, parted, trained_at
from canireuse_adapters.equinox.places import Tensor
from canireuse_adapters.features.shard import MESH, SINCE, cut

if TYPE_CHECKING:
    from canireuse_adapters.equinox import Equinox
    from canireuse_adapters.features.parallel import Parallel


def parallel(eqx: "Equinox", step: "Parallel") -> None:
    """Lay the examples out over two devices and the model on both; XLA parts the work."""
    eqx.pure_only("train")
    spot, names = eqx.locate(step.parallel), list(step.split)
    if spot.route:
        raise Unsupported("What is updated is a tree by itself; this is part of another.")
    trained = filtered(eqx, trained_at(eqx, step.parallel))
    chosen = parted(eqx, trained)
    eqx.symbols.names |= {one: Tensor("tensor", axes=eqx.axes(parts[0])) for one, parts in step.split.items()}
    word, mean = eqx.fresh("loss"), eqx.fresh("mean_loss")
    if loss(eqx, trained, step.steps, step.minimize, word=word, takes=names):
        raise Unsupported(
            "On several devices a norm takes its statistics over the examples of one, and the states of both would have to be put together."
        )
    eqx.writing()
    given: dict[str, Fill] = {
        "loss": word, "mean": mean, "grads": eqx.own("grads"), "chosen": chosen, "rate": step.rate,
        "taken": [eqx.own("trained") if trained.spec else spot.name, *names],
        "axes": [literal(None), *(literal(0) for _ in names)],
    }  # fmt: skip
    eqx.emit("def $mean($*taken):\n    return jnp.mean(eqx.filter_vmap($loss, in_axes=($*axes,))($*taken))", **given)
    for one, parts in step.split.items():
        eqx.bind(one, cut(eqx.array(literal(parts))))
    where = expr("jax.NamedSharding(mesh, jax.P())")
    eqx.emit(f"$tree = {on_devices(eqx, step.parallel)}", tree=chosen, where=where)
    eqx.spread.add(spot.name)
    taken = statements(
        "$grads = eqx.filter_jit(eqx.filter_grad($mean))($*taken)\n"
        "$chosen = eqx.apply_updates($chosen, jax.tree.map(lambda grad: -$rate * grad, $grads))",
        **given,
    )
    eqx.turns(step.times, taken)
    eqx.body += combined(eqx, trained)


TABLES = Tables(code={"parallel": parallel}, setup={"parallel": MESH}, since=SINCE)
