"""Functions of the script: the one that is being written, those that were, and those that read a variable."""

import ast
from dataclasses import dataclass, field

from canireuse.emit import Body
from canireuse.program import Object
from canireuse.program.symbols import Path
from canireuse.spec.vocabulary import Function


@dataclass
class Reader:
    """What reads a variable that no entry stands for: a function that gets it, applied to a tree."""

    word: str = ""
    stateful: bool = False
    #: its name among several that the function returns
    key: str | None = None
    #: whether a getter hands out something else for it
    got: bool = False
    #: the words themselves, where a function is applied otherwise
    code: ast.expr | None = None


@dataclass(eq=False)
class Known:
    """A function of the script, and what calls need to know."""

    #: its name in the script
    word: str
    #: body: called inside transformed functions; transformed: by itself; builder: makes a model; step: of training; forward: makes layers and calls them; plain; built; net
    kind: str
    step: Function | None = None
    stateful: bool = False
    #: of what was built: the code for its `init`, and the entries that it makes
    init: ast.expr | None = None
    makes: frozenset[Path] = frozenset()
    #: whether it was initialised, and whether it enters scopes by their paths from the top
    ready: bool = False
    forced: bool = False
    #: the state that it takes, and of a training step what it returns anew
    takes: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    #: of a builder, the model that it returns
    model: Object | None = None
    #: of a template, the function in which its module object was made last
    module_in: object = None
    #: its compiled form, which measured loops call
    compiled: str = ""


@dataclass(eq=False)
class Frame:
    """A function that is being written; the outermost is the script."""

    kind: str = "script"
    #: whether it keeps state, and whether it is applied in a measured loop
    stateful: bool = False
    timed: bool = False
    #: names bound here, which stand for arrays; those of them that it returns, and whether a getter handed them out
    local: set[str] = field(default_factory=set)
    shown: dict[str, bool] = field(default_factory=dict)
    #: whether a scope is entered by its path from the top
    forced: bool = False
    #: its statements, and those that stand before it
    body: Body = field(default_factory=list)
    above: Body = field(default_factory=list)
    #: the getters around what is written, as contexts, and how many of them change something; how many loops are
    around: list[ast.expr] = field(default_factory=list)
    getters: int = 0
    loops: int = 0
    #: layers and modules that the next function makes
    pending: list[Object] = field(default_factory=list)
    #: the trees that were bound, and how many random keys were drawn
    bound: set[str] = field(default_factory=set)
    keys: int = 0
    #: of a function that makes a model, the code for its `init` and whether that makes state
    init: tuple[ast.expr, bool] | None = None
    #: what reads the variable that the step being written binds
    reader: Reader | None = None
    #: measured loop -> its body
    hoisted: dict[int, Body] = field(default_factory=dict)

    @property
    def is_body(self) -> bool:
        """Whether it is the body of a transformed function."""
        return self.kind == "body"
