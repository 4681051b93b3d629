"""Stub libraries: a CUDA build of PyTorch imports only where NVIDIA's libraries are, though it needs none of them on a CPU.

Each library that is missing is compiled from the symbols that the others want of it, with their versions; every function
returns 1, an error to whoever calls it, so that no device is found; one that words an error returns an empty text.
"""

import re
import subprocess
import tempfile
from collections import defaultdict
from pathlib import Path

Symbols = dict[str, set[str]]


def stub_what_is_missing(folder: Path) -> None:
    """Compile every library that those in the folder need and nobody has, into the folder."""
    libraries = sorted(folder.glob("*.so*"))
    here = {path.name for path in libraries}
    wanted = {name for path in libraries for name in needed(path)}
    missing = sorted(name for name in wanted - here if not on_the_system(name))
    symbols: dict[str, Symbols] = {name: defaultdict(set) for name in missing}
    defined = {symbol for path in libraries for symbol in defined_in(path)}
    for path in libraries:
        for name, version, symbol in undefined_in(path):
            if name in symbols:
                symbols[name][version].add(symbol)
            elif not name and missing and symbol not in defined and symbol.startswith(("cu", "nccl", "nvrtc", "nvtx")):
                symbols[missing[0]][""].add(symbol)  # without a version, whichever library has it will do
    for name in missing:
        compile_stub(folder / name, symbols[name])


def readelf(path: Path, *options: str) -> str:
    """Return what readelf says of a library."""
    return subprocess.run(["readelf", "-W", *options, path], capture_output=True, text=True, check=True).stdout  # noqa: S603, S607  # of binutils


def needed(path: Path) -> list[str]:
    """Return the names of the libraries that a library needs."""
    return re.findall(r"\(NEEDED\).*\[(.+)\]", readelf(path, "-d"))


def on_the_system(name: str) -> bool:
    """Return whether the system's linker finds a library."""
    known = subprocess.run(["/sbin/ldconfig", "-p"], capture_output=True, text=True, check=True).stdout  # of libc
    return f"\t{name} " in known


def undefined_in(path: Path) -> list[tuple[str, str, str]]:
    """Return the library, the version and the name of each symbol that a library wants of others; the first two may be empty."""
    library, owners = "", {}
    for line in readelf(path, "-V").splitlines():
        if found := re.search(r"File: (\S+)", line):
            library = found[1]
        elif found := re.search(r"Name: (\S+)\s+Flags: .*Version: (\d+)", line):
            owners[found[1], found[2]] = library
    wanted = re.findall(r"GLOBAL\s+DEFAULT\s+UND (\w+)(?:@(\S+) \((\d+)\))?", readelf(path, "--dyn-syms"))
    return [(owners.get((version, number), ""), version, symbol) for symbol, version, number in wanted]


def defined_in(path: Path) -> set[str]:
    """Return the C symbols that a library has."""
    return set(re.findall(r"(?:GLOBAL|WEAK)\s+DEFAULT\s+\d+ ((?:cu|nccl|nv)\w+)", readelf(path, "--dyn-syms")))


def function(symbol: str) -> str:
    """Return the C code of a function."""
    if symbol.endswith(("String", "Name")):
        return f'const char *{symbol}(void) {{ return ""; }}\n'
    return f"int {symbol}(void) {{ return 1; }}\n"


def compile_stub(path: Path, symbols: Symbols) -> None:
    """Compile a library of functions that return 1."""
    with tempfile.TemporaryDirectory() as name:
        code, script = Path(name) / "stub.c", Path(name) / "stub.map"
        every = sorted(set().union(*symbols.values()))
        code.write_text("".join(map(function, every)), encoding="utf-8")
        blocks = [
            f"{version} {{ global: {' '.join(f'{one};' for one in sorted(those))} }};\n"
            for version, those in symbols.items()
            if version
        ]
        script.write_text("".join(blocks), encoding="utf-8")
        versions = [f"-Wl,--version-script={script}"] if blocks else []
        command = ["gcc", "-shared", "-fPIC", "-w", "-fno-builtin", f"-Wl,-soname,{path.name}", *versions]
        subprocess.run([*command, "-o", path, code], check=True)  # noqa: S603  # our own
