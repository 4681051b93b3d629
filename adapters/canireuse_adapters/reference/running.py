"""Functions, loops and learning in the reference model."""

from canireuse.step import Step
from canireuse.translation import turns
from canireuse.vocabulary import (
    Block,
    Function,
    Gradient,
    Hook,
    Invoke,
    Optimizer,
    Parallel,
    Scan,
    Train,
    Update,
    Vectorize,
    walk,
)
from canireuse_adapters.reference.owners import Owners


class Running(Owners):
    """Words what runs; what a function binds is its own."""

    #: the names that are bound where the next step stands
    bound: set[str]

    def say(self, step: Step) -> None:
        """Write one step and remember what it binds."""
        super().say(step)
        if step.binding:
            self.bound.add(step.binding)

    def header(self, name: str, takes: list[str], step: Block) -> str:
        """Return the line that defines a function; names bound outside and rebound inside are handed in."""
        rebound = sorted({inner.binding for inner in walk(step.steps) if inner.binding in self.bound} - set(takes))
        return f"def {name}({', '.join([*takes, *(f'{word}={word}' for word in rebound)])}):"

    def function(self, step: Function) -> None:
        """Define a Python function: to the contract, a traced one is no other."""
        self.define(self.header(step.function, step.takes, step), step, step.returns)
        if step.template:
            self.write(f"{step.function} = model.template({step.function!r}, {step.function})")

    def define(self, header: str, step: Block, returns: str | None) -> None:
        """Write a function; what it binds is its own."""
        outer, self.bound = self.bound, set(self.bound)
        with self.block(header):
            self.steps(step.steps)
            if returns:
                self.write(f"return {self.expression(returns)}")
        self.bound = outer

    def invoke(self, step: Invoke) -> None:
        """Call a function."""
        self.bind(step.as_, f"{step.invoke}({', '.join(self.expression(given) for given in step.given)})")

    # -- learning

    def gradient(self, step: Gradient) -> None:
        """Differentiate a scalar; steps that lead up to it stand in a function, so that what they bind is their own."""
        if step.steps:
            self.define(self.header("loss", [], step), step, step.of)
        scalar = "loss()" if step.steps else self.expression(step.of)
        self.write(f"{step.gradient} = tape.gradient({scalar}, {step.wrt})")

    def train(self, step: Train) -> None:
        """Minimize a scalar."""
        self.define(self.header("loss", [], step), step, step.minimize)
        times = f", times={step.times}" if step.times > 1 else ""
        self.write(f"model.train({step.train!r}, loss, {self.owned(step.wrt)}, rate={step.rate}{times})")

    def owned(self, over: str | list[str]) -> str:
        """Return the words for what is trained."""
        return f"[{', '.join(over)}]" if isinstance(over, list) else over

    def optimizer(self, step: Optimizer) -> None:
        """Make an optimizer."""
        words = [repr(step.kind), self.owned(step.over), f"rate={step.rate}"]
        words += [f"{name}={value}" for name in ("decay", "clip") if (value := getattr(step, name)) is not None]
        self.write(f"{step.optimizer} = model.optimizer({', '.join(words)})")

    def update(self, step: Update) -> None:
        """Take steps with an optimizer; a function leads up to each scalar."""
        losses = [step.minimize] if isinstance(step.minimize, str) else step.minimize
        names = ["loss"] if len(losses) == 1 else [f"loss_{number}" for number in range(1, len(losses) + 1)]
        for name, loss in zip(names, losses, strict=True):
            self.define(self.header(name, [], step), step, loss)
        times = f", times={step.times}" if step.times > 1 else ""
        self.write(f"model.update({', '.join([step.update, *names])}{times})")

    def parallel(self, step: Parallel) -> None:
        """Take one step on the mean over the parts."""
        self.define(self.header("loss", list(step.split), step), step, step.minimize)
        self.write(f"model.parallel({step.parallel}, {step.split}, loss, rate={step.rate})")

    def hook(self, step: Hook) -> None:
        """Hang something on a gradient."""
        self.write(f"model.hook({step.hook}, {step.times})")

    # -- loops

    def scan(self, step: Scan) -> None:
        """Carry a value from turn to turn."""
        turn = f"{step.scan}_turn"
        self.define(self.header(turn, [step.scan], step), step, step.to)
        with turns(self, step.times):
            self.write(f"{step.scan} = {turn}({step.scan})")

    def vectorize(self, step: Vectorize) -> None:
        """Map over rows."""
        over, returns = self.expression(step.over), self.expression(step.returns)
        self.write(f"{step.vectorize} = model.vectorize({over}, lambda {step.each}: {returns})")
