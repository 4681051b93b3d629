"""A spec is data: whatever stands in a text of one is refused at its place, or stands inert in every script."""

import ast
import builtins
import copy
import json
import keyword
import types
import typing
from functools import cache
from itertools import product
from pathlib import Path

import pytest

import canireuse_adapters
from canireuse.emit import Unsupported
from canireuse.program.loader import load
from canireuse.spec import yaml
from canireuse.spec.problems import InputError
from canireuse.spec.step import OddFlag, check_identifier
from canireuse.spec.vocabulary import verbs, walk

#: what steps of the examples find made
VARIABLE = "{variable: weight, shape: [1], init: 1.0, as: v}"
LAYER = "{layer: dense, name: fc, inputs: 1, units: 1, bias: 0.0, as: fc}"
PAIR = (
    f"{VARIABLE}, {{variable: other, shape: [1], init: 2.0, as: w}}, {{module: net, members: {{first: v, second: w}}}}"
)
NET = f"{LAYER}, {{module: net, members: {{first: fc}}}}, {{call: net, on: [[1.0]]}}, {{initialize: }}"
FUNCTION = f"{VARIABLE}, {{function: f, takes: [x], returns: x * v, steps: [{{compute: y = x + v}}]}}"
ADDS = "{function: f, takes: [x], returns: x * v, steps: [{compute: y = x + v}]}"
TENSOR = "{compute: x = ones(2)}"
#: steps that together have every text that a step can have; what is looked at is the last of each list
EXAMPLES = [
    "[{scope: tower, init: random, dtype: float32, reuse: auto, as: tower, steps: [{get: k, shape: [1], init: 1.0, as: k}]}]",
    "[{scope: tower, reuse: {text: truth}, raises: bad_argument, expect: refused, steps: [{get: k, shape: [1]}]}]",
    "[{placeholder: flag, dtype: bool}, {scope: tower, reuse: {tensor: flag}, raises: bad_argument, expect: refused, steps: []}]",
    "[{default_scope: layer, init: 1.0, reuse: {text: truth}, as: s, steps: [{get: k, shape: [1]}]}]",
    "[{scope: tower, as: tower, steps: []}, {reenter: tower, reuse: {text: truth}, init: random, as: again, steps: [{get: k, shape: [1]}]}]",
    "[{current_scope: here}]",
    "[{name_scope: part, steps: []}]",
    "[{scope: tower, as: tower, steps: [{get: k, shape: [1]}, {reuse_variables: tower}]}]",
    "[{scope: tower, as: tower, steps: []}, {reuse_variables: tower}]",
    "[{intercept: raw, returns: 2.0 * raw, steps: [{get: k, shape: [1], init: 1.0, as: k}]}]",
    "[{get: k, shape: [1], dtype: float32, init: random, collection: kept, as: k}]",
    "[{get: k, shape: [1], reuse: {text: truth}, as: k}]",
    f"[{VARIABLE}, {{variable: made, start: v * 2.0, collection: kept, as: made}}]",
    "[{variable: made, shape: [1], dtype: float32, init: random, as: made}]",
    "[{placeholder: x, dtype: float32, shape: [1]}]",
    f"[{VARIABLE}, {{compute: x = tanh(v) * 2.0}}]",
    f"[{VARIABLE}, {{initialize: }}, {{assign: v, to: v + 1.0}}]",
    f"[{LAYER}, {{assign: fc.kernel, to: [[1.0]]}}]",
    f"[{VARIABLE}, {{initialize: , raises: nothing, expect: accepted}}]",
    f"[{VARIABLE}, {{reinitialize: v}}]",
    f"[{NET}, {{rebuild: net, as: again}}]",
    f"[{LAYER}, {{container: net, in: list, members: {{first: fc, second: fc}}}}]",
    f"[{VARIABLE}, {{drop: v}}]",
    f"[{VARIABLE}, {{read: v}}]",
    f"[{NET}, {{hold: fc.kernel, as: held}}]",
    "[{layer: dense, name: fc, inputs: 1, units: 1, kernel: random, bias: random, as: fc}]",
    "[{layer: cell, name: cell, inputs: 1, units: 1, kernel: random, recurrent: random, bias: random, as: unit}]",
    "[{layer: embedding, name: words, inputs: 2, units: 1, kernel: random, as: words}]",
    "[{layer: norm, name: norm, inputs: 1, units: 1, as: batch}]",
    f"[{LAYER}, {{compute: 'x = ones(1, 1)'}}, {{call: fc, on: x, as: y}}]",
    f"[{LAYER}, {TENSOR}, {{call: fc, on: [[1.0]], given: {{kernel: 'x * 2.0', bias: [1.0]}}, as: y}}]",
    "[{layer: cell, name: cell, inputs: 1, units: 1, as: unit}, {wrap: unit, in: rnn, as: loop}]",
    f"[{VARIABLE}, {LAYER}, {{module: net, members: {{first: v, second: fc.kernel}}}}]",
    f"[{PAIR}, {{tie: net.second, to: net.first}}]",
    f"[{LAYER}, {{layer: dense, name: head, inputs: 1, units: 1, as: head}}, {{tie: head.kernel, to: fc.kernel}}]",
    f"[{PAIR}, {{replace: net.second, by: v}}]",
    f"[{NET}, {{copy: net, as: clone}}]",
    f"[{NET}, {{save: net, to: kept}}]",
    f"[{PAIR}, {{save: net, only: [first], to: kept}}]",
    f"[{NET}, {{save: net, to: kept}}, {{restore: net, from: kept}}]",
    f"[{LAYER}, {{reparametrize: fc.kernel, times: 2}}]",
    f"[{NET}, {{quantize: net, as: small}}]",
    f"[{NET}, {{weight_norm: fc.kernel}}]",
    f"[{NET}, {{spectral_norm: fc.kernel}}]",
    f"[{NET}, {TENSOR}, {{normalized_use: fc, by: spectral, on: x * 2.0, as: out}}]",
    f"[{NET}, {TENSOR}, {{gradient_by_argument: fc, argument: 0, on: x * 2.0, as: slope}}]",
    f"[{NET}, {{map_twice: fc, as: products}}]",
    f"[{NET}, {{prune: fc.kernel, elements: 1}}]",
    f"[{NET}, {TENSOR}, {{stack: fc, on: x * 2.0, times: 2, as: out}}]",
    f"[{NET}, {TENSOR}, {{map_layer: fc, on: x * 2.0, as: out}}]",
    f"[{NET}, {TENSOR}, {{train_by: step, model: fc, on: x * 2.0}}]",
    f"[{NET}, {TENSOR}, {{remat: net, on: x * 2.0, as: out}}]",
    f"[{VARIABLE}, {{gradient: slope, of: sum(y), wrt: v, steps: [{{compute: y = v * 2.0}}]}}]",
    f"[{VARIABLE}, {{train: sgd, minimize: sum(v), wrt: [v]}}]",
    f"[{NET}, {{train: adam, minimize: sum(y), wrt: net, steps: [{{call: net, on: [[1.0]], as: y}}]}}]",
    f"[{VARIABLE}, {{optimizer: opt, kind: adam, over: [v]}}]",
    f"[{NET}, {{optimizer: opt, over: net, decay: 0.5, undecayed: [fc]}}]",
    f"[{PAIR}, {{optimizer: opt, over: [net.first, net.second], rates: [0.5, 0.25]}}]",
    f"[{PAIR}, {{optimizer: opt, over: net}}, {{update: opt, minimize: sum(net.first)}}]",
    f"[{PAIR}, {{optimizer: opt, over: net}}, {{update: opt, minimize: [sum(net.first), sum(net.second)]}}]",
    f"[{PAIR}, {{optimizer: opt, over: net}}, {{save_optimizer: opt, to: kept}}]",
    f"[{PAIR}, {{optimizer: opt, over: net}}, {{save_optimizer: opt, to: kept}}, {{restore_optimizer: opt, from: kept}}]",
    f"[{NET}, {{compile: net, kind: adam, as: opt}}]",
    f"[{NET}, {{compile: net, as: opt}}, {{compile: net, optimizer: opt}}]",
    f"[{NET}, {{compile: net}}, {{fit: net, on: [[1.0]], to: [[0.0]]}}]",
    f"[{LAYER}, {{freeze: fc}}]",
    f"[{LAYER}, {{freeze: fc}}, {{unfreeze: fc}}]",
    f"[{NET}, {{average: net, as: mean}}]",
    f"[{NET}, {{average: net, as: mean}}, {{track: mean}}]",
    f"[{VARIABLE}, {{hook: v, times: 10}}]",
    f"[{PAIR}, {{share_storage: net.second, of: net.first}}]",
    f"[{VARIABLE}, {{repeat: 2, steps: [{{read: v}}], raises: nothing, expect: accepted}}]",
    f"[{VARIABLE}, {{function: f, takes: [x, y], traced: usual, returns: x * v + y, steps: []}}]",
    f"[{FUNCTION}, {TENSOR}, {{invoke: f, given: [x * 2.0], as: y}}]",
    f"[{VARIABLE}, {{function: f, returns: v, steps: []}}, {{thread: f, times: 2, as: y}}]",
    f"[{VARIABLE}, {{function: f, returns: v, steps: []}}, {{race: f, inside: v, leaves: 1, as: y}}]",
    f"[{VARIABLE}, {{compute: h = v * 1.0}}, {{scan: h, to: h * v, times: 2}}]",
    f"[{VARIABLE}, {TENSOR}, {{vectorize: rows, over: x, each: row, returns: row * v}}]",
    "[{graph: another, steps: [{variable: weight, shape: [1], as: v}]}]",
    f"[{VARIABLE}, {{session: another, steps: [{{initialize: }}]}}]",
    f"[{NET}, {{cast: net, to: float16, as: half}}]",
    f"[{NET}, {{move: net, as: moved}}]",
    f"[{NET}, {{materialize: net, as: real}}]",
    f"[{PAIR}, {{parallel: net, split: {{x: [[1.0], [2.0]]}}, minimize: sum(x * net.first)}}]",
    f"[{VARIABLE}, {{shard: v}}]",
    f"[{NET}, {{dematerialize: net, as: hollow}}]",
    f"[{NET}, {{keep: net, member: again, layer: net.first, by: closure}}, {{compute: 'x = ones(1, 1)'}}, {{call_kept: net, member: again, on: x * 2.0, as: y}}]",
    f"[{NET}, {{keep: net, member: again, layer: net.first, by: method}}]",
    "[{source: noise}]",
    "[{source: noise}, {draw: x, of: noise, shape: [2]}]",
    f"[{VARIABLE}, {LAYER}, {{reparametrize: fc.kernel, by: raw * 2.0 + v}}]",
    f"[{NET}, {TENSOR}, {{export: net, on: x * 2.0, as: program}}]",
    f"[{NET}, {TENSOR}, {{weigh_export: net, on: x * 2.0, as: size}}]",
    f"[{NET}, {TENSOR}, {{summarize: net, on: x * 2.0, as: total}}]",
    f"[{LAYER}, {{layer: dense, name: head, inputs: 1, units: 1, as: head}}, {{compute: 'x = ones(1, 1)'}}, {{ensemble: [fc, head], on: x * 2.0, as: apart}}]",
    f"[{VARIABLE}, {{save_as: v, names: [head], to: kept}}]",
    f"[{VARIABLE}, {{save_as: v, names: [head], to: kept}}, {{load_as: v, name: head, from: kept}}]",
    f"[{VARIABLE}, {{save_as: v, names: [head], to: kept}}, {{look_into: kept, for: names, as: count}}]",
    f"[{NET}, {{under: autocast, steps: [{{call: net, on: [[1.0]], as: y}}]}}]",
    f"[{NET}, {{tap: net.first, steps: [{{call: net, on: [[1.0]], as: y}}], as: caught}}]",
    f"[{NET}, {{tap_gradient: net.first, steps: [{{gradient: slope, of: sum(y), wrt: fc.kernel, steps: [{{call: net, on: [[1.0]], as: y}}]}}], as: caught}}]",
    f"[{NET}, {{prepare: net.first, times: 2, first: true}}]",
    f"[{NET}, {{count_layers: net, as: number}}]",
    f"[{PAIR}, {{optimizer: opt, over: net, named: true}}, {{count_steps: opt, steps: [{{update: opt, minimize: sum(net.first)}}], as: taken}}]",
    f"[{PAIR}, {{remove: net.first}}]",
    "[{layers_in_threads: names}]",
    f"[{NET}, {{train_named: net, only: first, on: [[1.0]]}}]",
    f"[{NET}, {{train_named: net, but: first, on: [[1.0]]}}]",
    f"[{NET}, {{module: outer, members: {{one: fc, two: fc}}}}, {{lay_out: [outer.one.kernel, outer.two.kernel], as: outcome}}]",
    f"[{NET}, {{module: other, members: {{first: fc}}}}, {{resume_distributed: net, into: other}}]",
    "[{own_layer: outcome, owns: module}]",
    "[{adapt: outcome}]",
    "[{box_by: outcome}]",
    "[{call_static: outcome, holds: values}]",
    "[{copy_beside: outcome}]",
    "[{make_by_method: outcome, then: call}]",
    "[{make_in_methods: outcome}]",
    "[{make_in_training: outcome}]",
    "[{count_recomputed: outcome}]",
    "[{limit: outcome}]",
    "[{mark_frozen: outcome, marks: owner}]",
    "[{name_operations: outcome}]",
    "[{refer_back: outcome, counts: statistics}]",
    "[skip_base:]",
    f"[{LAYER}, {{move_to_gpu: fc, as: moved}}]",
    "[{hollow: weight, as: v}]",
    "[{hollow: weight, as: v}, {put_in: v, to: [1.0]}]",
    f"[{NET}, {{step_through: net, raises: nothing, expect: taken, as: slope}}]",
    "[{complex_step: parts}]",
    "[{clone_by: outcome, of: own-class}]",
    "[{mix_precision: outcome, of: own}]",
    "[{write_back: outcome}]",
    "[{build_by_shapes: outcome}]",
    "[{redraw: outputs}]",
    "[{train_through: means}]",
    "[{state_follows: places, kind: momentum, number: complex}]",
    "[{note_buffers: outcome}]",
    "[{read_version: outcome, written_by: 1}]",
    f"[{LAYER}, {{tap_twin: fc, left_out: true, as: caught}}]",
    f"[{LAYER}, {{from_old_release: fc, as: back}}]",
    f"[{PAIR}, {{optimizer: opt, over: net}}, {{hook_step: opt, hands_back: both, steps: [{{update: opt, minimize: sum(net.first)}}], as: called}}]",
    f"[{PAIR}, {{add: net, member: third, by: v}}]",
    f"[{NET}, {{module: outer, members: {{inner: net}}}}, {{find: outer.inner.first, as: found}}]",
    f"[{NET}, {{module: outer, members: {{inner: net}}}}, {{put_at: outer.inner.first, by: fc}}]",
    f"[{NET}, {{module: outer, members: {{inner: net}}}}, {{share_state: outer, of: outer}}]",
    f"[{NET}, {{made_as: boxed, steps: [{VARIABLE}]}}]",
    f"[{NET}, {{write_compiled: net, path: first.kernel, reads: first.kernel, plus: 2.0, as: seen}}]",
    f"[{NET}, {{count_parts: net, as: number}}]",
    f"[{NET}, {{count_ties: net, as: number}}]",
    f"[{NET}, {{apply_to_each: net, times: 2.0}}]",
    f"[{PAIR}, {{write_rows: v, rows: [0], by: set, to: [1.0]}}]",
    f"[{VARIABLE}, {{write_numpy: v, plus: 2.0}}]",
    f"[{VARIABLE}, {{pickle: v, as: sent}}]",
    f"[{VARIABLE}, {{import_graph: true, steps: [{{initialize: }}]}}]",
    f"[{VARIABLE}, {{initialize: }}, {{save_all: count}}]",
    "[{get_from: bias, values: [1.0], by: object, as: bias}]",
    f"[{VARIABLE}, {{count_up: v, limit: 2}}]",
    f"[{PAIR}, {{chain_writes: v, to: [[1.0]], row: 0, then: [1.0]}}]",
    "[{variable: open, init: [1.0], open_shape: true, as: open}, {grow: open, to: [1.0, 2.0]}]",
    "[{variable: open, init: [1.0], open_shape: true, as: open}, {close_shape: open, shape: [1]}]",
    f"[{PAIR}, {{module_scope: net, steps: [{{variable: made, init: [1.0], as: made}}]}}]",
    f"[{PAIR}, {{make_once: net, member: third, start: v * 2.0}}]",
    f"[{PAIR}, {ADDS}, {{attach: net, member: called, function: f}}]",
    f"[{PAIR}, {ADDS}, {{attach: net, member: called, function: f}}, {{compute: t = ones(1)}}, {{call_attached: net, member: called, given: [t], as: y}}]",
    f"[{PAIR}, {{train_remembered: net, minimize: net.first}}]",
    f"[{NET}, {{empty_own: net}}]",
    f"[{NET}, {{count_calls: net.first, steps: [{{call: net, on: [[1.0]], as: y}}], as: counted}}]",
    f"[{PAIR}, {{optimizer: opt, over: net}}, {{order_hooks: opt, steps: [{{save_optimizer: opt, to: kept, in_memory: true}}], as: order}}]",
    f"[{PAIR}, {{fill_in: net, path: first, of: second}}]",
    f"[{NET}, {{take_state: net, as: taken}}]",
    "[{buffer: mean, init: [1.0], kept: false, as: mean}]",
    f"[{VARIABLE}, {{measure: one, steps: [{{read: v}}]}}, {{measure: two, against: one, steps: [{{read: v}}]}}]",
    *(
        f"[{PAIR}, {LAYER}, {{optimizer: opt, over: net}}, {{save: net, to: kept}}, {{initialize: }}, {{expect: first, elements: net, is: 2}}, {{expect: label, {kind}}}]"
        for kind in (
            "value: v * 2.0, is: [2.0]", "same: [net.first, v]", "distinct: [v, w]", "identical: [net.first, v], is: true",
            "name: v, is: weight", "shape: v, is: [1]", "dtype: v, is: float32", "variables: 2, inside: net",
            "names: [first, second], inside: net", "collection: kept, is: 0", "offers: nn.Module, is: true",
            "paths: net.first, inside: net, is: [first]", "slots: opt, is: 0", "penalties: 0, inside: net",
            "elements: net, is: 2, against: first", "parameter_bytes: net, is: 8", "slot_bytes: opt, is: 0",
            "checkpoint_bytes: kept, is: 0", "penalty: 0.0, inside: fc",
        )
    ),
    f"[{FUNCTION}, {TENSOR}, {{invoke: f, given: [x]}}, {{expect: label, traces: f, is: 1}}]",
    f"[{VARIABLE}, {{drop: v}}, {{expect: label, alive: v, is: false}}]",
    "[{scope: gen, steps: [{get: k, shape: [1], init: 1.0}]}, {expect: label, trainable: 1, under: gen}]",
    f"[{VARIABLE}, {{read: v, raises: nothing, expect: accepted}}]",
]  # fmt: skip
SENTINEL = "zq9"
TAINTS = [
    "zq9'", 'zq9"', "zq9'''", "zq9\\", "zq9\n", "\nzq9 = zq9()\n", "\n    zq9()", "zq9 # zq9", "zq9{}", "{zq9}{0!r:{1}}", "%s %(zq9)d", "zq9()",
    "__import__('zq9')", "zq9; zq9", "zq9, zq9=1", "zq9 if zq9 else zq9", "lambda: zq9", ".__class__.zq9", "zq9 := zq9", "**zq9", "@zq9\n",
    "zq9\u2028zq9", "\uff5aq9zq9", "zq9\u202e", "zq9\x1b[31m", "zq9\ud800", "zq9\t", "zq9\x00",
]  # fmt: skip


def data_of(text):
    """Return the data of a text in YAML."""
    return yaml.parse(Path("example.yaml"), text)[0]


def texts(value, path=()):
    """Yield the path of each text in the data of a step, but for steps inside; of a key of a mapping, with its mark."""
    if isinstance(value, str):
        yield path
    elif isinstance(value, list):
        for index, inside in enumerate(value):
            yield from texts(inside, (*path, index))
    elif isinstance(value, dict):
        for key, inside in value.items():
            if path:
                yield (*path, key, "key")
            if path or key != "steps":
                yield from texts(inside, (*path, key))


def tainted(data, path, change):
    """Return data with the text at a path changed."""
    data = copy.deepcopy(data)
    *around, last = path[:-1] if path[-1] == "key" else path
    owner = data
    for part in around:
        owner = owner[part]
    if path[-1] == "key":
        changed = {change(key) if key == last else key: value for key, value in owner.items()}
        owner.clear()
        owner.update(changed)
    else:
        owner[last] = change(owner[last])
    return data


def cases():
    """Yield every text of every example: the steps, the path of the text in the last of them, and a name."""
    for example in EXAMPLES:
        *before, step = data_of(example)
        for path in texts(step):
            field = path[0]
            if verbs()[next(iter(step))].model_fields.get(name_of(step, field)) is not None:
                yield pytest.param(before, step, path, id=f"{next(iter(step))}-{'.'.join(map(str, path))}")


def name_of(step, key):
    """Return the field that a key of a step is."""
    fields = verbs()[next(iter(step))].model_fields
    return next(name for name, field in fields.items() if (field.alias or name) == key)


def holds_text(annotation):
    """Return whether a text of the author's own choosing can stand in a field."""
    if annotation is str or annotation is OddFlag:
        return True
    if typing.get_origin(annotation) in {typing.Literal, None} and not isinstance(annotation, types.UnionType):
        return False
    return any(holds_text(part) for part in typing.get_args(annotation))


def test_every_text_of_every_verb_has_an_example():
    shown = {
        (case.values[1] and next(iter(case.values[1])), name_of(case.values[1], case.values[2][0])) for case in cases()
    }
    for verb, model in verbs().items():
        for name, field in model.model_fields.items():
            if holds_text(field.annotation) and name != "expect":
                assert (verb, name) in shown, f"write an example in which `{verb}` has a text in `{name}`"


@cache
def adapters():
    return canireuse_adapters.loadable()[0]


def scripts(spec):
    """Yield the script of every backend, in every way that says the spec; a translator may refuse, and nothing else."""
    for adapter in adapters().values():
        for way in adapter.ways_of(spec):
            try:
                yield adapter("cpu", way).translate(spec).text
            except Unsupported:
                continue


def code_with(sentinel, script):
    """Return the nodes of a script that have the sentinel anywhere but in a text."""
    return [
        ast.dump(node)[:200]
        for node in ast.walk(ast.parse(script))
        for value in vars(node).values()
        for word in (value if isinstance(value, list) else [value])
        if isinstance(word, str) and sentinel in word and not isinstance(node, ast.Constant)
    ]


def written(write_spec, steps):
    """Return the path of a spec with these steps."""
    lines = "".join(f"  - {json.dumps(step)}\n" for step in steps)
    return write_spec(f"steps:\n{lines}")


def loaded(path):
    """Return a spec, or None if it is refused at a place of the file."""
    try:
        return load(path).spec
    except InputError as refused:
        problems = refused.problems
    assert all(problem.line and problem.column for problem in problems)
    return None


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.rpartition("}, {")[2][:40])
def test_every_example_is_a_spec_that_translators_take(write_spec, example):
    for script in scripts(load(written(write_spec, data_of(example))).spec):
        compile(script, "<script>", "exec")


@pytest.mark.parametrize(("before", "step", "path"), list(cases()))
def test_no_text_becomes_code(write_spec, before, step, path):
    for taint, whole in product(TAINTS, [True, False]):
        mutant = tainted(step, path, lambda text, taint=taint, whole=whole: taint if whole else text + taint)
        spec = loaded(written(write_spec, [*before, mutant]))
        for script in scripts(spec) if spec else ():
            assert not code_with(SENTINEL, script), (mutant, script)


@pytest.mark.parametrize(
    "field", ["title", "about", "symptom", "sources", "backends", "ways", "versions", "because", "source"]
)
def test_no_text_around_the_steps_becomes_code(tmp_path, field):
    divergence = {
        "backends": ["torch"],
        "answers": {"label": [2.0]},
        "because": "long enough to be a reason",
        "source": "observed",
    }
    for taint in TAINTS:
        data = {
            "title": "A title that is long enough", "about": "A spec of a test; it says long enough why it is here.",
            "symptom": "It does not do what I want", "sources": ["convention"], "contract": "none",
            "steps": [*data_of(f"[{VARIABLE}, {{initialize: }}, {{expect: label, value: v, is: [1.0]}}]")],
            "divergences": [{**divergence, **({field: [taint] if field in {"backends", "ways"} else taint} if field in {*divergence, "ways", "versions"} else {})}],
        }  # fmt: skip
        if field in data:
            data[field] = (
                [f"long enough to be one {taint}"]
                if field == "sources"
                else f"long enough to be one {taint} and a few words more"
            )
        path = tmp_path / "spec.yaml"
        path.write_text(json.dumps(data))
        spec = loaded(path)
        for script in scripts(spec) if spec else ():
            assert SENTINEL not in script


def odd_names():
    """Return lists of names that a spec may bind and that are odd, by what is odd about them."""
    legal = [
        name
        for name in [
            *dir(builtins),
            *keyword.softkwlist,
            "forward",
            "call",
            "parameters",
            "self",
            "inputs",
            "units",
            "value",
            "Net",
        ]
        if is_name(name)
    ]
    return {
        "longest": [f"{'n' * 57}{number:03}" for number in range(100)],
        "words": legal,
        "words-from-behind": legal[::-1],
    }


def is_name(name):
    try:
        return check_identifier(name) == name
    except ValueError:
        return False


def renamed(value, names):
    """Return the data of steps with its names exchanged, wherever they stand."""
    if isinstance(value, dict):
        return {key: renamed(inside, names) for key, inside in value.items()}
    if isinstance(value, list):
        return [renamed(inside, names) for inside in value]
    if isinstance(value, str) and any(name in value for name in names) and is_code(value):
        return ast.unparse(Renaming(names).visit(ast.parse(value)))
    return value


def is_code(text):
    try:
        return bool(ast.parse(text).body)
    except SyntaxError:
        return False


class Renaming(ast.NodeTransformer):
    """Exchanges names."""

    def __init__(self, names):
        self.names = names

    def visit_Name(self, node):
        node.id = self.names.get(node.id, node.id)
        return node


@pytest.mark.parametrize("kind", odd_names())
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.rpartition("}, {")[2][:40])
def test_odd_names_make_scripts_that_compile(write_spec, example, kind):
    steps = data_of(example)
    bound = dict.fromkeys(step.binding for step in walk(load(written(write_spec, steps)).spec.steps) if step.binding)
    names = dict(zip(bound, odd_names()[kind], strict=False))
    for script in scripts(load(written(write_spec, renamed(steps, names))).spec):
        compile(script, "<script>", "exec")
