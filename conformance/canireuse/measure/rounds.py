"""Rounds: how the time of a measurement is parted into processes, and these into rounds."""

from canireuse.measure.comparison import FEWEST_PROCESSES

#: how many processes a backend gets if the budget allows: fewer than three give no interval, more than these say little more
PROCESSES, MOST_PROCESSES = 5, 15
#: rounds of the first process, which shows how long everything takes, and of the others; with so many, further processes tell more
FIRST_ROUNDS, FEWEST_ROUNDS, MANY_ROUNDS, MOST_ROUNDS = 3, 3, 7, 40
#: which part of the budget a turn may take in the first process, and which in the others; which part the rounds of a loop may
#: take in each process; and from which part on a first turn, with what is compiled or loaded then, is not done in another process
PATIENCE, LATER, SPEND, SLOW = 150, 500, 1000, 150


def rounds_that_fit(done: int, left: float, fixed: float, per_round: float) -> int:
    """Return how many rounds the process after those that are done is to have in the seconds that are left; none if it does not fit.

    A process takes `fixed` seconds, and `per_round` more for each round.
    """
    fit = int(left / max(fixed + FEWEST_ROUNDS * per_round, 1e-9))
    if not fit and 1 < done < FEWEST_PROCESSES and left > 0.75 * fixed:  # a part of the specs gets its interval
        return FEWEST_ROUNDS
    if not fit or done >= MOST_PROCESSES:
        return 0
    processes = min(fit, max(PROCESSES - done, int(left / (fixed + MANY_ROUNDS * per_round)), 1), MOST_PROCESSES - done)
    if done + processes < FEWEST_PROCESSES:  # rounds would take the time of the process that gives intervals
        return FEWEST_ROUNDS
    return min(MOST_ROUNDS, max(FEWEST_ROUNDS, int((left / processes - fixed) / max(per_round, 1e-9))))
