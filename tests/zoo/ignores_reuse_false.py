"""A backend that looks up wherever it can, whether it was asked to or not."""

from canireuse.contract.model import AUTO, Model


class Obliging(Model):
    """Takes every scope for one of automatic reuse."""

    def scope(self, where, reuse=None, unique=False, **more):
        return super().scope(where, None if unique else reuse or AUTO, unique, **more)
