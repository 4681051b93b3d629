"""Steps, and the words that the PyTorch adapter has for each verb."""

from typing import Any

A: dict[str, Any] = {"get": "w", "shape": [2], "init": 1, "as": "a"}
DENSE: dict[str, Any] = {
    "layer": "dense",
    "name": "one",
    "inputs": 2,
    "units": 1,
    "kernel": [[1.0], [2.0]],
    "as": "one",
}
TWO: dict[str, Any] = {**DENSE, "name": "two", "as": "two"}
NET: dict[str, Any] = {"module": "net", "members": {"a": "one", "b": "two"}}
TIED: list[dict[str, Any]] = [DENSE, TWO, {"tie": "two.kernel", "to": "one.kernel"}, NET]
CALL: dict[str, Any] = {"call": "net", "on": [[1.0, 2.0]], "as": "y"}
PARALLEL: dict[str, Any] = {"parallel": "net", "split": {"x": [[[1.0, 2.0]], [[3.0, 4.0]]]}, "minimize": "sum(y)"}
WORDS: dict[str, tuple[list[dict[str, Any]], dict[str, str], str]] = {
    "norm": (
        [{"layer": "norm", "inputs": 2, "units": 2, "as": "n"}, {"call": "n", "on": [[1.0, 2.0]]}],
        {},
        "n = nn.BatchNorm1d(2, eps=0.001, momentum=0.1, bias=False)\nnn.init.constant_(n.weight, 1.0)\nn.eval()\nn(",
    ),
    "cell": ([{"layer": "cell", "inputs": 2, "units": 1, "bias": 0.5, "as": "c"}], {}, "c.bias_hh = None\n"),
    "dropped": ([DENSE, {"drop": "one"}], {}, "one = nn.Linear(2, 1, bias=False)\n"),
    "dtype": (
        [{"scope": "s", "dtype": "float64", "steps": [A]}],
        {},
        ("torch.set_default_dtype(torch.float64)\nroot.s.register_parameter('w', nn.Parameter(torch.full([2], 1.0)))\n"
        "a = root.s.w\ntorch.set_default_dtype(torch.float32)\n"),
    ),
    "local": ([{**A, "local": True}], {}, "root.register_buffer('w', torch.full([2], 1.0), persistent=False)\n"),
    "current scope": ([{"scope": "s", "steps": [{"current_scope": "here"}]}], {}, "here = root.s\n"),
    "given": (
        [*TIED, {**CALL, "given": {"a.kernel": [[3.0], [4.0]]}}],
        {},
        "torch.func.functional_call(net, {'a.weight': torch.tensor([[3.0], [4.0]]).T}, (torch.tensor([[1.0, 2.0]]),))",
    ),
    "replace": ([*TIED, {"replace": "net.b", "by": "one"}], {}, "net.b = one\n"),
    "shallow": ([DENSE, {"copy": "one", "shallow": True, "as": "c"}], {"copy": "deepcopy"}, "c = copy(one)\n"),
    "pickle": ([DENSE, {"copy": "one", "as": "c"}], {"copy": "pickle"}, "c = torch.load(file, weights_only=False)\n"),
    "only": (
        [*TIED, {"save": "net", "only": ["a", "b.kernel"], "to": "k"}],
        {},
        "torch.save({**net.a.state_dict(prefix='a.'), 'b.weight': net.b.weight}, k)",
    ),
    "partial": ([DENSE, {"save": "one", "to": "k"}, {"restore": "one", "from": "k", "partial": True}], {}, "strict=False"),
    "quantize": ([*TIED, {"quantize": "net", "as": "q"}], {}, "quantize_dynamic(net, {nn.Linear})\n"),
    "quantize one": ([*TIED, {"quantize": "net.a", "as": "q"}], {}, "quantize_dynamic(net, {'a'}, inplace=True)\nq = net.a\n"),
    "remat": (
        [A, {"gradient": "g", "of": "sum(h)", "wrt": "a", "remat": True, "steps": [{"compute": "h = 2 * a"}]}],
        {},
        ("def g_loss():\n    h = 2 * a\n    return torch.sum(h)\n"
        "g = torch.autograd.grad(torch.utils.checkpoint.checkpoint(g_loss, use_reentrant=False), a)[0]\n"),
    ),
    "optimizer": (
        [*TIED, {"optimizer": "o", "kind": "adamw", "over": ["one", "two.kernel"]}],
        {},
        "o = torch.optim.AdamW([*one.parameters(), two.weight], lr=0.1, weight_decay=0.0)\n",
    ),
    "update": (
        [A, {"optimizer": "o", "over": "a", "clip": 1.0}, {"update": "o", "minimize": ["sum(a)", "sum(2 * a)"]}],
        {},
        ("o.zero_grad()\nloss = torch.sum(a)\nloss.backward()\nloss = torch.sum(2 * a)\nloss.backward()\n"
        "nn.utils.clip_grad_norm_([a], 1.0)\no.step()\n"),
    ),
    "average": (
        [*TIED, {"average": "net", "as": "avg"}, {"track": "avg"}, {"read": "avg.a.kernel"}],
        {},
        "avg.update_parameters(net)\navg.module.a.weight.T.tolist()\n",
    ),
    "hook": ([A, {"hook": "a", "times": 2}], {}, "a.register_hook(lambda grad: 2 * grad)\n"),
    "scan": (
        [A, {"compute": "h = 2 * a"}, {"scan": "h", "to": "h * a", "times": 3}],
        {},
        ("def h_loop(h):\n    return torch.while_loop(lambda turn, h: turn < 3, lambda turn, h: (turn + 1, h * a), "
        "(torch.tensor(0), h))[1]\nh = h_loop(h)\n"),
    ),
    "vectorize": (
        [A, {"vectorize": "z", "over": "[1.0, 2.0]", "each": "e", "returns": "e * a"}],
        {},
        "z = torch.vmap(lambda e: e * a)(torch.tensor([1.0, 2.0]))\n",
    ),
    "cast": ([DENSE, {"cast": "one", "to": "float16", "as": "c"}], {}, "c = one.to(torch.float16)\n"),
    "cast by swapping": (
        [DENSE, {"cast": "one", "to": "float16", "as": "c"}],
        {"cast": "to-swap"},
        "torch.__future__.set_swap_module_params_on_conversion(True)\nc = one.to(torch.float16)\n",
    ),
    "data parallel": (
        [*TIED, {**PARALLEL, "steps": [{**CALL, "on": "x"}]}],
        {"parallel": "ddp"},
        ("    replica = nn.parallel.DistributedDataParallel(net)\n"
        "    optimizer = torch.optim.SGD(replica.parameters(), lr=0.1)\n    y = replica(x)\n"),
    ),
    "sharded": (
        [*TIED, {**PARALLEL, "steps": [{**CALL, "on": "x"}]}],
        {"parallel": "fsdp-each-layer"},
        "    for layer in net.children():\n        fully_shard(layer)\n    replica = fully_shard(net)\n",
    ),
    "a loss as a module": (
        [DENSE, {"parallel": "one", "split": {"x": [1.0, 2.0]}, "minimize": "sum(x * one.kernel)"}],
        {"parallel": "ddp"},
        "        return torch.sum(x * one.weight.T)\n",
    ),
}  # fmt: skip
