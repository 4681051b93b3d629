"""Learning in the reference model: one step moves a variable once, however many uses and names it has."""

import math

from canireuse.contract import tape
from canireuse.contract.arrays import Array, size
from canireuse.contract.graphs import width
from canireuse.contract.optimizers import STEPS
from canireuse.contract.ownership import Owner, cells_of, clone
from canireuse.contract.refusals import NotFound, NotTrainable, SharingRefused


class Optimizer:
    """An optimizer over the variables that are trainable when it is made; its state lasts from step to step."""

    def __init__(self, model, kind, over, rate=0.1, decay=None, clip=None, rates=(), undecayed=()):
        found = [trained_in(one) for one in (over if isinstance(over, list) else [over])]
        self.over = over
        self.model, self.decay, self.clip, self.rate = model, decay or 0.0, clip, rate
        self.decoupled = kind == "adamw"
        self.cells = list(dict.fromkeys(cell for group in found for cell in group))
        if rates and len(self.cells) < sum(map(len, found)):
            raise SharingRefused("one variable is in two groups", "each in one", "name it in one of them alone")
        self.rates = {cell: own / rate for group, own in zip(found, rates) for cell in group}
        self.undecayed = {
            cell for cell, paths in self.named().items() if any(map(set(undecayed).intersection, parted(paths)))
        }
        self.take = STEPS[kind](rate)
        model.now.optimizers.append(self)

    def add(self, owner):
        """Train what is trainable in a further owner too; what is known already stays known once."""
        self.cells = list(dict.fromkeys([*self.cells, *(one for one in cells_of(owner, build=True) if one.trainable)]))

    def named(self):
        """Return under which names each variable is known: its paths in the owner, or its own name."""
        pairs = self.over._paths() if isinstance(self.over, Owner) else [(cell.name, cell) for cell in self.cells]
        return {cell: tuple(sorted(path for path, one in pairs if one is cell)) for cell in self.cells}

    def saved(self):
        """Return what it remembers of each variable, by all the names of the variable."""
        state = getattr(self.take, "state", {})
        return {names: state.get(cell) for cell, names in self.named().items()}

    def load(self, saved):
        """Remember what was saved, if that is of variables with the same names."""
        names = self.named()
        if {*names.values()} != {*saved}:
            raise NotFound(
                f"the state of {sorted(saved)} is loaded",
                f"that of {sorted(names.values())}",
                "load it where it was saved",
            )
        if hasattr(self.take, "state"):
            known = {cell: saved[of] for cell, of in names.items()}
            self.take.state = {cell: state for cell, state in known.items() if state is not None}

    def initialize(self):
        """Set what it keeps of each variable to nothing yet."""
        if hasattr(self.take, "state"):
            self.take.start_over()

    @property
    def slots(self):
        """How many variables it keeps state for."""
        return len(getattr(self.take, "state", ()))

    @property
    def slot_bytes(self):
        """How many bytes it keeps: one or two numbers for each number of a variable; a count of steps is none of them."""
        return sum(
            size(kept.shape) * width(cell.dtype)
            for cell, state in getattr(self.take, "state", {}).items()
            for kept in (state if isinstance(state, tuple) else (state,))
            if isinstance(kept, Array)
        )

    def update(self, *losses):
        """Take one step on the gradients of the losses, added up; what none of them depends on stays, and so does what is kept of it."""
        cells = [cell for cell in self.cells if not cell.frozen]
        if not cells:
            raise NotTrainable("nothing is left to train", "a variable that is not frozen", "name one")
        slopes = [None] * len(cells)
        for loss in losses:
            for at, slope in enumerate(tape.slopes(tape.tensor(loss), cells)):
                if slope is not None:
                    received = hooked(cells[at], slope)
                    slopes[at] = slopes[at].map(plus, received) if slopes[at] else received
        moved = [(cell, slope) for cell, slope in zip(cells, slopes) if slope is not None]
        self.move([cell for cell, _ in moved], [slope for _, slope in moved])

    def move(self, cells, slopes):
        """Move each variable by its clipped gradient and its decay."""
        if self.clip is not None:
            norm = math.sqrt(sum(number * number for slope in slopes for number in slope.data))
            factor = min(1.0, self.clip / norm) if norm else 1.0
            slopes = [slope.map(lambda number: factor * number) for slope in slopes]
        for cell, slope in zip(cells, slopes):
            self.step(cell, slope)

    def step(self, cell, slope):
        """Move one variable by the rate of its group, with its decay unless it is left out of that."""
        decay, share = 0.0 if cell in self.undecayed else self.decay, self.rates.get(cell, 1.0)
        coupled, decoupled = (0.0, self.rate * decay) if self.decoupled else (decay, 0.0)
        value = cell.forward()
        taken = self.take(cell, slope.map(lambda number, held: number + coupled * held, value))
        cell.assign(value.map(lambda held, step: held - share * (decoupled * held + step), taken).tolist())


def trained_in(place):
    """Return what is trained of a variable, which is it, or of an owner."""
    return [cell for cell in cells_of(place, build=True) if cell is place or cell.trainable]


def parted(paths):
    """Return the words of each path."""
    return [path.split("/") for path in paths]


def hooked(cell, slope):
    """Return a gradient as the hooks of its variable leave it; each runs once, on the sum over all uses."""
    for hook in cell.hooks:
        slope = slope.map(hook)
    return slope


def plus(one, other):
    """Return the sum of two numbers."""
    return one + other


class Learning:
    """What the model says of learning."""

    def train(self, optimizer, minimize, wrt, rate=0.1, times=1):
        """Take steps down the gradient with an optimizer that is made for them and forgotten.

        `minimize` is a function: a deferred model calls it once, to build the scalar, an immediate one for each step.
        """
        self.update(Optimizer(self, optimizer, wrt, rate), minimize, times=times)

    def optimizer(self, kind, over, *rate, **given):
        """Make an optimizer that lasts."""
        return Optimizer(self, kind, over, *rate, **given)

    def update(self, optimizer, *minimize, times=1):
        """Take steps with an optimizer; `minimize` are functions that lead up to scalars."""
        built = None if self.immediate else [each() for each in minimize]
        for _ in range(times):
            optimizer.update(*(built if built is not None else [each() for each in minimize]))

    def parallel(self, owner, split, minimize, rate=0.1, times=1):
        """Take steps on the mean over parts of the data; `split` has a list of values, one a part, for each argument."""
        optimizer = Optimizer(self, "sgd", owner, rate)
        for _ in range(times):
            parts = [
                minimize(*(tape.constant(values[at]) for values in split.values()))
                for at in range(len(next(iter(split.values()))))
            ]
            total = tape.constant(0.0)
            for part in parts:
                total += part
            optimizer.update(total / len(parts))

    def freeze(self, owner):
        """Take a variable, or all that a layer or module owns, out of training."""
        for cell in cells_of(owner, build=True):
            cell.frozen = True

    def unfreeze(self, owner):
        """Take it into training again."""
        for cell in cells_of(owner, build=True):
            cell.frozen, cell.trainable = False, True

    def hook(self, cell, times=1.0, at_most=math.inf):
        """Have each gradient of a variable multiplied, or cut down, on its way to an optimizer."""
        cell.hooks.append(lambda number: min(times * number, at_most))

    def average(self, owner, decay):
        """Return a copy of an owner that keeps moving averages of its variables; one without a value yet begins at its initial value."""
        twins = {}

        def twin(cell):
            made = twins[cell] = self._twin(cell)
            if made not in made.session().values:
                made.initialize()
            return made

        copied = clone(owner, twin)
        copied.__dict__["_averages"] = decay, twins
        return copied

    def track(self, average):
        """Move each average once towards what its variable holds."""
        decay, twins = average.__dict__["_averages"]
        for cell, twin in twins.items():
            twin.assign(
                twin.forward().map(lambda kept, held: decay * kept + (1 - decay) * held, cell.forward()).tolist()
            )
