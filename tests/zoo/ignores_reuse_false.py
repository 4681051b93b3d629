"""A backend that looks up wherever it can, whether it was asked to or not."""

from canireuse.contract.model import AUTO, Model
from canireuse_adapters.reference import Reference


class Obliging(Model):
    """Takes every scope for one of automatic reuse."""

    def scope(self, where, reuse=None, unique=False):
        return super().scope(where, reuse or AUTO, unique)


class IgnoresReuseFalse(Reference):
    name = title = "zoo-ignores-reuse-false"
    imports = "from canireuse.contract import tape\nfrom tests.zoo.ignores_reuse_false import Obliging as Model"
