"""A backend that hands out a copy where a variable is looked up."""

from canireuse.contract import Model


class Copying(Model):
    """Looks up, and makes another variable of what it finds."""

    def _get(self, *given):
        before = len(self.now.cells)
        found = super()._get(*given)
        return found if len(self.now.cells) > before else self._twin(found)
