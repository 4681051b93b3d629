import ast
import os
from importlib.util import find_spec

import pytest

from canireuse.emit import Script, statements
from canireuse.run.hosts import Host
from canireuse_adapters.linen import Linen
from tests.adapters.timed import PRODUCT, seconds, without_fence

needs_flax = pytest.mark.skipif(find_spec("flax") is None, reason="Flax is not installed")

IN_ORDER = """
import jax
import jax.numpy as jnp
product = jax.jit(jnp.matmul)
large, small = jnp.ones([700, 700]), jnp.ones([2, 2])
jax.block_until_ready((product(large, large), product(small, small)))
before = [product(large, large) for _ in range(4)]
last = product(small, small)
observe('at-once', before[-1].is_ready())
last.block_until_ready()
observe('in-order', all(one.is_ready() for one in before))
"""


@needs_flax
@pytest.mark.parametrize("pinned", [False, True])
def test_without_its_fence_a_loop_of_jax_is_timed_before_it_is_done(load_spec, pinned):
    """A compiled product of two large matrices is dispatched to a thread of its own, on one core as on several."""
    text = Linen().translate(load_spec(PRODUCT).spec).text
    without = without_fence(text)
    assert "measure('product')" in without
    host = Host(Linen, device="cpu")
    if pinned and hasattr(os, "sched_getaffinity"):
        host.core = max(os.sched_getaffinity(0))
    try:
        assert host.ready() is None
        assert seconds(host, without) < seconds(host, text) / 4
    finally:
        host.stop()


@needs_flax
def test_what_was_started_last_is_done_last():
    """The fence waits for what the last turn has bound alone: light work that follows heavy work does not overtake it."""
    host = Host(Linen, device="cpu")
    try:
        outcome = host.run(Script(IN_ORDER), "<order>")
    finally:
        host.stop()
    assert outcome.observations == {"at-once": False, "in-order": True}


def test_what_a_loop_binds_is_waited_for():
    body = statements("params, (a, state) = step(params, state)\ny = x = f(y)\ng(z)")
    assert Linen().awaited(body) == ["params", "a", "state", "y", "x"]
    fences = {"y = f(x)": "lambda: jax.block_until_ready(y)", "y, z = f(x)": "lambda: jax.block_until_ready((y, z))"}
    for code, fence in fences.items():
        made = Linen().fence(statements(code))
        assert made is not None
        assert ast.unparse(made) == fence
    assert Linen().fence(statements("f(x)")) is None
