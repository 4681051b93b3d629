"""Races: threads that call one function at once, and whether they leave what calls one after the other leave."""

from typing import TYPE_CHECKING

from pydantic import Field

from canireuse.emit import Emitter, Lack, Tables, expr
from canireuse.program import Object, Symbols
from canireuse.spec.features import Feature
from canireuse.spec.step import VARIABLES, Name, Number, Place, Step
from canireuse.spec.vocabulary import Expect
from canireuse_adapters.tf1 import functions

if TYPE_CHECKING:
    from canireuse_adapters.tf1 import TF1

MOST_THREADS = 64
AT_ONCE = """
start = threading.Barrier($threads)
def $at_once():
    start.wait()
    return $called($*given)
with futures.ThreadPoolExecutor($threads) as pool:
    calls = [pool.submit($at_once) for _ in range($threads)]
failed = any(call.exception() for call in calls)
"""


class Race(Step):
    """Call a function in threads that begin at once, and bind whether they left what calls one after the other leave.

    How much is lost changes from run to run, so what is bound is 0 or 1: a function that does enough makes that certain.
    """

    verb = "race"
    changes = True
    probes = True
    binds = "tensor"
    uses = {"race": frozenset({"function"}), "inside": VARIABLES}
    race: Name = Field(description="A function without arguments, defined before.")
    threads: int = Field(8, ge=2, le=MOST_THREADS, description="How many threads.")
    leaves: Number = Field(
        description="What is there after calls one after the other: so many variables, or the value `inside` one."
    )
    inside: Place | None = Field(None, description="A variable of one element, whose value is asked for.")
    as_: Name = Field(alias="as", description="Bind 0 where that is there, and 1 where it is not or a thread failed.")

    @property
    def thread(self) -> str:
        """The function, as a thread calls it."""
        return self.race


def raced(symbols: Symbols, step: Race) -> None:
    """Have the effects of the calls, and bind what came of them."""
    symbols.called(step.race, step.threads)
    symbols.names[step.as_] = Object("tensor")


def race(emitter: Emitter, step: Race) -> None:
    """Start the threads behind a barrier, and compare what they left."""
    called, *given = emitter.threaded(step.race)
    at_once = emitter.own(f"{step.race}_at_once")
    emitter.emit(AT_ONCE, threads=step.threads, at_once=at_once, called=called, given=given)
    if step.inside is None:
        left = emitter.reading(Expect(expect="left", variables=int(step.leaves)))
        leaves = expr("$x", x=int(step.leaves))
    else:
        left, leaves = emitter.data(emitter.value(step.inside)), expr("[$x]", x=float(step.leaves))
    outcome = expr("float(failed or $left != $leaves)", left=left, leaves=leaves)
    emitter.bind(step.as_, emitter.array(outcome))


def in_graph(tf1: "TF1", step: Race) -> None:
    """Have each thread enter the graph."""
    functions.enter_in_thread(tf1, step.race)
    race(tf1, step)


PURE = "A function of JAX takes a tree and returns another: threads that run at once have a tree each, and there is none that two of them write to."

FEATURE = Feature(
    verbs=(Race,),
    effects={"race": raced},
    tables={
        "python": Tables(code={"race": race}),
        "reference": Tables(missing={"race": "The contract says what one thread after the other sees, and nothing of threads at once."}),
        "tf1": Tables(
            code={"race": in_graph},
            lacks=(
                Lack("race", lambda _, step: step.inside is not None,
                     "A line that writes adds an operation to the graph, and threads that build in one graph at once are another race; an operation that is built before is run by threads as often as they like."),
            ),
        ),
        **{one: Tables(missing={"race": PURE}) for one in ("linen", "haiku", "equinox")},
    },
)  # fmt: skip
