"""Several devices in Haiku: a step that `jax.pmap` maps over the parts of the data, and that averages its gradients."""

from typing import TYPE_CHECKING

from canireuse.emit import Fill, Tables, expr, literal, statements
from canireuse_adapters.haiku.learning import loss

if TYPE_CHECKING:
    from canireuse_adapters.features.parallel import Parallel
    from canireuse_adapters.haiku import Haiku

STEP = """\
def take_step($*takes):
    gradients = jax.lax.pmean(jax.grad($scalar)($*takes), 'parts')
    return jax.tree.map(lambda value, slope: value - $rate * slope, $tree, gradients)
"""
TAKEN = """\
stepped = jax.pmap(take_step, 'parts', in_axes=$axes)($tree, $*data)
$tree = jax.tree.map(lambda value: value[0], stepped)
"""


def parallel(haiku: "Haiku", step: "Parallel") -> None:
    """Map a step over two devices; each has its part of the data, and gradients are averaged."""
    tree = haiku.nets[haiku.owner(step.parallel)].trees[0]
    takes = [tree, *step.split]
    scalar = haiku.function_name("loss")
    loss(haiku, step.steps, step.minimize, takes, scalar)
    haiku.emit(STEP, scalar=scalar, takes=takes, rate=step.rate, tree=tree)
    data: list[Fill] = [expr("jnp.array($values)", values=values) for values in step.split.values()]
    axes = literal((None, *(0 for _ in step.split)))
    haiku.turns(step.times, statements(TAKEN, tree=tree, axes=axes, data=data))


TABLES = Tables(code={"parallel": parallel})
