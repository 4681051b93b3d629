"""The blocks of documents that were run as printed: how each ended in each mode, and what came of what it promises."""

from dataclasses import dataclass

from canireuse.results.records import Block, Environment, Results


@dataclass
class RunDocument:
    """A document whose blocks were run, with the records of its blocks in order."""

    file: str
    title: str
    blocks: list[Block]
    environments: dict[str, Environment]

    @property
    def as_it_says(self) -> int:
        """How many records are as the document says."""
        return sum(block.as_it_says for block in self.blocks)

    def mode(self, block: Block) -> str:
        """Return the mode of a record in words: the framework's title, the version, and how it was run."""
        environment = self.environments.get(block.environment)
        title = environment.title if environment else block.mode
        version = environment.framework if environment else ""
        return ", ".join(part for part in (title, version, "together" if block.together else "") if part)


def run_documents(results: Results) -> list[RunDocument]:
    """Return the documents whose blocks were run, in the order of the results."""
    found: dict[tuple[str, str], RunDocument] = {}
    for block in results.blocks.values():
        key = block.document, block.digest
        document = found.setdefault(key, RunDocument(block.file, block.title, [], results.environments))
        document.blocks.append(block)
    for document in found.values():
        document.blocks.sort(key=lambda block: (block.number, block.mode, *block.way.values(), block.together))
    return list(found.values())
