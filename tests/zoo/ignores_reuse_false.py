"""A backend that looks up wherever it can, whether it was asked to or not."""

from adapters.reference import Reference
from conformance.contract.model import AUTO, Model


class Obliging(Model):
    """Takes every scope for one of automatic reuse."""

    def scope(self, where, reuse=None, unique=False):
        return super().scope(where, reuse or AUTO, unique)


class IgnoresReuseFalse(Reference):
    name = title = "zoo-ignores-reuse-false"
    imports = "from conformance.contract import tape\nfrom tests.zoo.ignores_reuse_false import Obliging as Model"
