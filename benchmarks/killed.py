"""What is lost of runs that are killed: `python benchmarks/killed.py [SPECS ...] [--backend NAME] [-n N] [--times 50] [--seed S]`.

Runs the specs once undisturbed, then kills such runs at random moments of that time, with SIGKILL, together with their workers, resumes each until it comes to its
end (each go on is killed at random too, with one chance in two), and compares records: all but times have to be the same, and nothing may be left, no process and no scratch folder.
At the end so many merges of two halves are killed and done again. Nothing that is known from earlier runs is used.
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from canireuse.results import records
from canireuse.results.writer import partial_of

#: what may differ between two records of a case: times, what was printed, and whether a host had to be replaced
VOLATILE = {"seconds", "output", "again"}
#: how long what was killed may take to be gone, in seconds
PATIENCE = 20.0


def main() -> int:
    """Kill runs, print what became of them, and return 1 if one came out otherwise."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("specs", nargs="*", default=["scopes", "ties"])
    parser.add_argument("--backend", default="reference")
    parser.add_argument("-n", dest="workers")
    parser.add_argument("--times", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        killing = Killing(
            Path(folder), ["--backend", given.backend, *(["-n", given.workers] if given.workers else []), *given.specs]
        )
        drawn = random.Random(given.seed)  # noqa: S311  # moments, no secrets
        wrong = [told for _ in range(given.times) if (told := killing.kill_and_resume(drawn))]
        wrong += [told for _ in range(given.times) if (told := killing.kill_a_merge(drawn))]
    print(f"{given.times} runs of {killing.seconds:.1f} s and as many merges killed, {len(wrong)} came out otherwise")
    print("killed", ", ".join(f"{when}: {count}" for when, count in killing.when.most_common()))
    print(*wrong, sep="\n")
    return int(bool(wrong))


class Killing:
    """Runs of one command in a folder, each of which is killed; the first one is not."""

    def __init__(self, folder: Path, words: list[str]) -> None:
        self.folder, self.words = folder, words
        (folder / "scratch").mkdir()
        self.environ = {**os.environ, "CANIREUSE_CACHE": "", "TMPDIR": str(folder / "scratch")}
        #: what had come of runs when they were killed
        self.when: Counter[str] = Counter()
        begun = time.monotonic()
        self.start("run", "--results", "plain.jsonl").wait()
        self.seconds = time.monotonic() - begun
        self.plain = told(folder / "plain.jsonl")

    def start(self, command: str, *words: str) -> subprocess.Popen[bytes]:
        """Start a command in a process group of its own."""
        own = self.words if command == "run" else []
        return subprocess.Popen(  # noqa: S603  # this project's own command
            [sys.executable, "-m", "canireuse", command, *own, *words], cwd=self.folder, env=self.environ,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip

    def end(self, process: subprocess.Popen[bytes], moment: float) -> bool:
        """Kill a process group at a moment; return whether it had not come to its end."""
        try:
            process.wait(moment)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            return True
        return False

    def kill_and_resume(self, drawn: random.Random) -> str:
        """Kill a run, resume it until it comes to its end, and return what is wrong then, if anything is."""
        results = self.folder / "killed.jsonl"
        results.unlink(missing_ok=True)
        moments, goes_on = [], False
        while not results.exists():
            moments.append(
                drawn.uniform(0, self.seconds) if not moments or drawn.random() < 1 / 2 else 10 * self.seconds + 60
            )
            process = self.start("run", "--results", results.name, *(["--resume"] if goes_on else []))
            if self.end(process, moments[-1]):
                partial = partial_of(results)
                goes_on = partial.is_file() and b"\n" in partial.read_bytes()
                self.when[
                    "with records"
                    if goes_on and b'{"kind":"case"' in partial.read_bytes()
                    else "with a header"
                    if goes_on
                    else "before the first line"
                ] += 1
            elif process.returncode not in {0, 1}:
                return f"{moments}: a run ended with exit code {process.returncode}"
        return self.compare(results, f"killed after {', '.join(f'{moment:.2f}' for moment in moments[:-1])} s")

    def kill_a_merge(self, drawn: random.Random) -> str:
        """Kill a merge of two halves, do it again, and return what is wrong then, if anything is."""
        halves = [f"{part}.jsonl" for part in (1, 2)]
        for part, half in enumerate(halves, 1):
            if not (self.folder / half).exists():
                self.start("run", "--results", half, "--shard", f"{part}/2").wait()
        merged = self.folder / "merged.jsonl"
        merged.unlink(missing_ok=True)
        moment = drawn.uniform(0, 2.0)
        if self.end(self.start("merge", *halves, "--output", merged.name), moment):
            self.when["while merging"] += 1
            if not merged.exists():
                self.start("merge", *halves, "--output", merged.name).wait()
        return self.compare(merged, f"a merge killed after {moment:.2f} s")

    def compare(self, results: Path, how: str) -> str:
        """Return how records differ from those of the undisturbed run, and what is left behind, if anything."""
        found = told(results)
        apart = [name for name in {*found, *self.plain} if found.get(name) != self.plain.get(name)]
        deadline = time.monotonic() + PATIENCE
        while (left := self.left()) and time.monotonic() < deadline:
            time.sleep(0.05)
        return f"{how}: {len(apart)} records are others ({apart[:3]}), left behind: {left}" if apart or left else ""

    def left(self) -> list[str]:
        """Return the scratch folders that are there, and the processes that have one."""
        folders = [path.name for path in (self.folder / "scratch").glob("canireuse-*")]
        mark = f"TMPDIR={self.folder / 'scratch'}/".encode()
        processes = []
        for environ in Path("/proc").glob("[0-9]*/environ"):
            try:
                processes += [environ.parent.name] if mark in environ.read_bytes() else []
            except OSError:  # gone, or another one's
                continue
        partials = [path.name for path in self.folder.glob("*.partial")]
        return [*folders, *processes, *partials]


def told(path: Path) -> dict[str, Any]:
    """Return what a results file says, but for times, by kind and id."""
    held = records.read([path])
    found: dict[str, Any] = {f"case {name}": one.model_dump(exclude=VOLATILE) for name, one in held.cases.items()}
    found |= {
        f"environment {name}": one.model_dump(exclude={"warm_up_seconds"}) for name, one in held.environments.items()
    }
    for kind in ("specs", "documents", "claims", "scenarios", "scripts"):
        found |= {f"{kind} {name}": one for name, one in getattr(held, kind).items()}
    verdicts = Counter(one.verdict for one in held.cases.values())
    found["complete"] = (
        held.complete,
        len(held.headers),
        held.footers[-1].cases,
        held.footers[-1].verdicts == verdicts,
    )
    return found


if __name__ == "__main__":
    sys.exit(main())
