"""Backends that run functions wrongly: they freeze what was traced, and let replicas go apart."""

from canireuse.contract import Model, tape


class FreezesTraced(Model):
    """Reads in a traced function what variables held when it was traced."""

    def traced(self, function):
        held = {}

        def call(*given):
            values, now = self.current.values, dict(self.current.values)
            held.update({} if held else now)
            values.update(held)
            try:
                answer = function(*given)
            finally:
                values.update({cell: kept for cell, kept in now.items() if values[cell] is held.get(cell)})
            if isinstance(answer, tape.Tensor):
                for each in tape.in_order(answer):
                    each.inputs = tuple(constant(one, held) for one in each.inputs)
            return answer

        return call


def constant(one, held):
    """Return a variable as the constant that it was, and anything else as it is."""
    return tape.constant(held[one].tolist()) if one in held else one


class Drifts(Model):
    """Trains each replica on its part of the data, and keeps the first."""

    def parallel(self, owner, split, minimize, rate=0.1, times=1):
        super().parallel(owner, {name: values[:1] for name, values in split.items()}, minimize, rate, times)


class SumsReplicas(Model):
    """Adds the gradients of the parts up, where their mean is meant."""

    def parallel(self, owner, split, minimize, rate=0.1, times=1):
        parts = len(next(iter(split.values())))
        super().parallel(owner, split, minimize, rate * parts, times)
