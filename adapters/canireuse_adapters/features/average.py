"""Averages: a copy of a module whose variables follow those of the module, as an exponential moving average."""

import ast
from itertools import takewhile
from typing import TYPE_CHECKING, Any

from pydantic import Field

from canireuse.emit import Emitter, Fill, Lack, Slot, Tables, Unsupported, expr, name
from canireuse.program import Object
from canireuse.spec.features import Feature
from canireuse.spec.step import OWNERS, Name, Step
from canireuse_adapters import tf2 as tensorflow2
from canireuse_adapters.equinox import checkpoints as equinox_checkpoints
from canireuse_adapters.equinox.places import around, has_shared
from canireuse_adapters.haiku import checkpoints as haiku_checkpoints
from canireuse_adapters.keras.checkpoints import copied
from canireuse_adapters.linen import structure
from canireuse_adapters.nnx.layers import ONCE, inside_function
from canireuse_adapters.tf2.layers import build, inside

if TYPE_CHECKING:
    from canireuse_adapters.equinox import Equinox
    from canireuse_adapters.haiku import Haiku
    from canireuse_adapters.keras import Keras
    from canireuse_adapters.linen import Linen
    from canireuse_adapters.nnx import NNX
    from canireuse_adapters.tf1 import TF1, TensorFlow1, TF1Eager
    from canireuse_adapters.tf2 import TF2
    from canireuse_adapters.torch import Torch


class Average(Step):
    """Make a copy of a module that keeps an exponential moving average of its variables."""

    verb = "average"
    renames = "average"
    binds = "copy"
    uses = {"average": OWNERS}
    average: Name = Field(description="A layer or module.")
    decay: float = Field(0.5, ge=0, le=1, description="What is kept of the average at each `track`.")
    as_: Name = Field(alias="as")

    @property
    def rest(self) -> float:
        """What is taken of the present values at each `track`."""
        return round(1 - self.decay, 10)


class Track(Step):
    """Move an average once towards what the module's variables hold now."""

    verb = "track"
    probes = True
    uses = {"track": OWNERS}
    track: Name = Field(description="An average bound before.")


def made_by(emitter: Emitter, step: Track) -> Average:
    """Return the step that made the average which is tracked."""
    before = takewhile(lambda one: one is not step, emitter.facts.steps)
    made = [one for one in before if isinstance(one, Average) and one.as_ == step.track]
    if not made:
        raise Unsupported(
            "Which model an average follows is known where it was made, and not of what a function returned."
        )
    return made[-1]


def keep_apart(emitter: Emitter, step: Average) -> None:
    """Have averages that are no owner of variables: each is asked for by its variable."""
    emitter.symbols.names[step.as_] = Object("average", made=step)


# -- PyTorch


def in_torch(torch: "Torch", step: Average) -> None:
    """Have an average; an `AveragedModel` holds the copy that it is made of under the name `module`."""
    torch.symbols.happen(step)
    if torch.way.get("average") == "state-dict":
        return
    found = torch.symbols.names[step.as_]
    found.slots = {part: in_module(found.slot(part)) for part in found.parts}


def in_module(slot: Slot) -> Slot:
    """Return where a part is kept in what holds its owner as `module`."""
    return slot._replace(attribute=f"module.{slot.attribute}", reads=slot.reads and f"module.{slot.reads}")


def track_in_torch(torch: "Torch", step: Track) -> None:
    """Update the averaged model, of which the first update copies, or each entry of a copy's state dict."""
    made = made_by(torch, step)
    if torch.way.get("average") == "state-dict":
        torch.emit(
            "for averaged, value in zip($to.state_dict().values(), $of.state_dict().values()):\n"
            "    averaged.mul_($decay).add_(value, alpha=$rest)",
            to=torch.place(step.track), of=torch.place(made.average), decay=made.decay, rest=made.rest,
        )  # fmt: skip
        return
    torch.fill("$track.update_parameters($of)", step, of=torch.place(made.average))


# -- TensorFlow 1


def in_graph(tf1: "TF1", step: Average) -> None:
    """Build what moves the shadows, and initialize them."""
    tf1.fill(
        "$as = tf1.train.ExponentialMovingAverage($decay)\n$update = $as.apply($held)\n"
        "session.run([$as.average(variable).initializer for variable in $held])",
        step, update=tf1.own(f"{step.as_}_update"),
    )  # fmt: skip


def track_in_graph(tf1: "TF1", step: Track) -> None:
    """Run what moves the shadows."""
    tf1.emit("session.run($update)", update=tf1.own(f"{step.track}_update"))


def track_in_eager(tf1: "TF1Eager", step: Track) -> None:
    """Move the shadows."""
    tf1.emit("$x.apply($held)", x=step.track, held=tf1.listing(made_by(tf1, step).average))


def shadow(tf1: "TensorFlow1", place: str) -> ast.expr:
    """Return the shadow of a variable."""
    first, _, rest = place.partition(".")
    if not rest:
        raise Unsupported("An ExponentialMovingAverage is no module: it is asked variable by variable, and lists none.")
    return expr("$x.average($shadowed)", x=first, shadowed=tf1.place(f"{tf1.made(first).average}.{rest}"))


def is_shadow(tf1: "TensorFlow1", step: Any) -> bool:
    """Return whether a step is to put something in the place of a shadow."""
    return isinstance(tf1.made(vars(step)[step.verb].partition(".")[0]), Average)


TENSORFLOW1: dict[str, Any] = {
    "effects": {"average": keep_apart},
    "places": {"average": shadow},
    "notes": {"average": "An average is no module in TF1: it keeps a shadow variable for each variable, and is asked by that."},
    "lacks": (
        Lack(("tie", "replace"), is_shadow, "A shadow of an ExponentialMovingAverage is no place: the attribute of a `tf.Module` is."),
        Lack("call", lambda tf1, step: isinstance(tf1.made(step.call), Average),
             "An ExponentialMovingAverage keeps values and computes nothing: users assign them to a network of their own, or restore them."),
    ),
}  # fmt: skip


# -- TensorFlow 2


def in_tf2(tf: "TF2", step: Average) -> None:
    """Make averages, which begin with what the variables hold now."""
    build(tf, inside(tf, step.average))
    tf.fill("$as = tf.train.ExponentialMovingAverage($decay)", step)
    apply(tf, step.as_, step.average)


def track_in_tf2(tf: "TF2", step: Track) -> None:
    """Move the averages once."""
    apply(tf, step.track, made_by(tf, step).average)


def apply(tf: "TF2", averages: str, of: str) -> None:
    """Hand the averages the variables: of Keras, the `tf.Variable`s that its variables hold."""
    code = "$averages.apply($of.variables)"
    if tf.is_model(tf.at(of)):
        tf.idiom(
            "`tf.train.ExponentialMovingAverage` takes a `tf.Variable`, which a Keras variable holds as its `value`."
        )
        code = "$averages.apply([variable.value for variable in $of.weights])"
    tf.emit(code, averages=averages, of=tf.place(of))


def average_of(tf: "TF2", place: str) -> ast.expr:
    """Return the average of a variable, or the averages themselves."""
    first, _, path = place.partition(".")
    if not path:
        return name(first)
    of = f"{vars(tf.at(first).made)['average']}.{path}"
    code = "$averages.average($of.value)" if tf.is_keras(tf.at(of)) else "$averages.average($of)"
    return expr(code, averages=first, of=tf.spelled(of))


# -- Keras


def in_keras(keras: "Keras", step: Average) -> None:
    """Copy what is averaged."""
    copied(keras, step.as_, step.average)


def track_in_keras(keras: "Keras", step: Track) -> None:
    """Move each variable of the copy."""
    made = made_by(keras, step)
    keras.emit(
        "for averaged, variable in zip($averages.weights, $of.weights):\n"
        "    averaged.assign($decay * averaged + $rest * variable)",
        averages=step.track, of=keras.place(made.average), decay=made.decay, rest=made.rest,
    )  # fmt: skip


# -- Flax NNX


def in_nnx(nnx: "NNX", step: Average) -> None:
    """Make an average by `nnx.EMA`, or a clone that Optax moves."""
    only = {"only": expr("nnx.Not(nnx.RngState)")} if nnx.keyed else {}
    made = "$ema = nnx.EMA($average, decay=$decay, $**only)\n$to = $ema.apply_to($average)"
    code = made if nnx.way["average"] == "ema" else "$to = nnx.clone($average)"
    nnx.fill(code, step, ema=ema_of(nnx, step.as_), only=only, to=step.as_)


def ema_of(nnx: "NNX", average: str) -> str:
    """Return the name of what moves an average."""
    return nnx.own(f"ema_of_{average}")


def averaged_in_nnx(nnx: "NNX", step: Average) -> None:
    """Note that what moves an average is given to functions as an optimizer is."""
    nnx.symbols.happen(step)
    nnx.symbols.names[ema_of(nnx, step.as_)] = Object("optimizer")


def track_in_nnx(nnx: "NNX", step: Track) -> None:
    """Move the average."""
    made = made_by(nnx, step)
    source, code = nnx.place(made.average), nnx.place(step.track)
    moved = "nnx.update($to, optax.incremental_update($now, $before, step_size=$rest))"
    nnx.emit(
        "$ema.update($source)" if nnx.way["average"] == "ema" else moved, ema=ema_of(nnx, step.track), source=source, to=code,
        now=nnx.state(source), before=nnx.state(code), rest=made.rest,
    )  # fmt: skip


# -- where the average is another tree: Flax Linen, Haiku, Equinox

COPIED = "jax.tree.map(jnp.copy, $tree)"


def in_linen(linen: "Linen", step: Average) -> None:
    """Begin an average with what the module holds."""
    structure.copied(linen, step, COPIED)


def track_in_linen(linen: "Linen", step: Track) -> None:
    """Move the average by Optax."""
    made = made_by(linen, step)
    kept, now = linen.tree_at(step.track), linen.tree_at(made.average)
    code = "$kept = optax.incremental_update($now, $kept, step_size=$rest)"
    linen.emit(code, kept=kept.name, now=now.name, rest=made.rest)
    kept.written()


def in_haiku(haiku: "Haiku", step: Average) -> None:
    """Begin an average with a copy of the tree."""
    haiku_checkpoints.derive(haiku, step, COPIED)


def track_in_haiku(haiku: "Haiku", step: Track) -> None:
    """Move the average by Optax."""
    made = made_by(haiku, step)
    owner = haiku.owner(made.average)
    new = haiku.part(haiku.entries_of(owner), haiku.nets[owner].trees[0])
    haiku.emit("$mean = optax.incremental_update($new, $mean, $rest)", mean=step.track, new=new, rest=made.rest)


def in_equinox(eqx: "Equinox", step: Average) -> None:
    """Bind the tree as it is; an average follows the tree alone, and has no state."""
    equinox_checkpoints.derive(eqx, step, "$tree", stateful=False)


def track_in_equinox(eqx: "Equinox", step: Track) -> None:
    """Move the average by Optax."""
    made = made_by(eqx, step)
    if eqx.locate(step.track).route:
        raise Unsupported("An average that became part of another tree is tracked with it.")
    found, source = eqx.tree(step.track), eqx.tree(made.average)
    if found is None or source is None or around(found) != around(source):
        raise Unsupported(
            "`optax.incremental_update` maps over two trees of one structure, and `eqx.nn.Shared` gave the model another since."
        )
    eqx.writing()
    code = "$to = optax.incremental_update($source, $to, $rest)"
    if any(map(has_shared, found.walk())):  # it has functions among its leaves
        code = (
            "$arrays, $static = eqx.partition($to, eqx.is_array)\n"
            "$to = eqx.combine(optax.incremental_update(eqx.filter($source, eqx.is_array), $arrays, $rest), $static)"
        )
    given: dict[str, Fill] = {"arrays": eqx.own("arrays"), "static": eqx.own("static"), "rest": made.rest}
    eqx.emit(code, to=step.track, source=eqx.whole(made.average), **given)


SWA = "torch.optim.swa_utils"

FEATURE = Feature(
    verbs=(Average, Track),
    tables={
        "reference": Tables(
            code={"average": "$as = model.average($average, $decay)", "track": "model.track($track)"},
        ),
        "torch": Tables(
            code={
                "average/state-dict": "$as = deepcopy($average)",
                "average": f"$as = {SWA}.AveragedModel($average, multi_avg_fn={SWA}.get_ema_multi_avg_fn($decay))",
                "track": track_in_torch,
            },
            effects={"average": in_torch},
            ways={"average": ("averaged-model", "state-dict")},
            lacks=(
                Lack(
                    "average", lambda torch, step: not (found := torch.symbols.at(step.average)) or not found.is_owner,
                    "An `AveragedModel` is made of a module; what a function returned here may be anything.",
                ),
            ),
        ),
        "tf1": Tables(
            code={"average": in_graph, "track": track_in_graph},
            **{**TENSORFLOW1, "lacks": (
                *TENSORFLOW1["lacks"],
                Lack("track", lambda tf1, _: tf1.traced, "A traced function builds operations: `track` is for the session outside."),
            )},
        ),
        "tf1-eager": Tables(
            code={"average": "$as = tf1.train.ExponentialMovingAverage($decay)\n$as.apply($held)", "track": track_in_eager},
            **TENSORFLOW1,
        ),
        "tf2": Tables(
            code={"average": in_tf2, "track": track_in_tf2},
            effects={"average": keep_apart},
            places={"average": average_of},
            lacks=tuple(
                Lack(
                    verb, tensorflow2.uses("average"),
                    "A `tf.train.ExponentialMovingAverage` keeps averages of variables, each asked for by its variable; "
                    f"it is no model that could be {asked}.",
                )
                for verb, asked in tensorflow2.MODELS_ALONE.items()
            ),
        ),
        "keras": Tables(
            code={"average": in_keras, "track": track_in_keras},
            notes={"average": "A copy whose variables follow is moved by hand: Keras's own average lives inside an optimizer, for `fit`."},
        ),
        "nnx": Tables(
            code={"average": in_nnx, "track": track_in_nnx},
            effects={"average": averaged_in_nnx},
            lacks=(Lack("average", inside_function, ONCE),),
            ways={"average": ("ema", "incremental-update")},
            since={"nnx.EMA": "flax>=0.12.8"},
        ),
        "linen": Tables(
            code={"average": in_linen, "track": track_in_linen},
            notes={"average": "The average is a second tree, which `optax.incremental_update` moves."},
        ),
        "haiku": Tables(code={"average": in_haiku, "track": track_in_haiku}),
        "equinox": Tables(
            code={"average": in_equinox, "track": track_in_equinox},
            notes={"average": "Arrays never change, so the model as it is now is a copy of it already."},
        ),
    },
)  # fmt: skip
