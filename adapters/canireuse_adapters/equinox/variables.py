"""Variables of Equinox: arrays, each bound to a Python name until a module has it in a field."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from canireuse.spec import Spec
from canireuse.translation import Unsupported
from canireuse.vocabulary import Invoke, Variable, walk
from canireuse_adapters.equinox.functions import EquinoxFunctions, shape_of
from canireuse_adapters.equinox.places import Node


class EquinoxVariables(EquinoxFunctions):
    """Words how an array is made."""

    @contextmanager
    def setting(self, spec: Spec) -> Iterator[None]:
        """Look at the whole spec for what functions are given."""
        for step in walk(spec.steps):
            if isinstance(step, Invoke) and step.given:
                self.argument_ranks.setdefault(step.invoke, [self.rank(value) for value in step.given])
        with super().setting(spec):
            yield

    def opening(self, text: str) -> list[str]:
        """Define the script's modules, and make what it draws with."""
        lines = [*self.classes]
        if "next(keys)" in text:
            lines.append("keys = iter(jax.random.split(jax.random.key(0), 100))")
        return lines

    def variable(self, step: Variable) -> None:
        """Bind an array to a Python name."""
        if step.collection:
            raise Unsupported(self.missing["collection"])
        name = step.as_ or self.free(step.variable)
        self.write(f"{name} = {self.made(step)}")
        whole = step.dtype is not None and not step.dtype.startswith("float")
        self.hold(name, Node("array", floating=not whole, shape=self.shape_made(step), frozen=step.trainable is False))

    def shape_made(self, step: Variable) -> tuple[int, ...] | None:
        """Return the shape of a new array, where the spec says it."""
        if step.start is not None:
            return () if self.rank(step.start) == 0 else None
        if isinstance(step.init, list):
            return shape_of(step.init)
        return tuple(step.shape or ())

    def made(self, step: Variable) -> str:
        """Return the words for a new array."""
        if step.start is not None:
            return self.expression(step.start)
        kind = f", {step.dtype!r}" if step.dtype else ""
        if step.init == "random":
            return f"jax.random.normal(next(keys), {step.shape or []}{kind})"
        floating = step.dtype is None or step.dtype.startswith("float")
        return self.filled(self.numbers(step.init, floating=floating), step.shape, step.dtype)

    def filled(self, init: Any, shape: list[int] | None, dtype: str | None) -> str:
        """Return the words for an array that starts from numbers; one of a dtype of its own, since weak types are another type to Equinox."""
        if isinstance(init, int | float) and dtype is None and not isinstance(init, bool):
            if shape and init in {0, 1}:
                return f"jnp.{'ones' if init else 'zeros'}({shape})"
            dtype = "float32"
        function, given = self.filling(init, shape, dtype)
        return f"{function}({given})"
