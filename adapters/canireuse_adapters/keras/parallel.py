"""Copies on another device in Keras."""

from typing import TYPE_CHECKING

from canireuse.emit import Words
from canireuse.vocabulary import Move
from canireuse_adapters.keras.checkpoints import made_anew

if TYPE_CHECKING:
    from canireuse_adapters.keras import Keras


def move(keras: "Keras", step: Move) -> None:
    """Make the object anew on another device, and hand over the values."""
    with keras.apart() as body:
        made_anew(keras, step.move, step.as_)
    where = f"{'gpu' if keras.device == 'gpu' else 'cpu'}:{step.device}"
    keras.emit("with keras.device('$where'):\n    $*body", where=where, body=body)


WORDS: Words = {"move": move}
NOTES = {
    "move": "Keras places a variable when it is made: users make the layers anew on the other device.",
}
