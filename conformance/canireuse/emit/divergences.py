"""Divergences that a backend's own package declares, for specs that are not its own.

A specs file declares where the backends of this project depart. A backend that comes from elsewhere has a file of its own, which
its adapter names: the ids of specs, each with divergences as a spec has them but for `backends`, which is that one.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from canireuse.emit.translation import Adapter
from canireuse.spec import yaml
from canireuse.spec.bounds import MOST_DIVERGENCES
from canireuse.spec.model import Divergence, Located
from canireuse.spec.problems import InputError, Problem
from canireuse.spec.reading import check_divergences, misfits


class Own(Divergence):
    """A divergence in the file of one backend."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    backends: list[str] = Field([], max_length=0)


FILE: TypeAdapter[dict[str, list[Own]]] = TypeAdapter(
    dict[str, Annotated[list[Own], Field(min_length=1, max_length=MOST_DIVERGENCES)]]
)


def declared(path: Path, backend: str, specs: Iterable[Located]) -> dict[str, list[Divergence]]:
    """Return spec id -> the divergences that a backend's file declares, of the specs that are given.

    Raises InputError for what is no divergence, a label that a spec does not have, and an answer that is the contract's own.
    """
    data, places, _ = yaml.read(path)
    try:
        found = FILE.validate_python(data)
    except ValidationError as invalid:
        fitting = "the id of a spec, with divergences as `docs/vocabulary.md` has them, without `backends`"
        raise InputError(misfits(path, data, places, invalid, fitting)) from None
    problems: list[Problem] = []
    here: dict[str, list[Divergence]] = {}
    for located in specs:
        if located.id not in found:
            continue
        here[located.id] = [Divergence(**{**dict(one), "backends": [backend]}) for one in found[located.id]]
        inside = {("divergences", *loc[1:]): place for loc, place in places.items() if loc[:1] == (located.id,)}
        problems += check_divergences(path, located.spec.model_copy(update={"divergences": here[located.id]}), inside)
    if problems:
        raise InputError(problems)
    return here


def with_declared(specs: Iterable[Located], adapters: Iterable[type[Adapter]]) -> list[Located]:
    """Return specs together with what the packages of the backends declare of them."""
    specs = list(specs)
    for adapter in adapters:
        if adapter.divergences is None:
            continue
        more = declared(adapter.divergences, adapter.name, specs)
        specs = [joined(located, more.get(located.id, [])) for located in specs]
    return specs


def joined(located: Located, more: list[Divergence]) -> Located:
    """Return a spec with further divergences."""
    if not more:
        return located
    spec = located.spec.model_copy(update={"divergences": [*located.spec.divergences, *more]})
    return located.model_copy(update={"spec": spec})
