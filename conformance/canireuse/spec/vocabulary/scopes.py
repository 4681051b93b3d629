"""Scopes: named places that variables live in, and what holds for the variables made in them."""

from pydantic import Field, StrictBool

from canireuse.spec.step import Block, Drawn, Dtype, Name, Number, Reuse, Step


class ScopeOptions(Block):
    """What may be said of a scope that is opened: its reuse mode, and defaults for the variables made in it."""

    reuse: Reuse | None = Field(None, description="true: look variables up; auto: look up or create.")
    init: Drawn | None = Field(
        None, description="What variables made inside start from, unless they say so themselves."
    )
    dtype: Dtype | None = Field(None, description="The dtype of variables made inside, unless they say so themselves.")
    penalty: Number | None = Field(
        None, description="A regularizer for the variables made inside: this number times the sum of squares."
    )
    auxiliary_name_scope: StrictBool | None = Field(None, description="false: open no name scope beside.")
    use_resource: StrictBool | None = Field(
        None, description="Whether variables made inside are resources, or, as TF1's own are, buffers of the graph."
    )
    as_: Name | None = Field(None, alias="as", description="Bind the scope, to re-enter it later.")


class Scope(ScopeOptions):
    """Open a named place that variables live in, below the current one."""

    verb = "scope"
    binds = "scope"
    scope: Name = Field(description="The scope's name.")


class DefaultScope(ScopeOptions):
    """Open a scope whose name is made unique among those opened in the current scope."""

    verb = "default_scope"
    binds = "scope"
    default_scope: Name = Field(description="The name that a number is put behind where it is taken.")


class Reenter(ScopeOptions):
    """Re-enter a scope by reference, from wherever the step stands."""

    verb = "reenter"
    binds = "scope"
    uses = {"reenter": frozenset({"scope"})}
    reenter: Name = Field(description="A scope bound by `as`.")


class CurrentScope(Step):
    """Bind the scope that is open here; at the top, the root scope."""

    verb = "current_scope"
    binds = "scope"
    bound_by = "current_scope"
    current_scope: Name


class NameScope(Block):
    """Open a scope for the names of operations, which is no place for variables."""

    verb = "name_scope"
    name_scope: Name = Field(description="The name scope's name.")


class ReuseVariables(Step):
    """Switch an open scope to reuse from here on."""

    verb = "reuse_variables"
    uses = {"reuse_variables": frozenset({"scope"})}
    reuse_variables: Name = Field(description="A scope bound by `as`, still open.")


class Intercept(Block):
    """Have a getter of the user's own hand out what `get` gives inside: an expression of the variable."""

    verb = "intercept"
    intercept: Name = Field(description="The name of the variable in `returns`; nothing outside sees it.")
    returns: str = Field(description="What is handed out in place of the variable, such as `2 * raw`.")

    @property
    def own_names(self) -> list[str]:
        """The variable as it is kept."""
        return [self.intercept]


class Graph(Block):
    """Build in another graph, with a session of its own; variables of the first are not in it."""

    verb = "graph"
    graph: Name = Field(description="A word for the graph; it names nothing in the script.")
