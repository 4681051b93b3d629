"""Limits: what an environment lacks is read from what is said of it, and nothing else is."""

import pytest

from canireuse.emit import Adapter
from canireuse.run.limits import limit_in, missing_package, said, unfit


class Engines(Adapter):
    """An adapter of a framework that runs on either of two others."""

    packages = ("keras", "torch", "jax", "orbax-checkpoint")
    requires = ("keras>=3.5", "torch>=2.4")
    engines = {"torch": {}, "jax": {}}
    distributions = {"orbax": "orbax-checkpoint"}


@pytest.mark.parametrize(
    ("engine", "packages", "told"),
    [
        ("torch", {"keras": "3.5.0", "torch": "2.3.1"}, "torch 2.3.1 is here, and torch>=2.4 is needed"),
        ("jax", {"keras": "3.5.0", "torch": "2.3.1"}, None),
        ("jax", {"keras": "3.4.1", "torch": "2.3.1"}, "keras 3.4.1 is here, and keras>=3.5 is needed"),
        ("torch", {"keras": "3.5.0", "torch": "2.4.0+cpu"}, None),
        ("torch", {"keras": "3.5.0"}, None),
    ],
)
def test_what_is_too_old_is_told_unless_it_does_not_run(engine, packages, told):
    why = unfit(Engines, engine, packages)
    assert why.startswith(told) if told else why is None


@pytest.mark.parametrize(
    ("name", "by", "package"),
    [
        ("orbax", "", "orbax-checkpoint"),
        ("orbax", "flax", "orbax-checkpoint"),
        ("h5py", "keras", "h5py"),
        ("h5py", "", None),  # its adapter names no such package: the script is worded wrongly
        ("torch.tying", "", None),
    ],
)
def test_a_package_that_is_missing_is_told_by_the_name_to_install(name, by, package):
    error = {"type": "ModuleNotFoundError", "message": f"No module named {name!r}", "name": name, "by": by}
    assert missing_package(error, Engines) == package


def test_little_memory_is_one_thing_and_a_little_array_another():
    assert limit_in("MemoryError") == limit_in("RuntimeError: Cannot allocate memory") == "there is too little memory"
    assert limit_in("ValueError: out of range") is None


@pytest.mark.parametrize(
    ("message", "told"),
    [
        ("the shapes differ\nin more words", "ValueError: the shapes differ"),
        ("", "ValueError"),
        (
            'in user code:\n\n    File "x", line 5, in count  *\n        v = make()\n\n    ValueError: made again\n',
            "ValueError: made again",
        ),
        ("\x1b[1mthe shapes differ\x1b[0m", "ValueError: the shapes differ"),
        (
            "Exception encountered when calling Head.call().\n\n\x1b[1m{{function_node __wrapped__MatMul}} sizes differ\x1b[0m\n\nmore",
            "ValueError: sizes differ",
        ),
        ("in user code:\n\n    cut off", "ValueError: in user code:"),
        ("no " * 100, "ValueError: " + "no " * 94 + "no ..."),
        ("\x1b[1mIn[0]: [1,5], In[1]: [3,2] [Op:MatMul] name: \x1b[0m\n", "ValueError: In[0]: [1,5], In[1]: [3,2]"),
    ],
)
def test_an_error_is_told_in_its_own_line(message, told):
    assert said({"type": "ValueError", "message": message}) == told
