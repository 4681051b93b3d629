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

from canireuse.contract import tape
from canireuse.contract.arrays import Array, size
from canireuse.contract.batches import Stack
from canireuse.contract.graphs import Graph, Placeholder, Scope, Session, converter, width
from canireuse.contract.learning import Learning
from canireuse.contract.ownership import Layer, Module, Owner, cells_of, clone
from canireuse.contract.refusals import (
    AlreadyExists,
    BadArgument,
    DtypeMismatch,
    NotFound,
    ShapeMismatch,
    SharingRefused,
)

#: A reuse mode: look a variable up, or create it where there is none.
AUTO = "look up or create"


class Model(Learning):
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

    def start_afresh(self):
        """Go on in an empty graph, with a session of its own; what comes after stands in it."""
        self.current = Session(Graph(self))

    @contextmanager
    def _running(self, session):
        outer, self.current = self.current, session
        try:
            yield
        finally:
            self.current = outer

    @contextmanager
    def scope(self, where, reuse=None, unique=False, auxiliary_name_scope=True, **defaults):
        """Open a scope, by name below the current one or by the scope itself where it lies.

        `reuse` is True, `Model.AUTO`, or None to inherit: by name from the scope around, by scope from
        what that scope was. False is no way out of reuse: it inherits too. `unique` has a number put behind
        a name that is taken; a name nobody knows cannot be looked up. `defaults` are `init`, `dtype`, `penalty`.
        """
        if reuse is not None and reuse is not True and reuse is not False and reuse is not AUTO:
            raise BadArgument(f"the reuse flag is {reuse!r}", "True, AUTO or None", "give one of them")
        if unique and reuse:
            raise BadArgument("a scope is to be reused under a name made unique", "a name", "name the scope")
        graph, again = self.now, isinstance(where, Scope)
        name = where.path.rpartition("/")[2] if again else where
        free = graph.free_scope_name(name) if unique else name
        with graph.naming(graph.unique_name(name) if auxiliary_name_scope else graph.name_scope):
            outer, source = graph.scope, where if again else graph.scope
            path = where.path if again else graph.scope.under(free)
            graph.scope = Scope(path, reuse or source.reuse, {**source.defaults, **defaults}, source.getters)
            graph.opened[path] = graph.opened.get(path, 0) + 1
            before = dict(graph.opened)
            try:
                yield graph.scope
            finally:
                graph.scope = outer
                graph.close_below(path)
                if again:
                    graph.opened = before

    def current_scope(self):
        """Return the scope that is open here."""
        return self.now.scope

    @contextmanager
    def intercept(self, getter):
        """Have a function of the variable handed out in place of each that is got inside."""
        graph = self.now
        outer = graph.scope
        graph.scope = Scope(outer.path, outer.reuse, outer.defaults, (*outer.getters, getter))
        try:
            yield
        finally:
            graph.scope = outer

    @contextmanager
    def name_scope(self, name):
        """Open a scope for names alone; what `get` finds and makes does not see it."""
        with self.now.naming(self.now.unique_name(name)):
            yield

    # -- variables

    def get(
        self,
        name,
        shape=None,
        dtype=None,
        init=None,
        trainable=None,
        collection=None,
        penalty=None,
        local=False,
        **others,
    ):
        """Look a variable up or create it, as the reuse mode of the current scope says, and hand it to the getters."""
        if others:
            raise BadArgument(
                f"get is given {', '.join(others)}", "name, shape, dtype and what to create", "open a scope with it"
            )
        scope = self.now.scope
        given = {"init": init, "dtype": dtype, "penalty": penalty}
        given = {**scope.defaults, **{key: value for key, value in given.items() if value is not None}}
        found = self._get(scope, name, shape, given, trainable, collection, local)
        for getter in scope.getters:
            found = getter(found)
        return found

    def _get(self, scope, name, shape, given, trainable, collection, local):
        """Look a variable up or create it."""
        graph, full, reuse = self.now, scope.under(name), scope.reuse
        init, dtype = given.get("init"), given.get("dtype")
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
            cell = graph.by_name[full] = graph.add(full, start, False if local else trainable, collection)
            if given.get("penalty") is not None:
                graph.penalties.append((cell, given["penalty"] * tape.sum(tape.square(cell))))
        if local:
            cell.local = True
            graph.collections.setdefault("local_variables", []).append(cell)
        return cell

    def variable(self, name, init=0.0, shape=None, dtype=None, trainable=None, collection=None):
        """Create a variable whatever the reuse mode; it is numbered if its name is taken, and `get` does not find it."""
        return self.now.add(name, self._start(shape, dtype, init), trainable, collection)

    def _start(self, shape, dtype, init):
        """Return shape, dtype and a function that draws the initial value."""
        if init is None or isinstance(init, str):  # by which initializer makes no difference: each draws anew
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
        """Give every variable of the graph its initial value in this session, whatever it holds; layers have theirs made first.

        What an optimizer keeps of a variable is a variable of the graph too.
        """
        for layer in self.now.layers:
            layer._build()
        for one in (*self.now.cells, *self.now.optimizers):
            one.initialize()

    def placeholder(self, name, shape=(), dtype="float32"):
        """Make a tensor that has no value here."""
        return Placeholder(name, shape, dtype)

    # -- sharing

    def layer(self, kind, name, inputs, units, kernel=1.0, bias=None, trainable=True, penalty=None):
        """Construct a layer; it makes its variables once, when first called or looked into, or at `initialize`."""
        layer = Layer(self, kind, name, inputs, units, kernel, bias, trainable, penalty)
        self.now.layers.append(layer)
        self.now.owners.append(layer)
        return layer

    def module(self, **members):
        """Put variables, layers and modules together under names."""
        module = Module(members)
        self.now.owners.append(module)
        return module

    def copy(self, owner, shallow=False):
        """Return a deep copy: what is one variable inside stays one, and none is that of the source.

        A shallow copy is another owner of the same members.
        """
        copies = {}
        copied = clone(owner, (lambda cell: cell) if shallow else self._twin, copies, deep=not shallow)
        self.now.owners.extend(one for one in copies.values() if isinstance(one, Owner))
        return copied

    def _twin(self, cell):
        with cell.graph.naming(""):
            twin = cell.graph.add(cell.name, (cell.shape, cell.dtype, cell.draw), cell.trainable, None)
        twin.frozen = cell.frozen
        values = cell.session().values
        if cell in values:
            values[twin] = values[cell]
        return twin

    def replace(self, owner, place, by):
        """Put something else in a member's place."""
        getattr(owner, place)
        self.add(owner, place, by)

    def add(self, owner, member, by):
        """Put something in an owner under a name, which it may not have had."""
        owner._held[member] = by

    def traced(self, function):
        """Return a function as it is: that it is traced changes nothing of what it does."""
        return function

    def template(self, name, function):
        """Return the function such that later calls find by name what the first call made."""
        known = []

        def call(*given):
            with self.scope(known[0], reuse=True) if known else self.scope(name, unique=True) as scope:
                known.append(scope)
                return function(*given)

        return call

    def given(self, owner, values):
        """Return the owner as it computes with other values, by their paths; the owner itself stays as it is.

        A variable of several paths may be given a value under each, as long as they are equal.
        """
        cells = {path.replace("/", "."): cell for path, cell in owner._paths()}
        for path in values:
            if path not in cells:
                raise NotFound(f"{path} is given a value", f"one of {', '.join(cells)}", "name a path in the owner")
        others = {}
        for path, value in values.items():
            new = tape.tensor(value)
            if self.value(others.setdefault(cells[path], new)) != self.value(new):
                raise SharingRefused(f"{path} is given another value", "one for all its names", "give one of them")
        return clone(owner, lambda cell: others.get(cell, cell))

    def save(self, owner, only=()):
        """Return the values that a layer or module holds, by their paths in it; all of them, or only some."""
        wanted = [place.replace(".", "/") for place in only]
        return {
            path: cell.forward()
            for path, cell in owner._paths()
            if not only or any(path == place or path.startswith(place + "/") for place in wanted)
        }

    def restore(self, owner, saved, partial=False):
        """Write saved values into the variables that are there, so that ties stay what they are."""
        paths = owner._paths()
        lacking = [path for path, _ in paths if path not in saved]
        if lacking and not partial:
            raise NotFound(f"{lacking[0]} is restored", f"one of {', '.join(saved)}", "restore what was saved")
        for path, cell in paths:
            if path in saved:
                cell.assign(saved[path].tolist())

    def cast(self, owner, dtype):
        """Change the dtype of every variable of a layer or module, each once, where it is."""
        for cell in cells_of(owner, build=True):
            cell.cast(dtype)
        return owner

    def move(self, owner, device):
        """Move a layer or module: where a variable lies changes nothing of what it is."""
        for cell in cells_of(owner, build=True):
            cell.device = device
        return owner

    def shard(self, cell):
        """Lay a variable out over two devices, which changes nothing of what it is either."""
        cell.device = (0, 1)

    def vectorize(self, over, function):
        """Return a function of each row, stacked."""
        rows = tape.tensor(over)
        return Stack([tape.tensor(function(rows[index])) for index in range(rows.shape[0])])

    # -- observations

    def value(self, expression):
        """Return what an expression is worth in the current session, as numbers and lists."""
        return tape.evaluate(tape.tensor(expression)).tolist()

    def variables(self, inside=None):
        """Return every variable of the graph that is not local, or those in a scope, layer or module; each once."""
        if inside is None or isinstance(inside, Scope):
            return [cell for cell in self.now.cells if not cell.local and (inside is None or inside.holds(cell.name))]
        return cells_of(inside)

    def trainable(self, inside=None):
        """Return those that training changes."""
        return [cell for cell in self.variables(inside) if cell.trainable and not cell.frozen]

    def names(self, inside=None):
        """Return the sorted names of all variables, or the paths in a layer or module, each variable once."""
        if inside is None or isinstance(inside, Scope):
            return sorted(cell.name for cell in self.variables(inside))
        first = {}
        for path, cell in inside._paths():
            first.setdefault(cell, path)
        return sorted(first.values())

    def paths(self, cell, inside):
        """Return every path under which a layer or module holds a variable, sorted."""
        return sorted(path for path, one in inside._paths() if one is cell)

    def elements(self, owner):
        """Return how many numbers the variables of a layer or module hold, each variable once."""
        return sum(size(cell.shape) for cell in cells_of(owner, build=True))

    def parameter_bytes(self, owner):
        """Return how many bytes these numbers take."""
        return sum(size(cell.shape) * width(cell.dtype) for cell in cells_of(owner, build=True))

    def penalties(self, inside=None):
        """Return the terms that regularizers add, one a variable, in all or for a layer or module."""
        cells = self.now.cells if inside is None else self.variables(inside)
        return [term for cell, term in self.now.penalties if cell in cells]

    def penalty(self, inside=None):
        """Return what these terms add up to."""
        total = tape.constant(0.0)
        for term in self.penalties(inside):
            total += term
        return total

    def collection(self, name):
        """Return the variables in a collection."""
        kept = {"global_variables": self.variables, "variables": self.variables, "trainable_variables": self.trainable}
        return kept[name]() if name in kept else self.now.collections.get(name, [])
