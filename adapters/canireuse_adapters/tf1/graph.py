"""What is said of learning, loops and devices in a graph: operations are built once, and a session runs them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from canireuse.step import Reuse, Step
from canireuse.translation import Unsupported, turns
from canireuse.vocabulary import (
    Assign,
    Average,
    Block,
    Call,
    Copy,
    Freeze,
    Function,
    Get,
    Gradient,
    Invoke,
    Layer,
    Optimizer,
    Parallel,
    Repeat,
    Scan,
    ScopeOptions,
    Thread,
    Track,
    Train,
    Unfreeze,
    Update,
    walk,
)
from canireuse_adapters.tf1.words import TF1Words

NO_RECOMPUTED_WRITE = "In a graph a write inside `tf.recompute_grad` is an operation that nothing runs; hand it out of the function and run it once."
NO_LOOP_WRITE = "In a graph a write inside `tf.while_loop` is an operation that nothing runs unless it is tied in by control dependencies; carry the value from turn to turn."
NO_TRACED_SLOTS = "In a graph the slots of an optimizer are initialized after they are built, which a traced function leaves no place for."

NOTHING_NEW = "In a graph a variable that a traced function makes is initialized between building the call and running it; make it before, and call a template once before."
FOR_THE_SESSION = frozenset({
    "expect", "function", "initialize", "parallel", "read", "reinitialize", "restore", "save", "thread", "track",
})  # fmt: skip


def makes(steps: list[Step], mode: Reuse | None) -> bool:
    """Return whether a get among the steps may make a variable: not where the scope says to look it up."""
    for step in steps:
        inside = (step.reuse or mode) if isinstance(step, ScopeOptions) else mode
        if isinstance(step, Get) and mode is not True:
            return True
        if isinstance(step, Block) and makes(step.steps, inside):
            return True
    return False


class GraphWords(TF1Words):
    """Builds operations, and runs them in the session."""

    options = TF1Words.options | {"invoke.abstract"}

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        #: whether what is written stands in a traced function, in the body of a loop, or where a step is built: no session runs there
        self.inside: str = ""
        #: traced functions that write, which a session has to run
        self.writing: set[str] = set()
        #: whether a line may run more often than it is written
        self.again = False
        #: optimizers that have had an update
        self.stepped: set[str] = set()
        #: updates of norms inside a training step, which are run with it; None outside of one
        self.pending: int | None = None

    def run(self, words: str) -> str:
        """Return what a session runs; inside a traced function it stands by itself."""
        if self.inside == "loop":
            raise Unsupported(NO_LOOP_WRITE)
        return words if self.inside else f"session.run({words})"

    def use_resources(self) -> None:
        """Make resources in a graph or thread: functions that are traced or recomputed take no others in TensorFlow 1.15."""
        if any(getattr(step, "traced", False) is True or getattr(step, "remat", False) for step in self.spec):
            self.write("tf1.get_variable_scope().set_use_resource(True)")

    @contextmanager
    def standing(self, inside: str) -> Iterator[None]:
        """Stand where no session runs."""
        outer, self.inside = self.inside, inside
        yield
        self.inside = outer

    def repeat(self, step: Repeat) -> None:
        """Write a Python loop."""
        outer, self.again = self.again, True
        super().repeat(step)
        self.again = outer

    # -- functions and threads

    def traced(self, step: Function) -> None:
        """Have TensorFlow trace the function; what it makes would be initialized between building and running it."""
        for inner in walk(step.steps):
            self.check_traced(inner)
        if makes(step.steps, self.modes[-1]):
            raise Unsupported(NOTHING_NEW)
        if self.inner(step):
            self.writing.add(step.function)
        self.write("@tf.function")

    def check_traced(self, inner: Step) -> None:
        """Refuse a step that a traced function has no place for."""
        if inner.verb in FOR_THE_SESSION:
            raise Unsupported(f"A traced function builds operations: `{inner.verb}` is for the session outside.")
        if isinstance(inner, Layer) or (isinstance(inner, Call) and inner.call in set(self.templates) - self.called):
            raise Unsupported(NOTHING_NEW)
        if isinstance(inner, Train) and inner.train != "sgd":
            raise Unsupported(NO_TRACED_SLOTS)
        if isinstance(inner, Update) and any(
            isinstance(step, Optimizer) and step.optimizer == inner.update and step.kind != "sgd" for step in self.spec
        ):
            raise Unsupported(NO_TRACED_SLOTS)

    def function(self, step: Function) -> None:
        """Define a function; what runs in a traced one is built, and run where it is called."""
        outer, self.again = self.again, True
        with self.standing("function" if step.traced else self.inside):
            super().function(step)
        self.again = outer

    def end(self, step: Function) -> None:
        """Write what a function returns; a traced one that writes has something for the session to ask for."""
        super().end(step)
        if step.returns is None and step.function in self.writing:
            self.idiom("A session runs what a function returns, so one that only writes returns something too.")
            self.write("return tf.constant(True)")

    def call_words(self, function: str, given: str) -> str:
        """Return the call of a function; a session runs a traced one that writes."""
        call = super().call_words(function, given)
        return f"tf.constant(session.run({call}))" if function in self.writing and not self.inside else call

    def invoke(self, step: Invoke) -> None:
        """Call a function; without memory, which variables of a graph have none of until they are initialized."""
        if step.abstract:
            self.idiom("A variable of a graph has no memory until its initializer runs.")
        if step.as_ is None and step.invoke in self.writing and not self.inside:
            self.write(f"session.run({super().call_words(step.invoke, ', '.join(map(self.expression, step.given)))})")
            return
        super().invoke(step)

    def thread(self, step: Thread) -> None:
        """Call a function in a thread, which has to enter the graph itself: the default graph is each thread's own."""
        with self.block(f"def {step.thread}_in_thread():"), self.block("with session.graph.as_default():"):
            self.use_resources()
            self.write(f"return {self.call_words(step.thread, '')}")
        super().thread(step)

    def threaded(self, function: str) -> str:
        """Return the function that enters the graph."""
        return f"{function}_in_thread"

    # -- learning

    def gradient(self, step: Gradient) -> None:
        """Build the gradient into the graph."""
        if step.remat:
            self.recomputed(step)
            return
        self.steps(step.steps)
        self.write(f"{step.gradient} = {self.gradient_words(self.expression(step.of), step.wrt)}")

    def gradient_words(self, scalar: str, wrt: str) -> str:
        """Return the gradient of a scalar; that of a variable in parts is put together."""
        if wrt in self.partitioned:
            return f"tf.concat(tf.gradients({scalar}, list({wrt})), axis=0)"
        words = f"tf.gradients({scalar}, {self.place(wrt)})[0]"
        return f"tf.convert_to_tensor({words})" if self.is_table(wrt) else words

    def recomputed(self, step: Gradient) -> None:
        """Have what leads up to the scalar computed again; a tensor that is differentiated is an argument."""
        if any(isinstance(inner, Assign) for inner in walk(step.steps)):
            raise Unsupported(NO_RECOMPUTED_WRITE)
        takes = [] if step.wrt in self.made or "." in step.wrt else [step.wrt]
        self.write("@tf.recompute_grad")
        with self.body(step), self.block(self.header("loss", takes, step)):
            self.steps(step.steps)
            self.write(f"return {self.expression(step.of)}")
        scalar = f"loss({', '.join(takes)})"
        self.write(f"{step.gradient} = {self.gradient_words(scalar, step.wrt)}")

    def train(self, step: Train) -> None:
        """Build one optimizer step into the graph and run it as often as asked."""
        with self.training(step):
            self.steps(step.steps)
            self.make_optimizer("optimizer", step.train, step.rate)
            owned = self.owned(step.wrt)
            self.write(f"minimize = optimizer.minimize({self.expression(step.minimize)}, var_list={owned})")
            if not self.inside:
                self.write("session.run(tf1.variables_initializer(optimizer.variables()))")
                self.run_steps(step.times)

    @contextmanager
    def training(self, step: Block) -> Iterator[None]:
        """Stand in a training step, with which the updates of norms are run."""
        outer, self.pending = self.pending, 0
        if self.inside and getattr(step, "times", 1) > 1:
            raise Unsupported("Operations of a traced function are built one by one; take one step a call.")
        yield
        self.pending = outer

    def run_steps(self, times: int) -> None:
        """Run the training step as often as asked, with the updates of norms."""
        if self.inside:
            return
        with turns(self, times):
            self.write(f"session.run({'[minimize, updates]' if self.pending else 'minimize'})")

    def update(self, step: Update) -> None:
        """Build an optimizer step into the graph and run it as often as asked; slots are initialized once."""
        made, name = self.optimizers[step.update], step.update
        with self.training(step):
            self.steps(step.steps)
            owned, scalars = self.owned(made.over), self.scalars(step)
            if made.clip is None and len(scalars) == 1:
                self.write(f"minimize = {name}.minimize({scalars[0]}, var_list={owned})")
            else:
                self.apply_by_hand(name, scalars, owned, made.clip)
            if made.kind != "sgd":
                self.initialize_slots(name)
            self.run_steps(step.times)

    def apply_by_hand(self, name: str, scalars: list[str], owned: str, clip: float | None) -> None:
        """Compute gradients, which add up over scalars, clip them if asked, and apply them."""
        if len(scalars) > 1:
            self.write(f"{name}_variables = {owned}")
            self.write(f"{name}_gradients = tf.gradients([{', '.join(scalars)}], {name}_variables)")
        else:
            self.write(f"{name}_gradients, {name}_variables = zip(*{name}.compute_gradients({scalars[0]}, {owned}))")
        if clip is not None:
            self.write(f"{name}_gradients, _ = tf.clip_by_global_norm({name}_gradients, {clip})")
        self.write(f"minimize = {name}.apply_gradients(zip({name}_gradients, {name}_variables))")

    def initialize_slots(self, name: str) -> None:
        """Initialize the variables that an optimizer keeps, once."""
        first = name not in self.stepped
        self.stepped.add(name)
        if first and not self.again:
            self.write(f"session.run(tf1.variables_initializer({name}.variables()))")
            return
        self.idiom("What an optimizer keeps for a variable is initialized once; users ask which of it is not yet.")
        waiting = (
            f"variable for variable in {name}.variables() if not session.run(tf1.is_variable_initialized(variable))"
        )
        self.write(f"session.run(tf1.variables_initializer([{waiting}]))")

    def run_updates(self, norms: int) -> None:
        """Run the updates of norms at once, or with the training step around the call."""
        latest = f"tf1.get_collection(tf1.GraphKeys.UPDATE_OPS)[-{2 * norms}:]"
        if self.inside and self.inside != "step":
            raise Unsupported("A traced function has no collection of updates that a session could run.")
        if self.pending is None:
            self.write(f"session.run({latest})")
            return
        if self.pending:
            raise Unsupported("Two updates of moving averages in one run of a graph have no order; TF1 users run one.")
        self.pending += norms
        self.write(f"updates = {latest}")

    # -- what is trained

    def owned(self, wrt: str | list[str]) -> str:
        """Return the list of variables that are trained, without those that were frozen later."""
        words = super().owned(wrt)
        if "freeze" not in self.verbs or (isinstance(wrt, str) and self.owns(wrt)):
            return words
        return f"[variable for variable in {words} if variable in tf1.trainable_variables()]"

    def listing(self, inside: str | None, *, only_trainable: bool) -> str:
        """Return the collection of variables, or what an owner holds; what is frozen later leaves a collection."""
        if inside in self.averages and not only_trainable and len(self.averages) == 1:
            return "tf1.moving_average_variables()"
        if inside and only_trainable and "freeze" in self.verbs:
            held = super().listing(inside, only_trainable=False)
            return f"[variable for variable in {held} if variable in tf1.trainable_variables()]"
        return super().listing(inside, only_trainable=only_trainable)

    def freeze(self, step: Freeze) -> None:
        """Take variables out of the collection of trainable ones."""
        self.idiom("`trainable` is fixed when a variable is made; users take it out of the collection that is trained.")
        rest = f"[variable for variable in tf1.trainable_variables() if variable not in {self.held(step.freeze)}]"
        self.write(f"tf1.get_collection_ref(tf1.GraphKeys.TRAINABLE_VARIABLES)[:] = {rest}")

    def unfreeze(self, step: Unfreeze) -> None:
        """Put variables back into the collection of trainable ones."""
        self.idiom(
            "`trainable` is fixed when a variable is made; users put it back into the collection that is trained."
        )
        back = f"[variable for variable in {self.held(step.unfreeze)} if variable not in tf1.trainable_variables()]"
        self.write(f"tf1.get_collection_ref(tf1.GraphKeys.TRAINABLE_VARIABLES).extend({back})")

    def average(self, step: Average) -> None:
        """Build the shadows and their update, and give the shadows the values of now."""
        super().average(step)
        held = self.held(step.average)
        self.write(f"{step.as_}_update = {step.as_}.apply({held})")
        self.write(f"session.run([{step.as_}.average(variable).initializer for variable in {held}])")

    def track(self, step: Track) -> None:
        """Run the update of an average."""
        self.write(f"session.run({step.track}_update)")

    def copy(self, step: Copy) -> None:
        """Copy the outermost object; variables of a graph cannot be copied."""
        if not step.shallow:
            raise Unsupported(
                "A variable of a graph cannot be copied: `copy.deepcopy` refuses it. TF1 users build the network again in another scope and assign the values."
            )
        super().copy(step)

    # -- loops and devices

    def scan(self, step: Scan) -> None:
        """Build a loop into the graph."""
        with self.body(step), self.standing("loop"), self.block(self.header(f"{step.scan}_turn", [step.scan], step)):
            self.steps(step.steps)
            self.write(f"return {self.expression(step.to)}")
        turn = f"lambda {step.scan}: True, {step.scan}_turn, [{step.scan}], maximum_iterations={step.times}"
        self.write(f"{step.scan} = tf1.while_loop({turn})")

    def tower(self, step: Parallel) -> str:
        """Build what leads up to the scalar."""
        self.steps(step.steps)
        return self.expression(step.minimize)
