"""Old releases: a whole model is read from a file that a release wrote which had less to write."""

from pydantic import Field

from canireuse.emit import Emitter, Tables
from canireuse.spec.features import Feature
from canireuse.spec.step import OWNERS, Name, Step


class FromOldRelease(Step):
    """Have a whole layer or module as it comes back from a file that an old release of the framework wrote."""

    verb = "from_old_release"
    binds = "copy"
    renames = "from_old_release"
    uses = {"from_old_release": OWNERS}
    from_old_release: Name
    as_: Name = Field(alias="as", description="Bind what was read.")


IN_TORCH = """\
$old = deepcopy($from_old_release)
for module in $old.modules():
    del module._non_persistent_buffers_set
file = BytesIO()
torch.save($old, file)
file.seek(0)
$as = torch.load(file, weights_only=False)
"""


def in_torch(torch: Emitter, step: FromOldRelease) -> None:
    """Pickle a module without what releases before 1.6 did not have, and load that."""
    torch.idiom(
        "A file of a release before 1.6 is made by leaving out the one attribute that its modules did not have."
    )
    torch.fill(IN_TORCH, step, old=torch.fresh("old"))


VALUES = "A file has values under their paths, and none of the library's own objects: what these hold is made anew by the release that reads it."
FEATURE = Feature(
    verbs=(FromOldRelease,),
    makes={"from_old_release": lambda symbols, step: symbols.copied(step)},
    tables={
        "reference": Tables(missing={"from_old_release": "The contract has no releases."}),
        "torch": Tables(code={"from_old_release": in_torch}),
        **{backend: Tables(missing={"from_old_release": VALUES}) for backend in ("keras", "tf2", "tensorflow1", "jax")},
    },
)
