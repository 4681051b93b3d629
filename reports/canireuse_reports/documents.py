"""What the documents say and what the runs say to it: one view a document, what is wrong first."""

from dataclasses import dataclass

from canireuse.results.deciding import MEANINGS, ClaimVerdict, Told, VerdictWord, judge_claims, remarks_on
from canireuse.results.records import DocumentLine, Results

MARKS: dict[VerdictWord, str] = {
    "refuted": "✗",
    "depends": "≠",
    "confirmed": "✓",
    "undecided": "?",
    "not checkable": "–",
}
#: verdict -> the word that a reader sees
WORDS: dict[VerdictWord, str] = {
    "refuted": "wrong", "depends": "depends", "confirmed": "right", "undecided": "not run", "not checkable": "not checkable",
}  # fmt: skip
STANDS = {"tf1": "in TensorFlow 1, that is in the graph mode of tf.compat.v1", "tf2": "in TensorFlow 2"}


@dataclass
class Example:
    """An example of a document, with what the document says of how it runs and what it prints."""

    number: int
    claims: list[ClaimVerdict]

    @property
    def wrong(self) -> list[ClaimVerdict]:
        """What is refuted of it."""
        return [one for one in self.claims if one.verdict == "refuted"]

    @property
    def right(self) -> bool:
        """Whether all that is said of it is confirmed."""
        return all(one.verdict == "confirmed" for one in self.claims)


@dataclass
class DocumentView:
    """A document with the verdicts on its claims."""

    line: DocumentLine
    claims: list[ClaimVerdict]
    remarks: list[Told]
    #: spec -> why it matters, in the words of the spec
    abouts: dict[str, str]

    @property
    def stands(self) -> str:
        """The mode in which the document stands, in words."""
        return STANDS[self.line.stands]

    @property
    def by_verdict(self) -> dict[VerdictWord, list[ClaimVerdict]]:
        """The claims by verdict, wrong ones first."""
        found = {word: [one for one in self.claims if one.verdict == word] for word in MEANINGS}
        return {word: claims for word, claims in found.items() if claims}

    @property
    def wrong(self) -> list[ClaimVerdict]:
        """The claims that are refuted."""
        return self.by_verdict.get("refuted", [])

    @property
    def decided(self) -> int:
        """How many claims runs decided."""
        return sum(one.verdict in {"refuted", "depends", "confirmed"} for one in self.claims)

    @property
    def wrong_lines(self) -> list[int]:
        """The lines in which something is wrong, each once."""
        return sorted({one.claim.line for one in self.wrong})

    @property
    def examples(self) -> list[Example]:
        """The examples of which the document says how they run or what they print."""
        numbers = sorted({printed.block for one in self.claims for printed in one.claim.printed})
        return [
            Example(
                number, [one for one in self.claims if any(printed.block == number for printed in one.claim.printed)]
            )
            for number in numbers
        ]

    def why(self, one: ClaimVerdict) -> list[str]:
        """Return why a claim is wrong: what the specs that decided against it are about."""
        return list(dict.fromkeys(self.abouts[piece.spec] for piece in one.against if piece.spec in self.abouts))


def documents(results: Results) -> list[DocumentView]:
    """Return the documents whose claims these results decide, those with most wrong statements first."""
    claims = judge_claims(results)
    abouts = {name: spec.about for name, spec in results.specs.items()}
    views = [
        DocumentView(line, [one for one in claims if one.document is line], remarks_on(line, results), abouts)
        for line in results.documents.values()
    ]
    return sorted((one for one in views if one.decided), key=lambda one: -len(one.wrong))
