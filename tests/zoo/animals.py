"""The animals: models of the contract that are wrong in one thing each, by the name of the backend that each makes."""

from dataclasses import dataclass
from importlib import import_module
from typing import Literal

from canireuse.contract import Model
from canireuse_adapters.reference import Reference


@dataclass(frozen=True)
class Animal:
    """A model that is wrong on purpose."""

    #: module and class of the model, and of the `tape` if that is another
    model: str
    #: copies: makes two variables of what is one; shares: makes one of what are two
    kind: Literal["copies", "shares", "else"]
    tape: str = "canireuse.contract.tape"

    def load(self) -> type[Model]:
        """Return the class of the model."""
        module, _, name = self.model.partition(":")
        return getattr(import_module(module), name)

    @property
    def does(self) -> str:
        """What is wrong with it: the first line of its docstring."""
        said = import_module(self.tape).__doc__ if self.tape != Animal.tape else self.load().__doc__
        return (said or "").splitlines()[0]


def zoo(module: str, kind: Literal["copies", "shares", "else"], **classes: str) -> dict[str, Animal]:
    """Return the animals of a module, all of one kind."""
    return {f"zoo-{name.replace('_', '-')}": Animal(f"tests.zoo.{module}:{one}", kind) for name, one in classes.items()}


ANIMALS = {
    **zoo("copies", "copies", copies="Copying"),
    **zoo("unties", "copies", unties="Untying", copies_deeply="CopiesDeeply"),
    **zoo("ties", "copies", unties_at_tie="UntiedByTie", unties_at_module="UntiedByModule"),
    **zoo("ties", "copies", halves_at_tie="HalvedByTie", halves_later="Surviving"),
    **zoo("shares_everything", "shares", shares_everything="Sharing", shares_by_look_up="SharingByName"),
    **zoo("unties", "shares", links="Linking", copies_nothing="Same"),
    **zoo("ties", "shares", merges_later="MergesEqualShapes", merges_members="MergesMembers"),
    **zoo("unties", "else", steps_twice="SteppingTwice", thaws="Thawing"),
    **zoo("ties", "else", steps_by_halves="StepsByHalves"),
    "zoo-forgets-a-use": Animal("canireuse.contract:Model", "else", tape="tests.zoo.forgets_a_use"),
    **zoo("running", "else", freezes_traced="FreezesTraced", drifts="Drifts", sums_replicas="SumsReplicas"),
    **zoo("ignores_reuse_false", "else", ignores_reuse_false="Obliging"),
    **zoo(
        "scopes",
        "else",
        finds_constructed="FindsConstructed",
        forgets_the_scope_around="ForgetsTheScopeAround",
        inherits_nothing="InheritsNothing",
        leaves_reuse="LeavesReuse",
        checks_nothing="ChecksNothing",
        never_numbers="NeverNumbers",
        numbers_every_scope="NumbersEveryScope",
        opens_below="OpensBelow",
        ignores_getters="IgnoresGetters",
        ignores_defaults="IgnoresDefaults",
        ignores_options="IgnoresOptions",
        penalizes_each_use="PenalizesEachUse",
    ),
    **zoo("layers", "copies", makes_anew="MakesAnew", holds_copies="HoldsCopies"),
    **zoo(
        "layers",
        "else",
        keeps_given_values="KeepsGivenValues",
        gives_nothing="GivesNothing",
        stops_at_frozen="StopsAtFrozen",
        ties_any_shape="TiesAnyShape",
        computes_with_start="ComputesWithStart",
    ),
    **zoo("layers", "shares", shares_equal_layers="EqualIsOne"),
    **zoo(
        "state",
        "else",
        takes_any_shape="TakesAnyShape",
        reads_zero="ReadsZero",
        initializes_once="InitializesOnce",
        initializes_all="InitializesAll",
        computes_at_once="Immediate",
        starts_equal="StartsEqual",
        one_dtype="OneDtype",
        restores_what_fits="RestoresWhatFits",
        restores_nothing="RestoresNothing",
        adds_in_place="AddsInPlace",
        initializes_backwards="InitializesBackwards",
        loses_shards="SharesLayout",
    ),
    **zoo("state", "shares", saves_live="SavesLive", starts_live="StartsLive", assigns_links="AssignsLinks"),
    **zoo(
        "learning",
        "else",
        forgets_slots="ForgetsSlots",
        one_optimizer="OneOptimizer",
        trains_everything="TrainsEverything",
        trains_nothing="TrainsNothing",
        ignores_decay="IgnoresDecay",
    ),
    "zoo-stops-no-gradient": Animal("canireuse.contract:Model", "else", tape="tests.zoo.learning"),
    **zoo(
        "scopes",
        "else",
        searches_ancestors="SearchesAncestors",
        name_scopes_separate="NameScopesSeparate",
        reuse_lasts="ReuseLasts",
        takes_odd_flags="TakesOddFlags",
        creates_missing="CreatesMissing",
        names_are_bare="NamesAreBare",
    ),
    **zoo("scopes", "shares", shares_its_graphs="SharesItsGraphs", shares_its_sessions="SharesItsSessions"),
}


def __getattr__(name: str) -> type[Reference]:
    """Return the adapter of an animal, as an entry point asks for it: `zoo_copies` of `zoo-copies`."""
    backend = name.replace("_", "-")
    if backend not in ANIMALS:
        raise AttributeError(name)
    animal = ANIMALS[backend]
    module, _, model = animal.model.partition(":")
    package, _, with_tape = animal.tape.rpartition(".")
    imports = f"from {package} import {with_tape} as tape\nfrom {module} import {model} as Model"
    return type(model, (Reference,), {"name": backend, "title": backend, "imports": imports, "__doc__": animal.does})
