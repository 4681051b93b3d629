"""The contract, executable: the backend `reference`, in pure Python and without a framework.

`model` holds variables, scopes, sessions and graphs; `tape` expressions and their gradients; `arrays`
the numbers; `ownership` layers and modules; `optimizers` one step of each; `refusals` the errors.
"""

from canireuse.contract import tape
from canireuse.contract.model import Model

__all__ = ["Model", "tape"]
