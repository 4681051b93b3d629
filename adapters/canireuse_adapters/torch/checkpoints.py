"""Copies and checkpoints in PyTorch: by deep copy, pickle, state dict and safetensors."""

import copy

from canireuse.translation import Unsupported
from canireuse.vocabulary import Copy, Restore, Save
from canireuse_adapters.torch.owners import TorchOwners


class TorchCheckpoints(TorchOwners):
    """Words copying, saving and restoring."""

    def copy(self, step: Copy) -> None:
        """Copy as Python does, or through a pickle."""
        thing = self.find(step.copy_)
        if thing:
            self.things[step.as_] = copy.copy(thing) if step.shallow else copy.deepcopy(thing)
        if self.way.get("copy") != "pickle":
            word = "copy" if step.shallow else "deepcopy"
            self.import_first(f"from copy import {word}")
            self.write(f"{step.as_} = {word}({step.copy_})")
            return
        if step.shallow:
            raise Unsupported("A pickle holds all that is inside: nothing of a copy made from one is shallow.")
        self.check_pickled(step.copy_)
        self.import_first("from io import BytesIO")
        file = self.free("file")
        self.write(f"{file} = BytesIO()")
        self.write(f"torch.save({step.copy_}, {file})")
        self.write(f"{file}.seek(0)")
        self.write(f"{step.as_} = torch.load({file}, weights_only=False)")

    def check_pickled(self, place: str) -> None:
        """Refuse to pickle what has a parametrization."""
        thing = self.find(place)
        if thing and any(one.reads and one.kind != "packed" for one in thing.walk()):
            raise Unsupported("PyTorch does not pickle a module with a parametrization: save its state dict.")

    # -- checkpoints

    def save(self, step: Save) -> None:
        """Save the state dict, or the whole module where it is to be unpickled."""
        way = self.way.get("restore", "load_state_dict")
        state = self.part_of_state(step, way) if step.only else f"{step.save}.state_dict()"
        if way.startswith("safetensors"):
            self.import_first("import tempfile")
            self.further.add("import safetensors.torch")
            self.write(f"{step.to} = f'{{tempfile.mkdtemp()}}/model.safetensors'")
            saving = f"save_model({step.save}" if way == "safetensors-model" else f"save_file({state}"
            self.write(f"safetensors.torch.{saving}, {step.to})")
            return
        if way == "unpickle":
            self.check_pickled(step.save)
        self.import_first("from io import BytesIO")
        self.write(f"{step.to} = BytesIO()")
        self.write(f"torch.save({step.save if way == 'unpickle' else state}, {step.to})")

    def part_of_state(self, step: Save, way: str) -> str:
        """Return the words for a state dict of some paths alone."""
        if way in {"unpickle", "safetensors-model"}:
            raise Unsupported("This way saves the whole module: a part of it is a part of its state dict.")
        self.idiom("A part of a module is saved by picking entries of its state dict.")
        parts = []
        for path in step.only:
            place = self.place(f"{step.save}.{path}")
            key = place.removeprefix(f"{step.save}.")
            thing = self.find(f"{step.save}.{path}")
            owner = thing is not None and thing.kind in {"layer", "sequence", "module"}
            parts.append(f"**{place}.state_dict(prefix='{key}.')" if owner else f"{key!r}: {place}")
        return f"{{{', '.join(parts)}}}"

    def restore(self, step: Restore) -> None:
        """Load a state dict into the module, or bind the name to an unpickled module."""
        way = self.way.get("restore", "load_state_dict")
        options = ", assign=True" if way == "load_state_dict-assign" else ""
        options += ", strict=False" if step.partial else ""
        if way == "safetensors-model":
            self.write(f"safetensors.torch.load_model({step.restore}, {step.given_by}{options})")
            return
        if way == "safetensors-file":
            loaded = f"safetensors.torch.load_file({step.given_by})"
            self.write(f"{step.restore}.load_state_dict({loaded}{options})")
            return
        self.write(f"{step.given_by}.seek(0)")
        if way != "unpickle":
            self.write(f"{step.restore}.load_state_dict(torch.load({step.given_by}){options})")
            return
        if step.partial:
            raise Unsupported("What is unpickled is the saved module itself: no variable of it can be missing.")
        self.write(f"{step.restore} = torch.load({step.given_by}, weights_only=False)")
