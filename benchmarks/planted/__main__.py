"""Faults planted in the frameworks' own reuse code, and which specs notice them: `python -m benchmarks.planted PART`.

freeze                draw the faults anew from the versions that are installed here
run BACKEND FILE      put the frozen faults of a backend to its specs; results are appended to FILE, and a second run goes on;
                      --left puts those alone that nothing noticed in what is kept, after specs were added;
                      --on OTHER puts these to the specs on another backend of the same framework
keep FILE...          take results over into what is tracked
table                 how many of the planted faults were noticed, by backend and by kind
survivors BACKEND     the faults that no spec noticed
"""

import argparse
import json
from pathlib import Path

from benchmarks.planted import faults, kept
from benchmarks.planted.putting import ENOUGH, MOST, ROOT, Putting


def main() -> None:
    """Do the part that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=("freeze", "run", "keep", "table", "survivors"))
    parser.add_argument("given", nargs="*")
    parser.add_argument(
        "--enough", type=int, default=ENOUGH, help="specs that notice a fault, after which it is put to no more"
    )
    parser.add_argument("--most", type=int, default=MOST, help="cases that one fault is put to")
    parser.add_argument(
        "--on", metavar="OTHER", help="another backend of the same framework, to whose specs what is left is put"
    )
    parser.add_argument("--left", action="store_true", help="put what nothing noticed yet, and keep what was noticed")
    asked = parser.parse_args()
    if asked.part == "freeze":
        drawn = [fault for backend in faults.TARGETS for fault in faults.freeze(backend)]
        text = "".join(json.dumps(fault, ensure_ascii=False) + "\n" for fault in drawn)
        faults.FROZEN.write_text(text, encoding="utf-8")
    elif asked.part == "run":
        backend, path = asked.given
        noticed = kept.noticed(backend) if asked.left or asked.on else ()
        of_backend = faults.frozen(backend)
        Putting(asked.on or backend, of_backend, [ROOT / "specs"], Path(path), asked.enough, asked.most, noticed).run()
    elif asked.part == "keep":
        kept.keep(map(Path, asked.given))
    elif asked.part == "table":
        print(kept.table())
    else:
        for line in kept.survivors(asked.given[0]):
            print(line)


if __name__ == "__main__":
    main()
