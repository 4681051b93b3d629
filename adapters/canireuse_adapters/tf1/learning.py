"""Learning in TensorFlow 1: a graph is told each step once and a session runs it; eager mode takes a tape, or a function."""

import ast
from typing import TYPE_CHECKING, Any

from canireuse.emit import Body, Fill, Lack, Unsupported, expr, node, statements
from canireuse.program import places_of
from canireuse.spec.step import Step
from canireuse.spec.vocabulary import Function, Gradient, Train, Update, walk
from canireuse_adapters.training import training_of

if TYPE_CHECKING:
    from canireuse_adapters.tf1 import TF1, TensorFlow1, TF1Eager

OPTIMIZERS = {
    "sgd": "$to = tf1.train.GradientDescentOptimizer($rate)",
    "momentum": "$to = tf1.train.MomentumOptimizer($rate, momentum=0.9)",
    "adam": "$to = tf1.train.AdamOptimizer($rate)",
}
SLOTS = "In a graph the slots of an optimizer are initialized after they are built, which a traced function leaves no place for."
LACKS = (
    Lack("optimizer", lambda _, step: step.kind == "adamw",
         "`tf1.train` has no optimizer with decoupled weight decay: AdamW was in `tf.contrib`, which TensorFlow 2 does not bring."),
    Lack("optimizer", lambda _, step: step.decay is not None and step.clip is not None,
         "`tf1.train` has no weight decay: the term that users add to the loss is clipped with the rest of its gradient."),
)  # fmt: skip
EAGER_LACKS = (
    Lack("update", lambda tf1, step: tf1.made(step.update).kind != "sgd" and any(map(tf1.in_parts, places_of(tf1.made(step.update)))),
         "In eager mode an optimizer cannot name the slots of a variable in parts, and fails."),
)  # fmt: skip
IN_GRAPH_LACKS = (
    Lack("gradient", lambda _, step: step.remat and any(inner.verb == "assign" or getattr(inner, "training", False) for inner in walk(step.steps)),
         "In a graph a write inside `tf.recompute_grad` is an operation that nothing runs; hand it out of the function and run it once."),
    *(Lack(verb, lambda tf1, step: tf1.inside and step.times > 1,
           "Operations of a traced function are built one by one; take one step a call.") for verb in ("train", "update")),
    Lack("train", lambda tf1, step: tf1.traced and step.train != "sgd", SLOTS),
    Lack("update", lambda tf1, step: tf1.traced and tf1.made(step.update).kind != "sgd", SLOTS),
)  # fmt: skip


def losses(tf1: "TensorFlow1", step: Update) -> list[ast.expr]:
    """Return the scalars that an update minimizes, with the term for weight decay."""
    optimizer = tf1.made(step.update)
    found = [tf1.expression(one) for one in step.losses]
    if optimizer.decay is not None:
        tf1.idiom("`tf1.train` has no weight decay; users add half the squares of the variables to the loss.")
        named = " if not any(word in variable.name for word in $words)" if optimizer.undecayed else ""
        code = f"$loss + $decay * tf.add_n([tf.nn.l2_loss(variable) for variable in $owned{named}])"
        fills: dict[str, Fill] = {"owned": tf1.owned(optimizer.over), "words": node(optimizer.undecayed)}
        found[0] = expr(code, loss=found[0], decay=optimizer.decay, **fills)
    return found


def applied(tf1: "TensorFlow1", step: Update, losses: list[ast.expr], several: str) -> ast.expr:
    """Return what takes a step; gradients that add up over scalars, or are clipped, are computed and applied by hand."""
    optimizer = tf1.made(step.update)
    fills: dict[str, Fill] = {
        "optimizer": step.update, "owned": tf1.owned(optimizer.over), "clip": optimizer.clip, "loss": losses[0], "scalars": losses,
        **{word: tf1.own(f"{step.update}_{word}") for word in ("gradients", "variables", "losses")},
    }  # fmt: skip
    if len(losses) == 1 and optimizer.clip is None:
        return expr("$optimizer.minimize($loss, var_list=$owned)", **fills)
    one = "$gradients, $variables = zip(*$optimizer.compute_gradients($loss, $owned))"
    tf1.emit(one if len(losses) == 1 else several, **fills)
    if optimizer.clip is not None:
        tf1.emit("$gradients, _ = tf.clip_by_global_norm($gradients, $clip)", **fills)
    return expr("$optimizer.apply_gradients(zip($gradients, $variables))", **fills)


def gradient(tf1: "TensorFlow1", step: Gradient) -> None:
    """Record on a tape, or build into the graph; what is computed again stands in a function, which takes a tensor that is no variable."""
    found = tf1.symbols.at(step.wrt)
    takes = [step.wrt] if found and found.kind == "tensor" else []
    if step.remat:
        with tf1.defining("loss", step, takes, "@tf.recompute_grad\n"):
            tf1.fill("return $of", step)
    outer, tf1.body = tf1.body, []
    if tf1.eager and found and "." not in step.wrt and (found.kind == "tensor" or not found.trainable):
        tf1.idiom("A tape watches trainable variables only; anything else is watched by a call of its own.")
        tf1.fill("tape.watch($wrt)", step)
    if not step.remat:
        tf1.steps(step.steps)
    scalar = expr("loss($*takes)", takes=takes) if step.remat else tf1.expression(step.of)
    recorded, tf1.body = tf1.body, outer
    wrt, whole = tf1.place(step.wrt), tf1.in_parts(step.wrt)
    if tf1.eager:
        tf1.emit("with tf.GradientTape() as tape:\n    $*body\n    loss = $scalar", body=recorded, scalar=scalar)
        code = "tape.gradient(loss, $wrt)"
    else:
        tf1.body += recorded
        code = "tf.gradients($scalar, $wrt)" if whole else "tf.gradients($scalar, $wrt)[0]"
    if whole:
        code, wrt = f"tf.concat({code}, axis=0)", expr("list($x)", x=wrt)
    elif tf1.is_table(step.wrt):
        code = f"tf.convert_to_tensor({code})"
    tf1.emit(f"$to = {code}", to=step.gradient, scalar=scalar, wrt=wrt)


# -- in a graph


def train_op(body: Body) -> ast.expr:
    """Return what runs the training step that statements build, with the updates of a norm."""
    names = [at for one in body for at in ast.walk(one) if isinstance(at, ast.Name) and isinstance(at.ctx, ast.Store)]
    if (count := sum(one.id == "updates" for one in names)) > 1:
        raise Unsupported("Two updates of moving averages in one run of a graph have no order; TF1 users run one.")
    return expr("[minimize, updates]" if count else "minimize")


def named(tf1: "TF1") -> str | None:
    """Return what the operation that takes a step is called; a traced function runs what it builds, and names nothing."""
    return None if tf1.inside == "function" else "minimize"


def train(tf1: "TF1", step: Train) -> None:
    """Build one optimizer step into the graph and run it as often as asked."""
    start = len(tf1.body)
    tf1.steps(step.steps)
    code = f"{OPTIMIZERS[step.train]}\n$op = optimizer.minimize($minimize, var_list=$owned)"
    tf1.fill(code, step, to="optimizer", op=named(tf1), owned=tf1.owned(step.wrt))
    op = train_op(tf1.body[start:])
    if not tf1.inside:
        if step.train != "sgd":  # plain descent keeps no slots
            tf1.emit("session.run(tf1.variables_initializer(optimizer.variables()))")
        tf1.turns(step.times, statements("session.run($op)", op=op))


def update(tf1: "TF1", step: Update) -> None:
    """Build an optimizer step into the graph and run it as often as asked; slots are initialized once."""
    start = len(tf1.body)
    tf1.steps(step.steps)
    several = "$variables = $owned\n$gradients = tf.gradients([$*scalars], $variables)"
    tf1.emit("$op = $applied", op=named(tf1), applied=applied(tf1, step, losses(tf1, step), several))
    op = train_op(tf1.body[start:])
    if tf1.inside != "step":
        initialize_slots(tf1, step)
    if not tf1.inside:
        tf1.turns(step.times, statements("session.run($op)", op=op))


def initialize_slots(tf1: "TF1", step: Update) -> None:
    """Initialize the variables that an optimizer keeps, if it does, once."""
    if tf1.made(step.update).kind == "sgd":
        return
    waiting = "$x.variables()"
    if step.update in tf1.stepped or tf1.again:
        tf1.idiom("What an optimizer keeps for a variable is initialized once; users ask which of it is not yet.")
        waiting = f"[variable for variable in {waiting} if not session.run(tf1.is_variable_initialized(variable))]"
    tf1.emit(f"session.run(tf1.variables_initializer({waiting}))", x=step.update)
    tf1.stepped.add(step.update)


# -- in eager mode


def hoisted(step: Step) -> Train | None:
    """Return the training step whose optimizer is made before a traced function: an optimizer has variables."""
    return training_of(step) if isinstance(step, Function) and step.traced else None


def eager_train(tf1: "TF1Eager", step: Train) -> None:
    """Hand the optimizer a function that computes the loss."""
    with tf1.defining("loss", step):
        tf1.fill("return $minimize", step)
    if not any(hoisted(one) is step for one in tf1.around):
        tf1.fill(OPTIMIZERS[step.train], step, to="optimizer")
    tf1.turns(step.times, statements("optimizer.minimize(loss, var_list=$owned)", owned=tf1.owned(step.wrt)))


def eager_update(tf1: "TF1Eager", step: Update) -> None:
    """Hand the optimizer a function that computes the loss; several are added up on a tape."""
    with tf1.defining("loss", step):
        found = losses(tf1, step)
        tf1.emit("return $found", found=found[0] if len(found) == 1 else node(found))
    with tf1.apart() as body:
        tape = "with tf.GradientTape() as tape:\n    $losses = loss()\n"
        several = f"{tape}$variables = $owned\n$gradients = tape.gradient($losses, $variables)"
        tf1.bind(None, applied(tf1, step, [expr("loss")] * len(found), several))
    tf1.turns(step.times, body)


CODE: dict[str, Any] = {
    "optimizer": lambda tf1, step: tf1.fill(OPTIMIZERS[step.kind], step, to=step.optimizer),
    "gradient": gradient,
}
IN_GRAPH: dict[str, Any] = {"train": train, "update": update}
EAGER: dict[str, Any] = {"train": eager_train, "update": eager_update}
