"""Registration of the user's own: a class that notes what is registered, and reads files that it wrote when it had another layout."""

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from canireuse.emit import Tables
from canireuse.spec.features import Feature
from canireuse.spec.step import Name, Step

if TYPE_CHECKING:
    from canireuse_adapters.torch import Torch


class NoteBuffers(Step):
    """Put one buffer under two names of a module whose class has a method of its own to register buffers, from before buffers could be left out of files.

    Bound are how many buffers that noted, how many the module lists, and how many are in its state.
    """

    verb = "note_buffers"
    binds = "tensor"
    bound_by = "note_buffers"
    note_buffers: Name


class ReadVersion(Step):
    """Write a layer of the user's own, which a module has under two names, in a version of its class, and read it by the class as it is: version 2.

    In version 1 a file has half of what the layer multiplies by, which is 4. Bound is what it multiplies by after reading.
    """

    verb = "read_version"
    binds = "tensor"
    bound_by = "read_version"
    read_version: Name
    written_by: Literal[1, 2] = Field(description="The version of the class that wrote the file.")


NOTE = """\
class $word(nn.Module):
    def __init__(self):
        super().__init__()
        self.noted = []
    def register_buffer(self, name, tensor):
        self.noted.append(name)
        super().register_buffer(name, tensor)
net = $word()
net.first = nn.Buffer(torch.ones(1))
net.second = net.first
$note_buffers = torch.tensor([len(net.noted), len(list(net.buffers())), len(net.state_dict())])
"""
READ = """\
class $word(nn.Module):
    _version = 2
    def __init__(self):
        super().__init__()
        self.factor = nn.Parameter(torch.ones(1))
    def _load_from_state_dict(self, state, prefix, local_metadata, *arguments):
        if local_metadata.get('version', 1) < 2:
            state[prefix + 'factor'] = 2 * state[prefix + 'factor']
        super()._load_from_state_dict(state, prefix, local_metadata, *arguments)
net = nn.Module()
net.first = net.second = $word()
$*written
file = BytesIO()
torch.save(net.state_dict(), file)
net.first._version = 2
file.seek(0)
net.load_state_dict(torch.load(file))
$read_version = net.second.factor.detach()
"""
WRITTEN = {
    1: "net.first._version = 1\nnn.init.constant_(net.first.factor, 2.0)",
    2: "nn.init.constant_(net.first.factor, 4.0)",
}


def note_in_torch(torch: "Torch", step: NoteBuffers) -> None:
    """Write the class, and assign the buffer to two attributes."""
    torch.fill(NOTE, step, word=torch.fresh("Noting"))


def read_in_torch(torch: "Torch", step: ReadVersion) -> None:
    """Write the class with its version, and a file of that version or of the one before."""
    torch.fill(READ.replace("$*written", WRITTEN[step.written_by]), step, word=torch.fresh("Scaled"))


VERBS = ("note_buffers", "read_version")
NO_CLASS = "The contract does not cover classes that a user derives from a framework's."
NO_METHOD = "{} is noted where it is assigned or made, by no method that a class could have of its own, and what is read from a file has no version of a class."
FEATURE = Feature(
    verbs=(NoteBuffers, ReadVersion),
    tables={
        "reference": Tables(missing=dict.fromkeys(VERBS, NO_CLASS)),
        "torch": Tables(code={"note_buffers": note_in_torch, "read_version": read_in_torch}),
        **{backend: Tables(missing=dict.fromkeys(VERBS, NO_METHOD.format("A variable"))) for backend in ("keras", "tf2", "tensorflow1")},
        "jax": Tables(missing=dict.fromkeys(VERBS, NO_METHOD.format("A leaf of a tree"))),
    },
)  # fmt: skip
