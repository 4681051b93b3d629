"""Backends that would look fast: one does less than it is told, one is another as soon as the clock runs."""

from canireuse_adapters.reference import Reference


class Skimps(Reference):
    """Repeats nothing."""

    name = title = "zoo-skimps"

    def repeat(self, step):
        self.steps(step.steps)


class TwoFaced(Reference):
    """Does the work where it is looked at, and leaves it out where it is timed; what it observes then tells."""

    name = title = "zoo-two-faced"

    def define(self, function, *given, **more):
        super().define(function, *given, **more)
        code = "$function = $function if type(rounds.__self__).__name__ == 'Untimed' else lambda x: x"
        self.emit(code, function=function)
