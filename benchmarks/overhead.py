"""How much of a run is spent inside scripts: `python benchmarks/overhead.py [BACKEND ...]`.

For each backend it runs every spec once on a warm host, one after another, and prints the seconds
inside scripts over the seconds of the whole run after imports, and what the rest is.
"""

import sys
import time
from dataclasses import dataclass, fields

import canireuse_adapters
from canireuse.cases import plan
from canireuse.commands.places import load_specs
from canireuse.hosts import Host
from canireuse.judge import judge
from canireuse.translation import Unsupported


@dataclass
class Spent:
    """Seconds of one backend's run."""

    scripts: float = 0.0
    translating: float = 0.0
    judging: float = 0.0
    host: float = 0.0  # the pipe, and putting back what the framework keeps globally


def measure(backend: str) -> tuple[Spent, int, float]:
    """Return where the time went, how many scripts ran, and the whole time after imports, in seconds."""
    specs = load_specs(())
    host = Host(canireuse_adapters.adapter(backend), device="cpu")
    absent = host.ready()
    if absent:
        raise SystemExit(absent)
    packages, spent, scripts = host.environment["packages"], Spent(), 0
    started = time.perf_counter()
    for case in plan(specs, [backend]):
        begin = time.perf_counter()
        try:
            script = case.adapter("cpu", case.way, packages).translate(case.located.spec)
        except Unsupported:
            spent.translating += time.perf_counter() - begin
            continue
        translated = time.perf_counter()
        outcome = host.run(script, f"<{case.located.id}>")
        ran = time.perf_counter()
        judge(case.located.spec, backend, case.adapter, case.way, outcome, packages)
        spent.translating += translated - begin
        spent.scripts += outcome.seconds or 0.0
        spent.host += ran - translated - (outcome.seconds or 0.0)
        spent.judging += time.perf_counter() - ran
        scripts += 1
    whole = time.perf_counter() - started
    host.stop()
    return spent, scripts, whole


def main() -> None:
    """Print one row a backend."""
    names = [field.name for field in fields(Spent)]
    print(f"{'backend':12}{'scripts':>9}{'whole s':>9}{'inside':>8}  " + "".join(f"{name:>13}" for name in names))
    for backend in sys.argv[1:] or canireuse_adapters.names():
        spent, scripts, whole = measure(backend)
        print(
            f"{backend:12}{scripts:9}{whole:9.2f}{spent.scripts / whole:8.2f}  "
            + "".join(f"{getattr(spent, name):13.3f}" for name in names)
        )


if __name__ == "__main__":
    main()
