"""The reference model's scripts: how each verb is said, and that it predicts every spec it can say."""

import textwrap
from pathlib import Path

import pytest

from canireuse.contract import refusals
from canireuse.emit import Unsupported
from canireuse.emit.translation import options_of
from canireuse.judge.verdict import judge
from canireuse.program.loader import load_all
from canireuse.run.host import encode
from canireuse.run.hosts import Host
from canireuse.run.outcome import Outcome
from canireuse.run.stopwatch import Untimed
from canireuse.spec.model import Spec
from canireuse.spec.vocabulary import Layer, walk
from canireuse_adapters.reference import MOST_NUMBERS, Reference

SPECS = Path(__file__).parents[2] / "specs"
LOCATED = load_all([SPECS])
#: what of the vocabulary the contract leaves to the frameworks
NOT_COVERED = {
    "layer.norm",
    "layer.cell",
    "wrap",
    "reparametrize",
    "quantize",
    "share_storage",
    "weight_norm",
    "spectral_norm",
    "prune",
    "get.partitions",
    "get.uniform",
    "checkpoint_bytes",
    "traces",
}


def run(spec: Spec) -> Outcome:
    outcome, loops = Outcome("finished"), Untimed()
    script = Reference().translate(spec)
    exec(
        compile(script.text, "<script>", "exec"),
        {
            "observe": lambda label, value: outcome.observations.update({label: encode(value)}),
            "rounds": loops.rounds,
            "measure": loops.measure,
        },
    )
    return outcome


def check(spec: Spec) -> None:
    judgement = judge(spec, "reference", Reference, {}, run(spec), {})
    assert judgement.verdict == "conforms", (judgement.reason, Reference().translate(spec).text)


def refusal(spec):
    """Return why the model does not say a spec, empty if it does: a row of a framework's own, large layers, some words."""
    steps = list(walk(spec.steps))
    words = {word for step in steps for word in (step.verb, getattr(step, "kind", ""), *options_of(step))}
    if spec.contract == "none":
        return "does not cover this"
    if any(isinstance(step, Layer) and step.inputs * step.units > MOST_NUMBERS for step in steps):
        return "computes in plain Python"
    return "does not cover" if words & NOT_COVERED else ""


@pytest.mark.parametrize("located", LOCATED, ids=lambda located: located.id)
def test_predicts_every_observation(located):
    why = refusal(located.spec)
    if not why:
        check(located.spec)
    else:
        with pytest.raises(Unsupported, match=why):
            Reference().translate(located.spec)


def test_no_divergence_is_declared_for_the_contract():
    assert not [
        located.id
        for located in LOCATED
        if any("reference" in divergence.backends for divergence in located.spec.divergences)
    ]


VERBS = {
    "name scope, constructor, names": """
        steps:
          - name_scope: around
            steps:
              - variable: w
                init: [1.0, 2.0]
                as: made
              - get: w
                shape: [2]
                trainable: false
                as: got
          - expect: constructed-name
            name: made
            is: around/w
          - expect: all-names
            names: [around/w, w]
          - expect: trainable-ones
            trainable: 1
          - expect: shape-of-it
            shape: made
            is: [2]
          - expect: dtype-of-it
            dtype: got
            is: float32
    """,
    "scope by reference, auto, reuse_variables": """
        steps:
          - scope: a
            as: scope_a
            steps:
              - get: w
                shape: []
                as: first
              - reuse_variables: scope_a
              - get: w
                shape: []
                as: second
          - scope: b
            steps:
              - reenter: scope_a
                reuse: auto
                steps:
                  - get: w
                    shape: []
                    as: third
          - initialize:
          - expect: two-names-one-object
            identical: [first, second]
            is: true
          - expect: third-name-too
            same: [third, first]
    """,
    "flags": """
        steps:
          - placeholder: flag
            dtype: bool
          - scope: a
            reuse: {text: "yes"}
            raises: bad_argument
            expect: text-is-refused
            steps: []
          - scope: a
            reuse: {tensor: flag}
            raises: bad_argument
            expect: tensor-is-refused
            steps: []
          - get: w
            shape: []
            reuse: true
            raises: bad_argument
            expect: get-takes-none
    """,
    "graphs, sessions, reading": """
        steps:
          - get: w
            shape: []
            init: 2.0
            as: w
          - read: w
            raises: uninitialized
            expect: no-value-yet
          - initialize:
          - session: second
            steps:
              - read: w
                raises: uninitialized
                expect: none-in-another-session
          - graph: second
            steps:
              - expect: no-variables-in-another-graph
                variables: 0
          - assign: w
            to: 3.0 * w
          - expect: written
            value: w
            is: 6.0
          - reinitialize: w
          - expect: put-back
            value: w
            is: 2.0
    """,
    "layers, modules, ties, copies": """
        steps:
          - layer: embedding
            name: table
            inputs: 3
            units: 2
            kernel: [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]
            as: table
          - layer: dense
            name: dense
            inputs: 2
            units: 2
            bias: 1.0
            as: dense
          - module: pair
            members: {first: table, second: dense}
          - call: pair
            on: [2, 0]
            as: output
          - layer: embedding
            name: other
            inputs: 3
            units: 2
            as: other
          - initialize:
          - expect: called-in-order
            value: output
            is: [[12.0, 12.0], [4.0, 4.0]]
          - tie: other.kernel
            to: pair.first.kernel
          - module: both
            members: {one: other, two: table}
          - copy: both
            as: twin
          - expect: counted-once
            variables: 1
            inside: both
          - expect: tied
            same: [other.kernel, table.kernel]
          - expect: copy-is-apart
            distinct: [twin.one.kernel, table.kernel]
          - expect: copy-is-tied-inside
            same: [twin.one.kernel, twin.two.kernel]
          - save: both
            to: checkpoint
          - freeze: both
          - assign: table.kernel
            to: [[0.0, 0.0], [0.0, 0.0], [0.0, 0.0]]
          - restore: both
            from: checkpoint
          - expect: restored
            value: other.kernel[0]
            is: [3.0, 4.0]
          - expect: frozen
            trainable: 0
            inside: both
          - train: sgd
            minimize: sum(table.kernel)
            wrt: both
            raises: not_trainable
            expect: nothing-to-train
    """,
    "functions, loops, gradients, training": """
        steps:
          - variable: w
            init: 2.0
            as: w
          - compute: h = 1.0 * w
          - function: twice
            traced: true
            takes: [x]
            returns: x * w + w
            steps: []
          - invoke: twice
            given: [3.0]
            as: result
          - initialize:
          - expect: function-result
            value: result
            is: 8.0
          - gradient: slope
            of: h * 1.0
            wrt: w
            steps:
              - repeat: 2
                steps:
                  - compute: h = h * w
          - expect: slope-of-the-cube
            value: slope
            is: 12.0
          - expect: outer-name-is-untouched
            value: h
            is: 2.0
          - train: sgd
            minimize: square(h)
            wrt: [w]
            rate: 0.25
            times: 2
            steps:
              - compute: h = 2.0 * w
          - expect: trained
            value: w
            is: 2.0
    """,
    "values at once": """
        steps:
          - variable: w
            init: 2.0
            as: w
          - compute: before_it = w * 10.0
          - assign: w
            to: 5.0
          - expect: written
            value: w
            is: 5.0
          - expect: computed-before
            value: before_it
            is: 20.0
    """,
    "measured loops, variables by the hundred": """
        steps:
          - measure: create
            size: 2
            fresh: true
            steps:
              - scope: tower
                steps:
                  - {get: kernel, numbered: 2, shape: [2], init: 1.0}
          - measure: look-up
            size: 2
            against: create
            steps:
              - scope: tower
                reuse: true
                steps:
                  - {get: kernel, numbered: 2, shape: [2], as: kernels}
          - measure: create
            size: 3
            fresh: true
            steps:
              - {get: kernel, numbered: 3, shape: [2], init: 1.0, as: kernels}
          - expect: as-many-as-one-fresh-loop-made
            variables: 2
          - scope: tower
            reuse: true
            steps:
              - get: kernel_1
                shape: [2]
                as: second
          - initialize:
          - expect: the-second-of-them
            name: second
            is: tower/kernel_1
    """,
    "what things take": """
        steps:
          - {layer: dense, name: first, inputs: 3, units: 2, bias: 0.0, as: first}
          - {layer: dense, name: second, inputs: 3, units: 2, bias: 0.0, as: second}
          - {tie: second.kernel, to: first.kernel}
          - {module: both, members: {first: first, second: second}}
          - {optimizer: tuner, kind: adam, over: both}
          - {optimizer: other, kind: momentum, over: first}
          - {optimizer: plain, kind: sgd, over: both}
          - initialize:
          - {expect: nothing-is-kept-before-a-step, slot_bytes: tuner, is: 0}
          - {update: tuner, minimize: sum(first.kernel) + sum(first.bias) + sum(second.bias)}
          - {update: other, minimize: sum(first.kernel) + sum(first.bias)}
          - {update: plain, minimize: sum(first.kernel)}
          - {expect: a-tied-variable-counts-once, elements: both, is: 10}
          - {expect: a-number-has-four-bytes, parameter_bytes: both, is: 40}
          - {expect: two-numbers-for-each-number, slot_bytes: tuner, is: 80}
          - {expect: one-number-for-each-number, slot_bytes: other, is: 32}
          - {expect: none-at-all, slot_bytes: plain, is: 0}
          - {cast: both, to: float64, as: wide}
          - {expect: a-wide-number-has-eight, parameter_bytes: wide, is: 80}
    """,
    "collections": """
        steps:
          - variable: w
            init: 2
            collection: kept
            as: w
          - expect: in-it
            collection: kept
            is: 1
          - expect: integer
            dtype: w
            is: int32
    """,
}


@pytest.mark.parametrize("steps", VERBS.values(), ids=VERBS)
def test_says_every_verb(load_spec, steps):
    check(load_spec(textwrap.dedent(steps)).spec)


@pytest.mark.parametrize(
    ("step", "reason"),
    [
        ("- expect: offers-it\n    offers: layers\n    is: true", "package"),
        ("- expect: traced-once\n    traces: f\n    is: 1", "traced"),
    ],
)
def test_what_frameworks_own_is_outside_the_contract(load_spec, step, reason):
    located = load_spec(f"steps:\n  - function: f\n    traced: true\n    steps: []\n  {step}\n")
    with pytest.raises(Unsupported, match=f"does not cover.*{reason}"):
        Reference().translate(located.spec)


def test_every_kind_of_refusal_is_an_exception_of_its_own():
    assert {kind: getattr(refusals, name) for kind, ((name, _),) in Reference.errors.items()}
    for kind, ((name, _),) in Reference.errors.items():
        error = getattr(refusals, name)("this", "that", "do so")
        assert Reference.kind_of(encode(error)["error"]) == kind


@pytest.mark.parametrize(("asked", "absent"), [("cpu", False), ("auto", False), ("gpu", True)])
def test_runs_in_a_host_on_the_cpu_alone(asked, absent):
    host = Host(Reference, device=asked)
    try:
        reason = host.ready()
        assert bool(reason) is absent
        assert host.device == ("gpu" if absent else "cpu")
        if not absent:
            spec = next(located.spec for located in LOCATED if not refusal(located.spec))
            assert host.run(Reference().translate(spec), "<spec>").error is None
    finally:
        host.stop()
