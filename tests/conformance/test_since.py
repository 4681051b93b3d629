"""Since which version: what a script says is found where it says it, and nowhere else."""

import pytest

from canireuse.since import lacking

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
    ],
)
def test_what_a_script_says_is_found(script, wording):
    found = lacking(script, {wording: "torch>=2.12"}, OLD)
    assert found == f"since torch 2.12: `{wording}`; here is 2.6.0"
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
    ],
)
def test_what_it_does_not_say_is_not(script, wording):
    assert lacking(script, {wording: "torch>=2.12"}, OLD) is None


def test_a_prerelease_of_the_first_version_is_one_before_it():
    assert lacking("nnx.EMA", {"nnx.EMA": "flax>=0.12.8"}, {"flax": "0.12.8.dev1"})
    assert lacking("nnx.EMA", {"nnx.EMA": "flax>=0.12.8"}, {"flax": "0.12.8+cpu"}) is None
