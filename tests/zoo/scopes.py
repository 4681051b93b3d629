"""Backends whose scopes and names are wrong in one thing each."""

from contextlib import contextmanager

from canireuse.contract import Model
from canireuse.contract.graphs import Scope


class FindsConstructed(Model):
    """Finds a constructed variable by its name."""

    def variable(self, name, **given):
        made = super().variable(name, **given)
        self.now.by_name.setdefault(made.name, made)
        return made


class ForgetsTheScopeAround(Model):
    """Names what is got in an inner scope without the scopes around it."""

    def get(self, name, *given, **more):
        graph, scope = self.now, self.now.scope
        graph.scope = Scope(scope.path.rpartition("/")[2], scope.reuse, scope.defaults, scope.getters)
        try:
            return super().get(name, *given, **more)
        finally:
            graph.scope = scope


class InheritsNothing(Model):
    """Opens scopes that know nothing of the scope around: no reuse, no defaults, no getters."""

    def scope(self, where, reuse=None, unique=False, auxiliary_name_scope=True, **defaults):
        outer = self.now.scope
        self.now.scope = Scope(outer.path, False)
        return Opened(super().scope(where, reuse, unique, auxiliary_name_scope, **defaults), self.now, outer)


class Opened:
    """A scope that is left for the one that was there before."""

    def __init__(self, opened, graph, outer):
        self.opened, self.graph, self.outer = opened, graph, outer

    def __enter__(self):
        return self.opened.__enter__()

    def __exit__(self, *raised):
        try:
            return self.opened.__exit__(*raised)
        finally:
            self.graph.scope = self.outer


class LeavesReuse(Model):
    """Takes `reuse: false` for a way out of reuse."""

    def scope(self, where, reuse=None, unique=False, **more):
        outer = self.now.scope
        if reuse is False:
            self.now.scope = Scope(outer.path, False, outer.defaults, outer.getters)
            where = Scope(where.path, False, where.defaults, where.getters) if isinstance(where, Scope) else where
        return Opened(super().scope(where, reuse, unique, **more), self.now, outer)


class ChecksNothing(Model):
    """Looks up a variable whatever shape and dtype it is asked for with."""

    def get(self, name, shape=None, dtype=None, **given):
        found = self.now.by_name.get(self.now.scope.under(name))
        if found is not None:
            shape, dtype = found.shape, found.dtype
        return super().get(name, shape=shape, dtype=dtype, **given)


class NeverNumbers(Model):
    """Opens default scopes under the name that they ask for."""

    def scope(self, where, reuse=None, unique=False, **more):
        return super().scope(where, reuse, False, **more)


class NumbersEveryScope(Model):
    """Opens each scope under a name that nothing has had."""

    def scope(self, where, reuse=None, unique=False, **more):
        return super().scope(where, reuse, unique or not (reuse or isinstance(where, Scope)), **more)


class OpensBelow(Model):
    """Opens a scope that was kept below the current one."""

    def scope(self, where, reuse=None, unique=False, **more):
        if isinstance(where, Scope) and self.now.scope.path:
            where = Scope(self.now.scope.under(where.path), where.reuse, where.defaults, where.getters)
        return super().scope(where, reuse, unique, **more)


class IgnoresGetters(Model):
    """Hands out variables past the functions that were to be given them."""

    def intercept(self, getter):
        return super().intercept(lambda found: found)


class IgnoresDefaults(Model):
    """Creates variables without what their scope says of them."""

    def scope(self, where, reuse=None, unique=False, auxiliary_name_scope=True, **defaults):
        return super().scope(where, reuse, unique, auxiliary_name_scope)


class IgnoresOptions(Model):
    """Creates variables that train and are in no collection, whatever is said."""

    def get(self, name, shape=None, trainable=None, collection=None, local=False, **given):
        return super().get(name, shape, **given)

    def variable(self, name, trainable=None, collection=None, **given):
        return super().variable(name, **given)


class PenalizesEachUse(Model):
    """Counts a penalty for every look-up."""

    def get(self, name, *given, **more):
        before = list(self.now.penalties)
        found = super().get(name, *given, **more)
        self.now.penalties += [(cell, term) for cell, term in before if cell is found][:1]
        return found


class SharesItsGraphs(Model):
    """Builds every graph in the first."""

    def graph(self):
        return self._running(self.current)

    def start_afresh(self):
        pass


class SharesItsSessions(Model):
    """Runs every session with the values of the first."""

    def session(self):
        return self._running(self.current)


class SearchesAncestors(Model):
    """Finds in a scope what was made in a scope around it, or in one beside it."""

    def _get(self, scope, name, *given):
        graph, full = self.now, scope.under(name)
        if full not in graph.by_name and scope.reuse:
            found = next((cell for path, cell in graph.by_name.items() if path.rpartition("/")[2] == name), None)
            if found is not None:
                return found
        return super()._get(scope, name, *given)


class NameScopesSeparate(Model):
    """Puts name scopes in front of the names that are got."""

    around = ""

    def _get(self, scope, name, *given):
        return super()._get(scope, f"{self.around}/{name}".strip("/"), *given)

    @contextmanager
    def name_scope(self, name):
        outer, self.around = self.around, f"{self.around}/{name}".strip("/")
        yield
        self.around = outer


class ReuseLasts(Model):
    """Goes on looking up after a scope that switched to it has ended."""

    def scope(self, where, reuse=None, unique=False, **more):
        outer = self.now.scope
        return Lasting(super().scope(where, reuse, unique, **more), outer)


class Lasting:
    """A scope that leaves its reuse to the one around it."""

    def __init__(self, opened, outer):
        self.opened, self.outer = opened, outer

    def __enter__(self):
        self.scope = self.opened.__enter__()
        return self.scope

    def __exit__(self, *raised):
        self.outer.reuse = self.scope.reuse
        return self.opened.__exit__(*raised)


class TakesOddFlags(Model):
    """Takes every reuse flag for true, and any argument of a look-up that it does not know for nothing."""

    def scope(self, where, reuse=None, unique=False, **more):
        known = reuse is None or isinstance(reuse, bool) or reuse is self.AUTO
        return super().scope(where, reuse if known else True, unique, **more)

    def get(self, name, *given, reuse=None, **more):
        return super().get(name, *given, **more)


class CreatesMissing(Model):
    """Creates what a look-up does not find."""

    def _get(self, scope, name, *given):
        opened = self.now.scope
        if scope.under(name) not in self.now.by_name and scope.reuse is True:
            scope = Scope(scope.path, False, scope.defaults, scope.getters)
        self.now.scope = scope
        try:
            return super()._get(scope, name, *given)
        finally:
            self.now.scope = opened


class NamesAreBare(Model):
    """Says names without the scopes that they are in."""

    def names(self, inside=None):
        return sorted(name.rpartition("/")[2] for name in super().names(inside))

    def _get(self, scope, name, *given):
        found = super()._get(scope, name, *given)
        found.name = found.name.rpartition("/")[2]
        return found
