"""Bounds of what a spec may state: room enough for any spec, and too small to exhaust a machine."""

#: bytes of a file, known before it is parsed
MOST_BYTES = 200_000
#: levels of mappings and lists in one another, over which the walk recurses
DEEPEST = 60
#: characters of a number
LONGEST_NUMBER = 40
#: characters of an expression: nothing of this length is nested so deep that walking it, which recurses, could fail
LONGEST_EXPRESSION = 200
#: characters of a name and of each part of a place
LONGEST_NAME = 60
#: steps as they are written, and how deep they may lie in one another
MOST_STEPS = 1_000
DEEPEST_STEPS = 20
#: turns of one loop, and steps that run in all: each as often as the loops and calls around it say
MOST_TURNS = 10_000
MOST_RUNS = 100_000
#: places inside a module, and how deep they may lie in one another
MOST_PLACES = 200
DEEPEST_PLACE = 20
#: places of all that the steps of a spec bind
MOST_STANDING = 5_000
#: numbers in all the values of a variable, and axes of its shape
MOST_ELEMENTS = 2**24
MOST_AXES = 8
#: numbers written out in one value
MOST_VALUES = 10_000
#: variables got by one step, and parts of one of them
MOST_VARIABLES = 50_000
MOST_PARTS = 1_000
MOST_DEVICES = 8
#: divergences, what each of them names in one list, and sources
MOST_DIVERGENCES = 200
MOST_NAMED = 50
#: problems of one file that are told at once, and names that one of them lists
MOST_PROBLEMS = 20
MOST_LISTED = 40
#: the largest number that float32 holds
LARGEST = 340282346638528859811704183484516925440
#: how the page of the vocabulary tells them
TOLD = f"""\
- A file has at most {MOST_BYTES:,} bytes, and {DEEPEST} levels of mappings and lists in one another.
- A spec has at most {MOST_STEPS:,} steps, {DEEPEST_STEPS} deep, and runs at most {MOST_RUNS:,}: each counts as often as the loops and
  calls around it say, a `numbered` one as often as it makes a variable. A loop (`repeat`, `times`) has at most {MOST_TURNS:,} turns.
- A module has at most {MOST_PLACES} places inside, {DEEPEST_PLACE} deep; what stands at two places counts twice.
  All that a spec binds has at most {MOST_STANDING:,}. A list of places or of scalars has at most {MOST_PLACES}.
- A shape has at most {MOST_AXES} axes, each of at least 1, and {MOST_ELEMENTS:,} elements; so have a layer's `inputs` x `units`,
  what `numbered` makes in all, and `ones(...)`. An index and a `size` are no larger.
- A value that is written out has at most {MOST_VALUES:,} numbers, in rows of equal length.
- A spec has at most {MOST_DIVERGENCES} divergences, each of at most {MOST_NAMED} backends, and {MOST_NAMED} sources.
- `numbered` makes at most {MOST_VARIABLES:,} variables, `partitions` at most {MOST_PARTS:,} parts; there are {MOST_DEVICES} devices.
- A number is finite and no larger than float32 holds (3.4e38), and so is what the numbers of an expression come to.
- A number has at most {LONGEST_NUMBER} characters, a name {LONGEST_NAME}, an expression {LONGEST_EXPRESSION}.
"""
