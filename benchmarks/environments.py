"""The environments in which faults are recorded: `faults.py` makes them, each a folder with an interpreter.

The usual environment is one that has every framework. Others are its packages, linked, without some, and with others laid over
by pip; or what pip installs into an empty one. Some come with a prelude in shell, for limits and disks.
"""

import json
import shlex
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from stubs import stub_what_is_missing

#: prints the entries of site-packages of each distribution, and where they are
ENTRIES = """
import json, sysconfig
from importlib import metadata
place = sysconfig.get_paths()["purelib"]
tops = {
    one.metadata["Name"].lower().replace("_", "-"): sorted({str(path).split("/")[0] for path in one.files or ()})
    for one in metadata.distributions(path=[place])
}
print(json.dumps([place, tops]))
"""
VERSION = "import sys\nfrom importlib import metadata\nprint(metadata.version(sys.argv[1]))"
#: what is mounted in a namespace of its own does not stay
MOUNTED = 'exec unshare --mount sh -c \'{} && exec "$0" "$@"\' {{python}} "$@"'


@dataclass(frozen=True)
class Environment:
    """How an environment is made.

    `how` tells it to readers. `hides` names distributions that the usual environment has and this one has not; `installs` what pip lays
    over, without dependencies, or with them where `whole` says that nothing of the usual environment is in it. `stubs` puts empty
    libraries where a CUDA build looks for NVIDIA's. `prelude` is the shell that starts the interpreter. `names` are packages
    whose versions matter beside those that the adapter records.
    """

    how: str
    hides: tuple[str, ...] = ()
    installs: tuple[str, ...] = ()
    whole: bool = False
    stubs: bool = False
    prelude: str = ""
    names: tuple[str, ...] = ()


def without(*packages: str) -> Environment:
    """Return the usual environment without some packages."""
    return Environment(f"the usual environment without {' and '.join(packages)}, as if never installed", hides=packages)


def over(*installs: str, also: str = "", **more: object) -> Environment:
    """Return the usual environment with other versions laid over it."""
    hidden = tuple(one.partition("==")[0] for one in installs)
    return Environment(
        f"the usual environment with {' and '.join(installs)} from PyPI in place of its own{also}", hides=hidden,
        installs=installs, names=hidden, **more,  # type: ignore[arg-type]  # fields of the class
    )  # fmt: skip


STUBBED = ", the CUDA build; NVIDIA's libraries are empty stubs, since there is no GPU"
ENVIRONMENTS = {
    "usual": Environment("every framework in its newest version"),
    "without-safetensors": without("safetensors"),
    "without-onnx": without("onnx"),
    "without-h5py": without("h5py"),
    "without-optax": without("optax"),
    "without-orbax": without("orbax-checkpoint"),
    "without-tensorflow": without("tensorflow"),
    "without-torch": without("torch"),
    "without-jax": without("jax"),
    "without-jaxlib": without("jaxlib"),
    "without-keras": without("keras"),
    "without-numpy": without("numpy"),
    "without-ml-dtypes": without("ml-dtypes"),
    "torch-2.4.1": over("torch==2.4.1", also=STUBBED, stubs=True),
    "torch-2.6.0": over("torch==2.6.0", also=STUBBED, stubs=True),
    "torch-2.4.1-without-cuda": over("torch==2.4.1", also=", the CUDA build, and no library of NVIDIA's"),
    "torch-2.2.2": over("torch==2.2.2", also=STUBBED, stubs=True),
    "flax-0.10.2": over(
        "flax==0.10.2", "jax==0.4.36", "jaxlib==0.4.36", "optax==0.2.4", "orbax-checkpoint==0.10.2", "chex==0.1.88", "toolz==1.0.0", "nest-asyncio==1.6.0", "numpy==2.1.3",
        "ml-dtypes==0.5.0", "tensorstore==0.1.71", also=", the versions of December 2024",
    ),
    "flax-0.11.2": over("flax==0.11.2", "jax==0.7.2", "jaxlib==0.7.2"),
    "flax-0.10.2-on-new-jax": over("flax==0.10.2"),
    "flax-on-jax-0.4.36": over("jax==0.4.36", "jaxlib==0.4.36"),
    "haiku-0.0.12": over("dm-haiku==0.0.12"),
    "keras-3.5.0": over("keras==3.5.0"),
    "numpy-1.26.4": over("numpy==1.26.4"),
    "protobuf-3.20.3": over("protobuf==3.20.3"),
    "tensorflow-2.16.2": Environment(
        "tensorflow 2.16.2 from PyPI with what it requires, and nothing else", installs=("tensorflow==2.16.2",), whole=True,
        names=("keras", "numpy"),
    ),
    "tensorflow-2.15.1": Environment(
        "tensorflow 2.15.1 from PyPI with what it requires, and nothing else", installs=("tensorflow==2.15.1",), whole=True,
        names=("keras", "numpy"),
    ),
    "empty": Environment("an environment without any package", whole=True),
    "small-memory": Environment(
        "the usual environment with 3 GB of address space (ulimit -v)", prelude='ulimit -v 3000000; exec {python} "$@"'
    ),
    "tiny-memory": Environment(
        "the usual environment with 400 MB of address space (ulimit -v)", prelude='ulimit -v 400000; exec {python} "$@"'
    ),
    "memory-guard": Environment(
        "the usual environment where a process with more than 1.2 GB in use is sent SIGKILL, as containers do",
        prelude="(while sleep 0.1 && read _ used _ < /proc/$$/statm && [ $used -gt 0 ]; do [ $used -lt 300000 ] || kill -KILL $$; done) "
        '> /dev/null 2>&1 & exec {python} "$@"',
    ),
    "old-processor": Environment(
        "the usual environment where the import is sent SIGILL, as by a processor that lacks an instruction",
        prelude='(sleep 1; kill -ILL $$) > /dev/null 2>&1 & exec {python} "$@"',
    ),
    "stopped": Environment(
        "the usual environment where the import is stopped (SIGSTOP), as by a disk that does not answer",
        prelude='(sleep 1; kill -STOP $$) > /dev/null 2>&1 & exec {python} "$@"',
    ),
    "few-files": Environment(
        "the usual environment with 6 open files at most (ulimit -n)", prelude='ulimit -n 6; exec {python} "$@"'
    ),
    "full-disk": Environment(
        "the usual environment where the temporary folder is on a disk of 16 kB",
        prelude=f"export TMPDIR={{folder}}; {MOUNTED.format('mount -t tmpfs -o size=16k none {folder}')}",
    ),
    "read-only-disk": Environment(
        "the usual environment where the whole disk is mounted read-only, as in some containers",
        prelude=MOUNTED.format("mount -o remount,bind,ro /"),
    ),
    "no-permission": Environment(
        "the usual environment without rights to write where TMPDIR leads",
        prelude="chmod 555 {folder}; export TMPDIR={folder}; "
        'exec setpriv --inh-caps=-all --bounding-set=-dac_override,-dac_read_search {python} "$@"',
    ),
}  # fmt: skip


def make(name: str, folder: Path, usual: Path) -> Path:
    """Make an environment in the folder unless it is there, and return its interpreter."""
    environment, place = ENVIRONMENTS[name], folder / name
    if name == "usual":
        return usual
    done = place / "done"
    if not done.exists():
        subprocess.run([usual, "-m", "venv", "--without-pip", "--clear", place], check=True)  # noqa: S603  # our own
        packages = next(place.glob("lib/python*/site-packages"))
        if not environment.whole:
            link(packages, usual, environment.hides)
        install(place, packages, environment, folder / "wheels")
        done.touch()
    python = place / "bin" / "python"
    return started_by(environment.prelude, place, python) if environment.prelude else python


def link(packages: Path, usual: Path, hides: tuple[str, ...]) -> None:
    """Link what the usual environment has, without the distributions that are hidden; files with paths would lead back to it."""
    place, tops = entries(usual)
    hidden = {top for name in hides for top in tops.get(name, ())} | {"__pycache__"}
    for entry in place.iterdir():
        if entry.name not in hidden and entry.suffix != ".pth":
            (packages / entry.name).symlink_to(entry)


def install(place: Path, packages: Path, environment: Environment, wheels: Path) -> None:
    """Have pip install what the environment says; one without dependencies lies beside links that pip must not follow."""
    if not environment.installs:
        return
    pip = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        place / "bin" / "python",
        "install",
        "--quiet",
        "--find-links",
        wheels,
    ]
    alone = [] if environment.whole else ["--no-deps"]
    subprocess.run([*pip, *alone, *environment.installs], check=True)  # noqa: S603  # versions from the table above
    if environment.stubs:
        stub_what_is_missing(packages / "torch" / "lib")


def started_by(prelude: str, place: Path, python: Path) -> Path:
    """Write the shell script that starts the interpreter, and return it."""
    disk, script = place / "disk", place / "bin" / "started"
    disk.mkdir(exist_ok=True)
    words = prelude.replace("{folder}", shlex.quote(str(disk))).replace("{python}", shlex.quote(str(python)))
    script.write_text(f"#!/bin/sh\n{words}\n", encoding="utf-8")
    script.chmod(0o755)
    return script


@cache
def entries(usual: Path) -> tuple[Path, dict[str, list[str]]]:
    """Return where the usual environment has its packages, and which entries each distribution has there."""
    ran = subprocess.run([usual, "-c", ENTRIES], capture_output=True, text=True, check=True)  # noqa: S603  # our own
    place, tops = json.loads(ran.stdout)
    return Path(place), tops


@cache
def version_of(name: str, python: Path) -> str | None:
    """Return the version of a package in an environment, or of its Python, None if it is not there."""
    code = "import platform; print(platform.python_version())" if name == "python" else VERSION
    plain = python.with_name("python")  # without what limits it
    ran = subprocess.run([plain, "-c", code, name], capture_output=True, text=True, check=False)  # noqa: S603  # our own
    return ran.stdout.strip() or None
