"""What is observed in TensorFlow 1, and measured loops in a graph.

What a session runs is built once, above the rounds, and a turn is one run of it.
"""

import ast
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from canireuse.emit import Body, Fill, Names, Reads, Unsupported, expr, name, node, statements
from canireuse.emit.fragments import alike, literal
from canireuse.program import places_of
from canireuse.spec.step import Step
from canireuse.spec.vocabulary import Expect, Function, Gradient, Graph, Invoke, Measure, Repeat, Update, walk
from canireuse_adapters.tf1 import learning

if TYPE_CHECKING:
    from canireuse_adapters.tf1 import TF1, TensorFlow1

MIXED = "A graph is built by Python and run by a session, each with a time of its own: what is measured is one or the other."
ONE_STEP = "A session runs what was built before, in no order but that of the data: what is measured is one training step that returns nothing, or tensors without a step."
TRACED_BEFORE = "In a graph a function is traced when its call is built, above what is measured; what the first turn takes longer is the session's, which optimizes the graph."
BYTES = "sum(variable.shape.num_elements() * variable.dtype.size for variable in $listed)"
TERMS = "[term for variable in $x for term in tf1.losses.get_regularization_losses(variable.name.split(':')[0] + '/')]"
#: what finds or makes variables and computes nothing: then the time of Python is asked for
NAMING = frozenset({"scope", "default_scope", "reenter", "name_scope", "current_scope", "get", "repeat"})
#: what builds tensors that a session can run
TENSORS = frozenset({"invoke", "compute", "call", "gradient", "update", "scan", "vectorize"})
#: what leaves alone what was built before it
HARMLESS = frozenset({"expect", "invoke", "compute", "initialize", "read", "call", "measure"})


def listed(code: str, field: str = "inside", *, trainable: bool = False) -> Callable[["TensorFlow1", Expect], ast.expr]:
    """Return what reads the list of variables that the field of an observation asks for."""
    return lambda tf1, step: expr(code, listed=tf1.listing(getattr(step, field), trainable=trainable, under=step.under))


def slots(tf1: "TensorFlow1", step: Expect) -> ast.expr:
    """Count the variables that an optimizer keeps slots for, whatever its owner holds now."""
    made = tf1.made(step.slots or "")
    if made.kind == "sgd":
        return expr("len($optimizer.get_slot_names())", optimizer=step.slots)
    if tf1.eager:  # where no graph has the list of all variables
        code = "len([slot for slot in $optimizer.variables() if slot.name.endswith($slot)])"
        return expr(code, optimizer=step.slots, slot=literal({"momentum": "/Momentum:0", "adam": "/Adam:0"}[made.kind]))
    code = "len({id(variable) for variable in tf1.global_variables() if $optimizer.get_slot(variable, '$slot') is not None})"
    return expr(code, optimizer=step.slots, slot={"momentum": "momentum", "adam": "m"}[made.kind])


def penalties(tf1: "TensorFlow1", step: Expect) -> ast.expr:
    """Ask for the collected terms of regularizers, or those named after an owner's variables."""
    found = tf1.symbols.at(step.inside) if step.inside else None
    if step.inside is None:
        return expr("tf1.losses.get_regularization_losses()")
    if tf1.eager:
        raise Unsupported("Penalties collected in eager mode carry no names by which those of an owner could be told.")
    if found and found.kind == "scope":
        return expr("$x.get_collection(tf1.GraphKeys.REGULARIZATION_LOSSES)", x=step.inside)
    tf1.idiom("Penalties are collected by graph; those of an owner are found by the names of its variables.")
    return expr(TERMS, x=tf1.listing(step.inside))


# -- measured loops in a graph


def is_writing(step: Step) -> bool:
    """Return whether a step writes into variables."""
    return step.verb == "initialize" or (step.probes and not isinstance(step, Gradient))


def is_building(loop: Measure) -> bool:
    """Return whether the building of a graph is what a loop measures, not the run of one."""
    graphs = all(isinstance(step, Graph) for step in loop.steps)
    return loop.fresh or graphs or all(step.verb in NAMING for step in walk(loop.steps))


def results(loop: Measure) -> list[str]:
    """Return the names that the steps of a loop bind to tensors and do not read afterwards themselves."""
    found: dict[str, None] = {}
    for step in walk(loop.steps):
        for place in places_of(step) if step.verb in TENSORS else ():
            found.pop(place.partition(".")[0], None)
        if step.verb in TENSORS and step.binding:
            found[step.binding] = None
    return list(found)


def updates(steps: Sequence[Step]) -> list[Update]:
    """Return the updates among steps."""
    return [step for step in walk(steps) if isinstance(step, Update)]


def more_than_a_step(steps: Sequence[Step], *, returns: bool) -> bool:
    """Return whether steps with an update are more than one training step."""
    again = any(updates(step.steps) for step in walk(steps) if isinstance(step, Repeat))
    writes = sum(is_writing(step) for step in walk(steps))
    return any(writes > 1 or again or returns or update.times > 1 for update in updates(steps))


def called_in_loops(tf1: "TF1") -> set[str]:
    """Return the functions that measured loops call."""
    loops = [step for step in tf1.facts.steps if isinstance(step, Measure)]
    return {step.invoke for loop in loops for step in walk(loop.steps) if isinstance(step, Invoke)}


def builds_step(tf1: "TF1", step: Any) -> Update | None:
    """Return the update of a loop, or of a function that is measured, that trains: it builds a step, which can be run again."""
    if isinstance(step, Function):
        built = not step.traced and step.function in called_in_loops(tf1)
    else:
        built = isinstance(step, Measure) and not is_building(step)
    return next(iter(updates(step.steps)), None) if built else None


def check_built(body: Body) -> None:
    """Refuse what a session runs where the building of a graph is measured."""
    if "session" in Names(body).read:
        raise Unsupported(MIXED)


def end(tf1: "TF1", step: Function) -> None:
    """Return the step from a function that builds one to be measured."""
    if not step.traced and step.function in called_in_loops(tf1):
        check_built(tf1.body)
    if builds_step(tf1, step):
        tf1.emit("return $op", op=learning.train_op(tf1.body))


def measure(tf1: "TF1", step: Measure) -> None:
    """Write a loop; one that builds holds nothing that a session runs, and stands in the graph that a loop before it began."""
    if id(step) in tf1.fetches:
        body = statements("session.run($x)", x=tf1.fetches[id(step)])
    else:
        with tf1.apart() as body:
            tf1.steps(step.steps)
        check_built(body)
    if step.fresh:
        tf1.built.clear()
        body = statements(f"with tf.Graph().as_default() as graph{tf1.on_device}:\n    $*body", body=body)
    size: dict[str, Fill] = {"size": step.size} if step.size else {}
    code = "for _ in measure('$label', $**size):\n    $*body"
    loop = statements(code, label=step.measure, size=size, body=body)
    if not step.fresh and "graph" in Names(tf1.body).bound:
        loop = statements("with graph.as_default():\n    $*loop", loop=loop)
    tf1.body += loop


def build(tf1: "TF1", loops: Sequence[Measure]) -> None:
    """Build what each loop runs; a name that several loops bind is told apart."""
    running = [loop for loop in loops if not is_building(loop)]
    count = Counter(result for loop in running for result in results(loop))
    for loop in running:
        for step in walk(loop.steps):
            if step.verb not in TENSORS | NAMING:
                raise Unsupported(
                    f"What a session runs again and again is built before; `{step.verb}` is no part of it."
                )
        label = loop.measure.replace("-", "_")
        suffix = loop.size or label
        names = {one: tf1.own(f"{one}_{suffix}") if count[one] > 1 else one for one in results(loop)}
        op = tf1.own(f"run_{label}_{loop.size}" if loop.size else f"run_{label}")
        tf1.fetches[id(loop)] = fetched(tf1, loop, names, op)


def fetched(tf1: "TF1", loop: Measure, names: dict[str, str], op: str) -> ast.expr:
    """Build what one loop runs, and return it."""
    first = loop.steps[0]
    if len(loop.steps) == 1 and isinstance(first, Invoke):
        return built_by(tf1, first, names.get(first.as_ or "", op))
    functions = [tf1.made(step.invoke) for step in walk(loop.steps) if isinstance(step, Invoke)]
    if any(builds_step(tf1, one) for one in functions) or more_than_a_step(loop.steps, returns=bool(names)):
        raise Unsupported(ONE_STEP)
    start = len(tf1.body)
    tf1.around.append(loop)
    with tf1.symbols.inside(loop):
        tf1.steps(loop.steps)
    tf1.around.pop()
    if update := builds_step(tf1, loop):
        tf1.emit("$op = $built", op=op, built=learning.train_op(tf1.body[start:]))
        learning.initialize_slots(tf1, update)
        return name(op)
    if not names:
        raise Unsupported("A session runs what has a name; bind what is to be measured.")
    for one, told_apart in names.items():
        if one != told_apart:
            tf1.emit("$told_apart = $one", told_apart=told_apart, one=one)
    return name(*names.values()) if len(names) == 1 else node([name(one) for one in names.values()])


def built_by(tf1: "TF1", step: Invoke, to: str) -> ast.expr:
    """Return the name of what a function builds, which is built now unless it has been."""
    call = expr("$function($*given)", function=step.invoke, given=[tf1.expression(one) for one in step.given])
    function = tf1.made(step.invoke)
    if function and function.traced:
        tf1.idiom(TRACED_BEFORE)
    known = [name(one) for built, one in tf1.built if alike(call, built)]
    if not known:
        tf1.emit("$to = $call", to=to, call=call)
        if update := builds_step(tf1, function):
            learning.initialize_slots(tf1, update)
        tf1.built.append((call, to))
    return known[0] if known else name(to)


READS: Reads = {
    "name": "$name.name.split(':')[0]",
    "shape": "$shape.shape.as_list()",
    "dtype": "$dtype.dtype.base_dtype.name",
    "variables": listed("len($listed)"),
    "trainable": listed("len($listed)", trainable=True),
    "names": listed("sorted(variable.name.split(':')[0] for variable in $listed)"),
    "collection": "len(tf1.get_collection('$collection'))",
    "elements": listed("sum(variable.shape.num_elements() for variable in $listed)", "elements"),
    "parameter_bytes": listed(BYTES, "parameter_bytes"),
    "slots": slots,
    "slot_bytes": lambda _, step: expr(BYTES, listed=expr("$x.variables()", x=step.slot_bytes)),
    # the graph that a Saver writes beside them is no part of the files with the index and the values
    "checkpoint_bytes": "sum(tf.io.gfile.stat(file).length for file in tf.io.gfile.glob([$checkpoint_bytes + '.index', $checkpoint_bytes + '.data-*']))",
    "penalties": lambda tf1, step: expr("len($x)", x=penalties(tf1, step)),
    "penalty": lambda tf1, step: tf1.data(
        expr("tf.reduce_sum($x)" if step.inside else "tf1.losses.get_regularization_loss()", x=penalties(tf1, step))
    ),
    "traces": "$traces.experimental_get_tracing_count()",
}  # fmt: skip
