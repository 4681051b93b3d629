"""Flax NNX: the account a translation keeps of which path holds which variable."""

from dataclasses import dataclass, field
from typing import Any

from canireuse.translation import Unsupported
from canireuse_adapters.jax_text import Jax

NO_PATH = (
    "Nothing in the root module holds this variable any more, so a function that takes the module does not reach it."
)


@dataclass
class Owner:
    """A layer or module: its words below the root, a key of its own, its variables and members, and their attributes."""

    words: str
    key: str
    kind: str = "module"
    leaves: dict[str, str] = field(default_factory=dict)
    members: "dict[str, Owner]" = field(default_factory=dict)
    attributes: dict[str, str] = field(default_factory=dict)

    def inner(self) -> list[str]:
        """Return every place inside it that holds a variable, as specs name places."""
        return [*self.leaves, *(f"{name}.{place}" for name, member in self.members.items() for place in member.inner())]

    def kinds(self) -> set[str]:
        """Return what kinds of owners it is made of."""
        return {self.kind}.union(*(member.kinds() for member in self.members.values()))

    def layers(self, words: str) -> "list[tuple[str, Owner]]":
        """Return the words for each layer in the order of the members, with what it is."""
        if self.kind != "module":
            return [(words, self)]
        if self.leaves or not self.members:
            raise Unsupported(
                "An `nnx.Module` that holds variables of its own has no `__call__` until somebody writes one."
            )
        return [layer for name, member in self.members.items() for layer in member.layers(f"{words}.{name}")]


@dataclass
class Held:
    """What is known of a variable at a place: which one it is, and whether it is trained."""

    place: str
    made: str
    fixed: bool
    frozen: bool


@dataclass
class Record:
    """An owner at one moment, and the variables in it."""

    owner: Owner
    variables: list[Held]


class NNXAccounts(Jax):
    """Keeps account of owners: a place is known by the key of its owner, a variable by where it was first."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.owners: dict[str, Owner] = {}
        self.keys: set[str] = set()
        #: for each owner's name, how many functions were open where it was bound
        self.owned_at: dict[str, int] = {}
        #: owners that are no attribute of the root, and names that were dropped
        self.rootless: set[str] = set()
        self.dropped: set[str] = set()
        #: paths from the root that were deleted
        self.deleted: set[str] = set()
        #: name of a variable -> its path from the root
        self.paths: dict[str, str] = {}
        #: path or place of a variable -> the variable that stands there, if it is not the one it was made with
        self.ties: dict[str, str] = {}
        self.trainable: list[str] = []
        self.fixed: set[str] = set()
        self.ties_variables = False
        #: whether layers and modules stand by themselves, not in a root module; and what functions are given in its place
        self.apart = False
        self.root = "root"
        self.differentiates_a_tensor = False
        #: how many functions are open where a function that makes and returns an owner is written
        self.maker: int | None = None
        #: what that function binds
        self.local: set[str] = set()

    # -- owners

    def own(self, name: str, kind: str, leaves: dict[str, str] | None = None) -> Owner:
        """Note an owner that a name is bound to."""
        self.check_name(name)
        owner = self.owners[name] = Owner(name, self.new_key(name), kind, leaves or {})
        self.owned_at[name] = len(self.frames)
        return owner

    def check_name(self, name: str) -> None:
        """Refuse to bind a name of the script anew inside a function, where it is one of the function's own."""
        if not self.making and self.owned_at.get(name, len(self.frames)) < len(self.frames):
            raise Unsupported("In a function of Python this name would be one of its own: bind it anew outside.")

    def new_key(self, key: str) -> str:
        """Return a key that no owner has had."""
        while key in self.keys:
            key += "'"
        self.keys.add(key)
        return key

    @property
    def making(self) -> bool:
        """Return whether what is written is local to a function that makes it."""
        return self.maker is not None and self.maker == len(self.frames)

    def attached(self, name: str) -> str:
        """Return the left side that binds an owner: a name, and an attribute of the root."""
        return name if self.making or self.apart or name in self.rootless else f"{name} = root.{name}"

    def owner(self, place: str) -> tuple[Owner, list[str]]:
        """Return the layer or module that a place begins with or ends in, and what is left of the place."""
        first, *rest = place.split(".")
        if first not in self.owners:
            raise Unsupported("What stands here is no layer or module that the script made, as far as it can be told.")
        owner = self.owners[first]
        while rest and rest[0] in owner.members:
            owner = owner.members[rest.pop(0)]
        return owner, rest

    def is_owner(self, place: str) -> bool:
        """Return whether a place is a layer or module itself."""
        return place.partition(".")[0] in self.owners and not self.owner(place)[1]

    def spelled(self, place: str, base: str) -> str:
        """Return the words for a place of an owner, from the words for the owner on."""
        first, *rest = place.split(".")
        owner, words = self.owners[first], [base]
        for part in rest:
            if part in owner.members:
                words.append(owner.attributes.get(part, part))
                owner = owner.members[part]
            else:
                words.append(owner.leaves.get(part, part))
        return ".".join(words)

    # -- variables

    def made_as(self, place: str) -> str:
        """Return which of the variables made stands at a place."""
        if place.partition(".")[0] in self.owners:
            owner, rest = self.owner(place)
            place = ".".join([owner.key, *rest])
        else:
            place = self.paths.get(place, place)
        return self.ties.get(place, place)

    def live_place(self, made: str) -> str:
        """Return a place where a variable stands now."""
        if self.rooted(made):
            return made
        places = [f"{name}.{inner}" for name in self.standing() for inner in self.owners[name].inner()]
        found = [place for place in places if self.made_as(place) == made]
        if not found:
            raise Unsupported(NO_PATH)
        return made if made in found else found[0]

    def listed_path(self, made: str) -> tuple[str, ...] | None:
        """Return the path under which the root lists a variable: the first in the order of attributes' names."""
        places = [(name, f"{name}.{inner}") for name in self.standing() for inner in self.owners[name].inner()]
        words = [self.spelled(at, self.owners[name].words) for name, at in places if self.made_as(at) == made]
        words += [made.removeprefix("root.")] if self.rooted(made) else []
        return min((tuple(path.split(".")) for path in words), default=None)

    def relist(self) -> None:
        """Note the paths of variables anew, where the spec itself moved one."""

    def standing(self) -> list[str]:
        """Return the names of the owners that the root holds."""
        gone = self.rootless | self.dropped
        return [name for name in self.owners if name not in gone and self.owned_at[name] <= len(self.frames)]

    def settle(self) -> None:
        """Forget what training changed of variables that stand nowhere any more."""
        held = {self.made_as(f"{name}.{inner}") for name in self.standing() for inner in self.owners[name].inner()}
        held |= {self.ties.get(path, path) for path in self.paths.values()}
        self.trainable = [made for made in self.trainable if made in held or self.rooted(made)]

    def rooted(self, made: str) -> bool:
        """Return whether a variable is an attribute of the root or of a scope."""
        return made.startswith("root.") and made not in self.deleted

    def variables_at(self, place: str) -> list[str]:
        """Return the variables at a place as they were made: one, or all trainable ones that a layer or module holds."""
        if not self.is_owner(place):
            return [self.made_as(place)]
        owner, _ = self.owner(place)
        found = dict.fromkeys(self.made_as(f"{place}.{inner}") for inner in owner.inner())
        return [made for made in found if made not in self.fixed]

    # -- copies

    def record(self, place: str) -> Record:
        """Return an owner as it is now."""
        owner, _ = self.owner(place)
        made = [(inner, self.made_as(f"{place}.{inner}")) for inner in owner.inner()]
        return Record(owner, [Held(inner, one, one in self.fixed, one in self.frozen) for inner, one in made])

    def stand(self, record: Record, name: str, *, kept: "bool | set[str]" = False, tied: bool = True) -> None:
        """Note that a name is bound to an owner like a recorded one.

        Its variables are new ones, tied among themselves as the recorded ones were unless `tied` says
        no; with `kept` they, or those not made by one of the names in it, are the recorded ones themselves.
        """
        self.check_name(name)
        self.owners[name] = self.like(record.owner, name)
        self.owned_at[name] = len(self.frames)
        self.dropped.discard(name)
        new: dict[str, str] = {}
        for variable in record.variables:
            within, rest = self.owner(f"{name}.{variable.place}")
            key = ".".join([within.key, *rest])
            same = kept if isinstance(kept, bool) else re_rooted(variable.made) not in kept
            stands = variable.made if same else new.get(variable.made, key) if tied else key
            if stands != key:
                self.ties[key] = stands
            if stands == key:
                new[variable.made] = key
                self.enlist(key, variable, rooted=name not in self.rootless)
        self.ties_variables = True
        self.settle()

    def enlist(self, made: str, like: Held, *, rooted: bool) -> None:
        """Note a new variable, trained or not as another was."""
        if like.fixed:
            self.fixed.add(made)
        elif rooted:
            self.trainable.append(made)
        if like.frozen:
            self.frozen.append(made)

    def like(self, owner: Owner, words: str) -> Owner:
        """Return an owner of the same make under other words."""
        members = {name: self.like(member, f"{words}.{name}") for name, member in owner.members.items()}
        return Owner(words, self.new_key(words), owner.kind, dict(owner.leaves), members, dict(owner.attributes))


def re_rooted(made: str) -> str:
    """Return the name that a variable was made under."""
    return made.removeprefix("root.").partition(".")[0].rstrip("'")
