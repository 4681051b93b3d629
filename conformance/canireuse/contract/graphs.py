"""Graphs and sessions of the reference model: variables as cells, the scopes they live in, and their values."""

import threading
from contextlib import contextmanager

from canireuse.contract import tape
from canireuse.contract.refusals import BadArgument, DtypeMismatch, ShapeMismatch, Uninitialized


class Cell(tape.Tensor):
    """A variable: a place for a value, which each session has or has not; it is the same as itself alone."""

    inputs = ()

    def __init__(self, graph, name, shape, dtype, draw, trainable):
        self.graph, self.name, self.shape, self.dtype = graph, name, tuple(shape), dtype
        self.draw, self.trainable, self.frozen, self.local = draw, trainable, False, False
        self.device, self.hooks = 0, []

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
        self.session().values[self] = self.draw().map(converter(self.dtype))

    def cast(self, dtype):
        """Change the dtype, and the value that is held."""
        self.dtype = dtype
        values = self.session().values
        if self in values:
            values[self] = values[self].map(converter(dtype))


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


def width(dtype):
    """Return how many bytes a number of a dtype takes."""
    return int(dtype.lstrip("abcdefghijklmnopqrstuvwxyz") or 8) // 8


class Scope:
    """An open variable scope, and what stands for it to enter it again.

    `defaults` holds `init`, `dtype` and `penalty` for variables that do not say so themselves; `getters`
    are handed each variable that is got, the outermost first.
    """

    def __init__(self, path, reuse, defaults=None, getters=()):
        self.path, self.reuse = path, reuse
        self.defaults, self.getters = dict(defaults or {}), tuple(getters)

    def reuse_variables(self):
        """Switch to looking up, from here on."""
        self.reuse = True

    def holds(self, name):
        """Return whether what has the full name lies in this scope or below it."""
        return not self.path or name.startswith(f"{self.path}/")

    def under(self, name):
        """Return the full name of what has a name in this scope."""
        return f"{self.path}/{name}" if self.path else name


class Graph:
    """A store of variables with its own scopes and names."""

    def __init__(self, model):
        self.model, self.immediate = model, model.immediate
        self.cells = []
        self.layers = []
        self.optimizers = []
        #: every layer and module, to know which variables are held
        self.owners = []
        #: full name -> the variable that `get` finds under it; a constructed one is not here
        self.by_name = {}
        self.collections = {}
        #: (the variable, the term) for each regularizer
        self.penalties = []
        self._here = threading.local()
        self._taken = {}

    @property
    def scope(self):
        """The scope that is open in this thread; each thread begins at the root."""
        return self._here.__dict__.setdefault("scope", Scope("", False))

    @scope.setter
    def scope(self, scope):
        self._here.scope = scope

    @property
    def opened(self):
        """Path -> how often this thread opened a scope there, which tells whether a default name is taken."""
        return self._here.__dict__.setdefault("opened", {})

    @opened.setter
    def opened(self, opened):
        self._here.opened = opened

    @property
    def name_scope(self):
        """The name scope that is open in this thread."""
        return self._here.__dict__.setdefault("name_scope", "")

    @name_scope.setter
    def name_scope(self, name_scope):
        self._here.name_scope = name_scope

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


class Placeholder(tape.Tensor):
    """A tensor whose value is given from outside, which the model never does."""

    inputs = ()

    def __init__(self, name, shape, dtype):
        self.name, self.shape, self.dtype = name, tuple(shape), dtype

    def forward(self):
        """Refuse: there is no value."""
        raise BadArgument(f"the placeholder {self.name} is read", "a value from outside", "use a variable")
