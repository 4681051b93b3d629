"""What the pytest plugin costs a project without specs: `python benchmarks/plugin.py [--runs N]`.

In a project that has one test and folders called as those of this project, pytest runs by turns with the plugin and without
it; printed are the processor times of both and their difference, in milliseconds: medians, and the quartiles of the difference.
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path


def spent(folder: Path, *arguments: str) -> float:
    """Return the processor time of one run of pytest in a folder, in milliseconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", "pytest", "-q", *arguments]
    subprocess.run(command, cwd=folder, env={**os.environ, "PYTHONPATH": ""}, capture_output=True, check=True)  # noqa: S603  # our own
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return 1000 * (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def main() -> None:
    """Print one line for each way and one for the difference."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=21)
    runs = parser.parse_args().runs
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for room in ("adapters", "conformance", "reports", "specs"):
            (folder / room).mkdir()
            (folder / room / "__init__.py").touch()
        (folder / "test_one.py").write_text("def test_one():\n    pass\n", encoding="utf-8")
        spent(folder)  # caches of byte code
        pairs = [(spent(folder, "-p", "no:canireuse"), spent(folder)) for _ in range(runs)]
    without, plugin = (statistics.median(column) for column in zip(*pairs, strict=True))
    low, middle, high = statistics.quantiles([after - before for before, after in pairs], n=4)
    print(f"without the plugin {without:8.0f} ms\nwith it            {plugin:8.0f} ms")
    print(f"difference         {middle:8.0f} ms, quartiles {low:.0f} to {high:.0f}")


if __name__ == "__main__":
    main()
