"""Several devices in Flax Linen: a step on replicas or over a mesh, which takes a tree and returns one."""

import ast
from typing import TYPE_CHECKING

from canireuse.emit import Fill, Tables, Unsupported, expr, literal, statements
from canireuse.spec.step import Array
from canireuse.spec.vocabulary import Train
from canireuse_adapters.features.shard import MESH, SINCE, cut
from canireuse_adapters.linen import learning

if TYPE_CHECKING:
    from canireuse_adapters.features.parallel import Parallel
    from canireuse_adapters.linen import Linen


def parallel(linen: "Linen", step: "Parallel") -> None:
    """Take a step on replicas, or on one program over a mesh, with the mean of the gradients."""
    if linen.writing:
        raise Unsupported(
            "A function over several devices is called by the program itself, from no function that is traced."
        )
    tree, wanted = learning.trained(linen, step.parallel)
    if "batch_stats" in tree.collections:
        raise Unsupported(
            "Running statistics on several devices are several; the user says how they are brought together."
        )
    mapped = linen.way.get("parallel") == "pmap"
    names = list(step.split)
    stacked = all(not isinstance(value, list) for one in step.split.values() for value in one)
    sgd = Train(train="sgd", minimize=step.minimize, wrt=step.parallel, rate=step.rate)
    linen.emit("optimizer = $made", made=learning.transformation(linen, sgd, tree, wanted))
    with linen.function() as body:
        if not mapped and stacked:
            for one in names:
                linen.emit("$name = $name[0]", name=one)
        loss, _ = learning.objective(linen, step.steps, step.minimize, tree.name, "loss" if mapped else "mean_loss")
        grads = learning.slopes(linen, loss, tree, further=False)
        grads = expr("jax.lax.pmean($grads, 'parts')", grads=grads) if mapped else grads
        params = tree.collection("params")
        linen.emit("updates, _ = optimizer.update($grads, optimizer.init($params))", grads=grads, params=params)
        value = expr("optax.apply_updates($params, updates)", params=params)
        linen.emit(
            "return {**$tree, 'params': $value}" if tree.is_whole else "return $value", tree=tree.name, value=value
        )
    linen.emit("def step($*taken):\n    $*body", taken=[tree.name, *names], body=body)
    if mapped:
        linen.idiom("`flax.jax_utils` copies the parameters to each device, and takes one copy back.")
        parts: list[Fill] = [expr("jnp.array($x)", x=literal(values)) for values in step.split.values()]
        taken = statements(
            "$tree = jax_utils.unreplicate(jax.pmap(step, axis_name='parts')(jax_utils.replicate($tree), $*parts))",
            tree=tree.name,
            parts=parts,
        )
    else:
        parts = [cut(expr("jnp.array($x)", x=literal(together(values)))) for values in step.split.values()]
        specs = [expr("jax.P()"), *(expr("jax.P('parts')") for _ in names)]
        taken = statements(
            "$tree = jax.jit(jax.shard_map(step, mesh=mesh, in_specs=$specs, out_specs=jax.P()))(jax.device_put($tree, jax.NamedSharding(mesh, jax.P())), $*parts)",
            tree=tree.name, specs=ast.Tuple(specs, ast.Load()), parts=parts,
        )  # fmt: skip
    linen.turns(step.times, taken)
    tree.written()


def together(values: list[Array]) -> list[object]:
    """Return the parts of a value as one, that is cut along its first axis."""
    if all(isinstance(value, list) for value in values):
        return [row for value in values if isinstance(value, list) for row in value]
    return list(values)


TABLES = Tables(
    code={"parallel": parallel},
    setup={"parallel": MESH, "parallel/pmap": ""},
    ways={"parallel": ("pmap", "shard_map")},
    since={"jax.shard_map": "jax>=0.6.1", **SINCE},
    also="from flax import jax_utils",
)
