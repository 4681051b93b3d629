"""How much of a run is spent inside scripts, as its user feels it: `python benchmarks/overhead.py [BACKEND ...] [--runs N]`.

For each backend it gives the whole command, `canireuse run --backend BACKEND`, and prints the wall time from its start
to its end, the seconds inside scripts, what share that is, how long the framework took to import, and the processor time of
the command without its hosts; before that, the processor time of `canireuse list`, and of loading all specs. Of several runs
the median is printed, or that with the median share. Let nothing else run beside it.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import canireuse_adapters

#: runs the command and prints the processor time of this process alone: hosts are killed, not waited for, and not counted
COMMAND = """
import resource, sys
from canireuse.commands import main
try:
    main()
finally:
    own = resource.getrusage(resource.RUSAGE_SELF)
    print(own.ru_utime + own.ru_stime, file=sys.stderr)
"""


#: prints the processor time that loading all specs takes, without imports
LOADING = """
import gc, time
from canireuse.commands import OFTEN
from canireuse.commands.places import load_specs
gc.set_threshold(OFTEN)
begun = time.process_time()
load_specs(())
print(time.process_time() - begun)
"""


def processor_time(code: str, *arguments: str) -> float:
    """Return the number of seconds that a program prints at its end."""
    command = [sys.executable, "-c", code, *arguments]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603  # our own
    return float((ran.stdout + ran.stderr).split()[-1])


def measure(backend: str, folder: Path) -> tuple[float, float, float, float]:
    """Return of one run, in seconds: the whole, what was inside scripts, the import, the processor time of the command."""
    results = folder / "results.jsonl"
    results.unlink(missing_ok=True)
    command = [sys.executable, "-c", COMMAND, "run", "--backend", backend, "--results", str(results)]
    environ = {**os.environ, "COLUMNS": "120"}
    started = time.perf_counter()
    ran = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, check=False)  # noqa: S603  # our own
    whole = time.perf_counter() - started
    if ran.returncode:
        raise SystemExit(ran.stdout + ran.stderr)
    lines = [json.loads(line) for line in results.read_text(encoding="utf-8").split("\n") if line]
    scripts = sum(line["seconds"] or 0.0 for line in lines if line["kind"] == "case")
    imported = max(line["warm_up_seconds"] for line in lines if line["kind"] == "environment")
    return whole, scripts, imported, float(ran.stderr.split()[-1])


def main() -> None:
    """Print one row a backend."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("backends", nargs="*", default=canireuse_adapters.names())
    parser.add_argument("--runs", type=int, default=1)
    asked = parser.parse_args()
    for what, program in (("canireuse list", (COMMAND, "list")), ("loading all specs", (LOADING,))):
        seconds = statistics.median(processor_time(*program) for _ in range(asked.runs))
        print(f"{what}: {seconds:.2f} s of processor time")
    print(f"{'backend':12}{'share':>8}{'whole s':>10}{'scripts s':>11}{'import s':>10}{'command, cpu s':>16}")
    with tempfile.TemporaryDirectory() as folder:
        for backend in asked.backends:
            runs = sorted((measure(backend, Path(folder)) for _ in range(asked.runs)), key=lambda one: one[1] / one[0])
            whole, scripts, imported, own = runs[len(runs) // 2]
            print(
                f"{backend:12}{scripts / whole:8.2f}{whole:10.1f}{scripts:11.1f}{imported:10.1f}{own:16.1f}", flush=True
            )


if __name__ == "__main__":
    main()
