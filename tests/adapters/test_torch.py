"""Tests of the PyTorch adapter: its wording anywhere, and what the words do where torch is installed."""

import importlib.util
from collections.abc import Iterator
from typing import Any

import pytest

from canireuse.emit import Unsupported
from canireuse.run.hosts import Host
from canireuse.run.outcome import Outcome
from canireuse.spec.model import Spec
from canireuse_adapters.torch import Torch

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
#: verb -> what no spec of ours brings out
CODE: dict[str, tuple[list[dict[str, Any]], dict[str, str], str]] = {
    "cell": ([{"layer": "cell", "inputs": 2, "units": 1, "bias": 0.5, "as": "c"}], {}, "c.bias_hh = None\n"),
    "only": (
        [*TIED, {"save": "net", "only": ["a", "b.kernel"], "to": "k"}],
        {},
        "torch.save({**net.a.state_dict(prefix='a.'), 'b.weight': net.b.weight}, k)",
    ),
    "quantize one": ([*TIED, {"quantize": "net.a", "as": "q"}], {}, "quantize_dynamic(net, {'a'}, inplace=True)\nq = net.a\n"),
    "optimizer": (
        [*TIED, {"optimizer": "o", "kind": "adamw", "over": ["one", "two.kernel"]}],
        {},
        "o = torch.optim.AdamW([*one.parameters(), two.weight], lr=0.1, weight_decay=0.0)\n",
    ),
}  # fmt: skip


def spec(*steps: dict[str, Any]) -> Spec:
    """Return a spec of these steps."""
    about = "A spec of a test, which is never shown to anybody."
    return Spec.model_validate(
        {"title": "A spec of a test", "about": about, "sources": ["none"], "contract": "sharing", "steps": list(steps)}
    )


def script(*steps: dict[str, Any], device: str = "cpu", **way: str) -> str:
    """Return the script for these steps, without its imports."""
    text = Torch(device, way).translate(spec(*steps)).text
    return text.partition("from torch import nn\n")[2]


@pytest.mark.parametrize("name", CODE)
def test_each_verb_has_the_words_that_users_write(name: str) -> None:
    steps, way, code = CODE[name]
    assert code in Torch("cpu", way).translate(spec(*steps)).text


def test_a_function_is_given_what_its_steps_read_before_they_bind_it() -> None:
    before = {"compute": "h = 2 * a"}
    remat = {"gradient": "g", "of": "sum(h)", "wrt": "a", "remat": True, "steps": [{"compute": "h = h * a"}]}
    assert "checkpoint(g_loss, h, use_reentrant=False)" in script(A, before, remat)


@pytest.mark.parametrize(
    "step",
    [
        {"get": "w", "as": "a"},
    ],
    ids=str,
)
def test_what_cannot_be_said_is_refused_with_a_sentence(step: dict[str, Any]) -> None:
    with pytest.raises(Unsupported, match=r"^[A-Z`].{30,}\.$"):
        script(step)


def test_a_compiled_step_is_not_called_for_a_parameter_that_its_optimizer_was_not_given() -> None:
    step = {"train": "sgd", "minimize": "sum(two.kernel)", "wrt": "two.kernel"}
    function = {"function": "step", "traced": True, "steps": [step]}
    assert "SGD([two.weight]" in script(DENSE, TWO, function, {"invoke": "step"})
    with pytest.raises(Unsupported, match="another parameter"):
        script(DENSE, TWO, function, {"tie": "two.kernel", "to": "one.kernel"}, {"invoke": "step"})


def test_a_quantized_weight_is_read_and_not_written() -> None:
    quantized = [*TIED, {"quantize": "net.a", "as": "q"}]
    assert script(*quantized, {"read": "net.a.kernel"}).endswith("net.a.weight().dequantize().T.tolist()\n")
    with pytest.raises(Unsupported, match="packed"):
        script(*quantized, {"assign": "q.kernel", "to": [[1.0], [2.0]]})


def test_a_parametrized_place_reads_the_product_and_writes_the_parameter() -> None:
    scaled = [*TIED, {"reparametrize": "net.a.kernel", "times": 3}]
    assert script(*scaled, {"read": "one.kernel"}).endswith("one.weight.T.tolist()\n")
    assert "one.parametrizations.weight.original.fill_(1.0)" in script(*scaled, {"assign": "one.kernel", "to": 1.0})
    with pytest.raises(Unsupported, match="pickle"):
        Torch("cpu", {"copy": "pickle"}).translate(spec(*scaled, {"copy": "net", "as": "c"}))


def test_layers_without_a_name_are_in_no_list() -> None:
    loose = {key: value for key, value in DENSE.items() if key != "name"}
    for question in ({"expect": "all", "variables": 1}, {"expect": "path", "name": "one.kernel", "is": "one/weight"}):
        with pytest.raises(Unsupported):
            script(loose, question)


def test_a_tensor_has_no_name() -> None:
    with pytest.raises(Unsupported, match="carry no name"):
        script(A, {"compute": "y = a + 1.0"}, {"expect": "path", "name": "y", "is": "y"})


def test_accelerate_is_asked_for_a_name_inside_the_module() -> None:
    tied: list[dict[str, Any]] = [*TIED, {"expect": "paths", "paths": "one.kernel", "inside": "net", "is": ["a", "b"]}]
    with pytest.raises(Unsupported, match="a name inside the module"):
        Torch("cpu", {"expect": "find_tied_parameters"}).translate(spec(*tied))


def test_a_linear_layer_refuses_a_kernel_laid_out_the_other_way() -> None:
    with pytest.raises(Unsupported, match="units, inputs"):
        script(DENSE, {"variable": "v", "shape": [2, 1], "as": "v"}, {"tie": "one.kernel", "to": "v"})


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    """Return a host with torch; skip where it is not installed."""
    if importlib.util.find_spec("torch") is None:
        pytest.skip("torch is not installed")
    host = Host(Torch, device="cpu")
    assert host.ready() is None
    yield host
    host.stop()


def run(host: Host, *steps: dict[str, Any], **way: str) -> Outcome:
    """Run the script for these steps."""
    outcome = host.run(Torch("cpu", way, {}).translate(spec(*steps)), "<test>")
    assert outcome.error is None
    return outcome


REFUSALS: dict[str, list[dict[str, Any]]] = {
    "not_found": [{"scope": "s", "reuse": True, "steps": [{"get": "x"}]}],
    "already_exists": [{"scope": "s", "steps": []}, {"get": "s", "shape": [1], "init": 0.0}],
    "shape_mismatch": [A, {"assign": "a", "to": [1.0, 2.0, 3.0]}],
    "dtype_mismatch": [A, {"variable": "d", "shape": [2], "dtype": "float64", "as": "d"}, {"compute": "x = a @ d"}],
    "not_trainable": [A, {"freeze": "a"}, {"gradient": "g", "of": "sum(a)", "wrt": "a"}],
    "bad_argument": [DENSE, {"compute": "x = one.kernel + 1.0"}, {"tie": "one.kernel", "to": "x"}],
    "nothing": [A, {**A, "as": "b"}],
    "uninitialized": [
        {"function": "make", "steps": [DENSE], "returns": "one"},
        {"invoke": "make", "abstract": True, "as": "made"},
        {"read": "made.kernel"},
    ],
    "sharing_refused": [*TIED, {**CALL, "given": {"a.kernel": [[1.0], [1.0]], "b.kernel": [[2.0], [2.0]]}}],
}


@pytest.mark.parametrize("kind", REFUSALS)
def test_native_errors_map_to_the_kind_they_mean(host: Host, kind: str) -> None:
    *before, last = REFUSALS[kind]
    observed = run(host, *before, {**last, "raises": kind, "expect": "refused"}).observations["refused"]
    assert (Torch.kind_of(observed["error"]) if observed else "nothing") == kind


def test_registering_a_name_again_replaces_the_parameter_in_silence(host: Host) -> None:
    seen = run(
        host,
        A,
        {**A, "as": "b"},
        {"expect": "same", "identical": ["a", "b"], "is": True},
        {"expect": "count", "variables": 2},
    )
    assert seen.observations == {"same": False, "count": 1}


@pytest.mark.parametrize(
    ("way", "count"),
    [("load_state_dict", 1), ("load_state_dict-assign", 2), ("unpickle", 1), ("safetensors-model", 1)],
)
def test_what_a_tie_survives_depends_on_the_way_of_restoring(host: Host, way: str, count: int) -> None:
    kept: list[dict[str, Any]] = [
        {"save": "net", "to": "word"},
        {"restore": "net", "from": "word"},
        {"expect": "count", "inside": "net", "variables": 1},
    ]
    assert run(host, *TIED, *kept, restore=way).observations == {"count": count}


def test_a_file_of_safetensors_refuses_a_tie(host: Host) -> None:
    save = {"save": "net", "to": "word", "raises": "sharing_refused", "expect": "refused"}
    refused = run(host, *TIED, save, restore="safetensors-file").observations["refused"]
    assert Torch.kind_of(refused["error"]) == "sharing_refused"


def test_a_default_dtype_and_the_ways_of_conversion_do_not_outlive_a_script(host: Host) -> None:
    run(host, DENSE, {"cast": "one", "to": "float64", "as": "c"}, cast="to-overwrite")
    cast = {"cast": "net", "to": "float64", "as": "c"}
    assert run(host, *TIED, cast, {"expect": "count", "inside": "c", "variables": 1}).observations == {"count": 1}


def test_each_compiled_step_has_an_optimizer_of_its_own(host: Host) -> None:
    def step(place: str) -> dict[str, Any]:
        return {"train": "sgd", "minimize": f"sum({place})", "wrt": place, "rate": 1.0}

    other = {"variable": "b", "init": [1.0], "as": "b"}
    functions = [{"function": f"step_{place}", "traced": True, "steps": [step(place)]} for place in "ab"]
    called = [{"invoke": f"step_{place}"} for place in "ab"]
    values = [{"expect": place, "value": place, "is": [0.0]} for place in "ab"]
    seen = run(host, A, other, *functions, step("b"), *called, *values)
    assert seen.observations == {"a": [0.0, 0.0], "b": [-1.0]}


@pytest.mark.parametrize("traced", [False, True])
def test_a_function_binds_anew_what_it_read_of_the_script(host: Host, traced: bool) -> None:
    more = {"function": "more", "traced": traced, "steps": [{"compute": "h = h + a"}], "returns": "h"}
    call = {"invoke": "more", "as": "y"}
    seen = run(
        host, A, {"compute": "h = 2 * a"}, more, call, call, {"expect": "more", "value": "y", "is": [3.0, 3.0]},
        {"expect": "as-before", "value": "h", "is": [2.0, 2.0]},
    )  # fmt: skip
    assert seen.observations == {"more": [3.0, 3.0], "as-before": [2.0, 2.0]}


def test_a_compiled_function_is_traced_once_for_equal_shapes(host: Host) -> None:
    double = {"function": "double", "traced": True, "takes": ["x"], "returns": "x * a", "steps": []}
    calls = [{"invoke": "double", "given": [[1.0, 2.0]], "as": "y"}] * 2
    seen = run(
        host,
        A,
        double,
        *calls,
        {"expect": "traces", "traces": "double", "is": 1},
        {"expect": "value", "value": "y", "is": [1.0, 2.0]},
    )
    assert seen.observations == {"traces": 1, "value": [1.0, 2.0]}
