"""Parallel steps: what is said of several devices, and what the processes of PyTorch do."""

from importlib.util import find_spec

import pytest

from canireuse.emit import Unsupported
from canireuse.run.hosts import Host
from canireuse_adapters import adapter
from canireuse_adapters.torch import Torch

LAYER = "{layer: dense, name: one, inputs: 2, units: 1, kernel: [[1.0], [2.0]], as: one}"
TIED = f"{LAYER}, {{layer: dense, name: two, inputs: 2, units: 1, as: two}}, {{tie: two.kernel, to: one.kernel}}, {{module: net, members: {{a: one, b: two}}}}"
SPLIT = "parallel: net, split: {x: [[[1.0, 2.0]], [[3.0, 4.0]]]}"
CALL = "{call: net, on: x, as: y}"
STEP = f"{{{SPLIT}, minimize: sum(y), steps: [{CALL}]}}"


@pytest.fixture
def script(load_spec):
    """Return a function that writes the script for steps on a backend, in some way."""

    def text(backend, steps, **way):
        return adapter(backend)("cpu", way).translate(load_spec(f"steps: [{steps}]").spec).text

    return text


def test_a_replica_is_called_in_place_of_the_module(script):
    assert (
        "    replica = nn.parallel.DistributedDataParallel(net)\n"
        "    optimizer = torch.optim.SGD(replica.parameters(), lr=0.1)\n    y = replica(x)\n"
    ) in script("torch", f"{TIED}, {STEP}", parallel="ddp")


def test_names_of_the_script_make_way_for_those_of_the_spec(script):
    taken = "{variable: folder, as: folder}, {variable: replica, as: replica}"
    assert "folder_ = tempfile.mkdtemp()" in script("torch", f"{taken}, {TIED}, {STEP}")
    assert "y = replica_(x)" in script("keras", f"{taken}, {TIED.replace('tie: two.kernel, to: one.kernel', 'freeze: two')}, {STEP}", engine="torch")  # fmt: skip


def test_what_reads_a_parameter_outside_of_its_layer_keeps_the_layer_from_being_sharded_alone(script):
    with pytest.raises(Unsupported, match="only while that layer is called"):
        script("torch", f"{TIED}, {{{SPLIT}, minimize: sum(x @ one.kernel)}}", parallel="fsdp-each-layer")


def test_a_call_inside_another_step_is_none_of_a_replica(script):
    nested = f"{{{SPLIT}, minimize: sum(y), steps: [{{repeat: 2, steps: [{CALL}]}}]}}"
    text = script("keras", f"{LAYER}, {{module: net, members: {{a: one}}}}, {nested}", engine="torch")
    assert "y = net(x)" in text
    assert "all_reduce" in text
    assert "replica =" not in text


@pytest.mark.parametrize(
    ("backend", "way", "lines"),
    [
        ("nnx", {"parallel": "jit"}, ["mesh = jax.make_mesh("]),
        ("linen", {"parallel": "shard_map"}, ["mesh = jax.make_mesh("]),
        ("linen", {"parallel": "pmap"}, []),
        ("tf2", {}, ["tf.config.set_logical_device_configuration(", "strategy = "]),
        ("keras", {"engine": "tensorflow"}, ["tf.config.set_logical_device_configuration(", "strategy = ", "with strategy.scope():"]),
        ("keras", {"engine": "jax"}, ["os.environ['XLA_FLAGS'] = ", "keras.distribution.set_distribution("]),
        ("keras", {"engine": "torch"}, []),
    ],
)  # fmt: skip
def test_devices_are_set_up_once_above_all_steps(script, backend, way, lines):
    text = script(backend, f"{LAYER}, {{module: net, members: {{a: one}}}}, {STEP}, {STEP}", **way)
    above = text[: text.index("one = ") if "one = " in text else text.index("class ")]
    assert [text.count(f"\n{line}") for line in lines] == [1] * len(lines)
    assert sorted(lines, key=above.index) == lines
    assert lines or not any(word in text for word in ("mesh", "strategy", "XLA_FLAGS"))


@pytest.fixture(scope="module")
def host():
    """Return a host with torch; skip where it is not installed."""
    if find_spec("torch") is None:
        pytest.skip("torch is not installed")
    host = Host(Torch, device="cpu")
    assert host.ready() is None
    yield host
    host.stop()


@pytest.fixture
def run(host, load_spec):
    """Return a function that runs the script for steps, and returns what it observes."""

    def observations(steps, way):
        made = Torch("cpu", {"parallel": way}, {}).translate(load_spec(f"steps: [{steps}]").spec)
        outcome = host.run(made, "<test>")
        assert outcome.error is None
        return outcome.observations

    return observations


@pytest.mark.parametrize("way", Torch.table("ways")["parallel"])
def test_two_processes_take_a_step_on_the_mean_and_the_script_has_its_result(run, way):
    moved = "{expect: moved, value: one.kernel, is: [[0.8], [1.7]]}"
    seen = run(f"{LAYER}, {{module: net, members: {{a: one}}}}, {STEP}, {moved}", way)
    assert [row[0] for row in seen["moved"]] == pytest.approx([0.8, 1.7])


@pytest.mark.parametrize(("way", "moved"), [("ddp", -1.0), ("ddp-find-unused", -2.0)])
def test_an_unused_parameter_keeps_gradients_from_the_other_process_unless_it_is_found(run, way, moved):
    steps = """
      {variable: used, init: [0.0], as: used}, {variable: spare, init: [4.0], as: spare},
      {module: net, members: {used: used, spare: spare}},
      {parallel: net, split: {x: [[1.0], [3.0]]}, minimize: sum(x * net.used), rate: 1.0},
      {expect: moved, value: used, is: [-2.0]}
    """
    assert run(steps, way) == {"moved": [moved]}


def test_sharding_each_layer_refuses_owners_of_one_parameter(run):
    tied = TIED.replace("units: 1", "units: 2").replace("[[1.0], [2.0]]", "1.0")
    step = f"{{{SPLIT}, minimize: sum(y), steps: [{CALL}], raises: sharing_refused, expect: refused}}"
    refused = run(f"{tied}, {step}", "fsdp-each-layer")["refused"]
    assert Torch.kind_of(refused["error"]) == "sharing_refused"
