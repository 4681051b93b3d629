"""Haiku: parameters by name in a tree that `init` makes, and functions that find them there when they are applied."""

import ast
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from itertools import groupby
from typing import TypeGuard

from canireuse.emit import Body, Code, Fill, Names, Script, Unsupported, expr, literal, name, statements
from canireuse.program import Object
from canireuse.program.symbols import Path
from canireuse.spec.model import Spec
from canireuse.spec.step import Drawn, Step
from canireuse.spec.vocabulary import (
    Expect,
    Function,
    Get,
    Initialize,
    Invoke,
    Layer,
    Measure,
    Module,
    Repeat,
    Replace,
    Save,
    Thread,
    Tie,
    Variable,
    walk,
)
from canireuse_adapters.haiku import checkpoints, functions, layers, learning, measuring, modules, scopes, transforms
from canireuse_adapters.haiku.frames import Frame, Known, Reader
from canireuse_adapters.haiku.layers import CELL, LAYERS, MAKERS, Net
from canireuse_adapters.haiku.paths import TOP, Paths
from canireuse_adapters.haiku.scopes import within
from canireuse_adapters.jax import ERRORS, MISSING, OPEN_SHAPES, SINCE_OF_OPTAX, TWICE, Jax

PENALTY = "Haiku collects no regularization terms: a loss adds them up from the tree of parameters itself."
NAMES = "`hk.name_scope` names parameters, and operations with them: it opens no second scope that could be left out."
NO_OBJECT = "What holds parameters alone is no function in Haiku, and nothing stands for it in the script."
VALUE = "An array in JAX is a value: it has no name, and nothing can be written into it."
#: functions that are applied, differentiated or compiled
APPLIED = frozenset({"plain", "traced", "loss", "scan"})
CODE: Code = {
    **Jax.code, **scopes.CODE, **layers.CODE, **modules.CODE, **checkpoints.CODE, **learning.CODE, **functions.CODE,
    **measuring.CODE,
}  # fmt: skip
LACKS = (TWICE, OPEN_SHAPES, *scopes.LACKS, *layers.LACKS, *modules.LACKS, *learning.LACKS, *functions.LACKS)


class Haiku(Jax):
    """Words a spec in Haiku.

    What stands together and makes variables is one transformed function. A scope is `hk.name_scope`, whose name
    Haiku makes unique, and with `reuse: auto`, or when it is entered again, one of a forced name. `init` makes
    what is missing and finds what is there; `apply` finds or refuses. So what a spec asks for under `reuse: true`
    is a function that is only applied. Outside, a variable is an entry of the tree; a second name or place of one
    is read by applying the function that gets it.
    """

    name = "haiku"
    title = "Haiku"
    about = "DeepMind's module library for JAX: functions that get parameters by name, transformed into a pure `init` and `apply`."
    packages = ("dm-haiku", "jax", "jaxlib", "optax")
    install = "pip install dm-haiku optax"
    distributions = {"haiku": "dm-haiku"}
    since = SINCE_OF_OPTAX
    modules = ("haiku",)
    imports = "import haiku as hk\nimport jax\nimport jax.numpy as jnp\nimport optax"
    library = "hk"
    errors = {
        "not_found": (
            ("ValueError", r"^Unable to retrieve parameter|^No value for "),
            ("ValueError", r"^Initializer must be specified"),
            ("KeyError", r"^'[\w~/]+'$"),
        ),
        "already_exists": (("ValueError", r"^Module name .* is not unique"),),
        "bad_argument": (
            ("ValueError", r"must be (used as part of|initialized inside) an `hk.transform|^pytree structure error"),
            ("ValueError", r"^The super constructor must be called before"),
            *ERRORS["bad_argument"],
        ),
        "uninitialized": (
            ("AttributeError", r"'ShapeDtypeStruct' object"),
            ("TypeError", r"ShapeDtypeStruct"),
            ("UnexpectedTracerError", ""),
        ),
        "not_trainable": (("TypeError", r"grad requires real- or complex-valued"),),
        "shape_mismatch": (("ValueError", r"with retrieved shape .* does not match"), *ERRORS["shape_mismatch"]),
    }
    ways = {**Jax.ways, "restore": ("replace", "merge")}
    options = frozenset({
        *(f"{verb}.{option}" for verb in scopes.VERBS for option in ("init", "dtype")),
        "call.given", "call.training", "copy.shallow", "save.only", "save.in_memory", "restore.partial", "gradient.remat", "optimizer.rates", "optimizer.undecayed", "optimizer.named", "function.template", "invoke.abstract",
        "layer.norm", "layer.cell", "layer.lazy", "layer.unnamed", "layer.shared_initializer", "get.numbered", "get.asks", "get.shape_as", "get.uniform", "measure.fresh",
    })  # fmt: skip
    missing = {
        **MISSING,
        "reuse_variables": "Haiku has no reuse mode that an open scope could be switched to: a whole function is run by `init` or by `apply`.",
        **{f"{verb}.penalty": PENALTY for verb in scopes.VERBS},
        **{f"{verb}.auxiliary_name_scope": NAMES for verb in scopes.VERBS},
        "collection": scopes.NO_COLLECTIONS,
        "paths": "A Haiku parameter has one path in the tree; which names of a function stand for it, nothing lists.",
    }
    layers = LAYERS
    preamble = {"Cell": CELL, "initializer": "initializer = hk.initializers.RandomNormal()"}
    code = CODE
    lacks = LACKS
    reads = measuring.READS

    nesting = ("frames",)

    def __init__(
        self, device: str = "cpu", way: Mapping[str, str] | None = None, versions: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(device, way, versions)
        self.symbols: Paths = Paths(self.layers, {}, self.effect)
        self.frames = [Frame()]
        #: layer or module -> how functions make and apply it
        self.nets: dict[Object, Net] = {}
        #: second name of a variable, or owner and part -> what reads it
        self.readers: dict[str | tuple[Object, str], Reader] = {}
        #: function of the script -> what calls need to know
        self.defined: dict[str, Known] = {}
        self.optimizers: dict[str, learning.Moved] = {}
        #: layer -> the tree of the model that it belongs to, where there are several models
        self.models: dict[str, str] = {}

    @classmethod
    def ways_of(cls, spec: Spec) -> list[dict[str, str]]:
        """Return the ways of a spec: what layers of one name, or of none, are called depends on which of them stand in one function."""
        ways = super().ways_of(spec)
        own = [one for step in walk(spec.steps) if isinstance(step, Function) for one in step.steps]
        names = [step.name for step in walk(spec.steps) if isinstance(step, Layer) and step not in own]
        if len({*names}) < len(names):
            ways = [{**way, "layer": one} for way in ways for one in ("one-transform", "transforms-apart")]
        return ways

    # -- the whole script

    def translate(self, spec: Spec) -> Script:
        """Return the script; models that have nothing to do with each other have a tree each where they are timed."""
        self.models = measuring.models_of(spec)
        return super().translate(spec)

    def above(self, body: Body) -> Body:
        """Make empty trees where the script asks for one before any is made."""
        run = [Names([one]) for one in body if not isinstance(one, ast.FunctionDef)]
        for tree in ("state", "params"):
            first = next((one for one in run if tree in {**one.read, **one.bound}), None)
            if first and tree in first.read:
                body = [*statements("$tree = {}", tree=tree), *body]
        return super().above(body)

    # -- functions being written

    @property
    def frame(self) -> Frame:
        """The function that is being written."""
        return self.frames[-1]

    @property
    def in_function(self) -> bool:
        """Whether a function is being written that is applied, differentiated or compiled."""
        return self.inside(*APPLIED)

    def inside(self, *kinds: str) -> bool:
        """Return whether a function of one of these kinds is being written."""
        return any(frame.kind in kinds for frame in self.frames)

    @contextmanager
    def function_frame(self, kind: str, path: Path | None = None, *, looking: bool = False) -> Iterator[Frame]:
        """Collect the body of a function; one that is transformed has a path, where no names are given yet."""
        frame, readers = Frame(kind, getters=self.frame.getters), dict(self.readers)
        self.frames.append(frame)
        there = nullcontext() if path is None else self.symbols.at_path(path, looking=looking)
        with there, self.apart() as frame.body:
            yield frame
        self.frames.pop()
        self.readers = readers

    def function_of(self, step: Step) -> Known | None:
        """Return what is known of the function that a step calls, None if it calls none."""
        word = step.invoke if isinstance(step, Invoke) else step.thread if isinstance(step, Thread) else ""
        found = self.symbols.names.get(word)
        return self.written(found.made) if found and found.made else None

    def known(self, step: Invoke | Thread) -> Known:
        """Return what is known of the function that a step calls."""
        found = self.function_of(step)
        assert found is not None
        return found

    def written(self, step: Step) -> Known | None:
        """Return what is known of a function that is written already."""
        return next((one for one in self.defined.values() if one.step is step), None)

    def function_name(self, word: str, *, own: bool = False) -> str:
        """Return a name for a function that no other has; it may be its `own`, which the spec gave to what it stands for."""
        free, number = word, 1
        while free in self.taken and not (own and free == word and word not in self.defined):
            number += 1
            free = f"{word}_{number}"
        self.taken.add(free)
        return free

    def transformed(
        self, word: str, body: Body, *, stateful: bool, takes: Sequence[Fill] = (), own: str = "", multi: bool = False
    ) -> Body:
        """Return the definition of a transformed function, of what the spec names or of the script's `own` inputs."""
        code = f"@hk.{'multi_' if multi else ''}transform{'_with_state' if stateful else ''}\ndef $word({own or '$*takes'}):\n    $*body"
        return statements(code, word=word, takes=takes, body=body)

    def finder(self, word: str, entry: Path, code: ast.expr, around: Sequence[ast.expr] = ()) -> Reader:
        """Write a transformed function that gets one variable."""
        reader = Reader(self.function_name(word), stateful=entry[0] == "state")
        scope = [] if entry[1] == TOP else [expr("hk.name_scope('$module')", module=entry[1])]
        body = within([*scope, *around], statements("return $code", code=code))
        self.body += self.transformed(reader.word, body, stateful=reader.stateful)
        return reader

    def applied(self, reader: Reader, tree: str) -> ast.expr:
        """Return the code that applies a function to the variables."""
        code = "$word.apply(params, state, None)[0]" if reader.stateful else "$word.apply($tree, None)"
        found = reader.code or expr(code, word=reader.word, tree=tree)
        return expr("$found['$key']", found=found, key=reader.key) if reader.key else found

    def key(self) -> ast.expr:
        """Return a key of its own for the random numbers of an `init`."""
        self.frames[0].keys += 1
        return expr("jax.random.key($number)", number=self.frames[0].keys - 1)

    def initialised(self, made: ast.expr, *, stateful: bool, tree: str = "params") -> Body:
        """Return what takes over what an `init` makes; what was there already stays as it is."""
        if self.frame.kind == "builder":
            self.frame.init = made, stateful
            return []
        trees, there = [tree, "state"] if stateful else [tree], self.frames[0].bound
        again = self.in_function or any(frame.loops for frame in self.frames) or not there.isdisjoint(trees)
        there |= set(trees)
        code = "$trees = $made"
        if again:
            self.idiom("What a second transformed function makes is merged below what there is already.")
            code = (
                "$trees = map(hk.data_structures.merge, $made, $trees)"
                if stateful
                else "$trees = hk.data_structures.merge($made, $trees)"
            )
        return statements(code, trees=checkpoints.tupled([name(one) for one in trees]), made=made)

    def bind_here(self, to: str | None, value: ast.expr) -> None:
        """Bind an array, in the function that is being written or outside."""
        self.bind(to, value)
        self.frame.local |= {to} if to else set()

    # -- steps

    def steps(self, steps: Sequence[Step]) -> None:
        """Write steps; those that stand together and make variables become one transformed function."""
        if self.frame.is_body or self.frame.kind == "builder":
            super().steps(steps)
            return
        for measured, group in groupby(steps, key=lambda step: isinstance(step, Measure)):
            run = list(group)
            for step in run:
                if isinstance(step, Measure):
                    layers.declare(self)
                    measuring.hoist(self, step)
            if measured:
                super().steps(run)
            else:
                transforms.together(self, run)
        layers.declare(self)

    def step(self, step: Step) -> None:
        """Write one step; layers and modules are put together until something else follows."""
        apart = isinstance(step, Layer) and self.way.get("layer") == "transforms-apart"
        if apart or not isinstance(step, (*MAKERS, Initialize)) or step.raises is not None:
            layers.declare(self)
        if self.frame.is_body and self.written(step):
            self.effect(step)
            return
        self.refuse(step)
        there = self.entries()
        with self.apart() as body, self.symbols.inside(step):
            self.emit_step(step)
            if isinstance(step, Module):
                modules.find_tied(self, self.symbols.names[step.module], step.members)
            if step.raises is not None or apart or (isinstance(step, Layer) and not step.trainable):
                layers.declare(self)
        self.attempt(body, None if self.frame.is_body else step)
        # what is in the tree is found, whatever is expected
        found = isinstance(step, Get | Variable) and not self.frame.is_body and self.entry_of(step) in self.entries()
        if not isinstance(step, MAKERS) and (found or step.raises in {None, "nothing"}):
            self.effect(step)
        if self.frame.is_body:
            self.show(step, there)

    def attempt(self, body: Body, step: Step | None) -> None:
        """Add statements; those of a step that may be refused are observed in both outcomes, the functions that they need stand before.

        A step that is nothing but functions is tried as these.
        """
        body = [one for one in body if not isinstance(one, ast.Pass)]
        if step is None or step.raises is None:
            self.body += body
            return
        defined = [one for one in body if isinstance(one, ast.FunctionDef)]
        tried = [one for one in body if one not in defined] or defined
        functions.make_inside(self.body, step, defined)
        self.body += [one for one in defined if one not in tried]
        self.emit(
            "try:\n    $*tried\nexcept Exception as error:\n    observe('$label', error)\nelse:\n    observe('$label', None)",
            tried=tried or [ast.Pass()], label=step.expect,
        )  # fmt: skip

    def show(self, step: Step, there: Mapping[Path, Object]) -> None:
        """Note what a transformed function is to return: what is computed, and a variable that its entry does not stand for."""
        found = self.symbols.names.get(step.binding or "")
        if step.binding is None or found is None or found.kind in {"scope", "function"}:
            return
        asked = {one.name for one in self.facts.steps if isinstance(one, Expect)}
        got = self.frame.getters > 0
        if got or not found.path or found.path in there or step.binding in asked:
            self.frame.shown[step.binding] = got

    def effect(self, step: Step) -> None:
        """Have the effect of a step that has run; what another tree is made by has had it."""
        known, (reader, self.frame.reader) = self.function_of(step), (self.frame.reader, None)
        had = step.binds == "copy" or isinstance(step, Tie | Replace)
        if had or (known is not None and known.kind == "builder"):
            return
        self.readers.pop(step.binding or "", None)
        if known is not None and not self.frame.is_body:
            with self.symbols.at_path(()):
                super().effect(step)
            if step.binding and known.kind not in {"body", "transformed"}:
                self.symbols.names[step.binding] = Object("tensor")
        elif not (isinstance(step, Repeat) and self.frame.is_body):
            super().effect(step)
        if isinstance(step, Get | Variable):
            self.settle(step)
        if isinstance(step, Repeat) and self.frame.is_body:
            for _ in range(step.repeat - 1):
                self.symbols.run(step.steps)
        if isinstance(step, Save) and checkpoints.entry_of(self, self.owner(step.save), step):
            self.symbols.names[step.to].part = "entry"
        if reader and step.binding:
            self.readers[step.binding] = reader

    def settle(self, step: Get | Variable) -> None:
        """Give a variable the path of its entry in the tree."""
        tree, module, word = entry = self.entry_of(step)
        path, found = (*self.symbols.scope.path, word), self.symbols.found
        if isinstance(step, Get) and step.numbered is not None:
            code = [f"{word}_{number}" for number in range(step.numbered)]
            found |= {(*path[:-1], one): Object("variable", made=step, path=(tree, module, one)) for one in code}
            return
        made = self.symbols.names.get(step.as_ or "") or found.get(path) or Object("variable", made=step)
        made.path, made.kind = entry, "buffer" if tree == "state" else "variable"
        found[path] = made

    # -- entries of the trees

    def entry_of(self, step: Get | Variable) -> Path:
        """Return the entry of a variable that is got where this is: its tree, module and name."""
        module, there = "/".join(self.symbols.scope.path) or TOP, self.entries()
        word = step.get if isinstance(step, Get) else step.variable
        made = next((tree for tree in ("state", "params") if (tree, module, word) in there), None)
        return made or ("state" if step.trainable is False else "params"), module, word

    def has_entry(self, found: Object | None) -> TypeGuard[Object]:
        """Return whether something is a parameter or a piece of state in a tree."""
        return found is not None and found.kind in {"variable", "buffer"} and bool(found.path)

    def entries(self) -> dict[Path, Object]:
        """Return all variables that there are by their entries."""
        return {one.path: one for one in self.symbols.objects() if self.has_entry(one)}

    def entries_of(self, owner: Object) -> list[Object]:
        """Return the variables that something is or holds, each entry once."""
        return list({one.path: one for one in owner.walk() if self.has_entry(one)}.values())

    def entry_code(self, entry: Path) -> ast.expr:
        """Return the code for an entry of a tree."""
        return expr("$tree['$module']['$word']", tree=entry[0], module=entry[1], word=entry[2])

    def trees_of(self, owner: Object) -> list[str]:
        """Return the trees that an owner's variables are in."""
        found = {one.path[0] for one in self.entries_of(owner)}
        return [tree for tree in self.nets[owner].trees if tree in found]

    def trees(self) -> list[str]:
        """Return the names of all trees."""
        return list(dict.fromkeys(["params", "state", *(path[0] for path in self.entries())]))

    def part(self, variables: Sequence[Object], tree: str) -> ast.expr:
        """Return the code for the part of a tree that variables are in."""
        wanted = {one.path: None for one in variables if one.path[0] == tree}
        there = {path for path in self.entries() if path[0] == tree}
        if there == wanted.keys():
            return name(tree)
        chosen = list(dict.fromkeys(path[1] for path in wanted))
        code = "module in $chosen"
        if {path for path in there if path[1] in chosen} != wanted.keys():
            code, chosen = "f'{module}/{name}' in $chosen", ["/".join(path[1:]) for path in wanted]
        code = f"hk.data_structures.filter(lambda module, name, value: {code}, $tree)"
        return expr(code, chosen=literal(chosen), tree=tree)

    # -- places and values

    def owner(self, place: str) -> Object:
        """Return the layer or module at a place."""
        found = self.symbols.at(place)
        if found is None or found not in self.nets:
            self.spot(place)
            raise Unsupported("A parameter of Haiku is an array; it is no module that could be taken by itself.")
        return found

    def spot(self, place: str) -> Object:
        """Return the variable at a place."""
        found = self.symbols.at(place)
        if self.has_entry(found):
            return found
        owned = self.symbols.names.get(place.partition(".")[0]) in self.nets
        raise Unsupported(f"`{place}` is no variable of its own in Haiku." if owned else VALUE)

    def spots(self, place: str) -> list[Object]:
        """Return the variables at a place: one, or all that a layer or module owns."""
        found = self.symbols.at(place)
        return self.entries_of(found) if found in self.nets and found else [self.spot(place)]

    def place(self, place: str) -> ast.expr:
        """Return the code for a variable, or for the function that a layer or module is."""
        first, dot, _ = place.partition(".")
        if any(first in frame.local for frame in self.frames[1:]):
            return name(place)
        found, (owner, part) = self.symbols.at(place), self.symbols.above(place)
        reader = self.readers.get((owner, part) if owner else first)
        if reader:
            return self.applied(reader, found.path[0] if found and found.path else "params")
        if self.has_entry(found):
            return self.entry_code(found.path)
        if dot and found not in self.nets:
            self.spot(place)
        if found is None or found not in self.nets:
            return name(place)
        function = self.nets[found].function
        if function is None:
            raise Unsupported(NO_OBJECT)
        return function

    def value(self, place: str) -> ast.expr:
        """Return the code for the value of a variable."""
        return self.row(place, self.place(place), "$value[0]")

    def row(self, place: str, value: ast.expr, code: str) -> ast.expr:
        """Return a value as it is, or without the further axis that a norm of Haiku keeps in front."""
        found = self.symbols.at(place)
        made = found.made if found and found.part else None
        return expr(code, value=value) if isinstance(made, Layer) and made.layer == "norm" else value

    def target(self, place: str) -> ast.expr:
        """Return the code for what a write goes to: an entry; an array takes no write."""
        found, reader = self.symbols.at(place), self.readers.get(place)
        if not self.has_entry(found) or (reader and reader.got):
            return expr("$array[...]", array=self.place(place))
        return self.entry_code(found.path)

    def increment(self, place: str) -> None:
        """Add to the entry."""
        self.emit("$entry += 1", entry=self.target(place))

    def initializer(self, init: Drawn) -> ast.expr:
        """Return an initializer of Haiku."""
        if init == "shared-initializer":
            return expr("initializer")
        code = "hk.initializers.RandomNormal()" if init == "random" else "hk.initializers.Constant($x)"
        return expr(code, x=None if init == "random" else self.expression(init))
