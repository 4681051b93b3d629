"""Tests of the PyTorch adapter: its wording anywhere, and what the words do where torch is installed."""

import importlib.util
from collections.abc import Iterator
from typing import Any

import pytest

from adapters.torch import Torch
from conformance.hosts import Host, Outcome
from conformance.spec import Spec
from conformance.translation import Unsupported

A = {"get": "w", "shape": [2], "init": 1, "as": "a"}
DENSE = {"layer": "dense", "name": "one", "inputs": 2, "units": 1, "kernel": [[1.0], [2.0]], "as": "one"}


def spec(*steps: dict[str, Any]) -> Spec:
    """Return a spec of these steps."""
    about = "A spec of a test, which is never shown to anybody."
    return Spec.model_validate(
        {"title": "A spec of a test", "about": about, "sources": ["none"], "contract": "sharing", "steps": list(steps)}
    )


def script(*steps: dict[str, Any], device: str = "cpu", **way: str) -> str:
    """Return the script for these steps, without its imports."""
    text = Torch(device, way).translate(spec(*steps)).text
    return text.partition("from torch import nn\n\n")[2]


def test_scopes_are_submodules_and_reuse_is_a_lookup() -> None:
    again = {
        "scope": "s",
        "reuse": True,
        "steps": [{"get": "w", "as": "b"}, {"get": "x", "raises": "not_found", "expect": "missing"}],
    }
    assert script(
        {"scope": "s", "steps": [A]},
        again,
        {"expect": "one", "variables": 1},
        {"expect": "path", "name": "b", "is": "s/w"},
    ) == (
        "root = nn.Module()\n"
        "root.add_module('s', nn.Module())\n"
        "root.s.register_parameter('w', nn.Parameter(torch.full([2], 1.0)))\n"
        "a = root.s.w\n"
        "b = root.s.get_parameter('w')\n"
        "try:\n"
        "    root.s.get_parameter('x')\n"
        "except Exception as error:\n"
        "    observe('missing', error)\n"
        "else:\n"
        "    observe('missing', None)\n"
        "observe('one', len(list(root.parameters())))\n"
        "observe('path', next((path.replace('.', '/') for path, each in root.named_parameters() if each is b), None))\n"
    )


def test_a_kernel_is_read_written_and_differentiated_through_the_transpose() -> None:
    text = script(
        DENSE,
        {"assign": "one.kernel", "to": "one.kernel + 1.0"},
        {"gradient": "g", "of": "sum(one.kernel)", "wrt": "one.kernel"},
    )
    assert "one.weight.copy_((one.weight.T + 1.0).T)" in text
    assert "g = torch.autograd.grad(torch.sum(one.weight.T), one.weight)[0].T" in text


def test_the_gpu_is_the_default_device() -> None:
    assert script(A, device="gpu").startswith("torch.set_default_device('cuda')\nroot = nn.Module()\n")


@pytest.mark.parametrize(
    "step",
    [
        {"name_scope": "n", "steps": [A]},
        {"placeholder": "p"},
        {"graph": "g", "steps": [A]},
        {"session": "s", "steps": [A]},
        {"scope": "s", "as": "t", "steps": [{"reuse_variables": "t"}]},
        {"scope": "s", "reuse": "auto", "steps": [A]},
        {"scope": "s", "reuse": {"text": "yes"}, "steps": [A]},
        {"scope": "s", "reuse": True, "steps": [{"scope": "t", "steps": [A]}]},
        {**A, "reuse": True},
        {**A, "collection": "extra"},
        {"get": "w", "as": "a"},
        {"expect": "count", "collection": "extra", "is": 1},
    ],
    ids=str,
)
def test_what_cannot_be_said_is_refused_with_a_sentence(step: dict[str, Any]) -> None:
    with pytest.raises(Unsupported, match=r"^[A-Z`].{30,}\.$"):
        script(step)


def test_a_tensor_has_no_name() -> None:
    with pytest.raises(Unsupported, match="carry no name"):
        script(A, {"compute": "y = a + 1.0"}, {"expect": "path", "name": "y", "is": "y"})


def test_a_linear_layer_refuses_a_kernel_laid_out_the_other_way() -> None:
    with pytest.raises(Unsupported, match="units, inputs"):
        script(DENSE, {"variable": "v", "shape": [2, 1], "as": "v"}, {"tie": "one.kernel", "to": "v"})


def test_each_way_to_restore_is_a_case_and_has_words() -> None:
    steps = DENSE, {"save": "one", "to": "word"}, {"restore": "one", "from": "word"}
    words = [script(*steps, **way).splitlines()[-1] for way in Torch.ways_of(spec(*steps))]
    assert words == [
        "one.load_state_dict(torch.load(word))",
        "one.load_state_dict(torch.load(word), assign=True)",
        "one = torch.load(word, weights_only=False)",
        "safetensors.torch.load_model(one, word)",
        "one.load_state_dict(safetensors.torch.load_file(word))",
    ]


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
    "already_exists": [{"scope": "s", "steps": []}, {"get": "s", "shape": [1]}],
    "shape_mismatch": [A, {"assign": "a", "to": [1.0, 2.0, 3.0]}],
    "dtype_mismatch": [A, {"variable": "d", "shape": [2], "dtype": "float64", "as": "d"}, {"compute": "x = a @ d"}],
    "not_trainable": [A, {"freeze": "a"}, {"gradient": "g", "of": "sum(a)", "wrt": "a"}],
    "bad_argument": [DENSE, {"compute": "x = one.kernel + 1.0"}, {"tie": "one.kernel", "to": "x"}],
    "nothing": [A, {**A, "as": "b"}],
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


@pytest.mark.parametrize(("way", "count"), [("load_state_dict", 1), ("load_state_dict-assign", 2), ("unpickle", 1)])
def test_what_a_tie_survives_depends_on_the_way_of_restoring(host: Host, way: str, count: int) -> None:
    two = {**DENSE, "name": "two", "as": "two"}
    tied = [DENSE, two, {"tie": "two.kernel", "to": "one.kernel"}, {"module": "m", "members": {"a": "one", "b": "two"}}]
    kept = [
        {"save": "m", "to": "word"},
        {"restore": "m", "from": "word"},
        {"expect": "count", "inside": "m", "variables": 1},
    ]
    assert run(host, *tied, *kept, restore=way).observations == {"count": count}


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
