"""Checkpoints of TensorFlow 1: a `Saver` goes by the names of variables, `Checkpoint` by the paths of objects."""

import ast
from typing import TYPE_CHECKING, Any

from canireuse.emit import expr
from canireuse.spec.vocabulary import Restore, Save
from canireuse_adapters.kinds import in_memory

if TYPE_CHECKING:
    from canireuse_adapters.tf1 import TensorFlow1

WHERE = "tempfile.mkdtemp() + '/model'"


def save(tf1: "TensorFlow1", step: Save) -> None:
    """Save by name, or the object."""
    by_name = tf1.way.get("restore", "saver") == "saver"
    chosen = tf1.listing(step.save)
    if step.only:
        places = [f"{step.save}.{path}" for path in step.only]
        owners = [bool((found := tf1.symbols.at(place)) and found.is_owner) for place in places]
        saved = [
            ast.Starred(tf1.listing(place), ast.Load()) if owner else tf1.in_list(place)
            for place, owner in zip(places, owners, strict=True)
        ]
        chosen = expr("[$*saved]", saved=saved)
    if step.in_memory:
        values = "[variable.numpy() for variable in $chosen]" if tf1.eager else "session.run($chosen)"
        tf1.fill(f"$to = {values}", step, chosen=chosen)
    elif by_name:
        tf1.fill(
            f"$to = tf1.train.Saver($chosen).save({'None' if tf1.eager else 'session'}, {WHERE})", step, chosen=chosen
        )
    else:
        session = "" if tf1.eager else ", session=session"
        tf1.fill(f"$to = tf1.train.Checkpoint(root=$save).save({WHERE}{session})", step)


def restore(tf1: "TensorFlow1", step: Restore) -> None:
    """Restore by name, or the object."""
    if in_memory(tf1, step):
        session = "" if tf1.eager else ", session"
        code = f"for variable, value in zip($chosen, $kept):\n    variable.load(value{session})"
        code = code.replace("load", "assign") if tf1.eager else code
        tf1.emit(code, chosen=tf1.listing(step.restore), kept=step.given_by)
        return
    if tf1.way["restore"] != "saver":
        matched = ".assert_existing_objects_matched()" if tf1.way["restore"] == "checkpoint-matched" else ""
        run = "" if tf1.eager else ".run_restore_ops(session)"
        tf1.fill(f"tf1.train.Checkpoint(root=$restore).restore($from){matched}{run}", step)
        return
    chosen = tf1.listing(step.restore)
    if step.partial:
        tf1.idiom("A Saver has no partial mode; users ask the checkpoint for its names.")
        names = tf1.own(f"{step.given_by}_names")
        tf1.fill("$names = [name for name, _ in tf1.train.list_variables($from)]", step, names=names)
        code = "[variable for variable in $chosen if variable.name.split(':')[0] in $names]"
        chosen = expr(code, chosen=chosen, names=names)
    tf1.fill(f"tf1.train.Saver($chosen).restore({'None' if tf1.eager else 'session'}, $from)", step, chosen=chosen)


CODE: dict[str, Any] = {"save": save, "restore": restore}
