"""Scopes and gets: as they stand in the body of a transformed function, and outside, where each look-up is a function of its own."""

import ast
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from canireuse.emit import Body, Fill, Names, Words, expr, literal, name, statements, text
from canireuse.program import Fate, Object, Opened, Slot, Symbols, free_names
from canireuse.program.symbols import Path
from canireuse.script import Unsupported
from canireuse.step import Initial, OddFlag, Step
from canireuse.vocabulary import (
    Block,
    Compute,
    CurrentScope,
    DefaultScope,
    Function,
    Get,
    Initialize,
    Intercept,
    Invoke,
    NameScope,
    Reenter,
    Repeat,
    Scope,
    Thread,
    Variable,
    walk,
)

if TYPE_CHECKING:
    from canireuse_adapters.haiku import Haiku

SCOPES = (Scope, DefaultScope, Reenter)
#: where Haiku keeps what is made outside of any module
TOP = "~"
WHOLE = (
    "In Haiku `init` makes variables and `apply` finds them, each for a whole function; no scope inside one switches."
)


def finds(step: Step) -> bool:
    """Return whether variables are only looked up inside a scope: it is asked to reuse, or all that it holds is."""
    if not isinstance(step, SCOPES):
        return False
    if isinstance(step.reuse, OddFlag) or step.reuse is True:
        return True
    inner = [one for one in step.steps if isinstance(one, Get | Variable | Scope | DefaultScope | Reenter)]
    return bool(inner) and step.reuse != "auto" and all(map(finds, inner))


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
    words: ast.expr | None = None


@dataclass(eq=False)
class Known:
    """A function of the script, and what calls need to know."""

    #: its name in the script
    word: str
    #: body: called inside transformed functions; transformed: by itself; builder: makes a model; step: of training; plain; built; net
    kind: str
    step: Function | None = None
    stateful: bool = False
    #: of what was built: the words for its `init`, and the entries that it makes
    init: ast.expr | None = None
    makes: frozenset[Path] = frozenset()
    #: whether it was initialised
    ready: bool = False
    #: the state that it takes, and of a training step what it returns anew
    takes: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    #: whether a training step has an optimizer of its own
    own: bool = False
    #: of a builder, the model that it returns
    model: Object | None = None
    #: of a template, the function in which its module object was made last
    module_in: object = None
    #: its compiled form, which measured loops call
    compiled: str = ""


class Paths(Symbols):
    """Symbols whose scopes have the paths that Haiku gives them: it makes the name of each new one unique."""

    def __init__(
        self, slots: Mapping[str, Mapping[str, Slot]], fates: Mapping[str, Fate], effect: Callable[[Step], None]
    ) -> None:
        super().__init__(slots, fates, effect)
        #: the names that each open scope has given, and whether variables are only looked up in it
        self.given: list[Counter[str]] = [Counter()]
        self.looking = [False]

    @contextmanager
    def inside(self, step: Step) -> Iterator[None]:
        """Be inside a step; a scope gives names of its own, and so does the module that a template is."""
        with super().inside(step):
            yield
        if isinstance(step, SCOPES):
            self.given.pop()
            self.looking.pop()

    def open(self, step: Scope | DefaultScope | Reenter) -> Opened:
        """Open a scope: under a name made unique, unless what is inside is looked up or may be there."""
        looking, around = self.looking[-1] or finds(step), self.scope.path
        opened = super().open(step)
        if isinstance(step, Reenter):
            opened.path = opened.path or (TOP,)
        elif not looking and (step.reuse != "auto" or isinstance(step, DefaultScope)):
            opened.path = self.free(around, opened.path[-1])
        if step.as_:
            self.names[step.as_].path = opened.path
        self.given.append(Counter())
        self.looking.append(looking)
        return opened

    def free(self, around: Path, word: str) -> Path:
        """Return the path that a module or scope gets that is opened here: a number is put behind where the name is taken."""
        base, _, number = word.rpartition("_")
        if base and number.isdecimal() and str(int(number)) == number:
            made, count = word, int(number)
        else:
            base, count = word, self.given[-1][word]
            made = f"{word}_{count}" if count else word
        self.given[-1][base] = max(self.given[-1][base], count + 1)
        return (*around, made)

    def unique(self, name: str) -> str:
        """Return a default name as it is: `free` makes it unique."""
        return name

    def called(self, function: str, times: int = 1) -> Object:
        """Have the effects of calls; a template is a module of its own, which stands where it is called first."""
        known = self.names.get(function)
        if known is None or not isinstance(known.made, Function) or not known.made.template:
            return super().called(function, times)
        known.path = known.path or self.free(self.scope.path, known.made.function)
        with self.at_path(known.path):
            return super().called(function, times)

    @contextmanager
    def at_path(self, path: Path, *, looking: bool = False) -> Iterator[None]:
        """Be at a path, where no names are given yet."""
        around = self.opened, self.given, self.looking
        self.opened = [*self.opened, replace(self.opened[-1], path=path)]
        self.given, self.looking = [*self.given, Counter()], [*self.looking, looking]
        yield
        self.opened, self.given, self.looking = around


# -- scopes


def scope(haiku: "Haiku", step: Scope | DefaultScope | Reenter) -> None:
    """Open a scope: Haiku makes its name unique, unless it is forced, which is how one is entered again."""
    symbols, frame = haiku.symbols, haiku.frame
    looking = symbols.looking[-1]
    if isinstance(step.reuse, OddFlag):
        raise Unsupported("`hk.name_scope` takes no reuse flag: whether names are made or found is `init` or `apply`.")
    if looking and isinstance(step, DefaultScope):
        raise Unsupported("A Haiku scope whose name is made unique is a new one: there is nothing to find in it.")
    if not frame.is_body:
        haiku.steps(step.steps)
        return
    if looking and not frame.looking:
        raise Unsupported(WHOLE)
    word = step.scope if isinstance(step, Scope) else step.default_scope if isinstance(step, DefaultScope) else ""
    plain = bool(word) and not looking and step.reuse != "auto"
    if frame.timed and word and not symbols.given[-2][word]:
        plain, symbols.given[-2][word] = True, 1
    contexts = [expr("hk.name_scope('$word')", word=word) if plain else forced(symbols.scope.path)]
    if step.init is not None or step.dtype is not None:
        creator = haiku.function_name("create")
        haiku.frame.above += statements(
            "def $creator(next_creator, shape, dtype, init, context):\n    return next_creator(shape, $dtype, $init)",
            creator=creator,
            dtype=text(step.dtype) if step.dtype else ast.Name("dtype", ast.Load()),
            init=ast.Name("init", ast.Load()) if step.init is None else haiku.initializer(step.init),
        )
        contexts.append(expr("hk.custom_creator($creator)", creator=creator))
    with haiku.apart() as body:
        haiku.steps(step.steps)
    haiku.body += within(contexts, body)


def forced(path: Path) -> ast.expr:
    """Return the words for a scope that is entered by its path, from wherever this is."""
    return expr("hk.name_scope(hk.force_name('$path'))", path="/".join(path))


def within(contexts: Sequence[ast.expr], body: Body) -> Body:
    """Return statements inside of contexts, if there are any."""
    if not contexts:
        return body
    (block,) = statements("with context:\n    $*body", body=body)
    assert isinstance(block, ast.With)
    block.items = [ast.withitem(one) for one in contexts]
    return [block]


def intercept(haiku: "Haiku", step: Intercept) -> None:
    """Have a getter around what is got inside."""
    frame, getter = haiku.frame, haiku.function_name(f"get_{step.intercept}")
    changes = step.returns.strip() != step.intercept
    made = statements(
        "def $getter(next_getter, $value, context):\n    return next_getter($returns)",
        getter=getter, value=step.intercept, returns=haiku.expression(step.returns),
    )  # fmt: skip
    context = expr("hk.custom_getter($getter)", getter=getter)
    frame.getters += changes
    if frame.is_body:
        frame.above += made
        with haiku.apart() as body:
            haiku.steps(step.steps)
        haiku.body += within([context], body)
    else:
        haiku.body += made
        frame.around.append(context)
        haiku.steps(step.steps)
        frame.around.pop()
    frame.getters -= changes


# -- variables


def get(haiku: "Haiku", step: Get | Variable) -> None:
    """Get a parameter, or a piece of state, which is not trained; Haiku makes no variable in another way."""
    if isinstance(step, Get) and step.reuse is not None:
        raise Unsupported(
            "`hk.get_parameter` takes no reuse flag: `init` makes what is missing, and `apply` refuses it."
        )
    if step.collection is not None:
        raise Unsupported("Haiku has no collections but two: the parameters, and the state, which is not trained.")
    entry, numbered = haiku.entry_of(step), step.numbered if isinstance(step, Get) else None
    words = getting(haiku, step, entry)
    haiku.frame.stateful |= entry[0] == "state"
    if (
        numbered is not None
        and haiku.frame.is_body
        and not (step.as_ and (haiku.frame.timed or step.as_ in haiku.read))
    ):
        haiku.emit("for number in range($times):\n    $words", times=numbered, words=words)
        return
    if numbered is not None:
        words = expr("[$words for number in range($times)]", words=words, times=numbered)
    if haiku.frame.is_body:
        haiku.bind_here(step.as_, words)
        return
    reader = haiku.finder(f"find_{step.as_ or entry[-1]}", entry, words, haiku.frame.around)
    reader.got = haiku.frame.getters > 0
    found = haiku.applied(reader, entry[0])
    if haiku.in_function or numbered is not None:
        haiku.bind_here(step.as_, found)
    else:
        haiku.frame.reader = reader
        haiku.body += statements("$found", found=found) if step.raises is not None or not step.as_ else []


def getting(haiku: "Haiku", step: Get | Variable, entry: Path) -> ast.expr:
    """Return the words that get a variable in a function: by its name, shape and dtype, and its initializer."""
    word: ast.expr = text(entry[-1])
    if isinstance(step, Get) and step.numbered is not None:
        word = ast.JoinedStr([text(f"{entry[-1]}_"), ast.FormattedValue(ast.Name("number", ast.Load()), -1)])
    if isinstance(step, Variable) and step.start is not None:
        value = haiku.expression(step.start)
        asked: list[Fill] = [expr("jnp.shape($value)", value=value)]
        start = {"init": expr("lambda *_: $value", value=value)}
    else:
        if step.shape is None and not isinstance(step.init, list):
            raise Unsupported("`hk.get_parameter` takes the shape at each call, also where it finds the parameter.")
        shape = shape_of(step.init) if step.shape is None else step.shape
        asked = [literal(tuple(shape) if isinstance(step, Get) and step.shape_as == "tuple" else shape)]
        asked += [text(step.dtype)] if step.dtype else []
        start = {} if step.init is None else {"init": haiku.initializer(step.init)}
        if isinstance(step, Get) and step.uniform:
            start["init"] = expr("hk.initializers.RandomUniform($*bounds)", bounds=step.uniform)
    kind = "state" if entry[0] == "state" else "parameter"
    return expr(f"hk.get_{kind}($word, $*asked, $**start)", word=word, asked=asked, start=start)


def shape_of(init: Initial | None) -> list[int]:
    """Return the shape of an initial value."""
    return [len(init), *shape_of(init[0])] if isinstance(init, list) else []


# -- which steps are the body of one function


def makes(haiku: "Haiku", step: Step) -> bool:
    """Return whether a step belongs into the body of a function that makes variables."""
    if haiku.in_function or haiku.symbols.looking[-1]:
        return False
    if isinstance(step, Get | Variable | CurrentScope):
        return True
    if isinstance(step, Invoke | Thread):
        known = haiku.function_of(step)
        return known is not None and known.kind == "body"
    if not isinstance(step, Scope | DefaultScope | Reenter | Intercept | NameScope | Repeat) or finds(step):
        return False
    inner = [one for one in step.steps if not isinstance(one, Initialize | Compute)]
    return bool(inner) and all(makes(haiku, one) for one in inner)


def together(haiku: "Haiku", steps: Sequence[Step]) -> None:
    """Write steps; those that make variables and stand together become one transformed function."""
    run: list[Step] = []
    for step in steps:
        making = any(not isinstance(one, Function) for one in run)
        if isinstance(step, Initialize) and step.raises is None:
            continue
        if isinstance(step, Function) and not step.traced and any(makes(haiku, one) for one in step.steps):
            if any(isinstance(inner, Reenter) for inner in walk(step.steps)):
                flush(haiku, run)
            haiku.step(step)
            run.append(step)  # from here on its name stands for this function
        elif (isinstance(step, Compute) and making) or (
            makes(haiku, step) and not (isinstance(step, CurrentScope) and not run)
        ):
            run.append(step)
        else:
            flush(haiku, run)
            haiku.step(step)
    flush(haiku, run)


def flush(haiku: "Haiku", run: list[Step]) -> None:
    """Write the steps that were put together as one transformed function, and what was computed after them outside.

    What may be refused is the end of a function of its own, whose `init` is tried: it is observed from what that returns or raises.
    """
    after: list[Step] = []
    while run and isinstance(run[-1], Compute):
        after.insert(0, run.pop())
    steps = list(run)
    run.clear()
    if any(not isinstance(one, Function) for one in steps):
        modules = {one: one.path for one in haiku.symbols.objects() if one.kind == "function"}
        whole, last = standing(steps), None
        tried = [one for top in steps for one in tried_in(top)]
        for one in tried:
            if one.raises == "nothing" and leaves(standing(steps, one)) == leaves(whole):
                last = one
            elif one.raises == "nothing":
                build(haiku, standing(steps, one), modules, tried=one, trial=True)
        build(haiku, whole, modules, tried=last)
        for one in tried:
            if one.raises != "nothing":
                build(haiku, standing(steps, one), modules, tried=one, trial=True)
    for step in after:
        haiku.step(step)


def tried_in(step: Step) -> Iterator[Step]:
    """Yield the steps that may be refused, those inside of others before these."""
    if isinstance(step, Block) and not isinstance(step, Function):
        for inner in step.steps:
            yield from tried_in(inner)
    if step.raises is not None:
        yield step


def standing(steps: Sequence[Step], last: Step | None = None) -> list[Step]:
    """Return the steps that are accepted, up to one that may be refused."""
    kept: list[Step] = []
    for step in steps:
        ends = last is not None and any(one is last for one in walk([step]))
        if step.raises in {None, "nothing"} or ends:
            if isinstance(step, Block) and not isinstance(step, Function):
                kept.append(step.model_copy(update={"steps": standing(step.steps, last)}))
            else:
                kept.append(step)
        if ends:
            break
    return kept


def leaves(steps: Sequence[Step]) -> list[int]:
    """Return which steps these are, blocks apart."""
    return [id(one) for one in walk(steps) if not isinstance(one, Block)]


def build(
    haiku: "Haiku", steps: list[Step], modules: Mapping[Object, Path], *, tried: Step | None = None, trial: bool = False
) -> None:
    """Write a transformed function of steps, and have its `init` make the variables.

    A trial is one of several functions of the same steps: another one says what stands where.
    """
    before, places = haiku.symbols.standing(steps), {one: one.path for one in modules}
    for one, path in modules.items():
        one.path = path
    known, shown = transformed_steps(haiku, steps, returns=not trial)
    assert known.init is not None
    made = haiku.initialised(known.init, stateful=known.stateful)
    haiku.attempt(made, tried)
    for word, got in shown.items():
        reader = Reader(known.word, known.stateful, word if len(shown) > 1 else None, got=got)
        if haiku.symbols.names[word].path:
            haiku.readers[word] = reader
        else:
            haiku.bind(word, haiku.applied(reader, "params"))
    if trial:
        haiku.symbols.put_back(before)
        for one, path in places.items():
            one.path = path


def transformed_steps(
    haiku: "Haiku", steps: list[Step], key: ast.expr | None = None, *, returns: bool
) -> tuple[Known, dict[str, bool]]:
    """Write a transformed function of steps; return what is known of it, and what it returns."""
    if haiku.in_function:
        raise Unsupported(
            "In Haiku variables are made by `init`, once and outside; a function that is applied, differentiated or "
            "compiled only finds them."
        )
    known, there, around = Known(haiku.function_name("build"), "built"), haiku.entries(), haiku.symbols.scope.path
    contexts = [*([forced(around)] if around else []), *haiku.frame.around]
    with haiku.function_frame("body") as frame, haiku.symbols.at_path(around):
        with haiku.apart() as body:
            haiku.steps(steps)
        body = within(contexts, body)
        shown = {word: got for word, got in frame.shown.items() if returns and word in haiku.read}
        names = [name(one) for one in shown]
        if names:
            value = names[0] if len(names) == 1 else expr("{$**names}", names=dict(zip(shown, names, strict=True)))
            body += statements("return $value", value=value)
        unbind(body, Names(body).read)
    given = [(one, name(one)) for one in free_names(steps) if one in frame.local]
    haiku.body += [*frame.above, *haiku.transformed(known.word, body, takes=given, stateful=frame.stateful)]
    known.stateful, known.init = frame.stateful, expr("$word.init($key)", word=known.word, key=key or haiku.key())
    known.makes = frozenset(one[1:] for one in haiku.entries() if one not in there)
    haiku.defined[known.word] = known
    return known, shown


def unbind(body: Body, read: Mapping[str, None]) -> None:
    """Leave out the names that nothing in a function reads."""
    for number, one in enumerate(body):
        if isinstance(one, ast.With | ast.For):
            unbind(one.body, read)
        elif isinstance(one, ast.Assign) and isinstance(one.targets[0], ast.Name) and one.targets[0].id not in read:
            body[number : number + 1] = statements("$value", value=one.value)


WORDS: Words = {
    **dict.fromkeys(("scope", "default_scope", "reenter"), scope), "current_scope": lambda _haiku, _step: None,
    "intercept": intercept, "get": get, "variable": get,
}  # fmt: skip
