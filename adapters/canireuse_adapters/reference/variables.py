"""Scopes and variables in the reference model."""

from canireuse.step import Step
from canireuse.vocabulary import (
    Assign,
    CurrentScope,
    DefaultScope,
    Get,
    Graph,
    Intercept,
    Placeholder,
    Read,
    Reinitialize,
    ScopeOptions,
    Session,
    Variable,
)
from canireuse_adapters.variable_scopes import VariableScopes


class Variables(VariableScopes):
    """Words scopes and variables."""

    scope_call, name_scope_call, auto_flag = "model.scope", "model.name_scope", "Model.AUTO"

    def registration(self, step: Get | Variable) -> list[str]:
        """Return the words for what a variable is created with."""
        words = {
            "shape": step.shape,
            "dtype": step.dtype,
            "init": step.init,
            "trainable": step.trainable,
            "collection": step.collection,
        }
        if isinstance(step, Variable) and step.start is not None:
            return [f"init={self.expression(step.start)}"] + [
                f"{word}={words[word]!r}" for word in ("trainable", "collection") if words[word] is not None
            ]
        return [f"{word}={value!r}" for word, value in words.items() if value is not None]

    def get(self, step: Get) -> None:
        """Get a variable, or one after the other."""
        reuse = [f"reuse={self.flag(step.reuse)}"] if step.reuse is not None else []
        reuse += [f"penalty={step.penalty!r}"] if step.penalty is not None else []
        reuse += ["local=True"] if step.local else []
        name = repr(step.get) if step.numbered is None else f"f'{step.get}_{{number}}'"
        words = f"model.get({', '.join([name, *self.registration(step), *reuse])})"
        if step.numbered is not None:
            words = f"[{words} for number in range({step.numbered})]"
        self.bind(step.as_, words)

    def variable(self, step: Variable) -> None:
        """Construct a variable."""
        self.bind(step.as_, f"model.variable({', '.join([repr(step.variable), *self.registration(step)])})")

    def open_scope(self, step: ScopeOptions, where: str) -> None:
        """Open a scope given by name or by object, with what holds inside."""
        words = {
            "init": step.init,
            "dtype": step.dtype,
            "penalty": step.penalty,
            "auxiliary_name_scope": step.auxiliary_name_scope,
        }
        given = [where] + ([f"reuse={self.flag(step.reuse)}"] if step.reuse is not None else [])
        given += [f"{word}={value!r}" for word, value in words.items() if value is not None]
        with self.block(f"with model.scope({', '.join(given)}){f' as {step.as_}' if step.as_ else ''}:"):
            self.steps(step.steps)

    def default_scope(self, step: DefaultScope) -> None:
        """Open a scope under a name made unique."""
        self.open_scope(step, f"{step.default_scope!r}, unique=True")

    def current_scope(self, step: CurrentScope) -> None:
        """Bind the scope that is open."""
        self.write(f"{step.current_scope} = model.current_scope()")

    def intercept(self, step: Intercept) -> None:
        """Have a function hand out what is got."""
        with self.block(f"with model.intercept(lambda {step.intercept}: {self.expression(step.returns)}):"):
            self.steps(step.steps)

    def placeholder(self, step: Placeholder) -> None:
        """Make a placeholder."""
        self.write(f"{step.placeholder} = model.placeholder({step.placeholder!r}, {step.shape}, {step.dtype!r})")

    def graph(self, step: Graph) -> None:
        """Open another graph."""
        with self.block("with model.graph():"):
            self.steps(step.steps)

    def session(self, step: Session) -> None:
        """Open another session."""
        with self.block("with model.session():"):
            self.steps(step.steps)

    def initialize(self, step: Step) -> None:
        """Give all variables their initial values."""
        self.write("model.initialize()")

    def reinitialize(self, step: Reinitialize) -> None:
        """Give one variable its initial value again."""
        self.write(f"{step.reinitialize}.initialize()")

    def assign(self, step: Assign) -> None:
        """Assign numbers, or what an expression is worth."""
        self.write(f"{step.assign}.assign({self.expression(step.to) if isinstance(step.to, str) else step.to})")

    def increment(self, place: str) -> None:
        """Add one."""
        self.write(f"{place}.assign({place} + 1)")

    def read(self, step: Read) -> None:
        """Read a variable."""
        self.write(f"model.value({step.read})")

    def start_afresh(self) -> None:
        """Go on in an empty graph."""
        self.write("model.start_afresh()")
