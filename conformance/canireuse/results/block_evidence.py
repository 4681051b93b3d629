"""Evidence of blocks: what a document says of an example, held against the record of its block, run as it is printed."""

import doctest
import textwrap
from collections.abc import Iterator

from canireuse.results.evidence import Evidence
from canireuse.results.records import Block, DocumentLine, Results, raised
from canireuse.run.limits import said, shortened
from canireuse.spec.answers import COMPARED
from canireuse.spec.claims import AsPrinted

#: how much of what a line printed is told in a sentence
LONGEST = 120


def of_block(printed: AsPrinted, document: DocumentLine, mode: str, results: Results) -> list[Evidence]:
    """Return what the records of a document's block in a mode say to what is claimed of it, of the text that was read alone."""
    return [
        evidence(printed, block, results)
        for block in results.blocks.values()
        if is_of(block, document, printed.block) and block.mode == mode
    ]


def is_of(block: Block, document: DocumentLine, number: int) -> bool:
    """Return whether a record is of that block of the document, run by itself."""
    return (block.document, block.digest, block.number) == (document.id, document.digest, number) and not block.together


def evidence(printed: AsPrinted, block: Block, results: Results) -> Evidence:
    """Return what one record says to what is claimed of its block."""
    environment = results.environments.get(block.environment)
    version = environment.framework if environment else ""
    agrees = answer(printed, block)
    other = next(otherwise(printed, block, agrees, results), None)
    return Evidence(
        case_id=block.id, block=block.id, version=version, asserted=printed.model_dump(exclude_none=True), observed=block.ended,
        agrees=agrees, claimed=claimed(printed, block), found=found(printed, block), command=f"canireuse run --document {block.file} --backend {block.mode}",
        otherwise=other.id if other else "", found_otherwise=found(printed, other) if other else "",
    )  # fmt: skip


def otherwise(printed: AsPrinted, block: Block, agrees: bool | None, results: Results) -> Iterator[Block]:
    """Yield the records of a block in other modes in which the same came out the other way."""
    for other in results.blocks.values():
        same = (other.document, other.digest, other.number, other.together) == (
            block.document, block.digest, block.number, False
        )  # fmt: skip
        if same and agrees is not None and answer(printed, other) is (not agrees):
            yield other


def answer(printed: AsPrinted, block: Block) -> bool | None:
    """Return whether a block did what is claimed of it, None if it did not get so far: a time limit refutes no document."""
    return is_so(printed, block) or (False if block.ended in {"completed", "raised"} else None)


def is_so(printed: AsPrinted, block: Block) -> bool:
    """Return whether a block did what is claimed of it."""
    if printed.ends:
        return block.ended == printed.ends
    if printed.prints is not None:
        came = printed_at(block, printed.line)
        return came is not None and doctest.OutputChecker().check_output(printed.prints, came, COMPARED)
    error = error_at(block, printed.line)
    name, _, words = (printed.raises or "").partition(":")
    return error is not None and error.partition(":")[0] == name.strip() and words.strip() in error


def printed_at(block: Block, line: int | None) -> str | None:
    """Return what a line of the document printed, None if it printed nothing."""
    pieces = [piece.text for piece in block.output if piece.line == line and piece.stream == "stdout"]
    return "".join(pieces).rstrip("\n") if pieces else None


def error_at(block: Block, line: int | None) -> str | None:
    """Return the exception that a line of the document raised, None if it raised none."""
    if block.error and block.at_line == line:
        return raised(block.error)
    return next((one.came for one in block.promises if (one.line, one.kind) == (line, "raises")), None)


def claimed(printed: AsPrinted, block: Block) -> str:
    """Return what is claimed of a block, as a sentence."""
    if printed.ends:
        return (
            f"block {block.number} (line {block.line}) {'runs to its end' if printed.ends == 'completed' else 'raises'}"
        )
    if printed.prints is not None:
        return f"line {printed.line} prints `{printed.prints}`"
    return f"line {printed.line} raises {printed.raises}"


def found(printed: AsPrinted, block: Block) -> str:
    """Return what a block did, as a sentence."""
    came = printed_at(block, printed.line)
    if printed.prints is not None and came is not None:
        return f"line {printed.line} prints `{textwrap.shorten(came, LONGEST, placeholder=' ...')}`"
    error = error_at(block, printed.line) if printed.line else None
    if error is not None:
        return (
            f"line {printed.line} raises {shortened(error.splitlines()[0])}"
            if error != "nothing was raised"
            else f"line {printed.line} raises nothing"
        )
    return how_it_ended(block)


def how_it_ended(block: Block) -> str:
    """Return how a block ended, as a sentence."""
    name = f"block {block.number} (line {block.line})"
    if block.ended == "completed":
        return f"{name} runs to its end"
    if block.ended == "raised" and block.error:
        return f"{name} stops at line {block.at_line}: {said(block.error)}"
    return f"{name}: {block.ended}" + (f", {block.reason}" if block.reason else "")
