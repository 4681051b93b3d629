"""What the reference model refuses, one exception class for each kind of refusal in the vocabulary."""


class Refusal(Exception):
    """A step that the contract does not allow; the message says what happened, what was expected, what to do."""

    def __init__(self, happened, expected, advice):
        super().__init__(f"{happened}; expected {expected}; {advice}")


class AlreadyExists(Refusal, ValueError):
    """A variable was to be created under a name that has one."""


class NotFound(Refusal, LookupError):
    """A variable was looked up under a name that has none."""


class ShapeMismatch(Refusal, ValueError):
    """Shapes do not fit each other."""


class DtypeMismatch(Refusal, TypeError):
    """Dtypes do not fit each other."""


class BadArgument(Refusal, TypeError):
    """An argument is outside what the contract knows."""


class Uninitialized(Refusal, RuntimeError):
    """A variable was read before it had a value in the session."""


class NotTrainable(Refusal, ValueError):
    """Training was asked for where nothing may be trained."""


class SharingRefused(Refusal, ValueError):
    """What is one variable was to be two."""
