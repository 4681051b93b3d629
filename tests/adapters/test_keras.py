from importlib.util import find_spec

import pytest

from canireuse.emit import Unsupported
from canireuse.judge.verdict import judge
from canireuse.run.hosts import Host
from canireuse_adapters.keras import Keras

ENGINES = ("tensorflow", "jax", "torch")
PAIR = "{variable: w, as: w}, {module: pair, members: {a: w, b: w}}"
LAYER = "{layer: dense, name: one, inputs: 1, units: 1, as: one}"
OTHER = "{layer: dense, name: two, inputs: 1, units: 1, as: two}"
SAYS = {
    "a layer twice in a model": """
  - {layer: dense, name: first, inputs: 2, units: 2, as: first}
  - {layer: dense, inputs: 2, units: 1, bias: 0.0, as: last}
  - {module: chain, members: {one: first, two: first, three: last}}
  - {expect: counted-once, variables: 3, inside: chain}
  - {gradient: slope, of: sum(y), wrt: chain.one.kernel, steps: [{call: chain, on: [[1.0, 2.0]], as: y}]}
  - {expect: summed-over-both-calls, value: slope, is: [[5.0, 5.0], [7.0, 7.0]]}
  - {copy: chain, as: twin}
  - {expect: copied, distinct: [chain.three.kernel, twin.three.kernel]}
  - {expect: shared, same: [twin.one.kernel, twin.two.kernel]}
  - {freeze: first}
  - {expect: without-the-frozen, trainable: 2, inside: chain}""",
    "files": """
  - {layer: dense, name: first, inputs: 1, units: 1, as: first}
  - {module: chain, members: {one: first, two: first}}
  - {save: chain, to: kept}
  - {assign: first.kernel, to: [[9.0]]}
  - {restore: chain, from: kept}
  - {expect: restored, value: chain.two.kernel, is: [[1.0]]}
  - {expect: still-shared, same: [chain.one.kernel, chain.two.kernel]}""",
    "a cell in two loops": """
  - {layer: cell, inputs: 1, units: 1, as: cell}
  - {wrap: cell, in: rnn, as: one}
  - {wrap: cell, in: rnn, as: two}
  - {wrap: one, in: bidirectional, as: both}
  - {call: one, on: [[[1.0], [2.0]]]}
  - {call: both, on: [[[1.0], [2.0]]]}
  - {expect: one-cell, same: [one.cell.kernel, two.kernel]}
  - {expect: weights-without-seeds, variables: 2, inside: two}
  - {expect: copied, distinct: [both.forward.cell.recurrent, cell.recurrent]}""",
    "a norm": """
  - {layer: norm, inputs: 1, units: 1, kernel: 2.0, bias: 0.5, penalty: 0.5, as: norm}
  - {call: norm, on: [[1.0], [3.0]], training: true}
  - {expect: mean, value: norm.mean, is: [0.2]}
  - {train: sgd, minimize: sum(y), wrt: norm, steps: [{call: norm, on: [[1.0], [3.0]], training: true, as: y}]}
  - {expect: moved-in-training, value: norm.mean, is: [0.38]}
  - {expect: shift, value: norm.bias, is: [0.3]}
  - {expect: one-term, penalties: 1, inside: norm}
  - {expect: added-up, penalty: 2.0, inside: norm}""",
    "layers whose variables are tied": """
  - {layer: embedding, inputs: 2, units: 1, as: table}
  - {layer: dense, inputs: 2, units: 1, bias: 1.0, as: last}
  - {module: pair, members: {input: table, output: last}}
  - {tie: pair.output.kernel, to: table.kernel}
  - {expect: tied, same: [last.kernel, pair.input.kernel]}
  - {gradient: slope, of: sum(y), wrt: table.kernel, steps: [{call: table, on: [1], as: y}]}
  - {expect: slope, value: slope, is: [[0.0], [1.0]]}
  - {expect: old-one-let-go, variables: 2, inside: pair}""",
    "a variable replaced without a word": """
  - {variable: w, init: 1.0, as: w}
  - {variable: v, init: 2.0, as: v}
  - {module: pair, members: {a: w, b: v}}
  - {replace: pair.b, by: w}
  - {expect: there, identical: [pair.b, w], is: true}
  - {expect: old-one-still-listed, names: [v, w], inside: pair}""",
    "an optimizer that lasts": """
  - {layer: dense, name: a, inputs: 1, units: 1, as: a}
  - {layer: dense, name: b, inputs: 1, units: 1, as: b}
  - {module: pair, members: {a: a, b: b}}
  - {optimizer: adam, kind: adamw, over: pair, clip: 1.0}
  - {optimizer: plain, over: a, rate: 0.5, decay: 0.5}
  - {freeze: b}
  - {update: adam, minimize: [sum(y), sum(y)], steps: [{call: pair, on: [[1.0]], as: y}]}
  - {expect: kept, value: b.kernel, is: [[1.0]]}
  - {expect: slots, slots: adam, is: 2}
  - {expect: none-for-plain, slots: plain, is: 0}
  - {optimizer: late, over: pair}
  - {unfreeze: b}
  - {update: late, minimize: sum(y), steps: [{call: pair, on: [[1.0]], as: y}], raises: not_found, expect: unknown}""",
    "stateless calls": """
  - {layer: dense, name: a, inputs: 1, units: 1, as: a}
  - {module: pair, members: {one: a, two: a}}
  - {call: a, on: [[1.0]], given: {kernel: [[4.0]]}, as: y}
  - {expect: given, value: y, is: [[4.0]]}
  - {call: pair, on: [[1.0]], given: {one.kernel: [[4.0]]}, as: z}
  - {expect: given-to-both, value: z, is: [[16.0]]}
  - {expect: own, value: a.kernel, is: [[1.0]]}""",
    "loops": """
  - {layer: dense, name: a, inputs: 1, units: 1, kernel: 2.0, as: a}
  - {function: run, traced: true, takes: [h], steps: [{scan: h, to: y, times: 3, steps: [{call: a, on: h, as: y}]}], returns: h}
  - {invoke: run, given: [[[1.0]]], as: out}
  - {invoke: run, given: [[[2.0]]]}
  - {expect: out, value: out, is: [[8.0]]}
  - {gradient: slope, of: sum(y), wrt: a.kernel, remat: true, steps: [{call: a, on: [[3.0]], as: y}]}
  - {expect: slope, value: slope, is: [[3.0]]}
  - {vectorize: rows, over: out, each: row, returns: row + a.kernel}
  - {expect: rows, value: rows, is: [[[10.0]]]}""",
    "a training step that is compiled": """
  - {variable: w, init: 2.0, as: w}
  - {optimizer: opt, over: w, rate: 0.25}
  - {function: learn, traced: true, steps: [{update: opt, minimize: w * w}], returns: w + 0.0}
  - {invoke: learn, as: once}
  - {invoke: learn, as: twice}
  - {expect: once, value: once, is: 1.0}
  - {expect: twice, value: w, is: 0.5}
  - {function: double, traced: true, takes: [x], steps: [], returns: x * w}
  - {invoke: double, given: [1.0]}
  - {invoke: double, given: [1.0]}
  - {expect: traced-once, traces: double, is: 1}""",
    "two devices": """
  - {layer: dense, name: a, inputs: 1, units: 1, as: a}
  - {module: pair, members: {one: a, two: a}}
  - {move: pair, as: there}
  - {expect: shared, same: [there.one.kernel, there.two.kernel]}
  - {parallel: pair, split: {x: [[[1.0]], [[3.0]]]}, minimize: sum(y), steps: [{call: pair, on: x, as: y}]}
  - {expect: one-step, value: a.kernel, is: [[0.6]]}
  - {expect: still-shared, same: [pair.one.kernel, pair.two.kernel]}""",
    "what is made anew": """
  - {layer: dense, name: a, inputs: 1, units: 1, as: a}
  - {module: pair, members: {one: a, two: a}}
  - {cast: pair, to: float16, as: half}
  - {expect: half, dtype: half.one.kernel, is: float16}
  - {expect: shared, same: [half.one.kernel, half.two.kernel]}
  - {expect: counted-once, trainable: 1, inside: half}
  - {quantize: pair, as: small}
  - {expect: small, dtype: small.two.kernel, is: int8}""",
    "threads and names": """
  - scope: tower
    as: tower
    steps: [{get: w, shape: [1], init: 1.0, penalty: 0.5, as: w}, {current_scope: here}]
  - {reenter: here, reuse: true, steps: [{get: w, as: again}]}
  - {expect: path, name: again, is: tower/w}
  - {expect: penalty, penalty: 0.5, inside: tower}
  - {function: bump, steps: [{assign: w, to: w + 1.0}], returns: w}
  - {thread: bump, times: 2, as: bumped}
  - {expect: bumped, value: again, is: [3.0]}
  - {expect: one, variables: 1, inside: tower}
  - {layer: dense, inputs: 1, units: 1, as: a}
  - {drop: a}
  - {expect: gone, alive: a, is: false}""",
}
#: what Keras 3.15 says, and the engines below it
MESSAGES = [
    ("uninitialized", "AttributeError", "You must build the layer before accessing `kernel`."),
    ("uninitialized", "AttributeError", "'Dense' object has no attribute 'kernel'"),
    ("not_found", "AttributeError", "'Layer' object has no attribute 'bias'"),
    (None, "AttributeError", "'NoneType' object has no attribute 'kernel'"),
    (None, "AttributeError", "module 'keras' has no attribute 'Layr'"),
    ("bad_argument", "AttributeError", "'Tensor' object has no attribute 'assign'"),
    ("bad_argument", "AttributeError", "'jaxlib._jax.ArrayImpl' object has no attribute 'assign'"),
    ("sharing_refused", "ValueError", "You cannot add new elements of state (variables or sub-layers) to a layer that"),
    ("created_again", "ValueError", "You are attempting to create a variable while in a stateless scope. This is"),
    ("created_again", "ValueError", "in user code: ... tf.function only supports singleton tf.Variables created on"),
    (
        "not_found",
        "ValueError",
        "Unknown variable: <Variable path=w>. This optimizer can only be called for the variables",
    ),
    ("not_found", "ValueError", "You called `set_weights(weights)` on layer 'm' with a weight list of length 2, but"),
    (
        "not_found",
        "ValueError",
        "A total of 1 objects could not be loaded. Layer 'd' expected 2 variables, but received 0",
    ),
    ("not_trainable", "ValueError", "No gradients provided for any variable."),
    ("not_trainable", "RuntimeError", "element 0 of tensors does not require grad and does not have a grad_fn"),
    (
        "shape_mismatch",
        "ValueError",
        "the target value in `variable.assign(value)` must match. variable.shape=(2,), Received",
    ),
    (
        "shape_mismatch",
        "TypeError",
        "dot_general requires contracting dimensions to have the same shape, got (2,) and (1,)",
    ),
    ("shape_mismatch", "RuntimeError", "mat1 and mat2 shapes cannot be multiplied (1x2 and 1x2)"),
    (None, "TypeError", "Dense.__init__() missing 1 required positional argument: 'units'"),
]
#: ties that come too late to be made when the layer is built
TOO_LATE = [
    "[{layer: norm, inputs: 1, units: 1, as: two}, {variable: w, as: w}, {tie: two.kernel, to: w}]",
    f"[{LAYER}, {OTHER}, {{assign: two.kernel, to: [[2.0]]}}, {{tie: two.kernel, to: one.kernel}}]",
    f"[{LAYER}, {{module: net, members: {{a: one}}}}, {LAYER}, {OTHER}, {{tie: two.kernel, to: net.a.kernel}}]",
]
REFUSED = [
    (
        f"[{LAYER}, {{module: net, members: {{a: one}}}}, {{drop: one}}, {OTHER}, {{tie: two.kernel, to: net.a.kernel}}]",
        "no name any more",
    ),
    ("[{variable: w, as: w}, {variable: v, as: v}, {tie: w, to: v}]", "is no place"),
    (f"[{PAIR}, {{call: pair, on: [1.0]}}]", "no `call` of its own"),
    (f"[{LAYER}, {{reparametrize: one.kernel, times: 2}}]", "no reparametrization"),
]


@pytest.fixture(scope="module")
def hosts():
    running = {engine: Host(Keras, device="cpu", engine=engine) for engine in ENGINES if find_spec(engine)}
    yield running
    for host in running.values():
        host.stop()


@pytest.mark.parametrize(("kind", "name", "message"), MESSAGES)
def test_messages_mean_kinds(kind, name, message):
    assert Keras.kind_of({"type": name, "bases": [name], "message": message}) == kind


@pytest.mark.parametrize(("steps", "reason"), REFUSED)
def test_what_keras_cannot_say_is_refused_with_the_reason(load_spec, steps, reason):
    with pytest.raises(Unsupported, match=reason):
        Keras().translate(load_spec(f"steps: {steps}\n").spec)


@pytest.mark.parametrize("steps", TOO_LATE)
def test_a_tie_of_a_built_layer_is_left_to_keras_to_refuse(load_spec, steps):
    last = Keras().translate(load_spec(f"steps: {steps}\n").spec).text.splitlines()[-1]
    assert last.startswith(("two.kernel = ", "two.gamma = "))


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("title", SAYS)
def test_what_is_said_runs_and_means_the_spec(load_spec, hosts, engine, title):
    if engine not in hosts or hosts[engine].ready():
        pytest.skip(f"Keras on {engine} is not installed")
    spec = load_spec(f"steps:{SAYS[title]}\n").spec
    for way in Keras.ways_of(spec):
        if way["engine"] != engine or "module" in way.values():
            continue
        script = Keras("cpu", way).translate(spec)
        judgement = judge(spec, "keras", Keras, way, hosts[engine].run(script, "<test>"), {}, script.one_place)
        assert judgement.verdict == "conforms", (way, judgement.reason, script.text)


@pytest.mark.parametrize(
    ("members", "ways"),
    [
        ("{a: one, b: one}", ["keras", "h5", "weights", "config", "set-weights"]),
        ("{a: one, b: w}", ["weights", "set-weights"]),
    ],
)
def test_ways_of_saving_fit_what_is_saved(load_spec, members, ways):
    steps = f"[{LAYER}, {{variable: w, as: w}}, {{module: m, members: {members}}}, {{save: m, to: k}}, {{restore: m, from: k}}]"
    found = Keras.ways_of(load_spec(f"steps: {steps}\n").spec)
    assert [way["restore"] for way in found if way["engine"] == "jax"] == ways
    assert {way["engine"] for way in found} == set(ENGINES)


def test_a_scope_entered_again_has_layers_for_the_scopes_inside(load_spec):
    steps = "[{current_scope: top}, {scope: a, steps: [{reenter: top, steps: [{scope: b, steps: [{get: w, shape: [1]}]}]}]}]"
    text = Keras(way={"engine": "jax"}).translate(load_spec(f"steps: {steps}\n").spec).text
    assert "root.b = keras.Layer(name='b')\n" in text
    assert "root.b.w = root.b.add_weight(" in text
