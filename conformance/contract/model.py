"""The contract, executable: a small model of variables reused by name, and of variables shared.

By-name reuse follows TensorFlow 1's variable scopes, graph mode, as 1.15 and `tf.compat.v1` run it.
A variable is a cell; a session holds the values of cells; a graph holds cells, scopes and names.
Scripts make one `Model` and talk to it. It is deferred, as graph mode is: variables have no value
before they are initialized, and tensors are what they are computed from. An immediate one gives a variable
its initial value when it is made, and a tensor its value when it is computed. The standard library is all this needs, from Python 3.7 on.
"""

import math
import random
from contextlib import contextmanager

from conformance.contract import tape
from conformance.contract.arrays import Array, size
from conformance.contract.optimizers import Adam, descend
from conformance.contract.ownership import Layer, Module, cells_of, clone
from conformance.contract.refusals import (
    AlreadyExists,
    BadArgument,
    DtypeMismatch,
    NotFound,
    NotTrainable,
    ShapeMismatch,
    Uninitialized,
)

#: A reuse mode: look a variable up, or create it where there is none.
AUTO = "look up or create"


class Cell(tape.Tensor):
    """A variable: a place for a value, which each session has or has not; it is the same as itself alone."""

    inputs = ()

    def __init__(self, graph, name, shape, dtype, draw, trainable):
        self.graph, self.name, self.shape, self.dtype = graph, name, tuple(shape), dtype
        self.draw, self.trainable, self.frozen = draw, trainable, False

    def forward(self):
        """Return the value in the current session."""
        value = self.session().values.get(self)
        if value is None:
            raise Uninitialized(
                f"{self.name} is read and has no value here", "a value in this session", "initialize first"
            )
        return value

    def session(self):
        """Return the current session; raise BadArgument if it runs another graph."""
        session = self.graph.model.current
        if session.graph is not self.graph:
            raise BadArgument(
                f"{self.name} is used in a session of another graph", "a session of its own", "leave that graph"
            )
        return session

    def assign(self, value):
        """Write a value: numbers, or what an expression is worth now."""
        array = tape.evaluate(tape.tensor(value))
        if array.shape != self.shape:
            raise ShapeMismatch(
                f"{list(array.shape)} is assigned to {self.name}", list(self.shape), "assign that shape"
            )
        if isinstance(value, tape.Tensor) and not value.gives_way and value.dtype != self.dtype:
            raise DtypeMismatch(f"{value.dtype} is assigned to {self.name}", self.dtype, "assign that dtype")
        self.session().values[self] = array.map(converter(self.dtype))

    def initialize(self):
        """Write the initial value."""
        self.session().values[self] = self.draw()


def converter(dtype):
    """Return the function that makes a number one of a dtype; an integer takes no fraction."""
    if dtype == "bool":
        return bool
    if dtype.startswith("float"):
        return float

    def whole(number):
        if number != int(number):
            raise DtypeMismatch(f"{number!r} is written as {dtype}", "a whole number", "write whole numbers")
        return int(number)

    return whole


class Scope:
    """An open variable scope, and what stands for it to enter it again."""

    def __init__(self, path, reuse):
        self.path, self.reuse = path, reuse

    def reuse_variables(self):
        """Switch to looking up, from here on."""
        self.reuse = True

    def under(self, name):
        """Return the full name of what has a name in this scope."""
        return f"{self.path}/{name}" if self.path else name


class Graph:
    """A store of variables with its own scopes and names."""

    def __init__(self, model):
        self.model, self.immediate = model, model.immediate
        self.cells = []
        #: full name -> the variable that `get` finds under it; a constructed one is not here
        self.by_name = {}
        self.collections = {}
        self.scope = Scope("", False)
        #: path -> how often a scope was opened there, which tells whether a layer's name is taken
        self.opened = {}
        self.name_scope = ""
        self._taken = {}

    def unique_name(self, name):
        """Return a name in the current name scope that nothing has had, and take it; case does not tell names apart."""
        name = f"{self.name_scope}/{name}" if self.name_scope else name
        key = name.lower()
        count = self._taken.get(key, 0)
        self._taken[key] = count + 1
        if not count:
            return name
        while f"{key}_{count}" in self._taken:
            count += 1
        self._taken[f"{key}_{count}"] = 1
        return f"{name}_{count}"

    @contextmanager
    def naming(self, name_scope):
        """Name in a name scope given by its full name, for a while."""
        outer, self.name_scope = self.name_scope, name_scope
        try:
            yield
        finally:
            self.name_scope = outer

    def add(self, name, start, trainable, collection):
        """Create a variable; `start` has its shape, its dtype and a function that draws its initial value."""
        cell = Cell(self, self.unique_name(name), *start, trainable=trainable is not False)
        self.cells.append(cell)
        if self.immediate:
            cell.initialize()
        if collection:
            self.collections.setdefault(collection, []).append(cell)
        return cell

    def free_scope_name(self, name):
        """Return the name, numbered if a scope of it was opened in the current scope."""
        free, number = name, 0
        while self.opened.get(self.scope.under(free), 0):
            number += 1
            free = f"{name}_{number}"
        return free

    def close_below(self, path):
        """Forget how often scopes were opened below a path."""
        for opened in self.opened:
            if opened.startswith(path + "/"):
                self.opened[opened] = 0


class Session:
    """Values of the variables of one graph."""

    def __init__(self, graph):
        self.graph, self.values = graph, {}


class Model:
    """A world of the contract: graphs, the session that runs, and all that scripts ask for."""

    AUTO = AUTO

    def __init__(self, device="cpu", immediate=False):
        if device != "cpu":
            raise BadArgument(f"the device {device!r} was asked for", "the CPU", "the model computes in Python alone")
        self.device, self.immediate = device, immediate
        self.current = Session(Graph(self))
        self._random = random.Random(2016)

    @property
    def now(self):
        """The graph that is built in."""
        return self.current.graph

    # -- graphs, sessions, scopes

    @contextmanager
    def graph(self):
        """Build in another graph, with a session of its own."""
        with self._running(Session(Graph(self))):
            yield

    @contextmanager
    def session(self):
        """Run in another session over the same graph."""
        with self._running(Session(self.now)):
            yield

    @contextmanager
    def _running(self, session):
        outer, self.current = self.current, session
        try:
            yield
        finally:
            self.current = outer

    @contextmanager
    def scope(self, where, reuse=None, unique=False):
        """Open a scope, by name below the current one or by the scope itself where it lies.

        `reuse` is True, `Model.AUTO`, or None to inherit: by name from the scope around, by scope from
        what that scope was. False is no way out of reuse: it inherits too.
        """
        if reuse is not None and reuse is not True and reuse is not False and reuse is not AUTO:
            raise BadArgument(f"the reuse flag is {reuse!r}", "True, AUTO or None", "give one of them")
        graph, again = self.now, isinstance(where, Scope)
        name = where.path.rpartition("/")[2] if again else where
        with graph.naming(graph.unique_name(name)):
            if again:
                path, inherited = where.path, where.reuse
            else:
                path = graph.scope.under(graph.free_scope_name(name) if unique else name)
                inherited = graph.scope.reuse
            outer, graph.scope = graph.scope, Scope(path, reuse or inherited)
            graph.opened[path] = graph.opened.get(path, 0) + 1
            before = dict(graph.opened)
            try:
                yield graph.scope
            finally:
                graph.scope = outer
                graph.close_below(path)
                if again:
                    graph.opened = before

    @contextmanager
    def name_scope(self, name):
        """Open a scope for names alone; what `get` finds and makes does not see it."""
        with self.now.naming(self.now.unique_name(name)):
            yield

    # -- variables

    def get(self, name, shape=None, dtype=None, init=None, trainable=None, collection=None, **others):
        """Look a variable up or create it, as the reuse mode of the current scope says."""
        if others:
            raise BadArgument(
                f"get is given {', '.join(others)}", "name, shape, dtype and what to create", "open a scope with it"
            )
        graph = self.now
        full, reuse = graph.scope.under(name), graph.scope.reuse
        values = isinstance(init, list)
        found = graph.by_name.get(full)
        if found is not None:
            if reuse is False:
                raise AlreadyExists(f"{full} is created again", "a new name", "look it up in a scope with reuse")
            if shape is not None and not values and tuple(shape) != found.shape:
                raise ShapeMismatch(f"{full} is looked up as {shape}", list(found.shape), "ask for that shape")
            if (dtype or "float32") != found.dtype:
                raise DtypeMismatch(f"{full} is looked up as {dtype or 'float32'}", found.dtype, "ask for that dtype")
            return found
        if reuse is True:
            raise NotFound(f"{full} is looked up", "a variable that `get` made", "create it first, or use AUTO")
        if shape is None and not values:
            raise BadArgument(f"{full} is created without shape", "a shape", "give one")
        start = self._start(shape, dtype or (None if values else "float32"), init)
        with graph.naming(""):
            graph.by_name[full] = graph.add(full, start, trainable, collection)
        return graph.by_name[full]

    def variable(self, name, init=0.0, shape=None, dtype=None, trainable=None, collection=None):
        """Create a variable whatever the reuse mode; it is numbered if its name is taken, and `get` does not find it."""
        return self.now.add(name, self._start(shape, dtype, init), trainable, collection)

    def _start(self, shape, dtype, init):
        """Return shape, dtype and a function that draws the initial value."""
        if init is None or init == "random":
            shape, dtype = tuple(shape or ()), dtype or "float32"
            if init is None and not dtype.startswith("float"):
                return shape, dtype, lambda: Array.full(shape, converter(dtype)(0))
            spread = 1.0 if init else 1.0 / math.sqrt(max(1, size(shape[-2:])))
            return shape, dtype, lambda: Array([self._random.gauss(0.0, spread) for _ in range(size(shape))], shape)
        if isinstance(init, tape.Tensor):
            return init.shape, init.dtype, lambda: tape.evaluate(init)
        given = tape.constant(init)
        dtype = dtype or given.dtype
        if given.shape and shape is not None and given.shape != tuple(shape):
            raise ShapeMismatch(f"{list(given.shape)} is the initial value", list(shape), "make the two alike")
        array = given.value if given.shape else Array.full(shape or (), init)
        array = array.map(converter(dtype))
        return array.shape, dtype, lambda: array

    def initialize(self):
        """Give every variable of the graph its initial value in this session, whatever it holds."""
        for cell in self.now.cells:
            cell.initialize()

    def placeholder(self, name, shape=(), dtype="float32"):
        """Make a tensor that has no value here."""
        return Placeholder(name, shape, dtype)

    # -- sharing

    def layer(self, kind, name, inputs, units, kernel=1.0, bias=None, trainable=True):
        """Construct a layer; it makes its variables once, when first called or looked into."""
        return Layer(self, kind, name, inputs, units, kernel, bias, trainable)

    def module(self, **members):
        """Put variables, layers and modules together under names."""
        return Module(members)

    def copy(self, owner):
        """Return a deep copy: what is one variable inside stays one, and none is that of the source."""
        return clone(owner, self._twin)

    def _twin(self, cell):
        with cell.graph.naming(""):
            twin = cell.graph.add(cell.name, (cell.shape, cell.dtype, cell.draw), cell.trainable, None)
        twin.frozen = cell.frozen
        values = cell.session().values
        if cell in values:
            values[twin] = values[cell]
        return twin

    def freeze(self, owner):
        """Take a variable, or all that a layer or module owns, out of training."""
        for cell in cells_of(owner, build=True):
            cell.frozen = True

    def save(self, owner):
        """Return the values that a layer or module holds, by their paths in it."""
        return {path: cell.forward() for path, cell in owner.paths()}

    def restore(self, owner, saved):
        """Write saved values into the variables that are there, so that ties stay what they are."""
        for path, cell in owner.paths():
            if path not in saved:
                raise NotFound(f"{path} is restored", f"one of {', '.join(saved)}", "restore what was saved")
            cell.assign(saved[path].tolist())

    # -- learning

    def train(self, optimizer, minimize, wrt, rate=0.1, times=1):
        """Take steps down the gradient; a variable takes one a time, however many uses and names it has.

        `minimize` is a function: a deferred model calls it once, to build the scalar, an immediate one for each step.
        """
        scalar = None if self.immediate else minimize()
        named = wrt if isinstance(wrt, list) else [cell for cell in cells_of(wrt) if cell is wrt or cell.trainable]
        cells = [cell for cell in dict.fromkeys(named) if not cell.frozen]
        if not cells:
            raise NotTrainable("nothing is left to train", "a variable that is not frozen", "name one")
        step = {"sgd": descend, "adam": Adam}[optimizer](rate)
        for _ in range(times):
            for cell, slope in zip(
                cells, tape.slopes(tape.tensor(scalar if scalar is not None else minimize()), cells)
            ):
                cell.assign(cell.forward().map(lambda a, b: a - b, step(cell, slope)).tolist())

    # -- observations

    def value(self, expression):
        """Return what an expression is worth in the current session, as numbers and lists."""
        return tape.evaluate(tape.tensor(expression)).tolist()

    def variables(self, inside=None):
        """Return every variable of the graph, or those in a layer or module; each once."""
        return list(self.now.cells) if inside is None else cells_of(inside)

    def trainable(self, inside=None):
        """Return those that training changes."""
        return [cell for cell in self.variables(inside) if cell.trainable and not cell.frozen]

    def names(self):
        """Return the sorted names of all variables of the graph."""
        return sorted(cell.name for cell in self.now.cells)

    def collection(self, name):
        """Return the variables in a collection."""
        kept = {"global_variables": self.variables, "variables": self.variables, "trainable_variables": self.trainable}
        return kept[name]() if name in kept else self.now.collections.get(name, [])


class Placeholder(tape.Tensor):
    """A tensor whose value is given from outside, which the model never does."""

    inputs = ()

    def __init__(self, name, shape, dtype):
        self.name, self.shape, self.dtype = name, tuple(shape), dtype

    def forward(self):
        """Refuse: there is no value."""
        raise BadArgument(f"the placeholder {self.name} is read", "a value from outside", "use a variable")
