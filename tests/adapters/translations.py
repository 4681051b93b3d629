"""Translations: what each backend of a checkout makes of each of its specs, in each way and for each device.

Run as a file, with the folder of a checkout, it prints them as JSON: that of another revision runs on the packages of that revision.
"""

import json
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import canireuse_adapters
from canireuse.emit import Adapter, Unsupported
from canireuse.program.loader import load_all
from canireuse.spec.model import Spec

#: backend -> the versions of an older edition of its framework, whose results stand in docs/tensorflow-1.15.md
EDITIONS = {"tf1": {"tensorflow": "1.15.5", "numpy": "1.18.5"}}


def entry_points(root: Path) -> dict[str, str]:
    """Return the backends that a checkout offers, each with where its class is."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    points: dict[str, str] = project["entry-points"]["canireuse.adapters"]
    return points


def pinned(root: Path) -> dict[str, str]:
    """Return package -> the version that a checkout is tested with."""
    lines = (root / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return dict(line.split("==") for line in lines if "==" in line)


def translations(root: Path) -> Iterator[dict[str, Any]]:
    """Yield every translation of a checkout; of a device and an edition beside the usual ones, only what differs."""
    versions, specs = pinned(root), load_all([root / "specs"])
    for backend in entry_points(root):
        adapter = canireuse_adapters.adapter(backend)
        for located in specs:
            for way in adapter.ways_of(located.spec):
                case = {"spec": located.id, "backend": backend, "way": way, "device": "cpu"}
                usual = translation(adapter, case, versions, located.spec)
                yield {**case, **usual}
                others = [({**case, "device": "gpu"}, versions)]
                if older := EDITIONS.get(backend):
                    others.append(({**case, "way": {**way, "edition": adapter.edition(older)}}, older))
                for other, there in others:
                    if (made := translation(adapter, {**other, "way": way}, there, located.spec)) != usual:
                        yield {**other, **made}


def translation(
    adapter: type[Adapter], case: Mapping[str, Any], versions: Mapping[str, str], spec: Spec
) -> dict[str, Any]:
    """Return the script of a case with what is known of it, or the sentence with which it is refused."""
    try:
        script = adapter(case["device"], case["way"], versions).translate(spec)
    except Unsupported as refusal:
        return {"refusal": str(refusal)}
    except Exception as error:
        error.add_note(f"raised while {case['backend']} translated {case['spec']}, {case['way']}, {case['device']}")
        raise
    return {
        "script": script.text,
        "idioms": list(script.idioms),
        "one_place": list(script.one_place),
    }


if __name__ == "__main__":
    json.dump([*translations(Path(sys.argv[1]))], sys.stdout)
