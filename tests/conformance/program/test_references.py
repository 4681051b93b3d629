"""References: every place of a spec is followed to its end, and what does not lead there is told where it stands."""

import time
from contextlib import nullcontext

import pytest

from canireuse.program.loader import load
from canireuse.spec.bounds import DEEPEST_STEPS, MOST_PLACES, MOST_RUNS, MOST_STANDING, MOST_STEPS
from canireuse.spec.problems import InputError

#: what the steps of the tests find made: layers of each kind, a module in a module, a function that makes one
MADE = """
steps:
  - {variable: v, shape: [1], init: 1.0, as: v}
  - {layer: dense, name: fc, inputs: 1, units: 1, bias: 0.0, as: fc}
  - {layer: dense, name: bare, inputs: 1, units: 1, as: bare}
  - {layer: embedding, name: words, inputs: 2, units: 1, as: words}
  - {layer: norm, name: norm, inputs: 1, units: 1, as: norm}
  - {layer: cell, name: cell, inputs: 1, units: 1, bias: 0.0, as: cell}
  - {wrap: cell, in: rnn, as: loop}
  - {wrap: loop, in: bidirectional, as: ways}
  - {wrap: fc, in: time_distributed, as: each}
  - {module: inner, members: {head: fc, weight: v}}
  - {module: net, members: {body: inner, last: bare}}
  - {copy: net, as: clone}
  - {function: make, returns: pair, steps: [{module: pair, members: {one: bare}}]}
  - {function: count, takes: [x], returns: x * 2.0, steps: []}
  - {invoke: make, as: made}
  - {placeholder: flag}
  - {save: net, to: kept}
"""
LINE = MADE.count("\n") + 6


def checked(write_spec, step):
    return load(write_spec(f"{MADE}  - {step}\n"))


@pytest.mark.parametrize(
    "place",
    [
        "v", "fc.kernel", "fc.bias", "words.kernel", "norm.mean", "norm.var", "cell.recurrent", "loop.kernel", "loop.cell.bias",
        "ways.forward.kernel", "ways.backward.cell.kernel", "each.kernel", "each.layer.bias", "inner.weight",
        "net.body.head.kernel", "clone.body.weight", "clone.last.kernel", "made.one.kernel",
    ],
)  # fmt: skip
def test_places_that_lead_to_a_variable_are_accepted(write_spec, place):
    assert checked(write_spec, f"{{read: {place}}}")


@pytest.mark.parametrize(
    ("step", "at", "happened", "told"),
    [
        # no such member, in each field that names a place, at the part that is not there
        ("{read: fc.trunk}", "trunk", "'fc' has no member 'trunk'", "kernel, bias"),
        ("{assign: fc.kernle, to: 1.0}", "kernle", "'fc' has no member 'kernle'", "did you mean 'kernel'?"),
        ("{assign: net.body.haed.kernel, to: 1.0}", "haed", "'net.body' has no member 'haed'", "did you mean 'head'?"),
        ("{read: bare.bias}", "bias", "'bare' has no member 'bias'", "kernel"),
        ("{read: v.kernel}", "kernel", "'v' has no member 'kernel'", "a variable, which has no members"),
        ("{read: fc.kernel.first}", "first", "'fc.kernel' has no member 'first'", "no members"),
        ("{read: norm.recurrent}", "recurrent", "'norm' has no member 'recurrent'", "kernel, mean, var"),
        ("{read: loop.layer.kernel}", "layer", "'loop' has no member 'layer'", "cell"),
        ("{read: clone.body.haed.kernel}", "haed", "'clone.body' has no member 'haed'", "did you mean 'head'?"),
        ("{read: made.two.kernel}", "two", "'made' has no member 'two'", "one"),
        ("{compute: y = v + fc.kernle}", "kernle", "'fc' has no member 'kernle'", "did you mean 'kernel'?"),
        ("{gradient: g, of: sum(v), wrt: fc.kernle}", "kernle", "'fc' has no member 'kernle'", "did you mean"),
        ("{gradient: g, of: sum(fc.kernle), wrt: v}", "kernle", "'fc' has no member 'kernle'", "did you mean"),
        ("{module: m, members: {a: net.bdoy}}", "bdoy", "'net' has no member 'bdoy'", "did you mean 'body'?"),
        ("{function: f, returns: net.bdoy, steps: []}", "bdoy", "'net' has no member 'bdoy'", "did you mean 'body'?"),
        ("{intercept: raw, returns: raw * fc.kernle, steps: []}", "kernle", "no member 'kernle'", "did you mean"),
        ("{update: fc, minimize: sum(v)}", "fc", "'fc' is a layer", "optimizer"),
        ("{save: net, only: [body, lsat], to: w}", "lsat", "'net' has no member 'lsat'", "did you mean 'last'?"),
        ("{call: fc, on: [[1.0]], given: {kernle: [[2.0]]}}", "kernle", "'fc' has no member 'kernle'", "did you mean"),
        ("{call: net, on: [[1.0]], given: {body: [[2.0]]}}", "body", "'net.body' is a module", "net.body.head"),
        ("{call: fc, on: [[1.0]], given: {kernel: v + w}}", "w", "nothing is bound to 'w'", "bound before"),
        ("{expect: e, same: [v, net.body]}", "body", "'net.body' is a module", "net.body.head, net.body.weight"),
        ("{expect: e, value: net.body, is: 1.0}", "body", "'net.body' is a module", "tensor or variable"),
        ("{call: net.body.weight, on: v}", "weight", "'net.body.weight' is a variable", "layer or module"),
        ("{scope: s, reuse: {tensor: falg}, steps: []}", "falg", "nothing is bound to 'falg'", "did you mean 'flag'?"),
        ("{get: k, reuse: {tensor: v}}", "v", "'v' is a variable", "a tensor"),
        ("{invoke: count}", "count", "'count' is called with 0 values", "1: so many it takes"),
        ("{thread: count}", "count", "'count' is called with 0 values", "1: so many it takes"),
        ("{restore: net, from: ketp}", "ketp", "nothing was saved under 'ketp'", "did you mean 'kept'?"),
        ("{save: net, to: clone}", "clone", "'clone' is a name that the spec binds", "another word"),
        ("{read: fc.gain, raises: bad_argument, expect: e}", "gain", "'fc' has no member 'gain'", "kernel, bias"),
        ("{read: kept}", "kept", "'kept' is a checkpoint", "variable"),
        ("{reenter: made, steps: []}", "made", "'made' is a module", "a scope"),
        # a module inside itself
        ("{module: net, members: {a: net}}", "net}}", "'net' would be a member of itself", "name the module otherwise"),
        ("{replace: net.body, by: net}", "net}", "'net' would be inside itself", "name another"),
        ("{replace: inner.weight, by: net}", "net}", "'inner' would be inside itself", "name another"),
    ],
)  # fmt: skip
def test_what_leads_nowhere_is_told_at_its_place(write_spec, step, at, happened, told):
    with pytest.raises(InputError) as refused:
        checked(write_spec, step)
    (problem,) = refused.value.problems
    assert happened in problem.happened, problem
    assert told in str(problem), problem
    words = f"  - {step}"
    column = next(index for index in range(len(words)) if words[index:].startswith(at) and words[index - 1] in " .[{+(")
    assert (problem.line, problem.column) == (LINE, column + 1), problem


@pytest.mark.parametrize(
    "steps",
    [
        # what was put in a place has members of its own there
        ["{replace: net.last, by: inner}", "{read: net.last.head.kernel}"],
        ["{function: swap, steps: [{replace: net.last, by: inner}]}", "{read: net.last.kernel}", "{invoke: swap}",
         "{read: net.last.head.kernel}"],
        ["{tie: net.body.head.kernel, to: words.kernel}", "{read: fc.kernel}"],
        ["{copy: net, shallow: true, as: c}", "{replace: c.last, by: inner}", "{read: net.last.kernel}", "{read: c.last.head.bias}"],
        ["{average: net, as: mean}", "{read: mean.body.head.bias}"],
        ["{tie: v, to: fc.bias}", "{read: v}"],
        # a copy, and what a call returns, is of the kind that it is
        ["{copy: cell, as: other}", "{wrap: other, in: rnn, as: again}", "{read: again.cell.kernel}"],
        ["{function: give, returns: net.body.head.kernel, steps: []}", "{invoke: give, as: it}", "{tie: bare.kernel, to: it}"],
        # a function acts on what is there when it is called, at each call and turn
        ["{function: swap, steps: [{replace: net.last, by: inner}]}", "{module: rest, members: {it: net}}", "{thread: swap}",
         "{read: rest.it.last.head.kernel}"],
        ["{repeat: 2, steps: [{replace: net.last, by: net.body}, {replace: net.body, by: words}]}", "{read: net.last.kernel}"],
        # one that calls itself is not followed
        ["{function: again, steps: []}", "{function: other, steps: [{invoke: again}]}", "{function: again, steps: [{invoke: other}]}", "{invoke: again}"],
        ["{function: again, steps: []}", "{function: other, steps: [{invoke: again}]}", "{variable: v, as: again}", "{invoke: other}"],
        # a place that is not to be found need not be there, and what is refused changes nothing
        ["{read: fc.gain, raises: not_found, expect: refused}"],
        ["{call: fc, on: [[1.0]], given: {kernle: [[2.0]]}, raises: not_found, expect: refused}"],
        ["{replace: net.last, by: inner, raises: bad_argument, expect: refused}", "{read: net.last.kernel}"],
    ],
)  # fmt: skip
def test_places_follow_what_steps_do(write_spec, steps):
    assert load(write_spec(MADE + "".join(f"  - {step}\n" for step in steps)))


@pytest.mark.parametrize(
    ("steps", "happened"),
    [
        (["{function: swap, steps: [{replace: net.last, by: inner}]}", "{invoke: swap}", "{read: net.last.kernel}"],
         "'net.last' has no member 'kernel'"),
        (["{function: twist, takes: [x], returns: x, steps: []}", "{invoke: twist, given: [1.0], as: it}", "{read: it.kernel}"],
         "'it' has no member 'kernel'"),
        (["{repeat: 2, steps: [{replace: net.last, by: net.body}, {replace: net.body, by: words}]}", "{read: net.last.head.kernel}"],
         "'net.last' has no member 'head'"),
    ],
)  # fmt: skip
def test_what_a_call_or_a_turn_took_away_is_told(write_spec, steps, happened):
    with pytest.raises(InputError) as refused:
        load(write_spec(MADE + "".join(f"  - {step}\n" for step in steps)))
    (problem,) = refused.value.problems
    assert happened in problem.happened
    assert problem.line == LINE + len(steps) - 1


def layers(count):
    return [f"{{layer: dense, name: l{n}, inputs: 1, units: 1, bias: 0.0, as: l{n}}}" for n in range(count)]


#: 60 layers, a module of all of them, and copies of it: nearly as much as may stand
MANY = [*layers(60), f"{{module: big, members: {{{', '.join(f'm{n}: l{n}' for n in range(60))}}}}}"]
COPIES = [*MANY, *(f"{{copy: big, as: c{n}}}" for n in range(18))]


@pytest.mark.parametrize(
    ("steps", "loads"),
    [
        ([*layers(480), *(f"{{tie: l{n}.kernel, to: l{n + 1}.kernel}}" for n in range(470))], True),
        ([*COPIES, *(f"{{function: f{n}, steps: [{{tie: l1.kernel, to: l2.kernel}}]}}" for n in range(400))], False),
        ([*COPIES, *(f"{{replace: big.m{n % 59}, by: l{n % 60}}}" for n in range(800))], True),
        ([*COPIES, "{function: f, steps: [{replace: big.m1, by: l3}]}", *(["{invoke: f}"] * 800)], True),
        ([*MANY, "{repeat: 10000, steps: [{tie: l1.kernel, to: l2.kernel}, {copy: big, as: c}]}"], False),
        ([*MANY, "{module: o, members: {a: l1}}", "{repeat: 10000, steps: [{replace: o.a, by: big}, {replace: o.a, by: l1}]}"], False),
        ([*layers(1), "{module: net, members: {a: l0}}", "{repeat: 9000, steps: [{module: m, members: {a: net, b: net}}, {copy: m, as: net}]}"], False),
        ([*layers(1), "{module: net, members: {a: l0}}", "{function: f, steps: [{module: m, members: {a: net.a, b: net.a}}, {replace: net.a, by: m}]}",
         "{repeat: 9000, steps: [{invoke: f}]}"], False),
        ([*layers(2), "{function: f, steps: []}", "{function: g, steps: [{repeat: 300, steps: [{invoke: f}]}]}",
         "{function: f, steps: [{repeat: 5000, steps: [{tie: l0.kernel, to: l1.kernel}]}]}", "{invoke: g}"], False),
        ([*layers(2), "{module: m, members: {a: l0, x: l1}}", "{variable: v, as: v}", "{module: o, members: {a: v}}", "{function: f, steps: [{replace: m.x, by: o}]}",
         "{replace: o.a, by: m}", "{invoke: f}", "{copy: o, as: p}"], True),
    ],
    ids=["ties", "functions", "owners", "calls", "copies", "large", "double", "double-in-calls", "redefined", "circular"],
)  # fmt: skip
def test_what_takes_long_to_follow_is_loaded_or_refused_soon(write_spec, steps, loads):
    path = write_spec("".join(["steps:\n", *(f"  - {step}\n" for step in [*steps, "{expect: e, variables: 1}"])]))
    started = time.process_time()
    with nullcontext() if loads else pytest.raises(InputError, match="change too much"):
        load(path)
    assert time.process_time() - started < 5


def nested(depth):
    step = "{read: v}"
    for _ in range(depth):
        step = f"{{repeat: 1, steps: [{step}]}}"
    return step


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        ([nested(DEEPEST_STEPS)], f"more than {DEEPEST_STEPS} deep"),
        (["{read: v}"] * MOST_STEPS, f"at most {MOST_STEPS} steps"),
        (["{repeat: 400, steps: [{repeat: 400, steps: [{read: v}]}]}"], f"at most {MOST_RUNS} steps"),
        (["{get: many, shape: [1], numbered: 40000}", "{get: more, shape: [1], numbered: 40000}", "{get: most, shape: [1], numbered: 40000}"], "multiply"),
        (["{function: f, steps: [{repeat: 400, steps: [{read: v}]}]}", "{repeat: 400, steps: [{invoke: f}]}"], "multiply"),
        (["{function: f, steps: [{repeat: 4000, steps: [{read: v}]}]}", "{thread: f, times: 4000}"], "multiply"),
        (["{scan: y, to: y, times: 400, steps: [{repeat: 400, steps: [{read: v}]}]}"], "multiply"),
        ([f"{{module: m{n}, members: {{a: {f'm{n - 1}' if n else 'net'}, b: {f'm{n - 1}' if n else 'net'}}}}}" for n in range(9)],
         f"at most {MOST_PLACES} places"),
        ([f"{{module: m{n}, members: {{a: {f'm{n - 1}' if n else 'net'}}}}}" for n in range(30)], "20 deep"),
        ([f"{{copy: net, as: c{n}}}" for n in range(900)], f"at most {MOST_STANDING} places in all"),
    ],
)  # fmt: skip
def test_what_grows_without_bound_is_refused(write_spec, steps, words):
    with pytest.raises(InputError) as refused:
        load(write_spec(MADE + "".join(f"  - {step}\n" for step in ["{compute: y = v}", *steps])))
    assert any(words in str(problem) for problem in refused.value.problems), refused.value
    assert all(problem.line >= LINE for problem in refused.value.problems)


def test_a_function_runs_where_it_is_called(write_spec):
    steps = [
        *(f"{{function: f{n}, steps: [{{repeat: 5000, steps: [{{read: v}}]}}]}}" for n in range(30)),
        "{invoke: f1}",
    ]
    assert load(write_spec(MADE + "".join(f"  - {step}\n" for step in steps)))
