"""Variable scopes as the contract has them: the words that TensorFlow 1 and the reference model share."""

from typing import ClassVar

from canireuse.step import OddFlag, Reuse
from canireuse.translation import TextAdapter
from canireuse.vocabulary import NameScope, Reenter, ReuseVariables, Scope


class VariableScopes(TextAdapter):
    """Opens scopes by name or by object, with a reuse flag that is said as it is given."""

    #: the calls that open a variable scope and a name scope, and the flag of automatic reuse
    scope_call: ClassVar[str]
    name_scope_call: ClassVar[str]
    auto_flag: ClassVar[str]

    def flag(self, reuse: Reuse) -> str:
        """Return the words for a reuse flag."""
        if isinstance(reuse, OddFlag):
            return reuse.tensor or repr(reuse.number if reuse.text is None else reuse.text)
        return self.auto_flag if reuse == "auto" else repr(reuse)

    def open_scope(self, step: Scope | Reenter, where: str) -> None:
        """Open a scope given by name or by object."""
        reuse = f", reuse={self.flag(step.reuse)}" if step.reuse is not None else ""
        with self.block(f"with {self.scope_call}({where}{reuse}){f' as {step.as_}' if step.as_ else ''}:"):
            self.steps(step.steps)

    def scope(self, step: Scope) -> None:
        """Open a scope by name."""
        self.open_scope(step, repr(step.scope))

    def reenter(self, step: Reenter) -> None:
        """Open a scope again by the object that stands for it."""
        self.open_scope(step, step.reenter)

    def name_scope(self, step: NameScope) -> None:
        """Open a name scope."""
        with self.block(f"with {self.name_scope_call}({step.name_scope!r}):"):
            self.steps(step.steps)

    def reuse_variables(self, step: ReuseVariables) -> None:
        """Switch an open scope to reuse."""
        self.write(f"{step.reuse_variables}.reuse_variables()")
