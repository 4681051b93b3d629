"""Which ways of a spec are cases: those about another kind of object are not, and one refusal is told once."""

from canireuse.emit import Adapter, Unsupported
from canireuse_adapters.kinds import OtherKind, fits


class Choosy(Adapter):
    """Says a way, refuses it, or calls it a matter of another kind of object."""

    def translate(self, spec):
        answers = {"other": OtherKind("not this"), "refused": Unsupported("never"), "again": Unsupported("never")}
        if self.way["read"] in answers:
            raise answers[self.way["read"]]


def test_one_refusal_stands_for_all_alike_and_other_kinds_for_none():
    told = set()
    kept = [way for way in ("said", "other", "refused", "again") if fits(Choosy, None, {"read": way}, told)]
    assert kept == ["said", "refused"]
    assert told == {"never"}
