"""Recalling: what earlier runs tell of a session's specs, and what it keeps for later ones."""

from collections.abc import Mapping

from canireuse.results import cases, records
from canireuse.results.known import KEPT, Known, KnownIn, KnownResults, spec_digests
from canireuse.results.records import now
from canireuse.run.hosts import Host
from canireuse.run.identity import Interpreter
from canireuse.spec.problems import UsageError

#: what a record of an environment tells of it that a host would find out itself
ENVIRONMENT = {"python", "platform", "processors", "threads", "packages"}


class Recall:
    """What is known of the environments of a session's hosts, and of specs in them; hosts go by their groups of cases.

    With `again` nothing is known, and all that comes is kept.
    """

    def __init__(self, store: KnownResults, *, again: bool) -> None:
        self.store, self.again = store, again
        self._interpreters: dict[str, Interpreter] = {}
        #: group -> spec -> the digest of what its records depend on
        self._digests: dict[str, Mapping[str, str]] = {}
        self._known_in: dict[str, KnownIn] = {}
        self._known: dict[str, dict[str, list[Known]]] = {}
        #: group and spec -> what ran of it
        self._ran: dict[tuple[str, str], list[Known]] = {}
        self._kept: set[str] = set()
        #: spec and name of a case -> its record, from the run that this one goes on with
        self._came: dict[tuple[str, str], records.Case] = {}

    def ask(self, python: str) -> None:
        """Have an interpreter tell what is installed for it, while others go on."""
        if python not in self._interpreters:
            self._interpreters[python] = Interpreter(python)

    def look_up(self, group: str, host: Host, texts: Mapping[str, str]) -> None:
        """Find out what is known of the environment that a host would have, and of specs in it, given by id and text; tell the host."""
        identity = self._interpreters[host.python].identity(host)
        if identity is None:
            return
        self._digests[group] = digests = spec_digests(texts, host.adapter)
        self._known_in[group] = here = KnownIn(self.store, identity, self.again)
        if line := here.environment:
            self._known[group] = here.specs(digests)
            host.know(line.model_dump(include=ENVIRONMENT), line.device, line.device_name, line.warm_up_seconds or 0.0)

    def go_on(self, results: records.Results, state: str, texts: Mapping[str, str]) -> None:
        """Take the records of a run that was stopped; raise UsageError if what they depend on is another now."""
        why_not = ""
        if results.headers[0].state != state:
            why_not = "it was of another version of canireuse, of its adapters or of its features"
        for spec, line in results.specs.items():
            if spec in texts and texts[spec] != line.text:
                why_not = why_not or f"the spec {spec} is another one now"
        here = {one.identity for one in self._known_in.values()} | {""}
        for environment in results.environments.values():
            if environment.identity not in here:
                why_not = why_not or f"the environment {environment.id} is another one now"
        if why_not:
            raise UsageError(
                f"the run that was stopped cannot be resumed: {why_not}\n    expected: what it ran with\n    to do: run anew, without --resume; what is still known is not run again"
            )
        self._came = {(one.spec, cases.planned_name(one)): one for one in results.cases.values()}

    def came(self, case: cases.Plan) -> records.Case | None:
        """Return the record of a case from the run that this one goes on with, if there is one."""
        return self._came.get((case.located.id, case.name))

    def known_in(self, group: str) -> KnownIn | None:
        """Return what is known of the environment of a host, None where nothing can be."""
        return self._known_in.get(group)

    def known(self, group: str, spec: str) -> list[Known] | None:
        """Return the records of a spec on a host, one for each way, where all of them are known."""
        return self._known.get(group, {}).get(spec)

    def knows_all(self, group: str) -> bool:
        """Whether a host has nothing to run of the specs that were looked up."""
        return group in self._digests and self._digests[group].keys() == self._known.get(group, {}).keys()

    def keep(self, case: cases.Plan, host: Host, record: records.Case) -> None:
        """Keep the records of a spec on a host, once all of them have come and passed."""
        here, digest = self._known_in.get(case.group), self._digests.get(case.group, {}).get(case.located.id)
        if here is None or digest is None or record.verdict not in KEPT:
            return
        ran = self._ran.setdefault((case.group, case.located.id), [])
        ran.append(Known(case.way, record.reused or now(), record))
        if len(ran) == case.ways:
            if case.group not in self._kept:
                self._kept.add(case.group)
                here.keep_environment(cases.environment_line(case.backend, host, here.identity))
            here.keep_spec(case.located.id, digest, ran)
