"""What an interpreter has installed, as JSON on the standard output; run by path, on Python 3.7 too, and it imports no package.

Metadata alone are read: a framework takes seconds to import, and all that this tells takes a tenth of one.
"""

import glob
import hashlib
import json
import os
import re
import sys


def requirement(text):
    """Return the normalized name of the distribution that a requirement asks for; None where an extra asks for it."""
    if re.search(r"\bextra\s*==", text):
        return None
    name = re.match(r"[A-Za-z0-9._-]*", text.strip()).group()
    return normalized(name) or None


def normalized(name):
    """Return the name of a distribution as PEP 503 has it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def headers(path):
    """Yield the headers of a file of metadata, each as its name and what it says."""
    with open(path, encoding="utf-8", errors="replace") as file:
        for line in file:
            if not line.strip():
                return
            name, colon, said = line.partition(":")
            if colon and not line[0].isspace():
                yield name, said.strip()


def read(path):
    """Return the text of a file, empty where it is not here."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def content(folder):
    """Return the digest of the files that were installed from a place of one's own, where a version says little."""
    lines = [
        line
        for line in read(os.path.join(folder, "RECORD")).splitlines()
        if not line.startswith("..") and ".dist-info/" not in line and "__pycache__" not in line
    ]
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()


def distribution(folder):
    """Return the name of an installed distribution, and what is to know of it: version, what it requires, whether it can change unnoticed."""
    told = list(headers(os.path.join(folder, "METADATA")))
    requires = [requirement(said) for name, said in told if name == "Requires-Dist"]
    came_from = read(os.path.join(folder, "direct_url.json"))
    said = dict(told)
    return normalized(said.get("Name", "")), {
        "version": said.get("Version", ""),
        "requires": sorted({name for name in requires if name}),
        "content": content(folder) if came_from else "",
        "changes": re.search(r'"editable":\s*true', came_from) is not None,
    }


def egg(path):
    """Return the same of a distribution that setuptools installed: a folder of metadata, or a file of them."""
    in_folder = os.path.isdir(path)
    said = dict(headers(os.path.join(path, "PKG-INFO") if in_folder else path))
    usual = read(os.path.join(path, "requires.txt")).partition("[")[0].split("\n")
    return normalized(said.get("Name", "")), {
        "version": said.get("Version", ""),
        "requires": sorted({name for name in map(requirement, usual) if name}),
        "content": "",
        # a folder of metadata beside sources that are worked on has no list of what was installed
        "changes": in_folder and not os.path.exists(os.path.join(path, "installed-files.txt")),
    }


def distributions(folders):
    """Return what is installed in folders, by name; of two of one name the one that is imported."""
    found = {}
    for folder in folders:
        paths = [os.path.join(folder, entry) for entry in sorted(os.listdir(folder))] if os.path.isdir(folder) else []
        for path in paths:
            try:
                if path.endswith(".dist-info"):
                    name, known = distribution(path)
                elif path.endswith(".egg-info"):
                    name, known = egg(path)
                else:
                    continue
            except OSError:  # metadata that are not here, or not ours to read
                continue
            found.setdefault(name, known)
    return found


def gpus():
    """Return the NVIDIA GPUs and the driver's version, as the driver tells them without being asked for one."""
    cards = [
        re.search(r"Model:\s*(.*)", read(path)) for path in sorted(glob.glob("/proc/driver/nvidia/gpus/*/information"))
    ]
    return [read("/proc/driver/nvidia/version").partition("\n")[0], *(card.group(1) for card in cards if card)]


def main():
    """Print what is installed, and on what machine."""
    import host  # the words of its own environment, which a record has too

    folders = [path for path in sys.path if path and path != os.path.dirname(os.path.abspath(__file__))]
    processor = re.search(r"model name\s*:\s*(.*)", read("/proc/cpuinfo"))
    told = {
        "implementation": sys.version,
        "machine": host.environment([]),
        "processor": processor.group(1) if processor else "",
        "gpus": gpus(),
        "distributions": distributions(folders),
    }
    json.dump(told, sys.stdout)


if __name__ == "__main__":
    main()
