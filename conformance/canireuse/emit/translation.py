"""Translation: what the engine asks of an adapter, which turns a spec into a native script.

An adapter is a translator. It holds no framework code of its own and imports no framework: imports stand in the script. What a
framework cannot say raises `Unsupported` with a reason that a user learns from. How one is written, `canireuse.emit` has.
"""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

from canireuse.emit.script import Script
from canireuse.spec.features import features
from canireuse.spec.model import Spec
from canireuse.spec.step import Step
from canireuse.spec.vocabulary import Block, Function, Layer, Save, walk

#: Options of verbs that an adapter has to claim in `options` before a spec with them is given to it: verb -> fields.
OPTIONS: Mapping[str, frozenset[str]] = {
    **dict.fromkeys(
        ("scope", "default_scope", "reenter"),
        frozenset({"init", "dtype", "penalty", "auxiliary_name_scope", "use_resource"}),
    ),
    "get": frozenset({"penalty", "local", "partitions", "numbered", "shape_as", "uniform", "asks"}),
    "layer": frozenset({"activity", "penalty", "keras", "padding", "lazy"}),
    "call": frozenset({"given", "training"}),
    "copy": frozenset({"shallow"}),
    "save": frozenset({"only", "in_memory"}),
    "restore": frozenset({"partial"}),
    "gradient": frozenset({"remat"}),
    "optimizer": frozenset({"rates", "undecayed", "named"}),
    "function": frozenset({"template"}),
    "invoke": frozenset({"abstract"}),
    "measure": frozenset({"fresh"}),
    "thread": frozenset({"outside"}),
    "train_by": frozenset({"donate"}),
    "expect": frozenset({"under"}),
}


class Adapter:
    """Translates specs for one backend; made anew for each translation.

    `device` is `cpu` or `gpu`; `way` maps a verb to the way of saying it; `versions` holds the
    versions of `packages` where the script is going to run, empty if that is not known.
    """

    #: the backend's name on the command line
    name: ClassVar[str]
    #: what it shares words with that features say of several backends at once
    family: ClassVar[str] = ""
    #: the backend's title in the report
    title: ClassVar[str]
    #: one sentence: which part of which framework this is
    about: ClassVar[str]
    #: distributions whose versions are recorded, the framework's own first
    packages: ClassVar[tuple[str, ...]] = ()
    #: what to install, for `canireuse doctor`
    install: ClassVar[str] = ""
    #: the versions that its scripts are written for, as in `torch>=2.4`
    requires: ClassVar[tuple[str, ...]] = ()
    #: module -> distribution, where the two are called differently
    distributions: ClassVar[Mapping[str, str]] = {}
    #: what its scripts say -> the first version that has it, as in `{"nn.BatchNorm1d(bias=_)": "torch>=2.12"}`; `_` is anything
    since: ClassVar[Mapping[str, str]] = {}
    #: the import lines, which the host also runs once to warm up
    imports: ClassVar[str] = ""
    #: lines that put back what the framework keeps globally, run by the host before each script
    reset: ClassVar[str] = ""
    #: modules that a block of a document imports which is about this backend, as in `flax.nnx`
    modules: ClassVar[tuple[str, ...]] = ()
    #: in blocks of documents: the module that is imported -> the one that it stands for here
    imported_as: ClassVar[Mapping[str, str]] = {}
    #: lines that run before a block of a document
    before_blocks: ClassVar[str] = ""
    #: environment variables of the host
    environ: ClassVar[Mapping[str, str]] = {}
    #: what the framework can run on -> environment variables that choose it; each is a way of every spec, with hosts of its own
    engines: ClassVar[Mapping[str, Mapping[str, str]]] = {}
    #: device asked for -> further environment variables, such as those that hide a GPU from `cpu`
    environ_on: ClassVar[Mapping[str, Mapping[str, str]]] = {}
    #: kind of refusal -> (name of the exception's class or of one of its bases, pattern in its message)
    errors: ClassVar[Mapping[str, tuple[tuple[str, str], ...]]] = {}
    #: verb -> names of the ways to say it; each is a case of its own
    ways: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    #: options of verbs that this adapter words, as `verb.option`; of a layer also `layer.norm`, `layer.cell`, `layer.unnamed` and
    #: `layer.shared_initializer`
    options: ClassVar[frozenset[str]] = frozenset()
    #: verb, `verb.option` or kind of observation -> why the framework cannot say it
    missing: ClassVar[Mapping[str, str]] = {}
    #: what each function of the expression language is called
    functions: ClassVar[Mapping[str, str]] = {}
    #: a YAML file of the adapter's package: where the backend departs from specs that are not its own, as `divergences` has it
    divergences: ClassVar[Path | None] = None
    #: what waits until the framework has done what it was told, by device; empty where it is done when a call returns
    fences: ClassVar[Mapping[str, str]] = {}

    def __init__(
        self, device: str = "cpu", way: Mapping[str, str] | None = None, versions: Mapping[str, str] | None = None
    ) -> None:
        super().__init__()
        self.device = device
        self.way = dict(way or {})
        self.versions = dict(versions or {})

    # -- tables

    @classmethod
    @cache
    def table(cls, name: str) -> Any:
        """Return a table of this adapter, with what features say of its verbs where it does not say them itself.

        Of a feature the tables of the nearest count: those of the backend, of one that it is derived from, or of its family.
        Of a verb that has a method or code here, neither code nor reasons of features count.
        """
        table: Any = getattr(cls, name)
        for feature in features():
            if tables := next((feature.tables[one] for one in cls.called() if one in feature.tables), None):
                more = getattr(tables, name)
                if name in {"code", "missing"}:
                    own = {model.verb for model in feature.verbs if cls.emits_itself(model.verb)}
                    more = {key: said for key, said in more.items() if key.partition("/")[0] not in own}
                both = "\n".join(filter(None, [table, more])) if isinstance(table, str) else None
                table = both or ({**more, **table} if isinstance(table, Mapping) else table + more)
        return table

    @classmethod
    def emits_itself(cls, verb: str) -> bool:
        """Return whether this adapter itself emits a verb: by code, or by a method of that name that is none of the engine's."""
        engine = __name__.rpartition(".")[0]
        method = any(verb in vars(one) for one in cls.__mro__ if not one.__module__.startswith(f"{engine}."))
        return method or any(key.partition("/")[0] == verb for key in getattr(cls, "code", {}))

    @classmethod
    def called(cls) -> Iterator[str]:
        """Yield what features may call this adapter: its name, those of the adapters that it is derived from, and families."""
        for one in cls.__mro__:
            yield from (vars(one)[key] for key in ("name", "family") if isinstance(vars(one).get(key), str))

    # -- the whole script

    def translate(self, spec: Spec) -> Script:
        """Return the script for a spec; raise Unsupported with the reason if there is none."""
        raise NotImplementedError

    def settled(self, steps: list[Step]) -> list[Step]:
        """Return the steps with `traced: usual` put in the words of this framework: true or false."""
        changed: list[Step] = []
        for step in steps:
            update: dict[str, object] = {"steps": self.settled(step.steps)} if isinstance(step, Block) else {}
            if isinstance(step, Function) and step.traced == "usual":
                update["traced"] = self.traces_usually()
            changed.append(step.model_copy(update=update) if update else step)
        return changed

    def traces_usually(self) -> bool:
        """Return whether users of the framework trace or compile a function that runs often."""
        return True

    @classmethod
    def probe(cls, device: str) -> str:
        """Return a script that makes a variable as scripts do, and observes `device`: where it is."""
        raise NotImplementedError

    @classmethod
    def edition(cls, versions: Mapping[str, str]) -> str:  # noqa: ARG003  # what adapters with editions look at
        """Return the edition of the framework where results of several stand side by side; empty for the usual one."""
        return ""

    @classmethod
    def ways_of(cls, spec: Spec) -> list[dict[str, str]]:
        """Return the ways in which this backend can say the spec: the first of every verb, and each further one beside the first of the others."""
        verbs = cls.verbs_with_ways(spec)
        tables = cls.table("ways")
        usual = {verb: tables[verb][0] for verb in verbs}
        ways = [usual, *({**usual, verb: way} for verb in verbs for way in tables[verb][1:])]
        engines = [{"engine": name} for name in cls.engines] or [{}]
        return [{**engine, **way} for engine in engines for way in ways]

    @classmethod
    def verbs_with_ways(cls, spec: Spec) -> list[str]:
        """Return the verbs of the spec that this backend says in several ways; those of files, where any is written."""
        steps = list(walk(spec.steps))
        files = any(isinstance(step, Save) and not step.in_memory for step in steps)
        verbs = [verb for verb in dict.fromkeys(step.verb for step in steps) if verb in cls.table("ways")]
        return [verb for verb in verbs if files or verb not in {"save", "restore"}]

    # -- refusals

    @classmethod
    def kind_of(cls, error: Mapping[str, object]) -> str | None:
        """Return which kind of refusal a native exception means, or None if none is declared."""
        bases, message = error["bases"], str(error["message"])
        assert isinstance(bases, list)
        for kind, patterns in cls.errors.items():
            if any(name in bases and re.search(pattern, message, re.DOTALL) for name, pattern in patterns):
                return kind
        return None


@cache
def defaults_of(model: type[Step]) -> dict[str, object]:
    """Return the options of a verb that an adapter has to claim, each with its default, in order."""
    return {name: model.model_fields[name].default for name in sorted(OPTIONS.get(model.verb, ()))}


def options_of(step: Step) -> list[str]:
    """Return the options that a step uses, of those that an adapter has to claim."""
    tables = vars(step)
    used = [f"{step.verb}.{name}" for name, default in defaults_of(type(step)).items() if tables[name] != default]
    if isinstance(step, Layer):
        used += [f"layer.{step.layer}"] if step.layer in {"norm", "cell"} else []
        used += ["layer.unnamed"] if step.name is None else []
        used += ["layer.shared_initializer"] if step.kernel == "shared-initializer" else []
    return used
