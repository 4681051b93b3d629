"""Measured loops in a graph: what a session runs is built once, above the rounds, and a turn is one run of it."""

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from itertools import takewhile
from typing import Any

from canireuse.step import Step
from canireuse.translation import Unsupported
from canireuse.vocabulary import Function, Graph, Invoke, Measure, Repeat, Update, walk
from canireuse_adapters.tf1.graph import GraphWords
from canireuse_adapters.tf1.scopes import mentions

MIXED = "A graph is built by Python and run by a session, each with a time of its own: what is measured is one or the other."
ONE_STEP = (
    "A session runs what was built before, in no order but that of the data: "
    "what is measured is one training step that returns nothing, or tensors without a step."
)
TRACED_BEFORE = (
    "In a graph a function is traced when its call is built, above what is measured; "
    "what the first turn takes longer is the session's, which optimizes the graph."
)
#: what finds or makes variables and computes nothing: then the time of Python is asked for
NAMING = frozenset({"scope", "default_scope", "reenter", "name_scope", "current_scope", "get", "repeat"})
#: what builds tensors that a session can run
TENSORS = NAMING | {"invoke", "compute", "call", "gradient", "update", "scan", "vectorize"}
#: what writes into variables
WRITES = frozenset({"assign", "train", "update", "initialize", "reinitialize", "restore", "track", "parallel"})
#: what leaves alone what was built before it
HARMLESS = frozenset({"expect", "invoke", "compute", "initialize", "read", "call"})


def is_building(loop: Measure) -> bool:
    """Return whether the building of a graph is what a loop measures, not the run of one."""
    return (
        loop.fresh
        or all(isinstance(step, Graph) for step in loop.steps)
        or all(step.verb in NAMING for step in walk(loop.steps))
    )


def results(loop: Measure) -> list[str]:
    """Return the names that the steps of a loop bind to tensors and do not read themselves."""
    steps = [step for step in walk(loop.steps) if step.verb in TENSORS - NAMING]
    bound = [
        step.binding
        for number, step in enumerate(steps)
        if step.binding and not any(mentions(later, step.binding) for later in steps[number + 1 :])
    ]
    return list(dict.fromkeys(bound))


class GraphMeasuring(GraphWords):
    """Words what is timed; a session returns when the device is done, so that nothing is left to wait for."""

    options = GraphWords.options | {"measure.fresh"}

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        #: functions that build one training step, and the step that they build
        self.stepping: dict[str, Update] = {}
        #: functions that TensorFlow traces
        self.traces: set[str] = set()
        #: calls -> the name that is bound to what they built
        self.built: dict[str, str] = {}
        #: what a session runs in a measured loop, by the identity of the loop's steps
        self.fetches: dict[int, str] = {}
        #: the operation that the training step being built ends in
        self.train_op = ""
        #: whether what is written stands in a measured loop, and whether one of its rounds has begun with an empty graph
        self.timing = False
        self.emptied = False
        #: whether the steps that come next stand in a new graph
        self.empties = False

    def traces_usually(self) -> bool:
        """Return false: a function of Python builds a graph, which a session runs as often as it is to."""
        return False

    # -- the rounds

    def steps(self, steps: list[Step]) -> None:
        """Write every step; above measured loops stands what they run, below an emptied graph all that follows is in it."""
        if id(steps) in self.fetches:
            self.write(f"session.run({self.fetches[id(steps)]})")
            return
        with ExitStack() as around:
            if self.empties:
                self.empties = False
                around.enter_context(self.block(f"with tf.Graph().as_default() as graph{self.on_device()}:"))
            while steps:
                measured = isinstance(steps[0], Measure)
                group = [*takewhile(lambda step: isinstance(step, Measure) is measured, steps)]  # noqa: B023  # used up at once
                outer, self.emptied = self.emptied, False
                self.build([step for step in group if isinstance(step, Measure)])
                super().steps(group)
                steps = steps[len(group) :]
                if steps and self.emptied:
                    around.enter_context(self.block(f"with graph.as_default(), {self.new_session()} as session:"))
                self.emptied = outer

    def measure(self, step: Measure) -> None:
        """Write the loop; one that builds holds nothing that a session runs."""
        start, emptied = len(self.lines), self.emptied and not step.fresh
        outer, self.timing = self.timing, True
        with self.block("with graph.as_default():") if emptied else nullcontext():
            super().measure(step)
        self.timing = outer
        if is_building(step) and any("session" in line for line in self.lines[start:]):
            raise Unsupported(MIXED)
        self.emptied = self.emptied or step.fresh

    def start_afresh(self) -> None:
        """Have the steps that follow stand in a new graph."""
        self.empties = True
        self.built.clear()

    def timed_graph(self, step: Graph) -> None:
        """Open a graph without a session: nothing is run in it."""
        with self.block(f"with tf.Graph().as_default(){self.on_device()}:"):
            self.use_resources()
            self.steps(step.steps)

    def on_device(self) -> str:
        """Return the words that open the device beside a graph."""
        return ", tf.device('/GPU:0')" if self.device == "gpu" else ""

    def new_session(self) -> str:
        """Return the words for a session."""
        raise NotImplementedError

    # -- what is run

    def build(self, loops: list[Measure]) -> None:
        """Build what each loop runs; a name that several loops bind is told apart."""
        running = [loop for loop in loops if not is_building(loop)]
        count = Counter(name for loop in running for name in results(loop))
        for loop in running:
            other = [step.verb for step in walk(loop.steps) if step.verb not in TENSORS]
            if other:
                raise Unsupported(
                    f"What a session runs again and again is built before; `{other[0]}` is no part of it."
                )
            label = loop.measure.replace("-", "_")
            suffix = str(loop.size or label)
            names = {name: f"{name}_{suffix}" if count[name] > 1 else name for name in results(loop)}
            self.fetches[id(loop.steps)] = self.fetched(
                loop, names, f"run_{label}_{loop.size}" if loop.size else f"run_{label}"
            )

    def fetched(self, loop: Measure, names: dict[str, str], op: str) -> str:
        """Build what one loop runs, and return it; what was built before is not built again."""
        steps = loop.steps
        if len(steps) == 1 and isinstance(steps[0], Invoke):
            return self.built_by(steps[0], names.get(steps[0].as_ or "", op))
        if any(isinstance(step, Invoke) and step.invoke in self.stepping for step in walk(steps)):
            raise Unsupported(ONE_STEP)
        with self.taking_a_step(steps, returns=bool(names)) as update:
            self.steps(steps)
        if update:
            self.write(f"{op} = {self.train_op}")
            self.initialize_step(update)
            return op
        if not names:
            raise Unsupported("A session runs what has a name; bind what is to be measured.")
        for name, told_apart in names.items():
            if name != told_apart:
                self.write(f"{told_apart} = {name}")
        return ", ".join(names.values()) if len(names) == 1 else f"[{', '.join(names.values())}]"

    def built_by(self, step: Invoke, name: str) -> str:
        """Return the name of what a function builds, which is built now unless it has been."""
        call = f"{step.invoke}({', '.join(map(self.expression, step.given))})"
        if step.invoke in self.traces:
            self.idiom(TRACED_BEFORE)
        if call not in self.built:
            self.write(f"{name} = {call}")
            self.initialize_step(self.stepping.get(step.invoke))
            self.built[call] = name
        return self.built[call]

    def say(self, step: Step) -> None:
        """Write one step, and forget what was built where the step may have changed what it was built of."""
        if step.verb not in HARMLESS | {"measure"}:
            self.built.clear()
        if step.binding:
            used = {call: name for call, name in self.built.items() if step.binding not in {name, *words_of(call)}}
            self.built = used
        super().say(step)
        if step.verb not in HARMLESS | {"measure"}:
            self.built.clear()

    # -- functions that build a training step

    def function(self, step: Function) -> None:
        """Define a function; one that is measured and trains builds a step and returns it, so that it can be run again."""
        measured = [
            inner.invoke
            for loop in self.spec
            if isinstance(loop, Measure)
            for inner in walk(loop.steps)
            if isinstance(inner, Invoke)
        ]
        if step.traced:
            self.traces.add(step.function)
        if step.function not in measured or step.traced:
            super().function(step)
            return
        start = len(self.lines)
        with self.taking_a_step(step.steps, returns=step.returns is not None) as update:
            super().function(step)
        if any("session." in line for line in self.lines[start:]):
            raise Unsupported(MIXED)
        if update:
            self.stepping[step.function] = update

    @contextmanager
    def taking_a_step(self, steps: list[Step], *, returns: bool) -> Iterator[Update | None]:
        """Stand where one training step may be built; yield it."""
        updates = [step for step in walk(steps) if isinstance(step, Update)]
        again = any(
            isinstance(one, Update) for step in walk(steps) if isinstance(step, Repeat) for one in walk(step.steps)
        )
        writes = sum(step.verb in WRITES for step in walk(steps))
        if updates and (writes > 1 or again or returns or updates[0].times > 1):
            raise Unsupported(ONE_STEP)
        self.train_op = ""
        with self.standing("step") if updates else self.standing(self.inside):
            yield updates[0] if updates else None

    def run_steps(self, times: int) -> None:
        """Run the training step, or note what is to be run."""
        self.train_op = "[minimize, updates]" if self.pending else "minimize"
        super().run_steps(times)

    def initialize_slots(self, name: str) -> None:
        """Initialize what an optimizer keeps, once the step is built."""
        if self.inside != "step":
            super().initialize_slots(name)

    def initialize_step(self, update: Update | None) -> None:
        """Initialize what the optimizer keeps of which a step was built, if it keeps anything."""
        if update and self.optimizers[update.update].kind != "sgd":
            self.initialize_slots(update.update)

    def end(self, step: Function) -> None:
        """Write what a function returns: the training step, if it builds one."""
        super().end(step)
        if self.inside == "step":
            self.write(f"return {self.train_op}")

    def invoke(self, step: Invoke) -> None:
        """Call a function; a training step that it builds is run, and can be run again."""
        call = f"{step.invoke}({', '.join(map(self.expression, step.given))})"
        if step.invoke in self.stepping:
            name = f"{step.invoke}_op"
            self.write(f"{name} = {call}")
            self.initialize_step(self.stepping[step.invoke])
            self.write(f"session.run({name})")
        else:
            super().invoke(step)
            name = step.as_ or ""
        if name and not self.again and not self.inside and step.invoke not in self.writing:
            self.built[call] = name


def words_of(call: str) -> set[str]:
    """Return the names in a call."""
    return set("".join(letter if letter.isidentifier() or letter.isdigit() else " " for letter in call).split())
