"""Answers: when two of them are the same."""

import doctest
import math
from typing import Any

#: how answers are compared, beside what `# doctest:` says of one
COMPARED = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def agrees(wanted: Any, observed: Any, tolerance: float) -> bool:
    """Return whether two answers are the same: numbers within the tolerance, all else exactly.

    True and 1 are two answers, and so are a number and a list that holds it. An integer expected
    accepts a float of that value, because frameworks compute in floats.
    """
    if isinstance(wanted, bool) or isinstance(observed, bool):
        return wanted is observed
    if isinstance(wanted, int | float) and isinstance(observed, int | float):
        return math.isclose(wanted, observed, rel_tol=tolerance, abs_tol=tolerance)
    if isinstance(wanted, list) and isinstance(observed, list):
        return len(wanted) == len(observed) and all(
            agrees(one, other, tolerance) for one, other in zip(wanted, observed, strict=True)
        )
    return type(wanted) is type(observed) and bool(wanted == observed)
