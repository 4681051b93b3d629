"""Since which version: what a script says is found where it says it, and nowhere else."""

import pytest

from canireuse.emit.since import lacking

OLD = {"torch": "2.6.0", "flax": "0.10.2"}


@pytest.mark.parametrize(
    ("script", "wording"),
    [
        ("norm = nn.BatchNorm1d(1, eps=0.1, bias=False)", "nn.BatchNorm1d(bias=_)"),
        ("norm = torch.nn.BatchNorm1d(1, bias=False)", "_.nn.BatchNorm1d(bias=_)"),
        ("optimizer.update(root, nnx.grad(loss)(root))", "optimizer.update(_, _)"),
        ("net.update(root, 1, 2)", "_.update(_, _)"),
        ("ema = nnx.EMA(net, decay=0.5)", "nnx.EMA"),
        ("from torch.distributed.fsdp import fully_shard", "torch.distributed.fsdp.fully_shard"),
        ("net.second[...] += 1", "_[...]"),
        ("observe('a', left.trunk.kernel[...].tolist())", "_[...]"),
        ("def f(x):\n    return lambda y: torch.while_loop(x, y)", "torch.while_loop"),
        ("net.second[...] = 1", "_[...] = _"),
        ("net.second[...] += 1", "_[...] = _"),
        ("slope = nnx.grad(loss)(root).words.embedding[...]", "nnx.grad(_)(_)._[...]"),
        ("slopes = nnx.grad(loss)(root)\nslope = slopes.embedding[...]", "nnx.grad(_)(_)._[...]"),
        ("opt = nnx.Optimizer(net, tx)\ndef step():\n    opt.update(net, slopes)", "nnx.Optimizer(_, _).update(_, _)"),
        ("half = root.half = jax.tree.map(lambda leaf: leaf, net)", "_ = jax.tree.map(lambda _: _, _)"),
        ("spread = jax.P\nspread('parts')", "jax.P(_)"),
    ],
)
def test_what_a_script_says_is_found(script, wording):
    found = lacking(script, {wording: "torch>=2.12"}, OLD)
    assert found == f"since torch 2.12 (here is 2.6.0): `{wording}`"
    assert lacking(script, {wording: "torch>=2.12"}, {"torch": "2.12.1"}) is None
    assert lacking(script, {wording: "torch>=2.12"}, {}) is None


@pytest.mark.parametrize(
    ("script", "wording"),
    [
        ("norm = nn.BatchNorm1d(1, eps=0.1)", "nn.BatchNorm1d(bias=_)"),
        ("norm = nn.BatchNorm2d(1, bias=False)", "nn.BatchNorm1d(bias=_)"),
        ("optimizer.update(nnx.grad(loss)(root))", "optimizer.update(_, _)"),
        ("x = 'nnx.EMA'  # nnx.EMA", "nnx.EMA"),
        ("x[0] += 1", "_[...]"),
        ("from torch.distributed.fsdp import FullyShardedDataParallel", "torch.distributed.fsdp.fully_shard"),
        ("other.while_loop(x)", "torch.while_loop"),
        ("observe('a', net.second[...].tolist())", "_[...] = _"),
        ("slope = nnx.grad(loss)(root)[...]", "nnx.grad(_)(_)._[...]"),
        ("nnx.update(net, state)\nopt.update(net, slopes)", "nnx.Optimizer(_, _).update(_, _)"),
        ("nnx.update(net, jax.tree.map(lambda leaf: leaf, net))", "_ = jax.tree.map(lambda _: _, _)"),
        ("slope = jax.tree.map(jnp.add, one, other)", "_ = jax.tree.map(lambda _: _, _)"),
        ("while_loop = while_loop.inner", "torch.while_loop"),
    ],
)
def test_what_it_does_not_say_is_not(script, wording):
    assert lacking(script, {wording: "torch>=2.12"}, OLD) is None


def test_a_prerelease_of_the_first_version_is_one_before_it():
    assert lacking("nnx.EMA", {"nnx.EMA": "flax>=0.12.8"}, {"flax": "0.12.8.dev1"})
    assert lacking("nnx.EMA", {"nnx.EMA": "flax>=0.12.8"}, {"flax": "0.12.8+cpu"}) is None


def test_all_that_is_missing_is_told_the_newest_version_of_each_package_first():
    since = {
        "a.b": "flax>=0.10.7",
        "a.c": "flax>=0.11.0",
        "a.e": "flax>=0.11.0",
        "j.x": "jax>=0.5.3",
        "a.z": "flax>=0.13",
    }
    found = lacking("a.b, a.c, a.e, j.x", since, {"flax": "0.10.2", "jax": "0.4.36"})
    flax = "flax 0.11.0 (here is 0.10.2): `a.c`, `a.e`; flax 0.10.7 (here is 0.10.2): `a.b`"
    assert found == f"since {flax}; jax 0.5.3 (here is 0.4.36): `j.x`"
