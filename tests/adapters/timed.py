"""What the tests of fences share: heavy work, and a stopwatch that times it with its fence and without."""

import re

from canireuse.emit import Script

#: work that a CPU is busy with for milliseconds: of two arrays, and of a layer
PRODUCT = """
steps:
  - {compute: "x = ones(700, 700)"}
  - {function: product, traced: usual, takes: [x], steps: [{compute: y = x @ x}], returns: y}
  - {invoke: product, given: [x], as: y}
  - {measure: product, steps: [{invoke: product, given: [x], as: y}]}
  - {expect: shape, shape: y, is: [700, 700]}
"""
LAYER_PRODUCT = """
steps:
  - {layer: dense, inputs: 700, units: 700, kernel: 0.001, name: layer, as: layer}
  - {compute: "x = ones(700, 700)"}
  - {function: product, traced: usual, takes: [x], steps: [{call: layer, on: x, as: y}], returns: y}
  - {invoke: product, given: [x], as: y}
  - {measure: product, steps: [{invoke: product, given: [x], as: y}]}
"""
#: a block ends with its first turn: more than some dozens of turns on their way would have to wait for each other
SETTINGS = {"block": 1e-6, "patience": 60.0, "spend": 60.0, "skip": []}


def timed(host, text, rounds=3):
    """Return the seconds that a turn of each loop took in each round, and what the script did."""
    outcome, found = host.begin(Script(text), "<timed>", SETTINGS), []
    for number in range(rounds):
        assert outcome.ending == "waiting", outcome.error
        outcome = host.turn(number, outcome)
        found += [sample["seconds"] for sample in outcome.waiting["samples"]]
    outcome = host.turn(None, outcome)
    assert (outcome.ending, outcome.error) == ("finished", None)
    return found, outcome


def seconds(host, text, rounds=3):
    """Return the least time that a turn of the script's one loop took in some rounds."""
    found, _ = timed(host, text, rounds)
    assert len(found) == rounds
    return min(found)


def without_fence(text):
    """Return a script whose loops do not wait for what they started."""
    without = re.sub(r", fence=.*\):$", "):", text, flags=re.MULTILINE)
    assert without != text
    return without
