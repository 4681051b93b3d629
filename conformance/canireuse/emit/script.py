"""Scripts: what an adapter makes of a spec, and how one runs by itself."""

from dataclasses import dataclass

OBSERVE = "def observe(label, value):\n    print(label, repr(value), sep=': ')\n"
#: what turns the measured loops of a standalone script: each once, three times over
MEASURE = """\
from time import perf_counter


def rounds():
    return range(3)


def measure(label, size=None, fence=lambda: None):
    started = perf_counter()
    yield
    fence()
    print(label, size or "", perf_counter() - started, "seconds")

"""


class Unsupported(Exception):
    """The framework has no words for a step; the message is the reason, one sentence."""


@dataclass(frozen=True)
class Script:
    """What an adapter made of a spec: the bytes that run, and which of its wording is idiom."""

    text: str
    idioms: tuple[str, ...] = ()
    #: the labels of what it does not observe: the two names of the spec that are compared are one place in these words
    one_place: tuple[str, ...] = ()

    @property
    def standalone(self) -> str:
        """The script with a two-line `observe` on top, so that it needs only the framework; measured loops print their seconds."""
        return f"{OBSERVE}\n{MEASURE if 'in rounds():' in self.text else ''}{self.text}"
